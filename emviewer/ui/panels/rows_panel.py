"""What gallery and table have in common: rows in an order, a selection, pictures, and what is done with them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from PySide6.QtCore import QEvent, QPoint
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QWidget

from emviewer.engine.types import ImageStack
from emviewer.ui import columns
from emviewer.ui.panels import gallery_menu
from emviewer.ui.panels.contrast_actions import ContrastActions
from emviewer.ui.panels.gallery_contrast import GalleryContrast
from emviewer.ui.panels.gallery_metadata import MetadataDialog
from emviewer.ui.panels.gallery_notice import Notice
from emviewer.ui.panels.gallery_viewer import ImageViewer, Shot
from emviewer.ui.panels.rows_jobs import RowsJobs
from emviewer.ui.row_order import ROW_NUMBER, Ints, RowOrder, SortKey, table_ids
from emviewer.ui.row_picker import RowPicker
from emviewer.ui.runner import Runner
from emviewer.ui.table_model import RowSorter, as_tsv
from emviewer.ui.thumbnails import Thumbnails
from emviewer.ui.workspace import Document, Workspace

COPY_AT_ONCE = 2000
"""Rows that are turned into text on the spot (some ms); more are in a lane, and reach the clipboard later."""


class RowsPanel(ContrastActions, RowsJobs):
    """A panel that shows the rows of a document.

    Subclasses build their widgets, then implement :meth:`_reset`, :meth:`_grown`, :meth:`_reordered`,
    :meth:`_restyle` and :meth:`_move_to`.
    """

    def __init__(self, workspace: Workspace, runner: Runner, parent: QWidget | None = None) -> None:
        super().__init__(workspace, runner, parent)
        self.rows = RowOrder()
        self.picker = RowPicker(workspace, self.rows, self)
        self.thumbnails = Thumbnails(runner, id(self), self)
        self.sorter = RowSorter(runner, self.rows, id(self), self)
        self.contrast = GalleryContrast(runner, id(self), self)
        self.levels = self.contrast.levels
        self.notice = Notice()
        self.viewer: ImageViewer | None = None
        self._stack: ImageStack | None = None
        self._unreadable = False
        workspace.changed.connect(self._on_changed)
        self.thumbnails.failed.connect(self._on_unreadable)
        self.sorter.sorted.connect(self._on_sorted)

    # the document ---------------------------------------------------------------------------------------------------
    def show_document(self, document: Document | None) -> None:
        super().show_document(document)
        self._stack = self.stack
        self.rows.reset(self._ids())
        self.thumbnails.set_stack(self.stack)
        self.picker.set_document(document)
        self.notice.say("")
        self._unreadable = False
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
            if self._unreadable:
                self._unreadable = False
                self.notice.say("")
                self.contrast.reset(self.stack)
        if len(ids) > len(old):
            self.rows.grow(ids)
            self.picker.refresh()
        self._grown()

    def _on_unreadable(self, error: Exception) -> None:
        self._unreadable = True
        self._on_failed(error)

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

    def _restyle(self) -> None:
        raise NotImplementedError

    def _move_to(self, place: int) -> None:
        raise NotImplementedError

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

    # looks ----------------------------------------------------------------------------------------------------------
    def do_auto_contrast(self) -> None:
        self.contrast.auto(self.stack)

    def do_toggle_shared_contrast(self) -> None:
        self.contrast.set_shared(not self.contrast.shared)

    def inspector(self) -> list[tuple[str, QWidget]]:
        return [("Levels", self.levels)]

    def event(self, event: QEvent) -> bool:
        if event.type() == QEvent.Type.DevicePixelRatioChange:  # another screen; Qt has no changeEvent for it
            self._restyle()
        return super().event(event)

    def show_menu(self, place: int, where: QPoint) -> None:
        """Show the right-click menu for a place; a row that is not selected is selected first."""
        if place >= 0:
            if not self.picker.is_selected(place):
                self.picker.click(place)
            else:
                self.picker.make_current(place)
        menu = gallery_menu.build(self, place)
        menu.exec(where)
        menu.deleteLater()

    # what is done with rows -----------------------------------------------------------------------------------------
    def do_open_current(self) -> None:
        if self.picker.current is not None:
            self.open_large(self.picker.current)

    def do_copy(self) -> None:
        table = self.table
        if table is None:
            table = pd.DataFrame(index=pd.RangeIndex(len(self.rows.ids)))
        names, positions = [ROW_NUMBER, *table.columns], self.chosen_positions()
        if len(positions) <= COPY_AT_ONCE:
            QGuiApplication.clipboard().setText(as_tsv(table, positions, names))
            return
        work = partial(as_tsv, table, positions, names)
        self.runner.view((id(self), "copy"), lambda check: work(), QGuiApplication.clipboard().setText, slow=True)

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

    def open_large(self, place: int) -> None:
        """Show the image at a place in a window of its own; its arrow keys go through the rows as they are sorted."""

        def shot(at: int) -> Shot | None:
            if self.stack is None or not 0 <= at < len(self.rows):
                return None
            self.picker.make_current(at)
            title = f"#{self.rows.id_at(at) + 1} of {self.document.title if self.document else ''}"
            return Shot(self.stack, int(self.rows.shown[at]), title)

        self.open_viewer(shot, place)

    def open_viewer(self, shot: Callable[[int], Shot | None], at: int) -> None:
        """Open a window on the image that ``shot(at)`` gives; its arrow keys ask for the neighbours."""
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
