"""The MRC door against headers written by hand here, and against the mrcfile package."""

from __future__ import annotations

import bz2
import errno
import gzip
import itertools
import struct
from pathlib import Path

import mrcfile
import numpy as np
import pytest

from emviewer.engine import mrc
from emviewer.engine.errors import DataError, FileError, ParameterError
from emviewer.engine.mrc_header import build
from emviewer.engine.types import Map3D

RNG = np.random.default_rng(7)


def raw_mrc(
    data: np.ndarray,
    *,
    mode: int = 2,
    order: str = "<",
    axes: tuple[int, int, int] = (1, 2, 3),
    nstart: tuple[int, int, int] = (0, 0, 0),
    sampling: tuple[int, int, int] | None = None,
    cell: tuple[float, float, float] | None = None,
    ispg: int = 1,
    origin: tuple[float, float, float] = (0, 0, 0),
    extended: bytes = b"",
    stamp: bytes | None = None,
    mark: bytes = b"MAP ",
    extra: dict[int, bytes] | None = None,
) -> bytes:
    """Bytes of a file whose columns, rows, sections are the last, middle, first axis of the data."""
    ns, nr, nc = data.shape
    sampling = sampling or tuple(np.array([nc, nr, ns])[np.argsort(axes)])
    cell = sampling if cell is None else cell
    head = bytearray(1024)
    struct.pack_into(order + "10i", head, 0, nc, nr, ns, mode, *nstart, *map(int, sampling))
    struct.pack_into(order + "6f", head, 40, *map(float, cell), 90, 90, 90)
    struct.pack_into(order + "3i3f2i", head, 64, *axes, 0, 0, 0, ispg, len(extended))
    struct.pack_into(order + "3f", head, 196, *origin)
    head[208:212] = mark
    head[212:216] = stamp if stamp is not None else (b"\x44\x44\0\0" if order == "<" else b"\x11\x11\0\0")
    for place, content in (extra or {}).items():
        head[place : place + len(content)] = content
    kind = {0: "i1", 1: "i2", 2: "f4", 6: "u2", 12: "f2"}[mode]
    return bytes(head) + extended + data.astype(order + kind).tobytes()


def save(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def volume(shape=(5, 6, 7)) -> np.ndarray:
    return RNG.integers(-100, 100, shape).astype(np.float32)


@pytest.mark.parametrize("mode", [0, 1, 2, 6, 12])
@pytest.mark.parametrize("order", ["<", ">"])
def test_every_mode_and_byte_order(tmp_path, mode, order):
    data = np.abs(volume())
    got = mrc.read_map(save(tmp_path / "a.mrc", raw_mrc(data, mode=mode, order=order, cell=(14, 12, 10))))
    assert got.data.dtype == np.float32 and got.data.flags.c_contiguous
    np.testing.assert_array_equal(got.data, data)
    assert got.pixel_size_A == 2 and got.notes == ()


@pytest.mark.parametrize("axes", list(itertools.permutations((1, 2, 3))))
def test_every_axis_order_gives_zyx(tmp_path, axes):
    zyx = volume((4, 5, 6))
    name_of = {1: 2, 2: 1, 3: 0}
    in_file = zyx.transpose([name_of[a] for a in reversed(axes)])
    first = {1: 10, 2: 20, 3: 30}
    content = raw_mrc(in_file, axes=axes, nstart=tuple(first[a] for a in axes), sampling=(6, 5, 4), cell=(9, 7.5, 6))
    got = mrc.read_map(save(tmp_path / "a.map", content))
    np.testing.assert_array_equal(got.data, zyx)
    assert got.pixel_size_A == 1.5
    assert got.origin_A == (15, 30, 45)


def test_plain_maps_are_memory_mapped_and_others_are_not(tmp_path):
    plain = mrc.read_map(save(tmp_path / "a.mrc", raw_mrc(volume(), cell=(14, 12, 10))))
    base = plain.data
    while base.base is not None and not isinstance(base, np.memmap):
        base = base.base
    assert isinstance(base, np.memmap) and not plain.data.flags.writeable
    odd = mrc.read_map(save(tmp_path / "b.mrc", raw_mrc(volume(), cell=(14, 12, 10), extended=b"xyz")))
    assert odd.data.flags.aligned


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress])
def test_packed_maps_are_the_same_whatever_their_name(tmp_path, pack):
    data = volume()
    got = mrc.read_map(save(tmp_path / "a.mrc", pack(raw_mrc(data, cell=(14, 12, 10)))))
    np.testing.assert_array_equal(got.data, data)


