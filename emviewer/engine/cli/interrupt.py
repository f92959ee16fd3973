"""Ctrl-C as a wish: the first asks the job to stop at its next check, the second forces."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Interrupt:
    """Whether the person has asked to stop; its :meth:`check` is what jobs call."""

    def __init__(self) -> None:
        self.asked = False

    def check(self) -> None:
        """Raise :class:`~emviewer.engine.task.Cancelled` once Ctrl-C was pressed."""
        if self.asked:
            from emviewer.engine.task import Cancelled

            raise Cancelled

    def __call__(self, number: int, frame: FrameType | None) -> None:
        """Take a signal: remember the first, raise KeyboardInterrupt on the second."""
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True


@contextmanager
def interruptible() -> Iterator[Interrupt]:
    """Turn SIGINT and SIGTERM into :class:`Interrupt` while the block runs (in the main thread; elsewhere nothing)."""
    interrupt = Interrupt()
    if threading.current_thread() is not threading.main_thread():
        yield interrupt
        return
    before = {number: signal.signal(number, interrupt) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield interrupt
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
