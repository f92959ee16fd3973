"""Sums of isotropic Gaussians on a grid: the loop behind atoms and phantoms turned into density."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray


@njit(nogil=True, cache=True)  # type: ignore[untyped-decorator]
def splat(
    volume: NDArray[np.float32],
    first_slice: int,
    last_slice: int,
    centres: NDArray[np.float64],
    kinds: NDArray[np.int64],
    weights: NDArray[np.float64],
    amplitudes: NDArray[np.float64],
    inverse_2var: NDArray[np.float64],
    radii: NDArray[np.float64],
) -> None:
    """Add Gaussians to the slices ``first_slice … last_slice - 1`` of a volume.

    Parameters
    ----------
    volume : ndarray of float32, shape (nz, ny, nx)
        Added to, in place.
    first_slice, last_slice : int
        Range of z; calls on ranges apart may run side by side.
    centres : ndarray, shape (n, 3)
        ``(x, y, z)`` of each blob as array positions in voxels.
    kinds : ndarray of int64, shape (n,)
        Row of the profile tables of each blob.
    weights : ndarray, shape (n,)
        Factor of each blob.
    amplitudes, inverse_2var : ndarray, shape (kinds, g)
        Height and ``1/(2 sigma²)`` (voxel⁻²) of the Gaussians whose sum is the profile of a kind.
    radii : ndarray, shape (kinds,)
        Half edge in voxels of the cube in which a kind is written.
    """
    _, ny, nx = volume.shape
    terms = amplitudes.shape[1]
    longest = int(np.ceil(2 * radii.max())) + 2
    along_x = np.empty(longest)
    for i in range(len(centres)):
        kind = kinds[i]
        radius = radii[kind]
        cx, cy, cz = centres[i, 0], centres[i, 1], centres[i, 2]
        z0, z1 = max(first_slice, int(np.ceil(cz - radius))), min(last_slice - 1, int(np.floor(cz + radius)))
        y0, y1 = max(0, int(np.ceil(cy - radius))), min(ny - 1, int(np.floor(cy + radius)))
        x0, x1 = max(0, int(np.ceil(cx - radius))), min(nx - 1, int(np.floor(cx + radius)))
        if z0 > z1 or y0 > y1 or x0 > x1:
            continue
        for term in range(terms):
            steep = inverse_2var[kind, term]
            height = weights[i] * amplitudes[kind, term]
            for x in range(x0, x1 + 1):
                along_x[x - x0] = np.exp(-steep * (x - cx) ** 2)
            for z in range(z0, z1 + 1):
                at_z = height * np.exp(-steep * (z - cz) ** 2)
                for y in range(y0, y1 + 1):
                    at_zy = at_z * np.exp(-steep * (y - cy) ** 2)
                    for x in range(x0, x1 + 1):
                        volume[z, y, x] += np.float32(at_zy * along_x[x - x0])
