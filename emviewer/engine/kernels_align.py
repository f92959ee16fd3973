# mypy: disable-error-code="no-untyped-def"
"""Inner loops of map alignment: samples of a turned transform, its gradient, Levenberg–Marquardt on SO(3) × R³.

A *prepared transform* is laid out as in :mod:`emviewer.engine.kernels_match_slice`. Points ``k`` (m, 3) are spatial
frequencies in 1/Å, ``(x, y, z)``; ``scale`` takes them to indices (padded box times voxel size, in Å). The transform
of ``x' = M x + t`` at ``k`` is ``F(Mᵀ k) exp(-2πi k·t)`` for every orthogonal ``M``, rotations and mirrors alike.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from emviewer.engine.kernels_match_slice import bspline

MAX_STEP_RAD = 0.2
"""Longest rotation of one step."""


@njit(nogil=True, fastmath=True, cache=True)
def sample_linear(F, c, scale, points, M, out):
    """Sample ``F(Mᵀ k)`` trilinearly: the coarse search."""
    for i in range(points.shape[0]):
        kx = points[i, 0] * scale
        ky = points[i, 1] * scale
        kz = points[i, 2] * scale
        x = kx * M[0, 0] + ky * M[1, 0] + kz * M[2, 0]
        y = kx * M[0, 1] + ky * M[1, 1] + kz * M[2, 1]
        z = kx * M[0, 2] + ky * M[1, 2] + kz * M[2, 2]
        conjugate = x < 0
        if conjugate:
            x, y, z = -x, -y, -z
        ix = int(np.floor(x))
        iy = int(np.floor(y))
        iz = int(np.floor(z))
        fx = np.float32(x - ix)
        fy = np.float32(y - iy)
        fz = np.float32(z - iz)
        jx = ix + 2
        jy = iy + c
        jz = iz + c
        one = np.float32(1)
        a = (F[jz, jy, jx] * (one - fx) + F[jz, jy, jx + 1] * fx) * (one - fy)
        a += (F[jz, jy + 1, jx] * (one - fx) + F[jz, jy + 1, jx + 1] * fx) * fy
        b = (F[jz + 1, jy, jx] * (one - fx) + F[jz + 1, jy, jx + 1] * fx) * (one - fy)
        b += (F[jz + 1, jy + 1, jx] * (one - fx) + F[jz + 1, jy + 1, jx + 1] * fx) * fy
        v = a * (one - fz) + b * fz
        out[i] = np.conj(v) if conjugate else v


@njit(nogil=True, fastmath=True, cache=True)
def sample_points(F, c, scale, points, m, M, value, gradient, with_gradient):
    """Sample ``F(Mᵀ k)`` and, if asked, ``M ∇F`` (per 1/Å) at the first ``m`` points with cubic B-splines."""
    wx = np.empty(4, np.float32)
    wy = np.empty(4, np.float32)
    wz = np.empty(4, np.float32)
    dx = np.empty(4, np.float32)
    dy = np.empty(4, np.float32)
    dz = np.empty(4, np.float32)
    for i in range(m):
        kx = points[i, 0] * scale
        ky = points[i, 1] * scale
        kz = points[i, 2] * scale
        x = kx * M[0, 0] + ky * M[1, 0] + kz * M[2, 0]
        y = kx * M[0, 1] + ky * M[1, 1] + kz * M[2, 1]
        z = kx * M[0, 2] + ky * M[1, 2] + kz * M[2, 2]
        conjugate = x < 0
        if conjugate:
            x, y, z = -x, -y, -z
        ix = int(np.floor(x))
        iy = int(np.floor(y))
        iz = int(np.floor(z))
        bspline(np.float32(x - ix), wx, dx)
        bspline(np.float32(y - iy), wy, dy)
        bspline(np.float32(z - iz), wz, dz)
        jx = ix + 1
        jy = iy - 1 + c
        jz = iz - 1 + c
        v = np.complex64(0)
        gx = np.complex64(0)
        gy = np.complex64(0)
        gz = np.complex64(0)
        for a in range(4):
            s0 = np.complex64(0)
            s1 = np.complex64(0)
            s2 = np.complex64(0)
            for b in range(4):
                f0 = F[jz + a, jy + b, jx]
                f1 = F[jz + a, jy + b, jx + 1]
                f2 = F[jz + a, jy + b, jx + 2]
                f3 = F[jz + a, jy + b, jx + 3]
                r = f0 * wx[0] + f1 * wx[1] + f2 * wx[2] + f3 * wx[3]
                s0 += r * wy[b]
                if with_gradient:
                    s1 += (f0 * dx[0] + f1 * dx[1] + f2 * dx[2] + f3 * dx[3]) * wy[b]
                    s2 += r * dy[b]
            v += s0 * wz[a]
            if with_gradient:
                gx += s1 * wz[a]
                gy += s2 * wz[a]
                gz += s0 * dz[a]
        if conjugate:
            v = np.conj(v)
            gx, gy, gz = -np.conj(gx), -np.conj(gy), -np.conj(gz)
        value[i] = v
        if with_gradient:
            gradient[i, 0] = scale * (M[0, 0] * gx + M[0, 1] * gy + M[0, 2] * gz)
            gradient[i, 1] = scale * (M[1, 0] * gx + M[1, 1] * gy + M[1, 2] * gz)
            gradient[i, 2] = scale * (M[2, 0] * gx + M[2, 1] * gy + M[2, 2] * gz)


@njit(nogil=True, fastmath=True, cache=True)
def accumulate(points, lo, hi, weight, reference, value, gradient, t, sums, bi, bm, jj):
    """Add points lo … hi-1 to the sums of the normal equations of rotation (3), translation (3), log size (1)."""
    J = np.empty(7, np.complex128)
    for i in range(lo, hi):
        kx, ky, kz = points[i, 0], points[i, 1], points[i, 2]
        w = weight[i]
        phase = -2 * np.pi * (kx * t[0] + ky * t[1] + kz * t[2])
        e = complex(np.cos(phase), np.sin(phase))
        ax, ay, az = gradient[i, 0] * e, gradient[i, 1] * e, gradient[i, 2] * e
        f = value[i] * e
        J[0] = ay * kz - az * ky
        J[1] = az * kx - ax * kz
        J[2] = ax * ky - ay * kx
        turn = f * complex(0.0, -2 * np.pi)
        J[3] = turn * kx
        J[4] = turn * ky
        J[5] = turn * kz
        J[6] = ax * kx + ay * ky + az * kz
        r = reference[i]
        sums[0] += w * (r.real**2 + r.imag**2)
        sums[1] += w * (r.real * f.real + r.imag * f.imag)
        sums[2] += w * (f.real**2 + f.imag**2)
        for p in range(7):
            bi[p] += w * (r.real * J[p].real + r.imag * J[p].imag)
            bm[p] += w * (f.real * J[p].real + f.imag * J[p].imag)
            for q in range(p, 7):
                jj[p, q] += w * (J[p].real * J[q].real + J[p].imag * J[q].imag)


@njit(nogil=True, fastmath=True, cache=True)
def products(F, c, scale, points, matrices, left, weight, place, mate, out, powers):
    """Set transforms of cross-correlations: ``left · conj F(Mᵀ k)`` mirrored, for each matrix.

    ``out`` (b, n·n·(n//2+1)) gets the conjugate product at ``place``, and its conjugate at ``mate`` (-1 for none);
    ``powers`` (b,) the weighted power of the samples.
    """
    value = np.empty(points.shape[0], np.complex64)
    for k in range(matrices.shape[0]):
        sample_linear(F, c, scale, points, matrices[k], value)
        power = 0.0
        for i in range(points.shape[0]):
            v = value[i]
            power += weight[i] * (v.real * v.real + v.imag * v.imag)
            product = left[i] * np.conj(v)
            out[k, place[i]] = product
            if mate[i] >= 0:
                out[k, mate[i]] = np.conj(product)
        powers[k] = power


@njit(nogil=True, cache=True)
def best_in_ball(volume, radius2, out):
    """Write (value, z, y, x) of the largest value of a wrapped volume (n, n, n) within ``radius2`` of the origin."""
    n = volume.shape[0]
    best = -np.inf
    for z in range(n):
        dz = z if z <= n // 2 else z - n
        if dz * dz > radius2:
            continue
        for y in range(n):
            dy = y if y <= n // 2 else y - n
            if dz * dz + dy * dy > radius2:
                continue
            for x in range(n):
                dx = x if x <= n // 2 else x - n
                if dz * dz + dy * dy + dx * dx <= radius2 and volume[z, y, x] > best:
                    best = volume[z, y, x]
                    out[0] = best
                    out[1] = dz
                    out[2] = dy
                    out[3] = dx
