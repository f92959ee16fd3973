"""What boxes are coloured by: nothing, class, displacement or any column."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PySide6.QtGui import QColor

from emviewer.ui import colormaps

PLAIN, CLASS, WAY = "\0plain", "\0class", "\0way"
"""Choices that are no columns."""
MAP = "viridis"
DARKEST = 75
UNKNOWN = 0xFF9AA0AA
_FIRST = ("#56b4e9", "#e69f00", "#2fc08f", "#f0e442", "#cc79a7", "#d55e00", "#7b9cff", "#c0c4cc")
_GOLDEN = 0.61803398875


def class_colour(rank: int) -> QColor:
    """Return the colour of the class that has the most members but ``rank``: Okabe and Ito's first, then hues apart."""
    if rank < len(_FIRST):
        return QColor(_FIRST[rank])
    return QColor.fromHsvF((rank * _GOLDEN) % 1.0, 0.55 + 0.25 * (rank % 2), 0.95)


@dataclass(frozen=True, eq=False)
class Classes:
    """The classes of all particles, those with most members first.

    Parameters
    ----------
    numbers, counts : ndarray of int64, shape (c,)
        Class numbers as the table has them (-1: none), and their members.
    rank : ndarray of int64, shape (n,)
        Row here of each particle's class.
    """

    numbers: np.ndarray
    counts: np.ndarray
    rank: np.ndarray

    @classmethod
    def of(cls, class_number: np.ndarray | None, n: int) -> Classes:
        """Count classes; without any there are none."""
        if class_number is None or not n:
            return cls(np.empty(0, np.int64), np.empty(0, np.int64), np.zeros(n, np.int64))
        low = int(class_number.min())
        totals = np.bincount(class_number - low)  # a unique of a million takes a hundred times as long
        order = np.argsort(-totals, kind="stable")[: int((totals > 0).sum())]
        place = np.zeros(len(totals), np.int64)
        place[order] = np.arange(len(order))
        return cls(order + low, totals[order], place[class_number - low])

    def words(self) -> np.ndarray:
        """Return the colour of each class, uint32 (c,)."""
        return np.array([class_colour(i).rgb() if n >= 0 else UNKNOWN for i, n in enumerate(self.numbers)], np.uint32)

    def text(self, row: int) -> str:
        """Return what a class is called."""
        number = int(self.numbers[row])
        return f"class {number}" if number >= 0 else "no class"


@dataclass(frozen=True, eq=False)
class Colouring:
    """How all particles are coloured.

    Parameters
    ----------
    choice : str
        :data:`PLAIN`, :data:`CLASS`, :data:`WAY`, or the name of a column.
    words : ndarray of uint32, shape (n,), or None
        RGB words; None for plain.
    title : str
        For the legend.
    low, high : float
        Values of the first and the last colour of a scale.
    """

    choice: str = PLAIN
    words: np.ndarray | None = None
    title: str = ""
    low: float = 0.0
    high: float = 0.0

    @property
    def is_scale(self) -> bool:
        """Whether colours stand for numbers."""
        return self.words is not None and self.choice != CLASS


def by_values(choice: str, values: np.ndarray, title: str) -> Colouring:
    """Colour by numbers, the scale from the 2nd to the 98th percentile; what has no number is grey."""
    good = np.isfinite(values)
    if not good.any():
        return Colouring(choice, np.full(len(values), UNKNOWN, np.uint32), title)
    sample = values[good] if good.sum() <= 200_000 else values[good][:: good.sum() // 200_000]
    low, high = (float(v) for v in np.percentile(sample, (2, 98)))
    if choice == WAY:
        low = 0.0
    if not high > low:
        low, high = float(sample.min()), float(sample.max())
    span = high - low if high > low else 1.0
    part = np.clip((np.where(good, values, low) - low) / span, 0, 1)
    words = np.where(good, scale_words()[(part * 255).astype(np.uint8)], np.uint32(UNKNOWN)).astype(np.uint32)
    return Colouring(choice, words, title, low, high)


def scale_words() -> np.ndarray:
    """Return the 256 colours of a scale: the map without its dark end, which is not seen on a micrograph."""
    words = colormaps.table(MAP)
    return words[np.linspace(DARKEST, 255, 256).astype(int)]
