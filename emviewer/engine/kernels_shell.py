"""Sums over spherical shells of a map."""
# mypy: disable-error-code="no-untyped-def"

from __future__ import annotations

import numpy as np
from numba import njit


@njit(nogil=True, cache=True, fastmath=True)
def shell_power(planes, centre, power):
    """Add the squares of some planes of a map into shells one voxel thick about its centre.

    Parameters
    ----------
    planes : float32, shape (k, ny, nx)
        Neighbouring planes.
    centre : int
        Place of the central plane, counted from the first of these.
    power : float64, shape (shells,)
        Sums; long enough for the corners.
    """
    nz, ny, nx = planes.shape
    for z in range(nz):
        for y in range(ny):
            square = (z - centre) ** 2 + (y - ny // 2) ** 2
            for x in range(nx):
                shell = int(np.sqrt(np.float32(square + (x - nx // 2) ** 2)) + np.float32(0.5))
                value = np.float64(planes[z, y, x])
                power[shell] += value * value
