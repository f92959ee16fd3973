"""The application object, its exception hook and its end. Imported only after the versions were looked at."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from PySide6.QtCore import QSize, Qt, QTimer
from PySide6.QtGui import QColor, QGuiApplication, QPainter, QPixmap
from PySide6.QtWidgets import QApplication, QSplashScreen

from emviewer import __version__
from emviewer.ui import theme
from emviewer.ui.settings import Settings


def make_application() -> QApplication:
    """Return the application with its name, icon and font."""
    if QApplication.instance() is None:
        # compiled shaders of surfaces are kept for the whole program and must be good in every view of them
        QApplication.setAttribute(Qt.ApplicationAttribute.AA_ShareOpenGLContexts)
    app = QApplication.instance() or QApplication(sys.argv[:1])
    app.setApplicationName("emviewer")
    app.setApplicationDisplayName("emviewer")
    app.setApplicationVersion(__version__)
    app.setDesktopFileName("emviewer")
    return app


def show_splash() -> QSplashScreen:
    """Show the program's sign while the rest of it is loaded."""
    c = theme.current()
    ratio = QGuiApplication.primaryScreen().devicePixelRatio()
    picture = QPixmap(round(320 * ratio), round(150 * ratio))
    picture.setDevicePixelRatio(ratio)
    picture.fill(QColor(c.base))
    painter = QPainter(picture)
    painter.setPen(QColor(c.border))
    painter.drawRect(0, 0, 319, 149)
    painter.drawPixmap(28, 43, theme.icon("logo").pixmap(QSize(64, 64), ratio))
    font = painter.font()
    font.setPointSizeF(font.pointSizeF() * 1.8)
    font.setBold(True)
    painter.setFont(font)
    painter.setPen(QColor(c.text))
    painter.drawText(112, 84, f"emviewer {__version__}")
    painter.end()
    splash = QSplashScreen(picture)
    splash.show()
    QApplication.processEvents()
    return splash


def run_window(files: list[Path], session: Path | None, demo: bool) -> int:
    """Show the window and run until it is closed; return the exit status."""
    app = make_application()
    settings = Settings()
    theme.apply(settings.theme)
    app.setWindowIcon(theme.icon("logo"))
    splash = show_splash()
    # Imported under the splash: the panels bring numba, scipy and pandas with them, which takes a second or two.
    from emviewer.ui.bug_report import install_hook
    from emviewer.ui.window import MainWindow

    window = MainWindow(settings)
    restore = install_hook(window)
    window.show()
    splash.finish(window)
    window.activateWindow()  # bare X servers (VNC, Xvfb) have no window manager to do it
    # Ctrl+C in the terminal closes the window; the timer lets Python see the signal.
    interrupt = signal.signal(signal.SIGINT, lambda *_: window.end())
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
        signal.signal(signal.SIGINT, interrupt)
    if not window.ended_cleanly:
        # A worker is inside a call that cannot be interrupted (compilation); its partial folder stays as after a crash.
        sys.stderr.flush()
        os._exit(status)
    window.deleteLater()
    return status
