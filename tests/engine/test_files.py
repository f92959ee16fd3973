"""Any file by its content, and what ``emviewer info`` says of it."""

from __future__ import annotations

import gzip
import json

import numpy as np
import pandas as pd
import pytest
import tifffile
from click.testing import CliRunner

from emviewer.engine import cryosparc, files, mrc, star
from emviewer.engine.cli.info import command
from emviewer.engine.errors import DataError, EmviewerError, FileError
from emviewer.engine.files_guess import sections_are_images
from emviewer.engine.files_info import describe, statistics
from emviewer.engine.model import Model
from emviewer.engine.types import ImageSet, Map3D, Poses

RNG = np.random.default_rng(9)
CUBE = RNG.normal(size=(6, 6, 6)).astype(np.float32)


@pytest.fixture
def folder(tmp_path):
    mrc.write_map(tmp_path / "map.mrc", CUBE, 2.0, (1.0, 2.0, 3.0))
    with mrc.StackWriter(tmp_path / "stack.mrc", (6, 7), 1.5) as writer:
        writer.append(RNG.normal(size=(4, 6, 7)))
    np.save(tmp_path / "cube.npy", CUBE.astype(np.float64))
    np.save(tmp_path / "fortran.npy", np.asfortranarray(CUBE))
    np.save(tmp_path / "images.npy", RNG.normal(size=(40, 6, 6)))
    (tmp_path / "cube2.npy.gz").write_bytes(gzip.compress((tmp_path / "cube.npy").read_bytes()))
    tifffile.imwrite(tmp_path / "one.tif", RNG.integers(0, 99, (5, 8)).astype(np.uint8))
    tifffile.imwrite(tmp_path / "many.tif", RNG.integers(0, 99, (3, 5, 8)).astype(np.uint16), photometric="minisblack")
    star.write_particles(tmp_path / "p.star", pd.DataFrame({"rlnImageName": ["2@stack.mrc", "1@stack.mrc"]}), None)
    rows = np.zeros(2, [("uid", "<u8"), ("blob/path", "S9"), ("blob/idx", "<u4"), ("blob/psize_A", "f4")])
    rows["blob/path"], rows["blob/psize_A"] = b"stack.mrc", 1.5
    cryosparc.write_cs(tmp_path / "p.cs", rows)
    (tmp_path / "p.xmd").write_text("# XMIPP_STAR_1 *\ndata_noname\nloop_\n _image\n1@stack.mrc\n")
    (tmp_path / "t.csv").write_text("a,b\n1,x\n")
    (tmp_path / "m.pdb").write_text(
        "ATOM      1  N   ALA A   1      11.104   6.134  -6.504  1.00 10.00           N\nEND\n"
    )
    return tmp_path


KINDS = {
    "map.mrc": ("map", Map3D),
    "stack.mrc": ("images", ImageSet),
    "cube.npy": ("map", Map3D),
    "fortran.npy": ("map", Map3D),
    "images.npy": ("images", ImageSet),
    "cube2.npy.gz": ("map", Map3D),
    "one.tif": ("images", ImageSet),
    "many.tif": ("images", ImageSet),
    "p.star": ("star", ImageSet),
    "p.cs": ("cryosparc", ImageSet),
    "p.xmd": ("xmipp", ImageSet),
    "t.csv": ("table", ImageSet),
    "m.pdb": ("model", Model),
}


@pytest.mark.parametrize("name", KINDS)
def test_kind_and_type(folder, name):
    kind, made = KINDS[name]
    assert files.kind_of(folder / name) == kind
    assert type(files.open_any(folder / name)) is made


@pytest.mark.parametrize("name", ["map.mrc", "stack.mrc", "cube.npy", "p.star", "p.cs", "m.pdb", "one.tif"])
def test_content_counts_more_than_the_name(folder, name):
    (folder / "renamed.dat").write_bytes((folder / name).read_bytes())
    assert files.kind_of(folder / "renamed.dat") == KINDS[name][0]


def test_arrays_keep_their_indices(folder):
    for name in ("cube.npy", "fortran.npy", "cube2.npy.gz"):
        got = files.open_any(folder / name, pixel_size_A=3.0)
        np.testing.assert_array_equal(got.data, CUBE)
        assert got.data.flags.c_contiguous and got.pixel_size_A == 3 and got.pixel_size_known
    assert not files.open_any(folder / "cube.npy").pixel_size_known


def test_tif_pages(folder):
    got = files.open_any(folder / "many.tif")
    np.testing.assert_array_equal(got.stack[[2, 0]], tifffile.imread(folder / "many.tif")[[2, 0]])
    one = files.open_any(folder / "one.tif", pixel_size_A=1.1)
    np.testing.assert_array_equal(one.stack[0], tifffile.imread(folder / "one.tif"))
    assert one.stack.pixel_size_A == one.pixel_size_A == 1.1


