"""The line that answers the question: does this map explain these images? And the map that is shown."""

from __future__ import annotations

from PySide6.QtCore import QSignalBlocker, Signal
from PySide6.QtWidgets import QComboBox, QFrame, QLabel, QSizePolicy, QWidget

from emviewer.ui.comparison import HAND, Comparison
from emviewer.ui.flow_layout import FlowLayout

MARKS = {"good": "✓", "warn": "!", "info": ""}


class Verdict(QFrame):
    """Badges, each in words and colour, and the choice of the map shown.

    Signals
    -------
    map_wanted : str
    """

    map_wanted = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("verdict")
        self.badges: list[QLabel] = []
        self.maps = QComboBox()
        self.maps.setAccessibleName("Map shown")
        self.maps.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToContents)
        self.maps.setToolTip("Which map's reprojections and scores are shown")
        self.maps.activated.connect(lambda _: self.map_wanted.emit(self.maps.currentData()))
        self.row = FlowLayout(self, line_gap=3)
        self.row.setContentsMargins(8, 3, 8, 3)
        self.row.addWidget(self.maps)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Minimum)

    def show_comparison(self, comparison: Comparison | None, streaming: bool) -> None:
        """Write what is known now."""
        said = [] if comparison is None else comparison.verdict()
        if comparison is not None and streaming:
            said = [("info", f"comparing with {comparison.maps[-1]}…" if comparison.maps else "comparing…"), *said]
        texts = [(level, f"{MARKS[level]} {text}") for level, text in said if level != "info"]
        plain = [text for level, text in said if level == "info"]
        if comparison is not None:  # one badge for what is neither good nor bad: lines are dear on a small screen
            texts.append(("info", " · ".join([*plain, "hand undetermined"])))
        while len(self.badges) < len(texts):
            badge = QLabel()
            badge.setProperty("badge", "info")
            self.badges.append(badge)
            self.row.addWidget(badge)
        for i, badge in enumerate(self.badges):
            badge.setVisible(i < len(texts))
            if i < len(texts) and (badge.text(), badge.property("badge")) != (texts[i][1], texts[i][0]):
                badge.setText(texts[i][1])
                badge.setProperty("badge", texts[i][0])
                badge.style().unpolish(badge)
                badge.style().polish(badge)
                badge.setToolTip(HAND if "hand" in texts[i][1] else "")
        self._show_maps(comparison)

    def _show_maps(self, comparison: Comparison | None) -> None:
        names = [] if comparison is None else comparison.maps
        self.maps.setVisible(len(names) > 1)
        best = "" if comparison is None else comparison.summary.get("best_map", "")
        if names != [self.maps.itemData(i) for i in range(self.maps.count())] or best != self.maps.property("best"):
            with QSignalBlocker(self.maps):
                self.maps.clear()
                for name in names:
                    self.maps.addItem(f"{name}  (best)" if name == best else name, name)
            self.maps.setProperty("best", best)
        if comparison is not None:
            self.maps.setCurrentIndex(self.maps.findData(comparison.shown))
