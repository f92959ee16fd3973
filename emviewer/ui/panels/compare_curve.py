"""The strip of the ring correlation: how far, in resolution, image and reprojection agree."""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QPainter, QPaintEvent, QPen, QPolygonF
from PySide6.QtWidgets import QSizePolicy, QWidget

from emviewer.ui import theme


class RingCurve(QWidget):
    """Draws a ring correlation between 0 and Nyquist with its crossing of 0.5."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.curve: np.ndarray | None = None
        self.before: np.ndarray | None = None
        self.pixel_size_A = 1.0
        self.crossing_A: float | None = None
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Maximum)
        self.setAccessibleName("Ring correlation of image and reprojection")
        self.setToolTip("Fourier ring correlation of image and reprojection in the mask; the mark is where it is 0.5")

    def sizeHint(self) -> QSize:
        return QSize(220, self.fontMetrics().height() * 5)

    def minimumSizeHint(self) -> QSize:
        return QSize(100, round(self.fontMetrics().height() * 3.5))

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

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        c, line = theme.current(), self.fontMetrics().height()
        area = QRectF(self.rect()).adjusted(26, 6, -8, -line - 4)
        painter.setPen(QPen(QColor(c.border), 1))
        for level in (0.0, 0.5, 1.0):
            y = area.bottom() - level * area.height()
            painter.drawLine(QPointF(area.left(), y), QPointF(area.right(), y))
        painter.setPen(QColor(c.dim))
        for level, word in ((0.0, "0"), (0.5, "½"), (1.0, "1")):
            y = area.bottom() - level * area.height()
            painter.drawText(QRectF(0, y - line / 2, area.left() - 6, line), Qt.AlignmentFlag.AlignRight, word)
        below = QRectF(area.left(), area.bottom() + 2, area.width(), line)
        painter.drawText(below, Qt.AlignmentFlag.AlignLeft, "FRC")
        if self.curve is None or len(self.curve) < 2:
            return
        painter.drawText(below, Qt.AlignmentFlag.AlignRight, f"{2 * self.pixel_size_A:.1f} Å")
        if self.before is not None:
            self._paint(painter, area, self.before, QPen(QColor(c.faint), 1.4, Qt.PenStyle.DashLine))
        self._paint(painter, area, self.curve, QPen(QColor(c.accent), 2))
        self._mark(painter, area)

    def _mark(self, painter: QPainter, area: QRectF) -> None:
        c = theme.current()
        if self.crossing_A is None:
            return
        x = area.left() + area.width() * min(1.0, 2 * self.pixel_size_A / self.crossing_A)
        painter.setPen(QPen(QColor(c.text), 1, Qt.PenStyle.DotLine))
        painter.drawLine(QPointF(x, area.top()), QPointF(x, area.bottom()))
        text = f"{self.crossing_A:.1f} Å"
        width = self.fontMetrics().horizontalAdvance(text)
        left = x + 5 if x + 5 + width <= area.right() else x - 5 - width
        painter.setPen(QColor(c.text))
        painter.drawText(QPointF(left, area.top() + self.fontMetrics().ascent()), text)

    def _paint(self, painter: QPainter, area: QRectF, curve: np.ndarray, pen: QPen) -> None:
        x = area.left() + area.width() * np.arange(1, len(curve)) / (len(curve) - 1)
        y = area.bottom() - area.height() * np.clip(np.nan_to_num(curve[1:]), -0.08, 1.0)
        painter.setPen(pen)
        painter.drawPolyline(QPolygonF([QPointF(a, b) for a, b in zip(x, y, strict=True)]))
