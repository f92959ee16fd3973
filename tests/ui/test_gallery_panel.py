"""The gallery as a person uses it: it fills, keeps its place, selects, sorts, saves, prints, says what is wrong."""

from __future__ import annotations

import shutil

import numpy as np
import pandas as pd
import pytest
from PySide6.QtCore import QEvent, QPoint, QPointF, Qt
from PySide6.QtGui import QGuiApplication, QWheelEvent

from emviewer.engine import figure, files, mrc
from emviewer.engine.types import ImageStack
from emviewer.ui.panels import gallery_menu
from emviewer.ui.panels.gallery import GalleryPanel
from emviewer.ui.panels.gallery_contrast import LEVELS_FROM
from emviewer.ui.workspace import Document

CTRL, SHIFT, PLAIN = (
    Qt.KeyboardModifier.ControlModifier,
    Qt.KeyboardModifier.ShiftModifier,
    Qt.KeyboardModifier.NoModifier,
)
LEFT = Qt.MouseButton.LeftButton


@pytest.fixture
def panel(workspace, runner, qtbot):
    one = GalleryPanel(workspace, runner)
    qtbot.addWidget(one)
    one.resize(800, 600)
    one.show()
    return one


def stack_of(n, shape=(32, 32), value=lambda i: i):
    def read(ids):
        ramp = np.linspace(-1, 1, shape[0] * shape[1], dtype=np.float32).reshape(shape)
        return np.ascontiguousarray(ramp + np.array([value(i) for i in ids], np.float32)[:, None, None])

    return ImageStack(n, shape, 2.0, read, name="fake")


def table_of(n, seed=0):
    rng = np.random.default_rng(seed)
    angles = {"rot_deg": rng.uniform(0, 360, n), "tilt_deg": rng.uniform(0, 180, n), "psi_deg": np.zeros(n)}
    return pd.DataFrame(angles, index=np.arange(n))


def document_of(workspace, n=100, **kw):
    return workspace.add(Document("images", "classes", stack=stack_of(n, **kw), table=table_of(n)))


def at(panel, place):
    return panel.grid.rect_of(place).center()


def click(qtbot, panel, place, modifiers=PLAIN):
    qtbot.mouseClick(panel.grid.viewport(), LEFT, modifiers, at(panel, place))


def settled(qtbot, panel):
    qtbot.waitUntil(lambda: panel.thumbnails.idle and panel.contrast.known, timeout=5000)


def test_visible_tiles_are_read_and_nothing_else(panel, workspace, qtbot):
    asked = []
    inner = stack_of(100_000)

    def read(ids):
        asked.extend(ids.tolist())
        return inner.read(ids)

    document = workspace.add(Document("images", "many", stack=ImageStack(100_000, (32, 32), 1.0, read)))
    panel.show_document(document)
    settled(qtbot, panel)
    first, last = panel.grid.visible()
    assert first == 0
    assert all(panel.thumbnails.is_fresh(i) for i in range(last))
    assert len(asked) < 1000
    assert panel.header.count.text() == "100\u2009000 images"


def test_growing_keeps_the_place_and_the_levels(panel, workspace, qtbot):
    document = workspace.add(Document("result", "gallery", stack=stack_of(10), table=table_of(10), streaming=True))
    panel.show_document(document)
    settled(qtbot, panel)
    assert "filling" in panel.header.count.text()

    def grow(n):
        document.stack, document.table = stack_of(n), table_of(n)
        workspace.touch(document)

    grow(LEVELS_FROM)
    qtbot.waitUntil(lambda: panel.contrast.contrast.high > 50, timeout=5000)
    panel.grid.verticalScrollBar().setValue(137)
    settled(qtbot, panel)
    levels, rect = panel.contrast.contrast, panel.grid.rect_of(12)
    grow(400)
    settled(qtbot, panel)
    assert panel.grid.verticalScrollBar().value() == 137
    assert panel.grid.rect_of(12) == rect
    assert panel.contrast.contrast == levels
    assert len(panel.rows) == 400
    panel.do("auto_contrast")
    qtbot.waitUntil(lambda: panel.contrast.contrast.high > 300, timeout=5000)
    document.streaming = False
    workspace.touch(document)
    assert panel.header.count.text() == "400 images"


