# mypy: disable-error-code="no-untyped-def"
"""Inner loops of projection matching: polar samples, slices with gradients, Gauss–Newton on SO(3) and shift.

A *prepared transform* ``F`` is the centred Fourier transform of a map padded to an even ``p``, its half ``x >= 0``
with guard cells so that a 4×4×4 neighbourhood never leaves the array: shape ``(p + 2, p + 2, p // 2 + 5)``,
index ``[z + p/2, y + p/2, x + 2]``. The map was divided by the cubic B-spline's transform beforehand, so weighting
the neighbourhood with B-spline weights interpolates (gridding).
"""

from __future__ import annotations

import numpy as np
from numba import njit

MAX_STEP_RAD = 0.15
"""Longest rotation of one Gauss–Newton step; longer ones leave the region where the quadratic model holds."""


@njit(nogil=True, fastmath=True, cache=True, inline="always")
def _bspline(f, w, d):
    g = np.float32(1) - f
    w[0] = g * g * g / np.float32(6)
    w[1] = (np.float32(4) - np.float32(6) * f * f + np.float32(3) * f * f * f) / np.float32(6)
    w[2] = (np.float32(4) - np.float32(6) * g * g + np.float32(3) * g * g * g) / np.float32(6)
    w[3] = f * f * f / np.float32(6)
    d[0] = -g * g / np.float32(2)
    d[1] = (-np.float32(4) * f + np.float32(3) * f * f) / np.float32(2)
    d[2] = (np.float32(4) * g - np.float32(3) * g * g) / np.float32(2)
    d[3] = f * f / np.float32(2)


@njit(nogil=True, fastmath=True, cache=True)
def slice_values(F, c, scale, points, A, out):
    """Sample the central slice of view ``A`` at ``points`` (k, 2), in pixels of the unpadded image transform."""
    w = np.empty((3, 4), np.float32)
    d = np.empty(4, np.float32)
    for i in range(points.shape[0]):
        kx = points[i, 0] * scale
        ky = points[i, 1] * scale
        x = kx * A[0, 0] + ky * A[1, 0]
        y = kx * A[0, 1] + ky * A[1, 1]
        z = kx * A[0, 2] + ky * A[1, 2]
        conjugate = x < 0
        if conjugate:
            x, y, z = -x, -y, -z
        ix = int(np.floor(x))
        iy = int(np.floor(y))
        iz = int(np.floor(z))
        _bspline(np.float32(x - ix), w[0], d)
        _bspline(np.float32(y - iy), w[1], d)
        _bspline(np.float32(z - iz), w[2], d)
        jx = ix + 1
        jy = iy - 1 + c
        jz = iz - 1 + c
        v = np.complex64(0)
        for a in range(4):
            s = np.complex64(0)
            for b in range(4):
                r = np.complex64(0)
                for e in range(4):
                    r += F[jz + a, jy + b, jx + e] * w[0, e]
                s += r * w[1, b]
            v += s * w[2, a]
        out[i] = np.conj(v) if conjugate else v


@njit(nogil=True, fastmath=True, cache=True)
def _slice_and_gradient(F, c, scale, points, m, A, value, gradient):
    wx = np.empty(4, np.float32)
    wy = np.empty(4, np.float32)
    wz = np.empty(4, np.float32)
    dx = np.empty(4, np.float32)
    dy = np.empty(4, np.float32)
    dz = np.empty(4, np.float32)
    for i in range(m):
        kx = points[i, 0] * scale
        ky = points[i, 1] * scale
        x = kx * A[0, 0] + ky * A[1, 0]
        y = kx * A[0, 1] + ky * A[1, 1]
        z = kx * A[0, 2] + ky * A[1, 2]
        conjugate = x < 0
        if conjugate:
            x, y, z = -x, -y, -z
        ix = int(np.floor(x))
        iy = int(np.floor(y))
        iz = int(np.floor(z))
        _bspline(np.float32(x - ix), wx, dx)
        _bspline(np.float32(y - iy), wy, dy)
        _bspline(np.float32(z - iz), wz, dz)
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
                s1 += (f0 * dx[0] + f1 * dx[1] + f2 * dx[2] + f3 * dx[3]) * wy[b]
                s2 += r * dy[b]
            v += s0 * wz[a]
            gx += s1 * wz[a]
            gy += s2 * wz[a]
            gz += s0 * dz[a]
        if conjugate:
            v = np.conj(v)
            gx = -np.conj(gx)
            gy = -np.conj(gy)
            gz = -np.conj(gz)
        value[i] = v
        # into the image's frame: columns x, y in the slice, z along the view
        gradient[i, 0] = scale * (A[0, 0] * gx + A[0, 1] * gy + A[0, 2] * gz)
        gradient[i, 1] = scale * (A[1, 0] * gx + A[1, 1] * gy + A[1, 2] * gz)
        gradient[i, 2] = scale * (A[2, 0] * gx + A[2, 1] * gy + A[2, 2] * gz)


