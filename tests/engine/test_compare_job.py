"""The compare job end to end on small planted sets: truth recovered, exceptions found, nothing dropped."""

from __future__ import annotations

import errno
import json

import numpy as np
import pandas as pd
import pytest
from scipy.spatial.transform import Rotation

from emviewer.__main__ import main
from emviewer.engine import conventions, mrc, mrc_write
from emviewer.engine.errors import EmviewerError
from emviewer.engine.jobs import compare as compare_job
from emviewer.engine.jobs.compare import SPEC
from emviewer.engine.jobs.compare_params import CompareParams
from emviewer.engine.jobs.run import Outcome, run_job
from emviewer.engine.params import validated
from emviewer.engine.simulate_phantom import GaussianPhantom
from emviewer.engine.star_write import write_particles
from emviewer.engine.task import Cancelled
from emviewer.engine.types import Map3D

BOX, PIXEL, N = 40, 3.0, 24


def blobs(seed: int) -> GaussianPhantom:
    rng = np.random.default_rng(seed)
    centres = rng.uniform(-0.24, 0.24, (60, 3)) * BOX * np.array([1, 0.8, 0.6])
    return GaussianPhantom(centres, rng.uniform(1.6, 3.0, 60), rng.uniform(0.5, 1.5, 60))


@pytest.fixture(scope="module")
def planted(tmp_path_factory):
    """A map, another map, N views of the first and 4 of the second (the exceptions), with a little noise."""
    folder = tmp_path_factory.mktemp("planted")
    true, other = blobs(1), blobs(2)
    views = Rotation.random(N, random_state=3).as_matrix()
    shifts = np.random.default_rng(4).uniform(-2, 2, (N, 2))
    images = true.project(views, BOX, shifts)
    images[-4:] = other.project(views[-4:], BOX, shifts[-4:])
    images += np.random.default_rng(5).normal(size=images.shape) * images.std() * 0.05
    mrc_write.write_map(folder / "true.mrc", Map3D(true.density(BOX), PIXEL))
    mrc_write.write_map(folder / "other.mrc", Map3D(other.density(BOX), PIXEL))
    with mrc_write.StackWriter(folder / "images.mrcs", (BOX, BOX), PIXEL) as writer:
        writer.append(images.astype(np.float32))
    return folder, views, shifts, images.astype(np.float32)


def compare(out, images, maps, **options) -> tuple[Outcome, pd.DataFrame]:
    params = validated(CompareParams, {"images": images, "maps": maps, "report": "none", **options})
    job = run_job(SPEC, params, out)
    while True:
        try:
            next(job)
        except StopIteration as end:
            return end.value, pd.read_csv(out / "scores.csv", keep_default_na=True)


def angle_deg(scores: pd.DataFrame, views: np.ndarray) -> np.ndarray:
    found = conventions.euler_to_matrix(*scores[["rot_deg", "tilt_deg", "psi_deg"]].to_numpy().T)
    return np.degrees(Rotation.from_matrix(found @ views.transpose(0, 2, 1)).magnitude())


def test_truth_is_found_and_exceptions_are_flagged(planted, tmp_path):
    folder, views, shifts, images = planted
    outcome, scores = compare(tmp_path / "out", folder / "images.mrcs", [folder / "true.mrc"])
    assert outcome.status == "complete"
    assert list(scores["image"]) == list(range(1, N + 1))
    good = np.arange(N) < N - 4
    assert np.median(angle_deg(scores, views)[good]) < 1.5
    off = scores[["shift_x_A", "shift_y_A"]].to_numpy() / PIXEL - shifts
    assert np.median(np.hypot(*off[good].T)) < 0.2
    assert scores["outlier_score"][~good].min() > scores["outlier_score"][good].max()
    assert (scores["outlier"] == ~good).all()
    assert (scores["fvu"] - (1 - scores["cc"] ** 2)).abs().max() < 1e-4
    stacks = {
        kind: mrc.read_stack(tmp_path / "out" / "true" / f"{kind}.mrcs")
        for kind in ("aligned", "reprojections", "residuals")
    }
    for i in (0, N - 1):
        fitted = scores["gray_scale"][i] * stacks["reprojections"][i] + scores["gray_offset"][i]
        np.testing.assert_allclose(stacks["residuals"][i], stacks["aligned"][i] - fitted, atol=2e-3 * np.ptp(images[i]))
    assert stacks["aligned"].pixel_size_A == pytest.approx(PIXEL)
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert summary["n_outliers"] == 4
    assert summary["best_map"] == "true"
    assert summary["best_map_explains"]
    used = json.loads((tmp_path / "out" / "job.json").read_text())["parameters"]
    assert used["assignment"] == "search"
    assert used["max_shift"] == pytest.approx(0.1 * BOX * PIXEL)