def test_waits_for_the_first_images_of_a_job(panel, workspace, qtbot):
    document = workspace.add(Document("result", "gallery", streaming=True))
    assert GalleryPanel.accepts(document)
    panel.show_document(document)
    assert panel.pages.currentIndex() == 0
    assert "Waiting" in panel.message.text()
    document.stack, document.table = stack_of(3), table_of(3)
    workspace.touch(document)
    assert panel.pages.currentIndex() == 1
    settled(qtbot, panel)
    panel.show_document(None)
    assert "No images" in panel.message.text()


def test_sorting_is_frozen_while_rows_arrive(panel, workspace, qtbot):
    document = document_of(workspace, 50)
    document.streaming = True
    panel.show_document(document)
    panel.sort([("rot_deg", False)])
    order = document.table["rot_deg"].to_numpy().argsort()[::-1]
    assert panel.rows.shown.tolist() == order.tolist()
    document.stack, document.table = stack_of(60), pd.concat([document.table, table_of(60).iloc[50:]])
    workspace.touch(document)
    assert panel.rows.shown.tolist() == [*order.tolist(), *range(50, 60)]


def test_mouse_selects_as_the_platform_does(panel, workspace, qtbot):
    document = document_of(workspace)
    panel.show_document(document)
    click(qtbot, panel, 3)
    assert workspace.selection(document).tolist() == [3]
    assert workspace.row(document) == 3
    click(qtbot, panel, 6, SHIFT)
    assert workspace.selection(document).tolist() == [3, 4, 5, 6]
    click(qtbot, panel, 4, CTRL)
    assert workspace.selection(document).tolist() == [3, 5, 6]
    assert panel.header.count.text() == "3 of 100 selected (3.0 %)"


def test_rubber_band_selects_what_it_touches(panel, workspace, qtbot):
    document = document_of(workspace)
    panel.show_document(document)
    view, columns = panel.grid.viewport(), panel.grid.columns
    assert columns >= 4
    qtbot.mousePress(view, LEFT, PLAIN, at(panel, 1))
    qtbot.mouseMove(view, at(panel, columns + 2))
    qtbot.mouseRelease(view, LEFT, PLAIN, at(panel, columns + 2))
    assert workspace.selection(document).tolist() == [1, 2, columns + 1, columns + 2]


def test_keys_move_extend_toggle_and_open(panel, workspace, qtbot):
    document = document_of(workspace)
    panel.show_document(document)
    grid = panel.grid
    qtbot.keyClick(grid, Qt.Key.Key_Home)
    qtbot.keyClick(grid, Qt.Key.Key_Right)
    qtbot.keyClick(grid, Qt.Key.Key_Down)
    assert workspace.row(document) == 1 + grid.columns
    qtbot.keyClick(grid, Qt.Key.Key_Right, SHIFT)
    assert workspace.selection(document).tolist() == [1 + grid.columns, 2 + grid.columns]
    qtbot.keyClick(grid, Qt.Key.Key_Space)
    assert workspace.selection(document).tolist() == [1 + grid.columns]
    qtbot.keyClick(grid, Qt.Key.Key_End)
    assert workspace.row(document) == 99
    assert grid.visible()[1] == 100
    qtbot.keyClick(grid, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: panel.viewer.canvas.image is not None, timeout=5000)
    assert "#100" in panel.viewer.windowTitle()
    panel.viewer.previous_button.click()
    qtbot.waitUntil(lambda: panel.viewer.canvas.image[0, 0] == pytest.approx(97), timeout=5000)
    assert workspace.row(document) == 98


def test_a_row_made_current_elsewhere_is_scrolled_into_view(panel, workspace):
    document = document_of(workspace, 1000)
    panel.show_document(document)
    workspace.set_row(document, 900)
    first, last = panel.grid.visible()
    assert first <= 900 < last


