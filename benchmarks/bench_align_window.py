"""How responsive the window is while large maps are aligned and looked at: gaps of the GUI thread.

    python benchmarks/bench_align_window.py [--boxes 256 400]

Prints a markdown table. A gap is the time between two turns of the event loop; "not for want of a core" leaves out the
time in which the GUI thread could have run and the system had no core for it (``schedstat``; Linux), so that a busy
machine tells less of itself: what is left is own work, and waiting for other threads of the program. For each box: the
alignment job in the real window with its panel in front; then, with the result, every way of showing it, stepping
through slices, dragging the map by hand, refining it from there, the difference with its contours and pieces, the
curves, and the surface where OpenGL can be had.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

import numpy as np
from event_loop import Gaps, spin
from PySide6.QtCore import Qt, QTimer
from PySide6.QtWidgets import QApplication
from scipy.spatial.transform import Rotation

from emviewer.engine import mrc
from emviewer.engine.simulate import phantom
from emviewer.engine.types import RigidTransform
from emviewer.ui.app import SWITCH_INTERVAL_S
from emviewer.ui.panels.surface import has_gl
from emviewer.ui.settings import Settings
from emviewer.ui.window import MainWindow

PIXEL_A = 1.2
STEPS = 40


SCHEDSTAT = Path(f"/proc/self/task/{os.getpid()}/schedstat")


class FairGaps(Gaps):
    """Records for every turn how long the GUI thread waited for a core, too."""

    def __init__(self) -> None:
        self.waited: list[float] = []
        self._waited = waited_s()
        super().__init__()

    def _tick(self) -> None:
        now = waited_s()
        self.waited.append(now - self._waited)
        self._waited = now
        super()._tick()


def waited_s() -> float:
    """Return how long the main thread has been ready to run without a core so far."""
    return int(SCHEDSTAT.read_text().split()[1]) * 1e-9 if SCHEDSTAT.exists() else 0.0


def show(box: int, what: str, gaps: FairGaps) -> None:
    wall, work = gaps.stop()
    fair = wall - 1e3 * np.array(gaps.waited)
    print(f"| {box}³ | {what} | {wall.max():.0f} ms | {fair.max():.0f} ms | {work.max():.0f} ms |", flush=True)


def repeat(times: int, every_ms: int, act: Callable[[int], None]) -> None:
    """Act so many times from the event loop, then wait until it is quiet."""
    count = [0]
    timer = QTimer()
    timer.setInterval(every_ms)

    def tick() -> None:
        act(count[0])
        count[0] += 1
        if count[0] >= times:
            timer.stop()

    timer.timeout.connect(tick)
    timer.start()
    spin(lambda: count[0] >= times)


def pause(ms: int = 500) -> None:
    over = []
    QTimer.singleShot(ms, lambda: over.append(True))
    spin(lambda: bool(over))


def run(box: int, folder: Path) -> None:
    """Measure one box."""
    paths = [folder / f"{name}_{box}.mrc" for name in ("reference", "moving")]
    volume = phantom("C1", box, PIXEL_A)
    mrc.write_map(paths[0], np.asarray(volume.data), PIXEL_A)
    mrc.write_map(paths[1], np.ascontiguousarray(np.asarray(volume.data).transpose(1, 2, 0)), PIXEL_A)
    window = MainWindow(Settings(folder / "settings.ini"))
    window.resize(1500, 950)
    window.show()
    gaps = FairGaps()
    window.open_paths(paths)
    spin(lambda: len(window.workspace.documents) == 2)
    pause()
    show(box, "opening two maps", gaps)
    gaps = FairGaps()
    params = {"reference": str(paths[0]), "maps": [str(paths[1])], "report": "none"}
    job = window.run_job("align", params, folder / f"out_{box}")
    spin(lambda: not job.active, 900)
    spin(lambda: not any(d.streaming for d in window.workspace.documents.values()))
    pause(1500)
    show(box, f"the job, {job.ended - job.started:.0f} s, its panel in front", gaps)
    document = next(d for d in window.workspace.documents.values() if d.kind == "result")
    look(window, document, box)
    window.end()
    window.deleteLater()


def look(window: MainWindow, document: object, box: int) -> None:
    """Measure the panels on a result."""
    panel = window.area.open_panel("align", document)
    spin(lambda: panel.reference is not None)
    pause()
    gaps = FairGaps()
    for mode in ("wipe", "side", "overlay"):
        panel.set_mode(mode)
        pause(300)
    panel.before.setChecked(True)
    pause(300)
    panel.before.setChecked(False)
    pause(300)
    show(box, "modes, before and after", gaps)
    gaps = FairGaps()
    repeat(STEPS, 25, lambda k: panel._step(k % 3, 1))
    pause()
    show(box, f"stepping through {STEPS} slices", gaps)
    canvas = panel.area.cells[0, "XY"]
    panel.hand.setChecked(True)
    gaps = FairGaps()
    repeat(STEPS, 16, lambda k: canvas.dragged.emit(1.0, 0.5, Qt.KeyboardModifier.ShiftModifier))
    canvas.drag_ended.emit()
    pause()
    show(box, "dragging the map by hand", gaps)
    panel._edit("turn", RigidTransform(Rotation.from_rotvec([0, 0, 0.1]).as_matrix() @ panel.shown.found.matrix,
                                       panel.shown.found.translation_A))  # fmt: skip
    gaps = FairGaps()
    panel.refine_from_here()
    spin(panel.refine.isEnabled, 300)
    pause()
    show(box, "refining from there", gaps)
    gaps = FairGaps()
    other = window.area.open_panel("difference", document)
    spin(lambda: other.reference is not None and len(other.cuts) == 3)
    pause()
    show(box, "opening the difference", gaps)
    gaps = FairGaps()
    repeat(STEPS, 25, lambda k: other._step(k % 3, 1))
    other.share_box.setValue(5.0)
    other.do_next_worst()
    pause()
    show(box, "stepping through the difference", gaps)
    gaps = FairGaps()
    window.area.open_panel("fsc", document)
    pause()
    show(box, "the curves", gaps)
    if has_gl():
        gaps = FairGaps()
        surface = window.area.open_panel("surface", document)
        spin(lambda: surface.maps[1] is not None)
        pause(1500)
        show(box, "the surfaces", gaps)
        gaps = FairGaps()
        surface.slider.setSliderDown(True)
        repeat(STEPS, 50, lambda k: surface.slider.setValue(480 + 2 * k))
        surface.slider.setSliderDown(False)
        pause(1500)
        show(box, "dragging the contour level", gaps)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Gaps of the GUI thread with large maps.")
    parser.add_argument("--boxes", type=int, nargs="+", default=[256, 400])
    args = parser.parse_args()
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    QApplication.setAttribute(Qt.ApplicationAttribute.AA_ShareOpenGLContexts)
    app = QApplication.instance() or QApplication([])
    print("| box | what | worst gap | not for want of a core | most work in one turn |\n|-|-|-|-|-|")
    with tempfile.TemporaryDirectory() as folder:
        for box in args.boxes:
            run(box, Path(folder))
            app.processEvents()


if __name__ == "__main__":
    main()
