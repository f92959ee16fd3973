"""The shell correlation of two maps within another mask than the job's. Runs in a lane."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from emviewer.engine.errors import DataError
from emviewer.engine.task import Check
from emviewer.engine.types import F32, Map3D

AS_FOUND, NONE, AUTOMATIC = "", "none", "automatic"
"""What a mask may be besides a file."""


def correlate_within(
    reference: Path,
    moved: Path,
    mask: str,
    before: pd.DataFrame,
    told: tuple[float | None, float | None],
    check: Check,
) -> pd.DataFrame:
    """Return a table of curves as the job wrote it, within another mask.

    Parameters
    ----------
    reference, moved : Path
        Maps in one frame; the second is brought onto the grid of the first.
    mask : str
        ``none``, ``automatic`` (around both densities), or a file on the reference's grid.
    before : DataFrame
        The job's table; its curve before alignment is kept, on the new shells.
    told : tuple of float or None
        Pixel size and resolution in Å that the job was told, if the maps are what it was given.
    check : callable
        Called now and then.

    Raises
    ------
    EmviewerError
        A file cannot be read, the mask does not fit, or no density stands out for an automatic one.
    """
    from emviewer.engine.fsc import correlate
    from emviewer.ui.panels.align_volumes import on_grid_of, read_inputs

    first, second = read_inputs([reference, moved], check, *told)
    assert first is not None and second is not None
    second = on_grid_of(second, first, check)
    weight = mask_of(mask, first.map, second.map)
    check()
    data = [np.asarray(v.data, np.float32) for v in (first, second)]
    curve = correlate(data[0], data[1], first.map.pixel_size_A, weight, check=check)
    plain = "fsc_after" if "fsc_after" in before else "fsc"
    table = pd.DataFrame({"frequency_inv_A": curve.frequency_inv_A})
    if "fsc_before" in before:
        table["fsc_before"] = np.interp(curve.frequency_inv_A, before["frequency_inv_A"], before["fsc_before"])
    table[plain] = curve.fsc
    table["fsc_masked"] = np.nan if curve.masked is None else curve.masked
    table["fsc_corrected"] = np.nan if curve.corrected is None else curve.corrected
    table["half_bit"] = curve.half_bit
    return table


def mask_of(mask: str, first: Map3D, second: Map3D) -> F32 | None:
    """Return the weights of a mask by its name; None for no mask."""
    if mask == NONE:
        return None
    if mask == AUTOMATIC:
        from emviewer.engine.align3d_mask import automatic_mask

        found = [m for m in (automatic_mask(first), automatic_mask(second)) if m is not None]
        if not found:
            raise DataError("no density stands out of the maps", "automatic mask", "choose a mask from a file")
        return np.asarray(np.maximum.reduce(found), np.float32)
    from emviewer.engine.jobs.align_inputs import open_mask

    return np.asarray(open_mask(Path(mask), first, "the reference").data, np.float32)
