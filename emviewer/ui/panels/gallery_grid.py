"""The grid of tiles: a scroll area that knows only the visible cells, so that a million cost as much as a hundred.

``QListView`` in icon mode lays every item out again whenever rows are appended; here the place of a tile is arithmetic.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
from PySide6.QtCore import QBasicTimer, QEvent, QPoint, QRect, QSize, Qt, QTimer, Signal
from PySide6.QtGui import (
    QFontMetrics,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPalette,
    QStaticText,
)
from PySide6.QtWidgets import QAbstractScrollArea, QApplication, QWidget

from emviewer.ui.panels.gallery_paint import Look, laid_out
from emviewer.ui.row_order import Ints
from emviewer.ui.row_picker import RowPicker
from emviewer.ui.thumbnails import Thumbnails

MIN_TILE, MAX_TILE = 24, 640
PAD = 6
"""Pixels between the picture and the edge of its cell, where the selection frame is drawn."""
CAPTION_FROM = 40
"""Tile size from which captions are shown; smaller tiles have no room for a word."""
CAPTION_BUDGET_S = 0.006
"""Time a repaint may spend on laying out captions; the rest follow in the next ones, a few ms later."""
MAX_LAID_OUT = 20_000
"""Tiles whose caption lines are kept laid out."""
_NO_MODIFIER = Qt.KeyboardModifier.NoModifier


class TileGrid(QAbstractScrollArea):
    """A virtual grid of pictures with captions, keyboard, mouse and rubber band.

    Parameters
    ----------
    picker : RowPicker
        Rows, selection and current row.
    thumbnails : Thumbnails
        The pictures.

    Signals
    -------
    activated : int
        Double click or Enter on the tile at this place.
    menu_wanted : int, QPoint
        Right click at a place (-1: beside the tiles), global position.
    tile_size_changed : int
        Ctrl+wheel or keys changed the size.
    hovered : int
        The pointer is over this place (-1: none).
    """

    activated = Signal(int)
    menu_wanted = Signal(int, QPoint)
    tile_size_changed = Signal(int)
    hovered = Signal(int)

    def __init__(self, picker: RowPicker, thumbnails: Thumbnails, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.picker = picker
        self.rows = picker.rows
        self.thumbnails = thumbnails
        self.tile = 112
        self.caption_lines = 1
        self.caption: Callable[[int], tuple[str, ...]] = lambda position: ()
        self.aspect = 1.0
        self.columns = 1
        self._origin_x = 0
        self._press: QPoint | None = None
        self._band: QRect | None = None
        self._at_press: Ints = np.empty(0, np.int64)
        self._pan: tuple[QPoint, int] | None = None
        self._scroller = QBasicTimer()
        self._deadline = 0.0
        self._late = False
        self._laid_out: dict[int, tuple[QStaticText, ...]] = {}
        self.cell = QSize()
        self._measure()
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOn)
        self.setFrameShape(QAbstractScrollArea.Shape.NoFrame)
        self.setAccessibleName("Grid of images")
        self.viewport().setMouseTracking(True)
        self.viewport().setBackgroundRole(QPalette.ColorRole.Base)
        self.viewport().setAutoFillBackground(True)
        thumbnails.ready.connect(self._on_ready)
        picker.changed.connect(self.viewport().update)

    # layout ---------------------------------------------------------------------------------------------------------
    @property
    def lines(self) -> int:
        """Caption lines that are drawn at this tile size."""
        return self.caption_lines if self.tile >= CAPTION_FROM else 0

    @property
    def pad(self) -> int:
        """Room around a picture: less around small ones."""
        return PAD if self.tile >= CAPTION_FROM else 3

    @property
    def page(self) -> int:
        """Rows of tiles that fit on the screen, at least one."""
        return max(1, self.viewport().height() // self.cell.height())

    def relayout(self, keep_place: int | None = None) -> None:
        """Lay out again; the tile at ``keep_place`` (default: the first visible) stays where it is on the screen."""
        bar = self.verticalScrollBar()
        place = self.visible()[0] if keep_place is None else keep_place
        height_on_screen = self.rect_of(place).top()
        at_top = bar.value() == 0 and keep_place is None
        self._fit()
        bar.setValue(0 if at_top else (place // self.columns) * self.cell.height() - height_on_screen)
        self.request()
        self.viewport().update()

    def grown(self) -> None:
        """Take over rows that were added at the end; nothing on the screen moves."""
        self._fit()
        self.request()
        self.viewport().update()

    def _measure(self) -> None:
        edges = (self.tile, self.tile / self.aspect) if self.aspect >= 1 else (self.tile * self.aspect, self.tile)
        self.picture = QSize(max(1, round(edges[0])), max(1, round(edges[1])))
        text = self.lines * QFontMetrics(self.font()).height() + (2 if self.lines else 0)
        cell = self.picture + QSize(2 * self.pad, 2 * self.pad + text)
        if cell != self.cell:
            self.cell = cell
            self.forget_captions()

    def forget_captions(self) -> None:
        """Ask for the captions again when they are next painted."""
        self._laid_out.clear()

    def _fit(self) -> None:
        self._measure()
        cell, view = self.cell, self.viewport().size()
        self.columns = max(1, view.width() // cell.width())
        self._origin_x = max(0, (view.width() - self.columns * cell.width()) // 2)
        n_lines = -(-len(self.rows) // self.columns)
        bar = self.verticalScrollBar()
        bar.setSingleStep(max(1, cell.height() // 2))
        bar.setPageStep(view.height())
        bar.setRange(0, max(0, n_lines * cell.height() - view.height()))

    def visible(self) -> tuple[int, int]:
        """Return the places (first, past the last) that are on the screen."""
        top, height = self.verticalScrollBar().value(), self.cell.height()
        first = (top // height) * self.columns
        last = -(-(top + self.viewport().height()) // height) * self.columns
        return min(first, len(self.rows)), min(last, len(self.rows))

    def rect_of(self, place: int) -> QRect:
        """Return the cell of a place in viewport coordinates."""
        cell = self.cell
        line, column = divmod(place, self.columns)
        x = self._origin_x + column * cell.width()
        return QRect(QPoint(x, line * cell.height() - self.verticalScrollBar().value()), cell)

    def place_at(self, point: QPoint) -> int | None:
        """Return the place under a viewport point, None beside the tiles."""
        cell = self.cell
        column = (point.x() - self._origin_x) // cell.width()
        line = (point.y() + self.verticalScrollBar().value()) // cell.height()
        place = line * self.columns + column
        return place if 0 <= column < self.columns and 0 <= place < len(self.rows) else None

    def places_in(self, rect: QRect) -> Ints:
        """Return the places whose cells touch a rectangle in content coordinates."""
        cell = self.cell
        columns = np.arange(
            max(0, (rect.left() - self._origin_x) // cell.width()),
            min(self.columns - 1, (rect.right() - self._origin_x) // cell.width()) + 1,
        )
        lines = np.arange(max(0, rect.top() // cell.height()), rect.bottom() // cell.height() + 1)
        places = (lines[:, None] * self.columns + columns).ravel()
        return places[places < len(self.rows)].astype(np.int64)

    def scroll_to(self, place: int) -> None:
        """Scroll as little as needed to show the tile at a place."""
        rect, bar = self.rect_of(place), self.verticalScrollBar()
        if rect.top() < 0:
            bar.setValue(bar.value() + rect.top())
        elif rect.bottom() >= self.viewport().height():
            bar.setValue(bar.value() + rect.bottom() - self.viewport().height() + 1)

    def show_first(self, place: int) -> None:
        """Scroll so that the line of a place is the uppermost, as far as the end allows."""
        self.verticalScrollBar().setValue(place // self.columns * self.cell.height())

    def set_tile(self, size: int, keep_place: int | None = None) -> None:
        """Set the longer edge of the pictures in logical pixels."""
        size = int(np.clip(size, MIN_TILE, MAX_TILE))
        if size != self.tile:
            if keep_place is None:
                current, (first, last) = self.picker.current, self.visible()
                keep_place = current if current is not None and first <= current < last else None
            self.tile = size
            self.relayout(keep_place)
            self.tile_size_changed.emit(size)

    # pictures -------------------------------------------------------------------------------------------------------
    def request(self) -> None:
        """Ask for the pictures of the visible tiles, then of a page below and a page above."""
        first, last = self.visible()
        page = last - first
        shown = self.rows.shown
        near = np.concatenate([shown[first:last], shown[last : last + page], shown[max(0, first - page) : first]])
        self.thumbnails.want(near.tolist())

    def _on_ready(self, positions: list[int]) -> None:
        first, last = self.visible()
        on_screen = self.rows.shown[first:last]
        for place in np.flatnonzero(np.isin(on_screen, positions)).tolist():
            self.viewport().update(self.rect_of(first + place))

    # painting -------------------------------------------------------------------------------------------------------
    def paintEvent(self, event: QPaintEvent) -> None:
        look = Look(self.palette(), self.font(), self.pad, self.picture, self.lines, self.hasFocus())
        self._deadline = time.perf_counter() + CAPTION_BUDGET_S
        self._late = False
        # A painter must end here even if an error's traceback keeps this frame alive; Qt crashes on one that does not.
        with QPainter(self.viewport()) as painter:
            for area in event.region():
                self._paint_area(painter, area, look)
            if self._band is not None:
                look.draw_band(painter, self._band.translated(0, -self.verticalScrollBar().value()))
        if self._late:
            QTimer.singleShot(0, self.viewport(), self.viewport().update)

    def _paint_area(self, painter: QPainter, area: QRect, look: Look) -> None:
        """Paint the cells that touch an area; what is the same for all of them is looked up once."""
        width, height = self.cell.width(), self.cell.height()
        top = self.verticalScrollBar().value()
        shown, selected, current = self.rows.shown, self.picker.selected, self.picker.current
        first_column = max(0, (area.left() - self._origin_x) // width)
        last_column = min(self.columns - 1, (area.right() - self._origin_x) // width)
        for line in range(max(0, (area.top() + top) // height), (area.bottom() + top) // height + 1):
            y = line * height - top
            for column in range(first_column, last_column + 1):
                place = line * self.columns + column
                if place >= len(shown):
                    return
                position = int(shown[place])
                x = self._origin_x + column * width
                chosen = bool(selected[position])
                if chosen or place == current:
                    look.draw_cell(painter, QRect(x, y, width, height), chosen, place == current)
                look.draw_picture(painter, x, y, self.thumbnails.get(position), chosen)
                if look.lines:
                    look.draw_caption(painter, x, y, self._words(position), chosen)

    def _words(self, position: int) -> tuple[QStaticText, ...]:
        """Return the caption lines laid out and elided; none if this repaint has no time left for new ones.

        They are kept, for laying out text costs more than drawing a picture.
        """
        words = self._laid_out.get(position)
        if words is None:
            if time.perf_counter() > self._deadline:
                self._late = True
                return ()
            if len(self._laid_out) > MAX_LAID_OUT:
                self._laid_out.clear()
            metrics, room = QFontMetrics(self.font()), self.cell.width() - 4
            words = tuple(laid_out(line, metrics, room, self.font()) for line in self.caption(position)[: self.lines])
            self._laid_out[position] = words
        return words

    def scrollContentsBy(self, dx: int, dy: int) -> None:
        self.viewport().scroll(0, dy)
        self.request()

    def resizeEvent(self, event: object) -> None:
        self.relayout()

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() in (QEvent.Type.FontChange, QEvent.Type.StyleChange):
            self.forget_captions()
            self.relayout()

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
        if self._band is None and not far:
            return
        self._stretch(self._content(event))
        outside = point.y() < 0 or point.y() >= self.viewport().height()
        if outside and not self._scroller.isActive():
            self._scroller.start(30, self)
        elif not outside:
            self._scroller.stop()

    def _stretch(self, to: QPoint) -> None:
        assert self._press is not None
        self._band = QRect(self._press, to).normalized()
        self.picker.band(self.places_in(self._band))
        self.viewport().update()

    def timerEvent(self, event: object) -> None:
        point = self.viewport().mapFromGlobal(self.cursor().pos())
        overshoot = min(0, point.y()) + max(0, point.y() - self.viewport().height() + 1)
        self.verticalScrollBar().setValue(self.verticalScrollBar().value() + overshoot // 2)
        if self._press is not None:
            self._stretch(point + QPoint(0, self.verticalScrollBar().value()))

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        self._pan = None
        self._scroller.stop()
        if event.button() == Qt.MouseButton.LeftButton:
            if self._band is not None:
                self._band = None
                self.picker.end_band(self._at_press)
            self._press = None
            self.viewport().update()

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        place = self.place_at(event.position().toPoint())
        if place is not None and event.button() == Qt.MouseButton.LeftButton:
            self.activated.emit(place)

    def leaveEvent(self, event: QEvent) -> None:
        self.hovered.emit(-1)

    def contextMenuEvent(self, event: object) -> None:
        point = event.pos()  # type: ignore[attr-defined]
        place = self.place_at(point)
        self.menu_wanted.emit(-1 if place is None else place, event.globalPos())  # type: ignore[attr-defined]

    def wheelEvent(self, event: object) -> None:
        if event.modifiers() & Qt.KeyboardModifier.ControlModifier:  # type: ignore[attr-defined]
            notches = event.angleDelta().y() / 120  # type: ignore[attr-defined]
            step = 1.12**notches
            place = self.place_at(event.position().toPoint())  # type: ignore[attr-defined]
            wanted = round(self.tile * step)
            self.set_tile(wanted + (wanted == self.tile) * (1 if notches > 0 else -1), place)
            event.accept()  # type: ignore[attr-defined]
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

    def fitting_tile(self) -> int:
        """Return the largest tile size at which every tile is on the screen, or the smallest size there is."""
        size, kept = MAX_TILE, self.tile
        while size > MIN_TILE:
            self.tile = size
            self._measure()
            across = max(1, self.viewport().width() // self.cell.width())
            if -(-len(self.rows) // across) * self.cell.height() <= self.viewport().height():
                break
            size -= max(1, size // 24)
        self.tile = kept
        self._measure()
        return max(size, MIN_TILE)
