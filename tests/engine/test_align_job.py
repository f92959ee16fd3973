"""The align job from the command line: everything that the contract names, and one sentence for every bad input."""

from __future__ import annotations

import errno
import gzip
import json

import numpy as np
import pandas as pd
import pytest
from scipy.spatial.transform import Rotation

from emviewer.__main__ import main
from emviewer.engine import conventions, cryosparc, mrc
from emviewer.engine.align3d_move import Grid3D, move_map
from emviewer.engine.align3d_refine import FLIP
from emviewer.engine.simulate_phantom import GaussianPhantom
from emviewer.engine.star import numbers, read_star, write_star
from emviewer.engine.types import RigidTransform

BOX, PIXEL = 40, 4.0
SHIFT = np.array([5.0, -7.0, 3.0])


def density(centres_A: np.ndarray, box: int = BOX, pixel: float = PIXEL) -> np.ndarray:
    rng = np.random.default_rng(1)
    n = len(centres_A)
    return GaussianPhantom(centres_A / pixel, rng.uniform(6, 10, n) / pixel, rng.uniform(0.5, 1.5, n)).density(box)


def centres() -> np.ndarray:
    rng = np.random.default_rng(0)
    return rng.uniform(-1, 1, (50, 3)) * [40, 32, 24]


def motion(seed: int, flipped: bool) -> RigidTransform:
    turn = Rotation.random(random_state=seed).as_matrix()
    return RigidTransform(turn @ FLIP if flipped else turn, SHIFT)


def before(m: RigidTransform, box: int = BOX, pixel: float = PIXEL) -> np.ndarray:
    """The map that ``m`` brings onto the reference."""
    return density((centres() - m.translation_A) @ m.matrix, box, pixel)


