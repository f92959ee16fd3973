"""Scores: one row an image with its pictures, every score, sorted worst first, filtered by histograms, tagged."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from PySide6.QtCore import QEvent
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QMenu, QPushButton, QVBoxLayout, QWidget

from emviewer.ui import columns, comparison
from emviewer.ui.latest import Latest
from emviewer.ui.panels.compare_pictures import diverging
from emviewer.ui.panels.compare_rows import CompareRows
from emviewer.ui.panels.rows_table import RowsTablePanel
from emviewer.ui.panels.scores_dress import Dress
from emviewer.ui.panels.scores_filter import FilterStrip, mask_of
from emviewer.ui.panels.scores_save import CHOICES, ScoresSave
from emviewer.ui.panels.scores_triplets import TripletGrid
from emviewer.ui.panels.scores_view import FITTED, RESIDUAL, ScoresModel, ScoresTable, state_mark
from emviewer.ui.row_order import ROW_NUMBER, SortKey
from emviewer.ui.runner import Runner
from emviewer.ui.table_model import IMAGE, SORT_ELSEWHERE
from emviewer.ui.thumbnails import Thumbnails
from emviewer.ui.workspace import Document, Workspace

TABLE, TRIPLETS = 1, 2


class ScoresPanel(CompareRows, ScoresSave, RowsTablePanel):
    """The rows of a comparison, as a table or as triplets of pictures."""

    kind = "scores"
    heading = "Scores"
    empty_text = "No scores to show.\n\nCompare images with a map, or open the folder of a comparison."

    def __init__(self, workspace: Workspace, runner: Runner, parent: QWidget | None = None) -> None:
        super().__init__(workspace, runner, parent)
        self.filter = FilterStrip(self.view)
        self.filter.use_lane(runner, id(self))
        self.triplets = TripletGrid(self.picker, self.pictures)
        self.dress = Dress()
        self.sort_button = QPushButton("Sort now")
        self.sort_button.setToolTip("New scores came; the order stays until you ask for it  (Shift+S)")
        self.clear_button = QPushButton()
        self.clear_button.setToolTip("Show all rows again")
        self.save_button = QPushButton("Save rows")
        self._filtering = Latest(runner, (id(self), "filter"))
        self._stale = False
        self._sorted_once = False
        self._version = 0
        self._shown_map = ""
        self._arrange()
        self._connect()
        self.setFocusProxy(self.view)
        self._reset()

    def _make_view(self) -> tuple[ScoresModel, ScoresTable]:
        self.pictures = {
            IMAGE: self.thumbnails,
            FITTED: Thumbnails(self.runner, id(self), self),
            RESIDUAL: Thumbnails(self.runner, id(self), self),
        }
        model = ScoresModel(self.rows, self)
        return model, ScoresTable(self.picker, self.pictures, model)

    def _arrange(self) -> None:
        menu = QMenu(self.save_button)
        for which, text in CHOICES.items():
            menu.addAction(text, lambda w=which: self.ask_and_save(w))
        self.save_button.setMenu(menu)
        for widget in (self.clear_button, self.sort_button, self.dress, self.save_button):
            self.strip.addWidget(widget)
        content = QWidget()
        column = QVBoxLayout(content)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(self.filter)
        column.addWidget(self.view, 1)
        self.pages.addWidget(content)
        self.pages.addWidget(self.triplets)

    def _connect(self) -> None:
        self.filter.changed.connect(self._filter)
        self.clear_button.clicked.connect(lambda: self.filter.clear())
        self.sort_button.clicked.connect(self.do_sort_now)
        self.dress.triplets_wanted.connect(self.set_triplets)
        self.dress.sort_wanted.connect(lambda name, ascending: self.sort([(name, ascending)]))
        self.triplets.caption = self._words
        self.triplets.tag_of = self._tag_of
        self.triplets.activated.connect(self.open_large)
        self.triplets.menu_wanted.connect(self.show_menu)
        self.triplets.tile_size_changed.connect(lambda _: self._restyle())
        for thumbnails in list(self.pictures.values())[1:]:
            thumbnails.failed.connect(self._on_unreadable)

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
        compared = self.compared
        self._show_page()
        if self.table is not None and compared is not None:
            self._shown_map, self._version = compared.shown, compared.version
            self.contrast.low_pass_A = compared.low_pass_A
            self.model.image_name = "class" if compared.of_classes else "image"
            self.model.set_table(self.table, self.stack is not None)
            self.filter.set_table(self.table, self.model.names)
            self.view.fit_columns()
            self.triplets.forget_captions()
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
        self._stale |= "cc" not in before or not columns.same(before, table, ("cc", "outlier_score"))
        self.model.grow(table)
        self.filter.set_table(table, self.model.names)
        same = (compared.shown, compared.version) == (self._shown_map, self._version)
        self._shown_map, self._version = compared.shown, compared.version
        self._set_stacks(keep=same)
        self.contrast.follow(self.stack)
        if self.contrast.low_pass_A != compared.low_pass_A:
            self.contrast.low_pass_A = compared.low_pass_A
            self._restyle()
        if self.filter.ranges and not columns.same(before, table, self.filter.ranges):
            self._filter(self.filter.ranges)
        self._tell_order()
        self._show_count()
        self.triplets.forget_captions()
        self.triplets.grown()
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
        super()._reordered()
        self._tell_order()
        self._show_count()
        self.filter.update()
        self.dress.show_sorting(self.model.names, self.rows.keys)
        self.triplets.forget_captions()
        self.triplets.verticalScrollBar().setValue(0)
        self.triplets.relayout()

    def _filter(self, ranges: dict[str, tuple[float, float]]) -> None:
        """Show the rows within all ranges; of a long table as soon as the lane has found them."""
        if self.table is None:
            return
        table, rows, order = self.table.iloc[: len(self.rows.ids)], self.rows, self.rows.order
        if len(table) < SORT_ELSEWHERE:
            self._filtering.cancel()
            rows.set_mask(mask_of(table, ranges))
            self._filtered()
            return

        def found(answer: tuple[np.ndarray | None, np.ndarray]) -> None:
            if rows.order is order:
                rows.set_mask(*answer)
                self._filtered()
            else:  # sorted meanwhile
                self._filter(dict(self.filter.ranges))

        def work(_check: Any) -> tuple[np.ndarray | None, np.ndarray]:
            mask = mask_of(table, ranges)
            return mask, order if mask is None else order[mask[order]]

        self._filtering.ask(work, found)

    def _filtered(self) -> None:
        self.picker.changed.emit()
        self._reordered()

    def _tell_order(self) -> None:
        """Let N and P in every panel follow this order."""
        if self.compared is not None and self.document is not None:
            self.compared.order = self.rows.shown_ids()
            self.workspace.order_changed.emit(self.document.id)

    def do_select_worse(self) -> None:
        """Select the current row and every shown row that scores worse by the column it is sorted by."""
        current, table = self.picker.current, self.table
        if current is None or table is None or self.document is None:
            return
        name, ascending = self.rows.keys[0] if self.rows.keys else self.worst_first()[0]
        if name not in table or table[name].dtype.kind not in "iuf":
            name, ascending = self.worst_first()[0]
        values = table[name].to_numpy(float)
        here = values[self.rows.shown[current]]
        with np.errstate(invalid="ignore"):
            worse = values <= here if ascending else values >= here
        if self.rows.mask is not None:
            worse[: len(self.rows.mask)] &= self.rows.mask
        self.workspace.select(self.document, table.index.to_numpy(np.int64)[worse])

    # looks ----------------------------------------------------------------------------------------------------------
    def set_triplets(self, on: bool) -> None:
        """Show the rows as triplets of pictures, or as a table; order, filter and selection are the same."""
        self.dress.show_triplets(on)
        self.setFocusProxy(self.triplets if on else self.view)
        self._show_page()
        self._restyle()
        current = self.picker.current
        if current is not None:
            self._move_to(current)

    def _show_page(self) -> None:
        there = self.table is not None
        self.pages.setCurrentIndex((TRIPLETS if self.dress.triplets else TABLE) if there else 0)
        self.dress.setVisible(there)
        self.save_button.setVisible(there)

    @property
    def sheet(self) -> Any:
        """The table or the grid of triplets, whichever is shown."""
        return self.triplets if self.dress.triplets else self.view

    def _words(self, position: int) -> tuple[str, ...]:
        """Return the caption of a triplet: number and state, and the score that the rows are sorted by."""
        table = self.model.table
        if position >= len(table):
            return ()
        name = next((n for n, _ in self.rows.keys if n in table and table[n].dtype.kind in "iuf"), "outlier_score")
        state = state_mark(str(table["status"].array[position])) if "status" in table else ""
        lines = [
            " ".join(part for part in (f"#{int(table.index[position]) + 1}", state, self._tag_of(position)) if part)
        ]
        if name in table and name != ROW_NUMBER:
            words, unit = columns.heading(name)
            lines.append(f"{words} {columns.shown(self.model.column(name)[position], unit)} {unit}".rstrip())
        return tuple(lines)

    def _tag_of(self, position: int) -> str:
        table = self.model.table
        return str(self.model.column(comparison.TAG)[position]) if position < len(table) else ""

    def _show_count(self) -> None:
        text, hidden = self.count_text(), len(self.rows.ids) - len(self.rows)
        if hidden:
            text += f", {columns.grouped(len(self.rows))} shown"
        counts = {} if self.compared is None else self.compared.tags.counts()
        if counts:
            text += ", tagged " + ", ".join(f"{tag}: {columns.grouped(k)}" for tag, k in counts.items())
        self.count.setText(text)
        self.clear_button.setVisible(bool(self.filter.ranges))
        n = len(self.filter.ranges)
        self.clear_button.setText(f"Clear filter{'s' * (n != 1)}")
        self.sort_button.setVisible(self._stale)

    def _restyle(self) -> None:
        size = self.triplets.tile if self.dress.triplets else self.view.picture_px
        style = self.contrast.style(max(1, round(size * self.devicePixelRatioF())))
        c = self.contrast.contrast
        half = abs(c.high - c.low) / 2
        for name, thumbnails in self.pictures.items():
            if name == RESIDUAL and style is not None:
                levels = (-half, half) if self.contrast.known and half > 0 else style.levels
                thumbnails.set_style(replace(style, levels=levels, colormap=diverging(), inverted=False))
            else:
                thumbnails.set_style(style)
        self.sheet.request()

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() == QEvent.Type.PaletteChange:
            self._restyle()

    # hands ----------------------------------------------------------------------------------------------------------
    def _move_to(self, place: int) -> None:
        self.triplets.scroll_to(place)
        self.view.show_place(place)

    def do_zoom_in(self) -> None:
        self._zoom(1.25)

    def do_zoom_out(self) -> None:
        self._zoom(0.8)

    def _zoom(self, factor: float) -> None:
        if self.dress.triplets:
            self.triplets.set_tile(round(self.triplets.tile * factor))
        else:
            self.view.set_picture(round(self.view.picture_px * factor))

    def do_first(self) -> None:
        self.sheet.go(-len(self.rows))

    def do_last(self) -> None:
        self.sheet.go(len(self.rows))

    def do_previous_page(self) -> None:
        self.sheet.go(-self._page())

    def do_next_page(self) -> None:
        self.sheet.go(self._page())

    def _page(self) -> int:
        return self.triplets.columns * self.triplets.page if self.dress.triplets else self.view.page

    def keyPressEvent(self, event: QKeyEvent) -> None:
        CompareRows.keyPressEvent(self, event)

    # the window's questions -----------------------------------------------------------------------------------------
    def picture_widget(self) -> QWidget:
        sheet: QWidget = self.sheet
        return sheet

    def figure_spec(self) -> dict[str, Any] | None:
        return comparison.figure_spec(self.document)

    def state(self) -> dict[str, Any]:
        filters = {name: list(limits) for name, limits in self.filter.ranges.items()}
        return super().state() | {"filters": filters, "triplets": self.dress.triplets, "tile": self.triplets.tile}

    def restore(self, state: dict[str, Any]) -> None:
        super().restore(state)
        self.triplets.set_tile(int(state.get("tile", self.triplets.tile)))
        self.set_triplets(bool(state.get("triplets", False)))
        for name, (low, high) in state.get("filters", {}).items():
            self.filter.set_range(str(name), float(low), float(high))
