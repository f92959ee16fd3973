"""How the rows of the scores are shown: as a table, or as triplets, which have no headers to sort by."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QSignalBlocker, Signal
from PySide6.QtWidgets import QButtonGroup, QComboBox, QHBoxLayout, QToolButton, QWidget

from emviewer.ui import columns, comparison
from emviewer.ui.row_order import ROW_NUMBER, SortKey

RISING = (ROW_NUMBER, "cc", "cc_margin", "cc_second", "tag", "status", comparison.WINNER)
"""Columns whose smallest value is the worst, or whose order is that of words."""


class Dress(QWidget):
    """The buttons *Table* and *Triplets*, and for triplets what they are sorted by.

    Signals
    -------
    triplets_wanted : bool
    sort_wanted : str, bool
        Column, and whether it ascends.
    """

    triplets_wanted = Signal(bool)
    sort_wanted = Signal(str, bool)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.sorting = QComboBox()
        self.sorting.setAccessibleName("Sort triplets by")
        self.sorting.setToolTip("What the triplets are sorted by, worst first")
        self.sorting.setMaximumWidth(self.fontMetrics().averageCharWidth() * 22)
        self.sorting.activated.connect(self._sort)
        self.sorting.hide()
        self.group = QButtonGroup(self)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(2)
        row.addWidget(self.sorting)
        for number, (text, tip) in enumerate(
            (("Table", "A row an image with every score"), ("Triplets", "Image over reprojection over residual"))
        ):
            button = QToolButton()
            button.setText(text)
            button.setToolTip(tip)
            button.setCheckable(True)
            button.setChecked(number == 0)
            button.setMinimumHeight(24)
            self.group.addButton(button, number)
            row.addWidget(button)
        self.group.idClicked.connect(lambda number: self.triplets_wanted.emit(number == 1))

    @property
    def triplets(self) -> bool:
        """Whether triplets are shown."""
        return self.group.checkedId() == 1

    def show_triplets(self, on: bool) -> None:
        """Press the button of the way the rows are shown."""
        self.group.button(int(on)).setChecked(True)
        self.sorting.setVisible(on)

    def show_sorting(self, names: Sequence[str], keys: Sequence[SortKey]) -> None:
        """Offer these columns; the first key is the present one."""
        offered = [name for name in names if not name.startswith("\0")]
        if offered != [self.sorting.itemData(i) for i in range(self.sorting.count())]:
            with QSignalBlocker(self.sorting):
                self.sorting.clear()
                for name in offered:
                    self.sorting.addItem(f"by {columns.title(name)}", name)
        self.sorting.setCurrentIndex(self.sorting.findData(keys[0][0]) if keys else -1)

    def _sort(self) -> None:
        name = str(self.sorting.currentData())
        self.sort_wanted.emit(
            name, name in RISING or name.startswith("cc ") or name == comparison.WINNER or name == "#"
        )
