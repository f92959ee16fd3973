# mypy: disable-error-code="no-untyped-def"
"""Inner loops of orientation recovery from pairwise distances."""

from __future__ import annotations

import numpy as np
from numba import njit


@njit(nogil=True, fastmath=True, cache=True)
def trace_gradient(q, partners, target, weight, delta, lo, hi, gradient, loss):
    """Gradient of the Huber loss of ``4 <q_i, q_j>² - 1 - T_ij`` over the partners of images lo … hi-1.

    Parameters
    ----------
    q : (n, 4) float64 unit quaternions
    partners : (n, k) int32, -1 where there are fewer
    target, weight : (n, k) float32, T = 1 + 2 cos d and the weight of each pair
    delta : width of the quadratic part
    gradient : (n, 4), written for lo … hi-1, projected on the tangent; each pair stands in both images' lists
    loss : (n,), the loss of each image
    """
    k = partners.shape[1]
    for i in range(lo, hi):
        a, b, c, d = q[i, 0], q[i, 1], q[i, 2], q[i, 3]
        g0 = 0.0
        g1 = 0.0
        g2 = 0.0
        g3 = 0.0
        total = 0.0
        for s in range(k):
            j = partners[i, s]
            if j < 0:
                break
            dot = a * q[j, 0] + b * q[j, 1] + c * q[j, 2] + d * q[j, 3]
            r = 4.0 * dot * dot - 1.0 - target[i, s]
            size = abs(r)
            w = weight[i, s]
            if size <= delta:
                slope = r
                total += w * 0.5 * r * r
            else:
                slope = delta if r > 0 else -delta
                total += w * delta * (size - 0.5 * delta)
            f = w * slope * dot
            g0 += f * q[j, 0]
            g1 += f * q[j, 1]
            g2 += f * q[j, 2]
            g3 += f * q[j, 3]
        along = g0 * a + g1 * b + g2 * c + g3 * d
        gradient[i, 0] = g0 - along * a
        gradient[i, 1] = g1 - along * b
        gradient[i, 2] = g2 - along * c
        gradient[i, 3] = g3 - along * d
        loss[i] = total


@njit(nogil=True, cache=True)
def heavy_ball(q, velocity, gradient, rate, momentum):
    """Move unit quaternions (n, 4) along their velocity on the sphere, in place; returns the squared speed."""
    speed = 0.0
    for i in range(q.shape[0]):
        for a in range(4):
            velocity[i, a] = momentum * velocity[i, a] - rate * gradient[i, a]
            q[i, a] += velocity[i, a]
            speed += velocity[i, a] ** 2
        norm = np.sqrt(q[i, 0] ** 2 + q[i, 1] ** 2 + q[i, 2] ** 2 + q[i, 3] ** 2)
        along = 0.0
        for a in range(4):
            q[i, a] /= norm
            along += velocity[i, a] * q[i, a]
        for a in range(4):
            velocity[i, a] -= along * q[i, a]
    return speed


@njit(nogil=True, fastmath=True, cache=True)
def best_lines(product, n_half, n_full, out_i, out_j, out_s, out_score):
    """Find the best pair of rays of one image with each of several others.

    ``product`` (shifts, n_half, j, n_full): correlations of the rays of an image (over half a turn, at trial shifts)
    with all rays of the others. Writes the indices of both rays, of the shift, and the score.
    """
    shifts, _, count, _ = product.shape
    for j in range(count):
        best = np.float32(-1e30)
        for s in range(shifts):
            for a in range(n_half):
                row = product[s, a, j]
                for b in range(n_full):
                    if row[b] > best:
                        best = row[b]
                        out_i[j] = a
                        out_j[j] = b
                        out_s[j] = s
        out_score[j] = best


@njit(nogil=True, fastmath=True, cache=True)
def procrustes_sums(ci, weight, H, lo, hi, out):
    """Sum ``w_ij (H_j c_ji) c_ij^T`` over j for images lo … hi-1: (n, 3, 2) targets of the two axes of each image.

    ``ci`` (n, n, 2): direction of the common line of i and j in image i; ``H`` (n, 3, 2) the axes of every image.
    """
    n = ci.shape[0]
    for i in range(lo, hi):
        for a in range(3):
            out[i, a, 0] = 0.0
            out[i, a, 1] = 0.0
        for j in range(n):
            w = weight[i, j]
            if w == 0.0:
                continue
            x, y = ci[j, i, 0], ci[j, i, 1]
            u, v = w * ci[i, j, 0], w * ci[i, j, 1]
            for a in range(3):
                p = H[j, a, 0] * x + H[j, a, 1] * y
                out[i, a, 0] += p * u
                out[i, a, 1] += p * v