def test_origin_field_goes_before_nstart(tmp_path):
    got = mrc.read_map(
        save(tmp_path / "a.mrc", raw_mrc(volume(), cell=(14, 12, 10), nstart=(1, 2, 3), origin=(5, -6, 7)))
    )
    assert got.origin_A == (5, -6, 7)


def test_grid_of_another_size_than_the_box_counts_for_the_voxel(tmp_path):
    got = mrc.read_map(save(tmp_path / "a.mrc", raw_mrc(volume((10, 10, 10)), sampling=(9, 9, 9), cell=(27, 27, 27))))
    assert got.pixel_size_A == 3


@pytest.mark.parametrize("ispg", [0, 1, 4, 230, -1])
def test_no_space_group_is_refused(tmp_path, ispg):
    cube = volume((6, 6, 6))
    got = mrc.read_map(save(tmp_path / "a.mrc", raw_mrc(cube, ispg=ispg, cell=(12, 12, 12))))
    np.testing.assert_array_equal(got.data, cube)


def test_first_volume_of_a_stack_of_volumes(tmp_path):
    data = volume((8, 4, 4))
    got = mrc.read_map(save(tmp_path / "a.mrc", raw_mrc(data, ispg=401, sampling=(4, 4, 4), cell=(8, 8, 8))))
    np.testing.assert_array_equal(got.data, data[:4])
    assert "2 volumes" in got.notes[0] and got.pixel_size_A == 2


@pytest.mark.parametrize("cell", [(0, 0, 0), (np.nan, 1, 1), (-5, 5, 5), (1e9, 1e9, 1e9), (6e-3, 6e-3, 6e-3)])
def test_absurd_pixel_sizes_open_and_say_so(tmp_path, cell):
    path = save(tmp_path / "a.mrc", raw_mrc(volume((6, 6, 6)), cell=cell, nstart=(3, 0, 0)))
    got = mrc.read_map(path)
    assert got.pixel_size_A == 1 and not got.pixel_size_known
    assert any("does not know the pixel size" in note for note in got.notes)
    told = mrc.read_map(path, 2.5)
    assert told.pixel_size_A == 2.5 and told.pixel_size_known and told.notes == () and told.origin_A == (7.5, 0, 0)


def test_given_pixel_size_moves_the_origin_with_the_voxels(tmp_path):
    path = save(tmp_path / "a.mrc", raw_mrc(volume((6, 6, 6)), cell=(6, 6, 6), origin=(-3, -3, 0)))
    assert mrc.read_map(path, 2.0).origin_A == (-6, -6, 0)
    assert "exactly 1 Å" in mrc.read_map(path).notes[0]
    with pytest.raises(ParameterError):
        mrc.read_map(path, 0.0)


def test_anisotropic_voxels_become_cubes_of_the_smallest_edge(tmp_path):
    def wave(n, edge):
        return np.cos(2 * np.pi * np.arange(n) * edge / 24.0)

    data = (wave(30, 1.0)[:, None, None] + wave(25, 1.2)[None, :, None] + wave(20, 1.5)).astype(np.float32)
    got = mrc.read_map(save(tmp_path / "a.mrc", raw_mrc(data, cell=(30, 30, 30), origin=(1, 2, 3))))
    assert got.pixel_size_A == 1.0 and got.origin_A == (1, 2, 3)
    assert got.shape == (30, 30, 30)
    assert "1.5 x 1.2 x 1 Å are resampled" in got.notes[0] and "20 x 25 x 30 to 30 x 30 x 30" in got.notes[0]
    here = wave(30, 1.0)
    exact = here[:, None, None] + here[None, :, None] + here
    inner = np.s_[4:-4, 4:-4, 4:-4]
    assert np.abs(got.data[inner] - exact[inner]).max() < 0.01


def test_values_that_are_not_finite_are_said_when_resampled(tmp_path):
    data = np.ones((8, 8, 8), np.float32)
    data[4, 4, 4] = np.nan
    got = mrc.read_map(save(tmp_path / "a.mrc", raw_mrc(data, cell=(8, 8, 16))))
    assert np.isfinite(got.data).all() and "1 values that are not finite" in got.notes[-1]


def test_one_absurd_edge_does_not_stretch_the_map(tmp_path):
    got = mrc.read_map(save(tmp_path / "a.mrc", raw_mrc(volume((6, 6, 6)), cell=(12, 12, 600))))
    assert got.shape == (6, 6, 6) and got.pixel_size_A == 2 and "cannot be right" in got.notes[0]


