"""What a hand does to an alignment: move and turn the map, refine from there, write it; moves can be undone."""

from __future__ import annotations

from collections.abc import Callable, Generator
from pathlib import Path

import numpy as np
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QLabel, QToolButton
from shiboken6 import isValid

from emviewer.engine.task import Batch, Check, message
from emviewer.engine.types import F64, RigidTransform
from emviewer.ui.canvas import ImageCanvas
from emviewer.ui.motion_text import start_text
from emviewer.ui.panels.align_grid import CutsGrid
from emviewer.ui.panels.align_pair import DEGREES_A_PIXEL, shifted, turned
from emviewer.ui.panels.align_refine import refine_from, write_moved
from emviewer.ui.panels.align_volumes import Volume
from emviewer.ui.panels.pairing_rows import NOWHERE
from emviewer.ui.panels.shell import fill_form
from emviewer.ui.panels.slices_state import Plane, SliceState
from emviewer.ui.results_align import AlignedMap, Alignment
from emviewer.ui.runner import JobHandle, Runner
from emviewer.ui.save_name import ask_save_name
from emviewer.ui.workspace import Document, Workspace


class AlignHand:
    """Mix-in of the alignment panel."""

    area: CutsGrid
    current: SliceState
    reference: Volume | None
    moving: Volume | None
    shown: AlignedMap | None
    alignment: Alignment | None
    document: Document | None
    workspace: Workspace
    runner: Runner
    before: QToolButton
    refine: QToolButton
    quality: QLabel
    motion: Callable[[], RigidTransform]
    ask: Callable[[], None]
    show_facts: Callable[[], None]
    _badge: Callable[[QLabel, str, str], None]
    _dragging: RigidTransform | None
    _said: str

    def _set_hand(self, on: bool) -> None:
        for canvas in self.area.cells.values():
            canvas.free_drag = on
            canvas.setCursor(Qt.CursorShape.OpenHandCursor if on else Qt.CursorShape.ArrowCursor)
        if on:
            self.before.setChecked(False)

    def cursor_A(self) -> F64:
        """Return the cursor's place in Å from the centre of the reference."""
        assert self.reference is not None
        size, pixel = self.current.size, self.reference.map.pixel_size_A
        return np.array([(v - n // 2) * pixel for v, n in zip(self.current.voxel, size, strict=True)])

    def _drag(self, canvas: ImageCanvas, plane: Plane, dx: float, dy: float, keys: Qt.KeyboardModifier) -> None:
        if self.reference is None or self.shown is None:
            return
        motion = self.motion()
        if keys & Qt.KeyboardModifier.ShiftModifier:
            self._dragging = turned(motion, plane, DEGREES_A_PIXEL * (dx + dy), self.cursor_A())
        else:
            step = self.reference.map.pixel_size_A / canvas.scale
            self._dragging = shifted(motion, plane, dx * step, dy * step)
        self.ask()

    def _drag_ended(self) -> None:
        moved, self._dragging = self._dragging, None
        if moved is not None:
            self._edit("move by hand", moved)

    def _edit(self, what: str, motion: RigidTransform | None, said: str = "") -> None:
        """Give the map a motion by hand (None: the one found); one step for undo."""
        each, document = self.shown, self.document
        if each is None or document is None or (motion is None and each.by_hand is None):
            return
        old, old_said = each.by_hand, self._said

        def put(value: RigidTransform | None, words: str) -> None:
            each.by_hand = value
            self._said = words
            self.workspace.touch(document)

        self.before.setChecked(False)
        self.workspace.edited.emit(what, lambda: put(motion, said), lambda: put(old, old_said))

    def refine_from_here(self) -> None:
        """Find the best position near the one shown."""
        reference, moving, start = self.reference, self.moving, self.motion()
        if reference is None or moving is None:
            return
        self.refine.setEnabled(False)
        self._badge(self.quality, "refining…", "info")

        def done(found: tuple[RigidTransform, float, float]) -> None:
            self.refine.setEnabled(True)
            motion, before, after = found
            self._edit("refine from here", motion, f"cc {before:.3f} by hand, {after:.3f} refined")

        def failed(error: Exception) -> None:
            self.refine.setEnabled(True)
            self._badge(self.quality, str(error), "info")

        self.runner.view(
            (id(self), "refine"),
            lambda check: refine_from(reference.map, moving.map, start, check),
            done,
            fail=failed,
            slow=True,
        )

    def run_from_here(self) -> None:
        """Fill in the form of the job: all as it was, and the maps moved by hand begin where they are."""
        found = self.alignment
        if found is None:
            return
        here = {name: each.by_hand or (self.motion() if each is self.shown else None)
                for name, each in found.maps.items()}  # fmt: skip
        known = {name: value for name, value in found.parameters.items() if name not in ("start", "also")}
        also = [f"{k}:{file}" for k, file in found.parameters.get("also") or []]
        starts = [NOWHERE if m is None else start_text(m) for m in here.values()]
        # maps are aligned in their order: those that a job stopped before have no place yet
        starts += [NOWHERE] * (len(found.parameters.get("maps") or []) - len(starts))
        fill_form(self, "align", known | {"also": also, "start": starts})

    def _ask_file(self) -> Path | None:
        each, document = self.shown, self.document
        folder = document.path.parent if document is not None and document.path is not None else Path.home()
        name = "moved.mrc" if each is None else f"{each.name}_moved.mrc"
        return ask_save_name(self, "Write the moved map", folder / name, "Maps (*.mrc)")

    def apply_to(self, path: Path | None) -> JobHandle | None:
        """Write the map moved as it is shown in the job lane, and open it; returns the job, None without a file."""
        reference, moving, motion = self.reference, self.moving, self.motion()
        if path is None or reference is None or moving is None:
            return None
        shown, workspace = self.shown, self.workspace
        self._badge(self.quality, f"writing {path.name}…", "info")

        def make(check: Check) -> Generator[Batch, None, Document]:
            from emviewer.ui.opening import read_document

            yield message("moving the map")
            return read_document(write_moved(moving.map, reference.map, motion, path, check))

        def ended(job: JobHandle) -> None:
            if job.state == "complete":
                workspace.add(job.outcome, make_current=False)
            if not isValid(self):  # the file was to be written whether the panel stays or not
                return
            if job.state == "complete" and self.shown is shown:
                self._said = f"written to {path.name}"
            self.show_facts()
            if job.error is not None:
                self._badge(self.quality, f"{path.name} was not written: {job.error}", "info")

        return self.runner.submit(JobHandle(f"Write {path.name}", make, on_end=ended))
