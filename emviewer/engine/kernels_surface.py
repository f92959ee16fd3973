# mypy: disable-error-code="no-untyped-def"
"""The inner loop of drawing a surface: how far along each ray a density is first reached."""

from __future__ import annotations

import numpy as np
from numba import njit


@njit(nogil=True, cache=True)
def trilinear(data, x, y, z):
    """Return the density at a voxel between its eight neighbours; inside the box only."""
    i, j, k = min(int(x), data.shape[2] - 2), min(int(y), data.shape[1] - 2), min(int(z), data.shape[0] - 2)
    u, v, w = x - i, y - j, z - k
    low = (data[k, j, i] * (1 - u) + data[k, j, i + 1] * u) * (1 - v)
    low += (data[k, j + 1, i] * (1 - u) + data[k, j + 1, i + 1] * u) * v
    high = (data[k + 1, j, i] * (1 - u) + data[k + 1, j, i + 1] * u) * (1 - v)
    high += (data[k + 1, j + 1, i] * (1 - u) + data[k + 1, j + 1, i + 1] * u) * v
    return low * (1 - w) + high * w


@njit(nogil=True, cache=True)
def march(data, level, start, along, near, far, step, lo, hi, found):
    """Follow rays ``lo … hi - 1`` until the density reaches a level; write how far, inf where it never does.

    Parameters
    ----------
    data : float32, shape (nz, ny, nx)
    level : float
    start : float64, shape (3,)
        Where the rays begin, voxels x first.
    along : float64, shape (n, 3)
        Their directions, voxels a unit.
    near, far : float64, shape (n,)
        Where they enter and leave the box.
    step : float
        Length of a step in voxels.
    found : float64, shape (n,)
        Written.
    """
    for n in range(lo, hi):
        found[n] = np.inf
        dx, dy, dz = along[n, 0], along[n, 1], along[n, 2]
        stride = step / np.sqrt(dx * dx + dy * dy + dz * dz)
        t, last = near[n], -np.inf
        while t < far[n]:
            value = trilinear(
                data, max(start[0] + t * dx, 0.0), max(start[1] + t * dy, 0.0), max(start[2] + t * dz, 0.0)
            )
            if value >= level:
                back = (value - level) / (value - last) * stride if last > -np.inf else 0.0
                found[n] = t - back
                break
            last = value
            t += stride
