"""Direct Fourier inversion: a map out of images whose orientations are known.

Every image's transform is spread onto a padded 3D transform at its slice, weighted by its CTF; the sum is divided by
the sum of the weights (Wiener), transformed back, and divided by the transform of the spreading kernel.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import fft as sfft

from emviewer.engine.kernels_reconstruct import insert_slices
from emviewer.engine.match import half_plane
from emviewer.engine.task import Check, never
from emviewer.engine.threads import each_chunk, threads
from emviewer.engine.types import F32, F64

C64 = NDArray[np.complex64]
SLICES_A_CALL = 256
"""Slices inserted between two looks at ``check``."""


class Reconstructor:
    """Gathers images into a padded transform and turns it into a map.

    Parameters
    ----------
    n : int
        Edge of the images and of the map in pixels.
    group : ndarray of float64, shape (g, 3, 3), optional
        Rotations of the point group; every image is inserted at all equivalent views.
    pad : int
        Padding of the transform.
    top : float, optional
        Highest ring used, in pixels of the image transform; Nyquist less one by default.

    Notes
    -----
    Memory is that of the half transform: ``6 · (pad · n)³`` bytes.
    """

    def __init__(self, n: int, *, group: F64 | None = None, pad: int = 2, top: float | None = None) -> None:
        self.n = n
        self.p = pad * n + (pad * n) % 2
        self.group = np.eye(3)[None] if group is None else np.asarray(group, float)
        self.points, self.radius = half_plane(n, min(top or np.inf, n / 2 - 1))
        self.total = np.zeros((self.p, self.p, self.p // 2 + 1), np.complex64)
        self.weight = np.zeros(self.total.shape, np.float32)
        self.mean = 0.0
        self.count = 0.0

    def add(
        self, images: F32, rotations: F64, shifts_px: F64 | None = None, ctf: F32 | None = None,
        weights: F64 | None = None, check: Check = never,
    ) -> None:  # fmt: skip
        """Insert images (k, n, n).

        Parameters
        ----------
        images : ndarray of float32, shape (k, n, n)
            White on dark as the map, centre n//2.
        rotations : ndarray of float64, shape (k, 3, 3)
            Views.
        shifts_px : ndarray of float64, shape (k, 2), optional
            RELION's sense: added to the image to centre it.
        ctf : ndarray of float32, shape (k, n, n // 2 + 1), optional
            Contrast transfer functions (:func:`emviewer.engine.ctf.transfer`).
        weights : ndarray of float64, shape (k,), optional
            Weight of each image.
        check : callable
            Called between groups of slices.
        """
        n = self.n
        kx, ky = self.points[:, 0].astype(int), self.points[:, 1].astype(int)
        for start in range(0, len(images), SLICES_A_CALL):
            check()
            part = slice(start, min(len(images), start + SLICES_A_CALL))
            half = sfft.rfft2(sfft.ifftshift(images[part], axes=(1, 2)), workers=threads())
            values = half[:, ky % n, kx].astype(np.complex64)
            if shifts_px is not None:
                values *= np.exp(-2j * np.pi / n * (shifts_px[part] @ self.points.T)).astype(np.complex64)
            each = np.ones(len(values)) if weights is None else np.asarray(weights[part], float)
            w = np.repeat(each[:, None], len(self.points), axis=1).astype(np.float32)
            if ctf is not None:
                transfer = ctf[part][:, ky % n, kx]
                values *= transfer * w
                w *= transfer**2
            else:
                values *= w
            self.mean += float((half[:, 0, 0].real * each).sum())
            self.count += float(each.sum())
            self._insert(values, w, np.asarray(rotations[part], float))

    def _insert(self, values: C64, w: F32, rotations: F64) -> None:
        views = np.ascontiguousarray(np.concatenate([rotations @ g.T for g in self.group]))
        v, ww = np.tile(values, (len(self.group), 1)), np.tile(w, (len(self.group), 1))
        scale, c = self.p / self.n, self.p // 2
        # planes near the middle hold most points: cut by cumulated volume of the ball, not evenly
        k = max(1, threads())
        cuts = np.round(c + c * np.sin(np.linspace(-np.pi / 2, np.pi / 2, k + 1)) * 0.999).astype(int)
        cuts[0], cuts[-1] = 0, self.p

        def work(lo: int, hi: int) -> None:
            for i in range(lo, hi):
                insert_slices(self.points, v, ww, views, scale, c, cuts[i], cuts[i + 1], self.total, self.weight)

        each_chunk(work, k, 1)

    def take_in(self, other: Reconstructor) -> None:
        """Add what another reconstructor of the same size has gathered."""
        self.total += other.total
        self.weight += other.weight
        self.mean += other.mean
        self.count += other.count

    def map(self, wiener: float = 1e-3) -> F32:
        """Return the map (n, n, n) of what has been inserted.

        Parameters
        ----------
        wiener : float
            Added to the weights, as a fraction of their mean where there are any: keeps what was hardly measured small.
        """
        total, weight = self._friedel()
        there = weight > 0
        level = wiener * float(weight[there].mean()) if there.any() else 1.0
        spectrum = total / (weight + level)
        c = self.p // 2
        if self.count > 0:
            spectrum[c, c, 0] = self.mean / self.count
        spectrum = sfft.ifftshift(spectrum, axes=(0, 1))
        big = sfft.fftshift(sfft.irfftn(spectrum, s=(self.p,) * 3, workers=threads(), overwrite_x=True))
        n, o = self.n, self.p // 2 - self.n // 2
        data = big[o : o + n, o : o + n, o : o + n]
        g = np.sinc((np.arange(n) - n // 2) / self.p) ** 2
        data = data / (g[:, None, None] * g[None, :, None] * g) * (self.p / n) ** 0
        return np.ascontiguousarray(data, np.float32)

    def _friedel(self) -> tuple[C64, F32]:
        """Return sums with the plane x = 0 completed by its Friedel mates."""
        total, weight = self.total.copy(), self.weight.copy()
        c, p = self.p // 2, self.p
        mate = (2 * c - np.arange(p)) % p
        total[:, :, 0] = self.total[:, :, 0] + self.total[mate][:, mate, 0].conj()
        weight[:, :, 0] = self.weight[:, :, 0] + self.weight[mate][:, mate, 0]
        return total, weight
