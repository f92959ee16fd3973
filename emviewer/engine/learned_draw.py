"""Images to train a distance on, or to judge it by: fresh views, shifts, CTF and noise of a map at every draw."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy import fft as sfft

from emviewer.engine import simulate
from emviewer.engine.ctf import CTF
from emviewer.engine.ctf import transfer as ctf_transfer
from emviewer.engine.errors import DataError
from emviewer.engine.filters import soft_ball
from emviewer.engine.learned_rings import C64, RingReader, Rings
from emviewer.engine.project import Projector
from emviewer.engine.resample import resize_box, to_pixel_size
from emviewer.engine.rotations import random_rotations, super_fibonacci
from emviewer.engine.task import Check, never
from emviewer.engine.types import F32, F64, Map3D

SAMPLE = 64
"""Views whose signal variance sets the noise."""
MARGIN = 1.08
"""Rings reach beyond the particle by this and the shifts."""


@dataclass(frozen=True)
class Conditions:
    """How images are made of projections.

    Parameters
    ----------
    snr : tuple of float
        Range of the variance of the signal over that of the noise, drawn evenly in its logarithm.
    disc : bool
        Whether the signal's variance is that in the particle's disc instead of the map's whole box.
    shift_A : float
        Standard deviation of shifts along x and y.
    defocus_A : tuple of float or None
        Range of underfocus; None for no CTF.
    flipped : bool
        Whether phases are flipped back, as orientation recovery does where the CTF is known.
    voltage_kV, cs_mm, amplitude_contrast : float
        Of the microscope.
    """

    snr: tuple[float, float]
    disc: bool = False
    shift_A: float = 0.0
    defocus_A: tuple[float, float] | None = None
    flipped: bool = True
    voltage_kV: float = 300.0
    cs_mm: float = 2.7
    amplitude_contrast: float = 0.1


class Draws:
    """Projections of a map as a network is trained on them.

    Parameters
    ----------
    volume : Map3D
        The map.
    conditions : Conditions
        How images are made.
    box : int
        Edge of the images drawn; their pixels are as large as that allows, never finer than the map's.
    check : callable
        Raises to stop.

    Attributes
    ----------
    rings : Rings
        What images are read along.
    """

    def __init__(self, volume: Map3D, conditions: Conditions, box: int = 64, check: Check = never) -> None:
        self.conditions = conditions
        radius_A = self.particle_radius_A = particle_radius_A(volume)
        ball = soft_ball(volume.shape, MARGIN * radius_A / volume.pixel_size_A)
        solvent = np.float32(np.median(volume.data))
        volume = replace(volume, data=np.asarray((volume.data - solvent) * ball, np.float32))
        limit = (volume.box // 2 - 2) * volume.pixel_size_A
        self.rings = Rings(min(MARGIN * radius_A + 1.5 * conditions.shift_A, limit))
        views = super_fibonacci(SAMPLE)
        whole = Projector(volume, check=check).project(views, ctf=self._ctf(SAMPLE, np.random.default_rng(0)))
        disc = radius_A / volume.pixel_size_A if conditions.disc else None
        variance = simulate.signal_variance(whole, disc)
        wanted = max(volume.pixel_size_A, 2.2 * self.rings.radius_A / (box - 6))
        small = _on_grid(volume, wanted, box, self.rings.radius_A)
        self.projector = Projector(small, check=check)
        self.pixel_size_A, self.box = small.pixel_size_A, small.box
        ratio = volume.pixel_size_A / small.pixel_size_A
        # white noise of the map's pixels, seen on larger ones; line sums count fewer voxels there
        self.noise_sd_at_1 = float(np.sqrt(variance)) * ratio**2
        self.reader = RingReader(self.rings, self.box, self.pixel_size_A)

    def images(self, views: F64, snr: F64, rng: np.random.Generator, check: Check = never) -> F32:
        """Return images (n, box, box) of views (n, 3, 3), each with its own ratio ``snr`` (n,); inf for no noise."""
        n, given = len(views), self.conditions
        shifts = rng.normal(0, given.shift_A / self.pixel_size_A, (n, 2)) if given.shift_A > 0 else None
        ctf = self._ctf(n, rng)
        images = self.projector.project(views, shifts, ctf, check=check)
        noise = rng.standard_normal(images.shape, dtype=np.float32)
        noise *= (self.noise_sd_at_1 / np.sqrt(snr)).astype(np.float32)[:, None, None]
        images += noise
        return images if ctf is None or not given.flipped else self._flip(images, ctf)

    def batch(self, n: int, rng: np.random.Generator, check: Check = never) -> tuple[C64, F64, F64]:
        """Return the orders of ``n`` fresh images, their views (n, 3, 3) and ratios (n,)."""
        views = random_rotations(n, rng)
        low, high = np.log(self.conditions.snr)
        snr = np.exp(rng.uniform(low, high, n)) if high > low else np.full(n, np.exp(low))
        return self.reader.read(self.images(views, snr, rng, check), check), views, snr

    def _ctf(self, n: int, rng: np.random.Generator) -> CTF | None:
        given = self.conditions
        if given.defocus_A is None:
            return None
        d = rng.uniform(*given.defocus_A, n)
        return CTF(
            d, d, voltage_kV=given.voltage_kV, cs_mm=given.cs_mm, amplitude_contrast=given.amplitude_contrast
        )  # fmt: skip

    def _flip(self, images: F32, ctf: CTF) -> F32:
        sign = np.sign(ctf_transfer(ctf, self.box, self.pixel_size_A))
        half = sfft.rfft2(sfft.ifftshift(images, axes=(1, 2)), workers=1) * sign
        back = sfft.irfft2(half, s=(self.box, self.box), workers=1)
        return np.ascontiguousarray(sfft.fftshift(back, axes=(1, 2)), np.float32)


def particle_radius_A(volume: Map3D) -> float:
    """Return the radius in Å about the centre that holds 98 % of the power above that of the map's rim.

    Noise of a reconstruction, which fills its whole box, so counts for nothing.
    """
    step = max(1, volume.box // 128)
    data = np.asarray(volume.data[::step, ::step, ::step], np.float64)
    z, y, x = np.ogrid[tuple(slice(0, n) for n in data.shape)]
    middle = [(n // 2) / step for n in volume.shape]
    shell = np.sqrt((z - middle[0]) ** 2 + (y - middle[1]) ** 2 + (x - middle[2]) ** 2).astype(np.int64).ravel()
    power = (data - np.median(data)).ravel() ** 2
    count = np.bincount(shell)
    last = max(2, min(data.shape) // 2)
    profile = (np.bincount(shell, power) / np.maximum(count, 1))[:last]
    rim = profile[int(0.85 * last) :]
    excess = np.maximum(profile - rim.mean() - 2 * rim.std(), 0)
    if not excess.max() > 0:
        raise DataError("the map has no density above its rim", volume.source or volume.name, "give another map")
    beyond = np.flatnonzero(excess[int(excess.argmax()) :] <= 2e-3 * excess.max())
    end = int(excess.argmax()) + int(beyond[0]) if len(beyond) else last
    total = np.cumsum(excess[:end] * count[:end])
    return float((np.searchsorted(total, 0.98 * total[-1]) + 1) * step * volume.pixel_size_A)


def _on_grid(volume: Map3D, pixel_size_A: float, box: int, radius_A: float) -> Map3D:
    """Return the map on voxels of about this size in a box of at most ``box``, or as large as the rings need."""
    data = volume.data if volume.is_cubic else resize_box(volume.data, (volume.box,) * 3)
    pixel = volume.pixel_size_A
    if pixel_size_A > 1.01 * pixel:
        data, pixel = to_pixel_size(np.asarray(data, np.float32), pixel, pixel_size_A, 3)
    edge = max(min(box, data.shape[0]), 2 * (int(np.ceil(radius_A / pixel)) + 3))
    if edge != data.shape[0]:
        data = resize_box(data, (edge,) * 3)
    return replace(volume, data=np.ascontiguousarray(data, np.float32), pixel_size_A=pixel)
