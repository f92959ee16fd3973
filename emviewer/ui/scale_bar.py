"""Scale bars: a round length near a fifth of the width, in the unit a reader expects."""

from __future__ import annotations

from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QPainter, QPen

from emviewer.engine.figure_lengths import length_text, round_length


def paint(painter: QPainter, area: QRectF, pixel_size_A: float | None, scale: float) -> None:
    """Draw the bar in the lower left corner of ``area``.

    Parameters
    ----------
    painter : QPainter
    area : QRectF
        Visible part of the picture, in widget coordinates.
    pixel_size_A : float or None
        None where the pixel size is not known: the bar is in pixels.
    scale : float
        Widget units an image pixel.
    """
    if area.width() < 60 or area.height() < 40:
        return
    unit = scale / (pixel_size_A or 1.0)
    length = round_length(min(area.width(), 900.0) / unit)
    text = length_text(length) if pixel_size_A else f"{length:g} px"
    x, y = area.left() + 10, area.bottom() - 10
    painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)
    for colour, width in ((QColor(0, 0, 0, 170), 5), (QColor(240, 240, 240), 3)):
        painter.setPen(QPen(colour, width, Qt.PenStyle.SolidLine, Qt.PenCapStyle.FlatCap))
        grow = (width - 3) / 2
        painter.drawLine(QPointF(x - grow, y), QPointF(x + length * unit + grow, y))
    outlined_text(painter, QPointF(x, y - 6), text)


def outlined_text(painter: QPainter, at: QPointF, text: str, colour: QColor | None = None) -> None:
    """Draw text that can be read on any grey: light with a dark edge, baseline at ``at``."""
    painter.setPen(QColor(0, 0, 0, 190))
    for dx, dy in ((-1, 0), (1, 0), (0, -1), (0, 1)):
        painter.drawText(at + QPointF(dx, dy), text)
    painter.setPen(colour or QColor(240, 240, 240))
    painter.drawText(at, text)
