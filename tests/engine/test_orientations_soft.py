"""Views settle with the map they give: nearer to the truth than where they began, and single wrong ones come back."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from emviewer.engine import orientations_soft
from emviewer.engine.orientations_align import align_views
from emviewer.engine.orientations_em import prepare_images
from emviewer.engine.orientations_solution import Plan, Solution
from emviewer.engine.simulate_phantom import phantom_blobs
from emviewer.engine.symmetry import point_group
from emviewer.engine.task import Cancelled

BOX, N = 48, 80


@pytest.fixture(scope="module")
def noisy():
    """Images at SNR 4 over the box, displaced; their views and displacements."""
    rng = np.random.default_rng(3)
    views = Rotation.random(N, random_state=4).as_matrix()
    shift = rng.uniform(-2, 2, (N, 2))
    images = phantom_blobs("C1", BOX).project(views, BOX, shift)
    images = images + rng.normal(size=images.shape) * images.std() * 0.5
    return prepare_images(images.astype(np.float32), 19.0), views, -shift  # shifts are RELION's origins


def begun(views, degrees):
    turn = np.random.default_rng(5).normal(0, np.radians(degrees), (len(views), 3))
    return Rotation.from_rotvec(turn).as_matrix() @ views


def test_views_and_displacements_settle(noisy):
    images, views, shift = noisy
    start = begun(views, 5)
    before = np.degrees(np.median(align_views(views, start)[2]))
    *_, last = orientations_soft.settle(
        images, start, shift + np.random.default_rng(1).normal(0, 0.7, shift.shape), radius_px=19.0, top=9.0,
        max_shift_px=4.0,
    )  # fmt: skip
    after = np.degrees(align_views(views, last.rotations)[2])
    assert np.median(after) < 0.4 * before
    assert last.top > 9.0  # there is signal beyond where it began
    # displacements are known up to one of the object, which moves all images as their views tell
    rows, apart = last.rotations[:, :2].reshape(-1, 3), (last.displacement_px - shift).ravel()
    left = apart - rows @ np.linalg.lstsq(rows, apart, rcond=None)[0]
    assert np.median(np.hypot(*left.reshape(-1, 2).T)) < 0.5
    # how far views may be wrong is known: most are within twice the spread
    assert np.mean(after < 2 * np.degrees(last.spread_rad)) > 0.75


def test_still_particles_stay_where_they_are(noisy):
    images, views, _ = noisy
    *_, last = orientations_soft.settle(images, views, np.zeros((N, 2)), radius_px=19.0, top=9.0, rounds=2)
    assert not last.displacement_px.any()


def test_images_that_went_elsewhere_come_back(noisy):
    images, views, shift = noisy
    start = begun(views, 3)
    start[:6] = start[10:16]
    found = Solution(start, shift, np.zeros(N), "started")
    plan = Plan(4.0, 19.0, rounds=3)
    stages = list(orientations_soft.settled(images, found, point_group("C1"), plan, 9.0))
    assert [s.stage for s in stages][-1] == "settled"
    assert np.degrees(align_views(views, stages[-1].rotations)[2]).max() < 15


def test_it_stops_when_asked(noisy):
    images, views, shift = noisy

    def stop():
        raise Cancelled

    with pytest.raises(Cancelled):
        list(orientations_soft.settle(images, views, shift, radius_px=19.0, top=9.0, check=stop))


def test_particles_go_further_than_they_were_searched_for(noisy):
    images, views, displaced = noisy
    found = Solution(begun(views, 3), np.clip(displaced, -0.5, 0.5), np.zeros(N), "started")
    plan = Plan(0.5, 19.0, rounds=5, farthest_px=5.0)
    *_, last = orientations_soft.settled(images, found, point_group("C1"), plan, 9.0)
    *_, kept = orientations_soft.settled(images, found, point_group("C1"), replace(plan, farthest_px=None), 9.0)
    error = [np.median(align_views(views, s.rotations)[2]) for s in (last, kept)]
    assert error[0] < 0.7 * error[1]


def test_images_that_begin_beyond_the_bound_are_not_stuck(noisy):
    images, views, displaced = noisy
    start = begun(views, 5)
    *_, last = orientations_soft.settle(images, start, 3 * displaced, radius_px=19.0, top=9.0, max_shift_px=2.9)
    before, after = (np.median(align_views(views, v)[2]) for v in (start, last.rotations))
    assert after < 0.4 * before
    assert np.hypot(*last.displacement_px.T).max() < 2.9 + 1e-6


def test_it_widens_no_more_at_the_last_ring_of_an_odd_box(noisy):
    images, views, displaced = noisy
    odd = np.ascontiguousarray(images[:, :47, :47])
    tops = [s.top for s in orientations_soft.settle(odd, views, displaced, radius_px=19.0, top=30.0, max_shift_px=4.0)]
    assert len(tops) < 8
    assert len(set(tops)) == 1


@pytest.mark.parametrize("group", ["C1", "C4"])
def test_images_without_noise_do_not_drift_off_on_rings_without_signal(group):
    views = Rotation.random(60, random_state=1).as_matrix()
    clean = prepare_images(phantom_blobs(group, BOX).project(views, BOX).astype(np.float32), 19.0)
    elements = np.asarray(point_group(group).rotations)
    found = Solution(begun(views, 3), np.zeros((60, 2)), np.zeros(60), "started")
    *_, last = orientations_soft.settled(clean, found, point_group(group), Plan(4.0, 19.0), 12.0)
    assert np.degrees(align_views(views, last.rotations, elements)[2]).max() < 2.5
