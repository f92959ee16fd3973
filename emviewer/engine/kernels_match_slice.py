# mypy: disable-error-code="no-untyped-def"
"""Inner loops of projection matching: central slices of a map's transform, and their gradients.

A *prepared transform* ``F`` is the centred Fourier transform of a map padded to an even ``p``, its half ``x >= 0``
with guard cells so that a 4×4×4 neighbourhood never leaves the array: shape ``(p + 2, p + 2, p // 2 + 5)``,
index ``[z + p/2, y + p/2, x + 2]``. The map was divided by the cubic B-spline's transform beforehand, so weighting
the neighbourhood with B-spline weights interpolates (gridding).
"""

from __future__ import annotations

import numpy as np
from numba import njit

from emviewer.engine.kernels_stencil import stencil_gradient, stencil_value


@njit(nogil=True, fastmath=True, cache=True, inline="always")
def bspline(f, w, d):
    """Write the four cubic B-spline weights at fraction ``f`` (float32) into ``w``, their derivatives into ``d``."""
    g = np.float32(1) - f
    sixth = np.float32(1 / 6)
    half = np.float32(0.5)
    w[0] = g * g * g * sixth
    w[1] = (np.float32(4) - np.float32(6) * f * f + np.float32(3) * f * f * f) * sixth
    w[2] = (np.float32(4) - np.float32(6) * g * g + np.float32(3) * g * g * g) * sixth
    w[3] = f * f * f * sixth
    d[0] = -g * g * half
    d[1] = (np.float32(3) * f * f - np.float32(4) * f) * half
    d[2] = (np.float32(4) * g - np.float32(3) * g * g) * half
    d[3] = f * f * half


@njit(nogil=True, fastmath=True, cache=True, inline="always")
def _place(B, kx, ky, w):
    """Write the weights at point (kx, ky) of view ``B``; return the first neighbour's (x, y, z) and the side."""
    x = kx * B[0, 0] + ky * B[1, 0]
    y = kx * B[0, 1] + ky * B[1, 1]
    z = kx * B[0, 2] + ky * B[1, 2]
    conjugate = x < 0
    if conjugate:
        x, y, z = -x, -y, -z
    ix = int(np.floor(x))
    iy = int(np.floor(y))
    iz = int(np.floor(z))
    bspline(np.float32(x - ix), w[0, :4], w[0, 4:])
    bspline(np.float32(y - iy), w[1, :4], w[1, 4:])
    bspline(np.float32(z - iz), w[2, :4], w[2, 4:])
    return ix + 1, iy - 1, iz - 1, conjugate


@njit(nogil=True, fastmath=True, error_model="numpy", cache=True)
def slice_values(F, c, scale, points, A, out):
    """Sample the central slice of view ``A`` at ``points`` (k, 2), in pixels of the unpadded image transform."""
    w = np.empty((3, 8), np.float32)
    B = A * scale
    y_step = F.shape[2] * 8
    z_step = F.shape[1] * y_step
    base = F.ctypes.data
    weights = w.ctypes.data
    for i in range(points.shape[0]):
        x, y, z, conjugate = _place(B, points[i, 0], points[i, 1], w)
        re, im = stencil_value(base + (z + c) * z_step + (y + c) * y_step + x * 8, y_step, z_step, weights)
        out[i] = complex(re, -im if conjugate else im)


@njit(nogil=True, fastmath=True, error_model="numpy", cache=True)
def slice_and_gradient(F, c, scale, points, m, A, value, gradient):
    """Sample the slice at the first ``m`` points, and its gradient (m, 3) in the image's frame, z along the view."""
    w = np.empty((3, 8), np.float32)
    B = A * scale
    y_step = F.shape[2] * 8
    z_step = F.shape[1] * y_step
    base = F.ctypes.data
    weights = w.ctypes.data
    for i in range(m):
        x, y, z, conjugate = _place(B, points[i, 0], points[i, 1], w)
        re, im, xr, xi, yr, yi, zr, zi = stencil_gradient(
            base + (z + c) * z_step + (y + c) * y_step + x * 8, y_step, z_step, weights
        )
        if conjugate:
            im, xr, yr, zr = -im, -xr, -yr, -zr
        value[i] = complex(re, im)
        for j in range(3):
            gradient[i, j] = complex(
                B[j, 0] * xr + B[j, 1] * yr + B[j, 2] * zr, B[j, 0] * xi + B[j, 1] * yi + B[j, 2] * zi
            )
