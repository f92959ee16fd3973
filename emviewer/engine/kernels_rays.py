"""Kernels of projection in real space: cubic B-splines, rays through planes, and sheared sums of planes.

A map is cut into planes across the axis that is nearest to the view direction. Arrays are ``[t, v, u]``: planes,
rows, and the axis that is contiguous, each plane with ``MARGIN`` zeros around it.
"""
# mypy: disable-error-code="no-untyped-def,no-untyped-call,misc"

from __future__ import annotations

import numpy as np
from numba import njit

MARGIN = 8
"""Rim of a plane: spline coefficients have fallen to 3e-5 of the value at the edge beyond it."""
ONE, TWO, THREE = np.uintp(1), np.uintp(2), np.uintp(3)
POLE = np.float32(np.sqrt(3.0) - 2.0)


@njit(nogil=True, cache=True, fastmath=True)
def spline_coefficients(planes, start, stop):
    """Turn samples into cubic B-spline coefficients, in place, along the two last axes (Unser et al. 1993).

    Parameters
    ----------
    planes : float32, shape (t, v, u)
        Zero outside.
    start, stop : int
        Planes to do.
    """
    _, height, width = planes.shape
    last = POLE / (POLE * POLE - np.float32(1))
    gain = np.float32(36)
    for t in range(start, stop):
        plane = planes[t]
        for v in range(height):
            row = plane[v]
            row[0] *= gain
            for u in range(1, width):
                row[u] = gain * row[u] + POLE * row[u - 1]
            row[width - 1] *= last
            for u in range(width - 2, -1, -1):
                row[u] = POLE * (row[u + 1] - row[u])
        for v in range(1, height):
            for u in range(width):
                plane[v, u] += POLE * plane[v - 1, u]
        for u in range(width):
            plane[height - 1, u] *= last
        for v in range(height - 2, -1, -1):
            for u in range(width):
                plane[v, u] = POLE * (plane[v + 1, u] - plane[v, u])


@njit(nogil=True, cache=True, fastmath=True, inline="always")
def _weights(part, degree):
    """Return the weights of the four samples around a place: degree 0 nearest, 1 linear, 3 cubic B-spline."""
    one, zero = np.float32(1), np.float32(0)
    if degree == 0:
        return zero, one if part < np.float32(0.5) else zero, zero if part < np.float32(0.5) else one, zero
    rest = one - part
    if degree == 1:
        return zero, rest, part, zero
    sixth, two_thirds, half = np.float32(1 / 6), np.float32(2 / 3), np.float32(0.5)
    return (
        sixth * rest * rest * rest,
        two_thirds - part * part * (one - half * part),
        two_thirds - rest * rest * (one - half * rest),
        sixth * part * part * part,
    )


@njit(nogil=True, cache=True, fastmath=True)
def integrate_rays(planes, centre, step_x, step_y, slope, start, scale, degree, out):
    """Add the values that the rays of an image meet on every plane.

    Parameters
    ----------
    planes : float32, shape (t, v, u)
        Samples or spline coefficients, with their margins; all planes, or some of them.
    centre : int
        The plane through the centre of rotation, counted from the first of these.
    step_x, step_y : tuple of float
        How far ``(u, v)`` moves from a pixel to the next along image x and y.
    slope : tuple of float
        How far ``(u, v)`` moves from a plane to the next.
    start : tuple of float
        ``(u, v)``, margins counted, of image pixel (0, 0) on the central plane.
    scale : float
        Length of ray per plane.
    degree : int
        0, 1 or 3.
    out : float32, shape (h, w)
        The image; added to.
    """
    n, height, width = planes.shape
    factor = np.float32(scale)
    for t in range(n):
        plane = planes[t]
        for j in range(out.shape[0]):
            u0 = start[0] + step_y[0] * j + slope[0] * (t - centre)
            v0 = start[1] + step_y[1] * j + slope[1] * (t - centre)
            first, stop = _inside(u0, step_x[0], 1.0, width - 2.0, 0, out.shape[1])
            first, stop = _inside(v0, step_x[1], 1.0, height - 2.0, first, stop)
            for i in range(first, stop):
                u, v = u0 + step_x[0] * i, v0 + step_x[1] * i
                iu, iv = int(u), int(v)
                out[j, i] += factor * _sample(plane, iu, iv, np.float32(u - iu), np.float32(v - iv), degree)


