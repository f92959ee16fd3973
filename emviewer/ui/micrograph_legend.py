"""What is written on the canvas: name of the micrograph, common displacement, and what lines and colours mean."""

from __future__ import annotations

from typing import Any

import numpy as np
from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QPainter, QPen

from emviewer.ui import columns
from emviewer.ui.micrograph_boxes import PLATE, PLATE_TEXT, arrow_lines
from emviewer.ui.micrograph_colours import Colouring, scale_words

CLEAR = 4.0
"""Pixels from which on the arrow of the common displacement has its full length."""


LEAST = 0.12
"""Part of it below which none is drawn: there is nothing to point at."""


class NamePlate:
    """The name of the micrograph, and of one that is being opened, in the upper left corner; an overlay of a canvas."""

    def __init__(self) -> None:
        self.text = self.late = ""

    def __call__(self, painter: QPainter, canvas: Any) -> None:
        words = "   ".join(w for w in (self.text, self.late) if w)
        if not words:
            return
        metrics = painter.fontMetrics()
        text = metrics.elidedText(words, Qt.TextElideMode.ElideMiddle, max(40, canvas.width() // 2))
        box = QRectF(8, 8, metrics.horizontalAdvance(text) + 16, metrics.height() + 8)
        plate(painter, box)
        painter.drawText(box, Qt.AlignmentFlag.AlignCenter, text)


def plate(painter: QPainter, box: QRectF) -> None:
    """Paint a dark field for words, and take the pen to write on it."""
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(PLATE)
    painter.drawRoundedRect(box, 5, 5)
    painter.setBrush(Qt.BrushStyle.NoBrush)
    painter.setPen(PLATE_TEXT)


class Legend:
    """Says in a corner of the canvas what lines and colours mean; an overlay of a canvas."""

    def __init__(self) -> None:
        self.lines: list[tuple[QColor, str, str]] = []
        self.colouring = Colouring()
        self.shown = True

    def __call__(self, painter: QPainter, canvas: Any) -> None:
        if not self.shown or not (self.lines or self.colouring.is_scale):
            return
        metrics = painter.fontMetrics()
        line = metrics.height() + 2
        scale = self.colouring.is_scale
        texts = [text for _, _, text in self.lines]
        wide = max([metrics.horizontalAdvance(t) + 34 for t in texts] + ([170] if scale else []))
        high = line * len(texts) + (line * 2 + 16 if scale else 0) + 12
        box = QRectF(canvas.width() - wide - 22, canvas.height() - high - 10, wide + 14, high)
        plate(painter, box)
        y = box.top() + 6
        for colour, kind, text in self.lines:
            _sign(painter, colour, kind, QPointF(box.left() + 17, y + line / 2))
            painter.setPen(PLATE_TEXT)
            painter.drawText(QPointF(box.left() + 34, y + metrics.ascent() + 1), text)
            y += line
        if scale:
            self._paint_scale(painter, QRectF(box.left() + 8, y, box.width() - 16, line * 2 + 14))

    def _paint_scale(self, painter: QPainter, area: QRectF) -> None:
        c, metrics = self.colouring, painter.fontMetrics()
        painter.setPen(PLATE_TEXT)
        title = metrics.elidedText(c.title, Qt.TextElideMode.ElideRight, int(area.width()))
        painter.drawText(QPointF(area.left(), area.top() + metrics.ascent()), title)
        bar = QRectF(area.left(), area.top() + metrics.height() + 3, area.width(), 9)
        words = scale_words()
        for k in range(64):
            part = QRectF(bar.left() + k * bar.width() / 64, bar.top(), bar.width() / 64 + 0.6, bar.height())
            painter.fillRect(part, QColor.fromRgb(int(words[k * 4 + 2])))
        foot = bar.bottom() + metrics.ascent() + 1
        painter.drawText(QPointF(bar.left(), foot), columns.shown(c.low))
        text = columns.shown(c.high)
        painter.drawText(QPointF(bar.right() - metrics.horizontalAdvance(text), foot), text)


def _sign(painter: QPainter, colour: QColor, kind: str, at: QPointF) -> None:
    painter.setBrush(Qt.BrushStyle.NoBrush)
    painter.setPen(QPen(colour, 1.3 if kind == "thin" else 2.0))
    if kind == "arrow":
        tip = at + QPointF(9, 0)
        painter.drawLine(at - QPointF(9, 0), tip)
        painter.drawLine(tip, tip + QPointF(-5, -3.5))
        painter.drawLine(tip, tip + QPointF(-5, 3.5))
    elif kind == "cross":
        painter.drawLine(at + QPointF(-5, -5), at + QPointF(5, 5))
        painter.drawLine(at + QPointF(-5, 5), at + QPointF(5, -5))
    elif kind == "fill":
        painter.fillRect(QRectF(at.x() - 6, at.y() - 5, 12, 10), colour)
    else:
        painter.drawRect(QRectF(at.x() - 6, at.y() - 6, 12, 12))


class MeanArrow:
    """The common displacement as one long arrow with its numbers, in the upper right corner; an overlay of a canvas."""

    LENGTH = 46.0

    def __init__(self) -> None:
        self.x = self.y = 0.0
        self.text = ""
        self.clear = False
        self.shown = True

    def __call__(self, painter: QPainter, canvas: Any) -> None:
        if not self.shown or not self.text or canvas.width() < 260:
            return
        metrics = painter.fontMetrics()
        lines = self.text.split("\n")
        wide = max(metrics.horizontalAdvance(t) for t in lines)
        length = float(np.hypot(self.x, self.y))
        part = min(1.0, length / CLEAR)
        side = self.LENGTH + 14 if part >= LEAST else 0.0
        high = max(side, metrics.height() * len(lines) + 10.0)
        box = QRectF(canvas.width() - wide - side - 26, 8, wide + side + 18, high)
        plate(painter, box)
        top = box.center().y() - metrics.height() * len(lines) / 2
        for k, text in enumerate(lines):
            x = box.right() - 9 - metrics.horizontalAdvance(text)
            painter.drawText(QPointF(x, top + metrics.ascent() + k * metrics.height()), text)
        if not side:
            return
        middle = np.array([box.left() + 8 + self.LENGTH / 2, box.center().y()])
        way = np.array([self.x, self.y]) / length * self.LENGTH * part
        lines_of = arrow_lines((middle - way / 2)[None], way[None], head=11.0)
        colour = QColor(255, 200, 60) if self.clear else QColor(235, 237, 240)
        for ink, width in ((QColor(0, 0, 0, 150), 6.0), (colour, 3.0)):
            painter.setPen(QPen(ink, width, Qt.PenStyle.SolidLine, Qt.PenCapStyle.RoundCap))
            painter.drawLines(lines_of)
