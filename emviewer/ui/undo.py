"""Undo of what a person did: selections, tags, orientations set by hand."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
from PySide6.QtGui import QUndoCommand, QUndoStack

from emviewer.ui.workspace import Document, Workspace

MERGE_S = 0.4
"""Changes that follow each other as fast as this are one step (a rubber band being drawn)."""


class SelectionCommand(QUndoCommand):
    """One change of a selection."""

    def __init__(self, workspace: Workspace, document: Document, old: np.ndarray, new: np.ndarray) -> None:
        super().__init__(f"select {len(new)} of {document.title}")
        self.workspace, self.document, self.old, self.new = workspace, document, old, new
        self.when = time.monotonic()

    def id(self) -> int:
        """Commands of one kind may merge."""
        return 1

    def mergeWith(self, other: QUndoCommand) -> bool:
        """Take in a change that followed at once."""
        if not isinstance(other, SelectionCommand) or other.document is not self.document:
            return False
        if other.when - self.when > MERGE_S:
            return False
        self.new, self.when = other.new, other.when
        self.setText(other.text())
        return True

    def redo(self) -> None:
        """Select the new rows (the first time they are selected already)."""
        self.workspace.select(self.document, self.new, record=False)

    def undo(self) -> None:
        """Select the old rows again."""
        self.workspace.select(self.document, self.old, record=False)


class Edit(QUndoCommand):
    """Anything else that a person did: two callables that do it and undo it; doing it twice does it once."""

    def __init__(self, text: str, do: Callable[[], None], undo: Callable[[], None]) -> None:
        super().__init__(text)
        self._do, self._undo = do, undo

    def redo(self) -> None:
        """Do it."""
        self._do()

    def undo(self) -> None:
        """Undo it."""
        self._undo()


class History(QUndoStack):
    """The undo stack that listens to the workspace."""

    def __init__(self, workspace: Workspace) -> None:
        super().__init__(workspace)
        self.setUndoLimit(200)
        workspace.selection_edited.connect(
            lambda document, old, new: self.push(SelectionCommand(workspace, document, old, new))
        )
        workspace.edited.connect(lambda text, do, undo: self.push(Edit(text, do, undo)))
        workspace.removed.connect(lambda document: self.clear())
