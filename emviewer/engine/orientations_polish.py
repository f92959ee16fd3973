"""Polish good views of clean images by their common lines: each found to a part of a ray near where it must be."""

from __future__ import annotations

import numpy as np

from emviewer.engine import kernels_orient as ko
from emviewer.engine import orientations_lines as lines_of
from emviewer.engine.orientations_frame import mean_line_correlation
from emviewer.engine.resample import shift_images
from emviewer.engine.task import Check, never
from emviewer.engine.threads import each_chunk
from emviewer.engine.types import F32, F64

RAYS = 720
WINDOWS = (8, 5, 4)
"""Rays (half degrees) searched about the predicted line, round by round."""
LEAST_CORRELATION = 0.9
"""Below this mean correlation along the lines noise decides where they are seen, and matching is better."""


def polish(
    images: F32, views: F64, displacement_px: F64, top: float, *, seed: int = 0, check: Check = never
) -> tuple[F64, bool]:
    """Return views refined by common lines, and whether they are better than those given.

    Parameters
    ----------
    images : ndarray of float32, shape (n, d, d)
        Masked, background zero.
    views, displacement_px : ndarray of float64, shape (n, 3, 3) and (n, 2)
        Views right to some degrees, and where the particles stand.
    top : float
        Highest ring in which images agree.
    seed : int
        Of the pairs on which both are compared.
    check : callable
        Raises to stop.
    """
    n = len(images)
    rays, _ = lines_of.polar_rays(shift_images(images, -displacement_px), top, RAYS, first=2)
    pairs = np.random.default_rng(seed).integers(n, size=(6000, 2)).astype(np.int64)
    pairs = np.ascontiguousarray(pairs[pairs[:, 0] != pairs[:, 1]])
    before = mean_line_correlation(rays, views, pairs)
    if before < LEAST_CORRELATION or n < 8:
        return views, False
    now = views
    for window in WINDOWS:
        now = lines_of.reweighted(*_near(rays, now, window, check), floor=0.002, check=check)
    after = mean_line_correlation(rays, now, pairs)
    return (now, True) if after > before else (views, False)


def _near(rays: lines_of.C64, views: F64, window: int, check: Check) -> tuple[lines_of.Lines, F64, F64]:
    """Return the lines near their predicted places, the views, and weights: those of near views count less."""
    n = len(views)
    angle, score = np.zeros((n, n)), np.zeros((n, n), np.float32)
    A = np.ascontiguousarray(views)

    def work(lo: int, hi: int) -> None:
        check()
        ko.refine_lines(rays, A, window, lo, hi, angle, score)

    each_chunk(work, n, 4)
    lines = lines_of.Lines(np.stack([np.cos(angle), np.sin(angle)], axis=-1), score, np.zeros((n, n), np.float32))
    d = views[:, 2]
    sine = np.sqrt(np.maximum(1 - (d @ d.T) ** 2, 0))
    return lines, views, np.where(score > 0, sine**2, 0.0)
