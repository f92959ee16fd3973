"""Fourier shell correlation of maps: before and after alignment, masked, corrected, and its thresholds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PySide6.QtCore import QSignalBlocker, Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import (
    QComboBox,
    QDoubleSpinBox,
    QFileDialog,
    QLabel,
    QMenu,
    QSizePolicy,
    QStackedLayout,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from emviewer.engine.fsc import crossing
from emviewer.ui import results_align
from emviewer.ui.flow_layout import FlowLayout
from emviewer.ui.panels.base import Panel
from emviewer.ui.panels.fsc_masks import AS_FOUND, AUTOMATIC, NONE, correlate_within
from emviewer.ui.panels.fsc_plot import FscPlot, Line
from emviewer.ui.panels.shell import ask_and_write_report
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
        self.badges = [QLabel() for _ in range(4)]
        self.mask = AS_FOUND
        self._masked: dict[tuple[str, str], pd.DataFrame] = {}
        self._asked: tuple[str, str] | None = None
        self._build_choices()
        self.said = QLabel()
        self.said.setProperty("role", "dim")
        self.copy = _tool("Copy table", "Copy the curves as a table")
        self.copy.clicked.connect(self.do_copy)
        self.report = _tool("Report…", "Write the report of the result")
        self.report.clicked.connect(lambda: ask_and_write_report(self, results_align.report_spec(self.alignment)))
        strip = QWidget()
        strip.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Minimum)
        row = FlowLayout(strip)
        row.setContentsMargins(6, 4, 6, 4)
        row.addWidget(self.maps)
        row.addWidget(self.mask_button)
        row.addWidget(QLabel("Threshold"))
        row.addWidget(self.level)
        for badge in self.badges:
            badge.setProperty("badge", "info")
            row.addWidget(badge)
        row.addWidget(self.copy)
        row.addWidget(self.report)
        row.addWidget(self.said)
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
        self.listen(workspace.changed, lambda d: self.refresh() if d is self.document else None)
        self.refresh()

    def _build_choices(self) -> None:
        """Make what chooses the mask and a further threshold."""
        self.mask_button = _tool("Mask", "Correlate within another mask; the result on disk stays as it is")
        self.mask_button.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        menu = QMenu(self)
        self.mask_actions = {
            name: menu.addAction(words, lambda n=name: self.set_mask(n))
            for name, words in ((AS_FOUND, "As the job"), (NONE, "No mask"), (AUTOMATIC, "Around both densities"))
        }
        menu.addSeparator()
        menu.addAction("Choose a file…", self._choose_mask)
        self.mask_button.setMenu(menu)
        self.level = QDoubleSpinBox()
        self.level.setRange(0.0, 1.0)
        self.level.setDecimals(3)
        self.level.setSingleStep(0.05)
        self.level.setSpecialValueText("none")
        self.level.setKeyboardTracking(False)
        self.level.setAccessibleName("Further threshold")
        self.level.setToolTip("A further threshold: drawn as a line, and its crossing said")
        self.level.valueChanged.connect(lambda _: self.refresh())

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
        """The curves of the map shown, within the mask chosen."""
        each = None if self.alignment is None else self.alignment.current
        if each is None:
            return None
        return self._masked.get((each.name, self.mask), each.curves)

    def show_document(self, document: Document | None) -> None:
        if document is not self.document:
            self.runner.drop_views(id(self))  # its maps may have the names of the next document's
            self._masked.clear()
            self.mask, self._asked = AS_FOUND, None
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
        self._show_mask()
        table = self.curves
        self.plot.levels = tuple(sorted({0.143, 0.5} | ({self.level.value()} - {0.0})))
        self.plot.message = "This map has no curves yet."
        self.plot.show_lines(*lines_of(table))
        self._show_crossings(table)

    def _show_crossings(self, table: pd.DataFrame | None) -> None:
        found = crossings(table, self.level.value())
        self.plot.marks = [(1 / a, f"{name}: {a:.2f} Å") for name, a in found.items() if a and name != "half-bit"]
        for badge, (name, a) in zip(self.badges, found.items(), strict=False):
            badge.setText(f"{name}  {a:.2f} Å" if a else f"{name}  no crossing")
        for k, badge in enumerate(self.badges):
            badge.setVisible(k < len(found))

    # masks ----------------------------------------------------------------------------------------------------------
    def _choose_mask(self) -> None:
        folder = str(self.alignment.reference.parent) if self.alignment and self.alignment.reference else ""
        name, _ = QFileDialog.getOpenFileName(self, "Choose a mask", folder, "Maps (*.mrc *.map *.ccp4 *.gz)")
        if name:
            self.set_mask(name)

    def set_mask(self, mask: str) -> None:
        """Correlate within a mask: that of the job, ``none``, ``automatic``, or a file."""
        self.mask = mask
        self._asked = None
        self.refresh()

    def _show_mask(self) -> None:
        """Say which mask it is, and compute the curves within it if they are not there."""
        each = None if self.alignment is None else self.alignment.current
        words = {AS_FOUND: "as the job", NONE: "none", AUTOMATIC: "around both"}
        self.mask_button.setText(f"Mask: {words.get(self.mask, Path(self.mask).name)} ▾")
        reference = None if self.alignment is None else self.alignment.reference
        ready = each is not None and each.aligned is not None and reference is not None and each.curves is not None
        self.mask_button.setEnabled(ready)
        if each is None or self.mask == AS_FOUND or not ready or (each.name, self.mask) in self._masked:
            self.said.setText("")
            return
        key = (each.name, self.mask)
        if self._asked == key:
            return
        self._asked = key
        self.said.setText("Correlating…")
        given = (reference, each.aligned, self.mask, each.curves, self.alignment.told)
        self.runner.view(
            (id(self), "mask"),
            lambda check: correlate_within(*given, check),
            lambda table: self._got(key, table),
            fail=self._failed,
            slow=True,
        )

    def _got(self, key: tuple[str, str], table: pd.DataFrame) -> None:
        self._masked[key] = table
        self.refresh()

    def _failed(self, error: Exception) -> None:
        self.mask, self._asked = AS_FOUND, None
        self.refresh()
        self.said.setText(str(error))

    def figure_spec(self) -> dict[str, Any] | None:
        table, found = self.curves, self.alignment
        if table is None or found is None:
            return None
        given = found.parameters.get("reference") or found.parameters.get("first") or found.reference
        spec: dict[str, Any] = {
            "kind": "fsc",
            "title": f"{found.shown} and {Path(str(given)).stem}",
            "thresholds": list(self.plot.levels),
        }
        file = results_align.curves_file(found)
        if file is not None and self.mask == AS_FOUND:
            return spec | {"curves": str(file)}
        numbers = table.astype(object).where(table.notna(), None)
        return spec | {"values": {str(name): numbers[name].tolist() for name in numbers}}

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
        return {"map": "" if self.alignment is None else self.alignment.shown, "threshold": self.level.value(),
                "mask": self.mask}  # fmt: skip

    def restore(self, state: dict[str, Any]) -> None:
        self.level.setValue(float(state.get("threshold", self.level.value())))
        if self.alignment is not None and state.get("map") in self.alignment.maps:
            self._choose(str(state["map"]))
        if state.get("mask"):
            self.set_mask(str(state["mask"]))


def lines_of(table: pd.DataFrame | None) -> tuple[np.ndarray, list[Line]]:
    """Return the frequencies of a table of curves, and the curves that hold anything."""
    if table is None or "frequency_inv_A" not in table:
        return np.empty(0), []
    lines = []
    for column, name, light, dark, width, style in CURVES:
        if column in table and table[column].notna().any():
            lines.append(Line(name, table[column].to_numpy(np.float64), light, dark, width, style))
    return table["frequency_inv_A"].to_numpy(np.float64), lines


def crossings(table: pd.DataFrame | None, further: float = 0.0) -> dict[str, float | None]:
    """Return where the best curve first falls below each threshold, in Å (None: never); 0 is no further threshold."""
    best = next((n for n in BEST if table is not None and n in table and table[n].notna().any()), None)
    if table is None or best is None:
        return {}
    known = table[table[best].notna() & (table["frequency_inv_A"] > 0)]
    frequency, values = known["frequency_inv_A"].to_numpy(float), known[best].to_numpy(float)
    levels = [0.5, 0.143, *([further] if further > 0 and further not in (0.5, 0.143) else [])]
    out = {f"{level:g}": crossing(frequency, values, level) for level in levels}
    if "half_bit" in known:
        out["half-bit"] = crossing(frequency, values, known["half_bit"].to_numpy(float))
    return out


def _tool(text: str, tip: str) -> QToolButton:
    button = QToolButton()
    button.setText(text)
    button.setToolTip(tip)
    return button
