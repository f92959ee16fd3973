"""From images to orientations without any map: several annealed starts, the best refined against its own maps.

Confidence comes from what can go wrong: starts that end in different answers, images that fit no single view, and
views that do not spread over the sphere.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from scipy import fft as sfft

from emviewer.engine import orientations_match
from emviewer.engine.orientations_align import align_views
from emviewer.engine.orientations_em import Annealing, Band, State, band, prepare_images
from emviewer.engine.rotations import super_fibonacci
from emviewer.engine.symmetry import PointGroup
from emviewer.engine.task import Check, never
from emviewer.engine.types import F32, F64

ANCHORS = 1000
"""Images that the starts work on; the others are placed on their map."""
COARSE_VIEWS, FINE_VIEWS = 4608, 30_000
"""Rotations of the grids, 15° and 8° apart at most; fewer by the order of the point group."""
SAME_DEG = 25.0
"""Two starts agree on an image when their views of it differ by less."""


@dataclass(frozen=True)
class Plan:
    """How images are solved.

    Parameters
    ----------
    max_shift_px : float
        Largest displacement.
    radius_px : float
        Radius of the particle.
    starts : int
        Random starts.
    iterations : int
        Of each start.
    rounds : int
        Of refinement against the images' own maps.
    seed : int
        Of everything random.
    """

    max_shift_px: float
    radius_px: float
    starts: int = 4
    iterations: int = 30
    rounds: int = 8
    seed: int = 0


@dataclass(frozen=True, eq=False)
class Solution:
    """Orientations found, at some stage.

    Parameters
    ----------
    rotations : ndarray of float64, shape (n, 3, 3)
        Views ``A``.
    displacement_px : ndarray of float64, shape (n, 2)
        Where the particles stand; minus RELION's origin.
    confidence : ndarray of float64, shape (n,)
        0 … 1.
    stage : str
        What was done last.
    explained : float
        Share of the images' power in the coarse band that the map explains.
    agreement : float
        Share of the images on which the two best starts agree.
    warnings : tuple of str
        Doubts.
    """

    rotations: F64
    displacement_px: F64
    confidence: F64
    stage: str
    explained: float = 0.0
    agreement: float = 0.0
    warnings: tuple[str, ...] = field(default=())


def particle_radius_px(images: F32) -> float:
    """Return the radius within which 98 % of the images' power above that of their rim lies, plus a pixel."""
    n = images.shape[1]
    y, x = np.ogrid[:n, :n]
    r = np.round(np.hypot(y - n // 2, x - n // 2)).astype(int)
    flat = images - np.median(images[:, r >= n // 2 - 1], axis=1)[:, None, None]
    power = (flat.astype(np.float64) ** 2).mean(axis=0)
    count = np.bincount(r.ravel())
    profile: F64 = np.bincount(r.ravel(), power.ravel())[: n // 2] / count[: n // 2]
    rim = profile[int(0.42 * n) :]
    excess = np.maximum(profile - float(rim.mean()) - 2 * float(rim.std()), 0) * count[: n // 2]
    total = np.asarray(np.cumsum(excess), np.float64)
    if total[-1] == 0:
        return 0.42 * n
    reach = float(np.searchsorted(total, 0.98 * total[-1])) + 1.0
    return min(max(reach, 0.1 * n), 0.46 * n)


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
    n, d, _ = images.shape
    elements = np.asarray(group.rotations)
    rng = np.random.default_rng(plan.seed)
    displaced = centred(images, plan.radius_px, plan.max_shift_px)
    ready = prepare_images(images, min(plan.radius_px + np.ceil(plan.max_shift_px), 0.47 * d))
    top = float(np.clip(1.8 * d / plan.radius_px, 5.0, d / 2 - 2))
    anchors = np.sort(rng.permutation(n)[:ANCHORS])
    coarse = band(ready[anchors], top, plan.radius_px)
    views = _views(COARSE_VIEWS, group)
    tries = _tries(plan.max_shift_px, d / (4.5 * top))
    ends: list[State] = []
    for number in range(plan.starts):
        state = None
        for state in _start(coarse, views, elements, tries, displaced[anchors], plan, number, check):
            if state.iteration % 5 == 4:
                yield _partial(state, anchors, n, f"start {number + 1} of {plan.starts}")
        assert state is not None
        ends.append(state)
    ends.sort(key=lambda e: -e.explained)
    same = _agreement(ends, elements)
    best = ends[0]
    fine = _fine(ready, best, anchors, displaced, group, plan, top, check)
    yield _partial(fine, np.arange(n), n, "finer grid")
    last = Solution(fine.rotations, fine.displacement_px, np.zeros(n), "refined")
    score = np.zeros(n)
    for refined in orientations_match.rounds(
        ready, fine.rotations, fine.displacement_px, group=elements, max_shift_px=plan.max_shift_px + 1e-3,
        start=top * 1.2, count=plan.rounds, folds=4 if n >= 16 else 2, seed=plan.seed, check=check,
    ):  # fmt: skip
        score = refined.score
        last = Solution(refined.rotations, refined.displacement_px, np.zeros(n), "refining", best.explained)
        yield last
    yield _judged(last, fine, score, same, best.explained)


def _start(
    images: Band, views: F64, elements: F64, tries: F64, displaced: F64, plan: Plan, number: int, check: Check
) -> Iterator[State]:
    """Yield the states of one random start."""
    anneal = Annealing(images, views, group=elements, displacements_px=tries, centre_px=displaced)
    rng = np.random.default_rng([plan.seed, number])
    first = super_fibonacci(4096)[rng.integers(4096, size=len(images.values))]
    for state in anneal.run(anneal.map_of(first, displaced), plan.iterations, 0.2, 0.01, 3.0, check):
        np.clip(anneal.centre, -plan.max_shift_px, plan.max_shift_px, out=anneal.centre)
        yield state


def _fine(
    ready: F32, best: State, anchors: np.ndarray, displaced: F64, group: PointGroup, plan: Plan, top: float,
    check: Check, iterations: int = 5,
) -> State:  # fmt: skip
    """Return the state after some iterations of all images on a finer grid in a wider band."""
    d = ready.shape[1]
    wide = band(ready, min(1.4 * top, d / 2 - 2), plan.radius_px)
    centre = displaced.copy()
    centre[anchors] = best.displacement_px
    anneal = Annealing(
        wide, _views(FINE_VIEWS, group), group=np.asarray(group.rotations), centre_px=centre,
        displacements_px=_tries(plan.max_shift_px, d / (6.0 * top)),
    )  # fmt: skip
    few = Annealing(band(ready[anchors], min(1.4 * top, d / 2 - 2), plan.radius_px), best.rotations[:1])
    few.group, few.noise = anneal.group, 0.5 * few.power
    *_, state = anneal.run(few.map_of(best.rotations, best.displacement_px), iterations, 0.05, 0.003, 2.0, check)
    return state


def _views(count: int, group: PointGroup) -> F64:
    views = super_fibonacci(count)
    if group.order == 1:
        return views
    return views[group.in_asymmetric_unit(views[:, 2])]


def _tries(max_shift_px: float, spacing: float) -> F64:
    """Return displacements of at most one step along each axis; none if particles do not move."""
    if max_shift_px < 0.25:
        return np.zeros((1, 2))
    step = min(spacing, max_shift_px)
    return np.array([[0, 0], [1, 0], [-1, 0], [0, 1], [0, -1], [1, 1], [1, -1], [-1, 1], [-1, -1]]) * step


def _agreement(ends: list[State], elements: F64) -> F64:
    """Return for each image the share of the other starts as good as the best that give it the same view."""
    n = len(ends[0].rotations)
    if len(ends) < 2:
        return np.full(n, 0.5)
    agree = []
    for other in ends[1:3]:
        angle = np.degrees(align_views(ends[0].rotations, other.rotations, elements)[2])
        agree.append(angle < SAME_DEG)
    return np.asarray(np.max(agree, axis=0), float)


def _partial(state: State, rows: np.ndarray, n: int, stage: str) -> Solution:
    rotations, displaced, sure = np.tile(np.eye(3), (n, 1, 1)), np.zeros((n, 2)), np.zeros(n)
    rotations[rows], displaced[rows], sure[rows] = state.rotations, state.displacement_px, state.certainty
    return Solution(rotations, displaced, sure, stage, state.explained)


def _judged(last: Solution, fine: State, score: F64, same: F64, explained: float) -> Solution:
    """Return the result with confidences and doubts."""
    n = len(score)
    agreement = float(same.mean())
    warnings = []
    middle, width = float(np.median(score)), float(np.percentile(score, 75) - np.percentile(score, 25)) / 1.35
    fits = 1 / (1 + np.exp(-((score - middle) / max(width, 0.02) + 2.5)))
    confidence = fits * (same if len(same) == n else agreement)
    confidence = confidence * np.clip(2 * agreement - 0.4, 0.05, 1.0)
    if agreement < 0.6:
        warnings.append(
            f"the best starts agree on {100 * agreement:.0f} % of the images only: the orientations are not reliable"
        )
    scatter = np.linalg.eigvalsh(last.rotations[:, 2].T @ last.rotations[:, 2] / n)
    if scatter[0] < 0.03:
        what = "about one direction" if scatter[1] < 0.1 else "in one plane"
        warnings.append(f"the views found lie {what}: images like these do not determine a map")
        confidence = confidence * 0.1
    if n < 12:
        warnings.append(f"{n} images are too few to be sure of any orientation")
        confidence = confidence * 0.2
    return Solution(
        last.rotations, last.displacement_px, np.clip(confidence, 0, 1), "done", explained, agreement, tuple(warnings)
    )
