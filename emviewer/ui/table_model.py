"""A table of any length for Qt: the DataFrame's own columns, seen through a :class:`RowOrder`. No proxy, no copies."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from PySide6.QtCore import QAbstractTableModel, QModelIndex, QObject, QPersistentModelIndex, Qt, Signal

from emviewer.ui import columns
from emviewer.ui.row_order import ROW_NUMBER, Ints, RowOrder, SortKey, sorted_positions
from emviewer.ui.runner import Runner

IMAGE = "\0image"
"""Name of the column that shows the picture of a row."""
SORT_ELSEWHERE = 50_000
"""Rows from which sorting is done in the view lane; fewer take less than a frame or two."""
_ROOT = QModelIndex()


class RowSorter(QObject):
    """Sorts a :class:`RowOrder`, long tables in the view lane.

    Signals
    -------
    sorted
        The order of the rows changed.
    busy : bool
        A long sort began or ended.
    """

    sorted = Signal()
    busy = Signal(bool)

    def __init__(self, runner: Runner, rows: RowOrder, owner: Any, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.runner = runner
        self.rows = rows
        self._key = (owner, "sort", id(self))

    def sort(self, table: pd.DataFrame, keys: Sequence[SortKey]) -> None:
        """Sort by these keys, first one first; no keys: the order of the table."""
        wanted = list(keys)
        if len(table) < SORT_ELSEWHERE:
            self._done(sorted_positions(table, wanted), wanted)
            return
        self.busy.emit(True)
        self.runner.view(
            self._key, lambda check: sorted_positions(table, wanted), lambda order: self._done(order, wanted, True)
        )

    def _done(self, order: Ints, keys: list[SortKey], long: bool = False) -> None:
        self.rows.set_order(order[order < len(self.rows.ids)], keys)
        if long:
            self.busy.emit(False)
        self.sorted.emit()


def toggled_keys(keys: Sequence[SortKey], column: str, add: bool) -> list[SortKey]:
    """Return the sort keys after a click on a header: again reverses, ``add`` (Shift) keeps the others before it."""
    before = dict(keys)
    ascending = not before[column] if column in before else True
    if not add:
        return [(column, ascending)]
    if column in before:
        return [(name, ascending if name == column else up) for name, up in keys]
    return [*keys, (column, ascending)]


class TableModel(QAbstractTableModel):
    """Rows of a DataFrame in the order of a :class:`RowOrder`.

    Parameters
    ----------
    rows : RowOrder
        Which rows are shown and in which order; shared with the picker and the sorter.

    Notes
    -----
    Values are turned into text only for the cells that are painted. Rows that a job appends come through
    :meth:`grow`, once a drained mailbox, and stand last until the user sorts.
    """

    def __init__(self, rows: RowOrder, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.rows = rows
        self.table = pd.DataFrame()
        self.names: list[str] = []
        self._values: dict[str, Any] = {}
        self._n = 0

    def set_table(self, table: pd.DataFrame, with_image: bool, hidden: Sequence[str] = ()) -> None:
        """Show a table (its rows must have been given to the row order)."""
        self.beginResetModel()
        self.table = table
        self._values = {}
        self._n = len(self.rows)
        self.names = [*([IMAGE] if with_image else []), ROW_NUMBER, *(c for c in table.columns if c not in hidden)]
        self.endResetModel()

    def grow(self, table: pd.DataFrame) -> None:
        """Take over a longer table that begins with the present one (after ``rows.grow``)."""
        added = len(self.rows) - self._n
        if added > 0:
            self.beginInsertRows(_ROOT, self._n, self._n + added - 1)
        self.table = table
        self._values = {}
        self._n = len(self.rows)
        if added > 0:
            self.endInsertRows()

    def reordered(self) -> None:
        """Say that order or filter changed."""
        if self._n == len(self.rows):
            self.layoutChanged.emit()
            return
        self.beginResetModel()
        self._n = len(self.rows)
        self.endResetModel()

    def column(self, name: str) -> Any:
        """Return the values of a column by position."""
        if name not in self._values:
            self._values[name] = columns.values_of(self.table, name)
        return self._values[name]

    def value(self, place: int, name: str) -> Any:
        """Return the value at a place; the row number counts from 1."""
        position = int(self.rows.shown[place])
        if position >= len(self.table):
            return None
        value = self.column(name)[position]
        return int(value) + 1 if name == ROW_NUMBER else value

    def text(self, place: int, name: str) -> str:
        """Return what a cell says."""
        if name == IMAGE:
            return ""
        return columns.shown(self.value(place, name), columns.heading(name)[1])

    # Qt's side ------------------------------------------------------------------------------------------------------
    def rowCount(self, parent: QModelIndex | QPersistentModelIndex = _ROOT) -> int:
        return 0 if parent.isValid() else self._n

    def columnCount(self, parent: QModelIndex | QPersistentModelIndex = _ROOT) -> int:
        return 0 if parent.isValid() else len(self.names)

    def data(self, index: QModelIndex | QPersistentModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        if not index.isValid():
            return None
        name = self.names[index.column()]
        if role == Qt.ItemDataRole.DisplayRole:
            return self.text(index.row(), name)
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return self._alignment(index.row(), name)
        if role == Qt.ItemDataRole.ToolTipRole and name != IMAGE:
            return columns.exact(self.value(index.row(), name)) or "no value"
        return None

    def _alignment(self, place: int, name: str) -> Qt.AlignmentFlag:
        side = Qt.AlignmentFlag.AlignRight if is_number(self.text(place, name)) else Qt.AlignmentFlag.AlignLeft
        return side | Qt.AlignmentFlag.AlignVCenter

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        if orientation != Qt.Orientation.Horizontal or section >= len(self.names):
            return None
        name = self.names[section]
        if role == Qt.ItemDataRole.DisplayRole:
            return "" if name == IMAGE else columns.title(name) + self._mark(name)
        if role == Qt.ItemDataRole.TextAlignmentRole and self._n:
            return self._alignment(0, name)
        if role == Qt.ItemDataRole.ToolTipRole and name != IMAGE:
            return f"{name}. Click to sort, again to reverse, Shift+click to add a second key"
        return None

    def _mark(self, name: str) -> str:
        for i, (key, ascending) in enumerate(self.rows.keys):
            if key == name:
                return (" ▲" if ascending else " ▼") + (str(i + 1) if len(self.rows.keys) > 1 else "")
        return ""


def is_number(text: str) -> bool:
    """Return whether a cell's text is a number (or a dash in place of one), to be set to the right."""
    return text == columns.MISSING or (text.lstrip("-")[:1].isdigit() and "@" not in text and "/" not in text)


def as_tsv(table: pd.DataFrame, positions: Ints, names: Sequence[str]) -> str:
    """Return rows as tab-separated text with a header line, values with nothing rounded."""
    lines = ["\t".join(names)]
    taken = {name: columns.values_of(table, name) for name in names}
    for position in np.asarray(positions, np.int64).tolist():
        cells = [
            str(int(v[position]) + 1) if name == ROW_NUMBER else columns.exact(v[position]) for name, v in taken.items()
        ]
        lines.append("\t".join(c.replace("\t", " ").replace("\n", " ") for c in cells))
    return "\n".join(lines) + "\n"
