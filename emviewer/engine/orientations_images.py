"""From images to orientations without any map.

Common lines give the views at once where enough of them are seen, as in class averages; elsewhere several annealed
starts search for them. Either way it is the common lines, detected pair by pair, that tell how far the result is to
be believed (:mod:`emviewer.engine.orientations_judge`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy import fft as sfft

from emviewer.engine import orientations_match, orientations_quick, orientations_starts
from emviewer.engine.conventions import euler_to_matrix
from emviewer.engine.orientations_em import prepare_images
from emviewer.engine.orientations_judge import judged
from emviewer.engine.orientations_polish import polish
from emviewer.engine.orientations_soft import SEARCH_STEP_DEG, settled
from emviewer.engine.orientations_solution import Plan, Solution
from emviewer.engine.resample import shift_images
from emviewer.engine.sampling import even
from emviewer.engine.symmetry import PointGroup, point_group
from emviewer.engine.task import Check, never
from emviewer.engine.types import F32, F64

__all__ = ["Plan", "Solution", "centred", "particle_radius_px", "prepared", "refined", "solve"]

ANCHORS = 1000
"""Images whose common lines are compared and on which starts work; the others are placed on their map."""
SEEN = 0.45
"""Support above which common lines are believed without a search."""
BORNE_OUT = 0.23
"""Support above which the views to which a start from common lines led are believed without random starts; wrong views
reached 0.20."""
CLEAR = 0.75
"""Support above which common lines tell views as well as a map does."""
TELLING = 0.2
"""Support of views above which common lines tell whether others are better: at 0.06, views 7° off fitted them better
than the true ones."""
LEAST_LEFT_PX = 3.0
"""Particles are sought this far from where centring put them, or as far as was allowed at all; settling, they may go
further."""


def particle_radius_px(images: F32) -> float:
    """Return the radius beyond which images hold less than 0.1 % of the most power above their rim, plus 1 px."""
    n = images.shape[1]
    y, x = np.ogrid[:n, :n]
    r = np.round(np.hypot(y - n // 2, x - n // 2)).astype(int)
    flat = images - np.median(images[:, r >= n // 2 - 1], axis=1)[:, None, None]
    power = (flat.astype(np.float64) ** 2).mean(axis=0)
    profile = np.bincount(r.ravel(), power.ravel())[: n // 2] / np.bincount(r.ravel())[: n // 2]
    rim = profile[int(0.42 * n) :]
    excess = profile - rim.mean() - 2 * rim.std()
    most = int(excess.argmax())
    # the first radius that is no brighter than the rim: single rings far out are noise
    beyond = np.flatnonzero(excess[most:] <= 0.001 * excess[most])
    edge = most + beyond[0] if len(beyond) else 0.46 * n
    return float(np.clip(edge, 0.1 * n, 0.46 * n))


def centred(images: F32, radius_px: float, max_shift_px: float, rounds: int = 3) -> F64:
    """Return displacements (n, 2) in pixels that centre images on the round mean of all."""
    n = images.shape[1]
    if max_shift_px < 0.5:
        return np.zeros((len(images), 2))
    y, x = np.ogrid[:n, :n]
    r = np.round(np.hypot(y - n // 2, x - n // 2)).astype(int)
    count = np.bincount(r.ravel())
    near = np.hypot(y - n // 2, x - n // 2) <= max_shift_px
    half = sfft.rfft2(sfft.ifftshift(images - images.mean(axis=(1, 2), keepdims=True), axes=(1, 2)))
    fy, fx = np.fft.fftfreq(n)[:, None], np.fft.rfftfreq(n)
    d = np.zeros((len(images), 2))
    for _ in range(rounds):
        turn = np.exp(2j * np.pi * (fx * d[:, 0, None, None] + fy * d[:, 1, None, None]))
        mean = sfft.fftshift(sfft.irfft2((half * turn).mean(axis=0), s=(n, n)))
        profile = np.bincount(r.ravel(), mean.ravel()) / count
        blob = profile[r] * (r <= radius_px * 1.3)
        score = sfft.irfft2(half * np.conj(sfft.rfft2(sfft.ifftshift(blob))), s=(n, n))
        score = np.where(near, sfft.fftshift(score, axes=(1, 2)), -np.inf)
        place = np.unravel_index(score.reshape(len(d), -1).argmax(axis=1), (n, n))
        d = np.stack([place[1] - n // 2, place[0] - n // 2], axis=1).astype(float)
    return d


def solve(images: F32, group: PointGroup, plan: Plan, check: Check = never) -> Iterator[Solution]:
    """Yield orientations of images (n, d, d), white on dark, at every stage; the last is the result.

    Parameters
    ----------
    images : ndarray of float32, shape (n, d, d)
        Finite and not empty.
    group : PointGroup
        Of the particle.
    plan : Plan
        How.
    check : callable
        Raises to stop.
    """
    ready, centre, near = prepared(images, plan)
    n = len(ready)
    anchors = _anchors(n, plan)
    found = orientations_quick.find(
        ready[anchors], np.zeros((len(anchors), 2)), near.radius_px, near.max_shift_px, check
    )
    last = None
    if group.order == 1 and (found.support > SEEN or not plan.search):
        stages = _from_lines(ready, found, near, anchors, check)
    else:
        alone = group.order == 1
        stages = orientations_starts.annealed(
            ready, group, near, anchors, found.views if alone else None, check,
            lambda views: orientations_quick.witnessed(found.lines, views).support > BORNE_OUT,
        )  # fmt: skip
    for last in stages:
        yield _seen(last, centre)
    assert last is not None
    yield _seen(judged(last, found, anchors, group), centre)


def prepared(images: F32, plan: Plan) -> tuple[F32, F64, Plan]:
    """Return images centred and softly masked, the displacements (n, 2) that were undone, and the plan for the rest."""
    d = images.shape[1]
    centre = centred(images, plan.radius_px, plan.max_shift_px)
    moved = shift_images(images, -centre) if centre.any() else images
    radius = min(plan.radius_px, particle_radius_px(moved))
    left = min(plan.max_shift_px, max(LEAST_LEFT_PX, 0.04 * d))
    ready = prepare_images(moved, min(radius + min(2.0, left), 0.47 * d))
    return ready, centre, replace(plan, radius_px=radius, max_shift_px=left, farthest_px=plan.max_shift_px)


def refined(
    ready: F32, views: F64, plan: Plan, group: PointGroup, check: Check = never, doubts: tuple[str, ...] = ()
) -> Iterator[Solution]:
    """Yield views that were right to some ten degrees, settled by the images; judged by their common lines.

    Parameters
    ----------
    ready : ndarray of float32, shape (n, d, d)
        From :func:`prepared`.
    views : ndarray of float64, shape (n, 3, 3)
        Where to begin.
    plan : Plan
        From :func:`prepared`.
    group : PointGroup
        Of the particle.
    check : callable
        Raises to stop.
    doubts : tuple of str
        Sentences for which nothing is to be believed.
    """
    n = len(ready)
    anchors, still = _anchors(n, plan), np.zeros((n, 2))
    lines = orientations_quick.detect(ready[anchors], still[anchors], plan.radius_px, plan.max_shift_px, check)
    began = orientations_quick.witnessed(lines, views[anchors])
    last = Solution(views, still, np.zeros(n), "kept")
    if group.order == 1 and began.support > SEEN:
        stages = _from_lines(ready, began, plan, anchors, check)
    else:
        stages = orientations_starts.annealed(ready, group, replace(plan, starts=0), anchors, views[anchors], check)
    for last in stages:
        yield last
    elements = np.asarray(group.rotations)
    before, after = (orientations_quick.misfit(lines, v[anchors], elements) for v in (views, last.rotations))
    borne = float(orientations_quick.support(lines, views[anchors], elements).mean())
    if after > before and borne > TELLING:
        last = Solution(views, still, np.zeros(n), "kept")
    yield judged(last, began, anchors, group, doubts)


def _anchors(n: int, plan: Plan) -> NDArray[np.int64]:
    return np.sort(np.random.default_rng(plan.seed).permutation(n)[:ANCHORS])


def _seen(found: Solution, centre: F64) -> Solution:
    """Return the solution in the frame of the images as they came."""
    best = None if found.best is None else _seen(found.best, centre)
    return replace(found, displacement_px=found.displacement_px + centre, best=best)


def _from_lines(
    ready: F32, found: orientations_quick.Found, plan: Plan, anchors: NDArray[np.int64], check: Check
) -> Iterator[Solution]:
    """Yield views that common lines gave, polished; settled with their map where that tells more."""
    n, d, _ = ready.shape
    views, stands = np.tile(np.eye(3), (n, 1, 1)), np.zeros((n, 2))
    views[anchors] = found.views
    yield Solution(views.copy(), stands, np.zeros(n), "common lines")
    polished = polish(ready[anchors], found.views, stands[anchors], plan.reach_px, seed=plan.seed, check=check)
    views[anchors], stands[anchors] = polished.views, polished.displacement_px
    last = Solution(views.copy(), stands.copy(), np.zeros(n), "polished lines")
    yield last
    others = np.setdiff1d(np.arange(n), anchors)
    everywhere = euler_to_matrix(*even(SEARCH_STEP_DEG).T)
    start = float(np.clip(2.2 * d / plan.radius_px, 6.0, d / 2 - 2))
    if len(others):
        placed = orientations_match.place(
            ready, anchors, others, views, stands, plan.max_shift_px + 1e-3, start, everywhere, check
        )
        last = Solution(placed.rotations, placed.displacement_px, np.zeros(n), "placed", fit=placed.score)
        yield last
    if found.support > CLEAR:
        return
    yield from settled(ready, last, point_group("C1"), plan, start, check)
