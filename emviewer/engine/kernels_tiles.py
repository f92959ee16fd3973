"""Loops behind thumbnails: resizing with given weights, moments, and painting values as 32-bit pixels."""

from __future__ import annotations

import numpy as np
from numba import njit


@njit(nogil=True, cache=True)
def resize(images, y_start, y_weight, x_start, x_weight, out):  # type: ignore[no-untyped-def]
    """Resize ``images`` (k, h, w) into ``out`` (k, H, W): row y is the weighted sum of the rows from y_start[y] on."""
    width = images.shape[2]
    row = np.empty(width, np.float32)
    for i in range(images.shape[0]):
        for y in range(y_weight.shape[0]):
            row[:] = 0.0
            for t in range(y_weight.shape[1]):
                weight = y_weight[y, t]
                if weight != 0.0:
                    source = y_start[y] + t
                    for x in range(width):
                        row[x] += weight * images[i, source, x]
            for x in range(x_weight.shape[0]):
                total = np.float32(0.0)
                for t in range(x_weight.shape[1]):
                    weight = x_weight[x, t]
                    if weight != 0.0:
                        total += weight * row[x_start[x] + t]
                out[i, y, x] = total


@njit(nogil=True, cache=True)
def moments(images, mean, sd):  # type: ignore[no-untyped-def]
    """Mean and standard deviation of each image (k, h, w) over its finite pixels; 0 and 0 if it has none."""
    for i in range(images.shape[0]):
        n = 0
        first = 0.0
        second = 0.0
        shift = float(images[i, 0, 0]) if np.isfinite(images[i, 0, 0]) else 0.0
        for y in range(images.shape[1]):
            for x in range(images.shape[2]):
                value = images[i, y, x]
                if np.isfinite(value):
                    d = float(value) - shift
                    n += 1
                    first += d
                    second += d * d
        if n == 0:
            mean[i] = 0.0
            sd[i] = 0.0
        else:
            mean[i] = shift + first / n
            sd[i] = np.sqrt(max(0.0, second / n - (first / n) ** 2))


@njit(nogil=True, cache=True)
def paint(values, low, high, table, out):  # type: ignore[no-untyped-def]
    """Write ``table[(v - low) / (high - low) * 255]`` for each pixel of (k, h, w); NaN is painted as ``low``."""
    for i in range(values.shape[0]):
        span = high[i] - low[i]
        scale = 255.0 / span if span > 0.0 else 0.0
        base = low[i]
        for y in range(values.shape[1]):
            for x in range(values.shape[2]):
                level = (values[i, y, x] - base) * scale + 0.5
                if level >= 255.0:
                    out[i, y, x] = table[255]
                elif level >= 0.0:
                    out[i, y, x] = table[int(level)]
                else:
                    out[i, y, x] = table[0]