def test_a_tif_whose_pixels_cannot_be_unpacked(folder):
    content = bytearray((folder / "one.tif").read_bytes())
    place = content.index(b"\x03\x01\x03\x00\x01\x00\x00\x00\x01\x00")
    content[place + 8 : place + 10] = b"\x51\xc3"
    (folder / "odd.tif").write_bytes(content)
    with pytest.raises(FileError, match="cannot be unpacked"):
        files.open_any(folder / "odd.tif").stack[0]


def test_one_name_for_the_same_images(folder):
    stack = mrc.read_stack(folder / "stack.mrc")
    np.testing.assert_array_equal(files.read_images(folder / "p.star").stack[:], stack[[1, 0]])
    np.testing.assert_array_equal(files.read_images(folder / "p.cs").stack[:], stack[[0, 0]])
    np.testing.assert_array_equal(files.read_images(folder / "p.xmd").stack[:], stack[[0]])


def test_a_set_whose_parts_have_other_lengths_is_refused(folder):
    stack = mrc.read_stack(folder / "stack.mrc")
    with pytest.raises(DataError, match="4 images for a table of 3 rows"):
        ImageSet(pd.DataFrame(index=range(3)), stack)
    with pytest.raises(DataError, match="2 poses for a table of 3 rows"):
        ImageSet(pd.DataFrame(index=range(3)), poses=Poses.from_rotations(np.stack([np.eye(3)] * 2)))


def test_the_guess_can_be_overruled(folder):
    assert isinstance(files.open_any(folder / "map.mrc", kind="images"), ImageSet)
    assert isinstance(files.open_any(folder / "images.npy", kind="map"), Map3D)
    with pytest.raises(FileError, match="a stack of 4 images"):
        files.open_any(folder / "stack.mrc", kind="map")


def test_a_map_is_asked_for_and_something_else_is_there(folder):
    with pytest.raises(FileError, match="TIFF"):
        files.read_map(folder / "one.tif")
    with pytest.raises(FileError, match="atomic model"):
        files.read_images(folder / "m.pdb")


@pytest.mark.parametrize(
    ("name", "content", "what"),
    [
        ("a.txt", b"hello world\n", "text that emviewer does not read"),
        ("a.jpg", b"\xff\xd8\xff\xe0abc", "JPEG"),
        ("a.hdf", b"\x89HDF\r\n\x1a\n", "HDF5"),
        ("a.bin", RNG.bytes(3000), "nothing that emviewer reads"),
        ("a.mrc", RNG.bytes(3000), "no MRC file"),
        ("a.npy", b"\x93NUMPY\x01\0abc", "no readable .npy"),
        ("a.tif", b"II*\0abcd", "no readable TIFF"),
        ("a.csv", b"a,b\n1\n2,3,4,5\n", "no table of comma-separated"),
    ],
)
def test_other_files_are_refused_in_one_sentence(tmp_path, name, content, what):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(FileError) as err:
        files.open_any(tmp_path / name)
    assert what in str(err.value) and "\n" not in str(err.value)
    assert err.value.where == str(tmp_path / name) and err.value.what_to_do


@pytest.mark.parametrize("name", sorted(KINDS))
def test_damaged_files_open_or_say_one_sentence(folder, name):
    whole = (folder / name).read_bytes()
    rng = np.random.default_rng(len(name))
    damaged = folder / f"damaged_{name}"
    for how in range(40):
        content = bytearray(whole)
        if how % 2:
            del content[rng.integers(1, len(content)) :]
        for _ in range(how % 5):
            content[rng.integers(len(content))] = rng.integers(256)
        damaged.write_bytes(content)
        try:
            opened = files.open_any(damaged)
            describe(damaged)
            if isinstance(opened, ImageSet) and opened.stack is not None and len(opened):
                opened.stack[0]
        except EmviewerError as err:
            assert "\n" not in str(err) and len(str(err)) < 600


def test_npy_of_no_numbers(tmp_path):
    np.save(tmp_path / "c.npy", np.zeros((3, 3, 3), complex))
    with pytest.raises(FileError, match="no real numbers"):
        files.open_any(tmp_path / "c.npy")
    np.save(tmp_path / "d.npy", np.zeros((2, 3, 3, 3)))
    with pytest.raises(FileError, match="neither image, stack nor map"):
        files.open_any(tmp_path / "d.npy")


def test_sections_of_maps_and_of_stacks(shared_data):
    for name in ("map_betagal_D2_real/betaGal.mrc", "map_hemoglobin_C2_real_emd3488/emd_3488_contour_mask.mrc"):
        assert not sections_are_images(mrc.read_raw(shared_data / name)[1])
    for name in (
        "class2d_betagal_real_relion4_job013/Class2D/job013/run_it100_classes.mrcs",
        "sim_t20s_relion_class2d/Particles/particles.mrcs",
    ):
        assert sections_are_images(mrc.read_raw(shared_data / name)[1])


