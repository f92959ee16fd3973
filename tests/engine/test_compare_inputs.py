"""What people give to compare: tables of every program, CTF, mirrors, boxes, wrong things; one sentence each."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.spatial.transform import Rotation

from emviewer.engine import conventions, cryosparc, mrc, mrc_write, star
from emviewer.engine.ctf import CTF, transfer
from emviewer.engine.jobs.compare import SPEC
from emviewer.engine.jobs.compare_params import CompareParams
from emviewer.engine.jobs.run import run_job
from emviewer.engine.params import validated
from emviewer.engine.simulate_phantom import GaussianPhantom
from emviewer.engine.star_write import write_particles
from emviewer.engine.types import Map3D, Poses

BOX, PIXEL, N = 40, 3.0, 12
Run = Callable[..., tuple[pd.DataFrame, dict[str, Any], list[str]]]


def blobs(seed: int) -> GaussianPhantom:
    rng = np.random.default_rng(seed)
    centres = rng.uniform(-0.24, 0.24, (60, 3)) * BOX * np.array([1, 0.8, 0.6])
    return GaussianPhantom(centres, rng.uniform(1.6, 3.0, 60), rng.uniform(0.5, 1.5, 60))


def scaled(phantom: GaussianPhantom, factor: float) -> GaussianPhantom:
    return GaussianPhantom(phantom.centres_px * factor, phantom.sigmas_px * factor, phantom.amplitudes)


VIEWS = Rotation.random(N, random_state=3).as_matrix()
SHIFTS = np.random.default_rng(4).uniform(-2, 2, (N, 2))
ANGLES = conventions.matrix_to_euler(VIEWS)


def write_stack(path: Path, images: np.ndarray, pixel: float = PIXEL) -> Path:
    with mrc_write.StackWriter(path, images.shape[1:], pixel) as writer:
        writer.append(np.ascontiguousarray(images, np.float32))
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("inputs")
    phantom = blobs(1)
    images = phantom.project(VIEWS, BOX, SHIFTS)
    images += np.random.default_rng(5).normal(size=images.shape) * images.std() * 0.05
    write_stack(place / "images.mrcs", images)
    mrc_write.write_map(place / "true.mrc", Map3D(phantom.density(BOX), PIXEL))
    mrc_write.write_map(place / "other.mrc", Map3D(blobs(2).density(BOX), PIXEL))
    return place


@pytest.fixture
def run(folder, tmp_path) -> Run:
    def compare(images: Path, *maps: str, **options: Any) -> tuple[pd.DataFrame, dict[str, Any], list[str]]:
        out = tmp_path / options.pop("out", "out")
        given = {"images": images, "maps": [folder / name for name in maps or ("true.mrc",)]}
        job = run_job(SPEC, validated(CompareParams, {**given, "report": "none", "step": 8, **options}), out)
        try:
            while True:
                next(job)
        except StopIteration as end:
            scores = pd.read_csv(out / "scores.csv")
            return scores, json.loads((out / "summary.json").read_text()), list(end.value.warnings)

    return compare


def error_deg(scores: pd.DataFrame) -> np.ndarray:
    found = conventions.euler_to_matrix(*scores[["rot_deg", "tilt_deg", "psi_deg"]].to_numpy().T)
    return np.degrees(Rotation.from_matrix(found @ VIEWS.transpose(0, 2, 1)).magnitude())


def write_table(path: Path, ctf: CTF | None = None, box: int = BOX, **columns: Any) -> Path:
    data = {"rlnImageName": [f"{i + 1:06d}@images.mrcs" for i in range(N)]}
    data |= {f"rlnAngle{name}": ANGLES[:, i] for i, name in enumerate(("Rot", "Tilt", "Psi"))}
    data |= {f"rlnOrigin{name}Angst": SHIFTS[:, i] * PIXEL for i, name in enumerate("XY")}
    if ctf is not None:
        data |= {"rlnDefocusU": ctf.defocus_u_A, "rlnDefocusV": ctf.defocus_v_A, "rlnDefocusAngle": np.zeros(N)}
    optics = {"rlnOpticsGroup": [1], "rlnImagePixelSize": [PIXEL], "rlnImageSize": [box], "rlnVoltage": [300.0]}
    optics |= {"rlnSphericalAberration": [2.7], "rlnAmplitudeContrast": [0.1]}
    write_particles(path, pd.DataFrame({**data, **columns}).assign(rlnOpticsGroup=1), pd.DataFrame(optics))
    return path


@pytest.mark.parametrize(("box", "pixel"), [(41, 3.0), (36, 3.0), (34, 3.54), (50, 2.7), (20, 6.0)])
def test_maps_of_other_boxes_and_pixels_give_the_same_views(folder, run, box, pixel):
    density = scaled(blobs(1), PIXEL / pixel).density(box)
    mrc_write.write_map(folder / "grid.mrc", Map3D(density, pixel))
    scores, _, _ = run(folder / "images.mrcs", "grid.mrc")
    assert np.median(error_deg(scores)) < 0.6
    assert (scores["cc"] > 0.96).all()


@pytest.mark.parametrize("flipped", [False, True])
def test_ctf_is_applied(folder, run, flipped):
    defocus = np.linspace(8000, 20000, N)
    ctf = CTF(defocus, defocus + 200)
    factor = transfer(ctf, BOX, PIXEL)
    clean = np.fft.ifftshift(blobs(1).project(VIEWS, BOX, SHIFTS), axes=(1, 2))
    changed = np.fft.irfft2(np.fft.rfft2(clean) * (np.abs(factor) if flipped else factor), s=(BOX, BOX))
    write_stack(folder / "ctf.mrcs", np.fft.fftshift(changed, axes=(1, 2)))
    table = write_table(folder / "ctf.star", ctf, rlnImageName=[f"{i + 1:06d}@ctf.mrcs" for i in range(N)])
    how = "phase-flipped" if flipped else "apply"
    right, _, _ = run(table, out="right", ctf=how, assignment="search")
    assert np.median(error_deg(right)) < 0.3
    assert right["cc"].median() > 0.99
    ignored, _, _ = run(table, ctf="ignore", assignment="search")
    assert ignored["cc"].median() < right["cc"].median() - 0.03


def test_mirrors_of_xmipp_are_honoured_and_reported(folder, run):
    images = mrc.read_stack(folder / "images.mrcs")[:]
    write_stack(folder / "mirror.mrcs", np.roll(images[:, :, ::-1], 1, axis=2))
    rows = "".join(
        f"{i + 1:06d}@mirror.mrcs {a[0]:.5f} {a[1]:.5f} {a[2]:.5f} {-s[0]:.5f} {s[1]:.5f} 1\n"
        for i, (a, s) in enumerate(zip(ANGLES, SHIFTS, strict=True))
    )
    names = "".join(
        f" _{name}\n" for name in ["image", "angleRot", "angleTilt", "anglePsi", "shiftX", "shiftY", "flip"]
    )
    (folder / "mirror.xmd").write_text("# XMIPP_STAR_1 *\ndata_noname\nloop_\n" + names + rows)
    scores, _, _ = run(folder / "mirror.xmd", pixel_size=PIXEL, refine=False)
    assert (scores["mirror"] == 1).all()
    assert error_deg(scores).max() < 0.01
    assert (scores["cc"] > 0.97).all()


def test_cryosparc_takes_its_orientations_from_the_passthrough(folder, run, tmp_path):
    fields = [("uid", "<u8"), ("blob/path", "S40"), ("blob/idx", "<u4"), ("blob/shape", "<u4", (2,))]
    rows = np.zeros(N, [*fields, ("blob/psize_A", "<f4"), ("blob/sign", "<f4")])
    rows["uid"], rows["blob/idx"], rows["blob/path"] = np.arange(N) + 9, np.arange(N), b"images.mrcs"
    rows["blob/shape"], rows["blob/psize_A"], rows["blob/sign"] = BOX, PIXEL, 1
    pose = [("uid", "<u8"), ("alignments3D/shift", "<f4", (2,)), ("alignments3D/pose", "<f4", (3,))]
    more = np.zeros(N, [*pose, ("alignments3D/psize_A", "<f4")])
    more["uid"], more["alignments3D/psize_A"] = rows["uid"], PIXEL
    more = cryosparc.with_poses(more, Poses.from_rotations(VIEWS, SHIFTS * PIXEL))[::-1]
    cryosparc.write_cs(folder / "particles.cs", rows)
    cryosparc.write_cs(folder / "more.cs", more)
    options = {"passthrough": folder / "more.cs", "refine": False, "extract": "particles"}
    scores, _, _ = run(folder / "particles.cs", "true.mrc", "other.mrc", **options)
    assert error_deg(scores[scores["map"] == "true"]).max() < 0.05
    kept = cryosparc.read_cs(tmp_path / "out" / "best" / "particles.cs")
    assert set(kept["uid"]) <= set(rows["uid"]) and len(kept) > N / 2
    beside = cryosparc.read_cs(tmp_path / "out" / "best" / "passthrough.cs")
    np.testing.assert_array_equal(beside["uid"], kept["uid"])
    assert beside.dtype == more.dtype
    found = cryosparc.read_cs(tmp_path / "out" / "true" / "particles.cs")
    assert {*rows.dtype.names, *more.dtype.names, "emviewer/cc"} == {*found.dtype.names} - {"emviewer/outlier_score"}
    np.testing.assert_array_equal(found["blob/path"], rows["blob/path"])
    poses = cryosparc.poses_of(found)
    assert np.degrees(Rotation.from_matrix(poses.rotations @ VIEWS.transpose(0, 2, 1)).magnitude()).max() < 0.05
    np.testing.assert_allclose(poses.shifts_A, SHIFTS * PIXEL, atol=1e-3)


def test_cryosparc_without_views_gets_those_found(folder, run, tmp_path):
    rows = np.zeros(N, [("uid", "<u8"), ("blob/path", "S40"), ("blob/idx", "<u4"), ("blob/psize_A", "<f4")])
    rows["uid"], rows["blob/idx"], rows["blob/path"], rows["blob/psize_A"] = 7, np.arange(N), b"images.mrcs", PIXEL
    cryosparc.write_cs(folder / "bare.cs", rows)
    run(folder / "bare.cs", "true.mrc")
    poses = cryosparc.poses_of(cryosparc.read_cs(tmp_path / "out" / "true" / "particles.cs"))
    assert np.median(np.degrees(Rotation.from_matrix(poses.rotations @ VIEWS.transpose(0, 2, 1)).magnitude())) < 1.5
    assert np.median(np.hypot(*(poses.shifts_A / PIXEL - SHIFTS).T)) < 0.3


def test_class3d_gives_the_maps_and_the_members_of_the_best(folder, run, tmp_path):
    classes = pd.DataFrame({"rlnReferenceImage": ["other.mrc", "true.mrc"], "rlnClassDistribution": [0.4, 0.6]})
    star.write_star(folder / "run_it001_model.star", {"model_classes": classes})
    write_table(folder / "run_it001_data.star", rlnClassNumber=[1 + (i % 3 > 0) for i in range(N)])
    _, summary, _ = run(folder / "images.mrcs", "run_it001_model.star", extract="both")
    assert summary["best_map"] == "true"
    blocks = star.read_star(tmp_path / "out" / "best" / "particles.star")
    assert set(blocks["particles"]["rlnClassNumber"]) == {"2"}
    assert summary["n_extracted"] == len(blocks["particles"]) == N * 2 / 3
    assert mrc.read_map(tmp_path / "out" / "best" / "map.mrc").shape == (BOX, BOX, BOX)


def test_members_of_the_classes_of_the_best_map_keep_their_optics(folder, run, tmp_path):
    names = [f"{i + 1:06d}@images.mrcs" for i in range(N)]
    classes = pd.DataFrame({"rlnReferenceImage": names, "rlnClassDistribution": np.linspace(0.1, 0.9, N)})
    blocks = {"model_general": pd.DataFrame({"rlnPixelSize": [PIXEL]}), "model_classes": classes}
    star.write_star(folder / "run_it002_model.star", blocks)
    write_table(folder / "run_it002_data.star", rlnClassNumber=np.arange(N) + 1)
    options = {"extract": "particles", "class_size_weights": True}
    _, summary, _ = run(folder / "run_it002_model.star", "true.mrc", "other.mrc", **options)
    assert summary["best_map"] == "true"
    kept = star.read_star(tmp_path / "out" / "best" / "particles.star")
    assert {"optics", "particles"} <= set(kept)
    assert len(kept["particles"]) == summary["n_extracted"] > N / 2


def test_rows_without_images_or_angles_fail_with_a_reason(folder, run):
    names = [f"{i + 1:06d}@{'images' if i % 4 else 'gone'}.mrcs" for i in range(N)]
    rot = [*ANGLES[: N - 1, 0], np.nan]
    table = write_table(folder / "holes.star", rlnImageName=names, rlnAngleRot=rot)
    scores, _, warnings = run(table)
    failed = scores["status"] == "failed"
    assert list(scores["image"][failed]) == [1, 5, 9, N]
    assert scores["reason"][0].startswith("the image file gone.mrcs was not found")
    assert "no numbers" in scores["reason"][N - 1]
    assert any("4 of 12 images could not be used" in w for w in warnings)
    angles = scores[["rot_deg", "tilt_deg", "psi_deg"]].fillna(0)
    assert error_deg(angles)[~failed].max() < 1.5


def test_a_radial_filter_makes_up_for_a_sharpened_map(folder, run):
    data = np.asarray(blobs(1).density(BOX), np.float64)
    k = np.sqrt(sum(f**2 for f in np.meshgrid(*[np.fft.fftfreq(BOX)] * 3, indexing="ij")))
    sharp = np.fft.ifftn(np.fft.fftn(data) * np.exp(20 * k**2)).real
    mrc_write.write_map(folder / "sharp.mrc", Map3D(sharp.astype(np.float32), PIXEL))
    plain, _, _ = run(folder / "images.mrcs", "sharp.mrc", out="plain")
    fitted, _, _ = run(folder / "images.mrcs", "sharp.mrc", radial_filter=True)
    assert np.median(error_deg(fitted)) < 0.7 * np.median(error_deg(plain))
    assert fitted["fvu"].median() < 0.7 * plain["fvu"].median()


def test_a_stack_of_empty_images_ends_with_rows(folder, run):
    scores, summary, _ = run(write_stack(folder / "zero.mrcs", np.zeros((N, BOX, BOX))))
    assert (scores["status"] == "failed").all() and (scores["outlier"] == 1).all()
    assert np.isfinite(scores["outlier_score"]).all()
    assert summary["n_outliers"] == N and summary["median_cc"] is None


def test_angles_in_the_plane_are_no_orientations(folder, run):
    zero = np.zeros(N)
    scores, _, _ = run(write_table(folder / "plane.star", rlnAngleRot=zero, rlnAngleTilt=zero))
    assert np.median(error_deg(scores)) < 0.6


def test_doubts_are_said(folder, run):
    _, _, warnings = run(write_table(folder / "size.star", box=64), sym="D3")
    assert any("the table says 64 px, the images have 40" in w for w in warnings)
    assert any("does not have the symmetry D3" in w for w in warnings)


@pytest.mark.parametrize("factor", [1.0, 0.97])
def test_magnification_is_fitted(folder, run, factor):
    images = mrc.read_stack(folder / "images.mrcs")[:]
    stack = write_stack(folder / "scale.mrcs", images, PIXEL / factor)
    _, summary, warnings = run(stack, magnification=True)
    assert summary["magnification"]["true"] == pytest.approx(factor, abs=0.003)
    assert any("than said" in w for w in warnings) == (factor != 1.0)


def test_members_of_the_wrong_class_stand_out_more_than_by_correlation(folder, run):
    n, wrong = 60, np.arange(60) % 10 == 0
    rng = np.random.default_rng(1)
    views = Rotation.random(n, random_state=8).as_matrix()
    images = blobs(1).project(views, BOX)
    images += rng.normal(size=images.shape) * images.std() * 3 * rng.uniform(0.7, 1.6, n)[:, None, None]
    write_stack(folder / "noisy.mrcs", images)
    told = conventions.matrix_to_euler(np.where(wrong[:, None, None], np.roll(views, 1, axis=0), views))
    names = [f"{i + 1:06d}@noisy.mrcs" for i in range(n)]
    columns = {f"rlnAngle{name}": told[:, i] for i, name in enumerate(("Rot", "Tilt", "Psi"))}
    optics = pd.DataFrame({"rlnOpticsGroup": [1], "rlnImagePixelSize": [PIXEL], "rlnImageSize": [BOX]})
    write_particles(
        folder / "noisy.star", pd.DataFrame({"rlnImageName": names, **columns, "rlnOpticsGroup": 1}), optics
    )
    scores, _, _ = run(folder / "noisy.star", refine=False)

    def auc(values: pd.Series) -> float:
        return float(np.mean(values[wrong].to_numpy()[:, None] > values[~wrong].to_numpy()))

    assert auc(scores["outlier_score"]) > 0.97
    assert auc(scores["outlier_score"]) > auc(-scores["cc"])
