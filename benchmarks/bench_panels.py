"""Rates of the slices panel (512³ memory-mapped), the explorer (128³, 256³), a view by hand; and a million scores.

    python benchmarks/bench_panels.py [FOLDER] [--scores]

``--scores`` runs what belongs to comparisons alone.

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
from event_loop import cold
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


def million(n: int = 1_000_000) -> None:
    """Ask everything of the panels of a comparison of a million images; print how long the window stood still."""
    from PySide6.QtCore import QPointF, Qt

    from emviewer.ui import comparison
    from emviewer.ui.panels.compare import ComparePanel
    from emviewer.ui.panels.directions import DirectionsPanel
    from emviewer.ui.panels.plot import PlotPanel
    from emviewer.ui.panels.scores import ScoresPanel
    from emviewer.ui.undo import History

    document, history = scores_document(n), History(workspace)
    workspace.add(document)
    beat = Heartbeat()
    panels = [cls(workspace, runner) for cls in (ScoresPanel, ComparePanel, DirectionsPanel, PlotPanel)]
    scores, compare, directions, plot = panels
    for panel in panels:
        panel.resize(900, 500)
        panel.show()
    quiet()

    def row(what, action, done=lambda: True):
        quiet()
        beat.begin()
        action()
        until(done)
        took = time.perf_counter() - beat.started
        quiet()
        gap, cpu = beat.worst
        still = f"window still {1e3 * gap:4.0f} ms (CPU {1e3 * cpu:4.0f})"
        print(f"{n:,} scores: {what:28s} done after {1e3 * took:6.0f} ms   {still}")

    for panel in panels:
        row(f"open {panel.kind}", lambda panel=panel: panel.show_document(document))
    ended = []
    scores.sorter.sorted.connect(lambda: ended.append(1))
    for column in ("cc", "outlier_score", "image_name", "status", comparison.WINNER):
        ended.clear()
        row(f"sort by {column}", lambda column=column: scores.sort([(column, True)]), lambda: bool(ended))
    row("filter by a range", lambda: scores.filter.set_range("cc", 0.5, 0.7), lambda: len(scores.rows) < n)
    row("show all again", scores.filter.clear, lambda: len(scores.rows) == n)
    workspace.set_row(document, scores.rows.id_at(1000))
    row("next by score", lambda: scores.walk(1))
    row("select worse", scores.do_select_worse)
    row("select all", scores.do_select_all)
    row("invert the selection", scores.do_select_inverse)
    workspace.select(document, np.arange(0, n, 2))
    workspace.set_row(document, 0)
    row("tag half a million", scores.do_tag_reject)
    row("undo", history.undo)
    view, angles = plot.view, np.linspace(0, 2 * np.pi, 100)
    view.lasso = True
    middle = view.area().center()
    ring = [QPointF(middle.x() + 150 * np.cos(a), middle.y() + 100 * np.sin(a)) for a in angles]
    workspace.select(document, [])
    row(
        "lasso of 100 corners",
        lambda: view._choose(view.enclosing(ring), Qt.KeyboardModifier.NoModifier),
        lambda: len(workspace.selection(document)) > 0,
    )
    row("colour directions by cc", lambda: recolour(directions, "cc"), lambda: directions.feed.found.values is not None)
    row("show another map", lambda: compare.show_map("b"))
    for panel in panels:
        panel.close()
        panel.deleteLater()
    workspace.remove(document)
    beat.stop()


def by_hand(box: int) -> None:
    """Turn a view by hand: from the mouse to pictures and scores on the screen."""
    from emviewer.engine import mrc_write
    from emviewer.engine.jobs.compare import SPEC
    from emviewer.engine.jobs.compare_params import CompareParams
    from emviewer.engine.jobs.run import run_job
    from emviewer.engine.params import validated
    from emviewer.engine.project import Projector
    from emviewer.engine.rotations import super_fibonacci
    from emviewer.ui.opening import read_document
    from emviewer.ui.panels.compare import ComparePanel

    with tempfile.TemporaryDirectory() as place:
        folder, pixel = Path(place), 3.0
        volume = phantom("C1", box=box, pixel_size_A=pixel)
        mrc_write.write_map(folder / "map.mrc", volume)
        with mrc_write.StackWriter(folder / "images.mrcs", (box, box), pixel) as writer:
            writer.append(Projector(volume).project(super_fibonacci(24)))
        told = {"images": folder / "images.mrcs", "maps": [folder / "map.mrc"], "report": "none", "step": 10.0}
        for _ in run_job(SPEC, validated(CompareParams, told), folder / "result"):
            pass
        document = workspace.add(read_document(folder / "result"))
        panel = ComparePanel(workspace, runner)
        panel.resize(900, 500)
        panel.show()
        panel.show_document(document)
        quiet()
        panel.hand.roll(0.0)
        until(lambda: panel.hand.view is not None)
        times = []
        for _ in range(150):
            begin, before = now(), panel.hand.view
            panel.hand.turn(0.004, 0.002)
            until(lambda before=before: panel.hand.view is not before)
            panel.repaint()
            times.append(now() - begin)
        report(f"{box}² turning a compared view by hand", times)
        panel.close()
        panel.deleteLater()
        workspace.remove(document)


def scores_document(n: int) -> Document:
    """Return a comparison of ``n`` images with two maps, its pictures all alike."""
    import pandas as pd

    from emviewer.engine.types import ImageStack
    from emviewer.ui import comparison
    from emviewer.ui.comparison_grow import STATUS

    rng = np.random.default_rng(0)
    names = [f"{i + 1:06d}@Extract/job012/movie_{i % 97:04d}.mrcs" for i in range(n)]
    tables = {}
    for name in "ab":
        cc = np.tanh(rng.normal(1, 0.2, n))
        table = {
            "image_name": pd.Series(names, dtype="str"),
            "status": pd.Categorical.from_codes((cc < 0.5).astype(np.int8), dtype=STATUS),
            "cc": cc,
            "outlier": (cc < 0.5).astype(float),
            "rot_deg": rng.uniform(-180, 180, n),
            "tilt_deg": np.degrees(np.arccos(rng.uniform(-1, 1, n))),
        }
        for column in comparison.THEN:
            if column not in table and column != "reason":
                table[column] = rng.normal(size=n)
        tables[name] = pd.DataFrame(table | {"outlier_score": rng.normal(size=n)})
    found = comparison.Comparison(parameters={"images": "x.star"}, tables=tables, shown="a", shape=(64, 64))
    image = rng.normal(size=(64, 64)).astype(np.float32)
    found.stack = lambda kind, title="": ImageStack(n, (64, 64), 3.0, lambda ids: np.repeat(image[None], len(ids), 0))
    found.prepare()
    document = Document("result", "scores", info={comparison.KEY: found})
    comparison.refresh(document)
    return document


class Heartbeat(QTimer):
    """Notes the longest time, by the clock and in CPU time, in which the GUI thread did not come round."""

    def __init__(self) -> None:
        super().__init__()
        self.timeout.connect(self.beat)
        self.begin()
        self.start(0)

    def begin(self) -> None:
        self.worst = (0.0, 0.0)
        self.started = self.last = time.perf_counter()
        self.cpu = time.thread_time()

    def beat(self) -> None:
        now, cpu = time.perf_counter(), time.thread_time()
        self.worst = max(self.worst, (now - self.last, cpu - self.cpu))
        self.last, self.cpu = now, cpu


def quiet(seconds: float = 0.5) -> None:
    """Let the lanes answer."""
    for slow in (False, True):
        done = []
        runner.view(("quiet", slow), lambda check: None, done.append, slow=slow)
        until(lambda done=done: bool(done))
    end = time.perf_counter() + seconds
    until(lambda: time.perf_counter() > end)


def recolour(panel, column):
    panel.colour_box.setCurrentIndex(panel.colour_box.findData(column))
    panel._show_directions()


def main() -> None:
    if "--scores" in sys.argv[1:]:
        for box in (64, 128):
            by_hand(box)
        million()
        awake.stop()
        runner.close()
        return
    with tempfile.TemporaryDirectory(dir=sys.argv[1] if len(sys.argv) > 1 else None) as folder:
        slices(Path(folder))
    for box in (128, 256):
        explorer(box)
    sphere()
    for box in (64, 128):
        by_hand(box)
    million()
    awake.stop()
    runner.close()


if __name__ == "__main__":
    main()
