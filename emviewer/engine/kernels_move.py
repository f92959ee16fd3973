# mypy: disable-error-code="no-untyped-def"
"""Inner loops of moving a map: band-limited interpolation on a finer grid, and linear interpolation of masks.

A *fine grid* is periodic: voxel ``(jz, jy, jx)`` modulo its edges. Output voxel ``(z, y, x)`` reads the fine grid at
``A (x, y, z) + b``, in fine voxels.
"""

from __future__ import annotations

import numpy as np
from numba import njit

TABLE = 2048
"""Rows of the table of weights in one voxel; its nearest row is off by less than the kernel's own error."""


@njit(nogil=True, fastmath=True, cache=True)
def gather(fine, inside, A, b, weights, lo, hi, out):
    """Write planes ``lo … hi - 1`` of ``out``: four-point weighted sums of ``fine`` along each axis.

    ``inside`` (3, 2) are the bounds, x first, in fine voxels within which the map is; 0 is written outside.
    """
    nz, ny, nx = fine.shape
    oy, ox = out.shape[1], out.shape[2]
    steps = weights.shape[0] - 1
    for z in range(lo, hi):
        for y in range(oy):
            px = A[0, 1] * y + A[0, 2] * z + b[0]
            py = A[1, 1] * y + A[1, 2] * z + b[1]
            pz = A[2, 1] * y + A[2, 2] * z + b[2]
            for x in range(ox):
                u = px + A[0, 0] * x
                v = py + A[1, 0] * x
                w = pz + A[2, 0] * x
                if (
                    u < inside[0, 0]
                    or u > inside[0, 1]
                    or v < inside[1, 0]
                    or v > inside[1, 1]
                    or w < inside[2, 0]
                    or w > inside[2, 1]
                ):
                    out[z, y, x] = 0
                    continue
                ix = int(np.floor(u))
                iy = int(np.floor(v))
                iz = int(np.floor(w))
                fx = weights[int((u - ix) * steps + 0.5)]
                fy = weights[int((v - iy) * steps + 0.5)]
                fz = weights[int((w - iz) * steps + 0.5)]
                total = np.float32(0)
                if 1 <= ix < nx - 2 and 1 <= iy < ny - 2 and 1 <= iz < nz - 2:
                    for c in range(4):
                        plane = np.float32(0)
                        for d in range(4):
                            row = fine[iz - 1 + c, iy - 1 + d]
                            plane += fy[d] * (
                                row[ix - 1] * fx[0] + row[ix] * fx[1] + row[ix + 1] * fx[2] + row[ix + 2] * fx[3]
                            )
                        total += fz[c] * plane
                else:
                    for c in range(4):
                        plane = np.float32(0)
                        for d in range(4):
                            row = fine[(iz - 1 + c) % nz, (iy - 1 + d) % ny]
                            line = np.float32(0)
                            for e in range(4):
                                line += fx[e] * row[(ix - 1 + e) % nx]
                            plane += fy[d] * line
                        total += fz[c] * plane
                out[z, y, x] = total


@njit(nogil=True, fastmath=True, cache=True)
def gather_linear(data, A, b, lo, hi, out):
    """Write planes ``lo … hi - 1`` of ``out`` by linear interpolation, 0 outside, cut to 0 … 1."""
    nz, ny, nx = data.shape
    oy, ox = out.shape[1], out.shape[2]
    for z in range(lo, hi):
        for y in range(oy):
            for x in range(ox):
                u = A[0, 0] * x + A[0, 1] * y + A[0, 2] * z + b[0]
                v = A[1, 0] * x + A[1, 1] * y + A[1, 2] * z + b[1]
                w = A[2, 0] * x + A[2, 1] * y + A[2, 2] * z + b[2]
                ix = int(np.floor(u))
                iy = int(np.floor(v))
                iz = int(np.floor(w))
                total = 0.0
                if -1 <= ix < nx and -1 <= iy < ny and -1 <= iz < nz:
                    for c in range(2):
                        kz = iz + c
                        if kz < 0 or kz >= nz:
                            continue
                        gz = w - iz if c else 1 - (w - iz)
                        for d in range(2):
                            ky = iy + d
                            if ky < 0 or ky >= ny:
                                continue
                            gy = v - iy if d else 1 - (v - iy)
                            for e in range(2):
                                kx = ix + e
                                if kx < 0 or kx >= nx:
                                    continue
                                gx = u - ix if e else 1 - (u - ix)
                                total += gz * gy * gx * data[kz, ky, kx]
                out[z, y, x] = min(1.0, max(0.0, total))
