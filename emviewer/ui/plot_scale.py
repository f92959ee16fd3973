"""The arithmetic of a plot: ranges, round ticks, what a lasso encloses, how dense points lie. No widgets."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from emviewer.ui import colormaps

TICKS = 6
BINS = 60
BLOCK = 16_384
"""Points that are held against a polygon at a time."""


@dataclass(frozen=True)
class View:
    """What is seen: the ranges of both axes."""

    x0: float
    x1: float
    y0: float
    y1: float


def padded(values: np.ndarray) -> tuple[float, float]:
    """Return the range of the finite values and a little more on either side."""
    known = values[np.isfinite(values)]
    low, high = (float(known.min()), float(known.max())) if len(known) else (0.0, 1.0)
    pad = (high - low) * 0.08 or max(abs(low) * 0.05, 0.5)
    return low - pad, high + pad


@dataclass(frozen=True, eq=False)
class Limits:
    """Ranges that show all points, and for a histogram its counts and the edges of its bins."""

    x: tuple[float, float] = (0.0, 1.0)
    y: tuple[float, float] = (0.0, 1.0)
    counts: np.ndarray = field(default_factory=lambda: np.empty(0))
    edges: np.ndarray = field(default_factory=lambda: np.linspace(0, 1, BINS + 1))


def limits_of(x: np.ndarray, y: np.ndarray | None) -> Limits:
    """Return the ranges of points, or with ``y`` None those of the histogram of ``x``."""
    across = padded(x)
    if y is not None:
        return Limits(across, padded(y))
    counts, edges = np.histogram(x[np.isfinite(x)], BINS, across)
    return Limits(across, (0.0, max(1.0, float(counts.max(initial=1))) * 1.06), counts, edges)


@dataclass(frozen=True, eq=False)
class Enclosed:
    """Points and a figure drawn around some of them.

    Parameters
    ----------
    x, y : ndarray, shape (n,)
        The points; ``y`` None: only the range of x counts.
    corners : ndarray, shape (k, 2)
        Two opposite corners of a rectangle, or those of a polygon.
    polygon : bool
    """

    x: np.ndarray
    y: np.ndarray | None
    corners: np.ndarray
    polygon: bool

    def indices(self) -> np.ndarray:
        """Return the points inside, int64; missing values are nowhere."""
        (x0, y0), (x1, y1) = self.corners.min(0), self.corners.max(0)
        if self.y is None:
            return np.flatnonzero((self.x >= x0) & (self.x <= x1))
        box = np.flatnonzero((self.x >= x0) & (self.x <= x1) & (self.y >= y0) & (self.y <= y1))
        return box[in_polygon(self.x[box], self.y[box], self.corners)] if self.polygon else box


def ticks(low: float, high: float, most: int = TICKS) -> list[float]:
    """Return round numbers within a range, at most ``most`` of them."""
    if not high > low:
        return []
    raw = (high - low) / most
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(m * power for m in (1, 2, 5, 10) if m * power >= raw * (1 - 1e-9))
    first = math.ceil(low / step)
    return [k * step for k in range(first, math.floor(high / step) + 1)]


def in_polygon(x: np.ndarray, y: np.ndarray, corners: np.ndarray) -> np.ndarray:
    """Return which points (n,) lie in a closed polygon (k, 2), by the even-odd rule; bool (n,)."""
    if len(x) > BLOCK:  # in pieces that stay in the cache
        parts = [slice(i, i + BLOCK) for i in range(0, len(x), BLOCK)]
        return np.concatenate([in_polygon(x[part], y[part], corners) for part in parts])
    inside = np.zeros(len(x), bool)
    x1, y1 = corners[-1]
    for x0, y0 in corners:
        if y0 != y1:
            crosses = (y0 > y) != (y1 > y)
            inside ^= crosses & (x < (x1 - x0) * (y - y0) / (y1 - y0) + x0)
        x1, y1 = x0, y0
    return inside


def density_words(spots: np.ndarray, shape: tuple[int, int], cell: int = 2) -> np.ndarray:
    """Return how dense points lie, on a logarithmic scale, as premultiplied ARGB words (h, w)."""
    high, wide = -(-shape[0] // cell), -(-shape[1] // cell)
    x = np.clip((spots[:, 0] / cell).astype(int), 0, wide - 1)
    y = np.clip((spots[:, 1] / cell).astype(int), 0, high - 1)
    counts = np.log1p(np.bincount(y * wide + x, minlength=high * wide).reshape(high, wide))
    level = (counts / max(1e-9, counts.max()) * 255).astype(np.uint8)
    words = np.where(counts > 0, colormaps.table("viridis")[level], 0).astype(np.uint32)
    return np.ascontiguousarray(np.repeat(np.repeat(words, cell, 0), cell, 1)[: shape[0], : shape[1]])