@njit(nogil=True, fastmath=True, cache=True)
def _turned(w, A, out):
    """Write exp([w]×) A into ``out`` (Rodrigues), column by column."""
    t2 = w[0] * w[0] + w[1] * w[1] + w[2] * w[2]
    t = np.sqrt(t2)
    s = np.sin(t) / t if t > 1e-8 else 1.0
    c = (1.0 - np.cos(t)) / t2 if t > 1e-8 else 0.5
    for j in range(3):
        x, y, z = A[0, j], A[1, j], A[2, j]
        cx = w[1] * z - w[2] * y
        cy = w[2] * x - w[0] * z
        cz = w[0] * y - w[1] * x
        out[0, j] = x + s * cx + c * (w[1] * cz - w[2] * cy)
        out[1, j] = y + s * cy + c * (w[2] * cx - w[0] * cz)
        out[2, j] = z + s * cz + c * (w[0] * cy - w[1] * cx)


@njit(nogil=True, fastmath=True, cache=True)
def _normal_equations(F, c, scale, points, m, weight, transfer, image, A, s, n, value, gradient, H, b):
    """Fill the 5×5 normal matrix and the gradient of the weighted correlation; return the correlation."""
    _slice_and_gradient(F, c, scale, points, m, A, value, gradient)
    tp = 2 * np.pi / n
    ii = 0.0
    im = 0.0
    mm = 0.0
    bi = np.zeros(5)
    bm = np.zeros(5)
    jj = np.zeros((5, 5))
    J = np.empty(5, np.complex128)
    for i in range(m):
        kx = points[i, 0]
        ky = points[i, 1]
        w = weight[i]
        phase = -tp * (kx * s[0] + ky * s[1])
        e = complex(np.cos(phase), np.sin(phase)) * transfer[i]
        M = value[i] * e
        J[0] = -gradient[i, 2] * ky * e
        J[1] = gradient[i, 2] * kx * e
        J[2] = (gradient[i, 0] * ky - gradient[i, 1] * kx) * e
        J[3] = M * complex(0.0, -tp * kx)
        J[4] = M * complex(0.0, -tp * ky)
        pixel = image[i]
        ii += w * (pixel.real**2 + pixel.imag**2)
        im += w * (pixel.real * M.real + pixel.imag * M.imag)
        mm += w * (M.real**2 + M.imag**2)
        for p in range(5):
            bi[p] += w * (pixel.real * J[p].real + pixel.imag * J[p].imag)
            bm[p] += w * (M.real * J[p].real + M.imag * J[p].imag)
            for q in range(p, 5):
                jj[p, q] += w * (J[p].real * J[q].real + J[p].imag * J[q].imag)
    if ii <= 0.0 or mm <= 0.0:
        H[:] = 0.0
        b[:] = 0.0
        return 0.0
    a = im / mm
    for p in range(5):
        b[p] = a * (bi[p] - a * bm[p])
        for q in range(p, 5):
            H[p, q] = a * a * (jj[p, q] - bm[p] * bm[q] / mm)
            H[q, p] = H[p, q]
    return im / np.sqrt(ii * mm)


@njit(nogil=True, cache=True)
def _solve(H, b, damping, step):
    """Solve (H + damping diag H) step = b by elimination; return False when singular."""
    a = np.empty((5, 6))
    top = 0.0
    for p in range(5):
        top = max(top, H[p, p])
    if not top > 0.0:
        return False
    for p in range(5):
        for q in range(5):
            a[p, q] = H[p, q]
        a[p, p] = H[p, p] * (1.0 + damping) + 1e-10 * top
        a[p, 5] = b[p]
    for p in range(5):
        if not a[p, p] > 0.0:
            return False
        for r in range(p + 1, 5):
            f = a[r, p] / a[p, p]
            for q in range(p, 6):
                a[r, q] -= f * a[p, q]
    for p in range(4, -1, -1):
        s = a[p, 5]
        for q in range(p + 1, 5):
            s -= a[p, q] * step[q]
        step[p] = s / a[p, p]
    return True