@pytest.mark.parametrize("how", ["slider", "wheel", "action"])
def test_tile_size_changes_and_the_tile_under_the_pointer_stays(panel, workspace, qtbot, how):
    document = document_of(workspace, 2000)
    panel.show_document(document)
    grid = panel.grid
    grid.verticalScrollBar().setValue(5000)
    place = grid.place_at(QPoint(300, 250))
    before, top = grid.tile, grid.rect_of(place).top()
    if how == "slider":
        panel.header.slider.setValue(panel.header.slider.value() + 10)
    elif how == "action":
        assert panel.do("zoom_in")
    else:
        event = QWheelEvent(
            QPointF(300, 250), QPointF(300, 250), QPoint(), QPoint(0, 120), Qt.MouseButton.NoButton, CTRL,
            Qt.ScrollPhase.NoScrollPhase, False,
        )  # fmt: skip
        QGuiApplication.sendEvent(grid.viewport(), event)
        assert abs(grid.rect_of(place).top() - top) <= 1
    assert grid.tile > before
    qtbot.waitUntil(lambda: panel.thumbnails.idle, timeout=5000)
    assert panel.thumbnails.get(grid.visible()[0]).width() == round(grid.tile * panel.devicePixelRatioF())


def test_hit_testing_and_layout_agree_everywhere(panel, workspace):
    panel.show_document(document_of(workspace, 777))
    grid = panel.grid
    for tile in (24, 39, 40, 111, 300):
        grid.set_tile(tile)
        for place in (0, 1, 5, 400, 776):
            grid.scroll_to(place)
            rect = grid.rect_of(place)
            assert grid.viewport().rect().contains(rect.center())
            assert grid.place_at(rect.topLeft()) == grid.place_at(rect.bottomRight()) == place
    assert grid.place_at(QPoint(1, grid.rect_of(776).bottom() + 1)) is None


def test_shared_contrast_follows_the_stack_and_each_tile_its_own(panel, workspace, qtbot):
    panel.show_document(document_of(workspace))
    settled(qtbot, panel)
    grey = [panel.thumbnails.get(i).pixelColor(50, 50).red() for i in (0, 10)]
    assert grey[1] > grey[0] + 15
    assert panel.do("toggle_shared_contrast")
    settled(qtbot, panel)
    grey = [panel.thumbnails.get(i).pixelColor(50, 50).red() for i in (0, 10)]
    assert abs(grey[1] - grey[0]) <= 1
    panel.do("invert")
    settled(qtbot, panel)
    assert panel.thumbnails.get(0).pixelColor(50, 50).red() == pytest.approx(255 - grey[0], abs=1)


def test_tiles_are_painted_once_with_the_levels_that_stay(panel, workspace, qtbot):
    painted = []
    panel.thumbnails.ready.connect(lambda positions: painted.append(panel.thumbnails.style.levels))
    panel.show_document(document_of(workspace))
    settled(qtbot, panel)
    assert len(painted) >= 1
    assert len(set(painted)) == 1
    assert painted[0] is not None


def test_captions_take_two_of_any_columns(panel, workspace):
    document = document_of(workspace)
    document.table = document.table.assign(cc=0.98765, name="abc")
    panel.show_document(document)
    rot, tilt = document.table.loc[7, ["rot_deg", "tilt_deg"]]
    assert panel.captions(7) == ("#8", f"{rot:.1f}°, {tilt:.1f}°")
    panel.header.caption_toggled.emit("cc")
    assert panel.captions(7) == (f"{rot:.1f}°, {tilt:.1f}°", "cc 0.9877")
    panel.header.caption_toggled.emit("name")
    assert panel.captions(7) == ("cc 0.9877", "abc")
    for name in ("cc", "name"):
        panel.header.caption_toggled.emit(name)
    assert panel.grid.lines == 0


def test_another_screen_gets_sharper_pictures(panel, workspace, qtbot, monkeypatch):
    panel.show_document(document_of(workspace))
    settled(qtbot, panel)
    monkeypatch.setattr(panel, "devicePixelRatioF", lambda: 2.0)
    QGuiApplication.sendEvent(panel, QEvent(QEvent.Type.DevicePixelRatioChange))
    settled(qtbot, panel)
    assert panel.thumbnails.get(0).width() == 2 * panel.grid.tile


