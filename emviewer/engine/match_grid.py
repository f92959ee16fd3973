"""Bring images and maps of any pixel size and box onto one grid for matching."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from emviewer.engine import fft
from emviewer.engine.errors import DataError
from emviewer.engine.match_search import Slices
from emviewer.engine.match_transform import prepare_transform
from emviewer.engine.resample import fourier_resize
from emviewer.engine.types import F32, F64, Map3D

EDGE_PX = 3.0
"""Width of the soft edge of masks, in pixels of the common grid, less in boxes of fewer than 48 px."""


@dataclass(frozen=True)
class Grid:
    """The common grid: ``n`` pixels of ``pixel_size_A`` for images that come with ``n_input`` pixels.

    The physical box ``n · pixel_size_A`` is exactly the images' own, so nothing is scaled.
    """

    n: int
    pixel_size_A: float
    n_input: int

    def images(self, images: F32) -> F32:
        """Fourier-crop images (k, n_input, n_input) to the grid, gray values kept; centre n//2 stays the centre."""
        if self.n == self.n_input:
            return images
        if len(images) == 0:
            return np.empty((0, self.n, self.n), np.float32)
        half = fft.rfft2(images, 1)
        n, low = self.n, self.n // 2
        rows = np.r_[0 : n - low, -low:0] if n % 2 == 0 else np.r_[0 : low + 1, -low:0]
        cut = half[:, rows, : low + 1]
        if n % 2 == 0:
            cut[:, low, :] = 0
            cut[:, :, low] = 0
        moved = self.n_input // 2 / self.n_input - n // 2 / n  # nothing, if both are even
        if moved:
            turn = np.exp(2j * np.pi * moved * rows)
            cut *= (turn[:, None] * turn[: low + 1]).astype(np.complex64)
        cut *= np.float32((n / self.n_input) ** 2)
        return fft.irfft2(cut, (n, n), 1)


def common_grid(n_input: int, pixel_size_A: float, target_A: float | None) -> Grid:
    """Return the grid for images of ``n_input`` pixels: about ``target_A``, never finer than the images.

    The number of pixels is the even one nearest to ``target_A`` with small prime factors; the pixel size follows.
    """
    if target_A is None or target_A <= pixel_size_A * 1.02:
        return Grid(n_input, pixel_size_A, n_input)
    wanted = n_input * pixel_size_A / target_A
    even = [m for m in range(8, n_input + 1, 2) if _smooth(m)]
    n = min(even, key=lambda m: abs(m - wanted), default=n_input)
    return Grid(n, n_input * pixel_size_A / n, n_input)


def _smooth(m: int) -> bool:
    for p in (2, 3, 5):
        while m % p == 0:
            m //= p
    return m == 1


def edge_px(n: int) -> float:
    """Return the width of the soft edge of masks in boxes of ``n`` px."""
    return min(EDGE_PX, n / 16)


def largest_radius_px(n: int) -> float:
    """Return the radius of the largest disc whose soft edge is inside a box of ``n`` px."""
    return n / 2 - edge_px(n) - 0.5