def particles(path, n=6, classes=(1, 2)):
    rng = np.random.default_rng(2)
    names = ["rlnAngleRot", "rlnAngleTilt", "rlnAnglePsi", "rlnOriginXAngst", "rlnOriginYAngst"]
    table = pd.DataFrame({name: [f"{v:.6f}" for v in rng.uniform(0, 90, n)] for name in names}, dtype="str")
    table["rlnClassNumber"] = [str(classes[i % len(classes)]) for i in range(n)]
    table["rlnImageName"] = [f"{i + 1}@x.mrcs" for i in range(n)]
    table["rlnOpticsGroup"] = "1"
    optics = pd.DataFrame({"rlnOpticsGroup": ["1"], "rlnImagePixelSize": ["4.0"]}, dtype="str")
    write_star(path, {"optics": optics, "particles": table})
    return path


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A reference, two maps of both hands with siblings and masks, particles, and everything that is wrong."""
    d = tmp_path_factory.mktemp("align")
    mrc.write_map(d / "ref.mrc", density(centres()), PIXEL, (10.0, 20.0, 30.0))
    rng = np.random.default_rng(3)
    for name, seed, flipped in (("a", 1, False), ("b", 2, True)):
        data = before(motion(seed, flipped))
        mrc.write_map(d / f"{name}_map.mrc", data, PIXEL, (-5.0, 0.0, 7.0))
        mrc.write_map(d / f"{name}_map_sharp.mrc", 3 * data, PIXEL)
        for half in "AB":
            noise = rng.normal(0, 0.02 * data.max(), data.shape).astype(np.float32)
            mrc.write_map(d / f"{name}_map_half_{half}.mrc", data + noise, PIXEL)
        mrc.write_map(d / f"{name}_mask.mrc", (data > 0.05 * data.max()).astype(np.float32), PIXEL)
    mrc.write_map(d / "ball.mrc", np.ones((BOX,) * 3, np.float32), PIXEL)
    mrc.write_map(d / "small_mask.mrc", np.ones((20, 20, 20), np.float32), PIXEL)
    mrc.write_map(d / "flat.mrc", np.full((BOX,) * 3, 2.0, np.float32), PIXEL)
    mrc.write_map(d / "zero.mrc", np.zeros((BOX,) * 3, np.float32), PIXEL)
    np.save(d / "nopixel.npy", density(centres()))
    (d / "empty.mrc").write_bytes(b"")
    particles(d / "all.star")
    particles(d / "one.star", classes=(1,))
    return d


def angle(a, b) -> float:
    return float(np.degrees(Rotation.from_matrix(np.asarray(a) @ np.asarray(b).T).magnitude()))


@pytest.fixture(scope="module")
def result(place):
    out = place / "out"
    words = ["align", place / "ref.mrc", place / "a_map.mrc", place / "b_map.mrc", "--particles", place / "all.star"]
    assert main([*map(str, words), "--out", str(out), "--quiet", "--threads", "2"]) == 0
    return out


def transforms(out):
    return json.loads((out / "transforms.json").read_text())


FIELDS = (
    "name rotation translation_A hand_flipped euler_zyz_deg axis_angle chimerax_matrix cc_before cc_after "
    "cc_other_hand hand fsc_0.143_A fsc_0.5_A sigma_angle_deg sigma_shift_A seconds"
)


def test_transforms_are_the_planted_ones(result):
    rows = transforms(result)
    assert [r["name"] for r in rows] == ["a_map", "b_map"]
    for row, m in zip(rows, (motion(1, False), motion(2, True)), strict=True):
        assert set(FIELDS.split()) <= set(row)
        matrix = np.array(row["rotation"]) @ (FLIP if row["hand_flipped"] else np.eye(3))
        assert angle(matrix, m.matrix) < 0.05
        assert np.allclose(row["translation_A"], m.translation_A, atol=0.05)
        assert row["hand"] == ("flipped" if m.hand_flipped else "same")
        assert row["cc_after"] > 0.99 > row["cc_other_hand"]
        assert row["cc_before"] < 0.9
        euler = Rotation.from_euler("ZYZ", row["euler_zyz_deg"], degrees=True).as_matrix()
        assert angle(euler, row["rotation"]) < 1e-3
        axis = np.array(row["axis_angle"])
        assert angle(Rotation.from_rotvec(np.radians(axis[3]) * axis[:3]).as_matrix(), row["rotation"]) < 1e-3
        shift = conventions.from_chimerax_matrix(
            row["chimerax_matrix"], conventions.box_centre_A((BOX,) * 3, PIXEL, (10.0, 20.0, 30.0)),
            conventions.box_centre_A((BOX,) * 3, PIXEL, (-5.0, 0.0, 7.0)),
        )[1]  # fmt: skip
        assert np.allclose(shift, row["translation_A"], atol=1e-3)


def test_maps_siblings_and_masks_lie_on_the_reference(place, result):
    reference = mrc.read_map(place / "ref.mrc")
    for name in ("a_map", "b_map"):
        for sibling in ("", "_sharp", "_half_A", "_half_B"):
            found = mrc.read_map(result / "aligned" / f"{name}{sibling}.mrc")
            assert found.origin_A == pytest.approx(reference.origin_A)
            assert np.corrcoef(found.data.ravel(), reference.data.ravel())[0, 1] > 0.99
        mask = mrc.read_map(result / "masks" / f"{name}.mrc").data
        assert np.corrcoef(mask.ravel() > 0.5, reference.data.ravel() > 0.05 * reference.data.max())[0, 1] > 0.9
    assert (result / "reference.mrc").read_bytes() == (place / "ref.mrc").read_bytes()


def test_tables_figures_and_script_are_there(result):
    for name in ("a_map", "b_map"):
        curve = pd.read_csv(result / "fsc" / f"{name}.csv")
        assert list(curve)[:5] == ["frequency_inv_A", "fsc_before", "fsc_after", "fsc_masked", "fsc_corrected"]
        assert curve["fsc_after"].iloc[:8].min() > 0.99 > curve["fsc_before"].iloc[4:8].max()
        z = mrc.read_map(result / "difference" / f"{name}_z.mrc").data
        difference = mrc.read_map(result / "difference" / f"{name}.mrc").data
        assert np.abs(z).max() < 30
        assert np.abs(difference).max() < 0.05 * mrc.read_map(result / "reference.mrc").data.max()
    script = (result / "align.cxc").read_text()
    assert "view matrix models #2," in script
    assert 'open "aligned/b_map.mrc"' in script
    assert (result / "report.png").stat().st_size > 10_000
    assert (result / "report.pdf").read_bytes()[:4] == b"%PDF"
    summary = json.loads((result / "summary.json").read_text())
    assert summary["n_flipped"] == 1
    assert summary["n_hand_undetermined"] == 0


def test_particles_move_by_class(place, result):
    old = read_star(place / "all.star")["particles"]
    new = read_star(result / "particles" / "all.star")["particles"]
    assert new["rlnImageName"].equals(old["rlnImageName"])
    for k, row in enumerate(transforms(result)):
        mine = np.flatnonzero(old["rlnClassNumber"] == str(k + 1))
        turn = np.array(row["rotation"])
        a = conventions.euler_to_matrix(*(numbers(old, f"rlnAngle{n}")[mine] for n in ("Rot", "Tilt", "Psi")))
        b = conventions.euler_to_matrix(*(numbers(new, f"rlnAngle{n}")[mine] for n in ("Rot", "Tilt", "Psi")))
        wanted = (FLIP @ a @ FLIP if row["hand_flipped"] else a) @ turn.T
        assert np.allclose(b, wanted, atol=1e-5)
        moved = numbers(new, "rlnOriginXAngst")[mine] - numbers(old, "rlnOriginXAngst")[mine]
        assert np.allclose(moved, (b @ row["translation_A"])[:, 0], atol=1e-4)


def test_other_grids_masks_and_formats(place, tmp_path):
    m = motion(5, True)
    mrc.write_map(tmp_path / "odd.mrc", before(m, 51, 3.1), 3.1)
    slab = before(motion(6, False), 46, PIXEL)[2:-4, :, 1:-1]
    mrc.write_map(tmp_path / "slab.mrc", slab, PIXEL)
    (tmp_path / "p.star.gz").write_bytes(gzip.compress((place / "one.star").read_bytes()))
    rows = np.zeros(3, [("alignments3D/pose", "f4", (3,)), ("alignments3D/shift", "f4", (2,)), ("blob/psize_A", "f4")])
    rows["blob/psize_A"] = 2.0
    cryosparc.write_cs(tmp_path / "p.cs", rows)
    out = tmp_path / "out"
    words = ["align", place / "ref.mrc", tmp_path / "odd.mrc", tmp_path / "slab.mrc", "--ref-mask", place / "ball.mrc",
             "--particles", tmp_path / "p.star.gz", "--particles", tmp_path / "p.cs", "--on", "reference",
             "--report", "none", "--siblings", "none", "--no-difference", "--out", out, "--quiet"]  # fmt: skip
    assert main([*map(str, words)]) == 0
    reference = mrc.read_map(place / "ref.mrc")
    for name in ("odd", "slab"):
        found = mrc.read_map(out / "aligned" / f"{name}.mrc")
        assert found.shape == reference.shape
        assert np.corrcoef(found.data.ravel(), reference.data.ravel())[0, 1] > 0.99
    assert angle(np.array(transforms(out)[0]["matrix"]), m.matrix) < 0.1
    turn, shift = np.array(transforms(out)[1]["rotation"]), np.array(transforms(out)[1]["translation_A"])
    moved = cryosparc.read_cs(out / "particles" / "p.cs")
    assert np.allclose(conventions.cryosparc_to_matrix(moved["alignments3D/pose"])[0], turn.T, atol=1e-5)
    assert np.allclose(moved["alignments3D/shift"][0], (turn.T @ shift)[:2] / 2.0, atol=1e-4)
    assert gzip.decompress((out / "particles" / "p.star.gz").read_bytes()).startswith(b"\n# version 30001")
    assert not list((out / "masks").iterdir())


def test_limits_and_one_hand(place, tmp_path):
    small = RigidTransform(Rotation.from_rotvec(np.radians([0, 12, 0])).as_matrix(), np.array([4.0, 0, 0]))
    mrc.write_map(tmp_path / "near.mrc", before(small), PIXEL)
    words = ["align", place / "ref.mrc", tmp_path / "near.mrc", "--max-angle", "20", "--max-shift", "8", "--hands",
             "input", "--step", "8", "--report", "none", "--no-mask", "--mask", place / "ball.mrc", "--quiet",
             "--out", tmp_path / "out"]  # fmt: skip
    assert main([*map(str, words)]) == 0
    row = transforms(tmp_path / "out")[0]
    assert row["angle_deg"] == pytest.approx(12, abs=0.05)
    assert row["cc_other_hand"] is None
    assert row["hand"] == "same"
    assert (tmp_path / "out/masks/near.mrc").exists()


def test_hand_of_its_own_mirror_image_is_undetermined(tmp_path):
    half = centres()
    both = np.concatenate([half, half * [1, 1, -1]])
    rng = np.random.default_rng(1)
    sizes, heights = rng.uniform(6, 10, 50) / PIXEL, rng.uniform(0.5, 1.5, 50)

    def make(m: RigidTransform) -> np.ndarray:
        where = (both - m.translation_A) @ m.matrix / PIXEL
        return GaussianPhantom(where, np.tile(sizes, 2), np.tile(heights, 2)).density(BOX)

    still = make(RigidTransform(np.eye(3), np.zeros(3)))
    for name, noise in (("clean", 0.0), ("noisy", 0.5)):
        data = [d + noise * d.std() * rng.normal(size=d.shape) for d in (still, make(motion(3, False)))]
        for file, each in zip(("ref", "map"), data, strict=True):
            mrc.write_map(tmp_path / f"{name}_{file}.mrc", each.astype(np.float32), PIXEL)
        words = ["align", tmp_path / f"{name}_ref.mrc", tmp_path / f"{name}_map.mrc", "--report", "none", "--quiet",
                 "--no-difference", "--out", tmp_path / name]  # fmt: skip
        assert main([*map(str, words)]) == 0
        row = transforms(tmp_path / name)[0]
        assert row["hand"] == "undetermined"
        assert row["cc_after"] == pytest.approx(row["cc_other_hand"], abs=0.02)


def test_hand_of_noise_is_undetermined(tmp_path):
    rng = np.random.default_rng(4)
    for name in ("a", "b"):
        mrc.write_map(tmp_path / f"{name}.mrc", rng.normal(size=(32,) * 3).astype(np.float32), PIXEL)
    words = ["align", tmp_path / "a.mrc", tmp_path / "b.mrc", "--report", "none", "--quiet", "--out", tmp_path / "out"]
    assert main([*map(str, words)]) == 0
    assert transforms(tmp_path / "out")[0]["hand"] == "undetermined"


def test_smallest_equivalent_motion(tmp_path, capsys):
    turn = RigidTransform(Rotation.from_rotvec(np.radians([0, 0, 100])).as_matrix(), np.zeros(3))
    out = tmp_path / "out"
    mrc.write_map(tmp_path / "x.mrc", _phantom("C4", turn), 4.0)
    words = ["align", "phantom:C4", tmp_path / "x.mrc", "--sym", "C4", "--report", "none", "--quiet", "--out", out]
    assert main([*map(str, words), "--no-difference"]) == 0
    assert transforms(out)[0]["angle_deg"] == pytest.approx(10, abs=0.1)


def _phantom(name: str, m: RigidTransform) -> np.ndarray:
    from emviewer.engine.simulate import phantom

    volume = phantom(name, pixel_size_A=3.0)
    back = RigidTransform(m.matrix.T, -m.matrix.T @ m.translation_A)
    return move_map(volume.data, 3.0, back, Grid3D((48, 48, 48), 4.0))


BAD = {
    "two masks for three maps": (["{d}/ref.mrc", "{d}/a_map.mrc", "{d}/b_map.mrc", "{d}/a_map.mrc", "--mask",
                                  "{d}/ball.mrc", "--mask", "{d}/ball.mrc"], "2 times --mask for 3 maps"),
    "a mask of another grid": (["{d}/ref.mrc", "{d}/a_map.mrc", "--mask", "{d}/small_mask.mrc"], "20 × 20 × 20"),
    "a reference mask of another grid": (["{d}/ref.mrc", "{d}/a_map.mrc", "--ref-mask", "{d}/small_mask.mrc"],
                                         "the reference 40 × 40 × 40"),
    "an empty mask": (["{d}/ref.mrc", "{d}/a_map.mrc", "--mask", "{d}/zero.mrc"], "every voxel of the map is zero"),
    "an empty map": (["{d}/ref.mrc", "{d}/zero.mrc"], "every voxel of the map is zero"),
    "an empty file": (["{d}/ref.mrc", "{d}/empty.mrc"], "empty"),
    "a map of constants": (["{d}/flat.mrc", "{d}/a_map.mrc"], "all voxels of the map are equal"),
    "no pixel size": (["{d}/ref.mrc", "{d}/nopixel.npy"], "--pixel-size"),
    "too little detail": (["{d}/ref.mrc", "{d}/a_map.mrc", "--lowpass", "60"], "too coarse to align particles of"),
    "no such group": (["{d}/ref.mrc", "{d}/a_map.mrc", "--sym", "Q5"], "Q5"),
    "particles without pixel size": (["{d}/ref.mrc", "{d}/a_map.mrc", "--particles", "{d}/nopx.star"], "pixel size"),
    "particles without classes": (["{d}/ref.mrc", "{d}/a_map.mrc", "{d}/b_map.mrc", "--particles", "{d}/nopose.star"],
                                  "rlnClassNumber"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_one_sentence(case, place, tmp_path, capsys):
    head = "data_\n\nloop_\n_rlnAngleRot\n_rlnAngleTilt\n_rlnAnglePsi\n_rlnOriginX{}\n_rlnOriginY{}\n1 2 3 4 5\n"
    (place / "nopx.star").write_text(head.format("", ""))
    (place / "nopose.star").write_text(head.format("Angst", "Angst"))
    words, expected = BAD[case]
    code = main(["align", *(w.format(d=place) for w in words), "--out", str(tmp_path / "out"), "--quiet"])
    said = capsys.readouterr().err
    assert code == 2
    assert expected in said
    assert len(said.strip().splitlines()) == 1
    assert said.startswith("emviewer: error: ")
    assert not (tmp_path / "out").exists()


def test_subtomograms_cannot_be_flipped(place, tmp_path, capsys):
    table = read_star(place / "one.star")
    table["particles"]["rlnOriginZAngst"] = "0.0"
    write_star(tmp_path / "tomo.star", table)
    words = ["align", place / "ref.mrc", place / "b_map.mrc", "--particles", tmp_path / "tomo.star", "--report", "none",
             "--no-difference", "--siblings", "none", "--quiet", "--out", tmp_path / "out"]  # fmt: skip
    assert main([*map(str, words)]) == 2
    assert "subtomograms cannot be flipped" in capsys.readouterr().err


@pytest.mark.slow
def test_independent_rotation_of_a_real_map(shared_data, tmp_path):
    place = shared_data / "map_hemoglobin_C2_real_emd3488"
    words = ["align", place / "emd_3488.mrc", place / "emd_3488_rotated.npy.gz", "--pixel-size", "1.05", "--report",
             "none", "--siblings", "none", "--no-difference", "--quiet", "--out", tmp_path / "out"]  # fmt: skip
    assert main([*map(str, words)]) == 0
    row = transforms(tmp_path / "out")[0]
    assert row["hand"] == "same"
    assert abs(np.degrees(np.linalg.norm(Rotation.from_matrix(row["rotation"]).as_rotvec())) - 30) < 0.1
    assert abs(row["axis_angle"][0]) > 0.9999


def test_a_full_disk_keeps_the_transform_that_was_found(place, tmp_path, monkeypatch, capsys):
    original = mrc.write_map

    def write(path, *rest):
        if path.parent.name == "difference":
            raise OSError(errno.ENOSPC, "No space left on device")
        original(path, *rest)

    monkeypatch.setattr(mrc, "write_map", write)
    words = ["align", place / "ref.mrc", place / "a_map.mrc", "--siblings", "none", "--report", "none", "--quiet"]
    assert main([*map(str, words), "--out", str(tmp_path / "out")]) == 2
    assert "the disk is full" in capsys.readouterr().err
    assert json.loads((tmp_path / "out/job.json").read_text())["status"] == "partial"
    (row,) = json.loads((tmp_path / "out/transforms.json").read_text())
    np.testing.assert_allclose(row["translation_A"], SHIFT, atol=0.5)
    assert row["misregistration"] is None
    assert mrc.read_map(tmp_path / "out/aligned/a_map.mrc").shape == (BOX,) * 3