def test_old_headers_without_marks_open(tmp_path):
    data = volume((6, 6, 6))
    content = raw_mrc(data, order=">", cell=(12, 12, 12), stamp=bytes(4), mark=bytes(4), axes=(1, 2, 3))
    got = mrc.read_map(save(tmp_path / "a.mrc", content))
    np.testing.assert_array_equal(got.data, data)
    assert len(got.notes) == 2


def test_lying_machine_stamp(tmp_path):
    data = volume((6, 6, 6))
    got = mrc.read_map(save(tmp_path / "a.mrc", raw_mrc(data, cell=(12, 12, 12), stamp=b"\x11\x11\0\0")))
    np.testing.assert_array_equal(got.data, data)
    assert "stamp is wrong" in got.notes[0]


@pytest.mark.parametrize(
    ("extra", "highest"),
    [
        ({152: struct.pack("<2i", 1146047817, 0)}, 200),
        ({152: struct.pack("<2i", 1146047817, 1)}, 100),
        ({76: struct.pack("<2f", 0, 200)}, 200),
    ],
)
def test_bytes_are_unsigned_where_the_header_says_so(tmp_path, extra, highest):
    data = np.zeros((6, 6, 6), np.float32)
    data[0, 0, 0], data[0, 0, 1] = 100, 200 - 256
    got = mrc.read_map(save(tmp_path / "a.mrc", raw_mrc(data, mode=0, cell=(12, 12, 12), extra=extra)))
    assert got.data.max() == highest


