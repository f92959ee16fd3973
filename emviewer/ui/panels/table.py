"""The table: the same document as the gallery, with every column, pictures in the cells, sorted by its headers."""

from __future__ import annotations

from typing import Any

import pandas as pd
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QHBoxLayout, QLabel, QStackedLayout, QVBoxLayout, QWidget

from emviewer.ui import columns
from emviewer.ui.panels.rows_panel import RowsPanel
from emviewer.ui.panels.table_view import RowsTable
from emviewer.ui.runner import Runner
from emviewer.ui.table_model import TableModel, toggled_keys
from emviewer.ui.workspace import Document, Workspace

EMPTY = "No table to show.\n\nOpen a star file, or run a job that makes one."


class TablePanel(RowsPanel):
    """Rows and columns of a document, with thumbnails."""

    kind = "table"
    heading = "Table"

    def __init__(self, workspace: Workspace, runner: Runner, parent: QWidget | None = None) -> None:
        super().__init__(workspace, runner, parent)
        self.model = TableModel(self.rows, self)
        self.view = RowsTable(self.picker, self.thumbnails, self.model)
        self.count = QLabel()
        self.count.setAccessibleName("Number of rows and selected rows")
        self.busy = QLabel("Sorting…")
        self.busy.setObjectName("dim")
        self.busy.hide()
        self.message = QLabel(EMPTY)
        self.message.setObjectName("dim")
        self.message.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self._arrange()
        self.picker.changed.connect(lambda: self.count.setText(self.count_text()))
        self.picker.current_moved.connect(self._move_to)
        self.view.activated_row.connect(self.open_large)
        self.view.menu_wanted.connect(self.show_menu)
        self.view.sort_wanted.connect(self._sort_by_header)
        self.view.picture_size_changed.connect(lambda _: self._restyle())
        self.contrast.changed.connect(self._restyle)
        self.sorter.busy.connect(self.busy.setVisible)
        self.setFocusProxy(self.view)
        self._reset()

    @classmethod
    def accepts(cls, document: Document) -> bool:
        return document.table is not None

    def _arrange(self) -> None:
        strip = QHBoxLayout()
        strip.setContentsMargins(8, 4, 8, 4)
        strip.addWidget(self.count, 1)
        strip.addWidget(self.busy)
        self.pages = QStackedLayout()
        self.pages.addWidget(self.message)
        self.pages.addWidget(self.view)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addLayout(strip)
        layout.addWidget(self.notice)
        layout.addLayout(self.pages, 1)

    def _reset(self) -> None:
        table = pd.DataFrame() if self.table is None else self.table
        self.pages.setCurrentIndex(0 if self.table is None else 1)
        self.model.set_table(table, self.stack is not None, columns.repeated(table.columns))
        self.view.fit_columns()
        self.contrast.reset(self.stack)
        self._restyle()
        self.view.fit_rows()
        self.count.setText(self.count_text())
        if self.picker.current is not None:
            self.view.show_place(self.picker.current)

    def _grown(self) -> None:
        if self.table is None:
            return
        if list(self.table.columns) != list(self.model.table.columns):
            self.model.set_table(self.table, self.stack is not None, columns.repeated(self.table.columns))
            self.view.fit_columns()
            self.view.fit_rows()
        self.model.grow(self.table)
        self.contrast.follow(self.stack)
        self.count.setText(self.count_text())
        self.view.request()

    def _reordered(self) -> None:
        self.model.reordered()
        self.view.scrollToTop()
        self.view.viewport().update()
        self.view.horizontalHeader().viewport().update()
        self.view.request()

    def _move_to(self, place: int) -> None:
        self.view.show_place(place)

    def _sort_by_header(self, name: str, add: bool) -> None:
        self.sort(toggled_keys(self.rows.keys, name, add))

    def _restyle(self) -> None:
        self.thumbnails.set_style(self.contrast.style(max(1, round(self.view.picture_px * self.devicePixelRatioF()))))
        self.view.request()

    # actions --------------------------------------------------------------------------------------------------------
    def do_zoom_in(self) -> None:
        self.view.set_picture(round(self.view.picture_px * 1.25))

    def do_zoom_out(self) -> None:
        self.view.set_picture(round(self.view.picture_px / 1.25))

    def do_first(self) -> None:
        self.view.go(-len(self.rows))

    def do_last(self) -> None:
        self.view.go(len(self.rows))

    def do_previous_page(self) -> None:
        self.view.go(-self.view.page)

    def do_next_page(self) -> None:
        self.view.go(self.view.page)

    # the window's questions -----------------------------------------------------------------------------------------
    def picture_widget(self) -> QWidget:
        return self.view

    def state(self) -> dict[str, Any]:
        return {
            "picture": self.view.picture_px,
            "sort": [list(key) for key in self.rows.keys],
            "contrast": self.contrast.state(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        self.contrast.restore(state.get("contrast", {}))
        self.view.set_picture(int(state.get("picture", self.view.picture_px)))
        keys = [(str(name), bool(up)) for name, up in state.get("sort", []) if name in self.model.names]
        if keys:
            self.sort(keys)
