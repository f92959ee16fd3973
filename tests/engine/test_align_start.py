"""A map that begins where a hand put it; what moves with it and what stays."""

from __future__ import annotations

import json
import shlex

import numpy as np
import pandas as pd
import pytest
from scipy.spatial.transform import Rotation

from emviewer.__main__ import main
from emviewer.engine import conventions, mrc
from emviewer.engine.align3d_refine import FLIP
from emviewer.engine.align3d_start import NEAR_DEG, turns
from emviewer.engine.errors import ParameterError
from emviewer.engine.figure_align_report import lines_of
from emviewer.engine.jobs.align import SPEC
from emviewer.engine.jobs.align_params import AlignParams
from emviewer.engine.jobs.run import run_job
from emviewer.engine.params import command_line, validated
from emviewer.engine.simulate_phantom import GaussianPhantom
from emviewer.engine.star import read_star, write_particles
from emviewer.engine.task import Cancelled
from emviewer.engine.types import RigidTransform

BOX, PIXEL = 32, 4.0


def density(motion: RigidTransform | None = None) -> np.ndarray:
    """Return a map without symmetry, or the one that a motion brings onto it."""
    rng = np.random.default_rng(0)
    centres = rng.uniform(-1, 1, (40, 3)) * [34, 26, 18]
    sizes, weights = rng.uniform(6, 9, 40), rng.uniform(0.5, 1.5, 40)
    if motion is not None:
        centres = (centres - motion.translation_A) @ motion.matrix
    return GaussianPhantom(centres / PIXEL, sizes / PIXEL, weights).density(BOX)


def truth(flipped: bool) -> RigidTransform:
    turn = Rotation.from_euler("ZYZ", [110, 95, -40], degrees=True).as_matrix()
    return RigidTransform(turn @ FLIP if flipped else turn, np.array([12.0, -9.0, 6.0]))


def words_of(rotation: np.ndarray, shift: np.ndarray, flipped: bool) -> str:
    euler = conventions.matrix_to_euler(rotation.T)[0]
    return ",".join(f"{v:.4f}" for v in (*euler, *shift)) + (",1" if flipped else "")


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("start")
    mrc.write_map(folder / "ref.mrc", density(), PIXEL)
    for name, flipped in (("a", False), ("b", True)):
        mrc.write_map(folder / f"{name}.mrc", density(truth(flipped)), PIXEL)
    for half in "12":
        mrc.write_map(folder / f"a_half{half}.mrc", density(truth(False)), PIXEL)
    for name in ("own", "core"):
        mask = density(truth(False)) > 0.05
        mrc.write_map(folder / f"{name}_mask.mrc", mask.astype(np.float32), PIXEL)
    mrc.write_map(folder / "odd_name.mrc", 2 * density(truth(False)), PIXEL)
    return folder


def run(place, out, *words):
    quiet = ["--report", "none", "--no-difference", "--quiet", "--threads", "2", "--out", str(out)]
    return main(["align", str(place / "ref.mrc"), *map(str, words), *quiet])


def test_a_start_is_refined_and_its_hand_stays(place, tmp_path):
    starts = []
    for flipped in (False, True):
        m = truth(flipped)
        turn = m.matrix @ FLIP if flipped else m.matrix
        off = Rotation.from_rotvec(np.radians([12, -9, 8])).as_matrix()
        starts.append(words_of(off @ turn, m.translation_A + np.array([4.0, -3.0, 2.0]), flipped))
    done = run(
        place, tmp_path / "out", place / "a.mrc", place / "b.mrc", f"--start={starts[0]}", f"--start={starts[1]}"
    )
    assert done == 0
    rows = json.loads((tmp_path / "out" / "transforms.json").read_text())
    for row, flipped in zip(rows, (False, True), strict=True):
        m = truth(flipped)
        turn = Rotation.from_matrix(np.array(row["matrix"]) @ m.matrix.T).magnitude()
        assert np.degrees(turn) < 0.05
        assert np.allclose(row["translation_A"], m.translation_A, atol=0.05)
        assert row["hand_flipped"] == flipped and row["cc_other_hand"] is None
    for name, flipped in (("a", 0), ("b", 1)):
        table = np.loadtxt(tmp_path / "out" / "search" / f"{name}.csv", delimiter=",", skiprows=1)
        assert len(table) == len(turns())
        assert (table[:, 2] == flipped).all()


def test_from_a_start_on_the_other_side_the_map_is_not_found(place, tmp_path, capsys):
    words = [place / "a.mrc", "--start", "0,0,0,0,0,0"]
    assert run(place, tmp_path / "out", *words) == 0
    row = json.loads((tmp_path / "out" / "transforms.json").read_text())[0]
    assert row["cc_after"] < 0.9
    assert run(place, tmp_path / "out2", *words, "--max-angle", "3") == 2
    assert "no position within the limits" in capsys.readouterr().err


def test_turns_are_a_star_about_the_start():
    angle = np.degrees(Rotation.from_matrix(turns()).magnitude())
    assert len(angle) == 15 and angle[0] == 0 and np.allclose(angle[1:], NEAR_DEG)


