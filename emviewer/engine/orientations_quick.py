"""Views from common lines in seconds, and how far the lines bear views out.

Where every second line or more is seen, synchronised and reweighted lines give all views at once; otherwise the
search of :mod:`orientations_images` begins from them. In both cases the lines are witnesses: they are detected pair
by pair, without regard to any map, and few agree with a wrong view.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from emviewer.engine import kernels_orient as ko
from emviewer.engine import orientations_lines as lines_of
from emviewer.engine.orientations_lines import Lines
from emviewer.engine.resample import shift_images
from emviewer.engine.rotations import super_fibonacci
from emviewer.engine.task import Check, never
from emviewer.engine.threads import each_chunk
from emviewer.engine.types import F32, F64

RAYS = 120
AGREE_DEG, LEAST_AGREE_DEG = 15.0, 6.0
"""A line and two views agree when the line's two places in the object differ by less: so much without symmetry, and
less the more lines two images share, but not finer than lines are seen."""
MOST_SHIFT_PX = 2.0
"""Displacements along lines that are tried after images have been centred."""
LEAST_SPREAD = 0.03
"""Least mean square of the directions' components along any axis, a third if they are uniform."""
VOTED_VIEWS = 15_000
"""Views among which the lines of an image that agrees with few others vote."""


@dataclass(frozen=True, eq=False)
class Found:
    """Views from common lines.

    Parameters
    ----------
    lines : Lines
        As they were detected.
    views : ndarray of float64, shape (n, 3, 3)
        Views.
    support : float
        How much more often lines agree with the views than chance would have it (see :func:`support`).
    """

    lines: Lines
    views: F64
    support: float


def find(ready: F32, displaced: F64, radius_px: float, max_shift_px: float, check: Check = never) -> Found:
    """Return the views that fit the common lines of all pairs best.

    Parameters
    ----------
    ready : ndarray of float32, shape (n, d, d)
        Masked, background zero.
    displaced : ndarray of float64, shape (n, 2)
        Where the particles are believed to stand.
    radius_px, max_shift_px : float
        Radius of the particle, and largest displacement.
    check : callable
        Raises to stop.
    """
    lines = detect(ready, displaced, radius_px, max_shift_px, check)
    even, told = lines_of.synchronise(lines), lines_of.consistent(lines)
    tries = [
        lines_of.reweighted(lines, even, iterations=30, check=check),
        lines_of.reweighted(lines, told, iterations=30, check=check),
        told,
    ]
    spread = [v for v in tries if not one_sided(v)]
    views = min(spread or tries, key=lambda v: misfit(lines, v))
    for _ in range(2):
        views, changed = voted(lines, views, check)
        if not changed:
            break
    return witnessed(lines, views)


def witnessed(lines: Lines, views: F64) -> Found:
    """Return lines and views (n, 3, 3) with their support, which is none where the views lie in one plane."""
    return Found(lines, views, 0.0 if one_sided(views) else float(support(lines, views).mean()))


def one_sided(views: F64) -> bool:
    """Return whether views (n, 3, 3) lie about one direction or in one plane: noise falls into such answers."""
    return bool(np.linalg.eigvalsh(views[:, 2].T @ views[:, 2] / len(views))[0] < LEAST_SPREAD)


def detect(ready: F32, displaced: F64, radius_px: float, max_shift_px: float, check: Check = never) -> Lines:
    """Return the common lines of all pairs of images (see :func:`find`)."""
    d = ready.shape[1]
    top = float(np.clip(4.0 * d / radius_px, 8.0, d / 2 - 2))
    rays, rings = lines_of.polar_rays(shift_images(ready, -displaced), top, RAYS)
    return lines_of.common_lines(rays, rings, d, min(MOST_SHIFT_PX, max_shift_px), 1.0, check)


def misfit(lines: Lines, views: F64, elements: F64 | None = None) -> float:
    """Return the mean residual of all lines, none counted for more than 0.5 (29°).

    Of a symmetric particle a line is held against the nearest of those that two images share, one for every element
    (g, 3, 3) of its group, the first of them the identity.
    """
    return float(np.mean(np.minimum(_nearest(lines, views, elements), 0.5)))


def support(lines: Lines, views: F64, elements: F64 | None = None) -> F64:
    """Return how much more often (n,) the lines of each image agree with the views than lines of other pairs would.

    The part of an image's lines that agree, less the part that agrees when the partners are exchanged, of what is
    then left: 1 where all agree, 0 where chance does as well. Views about one axis, whose lines all lie on it, have
    none, however well their lines agree. Of a symmetric particle two images share a line for every element (g, 3, 3)
    of its group, and one is enough.
    """
    n = len(views)
    rows = np.arange(n)
    told = agreeing(lines, views, elements, rows)
    chance = np.mean([agreeing(lines, views, elements, np.roll(rows, k)) for k in (1, max(2, n // 3))], axis=0)
    level = np.minimum(0.999, (chance + chance.mean()) / 2)
    return np.asarray((told - level) / (1 - level))


def agreeing(lines: Lines, views: F64, elements: F64 | None, mates: NDArray[np.int64]) -> F64:
    """Return the part (n,) of each image's lines that agree with the views; mates as in ``residuals``."""
    n = len(views)
    order = 1 if elements is None else len(elements)
    near = 2 * np.sin(np.radians(max(LEAST_AGREE_DEG, AGREE_DEG * order**-0.25)) / 2)
    best = _nearest(lines, views, elements, mates)
    rows = np.arange(n)
    best[rows, rows] = 9
    same = mates[rows] != rows
    best[mates[same], rows[same]] = 9  # an image's line with itself
    return np.asarray((best < near).sum(axis=1) / max(1, n - 2 if same.any() else n - 1), float)


def _nearest(lines: Lines, views: F64, elements: F64 | None, mates: NDArray[np.int64] | None = None) -> F64:
    """Return the residuals (n, n) of every pair, the least over the elements of a point group."""
    best = lines_of.residuals(lines, views, mates=mates)
    for g in () if elements is None else elements[1:]:
        np.minimum(best, lines_of.residuals(lines, views, views @ g, mates), out=best)
    return best


def voted(lines: Lines, views: F64, check: Check = never) -> tuple[F64, bool]:
    """Return views in which images with little support took what most of their lines say, and whether that is better.

    This is how single images that fell into another basin come back.
    """
    borne = support(lines, views)
    rows = np.flatnonzero(borne < 0.6 * np.median(borne)).astype(np.int64)
    if len(rows) == 0:
        return views, False
    grid = np.ascontiguousarray(super_fibonacci(VOTED_VIEWS))
    H = np.ascontiguousarray(views[:, :2].transpose(0, 2, 1))
    best, votes = np.zeros(len(rows), np.int64), np.zeros(len(rows), np.int64)
    cosine = float(np.cos(np.radians(AGREE_DEG)))

    def work(lo: int, hi: int) -> None:
        check()
        ko.line_votes(lines.direction, H, grid, cosine, rows, lo, hi, best, votes)

    each_chunk(work, len(rows), 2)
    new = views.copy()
    new[rows] = grid[best]
    new = lines_of.reweighted(lines, new, iterations=30, check=check)
    return (new, True) if misfit(lines, new) < misfit(lines, views) else (views, False)
