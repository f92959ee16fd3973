import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import QCoreApplication, QEvent, QMimeData, QPointF, QRect, Qt, QUrl
from PySide6.QtGui import QDragEnterEvent, QDropEvent
from PySide6.QtWidgets import (
    QAbstractButton,
    QAbstractScrollArea,
    QAbstractSpinBox,
    QApplication,
    QComboBox,
    QDoubleSpinBox,
    QLineEdit,
    QStyleOptionViewItem,
)

from emviewer.engine import mrc
from emviewer.engine.errors import DataError
from emviewer.engine.task import Batch, message
from emviewer.ui.app import refuse_bad_pair
from emviewer.ui.bug_report import BugDialog, install_hook
from emviewer.ui.dialogs import HelpViewer
from emviewer.ui.documents import short_facts
from emviewer.ui.jobs_dock import Pace, time_words
from emviewer.ui.notices import Notice
from emviewer.ui.runner import JobHandle
from emviewer.ui.settings import Settings
from emviewer.ui.window import MainWindow


@pytest.fixture
def map_file(tmp_path):
    return write(tmp_path / "small.mrc")


def write(path, pixel_size_A=2.0, n=16):
    data = np.random.default_rng(1).normal(size=(n, n, n)).astype(np.float32)
    mrc.write_map(path, data, pixel_size_A)
    return path


def open_(qtbot, window, *paths):
    n = len(window.workspace.documents)
    window.open_paths(list(paths))
    qtbot.waitUntil(lambda: len(window.workspace.documents) == n + len(paths), timeout=10000)
    return list(window.workspace.documents.values())[-len(paths) :]


def endless(check):
    yield message("working", 0, 100)
    while True:
        check()
        time.sleep(0.002)


def test_empty_window_asks_the_question_and_offers_the_example(window):
    assert window.pages.currentWidget() is window.start
    assert window.start.open_button.isVisible()
    assert window.start.example_button.isVisible()
    assert not any(dock.isVisible() for dock in window.docks.values())


def test_opening_by_path_shows_panels_facts_and_the_recent_file(qtbot, window, map_file):
    (document,) = open_(qtbot, window, map_file)
    assert window.pages.currentWidget() is window.area
    assert window.area.front().document is document
    usual = {"slices", "explorer"}
    qtbot.waitUntil(lambda: {p.kind for p in window.area.panels()} == usual, timeout=5000)
    assert window.area.front().kind == "slices"
    assert window.windowTitle() == "small – emviewer"
    assert window.settings.recent() == [(map_file, False)]
    assert all(dock.isVisible() for dock in window.docks.values())
    assert window.tree.document_of(window.tree.currentItem()) is document


def test_opening_the_same_file_again_does_not_open_it_twice(qtbot, window, map_file):
    (document,) = open_(qtbot, window, map_file)
    window.open_paths([map_file])
    assert list(window.workspace.documents.values()) == [document]
    assert window.files.opening == set()


@pytest.mark.filterwarnings("ignore:.*QDragEnterEvent.* is marked as deprecated")  # from Qt 6.12; 6.10 has no other
def test_documents_of_the_same_name_can_be_told_apart(qtbot, window, tmp_path):
    paths = [tmp_path / "a" / "map.mrc", tmp_path / "a" / "map.map", tmp_path / "b" / "map.mrc"]
    for path in paths:
        path.parent.mkdir(exist_ok=True)
        write(path, n=4)
        open_(qtbot, window, path)
    assert [d.title for d in window.workspace.documents.values()] == ["map", "map.map", "map.mrc"]


def test_dropping_files_opens_them(qtbot, window, map_file):
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(map_file))])
    buttons, keys, action = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, Qt.DropAction.CopyAction
    enter = QDragEnterEvent(QPointF(5, 5).toPoint(), action, data, buttons, keys)
    window.dragEnterEvent(enter)
    assert enter.isAccepted()
    window.dropEvent(QDropEvent(QPointF(5, 5), action, data, buttons, keys))
    qtbot.waitUntil(lambda: bool(window.workspace.documents), timeout=10000)


