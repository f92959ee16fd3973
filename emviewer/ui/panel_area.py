"""The centre of the window: panels in docks that can be tabbed, split, floated and closed."""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import QByteArray, Qt, QTimer, Signal
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QApplication, QGraphicsView, QMainWindow, QTabWidget, QWidget

from emviewer.ui.panel_dock import PanelDock
from emviewer.ui.panels.base import Panel
from emviewer.ui.panels.registry import PanelEntry
from emviewer.ui.runner import Runner
from emviewer.ui.workspace import Document, Workspace

_AREAS = {
    "main": Qt.DockWidgetArea.LeftDockWidgetArea,
    "below": Qt.DockWidgetArea.LeftDockWidgetArea,
    "side": Qt.DockWidgetArea.RightDockWidgetArea,
    "side below": Qt.DockWidgetArea.RightDockWidgetArea,
}
_BENEATH = {"below": "main", "side below": "side"}
"""Places that stand beneath another one in the same area."""
ROOM_FOR_TWO = 600
"""Height of the area below which panels stand behind each other as tabs instead."""


def _shows(panel: Panel) -> bool:
    """Return whether a panel can be seen; one behind another tab is "visible" to Qt and yet has no pixel."""
    return panel.isVisible() and not panel.visibleRegion().isEmpty()


