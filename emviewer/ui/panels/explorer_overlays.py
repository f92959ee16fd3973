"""What the explorer paints over a projection: the axes of the map, and what the mouse does."""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import QPointF
from PySide6.QtGui import QColor, QPainter, QPen

from emviewer.ui.canvas import ImageCanvas
from emviewer.ui.panels.slices_area import AXIS_COLOURS
from emviewer.ui.scale_bar import outlined_text

HINT = "drag turns · Shift+drag spins · wheel zooms"


def paint_hint(painter: QPainter, canvas: ImageCanvas) -> None:
    """Say what the mouse does, where there is room."""
    if canvas.width() < 360 or canvas.height() < 240:
        return
    width = painter.fontMetrics().horizontalAdvance(HINT)
    outlined_text(painter, QPointF((canvas.width() - width) / 2, canvas.height() - 12), HINT, QColor(165, 171, 181))


def paint_tripod(painter: QPainter, canvas: ImageCanvas, matrix: np.ndarray) -> None:
    """Draw the axes of a map seen at a view (3, 3), those behind first."""
    if canvas.width() < 160 or canvas.height() < 160:
        return
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    at = QPointF(canvas.width() - 46, canvas.height() - 46)
    for axis in sorted(range(3), key=lambda k: -matrix[2, k]):
        end = QPointF(float(matrix[0, axis]), float(matrix[1, axis])) * 28.0
        colour = QColor(AXIS_COLOURS[axis])
        painter.setPen(QPen(colour, 2))
        painter.drawLine(at, at + end)
        painter.drawText(at + end * 1.32 + QPointF(-3, 4), "xyz"[axis])
