"""Matching: planted views are found, to the accuracy that noise allows; what cannot be told has no margin."""

from __future__ import annotations

import inspect

import numpy as np
import pytest
from numba.core.dispatcher import Dispatcher
from scipy.spatial.transform import Rotation

from emviewer.engine import kernels_match, kernels_match_score, kernels_match_search, kernels_match_slice, match_search
from emviewer.engine.match import Matcher
from emviewer.engine.match_grid import Grid, map_slices
from emviewer.engine.match_search import MIRROR, PolarSearch, Slices
from emviewer.engine.match_transform import prepare_transform
from emviewer.engine.simulate_phantom import GaussianPhantom
from emviewer.engine.types import Map3D


def blobs(box: int, seed: int) -> GaussianPhantom:
    rng = np.random.default_rng(seed)
    centres = rng.uniform(-0.24, 0.24, (70, 3)) * box * np.array([1, 0.8, 0.6])
    return GaussianPhantom(centres, rng.uniform(1.8, 4.0, 70), rng.uniform(0.5, 1.5, 70))


def half_sphere(step_deg: float) -> np.ndarray:
    n = int(2 * np.pi / np.radians(step_deg) ** 2 * 1.15)
    i = np.arange(n) + 0.5
    tilt = np.degrees(np.arccos(1 - i / n))
    rot = np.degrees(np.pi * (1 + 5**0.5) * i) % 360
    return Rotation.from_euler("ZYZ", np.c_[rot, tilt, 0 * rot], degrees=True).as_matrix().transpose(0, 2, 1)


