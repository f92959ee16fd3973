"""Chosen rows saved by suffix: rows of the original table untouched, nothing overwritten, sentences for the rest."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from emviewer.engine import cryosparc, files, mrc, mrc_write, star
from emviewer.engine.errors import EmviewerError, OutputError, ParameterError
from emviewer.engine.jobs.subset_rows import save_rows
from emviewer.engine.star_write import write_particles

N = 6


def finish(job):
    while True:
        try:
            next(job)
        except StopIteration as end:
            return end.value


@pytest.fixture
def folder(tmp_path):
    with mrc_write.StackWriter(tmp_path / "a.mrcs", (8, 8), 2.5) as writer:
        writer.append(np.arange(N * 64, dtype=np.float32).reshape(N, 8, 8))
    return tmp_path


@pytest.fixture
def relion(folder):
    table = pd.DataFrame(
        {
            "rlnImageName": [f"{i + 1:06d}@a.mrcs" for i in range(N)],
            "rlnOpticsGroup": "1",
            "rlnOdd": [f"{i}.1000" for i in range(N)],
        }
    )
    optics = pd.DataFrame({"rlnOpticsGroup": [1], "rlnImagePixelSize": [2.5], "rlnImageSize": [8]})
    write_particles(folder / "in.star", table, optics)
    return files.read_images(folder / "in.star")


@pytest.fixture
def sparc(folder):
    rows = np.zeros(N, [("uid", "<u8"), ("blob/path", "S8"), ("blob/idx", "<u4"), ("blob/psize_A", "<f4")])
    rows["uid"], rows["blob/path"] = np.arange(N) + 70, b"a.mrcs"
    rows["blob/idx"], rows["blob/psize_A"] = np.arange(N), 2.5
    other = np.zeros(N, [("uid", "<u8"), ("extra/value", "<f4")])
    other["uid"], other["extra/value"] = rows["uid"][::-1], np.arange(N)
    cryosparc.write_cs(folder / "in.cs", rows)
    cryosparc.write_cs(folder / "pass.cs", other)
    return files.read_images(folder / "in.cs", passthrough=folder / "pass.cs")


def test_star_keeps_text_columns_and_blocks(relion, folder):
    assert finish(save_rows(relion, [4, 0], folder / "out.star")) == [folder / "out.star"]
    before, after = star.read_star(folder / "in.star"), star.read_star(folder / "out.star")
    assert after["particles"]["rlnOdd"].tolist() == ["4.1000", "0.1000"]
    assert list(after["particles"].columns) == list(before["particles"].columns)
    pd.testing.assert_frame_equal(after["optics"], before["optics"])
    np.testing.assert_array_equal(files.read_images(folder / "out.star").stack[:], relion.stack[[4, 0]])


def test_cs_keeps_all_fields_and_the_passthrough_of_the_same_particles(sparc, folder):
    written = finish(save_rows(sparc, [1, 3], folder / "out.cs"))
    rows, other = (cryosparc.read_cs(path) for path in written)
    assert rows["uid"].tolist() == [71, 73] and rows.dtype.names == ("uid", "blob/path", "blob/idx", "blob/psize_A")
    assert sorted(other["uid"].tolist()) == [71, 73]


def test_rows_of_cryosparc_become_a_star_file_that_opens(sparc, folder):
    finish(save_rows(sparc, [1, 3], folder / "out.star"))
    np.testing.assert_array_equal(files.read_images(folder / "out.star").stack[:], sparc.stack[[1, 3]])


def test_images_alone_become_a_star_file_that_opens(folder):
    images = files.read_images(folder / "a.mrcs")
    finish(save_rows(images, [5, 2], folder / "out.star"))
    np.testing.assert_array_equal(files.read_images(folder / "out.star").stack[:], images.stack[[5, 2]])


def test_images_and_scores(relion, folder):
    finish(save_rows(relion, [2], folder / "out.mrcs"))
    np.testing.assert_array_equal(mrc.read_stack(folder / "out.mrcs")[:], relion.stack[[2]])
    scores = pd.DataFrame({"image": np.arange(N) + 1, "cc": np.linspace(0, 1, N)})
    finish(save_rows(relion, [2, 1], folder / "out.csv", scores=scores))
    assert pd.read_csv(folder / "out.csv")["image"].tolist() == [3, 2]


@pytest.mark.parametrize(
    "rows, name, error, words",
    [
        ([], "out.star", EmviewerError, "nothing to save"),
        ([1], "out.cs", ParameterError, "cryoSPARC"),
        ([1], "out.xlsx", ParameterError, "cannot be saved as .xlsx"),
        ([1], "in.star", OutputError, "overwrite"),
    ],
)
def test_what_cannot_be_saved_is_a_sentence(relion, folder, rows, name, error, words):
    before = (folder / "in.star").read_text()
    with pytest.raises(error, match=words):
        finish(save_rows(relion, rows, folder / name))
    assert (folder / "in.star").read_text() == before
