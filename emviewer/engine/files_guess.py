"""Map or stack of images? Told from the numbers, where the header leaves it open."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

_PLACES = 8
_INDEPENDENT = 0.7


def sections_are_images(data: NDArray[Any]) -> bool:
    """Whether the sections of an array are separate images rather than cuts through one map.

    Parameters
    ----------
    data : ndarray, shape (n, h, w)
        Numbers of any real type; only a few sections are read.

    Notes
    -----
    Cuts through a map change steadily: one differs less from the next than from the one after. The ratio of the two
    mean squared differences is 1/4 for a smooth map, 0.4 for one that is resolved to 3 pixels, and 1 for separate
    images, even of the same particle. Only a map of white noise is mistaken.
    """
    n = len(data)
    if n < 3:
        return True
    starts = np.unique(np.linspace(0, n - 3, min(_PLACES, n - 2)).astype(int))
    near, far = np.zeros(len(starts)), np.zeros(len(starts))
    for k, i in enumerate(starts):
        a, b, c = (np.nan_to_num(np.asarray(data[i + j], np.float64)) for j in range(3))
        with np.errstate(over="ignore", invalid="ignore"):
            far[k] = 2 * np.mean((c - a) ** 2)
            near[k] = np.mean((b - a) ** 2) + np.mean((c - b) ** 2)
    good = np.isfinite(near) & np.isfinite(far) & (far > 0)
    near, far = near[good], far[good]
    return bool(good.any()) and min(near.sum() / far.sum(), float(np.median(near / far))) > _INDEPENDENT
