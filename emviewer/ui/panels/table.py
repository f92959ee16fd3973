"""The table: the same document as the gallery, with every column, pictures in the cells, sorted by its headers."""

from __future__ import annotations

import pandas as pd
from PySide6.QtWidgets import QWidget

from emviewer.ui import columns
from emviewer.ui.panels.rows_table import RowsTablePanel
from emviewer.ui.panels.table_view import RowsTable
from emviewer.ui.runner import Runner
from emviewer.ui.table_model import TableModel
from emviewer.ui.workspace import Document, Workspace


class TablePanel(RowsTablePanel):
    """Rows and columns of a document, with thumbnails."""

    kind = "table"
    heading = "Table"
    empty_text = "No table to show.\n\nOpen a star file, or run a job that makes one."

    def __init__(self, workspace: Workspace, runner: Runner, parent: QWidget | None = None) -> None:
        super().__init__(workspace, runner, parent)
        self.pages.addWidget(self.view)
        self.setFocusProxy(self.view)
        self._reset()

    def _make_view(self) -> tuple[TableModel, RowsTable]:
        model = TableModel(self.rows, self)
        return model, RowsTable(self.picker, self.thumbnails, model)

    @classmethod
    def accepts(cls, document: Document) -> bool:
        return document.table is not None

    def _reset(self) -> None:
        table = pd.DataFrame() if self.table is None else self.table
        self.pages.setCurrentIndex(0 if self.table is None else 1)
        self.model.set_table(table, self.stack is not None, columns.repeated(table.columns))
        self.view.fit_columns()
        self.contrast.reset(self.stack)
        self._restyle()
        self.view.fit_rows()
        self._show_count()
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
        self._show_count()
        self.view.request()

    def _restyle(self) -> None:
        self.thumbnails.set_style(self.contrast.style(max(1, round(self.view.picture_px * self.devicePixelRatioF()))))
        self.view.request()
