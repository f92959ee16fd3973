import numpy as np
import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtTest import QTest

from emviewer.engine.filters_display import distribution
from emviewer.engine.types import Contrast
from emviewer.ui.levels import LevelsWidget


@pytest.fixture
def levels(qtbot):
    widget = LevelsWidget(Contrast(2, 8))
    qtbot.addWidget(widget)
    widget.resize(260, 260)
    widget.show()
    widget.set_distribution(distribution(np.linspace(0, 10, 10_001, dtype=np.float32)))
    widget.changes = []
    widget.contrast_changed.connect(widget.changes.append)
    return widget


def drag(view, start, end):
    y = view.height() // 2
    QTest.mousePress(view, Qt.MouseButton.LeftButton, pos=QPoint(round(start), y))
    QTest.mouseMove(view, QPoint(round(end), y))
    QTest.mouseRelease(view, Qt.MouseButton.LeftButton, pos=QPoint(round(end), y))


def test_dragging_a_mark_moves_that_level(levels):
    view = levels.histogram
    drag(view, view._to_x(2), view._to_x(4))
    assert levels.contrast.low == pytest.approx(4, abs=0.1) and levels.contrast.high == 8
    drag(view, view._to_x(8), view._to_x(9))
    assert levels.contrast.high == pytest.approx(9, abs=0.1)
    assert levels.changes[-1] == levels.contrast


def test_dragging_between_moves_both(levels):
    view = levels.histogram
    drag(view, view._to_x(5), view._to_x(6))
    assert (levels.contrast.low, levels.contrast.high) == pytest.approx((3, 9), abs=0.1)


def test_marks_do_not_cross(levels):
    view = levels.histogram
    drag(view, view._to_x(2), view._to_x(9.5))
    assert levels.contrast.low < levels.contrast.high


def test_auto_full_invert_and_colour_map(levels):
    levels.auto_button.click()
    assert (levels.contrast.low, levels.contrast.high) == pytest.approx((0.05, 9.95), abs=0.01)
    levels.full_button.click()
    assert (levels.contrast.low, levels.contrast.high) == pytest.approx((0, 10))
    levels.invert_box.click()
    levels.map_box.setCurrentText("viridis")
    levels.map_box.activated.emit(levels.map_box.currentIndex())
    assert levels.contrast == Contrast(levels.contrast.low, levels.contrast.high, "viridis", True)
    assert len(levels.changes) == 4


def test_typed_numbers_are_taken_and_nonsense_is_put_back(levels):
    levels.low_edit.setText("1.5")
    levels.low_edit.editingFinished.emit()
    assert levels.contrast.low == 1.5
    levels.high_edit.setText("much")
    levels.high_edit.editingFinished.emit()
    assert levels.contrast.high == 8 and levels.high_edit.text() == "8"
    levels.high_edit.setText("1")
    levels.high_edit.editingFinished.emit()
    assert (levels.contrast.low, levels.contrast.high) == (1, 1.5)


def test_setting_from_outside_is_silent_and_tells_what_is_clipped(levels):
    levels.set_contrast(Contrast(1, 8))
    assert levels.changes == []
    assert levels.clip_label.text() == "Clipped: 10.0 % dark, 20.0 % bright"
    levels.set_contrast(Contrast(-1, 11))
    assert levels.clip_label.text() == "Nothing is clipped"


def test_keys_and_right_drag(levels):
    levels.nudge(low=0.5)
    assert (levels.contrast.low, levels.contrast.high) == (5, 8)
    levels.set_contrast(Contrast(2, 8))
    levels.drag(0.5, 0.0)
    assert (levels.contrast.low, levels.contrast.high) == pytest.approx((-1, 5))
    levels.drag(0.0, 0.5)
    assert levels.contrast.high - levels.contrast.low == pytest.approx(6 * np.e)
    levels.histogram.setFocus()
    before = levels.contrast
    QTest.keyClick(levels.histogram, Qt.Key.Key_Right)
    QTest.keyClick(levels.histogram, Qt.Key.Key_Left, Qt.KeyboardModifier.ShiftModifier)
    assert levels.contrast.high > before.high and levels.contrast.low == pytest.approx(before.low)


def test_without_data_only_what_needs_none_can_be_used(levels):
    levels.set_distribution(None)
    assert not levels.auto_button.isEnabled() and levels.invert_box.isEnabled()
    levels.auto()
    assert levels.contrast == Contrast(2, 8)
    levels.grab()
