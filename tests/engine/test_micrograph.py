"""Large micrographs: opened in every form, binned, low-passed, cut out piece by piece; found by name."""

from __future__ import annotations

import bz2
import gzip

import numpy as np
import pytest

from emviewer.engine import mrc
from emviewer.engine.errors import FileError
from emviewer.engine.micrograph import (
    binned,
    cut_piece,
    lowpassed,
    open_micrograph,
    overview_factor,
    sample_pieces,
    spread,
)
from emviewer.engine.micrograph_find import MicrographFinder

RNG = np.random.default_rng(5)


def picture(h=61, w=83):
    return (RNG.normal(size=(h, w)) * 200 + 1000).astype(np.int16)


def write(path, image, pixel=1.3):
    with mrc.StackWriter(path, image.shape, pixel) as writer:
        writer.append(image[None].astype(np.float32))
    return path


def as_mode(path, image, mode, order="<"):
    """An MRC file of another mode and byte order, made by changing the words of one that emviewer writes."""
    dtype = {1: "i2", 2: "f4", 6: "u2", 0: "i1"}[mode]
    header = bytearray(write(path, image).read_bytes()[:1024])
    header[12:16] = np.int32(mode).tobytes()
    if order == ">":
        header[:] = np.frombuffer(bytes(header), "<u4").byteswap().tobytes()
        header[208:212] = b"MAP "
        header[212:216] = b"\x11\x11\0\0"
    path.write_bytes(bytes(header) + image.astype(order + dtype).tobytes())
    return path


@pytest.mark.parametrize(("mode", "order"), [(1, "<"), (2, "<"), (6, "<"), (2, ">"), (1, ">")])
def test_every_kind_of_number_is_opened_in_place(tmp_path, mode, order):
    image = picture()
    opened = open_micrograph(as_mode(tmp_path / "a.mrc", image, mode, order))
    assert opened.shape == (61, 83)
    assert opened.pixel_size_A == pytest.approx(1.3)
    np.testing.assert_array_equal(opened.rows, image)
    assert opened.held_bytes == opened.upside_down().held_bytes == 0  # mapped, not read
    np.testing.assert_array_equal(opened.upside_down().rows, image[::-1])


def test_packed_and_tiff_micrographs_hold_the_same_rows(tmp_path):
    import tifffile

    image = picture()
    plain = as_mode(tmp_path / "a.mrc", image, 1)
    (tmp_path / "a.mrc.gz").write_bytes(gzip.compress(plain.read_bytes()))
    (tmp_path / "b.mrc.bz2").write_bytes(bz2.compress(plain.read_bytes()))
    tifffile.imwrite(tmp_path / "c.tif", image)
    tifffile.imwrite(tmp_path / "d.tif", image, compression="zlib")
    for name in ("a.mrc.gz", "b.mrc.bz2", "c.tif", "d.tif"):
        opened = open_micrograph(tmp_path / name)
        np.testing.assert_array_equal(opened.rows, image, err_msg=name)
        assert opened.pixel_size_A == (pytest.approx(1.3) if ".mrc" in name else 0.0)
        assert (opened.held_bytes > 0) == (name != "c.tif")


def test_of_a_movie_the_first_frame_is_shown_and_said(tmp_path):
    frames = RNG.normal(size=(3, 20, 30)).astype(np.float32)
    with mrc.StackWriter(tmp_path / "m.mrcs", (20, 30), 1.0) as writer:
        writer.append(frames)
    opened = open_micrograph(tmp_path / "m.mrcs")
    np.testing.assert_array_equal(opened.rows, frames[0])
    assert opened.pixel_size_A == 0.0  # 1 Å is what programs write that do not know
    assert any("3 frames" in note for note in opened.notes)


@pytest.mark.parametrize("factor", [1, 2, 3, 5])
@pytest.mark.parametrize("dtype", ["f4", ">f4", "i2", "u2", "u1"])
def test_binning_is_the_mean_of_blocks(monkeypatch, factor, dtype):
    monkeypatch.setattr("emviewer.engine.micrograph.SLAB_BYTES", 900)  # several slabs
    image = RNG.integers(0, 200, (61, 83)).astype(dtype)
    h, w = 61 // factor, 83 // factor
    wanted = np.array([[image[i * factor : (i + 1) * factor, j * factor : (j + 1) * factor].astype(float).mean()
                        for j in range(w)] for i in range(h)])  # fmt: skip
    found = binned(image, factor)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, wanted, rtol=1e-5)


def test_pixels_that_are_no_numbers_count_as_the_mean():
    image = np.full((8, 8), 3.0, np.float32)
    image[:4] = 5.0
    image[1, 1] = np.nan
    image[6, 6] = np.inf
    found = binned(image, 2)
    assert found[0, 0] == pytest.approx(np.mean([5.0] * 7 + [3.0] * 7))
    assert np.isfinite(found).all()
    with pytest.raises(FileError, match="no pixel"):
        binned(np.full((4, 4), np.nan, np.float32), 2)


