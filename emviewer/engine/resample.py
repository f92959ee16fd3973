"""Images and maps on another pixel grid: boxes cut or padded, Fourier resampling, sub-pixel shifts.

Everything happens about pixel ``n // 2``: what stood on the centre of rotation stands there afterwards, for even and
odd sizes alike.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from emviewer.engine import fft, threads
from emviewer.engine.errors import ParameterError
from emviewer.engine.task import Check, never
from emviewer.engine.types import F32


def resize_box(data: F32, shape: Sequence[int], fill: float = 0.0) -> F32:
    """Cut or pad the last axes about pixel ``n // 2``, without interpolation.

    Parameters
    ----------
    data : ndarray of float32
        Image, map or stack.
    shape : sequence of int
        New lengths of the last ``len(shape)`` axes.
    fill : float
        Value of what is added.

    Returns
    -------
    ndarray of float32
        A new array.
    """
    old = data.shape[data.ndim - len(shape) :]
    out = np.full((*data.shape[: data.ndim - len(shape)], *shape), fill, np.float32)
    source, target = [], []
    for n, m in zip(old, shape, strict=True):
        first = max(n // 2 - m // 2, 0)
        place = max(m // 2 - n // 2, 0)
        length = min(n - first, m - place)
        source.append(slice(first, first + length))
        target.append(slice(place, place + length))
    lead: list[Any] = [Ellipsis]
    out[tuple(lead + target)] = data[tuple(lead + source)]
    return out


def fourier_resize(data: F32, shape: Sequence[int], check: Check = never) -> F32:
    """Resample the last axes to other numbers of pixels over the same field of view.

    Going down, frequencies beyond the new Nyquist are dropped (no aliasing); going up, none are added. Values are
    kept (a constant stays what it is), and pixel ``n // 2`` goes to pixel ``m // 2``. Up and down again is exact.

    Parameters
    ----------
    data : ndarray of float32
        Image (h, w), map (nz, ny, nx) or stack of images (k, h, w).
    shape : sequence of int
        New lengths of the last ``len(shape)`` axes (two for images, three for a map).
    check : callable
        Called every few planes.

    Returns
    -------
    ndarray of float32
        A new array.
    """
    if min(shape) < 1:
        raise ParameterError(f"cannot resample to {tuple(shape)} pixels", "box", "give at least one pixel")
    result = np.asarray(data, np.float32)
    for axis, m in zip(range(data.ndim - len(shape), data.ndim), shape, strict=True):
        if result.shape[axis] != m:
            result = _resample_axis(result, axis, m, check)
    return result.copy() if result is data else result


def to_pixel_size(data: F32, pixel_size_A: float, target_A: float, spatial: int) -> tuple[F32, float]:
    """Resample images or a map to another pixel size.

    Parameters
    ----------
    data : ndarray of float32
        Images (..., h, w) or map (nz, ny, nx); the last ``spatial`` axes have equal lengths.
    pixel_size_A, target_A : float
        Pixel size now and wanted, in Å.
    spatial : int
        2 or 3.

    Returns
    -------
    ndarray of float32, float
        The resampled data, and the pixel size really reached: within 0.5 % of the one wanted for boxes of 64 and
        more, by padding them by up to a third before resampling.
    """
    n = data.shape[-1]
    if any(length != n for length in data.shape[data.ndim - spatial :]):
        raise ParameterError(f"resampling needs equal edges, not {data.shape[-spatial:]}", "box", "pad to a cube first")
    ratio = target_A / pixel_size_A
    if not ratio > 0:
        raise ParameterError(f"pixel size {target_A} Å is not positive", "--resample", "give it in Å")
    padded, fewer = _rational(n, ratio)
    grown = data if padded == n else resize_box(data, (padded,) * spatial)
    resampled = fourier_resize(grown, (fewer,) * spatial)
    box = max(1, int(np.ceil(n / ratio - 1e-9)))
    if box < fewer:
        resampled = resize_box(resampled, (box,) * spatial)
    return resampled, pixel_size_A * padded / fewer


def _rational(n: int, ratio: float) -> tuple[int, int]:
    """Return box sizes (p >= n, m) with p / m close to ``ratio``."""
    best, error = (n, max(1, round(n / ratio))), np.inf
    for padded in range(n, n + max(n // 3, 2) + 1):
        m = max(1, round(padded / ratio))
        now = abs(padded / m / ratio - 1)
        if now < error:
            best, error = (padded, m), now
        if error < 1e-9:
            break
    return best


def shift_images(images: F32, shifts_px: ArrayLike) -> F32:
    """Move images by fractions of a pixel, cyclically, through a phase ramp.

    Parameters
    ----------
    images : ndarray of float32, shape (n, h, w)
        Images.
    shifts_px : array_like, shape (n, 2)
        ``(x, y)`` in pixels *added* to every position: a pose's shift centres its image.

    Returns
    -------
    ndarray of float32, shape (n, h, w)
        Moved images.
    """
    n, h, w = images.shape
    shifts = np.asarray(shifts_px, np.float64).reshape(n, 2)
    out = np.empty(images.shape, np.float32)
    x_index, y_index = np.arange(w // 2 + 1), np.fft.fftfreq(h, 1 / h)

    def work(start: int, stop: int) -> None:
        with fft.lend("r2c", (h, w), (0, 1)) as forward, fft.lend("c2r", (h, w), (0, 1)) as backward:
            for i in range(start, stop):
                forward.input[:] = images[i]
                forward.run()
                ramp_x, ramp_y = _ramp(x_index, w, shifts[i, 0]), _ramp(y_index, h, shifts[i, 1])
                backward.input[:] = forward.output * (ramp_y[:, None] * ramp_x)
                backward.run()
                out[i] = backward.output / np.float32(h * w)

    threads.each_chunk(work, n)
    return out


def _ramp(index: ArrayLike, n: int, shift: float) -> NDArray[np.complex64]:
    k = np.asarray(index, np.float64)
    ramp = np.exp(-2j * np.pi * k * shift / n)
    if n % 2 == 0:  # the Nyquist frequency of a real image is a cosine: only its real part is moved
        ramp = np.where(np.abs(k) == n // 2, ramp.real, ramp)
    return np.asarray(ramp, np.complex64)


def _resample_axis(data: F32, axis: int, m: int, check: Check) -> F32:
    n = data.shape[axis]
    out = np.empty((*data.shape[:axis], m, *data.shape[axis + 1 :]), np.float32)
    last = axis == data.ndim - 1
    planes, results = (data, out) if last or axis == data.ndim - 2 else (data.swapaxes(0, 1), out.swapaxes(0, 1))
    if planes.ndim == 2:
        planes, results = planes[None], results[None]
    along = 1 if last else 0
    factor = _resample_factor(n, m)[:, None] if along == 0 else _resample_factor(n, m)
    kept = (slice(0, min(n, m) // 2 + 1), slice(None)) if along == 0 else (slice(None), slice(0, min(n, m) // 2 + 1))
    nyquist = (m // 2, slice(None)) if along == 0 else (slice(None), m // 2)

    def work(start: int, stop: int) -> None:
        old, new = planes.shape[1:], results.shape[1:]
        with fft.lend("r2c", old, (along,)) as forward, fft.lend("c2r", new, (along,)) as backward:
            for i in range(start, stop):
                check()
                forward.input[:] = planes[i]
                forward.run()
                backward.input[:] = 0
                backward.input[kept] = forward.output[kept] * factor
                if m % 2 == 0 and m < n:
                    backward.input[nyquist] = 2 * backward.input[nyquist].real
                backward.run()
                results[i] = backward.output

    threads.each_chunk(work, len(planes), max(1, min(8, len(planes) // threads.threads())))
    return out


def _resample_factor(n: int, m: int) -> NDArray[np.complex64]:
    """Return the factor of each frequency kept: centre n // 2 to m // 2, scale, and the shared Nyquist frequency."""
    q = min(n, m)
    k = np.arange(q // 2 + 1)
    factor = np.exp(2j * np.pi * k * ((n // 2) / n - (m // 2) / m)) / n
    if m > n and n % 2 == 0:
        factor[n // 2] /= 2  # was one frequency, is now two
    return np.asarray(factor, np.complex64)
