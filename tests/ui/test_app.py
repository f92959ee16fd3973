import os
import signal
import subprocess
import sys

import numpy as np
import pytest
from PySide6.QtCore import QTimer
from PySide6.QtWidgets import QApplication

from emviewer.engine import mrc
from emviewer.ui import app
from emviewer.ui.window import MainWindow


@pytest.fixture
def map_file(tmp_path):
    path = tmp_path / "small.mrc"
    mrc.write_map(path, np.random.default_rng(1).normal(size=(8, 8, 8)).astype(np.float32), 2.0)
    return path


def test_starting_with_a_file_opens_it_and_ctrl_c_closes_the_window(qapp, map_file):
    seen = []

    def look():
        window = next((w for w in QApplication.topLevelWidgets() if isinstance(w, MainWindow)), None)
        if window is None or not window.workspace.documents:
            QTimer.singleShot(20, look)
            return
        seen.append([d.title for d in window.workspace.documents.values()])
        os.kill(os.getpid(), signal.SIGINT)

    QTimer.singleShot(0, look)
    hook, handler, interval = sys.excepthook, signal.getsignal(signal.SIGINT), sys.getswitchinterval()
    try:
        assert app.main([map_file]) == 0
    finally:
        sys.setswitchinterval(interval)
    assert seen == [["small"]]
    assert (sys.excepthook, signal.getsignal(signal.SIGINT)) == (hook, handler)


def test_the_guard_runs_before_any_widget_is_imported():
    code = (
        "import sys, PySide6; PySide6.__version__ = '6.12.0'\n"
        "sys.version_info = (3, 11, 7)\n"
        "from emviewer.ui import app; status = app.main()\n"
        "assert 'PySide6.QtWidgets' not in sys.modules\n"
        "sys.exit(status)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("emviewer: error: PySide6 6.12.0 crashes on Python 3.11")
    assert "Traceback" not in done.stderr
