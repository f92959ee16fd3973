"""The main window: it puts the parts together and carries out what no part can do alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from PySide6.QtCore import QByteArray, Qt, QUrl
from PySide6.QtGui import QDesktopServices
from PySide6.QtWidgets import QApplication, QMessageBox, QWidget

from emviewer.engine.errors import EmviewerError
from emviewer.engine.params import JobParams
from emviewer.ui import menus, theme
from emviewer.ui.action_set import ActionSet
from emviewer.ui.align_form import AlignForm
from emviewer.ui.bug_report import BugDialog, is_bug, report_text
from emviewer.ui.facts import count_text
from emviewer.ui.file_control import FileControl
from emviewer.ui.job_control import JobControl
from emviewer.ui.log_dock import LogView
from emviewer.ui.notices import Notice, NoticeArea
from emviewer.ui.offer_pair import offering
from emviewer.ui.panel_area import PanelArea
from emviewer.ui.panels.base import Panel
from emviewer.ui.panels.registry import load_panels
from emviewer.ui.runner import JobHandle, Runner
from emviewer.ui.settings import Settings
from emviewer.ui.task_form import TaskForm
from emviewer.ui.tasks import task
from emviewer.ui.undo import History
from emviewer.ui.window_actions import WindowActions
from emviewer.ui.window_layout import WindowLayout
from emviewer.ui.workspace import Document, Workspace

CLOSE_MS = 10_000
"""How long closing waits for a job to close its files (normally well under a second)."""


class MainWindow(WindowActions, WindowLayout):
    """The window.

    Parameters
    ----------
    settings : Settings
        What it remembers between two starts.
    """

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self.settings = settings
        self.ended_cleanly = True
        self.setWindowTitle("emviewer")
        self.setAcceptDrops(True)
        self.workspace = Workspace(self)
        self.runner = Runner(self)
        self.runner.view_failed = lambda key, error: self.show_error(error, "Something could not be shown")
        self.history = History(self.workspace)
        kinds, problems = load_panels()
        self.area = PanelArea(self.workspace, self.runner, kinds)
        self.notices = NoticeArea()
        self.log = LogView()
        self.files = FileControl(self)
        self.jobs = JobControl(self)
        self.actions_ = ActionSet(self)
        self._build_centre()
        self._build_docks()
        self._build_status()
        menus.build(self)
        self._connect()
        self.recolour()
        self._working = False
        self._layout: QByteArray | None = settings.bytes_of("docks")
        self._restore_geometry()
        self._update()
        for problem in problems:
            self.log.error(problem)
        self.refresh_recent()

    # connecting -------------------------------------------------------------------------------------------------------
    def _connect(self) -> None:
        self.area.actions_of_panels = self.actions_.of_panels()
        self.area.front_changed.connect(self._front_changed)
        self.area.count_changed.connect(self._update)
        self.area.status.connect(self.readout.setText)
        w = self.workspace
        for signal in (w.added, w.removed, w.changed, w.current_changed, w.selection_changed):
            signal.connect(lambda _=None: self._update())
        w.current_changed.connect(self._current_changed)
        t = self.tree
        t.show_in.connect(self._show_in)
        t.close_wanted.connect(self.workspace.remove)
        t.reveal_wanted.connect(lambda d: QDesktopServices.openUrl(QUrl.fromLocalFile(str(d.path.parent))))
        t.copy_path_wanted.connect(lambda d: QApplication.clipboard().setText(str(d.path)))
        t.reload_wanted.connect(self.files.reload)
        t.pixel_size_wanted.connect(self.files.edit_pixel_size)
        t.project_wanted.connect(self.files.choose_project_folder)
        t.task_wanted.connect(lambda document, name: self.show_task(name, document))
        self.start.open_wanted.connect(self.do_open)
        self.start.example_wanted.connect(self.do_open_example)
        self.start.file_wanted.connect(lambda path: self.open_paths([path]))
        self.jobs_view.open_result.connect(self.jobs.open_result)
        self.log.document_wanted.connect(self._document_wanted)
        self.history.canUndoChanged.connect(lambda _: self._update())
        self.history.canRedoChanged.connect(lambda _: self._update())
        QApplication.styleHints().colorSchemeChanged.connect(self._scheme_changed)

    # opening and running ----------------------------------------------------------------------------------------------
    def open_paths(self, paths: list[Path] | list[str], then: Any = None) -> None:
        """Open files or result folders in a lane; each shows when it is there."""
        self.files.open([Path(p) for p in paths], then)

    def open_document(self, document: Document) -> Document:
        """Add a document and show the panels that belong to it."""
        self.workspace.add(document)
        self.arrange(document)
        return document

    def open_known(self, document: Document) -> None:
        """Make an open document current and show its panels."""
        self._show_in(document, "", False)

    def arrange(self, document: Document) -> None:
        """Show the panels that belong to a document."""
        self.pages.setCurrentWidget(self.area)
        self.area.arrange(document)
        self._update()

    def run_job(
        self, name: str, params: JobParams | dict[str, Any], out: str | Path, overwrite: bool = False
    ) -> JobHandle:
        """Queue a job; its result shows while it grows.

        Raises
        ------
        ParameterError
            A parameter is wrong.
        """
        job = self.jobs.run(name, params, Path(out), overwrite)
        self._update()
        self.docks["jobs"].show()
        return job

    def show_task(self, name: str, document: Document | None = None) -> None:
        """Show the form of a job, with the document as its input if it fits."""
        if document is None:
            current = self.workspace.current
            document = current if current is not None and task(name).fits(current) else None
        if document is None:
            document = next((d for d in self.workspace.documents.values() if task(name).fits(d)), None)
        if task(name).panel:
            self.area.open_panel(task(name).panel, document).start(document)
            self._update()
            return
        form = self.inspector.task()
        if not isinstance(form, TaskForm) or form.job != name:
            form = (AlignForm if name == "align" else TaskForm)(name, self.runner, self.run_job)
        if document is not None:
            form.set_input(document)
        form.offer(lambda: list(self.workspace.documents.values()), task(name).needs, self.workspace.current)
        self.docks["inspector"].show()
        self.inspector.show_task(task(name).title, form)
        form.focus_first()

    def show_error(self, error: BaseException, doing: str = "") -> None:
        """Show an error as one sentence in a strip; a mistake of the program as a dialog."""
        if is_bug(error):
            import traceback

            self.show_problem(error, "".join(traceback.format_exception(error)), doing)
            return
        sentence = f"{doing}: {error}" if doing else str(error)
        self.log.error(sentence)
        self.notices.show_notice(Notice("error", sentence, details=_details(error), key=("error", sentence)))

    def show_problem(self, error: BaseException, trace: str, doing: str = "") -> None:
        """Show a mistake of the program, with a report that can be copied; one dialog at a time."""
        self.log.error(f"{doing + ': ' if doing else ''}{type(error).__name__}: {error}")
        if any(isinstance(w, BugDialog) and w.isVisible() for w in QApplication.topLevelWidgets()):
            return
        dialog = BugDialog(str(error), report_text(trace, doing), self)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.open()

    def show_opening(self, paths: set[Path]) -> None:
        """Say in the status bar what is being opened."""
        names = ", ".join(sorted(p.name for p in paths))
        self.opening_text.setText(f"Opening {names}…" if names else "")

    def refresh_recent(self) -> None:
        """Bring the recent files in the menu and on the start page up to date."""
        self.start.refresh()
        self.files.look_for_recent(self.start.show_missing)

    # following --------------------------------------------------------------------------------------------------------
    def _update(self) -> None:
        """Bring enabled actions, the page in the centre and the selection count up to date."""
        self._set_working(bool(self.workspace.documents or self.area.docks or self.runner.jobs))
        page: QWidget = self.area if self.area.docks else (self.no_panel if self.workspace.documents else self.start)
        self.pages.setCurrentWidget(page)
        current = self.workspace.current
        front = self.area.front()
        self.actions_.follow(front)
        for name, can in (
            ("close_document", current is not None), ("reload", current is not None and current.path is not None),
            ("save_session", bool(self.workspace.documents)), ("close_panel", front is not None),
            ("float_panel", front is not None), ("undo", self.history.canUndo()), ("redo", self.history.canRedo()),
        ):  # fmt: skip
            self.actions_[name].setEnabled(can)
        shown = front.document if front is not None else current
        self.selection_text.setText(selection_words(self.workspace, shown))
        self.setWindowTitle(f"{current.title} – emviewer" if current is not None else "emviewer")

    def _front_changed(self, panel: Panel | None) -> None:
        self.inspector.show_panel(panel)
        if panel is not None and panel.document is not None:
            self.workspace.set_current(panel.document)
        self._update()

    def _current_changed(self, document: Document | None) -> None:
        front = self.area.front()
        self.inspector.show_document(front.document if front is not None and front.document else document)

    def _show_in(self, document: Document, kind: str, new: bool) -> None:
        self.workspace.set_current(document)
        if kind:
            self.area.open_panel(kind, document, pinned=new)
        else:
            self.arrange(document)
        self._update()

    def _document_wanted(self, number: int) -> None:
        document = self.workspace.documents.get(number)
        if document is not None:
            self._show_in(document, "", False)

    # theme ------------------------------------------------------------------------------------------------------------
    def set_theme(self, name: str) -> None:
        """Change to ``system``, ``light`` or ``dark``, now and for the next starts."""
        self.settings.theme = name
        theme.apply(name)
        self.recolour()

    def _scheme_changed(self) -> None:
        if self.settings.theme == "system":
            theme.apply("system")
            self.recolour()

    def recolour(self) -> None:
        """Follow a new theme: icons are drawn again."""
        for part in (self.actions_, self.area, self.notices, self.tree, self.inspector, self.jobs_view, self.log,
                     self.start, *self.docks.values()):  # fmt: skip
            part.recolour()
        menus.recolour(self)
        self.theme_button.setIcon(theme.icon("sun" if theme.is_dark() else "moon", theme.current().dim))

    # the end ----------------------------------------------------------------------------------------------------------
    def ask_to_close(self) -> bool:
        """Ask whether to close although a job runs."""
        n = len(self.runner.active)
        text = "A job is running." if n == 1 else f"{n} jobs are running or waiting."
        box = QMessageBox(QMessageBox.Icon.Question, "Close emviewer?", text, parent=self)
        box.setInformativeText("What is finished is kept and marked partial.")
        stop = box.addButton("Stop and close", QMessageBox.ButtonRole.AcceptRole)
        box.setDefaultButton(box.addButton("Keep running", QMessageBox.ButtonRole.RejectRole))
        box.exec()
        return box.clickedButton() is stop

    def closeEvent(self, event: Any) -> None:
        """Ask if a job runs; then cancel it, let it close its files and end."""
        if self.runner.active and not self.ask_to_close():
            event.ignore()
            return
        self.end()
        event.accept()

    def end(self) -> None:
        """Remember the geometry, stop the lanes and leave."""
        self.settings.set_bytes("geometry", self.saveGeometry())
        self.settings.set_bytes("docks", self.saveState() if self._working else self._layout)
        self.hide()
        for panel in self.area.panels():
            panel.close()
        self.ended_cleanly = self.runner.close(CLOSE_MS)
        self.history.blockSignals(True)  # it speaks once more while it is destroyed, to a window that is half gone
        QApplication.quit()

    # drag and drop ----------------------------------------------------------------------------------------------------
    def dragEnterEvent(self, event: Any) -> None:
        """Take files."""
        if any(url.isLocalFile() for url in event.mimeData().urls()):
            event.acceptProposedAction()

    def dropEvent(self, event: Any) -> None:
        """Open the files that were dropped; two maps are offered to be compared."""
        paths = [Path(url.toLocalFile()) for url in event.mimeData().urls() if url.isLocalFile()]
        self.open_paths(paths, offering(self, paths))
        event.acceptProposedAction()


def selection_words(workspace: Workspace, document: Document | None) -> str:
    """Return ``37 of 5 000 selected (0.7 %)`` for a document with rows."""
    if document is None or not document.n_rows:
        return ""
    n, total = len(workspace.selection(document)), document.n_rows
    return (
        f"{count_text(n)} of {count_text(total)} selected ({100 * n / total:.1f} %)"
        if n
        else f"{count_text(total)} {document.rows_are}"
    )


def _details(error: BaseException) -> str:
    if isinstance(error, EmviewerError):
        lines = (("What", error.what), ("Where", error.where), ("What to do", error.what_to_do))
        return "\n".join(f"{name}: {text}" for name, text in lines if text)
    return ""
