"""The application object, its exception hook and its end. Imported only after the versions were looked at."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from PySide6.QtCore import QTimer
from PySide6.QtWidgets import QApplication

from emviewer import __version__
from emviewer.ui import theme
from emviewer.ui.bug_report import install_hook
from emviewer.ui.settings import Settings
from emviewer.ui.window import MainWindow


def make_application() -> QApplication:
    """Return the application with its name, icon and font."""
    app = QApplication.instance() or QApplication(sys.argv[:1])
    app.setApplicationName("emviewer")
    app.setApplicationDisplayName("emviewer")
    app.setApplicationVersion(__version__)
    app.setDesktopFileName("emviewer")
    return app


def run_window(files: list[Path], session: Path | None, demo: bool) -> int:
    """Show the window and run until it is closed; return the exit status."""
    app = make_application()
    settings = Settings()
    theme.apply(settings.theme)
    app.setWindowIcon(theme.icon("logo"))
    window = MainWindow(settings)
    restore = install_hook(window)
    window.show()
    window.activateWindow()  # bare X servers (VNC, Xvfb) have no window manager to do it
    # Ctrl+C in the terminal closes the window; the timer lets Python see the signal.
    signal.signal(signal.SIGINT, lambda *_: window.end())
    pulse = QTimer()
    pulse.start(250)
    pulse.timeout.connect(lambda: None)
    if session is not None:
        QTimer.singleShot(0, window, lambda: window.load_session(session))
    if files:
        QTimer.singleShot(0, window, lambda: window.open_paths(files))
    if demo:
        QTimer.singleShot(0, window, window.do_open_example)
    try:
        status = app.exec()
    finally:
        restore()
    if not window.ended_cleanly:
        # A worker is inside a call that cannot be interrupted (compilation); its partial folder stays as after a crash.
        sys.stderr.flush()
        os._exit(status)
    return status
