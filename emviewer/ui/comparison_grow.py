"""The scores of one map while its job runs: columns that grow in place, so that a million rows cost nothing to show."""

from __future__ import annotations

import numpy as np
import pandas as pd

from emviewer.engine.task import Batch

STATES = ("ok", "flagged", "failed")
STATUS = pd.CategoricalDtype(list(STATES))
OK, FLAGGED, FAILED = range(3)


class GrowingScores:
    """Takes batches of a compare job; :meth:`table` shows what has come, without copying it.

    Images that could not be used come in no batch: they have a row with status ``failed`` and nothing else.

    Parameters
    ----------
    first : int
        Row id of the map's first image.
    """

    def __init__(self, first: int) -> None:
        self.first, self.n = first, 0
        self._columns: dict[str, np.ndarray] = {}
        self._whole: dict[str, np.ndarray] = {}
        self._status = np.empty(0, np.int8)

    def add(self, batch: Batch) -> None:
        """Take new rows, or columns that come for all rows at the end."""
        rows = batch.rows - self.first
        self._reach(int(rows.max()) + 1, batch.total)
        if "cc" in batch.columns:
            for name, values in batch.columns.items():
                if name not in self._columns:
                    self._columns[name] = np.empty(len(self._status))
                    self._columns[name][: self.n] = np.nan
                self._columns[name][rows] = values
            self._status[rows] = np.where(np.isfinite(batch.columns["cc"]), OK, FAILED)
        else:
            self._whole |= {name: np.asarray(values) for name, values in batch.columns.items()}
            if "outlier" in self._whole:
                flagged = (self._whole["outlier"] > 0) & (self._status[: self.n] == OK)
                self._status = np.where(flagged, np.int8(FLAGGED), self._status[: self.n])

    def _reach(self, n: int, total: int) -> None:
        """Make room for ``n`` rows, at once for ``total``: memory that was not written yet is not used yet."""
        if n > len(self._status):
            room = max(n, total, 2 * len(self._status))
            self._columns = {name: _longer(values, room) for name, values in self._columns.items()}
            self._status = _longer(self._status, room)
        if n > self.n:
            for values in self._columns.values():
                values[self.n : n] = np.nan
            self._status[self.n : n] = FAILED
            self.n = n

    def table(self) -> pd.DataFrame:
        """Return the rows that have come, index 0, 1, …; the columns are the ones that grow, not copies."""
        n = self.n
        status = pd.Categorical.from_codes(self._status[:n], dtype=STATUS, validate=False)
        columns = {name: values[:n] for name, values in self._columns.items()}
        whole = {name: values for name, values in self._whole.items() if len(values) == n}
        return pd.DataFrame({**columns, "status": status, **whole}, index=pd.RangeIndex(n), copy=False)


def _longer(values: np.ndarray, room: int) -> np.ndarray:
    out = np.empty(room, values.dtype)
    out[: len(values)] = values
    return out
