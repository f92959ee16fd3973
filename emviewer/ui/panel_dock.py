"""The dock around a panel: its title names the document and changes it, and gives the panel the room there is."""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import QEvent, QSize, Qt, Signal
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QDockWidget, QHBoxLayout, QLabel, QMenu, QScrollArea, QSizePolicy, QToolButton, QWidget

from emviewer.ui import theme
from emviewer.ui.panels.base import Panel
from emviewer.ui.workspace import Document, Workspace

LEAST = QSize(600, 240)
"""Room that a panel has even on a small screen."""
SHARE = 0.63
"""Of the width of the screen, or of a window that is wider, that a panel may ask for."""


class _Room(QScrollArea):
    """Where a panel stands. On a small screen it scrolls rather than making the window larger than the screen.

    The panel fills the room and is never less than its least size. (A scroll area that resizes by itself gives what is
    in it the height that it would like for its width, and scrolls long before it must.)
    """

    def __init__(self, panel: Panel) -> None:
        super().__init__()
        self.setFrameShape(QScrollArea.Shape.NoFrame)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setWidget(panel)

    def viewportEvent(self, event: QEvent) -> bool:
        done = super().viewportEvent(event)
        if event.type() == QEvent.Type.LayoutRequest:  # the panel needs more or less room than before
            self.updateGeometry()
            self._fit()
        return done

    def resizeEvent(self, event: QResizeEvent) -> None:
        self._fit()
        super().resizeEvent(event)

    def _least(self) -> QSize:
        return self.widget().minimumSizeHint().expandedTo(self.widget().minimumSize())

    def _fit(self) -> None:
        least, room, bar = self._least(), self.maximumViewportSize(), self.verticalScrollBar().sizeHint().width()
        tall, wide = least.height() > room.height(), least.width() > room.width()
        self.widget().resize((room - QSize(bar * tall, bar * wide)).expandedTo(least))

    def minimumSizeHint(self) -> QSize:
        least = self._least()
        wide = max(LEAST.width(), round(SHARE * max(self.screen().availableGeometry().width(), self.window().width())))
        if least.height() > LEAST.height():
            least += QSize(self.verticalScrollBar().sizeHint().width(), 0)
        return least.boundedTo(QSize(wide, LEAST.height()))

    def sizeHint(self) -> QSize:
        return self.widget().sizeHint()


class PanelDock(QDockWidget):
    """A dock that holds one panel; its title names the document and can change it.

    Parameters
    ----------
    panel : Panel
        The panel.
    pinned : bool
        Keep the document that it shows; otherwise it follows the current document.
    """

    closing = Signal(object)

    def __init__(self, panel: Panel, pinned: bool, workspace: Workspace) -> None:
        super().__init__(panel.heading)
        self.panel, self.pinned, self.workspace = panel, pinned, workspace
        self.arranged = False  # opened beside a document's first panel, not asked for
        self.setWidget(_Room(panel))
        self.setAllowedAreas(Qt.DockWidgetArea.AllDockWidgetAreas)
        self.choice = self._tool("", "Choose what this panel shows", "documentButton")
        self.choice.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self.choice.setLayoutDirection(Qt.LayoutDirection.RightToLeft)
        self.choice.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self.menu = QMenu(self)
        self.menu.aboutToShow.connect(self._fill_menu)
        self.choice.setMenu(self.menu)
        self.float_button = self._tool("", "Take this panel out of the window, or put it back")
        self.float_button.clicked.connect(lambda: self.setFloating(not self.isFloating()))
        self.close_button = self._tool("", "Close this panel")
        self.close_button.clicked.connect(self.close)
        bar = QWidget()
        bar.setObjectName("panelTitle")
        bar.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        row = QHBoxLayout(bar)
        row.setContentsMargins(4, 1, 4, 1)
        row.setSpacing(2)
        self.heading = QLabel(panel.heading)
        self.heading.setProperty("role", "title")
        self.heading.setContentsMargins(6, 0, 2, 0)
        row.addWidget(self.heading)
        row.addWidget(self.choice)
        row.addStretch(1)
        row.addWidget(self.float_button)
        row.addWidget(self.close_button)
        self.setTitleBarWidget(bar)
        self.recolour()
        self.retitle()

    def _tool(self, text: str, tip: str, name: str = "") -> QToolButton:
        button = QToolButton()
        button.setText(text)
        button.setToolTip(tip)
        button.setAccessibleName(tip)
        button.setObjectName(name)
        button.setMinimumSize(24, 24)
        button.setIconSize(QSize(14, 14))
        button.setSizePolicy(QSizePolicy.Policy.Maximum, QSizePolicy.Policy.Preferred)
        return button

    def recolour(self) -> None:
        """Draw the icons again in the theme's colours."""
        dim = theme.current().dim
        self.choice.setIcon(theme.icon("chevron-down", dim))
        self.float_button.setIcon(theme.icon("float", dim))
        self.close_button.setIcon(theme.icon("close", dim))

    def retitle(self) -> None:
        """Write the name of the document into the title."""
        document = self.panel.document
        name = document.title if document is not None else "nothing to show"
        self.choice.setText(f"{name}  (pinned)" if self.pinned else name)
        self.setWindowTitle(self.panel.heading)

    def show_document(self, document: Document | None) -> None:
        """Show a document in the panel and name it in the title."""
        if document is not self.panel.document:
            self.panel.show_document(document)
        self.retitle()

    def _fill_menu(self) -> None:
        self.menu.clear()
        for document in self.workspace.documents.values():
            if self.panel.accepts(document):
                action = self.menu.addAction(document.title)
                action.setCheckable(True)
                action.setChecked(document is self.panel.document)
                action.triggered.connect(lambda _=False, d=document: self._choose(d))
        self.menu.addSeparator()
        pin = self.menu.addAction("Keep this document")
        pin.setToolTip("Do not follow the current document")
        pin.setCheckable(True)
        pin.setChecked(self.pinned)
        pin.triggered.connect(self._pin)

    def _choose(self, document: Document) -> None:
        if self.pinned:
            self.show_document(document)
        else:
            self.workspace.set_current(document)

    def _pin(self, pinned: bool) -> None:
        self.pinned = pinned
        current = self.workspace.current
        if not pinned and current is not None and self.panel.accepts(current):
            self.show_document(current)
        self.retitle()

    def closeEvent(self, event: Any) -> None:
        """Let the area forget the panel."""
        self.panel.close()
        super().closeEvent(event)
        self.closing.emit(self)