def soft_disc(n: int, radius_px: float) -> F32:
    """Return a disc (n, n) about n//2: 1 within the radius, a raised cosine beyond it."""
    r = np.hypot(*(np.indices((n, n)) - n // 2))
    t = np.clip((r - radius_px) / edge_px(n), 0, 1)
    return np.asarray((1 + np.cos(np.pi * t)) / 2, np.float32)


def particle_radius_A(volume: Map3D) -> float:
    """Return the radius in Å about the box centre within which 98 % of the map's variance above solvent lies.

    Solvent is the median of the map; voxels below 10 % of the top's (99.9 %) height over it are left out.
    """
    step = max(1, volume.box // 128)
    data = np.asarray(volume.data[::step, ::step, ::step], np.float32)
    solvent = float(np.median(data))
    top = float(np.percentile(data, 99.9)) - solvent
    strong = np.maximum(data - solvent, 0)
    strong[strong < 0.1 * top] = 0
    centre = [(size // 2) / step for size in volume.shape]
    z, y, x = np.ogrid[tuple(slice(0, s) for s in data.shape)]
    r2 = (z - centre[0]) ** 2 + (y - centre[1]) ** 2 + (x - centre[2]) ** 2
    shell = np.sqrt(r2).astype(np.int32).ravel()
    total = np.cumsum(np.bincount(shell, strong.ravel().astype(np.float64) ** 2))
    if not total[-1] > 0:
        raise DataError("the map has no density above its solvent", volume.source or volume.name, "give another map")
    outside = int(np.searchsorted(total, 0.98 * total[-1]))
    below = total[outside - 1] if outside else 0.0
    part = (0.98 * total[-1] - below) / (total[outside] - below)
    return float((outside + part) * step * volume.pixel_size_A)


def map_slices(volume: Map3D, grid: Grid) -> Slices:
    """Return the slices of a map on the grid of the images, whatever the map's own pixel size and box.

    A slice is sampled at the images' spatial frequencies, so pixel sizes and boxes that differ cost nothing. What
    lies outside the sphere inscribed in the images' box (or the map's) cannot be seen in them and is cut off softly,
    after the solvent's level there was made zero; a map much finer than the grid is Fourier-cropped first.
    """
    data, pixel = _cube(volume), volume.pixel_size_A
    data, pixel = _coarser(data, pixel, grid.pixel_size_A)
    box_A = grid.n * grid.pixel_size_A
    size = int(min(data.shape[0], 2 * np.ceil(box_A / pixel / 2) + 2))
    data = _central(data, size)
    edge_A = min(data.shape[0] * pixel, box_A) / 2
    z, y, x = np.ogrid[tuple(slice(-(size // 2), size - size // 2) for _ in range(3))]
    r_A = np.sqrt(x * x + y * y + z * z, dtype=np.float32) * np.float32(pixel)
    rim = (r_A > 0.9 * edge_A) & (r_A <= edge_A)
    solvent = float(np.median(data[rim])) if rim.any() else 0.0
    t = np.clip((r_A - edge_A) / (edge_px(grid.n) * grid.pixel_size_A) + 1, 0, 1)
    data = (data - np.float32(solvent)) * ((1 + np.cos(np.float32(np.pi) * t)) / 2)
    transform = prepare_transform(data)
    centre = (transform.shape[0] - 2) // 2
    return Slices(transform, centre, 2 * centre * pixel / box_A, grid.n)


def _cube(volume: Map3D) -> F32:
    if volume.is_cubic:
        return np.asarray(volume.data)
    n = volume.box
    out = np.full((n, n, n), np.median(volume.data), np.float32)
    at = tuple(slice(n // 2 - s // 2, n // 2 - s // 2 + s) for s in volume.shape)
    out[at] = volume.data
    return out


def _central(data: F32, size: int) -> F32:
    n = data.shape[0]
    if n == size:
        return data
    o = n // 2 - size // 2
    return data[o : o + size, o : o + size, o : o + size]


def _coarser(data: F32, pixel_A: float, target_A: float) -> tuple[F32, float]:
    """Fourier-crop a cube so that its pixel is not much finer than the target; returns data and pixel size."""
    n = data.shape[0]
    m = int(2 * np.ceil(n * pixel_A / target_A * 1.1 / 2))
    if m >= n:
        return data, pixel_A
    return fourier_resize(data, (m, m, m)), pixel_A * n / m


def centring(points: F64, n: int) -> NDArray[np.complex64]:
    """Return the factors (m,) that make transforms at integer ``points`` (m, 2) those about pixel ``n // 2``."""
    return np.asarray(np.exp(2j * np.pi * (n // 2) / n * points.sum(axis=1)), np.complex64)


def images_from_values(values: NDArray[np.complex64], points: F64, n: int) -> F32:
    """Return the images (k, n, n) whose half transforms at ``points`` (m, 2) are ``values`` (k, m), zero elsewhere."""
    kx, ky = points[:, 0].astype(int), points[:, 1].astype(int)
    half = np.zeros((len(values), n, n // 2 + 1), np.complex64)
    cornered = values * centring(points, n).conj()
    half[:, ky % n, kx] = cornered
    axis = kx == 0
    half[:, (-ky[axis]) % n, 0] = cornered[:, axis].conj()
    return fft.irfft2(half, (n, n), 1)
