"""The fsc job: shell correlation of two maps."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from emviewer.engine import fsc
from emviewer.engine.errors import DataError, ParameterError
from emviewer.engine.jobs.align_inputs import Opener, open_mask, read_data, size_text
from emviewer.engine.jobs.align_table import write_table
from emviewer.engine.jobs.folder import ResultFolder
from emviewer.engine.jobs.fsc_params import HELP, TITLE, FscParams
from emviewer.engine.jobs.run import JobSpec
from emviewer.engine.task import Batch, Check, message
from emviewer.engine.types import F64, Map3D


def correlate_maps(
    params: FscParams, folder: ResultFolder, *, check: Check, rng: np.random.Generator
) -> Iterator[Batch]:
    """Correlate two maps (see :class:`FscParams`) into ``folder``.

    Yields
    ------
    Batch
        One batch whose rows are shells; columns those of fsc.csv.
    """
    yield message("opening the maps")
    first, second = Opener(folder, params.pixel_size, params.resolution, check).open([params.first, params.second])
    same_grid(first, second, params.second)
    mask = open_mask(params.mask, first, "the maps") if params.mask is not None else None
    folder.stage("correlate")
    yield message("correlating")
    data = [np.asarray(v.data, np.float32) for v in (first, second)]
    curve = fsc.correlate(
        data[0], data[1], first.pixel_size_A, None if mask is None else np.asarray(mask.data), seed=params.seed,
        check=check,
    )  # fmt: skip
    limit = _ceiling(params, first, mask, check)
    table = _table(curve, limit)
    write_table(folder / "fsc.csv", table)
    half_bit = curve.half_bit
    folder.summary |= {
        "fsc_0.143_A": curve.resolution_A(0.143),
        "fsc_0.5_A": curve.resolution_A(0.5),
        "half_bit_A": curve.resolution_A(half_bit),
        "masked": mask is not None,
        "nyquist_A": 2 * first.pixel_size_A,
    }
    if params.threshold is not None:
        folder.summary["threshold"] = params.threshold
        folder.summary["fsc_threshold_A"] = curve.resolution_A(params.threshold)
    count = len(curve.fsc)
    yield Batch(np.arange(count), table, count, count, "correlated")
    if params.report != "none":
        folder.stage("report")
        yield message("drawing the report", count, count)
        _report(params, folder, curve, limit)


def same_grid(first: Map3D, second: Map3D, path: object) -> None:
    """Refuse maps on different grids.

    Raises
    ------
    DataError
        Boxes or pixel sizes differ.
    """
    if first.shape != second.shape:
        raise DataError(
            f"the maps have {size_text(first)} and {size_text(second)} voxels", path,
            "bring them onto one grid: emviewer align --on reference",
        )  # fmt: skip
    if abs(first.pixel_size_A / second.pixel_size_A - 1) > 1e-3:
        raise DataError(
            f"the maps have voxels of {first.pixel_size_A:.5g} and {second.pixel_size_A:.5g} Å", path,
            "bring them onto one grid (emviewer align --on reference) or give --pixel-size",
        )  # fmt: skip


def _ceiling(params: FscParams, volume: Map3D, mask: Map3D | None, check: Check) -> F64 | None:
    """Return the highest correlation that the half maps of both allow."""
    if not params.half1 and not params.half2:
        return None
    if not len(params.half1) == len(params.half2) == 2:
        raise ParameterError(
            "the ceiling needs half maps of both maps", "--half1, --half2", "give each twice: first map, second map"
        )
    weight = None if mask is None else np.asarray(mask.data)
    curves = []
    for one, two in zip(params.half1, params.half2, strict=True):
        halves = [read_data(one), read_data(two)]
        if not halves[0].shape == halves[1].shape == volume.shape:
            raise DataError("the half maps are on another grid than the maps", one, "give those of these maps")
        curves.append(fsc.correlate(halves[0], halves[1], volume.pixel_size_A, weight, check=check).best)
    return fsc.ceiling(curves[0], curves[1])


def _table(curve: fsc.Curve, limit: F64 | None) -> dict[str, F64]:
    unknown = np.full(len(curve.fsc), np.nan)
    table = {
        "frequency_inv_A": curve.frequency_inv_A,
        "fsc": curve.fsc,
        "fsc_masked": unknown if curve.masked is None else curve.masked,
        "fsc_corrected": unknown if curve.corrected is None else curve.corrected,
        "half_bit": curve.half_bit,
    }
    return table if limit is None else table | {"fsc_ceiling": limit}


def _report(params: FscParams, folder: ResultFolder, curve: fsc.Curve, limit: F64 | None) -> None:
    from emviewer.engine import figure_align

    found = {name: folder.summary[name] for name in ("fsc_0.143_A", "fsc_0.5_A", "half_bit_A")}
    curves = {"after": curve.fsc, "masked": curve.masked, "corrected": curve.corrected, "ceiling": limit}
    page = figure_align.draw_curves(
        f"{params.first.name} and {params.second.name}",
        "  ".join(f"{name.removesuffix('_A')}: {'never' if v is None else f'{v:.2f} Å'}" for name, v in found.items()),
        figure_align.Curves(curve.frequency_inv_A, curves, curve.half_bit),
    )
    folder.save_page(page, params.report)


SPEC = JobSpec("fsc", TITLE, HELP, FscParams, correlate_maps)
