import json
from pathlib import Path

import numpy as np
import pytest

from emviewer.engine import mrc
from emviewer.engine.errors import EmviewerError, FileError
from emviewer.engine.jobs import registry
from emviewer.engine.jobs.run import run_job
from emviewer.engine.params import validated
from emviewer.engine.task import Batch
from emviewer.ui.facts import summary_line
from emviewer.ui.opening import read_document
from emviewer.ui.results import ResultStream
from emviewer.ui.runner import JobHandle, Runner
from emviewer.ui.workspace import Document, Workspace

PARAMS = {"map": "phantom:C1", "step": 40.0, "report": "none"}


@pytest.fixture(scope="module")
def gallery(tmp_path_factory):
    """A finished gallery of the command line's making."""
    out = tmp_path_factory.mktemp("results") / "cli"
    for _ in run_job(registry.spec("gallery"), validated(registry.params("gallery"), PARAMS), out):
        pass
    return out


def result_of(window):
    return next((d for d in window.workspace.documents.values() if d.kind == "result"), None)


def test_a_gallery_job_fills_a_document_and_settles_in_its_folder(qtbot, window, tmp_path, gallery):
    sizes = []
    window.workspace.added.connect(lambda d: sizes.append(d.n_rows))
    window.workspace.changed.connect(lambda d: sizes.append(d.n_rows))
    job = window.run_job("gallery", PARAMS, tmp_path / "out")
    qtbot.waitUntil(lambda: not job.active and result_of(window) is not None, timeout=60000)
    document = result_of(window)
    qtbot.waitUntil(lambda: not document.streaming and "Took" in document.info, timeout=10000)
    assert job.state == "complete"
    assert document.path == tmp_path / "out"
    assert document.n_rows == len(document.stack) == job.total
    assert sizes == sorted(sizes)
    assert {"rot_deg", "tilt_deg", "psi_deg", "rlnAngleRot"} <= set(document.table.columns)
    assert (tmp_path / "out" / "projections.mrcs").read_bytes() == (gallery / "projections.mrcs").read_bytes()
    assert (tmp_path / "out" / "projections.star").read_text() == (gallery / "projections.star").read_text()
    assert window.log.lines[0][2] == job.command
    qtbot.waitUntil(lambda: any(p.document is document for p in window.area.panels()), timeout=5000)


def test_opening_the_finished_folder_gives_the_same_document(gallery):
    document = read_document(gallery)
    summary = json.loads((gallery / "summary.json").read_text())
    assert document.kind == "result"
    assert document.n_rows == len(document.stack) == summary["n_views"]
    assert document.info["job"] == "gallery"
    assert document.info["Status"] == "complete"
    np.testing.assert_array_equal(document.stack[[0, 3]], mrc.read_stack(gallery / "projections.mrcs")[[0, 3]])
    assert document.table["tilt_deg"].between(0, 180).all()
    assert read_document(gallery / "job.json").path == gallery


def test_a_cancelled_job_keeps_what_is_finished_and_says_partial(qtbot, window, tmp_path):
    job = window.run_job("gallery", PARAMS | {"step": 2.0}, tmp_path / "out")
    qtbot.waitUntil(lambda: job.done > 0, timeout=60000)
    window.runner.cancel(job)
    row = window.jobs_view.rows[job.id]
    assert row.cancel_button.text() == "Cancelling…"
    qtbot.waitUntil(lambda: not job.active, timeout=5000)
    qtbot.waitUntil(lambda: result_of(window) is not None and not result_of(window).streaming, timeout=5000)
    qtbot.waitUntil(lambda: "Took" in result_of(window).info, timeout=5000)
    document = result_of(window)
    assert document.info["Status"] == "partial"
    assert 0 < document.n_rows < job.total
    assert any("kept and marked partial" in n.text for n in window.notices.notices())
    assert json.loads((tmp_path / "out" / "job.json").read_text())["status"] == "partial"


