# mypy: disable-error-code="no-untyped-def"
"""Inner loops of projection matching: Levenberg–Marquardt on the tangent of SO(3) and shift."""

from __future__ import annotations

import numpy as np
from numba import njit

from emviewer.engine.kernels_match_slice import slice_and_gradient

MAX_STEP_RAD = 0.15
"""Longest rotation of one Gauss–Newton step; longer ones leave the region where the quadratic model holds."""


@njit(nogil=True, fastmath=True, cache=True)
def turned(w, A, out):
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
def phase_table(table, step, first):
    """Fill ``table`` (k, 2) with cosine and sine of ``step · (first + i)``."""
    for i in range(table.shape[0]):
        table[i, 0] = np.cos(step * (first + i))
        table[i, 1] = np.sin(step * (first + i))


@njit(nogil=True, fastmath=True, error_model="numpy", cache=True)
def normal_equations(F, c, scale, points, m, weight, transfer, image, A, s, n, value, gradient, H, b):
    """Fill the 5×5 normal matrix and the gradient of the weighted correlation; return the correlation."""
    slice_and_gradient(F, c, scale, points, m, A, value, gradient)
    tp = 2 * np.pi / n
    half = int(n) // 2
    along_x = np.empty((half + 1, 2))
    along_y = np.empty((2 * half + 1, 2))
    phase_table(along_x, -tp * s[0], 0)
    phase_table(along_y, -tp * s[1], -half)
    ii = 0.0
    im = 0.0
    mm = 0.0
    bi = np.zeros(5)
    bm = np.zeros(5)
    jj = np.zeros((5, 5))
    jr = np.empty(5)
    ji = np.empty(5)
    for i in range(m):
        kx = points[i, 0]
        ky = points[i, 1]
        w = weight[i]
        ix, iy = int(kx), int(ky) + half
        ax, bx = along_x[ix, 0], along_x[ix, 1]
        ay, by = along_y[iy, 0], along_y[iy, 1]
        t = float(transfer[i])
        er = (ax * ay - bx * by) * t
        ei = (ax * by + bx * ay) * t
        vr, vi = float(value[i].real), float(value[i].imag)
        mr, mi = vr * er - vi * ei, vr * ei + vi * er
        gr, gi = float(gradient[i, 2].real), float(gradient[i, 2].imag)
        zr, zi = gr * er - gi * ei, gr * ei + gi * er
        jr[0], ji[0] = -zr * ky, -zi * ky
        jr[1], ji[1] = zr * kx, zi * kx
        gr = gradient[i, 0].real * ky - gradient[i, 1].real * kx
        gi = gradient[i, 0].imag * ky - gradient[i, 1].imag * kx
        jr[2], ji[2] = gr * er - gi * ei, gr * ei + gi * er
        jr[3], ji[3] = tp * kx * mi, -tp * kx * mr
        jr[4], ji[4] = tp * ky * mi, -tp * ky * mr
        pr, pi = float(image[i].real), float(image[i].imag)
        ii += w * (pr * pr + pi * pi)
        im += w * (pr * mr + pi * mi)
        mm += w * (mr * mr + mi * mi)
        for p in range(5):
            bi[p] += w * (pr * jr[p] + pi * ji[p])
            bm[p] += w * (mr * jr[p] + mi * ji[p])
            for q in range(p, 5):
                jj[p, q] += w * (jr[p] * jr[q] + ji[p] * ji[q])
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
def _take_over(a, b):
    """Copy a matrix; ``a[:] = b`` takes five seconds to compile, for a message about shapes that do not fit."""
    for i in range(a.shape[0]):
        for j in range(a.shape[1]):
            a[i, j] = b[i, j]


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
    cc = normal_equations(F, c, scale, points, m, weight, transfer, image, A, s, n, value, gradient, H, b)
    for _ in range(iterations):
        if not _solve(H, b, damping, step):
            return cc, False
        turn = np.sqrt(step[0] ** 2 + step[1] ** 2 + step[2] ** 2)
        if turn > MAX_STEP_RAD:
            step *= MAX_STEP_RAD / turn
        turned(step, A, A2)
        s2[0] = s[0] + step[3]
        s2[1] = s[1] + step[4]
        r = np.sqrt(s2[0] ** 2 + s2[1] ** 2)
        if r > bound:
            s2 *= bound / r
        cc2 = normal_equations(F, c, scale, points, m, weight, transfer, image, A2, s2, n, value, gradient, H2, b2)
        if cc2 > cc:
            gain = cc2 - cc
            _take_over(A, A2)
            _take_over(H, H2)
            for p in range(5):
                b[p] = b2[p]
            s[0] = s2[0]
            s[1] = s2[1]
            cc = cc2
            damping = max(damping * 0.2, 1e-6)
            if gain < tolerance:
                return cc, True
        else:
            damping *= 8.0
            if damping > 1e3 or turn < 1e-6:
                return cc, True
    return cc, False
