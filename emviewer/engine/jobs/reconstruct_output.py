"""Maps of known views: both halves and the whole, their shell correlation, and what is written of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from emviewer.engine import fsc
from emviewer.engine.files_whole import whole
from emviewer.engine.jobs.folder import ResultFolder
from emviewer.engine.mrc_write import write_map
from emviewer.engine.reconstruct import Reconstructor
from emviewer.engine.task import Check, never
from emviewer.engine.types import F32, F64

Ids = NDArray[np.int64]
READ = 256
"""Images read at a time."""


@dataclass(frozen=True, eq=False)
class Maps:
    """The maps of a reconstruction.

    Parameters
    ----------
    whole, half1, half2 : ndarray of float32, shape (n, n, n)
        Of all images, and of the two random halves.
    curve : Curve
        Shell correlation of the halves.
    truth : ndarray of float64, or None
        Correlation of each half with the other half at the true views, by shell, where those are known.
    """

    whole: F32
    half1: F32
    half2: F32
    curve: fsc.Curve
    truth: F64 | None = None


def reconstruct_halves(
    read: Callable[[Ids], F32],
    views: F64,
    shifts_px: F64,
    half: Ids,
    box: int,
    pixel_size_A: float,
    *,
    group: F64 | None = None,
    transfer: Callable[[Ids], F32] | None = None,
    top: float | None = None,
    weights: F64 | None = None,
    progress: Callable[[int], None] = lambda done: None,
    check: Check = never,
) -> Maps:
    """Reconstruct both halves, and the whole as their sum.

    Parameters
    ----------
    read : callable
        ``read(ids) -> float32 (k, box, box)``, white on dark.
    views, shifts_px : ndarray of float64, shape (n, 3, 3) and (n, 2)
        Views, and what is added to each image to centre it (RELION's sense, in pixels).
    half : ndarray of int64, shape (n,)
        0 or 1; -1 for images that are left out.
    box, pixel_size_A : int, float
        Of the images and maps.
    group : ndarray of float64, shape (g, 3, 3), optional
        Point group.
    transfer : callable, optional
        ``transfer(ids) -> float32 (k, box, box // 2 + 1)``.
    top : float, optional
        Highest ring used.
    weights : ndarray of float64, shape (n,), optional
        Weight of each image.
    progress : callable
        Told how many images have been inserted.
    check : callable
        Raises to stop.
    """
    works, maps, done = [], [], 0
    for h in (0, 1):
        work = Reconstructor(box, group=group, top=top)
        mine = np.flatnonzero(half == h)
        for start in range(0, len(mine), READ):
            ids = mine[start : start + READ]
            work.add(
                read(ids), views[ids], shifts_px[ids], None if transfer is None else transfer(ids),
                None if weights is None else weights[ids], check,
            )  # fmt: skip
            done += len(ids)
            progress(done)
        works.append(work)
        maps.append(work.map())
    works[0].take_in(works[1])
    whole = works[0].map()
    return Maps(whole, maps[0], maps[1], fsc.correlate(maps[0], maps[1], pixel_size_A, check=check))


def write_maps(folder: ResultFolder, maps: Maps, pixel_size_A: float) -> None:
    """Write map.mrc, half1.mrc, half2.mrc and fsc.csv, and the resolution into the summary."""
    for name, data in (("map", maps.whole), ("half1", maps.half1), ("half2", maps.half2)):
        write_map(folder / f"{name}.mrc", data, pixel_size_A)
    write_curve(folder, maps.curve, truth=maps.truth)
    folder.summary |= {
        "fsc_0.143_A": maps.curve.resolution_A(0.143),
        "fsc_0.5_A": maps.curve.resolution_A(0.5),
    }


def write_curve(folder: ResultFolder, curve: fsc.Curve, name: str = "fsc.csv", truth: F64 | None = None) -> None:
    """Write a curve as ``frequency_inv_A, fsc, fsc_masked, fsc_corrected``; the last two are empty without a mask.

    ``fsc_truth`` follows where the truth is known.
    """
    nothing = np.full(len(curve.fsc), np.nan)
    columns = {
        "frequency_inv_A": curve.frequency_inv_A,
        "fsc": curve.fsc,
        "fsc_masked": nothing if curve.masked is None else curve.masked,
        "fsc_corrected": nothing if curve.corrected is None else curve.corrected,
    }
    table = pd.DataFrame(columns if truth is None else columns | {"fsc_truth": truth})
    with whole(folder / name) as beside:
        table.to_csv(beside, index=False, float_format="%.6f")


def random_halves(n: int, seed: int) -> Ids:
    """Return which of two halves of equal size each image belongs to."""
    return np.random.default_rng([seed, n]).permutation(n).astype(np.int64) % 2
