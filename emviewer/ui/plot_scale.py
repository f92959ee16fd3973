"""The arithmetic of a plot: ranges, round ticks, what a lasso encloses, how dense points lie. No widgets."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from emviewer.ui import colormaps

TICKS = 6


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