def test_class_averages_say_their_share(panel, workspace):
    document = document_of(workspace, 3)
    document.table = pd.DataFrame({"rlnClassDistribution": ["0.500000", "2.500000e-01", "0.250000"]})
    panel.show_document(document)
    assert panel.captions(1) == ("#2", "class share 25.00 %")


def test_copies_rows_with_all_columns_in_screen_order(panel, workspace):
    document = document_of(workspace, 5)
    panel.show_document(document)
    panel.sort([("rot_deg", False)])
    workspace.select(document, [0, 4])
    panel.do("copy")
    lines = QGuiApplication.clipboard().text().splitlines()
    assert lines[0].split("\t") == ["#", "rot_deg", "tilt_deg", "psi_deg"]
    order = [1, 5] if document.table["rot_deg"][0] > document.table["rot_deg"][4] else [5, 1]
    assert [int(line.split("\t")[0]) for line in lines[1:]] == order


def test_copies_many_rows_without_holding_the_window_up(panel, workspace, qtbot):
    document = document_of(workspace, 6000)
    panel.show_document(document)
    QGuiApplication.clipboard().setText("before")
    panel.do("select_all")
    panel.do("copy")
    assert QGuiApplication.clipboard().text() == "before"
    qtbot.waitUntil(lambda: QGuiApplication.clipboard().text().count("\n") == 6001, timeout=10_000)


def test_a_hidden_gallery_reads_nothing_until_it_is_shown(panel, workspace, qtbot):
    panel.hide()
    panel.show_document(document_of(workspace))
    qtbot.wait(50)
    assert panel.thumbnails.get(0) is None
    panel.show()
    qtbot.waitUntil(lambda: panel.thumbnails.is_fresh(0), timeout=5000)
    settled(qtbot, panel)


def test_saves_the_selected_images_in_the_job_lane(panel, workspace, qtbot, tmp_path):
    document = document_of(workspace)
    document.kind = "result"
    panel.show_document(document)
    workspace.select(document, [90, 7])
    job = panel.save_selected(tmp_path / "good.mrcs")
    qtbot.waitUntil(lambda: not job.active, timeout=10_000)
    assert job.state == "complete"
    assert "Saved 2 images" in panel.notice.label.text()
    back = files.open_any(tmp_path / "good.star")
    np.testing.assert_array_equal(back.stack[:], document.stack[[7, 90]])
    assert back.table["rlnAngleRot"].astype(float).tolist() == pytest.approx(
        document.table["rot_deg"].iloc[[7, 90]].tolist(), abs=1e-5
    )


def test_says_in_one_sentence_that_it_cannot_save(panel, workspace, qtbot, tmp_path):
    document = document_of(workspace)
    panel.show_document(document)
    panel.do("save_selected")
    assert "Nothing is selected" in panel.notice.label.text()
    workspace.select(document, [1])
    (tmp_path / "f").touch()
    job = panel.save_selected(tmp_path / "f" / "x.mrcs")
    qtbot.waitUntil(lambda: not job.active, timeout=10_000)
    assert panel.notice.property("level") == "error"
    assert panel.notice.isVisible()


def test_average_of_the_selection_opens_large(panel, workspace, qtbot):
    document = document_of(workspace)
    panel.show_document(document)
    workspace.select(document, [10, 20])
    panel.do("average")
    qtbot.waitUntil(lambda: panel.viewer is not None and panel.viewer.canvas.image is not None, timeout=10_000)
    np.testing.assert_allclose(panel.viewer.canvas.image, document.stack[15], atol=1e-5)
    panel.viewer.next_button.click()
    qtbot.waitUntil(lambda: panel.viewer.canvas.image.max() < 6, timeout=5000)
    np.testing.assert_allclose(panel.viewer.canvas.image, 5.0, atol=1e-4)


