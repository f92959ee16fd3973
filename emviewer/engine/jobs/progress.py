"""The curves that a job tells while it runs, kept in its folder, so that they show again when it is opened."""

from __future__ import annotations

import csv
import math

from emviewer.engine.files_whole import whole
from emviewer.engine.jobs.folder import ResultFolder
from emviewer.engine.task import Batch

FILE = "progress.csv"


class Progress:
    """Collects the numbers that batches carry in ``extra`` under given names.

    Parameters
    ----------
    names : tuple of str
        Curves that are kept.
    """

    def __init__(self, names: tuple[str, ...]) -> None:
        self.names = names
        self._rows: list[tuple[str, int, str, str]] = []
        self._count = dict.fromkeys(names, 0)

    def take(self, batch: Batch) -> None:
        """Keep what a batch tells."""
        for name in self.names:
            value = batch.extra.get(name)
            if isinstance(value, float) and math.isfinite(value):
                self._rows.append((name, self._count[name], f"{value:.6g}", batch.stage))
                self._count[name] += 1

    def write(self, folder: ResultFolder) -> None:
        """Write progress.csv: ``curve, step, value, stage``; nothing if there is nothing."""
        if not self._rows:
            return
        with whole(folder / FILE) as beside, beside.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(("curve", "step", "value", "stage"))
            writer.writerows(self._rows)
