"""The gallery of a centring: each class average before and after, with its centre and how it moves."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QPoint, QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QPainter
from PySide6.QtWidgets import QWidget

from emviewer.ui import theme
from emviewer.ui.centering_paint import CROSS, OBJECT, badge, draw_arrow, draw_badge, draw_cross, draw_moved, middle_of
from emviewer.ui.centering_session import Choice
from emviewer.ui.panels.gallery_grid import TileGrid
from emviewer.ui.panels.gallery_paint import Look
from emviewer.ui.row_picker import RowPicker
from emviewer.ui.thumbnails import Thumbnails

GAP = 3
"""Pixels between before and after."""
BAR = 3
"""Height of the bar that shows the confidence."""


class PairGrid(TileGrid):
    """A grid of pairs; ``choice(position)`` tells the centre of a class and ``box_px`` the edge of the averages.

    The picture after is the one before, moved while it is painted, so that it follows every change at once.
    ``base_px(position)`` is by how much the pictures themselves are centred already: 0 for averages as they came.
    """

    def __init__(self, picker: RowPicker, thumbnails: Thumbnails, parent: QWidget | None = None) -> None:
        super().__init__(picker, thumbnails, parent)
        self.choice: Callable[[int], Choice | None] = lambda position: None
        self.base_px: Callable[[int], tuple[float, float]] = lambda position: (0.0, 0.0)
        self.box_px = 1
        self.aspect = 2.0
        self.tile = 224
        self.caption_lines = 2
        self._measure()
        self.setAccessibleName("Class averages before and after centring")

    def edge(self) -> float:
        """Return the edge of one picture of a pair in pixels of the screen."""
        return min(self.picture.height(), (self.picture.width() - GAP) / 2)

    def halves(self, x: int, y: int) -> tuple[QRectF, QRectF]:
        """Return where before and after stand in the cell at ``(x, y)``."""
        edge, left, top = self.edge(), x + self.pad, y + self.pad
        return QRectF(left, top, edge, edge), QRectF(left + edge + GAP, top, edge, edge)

    def _paint_cell(self, painter: QPainter, look: Look, at: QPoint, position: int, chosen: bool) -> None:
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        self._paint_pair(painter, at.x(), at.y(), position, look)
        if look.lines:
            look.draw_caption(painter, at.x(), at.y(), self._words(position), chosen)

    def _paint_pair(self, painter: QPainter, x: int, y: int, position: int, look: Look) -> None:
        before, after = self.halves(x, y)
        image, choice = self.thumbnails.get(position), self.choice(position)
        if image is None or choice is None:
            for half in (before, after):
                painter.fillRect(half, look.empty)
            return
        scale = before.width() / self.box_px
        base = QPointF(*self.base_px(position)) * scale
        way = QPointF(choice.x_px, choice.y_px) * scale
        psi = choice.psi_deg if choice.moves else 0.0
        draw_moved(painter, before, image, base)
        draw_moved(painter, after, image, base - way if choice.moves else base, psi, self.box_px)
        arm = max(4.0, 0.07 * before.width())
        middle = middle_of(before, self.box_px)
        draw_cross(painter, middle, arm, CROSS)
        draw_cross(painter, middle_of(after, self.box_px), arm, CROSS)
        colour = QColor(OBJECT)
        if not choice.moves:
            colour.setAlphaF(0.45)
        painter.save()
        painter.setClipRect(before)
        draw_arrow(painter, middle, middle + way, colour)
        painter.restore()
        self._paint_confidence(painter, before, after, choice)
        words, level = badge(choice)
        if words and before.width() >= 70:
            draw_badge(painter, after.topLeft() + QPointF(3, 3), words, level)

    def _paint_confidence(self, painter: QPainter, before: QRectF, after: QRectF, choice: Choice) -> None:
        c = theme.current()
        bar = QRectF(before.left(), before.bottom() - BAR, after.right() - before.left(), BAR)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.fillRect(bar, QColor(c.border))
        colour = QColor("#009e73" if choice.confidence >= 0.6 else "#e69f00" if choice.confidence >= 0.3 else "#d55e00")
        painter.fillRect(QRectF(bar.topLeft(), bar.bottomRight()).adjusted(
            0, 0, -(1 - choice.confidence) * bar.width(), 0), colour)  # fmt: skip
