"""The two other ways of recovery: by common lines, and from pairwise distances with the frame taken from the images."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from emviewer.engine import orientations_frame, orientations_match
from emviewer.engine import orientations_lines as lines_of
from emviewer.engine.conventions import matrix_to_quaternion, quaternion_to_matrix
from emviewer.engine.errors import DataError, ParameterError
from emviewer.engine.jobs.recover_inputs import Inputs
from emviewer.engine.jobs.recover_params import RecoverParams
from emviewer.engine.orientations_align import distances
from emviewer.engine.orientations_distances import Recovered, pairs_from_matrix, steps
from emviewer.engine.orientations_em import prepare_images
from emviewer.engine.orientations_images import Plan, Solution, centred
from emviewer.engine.resample import shift_images
from emviewer.engine.task import Check
from emviewer.engine.types import F32, F64

PARTNERS = 400
"""Partners of each image in the fit to distances."""
REFINED = 4
"""Rounds of matching to the images' own maps."""


def no_symmetry(inputs: Inputs, what: str) -> None:
    """Refuse symmetric particles, whose distances and common lines come in several kinds."""
    if inputs.group.order > 1:
        raise ParameterError(
            f"{what} have several values for {inputs.group.name} particles", "--sym", "take --method auto"
        )


def by_lines(images: F32, inputs: Inputs, plan: Plan, check: Check) -> Iterator[Solution]:
    """Yield views from common lines: synchronised, reweighted, refined against their own maps where that helps."""
    no_symmetry(inputs, "common lines")
    n, d, _ = images.shape
    displaced = centred(images, plan.radius_px, plan.max_shift_px)
    ready = prepare_images(images, min(plan.radius_px + np.ceil(plan.max_shift_px), 0.47 * d))
    top = float(np.clip(4.0 * d / plan.radius_px, 8.0, d / 2 - 2))
    rays, rings = lines_of.polar_rays(shift_images(ready, -displaced), top, 180)
    lines = lines_of.common_lines(rays, rings, d, min(2.0, plan.max_shift_px), 1.0, check)
    views = lines_of.consistent(lines)
    yield Solution(views, displaced, np.full(n, 0.5), "eigenvectors")
    better = lines_of.reweighted(lines, views, check=check)
    if _robust(lines, better) < _robust(lines, views):
        views = better
    yield Solution(views, displaced, np.full(n, 0.5), "reweighted lines")
    yield refine_if_better(ready, views, displaced, _line_confidence(lines, views), plan, check)


def _robust(lines: lines_of.Lines, views: F64) -> float:
    return float(np.mean(np.minimum(lines_of.residuals(lines, views), 0.5)))


def _line_confidence(lines: lines_of.Lines, views: F64) -> F64:
    """Return the share of each image's lines that agree with its view within about 15°; by chance 2 % do."""
    n = len(views)
    return np.asarray((lines_of.residuals(lines, views) < 0.26).sum(axis=1) - 1, float) / max(1, n - 1)


def refine_if_better(ready: F32, views: F64, displaced: F64, confidence: F64, plan: Plan, check: Check) -> Solution:
    """Return the views matched to their own maps if the images agree better along their common lines afterwards."""
    d = ready.shape[1]
    start = float(np.clip(2.2 * d / plan.radius_px, 6.0, d / 2 - 2))
    *_, last = orientations_match.rounds(
        ready, views, displaced, max_shift_px=plan.max_shift_px + 1e-3, start=start, count=REFINED,
        folds=4 if len(views) >= 16 else 2, seed=plan.seed, check=check,
    )  # fmt: skip
    before, after = (
        line_agreement(ready, v, s, last.top, plan.seed)
        for v, s in ((views, displaced), (last.rotations, last.displacement_px))
    )
    if after > before:
        return Solution(last.rotations, last.displacement_px, confidence, "refined")
    return Solution(views, displaced, confidence, "kept")


def line_agreement(ready: F32, views: F64, displaced: F64, top: float, seed: int) -> float:
    """Return the mean correlation of centred images along their common lines."""
    rays, _ = lines_of.polar_rays(shift_images(ready, -displaced), top, 720, first=2)
    pairs = np.random.default_rng(seed).integers(len(views), size=(4000, 2)).astype(np.int64)
    return orientations_frame.mean_line_correlation(
        rays, views, np.ascontiguousarray(pairs[pairs[:, 0] != pairs[:, 1]])
    )


def by_distances(
    images: F32, inputs: Inputs, params: RecoverParams, plan: Plan, check: Check, rng: np.random.Generator
) -> Iterator[Solution]:
    """Yield views from pairwise distances, then in the camera frame that the images support."""
    no_symmetry(inputs, "distances")
    n, d, _ = images.shape
    displaced = centred(images, plan.radius_px, plan.max_shift_px)
    ready = prepare_images(images, min(plan.radius_px + np.ceil(plan.max_shift_px), 0.47 * d))
    matrix, error_sd = _matrix(images, ready, inputs, params, plan, check, rng)
    pairs = pairs_from_matrix(matrix, PARTNERS, rng, error_sd)
    best: Recovered | None = None
    for number in range(3):
        last = None
        for last in steps(pairs, rng, report_every=25, check=check):
            turned = quaternion_to_matrix(last.quaternions)
            yield Solution(turned, displaced, np.full(n, 0.1), f"distances, start {number + 1}", loss=float(last.loss))
        if last is not None and (best is None or last.loss < best.loss):
            best = last
        if best is not None and best.loss < 1e-10:
            break
    assert best is not None
    top = float(np.clip(4.0 * d / plan.radius_px, 8.0, d / 2 - 2))
    rays, _ = lines_of.polar_rays(shift_images(ready, -displaced), top, 720, first=2)
    frame = orientations_frame.resolve(rays, quaternion_to_matrix(best.quaternions), rng, check=check)
    yield Solution(frame.views, displaced, np.full(n, 0.2), "camera frame")
    warnings: tuple[str, ...] = ()
    clear = frame.score - frame.other_score
    if clear < 0.02:
        warnings = ("the images do not tell the camera frame of these distances: the map cannot be trusted",)
    fits = np.exp(-best.loss_of / 0.15) * np.clip(clear / 0.05, 0.05, 1.0)
    final = refine_if_better(ready, frame.views, displaced, fits, plan, check)
    yield Solution(final.rotations, final.displacement_px, fits, final.stage, warnings=warnings)


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
    if word == "learned":
        raise ParameterError("trained distances cannot be used yet", "--distance learned", "take --method auto")
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
