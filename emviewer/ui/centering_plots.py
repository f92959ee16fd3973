"""How far and which way: a signed histogram of displacements, and the displacements as arrows from one point."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QEvent, QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QImage, QMouseEvent, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QSizePolicy, QToolTip, QWidget

from emviewer.ui import theme
from emviewer.ui.centering_paint import draw_arrow
from emviewer.ui.plot_scale import ticks

Array = NDArray[np.float64]
X_COLOUR, Y_COLOUR = "#0072b2", "#d55e00"
MOVES, ALONE = "#0072b2", "#999999"
NEAR = 9.0
DOTS = 3
"""Edge of the dot of a member, in pixels."""


class _Plot(QWidget):
    """What both plots share: a title, and a place where nothing is known yet."""

    def __init__(self, title: str, empty: str) -> None:
        super().__init__()
        self.title, self.empty = title, empty
        self.setMinimumSize(150, 96)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setAccessibleName(title)

    def sizeHint(self) -> QSize:
        return QSize(220, 170)

    def _paint_title(self, painter: QPainter) -> None:
        painter.setPen(QColor(theme.current().text))
        words = self.fontMetrics().elidedText(self.title, Qt.TextElideMode.ElideRight, self.width() - 12)
        painter.drawText(QRectF(6, 1, self.width() - 10, self.fontMetrics().height() + 4), 0, words)

    def _paint_empty(self, painter: QPainter) -> None:
        painter.setPen(QColor(theme.current().faint))
        flags = Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap
        painter.drawText(QRectF(self.rect()).adjusted(12, 20, -12, -4), flags, self.empty)


class DisplacementHistogram(_Plot):
    """Signed displacements along x and y; a thousand bins or a million members cost the same."""

    def __init__(self) -> None:
        super().__init__("Displacement", "No displacements yet")
        self.setToolTip("Signed, in pixels; heights are square roots, so that the few that moved are seen")
        self.edges: Array = np.empty(0)
        self.counts: tuple[Array, Array] = (np.empty(0), np.empty(0))
        self.what = ""

    def show_counts(self, edges: Array, x: Array, y: Array, title: str, what: str) -> None:
        """Show counts between edges (px); ``what`` are counted."""
        self.edges, self.counts, self.title, self.what = edges, (x, y), title, what
        self.setAccessibleDescription(what)
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        with QPainter(self) as painter:
            painter.setRenderHint(QPainter.RenderHint.Antialiasing)
            self._paint_title(painter)
            if not len(self.edges) or not max(c.sum() for c in self.counts):
                self._paint_empty(painter)
                return
            self._paint_bars(painter)

    def _paint_bars(self, painter: QPainter) -> None:
        c, line = theme.current(), self.fontMetrics().height()
        area = QRectF(self.rect()).adjusted(10, line + 8, -10, -line - 8)
        low, high = float(self.edges[0]), float(self.edges[-1])
        # most members stand at zero: square roots let those that moved be seen beside them
        tall = [np.sqrt(v) for v in self.counts]
        top = max(1e-9, *(float(v.max()) for v in tall))

        def at(x: float) -> float:
            return area.left() + (x - low) / (high - low) * area.width()

        painter.fillRect(area, QColor(c.base))
        for value in ticks(low, high, 5):
            painter.setPen(QPen(QColor(c.border), 1))
            painter.drawLine(QPointF(at(value), area.top()), QPointF(at(value), area.bottom()))
            painter.setPen(QColor(c.dim))
            box = QRectF(at(value) - 30, area.bottom() + 2, 60, line + 2)
            painter.drawText(box, Qt.AlignmentFlag.AlignHCenter, f"{value:g}")
        painter.setPen(QPen(QColor(c.faint), 1, Qt.PenStyle.DashLine))
        painter.drawLine(QPointF(at(0), area.top()), QPointF(at(0), area.bottom()))
        for values, colour in zip(tall, (X_COLOUR, Y_COLOUR), strict=True):
            painter.setPen(QPen(_readable(colour), 1.6))
            points = []
            for i, value in enumerate(values):
                y = area.bottom() - value / top * (area.height() - 4)
                points += [QPointF(at(self.edges[i]), y), QPointF(at(self.edges[i + 1]), y)]
            painter.drawPolyline(points)
        for i, (name, colour) in enumerate((("x", X_COLOUR), ("y", Y_COLOUR))):
            y = area.top() + 3 + i * (line + 1)
            painter.setPen(_readable(colour))
            painter.drawText(QPointF(area.right() - 12, y + line - 4), name)
            painter.setPen(QPen(_readable(colour), 2))
            painter.drawLine(QPointF(area.right() - 28, y + line / 2), QPointF(area.right() - 16, y + line / 2))


def _readable(colour: str) -> QColor:
    """Return a colour lightened on dark ground."""
    return QColor(colour).lighter(150) if theme.is_dark() else QColor(colour)


class ArrowPlot(_Plot):
    """Displacement of every class as an arrow from the centre of its box, over those of its members as dots.

    Signals
    -------
    picked : int
        The class whose arrow head was clicked.
    """

    picked = Signal(int)

    def __init__(self) -> None:
        super().__init__("Which way", "No displacements yet")
        self.classes: Array = np.empty((0, 2))
        self.moves: NDArray[np.bool_] = np.empty(0, bool)
        self.members: Array = np.empty((0, 2))
        self.labels: list[str] = []
        self.current = -1
        self.reach = 1.0
        self.setAccessibleDescription("Arrows are classes, dots their members; click an arrow's head")
        self._dots: tuple[object, QImage] | None = None
        self.setMouseTracking(True)

    def show_classes(
        self, classes_px: Array, moves: NDArray[np.bool_], members_px: Array, labels: list[str], title: str
    ) -> None:
        """Show displacements of classes (k, 2) and of members (m, 2) in micrograph pixels, or both in class pixels."""
        self.classes, self.moves, self.members, self.labels = classes_px, moves, members_px, labels
        self.title = title
        every = np.concatenate([np.hypot(*classes_px.T), np.hypot(*members_px.T), [1.0]])
        self.reach = 1.15 * float(every.max())
        self._dots = None
        self.update()

    def forget_dots(self) -> None:
        """Draw the members again (the theme changed)."""
        self._dots = None
        self.update()

    def set_current(self, row: int) -> None:
        """Mark the arrow of a class, -1 for none."""
        self.current = row
        self.update()

    def _area(self) -> QRectF:
        line = self.fontMetrics().height()
        room = QRectF(self.rect()).adjusted(6, line + 6, -6, -6)
        edge = min(room.width(), room.height())
        return QRectF(room.center().x() - edge / 2, room.center().y() - edge / 2, edge, edge)

    def _spots(self, values: Array) -> Array:
        area = self._area()
        return np.array([area.center().x(), area.center().y()]) + values / self.reach * area.width() / 2

    def paintEvent(self, event: QPaintEvent) -> None:
        with QPainter(self) as painter:
            painter.setRenderHint(QPainter.RenderHint.Antialiasing)
            self._paint_title(painter)
            if not len(self.classes):
                self._paint_empty(painter)
                return
            self._paint_rings(painter)
            if len(self.members):
                painter.drawImage(self.rect(), self._member_dots())
            self._paint_arrows(painter)

    def _paint_rings(self, painter: QPainter) -> None:
        c, area = theme.current(), self._area()
        painter.setBrush(QColor(c.base))
        painter.setPen(QPen(QColor(c.border), 1))
        painter.drawEllipse(area)
        painter.setBrush(Qt.BrushStyle.NoBrush)
        for value in ticks(0.0, self.reach, 3):
            radius = value / self.reach * area.width() / 2
            if radius <= 0:
                continue
            painter.setPen(QPen(QColor(c.border), 1))
            painter.drawEllipse(area.center(), radius, radius)
            painter.setPen(QColor(c.dim))
            painter.drawText(QPointF(area.center().x() + 3, area.center().y() - radius - 2), f"{value:g} px")
        painter.setPen(QPen(QColor(c.border), 1))
        painter.drawLine(QPointF(area.left(), area.center().y()), QPointF(area.right(), area.center().y()))
        painter.drawLine(QPointF(area.center().x(), area.top()), QPointF(area.center().x(), area.bottom()))

    def _member_dots(self) -> QImage:
        """Return the members as a picture, made once for a size: twenty thousand ellipses would take 50 ms."""
        ratio, c = self.devicePixelRatioF(), theme.current()
        key = (self.width(), self.height(), ratio, c.dim)
        if self._dots is None or self._dots[0] != key:
            wide, high = round(self.width() * ratio), round(self.height() * ratio)
            words = np.zeros((high, wide), np.uint32)
            spots = np.rint(self._spots(self.members) * ratio).astype(int)
            colour = QColor(c.dim)
            colour.setAlphaF(0.45)
            red, green, blue, alpha = colour.getRgb()
            word = alpha << 24 | red * alpha // 255 << 16 | green * alpha // 255 << 8 | blue * alpha // 255
            reach = max(1, round(DOTS * ratio / 2))
            for dx in range(-reach + 1, reach):
                for dy in range(-reach + 1, reach):
                    x, y = spots[:, 0] + dx, spots[:, 1] + dy
                    good = (x >= 0) & (x < wide) & (y >= 0) & (y < high)
                    words[y[good], x[good]] = word
            kind = QImage.Format.Format_ARGB32_Premultiplied
            self._dots = key, QImage(words.data, wide, high, 4 * wide, kind).copy()
        return self._dots[1]

    def _paint_arrows(self, painter: QPainter) -> None:
        middle, c = self._area().center(), theme.current()
        spots = self._spots(self.classes)
        order = [*np.flatnonzero(~self.moves), *np.flatnonzero(self.moves)]
        for row in [r for r in order if r != self.current]:
            colour = _readable(MOVES if self.moves[row] else ALONE)
            colour.setAlphaF(0.85 if self.moves[row] else 0.5)
            draw_arrow(painter, middle, QPointF(*spots[row]), colour, 1.2, halo=False)
        if 0 <= self.current < len(spots):
            end = QPointF(*spots[self.current])
            draw_arrow(painter, middle, end, _readable("#d55e00"), 2.4, halo=False)
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.setPen(QPen(QColor(c.text), 1.4))
            painter.drawEllipse(end, 6, 6)

    def nearest(self, at: QPointF) -> int:
        """Return the class whose arrow ends near a point, -1 if none does."""
        if not len(self.classes):
            return -1
        away = np.hypot(*(self._spots(self.classes) - (at.x(), at.y())).T)
        return int(away.argmin()) if away.min() <= NEAR else -1

    def mousePressEvent(self, event: QMouseEvent) -> None:
        row = self.nearest(event.position())
        if row >= 0 and event.button() == Qt.MouseButton.LeftButton:
            self.picked.emit(row)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        row = self.nearest(event.position())
        if 0 <= row < len(self.labels):
            QToolTip.showText(event.globalPosition().toPoint(), self.labels[row], self)
        else:
            QToolTip.hideText()

    def leaveEvent(self, event: QEvent) -> None:
        QToolTip.hideText()
