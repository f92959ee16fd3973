import numpy as np
import pytest

from emviewer.engine import mrc
from emviewer.engine import session as session_files
from emviewer.ui import sessions
from emviewer.ui.settings import Settings
from emviewer.ui.window import MainWindow


@pytest.fixture
def stack_file(tmp_path):
    path = tmp_path / "stack.mrcs"
    with mrc.StackWriter(path, (8, 8), 1.5) as writer:
        writer.append(np.random.default_rng(0).normal(size=(5, 8, 8)).astype(np.float32))
    return path


def test_a_session_comes_back_with_documents_selection_panels_and_form(qtbot, window, stack_file, tmp_path):
    path = tmp_path / "map.mrc"
    mrc.write_map(path, np.random.default_rng(1).normal(size=(12, 12, 12)).astype(np.float32), 2.0)
    window.open_paths([path, stack_file])
    qtbot.waitUntil(lambda: len(window.workspace.documents) == 2, timeout=10000)
    volume, stack = window.workspace.documents.values()
    window.workspace.select(stack, [1, 3])
    window.workspace.set_row(stack, 3)
    window.files.set_pixel_size(volume, 2.5)
    window.show_task("gallery", volume)
    window.inspector.task().form.set_values({"step": 22.5})
    window.workspace.set_current(stack)
    kinds = [p.kind for p in window.area.panels()]
    window.save_session(tmp_path / "work.emv")
    qtbot.waitUntil((tmp_path / "work.emv").exists, timeout=5000)

    other = MainWindow(Settings(tmp_path / "other.ini"))
    qtbot.addWidget(other)
    other.show()
    other.load_session(tmp_path / "work.emv")
    qtbot.waitUntil(lambda: len(other.workspace.documents) == 2, timeout=10000)
    volume, stack = other.workspace.documents.values()
    assert (volume.title, volume.volume.pixel_size_A) == ("map", 2.5)
    assert other.workspace.selection(stack).tolist() == [1, 3]
    assert other.workspace.row(stack) == 3
    assert other.workspace.current is stack
    assert [p.kind for p in other.area.panels()] == kinds
    assert other.inspector.task().form.values()["step"] == 22.5
    assert not other.history.canUndo()
    other.end()


def test_a_missing_file_is_said_and_the_rest_comes_back(qtbot, window, stack_file, tmp_path):
    window.open_paths([stack_file])
    qtbot.waitUntil(lambda: len(window.workspace.documents) == 1, timeout=10000)
    session = sessions.capture(window)
    lost = session.documents[0].model_copy(update={"id": 77, "path": str(tmp_path / "gone.mrc")})
    window.do_close_document()
    path = session_files.write(session.model_copy(update={"documents": [lost, *session.documents]}), tmp_path / "s.emv")
    window.load_session(path)
    qtbot.waitUntil(lambda: len(window.workspace.documents) == 1, timeout=10000)
    assert any("gone.mrc could not be opened" in n.text for n in window.notices.notices())


def test_what_is_no_session_is_said_in_one_sentence(qtbot, window, tmp_path):
    (tmp_path / "x.emv").write_text("{}")
    window.load_session(tmp_path / "x.emv")
    qtbot.waitUntil(lambda: bool(window.notices.notices()), timeout=5000)
    assert window.notices.notices()[0].text.startswith("x.emv could not be opened: this is no session")
