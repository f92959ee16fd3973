"""What orientation recovery leaves: the table with confidences, errors against the truth, maps, the report."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from emviewer.engine.conventions import matrix_to_euler, matrix_to_quaternion
from emviewer.engine.files_whole import whole
from emviewer.engine.jobs import reconstruct_output as maps_of
from emviewer.engine.jobs.folder import ResultFolder
from emviewer.engine.jobs.recover_inputs import Inputs
from emviewer.engine.jobs.recover_params import RecoverParams
from emviewer.engine.jobs.recover_truth import truth_curve
from emviewer.engine.mrc_write import StackWriter
from emviewer.engine.orientations_align import align_o4, align_views, other_hand
from emviewer.engine.orientations_solution import Solution
from emviewer.engine.rotations import direction_angle_deg
from emviewer.engine.star_write import write_particles
from emviewer.engine.task import Check
from emviewer.engine.types import F32, F64

STACK, TABLE, DISTANCES = "particles.mrcs", "orientations.star", "distances.npy"
LEAST_CONFIDENCE = 0.1
"""Images of less confidence, where there are others, stay out of the map."""


def write_orientations(folder: ResultFolder, inputs: Inputs, found: Solution) -> None:
    """Write orientations.star, and beside it the stack that it names: the images as they came."""
    n, pixel = len(inputs.data), inputs.pixel_size_A
    angles, shifts, confidence = np.zeros((n, 3)), np.zeros((n, 2)), np.zeros(n)
    angles[inputs.usable] = matrix_to_euler(found.rotations)
    shifts[inputs.usable] = -found.displacement_px * inputs.grid.pixel_size_A
    confidence[inputs.usable] = found.confidence
    table = inputs.images.table
    kept = pd.DataFrame(index=pd.RangeIndex(n))
    for column in table.columns:
        if str(column).startswith("rln") and str(column) not in _REPLACED:
            kept[column] = table[column].to_numpy()
    new = pd.DataFrame(
        {
            "rlnImageName": [f"{i + 1:06d}@{STACK}" for i in range(n)],
            "rlnAngleRot": angles[:, 0],
            "rlnAngleTilt": angles[:, 1],
            "rlnAnglePsi": angles[:, 2],
            "rlnOriginXAngst": shifts[:, 0],
            "rlnOriginYAngst": shifts[:, 1],
            "emvConfidence": confidence,
            "emvReason": [r.replace(" ", "_") or "none" for r in inputs.reason],
        }
    )
    optics = inputs.images.blocks.get("optics")
    if not isinstance(optics, pd.DataFrame) or "rlnOpticsGroup" not in kept:
        optics = pd.DataFrame(
            {
                "rlnOpticsGroup": [1],
                "rlnOpticsGroupName": ["opticsGroup1"],
                "rlnImagePixelSize": [pixel],
                "rlnImageSize": [inputs.data.shape[1]],
                "rlnImageDimensionality": [2],
            }
        )
        new["rlnOpticsGroup"] = 1
        kept = kept.drop(columns=["rlnOpticsGroup"], errors="ignore")
    write_particles(folder / TABLE, pd.concat([new, kept], axis=1), optics)


_REPLACED = {
    "rlnImageName", "rlnReferenceImage", "rlnAngleRot", "rlnAngleTilt", "rlnAnglePsi", "rlnOriginXAngst",
    "rlnOriginYAngst", "rlnOriginX", "rlnOriginY", "rlnOriginZ", "rlnOriginZAngst",
}  # fmt: skip


def write_distances(folder: ResultFolder, inputs: Inputs, matrix: F64) -> None:
    """Write the distances that views are fitted to: N×N over all images, in rad; NaN where an image was left out."""
    n = len(inputs.data)
    known = np.full((n, n), np.nan, np.float32)
    known[np.ix_(inputs.usable, inputs.usable)] = matrix
    with whole(folder / DISTANCES) as beside, beside.open("wb") as file:
        np.save(file, known, allow_pickle=False)


def write_stack(folder: ResultFolder, inputs: Inputs) -> None:
    """Write the images as they came, so that the result can be used alone; unusable ones as zeros."""
    stack = inputs.images.stack
    assert stack is not None
    with StackWriter(folder / STACK, stack.shape, inputs.pixel_size_A) as writer:
        for start in range(0, len(inputs.data), 256):
            part: F32 = stack[start : min(len(inputs.data), start + 256)]
            part[~np.isfinite(part).all(axis=(1, 2))] = 0
            writer.append(part)


def errors(inputs: Inputs, found: Solution) -> tuple[dict[str, float | None], F64]:
    """Return the errors against the truth for the summary, and the angle of every usable image in degrees.

    That under O(4) knows nothing of equivalent views: it is told of particles without symmetry alone.
    """
    assert inputs.truth is not None
    truth, elements = inputs.truth[inputs.usable], np.asarray(inputs.group.rotations)
    turn, flipped, left = align_views(truth, found.rotations, elements)
    angle = np.degrees(left)
    moved = (other_hand(found.rotations) if flipped else found.rotations) @ turn
    toward = np.min([direction_angle_deg(truth[:, 2], moved[:, 2] @ g.T) for g in elements], axis=0)
    o4 = None
    if inputs.group.order == 1:
        o4 = float(np.median(align_o4(matrix_to_quaternion(truth), matrix_to_quaternion(found.rotations))[1]))
    return {
        "error_median_deg": float(np.median(angle)),
        "error_mean_deg": float(angle.mean()),
        "error_p95_deg": float(np.percentile(angle, 95)),
        "error_direction_median_deg": float(np.median(toward)),
        "error_median_o4_rad": o4,
        "truth_has_other_hand": flipped,
    }, angle


def write_maps(
    folder: ResultFolder, params: RecoverParams, inputs: Inputs, found: Solution, check: Check
) -> maps_of.Maps:
    """Reconstruct the map and its halves from the images at the views found."""
    n, box, pixel = len(inputs.data), inputs.data.shape[1], inputs.pixel_size_A
    views, shifts = np.tile(np.eye(3), (n, 1, 1)), np.zeros((n, 2))
    views[inputs.usable] = found.rotations
    shifts[inputs.usable] = -found.displacement_px * inputs.grid.pixel_size_A / pixel
    half = np.full(n, -1, np.int64)
    used = inputs.usable
    trusted = found.confidence >= LEAST_CONFIDENCE
    if 2 * trusted.sum() > len(used):
        used = used[trusted]
    half[used] = maps_of.random_halves(len(used), params.seed)
    maps = maps_of.reconstruct_halves(
        lambda ids: inputs.data[ids], views, shifts, half, box, pixel, group=np.asarray(inputs.group.rotations),
        transfer=inputs.flipped, check=check,
    )  # fmt: skip
    if inputs.truth is not None:
        maps = replace(maps, truth=truth_curve(inputs, found, half, check))
    maps_of.write_maps(folder, maps, pixel)
    folder.summary["n_images_in_map"] = len(used)
    return maps
