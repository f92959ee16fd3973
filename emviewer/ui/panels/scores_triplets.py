"""Triplets: every image over its reprojection over what is left, as tiles; the rows of the scores in another dress."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from PySide6.QtCore import QPoint, QRect, QSize
from PySide6.QtGui import QColor, QFontMetrics, QPainter
from PySide6.QtWidgets import QWidget

from emviewer.ui import theme
from emviewer.ui.panels.gallery_grid import TileGrid
from emviewer.ui.panels.gallery_paint import Look
from emviewer.ui.row_picker import RowPicker
from emviewer.ui.tags import KEEP, REJECT
from emviewer.ui.thumbnails import Thumbnails

GAP = 1
"""Pixels between the pictures of a triplet."""
BAR = 4
"""Pixels that the bar of a tag is wide."""


class TripletGrid(TileGrid):
    """A gallery whose tiles are three pictures, one above the other, with a bar in the colour of the tag.

    Parameters
    ----------
    picker : RowPicker
        Rows, selection and current row, shared with the table.
    pictures : dict
        Thumbnails of image, reprojection and residual, in this order.
    """

    def __init__(self, picker: RowPicker, pictures: dict[str, Thumbnails], parent: QWidget | None = None) -> None:
        self.pictures = list(pictures.values())
        self.tag_of: Callable[[int], str] = lambda position: ""
        super().__init__(picker, self.pictures[0], parent)
        self.tile = 84
        self.caption_lines = 2
        for further in self.pictures[1:]:
            further.ready.connect(self._on_ready)
        self.setAccessibleName("Images over their reprojections over the residuals")

    def _measure(self) -> None:
        edges = (self.tile, self.tile / self.aspect) if self.aspect >= 1 else (self.tile * self.aspect, self.tile)
        self.picture = QSize(max(1, round(edges[0])), max(1, round(edges[1])))
        text = self.lines * QFontMetrics(self.font()).height() + (2 if self.lines else 0)
        high = 3 * self.picture.height() + 2 * GAP
        cell = QSize(self.picture.width() + 2 * self.pad, high + 2 * self.pad + text)
        if cell != self.cell:
            self.cell = cell
            self.forget_captions()

    def request(self) -> None:
        """Ask for the pictures of the visible tiles, then of a page below and a page above; not while hidden."""
        super().request()
        if self.isVisible():
            first, last = self.visible()
            shown, page = self.rows.shown, last - first
            near = [shown[first:last], shown[last : last + page], shown[max(0, first - page) : first]]
            for further in self.pictures[1:]:
                further.want(np.concatenate(near).tolist())

    def _paint_cell(self, painter: QPainter, look: Look, at: QPoint, position: int, chosen: bool) -> None:
        step = self.picture.height() + GAP
        for i, thumbnails in enumerate(self.pictures):
            look.draw_picture(painter, at.x(), at.y() + i * step, thumbnails.get(position), chosen and i == 0)
        tag = self.tag_of(position)
        if tag:
            c = theme.current()
            colour = {KEEP: c.on_good, REJECT: c.on_error}.get(tag, c.accent)
            high = 3 * self.picture.height() + 2 * GAP
            painter.fillRect(QRect(at.x() + self.pad - BAR, at.y() + self.pad, BAR, high), QColor(colour))
        if look.lines:
            look.draw_caption(painter, at.x(), at.y() + 2 * step, self._words(position), chosen)
