"""How responsive the window is: gaps of the GUI thread while a gallery runs, cancel, close, scrolling, sorting.

    python benchmarks/bench_window.py [--quick]

Prints a markdown table. A gap is the time between two turns of the event loop: what a person feels as a hang. On a
machine that is busy with other things gaps and frames contain time in which the thread was not run, hence the GUI
thread's own work beside them. The job is a gallery of ``phantom:D7`` (128³, C1, 5°) in the real window, its gallery
in front and filling.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from pathlib import Path

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

import numpy as np
import pandas as pd
from event_loop import Gaps, spin
from PySide6.QtWidgets import QApplication

from emviewer.engine import mrc
from emviewer.engine.simulate import phantom
from emviewer.engine.types import ImageStack
from emviewer.ui.app import SWITCH_INTERVAL_S
from emviewer.ui.panels.gallery import GalleryPanel
from emviewer.ui.panels.table import TablePanel
from emviewer.ui.runner import Runner
from emviewer.ui.settings import Settings
from emviewer.ui.window import MainWindow
from emviewer.ui.workspace import Document, Workspace

QUICK = "--quick" in sys.argv
TILES = 100_000
ROWS = 100_000 if QUICK else 1_000_000
STEP_DEG = 10.0 if QUICK else 5.0
rows: list[tuple[str, str, str]] = []


def line(what: str, value: str, target: str) -> None:
    rows.append((what, value, target))


def gaps_line(what: str, gaps: np.ndarray) -> None:
    wall, work = gaps
    text = (
        f"{wall.max():.0f} ms (99.9 %: {np.percentile(wall, 99.9):.0f} ms; most work in one turn: {work.max():.0f} ms)"
    )
    line(what, text, "≤ 50 ms")


def frames_line(what: str, times: np.ndarray) -> None:
    wall, work = times * 1e3
    text = f"median {np.median(wall):.1f} ms, 95 %: {np.percentile(wall, 95):.1f} ms (work: {np.median(work):.1f} ms)"
    line(what, text, "< 16 ms")


def start_job(window: MainWindow, source: Path, folder: Path):
    params = {"map": str(source), "step": STEP_DEG, "report": "none"}
    return window.run_job("gallery", params, folder)


def run_in_window(app: QApplication, folder: Path) -> None:
    """Measure the gaps of a job in the real window, how fast it cancels, and how fast the window closes on it."""
    source = folder / "phantom.mrc"
    mrc.write_map(source, phantom("D7", 128, 3.0), 3.0)
    window = MainWindow(Settings())
    window.resize(1500, 950)
    window.show()
    window.open_paths([source])
    spin(lambda: bool(window.workspace.documents))
    warm = start_job(window, source, folder / "warm")
    spin(lambda: warm.done > 100 or not warm.active)
    window.runner.cancel(warm)
    spin(lambda: not warm.active)

    gaps = Gaps()
    job = start_job(window, source, folder / "whole")
    spin(lambda: not job.active)
    spin(lambda: not any(d.streaming for d in window.workspace.documents.values()))
    gaps_line(f"worst gap of the GUI thread, gallery job of {job.done} views", gaps.stop())
    line("the job itself, in the window", f"{job.ended - job.started:.1f} s", "")

    job = start_job(window, source, folder / "cancelled")
    spin(lambda: job.done > 100)
    start = time.perf_counter()
    window.runner.cancel(job)
    app.processEvents()
    shown = time.perf_counter() - start
    spin(lambda: not job.active)
    line("cancel is shown after", f"{shown * 1e3:.0f} ms", "< 200 ms")
    line("cancelled job has ended after", f"{(time.perf_counter() - start) * 1e3:.0f} ms ({job.state})", "< 1 s")

    window.ask_to_close = lambda: True
    job = start_job(window, source, folder / "closed")
    spin(lambda: job.done > 100)
    start = time.perf_counter()
    window.close()
    line("closing the window during a job", f"{(time.perf_counter() - start) * 1e3:.0f} ms", "< 1 s")
    if not window.ended_cleanly:
        raise SystemExit("the lanes did not end")


def settle(panel: GalleryPanel | TablePanel) -> None:
    spin(lambda: panel.thumbnails.idle)


def frames(app: QApplication, panel: GalleryPanel | TablePanel, places: list[int], bar) -> np.ndarray:
    """Scroll through places; return each frame's time and the GUI thread's work in it, in s, shape (2, n)."""
    times = []
    for place in places:
        start, worked = time.perf_counter(), time.thread_time()
        bar.setValue(place)
        app.processEvents()
        times.append((time.perf_counter() - start, time.thread_time() - worked))
        time.sleep(0.002)
    settle(panel)
    return np.array(times).T


def scroll_gallery(app: QApplication, folder: Path) -> None:
    """Measure frames of a gallery of 100 000 tiles read from a real stack on disk."""
    rng = np.random.default_rng(0)
    path = folder / "tiles.mrcs"
    with mrc.StackWriter(path, (128, 128), 2.0) as writer:
        for _ in range(8):
            writer.append(rng.normal(size=(250, 128, 128)).astype(np.float32))
    real = mrc.read_stack(path)
    stack = ImageStack(TILES, real.shape, 2.0, lambda ids: real.read(ids % real.n), source=path)
    table = pd.DataFrame({"rot_deg": rng.uniform(0, 360, TILES), "tilt_deg": rng.uniform(0, 180, TILES)})
    workspace, runner = Workspace(), Runner()
    panel = GalleryPanel(workspace, runner)
    panel.resize(1500, 950)
    panel.show()
    document = workspace.add(Document("images", "many", stack=stack, table=table))
    start = time.perf_counter()
    panel.show_document(document)
    app.processEvents()
    line(f"show {TILES:,} tiles".replace(",", " "), f"{(time.perf_counter() - start) * 1e3:.0f} ms", "")
    settle(panel)
    bar = panel.grid.verticalScrollBar()
    for tile in (48, 112, 224):
        panel.grid.set_tile(tile)
        settle(panel)
        n = panel.grid.visible()[1] - panel.grid.visible()[0]
        smooth = frames(app, panel, [bar.value() + 40 * k for k in range(1, 150)], bar)
        frames_line(f"scroll by 40 px, {n} tiles of {tile} px", smooth)
        jumps = frames(app, panel, rng.integers(0, bar.maximum(), 50).tolist(), bar)
        frames_line(f"jump anywhere, {n} tiles of {tile} px", jumps)
    start = time.perf_counter()
    panel.do("select_all")
    app.processEvents()
    line(f"select all {TILES:,}".replace(",", " "), f"{(time.perf_counter() - start) * 1e3:.0f} ms", "")
    panel.close()
    runner.close()


def sort_table(app: QApplication) -> None:
    """Measure sorting and scrolling of a long table."""
    rng = np.random.default_rng(0)
    table = pd.DataFrame(
        {
            "score": rng.normal(size=ROWS),
            "class": rng.integers(0, 50, ROWS),
            "rlnDefocusU": [f"{v:.6f}" for v in rng.uniform(5e3, 3e4, ROWS)],
            "rlnImageName": [f"{i:06d}@Extract/job012/x.mrcs" for i in rng.permutation(ROWS)],
        }
    )
    workspace, runner = Workspace(), Runner()
    panel = TablePanel(workspace, runner)
    panel.resize(1200, 900)
    panel.show()
    document = workspace.add(Document("images", "long", table=table))
    count = f"{ROWS:,}".replace(",", " ")
    start = time.perf_counter()
    panel.show_document(document)
    app.processEvents()
    line(f"show a table of {count} rows", f"{(time.perf_counter() - start) * 1e3:.0f} ms", "")
    for name, words in (("score", "numbers"), ("rlnDefocusU", "numbers kept as text"), ("rlnImageName", "text")):
        best, worst = np.inf, 0.0
        for k in range(3):
            done: list[bool] = []
            panel.sorter.sorted.connect(lambda done=done: done.append(True))
            gaps = Gaps()
            start = time.perf_counter()
            panel.sort([(name, k % 2 == 0)])
            spin(lambda done=done: bool(done))
            app.processEvents()
            best = min(best, time.perf_counter() - start)
            worst = max(worst, gaps.stop()[0].max())
            panel.sorter.sorted.disconnect()
            panel.sorter.sorted.connect(panel._on_sorted)
        line(f"sort {count} rows by {words}", f"{best:.2f} s, worst gap {worst:.0f} ms", "< 1 s")
    bar = panel.view.verticalScrollBar()
    frames_line("scroll the table", frames(app, panel, rng.integers(0, bar.maximum(), 100).tolist(), bar))
    panel.close()
    runner.close()


def main() -> None:
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    app = QApplication.instance() or QApplication([])
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ["XDG_CONFIG_HOME"] = str(folder / "config")
        scroll_gallery(app, folder)
        sort_table(app)
        run_in_window(app, folder)
    print("| what | measured | wanted |\n|---|---|---|")
    for row in rows:
        print("| " + " | ".join(row) + " |")


if __name__ == "__main__":
    main()
