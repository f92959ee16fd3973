"""Polish good views by their common lines: each found to a part of a ray near where it must be.

Rings count by how much of them is signal, which is measured along the lines themselves, so that clean images are
compared to their finest detail and noisy ones where they agree. Displacements along the lines give those of the
images.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from emviewer.engine import kernels_orient as ko
from emviewer.engine import orientations_lines as lines_of
from emviewer.engine.resample import shift_images
from emviewer.engine.task import Check, never
from emviewer.engine.threads import each_chunk
from emviewer.engine.types import F32, F64

RAYS = 720
WINDOWS = (7, 4)
"""Rays (half degrees) searched about the predicted line, round by round."""
MOST_RINGS = 40
LEAST_SIGNAL, MOST_SIGNAL = 0.03, 0.998
"""Part of a ring's power that is signal: rings below do not count, and none counts as perfect."""
STILL_PX = 0.25
"""Particles that may be displaced by less are taken to stand in the centre."""
TRIED_PX = np.arange(-3, 3.1, 0.5)
"""Displacements along a line that are tried before the best is refined."""


@dataclass(frozen=True, eq=False)
class Polished:
    """Polished views.

    Parameters
    ----------
    views : ndarray of float64, shape (n, 3, 3)
        Views.
    displacement_px : ndarray of float64, shape (n, 2)
        Where the particles stand.
    correlation : float
        Mean correlation along the lines found, rings weighted by their signal.
    """

    views: F64
    displacement_px: F64
    correlation: float


def polish(
    images: F32, views: F64, displacement_px: F64, max_shift_px: float, *, seed: int = 0, check: Check = never
) -> Polished:
    """Return views refined by common lines.

    Parameters
    ----------
    images : ndarray of float32, shape (n, d, d)
        Masked, background zero.
    views, displacement_px : ndarray of float64, shape (n, 3, 3) and (n, 2)
        Views right to some degrees, and where the particles stand.
    max_shift_px : float
        Largest displacement.
    seed : int
        Of the pairs on which the signal of rings is measured.
    check : callable
        Raises to stop.
    """
    n, d, _ = images.shape
    pairs = np.random.default_rng(seed).integers(n, size=(6000, 2)).astype(np.int64)
    pairs = np.ascontiguousarray(pairs[pairs[:, 0] != pairs[:, 1]])
    moves = max_shift_px > STILL_PX
    now, stands, correlation = views, displacement_px.copy(), 0.0
    rays, rings = _rays(images, stands)
    # displacements must settle once more where particles move
    for number, window in enumerate((*WINDOWS, *WINDOWS[1:]) if moves else WINDOWS):
        if number and moves:
            rays, rings = _rays(images, stands)
        weight = ring_weights(rays, now, pairs)
        used = int(np.flatnonzero(weight)[-1]) + 1 if weight.any() else min(3, len(rings))
        unit = lines_of.normalised(rays[:, :, :used], weight[:used] if weight.any() else None)
        angle, score = _near(unit, now, window, check)
        lines = lines_of.Lines(np.stack([np.cos(angle), np.sin(angle)], axis=-1), score, np.zeros_like(score))
        trust = _trust(now, score)
        now = lines_of.reweighted(lines, now, trust, floor=0.002, check=check)
        correlation = float((score * trust).sum() / max(trust.sum(), 1e-30))
        if moves:
            stands = stands + _displacements(lines.direction, _along(unit, angle, rings[:used], d, check), trust)
            np.clip(stands, -max_shift_px, max_shift_px, out=stands)
    return Polished(now, stands, correlation)


def _rays(images: F32, stands: F64) -> tuple[lines_of.C64, F64]:
    top = min(images.shape[1] // 2 - 2, MOST_RINGS)
    return lines_of.polar_transform(shift_images(images, -stands), top, RAYS)


def ring_weights(rays: lines_of.C64, views: F64, pairs: NDArray[np.int64]) -> F64:
    """Return the weights of rings: how well each tells equal from unequal, by its correlation along common lines."""
    product, power = np.zeros(rays.shape[2]), np.zeros(rays.shape[2])
    ko.line_rings(rays, np.ascontiguousarray(views), pairs, product, power)
    signal = np.clip(product / np.maximum(power, 1e-30), 0, MOST_SIGNAL)
    weight = signal / (1 - signal**2) / np.maximum(power, 1e-30)
    weight[signal < LEAST_SIGNAL] = 0
    weight[weight < 1e-4 * weight.max()] = 0
    return np.asarray(weight / max(weight.max(), 1e-30))


def _near(rays: lines_of.C64, views: F64, window: int, check: Check) -> tuple[F64, F32]:
    """Return angles and correlations of the lines near their predicted places."""
    n = len(views)
    angle, score = np.zeros((n, n)), np.zeros((n, n), np.float32)
    A = np.ascontiguousarray(views)

    def work(lo: int, hi: int) -> None:
        check()
        ko.refine_lines(rays, A, window, lo, hi, angle, score)

    each_chunk(work, n, 4)
    return angle, score


def _trust(views: F64, score: F32) -> F64:
    """Return weights of lines: those of near views are seen badly, those of low correlation are not seen."""
    d = views[:, 2]
    return np.asarray(np.maximum(1 - (d @ d.T) ** 2, 0) * np.clip(score, 0, 1) ** 2, float)


def _along(rays: lines_of.C64, angle: F64, rings: F64, size: int, check: Check) -> F64:
    n = len(angle)
    shift, phase = np.zeros((n, n)), 2 * np.pi * rings / size
    ramp = np.exp(1j * phase * TRIED_PX[:, None]).astype(np.complex64)

    def work(lo: int, hi: int) -> None:
        check()
        ko.line_shifts(rays, angle, phase, TRIED_PX, ramp, lo, hi, shift)

    each_chunk(work, n, 4)
    return shift


def _displacements(direction: F64, shift: F64, weight: F64, rounds: int = 4) -> F64:
    """Return the displacements (n, 2) that explain those along the lines: robust least squares.

    A displacement of the object moves all images together; of these the smallest is taken.
    """
    n = len(shift)
    out, now = np.zeros((n, 2)), weight
    rows = np.arange(n)
    for _ in range(rounds):
        matrix = -np.einsum("ija,jib,ij->iajb", direction, direction, now)
        matrix[rows, :, rows] += np.einsum("ija,ijb,ij->iab", direction, direction, now)
        flat = matrix.reshape(2 * n, 2 * n)
        flat[np.arange(2 * n), np.arange(2 * n)] += 1e-3 * max(np.trace(flat), 1e-30) / (2 * n)
        out = np.linalg.solve(flat, np.einsum("ija,ij,ij->ia", direction, shift, now).ravel()).reshape(n, 2)
        left = shift - np.einsum("ija,ia->ij", direction, out) + np.einsum("jia,ja->ij", direction, out)
        now = weight / np.maximum(np.abs(left), 0.05)
    return out
