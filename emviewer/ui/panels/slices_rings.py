"""Rings of equal resolution over an amplitude spectrum."""

from __future__ import annotations

import math

from PySide6.QtCore import QPointF, Qt
from PySide6.QtGui import QColor, QPainter, QPen

from emviewer.ui.canvas import ImageCanvas
from emviewer.ui.scale_bar import outlined_text

ROUND_A = (2, 3, 4, 5, 6, 8, 10, 12, 15, 20, 30, 40, 60, 80, 100, 150, 200, 300, 500)


def resolutions(pixel_size_A: float) -> list[float]:
    """Return up to three round resolutions (Å) inside Nyquist, each at least 1.6 times coarser than the one before."""
    chosen: list[float] = []
    for value in ROUND_A:
        finest = chosen[-1] * 1.6 if chosen else 2.8 * pixel_size_A
        if value >= finest and value <= 20 * pixel_size_A and len(chosen) < 3:
            chosen.append(float(value))
    return chosen


def paint_rings(painter: QPainter, canvas: ImageCanvas) -> None:
    """Draw Nyquist and round resolutions; an overlay of a canvas that shows a spectrum, zero at pixel n // 2."""
    if canvas.image is None:
        return
    rows, columns = canvas.image.shape
    size = canvas.pixel_size_A
    rings = [(0.5, "Nyquist" if size is None else f"{2 * size:.3g} Å")]
    if size is not None:
        rings += [(size / value, f"{value:g} Å") for value in resolutions(size)]
    middle = canvas.to_widget(columns // 2 + 0.5, rows // 2 + 0.5)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setBrush(Qt.BrushStyle.NoBrush)
    for frequency, text in rings:
        x, y = frequency * columns * canvas.scale, frequency * rows * canvas.scale
        painter.setPen(QPen(QColor(255, 255, 255, 90), 1, Qt.PenStyle.DashLine))
        painter.drawEllipse(middle, x, y)
        outlined_text(painter, middle + QPointF(x * 0.7071 + 2, y * 0.7071 + 4), text, QColor(235, 235, 235))


def spectrum_text(shape: tuple[int, ...], x: int, y: int, value: float, pixel_size_A: float | None) -> str:
    """Return the read-out of pixel ``(x, y)`` of a spectrum of shape (h, w): resolution, spatial frequency, value."""
    h, w = shape
    frequency = math.hypot((x - w // 2) / w, (y - h // 2) / h) / (pixel_size_A or 1.0)
    if frequency == 0:
        return f"frequency 0  {value:.3g}"
    unit = "Å" if pixel_size_A else "px"
    return f"1/{1 / frequency:.2f} {unit} ({frequency:.4f} 1/{unit})  {value:.3g}"
