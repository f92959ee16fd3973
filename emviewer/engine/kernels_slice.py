"""Kernels of the central slice: packing a 3D transform into bricks, and sampling planes through its origin.

Types are left out of the signatures: numba infers them, and the docstrings say them.
"""
# mypy: disable-error-code="no-untyped-def,no-untyped-call,misc"

from __future__ import annotations

import numpy as np
from numba import njit

from emviewer.engine.kernels_window import brick_sum, prefetch_face

POINT_BITS = 32
"""Places on the grid are kept in bricks as integers with this many binary digits after the point."""
ROW_BITS = 7
"""The weight table has 2 ** ROW_BITS rows to a brick (two grid spacings)."""
ROW_BYTES_BITS = 6
AHEAD = 6
"""Samples ahead at which bricks are asked for in large grids: at 256³ an eighth (best) to a quarter (linear) faster."""
FAR_POINTS = 1 << 22
"""Size from which a grid is large: 32 MB, what a last cache may hold. In smaller ones asking ahead costs a tenth."""


@njit(nogil=True, cache=True)
def wrap_lines(source, lines):
    """Turn columns into longer rows, their centre ``n // 2`` at the start and zeros between.

    Parameters
    ----------
    source : complex64, shape (n, m)
        Columns.
    lines : complex64, shape (m, size)
        Rows.
    """
    n, m = source.shape
    size = lines.shape[1]
    for x in range(m):
        for place in range(n - n // 2, size - n // 2):
            lines[x, place] = 0
    for y in range(n):
        place = y - n // 2
        if place < 0:
            place += size
        for x in range(m):
            lines[x, place] = source[y, x]


@njit(nogil=True, cache=True)
def unwrap_lines(lines, reach, out):
    """Turn rows (FFT order) back into columns (2 reach + 1, m) of the frequencies ``-reach … reach``."""
    size = lines.shape[1]
    for k in range(2 * reach + 1):
        y = (k - reach) % size
        for x in range(out.shape[1]):
            out[k, x] = lines[x, y]


@njit(nogil=True, cache=True)
def pack_layer(lines, reach, start, width, layer, bricks):
    """Write two rows y of the transform, all z and some x >= 0, into a layer of bricks; whole bricks at a time.

    Parameters
    ----------
    lines : complex64, shape (2, >= width, size)
        Two neighbouring rows, frequencies along x, frequencies along z (FFT order).
    reach : int
        Grid points before frequency 0 along y and z.
    start, width : int
        Grid point (even) of the first of them along x, and how many there are.
    layer : int
        Place of the bricks along y.
    bricks : complex64, shape (Z, Y, X, 2, 2, 2)
        The grid.
    """
    size = lines.shape[2]
    for bz in range(reach + 1):
        for bx in range((width + 1) // 2):
            brick = bricks[bz, layer, start // 2 + bx]
            for iz in range(min(2, 2 * reach + 1 - 2 * bz)):
                z = (2 * bz + iz - reach) % size
                for iy in range(2):
                    for ix in range(min(2, width - 2 * bx)):
                        brick[iz, iy, ix] = lines[iy, 2 * bx + ix, z]


@njit(nogil=True, cache=True)
def mirror_margins(bricks, size, margin, reach, columns, start, stop):
    """Fill the columns of negative x, and those beyond half the padded box, from their Hermitian mates.

    Parameters
    ----------
    bricks : complex64, shape (Z, Y, X, 2, 2, 2)
        The grid.
    size : int
        Edge of the padded box.
    margin, reach : int
        Grid points before frequency 0 along x, and along y and z.
    columns : int
        Frequencies along x, from 0, that are there already.
    start, stop : int
        Planes along z to do.
    """
    for gz in range(start, stop):
        mz = _mate(gz - reach, reach, size)
        for gy in range(2 * reach + 1):
            my = _mate(gy - reach, reach, size)
            for gx in range(2 * bricks.shape[2]):
                x = gx - margin
                if 0 <= x < columns:
                    continue
                mx = (-x if x < 0 else size - x) + margin
                if 0 <= mx - margin < columns and mz >= 0 and my >= 0:
                    value = bricks[mz >> 1, my >> 1, mx >> 1, mz & 1, my & 1, mx & 1]
                    bricks[gz >> 1, gy >> 1, gx >> 1, gz & 1, gy & 1, gx & 1] = value.conjugate()


@njit(nogil=True, cache=True, inline="always")
def _mate(k, reach, size):
    """Return the place of frequency -k, or of the one a whole period away; -1 if neither is there."""
    if -k >= -reach and -k <= reach:
        return reach - k
    wrapped = size - k if k > 0 else -size - k
    return wrapped + reach if -reach <= wrapped <= reach else -1


@njit(nogil=True, cache=True, fastmath=True, error_model="numpy")
def central_slices(bricks, grid, origin, rotations, step, table, mask, rims, shifts, out):
    """Sample half planes through the origin of a 3D transform.

    Parameters
    ----------
    bricks : tuple of B int
        Its length is the number of bricks an axis of the window.
    grid : complex64, shape (Z, Y, X, 2, 2, 2)
        The half transform.
    origin : tuple of float
        Place ``(z and y, x)`` of frequency 0, in bricks, less the lead of the window.
    rotations : float64, shape (k, 3, 3)
        ``A``: rows are image x, image y, view direction.
    step : float
        Bricks per Fourier pixel of the image.
    table : float32, shape (rows, 2, 8)
        Weights, see ``kernels_window.brick_sum``.
    mask : float32, shape (n, n // 2 + 1)
        Factor of each Fourier pixel, frequencies in FFT order.
    rims : int64, shape (n, 2)
        In each row of the mask, the first pixel that is not 1, and the first from which all are 0.
    shifts : float64, shape (k, 2)
        Pixels (x, y) by which the image is shifted *back* (the pose's sense).
    out : float32, shape (k, n, 2 (n // 2 + 1))
        The half transforms of the images, real and imaginary parts in turn; the centre of rotation is at pixel 0.
    """
    one = float(1 << POINT_BITS)
    base, weights = grid.ctypes.data, table.ctypes.data
    y_step = grid.shape[2] * 64
    z_step = grid.shape[1] * y_step
    origin_x, origin_yz = np.int64(origin[1] * one), np.int64(origin[0] * one)
    row_mask = ((1 << ROW_BITS) - 1) << ROW_BYTES_BITS
    row_shift = POINT_BITS - ROW_BITS - ROW_BYTES_BITS
    part_mask = (1 << (POINT_BITS - ROW_BITS)) - 1
    part = np.float32(1.0 / (1 << (POINT_BITS - ROW_BITS)))
    scale = step * one
    far = grid.size > FAR_POINTS
    n = len(mask)
    for v in range(len(rotations)):
        ax, ay, az = _fixed(rotations[v, 0], scale)
        bx, by, bz = _fixed(rotations[v, 1], scale)
        forward, lead, side_a, side_b = _front(ax, ay, az, y_step, z_step, len(bricks))
        for j in range(n):
            ky = j if j <= (n - 1) // 2 else j - n
            qx, qy, qz = bx * ky, by * ky, bz * ky
            row = out[v, j]
            rim, end = rims[j]
            for i in range(end):
                sign = qx >> 63  # -1 in the half of space that is not stored: read the Hermitian mate
                x = ((qx ^ sign) - sign) + origin_x
                y = ((qy ^ sign) - sign) + origin_yz
                z = ((qz ^ sign) - sign) + origin_yz
                if far:
                    soon = (
                        base
                        + ((z + AHEAD * ((az ^ sign) - sign)) >> POINT_BITS) * z_step
                        + ((y + AHEAD * ((ay ^ sign) - sign)) >> POINT_BITS) * y_step
                        + ((x + AHEAD * ((ax ^ sign) - sign)) >> POINT_BITS) * 64
                    )
                    prefetch_face(bricks, soon + (lead if forward == (sign == 0) else 0), side_a, side_b)
                qx, qy, qz = qx + ax, qy + ay, qz + az
                re, im = brick_sum(
                    bricks,
                    base + (z >> POINT_BITS) * z_step + (y >> POINT_BITS) * y_step + (x >> POINT_BITS) * 64,
                    y_step,
                    z_step,
                    weights,
                    (x >> row_shift) & row_mask,
                    np.float32(np.int32(x & part_mask)) * part,
                    (y >> row_shift) & row_mask,
                    np.float32(np.int32(y & part_mask)) * part,
                    (z >> row_shift) & row_mask,
                    np.float32(np.int32(z & part_mask)) * part,
                )
                row[2 * i] = re
                row[2 * i + 1] = im * np.float32(1 + 2 * sign)
            for i in range(rim, end):
                row[2 * i] *= mask[j, i]
                row[2 * i + 1] *= mask[j, i]
            for i in range(2 * end, out.shape[2]):
                row[i] = 0
        if shifts[v, 0] != 0 or shifts[v, 1] != 0:
            _shift(out[v], shifts[v, 0], shifts[v, 1], rims)


@njit(nogil=True, cache=True, inline="always")
def _front(ax, ay, az, y_step, z_step, bricks):
    """Return the face of the window that meets new bricks first along a row of the slice.

    Whether it moves towards larger addresses, the bytes to it then, and the steps along its two sides.
    """
    if abs(ax) >= max(abs(ay), abs(az)):
        return ax > 0, 64 * (bricks - 1), y_step, z_step
    if abs(ay) >= abs(az):
        return ay > 0, y_step * (bricks - 1), 64, z_step
    return az > 0, z_step * (bricks - 1), 64, y_step


@njit(nogil=True, cache=True, inline="always")
def _fixed(vector, scale):
    return np.int64(vector[0] * scale), np.int64(vector[1] * scale), np.int64(vector[2] * scale)


@njit(nogil=True, cache=True, fastmath=True)
def _shift(image, shift_x, shift_y, rims):
    """Multiply a half transform by the phases of a shift back, in pixels."""
    n = len(image)
    nx = image.shape[1] // 2
    sx, sy = shift_x * 2 * np.pi / n, shift_y * 2 * np.pi / n
    cosine, sine = np.empty(nx, np.float32), np.empty(nx, np.float32)
    for i in range(nx):
        cosine[i], sine[i] = np.cos(sx * i), np.sin(sx * i)
    for j in range(n):
        k = j if j <= (n - 1) // 2 else j - n
        c, s = np.float32(np.cos(sy * k)), np.float32(np.sin(sy * k))
        row = image[j]
        for i in range(rims[j, 1]):
            wave_re, wave_im = c * cosine[i] - s * sine[i], c * sine[i] + s * cosine[i]
            re, im = row[2 * i], row[2 * i + 1]
            row[2 * i] = re * wave_re - im * wave_im
            row[2 * i + 1] = re * wave_im + im * wave_re


@njit(nogil=True, cache=True)
def centre_images(images, out):
    """Cut boxes out of images whose centre is at pixel 0, and put the centre at pixel ``b // 2``.

    Parameters
    ----------
    images : float32, shape (k, n, n)
        Images; what lies before pixel 0 stands at the far end.
    out : float32, shape (k, b, b)
        Result, ``b <= n``.
    """
    n, b = images.shape[1], out.shape[1]
    c = b // 2
    for v in range(len(out)):
        for y in range(b):
            row = y - c if y >= c else y - c + n
            for x in range(b - c):
                out[v, y, c + x] = images[v, row, x]
            for x in range(c):
                out[v, y, x] = images[v, row, n - c + x]
