"""Saved selections: every column kept, images where the table says, whole or not at all."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from emviewer.engine import files, mrc, star
from emviewer.engine.conventions import euler_to_matrix
from emviewer.engine.errors import DataError, OutputError
from emviewer.engine.jobs import subset
from emviewer.engine.task import Cancelled, drain
from emviewer.engine.types import ImageSet, ImageStack, Poses

RNG = np.random.default_rng(3)
DATA = RNG.normal(size=(40, 12, 10)).astype(np.float32)


def finish(job):
    """Run a generator to its end; return (batches, what it returned)."""
    batches = []
    while True:
        try:
            batches.append(next(job))
        except StopIteration as stop:
            return batches, stop.value


def relion_set(tmp_path) -> ImageSet:
    """Write a RELION 3.1 data set of 40 images to disk and open it."""
    with mrc.StackWriter(tmp_path / "particles.mrcs", (12, 10), 1.37) as writer:
        writer.append(DATA)
    optics = pd.DataFrame(
        {"rlnOpticsGroup": [1, 2], "rlnOpticsGroupName": ["a", "b"], "rlnImagePixelSize": ["1.370000"] * 2,
         "rlnImageSize": [12] * 2, "rlnImageDimensionality": [2] * 2, "rlnVoltage": ["300.000000"] * 2}
    )  # fmt: skip
    table = pd.DataFrame(
        {"rlnCoordinateX": [f"{i}.12345678" for i in range(40)],
         "rlnImageName": [f"{i + 1:06d}@particles.mrcs" for i in range(40)],
         "rlnOpticsGroup": [str(1 + i % 2) for i in range(40)],
         "rlnMadeUpByMe": [f"text {i}" for i in range(40)]}
    )  # fmt: skip
    star.write_particles(tmp_path / "particles.star", table, optics)
    return files.open_any(tmp_path / "particles.star")


def test_round_trip_keeps_text_columns_order_and_optics(tmp_path):
    images = relion_set(tmp_path)
    chosen = [31, 2, 17]
    _, saved = finish(subset.save_subset(images, chosen, tmp_path / "out" / "good.mrcs"))
    assert saved == tmp_path / "out" / "good.star"
    back = files.open_any(saved)
    np.testing.assert_array_equal(back.stack[:], DATA[chosen])
    assert back.stack.pixel_size_A == pytest.approx(1.37)
    blocks = star.read_star(saved)
    assert list(blocks) == ["optics", "particles"]
    pd.testing.assert_frame_equal(blocks["optics"], images.blocks["optics"], check_dtype=False)
    particles = blocks["particles"]
    assert list(particles.columns) == [*images.table.columns, "rlnImageOriginalName"]
    assert particles["rlnImageName"].tolist() == [f"{i:06d}@good.mrcs" for i in (1, 2, 3)]
    assert particles["rlnImageOriginalName"].tolist() == [f"{i + 1:06d}@particles.mrcs" for i in chosen]
    for kept in ("rlnCoordinateX", "rlnOpticsGroup", "rlnMadeUpByMe"):
        assert particles[kept].tolist() == images.table[kept].iloc[chosen].tolist()


def test_bare_stack_gets_a_table_with_optics(tmp_path):
    stack = ImageStack.from_array(DATA, 2.5)
    _, saved = finish(subset.save_subset(ImageSet(pd.DataFrame(index=range(40)), stack), [5, 6], tmp_path / "s"))
    back = files.open_any(saved)
    np.testing.assert_array_equal(back.stack[:], DATA[5:7])
    assert back.stack.pixel_size_A == pytest.approx(2.5)
    assert star.read_star(saved)["optics"]["rlnImageSize"].tolist() == ["10"]


def test_tables_of_other_programs_get_relion_columns_first(tmp_path):
    angles = np.array([[10.0, 20.0, 30.0], [40.0, 50.0, 60.0], [70.0, 80.0, 90.0]])
    poses = Poses.from_rotations(euler_to_matrix(*angles.T), [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
    ctf = pd.DataFrame({"defocus_u_A": [1e4, 2e4, 3e4], "defocus_v_A": [1e4, 2e4, 3e4], "kv": [200.0] * 3})
    table = pd.DataFrame({"uid": [7, 8, 9], "blob/path": [b"a", b"b", b"c"], "pose": [np.zeros(3)] * 3})
    images = ImageSet(table, ImageStack.from_array(DATA[:3]), poses, ctf, format="cryosparc")
    _, saved = finish(subset.save_subset(images, [2, 0], tmp_path / "s"))
    blocks = star.read_star(saved)
    particles = blocks["particles"]
    np.testing.assert_allclose(star.numbers(particles, "rlnAngleTilt"), [80, 20], atol=1e-4)
    np.testing.assert_allclose(star.numbers(particles, "rlnOriginYAngst"), [6, 2])
    np.testing.assert_allclose(star.numbers(particles, "rlnDefocusU"), [3e4, 1e4])
    assert particles["uid"].tolist() == ["9", "7"]
    assert particles["blob_path"].tolist() == ["c", "a"]
    assert "pose" not in particles
    assert star.numbers(blocks["optics"], "rlnVoltage").tolist() == [200.0]


def test_streams_in_pieces_and_reports_progress(tmp_path, monkeypatch):
    monkeypatch.setattr(subset, "CHUNK_BYTES", 4 * 12 * 10 * 7)
    batches, _ = finish(subset.save_subset(relion_set(tmp_path), np.arange(40), tmp_path / "all"))
    assert [b.done for b in batches] == [7, 14, 21, 28, 35, 40]
    assert all(b.total == 40 for b in batches)


def test_cancelled_save_leaves_nothing(tmp_path, monkeypatch):
    images = relion_set(tmp_path)
    monkeypatch.setattr(subset, "CHUNK_BYTES", 4 * 12 * 10)
    calls = []

    def check():
        calls.append(1)
        if len(calls) > 3:
            raise Cancelled

    with pytest.raises(Cancelled):
        drain(subset.save_subset(images, np.arange(40), tmp_path / "new" / "x", check=check))
    assert list((tmp_path / "new").iterdir()) == []


def test_refuses_to_overwrite_its_own_source_and_to_save_nothing(tmp_path):
    images = relion_set(tmp_path)
    with pytest.raises(OutputError, match="comes from"):
        drain(subset.save_subset(images, [1], tmp_path / "particles.mrcs"))
    with pytest.raises(DataError, match="nothing to save"):
        drain(subset.save_subset(images, [], tmp_path / "x"))
    assert files.open_any(tmp_path / "particles.star").stack.n == 40


def test_unwritable_place_is_one_sentence(tmp_path):
    images = relion_set(tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(OutputError):
        drain(subset.save_subset(images, [1], tmp_path / "file" / "x"))


def test_average_is_mean_and_sd_and_survives_an_offset():
    data = (DATA + 3e4).astype(np.float32)
    _, (mean, sd) = finish(subset.average(ImageStack.from_array(data), [4, 9, 30, 2]))
    truth = data[[4, 9, 30, 2]].astype(float)
    np.testing.assert_allclose(mean, truth.mean(0), rtol=1e-7)
    np.testing.assert_allclose(sd, truth.std(0), rtol=1e-4, atol=1e-4)
    with pytest.raises(DataError):
        drain(subset.average(ImageStack.from_array(data), []))


def test_particles_of_chosen_classes_keep_everything(tmp_path):
    with mrc.StackWriter(tmp_path / "run_it025_classes.mrcs", (12, 10), 1.37) as writer:
        writer.append(DATA[:4])
    names = [f"{i:06d}@run_it025_classes.mrcs" for i in range(1, 5)]
    star.write_star(tmp_path / "run_it025_model.star", {"model_classes": pd.DataFrame({"rlnReferenceImage": names})})
    optics = pd.DataFrame({"rlnOpticsGroup": ["1"], "rlnImagePixelSize": ["1.370000"]})
    table = pd.DataFrame({"rlnClassNumber": list("1234321"), "rlnOdd": [f"{i}.10" for i in range(7)]})
    star.write_particles(tmp_path / "run_it025_data.star", table, optics)
    images = files.open_any(tmp_path / "run_it025_model.star")
    _, n = finish(subset.save_members(images, [1, 3], tmp_path / "picked"))
    blocks = star.read_star(tmp_path / "picked.star")
    assert n == 3
    assert blocks["particles"]["rlnClassNumber"].tolist() == ["2", "4", "2"]
    assert blocks["particles"]["rlnOdd"].tolist() == ["1.10", "3.10", "5.10"]
    assert blocks["optics"]["rlnImagePixelSize"].tolist() == ["1.370000"]
    with pytest.raises(OutputError):
        drain(subset.save_members(images, [1], tmp_path / "run_it025_data.star"))
    with pytest.raises(DataError, match="not known"):
        drain(subset.save_members(relion_set(tmp_path), [1], tmp_path / "y"))