def test_images_that_want_to_go_further_than_they_may_are_said(planted, tmp_path):
    folder, _, shifts, _ = planted
    limit = 1.2
    beyond = int((np.hypot(*shifts[:-4].T) > limit).sum())
    outcome, _ = compare(tmp_path / "out", folder / "images.mrcs", [folder / "true.mrc"], max_shift=limit * PIXEL)
    (said,) = [sentence for sentence in outcome.warnings if "largest shift of 3.6 Å" in sentence]
    assert int(said.split()[0]) == pytest.approx(beyond, abs=4)  # the exceptions go anywhere
    outcome, _ = compare(tmp_path / "wide", folder / "images.mrcs", [folder / "true.mrc"])
    assert not any("largest shift" in sentence for sentence in outcome.warnings)


def test_inverted_contrast_gives_the_same_answer(planted, tmp_path):
    folder, _, _, images = planted
    with mrc_write.StackWriter(tmp_path / "dark.mrcs", (BOX, BOX), PIXEL) as writer:
        writer.append(-images)
    _, up = compare(tmp_path / "up", folder / "images.mrcs", [folder / "true.mrc"])
    _, down = compare(tmp_path / "down", tmp_path / "dark.mrcs", [folder / "true.mrc"])
    assert json.loads((tmp_path / "down" / "summary.json").read_text())["contrast"] == "negative"
    np.testing.assert_allclose(down["cc"], up["cc"], atol=1e-3)
    assert (down["gray_scale"] < 0).mean() > 0.8


def test_maps_are_ranked(planted, tmp_path):
    folder, _, _, _ = planted
    _, scores = compare(
        tmp_path / "out", folder / "images.mrcs", [folder / "other.mrc", folder / "true.mrc"], extract="both"
    )
    assert len(scores) == 2 * N
    ranking = pd.read_csv(tmp_path / "out" / "ranking.csv")
    assert list(ranking["map"]) == ["true", "other"]
    assert ranking["p_value"].max() < 0.05
    assert ranking["wins"].sum() == N
    assert (ranking["ci_low"] <= ranking["mean_cc"]).all() and (ranking["mean_cc"] <= ranking["ci_high"]).all()
    assert mrc.read_map(tmp_path / "out" / "best" / "map.mrc").shape == (BOX, BOX, BOX)


def test_a_map_of_noise_explains_nothing(planted, tmp_path):
    folder, _, _, _ = planted
    for seed in range(3):
        noise = np.random.default_rng(seed).normal(size=(BOX, BOX, BOX)).astype(np.float32)
        mrc_write.write_map(tmp_path / f"noise{seed}.mrc", Map3D(noise, PIXEL))
    maps = [tmp_path / f"noise{seed}.mrc" for seed in range(3)]
    outcome, _ = compare(tmp_path / "out", folder / "images.mrcs", maps)
    assert outcome.summary["best_map_explains"] is False
    assert any("none of the maps explains" in w for w in outcome.warnings)


def test_images_that_fail_keep_their_row(planted, tmp_path):
    folder, _, _, images = planted
    broken = images.copy()
    broken[3] = 0
    broken[5, 4, 4] = np.nan
    with mrc_write.StackWriter(tmp_path / "broken.mrcs", (BOX, BOX), PIXEL) as writer:
        writer.append(broken)
    _, scores = compare(tmp_path / "out", tmp_path / "broken.mrcs", [folder / "true.mrc"])
    assert len(scores) == N
    failed = scores["status"] == "failed"
    assert list(scores["image"][failed]) == [4, 6]
    assert scores["reason"][3] == "the image is empty"
    assert (scores["outlier"][failed] == 1).all()
    assert scores["cc"][failed].isna().all()
    assert np.isfinite(scores["outlier_score"]).all()
    assert scores["outlier_score"][failed].min() >= scores["outlier_score"].max()


def table_with(folder, views, shifts, path):
    angles = conventions.matrix_to_euler(views)
    write_particles(
        path,
        pd.DataFrame(
            {
                "rlnImageName": [f"{i + 1:06d}@{folder / 'images.mrcs'}" for i in range(N)],
                "rlnAngleRot": angles[:, 0],
                "rlnAngleTilt": angles[:, 1],
                "rlnAnglePsi": angles[:, 2],
                "rlnOriginXAngst": shifts[:, 0] * PIXEL,
                "rlnOriginYAngst": shifts[:, 1] * PIXEL,
                "rlnOpticsGroup": 1,
            }
        ),
        pd.DataFrame({"rlnOpticsGroup": [1], "rlnImagePixelSize": [PIXEL], "rlnImageSize": [BOX]}),
    )


