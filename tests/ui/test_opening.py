"""Tables of every program get the same columns of angles and shifts, and the information box says their notes."""

import numpy as np
import pandas as pd
import pytest

from emviewer.engine import conventions, star
from emviewer.engine.types import ImageSet, Poses
from emviewer.ui.facts import facts_of
from emviewer.ui.opening import ANGLES, ORIGINS, read_document, table_of
from emviewer.ui.workspace import Document

TOLD = [[10.0, 50.0, -20.0], [-120.0, 90.0, 170.0]]
SHIFTS = [[1.5, -2.0], [0.0, 3.0]]


def images(table=None, in_plane_only=False, mirror=(False, False)):
    poses = Poses(conventions.euler_to_matrix(*np.transpose(TOLD)), np.array(SHIFTS), np.array(mirror))
    table = pd.DataFrame({"uid": [1, 2]}) if table is None else table
    return ImageSet(table=table, poses=poses, in_plane_only=in_plane_only)


def test_a_table_without_angles_of_its_own_gets_those_of_the_poses():
    table = table_of(images())
    np.testing.assert_allclose(table[list(ANGLES.values())], TOLD, atol=1e-9)
    np.testing.assert_array_equal(table[list(ORIGINS.values())], SHIFTS)
    assert "mirror" not in table.columns
    assert table_of(images(mirror=(False, True)))["mirror"].tolist() == [0, 1]


def test_images_turned_in_the_plane_only_have_no_direction():
    assert not {"rot_deg", "tilt_deg"} & set(table_of(images(in_plane_only=True)).columns)


def test_an_early_table_of_relion_keeps_its_angles_and_gets_shifts_in_angstrom(tmp_path):
    columns = {"rlnAngleRot": ["30.0", "40.0"], "rlnAngleTilt": ["0.0", "0.0"], "rlnAnglePsi": ["5.0", "6.0"],
               "rlnOriginX": ["1.0", "2.0"], "rlnOriginY": ["-3.0", "0.5"], "rlnMagnification": ["10000.0"] * 2,
               "rlnDetectorPixelSize": ["2.0"] * 2}  # fmt: skip
    star.write_star(tmp_path / "old.star", {"": pd.DataFrame(columns)})
    table = read_document(tmp_path / "old.star").table
    assert table["rot_deg"].tolist() == [30.0, 40.0]  # not gathered in psi, as tilt 0 would allow
    assert table["shift_x_A"].tolist() == [2.0, 4.0]
    assert table["shift_y_A"].tolist() == [-6.0, 1.0]


def test_a_table_of_cryosparc_has_directions(shared_data):
    name = "cryosparc_P9_J209_T20S_000_particles.cs"
    document = read_document(shared_data / "particles_real_small_with_star" / name)
    assert document.table["tilt_deg"].between(0, 180).all()
    assert document.table["tilt_deg"].std() > 10


@pytest.mark.parametrize("given", [True, False])
def test_notes_of_a_table_stand_in_the_information(given):
    notes = ("its images were not found",) if given else ()
    document = Document("images", "p", None, info={"_images": ImageSet(pd.DataFrame({"a": [1]}), notes=notes)})
    assert [value for name, value in facts_of(document) if name == "Note"] == list(notes)
