"""Scores: one row an image with its pictures, every score, sorted worst first, filtered by histograms, tagged."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from PySide6.QtCore import QEvent, Qt
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QHBoxLayout, QLabel, QMenu, QPushButton, QStackedLayout, QVBoxLayout, QWidget

from emviewer.ui import columns, comparison
from emviewer.ui.panels.compare_pictures import diverging
from emviewer.ui.panels.compare_rows import CompareRows
from emviewer.ui.panels.rows_panel import RowsPanel
from emviewer.ui.panels.scores_filter import FilterStrip, mask_of
from emviewer.ui.panels.scores_save import CHOICES, ScoresSave
from emviewer.ui.panels.scores_view import FITTED, RESIDUAL, ScoresModel, ScoresTable
from emviewer.ui.row_order import SortKey
from emviewer.ui.runner import Runner
from emviewer.ui.table_model import IMAGE, toggled_keys
from emviewer.ui.thumbnails import Thumbnails
from emviewer.ui.workspace import Document, Workspace

EMPTY = "No scores to show.\n\nCompare images with a map, or open the folder of a comparison."


class ScoresPanel(CompareRows, ScoresSave, RowsPanel):
    """The table of a comparison."""

    kind = "scores"
    heading = "Scores"

    def __init__(self, workspace: Workspace, runner: Runner, parent: QWidget | None = None) -> None:
        super().__init__(workspace, runner, parent)
        self.pictures = {
            IMAGE: self.thumbnails,
            FITTED: Thumbnails(runner, id(self), self),
            RESIDUAL: Thumbnails(runner, id(self), self),
        }
        self.model = ScoresModel(self.rows, self)
        self.view = ScoresTable(self.picker, self.pictures, self.model)
        self.filter = FilterStrip(self.view)
        self.count = QLabel()
        self.sort_button = QPushButton("Sort now")
        self.sort_button.setToolTip("New scores came; the order stays until you ask for it  (Shift+S)")
        self.clear_button = QPushButton()
        self.clear_button.setToolTip("Show all rows again")
        self.save_button = QPushButton()
        self.message = QLabel(EMPTY)
        self._stale = False
        self._sorted_once = False
        self._version = 0
        self._shown_map = ""
        self._arrange()
        self._connect()
        self.setFocusProxy(self.view)
        self._reset()

    def _arrange(self) -> None:
        self.message.setObjectName("dim")
        self.message.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.save_button.setText("Save rows")
        menu = QMenu(self.save_button)
        for which, text in CHOICES.items():
            menu.addAction(text, lambda w=which: self.ask_and_save(w))
        self.save_button.setMenu(menu)
        strip = QHBoxLayout()
        strip.setContentsMargins(8, 4, 8, 4)
        strip.addWidget(self.count, 1)
        for widget in (self.clear_button, self.sort_button, self.save_button):
            strip.addWidget(widget)
        content = QWidget()
        column = QVBoxLayout(content)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(self.filter)
        column.addWidget(self.view, 1)
        self.pages = QStackedLayout()
        self.pages.addWidget(self.message)
        self.pages.addWidget(content)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addLayout(strip)
        layout.addWidget(self.notice)
        layout.addLayout(self.pages, 1)

    def _connect(self) -> None:
        self.picker.changed.connect(self._show_count)
        self.picker.current_moved.connect(self._move_to)
        self.view.activated_row.connect(self.open_large)
        self.view.menu_wanted.connect(self.show_menu)
        self.view.sort_wanted.connect(lambda name, add: self.sort(toggled_keys(self.rows.keys, name, add)))
        self.view.picture_size_changed.connect(lambda _: self._restyle())
        self.contrast.changed.connect(self._restyle)
        self.filter.changed.connect(self._filter)
        self.clear_button.clicked.connect(lambda: self.filter.clear())
        self.sort_button.clicked.connect(self.do_sort_now)

    # the document ---------------------------------------------------------------------------------------------------
    def show_document(self, document: Document | None) -> None:
        if document is not self.document:
            self._sorted_once = self._stale = False
            self.filter.ranges.clear()
        super().show_document(document)

    def _set_stacks(self, keep: bool) -> None:
        compared = self.compared
        for name, kind in ((FITTED, "fitted"), (RESIDUAL, "residuals")):
            self.pictures[name].set_stack(None if compared is None else compared.stack(kind), keep=keep)
        if not keep:
            self.thumbnails.set_stack(self.stack)

    def _reset(self) -> None:
        self.pages.setCurrentIndex(0 if self.table is None else 1)
        compared = self.compared
        if self.table is not None and compared is not None:
            self._shown_map, self._version = compared.shown, compared.version
            self.contrast.low_pass_A = compared.low_pass_A
            self.model.image_name = "class" if compared.of_classes else "image"
            self.model.set_table(self.table, self.stack is not None)
            self.filter.set_table(self.table, self.model.names)
            self.view.fit_columns()
        self._set_stacks(keep=False)
        self.contrast.reset(self.stack)
        self._restyle()
        self.view.fit_rows()
        if self.table is not None and self.document is not None and not self.document.streaming:
            self.sort(self.worst_first())
        self._show_count()

    def _grown(self) -> None:
        table, compared = self.table, self.compared
        if table is None or compared is None:
            return
        before = self.model.table
        if list(table.columns) != list(before.columns):
            left = self.view.horizontalScrollBar().value()
            self.model.set_table(table, self.stack is not None)
            self.view.fit_columns()
            self.view.fit_rows()
            self.view.horizontalScrollBar().setValue(left)
        self._stale |= not _same_scores(before, table)
        self.model.grow(table)
        self.filter.set_table(table, self.model.names)
        same = (compared.shown, compared.version) == (self._shown_map, self._version)
        self._shown_map, self._version = compared.shown, compared.version
        self._set_stacks(keep=same)
        self.contrast.follow(self.stack)
        if self.contrast.low_pass_A != compared.low_pass_A:
            self.contrast.low_pass_A = compared.low_pass_A
            self._restyle()
        if self.filter.ranges:
            self._filter(self.filter.ranges)
        self._tell_order()
        self._show_count()
        self.view.viewport().update()
        self.view.request()

    # order and filter -----------------------------------------------------------------------------------------------
    def worst_first(self) -> list[SortKey]:
        """Return the keys that put the worst image first with what is known now."""
        known = self.table is not None and "outlier_score" in self.table
        return [("outlier_score", False)] if known else [("cc", True)]

    def do_sort_now(self) -> None:
        """Sort afresh, by what it was sorted by before; worst first if it never was."""
        self.sort(self.rows.keys if self._sorted_once and self.rows.keys else self.worst_first())

    def sort(self, keys: list[SortKey]) -> None:
        self._stale, self._sorted_once = False, True
        super().sort(keys)

    def _reordered(self) -> None:
        self.model.reordered()
        self._tell_order()
        self._show_count()
        self.view.scrollToTop()
        self.view.viewport().update()
        self.view.horizontalHeader().viewport().update()
        self.filter.update()
        self.view.request()

    def _filter(self, ranges: dict[str, tuple[float, float]]) -> None:
        if self.table is None:
            return
        self.rows.set_mask(mask_of(self.table.iloc[: len(self.rows.ids)], ranges))
        self.picker.refresh()
        self._reordered()

    def _tell_order(self) -> None:
        """Let N and P in every panel follow this order."""
        if self.compared is not None and self.document is not None:
            self.compared.order = self.rows.ids_at(slice(None))
            self.workspace.order_changed.emit(self.document.id)

    def do_select_worse(self) -> None:
        """Select the current row and every shown row that scores worse by the column it is sorted by."""
        current, table = self.picker.current, self.table
        if current is None or table is None or self.document is None:
            return
        name, ascending = self.rows.keys[0] if self.rows.keys else self.worst_first()[0]
        if name not in table or table[name].dtype.kind not in "iuf":
            name, ascending = self.worst_first()[0]
        values = table[name].to_numpy(float)[self.rows.shown]
        here = values[current]
        worse = values <= here if ascending else values >= here
        self.workspace.select(self.document, self.rows.ids_at(np.flatnonzero(worse)))

    # looks ----------------------------------------------------------------------------------------------------------
    def _show_count(self) -> None:
        text, hidden = self.count_text(), len(self.rows.ids) - len(self.rows)
        if hidden:
            text += f", {columns.grouped(len(self.rows))} shown"
        if self.compared is not None and self.compared.tags:
            tags = pd.Series(list(self.compared.tags.values())).value_counts()
            text += ", tagged " + ", ".join(f"{tag}: {columns.grouped(k)}" for tag, k in tags.items())
        self.count.setText(text)
        self.clear_button.setVisible(bool(self.filter.ranges))
        n = len(self.filter.ranges)
        self.clear_button.setText(f"Clear filter{'s' * (n != 1)}")
        self.sort_button.setVisible(self._stale)

    def _restyle(self) -> None:
        style = self.contrast.style(max(1, round(self.view.picture_px * self.devicePixelRatioF())))
        c = self.contrast.contrast
        half = abs(c.high - c.low) / 2
        for name, thumbnails in self.pictures.items():
            if name == RESIDUAL and style is not None:
                levels = (-half, half) if self.contrast.known and half > 0 else style.levels
                thumbnails.set_style(replace(style, levels=levels, colormap=diverging(), inverted=False))
            else:
                thumbnails.set_style(style)
        self.view.request()

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() == QEvent.Type.PaletteChange:
            self._restyle()

    def _move_to(self, place: int) -> None:
        self.view.show_place(place)

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

    def keyPressEvent(self, event: QKeyEvent) -> None:
        CompareRows.keyPressEvent(self, event)

    # the window's questions -----------------------------------------------------------------------------------------
    def picture_widget(self) -> QWidget:
        return self.view

    def figure_spec(self) -> dict[str, Any] | None:
        return comparison.figure_spec(self.document)

    def state(self) -> dict[str, Any]:
        return {
            "picture": self.view.picture_px,
            "sort": [list(key) for key in self.rows.keys],
            "filters": {name: list(limits) for name, limits in self.filter.ranges.items()},
            "contrast": self.contrast.state(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        self.contrast.restore(state.get("contrast", {}))
        self.view.set_picture(int(state.get("picture", self.view.picture_px)))
        keys = [(str(name), bool(up)) for name, up in state.get("sort", []) if name in self.model.names]
        if keys:
            self.sort(keys)
        for name, (low, high) in state.get("filters", {}).items():
            self.filter.set_range(str(name), float(low), float(high))


def _same_scores(before: pd.DataFrame, after: pd.DataFrame) -> bool:
    """Return whether nothing but tags changed (the columns then are the same arrays)."""
    if len(before) != len(after) or "cc" not in before or list(before.columns) != list(after.columns):
        return False
    return all(
        np.array_equal(before[c].to_numpy(float), after[c].to_numpy(float), equal_nan=True)
        for c in ("cc", "outlier_score")
        if c in before
    )
