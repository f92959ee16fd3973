"""Parts of a map, domains that moved, and symmetry that was not told: the right place and hand, or an honest doubt."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from emviewer.engine.align3d import Aligner, Pose3D, Search
from emviewer.engine.align3d_choose import Chooser
from emviewer.engine.align3d_common import common
from emviewer.engine.align3d_equal import equals
from emviewer.engine.align3d_map import prepare_map
from emviewer.engine.align3d_pair import Alignment, Options, align
from emviewer.engine.align3d_refine import FLIP
from emviewer.engine.align3d_verdict import Fit
from emviewer.engine.simulate import phantom_blobs
from emviewer.engine.simulate_phantom import GaussianPhantom
from emviewer.engine.symmetry import point_group
from emviewer.engine.task import never
from emviewer.engine.types import Map3D

BOX, PIXEL, FINEST = 44, 3.6, 9.0
AXIS = np.array([0.3, 0.5, 0.81])


def chain(n: int = 200, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Centres (Å), sigmas (Å) and heights of a walk of 3.8 Å a step inside a ball."""
    rng = np.random.default_rng(seed)
    way, points = rng.normal(size=3), [np.zeros(3)]
    while len(points) < n:
        way = way / np.linalg.norm(way) + 0.6 * rng.normal(size=3)
        step = points[-1] + 3.8 * way / np.linalg.norm(way)
        if np.linalg.norm(step) > 40:
            way = -step / 40 + rng.normal(size=3)
            continue
        points.append(step)
    centres = np.array(points)
    return centres - centres.mean(axis=0), rng.uniform(2.6, 3.6, n), rng.uniform(0.6, 1.4, n)


def density(centres: np.ndarray, sigmas: np.ndarray, heights: np.ndarray, noise: float = 0.0, seed: int = 0) -> Map3D:
    data = GaussianPhantom(centres / PIXEL, sigmas / PIXEL, heights).density(BOX)
    rough = np.random.default_rng(seed).normal(0, 1, data.shape) * noise
    return Map3D((data + rough).astype(np.float32), PIXEL)


def run(reference: Map3D, moving: Map3D, automatic: bool = True, **more: object) -> Alignment:
    maps = [prepare_map(v, None, FINEST, automatic=automatic) for v in (reference, moving)]
    options = Options(True, 0.35 * BOX * PIXEL, 180.0, FINEST, **more)
    steps = align(maps[0], maps[1], options)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value


def angle(a: np.ndarray, b: np.ndarray) -> float:
    turn = a @ b.T
    return float(np.degrees(Rotation.from_matrix(turn).magnitude())) if np.linalg.det(turn) > 0 else 180.0


@pytest.mark.parametrize(("share", "seed", "noise", "limit"), [(0.35, 3, 0.0, 0.5), (0.25, 4, 0.05, 2.5)])
def test_a_part_finds_its_place_and_hand(share, seed, noise, limit):
    centres, sigmas, heights = chain()
    part = np.argsort(centres @ AXIS)[: int(share * len(centres))]
    matrix = Rotation.random(random_state=seed).as_matrix() @ (FLIP if seed % 2 else np.eye(3))
    shift = np.array([5.0, -3.0, 4.0])
    moving = density((centres[part] - shift) @ matrix, sigmas[part], heights[part], noise, 1)
    found = run(density(centres, sigmas, heights, noise, 2), moving)
    assert angle(found.motion.matrix, matrix) < limit
    assert found.hand == ("flipped" if seed % 2 else "same")
    assert found.same.place == "determined"
    back = ((centres[part] - shift) @ matrix) @ found.motion.matrix.T + found.motion.translation_A
    assert np.sqrt(np.mean(np.sum((back - centres[part]) ** 2, axis=1))) < 1.0


