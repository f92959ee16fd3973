"""Recovery that goes on from orientations that are there: those of a job that was stopped, or of another program."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from emviewer.engine.jobs.recover_inputs import Inputs, read_views
from emviewer.engine.jobs.recover_params import RecoverParams
from emviewer.engine.orientations_em import prepare_images
from emviewer.engine.orientations_images import prepared, refined
from emviewer.engine.orientations_solution import Plan, Solution
from emviewer.engine.resample import shift_images
from emviewer.engine.task import Check
from emviewer.engine.types import F32

LEFT_PX = 3.0
"""Particles are sought this far from where they stood."""


def by_views(images: F32, inputs: Inputs, params: RecoverParams, plan: Plan, check: Check) -> Iterator[Solution]:
    """Yield the views of a table, settled by the images; only single images are sought anew, in the map of the others.

    Raises
    ------
    EmviewerError
        The table has no orientations, or not one for every image.
    """
    assert params.begin is not None
    views, shifts_A = (part[inputs.usable] for part in read_views(params.begin, params, len(inputs.data)))
    stands = -shifts_A / inputs.grid.pixel_size_A
    _, _, near = prepared(images, plan)
    reach = min(near.radius_px + min(2.0, near.max_shift_px), 0.47 * images.shape[1])
    ready = prepare_images(shift_images(images, -stands) if stands.any() else images, reach)
    near = replace(near, max_shift_px=min(near.max_shift_px, LEFT_PX))
    for found in refined(ready, views, near, inputs.group, check):
        yield replace(found, displacement_px=found.displacement_px + stands)
