"""What makes many images fit to be looked at as tiles: size, grey levels, pixels of a screen.

Nothing here changes data; it prepares pixels for a screen, and the window calls it in its view lane.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from emviewer.engine.kernels_tiles import moments, paint, resize
from emviewer.engine.task import Check, never
from emviewer.engine.types import F32, F64, ImageStack

NEAREST_FROM = 3.0
"""Enlargement from which pixels are shown as squares; below it, squares of unequal width would look like structure."""
SIGMAS = 3.0
"""Half-width of the grey range of a tile that is scaled by itself, in standard deviations."""


def fitted_shape(shape: tuple[int, int], longest_px: int) -> tuple[int, int]:
    """Return the (height, width) with the same proportions whose longer edge is ``longest_px``; at least 1 × 1."""
    height, width = shape
    scale = longest_px / max(height, width)
    return max(1, round(height * scale)), max(1, round(width * scale))


@lru_cache(maxsize=256)
def _weights(n_in: int, n_out: int) -> tuple[NDArray[np.int64], F32]:
    """Return (first input pixel (n_out,), weights (n_out, taps)) of one axis; rows sum to 1."""
    ratio = n_in / n_out
    if 1.0 / ratio >= NEAREST_FROM:
        start = np.minimum((np.arange(n_out) + 0.5) * ratio, n_in - 1).astype(np.int64)
        return start, np.ones((n_out, 1), np.float32)
    if ratio < 1.0:
        centre = np.clip((np.arange(n_out) + 0.5) * ratio - 0.5, 0, n_in - 1)
        start = np.minimum(np.floor(centre).astype(np.int64), max(n_in - 2, 0))
        part = (centre - start).astype(np.float32)
        return start, np.stack([1 - part, part], 1) if n_in > 1 else np.ones((n_out, 1), np.float32)
    left, right = np.arange(n_out) * ratio, np.arange(1, n_out + 1) * ratio
    start = np.floor(left + 1e-9).astype(np.int64)
    taps = int((np.ceil(right - 1e-9).astype(np.int64) - start).max())
    pixel = start[:, None] + np.arange(taps)
    overlap = np.minimum(right[:, None], pixel + 1) - np.maximum(left[:, None], pixel)
    weight = np.clip(overlap, 0, None) * (pixel < n_in)
    return start, (weight / weight.sum(1, keepdims=True)).astype(np.float32)


def resized(images: F32, longest_px: int) -> F32:
    """Return images (k, h, w) at another size for display.

    Parameters
    ----------
    images : ndarray of float32, shape (k, h, w)
        Images.
    longest_px : int
        Longer edge of the result in pixels; the proportions are kept.

    Returns
    -------
    ndarray of float32, shape (k, H, W)
        Area averages when made smaller (the mean of the image is kept, nothing aliases), bilinear when made a
        little larger, squares from ``NEAREST_FROM`` times on. The same array if the size does not change.
    """
    height, width = fitted_shape((images.shape[1], images.shape[2]), longest_px)
    if (height, width) == images.shape[1:]:
        return images
    out: F32 = np.empty((len(images), height, width), np.float32)
    y_start, y_weight = _weights(images.shape[1], height)
    x_start, x_weight = _weights(images.shape[2], width)
    resize(np.ascontiguousarray(images, np.float32), y_start, y_weight, x_start, x_weight, out)
    return out


def tile_levels(images: F32) -> tuple[F64, F64]:
    """Return (low, high), each (k,), of images (k, h, w) that are scaled one by one: mean ± 3 standard deviations."""
    mean, sd = np.empty(len(images)), np.empty(len(images))
    moments(np.ascontiguousarray(images, np.float32), mean, sd)
    return mean - SIGMAS * sd, mean + SIGMAS * sd


def as_pixels(values: F32, low: ArrayLike, high: ArrayLike, table: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """Return values (k, h, w) as 0xffRRGGBB pixels.

    Parameters
    ----------
    values : ndarray of float32, shape (k, h, w)
        Images.
    low, high : float or array of shape (k,)
        Values that get the first and the last colour; equal ones paint everything in the first.
    table : ndarray of uint32, shape (256,)
        The colours.
    """
    k = len(values)
    out = np.empty(values.shape, np.uint32)
    lows = np.ascontiguousarray(np.broadcast_to(np.asarray(low, np.float64), (k,)))
    highs = np.ascontiguousarray(np.broadcast_to(np.asarray(high, np.float64), (k,)))
    paint(np.ascontiguousarray(values, np.float32), lows, highs, table, out)
    return out


def sampled_values(stack: ImageStack, *, max_images: int = 64, max_pixels: int = 200_000, check: Check = never) -> F32:
    """Return a regular subsample of the finite pixels of a stack, shape (m,).

    At most ``max_images`` images spread over the stack and ``max_pixels`` of their pixels. Images of one value
    (masked, failed) do not count unless all are.
    """
    ids = np.unique(np.linspace(0, max(0, stack.n - 1), min(stack.n, max_images)).astype(np.int64))
    step = max(1, int(np.ceil(stack.shape[0] * stack.shape[1] * len(ids) / max_pixels)))
    kept: list[F32] = []
    flat: list[F32] = []
    for block in np.array_split(ids, max(1, len(ids) // 8)):
        check()
        for image in stack[block]:
            values = image.ravel()[::step]
            values = values[np.isfinite(values)]
            if len(values):
                (kept if np.ptp(values) > 0 else flat).append(values)
    chosen = kept or flat
    return np.concatenate(chosen) if chosen else np.empty(0, np.float32)


def low_passed(images: F32, cutoff_px: float) -> F32:
    """Return images (k, h, w) without detail finer than ``cutoff_px`` pixels (resolution in Å over pixel size).

    A Gaussian in Fourier space that has fallen to one half at the cut-off: no rings around strong features.
    """
    height, width = images.shape[1:]
    squares = np.fft.fftfreq(height)[:, None] ** 2 + np.fft.rfftfreq(width) ** 2
    gain = np.exp2(-squares * cutoff_px**2)
    return np.fft.irfft2(np.fft.rfft2(images) * gain, s=(height, width)).astype(np.float32)
