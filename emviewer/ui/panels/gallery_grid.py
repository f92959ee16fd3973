"""The grid of tiles in a person's hands: mouse, wheel, rubber band, keyboard."""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import QBasicTimer, QEvent, QPoint, QRect, Qt, QTimerEvent, Signal
from PySide6.QtGui import QContextMenuEvent, QKeyEvent, QMouseEvent, QWheelEvent
from PySide6.QtWidgets import QApplication, QWidget

from emviewer.ui.panels.gallery_sheet import TileSheet
from emviewer.ui.row_order import Ints
from emviewer.ui.row_picker import RowPicker
from emviewer.ui.thumbnails import Thumbnails

_NO_MODIFIER = Qt.KeyboardModifier.NoModifier


class TileGrid(TileSheet):
    """The tiles, selected by click, Ctrl, Shift, rubber band and keys.

    Signals
    -------
    activated : int
        Double click or Enter on the tile at this place.
    menu_wanted : int, QPoint
        Right click at a place (-1: beside the tiles), global position.
    hovered : int
        The pointer is over this place (-1: none).
    """

    activated = Signal(int)
    menu_wanted = Signal(int, QPoint)
    hovered = Signal(int)

    def __init__(self, picker: RowPicker, thumbnails: Thumbnails, parent: QWidget | None = None) -> None:
        super().__init__(picker, thumbnails, parent)
        self._press: QPoint | None = None
        self._at_press: Ints = np.empty(0, np.int64)
        self._pan: tuple[QPoint, int] | None = None
        self._scroller = QBasicTimer()
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.viewport().setMouseTracking(True)

    # mouse ----------------------------------------------------------------------------------------------------------
    def _content(self, event: QMouseEvent) -> QPoint:
        return event.position().toPoint() + QPoint(0, self.verticalScrollBar().value())

    def mousePressEvent(self, event: QMouseEvent) -> None:
        if event.button() == Qt.MouseButton.MiddleButton:
            self._pan = event.position().toPoint(), self.verticalScrollBar().value()
            return
        if event.button() != Qt.MouseButton.LeftButton:
            return
        self._press = self._content(event)
        self._at_press = self.picker.selection()
        place = self.place_at(event.position().toPoint())
        self.picker.begin_band(event.modifiers())
        if place is not None:
            self.picker.click(place, event.modifiers())
        elif event.modifiers() == _NO_MODIFIER:
            self.picker.clear()

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        point = event.position().toPoint()
        if self._pan is not None:
            self.verticalScrollBar().setValue(self._pan[1] + self._pan[0].y() - point.y())
            return
        if self._press is None:
            place = self.place_at(point)
            self.hovered.emit(-1 if place is None else place)
            return
        far = (self._content(event) - self._press).manhattanLength() >= QApplication.startDragDistance()
        if self.band is None and not far:
            return
        self._stretch(self._content(event))
        outside = point.y() < 0 or point.y() >= self.viewport().height()
        if outside and not self._scroller.isActive():
            self._scroller.start(30, self)
        elif not outside:
            self._scroller.stop()

    def _stretch(self, to: QPoint) -> None:
        assert self._press is not None
        self.band = QRect(self._press, to).normalized()
        self.picker.band(self.places_in(self.band))
        self.viewport().update()

    def timerEvent(self, event: QTimerEvent) -> None:
        point = self.viewport().mapFromGlobal(self.cursor().pos())
        overshoot = min(0, point.y()) + max(0, point.y() - self.viewport().height() + 1)
        self.verticalScrollBar().setValue(self.verticalScrollBar().value() + overshoot // 2)
        if self._press is not None:
            self._stretch(point + QPoint(0, self.verticalScrollBar().value()))

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        self._pan = None
        self._scroller.stop()
        if event.button() == Qt.MouseButton.LeftButton:
            if self.band is not None:
                self.band = None
                self.picker.end_band(self._at_press)
            self._press = None
            self.viewport().update()

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        place = self.place_at(event.position().toPoint())
        if place is not None and event.button() == Qt.MouseButton.LeftButton:
            self.activated.emit(place)

    def leaveEvent(self, event: QEvent) -> None:
        self.hovered.emit(-1)

    def contextMenuEvent(self, event: QContextMenuEvent) -> None:
        point = event.pos()
        place = self.place_at(point)
        self.menu_wanted.emit(-1 if place is None else place, event.globalPos())

    def wheelEvent(self, event: QWheelEvent) -> None:
        if event.modifiers() & Qt.KeyboardModifier.ControlModifier:
            notches = event.angleDelta().y() / 120
            step = 1.12**notches
            place = self.place_at(event.position().toPoint())
            wanted = round(self.tile * step)
            self.set_tile(wanted + (wanted == self.tile) * (1 if notches > 0 else -1), place)
            event.accept()
        else:
            super().wheelEvent(event)

    # keyboard -------------------------------------------------------------------------------------------------------
    def keyPressEvent(self, event: QKeyEvent) -> None:
        n = len(self.rows)
        keys = Qt.Key
        step = {
            keys.Key_Left: -1,
            keys.Key_Right: 1,
            keys.Key_Up: -self.columns,
            keys.Key_Down: self.columns,
            keys.Key_PageUp: -self.columns * self.page,
            keys.Key_PageDown: self.columns * self.page,
            keys.Key_Home: -n,
            keys.Key_End: n,
        }.get(keys(event.key()))
        current = self.picker.current
        if step is not None and n and not event.modifiers() & Qt.KeyboardModifier.ControlModifier:
            self.go(step, event.modifiers())
        elif event.key() == keys.Key_Space and current is not None:
            self.picker.toggle(current)
        elif event.key() in (keys.Key_Return, keys.Key_Enter) and current is not None:
            self.activated.emit(current)
        else:
            event.ignore()

    def go(self, by: int, modifiers: Qt.KeyboardModifier = _NO_MODIFIER) -> None:
        """Move the current tile by so many places; with Shift the selection follows."""
        if len(self.rows):
            current = self.picker.current
            place = int(np.clip((-1 if current is None else current) + by, 0, len(self.rows) - 1))
            self.picker.step(place, modifiers)
            self.scroll_to(place)
