"""Read the pictures of one row, in the view lane."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from emviewer.engine import match_grid
from emviewer.engine.filters_tiles import low_passed
from emviewer.engine.types import F32, F64, ImageStack
from emviewer.ui.compare_stage import frc
from emviewer.ui.comparison import Comparison
from emviewer.ui.panels.compare_maps import MapView
from emviewer.ui.panels.compare_pictures import Triplet


@dataclass(frozen=True, eq=False)
class Shown:
    """The pictures of a row and their ring correlation."""

    row: int
    triplet: Triplet
    frc: F64
    low_pass_A: float = 0.0


def read_row(
    row: int, stacks: dict[str, ImageStack | None], mask: F32 | None, low_pass_A: float, pixel_size_A: float
) -> Shown:
    """Read image, fitted reprojection and residual of a row; the pictures are filtered, the ring correlation is not.

    Until the mask of the comparison is known, the ring correlation is that of the disc inscribed in the box.
    """
    ids = np.array([row])
    image, fitted, residual = (
        stack[ids][0] for stack in (stacks["aligned"], stacks["fitted"], stacks["residuals"]) if stack is not None
    )
    if mask is None:
        mask = match_grid.soft_disc(image.shape[0], image.shape[0] / 2 - match_grid.EDGE_PX - 0.5)
    # the fitted reprojection has the contrast of the image already: no sign to take out
    curve = frc(image, fitted, mask, 1)
    return Shown(row, triplet_of(image, fitted, residual, low_pass_A, pixel_size_A), curve, low_pass_A)


def read_maps(row: int, compared: Comparison, low_pass_A: float) -> list[MapView]:
    """Read the reprojections of all maps for a row; for a lane."""
    known = {name: float(table["cc"].iat[row]) for name, table in compared.tables.items() if row < len(table)}
    best = max((cc for cc in known.values() if np.isfinite(cc)), default=np.nan)
    out = []
    for name in compared.maps:
        cc, stack = known.get(name, np.nan), compared.stack("fitted", name=name)
        fitted = None if stack is None or not np.isfinite(cc) else stack[np.array([row])][0]
        if fitted is not None and low_pass_A > 0:
            fitted = low_passed(fitted[None], low_pass_A / compared.pixel_size_A)[0]
        out.append(MapView(name, cc, fitted, cc == best))
    return out


def triplet_of(image: F32, fitted: F32, residual: F32, low_pass_A: float, pixel_size_A: float) -> Triplet:
    """Return the pictures to show, without detail finer than ``low_pass_A`` (0: as they are); for a lane."""
    if low_pass_A > 0:
        image, fitted, residual = low_passed(np.stack([image, fitted, residual]), low_pass_A / pixel_size_A)
    triplet = Triplet(image, fitted, residual)
    _ = triplet.polar  # unrolled here, not while painting
    return triplet