def angle_deg(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.degrees(Rotation.from_matrix(a @ b.transpose(0, 2, 1)).magnitude())


@pytest.fixture(scope="module", params=[64, 65])
def planted(request):
    box, n = request.param, 16
    phantom = blobs(box, box)
    rng = np.random.default_rng(5)
    views = Rotation.random(n, random_state=7).as_matrix()
    displaced = rng.uniform(-0.05, 0.05, (n, 2)) * box
    images = phantom.project(views, box, -displaced).astype(np.float32)
    matcher = Matcher(map_slices(Map3D(phantom.density(box), 1.0), Grid(box, 1.0, box)), half_sphere(7), 0.1 * box, 8)
    return matcher, phantom, views, displaced, images


def test_noise_free_views_are_found_exactly(planted):
    matcher, _, views, displaced, images = planted
    found = matcher.refine(matcher.image_values(images), matcher.search(images))
    assert angle_deg(found.rotations[:, 0], views).max() < 0.05
    assert np.abs(found.displacement_px[:, 0] - displaced).max() < 0.005
    assert found.converged[:, 0].all()
    assert found.score[:, 0].min() > 0.9999


def test_noisy_views_reach_the_cramer_rao_bound(planted):
    matcher, phantom, views, displaced, images = planted
    rng = np.random.default_rng(2)
    box = images.shape[1]
    disc = np.hypot(*(np.indices((box, box)) - box // 2)) < 0.36 * box
    sigma = np.sqrt(images[:, disc].var(axis=1).mean() / 4)
    noisy = (images + rng.normal(size=images.shape) * sigma).astype(np.float32)
    found = matcher.refine(matcher.image_values(noisy), matcher.search(noisy))
    bounds = []
    for A, d in zip(views, displaced, strict=True):
        steps = [(Rotation.from_rotvec(w).as_matrix() @ A, d) for w in np.eye(3) * 1e-3] + [
            (A, d + s) for s in np.eye(2) * 1e-3
        ]
        here = phantom.project(A[None], box, -d[None])[0].ravel()
        jacobian = [(phantom.project(a[None], box, -e[None])[0].ravel() - here) / 1e-3 for a, e in steps]
        covariance = np.linalg.inv(np.array([*jacobian, here]) @ np.array([*jacobian, here]).T) * sigma**2
        bounds.append(np.degrees(np.sqrt(np.trace(covariance[:3, :3]))))
    error = angle_deg(found.rotations[:, 0], views)
    near = error < 5 * np.median(bounds)
    assert near.mean() > 0.9
    assert np.sqrt(np.mean(error[near] ** 2)) < 1.3 * np.sqrt(np.mean(np.square(bounds)))


def test_what_is_only_noise_scores_low_and_has_no_margin(planted):
    matcher, _, _, _, images = planted
    noise = np.random.default_rng(0).normal(size=images.shape).astype(np.float32)
    found = matcher.refine(matcher.image_values(noise), matcher.search(noise))
    assert found.score[:, 0].max() < 0.35
    assert np.median(found.score[:, 0] - found.score[:, 1]) < 0.1


def test_the_mirror_matrix_is_the_mirror_image(planted):
    matcher, phantom, views, _, _ = planted
    box = matcher.n
    straight = phantom.project(views[:1], box)[0]
    mirrored = phantom.project(MIRROR @ views[:1], box)[0]
    x = np.arange(box) - box // 2
    inside = np.isin(-x, x)
    flipped = straight[:, [np.flatnonzero(x == -v)[0] for v in x[inside]]]
    np.testing.assert_allclose(mirrored[:, inside], flipped, atol=1e-9 * straight.max())


def test_slices_are_transforms_of_projections(planted):
    matcher, _phantom, views, displaced, images = planted
    expected = matcher.image_values(images)
    got = matcher.model_values(views, displaced)
    assert np.linalg.norm(got - expected) / np.linalg.norm(expected) < 2e-3


def test_slices_are_hermitian():
    data = np.random.default_rng(1).normal(size=(12, 12, 12)).astype(np.float32)
    transform = prepare_transform(data)
    slices = Slices(transform, 12, 2.0, 12)
    points = np.array([[1.3, -2.1], [-1.3, 2.1], [0.2, 4.9], [-0.2, -4.9]])
    views = Rotation.random(9, random_state=1).as_matrix()
    value = slices.sample(points, views)
    np.testing.assert_allclose(value[:, 0], value[:, 1].conj(), rtol=1e-4, atol=1e-2)
    np.testing.assert_allclose(value[:, 2], value[:, 3].conj(), rtol=1e-4, atol=1e-2)


def test_shift_bound_holds(planted):
    matcher, _, _, _, images = planted
    far = np.roll(images, 15, axis=2)
    found = matcher.refine(matcher.image_values(far), matcher.search(far))
    assert np.hypot(*found.displacement_px[:, 0].T).max() <= matcher.max_shift_px + 1e-9


def test_the_second_view_is_apart_from_the_best(planted):
    matcher, _, _, _, images = planted
    values, found = matcher.image_values(images), matcher.search(images)
    apart = np.radians(14)
    for best in (matcher.scored(values, found, apart_rad=apart), matcher.refine(values, found, apart_rad=apart)):
        there = np.isfinite(best.score[:, 1])
        cosine = np.sum(best.rotations[:, 0, 2] * best.rotations[:, 1, 2], axis=1)
        assert there.sum() > 0.9 * len(images)
        assert (cosine[there] < np.cos(apart) + 1e-9).all()
        assert (best.score[there, 0] >= best.score[there, 1]).all()


def test_loops_that_promise_finite_numbers_are_given_no_infinities(monkeypatch):
    """Compiled with fastmath, a loop may do anything with an infinity: it is an exact promise, not a tolerance."""
    begun = []

    def begin(sums, half, n_shifts, first, score, where):
        begun.append(np.isfinite(score).all())

    monkeypatch.setattr(match_search.kernels, "best_psi_and_shift", begin)
    slices = Slices(prepare_transform(np.ones((16, 16, 16), np.float32)), 16, 2.0, 16)
    search = PolarSearch(slices, np.eye(3)[None], np.ones(9), 5.0, 1.0)
    search._block(np.ones((1, search.size, search.size), np.float32))
    assert begun and all(begun)
    for module in (kernels_match, kernels_match_score, kernels_match_search, kernels_match_slice):
        for loop in vars(module).values():
            if isinstance(loop, Dispatcher) and loop.targetoptions.get("fastmath"):
                assert "np.inf" not in inspect.getsource(loop.py_func), loop