@pytest.mark.parametrize("content", [b"", b"no map at all", b"\0" * 1024])
def test_a_file_that_cannot_be_opened_gives_one_sentence_and_details(qtbot, window, tmp_path, content):
    path = tmp_path / "bad.mrc"
    path.write_bytes(content)
    window.open_paths([path])
    qtbot.waitUntil(lambda: bool(window.notices.notices()), timeout=10000)
    notice = window.notices.notices()[0]
    assert notice.level == "error"
    assert notice.text.startswith("bad.mrc could not be opened: ")
    assert "Traceback" not in notice.text
    assert notice._details.isHidden()
    notice._unfold()
    assert not notice._details.isHidden()
    notice._copy()
    assert notice.text in QApplication.clipboard().text()
    assert window.workspace.documents == {}


def test_panels_follow_the_current_document_unless_they_keep_theirs(qtbot, window, tmp_path):
    a, b = open_(qtbot, window, write(tmp_path / "a.mrc"), write(tmp_path / "b.mrc"))
    kind = window.area.panels()[0].kind
    following = window.area.panels()[0]
    kept = window.area.open_panel(kind, a, pinned=True)
    assert kept is not following
    window.workspace.set_current(a)
    window.workspace.set_current(b)
    assert following.document is b
    assert kept.document is a
    window.workspace.remove(a)
    assert kept not in window.area.panels()
    window.workspace.remove(b)
    assert window.area.panels() == []
    assert window.pages.currentWidget() is window.start


def test_closing_a_panel_leaves_the_document(qtbot, window, map_file):
    open_(qtbot, window, map_file)
    while window.area.panels():
        window.do_close_panel()
    assert len(window.workspace.documents) == 1
    assert window.pages.currentWidget() is window.no_panel
    window.do_reset_layout()
    qtbot.waitUntil(lambda: bool(window.area.panels()), timeout=2000)


def test_a_panel_can_float_and_come_back(qtbot, window, map_file):
    open_(qtbot, window, map_file)
    dock = window.area.dock_of(window.area.front())
    window.do_float_panel()
    assert dock.isFloating()
    window.do_float_panel()
    assert not dock.isFloating()


def test_a_silent_pixel_size_is_asked_for_and_the_answer_is_used(qtbot, window, tmp_path):
    path = write(tmp_path / "silent.mrc")
    with path.open("r+b") as handle:
        handle.seek(40)
        handle.write(b"\0" * 12)
    (document,) = open_(qtbot, window, path)
    assert not document.volume.pixel_size_known
    notice = window.notices.notices()[0]
    assert notice.level == "warn"
    field = notice.findChild(QDoubleSpinBox)
    field.setValue(1.25)
    next(b for b in notice.findChildren(QAbstractButton) if b.text() == "Use this").click()
    assert (document.volume.pixel_size_A, document.volume.pixel_size_known) == (1.25, True)
    assert window.notices.notices() == []
    window.show_task("gallery", document)
    assert window.inspector.task().form.values()["pixel_size"] == 1.25


def test_a_file_that_changes_on_disk_is_read_again_when_wanted(qtbot, window, map_file):
    (document,) = open_(qtbot, window, map_file)
    write(map_file, 3.0)
    qtbot.waitUntil(lambda: any("changed on disk" in n.text for n in window.notices.notices()), timeout=5000)
    notice = window.notices.notices()[0]
    next(b for b in notice.findChildren(QAbstractButton) if b.text() == "Reload").click()
    qtbot.waitUntil(lambda: document.volume.pixel_size_A == 3.0, timeout=5000)
    assert list(window.workspace.documents.values()) == [document]


def test_a_menu_entry_for_each_thing_to_do_with_a_document(qtbot, window, map_file):
    (document,) = open_(qtbot, window, map_file)
    menu = window.tree.menu_for(document)
    texts = [a.text() for a in menu.actions()]
    assert {"Show in Slices", "Gallery…", "Pixel size…", "Show in the file manager", "Copy path", "Close"} <= set(texts)
    next(a for a in menu.actions() if a.text() == "Copy path").trigger()
    assert QApplication.clipboard().text() == str(map_file)
    next(a for a in menu.actions() if a.text() == "Close").trigger()
    assert window.workspace.documents == {}
    assert map_file.exists()
    menu.deleteLater()


