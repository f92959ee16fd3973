"""What is open, what is current and what is selected. Decides nothing about pixels; knows no threads."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PySide6.QtCore import QObject, Signal

from emviewer.engine.types import ImageStack, Map3D

if TYPE_CHECKING:
    import pandas as pd

ROWS = {"train-distance": "points of the loss curve"}
"""What the rows of a result are where they are no images, by its job."""
_ids = itertools.count(1)


@dataclass(eq=False)
class Document:
    """One open thing.

    Parameters
    ----------
    kind : str
        ``map``, ``images``, ``result``.
    title : str
        Shown in the tree.
    path : Path or None
        Where it is on disk.
    volume : Map3D or None
        For maps.
    stack : ImageStack or None
        For images and results that have images; grows while a job streams.
    table : DataFrame or None
        Columns by row id (index); for galleries ``rot_deg, tilt_deg, psi_deg`` and RELION's columns.
    info : dict
        Lines of the information box; ``info["job"]`` names the job of a result.
    parent : int or None
        Id of the document it was made from.
    """

    kind: str
    title: str
    path: Path | None = None
    volume: Map3D | None = None
    stack: ImageStack | None = None
    table: pd.DataFrame | None = None
    info: dict[str, Any] = field(default_factory=dict)
    parent: int | None = None
    streaming: bool = False
    id: int = field(default_factory=_ids.__next__)

    @property
    def n_rows(self) -> int:
        """Rows that can be selected: those of the table, else the images."""
        if self.table is not None:
            return len(self.table)
        return 0 if self.stack is None else len(self.stack)

    @property
    def rows_are(self) -> str:
        """What the rows are, in the plural."""
        return ROWS.get(str(self.info.get("job")), "images")

    @property
    def row_ids(self) -> np.ndarray:
        """All row ids, int64, in the order of the table."""
        if self.table is not None:
            return self.table.index.to_numpy(np.int64)
        return np.arange(self.n_rows, dtype=np.int64)


class Workspace(QObject):
    """The documents, the current one, the current row and the selected rows of each.

    Signals
    -------
    added, removed, changed, current_changed : Document (``current_changed`` may carry None)
    selection_changed, row_changed : int, the document's id
    selection_edited : Document, rows before, rows after; the undo stack listens
    order_changed : int, the document's id; a table of scores was sorted, N and P follow
    direction_tried : int, ndarray; the document's id and a direction from which a person wants to look at its row
    direction_shown : int, ndarray or None; the direction of a view set by hand, None when it was taken back
    edited : str, callable, callable; what a person did in words, how to do it again and how to undo it
    """

    added = Signal(object)
    removed = Signal(object)
    changed = Signal(object)
    current_changed = Signal(object)
    selection_changed = Signal(object)
    row_changed = Signal(object)
    selection_edited = Signal(object, object, object)
    order_changed = Signal(object)
    direction_tried = Signal(object, object)
    direction_shown = Signal(object, object)
    edited = Signal(str, object, object)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.documents: dict[int, Document] = {}
        self.current: Document | None = None
        self._selection: dict[int, np.ndarray] = {}
        self._row: dict[int, int | None] = {}

    def add(self, document: Document, make_current: bool = True) -> Document:
        """Add a document and, unless told otherwise, make it current."""
        self.documents[document.id] = document
        self.added.emit(document)
        if make_current:
            self.set_current(document)
        return document

    def remove(self, document: Document) -> None:
        """Close a document (never touches its file)."""
        if self.documents.pop(document.id, None) is None:
            return
        self._selection.pop(document.id, None)
        self._row.pop(document.id, None)
        if self.current is document:
            self.set_current(next(reversed(self.documents.values()), None))
        self.removed.emit(document)

    def touch(self, document: Document) -> None:
        """Say that a document's contents grew or changed."""
        if document.id in self.documents:
            self.changed.emit(document)

    def set_current(self, document: Document | None) -> None:
        """Make a document the one that panels without a choice of their own show."""
        if document is not self.current:
            self.current = document
            self.current_changed.emit(document)

    def selection(self, document: Document) -> np.ndarray:
        """Return the selected row ids, sorted, int64."""
        return self._selection.get(document.id, np.empty(0, np.int64))

    def select(self, document: Document, rows: Any, *, record: bool = True) -> None:
        """Replace the selection by these row ids (never row numbers); ``record=False`` keeps it off the undo stack."""
        new = np.array(rows, dtype=np.int64).ravel()
        if len(new) > 1 and not (np.diff(new) > 0).all():  # "all" of a million rows is in order; unique takes 0.3 s
            new = np.unique(new)
        old = self.selection(document)
        if np.array_equal(new, old):
            return
        self._selection[document.id] = new
        if record:
            self.selection_edited.emit(document, old, new)
        self.selection_changed.emit(document.id)

    def row(self, document: Document) -> int | None:
        """Return the current row id of a document."""
        return self._row.get(document.id)

    def set_row(self, document: Document, row: int | None) -> None:
        """Make one row the current one; linked panels follow."""
        if self._row.get(document.id) != row:
            self._row[document.id] = row
            self.row_changed.emit(document.id)
