"""Rates of the slices panel (512³ memory-mapped) and of the explorer (128³, 256³), painting included.

    python benchmarks/bench_panels.py [FOLDER]

Each frame is asked for only when the one before was painted, so the rate is the whole round: GUI thread, view lane,
mailbox, paint. FOLDER (default: the system's temporary one) takes a map of 512 MB, removed at the end.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from pathlib import Path

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

import numpy as np
from PySide6.QtCore import QEventLoop, QTimer
from PySide6.QtWidgets import QApplication

from emviewer.engine.simulate import phantom
from emviewer.engine.types import Map3D
from emviewer.ui.panels.explorer import ExplorerPanel
from emviewer.ui.panels.explorer_orientation import View
from emviewer.ui.panels.slices import SlicesPanel
from emviewer.ui.runner import Runner
from emviewer.ui.sphere_view import SphereView
from emviewer.ui.workspace import Document, Workspace

app = QApplication.instance() or QApplication([])
workspace, runner = Workspace(), Runner()
awake = QTimer()  # so that waiting for events ends even if the answer came before
awake.start(20)


def until(done, seconds=120.0):
    end = time.perf_counter() + seconds
    while not done():
        app.processEvents(QEventLoop.ProcessEventsFlag.WaitForMoreEvents)
        if time.perf_counter() > end:
            raise SystemExit("took too long")


def now():
    """Wall time, and CPU time of all threads: the second does not mind a busy machine."""
    return np.array([time.perf_counter(), time.process_time()])


def report(name, times):
    (wall, cpu), late = np.median(times, axis=0) * 1e3, np.percentile(np.array(times)[:, 0], 95) * 1e3
    print(f"{name:46s} median {wall:6.2f} ms  95 % {late:6.2f} ms  {1e3 / wall:5.0f}/s   CPU {cpu:6.2f} ms")


def cold(path):
    if hasattr(os, "posix_fadvise"):
        handle = os.open(path, os.O_RDONLY)
        os.fsync(handle)
        os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(handle)


def slices(folder: Path) -> None:
    path = folder / "bench512.raw"
    rng = np.random.default_rng(0)
    with path.open("wb") as handle:
        for _ in range(512):
            rng.standard_normal((512, 512), np.float32).tofile(handle)
    cold(path)
    try:
        panel = SlicesPanel(workspace, runner)
        panel.resize(1100, 900)
        panel.show()
        app.processEvents()
        start = time.perf_counter()
        data = np.memmap(path, np.float32, "r", shape=(512, 512, 512))
        document = workspace.add(Document("map", "big", volume=Map3D(data, 1.0)))
        panel.show_document(document)
        until(lambda: all(c.image is not None for c in panel.area.canvases.values()))
        panel.area.repaint()
        print(f"{'512³ not in the file cache: first three cuts':52s} {1e3 * (time.perf_counter() - start):7.0f} ms")
        for warm in (False, True):
            if warm:
                time.sleep(3.0)
            for axis, name in enumerate(("YZ", "XZ", "XY")):
                times = []
                for _ in range(150):
                    begin = now()
                    panel._step(axis, 1 if panel.current.voxel[axis] < 500 else -490)
                    until(lambda name=name: not panel._pacers[name].busy)
                    panel.area.canvases[name].repaint()
                    times.append(now() - begin)
                report(f"512³ scroll {name}, file {'read through' if warm else 'just opened'}", times)
        panel.close()
        panel.deleteLater()
        workspace.remove(document)
        del data
    finally:
        path.unlink()


def explorer(box: int) -> None:
    volume = phantom("D2", box=box, pixel_size_A=1.5)
    document = workspace.add(Document("map", "phantom", volume=volume))
    panel = ExplorerPanel(workspace, runner)
    panel.resize(1100, 700)
    panel.show()
    start = time.perf_counter()
    panel.show_document(document)
    until(lambda: panel.canvas.image is not None)
    print(f"{f'{box}³ first projection (prepared)':52s} {1e3 * (time.perf_counter() - start):7.0f} ms")
    times = []
    for k in range(300):
        begin = now()
        panel.set_view(View(0.7 * k, 40 + 0.3 * k, 0.2 * k))
        until(lambda: not panel._pacer.busy)
        panel.canvas.repaint()
        panel.sphere.repaint()
        times.append(now() - begin)
    report(f"{box}³ turning (image {panel.canvas.image.shape[0]}²) with sphere", times)
    panel.close()
    panel.deleteLater()
    workspace.remove(document)


def sphere() -> None:
    from emviewer.engine.rotations import super_fibonacci

    view = SphereView()
    view.resize(500, 500)
    view.show()
    app.processEvents()
    for n in (1_000, 20_000, 100_000):
        view.set_directions(super_fibonacci(n)[:, 2])
        view._turning = True
        times = []
        for k in range(20):
            view.look_from(np.array([np.cos(k / 7), np.sin(k / 7), 0.4]))
            begin = now()
            view.repaint()
            times.append(now() - begin)
        report(f"sphere of {n} directions, turned", times)
    view.close()
    view.deleteLater()


def main() -> None:
    with tempfile.TemporaryDirectory(dir=sys.argv[1] if len(sys.argv) > 1 else None) as folder:
        slices(Path(folder))
    for box in (128, 256):
        explorer(box)
    sphere()
    awake.stop()
    runner.close()


if __name__ == "__main__":
    main()
