"""What gallery and table have in common: rows in an order, a selection, pictures, and what is done with them."""

from __future__ import annotations

from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QFileDialog, QWidget

from emviewer.engine.jobs import subset
from emviewer.engine.task import Batch, Check
from emviewer.engine.types import ImageSet, ImageStack
from emviewer.ui import columns
from emviewer.ui.panels.base import Panel
from emviewer.ui.panels.gallery_metadata import MetadataDialog
from emviewer.ui.panels.gallery_notice import Notice
from emviewer.ui.panels.gallery_viewer import ImageViewer, Shot
from emviewer.ui.row_order import ROW_NUMBER, Ints, RowOrder, SortKey, table_ids
from emviewer.ui.row_picker import RowPicker
from emviewer.ui.runner import JobHandle, Runner
from emviewer.ui.table_model import RowSorter, as_tsv
from emviewer.ui.thumbnails import Thumbnails
from emviewer.ui.workspace import Document, Workspace


class RowsPanel(Panel):
    """A panel that shows the rows of a document.

    Subclasses build their widgets, then implement :meth:`_reset`, :meth:`_grown`, :meth:`_reordered` and
    :meth:`_move_to`.
    """

    def __init__(self, workspace: Workspace, runner: Runner, parent: QWidget | None = None) -> None:
        super().__init__(workspace, runner, parent)
        self.rows = RowOrder()
        self.picker = RowPicker(workspace, self.rows, self)
        self.thumbnails = Thumbnails(runner, id(self), self)
        self.sorter = RowSorter(runner, self.rows, id(self), self)
        self.notice = Notice()
        self.viewer: ImageViewer | None = None
        self._stack: ImageStack | None = None
        workspace.changed.connect(self._on_changed)
        self.thumbnails.failed.connect(self._on_failed)
        self.sorter.sorted.connect(self._on_sorted)

    # the document ---------------------------------------------------------------------------------------------------
    @property
    def table(self) -> pd.DataFrame | None:
        """Table of the document."""
        return None if self.document is None else self.document.table

    @property
    def stack(self) -> ImageStack | None:
        """Images of the document."""
        return None if self.document is None else self.document.stack

    def show_document(self, document: Document | None) -> None:
        super().show_document(document)
        self._stack = self.stack
        self.rows.reset(self._ids())
        self.thumbnails.set_stack(self.stack)
        self.picker.set_document(document)
        self.notice.say("")
        self._reset()

    def _ids(self) -> Ints:
        if self.document is None:
            return np.empty(0, np.int64)
        return table_ids(self.table, None if self.stack is None else self.stack.n)

    def _on_changed(self, document: Document) -> None:
        if document is not self.document:
            return
        ids, old = self._ids(), self.rows.ids
        same_images = (self._stack is None) == (self.stack is None) and (
            self._stack is None or (self.stack is not None and self._stack.shape == self.stack.shape)
        )
        same_rows = len(ids) >= len(old) and np.array_equal(ids[: len(old)], old)
        if not same_rows or not same_images:
            self.show_document(document)
            return
        if self.stack is not self._stack:
            self._stack = self.stack
            self.thumbnails.set_stack(self.stack, keep=True)
            if self.notice.property("level") == "error":
                self.notice.say("")
        if len(ids) > len(old):
            self.rows.grow(ids)
            self.picker.refresh()
        self._grown()

    def _on_sorted(self) -> None:
        self.picker.refresh()
        self._reordered()

    def sort(self, keys: list[SortKey]) -> None:
        """Sort by these keys; rows without a table by their number only."""
        table = self.table
        if table is None:
            table = pd.DataFrame(index=pd.RangeIndex(len(self.rows.ids)))
        self.sorter.sort(table, keys)

    def _reset(self) -> None:
        raise NotImplementedError

    def _grown(self) -> None:
        raise NotImplementedError

    def _reordered(self) -> None:
        raise NotImplementedError

    def _move_to(self, place: int) -> None:
        raise NotImplementedError

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
                raise subset.DataError(
                    f"the stack has {stack.n} images of {stack.shape}, not {before.n} of {before.shape}", path,
                    "choose the one that was moved",
                )  # fmt: skip
            return stack

        def then(stack: ImageStack) -> None:
            document.stack = stack
            self.workspace.touch(document)

        self.runner.view((id(self), "relink"), work, then, fail=self._on_failed)

    # selection ------------------------------------------------------------------------------------------------------
    def do_select_all(self) -> None:
        self.picker.select_all()

    def do_select_inverse(self) -> None:
        self.picker.invert()

    def do_select_none(self) -> None:
        self.picker.clear()

    def do_select_above(self) -> None:
        self.picker.select_above()

    def do_select_below(self) -> None:
        self.picker.select_below()

    def selected_positions(self) -> Ints:
        """Return the positions of the selected rows in the order of the table; the current row if none is selected."""
        selected = np.flatnonzero(self.picker.selected)
        current = self.picker.current
        if len(selected) == 0 and current is not None:
            return self.rows.shown[current : current + 1]
        return selected

    def chosen_positions(self) -> Ints:
        """Return the positions of the selected rows in the order on the screen; the current row if none is."""
        places = self.picker.selected_places()
        return self.rows.shown[places] if len(places) else self.selected_positions()

    def count_text(self) -> str:
        """Return how many rows there are and how many are selected."""
        n, k = len(self.rows.ids), self.picker.count
        if n == 0:
            return ""
        filling = ", filling…" if self.document is not None and self.document.streaming else ""
        if k == 0:
            return f"{columns.grouped(n)} image{'s' * (n != 1)}{filling}"
        return f"{columns.grouped(k)} of {columns.grouped(n)} selected ({100 * k / n:.1f} %){filling}"

    # what is done with rows -----------------------------------------------------------------------------------------
    def do_copy(self) -> None:
        table = self.table
        if table is None:
            table = pd.DataFrame(index=pd.RangeIndex(len(self.rows.ids)))
        names = [ROW_NUMBER, *table.columns]
        QGuiApplication.clipboard().setText(as_tsv(table, self.chosen_positions(), names))

    def do_metadata(self) -> None:
        """Show all that the table says of the current row."""
        current, document = self.picker.current, self.document
        if current is None or document is None:
            return
        position, row = int(self.rows.shown[current]), self.rows.id_at(current) + 1
        facts: list[tuple[str, object]] = [(ROW_NUMBER, row)]
        if self.table is not None:
            facts += [(str(name), self.table[name].array[position]) for name in self.table.columns]
        MetadataDialog(f"#{row} of {document.title}", facts, self).show()

    def do_copy_picture(self) -> None:
        QGuiApplication.clipboard().setPixmap(self.picture_widget().grab())

    def picture_widget(self) -> QWidget:
        """Return the widget that *copy picture* copies."""
        return self

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
        name, _ = QFileDialog.getSaveFileName(
            self, "Save the selected images", str(here / "selected.mrcs"), "Stack with its star file (*.mrcs)"
        )
        if name:
            self.save_selected(Path(name))

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
                self._open_viewer(lambda at: Shot(pair, at, titles[at]) if 0 <= at < 2 else None, 0)

        self.runner.submit(JobHandle(f"Average {n} images", make, on_end=ended))

    def open_large(self, place: int) -> None:
        """Show the image at a place in a window of its own; its arrow keys go through the rows as they are sorted."""

        def shot(at: int) -> Shot | None:
            if self.stack is None or not 0 <= at < len(self.rows):
                return None
            self.picker.make_current(at)
            title = f"#{self.rows.id_at(at) + 1} of {self.document.title if self.document else ''}"
            return Shot(self.stack, int(self.rows.shown[at]), title)

        self._open_viewer(shot, place)

    def _open_viewer(self, shot: Callable[[int], Shot | None], at: int) -> None:
        place = [at]

        def step(by: int) -> Shot | None:
            found = shot(place[0] + by)
            if found is not None:
                place[0] += by
            return found

        if self.viewer is not None:
            self.viewer.close()
            self.viewer.deleteLater()
        self.viewer = ImageViewer(self.runner, id(self), step, self)
        self.viewer.show_shot(shot(at))
        self.viewer.show()

    def closeEvent(self, event: Any) -> None:
        if self.viewer is not None:
            self.viewer.close()
        super().closeEvent(event)
