"""The micrograph panel: first picture of a large micrograph, pan and zoom, next and previous, a million particles.

    python benchmarks/bench_micrograph.py [FOLDER] [--quick]

Prints a markdown table. FOLDER (default: the system's temporary one) takes two micrographs of 11 520 × 8 184 float32
(754 MB), removed at the end. A gap is the time between two turns of the event loop; beside it and each frame stands the
GUI thread's own work, which does not mind a busy machine. The first picture is timed from a file that is not in the
file cache, to the end of its painting.
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
from event_loop import Gaps, cold, spin
from PySide6.QtCore import QPointF
from PySide6.QtWidgets import QApplication

from emviewer.engine import mrc
from emviewer.ui.app import SWITCH_INTERVAL_S
from emviewer.ui.micrograph_colours import CLASS, WAY
from emviewer.ui.panels.micrograph import MicrographPanel
from emviewer.ui.runner import Runner
from emviewer.ui.workspace import Document, Workspace

QUICK = "--quick" in sys.argv
SHAPE = (2046, 2880) if QUICK else (8184, 11520)
MANY, MICROGRAPHS = (100_000, 500) if QUICK else (1_000_000, 5_000)
rows: list[tuple[str, str, str]] = []


def line(what: str, value: str, target: str = "") -> None:
    rows.append((what, value, target))


def write_micrograph(path: Path, seed: int) -> None:
    rng = np.random.default_rng(seed)
    tile = rng.normal(size=(1023, 1440)).astype(np.float32)
    image = np.tile(tile, (SHAPE[0] // 1023, SHAPE[1] // 1440))
    with mrc.StackWriter(path, SHAPE, 0.83) as writer:
        writer.append(image[None])


def document(n: int, names: list[str], path: Path) -> Document:
    """Return particles as a RELION table has them: numbers kept as text."""
    rng = np.random.default_rng(0)
    number = {
        "rlnCoordinateX": rng.uniform(200, SHAPE[1] - 200, n),
        "rlnCoordinateY": rng.uniform(200, SHAPE[0] - 200, n),
        "rlnOriginXAngst": rng.normal(5, 3, n),
        "rlnOriginYAngst": rng.normal(0, 3, n),
        "rlnDefocusU": rng.uniform(8e3, 2e4, n),
    }
    table = pd.DataFrame(
        {name: pd.Series([f"{v:.6f}" for v in values], dtype="str") for name, values in number.items()}
    )
    table["rlnClassNumber"] = pd.Series(rng.integers(1, 101, n).astype("U"), dtype="str")
    which = np.sort(rng.integers(0, len(names), n))
    table["rlnMicrographName"] = pd.Series(np.array(names, object)[which].tolist(), dtype="str")
    table["rlnImagePixelSize"] = pd.Series(["0.83"] * n, dtype="str")
    table["rlnMicrographPixelSize"] = pd.Series(["0.83"] * n, dtype="str")
    table["rlnImageSize"] = pd.Series(["300"] * n, dtype="str")
    return Document("images", "particles", path, table=table)


def frames(what: str, panel: MicrographPanel, moves) -> None:
    """Time repaints of the canvas while it is moved, without what the lanes do meanwhile."""
    times = []
    for move in moves:
        start, worked = time.perf_counter(), time.thread_time()
        move()
        panel.canvas.repaint()
        times.append((time.perf_counter() - start, time.thread_time() - worked))
        QApplication.processEvents()
    wall, work = np.array(times).T * 1e3
    text = f"median {np.median(wall):.1f} ms, 95 %: {np.percentile(wall, 95):.1f} ms (work: {np.median(work):.1f} ms)"
    line(what, text, "< 16 ms")


def pans(panel: MicrographPanel, step: float, n: int = 100):
    return [
        lambda k=k: panel.canvas.set_view(
            panel.canvas.scale,
            panel.canvas.centre
            + QPointF(step * np.cos(k / 9) / panel.canvas.scale, step * np.sin(k / 9) / panel.canvas.scale),
        )
        for k in range(n)
    ]


def one_large(app: QApplication, panel: MicrographPanel, folder: Path) -> None:
    """Measure large micrographs with some hundred particles."""
    names = ["one.mrc", "two.mrc"]
    for seed, name in enumerate(names):
        write_micrograph(folder / name, seed)
    found = panel.workspace.add(document(1200, names, folder / "particles.star"))
    size = f"{SHAPE[1]:,} × {SHAPE[0]:,}".replace(",", " ")
    cold(folder / "one.mrc")
    gaps = Gaps()
    start, cpu = time.perf_counter(), time.process_time()
    panel.show_document(found)
    spin(lambda: panel.shown is not None)
    panel.canvas.repaint()
    took, cpu = time.perf_counter() - start, time.process_time() - cpu
    line(f"first picture of {size} float32, not in the file cache", f"{took:.2f} s ({cpu:.2f} s CPU)", "≤ 1 s")
    line("… while it comes", gaps.words(), "≤ 50 ms")
    spin(lambda: len(panel.pictures.kept.shown) == 2)
    frames("pan the whole, 600 particles with both boxes and arrows", panel, pans(panel, 8))
    frames("zoom from the whole to 1:1 and back", panel, [
        lambda f=f: panel.canvas.zoom(f) for f in [1.08] * 30 + [1 / 1.08] * 30])  # fmt: skip
    panel.picture_form.low_pass.setValue(0)
    first = panel.shown
    spin(lambda: panel.shown is not first)
    panel.canvas.zoom(1.0 / panel.canvas.scale)
    start = time.perf_counter()
    spin(lambda: panel.canvas.piece is not None and not panel.pictures.busy)
    line("sharp piece at 1:1, unfiltered", f"{1e3 * (time.perf_counter() - start):.0f} ms")
    frames("pan at 1:1 over a sharp piece", panel, pans(panel, 5))
    first = panel.shown
    start, cpu = time.perf_counter(), time.process_time()
    panel.picture_form.low_pass.setValue(25)
    spin(lambda: panel.shown is not first)
    took, cpu = time.perf_counter() - start, time.process_time() - cpu
    line("another low-pass", f"{1e3 * took:.0f} ms ({1e3 * cpu:.0f} ms CPU)")
    panel.canvas.fit()
    spin(lambda: panel.canvas.fitted)
    gaps = Gaps()
    times = []
    for k in range(6):
        start = time.perf_counter()
        panel.step(1 if k % 2 == 0 else -1)
        name = names[(k + 1) % 2]
        spin(lambda name=name: panel.plate.text == name)
        panel.canvas.repaint()
        times.append(time.perf_counter() - start)
    line("next or previous micrograph, fetched ahead", f"median {1e3 * np.median(times):.0f} ms; {gaps.words()}")


def many(app: QApplication, panel: MicrographPanel, folder: Path) -> None:
    """Measure a million particles over thousands of micrographs whose pictures are missing."""
    names = [f"Micrographs/mic_{i:05d}.mrc" for i in range(MICROGRAPHS)]
    made = document(MANY, names, folder / "many/particles.star")
    found = panel.workspace.add(made)
    count = f"{MANY:,} particles over {MICROGRAPHS:,} micrographs".replace(",", " ")
    gaps = Gaps()
    start, cpu = time.perf_counter(), time.process_time()
    panel.show_document(found)
    spin(lambda: panel.source is not None and panel.canvas.blank)
    panel.canvas.repaint()
    took, cpu = time.perf_counter() - start, time.process_time() - cpu
    line(f"{count}: shown", f"{took:.2f} s ({cpu:.2f} s CPU); {gaps.words()}", "≤ 50 ms gap")
    gaps = Gaps()
    times = []
    for _ in range(30):
        name = panel.plate.text
        start = time.perf_counter()
        panel.step(1)
        spin(lambda name=name: panel.plate.text != name)
        times.append(time.perf_counter() - start)
    line("… next micrograph", f"median {1e3 * np.median(times):.0f} ms; {gaps.words()}")
    for choice, words in ((CLASS, "class"), (WAY, "shift"), ("rlnDefocusU", "a column kept as text")):
        gaps = Gaps()
        start = time.perf_counter()
        panel.colour_by(choice)
        spin(lambda choice=choice: panel.colouring.choice == choice)
        line(f"… coloured by {words}", f"{time.perf_counter() - start:.2f} s; {gaps.words()}")
    for what, act in (
        ("all of a micrograph selected", panel.do_select_all),
        ("a particle clicked", lambda: panel.set_particle(int(panel.painter.boxes.positions[0]))),
        ("list searched", lambda: panel.list.search.setText("123")),
        ("list sorted by shift", lambda: panel.list._sorted(2)),
        ("a class hidden", lambda: panel.hide_class_of(int(panel.painter.boxes.positions[0]))),
    ):
        start, worked = time.perf_counter(), time.thread_time()
        act()
        app.processEvents()
        took, worked = time.perf_counter() - start, time.thread_time() - worked
        line(f"… {what}", f"{1e3 * took:.0f} ms (work: {1e3 * worked:.0f} ms)", "≤ 50 ms")


def main() -> None:
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    app = QApplication.instance() or QApplication([])
    places = [a for a in sys.argv[1:] if not a.startswith("-")]
    with tempfile.TemporaryDirectory(dir=places[0] if places else None) as name:
        folder = Path(name)
        os.environ["XDG_CONFIG_HOME"] = str(folder / "config")
        workspace, runner = Workspace(), Runner()
        panel = MicrographPanel(workspace, runner)
        panel.resize(1500, 950)
        panel.show()
        app.processEvents()
        one_large(app, panel, folder)
        many(app, panel, folder)
        panel.close()
        runner.close()
    print("| what | measured | wanted |\n|---|---|---|")
    for row in rows:
        print("| " + " | ".join(row) + " |")


if __name__ == "__main__":
    main()
