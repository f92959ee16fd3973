"""The exhaustive search of a matcher: views and images as polar Fourier harmonics, compared by matrix products."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from emviewer.engine import kernels_match_search as kernels
from emviewer.engine.fft import fast_size
from emviewer.engine.kernels_match_slice import slice_values
from emviewer.engine.resample import fourier_resize
from emviewer.engine.task import Check, never
from emviewer.engine.threads import each_chunk
from emviewer.engine.types import F32, F64

C64 = NDArray[np.complex64]
MIRROR = np.diag([-1.0, 1.0, -1.0])
"""``MIRROR @ A`` is the view whose projection is the mirror image (x to -x) of the projection of ``A``."""
FIRST_RING = 2
VIEW_BLOCK = 32
"""Views a matrix product, so that the products of an image stay within a second-level cache."""
COLUMNS = 96
"""Images times shifts of a product."""
NOTHING = -1e30
"""Correlation of what was not compared yet: finite, as loops compiled with fastmath need it."""
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

    Notes
    -----
    With the harmonics ``V`` of a view and ``X + iY`` of an image, straight and mirrored correlations are the sum and
    the difference of the same two sums over rings, so that both senses cost one product; the angles of a half turn
    are likewise sums and differences of those of a quarter.
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
        self._group = np.array(np.eye(3)[None] if group is None else group, np.float64)  # writable, as compiled for
        self._cos_apart = float(np.cos(apart_rad))
        self.directions = np.ascontiguousarray(views[:, 2])
        self.rings = np.arange(FIRST_RING, max(int(top), FIRST_RING + 2) + 1).astype(float)
        self.size = search_size(n, self.rings[-1])
        half = max(12, int(np.ceil(np.pi * self.rings[-1] / 2)) + 2)
        self.half = half + half % 2  # in-plane angles over half a turn; even, for the transform over harmonics
        self.n_harmonics = self.half + 1
        theta = np.arange(self.half) * np.pi / self.half
        self.unit = np.stack([np.cos(theta), np.sin(theta)], -1)
        self.weight = np.sqrt(ring_weight[self.rings.astype(int)] * self.rings)[:, None].astype(np.float32)
        self._prepare_transforms(theta)
        polar = slices.sample((self.rings[:, None, None] * self.unit).reshape(-1, 2), views)
        x, y = self._harmonics(self._normalised(polar.reshape(len(views), len(self.rings), self.half)))
        self.left = np.ascontiguousarray(np.stack([x, y]).transpose(0, 3, 1, 2))[:, None]  # (X/Y, 1, harmonic, v, ring)
        self.shifts = _shifts(max_shift_px, max(1.0, n / (4.5 * self.rings[-1])))
        phase = 2 * np.pi / n * self.rings[:, None] * (self.shifts @ self.unit.T)[:, None, :]
        self.ramp = np.exp(1j * phase).astype(np.complex64)  # (shift, ring, angle): undoes the displacement

    def _prepare_transforms(self, theta: F64) -> None:
        """Make the matrices of the small transforms: image to rings, rings to harmonics, harmonics to ψ."""
        points = (self.rings[:, None, None] * self.unit).reshape(-1, 2) / self.size
        x = np.arange(self.size) - self.size // 2
        along = np.exp(-2j * np.pi * x[:, None] * points.T[:, None, :])  # (axis, pixel, point)
        self._along_x = np.concatenate([along[0].real, along[0].imag], axis=1).astype(np.float32)
        self._along_y = along[1].astype(np.complex64)
        even, odd = np.arange(0, self.n_harmonics, 2), np.arange(1, self.n_harmonics, 2)
        # of half a circle of v and its conjugates beyond: even harmonics see the real part, odd ones the imaginary
        a, b = theta[:, None] * even / 1.0, theta[:, None] * odd / 1.0
        self._to_even = np.concatenate([np.cos(a), -np.sin(a)], axis=1).astype(np.float32) / self.half
        self._to_odd = np.concatenate([np.sin(b), np.cos(b)], axis=1).astype(np.float32) / self.half
        quarter = theta[: self.half // 2 + 1, None]
        self._to_psi = []
        for order in (even, odd):
            twice = np.where((order == 0) | (order == self.half), 1.0, 2.0)
            self._to_psi.append([np.asarray(f(quarter * order) * twice, np.float32) for f in (np.cos, np.sin)])

    def _normalised(self, polar: C64) -> C64:
        """Weigh polar samples (..., ring, half) and divide them by their norm."""
        weighted = polar * self.weight
        norm = np.sqrt(np.sum(weighted.real**2 + weighted.imag**2, axis=(-1, -2), keepdims=True) / self.half)
        return np.asarray(weighted / np.maximum(norm, 1e-30), np.complex64)

    def _harmonics(self, polar: C64) -> tuple[F32, F32]:
        """Return real and imaginary parts of the angular harmonics (..., ring, n_harmonics), even ones first."""
        even, odd = polar.real @ self._to_even, polar.imag @ self._to_odd
        k, m = even.shape[-1] // 2, odd.shape[-1] // 2
        return (
            np.concatenate([even[..., :k], odd[..., :m]], axis=-1),
            np.concatenate([even[..., k:], odd[..., m:]], axis=-1),
        )

    def _image_polar(self, images: F32) -> C64:
        """Return polar samples (k, ring, half) of images (k, n, n), by their exact transform at the samples.

        The images are Fourier-cropped to the band first, which makes that transform small.
        """
        n = self.size
        if images.shape[1] > n:
            images = fourier_resize(images, (n, n))
        k = len(images)
        rows = (images.reshape(k * n, n) @ self._along_x).reshape(k, n, 2, -1)
        lines: C64 = np.empty((k, n, rows.shape[3]), np.complex64)
        lines.real, lines.imag = rows[:, :, 0], rows[:, :, 1]
        lines *= self._along_y
        return np.asarray(lines.sum(axis=1).reshape(k, len(self.rings), self.half))

    def _right(self, images: F32) -> F32:
        """Return the harmonics of shifted images as right factors (2, 2, harmonic, ring, image × shift).

        Real and imaginary parts in the order in which they meet the real, then the imaginary parts of views.
        """
        polar = self._normalised(self._image_polar(images))
        x, y = (
            np.ascontiguousarray(part.reshape(-1, len(self.rings), self.n_harmonics).transpose(2, 1, 0))
            for part in self._harmonics(polar[:, None] * self.ramp)
        )
        return np.stack([np.stack([x, y]), np.stack([y, x])])

    def _block(self, images: F32) -> tuple[F32, NDArray[np.int32]]:
        """Return the best correlation of every image with every view, (b, 2, v), and where it was found."""
        n_views, b = len(self.views), len(images)
        score = np.full((b, 2, n_views), NOTHING, np.float32)
        where = np.zeros((b, 2, n_views), np.int32)
        right = self._right(images)
        columns, quarter = right.shape[-1], self.half // 2 + 1
        n_even = self.half // 2 + 1
        for v0 in range(0, n_views, VIEW_BLOCK):
            v1 = min(n_views, v0 + VIEW_BLOCK)
            g = np.matmul(self.left[:, :, :, v0:v1], right)
            # what both senses share: cosines of X·x less sines of X·y; what differs: cosines of Y·y and sines of Y·x
            sums = np.empty((8, quarter, v1 - v0, columns), np.float32)
            for parity, part in enumerate((slice(0, n_even), slice(n_even, None))):
                for sense in range(2):
                    for wave in range(2):
                        np.matmul(
                            self._to_psi[parity][wave],
                            g[sense, wave, part].reshape(-1, (v1 - v0) * columns),
                            out=sums[4 * parity + 2 * sense + wave].reshape(quarter, -1),
                        )
            kernels.best_psi_and_shift(sums, self.half, len(self.shifts), v0, score, where)
        return score, where

    def run(self, images: F32, keep: int, check: Check = never) -> Matches:
        """Search images (k, n, n), or Fourier-cropped to ``size``, and return the ``keep`` best distinct views."""
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
                kernels.pick_distinct(score[j], self.directions, cos_min, keep, self._group, self._cos_apart, chosen[i])
                best[i], at[i] = score[j].ravel()[chosen[i]], where[j].ravel()[chosen[i]]

        each_chunk(work, n, int(np.clip(COLUMNS // len(self.shifts), 1, 64)))
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


def search_size(n: int, top: float) -> int:
    """Return the edge in pixels of images Fourier-cropped to a band up to ring ``top``, of ``n`` at the most."""
    return min(n, fast_size(2 * (int(top) + BEYOND), even=True))


def _shifts(radius: float, spacing: float) -> F64:
    """Return displacements (s, 2) on a square lattice within ``radius``; the origin is always there."""
    steps = np.arange(-int(radius / spacing), int(radius / spacing) + 1) * spacing
    sx, sy = np.meshgrid(steps, steps)
    inside = np.hypot(sx, sy) <= radius + 1e-6
    out: F64 = np.c_[sx[inside], sy[inside]]
    return out
