"""From images to orientations without any map: several annealed starts, the best refined against its own maps.

Confidence comes from what can go wrong: starts that end in different answers, images that fit no single view, and
views that do not spread over the sphere.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np
from scipy import fft as sfft

from emviewer.engine import orientations_lines as lines_of
from emviewer.engine import orientations_match
from emviewer.engine.conventions import euler_to_matrix
from emviewer.engine.orientations_align import align_views
from emviewer.engine.orientations_em import Annealing, Band, State, band, prepare_images
from emviewer.engine.orientations_polish import polish
from emviewer.engine.resample import shift_images
from emviewer.engine.rotations import super_fibonacci
from emviewer.engine.sampling import even
from emviewer.engine.symmetry import PointGroup
from emviewer.engine.task import Check, never
from emviewer.engine.types import F32, F64

ANCHORS = 1000
"""Images that the starts work on; the others are placed on their map."""
MOST_LINES = 1500
"""More images than this are not polished by their common lines, whose number grows with the square."""
COARSE_VIEWS, FINE_VIEWS = 4608, 15_000
"""Rotations of the grids, 15° and 10° apart at most; fewer by the order of the point group."""
SEARCH_STEP_DEG = 7.5
"""Step of the directions over which each image is searched anew once the map is good, to rescue single images."""
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
    loss : float or None
        Of the distances between the views, while views are fitted to distances.
    """

    rotations: F64
    displacement_px: F64
    confidence: F64
    stage: str
    explained: float = 0.0
    agreement: float = 0.0
    warnings: tuple[str, ...] = field(default=())
    loss: float | None = None


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
    inside = np.flatnonzero(excess > 0.001 * excess.max())
    return float(np.clip(inside[-1] + 1.0 if len(inside) else 0.42 * n, 0.1 * n, 0.46 * n))


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
    for number in range(-1 if group.order == 1 else 0, plan.starts):
        first = _from_lines(ready[anchors], displaced[anchors], plan, check) if number < 0 else None
        name = "start from common lines" if number < 0 else f"start {number + 1} of {plan.starts}"
        for state in _start(coarse, views, elements, tries, displaced[anchors], plan, number, first, check):
            if state.iteration % 5 == 4:
                yield _partial(state, anchors, n, name)
        ends.append(state)
    ends.sort(key=lambda e: -e.explained)
    same = _agreement(ends, elements)
    best = ends[0]
    doubts = _doubts(best, coarse, ready[anchors], group, displaced[anchors], plan, check)
    fine = _fine(ready, best, anchors, displaced, group, plan, top, check)
    yield _partial(fine, np.arange(n), n, "finer grid")
    last = Solution(fine.rotations, fine.displacement_px, np.zeros(n), "refined")
    score, band_top = np.zeros(n), top
    everywhere = euler_to_matrix(*even(SEARCH_STEP_DEG, group).T)
    for searched, count in ((0, plan.rounds // 2), (1, plan.rounds - plan.rounds // 2)):
        for refined in orientations_match.rounds(
            ready, last.rotations, last.displacement_px, group=elements, max_shift_px=plan.max_shift_px + 1e-3,
            start=max(band_top, top * 1.2), count=count, folds=4 if n >= 16 else 2, seed=plan.seed,
            search_views=everywhere, search_rounds=searched, check=check,
        ):  # fmt: skip
            score, band_top = refined.score, refined.top
            last = Solution(refined.rotations, refined.displacement_px, np.zeros(n), "refining", best.explained)
            yield last
    if group.order == 1 and n <= MOST_LINES:
        turned, better = polish(ready, last.rotations, last.displacement_px, band_top, seed=plan.seed, check=check)
        if better:
            last = replace(last, rotations=turned)
    yield _judged(last, score, same, best.explained, doubts)


def _start(
    images: Band, views: F64, elements: F64, tries: F64, displaced: F64, plan: Plan, number: int,
    first: F64 | None, check: Check,
) -> Iterator[State]:  # fmt: skip
    """Yield the states of one start: from views already suspected, or from random ones."""
    anneal = Annealing(images, views, group=elements, displacements_px=tries, centre_px=displaced)
    hot = 0.2
    if first is None:
        rng = np.random.default_rng([plan.seed, number])
        first = super_fibonacci(4096)[rng.integers(4096, size=len(images.values))]
    else:
        hot, anneal.noise = 0.05, 0.5 * anneal.power
    for state in anneal.run(anneal.map_of(first, displaced), plan.iterations, hot, 0.01, 3.0, check):
        np.clip(anneal.centre, -plan.max_shift_px, plan.max_shift_px, out=anneal.centre)
        yield state


def _from_lines(ready: F32, displaced: F64, plan: Plan, check: Check) -> F64:
    """Return views from common lines: exact for clean images, and a start like any other for noisy ones."""
    d = ready.shape[1]
    top = float(np.clip(3.0 * d / plan.radius_px, 8.0, d / 2 - 2))
    rays, rings = lines_of.polar_rays(shift_images(ready, -displaced), top, 120)
    lines = lines_of.common_lines(rays, rings, d, min(2.0, plan.max_shift_px), 1.0, check)
    views = lines_of.consistent(lines)
    better = lines_of.reweighted(lines, views, iterations=30, check=check)
    cost = [float(np.mean(np.minimum(lines_of.residuals(lines, v), 0.5))) for v in (views, better)]
    return better if cost[1] < cost[0] else views


def _doubts(
    best: State, coarse: Band, ready: F32, group: PointGroup, displaced: F64, plan: Plan, check: Check
) -> list[tuple[float, str]]:
    """Return factors of confidence with sentences: when chance explains as much, and when no symmetry explains more."""
    out: list[tuple[float, str]] = []
    rng = np.random.default_rng([plan.seed, 7])
    phase = np.exp(2j * np.pi * rng.uniform(size=coarse.values.shape)).astype(np.complex64)
    views, elements = _views(COARSE_VIEWS, group), np.asarray(group.rotations)
    still = np.zeros((1, 2))
    # half as many iterations: chance has no answer to converge to
    short = replace(plan, iterations=plan.iterations // 2 + 3)
    chance = replace(coarse, values=coarse.values * phase)
    *_, null = _start(chance, views, elements, still, np.zeros_like(displaced), short, 0, None, check)
    gain = (best.explained - null.explained) / max(1e-6, 1 - null.explained)
    if gain < 0.15:
        out.append((0.1, "images with random phases are explained about as well: nothing in these was recognised"))
    if group.order > 1:
        lines, grid = _from_lines(ready, best.displacement_px, plan, check), super_fibonacci(COARSE_VIEWS)
        *_, free = _start(coarse, grid, np.eye(3)[None], still, best.displacement_px, plan, 0, lines, check)
        if 1 - best.explained > 1.6 * (1 - free.explained):
            out.append((0.1, f"the images are explained much better without the symmetry {group.name}"))
    return out


def _fine(
    ready: F32, best: State, anchors: np.ndarray, displaced: F64, group: PointGroup, plan: Plan, top: float,
    check: Check, iterations: int = 4,
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
    return np.array([[0, 0], [1, 0], [-1, 0], [0, 1], [0, -1]]) * step


def _agreement(ends: list[State], elements: F64) -> F64:
    """Return for each image the share of the other starts as good as the best that give it the same view."""
    n = len(ends[0].rotations)
    if len(ends) < 2:
        return np.full(n, 0.5)
    agree = [
        np.degrees(align_views(ends[0].rotations, other.rotations, elements)[2]) < SAME_DEG
        for other in ends[1:]
        if 1 - other.explained < 1.25 * (1 - ends[0].explained)
    ]
    # starts that stopped at a much worse answer say nothing against the best
    return np.asarray(np.max(agree, axis=0), float) if agree else np.full(n, 0.7)


def _partial(state: State, rows: np.ndarray, n: int, stage: str) -> Solution:
    rotations, displaced, sure = np.tile(np.eye(3), (n, 1, 1)), np.zeros((n, 2)), np.zeros(n)
    rotations[rows], displaced[rows], sure[rows] = state.rotations, state.displacement_px, state.certainty
    return Solution(rotations, displaced, sure, stage, state.explained)


def _judged(last: Solution, score: F64, same: F64, explained: float, doubts: list[tuple[float, str]]) -> Solution:
    """Return the result with confidences and doubts."""
    n = len(score)
    agreement = float(same.mean())
    warnings = [sentence for _, sentence in doubts]
    middle, width = float(np.median(score)), float(np.percentile(score, 75) - np.percentile(score, 25)) / 1.35
    fits = 1 / (1 + np.exp(-((score - middle) / max(width, 0.02) + 2.5)))
    confidence = fits * (same if len(same) == n else agreement)
    confidence = confidence * np.clip(2 * agreement - 0.4, 0.05, 1.0)
    for factor, _ in doubts:
        confidence = confidence * factor
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