@njit(nogil=True, fastmath=True, cache=True)
def line_residuals(ci, H, K, mate, lo, hi, out):
    """Write ``|H_i c_ij - K_m c_mi|`` with m = mate[j] of every pair for images lo … hi-1 into ``out`` (n, n)."""
    n = ci.shape[0]
    for i in range(lo, hi):
        for j in range(n):
            m = mate[j]
            total = 0.0
            for a in range(3):
                p = H[i, a, 0] * ci[i, j, 0] + H[i, a, 1] * ci[i, j, 1]
                q = K[m, a, 0] * ci[m, i, 0] + K[m, a, 1] * ci[m, i, 1]
                total += (p - q) * (p - q)
            out[i, j] = np.sqrt(total)


@njit(nogil=True, fastmath=True, cache=True)
def line_scores(rays, A, pairs, lo, hi, out):
    """Write the correlation along the common line of pairs lo … hi-1, rays taken at the nearest angle.

    ``rays`` (n, n_theta, rings) complex64 over a full turn, normalised; ``A`` (n, 3, 3) views; ``pairs`` (p, 2).
    """
    n_theta = rays.shape[1]
    per_rad = n_theta / (2 * np.pi)
    for p in range(lo, hi):
        i, j = pairs[p, 0], pairs[p, 1]
        x = A[i, 2, 1] * A[j, 2, 2] - A[i, 2, 2] * A[j, 2, 1]
        y = A[i, 2, 2] * A[j, 2, 0] - A[i, 2, 0] * A[j, 2, 2]
        z = A[i, 2, 0] * A[j, 2, 1] - A[i, 2, 1] * A[j, 2, 0]
        ai = np.arctan2(
            A[i, 1, 0] * x + A[i, 1, 1] * y + A[i, 1, 2] * z, A[i, 0, 0] * x + A[i, 0, 1] * y + A[i, 0, 2] * z
        )
        aj = np.arctan2(
            A[j, 1, 0] * x + A[j, 1, 1] * y + A[j, 1, 2] * z, A[j, 0, 0] * x + A[j, 0, 1] * y + A[j, 0, 2] * z
        )
        a = rays[i, int(np.round(ai * per_rad)) % n_theta]
        b = rays[j, int(np.round(aj * per_rad)) % n_theta]
        total = 0.0
        for k in range(rays.shape[2]):
            total += a[k].real * b[k].real + a[k].imag * b[k].imag
        out[p] = total


@njit(nogil=True, fastmath=True, cache=True)
def refine_lines(rays, A, window, lo, hi, angle, score):
    """Find the common line of images lo … hi-1 with every later one near where the views put it, to parts of a ray.

    Parameters
    ----------
    rays : (n, n_theta, rings) complex64 over a full turn, normalised
    A : (n, 3, 3) views
    window : rays searched on either side of the predicted one, in both images
    angle : (n, n) float64, written: angle in rad of the line with j in image i at [i, j], and in image j at [j, i]
    score : (n, n) float32, written on both sides
    """
    n, n_theta, rings = rays.shape
    per_rad = n_theta / (2 * np.pi)
    size = 2 * window + 1
    table = np.empty((size, size), np.float64)
    for i in range(lo, hi):
        for j in range(i + 1, n):
            x = A[i, 2, 1] * A[j, 2, 2] - A[i, 2, 2] * A[j, 2, 1]
            y = A[i, 2, 2] * A[j, 2, 0] - A[i, 2, 0] * A[j, 2, 2]
            z = A[i, 2, 0] * A[j, 2, 1] - A[i, 2, 1] * A[j, 2, 0]
            pi = np.arctan2(
                A[i, 1, 0] * x + A[i, 1, 1] * y + A[i, 1, 2] * z, A[i, 0, 0] * x + A[i, 0, 1] * y + A[i, 0, 2] * z
            )
            pj = np.arctan2(
                A[j, 1, 0] * x + A[j, 1, 1] * y + A[j, 1, 2] * z, A[j, 0, 0] * x + A[j, 0, 1] * y + A[j, 0, 2] * z
            )
            ci = int(np.round(pi * per_rad))
            cj = int(np.round(pj * per_rad))
            best = -2.0
            u = 0
            v = 0
            for a in range(size):
                ra = rays[i, (ci + a - window) % n_theta]
                for b in range(size):
                    rb = rays[j, (cj + b - window) % n_theta]
                    total = np.float32(0.0)
                    for k in range(rings):
                        total += ra[k].real * rb[k].real + ra[k].imag * rb[k].imag
                    table[a, b] = total
                    if table[a, b] > best:
                        best = table[a, b]
                        u = a
                        v = b
            du = 0.0
            dv = 0.0
            if 0 < u < size - 1 and 0 < v < size - 1:
                # top of the quadratic through the nine values
                gu = (table[u + 1, v] - table[u - 1, v]) / 2
                gv = (table[u, v + 1] - table[u, v - 1]) / 2
                huu = table[u + 1, v] - 2 * best + table[u - 1, v]
                hvv = table[u, v + 1] - 2 * best + table[u, v - 1]
                huv = (table[u + 1, v + 1] - table[u + 1, v - 1] - table[u - 1, v + 1] + table[u - 1, v - 1]) / 4
                det = huu * hvv - huv * huv
                if det > 1e-12:
                    du = min(1.0, max(-1.0, -(hvv * gu - huv * gv) / det))
                    dv = min(1.0, max(-1.0, -(huu * gv - huv * gu) / det))
            else:
                best = 0.0
            angle[i, j] = (ci + u - window + du) / per_rad
            angle[j, i] = (cj + v - window + dv) / per_rad
            score[i, j] = best
            score[j, i] = best


