"""Find the view, in-plane angle and shift under which a map's projection explains an image best.

A :class:`Matcher` is made once a map. Its search is exhaustive over directions × in-plane angle × shift (mirrors
included) in a coarse band: polar Fourier harmonics of views and images, the sum over radius as a matrix product for
every harmonic, the in-plane angle by a small transform over harmonics; half a sphere of views serves both sides,
because the view from behind is the mirror image. The best candidates are refined continuously on SO(3) and shift by
Levenberg–Marquardt with analytic gradients, in bands of growing resolution.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from emviewer.engine import fft
from emviewer.engine import kernels_match as km
from emviewer.engine.match_grid import centring, images_from_values
from emviewer.engine.match_search import Matches, PolarSearch, Slices, search_size
from emviewer.engine.rotations import random_rotations
from emviewer.engine.task import Check, never
from emviewer.engine.threads import each_chunk
from emviewer.engine.types import F32, F64

C64 = NDArray[np.complex64]
Band = tuple[float, int, int]
APART = 3.0
"""Spacings of views between the best of a search and what is kept as an alternative to it."""


class Matcher:
    """Matches images to one map on a common grid.

    Parameters
    ----------
    slices : Slices
        The map on the images' grid (:func:`emviewer.engine.match_grid.map_slices`).
    views : ndarray of float64, shape (v, 3, 3)
        Views with ψ = 0 that cover, together with their opposites, the directions to be searched.
    max_shift_px : float
        Largest displacement searched and allowed.
    coarse : float
        Highest ring of the exhaustive search, in pixels of the image transform (box · pixel size / resolution).
    finest : float, optional
        Highest ring of the refinement; Nyquist less one by default.
    group : ndarray of float64, shape (g, 3, 3), optional
        Rotations of the map's point group; views that differ by one of them are the same view.
    rough_views : ndarray of float64, shape (w, 3, 3), optional
        Fewer such views, for rough searches; ``views`` by default.

    Notes
    -----
    The particle of an image with displacement ``d`` stands at ``(A x)[:2] + d``. On white noise an unweighted
    correlation over all rings is the maximum-likelihood score; :meth:`set_weights` takes others.
    """

    def __init__(
        self,
        slices: Slices,
        views: F64,
        max_shift_px: float,
        coarse: float,
        *,
        finest: float | None = None,
        group: F64 | None = None,
        rough_views: F64 | None = None,
    ) -> None:
        self.n = slices.n
        self.slices = slices
        self.views = np.ascontiguousarray(views, np.float64)
        self.rough_views = self.views if rough_views is None else np.ascontiguousarray(rough_views, np.float64)
        self.max_shift_px = float(max_shift_px)
        # a neighbourhood of the map's transform never leaves it, also where the map is coarser than the images
        top = min(self.n / 2 - 1, (slices.centre - 3) / slices.scale)
        self._top = float(min(finest or top, top))
        self.coarse = float(min(max(coarse, 4.0), self._top))
        self.points, self.radius = half_plane(self.n, self._top)
        self.rings = np.round(self.radius).astype(np.int64)
        self.columns = self.points.astype(np.int64)
        self._centring = centring(self.points, self.n)
        self.group = np.eye(3)[None] if group is None else np.asarray(group, float)
        self.set_weights(np.ones(self.n // 2 + 1))

    def set_weights(self, ring_weight: F64) -> None:
        """Set the weight of every ring, shape (n // 2 + 1,), in all correlations; rings beyond the last go unused."""
        self.ring_weight = np.asarray(ring_weight, float)
        used = np.flatnonzero(self.ring_weight)
        self.finest = float(np.clip(used[-1] + 0.5 if len(used) else 0, self.coarse, self._top))
        self._searches: dict[bool, PolarSearch] = {}  # made when needed: matching given views needs none

    def ready(self) -> None:
        """Make the search now, before several threads ask for it."""
        self._polar_search(False)

    def _polar_search(self, rough: bool) -> PolarSearch:
        views = self.rough_views if rough else self.views
        if rough not in self._searches:
            self._searches[rough] = PolarSearch(
                self.slices, views, self.ring_weight, self.coarse, self.max_shift_px, group=self.group,
                apart_rad=APART * np.sqrt(2 * np.pi / max(len(views) * len(self.group), 1)),
            )  # fmt: skip
        return self._searches[rough]

    def ring_sums(self, values: F64) -> F64:
        """Sum values at the points, shape (m,), over rings; shape (n // 2 + 1,)."""
        return np.asarray(np.bincount(self.rings, values, self.n // 2 + 1), np.float64)

    def image_values(self, images: F32) -> C64:
        """Return the centred transforms of images (k, n, n) at the matcher's points, shape (k, m)."""
        if len(images) == 0:
            return np.empty((0, len(self.points)), np.complex64)
        half = fft.rfft2(images, 1).reshape(len(images), -1)
        out = np.take(half, (self.columns[:, 1] % self.n) * (self.n // 2 + 1) + self.columns[:, 0], axis=1)
        out *= self._centring
        return out

    def model_values(self, rotations: F64, displacement_px: F64 | None = None) -> C64:
        """Return the transforms of the projections at these poses at the matcher's points, shape (k, m)."""
        out = self.slices.sample(self.points, np.ascontiguousarray(rotations))
        if displacement_px is not None:
            out *= self.phases(displacement_px)
        return out

    def phases(self, displacement_px: F64, m: int | None = None) -> C64:
        """Return what displacements (k, 2) multiply the transforms at the first ``m`` points with, shape (k, m)."""
        # a product of two powers, of far fewer values than points: the exponentials cost more than the rest otherwise
        columns = self.columns[:m]
        half = self.n // 2
        step = -2j * np.pi / self.n * displacement_px
        along_x = np.exp(step[:, :1] * np.arange(half + 1)).astype(np.complex64)
        along_y = np.exp(step[:, 1:] * np.arange(-half, half + 1)).astype(np.complex64)
        return np.asarray(np.take(along_x, columns[:, 0], axis=1) * np.take(along_y, columns[:, 1] + half, axis=1))

    def cosines(self, best: F64, others: F64) -> F64:
        """Return the largest cosines between directions (k, 3) and others (k, j, 3) modulo the group, shape (k, j)."""
        copies = np.einsum("gab,nb->nga", self.group, best)
        return np.asarray(np.matmul(others, copies.transpose(0, 2, 1)).max(axis=2))

    def self_similarity(self, band: float, n_views: int = 12) -> float:
        """Return the mean ring correlation of slices with those of the turned map up to ring ``band``.

        The least over the operations of the group; 1 for a map that has its symmetry.
        """
        inside = (self.radius <= band) & (self.radius > 1.5)
        points, rings = np.ascontiguousarray(self.points[inside]), self.rings[inside]
        views = random_rotations(n_views, np.random.default_rng(0))
        plain = self.slices.sample(points, views)
        power = np.bincount(rings, _power(plain).sum(axis=0))
        least = 1.0
        for g in self.group:
            turned = self.slices.sample(points, np.ascontiguousarray(views @ g))
            top = np.bincount(rings, (plain * turned.conj()).real.sum(axis=0))
            norm = np.sqrt(power * np.bincount(rings, _power(turned).sum(axis=0)))
            least = min(least, float(np.mean(top[norm > 0] / norm[norm > 0])))
        return least

    def search(self, images: F32, keep: int = 12, check: Check = never, *, rough: bool = False) -> Matches:
        """Search all views, in-plane angles and shifts in the coarse band; return the ``keep`` best distinct views.

        A ``rough`` search tries the rough views only: for statistics of many images, not for the answer.
        """
        return self._polar_search(rough).run(images, keep, check)

    def search_values(self, values: C64, keep: int = 12, check: Check = never, *, rough: bool = False) -> Matches:
        """Do the same with images as :meth:`image_values` has them, shape (k, m)."""
        return self.search(self.band_images(values, self.coarse), keep, check, rough=rough)

    def band_images(self, values: C64, top: float) -> F32:
        """Return images of ``values`` (k, m) just large enough for a search up to ring ``top``, (k, s, s)."""
        size = search_size(self.n, max(int(top), 4))
        m = int(np.searchsorted(self.radius, size / 2 - 0.5))
        return images_from_values(values[:, :m], self.points[:m], size)

    def refine(
        self,
        values: C64,
        start: Matches,
        *,
        bands: tuple[Band, ...] = (),
        transfer: F32 | None = None,
        apart_rad: float = 0.0,
        check: Check = never,
    ) -> Matches:
        """Refine candidates continuously, in bands; each band is (highest ring, candidates kept, iterations).

        Parameters
        ----------
        values : ndarray of complex64, shape (n, m)
            From :meth:`image_values`.
        start : Matches
            Candidates of the same images.
        bands : tuple
            Three by default: the coarse band, the finest, and their geometric mean.
        transfer : ndarray of float32, shape (n, m), optional
            Contrast transfer function at the points.
        apart_rad : float
            Views that are kept beside the best in the last band point at least this far away from it, modulo the
            group: the second of them is the best alternative.
        """
        bands = bands or ((self.coarse, 6, 6), ((self.coarse * self.finest) ** 0.5, 3, 6), (self.finest, 2, 12))
        A, s, cc = start.rotations.copy(), start.displacement_px.copy(), start.score.copy()
        ok = start.converged.copy()
        flat = np.ones(values.shape[1], np.float32)

        def work(lo: int, hi: int) -> None:
            check()
            value = np.empty(values.shape[1], np.complex64)
            gradient = np.empty((values.shape[1], 3), np.complex64)
            for i in range(lo, hi):
                t = flat if transfer is None else transfer[i]
                self._refine_image(values[i], t, A[i], s[i], cc[i], ok[i], bands, apart_rad, value, gradient)

        each_chunk(work, len(cc), 4)
        keep = min(cc.shape[1], bands[-1][1])
        return Matches(A[:, :keep], s[:, :keep], cc[:, :keep], ok[:, :keep])

    def _refine_image(
        self, image: C64, transfer: F32, A: F64, s: F64, cc: F64, ok: NDArray[np.bool_], bands: tuple[Band, ...],
        apart_rad: float, value: C64, gradient: C64,
    ) -> None:  # fmt: skip
        """Refine the candidates of one image in place and sort them, best first."""
        weight = self.ring_weight[self.rings]
        live = [j for j in range(len(cc)) if np.isfinite(cc[j])]
        f = self.slices
        searched = (A.copy(), s.copy(), cc.copy())
        for number, (top, kept, iterations) in enumerate(bands):
            last = number == len(bands) - 1 and apart_rad > 0
            if last:
                live = self._alternatives(A, live, apart_rad)[:kept]
                first, second = live[0], live[1] if len(live) > 1 else -1
                before = (A[second].copy(), s[second].copy())
            m = int(np.searchsorted(self.radius, top, side="right"))
            for j in live:
                cc[j], ok[j] = km.refine_one(
                    f.transform, f.centre, f.scale, self.points, m, weight, transfer, image, A[j], s[j],
                    float(self.n), self.max_shift_px, iterations, 1e-7, value, gradient,
                )  # fmt: skip
            live = _distinct(A, s, cc, live)
            if last:
                if second >= 0 and len(self._alternatives(A, live, apart_rad)) < 2:  # it went over to the best
                    if cc[second] > cc[first]:
                        A[first], s[first], cc[first], ok[first] = A[second], s[second], cc[second], ok[second]
                    A[second], s[second] = before
                    cc[second], ok[second] = km.refine_one(
                        f.transform, f.centre, f.scale, self.points, m, weight, transfer, image, A[second], s[second],
                        float(self.n), self.max_shift_px, 0, 1e-7, value, gradient,
                    )  # fmt: skip
                    live = [first, second]
            elif apart_rad > 0:
                live = live[:kept] + self._alternatives(A, live, apart_rad)[1:2]
                live = list(dict.fromkeys(live))
            else:
                live = live[:kept]
        if apart_rad > 0 and len(live) == 1:  # all climbed to the best: the best of the search that is apart from it
            cosine = (self.group @ A[live[0], 2] @ searched[0][:, 2].T).max(axis=0)
            score = np.where(cosine < np.cos(apart_rad), searched[2], -np.inf)
            at, spare = int(np.argmax(score)), next((j for j in range(len(cc)) if j != live[0]), -1)
            if spare >= 0 and np.isfinite(score[at]):
                A[spare], s[spare] = searched[0][at], searched[1][at]
                cc[spare], ok[spare] = km.refine_one(
                    f.transform, f.centre, f.scale, self.points, m, weight, transfer, image, A[spare], s[spare],
                    float(self.n), self.max_shift_px, 0, 1e-7, value, gradient,
                )  # fmt: skip
                live = [live[0], spare]
        live.sort(key=lambda j: -cc[j])
        dropped = np.setdiff1d(np.arange(len(cc)), live)
        order = np.r_[np.array(live, int), dropped]
        cc[dropped] = -np.inf
        A[:], s[:], cc[:], ok[:] = A[order], s[order], cc[order], ok[order]

    def _alternatives(self, A: F64, live: list[int], apart_rad: float) -> list[int]:
        """Return the best candidate and, in order, those whose directions are apart from it modulo the group."""
        best = self.group @ A[live[0], 2]
        return [live[0], *(j for j in live[1:] if float(np.max(best @ A[j, 2])) < np.cos(apart_rad))]

    def scored(
        self,
        values: C64,
        start: Matches,
        *,
        transfer: F32 | None = None,
        top: float | None = None,
        apart_rad: float = 0.0,
    ) -> Matches:
        """Return the candidates with their correlations up to ring ``top`` (all by default), not moved, best first.

        Views nearer to the best than ``apart_rad``, modulo the group, are no candidates any more.
        """
        m = len(self.points) if top is None else int(np.searchsorted(self.radius, top, side="right"))
        points = np.ascontiguousarray(self.points[:m])
        weight = self.ring_weight[self.rings[:m]].astype(np.float32)
        image = values[:, :m]
        power = _power(image) @ weight
        score: F64 = np.full(start.score.shape, -np.inf)
        for j in range(start.score.shape[1]):
            model = self.slices.sample(points, np.ascontiguousarray(start.rotations[:, j]))
            model *= self.phases(start.displacement_px[:, j], m)
            if transfer is not None:
                model *= transfer[:, :m]
            norm = np.sqrt(power * (_power(model) @ weight))
            product = (image.real * model.real + image.imag * model.imag) @ weight
            score[:, j] = np.divide(product, norm, out=np.zeros_like(norm), where=norm > 0)
        score[~np.isfinite(start.score)] = -np.inf
        rows = np.arange(len(score))[:, None]
        if apart_rad > 0:
            views, best = start.rotations[:, :, 2], np.argmax(score, axis=1)
            near = self.cosines(views[rows[:, 0], best], views) > np.cos(apart_rad)
            near[rows[:, 0], best] = False
            score[near] = -np.inf
        order = np.argsort(-score, axis=1, kind="stable")
        return Matches(
            start.rotations[rows, order], start.displacement_px[rows, order], score[rows, order],
            start.converged[rows, order],
        )  # fmt: skip


def _power(values: C64) -> F32:
    return np.asarray(values.real**2 + values.imag**2, np.float32)


def _distinct(A: F64, s: F64, cc: F64, live: list[int]) -> list[int]:
    """Return the live candidates, best first, without those that fell into the same optimum (0.5°, 0.5 px)."""
    out: list[int] = []
    for j in sorted(live, key=lambda j: -cc[j]):
        for o in out:
            cosine = (np.sum(A[j] * A[o]) - 1) / 2
            if cosine > 0.99996 and np.hypot(*(s[j] - s[o])) < 0.5:
                break
        else:
            out.append(j)
    return out


def half_plane(n: int, top: float) -> tuple[F64, F64]:
    """Return the points (m, 2) of half the image transform within ``top``, sorted by radius, without the origin."""
    kx, ky = np.meshgrid(np.arange(0, n // 2 + 1), np.arange(-(n // 2), (n + 1) // 2))
    r = np.hypot(kx, ky)
    use = (r <= top) & ((kx > 0) | (ky > 0)) & (kx < n / 2) & (np.abs(ky) < n / 2)
    points = np.c_[kx[use], ky[use]].astype(float)
    radius = r[use]
    order = np.argsort(radius, kind="stable")
    return np.ascontiguousarray(points[order]), radius[order]