@pytest.mark.parametrize("with_table", [False, True])
def test_a_stack_that_is_cut_short_is_compared_as_far_as_it_goes(planted, tmp_path, with_table):
    folder, views, shifts, _ = planted
    there = N - 6
    stack = tmp_path / "images.mrcs"
    stack.write_bytes((folder / "images.mrcs").read_bytes()[: 1024 + 4 * BOX * BOX * there + 100])
    if with_table:
        table_with(tmp_path, views, shifts, tmp_path / "images.star")
    outcome, scores = compare(
        tmp_path / "out", tmp_path / ("images.star" if with_table else "images.mrcs"), [folder / "true.mrc"]
    )
    assert outcome.status == "complete"
    assert outcome.error is None
    assert len(scores) == N
    failed = (scores["status"] == "failed").to_numpy()
    assert list(np.flatnonzero(failed)) == list(range(there, N))
    for i in range(there, N):
        assert f"cut short before the end of image {i + 1}" in scores["reason"][i]
        assert "copy or make it again" in scores["reason"][i]
    assert np.median(angle_deg(scores[~failed], views[~failed])) < 1.5
    assert f"6 of {N} images could not be used; image {there + 1}" in outcome.warnings[-1]
    if not with_table:
        assert any(f"{there} of its {N} images are there" in sentence for sentence in outcome.warnings)


def test_a_stack_without_a_single_whole_image_is_one_sentence(planted, tmp_path):
    folder, _, _, _ = planted
    (tmp_path / "images.mrcs").write_bytes((folder / "images.mrcs").read_bytes()[: 1024 + 4 * BOX * BOX - 4])
    with pytest.raises(EmviewerError, match="the file is cut short"):
        compare(tmp_path / "out", tmp_path / "images.mrcs", [folder / "true.mrc"])
    assert not list(tmp_path.glob("out*"))


def test_given_angles_are_used_as_they_are_or_refined(planted, tmp_path):
    folder, views, shifts, _ = planted
    table_with(folder, views, shifts, tmp_path / "true.star")
    _, used = compare(tmp_path / "used", tmp_path / "true.star", [folder / "true.mrc"], refine=False)
    np.testing.assert_allclose(angle_deg(used, views), 0, atol=1e-3)
    tilted = Rotation.from_rotvec(np.radians([2.0, -1.0, 1.0])).as_matrix() @ views
    table_with(folder, tilted, shifts, tmp_path / "near.star")
    _, stale = compare(tmp_path / "stale", tmp_path / "near.star", [folder / "true.mrc"], refine=False)
    _, mended = compare(tmp_path / "mended", tmp_path / "near.star", [folder / "true.mrc"])
    good = slice(0, N - 4)
    assert (stale["cc"] < used["cc"])[good].mean() > 0.8
    assert angle_deg(stale, views).min() > 2
    assert (mended["cc"] >= used["cc"] - 1e-3)[good].all()
    assert np.median(angle_deg(mended, views)[good]) < 1.0


def test_results_do_not_depend_on_threads_or_speed(planted, tmp_path, monkeypatch):
    folder, _, _, _ = planted
    texts = []
    for threads, seconds in ((1, 0.0), (2, 10.0)):
        monkeypatch.setattr(compare_job, "BATCH_SECONDS", seconds)
        compare(tmp_path / f"{threads}", folder / "images.mrcs", [folder / "true.mrc"], threads=threads)
        texts.append((tmp_path / f"{threads}" / "scores.csv").read_text())
    assert texts[0] == texts[1]


def test_pixel_sizes_and_boxes_that_differ_do_not_matter(planted, tmp_path):
    folder, views, _, _ = planted
    fine = GaussianPhantom(*(lambda p: (p.centres_px * 1.5, p.sigmas_px * 1.5, p.amplitudes))(blobs(1)))
    mrc_write.write_map(tmp_path / "fine.mrc", Map3D(fine.density(71), PIXEL / 1.5))
    _, scores = compare(tmp_path / "out", folder / "images.mrcs", [tmp_path / "fine.mrc"])
    assert np.median(angle_deg(scores, views)[: N - 4]) < 1.5


def test_cancelling_keeps_what_is_finished(planted, tmp_path):
    folder, _, _, _ = planted
    params = validated(
        CompareParams, {"images": folder / "images.mrcs", "maps": [folder / "true.mrc"], "report": "none"}
    )
    seen = []

    def check() -> None:
        if seen:
            raise Cancelled

    job = run_job(SPEC, params, tmp_path / "out", check=check)
    with pytest.raises(StopIteration) as end:
        while True:
            batch = next(job)
            if len(batch.rows):
                seen.append(len(batch.rows))
    assert end.value.value.status == "partial"
    scores = pd.read_csv(tmp_path / "out" / "scores.csv")
    assert len(scores) == seen[0] < N
    assert mrc.read_stack(tmp_path / "out" / "true" / "aligned.mrcs").n == seen[0]


