# mypy: disable-error-code="no-untyped-def"
"""Inner loops of soft refinement: poses drawn about each image's best, how likely they are, and their slices' map."""

from __future__ import annotations

import numpy as np
from numba import njit

from emviewer.engine.kernels_match import normal_equations, phase_table, refine_one, turned
from emviewer.engine.kernels_match_slice import slice_values
from emviewer.engine.kernels_reconstruct import spread

LEAST_MASS = 1e-3
"""Poses less probable than this, by the most probable's, are left out of the map."""


@njit(nogil=True, fastmath=True, error_model="numpy", cache=True)
def _root_of_inverse(H, out):
    """Write ``L⁻ᵀ`` into ``out``, with ``H = L Lᵀ`` (5, 5): it turns unit normals into ones of covariance ``H⁻¹``."""
    low = np.zeros((5, 5))
    for p in range(5):
        for q in range(p + 1):
            v = H[p, q]
            for k in range(q):
                v -= low[p, k] * low[q, k]
            low[p, q] = np.sqrt(max(v, 1e-12 * H[p, p])) if p == q else v / low[q, q]
    for e in range(5):  # column e of the inverse of L, which is row e of out
        for p in range(5):
            v = 1.0 if p == e else 0.0
            for k in range(p):
                v -= low[p, k] * out[e, k]
            out[e, p] = v / low[p, p]


@njit(nogil=True, fastmath=True, error_model="numpy", cache=True)
def _loosen(H, ridge, moves):
    """Add the least precisions to ``H`` (5, 5); displacements of what is not displaced have those alone."""
    for p in range(5):
        if p > 2 and not moves:
            for q in range(5):
                H[p, q] = 0.0
                H[q, p] = 0.0
        H[p, p] += ridge[0] if p < 3 else ridge[1]


@njit(nogil=True, fastmath=True, error_model="numpy", cache=True)
def _draw(root, normal, wide, moves, A, s, rotation, shift):
    """Write the pose that is ``wide · root · normal`` off from ``A`` and ``s``; return the square of ``normal``."""
    d = np.zeros(5)
    near = 0.0
    for e in range(5 if moves else 3):
        near += normal[e] ** 2
        for p in range(e + 1):
            d[p] += root[p, e] * normal[e] * wide
    turned(d, A, rotation)
    shift[0] = s[0] + d[3]
    shift[1] = s[1] + d[4]
    return near


@njit(nogil=True, fastmath=True, error_model="numpy", cache=True)
def _weigh(log, each, A, rotations, mass, residual):
    """Write the probabilities ``mass`` (t,) of poses, and the expected mean ``residual`` (r,) of ``each`` (t, r).

    ``log`` (t,) are the logarithms of the probabilities, up to a constant. Returns the root mean square angle from
    ``A`` in rad, of small angles.
    """
    top, total = log.max(), 0.0
    for t in range(log.shape[0]):
        mass[t] = np.exp(log[t] - top)
        total += mass[t]
    residual[:] = 0.0
    square = 0.0
    for t in range(log.shape[0]):
        mass[t] /= total
        trace = 0.0
        for p in range(3):
            for q in range(3):
                trace += A[p, q] * rotations[t, p, q]
        square += mass[t] * max(0.0, 3.0 - trace)
        for r in range(residual.shape[0]):
            residual[r] += mass[t] * each[t, r]
    return np.sqrt(square)


