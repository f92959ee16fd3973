"""How far a recovered map agrees with the one that the true orientations give."""

from __future__ import annotations

import numpy as np

from emviewer.engine import fsc
from emviewer.engine.jobs import reconstruct_output as maps_of
from emviewer.engine.jobs.recover_inputs import Inputs
from emviewer.engine.orientations_align import align_views, other_hand
from emviewer.engine.orientations_solution import Solution
from emviewer.engine.task import Check
from emviewer.engine.types import F64


def onto_truth(inputs: Inputs, found: Solution) -> tuple[F64, F64]:
    """Return the views (n, 3, 3) and shifts in Å (n, 2) of usable images, turned, mirrored and moved onto the truth."""
    assert inputs.truth is not None and inputs.truth_shifts_A is not None
    truth, elements = inputs.truth[inputs.usable], np.asarray(inputs.group.rotations)
    turn, flipped, _ = align_views(truth, found.rotations, elements)
    views = (other_hand(found.rotations) if flipped else found.rotations) @ turn
    shifts = -found.displacement_px * inputs.grid.pixel_size_A
    # the object may stand elsewhere: its displacement t moves the particle in each image by (A t)[:2]
    apart = inputs.truth_shifts_A[inputs.usable] - shifts
    step = np.linalg.lstsq(views[:, :2].reshape(-1, 3), apart.ravel(), rcond=None)[0]
    return views, shifts + views[:, :2] @ step


def truth_curve(inputs: Inputs, found: Solution, half: maps_of.Ids, check: Check) -> F64:
    """Return the mean correlation of each half at the views found with the other half at the true ones, by shell.

    Halves share no noise, so that right views reach what halves at the true views reach, and no more.
    """
    assert inputs.truth is not None and inputs.truth_shifts_A is not None
    n, box, pixel = len(inputs.data), inputs.data.shape[1], inputs.pixel_size_A
    views, shifts = inputs.truth.copy(), inputs.truth_shifts_A.copy()
    known = _maps(inputs, views, shifts, half, check)
    views, shifts = np.tile(np.eye(3), (n, 1, 1)), np.zeros((n, 2))
    views[inputs.usable], shifts[inputs.usable] = onto_truth(inputs, found)
    mine = _maps(inputs, views, shifts, half, check)
    assert known.half1.shape[0] == box
    return (
        np.asarray(
            fsc.correlate(mine.half1, known.half2, pixel, check=check).fsc
            + fsc.correlate(mine.half2, known.half1, pixel, check=check).fsc
        )
        / 2
    )


def _maps(inputs: Inputs, views: F64, shifts_A: F64, half: maps_of.Ids, check: Check) -> maps_of.Maps:
    return maps_of.reconstruct_halves(
        lambda ids: inputs.data[ids], views, shifts_A / inputs.pixel_size_A, half, inputs.data.shape[1],
        inputs.pixel_size_A, group=np.asarray(inputs.group.rotations), transfer=inputs.flipped, check=check,
    )  # fmt: skip
