"""Opening, reloading and watching files; the strip that asks for a doubtful pixel size."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from PySide6.QtCore import QFileSystemWatcher, QObject, QTimer
from PySide6.QtWidgets import QDoubleSpinBox, QFileDialog, QInputDialog

from emviewer.ui.notices import Notice
from emviewer.ui.opening import is_built_in, read_document, reading_again
from emviewer.ui.workspace import Document

SETTLE_MS = 600
"""A file that changes is asked about once it has been quiet for this long."""


class FileControl(QObject):
    """Everything between a path and the workspace.

    Parameters
    ----------
    window : MainWindow
        Has ``workspace, runner, notices, log, settings`` and ``open_document, show_error``.
    """

    def __init__(self, window: Any) -> None:
        super().__init__(window)
        self.window = window
        self.opening: set[Path] = set()
        self._watch = QFileSystemWatcher(self)
        self._watch.fileChanged.connect(self._stirred)
        self._stirring: set[Path] = set()
        self._settle = QTimer(self)
        self._settle.setSingleShot(True)
        self._settle.setInterval(SETTLE_MS)
        self._settle.timeout.connect(self._ask_reload)
        window.workspace.removed.connect(self._unwatch)

    # opening --------------------------------------------------------------------------------------------------------
    def open(self, paths: list[Path], then: Any = None) -> None:
        """Open files in a lane; each shows when it is there. ``then(document)`` is called for each."""
        for path in paths:
            path = path if is_built_in(path) else Path(path).absolute()
            known = next((d for d in self.window.workspace.documents.values() if d.path == path), None)
            if known is not None:
                self.window.workspace.set_current(known)
                self.window.arrange(known)
                if then is not None:
                    then(known)
                continue
            if path in self.opening:
                continue
            self.opening.add(path)
            self.window.runner.view(
                ("open", path),
                lambda check, p=path: read_document(p),
                lambda document, p=path: self._opened(p, document, then),
                fail=lambda error, p=path: self._failed(p, error),
                slow=True,
            )
        self.window.show_opening(self.opening)

    def _opened(self, path: Path, document: Document, then: Any) -> None:
        self.opening.discard(path)
        self.window.show_opening(self.opening)
        if not is_built_in(path):
            self.window.settings.add_recent(path)
            self.window.settings.folder = str(path.parent)
        document.title = self._own_title(document.title, path)
        self.window.open_document(document)
        self.window.refresh_recent()
        self.watch(document)
        self.doubts(document)
        if then is not None:
            then(document)

    def _own_title(self, title: str, path: Path) -> str:
        """Return a title that no other document has: with the suffix, and if need be the folder."""
        taken = {d.title for d in self.window.workspace.documents.values()}
        options = (title, path.name, f"{path.parent.name}/{path.name}", str(path))
        return next((option for option in options if option not in taken), title)

    def _failed(self, path: Path, error: Exception) -> None:
        self.opening.discard(path)
        self.window.show_opening(self.opening)
        self.window.show_error(error, f"{path.name} could not be opened")

    # pixel size -----------------------------------------------------------------------------------------------------
    def doubts(self, document: Document) -> None:
        """Log what is doubtful about a document, and ask for the pixel size if the file does not say it."""
        data = document.volume or document.stack
        notes = data.notes if data is not None else ()
        for note in dict.fromkeys((*notes, *getattr(document.info.get("_images"), "notes", ()))):
            self.window.log.warn(f"{document.title}: {note}", document)
        if document.kind == "images" and data is None:
            self._ask_project_folder(document)
        if data is not None and not data.pixel_size_known:
            self._ask_pixel_size(document)

    # names in tables ------------------------------------------------------------------------------------------------
    def _ask_project_folder(self, document: Document) -> None:
        notes = getattr(document.info.get("_images"), "notes", ())
        text = f"{document.title}: {notes[0] if notes else 'its images were not found'}."
        buttons = (("Choose project folder…", lambda: self.choose_project_folder(document)),)
        self.window.notices.show_notice(Notice("warn", text, buttons=buttons, key=("project", document.id)))

    def choose_project_folder(self, document: Document) -> None:
        """Ask for the folder that the names in a table start from, and read the table again."""
        name = QFileDialog.getExistingDirectory(self.window, "Project folder", self.window.settings.folder)
        if name:
            document.info["_project_dir"] = name
            self.reload(document)

    def _ask_pixel_size(self, document: Document) -> None:
        data = document.volume or document.stack
        field = QDoubleSpinBox()
        field.setRange(0.01, 1000.0)
        field.setDecimals(4)
        field.setSingleStep(0.01)
        field.setSuffix(" Å")
        field.setValue(data.pixel_size_A)
        field.setMaximumWidth(field.fontMetrics().averageCharWidth() * 18)
        field.setAccessibleName(f"Pixel size of {document.title}")
        notice = Notice(
            "warn",
            f"{document.title} does not say its pixel size; {data.pixel_size_A:g} Å is assumed.",
            buttons=(("Use this", lambda: self.set_pixel_size(document, field.value())),),
            widget=field,
            key=("pixel-size", document.id),
        )
        self.window.notices.show_notice(notice)

    def set_pixel_size(self, document: Document, pixel_size_A: float) -> None:
        """Give a document the pixel size that a person says; its file stays as it is."""
        if document.volume is not None:
            document.volume = document.volume.with_pixel_size(pixel_size_A)
        elif document.stack is not None:
            document.stack = replace(document.stack, pixel_size_A=pixel_size_A, pixel_size_known=True)
        document.info["_pixel_size"] = pixel_size_A
        self.window.log.note(f"{document.title}: pixel size set to {pixel_size_A:g} Å")
        self.window.workspace.touch(document)

    def edit_pixel_size(self, document: Document) -> None:
        """Ask for the pixel size of a map or an image set."""
        data = document.volume or document.stack
        if data is None:
            return
        value, said = QInputDialog.getDouble(
            self.window, "Pixel size", f"Pixel size of {document.title} in Å:", data.pixel_size_A, 0.01, 1000.0, 4
        )
        if said:
            self.window.notices.dismiss(("pixel-size", document.id))
            self.set_pixel_size(document, value)

    # watching -------------------------------------------------------------------------------------------------------
    def watch(self, document: Document) -> None:
        """Ask when the document's file changes on disk (a result folder is not watched: it never changes)."""
        if document.path is not None and document.kind != "result":
            self._watch.addPath(str(document.path))

    def _stirred(self, name: str) -> None:
        self._stirring.add(Path(name))
        self._settle.start()

    def _ask_reload(self) -> None:
        stirring, self._stirring = self._stirring, set()
        for document in list(self.window.workspace.documents.values()):
            if document.path not in stirring:
                continue
            there = document.path.exists()
            if there:
                self._watch.addPath(str(document.path))  # a file that was replaced is no longer watched
            text = f"{document.title} changed on disk." if there else f"{document.title} is no longer on disk."
            buttons = (("Reload", lambda d=document: self.reload(d)),) if there else ()
            self.window.notices.show_notice(Notice("warn", text, buttons=buttons, key=("changed", document.id)))

    def reload(self, document: Document) -> None:
        """Read a document again from its file; views and selection stay where they can."""
        if document.path is None:
            return
        for key in ("changed", "project"):
            self.window.notices.dismiss((key, document.id))
        self.window.runner.view(
            ("reload", document.id),
            lambda check, again=reading_again(document): again(),
            lambda fresh: self._reloaded(document, fresh),
            fail=lambda error: self.window.show_error(error, f"{document.title} could not be read again"),
            slow=True,
        )

    def _reloaded(self, document: Document, fresh: Document) -> None:
        said = {name: document.info[name] for name in ("_pixel_size", "_project_dir") if name in document.info}
        document.volume, document.stack, document.table = fresh.volume, fresh.stack, fresh.table
        document.info = fresh.info | said
        self.window.workspace.touch(document)
        self.doubts(document)

    def _unwatch(self, document: Document) -> None:
        if document.path is not None and str(document.path) in self._watch.files():
            self._watch.removePath(str(document.path))
        for key in ("pixel-size", "changed", "project"):
            self.window.notices.dismiss((key, document.id))

    # recent files ---------------------------------------------------------------------------------------------------
    def look_for_recent(self, then: Any) -> None:
        """Find out, in a lane, which recent files are missing; ``then(set of Path)``."""
        paths = [path for path, _ in self.window.settings.recent()]
        self.window.runner.view("recent files", lambda check: {p for p in paths if not p.exists()}, then, slow=True)