@njit(nogil=True, fastmath=True, cache=True)
def line_rings(rays, A, pairs, product, power):
    """Add up, ring by ring, products and powers of both images along the common lines of pairs, at the nearest ray.

    ``rays`` (n, n_theta, rings) complex64 over a full turn; ``A`` (n, 3, 3) views; ``pairs`` (p, 2); ``product`` and
    ``power`` (rings,), added to. Their ratio is the part of the power that is signal.
    """
    n_theta = rays.shape[1]
    per_rad = n_theta / (2 * np.pi)
    for p in range(pairs.shape[0]):
        i, j = pairs[p, 0], pairs[p, 1]
        x = A[i, 2, 1] * A[j, 2, 2] - A[i, 2, 2] * A[j, 2, 1]
        y = A[i, 2, 2] * A[j, 2, 0] - A[i, 2, 0] * A[j, 2, 2]
        z = A[i, 2, 0] * A[j, 2, 1] - A[i, 2, 1] * A[j, 2, 0]
        ai = np.arctan2(
            A[i, 1, 0] * x + A[i, 1, 1] * y + A[i, 1, 2] * z, A[i, 0, 0] * x + A[i, 0, 1] * y + A[i, 0, 2] * z
        )
        aj = np.arctan2(
            A[j, 1, 0] * x + A[j, 1, 1] * y + A[j, 1, 2] * z, A[j, 0, 0] * x + A[j, 0, 1] * y + A[j, 0, 2] * z
        )
        a = rays[i, int(np.round(ai * per_rad)) % n_theta]
        b = rays[j, int(np.round(aj * per_rad)) % n_theta]
        for k in range(rays.shape[2]):
            product[k] += a[k].real * b[k].real + a[k].imag * b[k].imag
            power[k] += (a[k].real ** 2 + a[k].imag ** 2 + b[k].real ** 2 + b[k].imag ** 2) / 2


@njit(nogil=True, fastmath=True, cache=True)
def line_shifts(rays, angle, phase, steps, ramp, lo, hi, shift):
    """Find how far images lo … hi-1 stand displaced along their common lines against every later one.

    Parameters
    ----------
    rays : (n, n_theta, rings) complex64 over a full turn
    angle : (n, n) angle in rad of the line with j in image i at [i, j]
    phase : (rings,) phase that a displacement of one pixel gives each ring
    steps, ramp : (s,) and (s, rings) displacements tried before the best is refined, and their phase factors
    shift : (n, n), written: ``c_ij · p_i - c_ji · p_j`` in pixels, on both sides with opposite signs
    """
    n, n_theta, rings = rays.shape
    per_rad = n_theta / (2 * np.pi)
    for i in range(lo, hi):
        for j in range(i + 1, n):
            a = rays[i, int(np.round(angle[i, j] * per_rad)) % n_theta]
            b = rays[j, int(np.round(angle[j, i] * per_rad)) % n_theta]
            s = 0.0
            best = -1e30
            for t in range(steps.shape[0]):
                total = 0.0
                for k in range(rings):
                    total += (a[k] * np.conj(b[k]) * ramp[t, k]).real
                if total > best:
                    best = total
                    s = steps[t]
            for _ in range(3):
                up = 0.0
                down = 0.0
                for k in range(rings):
                    x = a[k] * np.conj(b[k]) * np.exp(1j * phase[k] * s)
                    up -= phase[k] * x.imag
                    down += phase[k] * phase[k] * abs(x.real)
                if down > 0:
                    s += max(-0.5, min(0.5, up / down))
            shift[i, j] = s
            shift[j, i] = -s


@njit(nogil=True, fastmath=True, cache=True)
def line_votes(ci, H, grid, cosine, rows, lo, hi, best, votes):
    """Find the view of a grid under which most common lines of an image agree with the views of the others.

    Parameters
    ----------
    ci : (n, n, 2) direction of the common line of i and j in image i
    H : (n, 3, 2) axes of every image in the object
    grid : (v, 3, 3) views tried
    cosine : of the angle up to which two lines agree
    rows : images wanted, of which lo … hi-1 are worked on
    best, votes : (rows,), written: the view and its number of lines
    """
    for r in range(lo, hi):
        i = rows[r]
        for g in range(grid.shape[0]):
            count = 0
            for j in range(ci.shape[0]):
                if j == i:
                    continue
                u, v = ci[i, j, 0], ci[i, j, 1]
                s, t = ci[j, i, 0], ci[j, i, 1]
                dot = 0.0
                for a in range(3):
                    dot += (grid[g, 0, a] * u + grid[g, 1, a] * v) * (H[j, a, 0] * s + H[j, a, 1] * t)
                if dot > cosine:
                    count += 1
            if count > votes[r]:
                votes[r] = count
                best[r] = g
