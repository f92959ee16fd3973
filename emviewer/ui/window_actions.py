"""What the window's actions do: ``do_<name>`` for every entry of the action table that is the window's."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PySide6.QtCore import QTimer
from PySide6.QtWidgets import QFileDialog

from emviewer.ui import dialogs, export, sessions
from emviewer.ui.example import build_example
from emviewer.ui.offer_pair import offering
from emviewer.ui.save_name import ask_save_name

if TYPE_CHECKING:
    from emviewer.ui.file_control import FileControl
    from emviewer.ui.log_dock import LogView
    from emviewer.ui.panel_area import PanelArea
    from emviewer.ui.settings import Settings
    from emviewer.ui.undo import History
    from emviewer.ui.workspace import Document, Workspace


class WindowActions:
    """Handlers of the main window's actions; :class:`MainWindow` has the parts that they use."""

    area: PanelArea
    files: FileControl
    history: History
    log: LogView
    settings: Settings
    workspace: Workspace
    open_paths: Any
    arrange: Any
    set_theme: Any
    default_layout: Any
    close: Any

    def do_open(self) -> None:
        names, _ = QFileDialog.getOpenFileNames(self, "Open", self.settings.folder, dialogs.FILE_FILTER)
        paths = [Path(n) for n in names]
        self.open_paths(paths, offering(self, paths))

    def do_open_folder(self) -> None:
        name = QFileDialog.getExistingDirectory(self, "Open result", self.settings.folder)
        if name:
            self.open_paths([Path(name)])

    def do_open_example(self) -> None:
        build_example(self)

    def do_open_session(self) -> None:
        name, _ = QFileDialog.getOpenFileName(self, "Open session", self.settings.folder, dialogs.SESSION_FILTER)
        if name:
            self.load_session(Path(name))

    def do_save_session(self) -> None:
        path = ask_save_name(self, "Save session", self.settings.folder, dialogs.SESSION_FILTER)
        if path is not None:
            self.save_session(path)

    def load_session(self, path: Path) -> None:
        """Open what a session file names, and show it as it was."""
        sessions.load(self, path)

    def save_session(self, path: Path) -> None:
        """Save what is open and how it looks."""
        sessions.save(self, path)

    def do_save_log(self) -> None:
        path = ask_save_name(self, "Save log", self.settings.folder, "Shell script (*.sh)")
        if path is not None:
            self.log.save(path)

    def do_reload(self) -> None:
        if self.workspace.current is not None:
            self.files.reload(self.workspace.current)

    def do_close_document(self) -> None:
        if self.workspace.current is not None:
            self.workspace.remove(self.workspace.current)

    def do_quit(self) -> None:
        self.close()

    def do_undo(self) -> None:
        self.history.undo()

    def do_redo(self) -> None:
        self.history.redo()

    def do_export_figure(self) -> None:
        front = self.area.front()
        spec = front.figure_spec() if front is not None else None
        if spec is not None:
            export.ask_and_export(self, spec, f"{front.document.title}_{front.kind}" if front.document else front.kind)

    def _front_document(self) -> Document | None:
        front = self.area.front()
        return front.document if front is not None else None

    def do_select_all(self) -> None:
        if (document := self._front_document()) is not None:
            self.workspace.select(document, document.row_ids)

    def do_select_none(self) -> None:
        if (document := self._front_document()) is not None:
            self.workspace.select(document, [])

    def do_select_inverse(self) -> None:
        if (document := self._front_document()) is not None:
            self.workspace.select(document, np.setdiff1d(document.row_ids, self.workspace.selection(document)))

    def do_close_panel(self) -> None:
        if (front := self.area.front()) is not None:
            self.area.close_panel(front)

    def do_float_panel(self) -> None:
        front = self.area.front()
        dock = self.area.dock_of(front) if front is not None else None
        if dock is not None:
            dock.setFloating(not dock.isFloating())

    def do_reset_layout(self) -> None:
        for dock in list(self.area.docks):
            dock.close()
        self.default_layout()
        if self.workspace.current is not None:
            QTimer.singleShot(0, self, lambda: self.workspace.current and self.arrange(self.workspace.current))

    def do_theme_system(self) -> None:
        self.set_theme("system")

    def do_theme_light(self) -> None:
        self.set_theme("light")

    def do_theme_dark(self) -> None:
        self.set_theme("dark")

    def do_palette(self) -> None:
        dialogs.show_palette(self)

    def do_shortcuts(self) -> None:
        dialogs.show_shortcuts(self)

    def do_help(self) -> None:
        dialogs.show_help(self)

    def do_about(self) -> None:
        dialogs.show_about(self)