def test_a_job_that_cannot_start_says_why_and_leaves_no_document(qtbot, window, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").touch()
    job = window.run_job("gallery", PARAMS, tmp_path / "out")
    qtbot.waitUntil(lambda: not job.active, timeout=60000)
    assert job.state == "failed"
    assert result_of(window) is None
    assert "exists and is not empty" in window.notices.notices()[0].text


def test_a_wrong_parameter_is_refused_before_anything_is_queued(window, tmp_path):
    with pytest.raises(EmviewerError, match="--step"):
        window.run_job("gallery", PARAMS | {"step": -1}, tmp_path / "out")
    assert window.runner.jobs == []


def test_the_stack_can_be_read_while_it_grows_and_after_it_was_renamed(qtbot, tmp_path):
    workspace, runner, opened = Workspace(), Runner(), []
    document = Document("result", "growing", info={"job": "gallery"})
    final = tmp_path / "final"
    stream = ResultStream(document, workspace, runner, final, opened.append)
    folder = tmp_path / "final.partial-1"
    folder.mkdir()
    path = folder / "projections.mrcs"
    images = np.random.default_rng(0).normal(size=(6, 8, 8)).astype(np.float32)
    changes = []
    workspace.changed.connect(changes.append)
    with mrc.StackWriter(path, (8, 8), 2.0) as writer:
        for start in (0, 2, 4):
            writer.append(images[start : start + 2])
            ids = np.arange(start, start + 2)
            parts = [Batch(ids[k : k + 1], {"rot_deg": ids[k : k + 1] * 1.0}, start + k + 1, 6,
                           extra={"stack": str(path), "pixel_size_A": 2.0}) for k in range(2)]  # fmt: skip
            before = len(changes)
            stream.batches(parts[:1])
            stream.batches(parts[1:])
            qtbot.waitUntil(lambda n=start + 2: bool(opened) and document.n_rows == n, timeout=5000)
            if start == 0:
                continue
            assert len(changes) - before <= 2
            np.testing.assert_array_equal(document.stack[[0, start + 1]], images[[0, start + 1]])
    assert document.table.index.tolist() == list(range(6))
    assert document.stack.pixel_size_A == 2.0
    folder.rename(final)
    np.testing.assert_array_equal(document.stack[[5]], images[[5]])
    assert runner.close()


def test_a_job_that_failed_after_its_document_showed_takes_it_away(qtbot, tmp_path):
    workspace, runner = Workspace(), Runner()
    document = workspace.add(Document("result", "gone"))
    stream = ResultStream(document, workspace, runner, tmp_path / "out", lambda d: None)
    stream._entered = True
    stream.end(JobHandle("x", lambda check: iter(()), state="failed"))
    assert workspace.documents == {}
    assert runner.close()


def test_what_is_no_result_is_said_in_one_sentence(tmp_path):
    with pytest.raises(FileError, match="holds no result"):
        read_document(tmp_path)
    (tmp_path / "job.json").write_text("{")
    with pytest.raises(FileError, match="damaged"):
        read_document(tmp_path)
    with pytest.raises(FileError, match="not there"):
        read_document(tmp_path / "nothing")


def test_key_figures_are_written_for_a_person():
    assert summary_line("covering_radius_deg", 5.587102075702921) == ("Covering radius", "5.587°")
    assert summary_line("mean_shift_A", None) == ("Mean shift", "–")
    assert summary_line("pixel_size_known", True) == ("Pixel size known", "yes")
    assert summary_line("n_moved", 3) == ("N moved", "3")


def test_opening_a_shared_map_and_its_gallery(qtbot, window, shared_data, tmp_path):
    path = Path(shared_data) / "map_betagal_D2_real" / "betaGal.mrc"
    window.open_paths([path])
    qtbot.waitUntil(lambda: bool(window.workspace.documents), timeout=10000)
    document = window.workspace.current
    assert document.volume.shape == (100, 100, 100)
    assert document.volume.pixel_size_A == pytest.approx(3.54)
    job = window.run_job("gallery", {"map": path, "sym": "D2", "step": 30.0, "report": "none"}, tmp_path / "g")
    qtbot.waitUntil(lambda: result_of(window) is not None and "Took" in result_of(window).info, timeout=60000)
    assert job.state == "complete"
    assert result_of(window).parent == document.id
