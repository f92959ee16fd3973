"""Recovery with a trained distance: hooked into the job, doubted where it does not belong, refused in sentences."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.spatial.transform import Rotation

from emviewer.engine import learned, learned_centre, orientations_starts
from emviewer.engine.conventions import matrix_to_euler
from emviewer.engine.errors import EmviewerError
from emviewer.engine.jobs import recover, recover_learned
from emviewer.engine.jobs.recover_params import RecoverParams
from emviewer.engine.jobs.run import run_job
from emviewer.engine.learned import Embedding, LearnedDistance
from emviewer.engine.learned_calibrate import Calibration
from emviewer.engine.learned_cells import Cells
from emviewer.engine.learned_network import Shape, initial
from emviewer.engine.learned_ratio import ratio_of
from emviewer.engine.learned_rings import Rings
from emviewer.engine.mrc_write import StackWriter
from emviewer.engine.orientations_judge import judged
from emviewer.engine.orientations_lines import Lines
from emviewer.engine.orientations_quick import Found
from emviewer.engine.orientations_solution import Solution
from emviewer.engine.params import validated
from emviewer.engine.rotations import angle_deg
from emviewer.engine.simulate_phantom import phantom_blobs
from emviewer.engine.star_write import write_particles
from emviewer.engine.symmetry import point_group

BOX, PIXEL, N = 40, 4.0, 60
BADGE = {
    "map": "thing", "map_sha256": "0" * 16, "symmetry": "C1", "pixel_size_A": PIXEL, "box_A": BOX * PIXEL,
    "particle_radius_A": 50.0, "snr": [0.5, 50.0], "snr_region": "box", "ctf": None,
    "certainty": {"snr": [0.5, 50.0], "median": [0.8, 0.9]},
}  # fmt: skip


def a_model(group="C1"):
    cells = Cells(30.0, 16, point_group(group))
    network = initial(Shape(8, 6, 16, 8, 1, 4, cells.directions), np.random.default_rng(0))
    knots = np.linspace(0, np.pi, 5)[None]
    straight = Calibration(np.array([0.5]), knots, knots, np.full((1, 5), 0.1))
    return LearnedDistance(network, Rings(55.0, 8, 6), cells, straight, BADGE | {"symmetry": group})


def write_set(folder, name, views):
    images = phantom_blobs(name, BOX).project(views, BOX)
    images = images + np.random.default_rng(1).normal(size=images.shape) * images.std() / 3
    with StackWriter(folder / "images.mrcs", (BOX, BOX), PIXEL) as stack:
        stack.append(images.astype(np.float32))
    angles = matrix_to_euler(views)
    table = pd.DataFrame({"rlnImageName": [f"{i + 1:06d}@images.mrcs" for i in range(N)]})
    for i, column in enumerate(("rlnAngleRot", "rlnAngleTilt", "rlnAnglePsi")):
        table[column] = angles[:, i]
    write_particles(folder / "truth.star", table)


@pytest.fixture(scope="module")
def planted(tmp_path_factory):
    folder = tmp_path_factory.mktemp("planted")
    views = Rotation.random(N, random_state=3).as_matrix()
    write_set(folder, "C1", views)
    a_model().save(folder / "model.npz")
    return folder, views


def run(folder, out, **values):
    given = {
        "images": str(folder / "images.mrcs"), "truth": str(folder / "truth.star"), "method": "distances",
        "distance": "learned", "model": str(folder / "model.npz"), "max_shift": 0.0, "reconstruct": False,
        "report": "none",
    } | values  # fmt: skip
    job = run_job(recover.SPEC, validated(RecoverParams, given), out)
    while True:
        try:
            next(job)
        except StopIteration as end:
            return end.value


def knowing(monkeypatch, views, off_rad, certainty, turn=None):
    """Let a network say the true views, each off by an angle, in a frame of its own."""
    turn = np.eye(3) if turn is None else turn
    axes = np.random.default_rng(5).normal(size=(N, 3))
    axes *= off_rad / np.linalg.norm(axes, axis=1, keepdims=True)
    said = Rotation.from_rotvec(axes).as_matrix() @ views @ turn
    embedding = Embedding(said, np.full(N, certainty))
    monkeypatch.setattr(
        recover_learned, "embed_centred", lambda model, images, pixel, centre, *rest: (embedding, centre)
    )


def test_views_that_the_network_knows_come_out_sharper(planted, tmp_path, monkeypatch):
    folder, views = planted
    knowing(monkeypatch, views, 0.15, 0.9, Rotation.random(random_state=9).as_matrix())
    outcome = run(folder, tmp_path / "out")
    assert outcome.summary["error_median_deg"] < 3.0  # 8.6 before
    assert outcome.summary["confidence_median"] > 0.7
    assert not [w for w in outcome.warnings if "structure" in w]
    curve = pd.read_csv(tmp_path / "out" / "progress.csv")
    assert {"loss"} <= set(curve.curve)
    kept = np.load(tmp_path / "out" / "distances.npy")
    assert kept.shape == (N, N)
    assert outcome.summary["trained_on"]["map"] == "thing"
    assert json.loads((tmp_path / "out" / "job.json").read_text())["trained_on"] == outcome.summary["trained_on"]


def test_a_symmetric_particle_begins_at_the_views_of_the_network(tmp_path, monkeypatch):
    monkeypatch.setattr(orientations_starts, "COARSE_VIEWS", 2000)
    monkeypatch.setattr(orientations_starts, "FINE_VIEWS", 3000)
    views = Rotation.random(N, random_state=3).as_matrix()
    write_set(tmp_path, "D2", views)
    a_model("D2").save(tmp_path / "model.npz")
    # any of the equivalent views is as good: the network knows no other
    group = np.asarray(point_group("D2").rotations)
    said = views @ group[np.arange(N) % 4]
    knowing(monkeypatch, said, 0.1, 0.9)
    outcome = run(tmp_path, tmp_path / "out", sym="D2")
    assert outcome.summary["error_median_deg"] < 5.0
    assert outcome.summary["confidence_median"] > 0.7


def test_a_network_that_recognises_nothing_says_so_and_is_not_believed(planted, tmp_path, monkeypatch):
    monkeypatch.setattr(orientations_starts, "COARSE_VIEWS", 1500)
    monkeypatch.setattr(orientations_starts, "FINE_VIEWS", 2000)
    folder, _ = planted
    outcome = run(folder, tmp_path / "out")
    assert any(learned.OTHER in w for w in outcome.warnings)
    assert outcome.summary["confidence_median"] < 0.2


def test_a_model_of_another_symmetry_is_refused(planted, tmp_path):
    folder, _ = planted
    a_model("C4").save(tmp_path / "c4.npz")
    with pytest.raises(EmviewerError, match=r"trained with C4, not C1.*--sym"):
        run(folder, tmp_path / "out", model=str(tmp_path / "c4.npz"))


def test_a_model_for_larger_particles_is_refused(planted, tmp_path):
    folder, _ = planted
    large = a_model()
    large = replace(large, rings=replace(large.rings, radius_A=300.0))
    large.save(tmp_path / "large.npz")
    with pytest.raises(EmviewerError, match="smaller than the particle"):
        run(folder, tmp_path / "out", model=str(tmp_path / "large.npz"))


def test_the_network_is_believed_only_where_lines_support_it():
    views = Rotation.random(5, random_state=0).as_matrix()
    seen = Embedding(views, np.full(5, 0.9))
    turn = Rotation.random(random_state=1).as_matrix()
    moved = views.copy()
    moved[4] = moved[4] @ Rotation.from_rotvec([0, 1.0, 0]).as_matrix()
    doubt = f"only 19 % of the common lines of the images {recover_learned.LINES_ONLY} beyond chance"
    found = Solution(moved @ turn, np.zeros((5, 2)), np.full(5, 0.2), "done", warnings=(doubt, "other"))
    group = np.eye(3)[None]
    some = recover_learned._believed(replace(found, support=np.full(5, 0.2)), seen, group)
    np.testing.assert_allclose(some.confidence, [0.9, 0.9, 0.9, 0.9, 0.2])
    assert some.warnings == ("other",)
    none = recover_learned._believed(replace(found, support=np.full(5, 0.02)), seen, group)
    assert none.confidence.max() == 0.2 and none.warnings == (doubt, "other")


def test_the_words_of_the_doubt_about_lines_are_those_of_the_judge():
    views, angle = Rotation.random(N, random_state=0).as_matrix(), np.random.default_rng(0).uniform(0, 7, (N, N))
    lines = Lines(np.stack([np.cos(angle), np.sin(angle)], axis=-1), np.ones((N, N), np.float32), np.zeros((N, N)))
    found = Solution(views, np.zeros((N, 2)), np.zeros(N), "settled")
    said = judged(found, Found(lines, views, 0.0), np.arange(N), point_group("C1")).warnings
    assert any(recover_learned.LINES_ONLY in w for w in said)


@pytest.mark.parametrize("snr", [0.1, 1.0])
def test_the_ratio_of_images_is_estimated_at_the_box_of_the_map(snr):
    rng = np.random.default_rng(0)
    y, x = np.ogrid[:64, :64]
    blob = np.exp(-((y - 32) ** 2 + (x - 32) ** 2) / 72) * 10
    sd = np.sqrt(blob.var() / snr)
    images = (blob + rng.normal(0, sd, (60, 64, 64))).astype(np.float32)
    badge = {"particle_radius_A": 60.0, "pixel_size_A": 3.0, "box_A": 192.0, "snr_region": "box"}
    assert abs(ratio_of(images, 3.0, badge) / snr - 1) < 0.25
    cut = ratio_of(images[:, 8:-8, 8:-8], 3.0, badge)  # a smaller box holds the same particle and noise
    assert abs(cut / snr - 1) < 0.35
    assert ratio_of(np.where(np.hypot(y - 32, x - 32) < 20, images, 0), 3.0, badge) is None
    assert ratio_of(images, 3.0, {}) is None
    images[::2] = 0  # left out
    assert abs(ratio_of(images, 3.0, badge, np.arange(1, 60, 2)) / snr - 1) < 0.3


class Centring:
    """Scores images by how round they are: the particle is in the middle where the first order is weakest."""

    turns = 16

    def score(self, orders):
        scores = np.zeros((len(orders), 16 * a_model().cells.directions), np.float32)
        scores[:, 3] = 30 - np.abs(orders[:, 1]).sum(axis=1)
        return scores


def test_particles_are_found_where_the_network_scores_them_highest():
    rng = np.random.default_rng(0)
    stands = rng.uniform(-3, 3, (12, 2))
    y, x = np.mgrid[:BOX, :BOX] - BOX // 2
    images = np.exp(-((x - stands[:, 0, None, None]) ** 2 + (y - stands[:, 1, None, None]) ** 2) / 50).astype(
        np.float32
    )
    model = replace(a_model(), network=Centring(), badge={"shift_A": 3.0})
    seen, found = learned_centre.embed_centred(model, images, PIXEL, np.zeros((12, 2)), 4.5)
    assert np.linalg.norm(found - stands, axis=1).max() < 1.0
    np.testing.assert_allclose(seen.views, np.repeat(seen.views[:1], 12, axis=0), atol=1e-6)
    again, kept = learned_centre.embed_centred(model, images, PIXEL, stands, 0.0)
    np.testing.assert_array_equal(kept, stands)
    assert again.certainty.min() > 0.1
    assert seen.sought and not again.sought


class Deceived:
    """Reads where it looks; scores one view well about the middle, another by chance a little better far out."""

    turns = 16

    def read_some(self, images, place):
        return place

    def score(self, place):
        scores = np.zeros((len(place), 16 * a_model().cells.directions), np.float32)
        far = np.hypot(*place.T)
        scores[:, 3] = 12.0 * (far < 2.5)
        scores[:, 90] = 12.5 * ((far > 3.5) & (place[:, 0] > 3.5))
        return scores


def test_what_is_scored_at_many_places_outweighs_what_is_scored_at_one(monkeypatch):
    monkeypatch.setattr(LearnedDistance, "reader", lambda *_: Deceived())
    model = replace(a_model(), network=Deceived(), badge={"shift_A": 2.0 * PIXEL / 3})
    images = np.zeros((3, BOX, BOX), np.float32)
    seen, stands = learned_centre.embed_centred(model, images, PIXEL, np.zeros((3, 2)), 4.0)
    wanted = model.cells.views[3]
    assert angle_deg(np.broadcast_to(wanted, (3, 3, 3)), seen.views).max() < 20
    assert np.abs(stands).max() < 1.0
    assert (seen.certainty < 0.98).all()  # something speaks for another place and view


@pytest.mark.parametrize(("reach", "step"), [(0.0, 1.5), (1.0, 1.5), (5.0, 1.5), (40.0, 2.0)])
def test_places_cover_the_reach_and_begin_in_the_middle(reach, step):
    found = learned_centre.places(reach, step)
    np.testing.assert_array_equal(found[0], [0, 0])
    assert np.hypot(*found.T).max() <= reach * (1 + 1e-9)
    assert len(found) <= 61
    probe = np.random.default_rng(0).uniform(-1, 1, (400, 2)) * reach
    probe = probe[np.hypot(*probe.T) <= reach]
    near = np.linalg.norm(probe[:, None] - found, axis=2).min(axis=1)
    assert near.max() <= max(step, reach / 4) * 1.01
