"""The bar that says what the colours of a difference mean: zero in its middle, the same on both sides."""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import QRectF, QSize, Qt
from PySide6.QtGui import QColor, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QSizePolicy, QWidget

from emviewer.engine.types import Contrast
from emviewer.ui import theme
from emviewer.ui.canvas import LABEL, to_qimage


class DifferenceLegend(QWidget):
    """A strip beneath the cuts."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.contrast = Contrast(-1.0, 1.0)
        self.unit = ""
        self.note = ""
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setAccessibleName("Colours of the difference")

    def sizeHint(self) -> QSize:
        return QSize(240, self.fontMetrics().height() + 10)

    def show_range(self, contrast: Contrast, unit: str, note: str) -> None:
        """Show the bar for a range about zero.

        Parameters
        ----------
        contrast : Contrast
            Of the difference.
        unit : str
            What its numbers are.
        note : str
            A sentence at the right end.
        """
        self.contrast, self.unit, self.note = contrast, unit, note
        low, high = self.ends()
        self.setAccessibleDescription(f"map has more, {low}, to reference has more, {high}; {note}")
        self.update()

    def ends(self) -> tuple[str, str]:
        """Return what stands at the ends of the bar."""
        high = f"{self.contrast.high:.3g} {self.unit}".strip()
        return f"−{high}", f"+{high}"

    def paintEvent(self, event: QPaintEvent) -> None:
        c, m = theme.current(), self.fontMetrics()
        painter = QPainter(self)
        low, high = self.ends()
        if self.width() < m.horizontalAdvance(low + high) + 160:
            low, high = (text.split(" ")[0] for text in (low, high))
        words = ("map has more", "reference has more")
        wide = self.width() > 2 * sum(m.horizontalAdvance(w) for w in words) + 260
        left = f"{words[0]}  {low}" if wide else low
        right = f"{high}  {words[1]}" if wide else high
        x, y = 8.0, (self.height() - m.height()) / 2
        bar = QRectF(x + m.horizontalAdvance(left) + 8, self.height() / 2 - 5, 140 if wide else 90, 10)
        painter.setPen(QColor(c.text))
        painter.drawText(QRectF(x, y, bar.left() - x, m.height()), Qt.AlignmentFlag.AlignLeft, left)
        ramp = np.linspace(self.contrast.low, self.contrast.high, 255, dtype=np.float32)[None]
        painter.drawImage(bar, to_qimage(ramp, self.contrast))
        painter.setPen(QPen(QColor(c.border), 1))
        painter.drawRect(bar)
        painter.setPen(QPen(QColor(c.dim), 1))
        painter.drawLine(bar.center().x(), bar.top() - 3, bar.center().x(), bar.bottom() + 3)
        painter.setPen(QColor(c.text))
        at = bar.right() + 8
        painter.drawText(QRectF(at, y, self.width() - at, m.height()), Qt.AlignmentFlag.AlignLeft, right)
        at += m.horizontalAdvance(right) + 24
        painter.setPen(QColor(c.dim))
        room = int(self.width() - at - 8)
        if room > 40:
            text = m.elidedText(self.note, Qt.TextElideMode.ElideRight, room)
            painter.drawText(QRectF(at, y, room, m.height()), Qt.AlignmentFlag.AlignRight, text)


def paint_chip(painter: QPainter, text: str) -> None:
    """Write a name in the upper left corner of a picture that may be white there."""
    m = painter.fontMetrics()
    box = QRectF(4, 4, m.horizontalAdvance(text) + 10, m.height() + 2)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(QColor(17, 18, 21, 190))
    painter.drawRoundedRect(box, 3, 3)
    painter.setPen(LABEL)
    painter.drawText(box, Qt.AlignmentFlag.AlignCenter, text)
