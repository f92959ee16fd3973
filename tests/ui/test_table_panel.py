"""The table as a person uses it: headers sort, rows are selected together with the gallery, pictures in the cells."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QGuiApplication

from emviewer.engine.types import ImageStack
from emviewer.ui.panels.gallery import GalleryPanel
from emviewer.ui.panels.table import TablePanel
from emviewer.ui.workspace import Document

CTRL, SHIFT, PLAIN = (
    Qt.KeyboardModifier.ControlModifier,
    Qt.KeyboardModifier.ShiftModifier,
    Qt.KeyboardModifier.NoModifier,
)
LEFT = Qt.MouseButton.LeftButton


@pytest.fixture
def panel(workspace, runner, qtbot):
    one = TablePanel(workspace, runner)
    qtbot.addWidget(one)
    one.resize(800, 500)
    one.show()
    return one


def table_of(n):
    rng = np.random.default_rng(7)
    scores = rng.normal(size=n)
    scores[3] = np.nan
    return pd.DataFrame(
        {"rlnImageName": [f"{i + 1:06d}@a.mrcs" for i in range(n)], "cc": scores, "group": np.arange(n) % 3}
    )


def stack_of(n):
    return ImageStack(
        n, (16, 16), 1.0, lambda ids: np.broadcast_to(ids[:, None, None], (len(ids), 16, 16)).astype("f4")
    )


def document_of(workspace, n=200):
    return workspace.add(Document("images", "x", stack=stack_of(n), table=table_of(n)))


def row_point(panel, place):
    return QPoint(200, panel.view.rowViewportPosition(place) + panel.view.rowHeight(place) // 2)


def click(qtbot, panel, place, modifiers=PLAIN):
    qtbot.mouseClick(panel.view.viewport(), LEFT, modifiers, row_point(panel, place))


def click_header(qtbot, panel, name):
    header = panel.view.horizontalHeader()
    x = header.sectionViewportPosition(panel.model.names.index(name)) + 12
    qtbot.mouseClick(header.viewport(), LEFT, PLAIN, QPoint(x, header.height() // 2))


def test_header_sorts_reverses_and_leaves_missing_last(panel, workspace, qtbot):
    document = document_of(workspace)
    panel.show_document(document)
    click_header(qtbot, panel, "cc")
    shown = document.table["cc"].to_numpy()[panel.rows.shown]
    assert (np.diff(shown[:-1]) >= 0).all()
    assert panel.model.data(panel.model.index(199, panel.model.names.index("cc"))) == "–"
    click_header(qtbot, panel, "cc")
    shown = document.table["cc"].to_numpy()[panel.rows.shown]
    assert (np.diff(shown[:-1]) <= 0).all()
    assert np.isnan(shown[-1])


def test_shift_click_adds_a_key(panel, workspace):
    document = document_of(workspace)
    panel.show_document(document)
    panel.view.sort_wanted.emit("group", False)
    panel.view.sort_wanted.emit("cc", True)
    t = document.table.drop(index=3)
    got = [i for i in panel.rows.shown.tolist() if i != 3]
    assert got == t.sort_values(["group", "cc"]).index.tolist()


def test_selection_is_one_with_the_gallery(panel, workspace, runner, qtbot):
    document = document_of(workspace)
    gallery = GalleryPanel(workspace, runner)
    qtbot.addWidget(gallery)
    gallery.resize(600, 400)
    gallery.show()
    gallery.show_document(document)
    panel.show_document(document)
    click_header(qtbot, panel, "cc")
    click(qtbot, panel, 1)
    click(qtbot, panel, 4, SHIFT)
    ids = sorted(panel.rows.ids_at(slice(1, 5)).tolist())
    assert workspace.selection(document).tolist() == ids
    assert np.flatnonzero(gallery.picker.selected).tolist() == ids
    first, last = gallery.grid.visible()
    assert first <= workspace.row(document) < last
    gallery.picker.click(150)
    place = panel.picker.current
    assert panel.rows.id_at(place) == 150
    assert panel.view.visible()[0] <= place < panel.view.visible()[1]
    assert panel.picker.is_selected(place)
    qtbot.waitUntil(lambda: gallery.thumbnails.idle and panel.thumbnails.idle, timeout=5000)


def test_dragging_over_rows_selects_them_as_one_step(panel, workspace, qtbot):
    document = document_of(workspace)
    panel.show_document(document)
    edits = []
    workspace.selection_edited.connect(lambda *args: edits.append(len(args[2])))
    view = panel.view.viewport()
    qtbot.mousePress(view, LEFT, PLAIN, row_point(panel, 2))
    for place in (3, 4, 5, 4):
        qtbot.mouseMove(view, row_point(panel, place))
    qtbot.mouseRelease(view, LEFT, PLAIN, row_point(panel, 4))
    assert workspace.selection(document).tolist() == [2, 3, 4]
    assert edits[-1] == 3
    assert len(edits) == 2


def test_keys_move_extend_and_toggle(panel, workspace, qtbot):
    document = document_of(workspace)
    panel.show_document(document)
    qtbot.keyClick(panel.view, Qt.Key.Key_Home)
    qtbot.keyClick(panel.view, Qt.Key.Key_Down)
    qtbot.keyClick(panel.view, Qt.Key.Key_Down, SHIFT)
    assert workspace.selection(document).tolist() == [1, 2]
    qtbot.keyClick(panel.view, Qt.Key.Key_Space)
    assert workspace.selection(document).tolist() == [1]
    qtbot.keyClick(panel.view, Qt.Key.Key_End)
    assert workspace.row(document) == 199


def test_pictures_of_the_visible_rows_are_there(panel, workspace, qtbot):
    document = document_of(workspace, 5000)
    panel.show_document(document)
    panel.do("last")
    qtbot.waitUntil(lambda: panel.thumbnails.idle, timeout=5000)
    first, last = panel.view.visible()
    assert last == 5000
    assert all(panel.thumbnails.is_fresh(i) for i in range(first, last))
    assert panel.thumbnails.get(100) is None
    panel.do("zoom_in")
    qtbot.waitUntil(lambda: panel.thumbnails.idle, timeout=5000)
    assert panel.thumbnails.get(first + 1).width() == round(panel.view.picture_px * panel.devicePixelRatioF())


def test_grows_at_the_end_and_takes_new_columns_at_the_close(panel, workspace):
    document = workspace.add(Document("result", "g", stack=stack_of(5), table=table_of(5)[["cc"]], streaming=True))
    panel.show_document(document)
    panel.sort([("cc", False)])
    document.stack, document.table = stack_of(9), table_of(9)[["cc"]]
    workspace.touch(document)
    assert panel.model.rowCount() == 9
    assert panel.rows.shown.tolist()[5:] == [5, 6, 7, 8]
    document.table, document.streaming = table_of(9), False
    workspace.touch(document)
    assert "rlnImageName" in panel.model.names
    assert panel.model.rowCount() == 9
    assert panel.count.text() == "9 images"


def test_copies_the_selected_rows(panel, workspace):
    document = document_of(workspace, 6)
    panel.show_document(document)
    workspace.select(document, [1, 5])
    panel.do("copy")
    lines = QGuiApplication.clipboard().text().splitlines()
    assert [line.split("\t")[1] for line in lines] == ["rlnImageName", "000002@a.mrcs", "000006@a.mrcs"]


def test_a_table_without_images_is_shown_without_pictures(panel, workspace):
    document = workspace.add(Document("result", "scores", table=table_of(20)))
    assert TablePanel.accepts(document)
    panel.show_document(document)
    assert panel.model.names[0] == "#"
    assert panel.model.rowCount() == 20
    panel.show_document(None)
    assert "No table" in panel.message.text()
    assert panel.model.rowCount() == 0


def test_session_state_comes_back(panel, workspace):
    document = document_of(workspace)
    panel.show_document(document)
    panel.sort([("group", True), ("cc", False)])
    panel.view.set_picture(64)
    state = panel.state()
    panel.sort([])
    panel.view.set_picture(32)
    panel.restore(state)
    assert panel.state() == state
