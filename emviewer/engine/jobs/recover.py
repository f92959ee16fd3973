"""The recover job: orientations out of images, their confidence, their errors where the truth is known, and a map."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from emviewer.engine import kernels
from emviewer.engine.conventions import matrix_to_euler
from emviewer.engine.jobs import recover_output as output
from emviewer.engine.jobs.folder import ResultFolder
from emviewer.engine.jobs.recover_begin import by_views
from emviewer.engine.jobs.recover_distances import by_distances, by_lines
from emviewer.engine.jobs.recover_inputs import LARGEST, Inputs, open_inputs
from emviewer.engine.jobs.recover_outliers import is_dark
from emviewer.engine.jobs.recover_params import HELP, TITLE, RecoverParams
from emviewer.engine.jobs.run import JobSpec
from emviewer.engine.learned import read_badge
from emviewer.engine.orientations_images import particle_radius_px, solve
from emviewer.engine.orientations_solution import Plan, Solution
from emviewer.engine.task import Batch, Check, message

LOOPS = "orientations"
"""Name of the compiled loops of recovery in :mod:`emviewer.engine.kernels`."""
WIDER = "finer grid"
"""Stage of a wider band, of which less is explained: the curve would seem to fall."""


def recover(params: RecoverParams, folder: ResultFolder, *, check: Check, rng: np.random.Generator) -> Iterator[Batch]:
    """Recover orientations (see :class:`RecoverParams`) into ``folder``.

    Yields
    ------
    Batch
        Rows are image ids from 0; columns ``rot_deg, tilt_deg, psi_deg, shift_x_A, shift_y_A, confidence`` as they
        are at this stage, the confidence NaN until the last, which is judged; extra ``explained`` (share of the
        images' power that the map explains) while starts search, ``spread_deg`` (median spread of the likely views of
        an image) while they settle, or ``loss`` while views are fitted to distances.
    """
    yield message("opening the images")
    inputs = open_inputs(params, folder)
    folder.summary |= {
        "n_images": len(inputs.data),
        "seconds": None,
        "hand": "undetermined",
        "symmetry": inputs.group.name,
    }
    folder.stage("orientations")
    began = time.perf_counter()
    small = inputs.small
    radius = particle_radius_px(small)
    if is_dark(small, radius):
        other = "negative" if params.contrast == "positive" else "positive"
        folder.warn(f"the particles are darker than what surrounds them: the map may need --contrast {other}")
    plan = Plan(inputs.max_shift_px, radius, params.starts, seed=params.seed)
    folder.record["parameters"] |= {"max_shift": inputs.max_shift_px * inputs.grid.pixel_size_A}
    folder.summary |= {
        "n_usable": len(inputs.usable),
        "radius_A": radius * inputs.grid.pixel_size_A,
        "box_used_px": inputs.grid.n,
    }
    ways = {
        "auto": lambda: solve(small, inputs.group, plan, check),
        "begin": lambda: by_views(small, inputs, params, plan, check),
        "common-lines": lambda: by_lines(small, inputs, plan, check),
        "distances": lambda: by_distances(
            small, inputs, params, plan, check, rng, lambda matrix: output.write_distances(folder, inputs, matrix)
        ),
    }
    found: Solution | None = None
    if not kernels.is_compiled(LOOPS):
        yield message("compiling as it goes (first use)")
    try:
        for number, found in enumerate(ways[params.way]()):
            yield _batch(inputs, found, number)
    finally:
        if found is not None:
            found = found.best or found
            folder.summary["seconds"] = round(time.perf_counter() - began, 3)
            _finish(params, folder, inputs, found)
    assert found is not None
    if params.way == "auto":
        kernels.mark_compiled(LOOPS)
    maps = None
    if params.reconstruct:
        folder.stage("reconstruct")
        yield message("reconstructing", len(inputs.usable), len(inputs.usable))
        maps = output.write_maps(folder, params, inputs, found, check)
    if params.report != "none":
        from emviewer.engine.jobs import recover_report

        folder.stage("report")
        yield message("drawing the report", len(inputs.usable), len(inputs.usable))
        angle = output.errors(inputs, found)[1] if inputs.truth is not None else None
        recover_report.draw(folder, params, inputs, found, maps, angle)


def _finish(params: RecoverParams, folder: ResultFolder, inputs: Inputs, found: Solution) -> None:
    """Write the table, and what is known of it, also when the job is stopped before its end."""
    if found.support is None:  # what a start thinks of its own views is no confidence: wrong ones reach 0.99, too
        found = replace(found, confidence=np.zeros(len(found.confidence)))
        folder.warn("stopped before the orientations were judged: their confidence is not known and stands at 0")
    for sentence in found.warnings:
        folder.warn(sentence)
    folder.summary |= {
        "method": params.way,
        "stage": found.stage,
        "confidence_median": float(np.median(found.confidence)),
        "support_of_lines": None if found.support is None else float(found.support.mean()),
        "agreement_of_starts": found.agreement,
        "explained": found.explained or None,
    }
    if params.way == "distances" and params.distance == "learned" and params.model is not None:
        folder.summary["trained_on"] = folder.record["trained_on"] = read_badge(params.model)
    if inputs.truth is not None:
        folder.summary |= output.errors(inputs, found)[0]
    output.write_stack(folder, inputs)
    output.write_orientations(folder, inputs, found)


def _batch(inputs: Inputs, found: Solution, number: int) -> Batch:
    angles = matrix_to_euler(found.rotations)
    shifts = -found.displacement_px * inputs.grid.pixel_size_A
    columns = {
        "rot_deg": angles[:, 0].copy(),
        "tilt_deg": angles[:, 1].copy(),
        "psi_deg": angles[:, 2].copy(),
        "shift_x_A": shifts[:, 0].copy(),
        "shift_y_A": shifts[:, 1].copy(),
        "confidence": np.full(len(shifts), np.nan) if found.support is None else found.confidence.copy(),
    }
    return Batch(inputs.usable.copy(), columns, number, 0, found.stage, _progress(found))


def _progress(found: Solution) -> dict[str, float]:
    """Return what a live curve shows: the loss of distances, how much the map explains, or how views settle."""
    if found.loss is not None:
        return {"loss": found.loss}
    if found.support is not None or found.stage == WIDER:
        return {}
    if found.spread_rad is not None:
        return {"spread_deg": float(np.degrees(np.median(found.spread_rad)))}
    return {"explained": float(found.explained)} if found.explained > 0 else {}


def estimate(params: RecoverParams) -> str:
    """Return one line on what orientation recovery will take."""
    if params.way == "begin":
        return f"images are cut to {LARGEST} px; the orientations given are settled, without a search"
    if params.way == "distances":
        return f"images are cut to {LARGEST} px; up to a minute for 500 images"
    from emviewer.engine.orientations_starts import LEAST_STARTS, MOST_STARTS

    starts = f"{min(LEAST_STARTS, params.starts)} to {MOST_STARTS * params.starts} starts of some seconds"
    return f"images are cut to {LARGEST} px; seconds where common lines are seen, else {starts}"


SPEC = JobSpec("recover", TITLE, HELP, RecoverParams, recover, estimate, curves=("loss", "explained", "spread_deg"))
