"""Shell correlations as curves over spatial frequency, with thresholds and a cursor in 1/Å and Å."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from PySide6.QtCore import QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QMouseEvent, QPainter, QPaintEvent, QPen, QPolygonF
from PySide6.QtWidgets import QSizePolicy, QWidget

from emviewer.ui import theme

LOWEST = -0.12
"""The axis begins here, or lower if a curve does."""
LEVELS = (0.0, 1.0)
ROUND_A = (100, 50, 40, 30, 25, 20, 15, 12, 10, 8, 7, 6, 5, 4.5, 4, 3.5, 3, 2.7, 2.5, 2.2, 2, 1.8, 1.6, 1.5, 1.3, 1.2,
           1)  # fmt: skip
"""Resolutions that may stand on the axis."""


@dataclass(frozen=True, eq=False)
class Line:
    """A curve: values by shell, how it is drawn and what it is called."""

    name: str
    values: np.ndarray
    light: str
    dark: str
    width: float = 1.6
    style: Qt.PenStyle = Qt.PenStyle.SolidLine

    def pen(self) -> QPen:
        """Return the pen for the theme."""
        return QPen(QColor(self.dark if theme.is_dark() else self.light), self.width, self.style)


class FscPlot(QWidget):
    """Draws curves between frequency 0 and the last shell.

    Signals
    -------
    pointed : str
        Read-out under the mouse, empty outside.
    """

    pointed = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.frequency = np.empty(0)
        self.lines: list[Line] = []
        self.levels: tuple[float, ...] = (0.143, 0.5)
        self.marks: list[tuple[float, str]] = []
        self.lowest = LOWEST
        self.title = ""
        self.message = ""
        self.cursor: float | None = None
        self.setMouseTracking(True)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setMinimumSize(260, 180)
        self.setAccessibleName("Fourier shell correlation")

    def sizeHint(self) -> QSize:
        return QSize(480, 320)

    def show_lines(self, frequency: np.ndarray, lines: list[Line]) -> None:
        """Show curves over shells of these frequencies in 1/Å."""
        self.frequency, self.lines = frequency, lines
        least = [float(np.nanmin(line.values)) for line in lines if np.isfinite(line.values).any()]
        self.lowest = max(-1.0, min([LOWEST, *(v - 0.03 for v in least)]))
        self.update()

    # geometry -------------------------------------------------------------------------------------------------------
    def plot_area(self) -> QRectF:
        """Return where the curves are."""
        m = self.fontMetrics()
        top = m.height() * (self._legend()[1] + 1) + 12
        return QRectF(self.rect()).adjusted(
            m.horizontalAdvance("0.143") + 22, top, -m.horizontalAdvance("Å") * 2.5, -m.height() * 2.7
        )

    @property
    def last(self) -> float:
        """The highest frequency shown."""
        return float(self.frequency[-1]) if len(self.frequency) else 1.0

    def to_x(self, frequency: float) -> float:
        """Return the place of a frequency."""
        area = self.plot_area()
        return area.left() + area.width() * frequency / self.last

    def to_y(self, value: float) -> float:
        """Return the place of a correlation."""
        area = self.plot_area()
        return area.bottom() - area.height() * (value - self.lowest) / (1.03 - self.lowest)

    # painting -------------------------------------------------------------------------------------------------------
    def paintEvent(self, event: QPaintEvent) -> None:
        c = theme.current()
        painter = QPainter(self)
        painter.fillRect(self.rect(), QColor(c.base))
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        line = self.fontMetrics().height()
        painter.setPen(QColor(c.text))
        title = self.fontMetrics().elidedText(self.title, Qt.TextElideMode.ElideRight, self.width() - 24)
        painter.drawText(QRectF(12, 4, self.width() - 24, line), Qt.AlignmentFlag.AlignLeft, title)
        if not self.lines:
            painter.setPen(QColor(c.dim))
            flags = Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap
            painter.drawText(self.rect().adjusted(20, 20, -20, -20), flags, self.message)
            return
        self._paint_axes(painter)
        area = self.plot_area()
        painter.save()
        painter.setClipRect(area)
        x = area.left() + area.width() * self.frequency / self.last
        for curve in self.lines:
            good = np.isfinite(curve.values)
            y = self.to_y(0) - np.clip(curve.values[good], self.lowest, 1.2) * (self.to_y(0) - self.to_y(1))
            painter.setPen(curve.pen())
            painter.drawPolyline(QPolygonF([QPointF(a, b) for a, b in zip(x[good], y, strict=True)]))
        painter.restore()
        self._paint_marks(painter)
        self._paint_legend(painter)
        self._paint_cursor(painter)

    def _paint_axes(self, painter: QPainter) -> None:
        c, area, line = theme.current(), self.plot_area(), self.fontMetrics().height()
        for level in sorted({*LEVELS, *self.levels}):
            threshold = level in self.levels
            style = Qt.PenStyle.DashLine if threshold else Qt.PenStyle.SolidLine
            painter.setPen(QPen(QColor(c.faint if threshold else c.border), 1, style))
            y = self.to_y(level)
            painter.drawLine(QPointF(area.left(), y), QPointF(area.right(), y))
            painter.setPen(QColor(c.dim))
            at = QRectF(0, y - line / 2, area.left() - 8, line)
            painter.drawText(at, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter, f"{level:g}")
        painter.setPen(QPen(QColor(c.border), 1))
        painter.drawLine(area.bottomLeft(), area.bottomRight())
        painter.drawLine(area.topLeft(), area.bottomLeft())
        self._paint_ticks(painter, [f for f in _steps(self.last) if f <= self.last], "{:g}", area.bottom() + 4, "1/Å")
        inverse = [1 / a for a in ROUND_A if 0.06 * self.last < 1 / a <= self.last]
        self._paint_ticks(painter, inverse, "{:g}", area.bottom() + 6 + line, "Å", inverted=True)

    def _paint_ticks(
        self, painter: QPainter, values: list[float], form: str, top: float, unit: str, inverted: bool = False
    ) -> None:
        c, area, line = theme.current(), self.plot_area(), self.fontMetrics().height()
        painter.setPen(QColor(c.dim))
        right = area.left() - 30.0
        for value in values:
            text = form.format(round(1 / value, 3) if inverted else round(value, 6))
            width, x = self.fontMetrics().horizontalAdvance(text), self.to_x(value)
            if x - width / 2 > right + 10 and x + width / 2 < self.width() - 34:
                painter.drawText(QRectF(x - width / 2, top, width + 2, line), Qt.AlignmentFlag.AlignCenter, text)
                painter.drawLine(QPointF(x, area.bottom()), QPointF(x, area.bottom() + 3))
                right = x + width / 2
        painter.drawText(QRectF(self.width() - 34, top, 30, line), Qt.AlignmentFlag.AlignRight, unit)

    def _paint_marks(self, painter: QPainter) -> None:
        """Draw where the best curve crosses the thresholds."""
        c, area = theme.current(), self.plot_area()
        for frequency, text in self.marks:
            x = self.to_x(frequency)
            painter.setPen(QPen(QColor(c.accent), 1, Qt.PenStyle.DotLine))
            painter.drawLine(QPointF(x, area.top()), QPointF(x, area.bottom()))
            width = self.fontMetrics().horizontalAdvance(text)
            left = x + 5 if x + 5 + width < area.right() else x - 5 - width
            level = float(text.split(":")[0])
            painter.setPen(QColor(c.accent))
            painter.drawText(QPointF(left, self.to_y(level) - 6), text)

    def _paint_legend(self, painter: QPainter) -> None:
        c, line = theme.current(), self.fontMetrics().height()
        for curve, (x, row) in zip(self.lines, self._legend()[0], strict=True):
            y = 6.0 + line * (row + 1)
            painter.setPen(curve.pen())
            painter.drawLine(QPointF(x, y + line / 2), QPointF(x + 20, y + line / 2))
            painter.setPen(QColor(c.text))
            painter.drawText(QPointF(x + 25, y + self.fontMetrics().ascent()), curve.name)

    def _legend(self) -> tuple[list[tuple[float, int]], int]:
        """Return place and line of every curve's name, and how many lines there are."""
        x, row, places = 12.0, 0, []
        for curve in self.lines:
            width = 25 + self.fontMetrics().horizontalAdvance(curve.name)
            if places and x + width > self.width() - 8:
                x, row = 12.0, row + 1
            places.append((x, row))
            x += width + 16
        return places, row + 1

    def _paint_cursor(self, painter: QPainter) -> None:
        if self.cursor is None:
            return
        c, area = theme.current(), self.plot_area()
        x = self.to_x(self.cursor)
        painter.setPen(QPen(QColor(c.text), 1))
        painter.drawLine(QPointF(x, area.top()), QPointF(x, area.bottom()))
        rows = [f"{self.cursor:.4f} 1/Å = {1 / self.cursor:.2f} Å"]
        rows += [f"{curve.name}  {value:.3f}" for curve, value in self.values_at(self.cursor)]
        m = self.fontMetrics()
        width, height = max(m.horizontalAdvance(r) for r in rows) + 14, m.height() * len(rows) + 8
        left = x + 8 if x + 8 + width < area.right() else x - 8 - width
        box = QRectF(left, area.top() + 6, width, height)
        painter.setPen(QPen(QColor(c.border), 1))
        painter.setBrush(QColor(c.raised))
        painter.drawRoundedRect(box, 4, 4)
        painter.setPen(QColor(c.text))
        for k, row in enumerate(rows):
            painter.drawText(QPointF(box.left() + 7, box.top() + 4 + m.ascent() + k * m.height()), row)

    # cursor ---------------------------------------------------------------------------------------------------------
    def values_at(self, frequency: float) -> list[tuple[Line, float]]:
        """Return every curve's value at a frequency, between shells by a straight line."""
        found = [(curve, float(np.interp(frequency, self.frequency, curve.values))) for curve in self.lines]
        return [(curve, value) for curve, value in found if math.isfinite(value)]

    def set_cursor(self, frequency: float | None) -> None:
        """Put the cursor at a frequency, or take it away."""
        self.cursor = frequency
        text = ""
        if frequency is not None:
            values = "   ".join(f"{c.name} {v:.3f}" for c, v in self.values_at(frequency))
            text = f"{frequency:.4f} 1/Å, {1 / frequency:.2f} Å   {values}"
        self.pointed.emit(text)
        self.update()

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        area, at = self.plot_area(), event.position()
        if not self.lines or not area.adjusted(0, 0, 1, 1).contains(at):
            self.set_cursor(None)
            return
        self.set_cursor(max(self.last * 1e-3, (at.x() - area.left()) / area.width() * self.last))

    def leaveEvent(self, event: object) -> None:
        self.set_cursor(None)


def _steps(last: float) -> list[float]:
    """Return round frequencies up to the last, five to ten of them."""
    step = 10 ** math.floor(math.log10(last / 5)) if last > 0 else 1.0
    step *= next(k for k in (1, 2, 2.5, 5, 10) if last / (step * k) <= 8)
    return [step * k for k in range(int(last / step) + 1)]
