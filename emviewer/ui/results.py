"""A result that grows while its job runs, and settles in its folder when the job has ended."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PySide6.QtCore import QTimer

from emviewer.engine.errors import FileError
from emviewer.engine.task import Batch
from emviewer.engine.types import F32, ImageStack
from emviewer.ui.facts import count_text
from emviewer.ui.opening import read_document
from emviewer.ui.runner import JobHandle, Runner
from emviewer.ui.workspace import Document, Workspace

PUBLISH_MS = 80
"""A growing document changes this often: panels look alive, and the window has time left for the mouse."""


class ResultStream:
    """Turns the batches of a job into a document.

    Parameters
    ----------
    document : Document
        A result document that is not in the workspace yet; it enters with the first rows.
    workspace, runner
        Where it goes, and who reads its files.
    out : path
        The final folder.
    opened : callable
        Called with the document when it has entered the workspace (the window opens its panels).
    """

    def __init__(self, document: Document, workspace: Workspace, runner: Runner, out: Path, opened: Any) -> None:
        self.document, self.workspace, self.runner, self.out = document, workspace, runner, out
        self._opened = opened
        self._growing: Path | None = None
        self._shape: tuple[int, int] | None = None
        self._pixel_size = 1.0
        self._entered = False
        document.streaming = True
        self._waiting: list[Batch] = []
        self._pause = QTimer(workspace)  # ends with the workspace that it would tell
        self._pause.setSingleShot(True)
        self._pause.setInterval(PUBLISH_MS)
        self._pause.timeout.connect(self._publish)

    def batches(self, batches: list[Batch]) -> None:
        """Take the new rows of one drained mailbox; the document changes at most every ``PUBLISH_MS``."""
        self._waiting += [b for b in batches if len(b.rows)]
        for batch in batches:
            if "stack" in batch.extra:
                self._growing = Path(batch.extra["stack"])
                self._pixel_size = float(batch.extra.get("pixel_size_A", self._pixel_size))
            if "n_views" in batch.extra:
                self.document.info["Views"] = count_text(batch.extra["n_views"])
        if self._waiting and not self._pause.isActive():
            self._publish()
            self._pause.start()

    def _publish(self) -> None:
        """Let the document grow by what has come since."""
        rows, self._waiting = self._waiting, []
        if not rows:
            return
        columns = {name: np.concatenate([b.columns[name] for b in rows]) for name in rows[0].columns}
        new = pd.DataFrame(columns, index=np.concatenate([b.rows for b in rows]))
        before = self.document.table
        self.document.table = new if before is None else pd.concat([before, new])
        if self._shape is not None:
            self._restack()
        elif self._growing is not None:
            path = self._growing
            self.runner.view(
                (id(self), "shape"), lambda check: _shape_of(path, self.out / path.name), self._got_shape, slow=True
            )
        if self._entered:
            self.workspace.touch(self.document)

    def _got_shape(self, shape: tuple[int, int]) -> None:
        self._shape = shape
        self._restack()
        if not self._entered:
            self._enter()
        self.workspace.touch(self.document)

    def _enter(self) -> None:
        self._entered = True
        self.workspace.add(self.document)
        # In a turn of its own: panels that are made and a tree that grows would together hold up the window.
        QTimer.singleShot(0, self.workspace, lambda: self._opened(self.document))

    def _restack(self) -> None:
        table, path = self.document.table, self._growing
        if table is None or path is None or self._shape is None:
            return
        self.document.stack = ImageStack(
            len(table),
            self._shape,
            self._pixel_size,
            lambda ids: _read_growing(path, self.out / path.name, ids),
            source=path,
            name=self.document.title,
        )

    def end(self, job: JobHandle) -> None:
        """Settle in the final folder, or go if nothing was made."""
        document = self.document
        self._pause.stop()
        self._waiting = []
        document.streaming = False
        if job.outcome is None:
            self.runner.drop_views(id(self))
            if self._entered:
                self.workspace.remove(document)
            return
        folder: Path = job.outcome.folder
        document.path, document.info["Status"] = folder, job.outcome.status
        self.runner.view((id(self), "settle"), lambda check: read_document(folder), self._settle, slow=True)

    def _settle(self, final: Document) -> None:
        document = self.document
        document.path, document.title = final.path, final.title
        document.stack, document.table, document.info = final.stack, final.table, final.info
        document.streaming = False
        if self._entered:
            self.workspace.touch(document)
        else:
            self._enter()


def _growing_stack(path: Path, final: Path) -> ImageStack:
    """Open a stack that is being written, or that was renamed a moment ago."""
    from emviewer.engine import mrc

    try:
        return mrc.read_stack(path)
    except (FileError, FileNotFoundError):
        return mrc.read_stack(final)


def _shape_of(path: Path, final: Path) -> tuple[int, int]:
    return _growing_stack(path, final).shape


def _read_growing(path: Path, final: Path, ids: np.ndarray) -> F32:
    return _growing_stack(path, final)[ids]
