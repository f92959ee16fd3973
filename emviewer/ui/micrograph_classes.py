"""The classes of the particles with their colours; unticked ones are hidden."""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QColor, QIcon, QPixmap
from PySide6.QtWidgets import QHBoxLayout, QListWidget, QListWidgetItem, QPushButton, QVBoxLayout, QWidget

from emviewer.ui import columns
from emviewer.ui.micrograph_colours import Classes

ROWS = 8
"""Classes that are seen without scrolling."""


class ClassList(QWidget):
    """A tick, a colour, a name and counts for each class.

    Signals
    -------
    changed
        Other classes are hidden now.
    chosen : int
        Row of the class that was clicked.
    """

    changed = Signal()
    chosen = Signal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.classes = Classes.of(None, 0)
        self.list = QListWidget()
        self.list.setAccessibleName("Classes shown")
        self.list.setUniformItemSizes(True)
        self.list.setMinimumHeight((self.fontMetrics().height() + 8) * ROWS)
        self.all_button, self.none_button, self.invert_button = (QPushButton(t) for t in ("All", "None", "Invert"))
        for button, tip in (
            (self.all_button, "Show every class"), (self.none_button, "Hide every class"),
            (self.invert_button, "Show what is hidden and hide what is shown"),
        ):  # fmt: skip
            button.setToolTip(tip)
        row = QHBoxLayout()
        for button in (self.all_button, self.none_button, self.invert_button):
            row.addWidget(button)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self.list)
        column.addLayout(row)
        self.list.itemChanged.connect(lambda _: self.changed.emit())
        self.list.itemClicked.connect(lambda item: self.chosen.emit(self.list.row(item)))
        self.all_button.clicked.connect(lambda: self._set(lambda on: True))
        self.none_button.clicked.connect(lambda: self._set(lambda on: False))
        self.invert_button.clicked.connect(lambda: self._set(lambda on: not on))

    def set_classes(self, classes: Classes, keep: bool = False) -> None:
        """List these classes, all shown unless ``keep`` and the numbers are the same."""
        hidden = set(self.hidden_numbers()) if keep else set()
        self.classes = classes
        self.list.blockSignals(True)
        self.list.clear()
        for row, word in enumerate(classes.words()):
            item = QListWidgetItem(_swatch(QColor.fromRgb(int(word))), "")
            item.setFlags(item.flags() | Qt.ItemFlag.ItemIsUserCheckable)
            shown = int(classes.numbers[row]) not in hidden
            item.setCheckState(Qt.CheckState.Checked if shown else Qt.CheckState.Unchecked)
            self.list.addItem(item)
        self.list.blockSignals(False)
        self.set_here(np.zeros(len(classes.numbers), np.int64))

    def set_here(self, counts: np.ndarray) -> None:
        """Say how many members of each class the micrograph shown has, int64 (c,)."""
        self.list.blockSignals(True)
        for row in range(self.list.count()):
            total = columns.grouped(int(self.classes.counts[row]))
            self.list.item(row).setText(f"{self.classes.text(row)}   {columns.grouped(int(counts[row]))} of {total}")
        self.list.blockSignals(False)

    def shown(self) -> np.ndarray:
        """Return which classes are shown, bool (c,)."""
        n = self.list.count()
        return np.array([self.list.item(i).checkState() == Qt.CheckState.Checked for i in range(n)], bool)

    def hidden_numbers(self) -> list[int]:
        """Return the numbers of the hidden classes."""
        return [int(n) for n, on in zip(self.classes.numbers, self.shown(), strict=True) if not on]

    def hide_numbers(self, numbers: list[int]) -> None:
        """Hide just these classes."""
        wanted = set(numbers)
        self._set_each([int(n) not in wanted for n in self.classes.numbers])

    def show_only(self, row: int) -> None:
        """Hide every class but one."""
        self._set_each([i == row for i in range(self.list.count())])

    def set_current(self, row: int) -> None:
        """Mark a class, -1 for none; emits nothing."""
        self.list.blockSignals(True)
        self.list.setCurrentRow(row)
        self.list.blockSignals(False)

    def _set(self, wanted: object) -> None:
        self._set_each([wanted(on) for on in self.shown()])  # type: ignore[operator]

    def _set_each(self, shown: list[bool]) -> None:
        self.list.blockSignals(True)
        for row, on in enumerate(shown):
            self.list.item(row).setCheckState(Qt.CheckState.Checked if on else Qt.CheckState.Unchecked)
        self.list.blockSignals(False)
        self.changed.emit()


def _swatch(colour: QColor) -> QIcon:
    pixmap = QPixmap(14, 14)
    pixmap.fill(colour)
    return QIcon(pixmap)
