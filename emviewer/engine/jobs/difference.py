"""The difference job: a reference minus a map, and what in it is significant."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from emviewer.engine import mrc
from emviewer.engine.align3d_mask import automatic_mask
from emviewer.engine.align3d_move import Grid3D, move_map
from emviewer.engine.difference import Difference, subtract
from emviewer.engine.difference_blobs import find_blobs
from emviewer.engine.errors import DataError
from emviewer.engine.jobs.align_inputs import Opener, open_mask, read_data
from emviewer.engine.jobs.align_table import write_table
from emviewer.engine.jobs.difference_params import HELP, TITLE, DifferenceParams
from emviewer.engine.jobs.folder import ResultFolder
from emviewer.engine.jobs.run import JobSpec
from emviewer.engine.task import Batch, Check, message
from emviewer.engine.types import F32, Map3D, RigidTransform

STILL = RigidTransform(np.eye(3), np.zeros(3))


def subtract_maps(
    params: DifferenceParams, folder: ResultFolder, *, check: Check, rng: np.random.Generator
) -> Iterator[Batch]:
    """Subtract a map from a reference (see :class:`DifferenceParams`) into ``folder``.

    Yields
    ------
    Batch
        One batch whose rows are blobs; columns those of blobs.csv.
    """
    yield message("opening the maps")
    reference, volume = Opener(folder, params.pixel_size, params.resolution, check).open([params.reference, params.map])
    grid = Grid3D.of(reference)
    moved = move_map(np.asarray(volume.data, np.float32), volume.pixel_size_A, STILL, grid, check)
    mask = _mask(params, reference, Map3D(moved, grid.pixel_size_A))
    noises = _noises(params, reference, volume, grid, check)
    folder.stage("subtract")
    yield message("subtracting")
    found = subtract(
        np.asarray(reference.data, np.float32), moved, grid.pixel_size_A, mask, resolution_A=params.lowpass,
        match=params.match, noise_ref=noises[0], noise_map=noises[1], check=check,
    )  # fmt: skip
    folder.stage("write")
    for name, data in (("difference", found.data), ("difference_z", found.z)):
        mrc.write_map(folder / f"{name}.mrc", data, grid.pixel_size_A, reference.origin_A)
    table = find_blobs(
        found.data, found.z, found.reference, grid.pixel_size_A, found.resolution_A, reference.origin_A,
        params.threshold,
    )  # fmt: skip
    write_table(folder / "blobs.csv", table)
    count = len(table["sign"])
    _summarise(folder, found, mask, count)
    yield Batch(np.arange(count), table, count, count, "found blobs")
    if params.report != "none":
        folder.stage("report")
        yield message("drawing the report", count, count)
        _report(params, folder, grid, found)


def _mask(params: DifferenceParams, reference: Map3D, moved: Map3D) -> F32 | None:
    if params.mask is not None:
        return np.asarray(open_mask(params.mask, reference, "the reference").data, np.float32)
    if params.match == "none":
        return None
    masks = [automatic_mask(v) for v in (reference, moved)]
    if masks[0] is None or masks[1] is None:
        return None
    return np.maximum(masks[0], masks[1])


def _noises(
    params: DifferenceParams, reference: Map3D, volume: Map3D, grid: Grid3D, check: Check
) -> tuple[F32 | None, F32 | None]:
    """Return half the differences of the half maps of both on the reference's grid."""
    out: list[F32 | None] = [None, None]
    for i, (one, two) in enumerate(zip(params.half1, params.half2, strict=True)):
        of = (reference, volume)[i]
        halves = [read_data(one), read_data(two)]
        if not halves[0].shape == halves[1].shape == of.shape:
            raise DataError("the half maps are on another grid than their map", one, "give those of this map")
        out[i] = move_map(np.asarray((halves[0] - halves[1]) / 2, np.float32), of.pixel_size_A, STILL, grid, check)
    return out[0], out[1]


def _summarise(folder: ResultFolder, found: Difference, mask: F32 | None, n_blobs: int) -> None:
    inside = np.ones(found.data.shape, bool) if mask is None else mask > 0.5
    rms = float(np.sqrt(np.mean(np.square(found.data[inside], dtype=np.float64))))
    whole = float(np.std(found.reference[inside], dtype=np.float64))
    folder.summary |= {
        "n_blobs": n_blobs,
        "resolution_A": found.resolution_A or None,
        "scale": found.scale,
        "offset": found.offset,
        "noise_from": found.noise,
        "rms_difference": rms,
        "rms_difference_of_density": rms / whole if whole > 0 else None,
        "peak_z": float(np.abs(found.z).max()),
        "misregistration": found.misregistration,
        "misregistered": found.is_misregistered,
        "correlation": found.correlation,
        "agree_to_A": found.agree_A or None,
    }
    if found.is_unrelated:
        folder.warn(
            f"the maps hardly resemble each other: they agree no finer than {found.agree_A:.3g} Å and correlate "
            f"{found.correlation:.2f} in the band that is compared; are they of one particle, and aligned?"
        )
    if found.is_misregistered:
        folder.warn(
            f"the difference is dominated by residual misregistration (correlation {found.misregistration:.2f} with a "
            "small motion): align the maps first"
        )


def _report(params: DifferenceParams, folder: ResultFolder, grid: Grid3D, found: Difference) -> None:
    from emviewer.engine import figure_align

    limit = f"to {found.resolution_A:.3g} Å" if found.resolution_A else "not filtered"
    page = figure_align.draw(
        figure_align.Page(
            f"{params.reference.name} − {params.map.name}",
            f"{limit}, match {params.match}, scale {found.scale:.4g}, noise from {found.noise}; central slices",
            grid.pixel_size_A, found.reference, found.matched, found.data,
            lines=[f"{key}: {value}" for key, value in folder.summary.items()],
        )
    )  # fmt: skip
    folder.save_page(page, params.report)


SPEC = JobSpec("difference", TITLE, HELP, DifferenceParams, subtract_maps)