@njit(nogil=True, cache=True, inline="always")
def _inside(place, step, low, high, first, stop):
    """Narrow the range of ``i`` to where ``low <= place + step * i < high``."""
    if abs(step) < 1e-12:
        return (first, stop) if low <= place < high else (0, 0)
    a, b = (low - place) / step, (high - place) / step
    if a > b:
        a, b = b, a
    first, stop = max(first, int(np.ceil(a + 1e-9))), min(stop, int(np.floor(b - 1e-9)) + 1)
    return first, stop


@njit(nogil=True, cache=True, fastmath=True, inline="always")
def _sample(plane, iu, iv, part_u, part_v, degree):
    a0, a1, a2, a3 = _weights(part_u, degree)
    b0, b1, b2, b3 = _weights(part_v, degree)
    u0, v0 = np.uintp(iu - 1), np.uintp(iv - 1)  # unsigned: no check for negative indices
    u1, u2, u3 = u0 + ONE, u0 + TWO, u0 + THREE
    r0, r1, r2, r3 = plane[v0], plane[v0 + ONE], plane[v0 + TWO], plane[v0 + THREE]
    return (
        b0 * (a0 * r0[u0] + a1 * r0[u1] + a2 * r0[u2] + a3 * r0[u3])
        + b1 * (a0 * r1[u0] + a1 * r1[u1] + a2 * r1[u2] + a3 * r1[u3])
        + b2 * (a0 * r2[u0] + a1 * r2[u1] + a2 * r2[u2] + a3 * r2[u3])
        + b3 * (a0 * r3[u0] + a1 * r3[u1] + a2 * r3[u2] + a3 * r3[u3])
    )


@njit(nogil=True, cache=True, fastmath=True)
def sum_sheared(planes, centre, slope, total):
    """Shift every plane by the slope times its distance from the centre, through cubic splines, and add it to a sum.

    Parameters
    ----------
    planes : float32, shape (t, v, u)
        Spline coefficients with their margins.
    centre : int
        The plane that stays, counted from the first of these.
    slope : tuple of float
        Shift ``(u, v)`` a plane: plane ``t`` is read at ``(u, v) + slope * (t - centre)``.
    total : float32, shape (V, U)
        The sum, with the centre of the planes' array at the centre of this one; added to.
    """
    depth, height, width = planes.shape
    place_u, place_v = (total.shape[1] - width) // 2, (total.shape[0] - height) // 2
    for t in range(depth):
        plane = planes[t]
        u, v = slope[0] * (t - centre), slope[1] * (t - centre)
        iu, iv = int(np.floor(u)), int(np.floor(v))
        a0, a1, a2, a3 = _weights(np.float32(u - iu), 3)
        b0, b1, b2, b3 = _weights(np.float32(v - iv), 3)
        for row in range(1, height - 2):
            target = row + place_v - iv
            first = max(1, iu - place_u)
            n = min(width - 2, total.shape[1] + iu - place_u) - first
            if 0 <= target < total.shape[0] and n > 0:
                _add_rows(
                    plane[row - 1, first - 1 :],
                    plane[row, first - 1 :],
                    plane[row + 1, first - 1 :],
                    plane[row + 2, first - 1 :],
                    (a0, a1, a2, a3),
                    (b0, b1, b2, b3),
                    total[target, first + place_u - iu :][:n],
                )


@njit(nogil=True, cache=True, fastmath=True)
def _add_rows(r0, r1, r2, r3, a, b, out):
    a0, a1, a2, a3 = a
    b0, b1, b2, b3 = b
    for x in range(len(out)):
        out[x] += (
            b0 * (a0 * r0[x] + a1 * r0[x + 1] + a2 * r0[x + 2] + a3 * r0[x + 3])
            + b1 * (a0 * r1[x] + a1 * r1[x + 1] + a2 * r1[x + 2] + a3 * r1[x + 3])
            + b2 * (a0 * r2[x] + a1 * r2[x + 1] + a2 * r2[x + 2] + a3 * r2[x + 3])
            + b3 * (a0 * r3[x] + a1 * r3[x + 1] + a2 * r3[x + 2] + a3 * r3[x + 3])
        )
