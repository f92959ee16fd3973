"""A person's marks on rows: keep, reject, or a digit. A byte a row, so that half a million are tagged at once."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from emviewer.ui.row_order import Ints

KEEP, REJECT = "keep", "reject"
NAMES = ("", KEEP, REJECT, *"123456789")
"""Tags by code; 0 is none."""
DTYPE = pd.CategoricalDtype(list(NAMES))
Codes = NDArray[np.int8]


class Tags:
    """Tags by row id; rows never named have none.

    Parameters
    ----------
    named : mapping of int to str, optional
        Row ids with a tag.
    """

    def __init__(self, named: Mapping[int, str] | None = None) -> None:
        self._codes = np.zeros(0, np.int8)
        if named:
            self.set(np.array(list(named)), np.array([NAMES.index(tag) for tag in named.values()], np.int8))

    def __len__(self) -> int:
        """Return how many rows were looked at; those after them have no tag."""
        return len(self._codes)

    def get(self, rows: Ints) -> Codes:
        """Return the codes of rows."""
        self._reach(rows)
        return self._codes[rows]

    def set(self, rows: Ints, codes: Codes | int) -> None:
        """Give rows these codes; earlier columns stay as they were."""
        self._reach(rows)
        self._codes = self._codes.copy()
        self._codes[rows] = codes

    def _reach(self, rows: Ints) -> None:
        top = int(np.max(rows, initial=-1)) + 1
        if top > len(self._codes):
            self._codes = np.concatenate([self._codes, np.zeros(top - len(self._codes), np.int8)])

    def column(self, n: int) -> pd.Categorical:
        """Return the tags of rows 0 … n-1."""
        codes = np.zeros(n, np.int8)
        known = min(n, len(self._codes))
        codes[:known] = self._codes[:known]
        return pd.Categorical.from_codes(codes, dtype=DTYPE, validate=False)

    def named(self) -> dict[int, str]:
        """Return the rows that have a tag, by id."""
        return {int(row): NAMES[self._codes[row]] for row in np.flatnonzero(self._codes)}

    def counts(self) -> dict[str, int]:
        """Return how many rows have each tag that is in use."""
        numbers = np.bincount(self._codes, minlength=len(NAMES))
        return {name: int(k) for name, k in zip(NAMES[1:], numbers[1:], strict=True) if k}
