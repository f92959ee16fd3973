"""What is done with chosen rows in the lanes: saved, averaged, and read from elsewhere when a stack was moved."""

from __future__ import annotations

from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PySide6.QtWidgets import QFileDialog

from emviewer.engine.errors import DataError
from emviewer.engine.jobs import subset
from emviewer.engine.task import Batch, Check
from emviewer.engine.types import ImageSet, ImageStack
from emviewer.ui import columns
from emviewer.ui.panels.base import Panel
from emviewer.ui.panels.gallery_notice import Notice
from emviewer.ui.panels.gallery_viewer import Shot
from emviewer.ui.row_order import Ints
from emviewer.ui.row_picker import RowPicker
from emviewer.ui.runner import JobHandle
from emviewer.ui.save_name import ask_save_name, with_companions


class RowsJobs(Panel):
    """The part of :class:`RowsPanel` that hands work to the lanes."""

    notice: Notice
    picker: RowPicker
    selected_positions: Callable[[], Ints]
    open_viewer: Callable[[Callable[[int], Shot | None], int], None]

    @property
    def table(self) -> pd.DataFrame | None:
        """Table of the document."""
        return None if self.document is None else self.document.table

    @property
    def stack(self) -> ImageStack | None:
        """Images of the document."""
        return None if self.document is None else self.document.stack

    def image_set(self) -> ImageSet | None:
        """Return the images and the table as they came from the file, without columns that the window added."""
        document, stack = self.document, self.stack
        if document is None or stack is None:
            return None
        opened = document.info.get("_images")
        table = self.table if self.table is not None else pd.DataFrame(index=pd.RangeIndex(stack.n))
        table = table.iloc[: stack.n]
        table = table.drop(columns=columns.repeated(table.columns))
        table = table.rename(columns=columns.DERIVED if document.kind == "result" else {})
        if isinstance(opened, ImageSet) and len(opened) == stack.n:
            return ImageSet(
                table, stack, opened.poses, opened.ctf, opened.source, opened.format, opened.name, opened.blocks
            )
        relion = any(str(c).startswith("rln") for c in table.columns)
        return ImageSet(table, stack, source=document.path, format="relion" if relion else "", name=document.title)

    def do_save_selected(self) -> None:
        if not len(self.selected_positions()) or self.stack is None:
            self.notice.say("Nothing is selected: click images, or draw a frame around them, then save.", "info")
            return
        here = self.document.path.parent if self.document and self.document.path else Path.home()
        path = ask_save_name(
            self,
            "Save the selected images",
            here / "selected.mrcs",
            "Stack with its star file (*.mrcs)",
            with_companions,
        )
        if path is not None:
            self.save_selected(path)

    def save_selected(self, path: Path) -> JobHandle | None:
        """Write the selected images and rows in the job lane; returns the job, None if there is nothing to save."""
        images, positions = self.image_set(), self.selected_positions()
        if images is None or not len(positions):
            return None
        stack_path, star_path = subset.subset_paths(path)

        def make(check: Check) -> Generator[Batch, None, Path]:
            return subset.save_subset(images, positions, path, check=check)

        def ended(job: JobHandle) -> None:
            if job.error is not None:
                self.notice.say(f"{job.error}.", "error")
            elif job.state == "complete":
                self.notice.say(
                    f"Saved {columns.grouped(len(positions))} images: {stack_path.name}, {star_path.name}.", "good"
                )

        return self.runner.submit(JobHandle(f"Save {columns.grouped(len(positions))} images", make, on_end=ended))

    @property
    def has_members(self) -> bool:
        """Whether the images are class averages whose particles are known."""
        images = None if self.document is None else self.document.info.get("_images")
        return isinstance(images, ImageSet) and images.members is not None and images.format == "relion"

    def do_save_members(self) -> None:
        if not self.has_members or not len(self.selected_positions()):
            return
        here = self.document.path.parent if self.document and self.document.path else Path.home()
        path = ask_save_name(
            self, "Save the particles of the selected classes", here / "particles_selected.star", "Star (*.star)"
        )
        if path is not None:
            self.save_members(path)

    def save_members(self, path: Path) -> JobHandle | None:
        """Write the particles of the selected class averages in the job lane."""
        images, positions = self.image_set(), self.selected_positions()
        if images is None:
            return None
        many = f"{columns.grouped(len(positions))} class{'es' * (len(positions) != 1)}"

        def make(check: Check) -> Generator[Batch, None, int]:
            return subset.save_members(images, positions, path, check=check)

        def ended(job: JobHandle) -> None:
            if job.error is not None:
                self.notice.say(f"{job.error}.", "error")
            elif job.state == "complete":
                self.notice.say(f"Saved {columns.grouped(job.outcome)} particles of {many}: {path.name}.", "good")

        return self.runner.submit(JobHandle(f"Save the particles of {many}", make, on_end=ended))

    def do_average(self) -> None:
        stack, positions = self.stack, self.selected_positions()
        if stack is None or not len(positions):
            return
        n = columns.grouped(len(positions))

        def make(check: Check) -> Generator[Batch, None, Any]:
            return subset.average(stack, positions, check=check)

        def ended(job: JobHandle) -> None:
            if job.error is not None:
                self.notice.say(f"{job.error}.", "error")
            elif job.state == "complete":
                pair = ImageStack.from_array(
                    np.stack(job.outcome), stack.pixel_size_A, pixel_size_known=stack.pixel_size_known
                )
                titles = (f"Average of {n} images", f"Standard deviation of {n} images")
                self.open_viewer(lambda at: Shot(pair, at, titles[at]) if 0 <= at < 2 else None, 0)

        self.runner.submit(JobHandle(f"Average {n} images", make, on_end=ended))

    def _on_failed(self, error: Exception) -> None:
        self.notice.say(f"{error}.", "error", "Relink…", self.relink)

    def relink(self) -> None:
        """Ask where the images are now and read them from there."""
        document = self.document
        if document is None:
            return
        here = str(document.path.parent) if document.path else ""
        name, _ = QFileDialog.getOpenFileName(
            self, "Where is the stack now?", here, "Stacks (*.mrcs *.mrc *.stk);;All (*)"
        )
        if name:
            self.relink_to(Path(name))

    def relink_to(self, path: Path) -> None:
        """Read the images of the document from another stack of the same size."""
        document, before = self.document, self.stack
        if document is None or before is None:
            return

        def work(check: Check) -> ImageStack:
            from emviewer.engine import mrc

            stack = mrc.read_stack(path, before.pixel_size_A if before.pixel_size_known else None)
            if stack.n != before.n or stack.shape != before.shape:
                raise DataError(
                    f"the stack has {stack.n} images of {stack.shape}, not {before.n} of {before.shape}", path,
                    "choose the one that was moved",
                )  # fmt: skip
            return stack

        def then(stack: ImageStack) -> None:
            document.stack = stack
            self.workspace.touch(document)

        self.runner.view((id(self), "relink"), work, then, fail=self._on_failed)
