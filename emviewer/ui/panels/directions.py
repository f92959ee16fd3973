"""Directions: where the images of a comparison look, on the sphere or the flat map, coloured by any score."""

from __future__ import annotations

from typing import Any

import numpy as np
from PySide6.QtCore import QSignalBlocker

from emviewer.ui import comparison
from emviewer.ui.panels.compare_rows import CompareRows
from emviewer.ui.panels.sphere import SpherePanel
from emviewer.ui.runner import Runner
from emviewer.ui.workspace import Document, Workspace

DEFAULT = ("outlier_score", "cc")


class DirectionsPanel(CompareRows, SpherePanel):
    """The sphere panel for comparisons: the whole sphere at once, coloured by the outlier score at first."""

    kind = "directions"
    heading = "Directions"

    def __init__(self, workspace: Workspace, runner: Runner, parent: Any = None) -> None:
        self._coloured = False
        super().__init__(workspace, runner, parent)
        self.flat_button.setChecked(True)
        self.view.direction_chosen.connect(self._tried)
        workspace.direction_shown.connect(self._shown_by_hand)

    @classmethod
    def accepts(cls, document: Document) -> bool:
        return comparison.of(document) is not None

    def show_document(self, document: Document | None) -> None:
        self._coloured = False
        super().show_document(document)

    def _show_directions(self) -> None:
        if not self._coloured:
            wanted = next((name for name in DEFAULT if self.colour_box.findData(name) >= 0), None)
            if wanted is not None:
                with QSignalBlocker(self.colour_box):
                    self.colour_box.setCurrentIndex(self.colour_box.findData(wanted))
                self._coloured = wanted == DEFAULT[0]
        super()._show_directions()

    def _tried(self, direction: np.ndarray) -> None:
        """Ask whoever shows the pictures to look along a direction: the marker was dragged, or the bare map clicked."""
        if self.document is not None:
            self.workspace.direction_tried.emit(self.document.id, direction)

    def _shown_by_hand(self, document_id: int, direction: np.ndarray | None) -> None:
        """Follow a view that is set by hand elsewhere, and return to that of the table."""
        if self.document is None or document_id != self.document.id:
            return
        if direction is None:
            self.feed.mark(self.workspace.row(self.document))
        else:
            self.view.set_current(direction)
