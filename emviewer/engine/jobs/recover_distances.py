"""The two other ways of recovery: by common lines, and from pairwise distances with the frame taken from the images."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from emviewer.engine import orientations_frame
from emviewer.engine import orientations_lines as lines_of
from emviewer.engine.conventions import matrix_to_quaternion, quaternion_to_matrix
from emviewer.engine.errors import DataError, ParameterError
from emviewer.engine.jobs.recover_inputs import Inputs
from emviewer.engine.jobs.recover_learned import by_learned
from emviewer.engine.jobs.recover_params import RecoverParams
from emviewer.engine.orientations_align import distances
from emviewer.engine.orientations_distances import Recovered, finished, pairs_from_matrix, steps
from emviewer.engine.orientations_images import prepared, refined, solve
from emviewer.engine.orientations_solution import Plan, Solution
from emviewer.engine.task import Check
from emviewer.engine.types import F32, F64

PARTNERS = 400
"""Partners of each image in the fit to distances."""
LEAST_CLEAR = 0.02
"""Least difference of the mean correlations along lines of the frame found and of the other branch."""


def no_symmetry(inputs: Inputs, what: str) -> None:
    """Refuse symmetric particles, whose distances and common lines come in several kinds."""
    if inputs.group.order > 1:
        raise ParameterError(
            f"{what} have several values for {inputs.group.name} particles", "--sym", "take --method auto"
        )


def by_lines(images: F32, inputs: Inputs, plan: Plan, check: Check) -> Iterator[Solution]:
    """Yield views from common lines: synchronised, reweighted, polished, refined where that helps; without a search."""
    no_symmetry(inputs, "common lines")
    yield from solve(images, inputs.group, replace(plan, search=False), check)


def by_distances(
    images: F32, inputs: Inputs, params: RecoverParams, plan: Plan, check: Check, rng: np.random.Generator,
    keep: Callable[[F64], None],
) -> Iterator[Solution]:  # fmt: skip
    """Yield views from pairwise distances, then in the camera frame that the images support; ``keep`` the matrix."""
    if params.distance == "learned":
        yield from by_learned(images, inputs, params, plan, check, rng, keep)
        return
    no_symmetry(inputs, "distances")
    ready, centre, near = prepared(images, plan)
    n, d, _ = ready.shape
    matrix, error_sd = _matrix(images, ready, inputs, params, plan, check, rng)
    keep(matrix)
    pairs = pairs_from_matrix(matrix, PARTNERS, rng, error_sd)
    best: Recovered | None = None
    for number in range(3):
        last = None
        for last in steps(pairs, rng, report_every=25, check=check):
            turned = quaternion_to_matrix(last.quaternions)
            yield Solution(turned, centre, np.full(n, 0.1), f"distances, start {number + 1}", loss=float(last.loss))
        if last is not None and (best is None or last.loss < best.loss):
            best = last
        if best is not None and best.loss < 1e-10:
            break
    assert best is not None
    best = finished(pairs, best, rng, check)
    top = float(np.clip(4.0 * d / near.radius_px, 8.0, d / 2 - 2))
    rays, _ = lines_of.polar_rays(ready, top, 720, first=2)
    frame = orientations_frame.resolve(rays, quaternion_to_matrix(best.quaternions), rng, check=check)
    yield Solution(frame.views, centre, np.full(n, 0.2), "camera frame")
    doubts: tuple[str, ...] = ()
    if frame.score - frame.other_score < LEAST_CLEAR:
        doubts = ("the images do not tell the camera frame of these distances: the map cannot be trusted",)
    for found in refined(ready, frame.views, near, inputs.group, check, doubts):
        yield replace(found, displacement_px=found.displacement_px + centre)


def _matrix(
    images: F32, ready: F32, inputs: Inputs, params: RecoverParams, plan: Plan, check: Check, rng: np.random.Generator
) -> tuple[F64, float]:
    """Return distances in rad of the usable images, and the standard deviation of their errors where it is known."""
    word = params.distance
    if word == "true" or word.startswith("perturbed"):
        assert inputs.truth is not None
        q = matrix_to_quaternion(inputs.truth[inputs.usable])
        matrix = np.stack([distances(np.broadcast_to(row, q.shape), q) for row in q])
        sd = float(word.partition(":")[2] or 0)
        error = np.triu(rng.normal(0, sd, matrix.shape), 1) if sd > 0 else np.zeros(matrix.shape)
        return matrix + error + error.T, sd
    if word == "euclidean":
        return _euclidean(ready), 0.0
    if word == "common-lines":
        *_, last = by_lines(images, inputs, plan, check)
        q = matrix_to_quaternion(last.rotations)
        return np.stack([distances(np.broadcast_to(row, q.shape), q) for row in q]), 0.0
    return _from_file(word, inputs), 0.0


def _from_file(name: str, inputs: Inputs) -> F64:
    try:
        matrix = np.load(Path(name).expanduser(), allow_pickle=False)
    except (OSError, ValueError) as err:
        raise ParameterError("the distances cannot be read", name, "give a .npy of an N×N matrix in rad") from err
    n = len(inputs.data)
    if matrix.shape != (n, n):
        raise DataError(f"the distances are {matrix.shape}, the images {n}", name, "give an N×N matrix in rad")
    chosen = np.asarray(matrix, np.float64)[np.ix_(inputs.usable, inputs.usable)]
    known = chosen[np.isfinite(chosen)]
    if len(known) == 0 or known.min() < -0.01 or known.max() > np.pi * 1.5:
        raise DataError("the distances are not angles from 0 to π", name, "give rad")
    return chosen


def _euclidean(ready: F32) -> F64:
    """Return distances of pixels, spread like those of uniform orientations: ranks onto ``(d - sin d) / π``."""
    flat = ready.reshape(len(ready), -1)
    square = (flat**2).sum(axis=1)
    far = np.sqrt(np.maximum(square[:, None] + square - 2 * flat @ flat.T, 0)).astype(np.float64)
    upper = np.triu_indices(len(far), 1)
    rank = far[upper].argsort().argsort() / max(1, len(upper[0]) - 1)
    grid = np.linspace(0, np.pi, 2000)
    out = np.zeros_like(far)
    out[upper] = np.interp(rank, (grid - np.sin(grid)) / np.pi, grid)
    return np.asarray(out + out.T)
