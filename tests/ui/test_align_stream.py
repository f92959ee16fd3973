"""An align job in the window: the pose that streams in is shown, and its files open the other panels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from emviewer.engine import mrc
from emviewer.engine.task import Batch, message
from emviewer.ui import results_align
from emviewer.ui.results_align_stream import AlignStream
from emviewer.ui.workspace import Document


@pytest.fixture
def running(window, tmp_path):
    """Return the stream of a job on two maps of one name, and the folder it writes to."""
    rng = np.random.default_rng(0)
    for name in ("ref.mrc", "a/m.mrc", "b/m.mrc"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        mrc.write_map(tmp_path / name, rng.standard_normal((16, 16, 16)).astype(np.float32), 2.0)
    maps = [str(tmp_path / "a" / "m.mrc"), str(tmp_path / "b" / "m.mrc")]
    parameters = {"reference": str(tmp_path / "ref.mrc"), "maps": maps}
    document = Document("result", "out", info={"job": "align", "Status": "running", "_parameters": parameters})
    stream = AlignStream(document, window.workspace, window.runner, tmp_path / "out", window.arrange)
    return stream, document, tmp_path / "growing.partial"


def pose(index: int, angle: float) -> Batch:
    c, s = np.cos(np.radians(angle)), np.sin(np.radians(angle))
    matrix = [[c, -s, 0], [s, c, 0], [0, 0, 1]]
    return message("refining m", index, 2, map=index, matrix=matrix, translation_A=[1.0, 2.0, 3.0])


def test_the_pose_is_shown_while_the_job_refines(window, qtbot, running):
    stream, document, _ = running
    stream.batches([message("preparing m", 0, 2, map=0)])
    qtbot.waitUntil(lambda: window.area.front() is not None)
    panel = window.area.front()
    assert panel.kind == "align" and document.id in window.workspace.documents
    qtbot.waitUntil(lambda: bool(panel.pairs), timeout=20000)
    stream.batches([pose(0, 20.0), pose(0, 30.0)])
    qtbot.waitUntil(lambda: "30.000°" in panel.text.text.toPlainText())
    assert results_align.angle_deg(panel.motion().matrix) == pytest.approx(30.0)
    assert panel.badge.text() == "refining m"
    stream.batches([pose(1, 50.0)])
    qtbot.waitUntil(lambda: panel.maps.currentData() == "m_2")
    assert results_align.angle_deg(stream.alignment.maps["m"].found.matrix) == pytest.approx(30.0)


def test_a_finished_map_brings_its_files(window, qtbot, running):
    stream, document, folder = running
    data = np.zeros((16, 16, 16), np.float32)
    for name in ("reference.mrc", "aligned/m.mrc", "difference/m.mrc"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        mrc.write_map(folder / name, data, 2.0)
    stream.batches([pose(0, 20.0)])
    columns = {"matrix": np.eye(3)[None], "translation_A": np.zeros((1, 3)), "cc_before": np.array([0.1]),
               "cc_after": np.array([0.9]), "cc_other_hand": np.array([0.89])}  # fmt: skip
    extra = {"name": "m", "hand": "undetermined", "hand_flipped": False, "aligned": str(folder / "aligned/m.mrc")}
    stream.batches([Batch(np.array([0]), columns, 1, 2, "aligned m", extra)])
    qtbot.waitUntil(lambda: any(p.kind == "difference" for p in window.area.panels()), timeout=20000)
    each = stream.alignment.maps["m"]
    assert each.aligned == Path(folder / "aligned" / "m.mrc") and each.found.translation_A.tolist() == [0, 0, 0]
    assert stream.alignment.reference == folder / "reference.mrc", "it tells the pixel size that the job took"
    panel = next(p for p in window.area.panels() if p.kind == "align")
    assert panel.badge.text().startswith("! hand undetermined: cc 0.900, other hand 0.890")
    assert document.streaming


def test_a_job_that_made_nothing_leaves_nothing(window, qtbot, running):
    stream, document, _ = running
    stream.batches([message("preparing m", 0, 2, map=0)])

    class Ended:
        outcome = None

    stream.end(Ended())
    assert document.id not in window.workspace.documents
    qtbot.wait(50)
    assert not window.area.panels()


def test_what_a_job_found_is_said_in_a_sentence():
    found = {"n_aligned": 2, "n_flipped": 1, "mean_cc_before": 0.2, "mean_cc_after": 0.95}
    said = results_align.answer(found)
    assert said == "2 maps aligned, correlation 0.20 before and 0.95 after, hand flipped of 1."
    assert results_align.answer({"n_aligned": 1, "n_flipped": 1}) == "1 map aligned, hand flipped."
    assert results_align.answer({"n_blobs": 1}) == "1 piece stands out of the noise."
    assert "7.3 Å" in results_align.answer({"half_bit_A": 6.0, "nyquist_A": 4.0, "fsc_0.5_A": 7.3})
    assert results_align.answer({"n_images": 5}) == ""


def test_a_folder_that_is_renamed_while_it_is_read_is_no_mistake(window, running, monkeypatch):
    stream, _, folder = running
    stream.batches([pose(0, 20.0)])
    each = stream.alignment.maps["m"]
    monkeypatch.setattr(Path, "is_file", lambda path: True)  # there when looked for, gone when opened
    results_align.read_files(each, folder)
    assert each.curves is None and each.blobs is None
