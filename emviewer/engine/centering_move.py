"""Move images to their centre: what lies beyond the box becomes background, nothing comes in from the other side."""

from __future__ import annotations

import numpy as np
from scipy import fft as sfft
from scipy import ndimage

from emviewer.engine.threads import each_chunk
from emviewer.engine.types import F32, F64


def background(images: F32) -> F64:
    """Return the level of each image (k, n, n) on the border of its box."""
    border = np.concatenate([images[:, 0], images[:, -1], images[:, :, 0], images[:, :, -1]], axis=1)
    return np.asarray(np.median(border, axis=1), np.float64)


def fourier_cropped(images: F32, n: int) -> F32:
    """Return images (k, m, m) in an even box of ``n`` px, gray values and centre kept (m // 2 goes to n // 2)."""
    m = images.shape[1]
    if n == m:
        return images
    half = sfft.rfft2(images, workers=1)
    low = n // 2
    rows = np.r_[0:low, -low:0]
    cut = half[:, rows, : low + 1]
    cut[:, low, :] = 0
    cut[:, :, low] = 0
    away = (m // 2) / m - 0.5  # nothing, if m is even, too
    if away:
        turn = np.exp(2j * np.pi * away * rows)
        cut *= (turn[:, None] * np.exp(2j * np.pi * away * np.arange(low + 1))).astype(np.complex64)
    cut *= np.float32((n / m) ** 2)
    return np.asarray(sfft.irfft2(cut, (n, n), workers=1), np.float32)


def shifted(images: F32, shift_px: F64) -> F32:
    """Return images (k, n, n) with ``shift_px`` (k, 2) ``(x, y)`` added, through their transforms."""
    n = images.shape[1]
    level = background(images).astype(np.float32)[:, None, None]
    half = sfft.rfft2(images - level, workers=1)
    fx, fy = np.arange(n // 2 + 1) / n, np.fft.fftfreq(n)
    half *= np.exp(-2j * np.pi * shift_px[:, 0, None, None] * fx).astype(np.complex64)
    half *= np.exp(-2j * np.pi * shift_px[:, 1, None, None] * fy[:, None]).astype(np.complex64)
    out = np.asarray(sfft.irfft2(half, s=(n, n), workers=1), np.float32)
    at = np.arange(n)
    for axis in (0, 1):
        source = at - shift_px[:, axis, None]
        inside = (source > -0.5) & (source < n - 0.5)
        out *= inside[:, None, :] if axis == 0 else inside[:, :, None]
    return out + level


def centred(images: F32, shift_px: F64, psi_deg: F64) -> F32:
    """Return images (k, n, n) after shift and turn in RELION's sense: the shift added, then turned by psi's inverse.

    Images that are neither shifted nor turned are returned bit by bit.
    """
    out = images.copy()
    moves = np.flatnonzero((psi_deg == 0) & (shift_px != 0).any(axis=1))

    def work(lo: int, hi: int) -> None:
        out[moves[lo:hi]] = shifted(images[moves[lo:hi]], shift_px[moves[lo:hi]])

    each_chunk(work, len(moves), 4)
    n = images.shape[1]
    y, x = np.indices((n, n)) - n // 2
    for k in np.flatnonzero(psi_deg != 0):
        c, s = np.cos(np.radians(psi_deg[k])), np.sin(np.radians(psi_deg[k]))
        at = [-s * x + c * y - shift_px[k, 1] + n // 2, c * x + s * y - shift_px[k, 0] + n // 2]
        level = float(background(images[k : k + 1])[0])
        out[k] = ndimage.map_coordinates(images[k], at, order=3, mode="constant", cval=level)
    return out