class PanelArea(QMainWindow):
    """Panels over the documents of the workspace.

    Signals
    -------
    front_changed : Panel or None
        Another panel is in front (its inspector, actions and read-out count).
    count_changed
        A panel was opened or closed.
    status : str
        Read-out of the panel in front.
    """

    front_changed = Signal(object)
    count_changed = Signal()
    status = Signal(str)

    def __init__(self, workspace: Workspace, runner: Runner, kinds: list[tuple[PanelEntry, type[Panel]]]) -> None:
        super().__init__()
        self.setWindowFlags(Qt.WindowType.Widget)
        self.workspace, self.runner = workspace, runner
        self.kinds = {cls.kind: (entry, cls) for entry, cls in kinds}
        self.docks: list[PanelDock] = []
        self.actions_of_panels: list[QAction] = []
        self._front: Panel | None = None
        self.setDockNestingEnabled(True)
        self.setDockOptions(
            QMainWindow.DockOption.AllowTabbedDocks
            | QMainWindow.DockOption.AllowNestedDocks
            | QMainWindow.DockOption.GroupedDragging
        )
        self.setTabPosition(Qt.DockWidgetArea.AllDockWidgetAreas, QTabWidget.TabPosition.North)
        QApplication.instance().focusChanged.connect(self._focus_changed)
        workspace.current_changed.connect(self._follow)
        workspace.removed.connect(self._removed)
        workspace.changed.connect(self._changed)

    # what there is --------------------------------------------------------------------------------------------------
    def panels(self) -> list[Panel]:
        """Return all open panels."""
        return [dock.panel for dock in self.docks]

    def front(self) -> Panel | None:
        """Return the panel in front: the one used last that still shows."""
        return self._front

    def dock_of(self, panel: Panel) -> PanelDock | None:
        """Return the dock that holds a panel."""
        return next((dock for dock in self.docks if dock.panel is panel), None)

    def kinds_for(self, document: Document) -> list[type[Panel]]:
        """Return the kinds of panel that can show a document."""
        return [cls for _, cls in self.kinds.values() if cls.accepts(document)]

    # opening and closing --------------------------------------------------------------------------------------------
    def open_panel(
        self, kind: str, document: Document | None = None, *, pinned: bool = False, front: bool = True
    ) -> Panel:
        """Open a panel of a kind, or bring the one that follows the current document to the front."""
        dock = None if pinned else next((d for d in self.docks if d.panel.kind == kind and not d.pinned), None)
        if dock is None:
            dock = self._make(kind, pinned)
        if document is not None:
            dock.show_document(document)
        if front:
            self.bring(dock.panel)
        elif self._front is not None and (shown := self.dock_of(self._front)) in self.tabifiedDockWidgets(dock):
            shown.raise_()
        return dock.panel

    def arrange(self, document: Document) -> None:
        """Open the panels that belong to a kind of document, and bring the first of them to the front."""
        fitting = [cls.kind for cls in self.kinds_for(document)]
        told = {kind: self.kinds[kind][0].for_kinds for kind in fitting}
        job = document.info.get("job", "")
        usual = [kind for kind in fitting if job in told[kind]] or [k for k in fitting if document.kind in told[k]]
        usual.sort(key=lambda kind: self.kinds[kind][0].place != "main")
        usual = usual or (["table"] if "table" in fitting else fitting[:1])  # images that were not found are a table
        if usual:
            self._clear_beside(usual)
            self.open_panel(usual[0], document)
            self._arrange_rest(document, usual[1:])

    def _clear_beside(self, usual: list[str]) -> None:
        """Close what was arranged beside other documents and does not belong to this one, to give it the room."""
        for dock in list(self.docks):
            kind = dock.panel.kind
            beside = self.kinds[kind][0].place != "main"
            if dock.arranged and beside and kind not in usual and not dock.pinned and not dock.isFloating():
                dock.close()

    def _arrange_rest(self, document: Document, kinds: list[str]) -> None:
        """Open the panels behind the first one by one, so that the window answers in between."""
        if not kinds:
            return

        def one() -> None:
            if document.id in self.workspace.documents:
                opened = len(self.docks)
                self.open_panel(kinds[0], document, front=False)
                if len(self.docks) > opened:
                    self.docks[-1].arranged = True
                self._arrange_rest(document, kinds[1:])

        QTimer.singleShot(0, self, one)

    def bring(self, panel: Panel) -> None:
        """Bring a panel to the front and give it the keyboard."""
        dock = self.dock_of(panel)
        if dock is None:
            return
        dock.show()
        dock.raise_()
        self._set_front(panel)
        panel.setFocus(Qt.FocusReason.OtherFocusReason)

    def close_panel(self, panel: Panel) -> None:
        """Close a panel."""
        dock = self.dock_of(panel)
        if dock is not None:
            dock.close()

    def _make(self, kind: str, pinned: bool) -> PanelDock:
        entry, cls = self.kinds[kind]
        panel = cls(self.workspace, self.runner)
        for view in panel.findChildren(QGraphicsView):  # they swallow drops that are meant for the window
            view.setAcceptDrops(False)
            view.viewport().setAcceptDrops(False)
        dock = PanelDock(panel, pinned, self.workspace)
        same = sum(d.panel.kind == kind for d in self.docks)
        dock.setObjectName(f"{kind}-{same + 1}")
        dock.closing.connect(self._closed)
        dock.visibilityChanged.connect(lambda seen, p=panel: self._seen(p, seen))
        panel.status.connect(lambda text, p=panel: self.status.emit(text) if p is self._front else None)
        for action in self.actions_of_panels:
            dock.addAction(action)
        self._place(dock, entry)
        self.docks.append(dock)
        self.count_changed.emit()
        return dock

    def _place(self, dock: PanelDock, entry: PanelEntry) -> None:
        alike = [d for d in self.docks if not d.isFloating() and self.kinds[d.panel.kind][0].place == entry.place]
        # not splitDockWidget: beside a dock that stands among tabs, Qt would make one more tab
        self.addDockWidget(_AREAS[entry.place], dock, Qt.Orientation.Vertical)
        if alike:
            self.tabifyDockWidget(alike[-1], dock)
        elif entry.place in _BENEATH:
            upper = [d for d in self.docks if self.kinds[d.panel.kind][0].place == _BENEATH[entry.place]]
            height = self.height()
            if upper and height < ROOM_FOR_TWO:
                self.tabifyDockWidget(upper[-1], dock)
            elif upper:
                self.resizeDocks([upper[0], dock], [height * 58 // 100, height * 42 // 100], Qt.Orientation.Vertical)
        elif entry.place == "side" and self.docks:
            width = self.width()
            self.resizeDocks([self.docks[0], dock], [width * 68 // 100, width * 32 // 100], Qt.Orientation.Horizontal)

    def _closed(self, dock: PanelDock) -> None:
        if dock in self.docks:
            self.docks.remove(dock)
        self.removeDockWidget(dock)
        if dock.panel is self._front:
            shown = [d.panel for d in self.docks if _shows(d.panel)] or self.panels()
            self._set_front(shown[0] if shown else None)
        dock.deleteLater()
        self.count_changed.emit()

    # following ------------------------------------------------------------------------------------------------------
    def _follow(self, document: Document | None) -> None:
        for dock in self.docks:
            if not dock.pinned and document is not None and dock.panel.accepts(document):
                dock.show_document(document)
        if document is None or self._front is None or self._front.document is document:
            return
        shows = [d.panel for d in self.docks if d.panel.document is document]
        if shows:
            self.bring(shows[0])

    def _removed(self, document: Document) -> None:
        for dock in [d for d in self.docks if d.panel.document is document]:
            others = [d for d in self.workspace.documents.values() if dock.panel.accepts(d)]
            if others and not dock.pinned:
                dock.show_document(others[-1])
            else:
                dock.close()

    def _changed(self, document: Document) -> None:
        for dock in self.docks:
            if dock.panel.document is document:
                dock.retitle()

    def _seen(self, panel: Panel, seen: bool) -> None:
        for dock in self.docks:
            dock.heading.setVisible(dock.isFloating() or not self.tabifiedDockWidgets(dock))  # else the tab says it
        # A tab that comes to the front shows itself; one that leaves does so just before.
        if seen and self.dock_of(panel) is not None and (self._front is None or not _shows(self._front)):
            self._set_front(panel)

    def _focus_changed(self, _old: QWidget | None, new: QWidget | None) -> None:
        panel = next((p for p in self.panels() if new is p or (new is not None and p.isAncestorOf(new))), None)
        if panel is not None and _shows(panel):
            self._set_front(panel)

    def _set_front(self, panel: Panel | None) -> None:
        if panel is not self._front:
            self._front = panel
            self.status.emit("")
            self.front_changed.emit(panel)

    # theme and session ----------------------------------------------------------------------------------------------
    def recolour(self) -> None:
        """Follow a new theme."""
        for dock in self.docks:
            dock.recolour()

    def save_layout(self) -> dict[str, Any]:
        """Return where every panel stands, as plain data."""
        return {
            "docks": [
                {"kind": d.panel.kind, "name": d.objectName(), "pinned": d.pinned, "floating": d.isFloating()}
                for d in self.docks
            ],
            "state": bytes(self.saveState().toBase64()).decode(),
        }

    def restore_layout(self, layout: dict[str, Any]) -> None:
        """Open the panels of a saved layout and put them where they stood; unknown kinds are passed over."""
        for entry in layout.get("docks", []):
            if entry.get("kind") in self.kinds and not any(d.objectName() == entry.get("name") for d in self.docks):
                self._make(entry["kind"], bool(entry.get("pinned"))).setObjectName(str(entry.get("name")))
        state = layout.get("state")
        if isinstance(state, str):
            self.restoreState(QByteArray.fromBase64(state.encode()))
