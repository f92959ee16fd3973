"""The gallery that belongs to a map: its directions on the explorer's sphere, its current row both ways."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from emviewer.engine.conventions import directions_from_angles
from emviewer.ui.panels.explorer_orientation import View, nearest_row
from emviewer.ui.panels.sphere import angles_of
from emviewer.ui.workspace import Document, Workspace


class GalleryLink:
    """Follows the newest result with angles that was made from a map.

    Parameters
    ----------
    workspace : Workspace
    on_directions : callable
        Called with the directions (n, 3) of the gallery when they change.
    on_view : callable
        Called with the view of a row that somebody else made current.
    """

    def __init__(
        self,
        workspace: Workspace,
        on_directions: Callable[[np.ndarray], None],
        on_view: Callable[[View], None],
    ) -> None:
        self.workspace = workspace
        self.gallery: Document | None = None
        self.rows = np.empty(0, np.int64)
        self.angles = np.empty((0, 3))
        self.directions = np.empty((0, 3))
        self._on_directions, self._on_view = on_directions, on_view
        self._ours = False

    def find(self, document: Document | None) -> None:
        """Look for the gallery of a map among the open documents."""
        self.gallery, self.rows, self.angles = None, np.empty(0, np.int64), np.empty((0, 3))
        for result in self.workspace.documents.values():
            angles = angles_of(result.table) if document is not None and result.parent == document.id else None
            if angles is not None and result.table is not None:
                self.gallery, self.rows = result, result.table.index.to_numpy(np.int64)
                self.angles = np.nan_to_num(angles)
        self.directions = directions_from_angles(self.angles[:, 0], self.angles[:, 1]).reshape(-1, 3)
        self._on_directions(self.directions)

    def row_changed(self, document_id: int) -> None:
        """Show the view of the gallery's current row, unless it is ours."""
        if self.gallery is None or document_id != self.gallery.id or self._ours:
            return
        row = self.workspace.row(self.gallery)
        found = np.flatnonzero(self.rows == row) if row is not None else []
        if len(found):
            rot, tilt, psi = (float(v) for v in self.angles[found[0]])
            self._on_view(View(rot if rot <= 180 else rot - 360, tilt, psi))

    def pick(self, index: int) -> None:
        """Make a row current, and turn to it."""
        if self.gallery is not None and 0 <= index < len(self.rows):
            self.workspace.set_row(self.gallery, int(self.rows[index]))

    def follow(self, direction: np.ndarray) -> None:
        """Make the row nearest to a direction current without being turned to it."""
        index = nearest_row(self.directions, direction)
        if self.gallery is not None and index >= 0:
            self._ours = True
            try:
                self.workspace.set_row(self.gallery, int(self.rows[index]))
            finally:
                self._ours = False
