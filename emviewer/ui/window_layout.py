"""The parts of the main window and where they stand: the centre, the docks around it, the status bar."""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import QByteArray, QSize, Qt
from PySide6.QtWidgets import QLabel, QMainWindow, QStackedWidget, QToolButton, QVBoxLayout, QWidget

from emviewer.ui import menus, theme
from emviewer.ui.documents import DocumentsTree
from emviewer.ui.inspector import Inspector
from emviewer.ui.jobs_dock import JobsView
from emviewer.ui.log_dock import LogView
from emviewer.ui.notices import NoticeArea
from emviewer.ui.panel_area import PanelArea
from emviewer.ui.runner import Runner
from emviewer.ui.settings import Settings
from emviewer.ui.start_page import StartPage
from emviewer.ui.tasks import further_tasks, tasks
from emviewer.ui.titled_dock import TitledDock
from emviewer.ui.workspace import Workspace


class WindowLayout(QMainWindow):
    """The part of :class:`emviewer.ui.window.MainWindow` that puts its parts together and finds them room."""

    area: PanelArea
    log: LogView
    notices: NoticeArea
    runner: Runner
    settings: Settings
    workspace: Workspace
    do_save_log: Any
    set_theme: Any
    _layout: QByteArray | None
    _working: bool

    # building ---------------------------------------------------------------------------------------------------------
    def _build_centre(self) -> None:
        self.start = StartPage(self.settings)
        self.pages = QStackedWidget()
        self.pages.addWidget(self.start)
        self.pages.addWidget(self.area)
        self.no_panel = QLabel("No panel is open. Double-click a document, or choose a panel in the View menu.")
        self.no_panel.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.no_panel.setProperty("role", "dim")
        self.pages.addWidget(self.no_panel)
        centre = QWidget()
        layout = QVBoxLayout(centre)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addWidget(self.notices)
        layout.addWidget(self.pages, 1)
        self.setCentralWidget(centre)

    def _build_docks(self) -> None:
        left, right, below = (
            Qt.DockWidgetArea.LeftDockWidgetArea,
            Qt.DockWidgetArea.RightDockWidgetArea,
            Qt.DockWidgetArea.BottomDockWidgetArea,
        )
        self.tree = DocumentsTree(self.workspace)
        self.tree.kinds_for = self.area.kinds_for
        self.tree.tasks_for = lambda document: [
            (t.job, t.title) for t in (*tasks(), *further_tasks()) if t.fits(document)
        ]
        self.inspector = Inspector(self.workspace)
        self.jobs_view = JobsView(self.runner)
        clear = menus.small_button("Clear", "Take the ended jobs off the list; their results stay")
        clear.clicked.connect(self.jobs_view.clear_ended)
        save = menus.small_button("Save…", "Save the log as a file that a shell can run")
        save.clicked.connect(self.do_save_log)
        self.docks = {
            "documents": TitledDock("Documents", self.tree),
            "inspector": TitledDock("Inspector", self.inspector),
            "jobs": TitledDock("Jobs", self.jobs_view, (clear,)),
            "log": TitledDock("Log", self.log, (save,)),
        }
        self.setCorner(Qt.Corner.BottomLeftCorner, below)
        self.setCorner(Qt.Corner.BottomRightCorner, right)
        self.addDockWidget(left, self.docks["documents"])
        self.addDockWidget(right, self.docks["inspector"])
        self.addDockWidget(below, self.docks["jobs"])
        self.splitDockWidget(self.docks["jobs"], self.docks["log"], Qt.Orientation.Horizontal)

    def _build_status(self) -> None:
        bar = self.statusBar()
        bar.setSizeGripEnabled(False)
        self.readout, self.selection_text, self.opening_text = QLabel(), QLabel(), QLabel()
        self.theme_button = QToolButton()
        self.theme_button.setMinimumSize(24, 24)
        self.theme_button.setIconSize(QSize(16, 16))
        self.theme_button.setAccessibleName("Change between light and dark")
        self.theme_button.setToolTip("Change between light and dark")
        self.theme_button.clicked.connect(lambda: self.set_theme("light" if theme.is_dark() else "dark"))
        bar.addWidget(self.readout, 1)
        bar.addPermanentWidget(self.opening_text)
        bar.addPermanentWidget(self.selection_text)
        bar.addPermanentWidget(self.theme_button)

    # room -------------------------------------------------------------------------------------------------------------
    def _set_working(self, working: bool) -> None:
        """Show the docks once there is something to show in them; the start page has the window to itself."""
        if working == self._working:
            return
        self._working = working
        if working:
            if self._layout is None or not self.restoreState(self._layout):
                self.default_layout()
            else:
                self._widen_docks()
            return
        self._layout = self.saveState()
        for dock in self.docks.values():
            dock.hide()

    def _restore_geometry(self) -> None:
        self.resize(1440, 900)
        geometry = self.settings.bytes_of("geometry")
        if geometry is not None:
            self.restoreGeometry(geometry)
        for dock in self.docks.values():
            dock.hide()

    def default_layout(self) -> None:
        """Put the docks of the edges where they belong at first."""
        em = self.fontMetrics().height()
        for dock in self.docks.values():
            dock.show()
        self.resizeDocks([self.docks["documents"], self.docks["inspector"]], [em * 14, em * 23],
                         Qt.Orientation.Horizontal)  # fmt: skip
        self.resizeDocks([self.docks["jobs"]], [em * 5], Qt.Orientation.Vertical)
        self.resizeDocks([self.docks["jobs"], self.docks["log"]], [em * 40, em * 40], Qt.Orientation.Horizontal)

    def _widen_docks(self) -> None:
        """Give docks that a smaller window had squeezed the room to be read in."""
        em = self.fontMetrics().height()
        least = {self.docks["documents"]: em * 12, self.docks["inspector"]: em * 20}
        narrow = {dock: width for dock, width in least.items() if dock.width() < width}
        self.resizeDocks(list(narrow), list(narrow.values()), Qt.Orientation.Horizontal)
