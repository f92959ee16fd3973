"""STAR text: what goes in comes out, and the mistakes are named."""

from __future__ import annotations

import gzip
import random

import numpy as np
import pandas as pd
import pytest
import starfile

from emviewer.engine import star, star_read
from emviewer.engine.errors import DataError, FileError

RELION = """
# version 50001

data_optics

loop_
_rlnOpticsGroup #1
_rlnOpticsGroupName #2
1 opticsGroup1


# version 50001

data_particles

loop_
_rlnImageName #1
_rlnCoordinateX #2
_rlnOpticsGroup #3
_myOwn #4
  000001@a/b.mrcs   12.500000  1   1e-3
000002@a/b.mrcs  0012.50 1 "two words"\t

# a remark
000003@it's#1.mrcs -0.0 1 None # trailing remark
"""


def tokens(text: str) -> list[str]:
    return [t for line in text.splitlines() if not line.strip().startswith("#") for t in line.split(" #")[0].split()]


def test_text_is_kept_exactly(tmp_path):
    (tmp_path / "a.star").write_text(RELION)
    blocks = star.read_star(tmp_path / "a.star")
    assert list(blocks) == ["optics", "particles"]
    table = blocks["particles"]
    assert list(table.columns) == ["rlnImageName", "rlnCoordinateX", "rlnOpticsGroup", "myOwn"]
    assert table["rlnCoordinateX"].tolist() == ["12.500000", "0012.50", "-0.0"]
    assert table["myOwn"].tolist() == ["1e-3", "two words", "None"]
    assert table["rlnImageName"].iloc[2] == "000003@it's#1.mrcs"
    assert table.index.tolist() == [0, 1, 2]
    star.write_star(tmp_path / "b.star", blocks)
    again = (tmp_path / "b.star").read_text()
    assert again.count("# version 50001") == 2 and '"two words"' in again
    for name, frame in star.read_star(tmp_path / "b.star").items():
        pd.testing.assert_frame_equal(frame, blocks[name])


def test_pairs_blocks_stay_pairs(tmp_path):
    (tmp_path / "a.star").write_text("data_general\n\n_rlnA 1.50\n_rlnB 'x y'\n_rlnC\n\ndata_\nloop_\n_rlnD\n7\n")
    blocks = star.read_star(tmp_path / "a.star")
    assert blocks["general"].iloc[0].tolist() == ["1.50", "x y", ""]
    assert blocks[""]["rlnD"].tolist() == ["7"]
    star.write_star(tmp_path / "b.star", blocks)
    text = (tmp_path / "b.star").read_text()
    assert "_rlnA 1.50\n" in text and text.count("loop_") == 1
    again = star.read_star(tmp_path / "b.star")
    pd.testing.assert_frame_equal(again["general"], blocks["general"])


def test_odd_layouts(tmp_path):
    content = b"data_a\r\n\r\nloop_\r\n _x #1\r\n_y\r\n1\t2\r\n\r\n\r\n 3   4 \r\ndata_a\nloop_\n_x\n"
    content += b"data_c\nloop_\n_z\n\xe9\n"
    (tmp_path / "a.star").write_bytes(content)
    blocks = star.read_star(tmp_path / "a.star")
    assert {k: v.shape for k, v in blocks.items()} == {"a": (2, 2), "a_2": (0, 1), "c": (1, 1)}
    assert blocks["a"].to_numpy().tolist() == [["1", "2"], ["3", "4"]]
    assert blocks["c"]["z"].tolist() == ["\xe9"]


def test_several_loops_in_a_block(tmp_path):
    (tmp_path / "a.star").write_text("data_a\nloop_\n_x\n1\n2\n\nloop_\n_y\n3\n")
    blocks = star.read_star(tmp_path / "a.star")
    assert blocks["a"]["x"].tolist() == ["1", "2"] and blocks["a_2"]["y"].tolist() == ["3"]


def test_chunks_do_not_cut_rows(tmp_path, monkeypatch):
    monkeypatch.setattr(star_read, "_CHUNK", 100)
    rng = random.Random(3)
    rows = [[f"{rng.random():.{rng.randint(1, 30)}f}" for _ in range(3)] for _ in range(200)]
    rows[77][1] = "'quoted here'"
    text = "data_\nloop_\n_a\n_b\n_c\n" + "\n".join("  ".join(r) for r in rows)
    (tmp_path / "a.star.gz").write_bytes(gzip.compress(text.encode()))
    got = star.read_star(tmp_path / "a.star.gz")[""].to_numpy().tolist()
    rows[77][1] = "quoted here"
    assert got == rows


@pytest.mark.parametrize("row", ["1 2 3", "1", '1 "2'])
def test_a_row_of_wrong_length_is_named(tmp_path, row, monkeypatch):
    monkeypatch.setattr(star_read, "_CHUNK", 32)
    lines = ["1 2"] * 40
    lines[30] = row if row != '1 "2' else '1 "2 3'
    (tmp_path / "a.star").write_text("data_p\nloop_\n_a\n_b\n" + "\n".join(lines) + "\n")
    with pytest.raises(FileError, match="row 31 of data_p has"):
        star.read_star(tmp_path / "a.star")


@pytest.mark.parametrize(
    ("content", "what"),
    [
        ("no star at all\n", "no STAR file"),
        ("data_a\nloop_\n1 2\n", "without columns"),
        ("data_a\nloop_\n_x\n_x\n1 2\n", "column x occurs twice"),
        ("data_a\nlost words\n", "belongs to nothing"),
    ],
)
def test_broken_files_are_refused(tmp_path, content, what):
    (tmp_path / "a.star").write_text(content)
    with pytest.raises(FileError) as err:
        star.read_star(tmp_path / "a.star")
    assert what in str(err.value) and str(tmp_path / "a.star") in str(err.value)


