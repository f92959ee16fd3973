"""Reading the maps of a difference and cutting them, with contour lines and pieces. Runs in the lanes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from PySide6.QtCore import QPointF
from PySide6.QtGui import QImage, QPainterPath, QPolygonF

from emviewer.engine.task import Check
from emviewer.engine.types import F32
from emviewer.ui.panels.align_volumes import Volume, on_grid_of, read_inputs, read_volume

MOST_POINTS = 12_000
"""Points of the contour lines of one map in one cut."""


@dataclass(frozen=True, eq=False)
class Maps:
    """The maps of the panel, on the reference's grid."""

    reference: Volume
    aligned: Volume | None
    difference: Volume
    z: F32 | None
    sigma: float
    blobs: pd.DataFrame | None


@dataclass(frozen=True, eq=False)
class Cuts:
    """One plane of every map, the contour lines there, and the picture of what is significant."""

    images: tuple[F32, F32 | None, F32]
    z: F32 | None
    lines: tuple[QPainterPath, QPainterPath]
    significant: QImage | None = None


def read_maps(
    given: Path | None,
    moved: Path | None,
    made: Path,
    scored: Path | None,
    told: tuple[float | None, float | None],
    blobs: pd.DataFrame | None,
    check: Check,
) -> Maps:
    """Read the maps of the panel; the aligned map is brought onto the grid of the difference if it is on another.

    Parameters
    ----------
    given, moved : Path or None
        Reference and aligned map.
    made, scored : Path
        The difference, and its z-scores if there are any.
    told : tuple of float or None
        Pixel size and resolution in Å that the job was told, if the first two are what it was given.
    blobs : DataFrame or None
        Pieces of the difference; found anew without.
    check : callable
        Called now and then.

    Raises
    ------
    EmviewerError
        A file cannot be read.
    """
    difference = read_volume(made, check)
    first, second = read_inputs([given, moved], check, *told)
    reference = difference if first is None else on_grid_of(first, difference, check)
    aligned = None if second is None else on_grid_of(second, difference, check)
    z = None if scored is None else read_volume(scored, check).data
    sample = difference.levels[difference.levels != 0]
    sigma = float(np.sqrt(np.mean(np.square(sample, dtype=np.float64)))) if len(sample) else 0.0
    if blobs is None and z is not None and z.shape == difference.data.shape:
        from emviewer.engine.difference_blobs import blobs as find

        pixel = difference.map.pixel_size_A
        blobs = find(difference.data, z, reference.data, pixel, 2 * pixel, reference.map.origin_A)
    return Maps(reference, aligned, difference, z, sigma if sigma > 0 else 1.0, blobs)


def path_of(lines: list[F32]) -> QPainterPath:
    """Return lines as a path in the image's coordinates; of very many only the longest, as painting them takes long."""
    path, left = QPainterPath(), MOST_POINTS
    for line in sorted(lines, key=len, reverse=True):
        left -= len(line)
        if left < 0:
            break
        path.addPolygon(QPolygonF([QPointF(x, y) for x, y in line.tolist()]))
    return path
