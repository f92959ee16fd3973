"""Soft filters by resolution, and soft round masks, for images and maps.

Every filter is a factor of the Fourier amplitude that depends on the spatial frequency alone and falls along a raised
cosine; the resolution given is where the factor is one half.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from emviewer.engine import fft, threads
from emviewer.engine.errors import ParameterError
from emviewer.engine.task import Check, never
from emviewer.engine.types import F32, F64, Map3D

EDGE_PX = 3.0
"""Width of a filter's edge in Fourier pixels of the longest axis."""


def lowpass(data: F32, pixel_size_A: float, resolution_A: float, *, spatial: int = 0, edge_px: float = EDGE_PX) -> F32:
    """Remove detail finer than a resolution.

    Parameters
    ----------
    data : ndarray of float32
        An image (h, w), a map (nz, ny, nx), or a stack of either; see ``spatial``.
    pixel_size_A : float
        Pixel size in Å.
    resolution_A : float
        Where the amplitude is halved, in Å.
    spatial : int
        How many of the last axes are space: 2 for a stack of images, 3 for maps; 0 takes all axes.
    edge_px : float
        Width of the edge in Fourier pixels of the longest axis; 0 cuts sharply.

    Returns
    -------
    ndarray of float32
        A new array of the same shape.

    Raises
    ------
    ParameterError
        A resolution that is not positive.
    """
    return bandpass(data, pixel_size_A, None, resolution_A, spatial=spatial, edge_px=edge_px)


def highpass(data: F32, pixel_size_A: float, resolution_A: float, *, spatial: int = 0, edge_px: float = EDGE_PX) -> F32:
    """Remove what is coarser than a resolution, the mean included; parameters as for :func:`lowpass`."""
    return bandpass(data, pixel_size_A, resolution_A, None, spatial=spatial, edge_px=edge_px)


def bandpass(
    data: F32,
    pixel_size_A: float,
    coarse_A: float | None,
    fine_A: float | None,
    *,
    spatial: int = 0,
    edge_px: float = EDGE_PX,
) -> F32:
    """Keep what lies between two resolutions in Å; None leaves that side open. See :func:`lowpass`."""
    if edge_px < 0:
        raise ParameterError(f"filter edge {edge_px} is negative", "edge_px", "give 0 or more Fourier pixels")
    shape = data.shape[data.ndim - (spatial or data.ndim) :]
    edge = edge_px / (max(shape) * pixel_size_A)

    def factor(k: F64) -> F64:
        keep = np.ones_like(k)
        if fine_A is not None:
            keep *= _fall(k, _frequency(fine_A), edge)
        if coarse_A is not None:
            keep *= 1 - _fall(k, _frequency(coarse_A), edge)
        return keep

    return apply_radial(data, pixel_size_A, factor, spatial=spatial)


def apply_radial(
    data: F32, pixel_size_A: float, factor: Callable[[F64], F64], *, spatial: int = 0, check: Check = never
) -> F32:
    """Multiply the transform by ``factor(k)``, ``k`` in 1/Å; ``data`` and ``spatial`` as for :func:`lowpass`."""
    axes = spatial or data.ndim
    shape = data.shape[data.ndim - axes :]
    if data.ndim == axes == 3:
        return _apply_to_map(data, pixel_size_A, factor, check)
    weight = factor(frequencies(shape, pixel_size_A)).astype(np.float32)
    out = np.empty(data.shape, np.float32)
    for index in np.ndindex(data.shape[: data.ndim - axes]):
        check()
        transformed = fft.rfftn(data[index])
        transformed *= weight
        out[index] = fft.irfftn(transformed, shape)
    return out


def _apply_to_map(data: F32, pixel_size_A: float, factor: Callable[[F64], F64], check: Check) -> F32:
    """Filter a map plane by plane and then row by row, so that no step is long."""
    nz, ny, nx = data.shape
    half = np.empty((nz, ny, nx // 2 + 1), np.complex64)
    out = np.empty(data.shape, np.float32)
    square_xz = frequencies((nz, nx), pixel_size_A) ** 2
    square_y = np.fft.fftfreq(ny, pixel_size_A) ** 2

    def forward(start: int, stop: int) -> None:
        with fft.lend("r2c", (ny, nx), (0, 1)) as plan:
            for z in range(start, stop):
                check()
                plan.input[:] = data[z]
                plan.run()
                half[z] = plan.output

    def along_z(start: int, stop: int) -> None:
        shape = (nz, nx // 2 + 1)
        with fft.lend("forward", shape, (0,)) as there, fft.lend("backward", shape, (0,)) as back:
            for y in range(start, stop):
                check()
                there.input[:] = half[:, y]
                there.run()
                back.input[:] = there.output * factor(np.sqrt(square_xz + square_y[y])).astype(np.float32)
                back.run()
                half[:, y] = back.output

    def backward(start: int, stop: int) -> None:
        with fft.lend("c2r", (ny, nx), (0, 1)) as plan:
            for z in range(start, stop):
                check()
                plan.input[:] = half[z]
                plan.run()
                np.multiply(plan.output, np.float32(1 / data.size), out=out[z])

    for work, n in ((forward, nz), (along_z, ny), (backward, nz)):
        threads.each_chunk(work, n, max(1, min(8, n // threads.threads())))
    return out


def frequencies(shape: Sequence[int], pixel_size_A: float) -> F64:
    """Return the length of the frequency vector in 1/Å at every point of a half transform of an array of ``shape``."""
    axes = [np.fft.fftfreq(n, pixel_size_A) for n in shape[:-1]] + [np.fft.rfftfreq(shape[-1], pixel_size_A)]
    square: F64 = np.zeros(())
    for i, axis in enumerate(axes):
        square = square + (axis**2).reshape((-1,) + (1,) * (len(axes) - 1 - i))
    return np.sqrt(square)


def lowpass_map(volume: Map3D, resolution_A: float) -> Map3D:
    """Return a map without detail finer than a resolution in Å (see :func:`lowpass`)."""
    return replace(volume, data=lowpass(volume.data, volume.pixel_size_A, resolution_A))


def soft_ball(shape: Sequence[int], radius_px: float, edge_px: float = 5.0) -> F32:
    """Return a soft disc (two axes) or sphere (three axes) about pixel ``n // 2``.

    Parameters
    ----------
    shape : sequence of int
        Shape of the mask.
    radius_px : float
        Radius up to which it is 1, in pixels.
    edge_px : float
        Width in pixels of the cosine fall to 0 beyond the radius.

    Returns
    -------
    ndarray of float32
        Values 0…1.
    """
    axes = np.ix_(*(np.arange(n, dtype=np.float32) - n // 2 for n in shape))
    distance = np.sqrt(sum(axis * axis for axis in axes))
    return np.asarray(_fall(distance, radius_px + edge_px / 2, edge_px), np.float32)


def _frequency(resolution_A: float) -> float:
    if not resolution_A > 0:
        raise ParameterError(f"resolution {resolution_A} Å is not positive", "filter", "give it in Å")
    return 1 / resolution_A


def _fall(x: F64 | F32, middle: float, edge: float) -> F64:
    """Fall from 1 to 0 over ``edge`` around ``middle`` along a raised cosine."""
    if edge <= 0:
        return np.asarray(x <= middle, np.float64)
    t = np.clip((x - middle) / edge + 0.5, 0, 1)
    return np.asarray(0.5 + 0.5 * np.cos(np.pi * t))
