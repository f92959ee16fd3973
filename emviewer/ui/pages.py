"""Two pages of a panel: words while there is nothing to show, and what there is to show."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QLabel, QStackedLayout, QWidget


def dim_words(text: str) -> QLabel:
    """Return words in the middle of an empty room."""
    label = QLabel(text)
    label.setObjectName("dim")
    label.setAlignment(Qt.AlignmentFlag.AlignCenter)
    label.setWordWrap(True)
    return label


def pages_of(panel: QWidget, empty: QLabel, content: QWidget) -> QStackedLayout:
    """Lay out a panel as two pages, 0 while it is empty and 1 with its content, and return them."""
    pages = QStackedLayout(panel)
    pages.addWidget(empty)
    pages.addWidget(content)
    return pages
