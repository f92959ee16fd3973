"""Orientations from distances: exact ones give exact orientations, errors average out, O(4) is all that is lost."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from emviewer.engine.orientations_align import align_o4, distances
from emviewer.engine.orientations_distances import finished, pairs_from_matrix, recover, steps


def planted(n: int, seed: int, sd: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    q = Rotation.random(n, random_state=seed).as_quat()[:, [3, 0, 1, 2]]
    d = 2 * np.arccos(np.clip(np.abs(q @ q.T), 0, 1))
    error = np.triu(np.random.default_rng(seed).normal(size=(n, n)) * sd, 1)
    return q, d + error + error.T


@pytest.mark.parametrize("partners", [60, 10_000])
def test_exact_distances_give_exact_orientations(partners):
    q, d = planted(300, 1)
    rng = np.random.default_rng(0)
    found = recover(pairs_from_matrix(d, partners, rng), rng)
    assert align_o4(q, found.quaternions)[1].max() < 1e-4
    assert found.loss < 1e-9


def test_errors_of_distances_average_out():
    q, d = planted(400, 2, 0.4)
    rng = np.random.default_rng(0)
    few = recover(pairs_from_matrix(d, 100, rng, 0.4), rng)
    many = recover(pairs_from_matrix(d, 399, rng, 0.4), rng)
    error = [np.median(align_o4(q, r.quaternions)[1]) for r in (few, many)]
    assert error[1] < 0.6 * error[0] < 0.12
    assert error[1] < 0.09


def test_large_errors_are_fitted_in_the_distances_themselves():
    q, d = planted(500, 2, 0.8)
    rng = np.random.default_rng(0)
    pairs = pairs_from_matrix(d, 300, rng, 0.8)
    *_, cosines = steps(pairs, rng)
    error = [np.median(align_o4(q, r.quaternions)[1]) for r in (cosines, finished(pairs, cosines, rng))]
    assert error[1] < 0.85 * error[0]


def test_an_image_that_does_not_fit_has_a_large_loss():
    q, d = planted(120, 3)
    d[7] = d[:, 7] = np.random.default_rng(1).uniform(0, np.pi, 120)
    rng = np.random.default_rng(0)
    found = recover(pairs_from_matrix(d, 10_000, rng), rng, delta=0.3)
    assert np.argmax(found.loss_of) == 7
    error = align_o4(q, found.quaternions)[1]
    assert np.median(error) < 0.02


def test_o4_alignment_undoes_a_planted_element():
    q, _ = planted(50, 4)
    for seed in range(4):
        m, _ = np.linalg.qr(np.random.default_rng(seed).normal(size=(4, 4)))
        signs = np.sign(np.random.default_rng(seed + 9).normal(size=(50, 1)))
        _, left = align_o4(q, signs * (q @ m))
        assert left.max() < 1e-6


def test_distances_are_angles_of_rotation_also_when_small():
    a = Rotation.random(20, random_state=1)
    turn = Rotation.from_rotvec(np.linspace(1e-9, 3.0, 20)[:, None] * np.array([[0.6, 0.0, 0.8]]))
    quaternions = [r.as_quat()[:, [3, 0, 1, 2]] for r in (a, turn * a)]
    np.testing.assert_allclose(distances(*quaternions), np.linspace(1e-9, 3.0, 20), rtol=1e-6)