@njit(nogil=True, fastmath=True, error_model="numpy", cache=True)
def draw_poses(
    F, c, scale, points, rings, precision, images, doubt, n, bound, moves, ridge, normals, wide, iterations, lo, hi,
    A, s, rotations, shifts, mass, gain, fit, spread, residual,
):  # fmt: skip
    """Move images ``lo … hi-1`` to their best poses, and draw poses about them with their probabilities.

    Parameters
    ----------
    F, c, scale : prepared transform of the map, its centre and padding
    points, rings : (m, 2) integer frequencies, (m,) their rings
    precision : (r,) inverse variance of the noise in each ring, in terms of independent values
    images : (k, m) complex64
    doubt : (k,) variance of each image's noise, by that of most
    n, bound : box and largest displacement in its pixels
    moves : whether particles are displaced at all
    ridge : (2,) least precision of rotations (rad⁻²) and of displacements (px⁻²)
    normals : (t, 5) standard normal numbers; the poses drawn are ``wide`` times as far apart as likely ones
    iterations : Levenberg–Marquardt steps to the best pose
    A, s : (k, 3, 3) and (k, 2), updated
    rotations, shifts, mass : (k, t, 3, 3), (k, t, 2), (k, t), written: what was drawn and how probable each is
    gain : (k,), written: grey scale of the image over the map's
    fit, spread : (k,), written: correlation at the best pose; root mean square angle of the likely poses, rad
    residual : (k, r), written: expected power of what each ring of the image has and the map has not
    """
    m = points.shape[0]
    value = np.empty(m, np.complex64)
    gradient = np.empty((m, 3), np.complex64)
    weight = np.empty(m)
    H, b, root = np.zeros((5, 5)), np.zeros(5), np.zeros((5, 5))
    ones = np.ones(m, np.float32)
    half = int(n) // 2
    along_x, along_y = np.empty((half + 1, 2)), np.empty((2 * half + 1, 2))
    draws = normals.shape[0]
    each = np.zeros((draws, precision.shape[0]))
    log = np.empty(draws)
    for i in range(lo, hi):
        for p in range(m):
            weight[p] = 2.0 * precision[rings[p]] / doubt[i]
        limit = bound if moves else 0.0
        refine_one(
            F, c, scale, points, m, weight, ones, images[i], A[i], s[i], n, limit, iterations, 1e-7, value, gradient
        )
        fit[i] = normal_equations(F, c, scale, points, m, weight, ones, images[i], A[i], s[i], n, value, gradient, H, b)
        gain[i] = _gain(images[i], value, points, weight, s[i], n, along_x, along_y)
        _loosen(H, ridge, moves)
        _root_of_inverse(H, root)
        for t in range(draws):
            near = _draw(root, normals[t], wide, moves, A[i], s[i], rotations[i, t], shifts[i, t])
            slice_values(F, c, scale, points, rotations[i, t], value)
            _misfit(images[i], value, points, rings, gain[i], shifts[i, t], n, along_x, along_y, each[t])
            log[t] = 0.5 * near
            for r in range(precision.shape[0]):
                log[t] -= precision[r] / doubt[i] * each[t, r]
        spread[i] = _weigh(log, each, A[i], rotations[i], mass[i], residual[i])


@njit(nogil=True, fastmath=True, error_model="numpy", cache=True)
def _gain(image, value, points, weight, s, n, along_x, along_y):
    """Return the grey scale by which the slice ``value`` explains the image best, from a half to double."""
    half = int(n) // 2
    phase_table(along_x, -2 * np.pi / n * s[0], 0)
    phase_table(along_y, -2 * np.pi / n * s[1], -half)
    both = 0.0
    norm = 0.0
    for p in range(points.shape[0]):
        ix, iy = int(points[p, 0]), int(points[p, 1]) + half
        er = along_x[ix, 0] * along_y[iy, 0] - along_x[ix, 1] * along_y[iy, 1]
        ei = along_x[ix, 0] * along_y[iy, 1] + along_x[ix, 1] * along_y[iy, 0]
        vr, vi = float(value[p].real), float(value[p].imag)
        both += weight[p] * (image[p].real * (vr * er - vi * ei) + image[p].imag * (vr * ei + vi * er))
        norm += weight[p] * (vr * vr + vi * vi)
    return min(2.0, max(0.5, both / norm)) if norm > 0.0 else 1.0