@njit(nogil=True, cache=True)
def refine_one(F, c, scale, points, m, weight, transfer, image, A, s, n, bound, iterations, tolerance, value, gradient):
    """Refine one pose by Levenberg–Marquardt on the tangent of SO(3) and the shift, in place.

    Maximises the weighted correlation of ``image`` (k,) with ``transfer · slice(A) · exp(-2πi k·s/n)`` over the first
    ``m`` points, gray scale eliminated. ``A`` (3, 3) and ``s`` (2,) (displacement of the particle, px) are updated;
    the displacement stays within ``bound`` px. Returns (correlation, converged).
    """
    H = np.zeros((5, 5))
    b = np.zeros(5)
    H2 = np.zeros((5, 5))
    b2 = np.zeros(5)
    step = np.zeros(5)
    s2 = np.zeros(2)
    A2 = np.zeros((3, 3))
    damping = 1e-3
    cc = _normal_equations(F, c, scale, points, m, weight, transfer, image, A, s, n, value, gradient, H, b)
    for _ in range(iterations):
        if not _solve(H, b, damping, step):
            return cc, False
        turn = np.sqrt(step[0] ** 2 + step[1] ** 2 + step[2] ** 2)
        if turn > MAX_STEP_RAD:
            step *= MAX_STEP_RAD / turn
        _turned(step, A, A2)
        s2[0] = s[0] + step[3]
        s2[1] = s[1] + step[4]
        r = np.sqrt(s2[0] ** 2 + s2[1] ** 2)
        if r > bound:
            s2 *= bound / r
        cc2 = _normal_equations(F, c, scale, points, m, weight, transfer, image, A2, s2, n, value, gradient, H2, b2)
        if cc2 > cc:
            gain = cc2 - cc
            A[:] = A2
            s[:] = s2
            cc = cc2
            H[:] = H2
            b[:] = b2
            damping = max(damping * 0.2, 1e-6)
            if gain < tolerance:
                return cc, True
        else:
            damping *= 8.0
            if damping > 1e3 or turn < 1e-6:
                return cc, True
    return cc, False


@njit(nogil=True, fastmath=True, cache=True)
def best_psi_and_shift(even, odd, n_shifts, score, where):
    """Reduce correlations to the best in-plane angle and shift for every view and image.

    ``even``, ``odd`` (half, v, g, b * n_shifts): sums over even and odd harmonics at ``half`` angles of [0, π);
    the correlation at ψ is even + odd, at ψ + π even - odd. Writes ``score`` (g, b, v) and ``where`` (packed
    ``psi_index * n_shifts + shift``).
    """
    half, v, g, columns = even.shape
    best = np.empty(columns, np.float32)
    at = np.empty(columns, np.int32)
    for iv in range(v):
        for ig in range(g):
            best[:] = np.float32(-1e30)
            for k in range(half):
                e = even[k, iv, ig]
                o = odd[k, iv, ig]
                for col in range(columns):
                    value = e[col] + abs(o[col])
                    if value > best[col]:
                        best[col] = value
                        at[col] = k if o[col] >= 0 else k + half
            for col in range(columns):
                ib = col // n_shifts
                if best[col] > score[ig, ib, iv]:
                    score[ig, ib, iv] = best[col]
                    where[ig, ib, iv] = at[col] * n_shifts + (col - ib * n_shifts)


@njit(nogil=True, cache=True)
def pick_distinct(score, directions, cos_min, k, chosen):
    """Choose the ``k`` best of ``score`` (g, v) whose directions are further apart than ``cos_min``.

    Group 0 stands for ``directions[v]``, group 1 (mirrored) for the opposite; writes flat indices ``g * V + v``
    into ``chosen`` (k,), -1 where there are fewer.
    """
    g, v = score.shape
    taken = np.zeros((k, 3))
    count = 0
    free = score.copy()
    chosen[:] = -1
    while count < k:
        best = -np.inf
        at = -1
        for ig in range(g):
            for iv in range(v):
                if free[ig, iv] > best:
                    best = free[ig, iv]
                    at = ig * v + iv
        if at < 0 or best == -np.inf:
            return
        ig = at // v
        iv = at - ig * v
        sign = 1.0 if ig == 0 else -1.0
        chosen[count] = at
        for a in range(3):
            taken[count, a] = sign * directions[iv, a]
        for jg in range(g):
            other = 1.0 if jg == 0 else -1.0
            for jv in range(v):
                d = 0.0
                for a in range(3):
                    d += other * directions[jv, a] * taken[count, a]
                if d > cos_min:
                    free[jg, jv] = -np.inf
        count += 1
