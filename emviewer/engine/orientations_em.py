"""Views out of images alone by expectation maximisation: soft assignment to a map that begins as almost nothing.

In a low band every image is compared with the slices of the present map at all rotations of an even grid (and small
displacements); the map is then made anew of all images at all views, each with its probability. The noise that the
probabilities assume starts at the whole power of the images and falls, so that assignments are vague at first and
settle together (deterministic annealing of the likelihood of Sigworth 1998 and Scheres 2012). Everything is a matrix
product: an iteration costs the same for clean and noisy images, and needs no common line to be seen.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import fft as sfft

from emviewer.engine.kernels_reconstruct import insert_slices
from emviewer.engine.match import half_plane
from emviewer.engine.match_grid import soft_disc
from emviewer.engine.match_search import Slices
from emviewer.engine.match_transform import prepare_transform
from emviewer.engine.task import Check, never
from emviewer.engine.threads import each_chunk
from emviewer.engine.types import F32, F64

C64 = NDArray[np.complex64]
CHUNK_BYTES = 12 << 20
"""Log likelihoods held at a time by a thread."""


@dataclass(frozen=True, eq=False)
class Band:
    """Images brought to the least box that holds a band.

    Parameters
    ----------
    values : ndarray of complex64, shape (n, m)
        Transforms at the points, centred, masked.
    points : ndarray of float64, shape (m, 2)
        Half a plane of frequencies in pixels of the transform, sorted by radius.
    rings : ndarray of int64, shape (m,)
        Their rings.
    n : int
        Edge of the small box.
    scale : float
        Small pixels an image pixel.
    radius_px : float
        Radius of the particle in small pixels.
    share : float
        Part of the box inside the mask: how much of the points' information is independent.
    """

    values: C64
    points: F64
    rings: NDArray[np.int64]
    n: int
    scale: float
    radius_px: float
    share: float


@dataclass(frozen=True, eq=False)
class State:
    """Where the iteration stands.

    Parameters
    ----------
    rotations : ndarray of float64, shape (n, 3, 3)
        Most probable view of each image on the grid.
    displacement_px : ndarray of float64, shape (n, 2)
        Where the particle stands, in image pixels; minus RELION's origin.
    certainty : ndarray of float64, shape (n,)
        Probability of the most probable view with its neighbours.
    explained : float
        Share of the images' power that the map explains, all rings alike.
    data : ndarray of float32
        The map on the small box.
    iteration : int
        Number of this iteration.
    """

    rotations: F64
    displacement_px: F64
    certainty: F64
    explained: float
    data: F32
    iteration: int


def band(images: F32, top: float, radius_px: float) -> Band:
    """Return images (n, d, d), masked and of background zero, cut down to the rings up to ``top``."""
    d = images.shape[1]
    n = min(int(2 * np.ceil(top * 1.25 + 1)), d - d % 2)
    points, radius = half_plane(n, min(top, n / 2 - 1))
    half = sfft.rfft2(sfft.ifftshift(images, axes=(1, 2)), workers=1)
    values = half[:, points[:, 1].astype(int) % d, points[:, 0].astype(int)].astype(np.complex64)
    share = min(1.0, np.pi * radius_px**2 / d**2)
    return Band(values, points, np.round(radius).astype(np.int64), n, n / d, radius_px * n / d, share)


class MapOf:
    """The map of a band of images, out of their slices' sums.

    Parameters
    ----------
    band : Band
        The images.
    group : ndarray of float64, shape (g, 3, 3)
        Point group.

    Attributes
    ----------
    count, power : ndarray, shape (r,)
        Points of each ring, and the images' mean power in it.
    p : int
        Edge of the padded transform.
    """

    def __init__(self, band: Band, group: F64) -> None:
        self.band, self.group = band, group
        self.count = np.maximum(np.bincount(band.rings, minlength=band.n // 2 + 1), 1)
        self.power = self.ring_mean((np.abs(band.values) ** 2).mean(axis=0))
        self.p = 2 * band.n
        x = np.arange(band.n) - band.n // 2
        r = np.sqrt(x[:, None, None] ** 2 + x[:, None] ** 2 + x**2)
        t = np.clip(r - band.radius_px - 0.5, 0, 1)
        self.mask = ((1 + np.cos(np.pi * t)) / 2).astype(np.float32)
        g = np.sinc(x / self.p) ** 2
        self.spread = (g[:, None, None] * g[:, None] * g).astype(np.float32)

    def ring_mean(self, values: F64) -> F64:
        """Return the means (r,) over rings of values (m,) at the points."""
        return np.asarray(np.bincount(self.band.rings, values, self.band.n // 2 + 1) / self.count)

    def empty(self) -> tuple[C64, F32]:
        """Return a transform (p, p, p // 2 + 1) to which slices are added, and one for their weights."""
        total = np.zeros((self.p, self.p, self.p // 2 + 1), np.complex64)
        return total, np.zeros(total.shape, np.float32)

    def of(self, total: C64, there: F32, noise: F64) -> F32:
        """Return the masked map (n, n, n) of sums and weights, filtered by what of each ring is not ``noise`` (r,)."""
        b, p, c = self.band, self.p, self.p // 2
        mate = (2 * c - np.arange(p)) % p
        total[:, :, 0] += total[mate][:, mate, 0].conj()
        there[:, :, 0] += there[mate][:, mate, 0]
        z = np.arange(p) - c
        ring = np.sqrt(z[:, None, None] ** 2 + z[:, None] ** 2 + np.arange(c + 1) ** 2) * b.n / p
        signal = np.maximum(self.power - noise, 0.02 * self.power)
        ratio = np.interp(ring, np.arange(len(signal)), noise / np.maximum(signal, 1e-30))
        spectrum = total / (there + ratio.astype(np.float32) + 1e-6)
        spectrum[ring > b.rings.max() + 0.5] = 0
        full = sfft.irfftn(sfft.ifftshift(spectrum, axes=(0, 1)), s=(p, p, p), workers=1)
        o = p // 2 - b.n // 2
        data = sfft.fftshift(full)[o : o + b.n, o : o + b.n, o : o + b.n] / self.spread
        return np.ascontiguousarray(data * self.mask, np.float32)


class Annealing:
    """Expectation maximisation of one start.

    Parameters
    ----------
    band : Band
        The images.
    views : ndarray of float64, shape (v, 3, 3)
        Even grid of rotations.
    group : ndarray of float64, shape (g, 3, 3), optional
        Point group, imposed on the map.
    displacements_px : ndarray of float64, shape (s, 2), optional
        Displacements tried about each image's present one, in image pixels.
    centre_px : ndarray of float64, shape (n, 2), optional
        Where the particles are believed to stand.
    """

    def __init__(
        self, band: Band, views: F64, *, group: F64 | None = None, displacements_px: F64 | None = None,
        centre_px: F64 | None = None,
    ) -> None:  # fmt: skip
        self.band, self.views = band, np.ascontiguousarray(views)
        self.group = np.eye(3)[None] if group is None else np.asarray(group, float)
        self.tries = np.zeros((1, 2)) if displacements_px is None else displacements_px
        self.centre = np.zeros((len(band.values), 2)) if centre_px is None else centre_px.copy()
        self.map = MapOf(band, self.group)
        self.power = self.map.power
        self.noise = self.power.copy()

    def map_of(self, rotations: F64, displacement_px: F64 | None = None) -> F32:
        """Return the map of images at single views: a start."""
        moved = self._moved(np.zeros((1, 2)) if displacement_px is None else displacement_px[:, None])[:, 0]
        return self._map(moved, np.ones(len(moved), np.float32), rotations)

    def _moved(self, displacement_px: F64) -> C64:
        """Return the values (n, s, m) with displacements (n or 1, s, 2) undone."""
        phase = displacement_px @ self.band.points.T * (2 * np.pi / self.band.n * self.band.scale)
        return np.asarray(self.band.values[:, None] * np.exp(1j * phase), np.complex64)

    def _map(self, sums: C64, weight: F32, rotations: F64) -> F32:
        """Return the masked map of slices (k, m) that hold sums of images, and their weights (k,)."""
        b, p, c = self.band, self.map.p, self.map.p // 2
        total, there = self.map.empty()
        used = np.flatnonzero(weight > 1e-6)
        each = np.repeat(weight[used, None], len(b.points), axis=1).astype(np.float32)
        views = rotations[used]
        values = np.ascontiguousarray(sums[used])

        def work(lo: int, hi: int) -> None:
            for g in self.group:
                turned = np.ascontiguousarray(views @ g.T)
                insert_slices(b.points, values, each, turned, p / b.n, c, lo, hi, total, there)

        each_chunk(work, p, max(2, p // 8))
        return self.map.of(total, there, self.noise)

    def run(
        self,
        start: F32,
        iterations: int,
        hot: float = 1.0,
        cold: float = 0.02,
        sharp: float = 1.0,
        check: Check = never,
        most: float = np.inf,
    ) -> Iterator[State]:
        """Iterate from a map; the assumed noise is at least ``hot`` … ``cold`` times the images' power.

        Parameters
        ----------
        start : ndarray of float32
            Map on the small box.
        iterations : int
            In which the floor of the noise falls; as long as more and more is explained up to three times as many.
        hot, cold : float
            First and last floor.
        sharp : float
            Exponent of the likelihoods, times the mask's share of the box.
        check : callable
            Raises to stop.
        most : float
            The assumed noise is at most so many times its floor: a map in which few images and their equivalent views
            average out explains nothing, and noise estimated from it would keep it so.
        """
        data = start
        explained: list[float] = []
        for i in range(3 * iterations):
            check()
            heat = hot * (cold / hot) ** min(1.0, i / max(1, iterations - 1))
            self.noise = np.minimum(self.noise, min(1.0, most * heat) * self.power)
            data, state = self._step(data, heat, sharp, i, check)
            explained.append(state.explained)
            yield state
            if i + 1 >= iterations and explained[-1] - explained[-min(6, i + 1)] < 0.003:
                return

    def _step(self, data: F32, heat: float, sharp: float, iteration: int, check: Check) -> tuple[F32, State]:
        b, k = self.band, len(self.views)
        transform = prepare_transform(data)
        centre = (transform.shape[0] - 2) // 2
        model = Slices(transform, centre, 2 * centre / b.n, b.n).sample(b.points, self.views)
        noise = np.maximum(self.noise, heat * self.power)
        precision = (1 / np.maximum(noise, 1e-30))[b.rings].astype(np.float32) * np.float32(min(1.0, b.share * sharp))
        flat = np.ascontiguousarray(np.concatenate([model.real, model.imag], axis=1).T)  # (2m, k)
        norm = (np.abs(model) ** 2 @ precision).astype(np.float32)
        both = np.concatenate([precision, precision])
        n, s, m = len(b.values), len(self.tries), len(b.points)
        sums, weight = np.zeros((k, 2 * m), np.float32), np.zeros(k, np.float64)
        best, shift = np.empty(n, np.int64), np.empty(n, np.int64)
        sure = np.empty(n)
        lock = threading.Lock()

        def work(lo: int, hi: int) -> None:
            check()
            phase = (self.centre[lo:hi, None] + self.tries) @ b.points.T * (2 * np.pi / b.n * b.scale)
            moved = b.values[lo:hi, None] * np.exp(1j * phase.astype(np.float32))
            rows = np.concatenate([moved.real, moved.imag], axis=2).astype(np.float32).reshape(-1, 2 * m)
            log = (2 * (rows * both)) @ flat
            log -= norm
            log = log.reshape(hi - lo, s * k)
            top = log.argmax(axis=1)
            log -= log[np.arange(hi - lo), top][:, None]
            np.exp(log, out=log)
            log /= log.sum(axis=1, keepdims=True)
            best[lo:hi], shift[lo:hi] = top % k, top // k
            sure[lo:hi] = log[np.arange(hi - lo), top]
            chance = log.reshape((hi - lo) * s, k)
            part, mass = chance.T @ rows, chance.sum(axis=0)
            with lock:
                np.add(sums, part, out=sums)
                np.add(weight, mass, out=weight)

        each_chunk(work, n, max(1, CHUNK_BYTES // (4 * s * k)))
        complex_sums = (sums[:, :m] + 1j * sums[:, m:]).astype(np.complex64)
        cross = (complex_sums * model.conj()).real.sum(axis=0)
        kept = weight @ (np.abs(model) ** 2)
        residual = self.map.ring_mean((np.abs(b.values) ** 2).mean(axis=0) - (2 * cross - kept) / n)
        self.noise = np.clip(residual, 1e-3 * self.power, self.power)
        self.centre += self.tries[shift]
        explained = float(1 - (residual * self.map.count)[2:].sum() / (self.power * self.map.count)[2:].sum())
        made = self._map(complex_sums, weight.astype(np.float32), self.views)
        return made, State(self.views[best], self.centre.copy(), sure, explained, made, iteration)


def prepare_images(images: F32, radius_px: float) -> F32:
    """Return images with the mean of their surroundings taken off, unit power, softly masked to the particle."""
    d = images.shape[1]
    y, x = np.ogrid[:d, :d]
    outside = np.hypot(y - d // 2, x - d // 2) > min(radius_px + 1, 0.46 * d)
    out = images - images[:, outside].mean(axis=1)[:, None, None]
    disc = soft_disc(d, radius_px)
    out *= disc
    power = np.sqrt((out**2).sum(axis=(1, 2)) / disc.sum())
    return np.asarray(out / np.maximum(power, 1e-20)[:, None, None], np.float32)
