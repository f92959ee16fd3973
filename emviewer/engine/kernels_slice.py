"""Kernels of the central slice: sampling a 3D transform on planes through its origin."""

from __future__ import annotations

import numpy as np
from numba import njit

from emviewer.engine.kernels_window import window_sum


@njit(nogil=True, cache=True, fastmath=True, error_model="numpy")  # type: ignore[untyped-decorator]
def central_slices(taps, grid, centre, rotations, step, table_x, table, mask, phase_x, phase_y, shifts, out):  # type: ignore[no-untyped-def]
    """Sample half planes through the origin of a 3D transform.

    Parameters
    ----------
    taps : tuple of W int
        Its length is the width of the interpolation kernel.
    grid : complex64, shape (Z, Y, X)
        The half transform, frequency 0 at ``centre``, with margins of W // 2 + 1 on every side.
    centre : tuple of int
        Index ``(y and z, x)`` of frequency 0.
    rotations : float64, shape (k, 3, 3)
        ``A``: rows are image x, image y, view direction.
    step : float
        Grid spacings per Fourier pixel of the image.
    table_x, table : float32, shapes (rows + 1, 2, 2 W), (rows + 1, 2, W)
        Weights, see ``kernels_window.window_sum``.
    mask : float32, shape (n, n // 2 + 1)
        Factor of each Fourier pixel, 0 outside the disc; frequencies in FFT order.
    phase_x, phase_y : complex64, shapes (n // 2 + 1,), (n,)
        Phases that put the origin on pixel n // 2.
    shifts : float64, shape (k, 2)
        Pixels (x, y) by which the image is shifted *back* (the pose's sense).
    out : complex64, shape (k, n, n // 2 + 1)
        The half transforms of the images.
    """
    width = len(taps)
    half = (width - 1) // 2
    offset = 0.5 * (width % 2)
    rows = table.shape[0] - 1
    base, address_x, address = grid.ctypes.data, table_x.ctypes.data, table.ctypes.data
    y_stride = grid.shape[2] * 8
    z_stride = grid.shape[1] * y_stride
    c, cx = centre
    start = base - half * (z_stride + y_stride + 8) + cx * 8
    n, nx = mask.shape
    wave_x = np.empty(nx, np.complex64)
    wave_y = np.empty(n, np.complex64)
    ends = np.zeros(n, np.int64)
    for j in range(n):
        for i in range(nx):
            if mask[j, i] != 0:
                ends[j] = i + 1
    for v in range(len(rotations)):
        ax, ay, az = rotations[v, 0, 0] * step, rotations[v, 0, 1] * step, rotations[v, 0, 2] * step
        bx, by, bz = rotations[v, 1, 0] * step, rotations[v, 1, 1] * step, rotations[v, 1, 2] * step
        sx, sy = shifts[v, 0] * 2 * np.pi / n, shifts[v, 1] * 2 * np.pi / n
        if sx == 0 and sy == 0:
            wave_x[:] = phase_x
            wave_y[:] = phase_y
        else:
            for i in range(nx):
                wave_x[i] = phase_x[i] * np.complex64(complex(np.cos(sx * i), np.sin(sx * i)))
            for j in range(n):
                k = j if j <= (n - 1) // 2 else j - n
                wave_y[j] = phase_y[j] * np.complex64(complex(np.cos(sy * k), np.sin(sy * k)))
        for j in range(n):
            ky = j if j <= (n - 1) // 2 else j - n
            end = ends[j]
            for i in range(end):
                px, py, pz = ax * i + bx * ky, ay * i + by * ky, az * i + bz * ky
                sign = 1.0 if px >= 0 else -1.0
                px, py, pz = px * sign + offset, py * sign + (offset + c), pz * sign + (offset + c)
                ix, iy, iz = int(px), int(py), int(pz)
                fx, fy, fz = (px - ix) * rows, (py - iy) * rows, (pz - iz) * rows
                rx, ry, rz = int(fx), int(fy), int(fz)
                re, im = window_sum(
                    taps,
                    start + iz * z_stride + iy * y_stride + ix * 8,
                    y_stride,
                    z_stride,
                    address_x,
                    address,
                    rx,
                    np.float32(fx - rx),
                    ry,
                    np.float32(fy - ry),
                    rz,
                    np.float32(fz - rz),
                )
                value = np.complex64(complex(re, im * np.float32(sign))) * mask[j, i]
                out[v, j, i] = value * (wave_x[i] * wave_y[j])
            for i in range(end, nx):
                out[v, j, i] = 0