def test_selection_actions_work_for_any_panel_with_rows_and_can_be_undone(qtbot, window, tmp_path):
    path = tmp_path / "stack.mrcs"
    with mrc.StackWriter(path, (8, 8), 1.5) as writer:
        writer.append(np.random.default_rng(0).normal(size=(5, 8, 8)).astype(np.float32))
    (document,) = open_(qtbot, window, path)
    window.actions_["select_all"].trigger()
    assert window.workspace.selection(document).tolist() == [0, 1, 2, 3, 4]
    assert window.selection_text.text() == "5 of 5 selected (100.0 %)"
    window.actions_["undo"].trigger()
    assert window.workspace.selection(document).tolist() == []
    window.workspace.select(document, [1])
    window.actions_["select_inverse"].trigger()
    assert window.workspace.selection(document).tolist() == [0, 2, 3, 4]
    window.actions_["select_none"].trigger()
    assert window.selection_text.text() == "5 images"


def test_closing_while_a_job_runs_asks_and_then_ends_it(qtbot, window, monkeypatch):
    job = window.runner.submit(JobHandle("test", endless))
    qtbot.waitUntil(lambda: job.state == "running", timeout=5000)
    monkeypatch.setattr(MainWindow, "ask_to_close", lambda self: False)
    assert not window.close()
    assert job.active
    assert window.isVisible()
    monkeypatch.setattr(MainWindow, "ask_to_close", lambda self: True)
    assert window.close()
    assert window.ended_cleanly


def test_the_question_before_closing_names_what_is_lost(qtbot, window, monkeypatch):
    job = window.runner.submit(JobHandle("test", endless))
    qtbot.waitUntil(lambda: job.state == "running", timeout=5000)
    seen = {}

    def press(box):
        seen["text"] = f"{box.text()} {box.informativeText()}"
        next(b for b in box.buttons() if b.text() == "Stop and close").click()

    monkeypatch.setattr("emviewer.ui.window.QMessageBox.exec", press)
    assert window.ask_to_close()
    assert seen["text"] == "A job is running. What is finished is kept and marked partial."


def test_a_bug_shows_a_report_that_can_be_copied_and_the_window_goes_on(qtbot, window, capsys):
    restore = install_hook(window)
    try:
        sys.excepthook(*_raised())
        qtbot.waitUntil(lambda: window.findChild(BugDialog) is not None, timeout=2000)
    finally:
        restore()
    dialog = window.findChild(BugDialog)
    dialog.copy_button.click()
    text = QApplication.clipboard().text()
    assert "ZeroDivisionError" in text
    assert "emviewer 0." in text
    assert "ZeroDivisionError" in capsys.readouterr().err
    dialog.close()
    assert any(level == "error" for _, level, _, _ in window.log.lines)


def _raised():
    try:
        raise ZeroDivisionError("no")
    except ZeroDivisionError:
        return sys.exc_info()


def test_warnings_link_to_their_document_and_the_log_can_be_run(qtbot, window, map_file, tmp_path):
    (document,) = open_(qtbot, window, map_file)
    window.workspace.set_current(None)
    window.log.warn("a doubt", document)
    window.log.command("emviewer info a.mrc")
    window.log.anchorClicked.emit(QUrl(f"document:{document.id}"))
    assert window.workspace.current is document
    window.log.save(tmp_path / "log.sh")
    lines = (tmp_path / "log.sh").read_text().splitlines()
    assert lines[-1] == "emviewer info a.mrc"
    assert lines[-2].startswith("# ") and lines[-2].endswith("warning: a doubt")


def test_the_same_error_again_and_again_is_one_line_and_one_strip(window):
    for _ in range(20):
        window.show_error(DataError("the image file a.mrcs was not found"), "Something could not be shown")
    assert len(window.log.lines) == 1
    assert len(window.notices.notices()) == 1
    window.log.command("emviewer info a")
    window.log.command("emviewer info a")
    assert len(window.log.lines) == 3


