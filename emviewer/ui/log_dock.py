"""The log: every command as a line that can be pasted into a shell, and every warning, with a link to its object."""

from __future__ import annotations

import html
from datetime import datetime
from pathlib import Path

from PySide6.QtCore import QUrl, Signal
from PySide6.QtGui import QFontDatabase
from PySide6.QtWidgets import QTextBrowser

from emviewer.ui import theme
from emviewer.ui.workspace import Document


class LogView(QTextBrowser):
    """Lines with time, level and text.

    Signals
    -------
    document_wanted : int
        The link of a line was clicked: show this document.
    """

    document_wanted = Signal(object)

    def __init__(self) -> None:
        super().__init__()
        self.setAccessibleName("Log")
        self.setOpenLinks(False)
        self.setFont(QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont))
        self.setPlaceholderText("Commands and warnings appear here.")
        self.document().setMaximumBlockCount(5000)
        self.anchorClicked.connect(self._clicked)
        self.lines: list[tuple[datetime, str, str, int | None]] = []

    def command(self, line: str) -> None:
        """Log a command that can be pasted."""
        self._add("command", line)

    def warn(self, sentence: str, document: Document | None = None) -> None:
        """Log a doubt, with a link to what it is about."""
        self._add("warning", sentence, document.id if document is not None else None)

    def error(self, sentence: str) -> None:
        """Log an error."""
        self._add("error", sentence)

    def note(self, sentence: str) -> None:
        """Log something worth knowing."""
        self._add("note", sentence)

    def text(self) -> str:
        """Return the whole log: commands as they are, everything else as shell comments."""
        return "".join(
            f"{line}\n" if level == "command" else f"# {when:%H:%M:%S} {level}: {line}\n"
            for when, level, line, _ in self.lines
        )

    def save(self, path: Path) -> None:
        """Write the log to a file that a shell can run."""
        path.write_text(self.text())

    def _add(self, level: str, line: str, document_id: int | None = None) -> None:
        if level != "command" and self.lines and self.lines[-1][1:] == (level, line, document_id):
            return  # a file that went away fails again with every tile
        entry = (datetime.now(), level, line, document_id)
        self.lines.append(entry)
        self.append(self._html(*entry))

    def _html(self, when: datetime, level: str, line: str, document_id: int | None) -> str:
        c = theme.current()
        shade = {"command": c.text, "warning": c.on_warn, "error": c.on_error}.get(level, c.dim)
        shown = html.escape(line)
        if document_id is not None:
            shown = f'<a style="color:{shade}" href="document:{document_id}">{shown}</a>'
        return f'<span style="color:{c.faint}">{when:%H:%M:%S}</span>&nbsp; <span style="color:{shade}">{shown}</span>'

    def _clicked(self, url: QUrl) -> None:
        if url.scheme() == "document":
            self.document_wanted.emit(int(url.path()))

    def recolour(self) -> None:
        """Write the lines again in the theme's colours."""
        self.clear()
        for entry in self.lines:
            self.append(self._html(*entry))