def test_files_beside_a_map_stay_or_come_as_told(place, tmp_path):
    words = [place / "a.mrc", "--leave", place / "a_half2.mrc", "--also", f"1:{place / 'odd_name.mrc'}"]
    words += [word for name in ("own", "core") for word in ("--also", f"1:{place / name}_mask.mrc")]
    m = truth(False)
    start = words_of(m.matrix, m.translation_A, False)
    assert run(place, tmp_path / "out", *words, "--start", start) == 0
    assert {p.name for p in (tmp_path / "out" / "aligned").iterdir()} == {"a.mrc", "a_half1.mrc", "odd_name.mrc"}
    reference = mrc.read_map(place / "ref.mrc").data > 0.05
    for name in ("a", "core_mask"):
        mask = mrc.read_map(tmp_path / "out" / "masks" / f"{name}.mrc").data
        assert np.corrcoef(mask.ravel() > 0.5, reference.ravel())[0, 1] > 0.9
    assert len(list((tmp_path / "out" / "masks").iterdir())) == 2


def test_starts_are_written_as_they_are_read():
    values = {"reference": "r.mrc", "maps": ["a.mrc", "b.mrc"], "start": ["-10,20,30,1.5,-2,3,1", "none"]}
    params = validated(AlignParams, values | {"also": ["0:c:d.mrc"]})
    assert params.start == [(-10, 20, 30, 1.5, -2, 3, 1), ()]
    assert params.also[0][0] == 0 and str(params.also[0][1]) == "c:d.mrc" and params.beside(1) == []
    words = shlex.split(command_line("align", params, "out"))
    assert [w for w in words if "-10,20" in w] and "0:c:d.mrc" in words
    again = AlignParams.model_validate(params.model_dump(mode="json"))
    assert again == params


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"start": ["1,2,3"]}, "has 3 of the 6 or 7 numbers"),
        ({"start": ["1,2,3,4,5,6", "none"]}, "2 times --start for 1 maps"),
        ({"also": ["x.mrc"]}, "is not the number of a map and a file"),
        ({"also": ["2:x.mrc"]}, "names a map beyond the 1"),
    ],
)
def test_wrong_starts_are_one_sentence(given, said):
    with pytest.raises(ParameterError, match=said):
        validated(AlignParams, {"reference": "r.mrc", "maps": ["a.mrc"]} | given)


def _stopped(place, out, tables):
    """Align two maps with particles and stop after the first; return the outcome."""
    poses = [(truth(flipped), flip) for flipped, flip in ((False, np.eye(3)), (True, FLIP))]
    starts = [words_of(m.matrix @ flip, m.translation_A, m.hand_flipped) for m, flip in poses]
    values = {"reference": place / "ref.mrc", "maps": [place / "a.mrc", place / "b.mrc"], "start": starts}
    values |= {"siblings": "none", "difference": False, "report": "none", "particles": tables}
    done = []

    def check() -> None:
        if done:
            raise Cancelled

    steps = run_job(SPEC, validated(AlignParams, values), out, check=check)
    while True:
        try:
            done += next(steps).rows.tolist()
        except StopIteration as end:
            return end.value


def _table(path, classes):
    names = ("rlnAngleRot", "rlnAngleTilt", "rlnAnglePsi", "rlnOriginXAngst", "rlnOriginYAngst")
    rows = pd.DataFrame({name: ["10.0"] * len(classes) for name in names}, dtype="str")
    rows["rlnClassNumber"] = [str(c) for c in classes]
    write_particles(path, rows.assign(rlnImagePixelSize="4.0"))
    return path


def test_particles_of_the_maps_that_are_done_are_kept(place, tmp_path):
    one = _table(tmp_path / "all.star", [1, 2, 2, 1, 2])
    outcome = _stopped(place, tmp_path / "out", [one])
    assert outcome.status == "partial" and outcome.summary["n_aligned"] == 1
    (table,) = read_star(tmp_path / "out" / "particles" / "all.star").values()
    moved = table["rlnAngleRot"].astype(float)
    assert (np.abs(moved - 10) > 1).tolist() == [True, False, False, True, False]
    assert "3 particles of all.star are not moved, as no map was aligned for class 2" in outcome.warnings
    assert (outcome.summary["n_particles_moved"], outcome.summary["n_particles_left"]) == (2, 3)


def test_particles_of_one_map_are_written_once_it_is_done(place, tmp_path):
    tables = [_table(tmp_path / name, [1, 1]) for name in ("a.star", "b.star")]
    outcome = _stopped(place, tmp_path / "out", tables)
    assert [p.name for p in (tmp_path / "out" / "particles").iterdir()] == ["a.star"]
    assert any("b.star is not written" in warning for warning in outcome.warnings)
    assert (outcome.summary["n_particles_moved"], outcome.summary["n_particles_left"]) == (2, 0)


def test_a_hand_without_a_place_within_the_limits_leaves_no_doubt(place, tmp_path):
    near = RigidTransform(Rotation.from_rotvec(np.radians([0, 3, 0])).as_matrix(), np.array([4.0, 0, 0]))
    mrc.write_map(tmp_path / "near.mrc", density(near), PIXEL)
    assert run(place, tmp_path / "out", tmp_path / "near.mrc", "--max-angle", "5") == 0
    row = json.loads((tmp_path / "out" / "transforms.json").read_text())[0]
    assert row["hand"] == "same" and not row["hand_flipped"]
    assert row["cc_other_hand"] is None and row["hand_margin"] is None and row["hand_sigma"] is None
    said = json.loads((tmp_path / "out" / "job.json").read_text())["warnings"]
    assert not any("undetermined" in warning or "nan" in warning for warning in said)
    assert any("the other hand of near was not found within the limits" in warning for warning in said)
    assert any("not found within the limits" in line for line in lines_of(row))
