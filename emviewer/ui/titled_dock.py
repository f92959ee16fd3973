"""A dock of the window's edge with a quiet title."""

from __future__ import annotations

from PySide6.QtCore import QSize, Qt
from PySide6.QtWidgets import QDockWidget, QHBoxLayout, QLabel, QToolButton, QWidget

from emviewer.ui import theme


class TitledDock(QDockWidget):
    """A dock with a small heading, room for buttons of its own, and a cross that hides it.

    Parameters
    ----------
    title : str
        Heading; menus name the dock by it.
    widget : QWidget
        What it holds.
    extras : sequence of QWidget
        Widgets put before the cross.
    """

    def __init__(self, title: str, widget: QWidget, extras: tuple[QWidget, ...] = ()) -> None:
        super().__init__(title)
        self.setObjectName(title.lower())
        self.setWidget(widget)
        self.setFeatures(
            QDockWidget.DockWidgetFeature.DockWidgetClosable | QDockWidget.DockWidgetFeature.DockWidgetMovable
        )
        bar = QWidget()
        bar.setObjectName("dockTitle")
        bar.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        row = QHBoxLayout(bar)
        row.setContentsMargins(10, 2, 4, 2)
        row.setSpacing(4)
        row.addWidget(QLabel(title))
        row.addStretch(1)
        for extra in extras:
            row.addWidget(extra)
        self._cross = QToolButton()
        self._cross.setMinimumSize(24, 24)
        self._cross.setIconSize(QSize(14, 14))
        self._cross.setToolTip(f"Hide {title.lower()}")
        self._cross.setAccessibleName(f"Hide {title.lower()}")
        self._cross.clicked.connect(self.close)
        row.addWidget(self._cross)
        self.setTitleBarWidget(bar)
        self.recolour()

    def recolour(self) -> None:
        """Follow a new theme."""
        self._cross.setIcon(theme.icon("close", theme.current().dim))
