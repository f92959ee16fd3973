"""What the network of a trained distance sees: angular orders of an image along rings, whatever its box and pixel.

An image turned in its plane has the same orders with other phases, so the network need not learn what turning does.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import fft as sfft

from emviewer.engine.errors import DataError
from emviewer.engine.kernels_rings import sample_rings
from emviewer.engine.task import Check, never
from emviewer.engine.threads import each_chunk
from emviewer.engine.types import F32, F64

C64 = NDArray[np.complex64]
SAMPLES = 96
"""Points along a ring; orders up to half as many could be told apart."""
CHUNK = 16


@dataclass(frozen=True)
class Rings:
    """Where images are read.

    Parameters
    ----------
    radius_A : float
        Outer edge of the outermost ring.
    count : int
        Rings, evenly spaced.
    orders : int
        Highest angular order that is kept.
    """

    radius_A: float
    count: int = 24
    orders: int = 24

    @property
    def radii_A(self) -> F64:
        """Radii of the rings."""
        return (np.arange(self.count) + 0.5) * self.radius_A / self.count

    @property
    def spacing_A(self) -> float:
        """Distance of neighbouring rings: pixels larger than this lose what the network was trained to see."""
        return self.radius_A / self.count


class RingReader:
    """Prepared for images of one box and pixel size.

    Parameters
    ----------
    rings : Rings
        Where to read.
    box : int
        Edge of the images.
    pixel_size_A : float
        Their pixel size.

    Raises
    ------
    DataError
        The rings reach beyond the images.
    """

    def __init__(self, rings: Rings, box: int, pixel_size_A: float) -> None:
        self.rings, self.box = rings, box
        reach = rings.radius_A / pixel_size_A
        if reach + 2 > box // 2:
            raise DataError(
                f"images of {box} px of {pixel_size_A:.3g} Å are smaller than the particle that the distance was "
                f"trained on, {2 * rings.radius_A:.0f} Å across",
                "", "give images of a larger box, or train on the map of these images",
            )  # fmt: skip
        angle = np.arange(SAMPLES) * 2 * np.pi / SAMPLES
        r = rings.radii_A[:, None] / pixel_size_A
        y, x = (box // 2 + r * np.sin(angle)).ravel(), (box // 2 + r * np.cos(angle)).ravel()
        self._first = np.stack([np.floor(y), np.floor(x)], axis=1).astype(np.int32) - 1
        self._weight_y, self._weight_x = _keys(y - np.floor(y)), _keys(x - np.floor(x))
        frequency = np.hypot(np.fft.fftfreq(box)[:, None], np.fft.rfftfreq(box)) / pixel_size_A
        self._ramp = np.fft.fftfreq(box)[:, None], np.fft.rfftfreq(box)
        # soft fall where rings begin to miss detail
        self._low = np.exp(-0.5 * (frequency * rings.spacing_A / 0.4) ** 4).astype(np.float32)
        self._area = np.sqrt(rings.radii_A / rings.radius_A).astype(np.float32)[:, None]
        orders = np.arange(rings.orders + 1)
        self._turn = (np.exp(-1j * angle[:, None] * orders) / np.sqrt(SAMPLES)).astype(np.complex64)

    def read(self, images: F32, check: Check = never) -> C64:
        """Return the orders (n, orders + 1, rings) of images (n, box, box), each of zero mean and unit power."""
        out = np.empty((len(images), self.rings.orders + 1, self.rings.count), np.complex64)

        def work(start: int, stop: int) -> None:
            check()
            out[start:stop] = self.read_some(images[start:stop])

        each_chunk(work, len(images), CHUNK)
        return out

    def read_some(self, images: F32, displaced_px: F64 | None = None) -> C64:
        """Return the orders of few images, on this core alone, about where their particles stand (n, 2), x first."""
        half = sfft.rfft2(np.asarray(images, np.float32), workers=1) * self._low
        if displaced_px is not None:
            y, x = self._ramp
            phase = x * displaced_px[:, 0, None, None] + y * displaced_px[:, 1, None, None]
            half = half * np.exp(2j * np.pi * phase).astype(np.complex64)
        smooth = np.ascontiguousarray(sfft.irfft2(half, s=(self.box, self.box), workers=1), np.float32)
        flat = np.empty((len(images), len(self._first)), np.float32)
        sample_rings(smooth, self._first, self._weight_y, self._weight_x, flat)
        values = flat.reshape(len(images), self.rings.count, SAMPLES)
        square = self._area**2
        mean = (values * square).sum(axis=(1, 2), keepdims=True) / (SAMPLES * square.sum())
        values = (values - mean) * self._area
        power = np.sqrt((values**2).mean(axis=(1, 2), keepdims=True))
        values /= np.maximum(power, 1e-12 * max(float(power.max()), 1e-12))
        return np.asarray((values @ self._turn).transpose(0, 2, 1), np.complex64)


def _keys(t: F64) -> F32:
    """Return the four weights of Keys' cubic (a = -1/2) for points a fraction ``t`` beyond the second pixel."""
    far, near = 1 + t, 1 - t
    outer, inner = (-0.5 * far**3 + 2.5 * far**2 - 4 * far + 2), (1.5 * t**3 - 2.5 * t**2 + 1)
    inner2, outer2 = (1.5 * near**3 - 2.5 * near**2 + 1), (-0.5 * (1 + near) ** 3 + 2.5 * (1 + near) ** 2)
    outer2 = outer2 - 4 * (1 + near) + 2
    return np.ascontiguousarray(np.stack([outer, inner, inner2, outer2], axis=1), np.float32)
