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
from event_loop import Gaps, spin
from PySide6.QtWidgets import QApplication

from emviewer.ui.app import SWITCH_INTERVAL_S
from emviewer.ui.centering_session import of
from emviewer.ui.settings import Settings
from emviewer.ui.window import MainWindow


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

        def row(what: str, until: Callable[[], object]) -> None:
            nonlocal gaps
            start = time.perf_counter()
            spin(until, 300)
            gap, work = gaps.stop().max(axis=1)
            print(f"| {what} | {time.perf_counter() - start:.2f} | {gap:.0f} | {work:.0f} |", flush=True)
            gaps = Gaps()

        row("classes are shown", lambda: centering() is not None and window.area.front() is not None)
        row("members are read", lambda: centering().inputs is not None)
        panel, found = window.area.front(), centering()
        panel.go_to(3)
        row("another class", lambda: panel.editor.image is not None)
        before = found.moved
        panel.set_centre(5.0, -4.0)
        row("a centre by hand is carried to the members", lambda: found.moved is not before)
        job = panel.save(folder / "saved.star")
        row("saved as RELION's table", lambda: not job.active)
        app.processEvents()
        window.end()


if __name__ == "__main__":
    main()
