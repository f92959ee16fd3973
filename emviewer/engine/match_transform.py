"""The padded transform of a map that matching reads its slices from, made axis by axis without shifting copies."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from emviewer.engine import fft, threads
from emviewer.engine.errors import DataError
from emviewer.engine.types import F32

C64 = NDArray[np.complex64]
STRIP = 32
"""Columns transformed at a time, so that a strip stays in the second-level cache."""


def prepare_transform(data: F32, pad: int = 2) -> C64:
    """Return the prepared transform of a cubic map for :mod:`emviewer.engine.kernels_match_slice`.

    Parameters
    ----------
    data : ndarray of float32, shape (n, n, n)
        The map; voxel n // 2 is the centre.
    pad : int
        Zero-padding factor.

    Returns
    -------
    ndarray of complex64, shape (p + 2, p + 2, p // 2 + 5), p = pad · n rounded up to even
        The map was divided by the transform of the cubic B-spline that interpolates in it.
    """
    n = data.shape[0]
    if data.shape != (n, n, n):
        raise DataError(f"matching needs a cubic map, this one has shape {data.shape}")
    p = pad * n + (pad * n) % 2
    c = p // 2
    planes = _transform_planes(data, p)
    out = np.zeros((p + 2, p + 2, c + 5), np.complex64)

    def work(start: int, stop: int) -> None:
        with fft.lend("forward", (p, STRIP), (0,)) as plan:
            for y in range(start, stop):
                row = (y + c) % p  # frequency y - c stands at place y
                for x in range(0, c + 1, STRIP):
                    width = min(STRIP, c + 1 - x)
                    _wrap(planes[:, row, x : x + width], plan.input[:, :width])
                    plan.run()
                    place = slice(2 + x, 2 + x + width)
                    out[c:p, y, place] = plan.output[:c, :width]
                    out[:c, y, place] = plan.output[c:, :width]

    threads.each_chunk(work, p, 8)
    mirror = (2 * c - np.arange(p)) % p
    for k in (1, 2):
        out[:p, :p, 2 - k] = np.conj(out[np.ix_(mirror, mirror, [2 + k])][..., 0])
    out[p:, :p] = out[:2, :p]
    out[:, p:] = out[:, :2]
    return out


def _transform_planes(data: F32, p: int) -> C64:
    """Transform every plane along x and y, centre at the start, zeros between: (n, p, p // 2 + 1)."""
    n = len(data)
    correction = (1 / np.sinc((np.arange(n) - n // 2) / p) ** 4).astype(np.float32)
    weight = np.outer(correction, correction)
    columns = p // 2 + 1
    out = np.empty((n, p, columns), np.complex64)

    def work(start: int, stop: int) -> None:
        with fft.lend("r2c", (n, p), (1,)) as rows, fft.lend("forward", (p, STRIP), (0,)) as plan:
            rows.input[:] = 0
            for z in range(start, stop):
                plane = data[z] * weight
                plane *= correction[z]
                rows.input[:, : n - n // 2] = plane[:, n // 2 :]
                rows.input[:, p - n // 2 :] = plane[:, : n // 2]
                rows.run()
                for x in range(0, columns, STRIP):
                    width = min(STRIP, columns - x)
                    _wrap(rows.output[:, x : x + width], plan.input[:, :width])
                    plan.run()
                    out[z, :, x : x + width] = plan.output[:, :width]

    threads.each_chunk(work, n, 4)
    return out


def _wrap(lines: C64, out: C64) -> None:
    """Put lines into longer ones, their centre at the start and zeros between."""
    n = len(lines)
    out[: n - n // 2] = lines[n // 2 :]
    out[n - n // 2 : len(out) - n // 2] = 0
    out[len(out) - n // 2 :] = lines[: n // 2]
