"""The exhaustive search of a matcher: views and images as polar Fourier harmonics, compared by matrix products."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import fft as sfft

from emviewer.engine import kernels_match_search as kernels
from emviewer.engine.fft import fast_size
from emviewer.engine.kernels_match_slice import slice_values
from emviewer.engine.resample import fourier_crop
from emviewer.engine.task import Check, never
from emviewer.engine.threads import each_chunk
from emviewer.engine.types import F32, F64

C64 = NDArray[np.complex64]
MIRROR = np.diag([-1.0, 1.0, -1.0])
"""``MIRROR @ A`` is the view whose projection is the mirror image (x to -x) of the projection of ``A``."""
FIRST_RING = 2
VIEW_BLOCK = 128
"""Views a matrix product: 128 keep the products of two images within a second-level cache."""

LARGEST_PAD = 1 << 21
"""Points of padded images in memory at a time and thread: 100 images of 36 px."""
BEYOND = 6
"""Rings beyond the band that are kept: what is cropped rings a little between the frequencies of the image."""


@dataclass(frozen=True, eq=False)
class Matches:
    """The best views of each image, best first.

    Parameters
    ----------
    rotations : ndarray of float64, shape (n, k, 3, 3)
        Views ``A`` (see :class:`emviewer.engine.types.Poses`).
    displacement_px : ndarray of float64, shape (n, k, 2)
        Where the particle stands, ``(x, y)`` from the centre: minus RELION's origin.
    score : ndarray of float64, shape (n, k)
        Weighted correlation in [-1, 1]; -inf where there are fewer candidates.
    converged : ndarray of bool, shape (n, k)
        Whether the last refinement converged.
    lead : ndarray of float64, shape (n,), optional
        Of orientations that were given: by how much their correlation exceeds the best rival's, before refinement.
    """

    rotations: F64
    displacement_px: F64
    score: F64
    converged: NDArray[np.bool_]
    lead: F64 | None = None


@dataclass(frozen=True, eq=False)
class Slices:
    """A map's prepared transform (:mod:`emviewer.engine.kernels_match_slice`), its centre index, padding and box."""

    transform: C64
    centre: int
    scale: float
    n: int

    def sample(self, points: F64, views: F64) -> C64:
        """Return the slices of ``views`` (v, 3, 3) at ``points`` (m, 2), shape (v, m)."""
        out = np.empty((len(views), len(points)), np.complex64)

        def work(lo: int, hi: int) -> None:
            for i in range(lo, hi):
                slice_values(self.transform, self.centre, self.scale, points, views[i], out[i])

        each_chunk(work, len(views))
        return out


