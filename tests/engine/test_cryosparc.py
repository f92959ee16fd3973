"""cryoSPARC tables: kept field by field, poses by the axis-angle definition, images by blob."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from emviewer.engine import cryosparc, mrc
from emviewer.engine.errors import DataError, FileError
from emviewer.engine.types import Poses

RNG = np.random.default_rng(11)
PARTICLES = [
    ("uid", "<u8"),
    ("blob/path", "S40"),
    ("blob/idx", "<u4"),
    ("blob/psize_A", "<f4"),
    ("blob/sign", "<f4"),
    ("alignments3D/shift", "<f4", (2,)),
    ("alignments3D/pose", "<f4", (3,)),
    ("alignments3D/psize_A", "<f4"),
    ("ctf/df1_A", "<f4"),
    ("ctf/df_angle_rad", "<f4"),
    ("mystery/field", "<i2", (2, 2)),
]


def particles(n=6):
    rows = np.zeros(n, PARTICLES)
    rows["uid"] = RNG.permutation(1000)[:n] + 2**60
    rows["blob/path"] = [b">J1/extract/a.mrc" if i % 2 else b"J1/extract/b.mrc" for i in range(n)]
    rows["blob/idx"] = np.arange(n) // 2
    rows["blob/psize_A"], rows["alignments3D/psize_A"], rows["blob/sign"] = 1.5, 3.0, -1
    rows["alignments3D/pose"] = RNG.normal(size=(n, 3))
    rows["alignments3D/shift"] = RNG.normal(size=(n, 2))
    rows["ctf/df1_A"], rows["ctf/df_angle_rad"] = 12000, np.pi / 6
    rows["mystery/field"] = RNG.integers(-9, 9, (n, 2, 2))
    return rows


def test_a_table_is_written_back_byte_for_byte(tmp_path):
    cryosparc.write_cs(tmp_path / "a.cs", particles())
    rows = cryosparc.read_cs(tmp_path / "a.cs")
    cryosparc.write_cs(tmp_path / "b.cs", rows)
    assert (tmp_path / "a.cs").read_bytes() == (tmp_path / "b.cs").read_bytes()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.cs", "b.cs"]


def test_images_follow_path_index_and_sign(tmp_path):
    project = tmp_path / "P1"
    (project / "J1/extract").mkdir(parents=True)
    images = {}
    for name in "ab":
        images[name] = RNG.normal(size=(3, 4, 5)).astype(np.float32)
        with mrc.StackWriter(project / f"J1/extract/{name}.mrc", (4, 5), 1.0) as writer:
            writer.append(images[name])
    (project / "J2").mkdir()
    cryosparc.write_cs(project / "J2/p.cs", particles())
    got = cryosparc.read_images(project / "J2/p.cs")
    np.testing.assert_array_equal(got.stack[[0, 1, 5]], -np.stack([images["b"][0], images["a"][0], images["a"][2]]))
    assert got.pixel_size_A == got.stack.pixel_size_A == 1.5
    assert "blob/sign -1" in got.notes[0] and not got.in_plane_only
    assert cryosparc.read_images(project / "J2/p.cs", 2.0).pixel_size_A == 2.0


def test_poses_are_the_transpose_of_the_axis_angle_rotation():
    rows = particles(50)
    poses = cryosparc.poses_of(rows)
    expected = Rotation.from_rotvec(rows["alignments3D/pose"].astype(float)).as_matrix().transpose(0, 2, 1)
    np.testing.assert_allclose(poses.rotations, expected, atol=1e-7)
    np.testing.assert_allclose(poses.shifts_A, rows["alignments3D/shift"].astype(float) * 3.0)


def test_poses_written_back_are_read_again_and_nothing_else_changes():
    rows = particles(50)
    wanted = Poses(Rotation.random(50, 3).as_matrix(), RNG.normal(size=(50, 2)), np.zeros(50, bool))
    changed = cryosparc.with_poses(rows, wanted)
    again = cryosparc.poses_of(changed)
    np.testing.assert_allclose(again.rotations, wanted.rotations, atol=1e-6)
    np.testing.assert_allclose(again.shifts_A, wanted.shifts_A, atol=1e-6)
    for name in rows.dtype.names:
        if name not in ("alignments3D/pose", "alignments3D/shift"):
            np.testing.assert_array_equal(changed[name], rows[name])
    with pytest.raises(DataError):
        cryosparc.with_poses(rows[:3], wanted)


def test_in_plane_poses_of_2d_classification():
    rows = np.zeros(2, [("alignments2D/pose", "<f4"), ("alignments2D/shift", "<f4", (2,)), ("blob/psize_A", "<f4")])
    rows["alignments2D/pose"], rows["alignments2D/shift"], rows["blob/psize_A"] = [0.5, -1], [[1, 2], [3, 4]], 2
    poses = cryosparc.poses_of(rows)
    c, s = np.cos(rows["alignments2D/pose"]), np.sin(rows["alignments2D/pose"])
    np.testing.assert_allclose(poses.rotations[:, 0, :2], np.stack([c, s], 1), atol=1e-6)
    np.testing.assert_allclose(poses.shifts_A, [[2, 4], [6, 8]])


def test_join_by_uid_in_another_order():
    rows = particles(6)
    more = np.zeros(8, [("uid", "<u8"), ("location/center_x_frac", "<f4"), ("blob/idx", "<u4")])
    order = RNG.permutation(6)
    more["uid"][:6], more["uid"][6:] = rows["uid"][order], [1, 2]
    more["location/center_x_frac"][:6] = order
    joined = cryosparc.join(rows, more)
    np.testing.assert_array_equal(joined["location/center_x_frac"], np.arange(6))
    np.testing.assert_array_equal(joined["blob/idx"], rows["blob/idx"])
    assert joined.dtype.names == (*rows.dtype.names, "location/center_x_frac")
    with pytest.raises(DataError, match="1 of 6 particles are not in the passthrough"):
        cryosparc.join(rows, more[more["uid"] != rows["uid"][2]])
    with pytest.raises(DataError, match="6 of 6"):
        cryosparc.join(rows, more[:0])
    with pytest.raises(DataError, match="the passthrough have no field uid"):
        cryosparc.join(rows, np.zeros(3, [("x", "f4")]))


def test_passthrough_reaches_the_table(tmp_path):
    rows = particles(4)
    more = np.zeros(4, [("uid", "<u8"), ("location/micrograph_path", "S9"), ("location/center_x_frac", "<f4")])
    more["uid"], more["location/micrograph_path"] = rows["uid"], b"m.mrc"
    cryosparc.write_cs(tmp_path / "p.cs", rows)
    cryosparc.write_cs(tmp_path / "q.cs", more)
    got = cryosparc.read_images(tmp_path / "p.cs", passthrough=tmp_path / "q.cs")
    assert got.table["location/micrograph_path"].tolist() == ["m.mrc"] * 4
    assert got.table["blob/path"].iloc[1] == ">J1/extract/a.mrc"
    assert {"alignments3D/pose[2]", "mystery/field[3]"} <= set(got.table.columns)
    np.testing.assert_array_equal(got.blocks["particles"], rows)
    np.testing.assert_array_equal(got.blocks["passthrough"], more)
    assert got.ctf["defocus_angle_deg"].tolist() == pytest.approx([30] * 4) and got.ctf["kv"].isna().all()


def test_several_pixel_sizes_are_said(tmp_path):
    rows = particles(4)
    rows["blob/psize_A"][2] = 1.6
    cryosparc.write_cs(tmp_path / "p.cs", rows)
    assert "several pixel sizes" in cryosparc.read_images(tmp_path / "p.cs").notes[0]
    assert len(cryosparc.read_images(tmp_path / "p.cs", 2.0).notes) == 1


@pytest.mark.parametrize("kind", ["text", "cut", "plain", "pickle"])
def test_what_is_no_cs_file_is_refused(tmp_path, kind):
    path = tmp_path / "a.cs"
    if kind == "text":
        path.write_text("no table")
    elif kind == "plain":
        with path.open("wb") as file:
            np.save(file, np.zeros(3))
    elif kind == "pickle":
        with path.open("wb") as file:
            np.save(file, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    else:
        cryosparc.write_cs(path, particles())
        path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(FileError) as err:
        cryosparc.read_cs(path)
    assert err.value.where == str(path)


def test_the_real_refinement(shared_data, tmp_path):
    path = shared_data / "particles_real_small_with_star/cryosparc_P9_J209_T20S_000_particles.cs"
    got = cryosparc.read_images(path)
    assert len(got) == 11764 and got.stack is None and got.pixel_size_A == pytest.approx(1.0273438)
    assert np.allclose(np.linalg.det(got.poses.rotations), 1)
    assert (got.ctf["kv"] == 300).all() and got.ctf["defocus_u_A"].between(5e3, 4e4).all()
    cryosparc.write_cs(tmp_path / "again.cs", got.blocks["particles"])
    np.testing.assert_array_equal(cryosparc.read_cs(tmp_path / "again.cs"), got.blocks["particles"])