BAD = {
    "empty": (lambda: b"", "the file is empty"),
    "short header": (lambda: b"MAP " * 50, "only 200 bytes"),
    "text": (lambda: b"this is no map at all, not in the least\n" * 50, "no MRC file"),
    "noise": (lambda: RNG.bytes(4096), "no MRC file"),
    "cut short": (lambda: raw_mrc(volume())[:-1], "cut short"),
    "complex": (lambda: raw_mrc(volume(), extra={12: struct.pack("<i", 4)}), "Fourier transform (mode 4)"),
    "cut gz": (lambda: gzip.compress(RNG.bytes(5000))[:-500], "cannot be unpacked"),
    "cut bz2": (lambda: bz2.compress(RNG.bytes(5000))[:-500], "cannot be unpacked"),
    "short in gz": (lambda: gzip.compress(raw_mrc(volume())[:-4]), "cut short"),
    "no voxel": (lambda: raw_mrc(np.zeros((0, 3, 3))) + bytes(100), "no MRC file"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_files_get_one_clear_sentence(tmp_path, name):
    make, what = BAD[name]
    path = save(tmp_path / "bad.mrc", make())
    with pytest.raises(FileError) as err:
        mrc.read_map(path)
    assert what in err.value.what
    assert err.value.where == str(path) and err.value.what_to_do and "\n" not in str(err.value)


def test_missing_files_and_folders(tmp_path):
    with pytest.raises(FileError, match="there is no such file"):
        mrc.read_map(tmp_path / "none.mrc")
    with pytest.raises(FileError, match="folder"):
        mrc.read_map(tmp_path)


def test_absurd_extended_header_is_ignored(tmp_path):
    data = volume((6, 6, 6))
    got = mrc.read_map(save(tmp_path / "a.mrc", raw_mrc(data, cell=(12, 12, 12), extra={92: struct.pack("<i", -5)})))
    np.testing.assert_array_equal(got.data, data)
    assert "extended header" in got.notes[0]


def smooth(shape):
    grid = np.meshgrid(*[np.linspace(-2, 2, n) for n in shape], indexing="ij")
    return np.exp(-sum(g * g for g in grid))


STACK_OR_MAP = [
    ("a.mrcs", smooth((8, 8, 8)), 1, None, True),
    ("a.map", volume((5, 8, 8)), 0, None, False),
    ("a.mrc", volume((5, 8, 8)), 0, (8, 8, 1), True),
    ("a.mrc", smooth((5, 8, 8)), 1, None, False),
    ("a.mrc", volume((8, 8, 8)), 0, None, False),
    ("a.mrc", smooth((12, 16, 16)), 0, None, False),
    ("a.mrc", volume((12, 16, 16)), 0, None, True),
    ("a.mrc", smooth((12, 16, 20)), 0, None, False),
    ("a.mrc", volume((1, 8, 9)), 1, None, True),
]


@pytest.mark.parametrize(("name", "data", "ispg", "sampling", "images"), STACK_OR_MAP)
def test_stack_or_map(tmp_path, name, data, ispg, sampling, images):
    path = save(tmp_path / name, raw_mrc(data, ispg=ispg, sampling=sampling, cell=(8, 8, 8)))
    assert mrc.holds_images(mrc.read_header(path), path)[0] == images


def test_a_stack_is_refused_as_a_map_and_a_map_is_read_as_images(tmp_path):
    with pytest.raises(FileError, match="a stack of 5 images"):
        mrc.read_map(save(tmp_path / "a.mrcs", raw_mrc(volume((5, 8, 8)), ispg=0)))
    cube = volume((6, 6, 6))
    stack = mrc.read_stack(save(tmp_path / "b.mrc", raw_mrc(cube, cell=(9, 9, 9))))
    np.testing.assert_array_equal(stack[[5, 0]], cube[[5, 0]])
    assert stack.pixel_size_A == 1.5 and stack[2].dtype == np.float32


def test_write_map_is_read_by_mrcfile_and_by_us(tmp_path):
    data = volume((5, 6, 7))
    mrc.write_map(tmp_path / "a.mrc", Map3D(data, 1.7, (1.0, 2.0, -3.0)))
    with mrcfile.open(tmp_path / "a.mrc") as file:
        assert mrcfile.validate(tmp_path / "a.mrc")
        np.testing.assert_array_equal(file.data, data)
        assert file.is_volume() and abs(file.voxel_size.x - 1.7) < 1e-6 and file.header.origin.z == -3
    got = mrc.read_map(tmp_path / "a.mrc")
    assert got.pixel_size_A == 1.7 and got.origin_A == (1, 2, -3) and got.notes == ()
    assert [p.name for p in tmp_path.iterdir()] == ["a.mrc"]


def test_writing_over_a_mapped_file_leaves_the_mapping_alone(tmp_path):
    path = tmp_path / "a.mrc"
    mrc.write_map(path, np.ones((4, 4, 4)), 2.0)
    old = mrc.read_map(path)
    mrc.write_map(path, np.zeros((2, 2, 2)), 2.0)
    assert old.data.sum() == 64


def test_stack_writer_is_valid_after_every_append(tmp_path):
    images = RNG.normal(2, 3, (9, 6, 7)).astype(np.float32)
    path = tmp_path / "a.mrcs"
    with mrc.StackWriter(path, (6, 7), 1.25) as writer:
        for start, stop in ((0, 1), (1, 6), (6, 6), (6, 9)):
            writer.append(images[start:stop])
            got = mrc.read_stack(path)
            assert len(got) == stop == writer.n and got.pixel_size_A == 1.25 and got.notes == ()
            np.testing.assert_array_equal(got[:], images[:stop])
    writer.close()
    with mrcfile.open(path) as file:
        assert file.is_image_stack() and abs(file.voxel_size.x - 1.25) < 1e-6
        np.testing.assert_allclose(
            [file.header.dmin, file.header.dmax, file.header.dmean, file.header.rms],
            [images.min(), images.max(), images.mean(), images.std()],
            rtol=1e-5,
        )
    assert mrcfile.validate(path)


def test_stack_writer_keeps_what_was_finished_when_the_disk_is_full(tmp_path, monkeypatch):
    path = tmp_path / "a.mrcs"
    writer = mrc.StackWriter(path, (6, 7), 1.25)
    writer.append(np.ones((3, 6, 7), np.float32))

    class Full:
        def __init__(self, file):
            self.file, self.left = file, 100

        def write(self, content):
            if self.left == 0:
                raise OSError(errno.ENOSPC, "No space left on device")
            k = self.file.write(content[: self.left])
            self.left -= k
            return k

        def __getattr__(self, name):
            return getattr(self.file, name)

    monkeypatch.setattr(writer, "_file", Full(writer._file))
    with pytest.raises(OSError, match="No space left"):
        writer.append(np.zeros((4, 6, 7), np.float32))
    writer.close()
    got = mrc.read_stack(path)
    assert len(got) == 3 and got[:].sum() == 3 * 42
    assert path.stat().st_size == 1024 + 3 * 42 * 4


def test_stack_writer_takes_back_its_last_images(tmp_path):
    path, kept = tmp_path / "a.mrcs", np.arange(84, dtype=np.float32).reshape(2, 6, 7)
    with mrc.StackWriter(path, (6, 7), 1.25) as writer:
        writer.append(kept)
        writer.append(np.full((3, 6, 7), 1e6, np.float32))
        writer.take_back()
        np.testing.assert_array_equal(mrc.read_stack(path)[:], kept)
        assert mrcfile.validate(path)  # the statistics of the header too
        writer.append(kept[:1])
    np.testing.assert_array_equal(mrc.read_stack(path)[:], kept[[0, 1, 0]])
    assert mrcfile.validate(path)


def test_stack_writer_takes_back_its_only_images(tmp_path):
    with mrc.StackWriter(tmp_path / "a.mrcs", (6, 7), 1.25) as writer:
        writer.append(np.ones((3, 6, 7), np.float32))
        writer.take_back()
        assert (writer.n, (tmp_path / "a.mrcs").stat().st_size) == (0, 0)
    assert not (tmp_path / "a.mrcs").exists()


def test_stack_writer_refuses_other_sizes(tmp_path):
    with mrc.StackWriter(tmp_path / "a.mrcs", (6, 7), 1.0) as writer, pytest.raises(DataError):
        writer.append(np.zeros((1, 7, 6), np.float32))


def test_a_stack_that_got_no_image_leaves_no_file(tmp_path):
    with mrc.StackWriter(tmp_path / "a.mrcs", (6, 7), 1.0) as writer:
        writer.append(np.zeros((0, 6, 7), np.float32))
    assert not (tmp_path / "a.mrcs").exists()


def test_values_that_are_not_finite_are_kept(tmp_path):
    odd = np.ones((3, 4, 4), np.float32)
    odd[0, 0, :3] = np.nan, np.inf, -np.inf
    mrc.write_map(tmp_path / "a.mrc", odd, 1.5)
    np.testing.assert_array_equal(mrc.read_map(tmp_path / "a.mrc").data, odd)
    with mrc.StackWriter(tmp_path / "a.mrcs", (4, 4), 1.5) as writer:
        writer.append(odd)
        writer.append(odd)
    np.testing.assert_array_equal(mrc.read_stack(tmp_path / "a.mrcs")[3:], odd)


def test_build_is_1024_bytes_with_the_mark_in_place():
    block = build((3, 4, 5), 2.0, stack=True, label="x" * 100)
    assert len(block) == 1024 and block[208:212] == b"MAP "


def test_large_files_open_without_being_read(tmp_path):
    path = tmp_path / "a.mrc"
    with path.open("wb") as file:
        file.write(build((512, 512, 512), 1.5, stack=False))
        file.truncate(1024 + 4 * 512**3)
    got = mrc.read_map(path)
    assert got.shape == (512, 512, 512) and got.data[300, 1, 1] == 0


def test_emd_3001_is_one_array_in_three_packings(shared_data):
    folder = shared_data / "map_formats_small_real"
    one, two, three = (mrc.read_map(folder / f"{n}") for n in ("EMD-3001.map", "EMD-3001.map.bz2", "emd_3001.map.gz"))
    np.testing.assert_array_equal(one.data, two.data)
    np.testing.assert_array_equal(one.data, three.data)
    assert one.origin_A == two.origin_A == three.origin_A
    with mrcfile.open(folder / "EMD-3001.map", permissive=True) as file:
        np.testing.assert_allclose(one.data[0, :, 0], file.data[:, 0, 0], atol=1e-6)
    assert "0.4482 x 0.3925 x 0.4587 Å are resampled" in " ".join(one.notes) and one.shape == (85, 25, 49)


@pytest.mark.parametrize(
    ("name", "shape", "pixel", "origin"),
    [
        ("map_groel_D7_real_emd1080/emd_1080_groel_11.5A.mrc", (100, 100, 100), 2.7, -135.0),
        ("map_betagal_D2_real/betaGal.mrc", (100, 100, 100), 3.54, 0.0),
        ("map_formats_small_real/EMD-3197.map", (20, 20, 20), 11.4, -22.8),
        ("map_hemoglobin_C2_real_emd3488/emd_3488_contour_mask.mrc", (100, 91, 91), 1.05, 0.0),
    ],
)
def test_real_maps(shared_data, name, shape, pixel, origin):
    got = mrc.read_map(shared_data / name)
    assert got.shape == shape and got.pixel_size_A == pixel and got.origin_A[0] == pytest.approx(origin, abs=1e-4)
    with mrcfile.open(shared_data / name, permissive=True) as file:
        np.testing.assert_array_equal(got.data, file.data)


def test_real_map_without_pixel_size(shared_data):
    got = mrc.read_map(shared_data / "map_ribosome70S_C1" / "clean70SRibosome_vol_65p.mrc")
    assert got.shape == (65, 65, 65) and not got.pixel_size_known
