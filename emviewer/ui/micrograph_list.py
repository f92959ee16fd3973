"""The list of micrographs: name, particles, mean displacement; sorted by a click, searched by typing."""

from __future__ import annotations

from typing import Any

import numpy as np
from PySide6.QtCore import QAbstractTableModel, QItemSelectionModel, QModelIndex, QPersistentModelIndex, Qt, Signal
from PySide6.QtWidgets import QAbstractItemView, QHeaderView, QLabel, QLineEdit, QTableView, QVBoxLayout, QWidget

from emviewer.engine.micrograph_picks import Picks
from emviewer.ui import columns

_ROOT = QModelIndex()
NAME, COUNT, WAY, OUTSIDE = range(4)
MARKS = "_-. "
SHORT = 14
"""Letters up to which names are shown whole."""
_TITLES = ("Micrograph", "n", "shift (px)", "out")
_TIPS = (
    "Name; click to sort, again to reverse",
    "Particles on it",
    "Mean distance from the pick to where the particle stands, in pixels of the micrograph",
    "Particles that stand outside of the micrograph",
)


def short_names(full: list[str]) -> list[str]:
    """Return the names without folders; long ones also without what all begin and end with."""
    names = [n.rpartition("/")[2] or n for n in full]  # PurePath takes 30 µs a name
    if len(names) < 2 or min(map(len, names)) <= SHORT:
        return names
    begin = _common(names)
    begin = begin[: max(begin.rfind(mark) for mark in MARKS) + 1]
    end = _common([n[::-1] for n in names])[::-1]
    places = [end.find(mark) for mark in MARKS if mark in end]
    end = end[min(places) :] if places else ""
    begin, end = (part if len(part) > 4 else "" for part in (begin, end))
    least = min(map(len, names)) - len(begin) - len(end)
    if least < 1:
        return names
    return [("…" if begin else "") + n[len(begin) : len(n) - len(end)] + ("…" if end else "") for n in names]


def _common(names: list[str]) -> str:
    """Return what all names begin with: what the first and the last by the alphabet do."""
    first, last = min(names), max(names)
    n = next((i for i, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), min(len(first), len(last)))
    return first[:n]


