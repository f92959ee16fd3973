"""How responsive the centring panel is with a million members: opening, setting a centre by hand, saving.

    python benchmarks/bench_center_window.py [particles]

Prints a markdown table: seconds until all is there, and the longest turn of the event loop with the GUI thread's own
work in it, which says what the panel itself cost when the machine was busy with other things.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

import numpy as np
from bench_center import SMALL_BOX, classes, relion, run_job_in
from PySide6.QtCore import QEventLoop, QTimer
from PySide6.QtWidgets import QApplication

from emviewer.ui.app import SWITCH_INTERVAL_S
from emviewer.ui.centering_session import of
from emviewer.ui.settings import Settings
from emviewer.ui.window import MainWindow


class Gaps:
    """Longest time between two turns of the event loop, and the GUI thread's work in the busiest of them."""

    def __init__(self) -> None:
        self.longest = self.work = 0.0
        self._last, self._worked = time.perf_counter(), time.thread_time()
        self._timer = QTimer()
        self._timer.setInterval(0)
        self._timer.timeout.connect(self._tick)
        self._timer.start()

    def _tick(self) -> None:
        now, worked = time.perf_counter(), time.thread_time()
        self.longest, self.work = max(self.longest, now - self._last), max(self.work, worked - self._worked)
        self._last, self._worked = now, worked

    def reset(self) -> None:
        """Begin again."""
        self._tick()
        self.longest = self.work = 0.0


def wait(done: Callable[[], object], seconds: float = 300.0) -> float:
    """Run the event loop until something is so; return the seconds that took."""
    start = time.perf_counter()
    while not done() and time.perf_counter() - start < seconds:
        QApplication.processEvents(QEventLoop.ProcessEventsFlag.WaitForMoreEvents, 20)
    return time.perf_counter() - start


def main() -> None:
    """Make a centring of many members, then open and change it in the window."""
    n = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    app = QApplication([])
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        classes(folder / "small.mrcs", SMALL_BOX, rng)
        relion(folder / "particles.star", n, rng)
        run_job_in(folder / "out", folder / "small.mrcs", "--particles", folder / "particles.star")
        window = MainWindow(Settings(folder / "settings.ini"))
        window.resize(1500, 950)
        window.show()
        app.processEvents()
        print(f"| {n} members | seconds | longest gap, ms | its work, ms |\n|---|---|---|---|")
        gaps = Gaps()
        window.open_paths([folder / "out"])

        def centering() -> object:
            return next((c for d in window.workspace.documents.values() if (c := of(d))), None)

        def row(what: str, seconds: float) -> None:
            print(f"| {what} | {seconds:.2f} | {1000 * gaps.longest:.0f} | {1000 * gaps.work:.0f} |", flush=True)
            gaps.reset()

        row("classes are shown", wait(lambda: centering() is not None and window.area.front() is not None))
        row("members are read", wait(lambda: centering().inputs is not None))
        panel, found = window.area.front(), centering()
        panel.go_to(3)
        row("another class", wait(lambda: panel.editor.image is not None))
        before = found.moved
        panel.set_centre(5.0, -4.0)
        row("a centre by hand is carried to the members", wait(lambda: found.moved is not before))
        job = panel.save(folder / "saved.star")
        row("saved as RELION's table", wait(lambda: not job.active))
        wait(lambda: False, 0.2)
        window.end()


if __name__ == "__main__":
    main()