def test_geometry_and_docks_are_remembered(qtbot, tmp_path, map_file):
    def again(then):
        window = MainWindow(Settings(tmp_path / "s.ini"))
        qtbot.addWidget(window)
        window.show()
        open_(qtbot, window, map_file)
        result = then(window)
        window.end()
        return result

    again(lambda window: window.docks["log"].hide())
    assert again(lambda window: (window.docks["log"].isVisible(), window.docks["jobs"].isVisible())) == (False, True)


def test_everything_that_takes_input_has_a_name_and_can_be_reached_by_tab(qtbot, window, map_file):
    open_(qtbot, window, map_file)
    window.show_task("gallery")
    for part in (window.inspector.task(), window.tree, window.jobs_view, window.log, window.toolbar):
        for widget in (part, *part.findChildren(QLineEdit), *part.findChildren(QComboBox)):
            inner = isinstance(widget.parent(), (QComboBox, QAbstractSpinBox))
            if isinstance(widget, (QLineEdit, QComboBox)) and not inner:
                assert widget.accessibleName(), widget
                assert widget.focusPolicy() & Qt.FocusPolicy.TabFocus, widget
    for button in window.findChildren(QAbstractButton):
        if button.isVisible() and button.objectName() != "qt_toolbar_ext_button" and button.parent() is not None:
            assert button.text() or button.accessibleName() or button.toolTip(), button


def test_the_example_reports_progress_and_comes_back(qtbot, window, monkeypatch, tmp_path, map_file):
    from emviewer.engine.jobs import demo, demo_tour

    class Made:
        map, classes, folder = map_file, map_file.with_name("classes.mrcs"), tmp_path / "example"

    def steps(made, folder, prefix):
        views = {"map": made.map, "step": 90.0}
        return [demo_tour.Step("gallery", views, folder / name) for name in ("first", "second")]

    seen = []

    def example(folder, check, progress):
        progress("making the map")
        return Made()

    with mrc.StackWriter(Made.classes, (8, 8), 1.5) as writer:
        writer.append(np.ones((2, 8, 8), np.float32) * np.arange(2, dtype=np.float32)[:, None, None])
    monkeypatch.setattr(demo, "example", example)
    monkeypatch.setattr(demo_tour, "steps", steps)
    show = window.start.show_progress
    monkeypatch.setattr(window.start, "show_progress", lambda stage: (seen.append(stage), show(stage)))
    window.do_open_example()
    kinds = lambda: sorted(d.kind for d in window.workspace.documents.values() if d.path is not None)  # noqa: E731
    qtbot.waitUntil(lambda: kinds() == ["images", "map", "result", "result"], timeout=60000)
    qtbot.waitUntil(lambda: not window.runner.active, timeout=10000)
    assert "making the map" in seen
    assert seen[-1] is None


@pytest.mark.parametrize(
    "pyside, python, refused",
    [("6.12.0", (3, 11, 7), True), ("6.12.0", (3, 12, 1), False), ("6.11.3", (3, 11, 7), False)],
)
def test_the_pair_that_crashes_is_refused_in_one_sentence(pyside, python, refused):
    sentence = refuse_bad_pair(pyside, python)
    assert bool(sentence) is refused
    assert "\n" not in sentence


def test_time_left_is_said_in_words():
    assert [time_words(s) for s in (0.5, 12, 70, 130, 3700, 9000)] == [
        "a moment", "about 10 s", "about 1 min", "about 2 min", "about 1 h", "about 2.5 h",
    ]  # fmt: skip


def test_rate_is_that_of_the_last_seconds():
    pace = Pace()
    for i in range(100):
        pace.add(i * 1.0, i * 10 if i < 50 else 500 + (i - 50) * 2)
    assert pace.rate(99.0) == pytest.approx(2, rel=0.2)