def test_a_whole_finds_its_place_on_a_part():
    centres, sigmas, heights = chain()
    part = np.argsort(centres @ AXIS)[:70]
    matrix = Rotation.random(random_state=5).as_matrix()
    found = run(density(centres[part], sigmas[part], heights[part]), density(centres @ matrix, sigmas, heights))
    assert angle(found.motion.matrix, matrix) < 0.5
    assert found.hand == "same"


def test_a_part_lost_in_noise_is_doubted():
    centres, sigmas, heights = chain()
    part = np.argsort(centres @ AXIS)[:24]
    matrix = Rotation.random(random_state=6).as_matrix()
    moving = density(centres[part] @ matrix, sigmas[part], heights[part], 2.0, 1)
    found = run(density(centres, sigmas, heights, 2.0, 2), moving)
    assert angle(found.motion.matrix, matrix) > 10
    assert found.hand == "undetermined"
    assert found.same.place == "undetermined"


def test_a_second_look_that_finds_nothing_leaves_the_first(monkeypatch):
    rng = np.random.default_rng(4)
    maps = [Map3D(rng.normal(size=(24,) * 3).astype(np.float32), 4.0) for _ in range(2)]
    looks = []

    def finalists(chooser: Chooser, poses: list[Pose3D]) -> list[Fit]:
        looks.append(chooser.partial)
        return [] if chooser.partial else plain(chooser, poses)

    plain = Chooser.finalists
    monkeypatch.setattr(Chooser, "finalists", finalists)
    found = run(*maps, automatic=False, step_deg=30.0)
    assert looks == [False, True]
    assert found.hand == "undetermined" and np.isfinite(found.cc_other_hand)


def test_a_domain_that_moved_does_not_pull():
    centres, sigmas, heights = chain()
    order = np.argsort(-(centres @ AXIS))
    domain, core = order[:40], order[40:]
    bent = centres.copy()
    hinge = centres[core[:10]].mean(axis=0)
    turn = Rotation.from_rotvec(np.radians(10) * np.array([0.8, -0.6, 0.0])).as_matrix()
    bent[domain] = (centres[domain] - hinge) @ turn.T + hinge
    matrix = Rotation.random(random_state=7).as_matrix()
    found = run(density(centres, sigmas, heights), density(bent @ matrix, sigmas, heights))
    back = bent[core] @ matrix @ found.motion.matrix.T + found.motion.translation_A
    assert np.sqrt(np.mean(np.sum((back - centres[core]) ** 2, axis=1))) < 0.1
    assert angle(found.motion.matrix, matrix) < 0.2


@pytest.mark.parametrize(("group", "noise"), [("D2", 0.2), ("C4", 0.0)])
def test_symmetry_that_was_not_told_gives_the_smallest_rotation(group, noise):
    p = phantom_blobs(group, BOX)
    centres, sigmas = p.centres_px * PIXEL, p.sigmas_px * PIXEL
    turn = Rotation.from_rotvec(np.radians([4.0, -3.0, 6.0])).as_matrix()
    copy = point_group(group).rotations[1]
    reference = density(centres, sigmas, p.amplitudes, noise, 1)
    moving = density(centres @ (turn @ copy), sigmas, p.amplitudes, noise, 2)
    found = run(reference, moving)
    assert found.pose.angle_deg == pytest.approx(np.degrees(Rotation.from_matrix(turn).magnitude()), abs=0.3)
    assert found.same.place == "symmetric"
    assert found.same.count > 1


