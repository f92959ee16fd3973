"""Map alignment: planted motions of both hands are found; scores are correlations."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from emviewer.engine.align3d import FLIP, Aligner, half_ball
from emviewer.engine.align3d_map import prepare_map
from emviewer.engine.simulate_phantom import GaussianPhantom
from emviewer.engine.types import Map3D

BOX, PIXEL = 48, 4.0


def phantom() -> GaussianPhantom:
    rng = np.random.default_rng(0)
    centres = rng.uniform(-0.2, 0.2, (60, 3)) * BOX * np.array([1, 0.8, 0.6])
    return GaussianPhantom(centres, rng.uniform(1.6, 3.0, 60), rng.uniform(0.5, 1.5, 60))


def moved(matrix: np.ndarray, translation_A: np.ndarray, box: int = BOX, pixel: float = PIXEL) -> Map3D:
    """The map that ``x' = matrix x + translation`` brings onto the phantom."""
    p = phantom()
    centres = (p.centres_px * PIXEL - translation_A) @ matrix
    return Map3D(GaussianPhantom(centres / pixel, p.sigmas_px * PIXEL / pixel, p.amplitudes).density(box), pixel)


@pytest.mark.parametrize(("flipped", "box", "pixel"), [(False, BOX, PIXEL), (True, BOX, PIXEL), (True, 61, 3.1)])
def test_planted_motion_is_found(flipped, box, pixel):
    matrix = Rotation.random(random_state=box + flipped).as_matrix() @ (FLIP if flipped else np.eye(3))
    translation = np.array([7.0, -4.0, 9.0])
    reference = prepare_map(Map3D(phantom().density(BOX), PIXEL), None, 10)
    moving = prepare_map(moved(matrix, translation, box, pixel), None, 10)
    aligner = Aligner(reference, 110, 40, finest_A=10)
    aligner.step_deg = 18.0
    found = aligner.search(moving, keep=6)
    assert found.scores.max() <= 1.0
    coarse = [aligner.refine(moving, pose, aligner.coarse, iterations=8) for pose in found.poses]
    best = aligner.polish(moving, max(coarse, key=lambda p: p.score))
    assert best.flipped == flipped
    assert np.degrees(Rotation.from_matrix(best.matrix @ matrix.T).magnitude()) < 0.05
    assert np.abs(best.translation_A - translation).max() < 0.05
    assert best.score > 0.99
    other = max((p for p in coarse if p.flipped != flipped), key=lambda p: p.score)
    assert other.score < 0.95 * best.score


def test_size_is_fitted():
    reference = prepare_map(Map3D(phantom().density(BOX), PIXEL), None, 10)
    moving = prepare_map(Map3D(phantom().density(BOX), PIXEL * 1.02), None, 10)
    aligner = Aligner(reference, 110, 40, finest_A=10)
    start = aligner.search(moving, (False,), keep=1).poses[0]
    found = aligner.polish(moving, aligner.refine(moving, start, aligner.coarse, fit_size=True), fit_size=True)
    assert found.size == pytest.approx(1.02, abs=2e-3) or found.size == pytest.approx(1 / 1.02, abs=2e-3)


def test_half_ball_has_one_of_each_pair():
    points, radius = half_ball(10.0, 0.5)
    both = {tuple(p) for p in np.round(np.concatenate([points, -points]) * 10).astype(int)}
    assert len(both) == 2 * len(points)
    assert (0, 0, 0) not in both
    assert (np.diff(radius) >= 0).all()
    inside = sum((x * x + y * y + z * z) <= 25 for x in range(-5, 6) for y in range(-5, 6) for z in range(-5, 6)) - 1
    assert inside == 2 * len(points)
