# mypy: disable-error-code="no-untyped-def"
"""Inner loops over half transforms of maps: sums over shells, factors by shell, random phases.

``step`` (z, y, x) takes an index to a spatial frequency in units of one shell: frequency times the longest edge.
Element ``[z, y, x]`` of a half transform of shape ``(nz, ny, nx // 2 + 1)`` has numpy's ``rfftn`` order.
"""

from __future__ import annotations

import numpy as np
from numba import njit


@njit(nogil=True, cache=True, fastmath=True, inline="always")
def _signed(i, n):
    return i if i <= n // 2 else i - n


@njit(nogil=True, cache=True, fastmath=True)
def shell_sums(a, b, nx, step, lo, hi, sums):
    """Add planes ``lo … hi - 1`` to ``sums`` (4, shells): Re a b*, |a|², |b|², number of voxels (both mates)."""
    nz, ny, half = a.shape
    last = sums.shape[1]
    for z in range(lo, hi):
        kz = _signed(z, nz) * step[0]
        for y in range(ny):
            ky = _signed(y, ny) * step[1]
            for x in range(half):
                kx = x * step[2]
                shell = int(np.sqrt(kx * kx + ky * ky + kz * kz) + 0.5)
                if shell >= last:
                    continue
                count = 1.0 if x == 0 or (nx % 2 == 0 and x == nx // 2) else 2.0
                u = a[z, y, x]
                v = b[z, y, x]
                sums[0, shell] += count * (u.real * v.real + u.imag * v.imag)
                sums[1, shell] += count * (u.real * u.real + u.imag * u.imag)
                sums[2, shell] += count * (v.real * v.real + v.imag * v.imag)
                sums[3, shell] += count


@njit(nogil=True, cache=True, fastmath=True)
def scale_shells(a, step, factor, lo, hi):
    """Multiply planes ``lo … hi - 1`` by a factor interpolated between shells; the last holds beyond."""
    nz, ny, half = a.shape
    last = factor.shape[0] - 1
    for z in range(lo, hi):
        kz = _signed(z, nz) * step[0]
        for y in range(ny):
            ky = _signed(y, ny) * step[1]
            for x in range(half):
                kx = x * step[2]
                r = np.sqrt(kx * kx + ky * ky + kz * kz)
                i = int(r)
                if i >= last:
                    a[z, y, x] *= factor[last]
                else:
                    f = np.float32(r - i)
                    a[z, y, x] *= factor[i] * (np.float32(1) - f) + factor[i + 1] * f


@njit(nogil=True, cache=True)
def _hash(i, seed):
    h = np.uint64(i) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(seed) * np.uint64(0xD1342543DE82EF95)
    h ^= h >> np.uint64(30)
    h *= np.uint64(0xBF58476D1CE4E5B9)
    h ^= h >> np.uint64(27)
    h *= np.uint64(0x94D049BB133111EB)
    h ^= h >> np.uint64(31)
    return np.float64(h >> np.uint64(11)) / 9007199254740992.0


@njit(nogil=True, cache=True)
def randomise(a, nx, step, first, seed, lo, hi):
    """Turn the phases of shells from ``first`` on at random, mates alike, in planes ``lo … hi - 1``."""
    nz, ny, half = a.shape
    for z in range(lo, hi):
        kz = _signed(z, nz) * step[0]
        for y in range(ny):
            ky = _signed(y, ny) * step[1]
            for x in range(half):
                kx = x * step[2]
                if np.sqrt(kx * kx + ky * ky + kz * kz) + 0.5 < first:
                    continue
                mine = (z * ny + y) * half + x
                sign = 1.0
                if x == 0 or (nx % 2 == 0 and x == nx // 2):
                    other = (((nz - z) % nz) * ny + (ny - y) % ny) * half + x
                    if other == mine:
                        continue
                    if other < mine:
                        mine, sign = other, -1.0
                phase = sign * 2 * np.pi * _hash(mine, seed)
                a[z, y, x] *= np.complex64(complex(np.cos(phase), np.sin(phase)))
