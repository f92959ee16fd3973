"""Plot: any two columns as points, or one as a histogram; what is drawn around is selected everywhere."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from PySide6.QtCore import QSignalBlocker, Qt
from PySide6.QtGui import QGuiApplication, QResizeEvent
from PySide6.QtWidgets import (
    QComboBox,
    QHBoxLayout,
    QLabel,
    QSizePolicy,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from emviewer.ui import columns
from emviewer.ui.pages import dim_words, pages_of
from emviewer.ui.panels.base import Panel
from emviewer.ui.plot_paint import QUICK
from emviewer.ui.plot_scale import Limits, limits_of
from emviewer.ui.plot_view import PlotView
from emviewer.ui.row_order import RowIds, sortable
from emviewer.ui.runner import Runner
from emviewer.ui.workspace import Document, Workspace

COUNT = "\0count"
PREFERRED_X, PREFERRED_Y = ("cc", "rlnDefocusU", "tilt_deg"), ("outlier_score", "rlnMaxValueProbDistribution", COUNT)
ROOMY = 380
"""Width from which the number of points has room beside the choice of columns."""
EMPTY = "Nothing to plot.\n\nOpen a table with numbers, or the result of a comparison."
_ADD, _SUBTRACT = Qt.KeyboardModifier.ShiftModifier, Qt.KeyboardModifier.AltModifier


def number_columns(table: pd.DataFrame) -> list[str]:
    """Return the columns that hold numbers, also those kept as text (told by their first values)."""
    out = []
    for name in table.columns:
        column = table[name]
        if column.dtype.kind in "iuf":
            out.append(str(name))
        elif column.dtype.kind in "OU" or column.dtype == "str":
            some = pd.to_numeric(column.iloc[:20], errors="coerce")
            if len(some) and some.notna().all():
                out.append(str(name))
    return out


class PlotPanel(Panel):
    """Two columns of the document's table, linked with table, gallery and sphere."""

    kind = "plot"
    heading = "Plot"

    def __init__(self, workspace: Workspace, runner: Runner, parent: QWidget | None = None) -> None:
        super().__init__(workspace, runner, parent)
        self.view = PlotView()
        self.boxes = (QComboBox(), QComboBox())
        self.lasso = QToolButton()
        self.count = QLabel()
        self.rows = RowIds()
        self._plotted: tuple[str, str, pd.DataFrame] | None = None
        self._named: list[str] = []
        self._by_hand = False
        self._build()
        self.view.chosen.connect(self._chosen)
        self.view.use_lane(runner, id(self))
        self.view.picked.connect(self._picked)
        self.view.pointed.connect(self._pointed)
        self.lasso.toggled.connect(self._set_lasso)
        for box in self.boxes:
            box.activated.connect(lambda _: self._choose())
        self.listen(workspace.changed, lambda d: self._reload() if d is self.document else None)
        self.listen(workspace.row_changed, lambda number: self._show_current() if self._is_shown(number) else None)
        self.listen(
            workspace.selection_changed, lambda number: self._show_selected() if self._is_shown(number) else None
        )
        self.show_document(None)

    def _build(self) -> None:
        self.setFocusProxy(self.view)
        strip = QHBoxLayout()
        strip.setContentsMargins(8, 4, 8, 2)
        for word, box in (("up", self.boxes[1]), ("across", self.boxes[0])):
            box.setAccessibleName(f"Column {word}")
            box.setToolTip(f"What is plotted {word}")
            box.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
            box.setMinimumWidth(60)
            box.setMaximumWidth(self.fontMetrics().averageCharWidth() * 26)
            strip.addWidget(box, 4)
            if word == "up":
                strip.addWidget(QLabel("\u2009over\u2009"))
        self.lasso.setText("Lasso")
        self.lasso.setCheckable(True)
        self.lasso.setMinimumHeight(24)
        self.lasso.setToolTip("Draw around points instead of a rectangle; Shift adds, Alt takes away")
        strip.addWidget(self.lasso)
        strip.addStretch(1)
        strip.addWidget(self.count)
        content = QWidget()
        column = QVBoxLayout(content)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addLayout(strip)
        column.addWidget(self.view, 1)
        self.pages = pages_of(self, dim_words(EMPTY), content)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self.count.setVisible(self.width() >= ROOMY)

    @classmethod
    def accepts(cls, document: Document) -> bool:
        return document.table is not None

    def _is_shown(self, number: int) -> bool:
        return self.document is not None and number == self.document.id

    # the document ---------------------------------------------------------------------------------------------------
    def show_document(self, document: Document | None) -> None:
        if document is not None and not self.accepts(document):
            document = None
        super().show_document(document)
        self._named, self._by_hand, self._plotted = [], False, None
        self._reload()

    def _reload(self) -> None:
        table = None if self.document is None else self.document.table
        if table is not None and list(table.columns) != self._named:
            self._named = list(table.columns)
            self._fill(table)
        there = table is not None and self.boxes[0].count() > 0
        self.pages.setCurrentIndex(1 if there else 0)
        if there:
            self._plot()
        else:
            self._plotted = None
            self.view.set_points(np.empty(0), np.empty(0), ("", ""))

    def _fill(self, table: pd.DataFrame) -> None:
        names = number_columns(table)
        hidden = set(columns.repeated(table.columns))
        names = [name for name in names if name not in hidden]
        for place, (box, preferred) in enumerate(zip(self.boxes, (PREFERRED_X, PREFERRED_Y), strict=True)):
            before = box.currentData()
            with QSignalBlocker(box):
                box.clear()
                if place:
                    box.addItem("number of images", COUNT)
                for name in names:
                    box.addItem(columns.title(name), name)
                wanted = [
                    *([before] if self._by_hand else []),
                    *preferred,
                    names[min(place, len(names) - 1)] if names else COUNT,
                ]
                box.setCurrentIndex(next((i for i in map(box.findData, wanted) if i >= 0), 0))

    def _choose(self) -> None:
        self._by_hand = True
        self._plot()

    def _plot(self) -> None:
        table = None if self.document is None else self.document.table
        across, up = (box.currentData() for box in self.boxes)
        if table is None or across is None:
            return
        drawn, self._plotted = self._plotted, (across, up, table)
        if drawn is not None and drawn[:2] == (across, up) and columns.same(drawn[2], table, (across, up)):
            return  # a tag was given, a row was chosen: the same points
        titles = (columns.title(across), columns.title(up) if up != COUNT else "")
        ids = table.index.to_numpy(np.int64)

        def read() -> tuple[list[np.ndarray | None], Limits, RowIds]:
            x, y = (None if name == COUNT else sortable(table[name]) for name in (across, up))
            assert x is not None
            return [x, y], limits_of(x, y), RowIds(ids)

        lane = (id(self), "columns")
        if len(table) < QUICK:
            self.runner.drop_views(lane)
            self._draw(*read(), titles)
        else:  # a million texts take a second to become numbers
            self.runner.view(lane, lambda check: read(), lambda found: self._draw(*found, titles))

    def _draw(self, values: list[np.ndarray | None], limits: Limits, rows: RowIds, titles: tuple[str, str]) -> None:
        self.rows = rows
        assert values[0] is not None
        self.view.set_points(values[0], values[1], titles, limits)
        self._show_selected()
        self._show_current()

    # linking --------------------------------------------------------------------------------------------------------
    def _show_selected(self) -> None:
        if self.document is None or self.document.table is None:
            return
        selected = self.workspace.selection(self.document)
        self.view.set_selected(self.rows.mask_of(selected))
        n, k = len(self.rows), len(selected)
        self.count.setText(
            f"{columns.grouped(k)} of {columns.grouped(n)} selected" if k else f"{columns.grouped(n)} images"
        )

    def _show_current(self) -> None:
        if self.document is not None:
            self.view.set_current(self.rows.position_of(self.workspace.row(self.document)))

    def _chosen(self, indices: np.ndarray, modifiers: Qt.KeyboardModifier) -> None:
        if self.document is None:
            return
        rows, before = self.rows.ids[indices], self.workspace.selection(self.document)
        if modifiers & _SUBTRACT:
            rows = np.setdiff1d(before, rows)
        elif modifiers & _ADD:
            rows = np.union1d(before, rows)
        self.workspace.select(self.document, rows)

    def _picked(self, index: int, modifiers: Qt.KeyboardModifier) -> None:
        if self.document is None:
            return
        if index < 0:
            if not modifiers & (_ADD | _SUBTRACT):
                self.workspace.select(self.document, [])
            return
        row = int(self.rows.ids[index])
        if modifiers & (Qt.KeyboardModifier.ControlModifier | _ADD):
            self.workspace.select(self.document, np.setxor1d(self.workspace.selection(self.document), [row]))
        self.workspace.set_row(self.document, row)

    def _pointed(self, index: int) -> None:
        if index < 0:
            self.status.emit("")
            return
        x, y = self.view.x[index], self.view.y[index]
        self.status.emit(f"#{self.rows.ids[index] + 1}   {self.view.titles[0]} {x:.5g}   {self.view.titles[1]} {y:.5g}")

    def _set_lasso(self, on: bool) -> None:
        self.view.lasso = on

    # the window's questions -----------------------------------------------------------------------------------------
    def do_zoom_fit(self) -> None:
        """Show all points."""
        self.view.fit()

    def do_select_all(self) -> None:
        """Select every row."""
        if self.document is not None:
            self.workspace.select(self.document, self.rows.ids)

    def do_select_none(self) -> None:
        """Select nothing."""
        if self.document is not None:
            self.workspace.select(self.document, [])

    def do_select_inverse(self) -> None:
        """Select what is not selected."""
        if self.document is not None:
            self.workspace.select(self.document, np.setdiff1d(self.rows.ids, self.workspace.selection(self.document)))

    def do_copy_picture(self) -> None:
        """Copy the plot."""
        QGuiApplication.clipboard().setPixmap(self.view.grab())

    def state(self) -> dict[str, Any]:
        return {"across": self.boxes[0].currentData(), "up": self.boxes[1].currentData(), "lasso": self.view.lasso}

    def restore(self, state: dict[str, Any]) -> None:
        self._by_hand = True
        for box, name in zip(self.boxes, ("across", "up"), strict=True):
            if state.get(name) is not None:
                box.setCurrentIndex(max(0, box.findData(state[name])))
        self.lasso.setChecked(bool(state.get("lasso", False)))
        self._plot()
