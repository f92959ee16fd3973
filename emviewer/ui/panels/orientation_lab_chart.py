"""A small chart: bars and curves over one axis, painted by hand; what the orientation lab shows its numbers with."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PySide6.QtCore import QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QPainter, QPaintEvent, QPen, QPolygonF
from PySide6.QtWidgets import QSizePolicy, QWidget

from emviewer.ui import theme
from emviewer.ui.plot_view import ticks


@dataclass(frozen=True, eq=False)
class Bars:
    """Counts between edges."""

    counts: np.ndarray
    edges: np.ndarray


@dataclass(frozen=True, eq=False)
class Line:
    """A curve; ``role`` is ``accent``, ``text`` or ``dim`` of the theme, ``dashed`` for what is expected."""

    x: np.ndarray
    y: np.ndarray
    label: str = ""
    role: str = "accent"
    dashed: bool = False


@dataclass(frozen=True, eq=False)
class Dots:
    """Points, one for each pair of values."""

    x: np.ndarray
    y: np.ndarray


class Chart(QWidget):
    """Shows bars and curves with round ticks, a title and marks; says in words what is missing when it is empty.

    Parameters
    ----------
    title : str
        Above the chart.
    x_title : str
        Beneath it.
    empty : str
        Shown while there is nothing to draw.
    """

    def __init__(self, title: str, x_title: str = "", empty: str = "") -> None:
        super().__init__()
        self.title, self.x_title, self.empty = title, x_title, empty
        self.note = ""
        self.bars: Bars | None = None
        self.lines: list[Line] = []
        self.dots: Dots | None = None
        self.marks: list[tuple[float, str]] = []
        self.levels: tuple[float, ...] = ()
        self.y_range: tuple[float, float] | None = None
        self.x_text = "{:.6g}".format
        self.legend = "right"
        self.x_ticks: tuple[float, ...] = ()
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setMinimumSize(150, 110)
        self.setAccessibleName(title)

    def sizeHint(self) -> QSize:
        return QSize(260, 170)

    def show_data(
        self,
        *,
        bars: Bars | None = None,
        lines: list[Line] | None = None,
        dots: Dots | None = None,
        marks: list[tuple[float, str]] | None = None,
        note: str = "",
    ) -> None:
        """Draw these; without any the chart is empty."""
        self.bars, self.lines, self.marks, self.note = bars, lines or [], marks or [], note
        self.dots = dots
        self.setAccessibleDescription(note)
        self.update()

    def clear(self, empty: str | None = None) -> None:
        """Draw nothing, and say why."""
        if empty is not None:
            self.empty = empty
        self.show_data()

    def ranges(self) -> tuple[float, float, float, float] | None:
        """Return x0, x1, y0, y1 of what is drawn; None if that is nothing."""
        xs = [line.x for line in self.lines] + ([self.bars.edges] if self.bars else [])
        ys = [line.y[np.isfinite(line.y)] for line in self.lines] + ([self.bars.counts] if self.bars else [])
        if not any(len(y) for y in ys):
            return None
        x = np.concatenate([np.asarray(v, float) for v in xs])
        y = np.concatenate([np.asarray(v, float) for v in ys])
        x0, x1 = float(x.min()), float(x.max())
        low, high = self.y_range or (0.0 if self.bars else float(y.min()), float(y.max()))
        if not high > low:  # a single value stands in the middle
            low, high = (low, low + 1) if self.bars else (low - 0.05 * abs(low or 1), low + 0.05 * abs(low or 1))
        pad = 0.0 if self.y_range else 0.06 * (high - low)
        return x0, x1 if x1 > x0 else x0 + 1, low - (0 if self.bars else pad), high + pad

    def area(self) -> QRectF:
        """Return where the data are drawn."""
        line = self.fontMetrics().height()
        left = 8.0 if self.bars is not None else max(line * 2.9, self._widest() + 7)
        return QRectF(self.rect()).adjusted(left, line + 9, -12, -line * (2.3 if self.x_title else 1.25) - 2)

    def _widest(self) -> int:
        """Return the width of the widest number beside the chart."""
        ranges = self.ranges()
        values = [] if ranges is None else ticks(ranges[2], ranges[3], 5)
        return max((self.fontMetrics().horizontalAdvance(f"{value:.4g}") for value in values), default=0)

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        c, line, area = theme.current(), self.fontMetrics().height(), self.area()
        painter.setPen(QColor(c.text))
        heading = QRectF(6, 2, self.width() - 16, line + 2)
        painter.drawText(heading, Qt.AlignmentFlag.AlignLeft, self.title)
        ranges = self.ranges()
        if ranges is None:
            painter.setPen(QColor(c.faint))
            flags = Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap
            painter.drawText(QRectF(self.rect()).adjusted(16, line, -16, 0), flags, self.empty)
            return
        painter.setPen(QColor(c.dim))
        taken = self.fontMetrics().horizontalAdvance(self.title) + 12
        if self.fontMetrics().horizontalAdvance(self.note) + taken < heading.width():
            painter.drawText(heading, Qt.AlignmentFlag.AlignRight, self.note)
        painter.fillRect(area, QColor(c.base))
        self._paint_axes(painter, area, ranges)
        painter.save()
        painter.setClipRect(area.adjusted(-4, -1, 4, 1))  # room for a dot at either end
        self._paint_data(painter, area, ranges)
        painter.restore()
        self._paint_legend(painter, area)

    def _at(self, area: QRectF, ranges: tuple[float, float, float, float], x: float, y: float) -> QPointF:
        x0, x1, y0, y1 = ranges
        return QPointF(
            area.left() + (x - x0) / (x1 - x0) * area.width(), area.bottom() - (y - y0) / (y1 - y0) * area.height()
        )

    def _paint_axes(self, painter: QPainter, area: QRectF, ranges: tuple[float, float, float, float]) -> None:
        c, line = theme.current(), self.fontMetrics().height()
        for value in self._x_ticks(area, ranges):
            x = self._at(area, ranges, value, ranges[2]).x()
            painter.setPen(QPen(QColor(c.border), 1))
            painter.drawLine(QPointF(x, area.bottom()), QPointF(x, area.bottom() + 4))
            painter.setPen(QColor(c.dim))
            text = self.x_text(value)
            width = self.fontMetrics().horizontalAdvance(text)
            left = min(max(x - width / 2, 1), self.width() - width - 1)
            painter.drawText(QPointF(left, area.bottom() + 4 + self.fontMetrics().ascent()), text)
        if self.bars is None:
            for value in ticks(ranges[2], ranges[3], 5):
                y = self._at(area, ranges, ranges[0], value).y()
                painter.setPen(QPen(QColor(c.border), 1))
                painter.drawLine(QPointF(area.left(), y), QPointF(area.right(), y))
                painter.setPen(QColor(c.dim))
                box = QRectF(0, y - line / 2, area.left() - 5, line)
                painter.drawText(box, Qt.AlignmentFlag.AlignRight, f"{value:.4g}")
        painter.setPen(QPen(QColor(c.border), 1))
        painter.drawLine(area.bottomLeft(), area.bottomRight())
        painter.setPen(QColor(c.dim))
        below = QRectF(area.left(), self.height() - line - 2, area.width(), line)
        painter.drawText(below, Qt.AlignmentFlag.AlignHCenter, self.x_title)

    def _x_ticks(self, area: QRectF, ranges: tuple[float, float, float, float]) -> list[float]:
        if not self.x_ticks:
            return ticks(ranges[0], ranges[1], max(4, int(area.width() // 48)))
        return list(self.x_ticks[:: 1 if area.width() > 36 * len(self.x_ticks) else 2])

    def _paint_data(self, painter: QPainter, area: QRectF, ranges: tuple[float, float, float, float]) -> None:
        c = theme.current()
        if self.bars is not None:
            colour = QColor(c.accent)
            colour.setAlpha(150)
            for i, n in enumerate(self.bars.counts):
                if n:
                    a = self._at(area, ranges, float(self.bars.edges[i]), float(n))
                    b = self._at(area, ranges, float(self.bars.edges[i + 1]), ranges[2])
                    painter.fillRect(QRectF(a, b).adjusted(0.5, 0, -0.5, 0), colour)
        for level in self.levels:
            y = self._at(area, ranges, ranges[0], level).y()
            painter.setPen(QPen(QColor(c.faint), 1, Qt.PenStyle.DotLine))
            painter.drawLine(QPointF(area.left(), y), QPointF(area.right(), y))
        if self.dots is not None:
            colour = QColor(c.accent)
            colour.setAlpha(110)
            painter.setPen(QPen(colour, 2.2, Qt.PenStyle.SolidLine, Qt.PenCapStyle.RoundCap))
            x0, x1, y0, y1 = ranges
            x = area.left() + (self.dots.x - x0) / (x1 - x0) * area.width()
            y = area.bottom() - (self.dots.y - y0) / (y1 - y0) * area.height()
            painter.drawPoints(QPolygonF([QPointF(a, b) for a, b in zip(x.tolist(), y.tolist(), strict=True)]))
        for line in self.lines:
            style = Qt.PenStyle.DashLine if line.dashed else Qt.PenStyle.SolidLine
            painter.setPen(QPen(QColor(getattr(c, line.role)), 1.6 if line.dashed else 2.0, style))
            known = np.isfinite(line.y)
            points = [self._at(area, ranges, x, y) for x, y in zip(line.x[known], line.y[known], strict=True)]
            if len(points) == 1:
                painter.setBrush(QColor(getattr(c, line.role)))
                painter.drawEllipse(points[0], 2, 2)
                painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawPolyline(QPolygonF(points))
        for value, text in self.marks:
            x = self._at(area, ranges, value, 0).x()
            painter.setPen(QPen(QColor(c.text), 1, Qt.PenStyle.DotLine))
            painter.drawLine(QPointF(x, area.top()), QPointF(x, area.bottom()))
            width = self.fontMetrics().horizontalAdvance(text)
            left = x + 4 if x + 6 + width < area.right() else x - 4 - width
            painter.drawText(QPointF(left, area.top() + self.fontMetrics().ascent()), text)

    def _paint_legend(self, painter: QPainter, area: QRectF) -> None:
        c, height = theme.current(), self.fontMetrics().height()
        named = [line for line in self.lines if line.label]
        for k, line in enumerate(named):
            width = self.fontMetrics().horizontalAdvance(line.label)
            top = area.top() + 4 + (height if self.marks and self.legend == "right" else 0)
            if self.legend == "bottom":
                top = area.bottom() - 6 - len(named) * height
            y = top + (k + 0.5) * height
            left = area.left() + 8 if self.legend == "left" else area.right() - width - 32
            style = Qt.PenStyle.DashLine if line.dashed else Qt.PenStyle.SolidLine
            painter.setPen(QPen(QColor(getattr(c, line.role)), 2, style))
            painter.drawLine(QPointF(left, y), QPointF(left + 22, y))
            painter.setPen(QColor(c.text))
            painter.drawText(QPointF(left + 27, y + self.fontMetrics().ascent() / 2 - 1), line.label)
