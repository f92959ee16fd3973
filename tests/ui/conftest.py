"""What every test of the window gets: settings of its own, and a check that no Qt thread, timer or window is left."""

from __future__ import annotations

import gc
import threading
import time

import pytest
from PySide6.QtCore import QCoreApplication, QEvent, QObject, QSettings, QStandardPaths, QThread, QTimer
from PySide6.QtWidgets import QApplication, QWidget
from shiboken6 import isValid

PATIENCE_S = 2.0
"""How long what is ending may take to end."""


def running() -> dict[int, QObject]:
    """Return the running threads and active timers that Python made since the last freeze, by identity."""
    found = (o for o in gc.get_objects() if isinstance(o, (QThread, QTimer)) and isValid(o))
    return {id(o): o for o in found if (o.isRunning() if isinstance(o, QThread) else o.isActive())}


def windows() -> dict[int, QWidget]:
    """Return the top-level widgets that nothing owns, by identity."""
    return {id(w): w for w in QApplication.topLevelWidgets() if w.parent() is None}


def describe(o: QObject) -> str:
    return f"{type(o).__name__} {o.objectName()!r} of {type(o.parent()).__name__}"


@pytest.fixture(autouse=True)
def leaves_nothing_in_qt(qapp):
    """Fail a test that leaves a Qt thread, an active timer or a window behind.

    What was there before is frozen: the collector then looks only at what the test made, not at the half a million
    objects of the libraries, three times a test.
    """
    gc.freeze()
    before = windows()
    yield
    end = time.monotonic() + PATIENCE_S
    while True:
        QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
        QCoreApplication.processEvents()
        gc.collect()
        left = [describe(o) for key, o in (running() | windows()).items() if key not in before]
        if not left or time.monotonic() > end:
            break
        time.sleep(0.02)
    assert not left, f"left behind: {left}"


@pytest.fixture(autouse=True)
def own_settings(tmp_path_factory, leaves_nothing_in_qt):
    """Give each test empty settings in a folder of its own."""
    folder = str(tmp_path_factory.mktemp("settings"))
    QStandardPaths.setTestModeEnabled(True)
    QSettings.setDefaultFormat(QSettings.Format.IniFormat)
    for scope in (QSettings.Scope.UserScope, QSettings.Scope.SystemScope):
        QSettings.setPath(QSettings.Format.IniFormat, scope, folder)
        QSettings.setPath(QSettings.Format.NativeFormat, scope, folder)
    yield


@pytest.fixture
def runner(qapp):
    """Return the lanes of a window; they end with the test."""
    from emviewer.ui.runner import Runner

    one = Runner()
    yield one
    assert one.close()


@pytest.fixture
def workspace(qapp):
    """Return a workspace in which nothing is open."""
    from emviewer.ui.workspace import Workspace

    return Workspace()


@pytest.fixture
def made_form(qtbot, runner):
    """Return a function that makes the form of a job; what it would run is kept in its ``calls``."""
    made = []

    def make(kind, job):
        calls = []
        form = kind(job, runner, lambda *args: calls.append(args))
        form.calls = calls
        qtbot.addWidget(form)
        form.show()
        made.append(form)
        return form

    yield make
    for form in made:
        form.close()


@pytest.fixture
def held(monkeypatch):
    """Return a function that holds the jobs of a test once, after the first batch that fits, until its event is set."""
    from emviewer.engine.jobs import run

    plain, events = run.run_job, []

    def hold(fits):
        go = threading.Event()
        events.append(go)

        def run_job(*args, **kwargs):
            steps, waits = plain(*args, **kwargs), True
            while True:
                try:
                    batch = next(steps)
                except StopIteration as end:
                    return end.value
                yield batch
                if waits and fits(batch):
                    waits = not go.wait(20)

        monkeypatch.setattr(run, "run_job", run_job)
        return go

    yield hold
    for go in events:
        go.set()


@pytest.fixture
def window(qtbot, tmp_path):
    """Return a shown main window with settings of its own; it ends with the test."""
    from emviewer.ui import theme
    from emviewer.ui.settings import Settings
    from emviewer.ui.window import MainWindow

    theme.apply("light")
    window = MainWindow(Settings(tmp_path / "settings.ini"))
    qtbot.addWidget(window)
    window.show()
    yield window
    window.end()
    assert window.ended_cleanly
