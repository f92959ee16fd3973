"""Pixels and images so far from the others that a mean over all would be theirs alone."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from emviewer.engine.types import F32

SUSPECT, HOT = 10.0, 30.0
"""Standard deviations from the middle beyond which a pixel is looked at, and, of those of the inner 99 % of the
pixels, beyond which it is hot. Peaks of clean particles that fill 3 % of their box reach 18."""
DARK = 5.0
"""Standard errors by which particles are darker than their surroundings."""
ODD = 10.0
"""Images of so many times more or less contrast than most are scaled to it."""


def even_out(data: F32, rows: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Set hot pixels to the median of their image, and scale images of odd contrast to that of most, in place.

    Parameters
    ----------
    data : ndarray of float32, shape (n, box, box)
        Images.
    rows : ndarray of int64
        Those that are looked at: finite and not empty.

    Returns
    -------
    hot, odd : ndarray of int64
        Rows that had hot pixels, and rows that were scaled.
    """
    hot = np.array([row for row in rows if _cooled(data[row])], np.int64)
    contrast = np.array([data[row].std(dtype=np.float64) for row in rows])
    usual = float(np.median(contrast)) if len(rows) else 0.0
    odd = (contrast > ODD * usual) | (contrast < usual / ODD)
    odd &= contrast > 0
    for row, scale in zip(rows[odd], usual / contrast[odd], strict=True):
        data[row] *= np.float32(scale)
    return hot, rows[odd]


def is_dark(images: F32, radius_px: float) -> bool:
    """Return whether particles are darker than what surrounds them, beyond what noise could do.

    Parameters
    ----------
    images : ndarray of float32, shape (n, box, box)
        Of white particles, as is hoped.
    radius_px : float
        Of the particle.
    """
    n = images.shape[1]
    y, x = np.ogrid[:n, :n]
    r = np.hypot(y - n // 2, x - n // 2)
    inner, outer = images[:, r <= 0.6 * radius_px], images[:, r > min(1.1 * radius_px, 0.46 * n)]
    brighter = inner.mean(axis=1, dtype=np.float64) - outer.mean(axis=1, dtype=np.float64)
    return bool(brighter.mean() * np.sqrt(len(images)) < -DARK * max(float(brighter.std()), 1e-30))


def _cooled(image: F32) -> bool:
    """Replace the hot pixels of an image in place; return whether there were any."""
    middle, spread = float(image.mean(dtype=np.float64)), float(image.std(dtype=np.float64))
    if max(float(image.max()) - middle, middle - float(image.min())) <= SUSPECT * spread:
        return False
    low, median, high = np.percentile(image, [0.5, 50.0, 99.5])
    inner = float(np.clip(image, low, high).std(dtype=np.float64))
    hot = np.abs(image - median) > HOT * inner
    if inner == 0 or not hot.any():
        return False
    image[hot] = median
    return True
