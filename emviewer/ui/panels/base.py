"""What a panel is to the window."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from PySide6.QtCore import QObject, Signal
from PySide6.QtWidgets import QWidget

from emviewer.ui.runner import Runner
from emviewer.ui.workspace import Document, Workspace


class Panel(QWidget):
    """A tab in the centre that shows one document in one way.

    Subclasses set ``kind`` and ``heading``, override :meth:`accepts`, :meth:`show_document` and what they need of
    the rest. They read data through ``runner.view`` (never on the GUI thread) and talk to other panels only through
    the workspace.

    Signals
    -------
    status : str
        Cursor read-out for the status bar.
    """

    status = Signal(str)
    kind = ""
    heading = ""

    def __init__(self, workspace: Workspace, runner: Runner, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.workspace = workspace
        self.runner = runner
        self.document: Document | None = None
        self.setAccessibleName(self.heading)

    def listen(self, signal: Any, slot: Callable[..., Any]) -> None:
        """Connect a signal of something that outlives this panel to a function; the connection ends with the panel.

        Qt ends connections to methods of the panel by itself, but not those to a function that uses the panel.
        """
        connection = signal.connect(slot)
        self.destroyed.connect(lambda *_: QObject.disconnect(connection))

    @classmethod
    def accepts(cls, document: Document) -> bool:
        """Return whether this panel can show the document."""
        return False

    def show_document(self, document: Document | None) -> None:
        """Show a document (None: the empty state)."""
        self.document = document

    def inspector(self) -> list[tuple[str, QWidget]]:
        """Return (heading, widget) pairs that the inspector shows while this panel is in front. Made once, kept."""
        return []

    def do(self, action: str) -> bool:
        """Carry out an action of the action table (its name) if this panel knows it; return whether it did."""
        handler = getattr(self, f"do_{action}", None)
        if handler is None:
            return False
        handler()
        return True

    def can(self, action: str) -> bool:
        """Return whether this panel knows an action of the action table; menus and keys follow."""
        return hasattr(self, f"do_{action}")

    def figure_spec(self) -> dict[str, Any] | None:
        """Return the spec of the figure that this panel shows, for export; None if it has none."""
        return None

    @classmethod
    def has_figure(cls) -> bool:
        """Return whether this kind of panel can be exported as a figure."""
        return cls.figure_spec is not Panel.figure_spec

    def state(self) -> dict[str, Any]:
        """Return what a session must keep to show the same again (plain data)."""
        return {}

    def restore(self, state: dict[str, Any]) -> None:
        """Take back what :meth:`state` gave; unknown keys are ignored."""

    def closeEvent(self, event: Any) -> None:
        """Forget pending views."""
        self.runner.drop_views(id(self))
        super().closeEvent(event)
