"""Moving maps keeps fine detail; masks stay masks; poses of particles follow exactly."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.spatial.transform import Rotation

from emviewer.engine import conventions
from emviewer.engine.align3d_move import Grid3D, move_map, move_mask, overlay_origin_A
from emviewer.engine.align3d_poses import CryosparcPoses, RelionPoses, moved_rotations
from emviewer.engine.align3d_refine import FLIP
from emviewer.engine.errors import DataError
from emviewer.engine.project import Projector
from emviewer.engine.simulate_phantom import GaussianPhantom
from emviewer.engine.star import numbers
from emviewer.engine.types import Map3D, RigidTransform

HANDS = pytest.mark.parametrize("flipped", [False, True])


def motion(seed: int, flipped: bool, length_A: float = 4.0) -> RigidTransform:
    turn = Rotation.random(random_state=seed).as_matrix()
    shift = np.random.default_rng(seed).normal(size=3)
    return RigidTransform(turn @ FLIP if flipped else turn, shift / np.linalg.norm(shift) * length_A)


def phantom(box: int, pixel: float, seed: int = 0, spread: float = 0.16) -> GaussianPhantom:
    rng = np.random.default_rng(seed)
    centres = rng.normal(0, spread / 2, (30, 3)).clip(-spread, spread) * box
    return GaussianPhantom(centres, rng.uniform(1.2, 2.2, 30), rng.uniform(0.5, 1.5, 30))


def exactly_moved(p: GaussianPhantom, pixel: float, m: RigidTransform, box: int, to: float) -> np.ndarray:
    centres = (p.centres_px * pixel) @ m.matrix.T + m.translation_A
    return GaussianPhantom(centres / to, p.sigmas_px * pixel / to, p.amplitudes).density(box)


@pytest.mark.parametrize("fraction", [0.25, 0.5, 0.67, 0.8, 0.9])
def test_waves_keep_their_amplitude(fraction):
    n, m = 64, motion(1, False, 3.0)
    z, y, x = np.meshgrid(*(np.arange(n) - n // 2,) * 3, indexing="ij")
    places = np.stack([x, y, z], axis=-1).astype(float)
    direction = np.random.default_rng(3).normal(size=3)
    k = direction / np.linalg.norm(direction) * fraction / 2

    def wave(p):
        return np.exp(-(p**2).sum(-1) / (2 * 9.0**2)) * np.cos(2 * np.pi * (p @ k))

    wanted = wave((places - m.translation_A) @ m.matrix)
    found = move_map(wave(places).astype(np.float32), 1.0, m, Grid3D((n, n, n), 1.0))
    assert (found * wanted).sum() / (wanted**2).sum() == pytest.approx(1, abs=2e-3)
    assert np.linalg.norm(found - wanted) < 0.02 * np.linalg.norm(wanted)


@HANDS
@pytest.mark.parametrize(("box", "to_box", "to_pixel"), [(48, 48, 2.0), (47, 60, 1.7), (50, 41, 2.6)])
def test_any_grid_to_any_grid(flipped, box, to_box, to_pixel):
    p, m = phantom(box, 2.0), motion(box, flipped)
    found = move_map(p.density(box), 2.0, m, Grid3D((to_box,) * 3, to_pixel))
    wanted = exactly_moved(p, 2.0, m, to_box, to_pixel)
    found *= np.vdot(wanted, found) / np.vdot(found, found)  # amplitudes of densities scale with the voxel
    assert np.abs(found - wanted).max() < 0.02 * wanted.max()


def test_outside_is_zero_and_nothing_wraps():
    data = np.ones((20, 20, 20), np.float32)
    found = move_map(data, 1.0, RigidTransform(np.eye(3), np.array([8.0, 0, 0])), Grid3D((20, 20, 20), 1.0))
    assert not found[:, :, :7].any()
    assert found[10, 10, 12] == pytest.approx(1, abs=0.02)


def test_not_cubic_and_no_motion():
    data = np.random.default_rng(0).normal(size=(10, 12, 15)).astype(np.float32)
    still = RigidTransform(np.eye(3), np.zeros(3))
    assert np.array_equal(move_map(data, 1.0, still, Grid3D((10, 12, 15), 1.0)), data)
    assert move_map(data, 1.0, motion(0, False), Grid3D((9, 8, 7), 1.5)).shape == (9, 8, 7)


def test_masks_stay_between_0_and_1():
    mask = np.zeros((30, 30, 30), np.float32)
    mask[8:22, 8:22, 8:22] = 1
    moved = move_mask(mask, 1.0, motion(2, True, 2.0), Grid3D((30, 30, 30), 1.0))
    assert moved.min() == 0
    assert moved.max() == 1
    assert moved.sum() == pytest.approx(mask.sum(), rel=0.01)


def test_origins_overlay():
    reference = Map3D(np.zeros((8, 8, 8), np.float32), 2.0, origin_A=(1.0, 2.0, 3.0))
    assert overlay_origin_A(reference, Grid3D((8, 8, 8), 2.0)) == (1.0, 2.0, 3.0)
    assert overlay_origin_A(reference, Grid3D((9, 4, 16), 1.0)) == (1 + 8 - 8, 2 + 8 - 2, 3 + 8 - 4)


# poses ------------------------------------------------------------------------------------------------------------
TILTS = [0.0, 180.0, 90.0, 37.0, 121.0]


def projections(volume: Map3D, rotations: np.ndarray, shifts_A: np.ndarray) -> np.ndarray:
    return Projector(volume).project(rotations, shifts_px=shifts_A / volume.pixel_size_A)


def correlations(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    a, b = (v.reshape(len(v), -1) - v.reshape(len(v), -1).mean(axis=1, keepdims=True) for v in (a, b))
    return (a * b).sum(axis=1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)


def text(values) -> pd.Series:
    return pd.Series([f"{v:.6f}" for v in values], dtype="str")


def star_blocks(legacy: bool, pixel: float) -> dict[str, pd.DataFrame]:
    rng = np.random.default_rng(5)
    n = len(TILTS)
    unit, edge = ("", pixel) if legacy else ("Angst", 1.0)
    table = {
        "rlnImageName": pd.Series([f"{i + 1:06d}@a b.mrcs" for i in range(n)], dtype="str"),
        "rlnAngleRot": text(rng.uniform(-180, 180, n)),
        "rlnAngleTilt": text(TILTS),
        "rlnAnglePsi": text(rng.uniform(-180, 180, n)),
        f"rlnOriginX{unit}": text(rng.normal(0, 3, n) / edge),
        f"rlnOriginY{unit}": text(rng.normal(0, 3, n) / edge),
        "rlnDefocusU": pd.Series(["12345.600"] * n, dtype="str"),
        "rlnAngleTiltPrior": text(TILTS),
        "rlnAnglePsiPrior": text(rng.uniform(-180, 180, n)),
        "rlnClassNumber": pd.Series(["1", "2", "1", "2", "3"], dtype="str"),
    }
    if legacy:
        table |= {"rlnDetectorPixelSize": text([pixel] * n), "rlnMagnification": text([10000.0] * n)}
        return {"": pd.DataFrame(table)}
    table["rlnOpticsGroup"] = pd.Series(["1"] * n, dtype="str")
    optics = pd.DataFrame({"rlnOpticsGroup": ["1"], "rlnImagePixelSize": [f"{pixel}"]}, dtype="str")
    return {"optics": optics, "particles": pd.DataFrame(table)}


def relion_poses(blocks: dict[str, pd.DataFrame], pixel: float) -> tuple[np.ndarray, np.ndarray]:
    table = list(blocks.values())[-1]
    angles = [numbers(table, f"rlnAngle{name}") for name in ("Rot", "Tilt", "Psi")]
    unit, edge = ("Angst", 1.0) if "rlnOriginXAngst" in table else ("", pixel)
    shifts = np.stack([numbers(table, f"rlnOrigin{axis}{unit}") * edge for axis in "XY"], axis=1)
    return conventions.euler_to_matrix(*angles), shifts


@HANDS
@pytest.mark.parametrize("legacy", [False, True])
def test_relion_poses_show_the_same_images(flipped, legacy):
    pixel, box = 2.0, 48
    p, m = phantom(box, pixel), motion(7, flipped)
    blocks = star_blocks(legacy, pixel)
    poses = RelionPoses(blocks, Path("p.star"))
    poses.move(np.arange(len(poses)), m)
    after = poses.result()
    before = projections(Map3D(p.density(box), pixel), *relion_poses(blocks, pixel))
    moved = Map3D(exactly_moved(p, pixel, m, box, pixel), pixel)
    assert correlations(before, projections(moved, *relion_poses(after, pixel))).min() > 0.999
    old, new = (list(b.values())[-1] for b in (blocks, after))
    changed = {c for c in old if not new[c].equals(old[c])}
    assert changed == {c for c in old if c.startswith(("rlnAngle", "rlnOrigin"))}
    assert list(old) == list(new)
    assert 0 <= numbers(new, "rlnAngleTilt").min() <= numbers(new, "rlnAngleTilt").max() <= 180


@HANDS
def test_cryosparc_poses_show_the_same_images(flipped):
    pixel, box = 2.0, 48
    p, m = phantom(box, pixel), motion(8, flipped)
    kinds = [("uid", "u8"), ("alignments3D/pose", "f4", (3,)), ("alignments3D/shift", "f4", (2,)),
             ("alignments3D/psize_A", "f4"), ("alignments3D/class", "u4"), ("alignments3D_multi/pose", "f4", (2, 3)),
             ("alignments3D_multi/shift", "f4", (2, 2)), ("note", "S5")]  # fmt: skip
    rows = np.zeros(len(TILTS), kinds)
    angles = np.array([[10.0, t, 40.0] for t in TILTS])
    rows["alignments3D/pose"] = conventions.matrix_to_cryosparc(conventions.euler_to_matrix(*angles.T))
    rows["alignments3D/shift"] = np.random.default_rng(0).normal(0, 2, (len(rows), 2))
    rows["alignments3D/psize_A"] = 1.6
    rows["note"] = b"kept"
    poses = CryosparcPoses(rows, Path("p.cs"))
    poses.move(np.arange(len(rows)), m)

    def of(r):
        return conventions.cryosparc_to_matrix(r["alignments3D/pose"]), r["alignments3D/shift"].astype(float) * 1.6

    moved = Map3D(exactly_moved(p, pixel, m, box, pixel), pixel)
    before = projections(Map3D(p.density(box), pixel), *of(rows))
    assert correlations(before, projections(moved, *of(poses.rows))).min() > 0.999
    untouched = [name for name in rows.dtype.names if "pose" not in name and "shift" not in name]
    assert all(np.array_equal(rows[name], poses.rows[name]) for name in untouched)
    zero = conventions.cryosparc_to_matrix(np.zeros((1, 3)))
    wanted = conventions.matrix_to_cryosparc(moved_rotations(zero, m))[0]
    assert np.allclose(poses.rows["alignments3D_multi/pose"][2, 1], wanted, atol=1e-5)


def test_only_the_rows_asked_for_change_a_letter():
    blocks = star_blocks(False, 2.0)
    poses = RelionPoses(blocks, Path("p.star"))
    assert poses.classes.tolist() == [0, 1, 0, 1, 2]
    poses.move(np.array([1, 3]), motion(3, True))
    old, new = blocks["particles"], poses.result()["particles"]
    assert new.iloc[[0, 2, 4]].equals(old.iloc[[0, 2, 4]])
    assert (new["rlnAngleRot"].iloc[[1, 3]] != old["rlnAngleRot"].iloc[[1, 3]]).all()


def test_subtomograms_move_in_3d_and_refuse_a_flip():
    blocks = star_blocks(False, 2.0)
    blocks["particles"]["rlnOriginZAngst"] = text([1.0] * len(TILTS))
    m = motion(4, False)
    poses = RelionPoses(blocks, Path("p.star"))
    poses.move(np.arange(len(poses)), m)
    new = poses.result()["particles"]
    rotations = relion_poses({"p": new}, 2.0)[0]
    wanted = 1.0 + (rotations @ m.translation_A)[:, 2]
    assert np.allclose(numbers(new, "rlnOriginZAngst"), wanted, atol=1e-4)
    with pytest.raises(DataError, match="subtomograms cannot be flipped"):
        poses.move(np.arange(len(poses)), motion(4, True))


def test_poses_without_a_pixel_size_are_refused():
    table = star_blocks(True, 2.0)[""].drop(columns=["rlnDetectorPixelSize", "rlnMagnification"])
    with pytest.raises(DataError, match="pixel size"):
        RelionPoses({"": table}, Path("p.star"))
    assert len(RelionPoses({"": table}, Path("p.star"), 2.0)) == len(TILTS)
    rows = np.zeros(2, [("alignments3D/pose", "f4", (3,)), ("alignments3D/shift", "f4", (2,))])
    with pytest.raises(DataError, match="psize_A"):
        CryosparcPoses(rows, Path("p.cs"))
    with pytest.raises(DataError, match="no rlnAngleTilt"):
        RelionPoses({"": table.drop(columns="rlnAngleTilt")}, Path("p.star"), 2.0)


@pytest.mark.parametrize("posterior", [False, True])
def test_poses_of_every_class_of_older_cryosparc_move_with_their_class(posterior):
    kinds = [("uid", "u8"), ("blob/psize_A", "f4")]
    for k in range(2):
        kinds += [(f"alignments_class_{k}/pose", "f4", (3,)), (f"alignments_class_{k}/shift", "f4", (2,))]
        kinds += [(f"alignments_class_{k}/class_posterior", "f4")] if posterior else []
    rows = np.zeros(3, kinds)
    rows["blob/psize_A"] = 2.0
    if posterior:
        rows["alignments_class_0/class_posterior"] = [0.9, 0.2, 0.6]
        rows["alignments_class_1/class_posterior"] = [0.1, 0.8, 0.4]
    poses = CryosparcPoses(rows, Path("p.cs"))
    assert poses.classes is None if not posterior else poses.classes.tolist() == [0, 1, 0]
    m = motion(9, True)
    poses.move_slice(1, m)
    wanted = moved_rotations(conventions.cryosparc_to_matrix(np.zeros((1, 3))), m)
    pose, shift = poses.rows["alignments_class_1/pose"], poses.rows["alignments_class_1/shift"]
    assert np.allclose(pose, conventions.matrix_to_cryosparc(wanted)[0], atol=1e-5)
    assert np.allclose(shift, (wanted[0] @ m.translation_A)[:2] / 2.0, atol=1e-5)
    assert not poses.rows["alignments_class_0/pose"].any()
    poses.move(np.array([2]), motion(10, False))
    assert poses.rows["alignments_class_0/pose"].any(axis=1).tolist() == [False, False, True]