def test_overviews_have_at_most_so_many_pixels():
    for shape in ((8184, 11520), (4096, 4096), (100, 100), (1, 10_000_000)):
        factor = overview_factor(shape, 4_000_000)
        assert (shape[0] // factor) * (shape[1] // factor) <= 4_000_000
        assert factor == 1 or (shape[0] // (factor - 1)) * (shape[1] // (factor - 1)) > 4_000_000


def test_the_low_pass_keeps_long_waves_and_drops_short_ones():
    y, x = np.indices((150, 211))
    long = np.cos(2 * np.pi * (x / 40 + y / 60)).astype(np.float32)
    short = np.cos(2 * np.pi * x / 5).astype(np.float32)
    found = lowpassed(7 + long + short, 10.0)
    inner = (slice(20, -20), slice(20, -20))
    np.testing.assert_allclose(found[inner], 7 + long[inner], atol=0.02)
    assert np.shares_memory(lowpassed(long, 2.0), long)


def test_the_low_pass_does_not_wrap_around():
    image = np.zeros((64, 90), np.float32)
    image[:, -8:] = 100.0
    assert abs(lowpassed(image, 8.0)[:, :20]).max() < 1.0


@pytest.mark.parametrize(("factor", "resolution"), [(1, 0.0), (1, 9.0), (2, 12.0), (3, 0.0)])
def test_a_piece_is_a_part_of_the_whole(factor, resolution):
    image = RNG.normal(size=(400, 520)).astype(np.float32)
    whole = lowpassed(binned(image, factor), resolution / factor)
    piece = cut_piece(image, (150, 101), (120, 90), factor, resolution)
    assert piece.x <= 150
    assert piece.y <= 101
    assert piece.x % factor == piece.y % factor == 0
    assert piece.right >= 270
    assert piece.bottom >= 191
    y, x = piece.y // factor, piece.x // factor
    part = whole[y : y + piece.picture.shape[0], x : x + piece.picture.shape[1]]
    np.testing.assert_allclose(piece.picture, part, atol=0.05 * whole.std())


def test_a_piece_ends_where_the_micrograph_does():
    image = RNG.normal(size=(50, 60)).astype(np.float32)
    piece = cut_piece(image, (-30, 40), (1000, 1000), 1)
    assert (piece.x, piece.y, piece.right, piece.bottom) == (0, 40, 60, 50)
    np.testing.assert_array_equal(piece.picture, image[40:])
    with pytest.raises(IndexError):
        cut_piece(image, (70, 0), (10, 10), 1)


def test_pieces_tell_how_the_whole_spreads():
    image = RNG.normal(loc=4.0, scale=3.0, size=(1100, 1300)).astype(np.float32)
    assert len(sample_pieces(image, 1, 0.0)) == 16
    assert len(sample_pieces(image, 2, 0.0)) == 1  # so small that all of it is taken
    for factor, resolution in ((1, 0.0), (2, 0.0), (1, 8.0)):
        whole = spread(lowpassed(binned(image, factor), resolution / factor))
        found = spread(np.concatenate([p.picture.ravel() for p in sample_pieces(image, factor, resolution)]))
        assert found.half_width == pytest.approx(whole.half_width, rel=0.05)
        assert found.middle == pytest.approx(4.0, abs=0.1)
    assert spread(np.full((5, 5), 2.0, np.float32)).half_width == 1.0


def test_a_damaged_micrograph_is_one_sentence(tmp_path):
    path = write(tmp_path / "a.mrc", picture())
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(FileError, match="cut short"):
        open_micrograph(path)
    (tmp_path / "b.tif").write_bytes(b"II*\0" + b"\0" * 40)
    with pytest.raises(FileError, match="TIFF"):
        open_micrograph(tmp_path / "b.tif")


def test_micrographs_are_found_in_the_project_and_in_a_chosen_folder(tmp_path):
    table = tmp_path / "project/Class2D/job010/run_data.star"
    table.parent.mkdir(parents=True)
    (tmp_path / "project/Micrographs").mkdir()
    (tmp_path / "project/Micrographs/a.mrc").write_bytes(b"x")
    finder = MicrographFinder([table])
    assert finder.find("Micrographs/a.mrc") == (tmp_path / "project/Micrographs/a.mrc").resolve()
    assert finder.find("Micrographs/b.mrc") is None
    other = tmp_path / "elsewhere"
    other.mkdir()
    for name in ("a.mrc.gz", "b.tif", "b.mrc", "c_dw.mrc", "notes.txt"):
        (other / name).write_bytes(b"x")
    finder = MicrographFinder([table], other)
    assert finder.find("Micrographs/a.mrc") == other / "a.mrc.gz"  # the chosen folder goes first
    assert finder.find("J3/motioncorrected/b.mrc") == other / "b.mrc"
    assert finder.find("J3/imported/012345678901234567890_c_dw.mrc") == other / "c_dw.mrc"
    assert finder.find("notes.mrc") is None
    assert finder.find("/nowhere/d.mrc") is None
