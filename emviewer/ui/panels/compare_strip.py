"""The strips below the pictures: the scores of the row in words, and what can be done with a view set by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QPushButton, QWidget

from emviewer.ui import columns, theme
from emviewer.ui.flow_layout import FlowLayout

SHOWN = ("cc", "outlier_score", "cc_margin", "nrmse", "z_mean", "z_var", "z_cov", "frc05_A")
TIPS = {
    "cc": "Correlation of image and fitted reprojection in the mask; 1 is perfect",
    "outlier_score": "Robust z of correlation and image distance against the set; beyond 3.5 an image is flagged",
    "cc_margin": "How much better the best view is than the second best; a small margin is an uncertain view",
    "nrmse": "Root mean square of the residual over that of the image",
    "z_mean": "Robust z of the residual's mean where the map has density: positive, the image has more",
    "z_var": "Robust z of the residual's variance",
    "z_cov": "Robust z of the log-determinant of the residual's covariance: structure that is left",
    "frc05_A": "Resolution in Å at which the ring correlation falls below 0.5",
}


class ScoreStrip(QWidget):
    """The scores of the row in words; beside a view set by hand also what they were."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        row = FlowLayout(self, gap=14, line_gap=2)
        row.setContentsMargins(8, 3, 8, 3)
        self.status = QLabel()
        self.status.setProperty("badge", "info")
        row.addWidget(self.status)
        self.tag = QLabel()
        self.tag.setProperty("badge", "info")
        row.addWidget(self.tag)
        self.values: dict[str, QLabel] = {}
        for name in SHOWN:
            label = QLabel()
            label.setToolTip(TIPS[name])
            label.setTextFormat(Qt.TextFormat.RichText)
            self.values[name] = label
            row.addWidget(label)
        self.view = QLabel()
        self.view.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        row.addWidget(self.view)

    def show_scores(self, scores: pd.Series | None, hand: dict[str, float] | None = None) -> None:
        """Write the scores of a row of the table; of a view set by hand, with those of the table in brackets."""
        dim = theme.current().dim
        for name, label in self.values.items():
            value = _number(scores, name) if scores is not None else np.nan
            words, unit = columns.heading(name)
            text = _text(name, value)
            if hand is not None:
                text = f"{_text(name, hand.get(name, np.nan))}</b> <span style='color:{dim}'>({text})</span><b>"
            label.setText(
                f"<span style='color:{dim}'>{words}</span> <b>{text}</b> {unit if text != columns.MISSING else ''}"
            )
            label.setVisible(scores is not None)
        self._show_state(scores)
        self.view.setVisible(scores is not None)
        if scores is None:
            return
        source: Any = scores if hand is None else hand
        rot, tilt, psi, x, y = (
            _number(source, c) for c in ("rot_deg", "tilt_deg", "psi_deg", "shift_x_A", "shift_y_A")
        )
        if np.isfinite(rot):
            self.view.setText(f"view {rot:.1f}° {tilt:.1f}° {psi:.1f}°   shift {x:.1f} {y:.1f} Å")
        else:
            self.view.setText(f"no view: {scores.get('reason', '')}")

    def _show_state(self, scores: pd.Series | None) -> None:
        status = str(scores.get("status", "")) if scores is not None else ""
        tag = str(scores.get("tag", "")) if scores is not None else ""
        looks = {"ok": ("good", "✓ ok"), "flagged": ("warn", "! flagged"), "failed": ("warn", "✕ failed")}
        level, words = looks.get(status, ("info", status))
        reason = str(scores.get("reason", "")) if scores is not None else ""
        for label, text, badge in ((self.status, words, level), (self.tag, tag and f"tag: {tag}", "info")):
            label.setVisible(bool(text))
            label.setText(text)
            if label.property("badge") != badge:
                label.setProperty("badge", badge)
                label.style().unpolish(label)
                label.style().polish(label)
        self.status.setToolTip(reason if reason != "nan" else "")


def _number(scores: Any, name: str) -> float:
    value = scores.get(name, np.nan)
    try:
        return float(value)
    except (TypeError, ValueError):
        return float("nan")


def _text(name: str, value: float) -> str:
    if not np.isfinite(value):
        return columns.MISSING
    digits = {"cc": 4, "cc_margin": 4, "nrmse": 3, "frc05_A": 1}.get(name, 2)
    return f"{value:.{digits}f}"


class HandStrip(QFrame):
    """What can be done with a view that was set by hand.

    Signals
    -------
    search_wanted, apply_wanted, back_wanted
    """

    search_wanted = Signal()
    apply_wanted = Signal()
    back_wanted = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("notice")
        self.setProperty("level", "info")
        self.label = QLabel()
        self.label.setWordWrap(True)
        self.search = QPushButton("Search again here")
        self.search.setToolTip("Look for the best view near this one  (Shift+H)")
        self.apply = QPushButton("Apply")
        self.apply.setToolTip("Put this view and its scores into the table; can be undone")
        self.back = QPushButton("Back")
        self.back.setToolTip("Return to the view in the table")
        row = QHBoxLayout(self)
        row.setContentsMargins(10, 4, 8, 4)
        row.addWidget(self.label, 1)
        for button, signal in (
            (self.search, self.search_wanted),
            (self.apply, self.apply_wanted),
            (self.back, self.back_wanted),
        ):
            button.clicked.connect(signal)
            row.addWidget(button)
        self.hide()

    def say(self, sentence: str, ready: bool = True) -> None:
        """Show a sentence; the buttons work once there is a view."""
        self.label.setText(sentence)
        for button in (self.search, self.apply):
            button.setEnabled(ready)
        self.setVisible(bool(sentence))
