"""The search where common lines are seen too rarely: several annealed starts, the best settled with its map."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from emviewer.engine.orientations_align import align_views
from emviewer.engine.orientations_em import Annealing, Band, State, band
from emviewer.engine.orientations_soft import settled
from emviewer.engine.orientations_solution import Plan, Solution
from emviewer.engine.rotations import angle_deg, super_fibonacci
from emviewer.engine.symmetry import PointGroup
from emviewer.engine.task import Check
from emviewer.engine.types import F32, F64

COARSE_VIEWS, FINE_VIEWS = 4608, 15_000
"""Rotations of the grids, 15° and 10° apart at most; fewer by the order of the point group."""
LEAST_STARTS, MOST_STARTS, CONFIRMED = 2, 3, 0.8
"""So many starts are made at least, and so many times as asked for at most, until another agrees with the best on so
many of the images."""
FEW_SYMMETRIC = 50
"""Of so many images of a symmetric particle all starts are made: they take a second, and agree on wrong answers."""
RINGS, RINGS_SYMMETRIC = 1.8, 2.5
"""Highest ring of the coarse band, times the share of the box that the particle's radius is."""
MOST_NOISE_SYMMETRIC = 5.0
"""Assumed noise over its floor, at most, with symmetry: starts of D2 from 36 images explained nothing without."""
UNKNOWN = 0.7
"""Agreement taken where no start came near the best."""
SAME_FRAME_DEG = 5.0
"""Starts that are turned against each other by less did not find their frames by themselves."""
SAME_DEG = 25.0
"""Two starts agree on an image when their views of it differ by less."""


def annealed(
    ready: F32, group: PointGroup, plan: Plan, anchors: NDArray[np.int64], suspected: F64 | None, check: Check,
    enough: Callable[[F64], bool] = lambda views: False,
) -> Iterator[Solution]:  # fmt: skip
    """Yield views of images at every stage of the search; the last is refined, and not yet judged.

    Parameters
    ----------
    ready : ndarray of float32, shape (n, d, d)
        Masked, centred as well as can be, background zero.
    group : PointGroup
        Of the particle.
    plan : Plan
        How.
    anchors : ndarray of int64
        Images on which the starts work.
    suspected : ndarray of float64, shape (len(anchors), 3, 3), optional
        Views from which one more start begins, before the others.
    enough : callable, optional
        Tells of views of the anchors to which that start led whether they need no others.
    check : callable
        Raises to stop.
    """
    n, d, _ = ready.shape
    elements = np.asarray(group.rotations)
    rings = RINGS if group.order == 1 else RINGS_SYMMETRIC
    top = float(np.clip(rings * d / plan.radius_px, 5.0, d / 2 - 2))
    coarse = band(ready[anchors], top, plan.radius_px)
    views = _views(COARSE_VIEWS, group)
    tries = _tries(plan.max_shift_px, d / (4.5 * top))
    ends: list[State] = []
    best = Solution(np.tile(np.eye(3), (n, 1, 1)), np.zeros((n, 2)), np.zeros(n), "")
    least = plan.starts * MOST_STARTS if group.order > 1 and n <= FEW_SYMMETRIC else min(plan.starts, LEAST_STARTS)
    for number in range(0 if suspected is None else -1, MOST_STARTS * plan.starts):
        if number >= least and _agreement(ends, elements) > CONFIRMED:
            break
        first = suspected if number < 0 else None
        name = "start from common lines" if number < 0 else f"start {number + 1}"
        last = None
        for last in _start(coarse, views, elements, tries, plan, number, first, check):
            if last.iteration % 5 == 4:
                now = _partial(last, anchors, n, name)
                # what a stopped job keeps is the best so far, not the newest
                yield replace(now, best=best if best.explained > now.explained else None)
        assert last is not None
        ends.append(last)
        if last.explained > best.explained:
            best = _partial(last, anchors, n, name)
        if number < 0 and enough(last.rotations):
            break
    ends.sort(key=lambda e: -e.explained)
    agreement = _agreement(ends, elements) if len(ends) > 1 else None
    fine = _fine(ready, ends[0], anchors, group, plan, top, check)
    yield _partial(fine, np.arange(n), n, "finer grid")
    begun = Solution(fine.rotations, fine.displacement_px, np.zeros(n), "settling", ends[0].explained, agreement)
    yield from settled(ready, begun, group, plan, 1.4 * top, check)


