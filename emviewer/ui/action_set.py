"""QActions made from the action table, sent to the window or to the panel in front."""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import QObject, Qt
from PySide6.QtGui import QAction, QKeySequence

from emviewer.ui import theme
from emviewer.ui.actions import ACTIONS, ActionSpec
from emviewer.ui.panels.base import Panel


class ActionSet(QObject):
    """All actions of a window, by name.

    Parameters
    ----------
    window : MainWindow
        Has ``do_<name>`` for the window's actions, and for those panel actions that it can do for any panel.
    """

    def __init__(self, window: Any) -> None:
        super().__init__(window)
        self.window = window
        self.actions: dict[str, QAction] = {}
        for spec in ACTIONS:
            self.add(spec, lambda _=False, s=spec: self.trigger(s))

    def add(self, spec: ActionSpec, callback: Any) -> QAction:
        """Make a QAction from an entry of the table."""
        action = QAction(spec.text, self)
        action.setObjectName(spec.name)
        action.setShortcuts([QKeySequence(key) for key in spec.keys])
        name = spec.text.replace("&", "").rstrip("…")
        keys = f"  ({spec.keys[0]})" if spec.keys else ""
        action.setToolTip(f"{spec.tip or name}{keys}")
        action.setStatusTip("")
        action.setData(spec)
        if spec.scope == "panel":
            action.setShortcutContext(Qt.ShortcutContext.WidgetWithChildrenShortcut)
        action.triggered.connect(callback)
        self.actions[spec.name] = action
        return action

    def __getitem__(self, name: str) -> QAction:
        return self.actions[name]

    def of_panels(self) -> list[QAction]:
        """Return the actions whose keys belong to panels."""
        return [a for a in self.actions.values() if a.data().scope == "panel"]

    def trigger(self, spec: ActionSpec) -> None:
        """Carry out an action."""
        panel: Panel | None = self.window.area.front()
        if spec.scope == "panel" and panel is not None and panel.do(spec.name):
            return
        handler = getattr(self.window, f"do_{spec.name}", None)
        if handler is not None:
            handler()

    def follow(self, panel: Panel | None) -> None:
        """Enable what the panel in front can do."""
        rows = panel is not None and panel.document is not None and panel.document.n_rows > 0
        for action in self.of_panels():
            spec = action.data()
            can = panel is not None and panel.can(spec.name)
            if spec.name == "export_figure":
                can = can or (panel is not None and panel.document is not None and panel.has_figure())
            action.setEnabled(can or (rows and hasattr(self.window, f"do_{spec.name}")))

    def recolour(self) -> None:
        """Draw the icons in the theme's colours."""
        for action in self.actions.values():
            if action.data().icon:
                action.setIcon(theme.icon(action.data().icon))