def test_a_full_disk_leaves_stacks_and_scores_of_the_same_images(planted, tmp_path, monkeypatch, capsys):
    """The disk takes the first batch, and of the second the aligned images and half of the reprojections."""
    folder, _, _, _ = planted
    original = mrc_write.StackWriter._put

    def put(self, place, content):
        if self.path.name == "reprojections.mrcs" and self.n and place:
            original(self, place, content[: len(content) // 2])
            raise OSError(errno.ENOSPC, "No space left on device")
        original(self, place, content)

    monkeypatch.setattr(mrc_write.StackWriter, "_put", put)
    words = ["compare", folder / "images.mrcs", folder / "true.mrc", "--report", "none", "--quiet"]
    assert main([*map(str, words), "--out", str(tmp_path / "out")]) == 2
    monkeypatch.undo()
    said = [line for line in capsys.readouterr().err.splitlines() if "error" in line]
    assert len(said) == 1
    assert "the disk is full" in said[0]
    assert json.loads((tmp_path / "out" / "job.json").read_text())["status"] == "partial"
    scores = pd.read_csv(tmp_path / "out" / "scores.csv")
    assert 0 < len(scores) < N
    for kind in ("aligned", "reprojections", "residuals"):
        assert len(mrc.read_stack(tmp_path / "out" / "true" / f"{kind}.mrcs")) == len(scores)
    assert scores["cc"].notna().all()
    assert not list((tmp_path / "out").rglob(".*"))


def test_a_disk_that_is_full_before_the_first_images_leaves_nothing(planted, tmp_path, monkeypatch):
    folder, _, _, _ = planted

    def put(self, place, content):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(mrc_write.StackWriter, "_put", put)
    with pytest.raises(EmviewerError, match="the disk is full"):
        compare(tmp_path / "out", folder / "images.mrcs", [folder / "true.mrc"])
    assert list(tmp_path.iterdir()) == []


def test_views_that_noise_leaves_open_say_so(planted, tmp_path):
    folder, _, _, images = planted
    noisy = images + np.random.default_rng(8).normal(size=images.shape).astype(np.float32) * images.std() * 6
    with mrc_write.StackWriter(tmp_path / "noisy.mrcs", (BOX, BOX), PIXEL) as writer:
        writer.append(noisy)
    clear, _ = compare(tmp_path / "clear", folder / "images.mrcs", [folder / "true.mrc"])
    open_, scores = compare(tmp_path / "open", tmp_path / "noisy.mrcs", [folder / "true.mrc"])
    assert clear.summary["n_undetermined"] == 0
    said = scores["reason"].astype(str).str.contains("not determined")
    assert open_.summary["n_undetermined"] == said.sum() > N / 2
    assert (scores["status"][said] == "ok").all()


def test_sections_of_a_map_taken_for_images_are_doubted(planted, tmp_path):
    folder, _, _, _ = planted
    outcome, _ = compare(tmp_path / "out", folder / "true.mrc", [folder / "other.mrc"], step=12)
    assert any("as deep as it is wide" in w for w in outcome.warnings)


def test_images_of_a_missing_stack_are_named(planted, tmp_path):
    folder, _, _, _ = planted
    names = [f"{i + 1:06d}@nowhere/gone.mrcs" for i in range(3)]
    write_particles(tmp_path / "gone.star", pd.DataFrame({"rlnImageName": names}))
    with pytest.raises(EmviewerError, match=r"the first is 000001@nowhere/gone\.mrcs"):
        compare(tmp_path / "out", tmp_path / "gone.star", [folder / "true.mrc"])
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"assignment": "use"}, "no orientations"),
        ({"ctf": "apply"}, "--ctf apply needs"),
        ({"sym": "Q9"}, "Q9"),
        ({"mask": "radius:-4"}, "positive radius"),
        ({"mask": "true.mrc"}, f"the mask holds {BOX} images or sections"),
        ({"mask": "gone.mrc"}, "no such file"),
        ({"passthrough": "true.mrc"}, "belongs to images of a cryoSPARC .cs"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(planted, tmp_path, monkeypatch, options, words):
    folder, _, _, _ = planted
    monkeypatch.chdir(folder)
    with pytest.raises(EmviewerError) as error:
        compare(tmp_path / "out", folder / "images.mrcs", [folder / "true.mrc"], **options)
    assert words in str(error.value)
    assert not list(tmp_path.glob("out*"))
