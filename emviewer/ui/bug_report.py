"""What is shown when the program itself is at fault: a dialog with a report that can be copied."""

from __future__ import annotations

import platform
import sys
import traceback
from collections.abc import Callable
from types import TracebackType

import numpy
import PySide6
from PySide6.QtCore import QSize, QTimer
from PySide6.QtGui import QFontDatabase
from PySide6.QtWidgets import (
    QApplication,
    QDialog,
    QDialogButtonBox,
    QHBoxLayout,
    QLabel,
    QPlainTextEdit,
    QVBoxLayout,
    QWidget,
)

from emviewer import __version__
from emviewer.engine.errors import EmviewerError
from emviewer.ui import theme


def report_text(trace: str, doing: str = "") -> str:
    """Return what a developer needs: versions, what was being done, the traceback."""
    return (
        f"emviewer {__version__}, Python {platform.python_version()}, PySide6 {PySide6.__version__}, "
        f"numpy {numpy.__version__}, {platform.platform()}\n" + (f"While: {doing}\n" if doing else "") + f"\n{trace}"
    )


class BugDialog(QDialog):
    """Says that the program made a mistake, and lets the report be copied."""

    def __init__(self, summary: str, report: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("Something went wrong")
        self.report = report
        head = QHBoxLayout()
        icon = QLabel()
        icon.setPixmap(theme.icon("error", theme.current().on_error).pixmap(QSize(32, 32), self.devicePixelRatio()))
        text = QLabel(
            f"<b>emviewer made a mistake.</b><br>{summary}<br><br>Your files are as they were. You can go on; "
            "please copy the report and send it, so that it can be mended."
        )
        text.setWordWrap(True)
        head.addWidget(icon)
        head.addWidget(text, 1)
        details = QPlainTextEdit(report)
        details.setReadOnly(True)
        details.setAccessibleName("Report")
        details.setFont(QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont))
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close)
        self.copy_button = buttons.addButton("Copy report", QDialogButtonBox.ButtonRole.ActionRole)
        self.copy_button.clicked.connect(lambda: QApplication.clipboard().setText(self.report))
        buttons.rejected.connect(self.reject)
        layout = QVBoxLayout(self)
        layout.addLayout(head)
        layout.addWidget(details)
        layout.addWidget(buttons)
        self.resize(720, 420)


def install_hook(window: QWidget) -> Callable[[], None]:
    """Show unexpected exceptions in a dialog; return what puts the old hook back."""
    before = sys.excepthook

    def hook(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if issubclass(kind, KeyboardInterrupt):
            before(kind, error, trace)
            return
        text = "".join(traceback.format_exception(kind, error, trace))
        print(text, file=sys.stderr)
        # Deferred: the exception may have come out of a paint event, where no dialog may be opened.
        QTimer.singleShot(0, window, lambda: window.show_problem(error, text))

    sys.excepthook = hook

    def restore() -> None:
        sys.excepthook = before

    return restore


def is_bug(error: BaseException) -> bool:
    """Return whether an exception is a mistake of the program rather than something a person can mend."""
    return not isinstance(error, EmviewerError)