@njit(nogil=True, fastmath=True, error_model="numpy", cache=True)
def _misfit(image, value, points, rings, gain, s, n, along_x, along_y, out):
    """Write the power of ``image - gain · value``, the slice displaced by ``s``, in each ring into ``out``."""
    half = int(n) // 2
    phase_table(along_x, -2 * np.pi / n * s[0], 0)
    phase_table(along_y, -2 * np.pi / n * s[1], -half)
    for r in range(out.shape[0]):
        out[r] = 0.0
    for p in range(points.shape[0]):
        ix, iy = int(points[p, 0]), int(points[p, 1]) + half
        er = along_x[ix, 0] * along_y[iy, 0] - along_x[ix, 1] * along_y[iy, 1]
        ei = along_x[ix, 0] * along_y[iy, 1] + along_x[ix, 1] * along_y[iy, 0]
        vr, vi = float(value[p].real), float(value[p].imag)
        x = image[p].real - gain * (vr * er - vi * ei)
        y = image[p].imag - gain * (vr * ei + vi * er)
        out[rings[p]] += x * x + y * y


@njit(nogil=True, fastmath=True, error_model="numpy", cache=True)
def _move_back(image, points, factor, s, n, along_x, along_y, out):
    """Write ``factor · image`` with its displacement ``s`` undone into ``out``."""
    half = int(n) // 2
    phase_table(along_x, 2 * np.pi / n * s[0], 0)
    phase_table(along_y, 2 * np.pi / n * s[1], -half)
    for p in range(points.shape[0]):
        ix, iy = int(points[p, 0]), int(points[p, 1]) + half
        er = (along_x[ix, 0] * along_y[iy, 0] - along_x[ix, 1] * along_y[iy, 1]) * factor
        ei = (along_x[ix, 0] * along_y[iy, 1] + along_x[ix, 1] * along_y[iy, 0]) * factor
        out[p] = image[p] * complex(er, ei)


@njit(nogil=True, fastmath=True, error_model="numpy", cache=True)
def insert_poses(
    points, images, weight, gain, rotations, shifts, mass, turns, n, scale, c, z_lo, z_hi, total, there
):  # fmt: skip
    """Spread images at all their poses trilinearly into planes ``z_lo … z_hi - 1`` of a half transform.

    Parameters
    ----------
    points : (m, 2) integer frequencies
    images : (k, m) complex64
    weight, gain : (k,), of an image in the map, and its grey scale
    rotations, shifts, mass : (k, t, 3, 3), (k, t, 2), (k, t), as drawn
    turns : (g, 3, 3) transposes of the point group's rotations
    n : box of the images in the pixels of the shifts
    scale, c : padding factor; index of frequency 0 in z and y; x begins at 0
    total, there : (p, p, p // 2 + 1) complex64 and float32, added to
    """
    m = points.shape[0]
    half = int(n) // 2
    along_x, along_y = np.empty((half + 1, 2)), np.empty((2 * half + 1, 2))
    moved = np.empty(m, np.complex64)
    for i in range(images.shape[0]):
        most = 0.0
        for t in range(mass.shape[1]):
            most = max(most, mass[i, t])
        for t in range(mass.shape[1]):
            if mass[i, t] <= LEAST_MASS * most:
                continue
            u0 = mass[i, t] * weight[i] * gain[i]
            w0 = np.float32(u0 * gain[i])
            _move_back(images[i], points, u0, shifts[i, t], n, along_x, along_y, moved)
            for g in range(turns.shape[0]):
                B = rotations[i, t] @ turns[g]
                for p in range(m):
                    kx = points[p, 0] * scale
                    ky = points[p, 1] * scale
                    x = kx * B[0, 0] + ky * B[1, 0]
                    y = kx * B[0, 1] + ky * B[1, 1]
                    z = kx * B[0, 2] + ky * B[1, 2]
                    v = moved[p]
                    if x < 0:
                        x, y, z = -x, -y, -z
                        v = np.conj(v)
                    spread(x, y, z, v, w0, c, z_lo, z_hi, total, there)