def _start(
    images: Band, views: F64, elements: F64, tries: F64, plan: Plan, number: int, first: F64 | None, check: Check
) -> Iterator[State]:
    """Yield the states of one start: from views already suspected, or from random ones."""
    anneal = Annealing(images, views, group=elements, displacements_px=tries)
    hot = 0.2
    if first is None:
        rng = np.random.default_rng([plan.seed, number])
        first = super_fibonacci(4096)[rng.integers(4096, size=len(images.values))]
    else:
        hot, anneal.noise = 0.05, 0.5 * anneal.power
    most = np.inf if len(elements) == 1 else MOST_NOISE_SYMMETRIC
    for state in anneal.run(anneal.map_of(first), plan.iterations, hot, 0.01, 3.0, check, most):
        np.clip(anneal.centre, -plan.max_shift_px, plan.max_shift_px, out=anneal.centre)
        yield state


def _fine(
    ready: F32, best: State, anchors: NDArray[np.int64], group: PointGroup, plan: Plan, top: float,
    check: Check, iterations: int = 4,
) -> State:  # fmt: skip
    """Return the state after some iterations of all images on a finer grid in a wider band."""
    d = ready.shape[1]
    wide = band(ready, min(1.4 * top, d / 2 - 2), plan.radius_px)
    centre = np.zeros((len(ready), 2))
    centre[anchors] = best.displacement_px
    anneal = Annealing(
        wide, _views(FINE_VIEWS, group), group=np.asarray(group.rotations), centre_px=centre,
        displacements_px=_tries(plan.max_shift_px, d / (6.0 * top)),
    )  # fmt: skip
    few = Annealing(band(ready[anchors], min(1.4 * top, d / 2 - 2), plan.radius_px), best.rotations[:1])
    few.group, few.noise = anneal.group, 0.5 * few.power
    most = np.inf if group.order == 1 else MOST_NOISE_SYMMETRIC
    begin = few.map_of(best.rotations, best.displacement_px)
    *_, state = anneal.run(begin, iterations, 0.05, 0.003, 2.0, check, most)
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


def _agreement(ends: list[State], elements: F64) -> float:
    """Return the share of the images to which the start that agrees most with the best gives the same view.

    Starts that stopped at a much worse answer say nothing against the best; ``UNKNOWN`` where there is no other. Those
    that explain nothing, or that end in one frame, where independent ones stand at random, are the images' and the
    grid's own habit, and agree with nothing.
    """
    best, *others = sorted(ends, key=lambda e: -e.explained)
    shares = []
    for other in others:
        if 1 - other.explained >= 1.25 * (1 - best.explained):
            continue
        turn, flipped, left = align_views(best.rotations, other.rotations, elements)
        same = len(elements) == 1 and not flipped and float(angle_deg(turn, np.eye(3))) < SAME_FRAME_DEG
        shares.append(0.0 if same or best.explained <= 0 else float(np.mean(np.degrees(left) < SAME_DEG)))
    return max(shares, default=UNKNOWN)


def _partial(state: State, rows: NDArray[np.int64], n: int, stage: str) -> Solution:
    rotations, displaced, sure = np.tile(np.eye(3), (n, 1, 1)), np.zeros((n, 2)), np.zeros(n)
    rotations[rows], displaced[rows], sure[rows] = state.rotations, state.displacement_px, state.certainty
    return Solution(rotations, displaced, sure, stage, state.explained)
