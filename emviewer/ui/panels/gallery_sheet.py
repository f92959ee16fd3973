"""The sheet of tiles: a scroll area that knows only the visible cells, so that a million cost as much as a hundred.

Own arithmetic in place of ``QListView``'s icon mode: where a tile stands is a division, half a million selected tiles
are one array of booleans, and the tile under the pointer stays there when the size changes.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
from PySide6.QtCore import QEvent, QPoint, QRect, QSize, Qt, QTimer, Signal
from PySide6.QtGui import (
    QFontMetrics,
    QPainter,
    QPaintEvent,
    QPalette,
    QResizeEvent,
    QShowEvent,
    QStaticText,
)
from PySide6.QtWidgets import QAbstractScrollArea, QWidget

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


class TileSheet(QAbstractScrollArea):
    """A virtual grid of pictures with captions, drawn and laid out; hands are added by :class:`TileGrid`.

    Parameters
    ----------
    picker : RowPicker
        Rows, selection and current row.
    thumbnails : Thumbnails
        The pictures.

    Signals
    -------
    tile_size_changed : int
        The tile size changed, by hand or by :meth:`set_tile`.
    """

    tile_size_changed = Signal(int)

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
        self.band: QRect | None = None
        self._deadline = 0.0
        self._late = False
        self._laid_out: dict[int, tuple[QStaticText, ...]] = {}
        self.cell = QSize()
        self._measure()
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOn)
        self.setFrameShape(QAbstractScrollArea.Shape.NoFrame)
        self.setAccessibleName("Grid of images")
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
        """Ask for the pictures of the visible tiles, then of a page below and a page above; not while hidden."""
        if not self.isVisible():
            return
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
            if self.band is not None:
                look.draw_band(painter, self.band.translated(0, -self.verticalScrollBar().value()))
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
                self._paint_cell(painter, look, QPoint(x, y), position, chosen)

    def _paint_cell(self, painter: QPainter, look: Look, at: QPoint, position: int, chosen: bool) -> None:
        """Paint picture and caption of one cell."""
        look.draw_picture(painter, at.x(), at.y(), self.thumbnails.get(position), chosen)
        if look.lines:
            look.draw_caption(painter, at.x(), at.y(), self._words(position), chosen)

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

    def resizeEvent(self, event: QResizeEvent) -> None:
        self.relayout()

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        self.request()

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() in (QEvent.Type.FontChange, QEvent.Type.StyleChange):
            self.forget_captions()
            self.relayout()

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