def test_jobs_show_counts_rate_and_time_left_and_then_how_it_ended(qtbot, window):
    def make(check):
        for i in range(3):
            yield Batch(np.array([i]), {}, i + 1, 3)
        raise DataError("the disk is full", "/data", "free some space")

    job = window.runner.submit(JobHandle("test", make))
    qtbot.waitUntil(lambda: not job.active, timeout=5000)
    row = window.jobs_view.rows[job.id]
    assert row.text.text() == "failed: the disk is full (/data): free some space"
    assert not row.cancel_button.isVisibleTo(row)
    window.jobs_view.clear_ended()
    assert window.jobs_view.rows == {}


def test_help_has_pages_with_titles(qtbot):
    viewer = HelpViewer()
    qtbot.addWidget(viewer)
    titles = [viewer.contents.item(i).text() for i in range(viewer.contents.count())]
    assert len(titles) >= 5
    assert all(titles)
    viewer.contents.setCurrentRow(1)
    assert titles[1] in viewer.page.toPlainText()


def test_missing_recent_files_are_greyed_and_can_be_pinned(qtbot, window, tmp_path):
    gone = Path(tmp_path / "gone.mrc")
    window.settings.add_recent(gone)
    window.refresh_recent()
    qtbot.waitUntil(lambda: window.start.missing == {gone}, timeout=5000)
    name = next(b for b in window.start.findChildren(QAbstractButton) if b.text() == "gone.mrc")
    assert not name.isEnabled()
    pin = next(b for b in window.start.findChildren(QAbstractButton) if b.accessibleName() == "Pin gone.mrc")
    pin.click()
    assert window.settings.recent() == [(gone, True)]
    names = {b.accessibleName(): b for b in window.start.findChildren(QAbstractButton)}
    names["Take gone.mrc off the list"].click()
    assert window.settings.recent() == []


def test_a_table_whose_images_are_elsewhere_asks_for_the_project_folder(qtbot, window, tmp_path, monkeypatch):
    project, elsewhere = tmp_path / "project", tmp_path / "elsewhere"
    (project / "Extract").mkdir(parents=True)
    elsewhere.mkdir()
    with mrc.StackWriter(project / "Extract" / "a.mrcs", (8, 8), 1.5) as writer:
        writer.append(np.random.default_rng(0).normal(size=(3, 8, 8)).astype(np.float32))
    rows = "".join(f"00000{i}@Extract/a.mrcs {i * 10}.0\n" for i in (1, 2, 3))
    table = elsewhere / "set.star"
    table.write_text(f"data_\n\nloop_\n_rlnImageName #1\n_rlnAngleRot #2\n{rows}\n")
    (document,) = open_(qtbot, window, table)
    assert document.stack is None
    assert document.table["rot_deg"].tolist() == [10.0, 20.0, 30.0]
    assert [panel.kind for panel in window.area.panels()] == ["table"]
    notice = next(n for n in window.notices.notices() if "Extract/a.mrcs" in n.text)
    monkeypatch.setattr("emviewer.ui.file_control.QFileDialog.getExistingDirectory", lambda *a: str(project))
    next(b for b in notice.findChildren(QAbstractButton) if b.text() == "Choose project folder…").click()
    qtbot.waitUntil(lambda: document.stack is not None, timeout=5000)
    assert len(document.stack) == 3
    assert not any("Extract" in n.text for n in window.notices.notices())


def test_a_notice_with_a_long_name_does_not_push_the_docks_aside(qtbot, window, map_file):
    open_(qtbot, window, map_file)
    window.resize(1200, 800)
    before = window.minimumSizeHint().width()
    window.notices.show_notice(Notice("warn", "not found: J204/extract/" + "10010466727_14sep05c_00004gr_" * 8))
    QCoreApplication.sendPostedEvents()
    assert window.minimumSizeHint().width() <= before + 100


def test_a_built_in_map_opens_by_name(qtbot, window):
    (document,) = open_(qtbot, window, "phantom:D2")
    assert document.volume.symmetry == "D2"
    window.show_task("gallery", document)
    assert (
        window.inspector.task().form.values() | {"map": "phantom:D2", "sym": "D2"}
        == window.inspector.task().form.values()
    )
    assert window.settings.recent() == []


