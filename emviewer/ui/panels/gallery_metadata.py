"""Everything that the table says of one image, as it is written there."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QDialog, QHeaderView, QPushButton, QTableWidget, QTableWidgetItem, QVBoxLayout, QWidget

from emviewer.ui import columns


class MetadataDialog(QDialog):
    """Names and values of one row, to read and to copy.

    Parameters
    ----------
    title : str
        Heading.
    facts : list of (str, object)
        Column and value.
    """

    def __init__(self, title: str, facts: list[tuple[str, object]], parent: QWidget) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle(title)
        self.facts = facts
        self.view = QTableWidget(len(facts), 3)
        self.view.setHorizontalHeaderLabels(["Column", "Meaning", "Value"])
        self.view.setAccessibleName("Metadata")
        self.view.setEditTriggers(QTableWidget.EditTrigger.NoEditTriggers)
        self.view.verticalHeader().hide()
        self.view.setShowGrid(False)
        self.view.setWordWrap(False)
        self.view.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        self.view.setAlternatingRowColors(True)
        for i, (name, value) in enumerate(facts):
            for j, text in enumerate((name, columns.title(name), columns.exact(value) or columns.MISSING)):
                item = QTableWidgetItem(text)
                item.setToolTip(text)
                self.view.setItem(i, j, item)
        self.view.resizeColumnsToContents()
        self.view.horizontalHeader().setSectionResizeMode(2, QHeaderView.ResizeMode.Stretch)
        copy = QPushButton("Copy")
        copy.setAutoDefault(False)
        copy.clicked.connect(self.copy)
        layout = QVBoxLayout(self)
        layout.addWidget(self.view)
        layout.addWidget(copy, 0, Qt.AlignmentFlag.AlignRight)
        self.resize(self.fontMetrics().averageCharWidth() * 120, min(640, 130 + 30 * len(facts)))

    def copy(self) -> None:
        """Put names and values on the clipboard, one a line."""
        QGuiApplication.clipboard().setText("".join(f"{n}\t{columns.exact(v)}\n" for n, v in self.facts))
