"""The recover job end to end: views of a phantom found without the truth, and doubts said where there are some."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import partial

import numpy as np
import pandas as pd
import pytest
from scipy.spatial.transform import Rotation

from emviewer.engine import files, mrc, orientations_soft, orientations_starts, star
from emviewer.engine.conventions import matrix_to_euler
from emviewer.engine.errors import EmviewerError
from emviewer.engine.jobs import reconstruct, recover
from emviewer.engine.jobs.reconstruct_params import ReconstructParams
from emviewer.engine.jobs.recover_outliers import even_out, is_dark
from emviewer.engine.jobs.recover_params import RecoverParams
from emviewer.engine.jobs.run import run_job
from emviewer.engine.mrc_write import StackWriter, write_map
from emviewer.engine.orientations_align import align_views
from emviewer.engine.orientations_solution import Plan, Solution
from emviewer.engine.params import validated
from emviewer.engine.simulate_phantom import GaussianPhantom, phantom_blobs
from emviewer.engine.star_write import write_particles
from emviewer.engine.task import Cancelled, drain

BOX, N = 32, 70


def phantom() -> GaussianPhantom:
    return phantom_blobs("C1", BOX)


def write(folder, images, views, pixel=4.0):
    with StackWriter(folder / "images.mrcs", (BOX, BOX), pixel) as stack:
        stack.append(images.astype(np.float32))
    angles = matrix_to_euler(views)
    table = pd.DataFrame({"rlnImageName": [f"{i + 1:06d}@images.mrcs" for i in range(len(views))]})
    for i, name in enumerate(("rlnAngleRot", "rlnAngleTilt", "rlnAnglePsi")):
        table[name] = angles[:, i]
    write_particles(folder / "truth.star", table)
    return folder / "images.mrcs", folder / "truth.star"


@pytest.fixture(scope="module")
def planted(tmp_path_factory):
    folder = tmp_path_factory.mktemp("planted")
    views = Rotation.random(N, random_state=3).as_matrix()
    images = phantom().project(views, BOX, np.random.default_rng(0).uniform(-1, 1, (N, 2)))
    images = images + np.random.default_rng(1).normal(size=images.shape) * images.std() / 4
    return write(folder, images, views)


@pytest.fixture
def quick(monkeypatch):
    """Coarser grids and fewer rounds, for tests that are not about accuracy."""
    monkeypatch.setattr(recover, "Plan", partial(Plan, iterations=5, rounds=2))
    monkeypatch.setattr(orientations_starts, "COARSE_VIEWS", 1000)
    monkeypatch.setattr(orientations_starts, "FINE_VIEWS", 2000)
    monkeypatch.setattr(orientations_soft, "SEARCH_STEP_DEG", 15.0)


def found(out, images, **options):
    values = {"images": images, "report": "none", "starts": 2, **options}
    drain(run_job(recover.SPEC, validated(RecoverParams, values), out))
    return json.loads((out / "summary.json").read_text()), json.loads((out / "job.json").read_text())


def test_views_are_found_with_their_errors_and_a_map(planted, tmp_path):
    images, truth = planted
    summary, _ = found(tmp_path / "out", images, truth=truth, max_shift=8.0, report="png")
    assert summary["error_median_deg"] < 7 and summary["error_p95_deg"] < 20
    assert summary["error_median_o4_rad"] < np.radians(7)
    assert summary["hand"] == "undetermined" and summary["n_images"] == N
    curve = pd.read_csv(tmp_path / "out" / "fsc.csv")
    assert curve["fsc_truth"][:4].min() > 0.9 and curve["fsc_truth"].iloc[-1] < 0.5
    assert summary["support_of_lines"] > 0.35 and summary["confidence_median"] > 0.8
    assert {"orientations.star", "map.mrc", "half1.mrc", "half2.mrc", "fsc.csv", "report.png"} <= {
        p.name for p in (tmp_path / "out").iterdir()
    }
    table = star.read_star(tmp_path / "out" / "orientations.star")["particles"]
    confidence = star.numbers(table, "emvConfidence")
    assert confidence.min() >= 0 and confidence.max() <= 1
    result = files.read_images(tmp_path / "out" / "orientations.star")
    known = files.read_images(truth)
    error = np.degrees(align_views(known.poses.rotations, result.poses.rotations)[2])
    assert np.median(error) == pytest.approx(summary["error_median_deg"], abs=0.01)
    again = {"particles": tmp_path / "out" / "orientations.star", "report": "none"}
    drain(run_job(reconstruct.SPEC, validated(ReconstructParams, again), tmp_path / "again"))
    a, b = (mrc.read_map(tmp_path / name / "map.mrc").data for name in ("out", "again"))
    assert np.corrcoef(a.ravel(), b.ravel())[0, 1] > 0.9


def test_the_same_seed_gives_the_same_views(planted, tmp_path, quick):
    tables = []
    for name in ("one", "two"):
        found(tmp_path / name, planted[0], sym="C2", starts=1, seed=4, max_shift=0.0, reconstruct=False)
        tables.append((tmp_path / name / "orientations.star").read_text())
        assert not (tmp_path / name / "map.mrc").exists()
    assert tables[0] == tables[1]


@pytest.mark.parametrize("distance", ["perturbed:0.2", "matrix"])
def test_distances_and_the_frame_of_the_images(planted, tmp_path, distance):
    images, truth = planted
    if distance == "matrix":
        views = files.read_images(truth).poses.rotations
        trace = np.einsum("iab,jab->ij", views, views)
        distance = str(tmp_path / "d.npy")
        np.save(distance, np.arccos(np.clip((trace - 1) / 2, -1, 1)))
    summary, _ = found(
        tmp_path / "out", images, truth=truth, method="distances", distance=distance, max_shift=8.0, reconstruct=False
    )
    assert summary["error_median_o4_rad"] < 0.06
    assert np.load(tmp_path / "out" / "distances.npy").shape == (N, N)
    assert summary["error_median_deg"] < 4


def test_orientations_that_are_there_are_settled_without_a_search(planted, tmp_path):
    """As after a job that was stopped: views off by 8° and shifts by 2 px come back to the truth."""
    images, truth = planted
    rng = np.random.default_rng(5)
    off = Rotation.from_rotvec(np.radians(8) / np.sqrt(3) * rng.normal(size=(N, 3))).as_matrix()
    before = off @ files.read_images(truth).poses.rotations
    (tmp_path / "begin").mkdir()
    _, begin = write(tmp_path / "begin", np.zeros((N, BOX, BOX)), before)
    settled = {"truth": truth, "begin": begin, "max_shift": 8.0, "reconstruct": False}
    summary, job = found(tmp_path / "out", images, **settled)
    assert summary["error_median_deg"] < 3.5 and summary["method"] == "begin"
    assert {str(begin)} <= {e.get("path") for e in job["inputs"]}
    images, truth = write(tmp_path, np.zeros((N - 1, BOX, BOX)), before[1:])
    with pytest.raises(EmviewerError, match=f"{N - 1} orientations for {N} images"):
        found(tmp_path / "no", planted[0], begin=truth)


def test_common_lines(tmp_path):
    views = Rotation.random(60, random_state=8).as_matrix()
    images, truth = write(tmp_path, phantom().project(views, BOX), views)
    summary, _ = found(tmp_path / "out", images, truth=truth, method="common-lines", max_shift=0.0, reconstruct=False)
    assert summary["error_median_deg"] < 2
    with pytest.raises(EmviewerError, match="--method auto"):
        found(tmp_path / "no", images, method="common-lines", sym="D2")


def test_a_stopped_search_keeps_its_best_start(planted, tmp_path, monkeypatch):
    views = Rotation.random(N, random_state=3).as_matrix()
    known = Solution(views, np.zeros((N, 2)), np.ones(N), "start 1 of 2", explained=0.9)
    worse = Solution(views[::-1].copy(), np.zeros((N, 2)), np.ones(N), "start 2 of 2", explained=0.3, best=known)

    def stopped(*_):
        yield known
        yield worse
        raise Cancelled

    monkeypatch.setattr(recover, "solve", stopped)
    drain(run_job(recover.SPEC, validated(RecoverParams, {"images": planted[0]}), tmp_path / "out"))
    assert json.loads((tmp_path / "out" / "job.json").read_text())["status"] == "partial"
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert summary["stage"] == "start 1 of 2"
    result = files.read_images(tmp_path / "out" / "orientations.star")
    np.testing.assert_allclose(result.poses.rotations, views, atol=1e-5)
    table = star.read_star(tmp_path / "out" / "orientations.star")["particles"]
    assert not star.numbers(table, "emvConfidence").any(), "nobody has judged these views"
    assert any("stopped before" in w for w in json.loads((tmp_path / "out" / "job.json").read_text())["warnings"])


def test_confidence_is_told_of_judged_views_alone_and_curves_of_what_moves(planted, tmp_path, monkeypatch):
    searched = Solution(np.tile(np.eye(3), (N, 1, 1)), np.zeros((N, 2)), np.ones(N), "start 1", explained=0.9)
    settling = replace(searched, stage="settling", spread_rad=np.full(N, np.pi / 90))
    judged = replace(settling, stage="done", confidence=np.full(N, 0.7), support=np.ones(N))
    monkeypatch.setattr(recover, "solve", lambda *_: iter([searched, settling, judged]))
    values = {"images": planted[0], "reconstruct": False, "report": "none"}
    batches = [b for b in run_job(recover.SPEC, validated(RecoverParams, values), tmp_path / "out") if b.columns]
    assert [b.stage for b in batches] == ["start 1", "settling", "done"]
    assert (
        np.isnan([b.columns["confidence"] for b in batches[:2]]).all()
        and (batches[2].columns["confidence"] == 0.7).all()
    )
    curves = pd.read_csv(tmp_path / "out" / "progress.csv")
    assert list(zip(curves.curve, curves.value, strict=True)) == [("explained", 0.9), ("spread_deg", 2.0)]


def test_three_images_are_refused_and_few_are_doubted(tmp_path):
    views = Rotation.random(3, random_state=1).as_matrix()
    images, _ = write(tmp_path, phantom().project(views, BOX), views)
    with pytest.raises(EmviewerError, match=r"at least 4.*give more images$"):
        found(tmp_path / "out", images)


@pytest.mark.parametrize("clean", [True, False])
def test_hot_pixels_and_odd_scales_are_evened_out_and_other_images_left_alone(clean):
    data = phantom().project(Rotation.random(20, random_state=2).as_matrix(), BOX).astype(np.float32)
    if not clean:
        data += np.random.default_rng(0).normal(size=data.shape).astype(np.float32) * data.std()
    spoilt = data.copy()
    spoilt[3, 5, 5], spoilt[4, 6, 7], spoilt[8, 0, 0] = 1e20, -1e4 * data.std(), 100 * data.std()
    spoilt[6] *= 1e5
    hot, odd = even_out(spoilt, np.arange(20))
    assert list(hot) == [3, 4, 8] and list(odd) == [6]
    np.testing.assert_allclose(spoilt[6] / spoilt[6].std(), data[6] / data[6].std(), rtol=1e-4, atol=1e-5)
    assert 0.3 < spoilt[6].std() / data.std() < 3
    same = np.setdiff1d(np.arange(20), [3, 4, 6, 8])
    np.testing.assert_array_equal(spoilt[same], data[same])
    assert (spoilt[[3, 4, 8]] != data[[3, 4, 8]]).sum() <= 3 and np.abs(spoilt).max() < 100 * data.std()


def test_dark_particles_are_told_from_bright_ones_and_from_noise():
    rng = np.random.default_rng(4)
    data = phantom().project(Rotation.random(40, random_state=2).as_matrix(), BOX)
    noise = rng.normal(size=data.shape) * data.std() * 3
    for bright in (data, data + noise, data + noise + 50):
        assert not is_dark(bright.astype(np.float32), 10.0)
        assert is_dark(-bright.astype(np.float32), 10.0)
    assert not any(is_dark(rng.normal(size=data.shape).astype(np.float32), 10.0) for _ in range(20))


def test_a_map_given_for_images_is_told_of(tmp_path, monkeypatch):
    judged = Solution(np.tile(np.eye(3), (BOX, 1, 1)), np.zeros((BOX, 2)), np.ones(BOX), "done", support=np.ones(BOX))
    monkeypatch.setattr(recover, "solve", lambda *_: iter([judged]))
    density = phantom().density(BOX) + np.random.default_rng(0).normal(size=(BOX, BOX, BOX)).astype(np.float32)
    write_map(tmp_path / "map.mrc", density, 4.0)
    write(tmp_path, density, np.tile(np.eye(3), (BOX, 1, 1)))
    for name, doubted in (("map.mrc", True), ("images.mrcs", False)):
        _, job = found(tmp_path / f"{name}-out", tmp_path / name, reconstruct=False)
        assert any("looks like a map" in w for w in job["warnings"]) is doubted


def test_dark_particles_are_told_of_with_the_option_that_turns_them(planted, tmp_path, monkeypatch):
    judged = Solution(np.tile(np.eye(3), (N, 1, 1)), np.zeros((N, 2)), np.ones(N), "done", support=np.ones(N))
    monkeypatch.setattr(recover, "solve", lambda *_: iter([judged]))
    _, dark = found(tmp_path / "dark", planted[0], contrast="negative", reconstruct=False)
    _, bright = found(tmp_path / "bright", planted[0], reconstruct=False)
    assert any("--contrast positive" in w for w in dark["warnings"]) and not bright["warnings"]


def test_empty_and_nan_images_are_left_out_with_no_confidence(tmp_path, quick):
    views = Rotation.random(30, random_state=2).as_matrix()
    data = phantom().project(views, BOX)
    data[4] = 0
    data[9, 3, 3] = np.nan
    images, _ = write(tmp_path, data, views)
    summary, job = found(tmp_path / "out", images, starts=1, max_shift=0.0)
    assert summary["n_usable"] == 28
    table = star.read_star(tmp_path / "out" / "orientations.star")["particles"]
    confidence = star.numbers(table, "emvConfidence")
    assert confidence[4] == confidence[9] == 0 and len(table) == 30
    assert any("left out" in w for w in job["warnings"])
    data[:] = 0
    images, _ = write(tmp_path, data, views)
    with pytest.raises(EmviewerError, match="at least 4"):
        found(tmp_path / "none", images)


@pytest.mark.parametrize("kind", ["identical", "equal", "plane", "noise"])
def test_images_that_determine_no_map_have_low_confidence(tmp_path, kind, quick):
    rng = np.random.default_rng(3)
    angle = rng.uniform(0, 360, 30)
    if kind == "identical":
        views = (
            Rotation.from_euler("z", angle[:, None], degrees=True).as_matrix()
            @ Rotation.random(random_state=1).as_matrix()
        )
    else:
        views = Rotation.from_euler("y", angle[:, None], degrees=True).as_matrix()
    data = phantom().project(views, BOX)
    data = rng.normal(size=data.shape) if kind == "noise" else data + rng.normal(size=data.shape) * data.std() / 4
    if kind == "equal":
        data[:] = data[0]
    images, _ = write(tmp_path, data, views)
    summary, job = found(tmp_path / "out", images, reconstruct=False, starts=1, max_shift=0.0)
    assert summary["confidence_median"] < 0.35
    assert job["warnings"]
    if kind == "noise":  # no lines are seen: starts search
        curve = pd.read_csv(tmp_path / "out" / "progress.csv").groupby("curve").stage.unique()
        assert all(stage.startswith("start") for stage in curve["explained"]), "of one band, so that they compare"
        assert set(curve["spread_deg"]) <= {"settling", "settled"}


def test_a_wrong_symmetry_is_doubted(planted, tmp_path, quick):
    wrong = {"truth": planted[1], "sym": "D7", "starts": 1, "max_shift": 0.0, "reconstruct": False}
    summary, job = found(tmp_path / "out", planted[0], **wrong)
    assert summary["confidence_median"] < 0.4
    assert summary["error_median_deg"] > 0 and summary["error_median_o4_rad"] is None, "O(4) knows no equivalent views"
    assert job["warnings"]


def test_how_many_starts_there_may_be_is_said():
    assert "2 to 15 starts" in recover.estimate(validated(RecoverParams, {"images": "x.mrcs", "starts": 5}))
    assert "three times as many" in (RecoverParams.model_fields["starts"].description or "")


@pytest.mark.parametrize(
    "wrong",
    [
        {"distance": "something"},
        {"distance": "perturbed:x"},
        {"method": "distances", "distance": "true"},
        {"method": "distances", "distance": "learned"},
        {"distance": "true"},
    ],
)
def test_wrong_options_are_refused(wrong):
    with pytest.raises(EmviewerError):
        validated(RecoverParams, {"images": "x.mrcs", **wrong})
