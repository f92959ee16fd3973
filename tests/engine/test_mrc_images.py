"""Images read out of their file: the same as a map of it gives, whatever is asked for, and errors in one sentence."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from emviewer.engine import mrc
from emviewer.engine.errors import FileError
from emviewer.engine.mrc_images import FileImages


@pytest.fixture
def images(tmp_path):
    rng = np.random.default_rng(3)
    data = rng.normal(size=(50, 12, 9)).astype(np.float32)
    path = tmp_path / "images.mrcs"
    with mrc.StackWriter(path, (12, 9), 1.5) as writer:
        writer.append(data)
    return path, data


@pytest.mark.parametrize("ids", [[0], [49], [3, 4, 5, 9, 8, 8, 0], list(range(50)), []])
def test_any_images_in_any_order(images, ids):
    path, data = images
    np.testing.assert_array_equal(mrc.read_stack(path)[np.array(ids, np.int64)], data[ids])


def test_large_reads_come_in_pieces(images, monkeypatch):
    path, data = images
    monkeypatch.setattr("emviewer.engine.mrc_images._AT_ONCE", 12 * 9 * 4 * 7 + 3)
    np.testing.assert_array_equal(mrc.read_stack(path)[:], data)


@pytest.mark.parametrize("dtype", [">f4", "<i2", ">u2", "i1", "<f2"])
def test_other_numbers_become_float32(tmp_path, dtype):
    data = np.random.default_rng(1).integers(0, 100, (4, 3, 5)).astype(dtype)
    (tmp_path / "raw").write_bytes(b"x" * 7 + data.tobytes())
    read = FileImages(tmp_path / "raw", np.dtype(dtype), 7, (4, 3, 5))
    np.testing.assert_array_equal(read(np.array([2, 3, 0])), data[[2, 3, 0]].astype(np.float32))


def test_a_file_that_was_renamed_is_still_read(images):
    path, data = images
    stack = mrc.read_stack(path)
    path.rename(path.with_name("elsewhere.mrcs"))
    np.testing.assert_array_equal(stack[7], data[7])


def test_a_file_that_became_shorter_is_said(images):
    path, _ = images
    stack = mrc.read_stack(path)
    os.truncate(path, path.stat().st_size - 10)
    with pytest.raises(FileError, match="cut short before the end of image 50"):
        stack[49]


def mapped_kb():
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("RssFile"))


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="only Linux tells what of a process is mapped")
def test_reading_through_a_file_maps_no_memory(tmp_path):
    path = tmp_path / "large.mrcs"
    with mrc.StackWriter(path, (256, 256), 1.0) as writer:
        for _ in range(3):
            writer.append(np.ones((100, 256, 256), np.float32))
    stack = mrc.read_stack(path)
    before = mapped_kb()
    for first in range(0, 300, 50):
        stack[first : first + 50]
    assert mapped_kb() - before < 20_000, "the file has 79 000"