def test_numbers(tmp_path):
    table = pd.DataFrame({"a": ["1", "-2.5e-3", " 7 ", "nan", "inf"], "b": [1, 2, 3, 4, 5], "c": list("12x45")})
    np.testing.assert_array_equal(star.numbers(table, "a"), [1, -0.0025, 7, np.nan, np.inf])
    assert star.numbers(table, "b").dtype == np.float64
    with pytest.raises(DataError, match="'x' in row 3 of c"):
        star.numbers(table, "c")
    with pytest.raises(DataError, match="no column d"):
        star.numbers(table, "d")


def test_numbers_are_written_without_losing_digits_that_matter(tmp_path):
    table = pd.DataFrame(
        {
            "rlnAngleRot": [1.5, -179.9999994, 0.0],
            "small": [1e-5, 3e-12, 0.0],
            "n": [1, 2, 3],
            "flag": [True, False, True],
            "text": ["a", None, ""],
            "nan": [np.nan, 1.0, np.inf],
        }
    )
    star.write_particles(tmp_path / "a.star", table, pd.DataFrame({"rlnOpticsGroup": [1]}))
    got = star.read_star(tmp_path / "a.star")["particles"]
    assert got["rlnAngleRot"].tolist() == ["1.500000", "-179.999999", "0.000000"]
    np.testing.assert_allclose(star.numbers(got, "small"), table["small"], rtol=1e-8)
    assert got["n"].tolist() == ["1", "2", "3"] and got["flag"].tolist() == ["1", "0", "1"]
    assert got["text"].tolist() == ["a", "None", ""]
    np.testing.assert_array_equal(star.numbers(got, "nan"), [np.nan, 1, np.inf])
    star.write_particles(tmp_path / "old.star", table, None)
    assert list(star.read_star(tmp_path / "old.star")) == [""]


def test_changed_columns_only_change_themselves(tmp_path):
    (tmp_path / "a.star").write_text(RELION)
    blocks = star.read_star(tmp_path / "a.star")
    table = blocks["particles"].copy()
    table["rlnCoordinateX"] = star.numbers(table, "rlnCoordinateX") + 1
    star.write_star(tmp_path / "b.star", blocks | {"particles": table.iloc[[2, 0]]})
    got = star.read_star(tmp_path / "b.star")["particles"]
    assert got["rlnCoordinateX"].tolist() == ["1.000000", "13.500000"]
    assert got["rlnImageName"].tolist() == ["000003@it's#1.mrcs", "000001@a/b.mrcs"]


def test_a_failed_write_leaves_nothing_behind(tmp_path):
    class Bad:
        def __str__(self):
            raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        star.write_star(tmp_path / "a.star", {"p": pd.DataFrame({"x": pd.Series([Bad()], dtype=object)})})
    assert list(tmp_path.iterdir()) == []


REAL = [
    "particles_real_small_with_star/relion31.star",
    "particles_real_small_with_star/relion13_betagal_class2d_ap_s_c2d.star.gz",
    "particles_real_small_with_star/empiar10025_T20S_particles.star.gz",
    "class2d_betagal_real_relion4_job013/Class2D/job013/run_it100_model.star",
    "sim_t20s_relion_class2d/Class2D/job010/run_it025_data.star",
]


@pytest.mark.parametrize("name", REAL)
def test_real_tables_come_out_as_they_went_in(shared_data, tmp_path, name):
    path = shared_data / name
    content = path.read_bytes()
    text = (gzip.decompress(content) if name.endswith("gz") else content).decode()
    star.write_star(tmp_path / "out.star", star.read_star(path))
    assert tokens((tmp_path / "out.star").read_text()) == tokens(text)


@pytest.mark.parametrize("name", REAL[:1] + REAL[3:])
def test_the_starfile_package_reads_the_same(shared_data, tmp_path, name):
    blocks = star.read_star(shared_data / name)
    star.write_star(tmp_path / "out.star", blocks)
    theirs = starfile.read(tmp_path / "out.star", always_dict=True)
    assert list(theirs) == list(blocks)
    for key, frame in blocks.items():
        other = theirs[key]
        if isinstance(other, dict):
            assert list(other) == list(frame.columns)
            continue
        for column in frame.columns:
            if pd.api.types.is_numeric_dtype(other[column].dtype):
                np.testing.assert_allclose(star.numbers(frame, column), other[column])
            else:
                assert frame[column].tolist() == other[column].tolist()


def test_blocks_and_loops_are_found_wherever_a_piece_ends(tmp_path, monkeypatch):
    text = "\ndata_a\n\nloop_\n_x #1\n_y #2\n1 2\n3 4\n\nloop_\n_z #1\n5\n\ndata_b\n\n_w 7\n"
    (tmp_path / "t.star").write_text(text)
    whole = {name: frame.to_numpy().tolist() for name, frame in star.read_star(tmp_path / "t.star").items()}
    assert whole == {"a": [["1", "2"], ["3", "4"]], "a_2": [["5"]], "b": [["7"]]}
    for size in range(1, 12):
        monkeypatch.setattr(star_read, "_CHUNK", size)
        found = star.read_star(tmp_path / "t.star")
        assert {name: frame.to_numpy().tolist() for name, frame in found.items()} == whole