def test_keys_go_to_the_panel_in_front_and_typing_into_a_form_does_not(qtbot, window, map_file):
    open_(qtbot, window, map_file)
    panel = window.area.front()
    done = []
    panel.do_invert = lambda: done.append("invert")
    panel.do_next = lambda: done.append("next")
    window.activateWindow()
    qtbot.waitUntil(window.isActiveWindow, timeout=2000)
    panel.setFocus()
    qtbot.keyClick(panel, Qt.Key.Key_I)
    qtbot.keyClick(panel, Qt.Key.Key_Right)
    assert done == ["invert", "next"]
    window.show_task("gallery")
    edit = window.inspector.task().form.fields["sym"].widget
    edit.setFocus()
    edit.lineEdit().clear()
    qtbot.keyClicks(edit.lineEdit(), "I")
    assert edit.currentText() == "I"
    assert done == ["invert", "next"]


def test_a_panel_behind_another_does_not_take_the_front(qtbot, window, map_file):
    open_(qtbot, window, map_file)
    qtbot.waitUntil(lambda: len(window.area.panels()) == 2, timeout=5000)
    before, behind = window.area.front(), next(p for p in window.area.panels() if p is not window.area.front())
    window.area._focus_changed(None, behind)
    assert window.area.front() is before
    window.area.bring(behind)
    assert window.area.front() is behind
    assert [s.widget for s in window.inspector._sections] == [w for _, w in behind.inspector()]


def test_files_dropped_on_any_panel_are_opened(qtbot, window, map_file, tmp_path):
    open_(qtbot, window, map_file)
    for kind in window.area.kinds:
        window.area.open_panel(kind)
    known = window.workspace.documents
    views = [v for p in window.area.panels() for v in p.findChildren(QAbstractScrollArea) if v.window() is window]
    targets = [window.area, *(v.viewport() for v in (*views, window.tree, window.log))]
    buttons, keys, action = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, Qt.DropAction.CopyAction
    for number, widget in enumerate(targets):
        path = write(tmp_path / f"dropped{number}.mrc", n=4)
        data = QMimeData()
        data.setUrls([QUrl.fromLocalFile(str(path))])
        QApplication.sendEvent(widget, QDragEnterEvent(QPointF(2, 2).toPoint(), action, data, buttons, keys))
        QApplication.sendEvent(widget, QDropEvent(QPointF(2, 2), action, data, buttons, keys))
        qtbot.waitUntil(lambda p=path: any(d.path == p for d in known.values()), timeout=5000)


def test_docks_that_a_small_window_squeezed_are_widened(qtbot, window, map_file, tmp_path):
    open_(qtbot, window, map_file)
    window.resize(1440, 900)
    docks = [window.docks["documents"], window.docks["inspector"]]
    window.resizeDocks(docks, [10, 10], Qt.Orientation.Horizontal)
    qtbot.waitUntil(lambda: docks[1].width() < 200, timeout=3000)
    window.settings.set_bytes("docks", window.saveState())
    later = MainWindow(window.settings)
    qtbot.addWidget(later)
    later.resize(1440, 900)
    later.show()
    open_(qtbot, later, map_file)
    least = 20 * later.fontMetrics().height()
    qtbot.waitUntil(lambda: later.docks["inspector"].width() >= least, timeout=3000)
    later.close()


def test_what_was_arranged_beside_a_result_gives_way_to_another_document(qtbot, window, map_file, tmp_path):
    def kinds():
        return [panel.kind for panel in window.area.panels()]

    (volume,) = open_(qtbot, window, map_file)
    window.run_job("gallery", {"map": map_file, "step": 60.0, "report": "none"}, tmp_path / "views")
    qtbot.waitUntil(lambda: "sphere" in kinds(), timeout=20000)
    qtbot.waitUntil(lambda: not window.runner.active, timeout=20000)
    window.arrange(volume)
    assert "sphere" not in kinds()
    result = next(d for d in window.workspace.documents.values() if d.kind == "result")
    window.area.open_panel("sphere", result)
    window.arrange(volume)
    assert "sphere" in kinds(), "a panel that was asked for stays"


