"""One way to a map from every kind of source, and one sentence for each that is none."""

from __future__ import annotations

import gzip

import numpy as np
import pytest

from emviewer.engine import mrc, simulate, sources
from emviewer.engine.errors import DataError, FileError, ParameterError
from emviewer.engine.types import Map3D

PDB = b"ATOM      1  CA  ALA A   1      11.000   2.000  -3.000  1.00 10.00           C  \nEND\n"


def voxels(shape=(12, 14, 16), seed=1):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def test_a_map_an_array_and_a_compressed_map_are_the_same_voxels(tmp_path):
    data = voxels()
    mrc.write_map(tmp_path / "a.mrc", data, 2.5)
    np.save(tmp_path / "a.npy", data)
    (tmp_path / "b.mrc.gz").write_bytes(gzip.compress((tmp_path / "a.mrc").read_bytes()))
    for name, known in (("a.mrc", True), ("a.npy", False), ("b.mrc.gz", True)):
        volume = sources.open_map(tmp_path / name)
        np.testing.assert_array_equal(volume.data, data)
        assert volume.pixel_size_known is known
        assert volume.pixel_size_A == (2.5 if known else 1.0)
        told = sources.open_map(str(tmp_path / name), pixel_size_A=3.1)
        assert told.pixel_size_known
        assert told.pixel_size_A == pytest.approx(3.1)


@pytest.mark.parametrize("spec", ["phantom:D7", "PHANTOM:d7"])
def test_phantoms_need_no_file(spec):
    volume = sources.open_map(spec)
    np.testing.assert_array_equal(volume.data, simulate.phantom("D7").data)
    assert sources.open_map(spec, pixel_size_A=2.0).pixel_size_A == 2.0


def test_a_model_becomes_a_map_at_its_resolution(tmp_path):
    (tmp_path / "one.pdb").write_bytes(PDB)
    volume = sources.open_map(tmp_path / "one.pdb", resolution_A=6.0)
    assert volume.pixel_size_A == 2.0
    assert volume.name == "one"
    assert sources.open_map(tmp_path / "one.pdb", resolution_A=6.0, pixel_size_A=1.5).pixel_size_A == 1.5
    with pytest.raises(ParameterError, match="--resolution"):
        sources.open_map(tmp_path / "one.pdb")


@pytest.mark.parametrize(("bad", "count"), [([(5, 4, 3)], 1), ([(11, 0, 2), (2, 7, 9), (9, 9, 9)], 3)])
def test_voxels_that_are_no_numbers_are_counted_and_placed(tmp_path, monkeypatch, bad, count):
    monkeypatch.setattr(sources, "_SLAB_BYTES", 2000)  # several slabs
    data = voxels()
    for i, place in enumerate(bad):
        data[place] = (np.nan, np.inf, -np.inf)[i]
    mrc.write_map(tmp_path / "bad.mrc", data, 1.0)
    z, y, x = min(bad)
    with pytest.raises(DataError, match=rf"{count}.* voxel.*x, y, z = {x}, {y}, {z} .*bad\.mrc"):
        sources.open_map(tmp_path / "bad.mrc")
    assert np.isnan(sources.open_map(tmp_path / "bad.mrc", verify=False).data).any()


def test_a_map_of_zeros_is_refused_and_one_of_ones_is_noted(tmp_path):
    mrc.write_map(tmp_path / "zeros.mrc", np.zeros((8, 8, 8), np.float32), 1.0)
    with pytest.raises(DataError, match="every voxel of the map is zero"):
        sources.open_map(tmp_path / "zeros.mrc")
    mrc.write_map(tmp_path / "ones.mrc", np.ones((8, 8, 8), np.float32), 1.0)
    assert "every voxel of the map is 1" in sources.open_map(tmp_path / "ones.mrc").notes


def test_each_voxel_is_looked_at_once_and_the_look_can_be_stopped(monkeypatch):
    monkeypatch.setattr(sources, "_SLAB_BYTES", 4 * 10 * 10 * 3)
    data = voxels((10, 10, 10))
    seen = [(start, len(slab)) for start, slab in sources.slabs(data)]
    assert seen == [(0, 3), (3, 3), (6, 3), (9, 1)]
    calls = []
    sources.verified(Map3D(data, 1.0), lambda: calls.append(1))
    assert len(calls) == 4

    class Stop(Exception):
        pass

    def check() -> None:
        raise Stop

    with pytest.raises(Stop):
        sources.verified(Map3D(data, 1.0), check)


def test_what_is_no_map_is_said(tmp_path):
    mrc.write_map(tmp_path / "m.mrc", voxels(), 1.0)
    with mrc.StackWriter(tmp_path / "s.mrcs", (8, 8), 1.0) as stack:
        stack.append(np.ones((3, 8, 8), np.float32))
    (tmp_path / "t.star").write_text("\ndata_\n\nloop_\n_rlnImageName #1\n000001@s.mrcs\n")
    (tmp_path / "text.mrc").write_text("not a map at all\n" * 100)
    for name, says in (
        ("s.mrcs", "a stack of 3 images"),
        ("t.star", "a table, not a map"),
        ("text.mrc", "text.mrc"),
        ("nothing.mrc", "no such file"),
        (".", "folder"),
    ):
        with pytest.raises(FileError, match=says):
            sources.open_map(tmp_path / name)
    for size in (0.0, -1.0, float("nan")):
        with pytest.raises(ParameterError, match="--pixel-size"):
            sources.open_map(tmp_path / "m.mrc", pixel_size_A=size)
    with pytest.raises(ParameterError, match="D7, T, O, I"):
        sources.open_map("phantom:X9")
