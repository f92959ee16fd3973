# mypy: disable-error-code="no-untyped-def"
"""Inner loops of direct Fourier inversion: slices spread onto a padded transform with their weights."""

from __future__ import annotations

import numpy as np
from numba import njit


@njit(nogil=True, fastmath=True, cache=True)
def spread(x, y, z, v, w, c, z_lo, z_hi, total, weight):
    """Add the value ``v`` and its weight ``w`` trilinearly at the point (x, y, z), ``x >= 0``, of a half transform.

    Parameters as in :func:`insert_slices`.
    """
    ix = int(np.floor(x))
    iy = int(np.floor(y))
    iz = int(np.floor(z))
    fx = np.float32(x - ix)
    fy = np.float32(y - iy)
    fz = np.float32(z - iz)
    for a in range(2):
        jz = iz + a + c
        if jz < z_lo or jz >= z_hi or jz < 0 or jz >= total.shape[0]:
            continue
        wz = fz if a else np.float32(1) - fz
        for b in range(2):
            jy = iy + b + c
            if jy < 0 or jy >= total.shape[1]:
                continue
            wy = wz * (fy if b else np.float32(1) - fy)
            for e in range(2):
                jx = ix + e
                if jx >= total.shape[2]:
                    continue
                u = wy * (fx if e else np.float32(1) - fx)
                total[jz, jy, jx] += u * v
                weight[jz, jy, jx] += u * w


@njit(nogil=True, fastmath=True, cache=True)
def insert_slices(points, values, weights, rotations, scale, c, z_lo, z_hi, total, weight):
    """Spread slices trilinearly into planes ``z_lo … z_hi - 1`` of a half transform.

    Parameters
    ----------
    points : (m, 2) image frequencies in pixels of the unpadded image transform, one of each Friedel pair
    values : (n, m) complex64, already multiplied by CTF and weight, phases about the particle's centre
    weights : (n, m) float32, CTF² times weight
    rotations : (n, 3, 3) views ``A``; a point ``k`` lies at ``Aᵀ k``
    scale : padding factor
    c : index of frequency 0 in z and y; x begins at 0
    total, weight : (p, p, p // 2 + 1) complex64 and float32, added to
    """
    for n in range(rotations.shape[0]):
        A = rotations[n]
        for i in range(points.shape[0]):
            w = weights[n, i]
            if w == 0:
                continue
            kx = points[i, 0] * scale
            ky = points[i, 1] * scale
            x = kx * A[0, 0] + ky * A[1, 0]
            y = kx * A[0, 1] + ky * A[1, 1]
            z = kx * A[0, 2] + ky * A[1, 2]
            v = values[n, i]
            if x < 0:
                x, y, z = -x, -y, -z
                v = np.conj(v)
            spread(x, y, z, v, w, c, z_lo, z_hi, total, weight)
