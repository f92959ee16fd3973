"""What the benchmarks of the window share: gaps of the event loop, waiting in it, files out of memory."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PySide6.QtCore import QEventLoop, QTimer


class Gaps:
    """Records the time between turns of the event loop, and how much of it the GUI thread itself worked."""

    def __init__(self) -> None:
        self.times: list[float] = []
        self.work: list[float] = []
        self._last, self._worked = time.perf_counter(), time.thread_time()
        self._timer = QTimer()
        self._timer.setInterval(0)
        self._timer.timeout.connect(self._tick)
        self._timer.start()

    def _tick(self) -> None:
        now, worked = time.perf_counter(), time.thread_time()
        self.times.append(now - self._last)
        self.work.append(worked - self._worked)
        self._last, self._worked = now, worked
        time.sleep(0.0005)  # a loop that never sleeps would take a core away from the job

    def stop(self) -> np.ndarray:
        """Return (gaps, work) in ms, shape (2, n)."""
        self._timer.stop()
        return np.array([self.times, self.work]) * 1e3

    def words(self) -> str:
        """Stop, and return the worst gap and the most work in one turn."""
        gap, work = self.stop().max(axis=1)
        return f"worst gap {gap:.0f} ms (most work in one turn: {work:.0f} ms)"


def spin(until: Callable[[], object], seconds: float = 120.0) -> None:
    """Run a real event loop until something holds, looked at every millisecond."""
    loop = QEventLoop()
    watch = QTimer()
    watch.setInterval(1)
    end = time.perf_counter() + seconds
    watch.timeout.connect(lambda: loop.quit() if until() or time.perf_counter() > end else None)
    watch.start()
    loop.exec()
    watch.stop()
    if not until():
        raise SystemExit("took too long")


def cold(path: Path) -> None:
    """Let the system forget the contents of a file."""
    if hasattr(os, "posix_fadvise"):
        handle = os.open(path, os.O_RDONLY)
        os.fsync(handle)
        os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(handle)
