"""Recovery from a trained distance: views that agree with its distances, settled by the images themselves.

The network also tells the views in the frame of its map, so the camera frame that distances leave open is known; for
symmetric particles, whose folded distances have several solutions, its views are the start.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np

from emviewer.engine import learned
from emviewer.engine.conventions import matrix_to_quaternion, quaternion_to_matrix
from emviewer.engine.errors import ParameterError
from emviewer.engine.jobs.recover_inputs import Inputs
from emviewer.engine.jobs.recover_params import RecoverParams
from emviewer.engine.learned_centre import MOST_STEPS, embed_centred, step_px
from emviewer.engine.learned_ratio import ratio_of
from emviewer.engine.orientations_align import align_views
from emviewer.engine.orientations_distances import pairs_from_matrix, steps
from emviewer.engine.orientations_em import prepare_images
from emviewer.engine.orientations_images import SEEN, prepared, refined, solve
from emviewer.engine.orientations_solution import Plan, Solution
from emviewer.engine.resample import shift_images
from emviewer.engine.symmetry import point_group
from emviewer.engine.task import Check
from emviewer.engine.types import F32, F64

PARTNERS = 400
"""Partners of each image in the fit to distances."""
LEAST_SUPPORT = 0.1
"""Mean support by lines above which the network's certainty is believed; a network of another structure had 0.07."""
SAME_RAD = 0.35
"""The network is sure of a view that ended nearer to what it said than this."""
LINES_ONLY = "bear these views out"
"""What the doubt of common lines alone says; it does not hold against a network that was trained on such images."""
LEFT_PX = 3.0
"""Particles are sought this far from where the network put them."""
LEAST_SPREAD_RAD = 0.05
"""Distances are not believed to be better than this, so that no few pairs outweigh all others."""


def by_learned(
    images: F32, inputs: Inputs, params: RecoverParams, plan: Plan, check: Check, rng: np.random.Generator,
    keep: Callable[[F64], None],
) -> Iterator[Solution]:  # fmt: skip
    """Yield views from a trained distance, then refined by the images; ``keep`` the matrix of distances in rad.

    Raises
    ------
    EmviewerError
        The model cannot be read, holds for another point group, or the images are too small for it.
    """
    assert params.model is not None
    model = learned.load(params.model)
    if point_group(params.sym).name != model.cells.group.name:
        raise ParameterError(
            f"the distance was trained with {model.cells.group.name}, not {params.sym}", params.model,
            f"give --sym {model.cells.group.name}, or train with --sym {params.sym}",
        )  # fmt: skip
    ready, centre, near = prepared(images, plan)
    pixel = inputs.grid.pixel_size_A
    # the round mean of all images is trusted only where particles may stand farther out than the network can look
    far = MOST_STEPS * step_px(model, pixel)
    about, reach = (np.zeros_like(centre), plan.max_shift_px) if plan.max_shift_px <= far else (centre, far)
    seen, stands = embed_centred(model, images, pixel, about, reach, check)
    if not np.array_equal(stands, centre):
        centre = stands
        ready = prepare_images(shift_images(images, -centre), min(near.radius_px + 2.0, 0.47 * images.shape[1]))
        near = replace(near, max_shift_px=min(near.max_shift_px, LEFT_PX))
    matrix, spread = model.distances(seen, check)
    keep(matrix)
    ratio = ratio_of(inputs.data, inputs.pixel_size_A, model.badge, inputs.usable)
    doubts = tuple(model.doubts(inputs.data.shape[1], inputs.pixel_size_A, seen, params.sym, ratio))
    views = seen.views
    yield Solution(views, centre, seen.certainty, "learned views", warnings=doubts)
    if inputs.group.order == 1:
        pairs = pairs_from_matrix(matrix, PARTNERS, rng)
        sure = np.take_along_axis(spread, np.maximum(pairs.partners, 0).astype(np.int64), axis=1)
        weight = pairs.weight * (LEAST_SPREAD_RAD / np.maximum(sure, LEAST_SPREAD_RAD)) ** 2
        pairs = replace(pairs, weight=np.asarray(weight, np.float32))
        for fitted in steps(pairs, rng, start=matrix_to_quaternion(views), report_every=25, check=check):
            views = quaternion_to_matrix(fitted.quaternions)
            yield Solution(views, centre, seen.certainty, "learned distances", loss=float(fitted.loss), warnings=doubts)
    wrong = tuple(d for d in doubts if learned.OTHER in d)
    last = Solution(views, centre, seen.certainty, "learned views", warnings=doubts)
    for found in refined(ready, views, near, inputs.group, check, wrong):
        said = (*doubts, *(w for w in found.warnings if w not in doubts))
        found = replace(found, displacement_px=found.displacement_px + centre, warnings=said)
        last = found if doubts else _believed(found, seen, np.asarray(inputs.group.rotations))
        yield last
    if inputs.group.order == 1 and _support(last) > SEEN:
        # images this clear may do better without: common lines then need no start
        *_, alone = solve(images, inputs.group, replace(plan, search=False), check)
        if _support(alone) > _support(last):
            yield replace(alone, warnings=(*doubts, *alone.warnings))


def _support(found: Solution) -> float:
    """Return how many more of the common lines agree with the views than chance would have it."""
    return 0.0 if found.support is None else float(np.mean(found.support))


def _believed(found: Solution, seen: learned.Embedding, group: F64) -> Solution:
    """Return a solution whose confidence is the network's where common lines, though too few to decide, support it."""
    if _support(found) < LEAST_SUPPORT:
        return found
    _, flipped, apart = align_views(seen.views, found.rotations, group)
    agreed = seen.certainty * (apart < SAME_RAD) * (not flipped)
    warnings = tuple(w for w in found.warnings if LINES_ONLY not in w)
    return replace(found, confidence=np.maximum(found.confidence, agreed), warnings=warnings)
