"""Common lines of a phantom's projections give its views back, up to one rotation and hand."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from emviewer.engine import orientations_lines as ol
from emviewer.engine import orientations_match
from emviewer.engine.orientations_align import align_views
from emviewer.engine.simulate_phantom import GaussianPhantom

BOX = 48


@pytest.fixture(scope="module")
def projections():
    rng = np.random.default_rng(3)
    phantom = GaussianPhantom(rng.uniform(-9, 9, (50, 3)), rng.uniform(1.5, 2.5, 50), rng.uniform(0.5, 1.5, 50))
    views = Rotation.random(60, random_state=2).as_matrix()
    return phantom, views, phantom.project(views, BOX).astype(np.float32)


def test_clean_lines_give_the_views(projections):
    _, views, images = projections
    rays, rings = ol.polar_rays(images, 14, 180)
    lines = ol.common_lines(rays, rings, BOX)
    found = ol.reweighted(lines, ol.synchronise(lines))
    error = np.degrees(align_views(views, found)[2])
    assert np.median(error) < 1.0
    residual = ol.residuals(lines, found)
    assert np.median(residual[np.triu_indices(60, 1)]) < 0.05


def test_lines_of_shifted_images_need_trial_shifts(projections):
    phantom, views, _ = projections
    shift = np.random.default_rng(0).uniform(-2, 2, (60, 2))
    images = phantom.project(views, BOX, shift).astype(np.float32)
    rays, rings = ol.polar_rays(images, 14, 90)
    error = {}
    for trial in (0.0, 5.0):
        lines = ol.common_lines(rays, rings, BOX, trial)
        error[trial] = np.degrees(np.median(align_views(views, ol.consistent(lines))[2]))
    assert error[5.0] < 8.0 < error[0.0]


def test_matching_to_half_maps_mends_wrong_views(projections):
    _, views, images = projections
    start = Rotation.from_rotvec(np.random.default_rng(1).normal(0, 0.08, (60, 3))).as_matrix() @ views
    before = np.median(align_views(views, start)[2])
    *_, last = orientations_match.rounds(images, start, np.zeros((60, 2)), count=4)
    assert np.median(align_views(views, last.rotations)[2]) < 0.6 * before
    assert last.score.min() > 0.8
