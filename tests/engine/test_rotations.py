"""Random and even rotations, and angles between them."""

from __future__ import annotations

import numpy as np
from scipy.spatial.transform import Rotation
from scipy.stats import kstest

from emviewer.engine import rotations as ro
from emviewer.engine.symmetry import point_group


def test_random_rotations_are_proper_repeatable_and_uniform():
    first = ro.random_rotations(4000, np.random.default_rng(7))
    np.testing.assert_array_equal(first, ro.random_rotations(4000, np.random.default_rng(7)))
    np.testing.assert_allclose(first @ first.transpose(0, 2, 1), np.broadcast_to(np.eye(3), first.shape), atol=1e-12)
    np.testing.assert_allclose(np.linalg.det(first), 1.0)
    angle = np.deg2rad(ro.angle_deg(first, np.eye(3)))
    assert kstest(angle, lambda t: (t - np.sin(t)) / np.pi).pvalue > 1e-3
    assert kstest(ro.directions(first)[:, 2], lambda z: (z + 1) / 2).pvalue > 1e-3


def test_super_fibonacci_covers_rotations_as_promised():
    n = 4400
    grid = Rotation.from_matrix(ro.super_fibonacci(n)).as_quat()
    probes = Rotation.random(800, random_state=3).as_quat()
    nearest = 2 * np.rad2deg(np.arccos(np.minimum(1, np.abs(probes @ grid.T).max(axis=1))))
    assert nearest.max() < 15.0


def test_super_fibonacci_spreads_more_evenly_than_chance():
    def worst(matrices):
        q = Rotation.from_matrix(matrices).as_quat()
        probes = Rotation.random(1000, random_state=4).as_quat()
        return np.arccos(np.minimum(1, np.abs(probes @ q.T).max(axis=1))).max()

    assert worst(ro.super_fibonacci(1000)) < 0.75 * worst(ro.random_rotations(1000, np.random.default_rng(0)))
    assert ro.super_fibonacci(0).shape == (0, 3, 3)


def test_rotation_vectors_are_scipys():
    vectors = np.concatenate([np.random.default_rng(5).normal(0, 2, (50, 3)), np.zeros((1, 3)), [[1e-12, 0, 0]]])
    np.testing.assert_allclose(ro.from_rotvec(vectors), Rotation.from_rotvec(vectors).as_matrix(), atol=1e-14)


def test_angle_is_scipys_and_exact_when_small():
    a, b = Rotation.random(200, random_state=1), Rotation.random(200, random_state=2)
    expected = np.rad2deg((a * b.inv()).magnitude())
    np.testing.assert_allclose(ro.angle_deg(a.as_matrix(), b.as_matrix()), expected, atol=1e-9)
    tiny = Rotation.from_rotvec([0, 1e-9, 0]).as_matrix()
    np.testing.assert_allclose(ro.angle_deg(tiny, np.eye(3)), np.rad2deg(1e-9), rtol=1e-6)


def test_angle_modulo_a_group_forgets_its_copies():
    group = point_group("D3")
    views = ro.random_rotations(50, np.random.default_rng(1))
    nudged = Rotation.from_rotvec([0.01, 0.02, -0.01]).as_matrix() @ views
    small = np.rad2deg(np.linalg.norm([0.01, 0.02, -0.01]))
    for g in group.rotations:
        np.testing.assert_allclose(ro.angle_modulo_deg(nudged @ g.T, views, group.rotations), small, rtol=1e-9)
    everywhere = np.min([ro.angle_deg(views, np.eye(3) @ g.T) for g in group.rotations], axis=0)
    np.testing.assert_allclose(ro.angle_modulo_deg(views, np.eye(3), group.rotations), everywhere, atol=1e-9)


def test_angle_of_directions():
    a = np.array([[1.0, 0, 0], [0, 0, 1]])
    b = np.array([[0, 1.0, 0], [np.sin(1e-8), 0, np.cos(1e-8)]])
    np.testing.assert_allclose(ro.direction_angle_deg(a, b), [90.0, np.rad2deg(1e-8)], rtol=1e-7)
