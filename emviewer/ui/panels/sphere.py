"""Sphere: the view directions of a table; a click makes a row current, and the current row is marked."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from PySide6.QtCore import QSignalBlocker, Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QComboBox, QHBoxLayout, QLabel, QStackedLayout, QToolButton, QVBoxLayout, QWidget

from emviewer.engine.conventions import directions_from_angles
from emviewer.engine.errors import EmviewerError
from emviewer.engine.symmetry import point_group
from emviewer.ui.facts import count_text
from emviewer.ui.latest import Throttle
from emviewer.ui.panels.base import Panel
from emviewer.ui.runner import Runner
from emviewer.ui.sphere_view import SphereView
from emviewer.ui.workspace import Document, Workspace

ANGLES = (("rot_deg", "tilt_deg", "psi_deg"), ("rlnAngleRot", "rlnAngleTilt", "rlnAnglePsi"))
PLAIN = "none"
GROWING_MS = 200
"""A table that grows is taken in at most this often."""


def angles_of(table: pd.DataFrame | None) -> np.ndarray | None:
    """Return rot, tilt, psi in degrees, float64 (n, 3), of a table that has them (psi 0 if it has none), or None."""
    if table is None:
        return None
    for rot, tilt, psi in ANGLES:
        if rot in table and tilt in table:
            columns = [pd.to_numeric(table[c], errors="coerce") if c in table else None for c in (rot, tilt, psi)]
            return np.column_stack([np.zeros(len(table)) if c is None else c.to_numpy(float) for c in columns])
    return None


class SpherePanel(Panel):
    """The directions of a gallery or of particles, linked with its tiles and its table by row."""

    kind = "sphere"
    heading = "Sphere"

    def __init__(self, workspace: Workspace, runner: Runner, parent: QWidget | None = None) -> None:
        super().__init__(workspace, runner, parent)
        self.view = SphereView()
        self.rows = np.empty(0, np.int64)
        self.angles = np.empty((0, 3))
        self.colour_box = QComboBox()
        self.colour_box.setAccessibleName("Colour the directions by")
        self.colour_box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToContents)
        self.flat_button = QToolButton()
        self.flat_button.setText("Flat map")
        self.flat_button.setToolTip("The whole sphere as an equal-area map (Mollweide)")
        self.flat_button.setCheckable(True)
        self.count = QLabel()
        self._build()
        self.flat_button.toggled.connect(self.view.set_mollweide)
        self.colour_box.activated.connect(lambda _: self._show_directions())
        self.view.picked.connect(self._picked)
        self.view.pointed.connect(self._pointed)
        self._growing = Throttle(self._reload, GROWING_MS, self)
        workspace.changed.connect(self._document_changed)
        workspace.removed.connect(lambda d: self.show_document(None) if d is self.document else None)
        workspace.row_changed.connect(self._row_changed)
        workspace.selection_changed.connect(self._selection_changed)
        self.show_document(None)

    def _build(self) -> None:
        self.setFocusProxy(self.view)
        content = QWidget()
        column = QVBoxLayout(content)
        column.setContentsMargins(4, 4, 4, 4)
        column.addWidget(self.view, 1)
        strip = QHBoxLayout()
        strip.addWidget(QLabel("Colour"))
        strip.addWidget(self.colour_box, 1)
        strip.addWidget(self.flat_button)
        strip.addWidget(self.count)
        column.addLayout(strip)
        self.empty = QLabel("No view directions here:\nopen a gallery, or a table with rot and tilt angles.")
        self.empty.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.empty.setWordWrap(True)
        self._stack = QStackedLayout(self)
        self._stack.addWidget(self.empty)
        self._stack.addWidget(content)

    @classmethod
    def accepts(cls, document: Document) -> bool:
        return angles_of(document.table) is not None or (document.kind == "result" and document.streaming)

    def show_document(self, document: Document | None) -> None:
        if document is not None and not self.accepts(document):
            document = None
        super().show_document(document)
        self._reload()

    def _document_changed(self, document: Document) -> None:
        if document is self.document:
            if document.streaming:
                self._growing.ask()
            else:
                self._reload()

    def _reload(self) -> None:
        document = self.document
        angles = None if document is None else angles_of(document.table)
        self._stack.setCurrentIndex(0 if angles is None else 1)
        if document is None or angles is None:
            self.rows, self.angles = np.empty(0, np.int64), np.empty((0, 3))
            self.view.set_directions(np.empty((0, 3)))
            return
        assert document.table is not None
        self.rows, self.angles = document.table.index.to_numpy(np.int64), angles
        self.view.set_group(group_of(document, self.workspace))
        chosen = self.colour_box.currentText() or PLAIN
        names = [PLAIN, *[c for c in document.table.columns if pd.api.types.is_numeric_dtype(document.table[c])]]
        if names != [self.colour_box.itemText(i) for i in range(self.colour_box.count())]:
            with QSignalBlocker(self.colour_box):
                self.colour_box.clear()
                self.colour_box.addItems(names)
                self.colour_box.setCurrentText(chosen if chosen in names else PLAIN)
        self._show_directions()
        self._selection_changed(document.id)
        self._row_changed(document.id)

    def _show_directions(self) -> None:
        document = self.document
        if document is None or document.table is None:
            return
        by = self.colour_box.currentText()
        values = document.table[by].to_numpy(float) if by in document.table else None
        self.view.set_directions(
            np.nan_to_num(directions_from_angles(self.angles[:, 0], self.angles[:, 1])).reshape(-1, 3), values
        )
        self.count.setText(f"{count_text(len(self.rows))} views")

    def _picked(self, index: int, modifiers: Qt.KeyboardModifier) -> None:
        if self.document is None:
            return
        row = int(self.rows[index])
        if modifiers & (Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.ShiftModifier):
            self.workspace.select(self.document, np.setxor1d(self.workspace.selection(self.document), [row]))
        self.workspace.set_row(self.document, row)

    def _pointed(self, index: int) -> None:
        if index < 0:
            self.status.emit("")
        else:
            rot, tilt, psi = self.angles[index]
            self.status.emit(f"#{self.rows[index]}  rot {rot:.2f}°  tilt {tilt:.2f}°  psi {psi:.2f}°")

    def _row_changed(self, document_id: int) -> None:
        if self.document is None or document_id != self.document.id:
            return
        row = self.workspace.row(self.document)
        found = np.flatnonzero(self.rows == row) if row is not None else []
        self.view.set_current(self.view.directions[found[0]] if len(found) else None)

    def _selection_changed(self, document_id: int) -> None:
        if self.document is not None and document_id == self.document.id:
            self.view.set_selected(np.flatnonzero(np.isin(self.rows, self.workspace.selection(self.document))))

    def do_copy_picture(self) -> None:
        """Copy the sphere to the clipboard."""
        QGuiApplication.clipboard().setImage(self.view.grab().toImage())

    def state(self) -> dict[str, Any]:
        p = self.view.projection
        return {
            "flat": self.flat_button.isChecked(),
            "azimuth": p.azimuth,
            "elevation": p.elevation,
            "colour": self.colour_box.currentText(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        self.flat_button.setChecked(bool(state.get("flat", False)))
        azimuth, elevation = (
            np.radians(float(state.get("azimuth", 30.0))),
            np.radians(float(state.get("elevation", 25))),
        )
        self.view.look_from(
            np.array([np.cos(elevation) * np.cos(azimuth), np.cos(elevation) * np.sin(azimuth), np.sin(elevation)])
        )
        self.colour_box.setCurrentText(str(state.get("colour", PLAIN)))
        self._show_directions()


def group_of(document: Document, workspace: Workspace) -> Any:
    """Return the point group of a result (its job), or of the map it was made from; None if unknown."""
    parent = workspace.documents.get(document.parent) if document.parent is not None else None
    name = document.info.get("_parameters", {}).get("sym")
    if not name and parent is not None and parent.volume is not None:
        name = parent.volume.symmetry
    try:
        return point_group(str(name)) if name else None
    except EmviewerError:
        return None
