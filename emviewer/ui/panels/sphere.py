"""Sphere: the view directions of a table; a click makes a row current, and the current row is marked."""

from __future__ import annotations

from typing import Any

import numpy as np
from PySide6.QtCore import QSignalBlocker, Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QComboBox, QHBoxLayout, QLabel, QStackedLayout, QToolButton, QVBoxLayout, QWidget

from emviewer.engine.errors import EmviewerError
from emviewer.engine.symmetry import point_group
from emviewer.ui import columns
from emviewer.ui.facts import count_text
from emviewer.ui.latest import Throttle
from emviewer.ui.pages import dim_words
from emviewer.ui.panels.base import Panel
from emviewer.ui.runner import Runner
from emviewer.ui.sphere_feed import SphereFeed, angle_columns, angles_of
from emviewer.ui.sphere_view import SphereView
from emviewer.ui.workspace import Document, Workspace

__all__ = ["SpherePanel", "angles_of", "group_of"]

PLAIN = "none"
GROWING_MS = 200
"""A table that grows is taken in at most this often."""


class SpherePanel(Panel):
    """The directions of a gallery or of particles, linked with its tiles and its table by row."""

    kind = "sphere"
    heading = "Sphere"

    def __init__(self, workspace: Workspace, runner: Runner, parent: QWidget | None = None) -> None:
        super().__init__(workspace, runner, parent)
        self.view = SphereView()
        self.feed = SphereFeed(runner, id(self), self.view)
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
        self.listen(workspace.removed, lambda d: self.show_document(None) if d is self.document else None)
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
        self.empty = dim_words("No view directions here:\nopen a gallery, or a table with rot and tilt angles.")
        self._stack = QStackedLayout(self)
        self._stack.addWidget(self.empty)
        self._stack.addWidget(content)

    @classmethod
    def accepts(cls, document: Document) -> bool:
        return bool(angle_columns(document.table)) or (document.kind == "result" and document.streaming)

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
        table = None if document is None else document.table
        there = bool(angle_columns(table))
        self._stack.setCurrentIndex(1 if there else 0)
        if document is None or table is None or not there:
            self.feed.show(None, "", lambda: None)
            return
        self.view.set_group(group_of(document, self.workspace))
        chosen = self.colour_box.currentData() or PLAIN
        names = [PLAIN, *[str(c) for c in table.columns if table[c].dtype.kind in "iuf"]]
        if names != [self.colour_box.itemData(i) for i in range(self.colour_box.count())]:
            with QSignalBlocker(self.colour_box):
                self.colour_box.clear()
                for name in names:
                    self.colour_box.addItem(name if name == PLAIN else columns.title(name), name)
                self.colour_box.setCurrentIndex(max(0, self.colour_box.findData(chosen)))
        self._show_directions()

    def _show_directions(self) -> None:
        document = self.document
        if document is not None and document.table is not None:
            self.feed.show(document.table, self.colour_box.currentData() or PLAIN, self._taken)

    def _taken(self) -> None:
        if self.document is not None:
            self.count.setText(f"{count_text(len(self.feed.found.rows))} views")
            self._selection_changed(self.document.id)
            self._row_changed(self.document.id)

    def _picked(self, index: int, modifiers: Qt.KeyboardModifier) -> None:
        if self.document is None:
            return
        row = int(self.feed.found.rows.ids[index])
        if modifiers & (Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.ShiftModifier):
            self.workspace.select(self.document, np.setxor1d(self.workspace.selection(self.document), [row]))
        self.workspace.set_row(self.document, row)

    def _pointed(self, index: int) -> None:
        if index < 0:
            self.status.emit("")
        else:
            rot, tilt, psi = self.feed.found.angles[index]
            self.status.emit(
                f"#{self.feed.found.rows.ids[index] + 1}  rot {rot:.2f}°  tilt {tilt:.2f}°  psi {psi:.2f}°"
            )

    def _row_changed(self, document_id: int) -> None:
        if self.document is not None and document_id == self.document.id:
            self.feed.mark(self.workspace.row(self.document))

    def _selection_changed(self, document_id: int) -> None:
        if self.document is not None and document_id == self.document.id:
            self.feed.select(self.workspace.selection(self.document))

    def do_copy_picture(self) -> None:
        """Copy the sphere to the clipboard."""
        QGuiApplication.clipboard().setImage(self.view.grab().toImage())

    def state(self) -> dict[str, Any]:
        p = self.view.projection
        return {
            "flat": self.flat_button.isChecked(),
            "azimuth": p.azimuth,
            "elevation": p.elevation,
            "colour": self.colour_box.currentData(),
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
        self.colour_box.setCurrentIndex(max(0, self.colour_box.findData(state.get("colour", PLAIN))))
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