class PolarSearch:
    """Search over views × in-plane angle × shift in a band of rings, mirrors included.

    Parameters
    ----------
    slices : Slices
        The map.
    views : ndarray of float64, shape (v, 3, 3)
        Views with ψ = 0; their opposites are searched as mirror images.
    ring_weight : ndarray of float64, shape (n // 2 + 1,)
        Weight of each ring in the correlation.
    top : float
        Highest ring, in pixels of the image transform.
    max_shift_px : float
        Radius of the shifts tried; their spacing follows from the band.
    group : ndarray of float64, shape (g, 3, 3), optional
        Rotations of the map's point group.
    apart_rad : float
        Some of the views returned are further than this from the best, modulo the group.
    """

    def __init__(
        self,
        slices: Slices,
        views: F64,
        ring_weight: F64,
        top: float,
        max_shift_px: float,
        *,
        group: F64 | None = None,
        apart_rad: float = 0.35,
    ) -> None:
        n = slices.n
        self.n, self.views = n, views
        self._group = np.ascontiguousarray(np.eye(3)[None] if group is None else group, np.float64)
        self._cos_apart = float(np.cos(apart_rad))
        self.directions = np.ascontiguousarray(views[:, 2])
        self.rings = np.arange(FIRST_RING, max(int(top), FIRST_RING + 2) + 1).astype(float)
        half = max(12, int(np.ceil(np.pi * self.rings[-1] / 2)) + 2)
        self._cropped = min(n, fast_size(2 * (int(self.rings[-1]) + BEYOND), even=True))
        self.half = half + half % 2  # in-plane angles over half a turn; even, for the transform over harmonics
        self.n_harmonics = self.half + 1
        theta = np.arange(self.half) * np.pi / self.half
        self.unit = np.stack([np.cos(theta), np.sin(theta)], -1)
        self.weight = np.sqrt(ring_weight[self.rings.astype(int)] * self.rings)[:, None].astype(np.float32)
        polar = slices.sample((self.rings[:, None, None] * self.unit).reshape(-1, 2), views)
        view = self._harmonics(polar.reshape(len(views), len(self.rings), self.half)).transpose(2, 0, 1)
        self.left = np.concatenate([view.real, view.imag], axis=2).astype(np.float32)[:, None]
        self.shifts = _shifts(max_shift_px, max(1.0, n / (4.5 * self.rings[-1])))
        phase = 2 * np.pi / n * self.rings[:, None] * (self.shifts @ self.unit.T)[:, None, :]
        self.ramp = np.exp(1j * phase).astype(np.complex64)  # (shift, ring, angle): undoes the displacement
        order = np.arange(self.n_harmonics)
        twice = np.where((order == 0) | (order == self.half), 1.0, 2.0)
        angle = theta[:, None] * order
        self.to_psi = np.stack([np.cos(angle) * twice, -np.sin(angle) * twice], -1).astype(np.float32)

    def _harmonics(self, polar: C64) -> C64:
        """Normalise polar samples (…, ring, half) and return their angular harmonics (…, ring, n_harmonics)."""
        weighted = polar * self.weight
        norm = np.sqrt(np.sum(np.abs(weighted) ** 2, axis=(-1, -2), keepdims=True) / self.half)
        weighted = weighted / np.maximum(norm, 1e-30)
        full = np.concatenate([weighted, weighted.conj()], axis=-1)
        return np.asarray(sfft.fft(full, axis=-1)[..., : self.n_harmonics] / (2 * self.half), np.complex64)

    def _image_polar(self, images: F32) -> C64:
        """Return polar samples (k, ring, half) of images (k, n, n): a 4× padded transform, bilinear weights.

        The images are Fourier-cropped to the band first, which makes the padded transform that much smaller.
        """
        n = self._cropped
        if n < self.n:
            images = fourier_crop(images, (n, n))
        p = 4 * n
        padded = np.zeros((len(images), p, p), np.float32)
        o = p // 2 - n // 2
        spread = np.sinc((np.arange(n) - n // 2) / p) ** 2
        padded[:, o : o + n, o : o + n] = images / (spread[:, None] * spread)
        half = sfft.rfft2(sfft.ifftshift(padded, axes=(1, 2)), workers=1)
        q = self.rings[:, None, None] * self.unit * 4
        x, y = q[..., 0], q[..., 1]
        flip = x < 0
        x, y = np.where(flip, -x, x), np.where(flip, -y, y)
        ix, iy = np.floor(x).astype(int), np.floor(y).astype(int)
        fx, fy = (x - ix).astype(np.float32), (y - iy).astype(np.float32)
        lower = half[:, iy % p, ix] * (1 - fx) + half[:, iy % p, ix + 1] * fx
        upper = half[:, (iy + 1) % p, ix] * (1 - fx) + half[:, (iy + 1) % p, ix + 1] * fx
        v = lower * (1 - fy) + upper * fy
        return np.asarray(np.where(flip, v.conj(), v), np.complex64)

    def _right(self, images: F32) -> F32:
        """Return shifted images as the right factor: (harmonic, re/im, 2 rings, straight/mirror × image × shift)."""
        h = self._harmonics(self._image_polar(images)[:, None] * self.ramp)
        h = h.reshape(-1, len(self.rings), self.n_harmonics).transpose(2, 1, 0)
        x, y = np.ascontiguousarray(h.real), np.ascontiguousarray(h.imag)
        real = np.concatenate([np.concatenate([x, x], 2), np.concatenate([y, -y], 2)], 1)
        imag = np.concatenate([np.concatenate([y, y], 2), np.concatenate([-x, x], 2)], 1)
        return np.stack([real, imag], axis=1)

    def _block(self, images: F32) -> tuple[F32, NDArray[np.int32]]:
        """Return the best correlation of every image with every view, (2, b, v), and where it was found."""
        n_views, b = len(self.views), len(images)
        score = np.full((2, b, n_views), -np.inf, np.float32)
        where = np.zeros((2, b, n_views), np.int32)
        right = self._right(images)
        for v0 in range(0, n_views, VIEW_BLOCK):
            v1 = min(n_views, v0 + VIEW_BLOCK)
            g = np.matmul(self.left[:, :, v0:v1], right).reshape(self.n_harmonics, 2, -1)
            even, odd = (
                (self.to_psi[:, part].reshape(self.half, -1) @ g[part].reshape(-1, g.shape[2])).reshape(
                    self.half, v1 - v0, 2, -1
                )
                for part in (slice(0, None, 2), slice(1, None, 2))
            )
            kernels.best_psi_and_shift(even, odd, len(self.shifts), score[:, :, v0:v1], where[:, :, v0:v1])
        return score, where

    def run(self, images: F32, keep: int, check: Check = never) -> Matches:
        """Search images (k, n, n) and return the ``keep`` best distinct views of each."""
        n, n_views = len(images), len(self.views)
        chosen = np.empty((n, keep), np.int64)
        best = np.empty((n, keep))
        at = np.empty((n, keep), np.int64)
        nearest = 1.4 * np.sqrt(2 * np.pi / max(n_views, 1))
        cos_min = float(np.cos(min(nearest, 0.5)))

        def work(lo: int, hi: int) -> None:
            check()
            score, where = self._block(images[lo:hi])
            for j, i in enumerate(range(lo, hi)):
                kernels.pick_distinct(
                    score[:, j], self.directions, cos_min, keep, self._group, self._cos_apart, chosen[i]
                )
                best[i], at[i] = score[:, j].ravel()[chosen[i]], where[:, j].ravel()[chosen[i]]

        most = max(1, LARGEST_PAD // (4 * self._cropped) ** 2)
        each_chunk(work, n, int(np.clip(96 // len(self.shifts), 1, most)))
        return self._matches(chosen, best, at)

    def _matches(self, chosen: NDArray[np.int64], best: F64, at: NDArray[np.int64]) -> Matches:
        n_shifts = len(self.shifts)
        mirrored, view = np.maximum(chosen, 0) // len(self.views), np.maximum(chosen, 0) % len(self.views)
        psi = (at // n_shifts) * np.pi / self.half
        cos, sin, zero, one = np.cos(psi), np.sin(psi), np.zeros_like(psi), np.ones_like(psi)
        turn = np.stack([cos, -sin, zero, sin, cos, zero, zero, zero, one], -1).reshape(*chosen.shape, 3, 3)
        base = np.where(mirrored[..., None, None] == 1, MIRROR @ self.views[view], self.views[view])
        return Matches(
            turn @ base,
            self.shifts[at % n_shifts].astype(float),
            np.where(chosen < 0, -np.inf, best),
            np.zeros(chosen.shape, bool),
        )


def _shifts(radius: float, spacing: float) -> F64:
    """Return displacements (s, 2) on a square lattice within ``radius``; the origin is always there."""
    steps = np.arange(-int(radius / spacing), int(radius / spacing) + 1) * spacing
    sx, sy = np.meshgrid(steps, steps)
    inside = np.hypot(sx, sy) <= radius + 1e-6
    out: F64 = np.c_[sx[inside], sy[inside]]
    return out