class MicrographModel(QAbstractTableModel):
    """Micrographs in an order, without those that do not match the search."""

    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []
        self.full: list[str] = []
        self.values: list[np.ndarray] = [np.empty(0)] * 4
        self.shown = np.empty(0, np.int64)
        self.columns = [NAME]
        self.sorting: tuple[int, bool] | None = None
        self._lower: list[str] = []
        self._wanted = ""

    def set_picks(self, picks: Picks | None) -> None:
        """Show the micrographs of these particles; order and search are kept."""
        self.beginResetModel()
        same = picks is not None and list(picks.names) == self.full
        if not same:
            self.full = [] if picks is None else [str(n) for n in picks.names]
            self.names = short_names(self.full)
            self._lower = [n.lower() for n in self.full]
        if picks is not None:
            self.values = [np.arange(len(self.full)), picks.counts, picks.mean_length_px, picks.n_outside]
            self.columns = [NAME, *([COUNT] if len(picks) else []), *([WAY] if picks.after_px is not None else []),
                            *([OUTSIDE] if picks.outside.any() else [])]  # fmt: skip
        self._arrange()
        self.endResetModel()

    def search(self, wanted: str) -> None:
        """Show only micrographs whose name contains this."""
        self.beginResetModel()
        self._wanted = wanted.strip().lower()
        self._arrange()
        self.endResetModel()

    def sort(self, column: int, order: Qt.SortOrder = Qt.SortOrder.AscendingOrder) -> None:
        """Sort by a column of the view."""
        self.beginResetModel()
        self.sorting = None if column < 0 else (self.columns[column], order == Qt.SortOrder.AscendingOrder)
        self._arrange()
        self.endResetModel()

    def _arrange(self) -> None:
        n = len(self.full)
        order = np.arange(n)
        if self.sorting is not None:
            which, up = self.sorting
            if which == NAME:
                order = np.array(sorted(range(n), key=self._lower.__getitem__), np.int64)
                order = order if up else order[::-1]
            else:
                values = self.values[which]
                order = np.argsort(values if up else -values, kind="stable")
        if self._wanted:
            match = np.fromiter((self._wanted in name for name in self._lower), bool, n)
            order = order[match[order]]
        self.shown = order

    def place_of(self, index: int) -> int:
        """Return the row of the view that shows a micrograph, -1 if none does."""
        found = np.flatnonzero(self.shown == index)
        return int(found[0]) if len(found) else -1

    # Qt's side ------------------------------------------------------------------------------------------------------
    def rowCount(self, parent: QModelIndex | QPersistentModelIndex = _ROOT) -> int:
        return 0 if parent.isValid() else len(self.shown)

    def columnCount(self, parent: QModelIndex | QPersistentModelIndex = _ROOT) -> int:
        return 0 if parent.isValid() else len(self.columns)

    def data(self, index: QModelIndex | QPersistentModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        if not index.isValid():
            return None
        which, row = self.columns[index.column()], int(self.shown[index.row()])
        if role == Qt.ItemDataRole.DisplayRole:
            if which == NAME:
                return self.names[row]
            value = self.values[which][row]
            if which == WAY:
                return f"{value:.1f}" if self.values[COUNT][row] else columns.MISSING
            return columns.grouped(int(value))
        if role == Qt.ItemDataRole.TextAlignmentRole:
            side = Qt.AlignmentFlag.AlignLeft if which == NAME else Qt.AlignmentFlag.AlignRight
            return side | Qt.AlignmentFlag.AlignVCenter
        if role == Qt.ItemDataRole.ToolTipRole:
            return self.full[row]
        return None

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        if orientation != Qt.Orientation.Horizontal or section >= len(self.columns):
            return None
        which = self.columns[section]
        if role == Qt.ItemDataRole.DisplayRole:
            mark = ""
            if self.sorting is not None and self.sorting[0] == which:
                mark = " ▲" if self.sorting[1] else " ▼"
            return _TITLES[which] + mark
        if role == Qt.ItemDataRole.ToolTipRole:
            return _TIPS[which]
        if role == Qt.ItemDataRole.TextAlignmentRole:
            side = Qt.AlignmentFlag.AlignLeft if which == NAME else Qt.AlignmentFlag.AlignRight
            return side | Qt.AlignmentFlag.AlignVCenter
        return None


class MicrographList(QWidget):
    """The list with its search line.

    Signals
    -------
    chosen : int
        Index of the micrograph that a person chose.
    """

    chosen = Signal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.model = MicrographModel()
        self.model.setParent(self)
        self.search = QLineEdit()
        self.search.setPlaceholderText("Search micrographs")
        self.search.setClearButtonEnabled(True)
        self.search.setAccessibleName("Search micrographs")
        self.view = QTableView()
        self.view.setModel(self.model)
        self.view.setAccessibleName("Micrographs")
        self.view.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.view.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.view.setShowGrid(False)
        self.view.setWordWrap(False)
        self.view.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        self.view.verticalHeader().hide()
        self.view.verticalHeader().setDefaultSectionSize(self.fontMetrics().height() + 8)
        self.view.horizontalHeader().setHighlightSections(False)
        self.view.horizontalHeader().setSectionsClickable(True)
        self.view.setTabKeyNavigation(False)
        self.count = QLabel()
        self.count.setProperty("role", "dim")
        self.count.setContentsMargins(8, 3, 8, 3)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        top = QVBoxLayout()
        top.setContentsMargins(6, 6, 6, 6)
        top.addWidget(self.search)
        column.addLayout(top)
        column.addWidget(self.view, 1)
        column.addWidget(self.count)
        self.current = -1
        self._telling = False
        self.search.textChanged.connect(self._searched)
        self.search.returnPressed.connect(self._first)
        self.view.horizontalHeader().sectionClicked.connect(self._sorted)
        self.view.selectionModel().currentRowChanged.connect(self._clicked)
        self.model.modelReset.connect(self._show_current)

    def set_picks(self, picks: Picks | None) -> None:
        """Show the micrographs of these particles."""
        self.model.set_picks(picks)
        header = self.view.horizontalHeader()
        wide = self.fontMetrics().horizontalAdvance("shift (px) ▼ ")
        for section, which in enumerate(self.model.columns):
            mode = QHeaderView.ResizeMode.Stretch if which == NAME else QHeaderView.ResizeMode.Interactive
            header.setSectionResizeMode(section, mode)
            if which != NAME:
                self.view.setColumnWidth(section, wide if which == WAY else wide * 6 // 10)
        self._say()

    def set_current(self, index: int) -> None:
        """Mark the micrograph that is shown; emits nothing."""
        self.current = index
        self._show_current()

    def neighbour(self, by: int) -> int:
        """Return the micrograph so many rows on, at most the first or last; -1 if nothing is listed."""
        n = len(self.model.shown)
        if not n:
            return -1
        place = self.model.place_of(self.current)
        place = (0 if by > 0 else n - 1) if place < 0 else place + by
        return int(self.model.shown[min(max(place, 0), n - 1)])

    def position_text(self) -> str:
        """Return ``3 of 24``: where the shown micrograph stands in the list."""
        place = self.model.place_of(self.current)
        n = columns.grouped(len(self.model.shown))
        return f"{columns.grouped(place + 1)} of {n}" if place >= 0 else f"– of {n}"

    def _show_current(self) -> None:
        place = self.model.place_of(self.current)
        self._telling = True
        picked = self.view.selectionModel()
        if place < 0:
            picked.clear()
        else:
            flags = QItemSelectionModel.SelectionFlag
            picked.setCurrentIndex(self.model.index(place, 0), flags.ClearAndSelect | flags.Rows)
            self.view.scrollTo(self.model.index(place, 0))
        self._telling = False
        self._say()

    def _say(self) -> None:
        shown, n = len(self.model.shown), len(self.model.full)
        word = "micrograph" + "s" * (n != 1)
        self.count.setText(f"{columns.grouped(n)} {word}" if shown == n else f"{columns.grouped(shown)} of "
                           f"{columns.grouped(n)} {word}")  # fmt: skip

    def _searched(self, text: str) -> None:
        self.model.search(text)
        self._say()

    def _first(self) -> None:
        if len(self.model.shown) and self.model.place_of(self.current) < 0:
            self.chosen.emit(int(self.model.shown[0]))

    def _sorted(self, section: int) -> None:
        which = self.model.columns[section]
        before = self.model.sorting
        # numbers first show the largest, names begin at A
        up = not before[1] if before is not None and before[0] == which else which == NAME
        self.model.sort(section, Qt.SortOrder.AscendingOrder if up else Qt.SortOrder.DescendingOrder)

    def _clicked(self, index: QModelIndex, _before: QModelIndex) -> None:
        if index.isValid() and not self._telling:
            self.chosen.emit(int(self.model.shown[index.row()]))