def test_one_subunit_of_a_symmetric_map_is_compared_where_it_ends_up():
    p = phantom_blobs("D2", BOX)
    centres, sigmas = p.centres_px * PIXEL, p.sigmas_px * PIXEL
    one = np.argsort(np.arctan2(centres[:, 1], centres[:, 0]))[: len(centres) // 4]
    turn = Rotation.from_rotvec(np.radians([10.0, -5.0, 8.0])).as_matrix()
    group = point_group("D2").rotations
    volumes = density(centres, sigmas, p.amplitudes), density(centres[one] @ turn, sigmas[one], p.amplitudes[one])
    maps = [prepare_map(v, None, FINEST, automatic=True) for v in volumes]
    aligner = Aligner(maps[0], 90.0, 40.0, finest_A=FINEST, box_A=maps[1].box_A)
    chooser = Chooser(aligner, maps[1], Options(False, 40.0, 180.0, FINEST, symmetry=group), never)
    assert chooser.partial
    pose = Pose3D(group[1] @ turn, np.zeros(3), 0.0)
    part = common(aligner, maps[1], pose)
    there = Fit.of(pose, part.aligner, part.moving)
    found = Search([pose], np.ones((1, 1)), pose.matrix[None], np.zeros((1, 1, 3)))
    best, _ = equals(chooser, there, [], found)
    assert angle(best.pose.matrix, turn) < 1e-6
    assert best.information == pytest.approx(there.information, rel=0.05)
    sigma = [f.aligner.uncertainty(f.moving, f.pose) for f in (best, there)]
    assert sigma[0] == pytest.approx(sigma[1], rel=0.05)


def test_what_tells_nothing_of_the_pose_leaves_it_open():
    rng = np.random.default_rng(0)
    one, other = (Map3D(rng.normal(size=(24,) * 3).astype(np.float32), 4.0) for _ in range(2))
    maps = [prepare_map(v, None, 10.0) for v in (one, other)]
    aligner = Aligner(maps[0], 60.0, 30.0, finest_A=10.0)
    flat = replace(maps[1], transform=np.zeros_like(maps[1].transform))
    assert aligner.uncertainty(flat, Pose3D(np.eye(3), np.zeros(3), 0.0)) == (180.0, 30.0)


def test_a_mark_on_one_subunit_breaks_the_symmetry():
    p = phantom_blobs("C4", BOX)
    heights = p.amplitudes.copy()
    heights[: len(heights) // 4] *= 0.8
    matrix = Rotation.from_rotvec(np.radians([0, 0, 90.0])).as_matrix()
    maps = [density(c * PIXEL, p.sigmas_px * PIXEL, heights) for c in (p.centres_px, p.centres_px @ matrix)]
    found = run(maps[0], maps[1])
    assert angle(found.motion.matrix, matrix) < 0.1
    assert found.same.place == "determined"


def test_what_agrees_does_not_lead_away_from_a_real_fit(shared_data):
    from emviewer.engine import sources

    place = shared_data / "map_trpv1_C4_real_and_10_particles"
    volume = sources.open_map(place / "trpv1_volume.mrc")
    model = sources.open_map(place / "3j5p.pdb.gz", resolution_A=12.0)
    maps = [prepare_map(v, None, 12.2, automatic=True) for v in (volume, model)]
    steps = align(maps[0], maps[1], Options(True, 80.0, 180.0, 12.2, symmetry=point_group("C4").rotations))
    while True:
        try:
            next(steps)
        except StopIteration as end:
            found = end.value
            break
    assert found.cc_after > 0.67 > found.cc_other_hand
    assert np.abs(found.motion.translation_A).max() < 1.0
    assert found.sigma_angle_deg < 1.0


def test_errors_scatter_as_their_standard_deviations_say():
    found = []
    for i in range(10):
        maps = [prepare_map(density(*chain(), 0.3, 2 * i + k), None, FINEST, automatic=True) for k in (1, 2)]
        aligner = Aligner(maps[0], 90.0, 40.0, finest_A=FINEST, box_A=maps[1].box_A)
        pose = aligner.polish(maps[1], Pose3D(np.eye(3), np.zeros(3), 0.0))
        found.append((pose.angle_deg, np.linalg.norm(pose.translation_A), *aligner.uncertainty(maps[1], pose)))
    errors, sigmas = np.array(found)[:, :2], np.array(found)[:, 2:]
    ratio = np.sqrt(np.mean(errors**2, axis=0)) / np.median(sigmas, axis=0)
    assert (ratio > 0.5).all()
    assert (ratio < 2.0).all()
