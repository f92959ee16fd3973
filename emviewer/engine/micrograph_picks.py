"""Particles in their micrographs: where each was picked, where it really stands, grouped by micrograph.

Places are ``(x, y)`` in pixels of the micrograph, x along a row, y along the rows from the file's first one. A particle
at a whole number stands on that very pixel: RELION takes its box of ``n`` pixels from ``x - n // 2`` on, so that the
particle becomes pixel ``n // 2`` of its image.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from emviewer.engine.types import F64

ROUND_PX = 64
"""Sizes deduced from places are rounded up to a multiple of this."""
ENOUGH = 20
"""Particles from which on a common displacement is believed."""
MOST_COMPARED = 800
CLEAR_PX = 2.0
"""Length of a common displacement that is worth a word."""


@dataclass(frozen=True, eq=False)
class Picks:
    """Particles with their places; arrays have one row a particle (n) or a micrograph (m).

    Parameters
    ----------
    names : sequence of str, length m
        Micrographs as the table names them.
    micrograph : ndarray of int64, shape (n,)
        Index into ``names``; -1 where none is named.
    before_px : ndarray of float64, shape (n, 2)
        Where the particle was picked (or, of a centring, where its alignment had it before); nan if unknown.
    after_px : ndarray of float64, shape (n, 2) or None
        Where its alignment, or centring, says it stands; None if there is neither.
    class_number : ndarray of int64, shape (n,) or None
        2D or 3D class as the table numbers it, -1 for none.
    outside : ndarray of bool, shape (n,)
        Marked as standing outside of its micrograph.
    pixel_A : ndarray of float64, shape (m,)
        Pixel of each micrograph; 0 if unknown.
    shape_px : ndarray of float64, shape (m, 2)
        ``(width, height)``; nan if unknown.
    box_A : float
        Edge of the particle images; 0 if unknown.
    paths : sequence of Path or None
        Where micrographs were found before; empty if nobody has looked.
    before_word, after_word : str
        What the places are: ``picked``; ``aligned`` or ``centred``.
    notes : tuple of str
        Doubts, for a person to read.
    """

    names: Sequence[str]
    micrograph: NDArray[np.int64]
    before_px: F64
    after_px: F64 | None
    class_number: NDArray[np.int64] | None
    outside: NDArray[np.bool_]
    pixel_A: F64
    shape_px: F64
    box_A: float = 0.0
    paths: Sequence[Path | None] = ()
    before_word: str = "picked"
    after_word: str = "aligned"
    notes: tuple[str, ...] = field(default=())

    def __len__(self) -> int:
        return len(self.micrograph)

    @cached_property
    def _order(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        order = np.argsort(self.micrograph, kind="stable")
        return order, np.searchsorted(self.micrograph[order], np.arange(len(self.names) + 1))

    def on(self, index: int) -> NDArray[np.int64]:
        """Return the positions of the particles of a micrograph, ascending."""
        order, first = self._order
        return order[first[index] : first[index + 1]]

    @cached_property
    def counts(self) -> NDArray[np.int64]:
        """Particles of each micrograph, shape (m,)."""
        return np.asarray(np.diff(self._order[1]), np.int64)

    @cached_property
    def way_px(self) -> F64:
        """From the pick to where the particle stands, shape (n, 2); 0 where either is unknown."""
        if self.after_px is None:
            return np.zeros_like(self.before_px)
        return np.nan_to_num(self.after_px - self.before_px)

    @cached_property
    def length_px(self) -> F64:
        """Length of that way, shape (n,)."""
        return np.asarray(np.hypot(*self.way_px.T))

    @cached_property
    def mean_length_px(self) -> F64:
        """Mean length of the ways in each micrograph, shape (m,); 0 for one without particles."""
        return self._mean(self.length_px)

    def _mean(self, values: F64) -> F64:
        named = self.micrograph >= 0
        total = np.bincount(self.micrograph[named], values[named], len(self.names))
        return np.asarray(total / np.maximum(self.counts, 1))

    @cached_property
    def n_outside(self) -> NDArray[np.int64]:
        """Particles of each micrograph that stand outside of it, shape (m,)."""
        named = self.micrograph >= 0
        return np.asarray(np.bincount(self.micrograph[named & self.outside], minlength=len(self.names)), np.int64)

    def canvas_px(self, index: int) -> tuple[int, int, bool]:
        """Return width and height of a micrograph and whether they are known, or only deduced from all places."""
        width, height = self.shape_px[index] if len(self.shape_px) else (np.nan, np.nan)
        if np.isfinite([width, height]).all() and width > 0:
            return int(width), int(height), True
        width, height = self._reach
        return width, height, False

    @cached_property
    def _reach(self) -> tuple[int, int]:
        places = self.before_px[np.isfinite(self.before_px).all(axis=1)]
        if not len(places):
            return 1024, 1024
        edges = np.ceil((places.max(axis=0) + 1) / ROUND_PX).astype(int) * ROUND_PX
        return max(ROUND_PX, int(edges[0])), max(ROUND_PX, int(edges[1]))


def typical_distance(picks: Picks) -> float:
    """Return the median distance from a particle to its nearest neighbour on the busiest micrograph; 0 if unknown."""
    if not len(picks.names) or picks.counts.max(initial=0) < 2:
        return 0.0
    places = picks.before_px[picks.on(int(picks.counts.argmax()))]
    places = places[np.isfinite(places).all(axis=1)][:MOST_COMPARED]
    if len(places) < 2:
        return 0.0
    apart = np.hypot(*(places[:, None] - places[None, :]).transpose(2, 0, 1))
    np.fill_diagonal(apart, np.inf)
    return float(np.median(apart.min(axis=1)))


@dataclass(frozen=True)
class CommonWay:
    """What the displacements of many particles have in common.

    Parameters
    ----------
    x, y : float
        Median displacement in pixels.
    n : int
        Particles with a displacement.
    clear : bool
        Whether it is longer than :data:`CLEAR_PX` and four standard errors: the picks are off as a whole.
    """

    x: float
    y: float
    n: int
    clear: bool

    @property
    def length(self) -> float:
        """Length in pixels."""
        return float(np.hypot(self.x, self.y))


def common_way(way_px: F64) -> CommonWay:
    """Return the median displacement of particles and whether it stands out.

    Parameters
    ----------
    way_px : ndarray of float64, shape (n, 2)
        Displacements; rows of exactly 0 are particles that nobody moved and do not count.
    """
    moved = way_px[(way_px != 0).any(axis=1)]
    if not len(moved):
        return CommonWay(0.0, 0.0, 0, False)
    middle = np.median(moved, axis=0)
    error = 1.2533 * np.std(moved, axis=0) / np.sqrt(len(moved))
    clear = len(moved) >= ENOUGH and np.hypot(*middle) >= CLEAR_PX and bool((np.abs(middle) > 4 * error).any())
    return CommonWay(float(middle[0]), float(middle[1]), len(moved), bool(clear))


def box_corner(place: float, box: int) -> int:
    """Return the first pixel of a box about a place, as RELION extracts it."""
    return int(np.floor(place + 0.5)) - box // 2
