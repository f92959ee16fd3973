"""The search at a glance: every rotation tried by its score and its angle from the one found, for both hands."""

from __future__ import annotations

import numpy as np
import pandas as pd
from PySide6.QtCore import QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QSizePolicy, QWidget

from emviewer.ui import theme

MOST = 3000
"""Points drawn of each hand: the best ones, and every so many of the others."""


class ScoreScatter(QWidget):
    """Scores over angle; the map's own hand as discs, its mirror image as rings."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.hands: list[tuple[str, np.ndarray, np.ndarray]] = []
        self.message = ""
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setMinimumSize(180, 110)
        self.setAccessibleName("Scores of the search")
        self.setToolTip("Every rotation tried: its best score over shifts, and how far it is from the one found")

    def sizeHint(self) -> QSize:
        return QSize(300, 180)

    def show_search(self, search: pd.DataFrame | None) -> None:
        """Show ``angle_deg, score, flipped`` of the rotations tried (None: a sentence)."""
        self.hands = []
        self.message = "" if search is not None else "The scores of the search were not kept."
        if search is not None:
            flipped = search["flipped"].to_numpy(bool)
            for name, which in (("same hand", ~flipped), ("flipped", flipped)):
                if which.any():
                    part = search[which].sort_values("score", ascending=False, kind="stable")
                    part = pd.concat([part[: MOST // 2], part[MOST // 2 :: max(1, 2 * len(part) // MOST)]])
                    self.hands.append((name, part["angle_deg"].to_numpy(float), part["score"].to_numpy(float)))
        best = [f"{name}: best {score.max():.3f}" for name, _, score in self.hands]
        self.setAccessibleDescription("; ".join(best) or self.message)
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        c = theme.current()
        painter = QPainter(self)
        painter.fillRect(self.rect(), QColor(c.base))
        m = self.fontMetrics()
        if not self.hands:
            painter.setPen(QColor(c.dim))
            flags = Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap
            painter.drawText(self.rect().adjusted(12, 8, -12, -8), flags, self.message)
            return
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        area = QRectF(self.rect())
        area.adjust(m.horizontalAdvance("-0.00") + 12, m.height() + 8, -20, -2 * m.height() - 12)
        values = np.concatenate([score for _, _, score in self.hands])
        low = float(values.min())
        high = low + max(float(values.max()) - low, 1e-6) * 1.06
        painter.setPen(QPen(QColor(c.border), 1))
        painter.drawLine(area.topLeft(), area.bottomLeft())
        painter.drawLine(area.bottomLeft(), area.bottomRight())
        painter.setPen(QColor(c.dim))
        for angle in (0, 45, 90, 135, 180):
            x = area.left() + area.width() * angle / 180
            at = QRectF(x - 24, area.bottom() + 3, 48, m.height())
            painter.drawText(at, Qt.AlignmentFlag.AlignCenter, f"{angle}°")
        title = QRectF(area.left(), area.bottom() + 5 + m.height(), area.width(), m.height())
        text = m.elidedText("score over angle from the rotation found", Qt.TextElideMode.ElideRight, int(area.width()))
        painter.drawText(title, Qt.AlignmentFlag.AlignCenter, text)
        for value in (low, float(values.max())):
            y = area.bottom() - area.height() * (value - low) / (high - low)
            at = QRectF(0, y - m.height() / 2, area.left() - 5, m.height())
            painter.drawText(at, Qt.AlignmentFlag.AlignRight, f"{value:.2f}")
        x = 8.0
        for name, angle, score in reversed(self.hands):
            own = name == "same hand"
            colour = QColor(c.accent if own else "#ff9d4d" if theme.is_dark() else "#c05a00")
            faint = QColor(colour)
            faint.setAlpha(255 if own else 130)
            at_x = area.left() + area.width() * angle / 180
            at_y = area.bottom() - area.height() * (score - low) / (high - low)
            painter.setPen(QPen(faint, 1))
            painter.setBrush(colour if own else Qt.BrushStyle.NoBrush)
            radius = 1.6 if own else 2.2
            for px, py in zip(at_x.tolist(), at_y.tolist(), strict=True):
                painter.drawEllipse(QPointF(px, py), radius, radius)
            painter.setPen(colour)
            text = f"{'●' if own else '○'} {name} {score.max():.3f}"
            painter.drawText(QPointF(x, m.ascent() + 4), text)
            x += m.horizontalAdvance(text) + 18
