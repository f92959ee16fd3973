"""RELION tables as image sets: where the images are, how large a pixel is, what poses and CTF say."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from emviewer.engine import conventions, files_named, mrc, star
from emviewer.engine.errors import FileError
from emviewer.engine.files_named import ImageNames
from emviewer.engine.star_images import read_images

RNG = np.random.default_rng(5)
PIXELS = RNG.normal(size=(6, 8, 9)).astype(np.float32)


def stack(path, images=PIXELS, pixel=2.0):
    path.parent.mkdir(parents=True, exist_ok=True)
    with mrc.StackWriter(path, images.shape[1:], pixel) as writer:
        writer.append(images)
    return path


def table(path, names, optics=None, **columns):
    path.parent.mkdir(parents=True, exist_ok=True)
    frame = pd.DataFrame({"rlnImageName": names} | columns)
    star.write_particles(path, frame, None if optics is None else pd.DataFrame(optics))
    return path


def numbered(path, ids):
    return [f"{i + 1:06d}@{path}" for i in ids]


def test_images_are_found_from_the_project_above_the_table(tmp_path):
    stack(tmp_path / "Extract/job1/a.mrcs")
    path = table(tmp_path / "Refine3D/job2/run_data.star", numbered("Extract/job1/a.mrcs", [3, 0, 5, 3]))
    got = read_images(path)
    assert got.notes == () and got.pixel_size_A == 2 and got.pixel_size_known
    np.testing.assert_array_equal(got.stack[:], PIXELS[[3, 0, 5, 3]])
    np.testing.assert_array_equal(got.stack[[2, 0]], PIXELS[[5, 3]])


def test_images_are_found_in_the_project_folder_that_is_given(tmp_path):
    stack(tmp_path / "project/a.mrcs")
    path = table(tmp_path / "elsewhere/x.star", numbered("a.mrcs", [1]))
    assert read_images(path).stack is None
    np.testing.assert_array_equal(read_images(path, project_dir=tmp_path / "project").stack[0], PIXELS[1])


def test_a_project_folder_that_is_not_there(tmp_path):
    path = table(tmp_path / "x.star", numbered("a.mrcs", [1]))
    with pytest.raises(FileError, match="no such project folder"):
        read_images(path, project_dir=tmp_path / "none")


def test_the_nearest_folder_wins_over_the_given_one(tmp_path):
    stack(tmp_path / "a.mrcs", PIXELS + 1)
    stack(tmp_path / "other/a.mrcs")
    path = table(tmp_path / "x.star", numbered("a.mrcs", [1]))
    np.testing.assert_array_equal(read_images(path, project_dir=tmp_path / "other").stack[0], PIXELS[1] + 1)


def test_missing_images_open_as_a_table_and_say_which(tmp_path):
    got = read_images(table(tmp_path / "x.star", numbered("Extract/none.mrcs", [1]), rlnAnglePsi=[5.0]))
    assert got.stack is None and len(got) == 1 and got.poses is not None
    assert "Extract/none.mrcs" in got.notes[0] and str(tmp_path) in got.notes[0]


def test_one_missing_stack_is_an_error_only_when_it_is_asked_for(tmp_path):
    stack(tmp_path / "a.mrcs")
    path = table(tmp_path / "x.star", ["000001@a.mrcs", "000001@gone.mrcs", "000007@a.mrcs"])
    got = read_images(path)
    np.testing.assert_array_equal(got.stack[0], PIXELS[0])
    with pytest.raises(FileError, match=r"gone\.mrcs was not found") as err:
        got.stack[1]
    assert "--project-dir" in str(err.value) and str(tmp_path) in str(err.value)
    with pytest.raises(FileError, match=r"000007@a\.mrcs was not found: the stack has 6 images"):
        got.stack[2]


def test_a_stack_copied_beside_the_table_is_found_by_its_bare_name(tmp_path):
    stack(tmp_path / "a.mrcs")
    got = read_images(table(tmp_path / "x.star", numbered("/gone/Extract/a.mrcs", [2])))
    np.testing.assert_array_equal(got.stack[0], PIXELS[2])
    assert got.notes == ("/gone/Extract/a.mrcs was not found under this path; a.mrcs beside the table is used",)


def test_a_stack_named_like_the_table_stands_in_and_that_is_said(tmp_path):
    stack(tmp_path / "x.mrcs")
    got = read_images(table(tmp_path / "x.star", numbered("gone.mrcs", range(6))))
    np.testing.assert_array_equal(got.stack[4], PIXELS[4])
    assert "gone.mrcs was not found; x.mrcs beside the table" in got.notes[0]
    assert read_images(table(tmp_path / "x.star", numbered("gone.mrcs", range(5)))).stack is None


def test_many_stacks_in_any_order_with_few_open(tmp_path, monkeypatch):
    monkeypatch.setattr(files_named, "_OPEN_STACKS", 3)
    everything = RNG.normal(size=(20, 5, 4, 4)).astype(np.float32)
    for k, images in enumerate(everything):
        stack(tmp_path / f"m{k}.mrcs", images)
    which, index = RNG.integers(0, 20, 300), RNG.integers(0, 5, 300)
    names = [f"{i + 1:06d}@m{k}.mrcs" for k, i in zip(which, index, strict=True)]
    got = read_images(table(tmp_path / "x.star", names))
    rows = RNG.permutation(300)
    np.testing.assert_array_equal(got.stack[rows], everything[which[rows], index[rows]])


def test_stacks_of_another_size_are_named(tmp_path):
    stack(tmp_path / "a.mrcs")
    stack(tmp_path / "b.mrcs", PIXELS[:, :6, :6])
    got = read_images(table(tmp_path / "x.star", ["000001@a.mrcs", "000002@b.mrcs"]))
    with pytest.raises(FileError, match=r"000002@b\.mrcs is 6 x 6 pixels and the others are 9 x 8"):
        got.stack[:]


@pytest.mark.parametrize("name", ["x@a.mrcs", "0@a.mrcs", "-1@a.mrcs"])
def test_wrong_image_numbers_are_named(name):
    with pytest.raises(FileError, match="in row 2 has no number"):
        ImageNames.parse(pd.Series(["1@a.mrcs", name]))


@pytest.mark.parametrize(
    ("columns", "optics", "pixel"),
    [
        ({"rlnOpticsGroup": [2]}, {"rlnOpticsGroup": [1, 2], "rlnImagePixelSize": [9.0, 1.31]}, 1.31),
        ({}, {"rlnOpticsGroup": [1], "rlnImagePixelSize": [1.7]}, 1.7),
        ({"rlnDetectorPixelSize": [14.0], "rlnMagnification": [39548.0]}, None, 3.540002),
        ({"rlnPixelSize": [1.2]}, None, 1.2),
        ({"rlnImagePixelSize": [0.0]}, None, 2.0),
        ({}, None, 2.0),
    ],
)
def test_pixel_size(tmp_path, columns, optics, pixel):
    stack(tmp_path / "a.mrcs", pixel=2.0)
    path = table(tmp_path / "x.star", ["000001@a.mrcs"], optics, **columns)
    got = read_images(path)
    assert got.pixel_size_A == got.stack.pixel_size_A == pytest.approx(pixel) and got.pixel_size_known
    assert read_images(path, 5.5).stack.pixel_size_A == 5.5


def test_a_header_of_another_pixel_size_is_said(tmp_path):
    optics = {"rlnOpticsGroup": [1], "rlnImagePixelSize": [1.7]}
    for pixel, notes in ((2.0, ("the header of the images says 2 Å/pixel; 1.7 Å is used",)), (1.0, ()), (1.7001, ())):
        stack(tmp_path / "a.mrcs", pixel=pixel)
        assert read_images(table(tmp_path / "x.star", ["000001@a.mrcs"], optics)).notes == notes


def test_unknown_pixel_size_is_said(tmp_path):
    stack(tmp_path / "a.mrcs", pixel=0.0)
    got = read_images(table(tmp_path / "x.star", ["000001@a.mrcs"]))
    assert got.pixel_size_A == 1 and not got.pixel_size_known and not got.stack.pixel_size_known
    assert "pixel size" in got.notes[-1]


def test_poses_in_angstrom_and_in_pixels(tmp_path):
    angles = {"rlnAngleRot": [10.0, 20.0], "rlnAngleTilt": [30.0, 40.0], "rlnAnglePsi": [50.0, 60.0]}
    new = read_images(
        table(tmp_path / "a.star", ["1@n", "2@n"], **angles, rlnOriginXAngst=[1.0, 2.0], rlnOriginYAngst=[3.0, 4.0])
    )
    np.testing.assert_allclose(new.poses.rotations, conventions.euler_to_matrix([10, 20], [30, 40], [50, 60]))
    np.testing.assert_array_equal(new.poses.shifts_A, [[1, 3], [2, 4]])
    assert not new.in_plane_only and not new.poses.mirror.any()
    old = read_images(
        table(tmp_path / "b.star", ["1@n", "2@n"], **angles, rlnOriginX=[1.0, 2.0], rlnOriginY=[3.0, 4.0]), 2.5
    )
    np.testing.assert_array_equal(old.poses.shifts_A, [[2.5, 7.5], [5, 10]])


def test_psi_alone_turns_in_the_plane(tmp_path):
    got = read_images(table(tmp_path / "a.star", ["1@n"], rlnAnglePsi=[90.0]))
    assert got.in_plane_only
    np.testing.assert_allclose(got.poses.rotations[0], conventions.euler_to_matrix(0, 0, 90).reshape(3, 3), atol=1e-12)
    assert read_images(table(tmp_path / "b.star", ["1@n"])).poses is None


def test_ctf_from_particles_and_optics(tmp_path):
    optics = {"rlnOpticsGroup": [1, 2], "rlnVoltage": [300.0, 200.0], "rlnSphericalAberration": [2.7, 0.01]}
    got = read_images(
        table(
            tmp_path / "a.star",
            ["1@n", "2@n"],
            optics,
            rlnOpticsGroup=[2, 1],
            rlnDefocusU=[1e4, 2e4],
            rlnDefocusAngle=[45.0, -10.0],
        )
    ).ctf
    assert got["kv"].tolist() == [200, 300] and got["cs_mm"].tolist() == [0.01, 2.7]
    assert got["defocus_v_A"].tolist() == [1e4, 2e4] and got["phase_shift_deg"].tolist() == [0, 0]
    assert got["q0"].isna().all() and list(got.index) == [0, 1]


def test_an_optics_group_that_is_not_there_is_named(tmp_path):
    path = table(tmp_path / "a.star", ["1@n"], {"rlnOpticsGroup": [1], "rlnVoltage": [300.0]}, rlnOpticsGroup=[3])
    with pytest.raises(FileError, match="optics group 3"):
        read_images(path)


def test_class_averages_with_their_members(shared_data):
    got = read_images(shared_data / "sim_t20s_relion_class2d/Class2D/job010/run_it025_model.star")
    assert len(got) == 40 and len(got.members) == 440 and got.stack.shape == (80, 80) and got.pixel_size_A == 3.2
    assert got.table["rlnEstimatedResolution"].iloc[29] == "999.000000"
    assert set(star.numbers(got.members, "rlnClassNumber")) <= set(range(1, 41))
    images = mrc.read_stack(shared_data / "sim_t20s_relion_class2d/Class2D/job010/run_it025_classes.mrcs")
    np.testing.assert_array_equal(got.stack[[39, 2]], images[[39, 2]])
    alone = read_images(shared_data / "class2d_betagal_real_relion4_job013/Class2D/job013/run_it100_model.star")
    assert len(alone) == 100 and alone.members is None and "run_it100_data.star" in alone.notes[0]


def test_three_dimensional_classes_are_left_to_be_opened_as_maps(tmp_path):
    star.write_star(
        tmp_path / "run_model.star",
        {"model_classes": pd.DataFrame({"rlnReferenceImage": ["run_class001.mrc", "run_class002.mrc"]})},
    )
    star.write_particles(tmp_path / "run_data.star", pd.DataFrame({"rlnClassNumber": [1, 2, 2]}), None)
    got = read_images(tmp_path / "run_model.star")
    assert got.stack is None and len(got.members) == 3 and "2 classes are 3D maps" in got.notes[0]


def test_subtomograms_are_not_taken_for_images(tmp_path):
    mrc.write_map(tmp_path / "sub.mrc", PIXELS, 2.0)
    optics = {"rlnOpticsGroup": [1], "rlnImageDimensionality": [3], "rlnImagePixelSize": [4.0]}
    got = read_images(table(tmp_path / "x.star", ["sub.mrc"], optics, rlnOpticsGroup=[1]))
    assert got.stack is None and got.pixel_size_A == 4 and "3D" in got.notes[0]


def test_micrographs(shared_data):
    got = read_images(shared_data / "sim_t20s_relion_class2d/micrographs_ctf.star")
    assert got.stack.shape == (1024, 1024) and got.pixel_size_A == 3.2 and len(got.ctf) == 4


def test_picked_coordinates_are_no_images(tmp_path):
    star.write_particles(
        tmp_path / "picks.star", pd.DataFrame({"rlnMicrographName": ["a.mrc"], "rlnCoordinateX": [1.0]}), None
    )
    got = read_images(tmp_path / "picks.star")
    assert got.stack is None and got.notes[0] == "the table names no images"


def test_relion_1_table_without_its_stack(shared_data):
    got = read_images(shared_data / "particles_real_small_with_star/relion13_betagal_class2d_ap_s_c2d.star.gz")
    assert len(got) == 8915 and got.stack is None and got.in_plane_only
    assert got.pixel_size_A == pytest.approx(3.54, abs=1e-5)
    np.testing.assert_allclose(got.poses.shifts_A[0], np.array([0.967665, -0.032335]) * got.pixel_size_A)
    assert got.ctf.iloc[0].tolist() == [33863.558594, 34295.921875, 36.07, 300, 2, 0.1, 0]


def test_relion_31_particles(shared_data):
    got = read_images(shared_data / "particles_real_small_with_star/relion31.star")
    assert got.stack.shape == (256, 256) and got.pixel_size_A == 2.806 and not got.in_plane_only
    images = mrc.read_stack(shared_data / "particles_real_small_with_star/relion31.mrcs")
    np.testing.assert_array_equal(got.stack[:], images[:])


def test_real_poses_fit_their_map(shared_data):
    from emviewer.engine.project import Projector

    folder = shared_data / "sim_t20s_relion_class2d"
    particles, volume = read_images(folder / "run_data_3d.star"), mrc.read_map(folder / "target_map.mrc")
    rows = np.arange(0, len(particles), 6)
    images = particles.stack[rows]
    n = images.shape[-1]
    y, x = np.indices((n, n)) - n // 2
    disc = x * x + y * y < (0.42 * n) ** 2

    def fit(shifts_px):
        views = Projector(volume).project(particles.poses.rotations[rows], shifts_px=shifts_px)
        return np.mean([np.corrcoef(a[disc], b[disc])[0, 1] for a, b in zip(images, views, strict=True)])

    shifts_px = particles.poses.shifts_A[rows] / particles.pixel_size_A
    assert fit(shifts_px) > 0.2
    assert fit(-shifts_px) < 0.15
