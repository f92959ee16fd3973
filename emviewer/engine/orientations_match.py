"""Seek images anew in the map that the others give: single images that went wrong are rescued like this.

Images of one part are matched to the map of all other parts, so that no image is compared with its own noise.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from emviewer.engine.match import Matcher
from emviewer.engine.match_search import Matches, Slices
from emviewer.engine.match_transform import prepare_transform
from emviewer.engine.reconstruct import Reconstructor
from emviewer.engine.task import Check, never
from emviewer.engine.types import F32, F64

LEAST_POWER = 1e-5
"""Rings that hold less of the strongest ring's power count as if they held so much: it is no signal."""


@dataclass(frozen=True, eq=False)
class Sought:
    """Poses out of a search in the map of other images.

    Parameters
    ----------
    rotations : ndarray of float64, shape (n, 3, 3)
        Views.
    displacement_px : ndarray of float64, shape (n, 2)
        Where the particles stand; minus RELION's origin.
    score : ndarray of float64, shape (n,)
        Correlation of every image with the map of the others.
    """

    rotations: F64
    displacement_px: F64
    score: F64


def shell_correlation(a: F32, b: F32) -> F64:
    """Return the Fourier shell correlation of two maps (n, n, n), by ring 0 … n // 2."""
    n = a.shape[0]
    fa, fb = np.fft.rfftn(a), np.fft.rfftn(b)
    k = np.fft.fftfreq(n) * n
    r = np.round(np.sqrt(k[:, None, None] ** 2 + k[:, None] ** 2 + np.arange(n // 2 + 1) ** 2)).astype(int).ravel()
    keep = n // 2 + 1
    sums = [np.bincount(r, v.ravel(), keep)[:keep] for v in ((fa * fb.conj()).real, np.abs(fa) ** 2, np.abs(fb) ** 2)]
    norm = np.sqrt(sums[1] * sums[2])
    return np.asarray(np.divide(sums[0], norm, out=np.zeros(keep), where=norm > 0))


def search_again(
    images: F32,
    rotations: F64,
    displacement_px: F64,
    search_views: F64,
    *,
    group: F64 | None = None,
    max_shift_px: float = 3.0,
    start: float = 6.0,
    folds: int = 4,
    seed: int = 0,
    check: Check = never,
) -> Sought:
    """Return the poses that fit the map of the other images best, out of all and the present one.

    Parameters
    ----------
    images : ndarray of float32, shape (n, d, d)
        Masked, background zero, white on dark.
    rotations, displacement_px : ndarray
        Poses most of which are right.
    search_views : ndarray of float64, shape (v, 3, 3)
        Views among which every image is searched.
    group : ndarray of float64, shape (g, 3, 3), optional
        Point group.
    max_shift_px : float
        Largest displacement allowed.
    start : float
        Ring up to which images are compared at least; further if the halves' maps agree.
    folds : int
        Even number of parts; the images of one part are matched to the map of all others.
    seed : int
        Of the parts.
    check : callable
        Raises to stop.
    """
    n, d, _ = images.shape
    part = np.random.default_rng(seed).permutation(n) % folds
    A, s = rotations.copy(), displacement_px.copy()
    score = np.zeros(n)
    works = [_gather(images[part == f], A[part == f], s[part == f], group, check) for f in range(folds)]
    maps = np.stack([_together(works[h::2]).map() for h in (0, 1)])
    reliability, top = _band(shell_correlation(maps[0], maps[1]), 2 * (1 - 1 / folds), start, d / 2 - 1)
    for h in range(folds):
        mine = np.flatnonzero(part == h)
        rest = maps[1 - h] if folds == 2 else _together([w for i, w in enumerate(works) if i != h]).map()
        found = _match(images[mine], rest, A[mine], s[mine], reliability, top, max_shift_px, search_views, group, check)
        A[mine], s[mine], score[mine] = found.rotations[:, 0], found.displacement_px[:, 0], found.score[:, 0]
    return Sought(A, s, score)


def place(
    images: F32, anchors: NDArray[np.int64], others: NDArray[np.int64], rotations: F64, displacement_px: F64,
    max_shift_px: float, start: float, search_views: F64, check: Check = never,
) -> Sought:  # fmt: skip
    """Return the poses after matching the other images to the map of the anchors, whose views are known.

    Parameters
    ----------
    images : ndarray of float32, shape (n, d, d)
        Masked, background zero, white on dark.
    anchors, others : ndarray of int64
        Together all images.
    rotations, displacement_px : ndarray
        Of all images; those of the others do not matter.
    max_shift_px : float
        Largest displacement allowed.
    start : float
        Ring up to which images are compared at least.
    search_views : ndarray of float64 (v, 3, 3)
        Views among which the others are searched.
    check : callable
        Raises to stop.
    """
    A, s, score = rotations.copy(), displacement_px.copy(), np.zeros(len(images))
    halves = [_gather(images[a], A[a], s[a], None, check) for a in (anchors[::2], anchors[1::2])]
    maps = np.stack([h.map() for h in halves])
    reliability, top = _band(shell_correlation(maps[0], maps[1]), 2.0, start, images.shape[1] / 2 - 1)
    found = _match(
        images[others], _together(halves).map(), A[others], s[others], reliability, top, max_shift_px, search_views,
        None, check,
    )  # fmt: skip
    A[others], s[others], score[others] = found.rotations[:, 0], found.displacement_px[:, 0], found.score[:, 0]
    return Sought(A, s, score)


def _band(fsc: F64, more: float, start: float, most: float) -> tuple[F64, float]:
    """Return how far each ring of a map of ``more`` times the images of a half can be trusted, and the last ring."""
    below = np.flatnonzero(fsc[1:] < 0.3)
    agreed = float(below[0] if len(below) else most)
    f = np.clip(fsc, 0, 0.998)
    ratio = f / (1 - f) * more
    return np.sqrt(ratio / (1 + ratio)), float(np.clip(agreed, start, max(start, most)))


def _gather(images: F32, A: F64, s: F64, group: F64 | None, check: Check) -> Reconstructor:
    work = Reconstructor(images.shape[1], group=group)
    work.add(images, A, -s, check=check)
    return work


def _together(works: list[Reconstructor]) -> Reconstructor:
    whole = Reconstructor(works[0].n, group=works[0].group)
    for work in works:
        whole.take_in(work)
    return whole


def _match(
    images: F32, data: F32, A: F64, s: F64, reliability: F64, top: float, max_shift_px: float,
    search_views: F64, group: F64 | None, check: Check,
) -> Matches:  # fmt: skip
    n = images.shape[1]
    transform = prepare_transform(data)
    centre = (transform.shape[0] - 2) // 2
    slices = Slices(transform, centre, 2 * centre / n, n)
    matcher = Matcher(slices, search_views, max_shift_px, top, finest=top, group=group)
    values = matcher.image_values(images)
    power = matcher.ring_sums((np.abs(values) ** 2).mean(axis=0)) / np.maximum(
        np.bincount(matcher.rings, minlength=n // 2 + 1), 1
    )
    power = np.maximum(power, LEAST_POWER * power.max())
    weight = np.divide(np.clip(reliability, 0, 1) ** 2, power, out=np.zeros_like(power), where=power > 0)
    # reliability² is the share of signal in the map's ring; white noise in the images has weight 1 / power
    weight[0] = 0
    if not weight.any():
        weight[:] = 1
    matcher.set_weights(weight / weight.max())
    sought = matcher.search(images, keep=6, check=check)
    start = Matches(
        np.concatenate([A[:, None], sought.rotations], axis=1),
        np.concatenate([s[:, None], sought.displacement_px], axis=1),
        np.concatenate([np.ones((len(A), 1)), sought.score], axis=1),
        np.concatenate([np.zeros((len(A), 1), bool), sought.converged], axis=1),
    )
    return matcher.refine(values, start, bands=((top * 0.7, 3, 6), (top, 1, 8)), check=check)
