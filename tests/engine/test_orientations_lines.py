"""Common lines of a phantom's projections give its views back, up to one rotation and hand."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from emviewer.engine import orientations_lines as ol
from emviewer.engine import orientations_match
from emviewer.engine.conventions import euler_to_matrix
from emviewer.engine.orientations_align import align_views
from emviewer.engine.sampling import even
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


def test_images_sought_again_in_the_map_of_the_others_come_back(projections):
    _, views, images = projections
    start = Rotation.from_rotvec(np.random.default_rng(1).normal(0, 0.05, (60, 3))).as_matrix() @ views
    start[:5] = start[20:25]
    everywhere = euler_to_matrix(*even(10.0).T)
    found = orientations_match.search_again(images, start, np.zeros((60, 2)), everywhere)
    assert np.degrees(align_views(views, found.rotations)[2]).max() < 10
    assert found.score.min() > 0.8
