"""The table of the pieces of a difference map; a row jumps to its piece."""

from __future__ import annotations

from typing import Any

import pandas as pd
from PySide6.QtCore import QAbstractTableModel, QModelIndex, QPersistentModelIndex, QSize, Qt, Signal
from PySide6.QtGui import QGuiApplication, QKeyEvent, QKeySequence
from PySide6.QtWidgets import QAbstractItemView, QHeaderView, QLabel, QTableView, QVBoxLayout, QWidget

from emviewer.ui.columns import MISSING

_DISPLAY = Qt.ItemDataRole.DisplayRole
Index = QModelIndex | QPersistentModelIndex
COLUMNS = ("#", "more in", "Å³", "peak z", "mass %", "x (Å)", "y (Å)", "z (Å)")
NAMES = ("sign", "volume_A3", "peak_z", "mass_fraction", "x_A", "y_A", "z_A")
TIPS = (
    "In the order of the job: largest mass first", "Which of the two maps has more density there", "Volume",
    "Largest z-score", "Density of the piece as a share of the reference's", *3 * ("Centre, as in the map's header",),
)  # fmt: skip


class BlobModel(QAbstractTableModel):
    """Pieces as rows, in the order of a column."""

    def __init__(self) -> None:
        super().__init__()
        self.table = pd.DataFrame()

    def show_table(self, table: pd.DataFrame) -> None:
        """Show these pieces; the index counts them from 0."""
        self.beginResetModel()
        self.table = table
        self.endResetModel()

    def rowCount(self, parent: Index = QModelIndex()) -> int:
        """Return the number of pieces."""
        return 0 if parent.isValid() else len(self.table)

    def columnCount(self, parent: Index = QModelIndex()) -> int:
        """Return the number of columns."""
        return 0 if parent.isValid() else len(COLUMNS)

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Return the heading of a column."""
        if orientation != Qt.Orientation.Horizontal or role not in (_DISPLAY, Qt.ItemDataRole.ToolTipRole):
            return None
        return COLUMNS[section] if role == _DISPLAY else TIPS[section]

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Return the text of a cell."""
        if role == Qt.ItemDataRole.TextAlignmentRole:
            side = Qt.AlignmentFlag.AlignLeft if index.column() == 1 else Qt.AlignmentFlag.AlignRight
            return int(side | Qt.AlignmentFlag.AlignVCenter)
        return self.text(index.row(), index.column()) if role == Qt.ItemDataRole.DisplayRole else None

    def text(self, row: int, column: int) -> str:
        """Return what a cell says."""
        piece = self.table.iloc[row]
        if column == 0:
            return str(int(self.table.index[row]) + 1)
        if column == 1:
            return "+ reference" if piece["sign"] > 0 else "− map"
        value = float(piece.get(NAMES[column - 1], float("nan")))
        if value != value:
            return MISSING
        return f"{100 * value:.2f}" if column == 4 else f"{value:.0f}" if column == 2 else f"{value:.1f}"

    def sort(self, column: int, order: Qt.SortOrder = Qt.SortOrder.AscendingOrder) -> None:
        """Put the pieces in the order of a column; the first column is that of the job, largest mass first."""
        up = order == Qt.SortOrder.AscendingOrder
        if not len(self.table):
            return
        if column == 0:
            self.show_table(self.table.sort_index(ascending=up))
        else:
            self.show_table(self.table.sort_values(NAMES[column - 1], ascending=up, kind="stable"))


class BlobTable(QWidget):
    """Pieces of a difference.

    Signals
    -------
    chosen : (float, float, float)
        Centre of the piece in Å, in the coordinates of the map's header.
    """

    chosen = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.model = BlobModel()
        self.heading = QLabel()
        self.heading.setProperty("role", "dim")
        self.heading.setContentsMargins(8, 3, 8, 2)
        self.view = QTableView()
        self.view.setModel(self.model)
        self.view.setAccessibleName("Pieces of the difference")
        self.view.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.view.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.view.setSortingEnabled(True)
        self.view.setShowGrid(False)
        self.view.setAlternatingRowColors(True)
        self.view.verticalHeader().hide()
        self.view.verticalHeader().setDefaultSectionSize(self.view.fontMetrics().height() + 8)
        self.view.horizontalHeader().setSortIndicator(0, Qt.SortOrder.AscendingOrder)
        self.view.horizontalHeader().setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        self.view.horizontalHeader().setStretchLastSection(True)
        self.view.selectionModel().currentRowChanged.connect(lambda now, _: self._chosen(now.row()))
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(self.heading)
        column.addWidget(self.view, 1)

    def sizeHint(self) -> QSize:
        """Wide enough for the columns that say most."""
        return QSize(self.fontMetrics().averageCharWidth() * 46, 240)

    def show_blobs(self, table: pd.DataFrame | None) -> None:
        """Show the pieces of a difference."""
        n = 0 if table is None else len(table)
        self.model.show_table(pd.DataFrame() if table is None else table.reset_index(drop=True))
        self.setVisible(n > 0)
        self.heading.setText("1 piece" if n == 1 else f"{n} pieces")

    def walk(self, by: int) -> None:
        """Go so many rows on."""
        n, now = self.model.rowCount(), self.view.currentIndex().row()
        if n:
            self.view.selectRow(min(max(now + by, 0), n - 1))

    def _chosen(self, row: int) -> None:
        if 0 <= row < len(self.model.table):
            piece = self.model.table.iloc[row]
            self.chosen.emit((float(piece["x_A"]), float(piece["y_A"]), float(piece["z_A"])))

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Copy the table."""
        if event.matches(QKeySequence.StandardKey.Copy):
            QGuiApplication.clipboard().setText(self.model.table.to_csv(sep="\t", index=False))
        else:
            super().keyPressEvent(event)