def test_names_of_documents_keep_the_room_that_there_is(qtbot, window, map_file):
    (document,) = open_(qtbot, window, map_file)
    document.title = "particles_of_the_day"
    window.workspace.touch(document)
    tree = window.tree
    index = tree.currentIndex()
    for em, whole, with_facts in ((8, False, False), (12, False, True), (20, True, True)):
        option = QStyleOptionViewItem()
        option.initFrom(tree)
        option.widget, option.rect = tree, QRect(0, 0, em * tree.fontMetrics().height(), 24)
        name, facts = tree.itemDelegate().parts(option, index)
        assert (name == document.title, facts == short_facts(document)) == (whole, with_facts)
        assert whole or "…" in name


def test_the_window_fits_a_small_screen_whatever_is_open(qtbot, window, map_file, tmp_path):
    """Centring alone is more than 400 px high; with scores beneath it and what has been done above, the screen ends."""
    window.resize(1280, 720)
    (document,) = open_(qtbot, window, map_file)
    for kind in window.area.kinds:
        window.area.open_panel(kind, document, front=False)
    for key in range(2):
        window.notices.show_notice(Notice("good", "A job is done.", buttons=(("Open result", print),), key=key))
    QApplication.processEvents()
    assert window.minimumSizeHint().height() <= 720 and window.minimumSizeHint().width() <= 1280
    centring = next(p for p in window.area.panels() if p.kind == "centering")
    assert centring.minimumSizeHint().height() > 400, "and yet nothing in the panel is squeezed"
    dock = window.area.dock_of(centring)
    window.area.bring(centring)
    for height in (900, 600):
        dock.setFloating(True)
        dock.resize(700, height)
        QApplication.processEvents()
        room, bar = dock.widget().viewport().height(), dock.widget().verticalScrollBar()
        assert centring.height() == max(room, centring.minimumSizeHint().height())
        assert bar.isVisible() == (centring.height() > room)


def test_a_result_that_was_replaced_is_open_once(qtbot, window, map_file, tmp_path):
    open_(qtbot, window, map_file)

    def results():
        return [d for d in window.workspace.documents.values() if d.kind == "result" and d.path is not None]

    for step in (90.0, 60.0):
        window.run_job("gallery", {"map": map_file, "report": "none", "step": step}, tmp_path / "views", overwrite=True)
        qtbot.waitUntil(lambda s=step: any(d.info["_parameters"]["step"] == s for d in results()), timeout=20000)
    qtbot.waitUntil(lambda: not window.runner.active, timeout=20000)
    (result,) = results()
    assert result.info["_parameters"]["step"] == 60.0
    qtbot.waitUntil(lambda: any(p.document is result for p in window.area.panels() if p.kind == "gallery"))


def test_closed_panels_hear_nothing_more(qtbot, window, map_file, tmp_path):
    """Panels of every kind, closed and deleted, while the documents that they showed go on changing."""
    open_(qtbot, window, map_file)
    window.run_job("gallery", {"map": map_file, "step": 60.0, "report": "none"}, tmp_path / "views")
    results = lambda: [d for d in window.workspace.documents.values() if d.kind == "result"]  # noqa: E731
    qtbot.waitUntil(lambda: bool(results()) and not window.runner.active, timeout=20000)
    (result,) = results()
    for kind, (_, panel) in window.area.kinds.items():
        documents = [d for d in (result, *window.workspace.documents.values()) if panel.accepts(d)]
        window.area.open_panel(kind, documents[0] if documents else None)
    for dock in list(window.area.docks):
        dock.close()
    QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
    QCoreApplication.processEvents()
    workspace = window.workspace
    for document in list(workspace.documents.values()):
        workspace.touch(document)
    workspace.set_row(result, 2)
    workspace.select(result, [0, 1])
    workspace.remove(result)
    QCoreApplication.processEvents()