def test_statistics_in_slabs_are_those_of_the_whole():
    data = RNG.normal(1e4, 2.0, (37, 11, 5)).astype(np.float32)
    data[3, 2, 1], data[30, 0, 0], data[30, 0, 1] = np.nan, np.inf, -np.inf
    good = data[np.isfinite(data)].astype(np.float64)
    got = statistics(data[i : i + 4] for i in range(0, 37, 4))
    assert (got.n, got.n_nan, got.n_inf) == (good.size, 1, 2)
    assert (got.min, got.max) == (good.min(), good.max())
    assert got.mean == pytest.approx(good.mean(), rel=1e-12) and got.sd == pytest.approx(good.std(), rel=1e-9)
    counts = RNG.integers(0, 255, (5, 6)).astype(np.uint8)
    assert statistics(iter([counts])).mean == pytest.approx(counts.mean())
    assert statistics(iter([np.full(3, np.nan)])).n == 0


def run(*args):
    return CliRunner().invoke(command, [str(a) for a in args], standalone_mode=False)


def test_info_says_what_each_file_is(folder):
    done = run(*[folder / name for name in KINDS])
    assert done.return_value == 0
    for line in (
        "map.mrc: 3D map, 6 x 6 x 6 voxels, 2 Å/voxel",
        "  origin   1, 2, 3 Å",
        "stack.mrc: 4 images of 7 x 6 pixels, 1.5 Å/pixel",
        "p.star: RELION table of 2 rows, 2 images of 7 x 6 pixels, 1.5 Å/pixel",
        "m.pdb: atomic model, 1 atoms in 1 chains",
        "one.tif: 1 image of 8 x 5 pixels, pixel size unknown",
    ):
        assert line in done.output
    low = f"  values   min {CUBE.min():.5g}, max {CUBE.max():.5g}, mean {CUBE.mean():.5g}, SD {CUBE.std():.5g}"
    assert low in done.output


def test_info_as_json_with_a_bad_file_among_them(folder):
    (folder / "bad.mrc").write_bytes(b"no")
    nans = CUBE.copy()
    nans[0, 0, :2] = np.nan, np.inf
    mrc.write_map(folder / "nan.mrc", nans, 0.0)
    done = run("--json", folder / "map.mrc", folder / "bad.mrc", folder / "nan.mrc", folder / "none.mrc")
    assert done.return_value == 2
    good, bad, nan, none = json.loads(done.stdout)
    assert good["kind"] == "map" and [good[k] for k in ("nx", "ny", "nz")] == [6, 6, 6]
    assert good["pixel_size_A"] == 2 and good["origin_A"] == [1, 2, 3] and good["axis_order"] == "xyz"
    assert good["problems"] == [] and good["statistics"]["max"] == float(CUBE.max())
    assert bad["kind"] == "unreadable" and "only 2 bytes" in bad["error"]
    assert nan["pixel_size_A"] is None and nan["statistics"]["n_nan"] == 1
    assert any("1 values are NaN" in p for p in nan["problems"]) and any("infinite" in p for p in nan["problems"])
    assert "no such file" in none["error"]
    assert done.stderr.count("emviewer: error:") == 2


def test_info_without_statistics_and_with_a_pixel_size(folder):
    mrc.write_map(folder / "zero.mrc", np.zeros((4, 4, 4)), 0.0)
    facts = describe(folder / "zero.mrc", pixel_size_A=2.0, with_statistics=False)
    assert "statistics" not in facts and facts["pixel_size_A"] == 2.0 and facts["problems"] == []
    assert "all values are 0" in describe(folder / "zero.mrc")["problems"]


def test_info_says_that_a_file_is_too_long(folder):
    with (folder / "map.mrc").open("ab") as file:
        file.write(b"xyz")
    assert describe(folder / "map.mrc")["problems"] == ["the file is 3 bytes longer than its header says"]


def test_info_counts_missing_stacks(folder):
    star.write_particles(
        folder / "q.star", pd.DataFrame({"rlnImageName": ["1@stack.mrc", "1@gone.mrc", "2@gone2.mrc"]}), None
    )
    facts = describe(folder / "q.star")
    assert facts["missing_files"] == ["gone.mrc", "gone2.mrc"] and "2 of 3 image files" in facts["problems"][-1]


def test_info_works_on_every_shared_file(shared_data):
    unread = {".md", ".jpg", ".bin"}
    for path in sorted(p for p in shared_data.rglob("*") if p.is_file()):
        if path.suffix in unread:
            with pytest.raises(FileError):
                describe(path)
        else:
            assert describe(path, with_statistics=False)["kind"]
