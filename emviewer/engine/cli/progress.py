"""What a person sees of a job in a terminal: a bar with rate and time left, on stderr, and only on a terminal."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from emviewer.engine.task import Batch


class _Silent:
    """Shows nothing."""

    def show(self, batch: Batch) -> None:
        """Take a batch."""


class _Bar:
    """A rich progress bar: what is done of it, views a second, time left."""

    def __init__(self, progress: Any, task: Any) -> None:
        self.progress, self.task = progress, task

    def show(self, batch: Batch) -> None:
        """Move the bar to where the batch is."""
        self.progress.update(
            self.task,
            completed=batch.done,
            total=batch.total or None,
            description=batch.stage or "working",
            rate=self._rate(),
        )

    def _rate(self) -> str:
        speed = self.progress.tasks[self.task].speed
        return f"{speed:,.0f}/s" if speed else ""


@contextmanager
def progress_bar(quiet: bool) -> Iterator[_Silent | _Bar]:
    """Give something with ``show(batch)``; silent unless stderr is a terminal and nobody asked for quiet."""
    if quiet or not sys.stderr.isatty():
        yield _Silent()
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(compact=True, elapsed_when_finished=True),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        yield _Bar(progress, progress.add_task("starting", total=None, rate=""))
