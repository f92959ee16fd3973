"""The menu bar and the toolbar, filled from the action table."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from PySide6.QtCore import QSize, Qt
from PySide6.QtWidgets import QMenu, QSizePolicy, QToolBar, QToolButton, QWidget

from emviewer.ui import theme
from emviewer.ui.actions import ACTIONS, MENUS, ActionSpec
from emviewer.ui.tasks import further_tasks, tasks


def small_button(text: str, tip: str) -> QToolButton:
    """Return a flat button for the title of a dock."""
    button = QToolButton()
    button.setText(text)
    button.setToolTip(tip)
    button.setMinimumHeight(24)
    return button


def build(window: Any) -> None:
    """Fill the menu bar and the toolbar of the window."""
    menus: dict[str, QMenu] = {}
    for name in MENUS:
        menus[name] = window.menuBar().addMenu(name)
        menus[name].setToolTipsVisible(True)
    for spec in ACTIONS:
        if spec.separator:
            menus[spec.menu].addSeparator()
        menus[spec.menu].addAction(window.actions_[spec.name])
        if spec.name == "open":
            recent = menus[spec.menu].addMenu("Open &recent")
            recent.aboutToShow.connect(lambda m=recent: _fill_recent(window, m))
    for name in ("theme_system", "theme_light", "theme_dark"):
        window.actions_[name].setCheckable(True)
    menus["&View"].aboutToShow.connect(lambda: _tick_theme(window))
    _add_panels(window, menus["&View"])
    for place, task in enumerate(tasks()):
        spec = ActionSpec(f"task_{task.job}", task.title, "&Task", (f"Ctrl+Alt+{place + 1}",), task.icon, task.question,
                          toolbar=True)  # fmt: skip
        menus["&Task"].addAction(window.actions_.add(spec, lambda _=False, j=task.job: window.show_task(j)))
    for task in further_tasks():
        spec = ActionSpec(f"task_{task.job}", task.title, "&Task", (), task.icon, task.question)
        menus["&Task"].addAction(window.actions_.add(spec, lambda _=False, j=task.job: window.show_task(j)))
    _build_toolbar(window)


def _tick_theme(window: Any) -> None:
    for name in ("system", "light", "dark"):
        window.actions_[f"theme_{name}"].setChecked(window.settings.theme == name)


def _add_panels(window: Any, menu: QMenu) -> None:
    first = menu.actions()[0]
    for cls in (cls for _, cls in window.area.kinds.values()):
        icon = cls.kind if cls.kind in theme.icon_names() else ""
        spec = ActionSpec(f"panel_{cls.kind}", cls.heading, "&View", (), icon, f"Show the panel “{cls.heading}”")
        action = window.actions_.add(spec, lambda _=False, k=cls.kind: _open_panel(window, k))
        menu.insertAction(first, action)
    menu.insertSeparator(first)
    for dock in window.docks.values():
        menu.insertAction(first, dock.toggleViewAction())
    menu.insertSeparator(first)


def _open_panel(window: Any, kind: str) -> None:
    current = window.workspace.current
    cls = window.area.kinds[kind][1]
    fits = current if current is not None and cls.accepts(current) else None
    if fits is None:
        fits = next((d for d in reversed(window.workspace.documents.values()) if cls.accepts(d)), None)
    window.area.open_panel(kind, fits)


def _fill_recent(window: Any, menu: QMenu) -> None:
    menu.clear()
    recent = window.settings.recent()
    for path, pinned in recent:
        action = menu.addAction(f"{path.name}{'  (pinned)' if pinned else ''}\t{_shortened(path.parent)}")
        action.setEnabled(path not in window.start.missing)
        action.triggered.connect(lambda _=False, p=path: window.open_paths([p]))
    if not recent:
        menu.addAction("Nothing yet").setEnabled(False)


def _shortened(folder: Path) -> str:
    text = str(folder)
    return text if len(text) <= 40 else "…" + text[-39:]


def _build_toolbar(window: Any) -> None:
    bar = QToolBar("Toolbar")
    bar.setObjectName("toolbar")
    bar.setMovable(False)
    bar.setIconSize(QSize(20, 20))
    bar.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
    bar.setContextMenuPolicy(Qt.ContextMenuPolicy.PreventContextMenu)
    window.addToolBar(bar)
    shown = [a for a in window.actions_.actions.values() if a.data().toolbar]
    for action in (a for a in shown if a.data().menu == "&File"):
        bar.addAction(action)
    bar.addSeparator()
    for action in (a for a in shown if a.data().menu == "&Task"):
        bar.addAction(action)
    gap = QWidget()
    gap.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
    bar.addWidget(gap)
    for action in (window.actions_["palette"], window.actions_["help"]):
        bar.addAction(action)
    window.toolbar = bar


def recolour(window: Any) -> None:
    """Follow a new theme (the actions draw their own icons)."""
    _tick_theme(window)
