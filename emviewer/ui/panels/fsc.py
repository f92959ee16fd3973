"""Fourier shell correlation of maps: before and after alignment, masked, corrected, and its thresholds."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from PySide6.QtCore import QSignalBlocker, Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QComboBox, QLabel, QSizePolicy, QStackedLayout, QToolButton, QVBoxLayout, QWidget

from emviewer.engine.fsc import crossing
from emviewer.ui import results_align
from emviewer.ui.flow_layout import FlowLayout
from emviewer.ui.panels.base import Panel
from emviewer.ui.panels.fsc_plot import FscPlot, Line
from emviewer.ui.results_align import Alignment
from emviewer.ui.runner import Runner
from emviewer.ui.workspace import Document, Workspace

BETWEEN = "Between maps, not gold standard"
CURVES = (
    ("fsc_before", "before", "#8b94a3", "#8892a0", 1.2, Qt.PenStyle.SolidLine),
    ("fsc_after", "after, unmasked", "#1f5fbf", "#6aa5ff", 1.6, Qt.PenStyle.SolidLine),
    ("fsc", "unmasked", "#1f5fbf", "#6aa5ff", 1.6, Qt.PenStyle.SolidLine),
    ("fsc_masked", "masked", "#c05a00", "#ff9d4d", 1.4, Qt.PenStyle.DashLine),
    ("fsc_corrected", "corrected for the mask", "#12805c", "#4cd2a0", 2.2, Qt.PenStyle.SolidLine),
    ("fsc_ceiling", "ceiling from half maps", "#7a4fbf", "#b79cff", 1.2, Qt.PenStyle.DotLine),
    ("ceiling", "ceiling from half maps", "#7a4fbf", "#b79cff", 1.2, Qt.PenStyle.DotLine),
    ("half_bit", "half-bit", "#a08a00", "#d8c24a", 1.1, Qt.PenStyle.DashDotLine),
)
BEST = ("fsc_corrected", "fsc_after", "fsc")
"""The curve that is held against thresholds: the first of these that there is."""


class FscPanel(Panel):
    """Curves with a cursor; the crossings of the best curve in words."""

    kind = "fsc"
    heading = "FSC"

    def __init__(self, workspace: Workspace, runner: Runner, parent: QWidget | None = None) -> None:
        super().__init__(workspace, runner, parent)
        self.plot = FscPlot()
        self.plot.title = BETWEEN
        self.plot.pointed.connect(self.status)
        self.maps = QComboBox()
        self.maps.setAccessibleName("Map shown")
        self.maps.activated.connect(lambda _: self._choose(str(self.maps.currentData())))
        self.badges = [QLabel() for _ in range(3)]
        self.copy = QToolButton()
        self.copy.setText("Copy table")
        self.copy.setToolTip("Copy the curves as a table")
        self.copy.clicked.connect(self.do_copy)
        strip = QWidget()
        strip.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Minimum)
        row = FlowLayout(strip)
        row.setContentsMargins(6, 4, 6, 4)
        row.addWidget(self.maps)
        for badge in self.badges:
            badge.setProperty("badge", "info")
            row.addWidget(badge)
        row.addWidget(self.copy)
        content = QWidget()
        column = QVBoxLayout(content)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(strip)
        column.addWidget(self.plot, 1)
        self.empty = QLabel("Align maps, or correlate two,\nto see how far in resolution they agree.")
        self.empty.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self._stack = QStackedLayout(self)
        self._stack.addWidget(self.empty)
        self._stack.addWidget(content)
        workspace.changed.connect(lambda d: self.refresh() if d is self.document else None)
        self.refresh()

    @classmethod
    def accepts(cls, document: Document) -> bool:
        found = results_align.of(document)
        return found is not None and any(each.curves is not None for each in found.maps.values())

    @property
    def alignment(self) -> Alignment | None:
        """The alignment of the document."""
        return results_align.of(self.document)

    @property
    def curves(self) -> pd.DataFrame | None:
        """The curves of the map shown."""
        each = None if self.alignment is None else self.alignment.current
        return None if each is None else each.curves

    def show_document(self, document: Document | None) -> None:
        super().show_document(document if document is not None and self.accepts(document) else None)
        self.refresh()

    def _choose(self, name: str) -> None:
        if self.alignment is not None and self.document is not None:
            self.alignment.shown = name
            self.workspace.touch(self.document)

    def refresh(self) -> None:
        """Show what the document holds now."""
        found = self.alignment
        self._stack.setCurrentIndex(0 if found is None else 1)
        names = [] if found is None else list(found.maps)
        self.maps.setVisible(len(names) > 1)
        with QSignalBlocker(self.maps):
            if names != [self.maps.itemData(i) for i in range(self.maps.count())]:
                self.maps.clear()
                for name in names:
                    self.maps.addItem(name, name)
            if found is not None:
                self.maps.setCurrentIndex(self.maps.findData(found.shown))
        table = self.curves
        self.plot.message = "This map has no curves yet."
        self.plot.show_lines(*lines_of(table))
        self._show_crossings(table)

    def _show_crossings(self, table: pd.DataFrame | None) -> None:
        found = crossings(table)
        self.plot.marks = [(1 / a, f"{name}: {a:.2f} Å") for name, a in found.items() if a and name != "half-bit"]
        for badge, (name, a) in zip(self.badges, found.items(), strict=False):
            badge.setText(f"{name}  {a:.2f} Å" if a else f"{name}  no crossing")
        for k, badge in enumerate(self.badges):
            badge.setVisible(k < len(found))

    def do_copy(self) -> None:
        """Copy the curves."""
        if self.curves is not None:
            QGuiApplication.clipboard().setText(self.curves.to_csv(sep="\t", index=False))

    def do_copy_picture(self) -> None:
        """Copy what is shown to the clipboard."""
        QGuiApplication.clipboard().setImage(self.plot.grab().toImage())

    def picture_widget(self) -> QWidget:
        """Return what a picture of the panel shows."""
        return self.plot

    def state(self) -> dict[str, Any]:
        return {"map": "" if self.alignment is None else self.alignment.shown}

    def restore(self, state: dict[str, Any]) -> None:
        if self.alignment is not None and state.get("map") in self.alignment.maps:
            self._choose(str(state["map"]))


def lines_of(table: pd.DataFrame | None) -> tuple[np.ndarray, list[Line]]:
    """Return the frequencies of a table of curves, and the curves that hold anything."""
    if table is None or "frequency_inv_A" not in table:
        return np.empty(0), []
    lines = []
    for column, name, light, dark, width, style in CURVES:
        if column in table and table[column].notna().any():
            lines.append(Line(name, table[column].to_numpy(np.float64), light, dark, width, style))
    return table["frequency_inv_A"].to_numpy(np.float64), lines


def crossings(table: pd.DataFrame | None) -> dict[str, float | None]:
    """Return where the best curve first falls below each threshold, in Å (None: never)."""
    best = next((n for n in BEST if table is not None and n in table and table[n].notna().any()), None)
    if table is None or best is None:
        return {}
    known = table[table[best].notna() & (table["frequency_inv_A"] > 0)]
    frequency, values = known["frequency_inv_A"].to_numpy(float), known[best].to_numpy(float)
    out = {"0.5": crossing(frequency, values, 0.5), "0.143": crossing(frequency, values, 0.143)}
    if "half_bit" in known:
        out["half-bit"] = crossing(frequency, values, known["half_bit"].to_numpy(float))
    return out
