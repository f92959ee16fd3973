"""Sums over spherical shells of a map."""
# mypy: disable-error-code="no-untyped-def"

from __future__ import annotations

import numpy as np
from numba import njit


@njit(nogil=True, cache=True, fastmath=True)
def shell_power(data, start, stop, power):
    """Add the squares of planes ``start … stop - 1`` of a map into shells one voxel thick about voxel ``n // 2``.

    Parameters
    ----------
    data : float32, shape (nz, ny, nx)
        The map.
    start, stop : int
        Range of planes.
    power : float64, shape (shells,)
        Sums; long enough for the corners.
    """
    nz, ny, nx = data.shape
    for z in range(start, stop):
        for y in range(ny):
            square = (z - nz // 2) ** 2 + (y - ny // 2) ** 2
            for x in range(nx):
                shell = int(np.sqrt(np.float32(square + (x - nx // 2) ** 2)) + np.float32(0.5))
                value = np.float64(data[z, y, x])
                power[shell] += value * value
