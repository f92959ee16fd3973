"""The strip of the ring correlation: how far, in resolution, image and reprojection agree."""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QMouseEvent, QPainter, QPaintEvent, QPen, QPolygonF
from PySide6.QtWidgets import QSizePolicy, QWidget

from emviewer.ui import theme

ROUND_A = (200, 100, 60, 40, 30, 20, 15, 12, 10, 8, 7, 6, 5, 4, 3.5, 3, 2.5, 2, 1.5, 1)
"""Resolutions in Å that may be written below the axis."""


class RingCurve(QWidget):
    """Draws a ring correlation between 0 and Nyquist, over an axis in Å, with its crossing of 0.5.

    Signals
    -------
    pointed_at : str
        Resolution and correlation under the mouse.
    """

    pointed_at = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.curve: np.ndarray | None = None
        self.before: np.ndarray | None = None
        self.pixel_size_A = 1.0
        self.crossing_A: float | None = None
        self.setMouseTracking(True)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setAccessibleName("Ring correlation of image and reprojection")
        self.setToolTip("Fourier ring correlation of image and reprojection in the mask; the mark is where it is 0.5")

    def sizeHint(self) -> QSize:
        return QSize(220, self.fontMetrics().height() * 5)

    def minimumSizeHint(self) -> QSize:
        return QSize(90, round(self.fontMetrics().height() * 3))

    def show_curve(
        self,
        curve: np.ndarray | None,
        pixel_size_A: float = 1.0,
        crossing_A: float | None = None,
        before: np.ndarray | None = None,
    ) -> None:
        """Show a curve (ring 0 to Nyquist); ``before`` is drawn faint beside it."""
        self.curve, self.before, self.pixel_size_A = curve, before, pixel_size_A
        self.crossing_A = crossing_A if crossing_A is not None and np.isfinite(crossing_A) else None
        words = f"0.5 at {self.crossing_A:.1f} Å" if self.crossing_A else "no crossing of 0.5"
        self.setAccessibleDescription(words if curve is not None else "")
        self.update()

    def area(self) -> QRectF:
        """Return where the curve is drawn."""
        return QRectF(self.rect()).adjusted(20, 5, -6, -self.fontMetrics().height() - 2)

    def x_of(self, resolution_A: float) -> float:
        """Return where a resolution stands: the axis is even in 1/Å."""
        area = self.area()
        return area.left() + area.width() * min(1.0, 2 * self.pixel_size_A / resolution_A)

    def ticks(self) -> list[tuple[float, str]]:
        """Return the resolutions written below the axis with their places, Nyquist among them, none over another."""
        metrics, found = self.fontMetrics(), []
        nyquist = 2 * self.pixel_size_A
        free = self.area().right() + 6
        for value in (nyquist, *(v for v in reversed(ROUND_A) if v > nyquist)):
            text = f"{value:.3g}" + (" Å" if value == nyquist else "")
            half = metrics.horizontalAdvance(text) / 2
            at = min(self.x_of(value), self.area().right() + 6 - half)
            room = at + half < free - 9 or not found
            if room and at - half > self.area().left() + metrics.horizontalAdvance("FRC"):
                found.append((at, text))
                free = at - half
        return found

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        c, line, area = theme.current(), self.fontMetrics().height(), self.area()
        for level, word in ((0.0, "0"), (0.5, "½"), (1.0, "1")):
            y = area.bottom() - level * area.height()
            painter.setPen(QPen(QColor(c.border), 1))
            painter.drawLine(QPointF(area.left(), y), QPointF(area.right(), y))
            painter.setPen(QColor(c.dim))
            painter.drawText(QRectF(0, y - line / 2, area.left() - 4, line), Qt.AlignmentFlag.AlignRight, word)
        below = QRectF(area.left(), area.bottom() + 1, area.width(), line)
        painter.drawText(below, Qt.AlignmentFlag.AlignLeft, "FRC")
        if self.curve is None or len(self.curve) < 2:
            return
        for at, text in self.ticks():
            painter.drawText(QRectF(at - 40, below.top(), 80, line), Qt.AlignmentFlag.AlignHCenter, text)
        if self.before is not None:
            self._paint(painter, area, self.before, QPen(QColor(c.faint), 1.4, Qt.PenStyle.DashLine))
        self._paint(painter, area, self.curve, QPen(QColor(c.accent), 2))
        self._mark(painter, area)

    def _mark(self, painter: QPainter, area: QRectF) -> None:
        c, metrics = theme.current(), self.fontMetrics()
        if self.crossing_A is None:
            return
        x = self.x_of(self.crossing_A)
        painter.setPen(QPen(QColor(c.text), 1, Qt.PenStyle.DotLine))
        painter.drawLine(QPointF(x, area.top()), QPointF(x, area.bottom()))
        text = f"½ at {self.crossing_A:.1f} Å"
        width = metrics.horizontalAdvance(text)
        left = x + 4 if x + 4 + width <= area.right() else x - 4 - width
        box = QRectF(left - 2, area.top(), width + 4, metrics.height())
        ground = QColor(self.palette().window().color())
        ground.setAlpha(200)
        painter.fillRect(box, ground)
        painter.setPen(QColor(c.text))
        painter.drawText(box, Qt.AlignmentFlag.AlignCenter, text)

    def _paint(self, painter: QPainter, area: QRectF, curve: np.ndarray, pen: QPen) -> None:
        x = area.left() + area.width() * np.arange(1, len(curve)) / (len(curve) - 1)
        y = area.bottom() - area.height() * np.clip(np.nan_to_num(curve[1:]), -0.08, 1.0)
        painter.setPen(pen)
        painter.drawPolyline(QPolygonF([QPointF(a, b) for a, b in zip(x, y, strict=True)]))

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        area = self.area()
        part = (event.position().x() - area.left()) / max(1.0, area.width())
        if self.curve is None or len(self.curve) < 2 or not 0 < part <= 1:
            self.pointed_at.emit("")
            return
        ring = round(part * (len(self.curve) - 1))
        if ring:
            resolution = 2 * self.pixel_size_A * (len(self.curve) - 1) / ring
            self.pointed_at.emit(f"{resolution:.1f} Å   FRC {float(self.curve[ring]):.3f}")

    def leaveEvent(self, event: object) -> None:
        self.pointed_at.emit("")
