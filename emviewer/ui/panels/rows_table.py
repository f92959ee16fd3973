"""What the panels of a plain table and of scores have in common: a table view, how it sorts, scrolls and is kept."""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QHBoxLayout, QLabel, QStackedLayout, QVBoxLayout, QWidget

from emviewer.ui.panels.rows_panel import RowsPanel
from emviewer.ui.panels.table_view import RowsTable
from emviewer.ui.runner import Runner
from emviewer.ui.table_model import TableModel, toggled_keys
from emviewer.ui.workspace import Workspace


class RowsTablePanel(RowsPanel):
    """A panel around a :class:`RowsTable`.

    Subclasses implement :meth:`_make_view` and :meth:`_restyle`, fill ``strip`` and put ``view`` on a page.
    """

    empty_text = ""

    def __init__(self, workspace: Workspace, runner: Runner, parent: QWidget | None = None) -> None:
        super().__init__(workspace, runner, parent)
        self.model, self.view = self._make_view()
        self.count = QLabel()
        self.count.setAccessibleName("Number of rows and selected rows")
        self.busy = QLabel("Sorting…")
        self.busy.setObjectName("dim")
        self.busy.hide()
        self.message = QLabel(self.empty_text)
        self.message.setObjectName("dim")
        self.message.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.message.setWordWrap(True)
        self.strip = QHBoxLayout()
        self.strip.setContentsMargins(8, 4, 8, 4)
        self.strip.addWidget(self.count, 1)
        self.strip.addWidget(self.busy)
        self.pages = QStackedLayout()
        self.pages.addWidget(self.message)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addLayout(self.strip)
        layout.addWidget(self.notice)
        layout.addLayout(self.pages, 1)
        self.picker.changed.connect(self._show_count)
        self.picker.current_moved.connect(self._move_to)
        self.view.activated_row.connect(self.open_large)
        self.view.menu_wanted.connect(self.show_menu)
        self.view.sort_wanted.connect(lambda name, add: self.sort(toggled_keys(self.rows.keys, name, add)))
        self.view.picture_size_changed.connect(lambda _: self._restyle())
        self.contrast.changed.connect(self._restyle)
        self.sorter.busy.connect(self.busy.setVisible)

    def _make_view(self) -> tuple[TableModel, RowsTable]:
        raise NotImplementedError

    def _show_count(self) -> None:
        self.count.setText(self.count_text())

    def _reordered(self) -> None:
        self.model.reordered()
        self.view.scrollToTop()
        self.view.viewport().update()
        self.view.horizontalHeader().viewport().update()
        self.view.request()

    def _move_to(self, place: int) -> None:
        self.view.show_place(place)

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
