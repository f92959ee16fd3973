"""The rules by which clicks and keys select rows, the same in gallery and table (and on paper: no widgets here)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QObject, Qt, Signal

from emviewer.ui.row_order import Ints, RowOrder
from emviewer.ui.workspace import Document, Workspace

_CTRL, _SHIFT = Qt.KeyboardModifier.ControlModifier, Qt.KeyboardModifier.ShiftModifier


class RowPicker(QObject):
    """Current row and selection of the shown document, kept in the workspace and looked up by position.

    Signals
    -------
    changed
        The selection or the current row changed, here or in another panel.
    current_moved : int
        The current row moved to this place (to be scrolled into view).
    """

    changed = Signal()
    current_moved = Signal(int)

    def __init__(self, workspace: Workspace, rows: RowOrder, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.workspace = workspace
        self.rows = rows
        self.document: Document | None = None
        self.selected = np.empty(0, bool)
        self.anchor: int | None = None
        self._before_band: Ints | None = None
        workspace.selection_changed.connect(self._on_selection)
        workspace.row_changed.connect(self._on_row)

    def set_document(self, document: Document | None) -> None:
        """Follow another document."""
        self.document = document
        self.anchor = None
        self.refresh()

    def refresh(self) -> None:
        """Look the selection up again (the document grew or changed)."""
        chosen = np.empty(0, np.int64) if self.document is None else self.workspace.selection(self.document)
        self.selected = self.rows.mask_of(chosen)
        self.changed.emit()

    @property
    def count(self) -> int:
        """Number of selected rows."""
        return 0 if self.document is None else len(self.workspace.selection(self.document))

    @property
    def current(self) -> int | None:
        """Place of the current row; None if there is none or it is not shown."""
        return None if self.document is None else self.rows.place_of(self.workspace.row(self.document))

    def is_selected(self, place: int) -> bool:
        """Return whether the row at a place is selected."""
        return bool(self.selected[self.rows.shown[place]])

    def selected_places(self) -> Ints:
        """Return the places of the selected rows that are shown, in their order on the screen."""
        return np.flatnonzero(self.selected[self.rows.shown])

    # what the user does ---------------------------------------------------------------------------------------------
    def click(self, place: int, modifiers: Qt.KeyboardModifier = Qt.KeyboardModifier.NoModifier) -> None:
        """Click: only this one; Ctrl: toggle it; Shift: from the last clicked to here (Ctrl+Shift: added)."""
        if modifiers & _SHIFT and self.anchor is not None and self.anchor < len(self.rows):
            run = self._run(self.anchor, place)
            self._select(np.union1d(self.selection(), run) if modifiers & _CTRL else run)
        elif modifiers & _CTRL:
            self.toggle(place)
            self.anchor = place
        else:
            self._select(np.array([self.rows.id_at(place)]))
            self.anchor = place
        self.make_current(place)

    def toggle(self, place: int) -> None:
        """Select the row if it is not, and the other way round."""
        self._select(np.setxor1d(self.selection(), [self.rows.id_at(place)]))

    def make_current(self, place: int) -> None:
        """Make the row at a place the current one, without selecting it."""
        if self.document is not None:
            self.workspace.set_row(self.document, self.rows.id_at(place))

    def step(self, place: int, modifiers: Qt.KeyboardModifier) -> None:
        """Move the current row by key: plain moves, Shift extends the selection from the anchor."""
        if modifiers & _SHIFT:
            if self.anchor is None:
                self.anchor = self.current if self.current is not None else place
            self._select(self._run(self.anchor, place))
        else:
            self.anchor = place
        self.make_current(place)

    def select_all(self) -> None:
        """Select every shown row."""
        self._select_mask(np.ones(len(self.rows.ids), bool))

    def invert(self) -> None:
        """Select the shown rows that are not selected, and no others."""
        self._select_mask(~self.selected)

    def clear(self) -> None:
        """Select nothing."""
        self._select(np.empty(0, np.int64))

    def select_above(self) -> None:
        """Select the current row and all before it in the present order."""
        if self.current is not None:
            self._select(self.rows.ids_at(slice(0, self.current + 1)))

    def select_below(self) -> None:
        """Select the current row and all after it in the present order."""
        if self.current is not None:
            self._select(self.rows.ids_at(slice(self.current, None)))

    def begin_band(self, modifiers: Qt.KeyboardModifier) -> None:
        """Begin a rubber band; with Ctrl or Shift it adds to the present selection."""
        keep = bool(modifiers & (_CTRL | _SHIFT))
        self._before_band = self.selection() if keep else np.empty(0, np.int64)

    def band(self, places: Ints) -> None:
        """Select what the rubber band touches now; kept off the undo stack until :meth:`end_band`."""
        if self._before_band is not None and self.document is not None:
            ids = np.union1d(self._before_band, self.rows.ids_at(places))
            self.workspace.select(self.document, ids, record=False)

    def end_band(self, selection_at_press: Ints) -> None:
        """End the rubber band; the whole gesture is one step for undo, from what was selected when it began."""
        self._before_band = None
        now = self.selection()
        if self.document is not None and not np.array_equal(selection_at_press, now):
            self.workspace.selection_edited.emit(self.document, selection_at_press, now)

    # workspace ------------------------------------------------------------------------------------------------------
    def selection(self) -> Ints:
        """Return the selected row ids."""
        return np.empty(0, np.int64) if self.document is None else self.workspace.selection(self.document)

    def _run(self, a: int, b: int) -> Ints:
        return self.rows.ids_at(slice(min(a, b), max(a, b) + 1))

    def _select_mask(self, mask: NDArray[np.bool_]) -> None:
        """Select the shown rows among the positions where ``mask`` is true; a million need no sorting this way."""
        if self.rows.mask is not None:
            mask = mask & self.rows.mask
        if self.document is not None:
            self.workspace.select(self.document, self.rows.ids[mask])

    def _select(self, ids: NDArray[np.int64]) -> None:
        if self.document is not None:
            self.workspace.select(self.document, np.sort(ids))  # sorted ones it need not search for doubles

    def _on_selection(self, document_id: object) -> None:
        if self.document is not None and document_id == self.document.id:
            self.refresh()

    def _on_row(self, document_id: object) -> None:
        if self.document is not None and document_id == self.document.id:
            self.changed.emit()
            place = self.current
            if place is not None:
                self.current_moved.emit(place)