def test_moved_stack_says_relink_and_relinks(panel, workspace, qtbot, tmp_path):
    data = np.random.default_rng(0).normal(size=(9, 16, 16)).astype(np.float32)
    for name in ("a.mrcs", "wrong.mrcs"):
        with mrc.StackWriter(tmp_path / name, (16, 16), 1.5) as writer:
            writer.append(data if name == "a.mrcs" else data[:4])
    shutil.copy(tmp_path / "a.mrcs", tmp_path / "b.mrcs")

    def read(ids):
        raise FileNotFoundError(2, "gone", "a.mrcs")

    document = workspace.add(Document("images", "a", stack=ImageStack(9, (16, 16), 1.5, read, name="a.mrcs")))
    panel.show_document(document)
    qtbot.waitUntil(panel.notice.isVisible, timeout=5000)
    assert panel.notice.button.text() == "Relink…"
    panel.relink_to(tmp_path / "wrong.mrcs")
    qtbot.waitUntil(lambda: "4 images" in panel.notice.label.text(), timeout=5000)
    panel.relink_to(tmp_path / "b.mrcs")
    qtbot.waitUntil(lambda: panel.thumbnails.is_fresh(8), timeout=5000)
    assert panel.thumbnails.style.levels is not None
    assert not panel.notice.isVisible()


def test_page_prints_as_it_stands_on_the_screen(panel, workspace, qtbot, tmp_path):
    data = np.random.default_rng(0).normal(size=(30, 16, 16)).astype(np.float32)
    with mrc.StackWriter(tmp_path / "s.mrcs", (16, 16), 3.0) as writer:
        writer.append(data)
    document = workspace.add(Document("images", "s", tmp_path / "s.mrcs", stack=mrc.read_stack(tmp_path / "s.mrcs")))
    panel.show_document(document)
    settled(qtbot, panel)
    spec = panel.figure_spec()
    assert spec["rows"] == list(range(min(30, panel.grid.visible()[1])))
    assert spec["columns"] == panel.grid.columns
    assert spec["contrast"]["low"] == panel.contrast.contrast.low
    figure.render(spec, tmp_path / "page.svg")
    text = (tmp_path / "page.svg").read_text()
    assert "Å" in text
    assert "#30" in text


def test_nothing_on_disk_prints_nothing(panel, workspace):
    panel.show_document(document_of(workspace))
    assert panel.figure_spec() is None


def test_session_state_comes_back(panel, workspace, runner, qtbot):
    document = document_of(workspace, 500)
    panel.show_document(document)
    settled(qtbot, panel)
    panel.sort([("tilt_deg", False)])
    panel.header.caption_toggled.emit("rot_deg")
    panel.grid.set_tile(64)
    panel.grid.verticalScrollBar().setValue(400)
    panel.contrast.set_shared(False)
    state = panel.state()
    other = GalleryPanel(workspace, runner)
    qtbot.addWidget(other)
    other.resize(800, 600)
    other.show()
    other.show_document(document)
    other.restore(state)
    assert other.state() == state
    assert other.rows.shown.tolist() == panel.rows.shown.tolist()
    settled(qtbot, other)


def test_menu_offers_what_the_panel_can_do(panel, workspace):
    panel.show_document(document_of(workspace))
    panel.picker.click(5)
    menu = gallery_menu.build(panel, 5)
    texts = [a.text().split("\t")[0] for a in menu.actions() if not a.isSeparator()]
    for wanted in ("Invert selection", "Select this and all above", "Copy rows", "Original size", "Show metadata…",
                   "Average and standard deviation of 1", "Save 1 selected as .mrcs and .star…"):  # fmt: skip
        assert wanted in texts
    next(a for a in menu.actions() if a.text().startswith("Invert")).trigger()
    assert panel.picker.count == 99
    menu.deleteLater()


def test_low_pass_and_spectrum_change_the_pictures_only(panel, workspace, qtbot):
    document = document_of(workspace)
    panel.show_document(document)
    settled(qtbot, panel)
    plain = panel.thumbnails.get(0).copy()
    panel.header.low_pass_wanted.emit(30.0)
    settled(qtbot, panel)
    smooth = panel.thumbnails.get(0).copy()
    panel.do("spectrum")
    settled(qtbot, panel)
    assert smooth != plain
    assert panel.thumbnails.get(0) != smooth
    assert document.stack[0][0, 0] == pytest.approx(-1)
