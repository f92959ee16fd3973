"""Which views a gallery has: angles, and the shifts that a table of angles brings with it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from emviewer.engine import sampling, symmetry
from emviewer.engine.errors import DataError, FileError, ParameterError
from emviewer.engine.jobs.gallery_params import GalleryParams
from emviewer.engine.task import Check, never

if TYPE_CHECKING:
    import pandas as pd

F64 = NDArray[np.float64]
_ANGLES = ("rlnAngleRot", "rlnAngleTilt", "rlnAnglePsi")
MOST_VIEWS = 10_000_000
"""More views than this are a slip of the hand: their angles alone would fill the memory."""


@dataclass(frozen=True)
class Views:
    """The views to be made.

    Parameters
    ----------
    angles : ndarray of float64, shape (n, 3)
        rot, tilt, psi in degrees (RELION).
    directions : ndarray of float64, shape (m, 3)
        The different directions among them, as angles with psi 0.
    group : PointGroup
        The symmetry that the directions are judged by.
    shifts_A, shifts_px : ndarray of float64, shape (n, 2), or None
        Origins that a table of angles gave, in Å or (RELION up to 3.0) in pixels.
    ranges : tuple of tuple of float
        Ranges of rot and tilt that the directions are spread over; empty for the whole sphere.
    notes : tuple of str
        Doubts, one sentence each.
    """

    angles: F64
    directions: F64
    group: symmetry.PointGroup
    shifts_A: F64 | None = None
    shifts_px: F64 | None = None
    ranges: tuple[tuple[float, float], ...] = ()
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.angles)


def plan(params: GalleryParams, rng: np.random.Generator, check: Check = never) -> Views:
    """Return the views that the parameters ask for, at least one.

    Raises
    ------
    ParameterError
        An unknown point group, or ranges that hold no view.
    FileError, DataError
        A table of angles that cannot be read or lacks a column.
    """
    group = symmetry.point_group(params.sym)
    refuse_too_many(params, group)
    if params.angles is not None:
        return _from_table(params.angles, group)
    angles = _directions(params, group, rng, check)
    if len(angles) == 0:
        raise DataError("there is no view in these ranges", "--rot, --tilt", "make them wider or the step smaller")
    directions = different_directions(angles)
    if params.psi_step is not None:
        angles = sampling.with_psi(angles, params.psi_step)
    ranges = _ranges(params) if params.lays_a_grid else ()
    return Views(np.asarray(angles, float), directions, group, ranges=ranges)


def refuse_too_many(params: GalleryParams, group: symmetry.PointGroup) -> None:
    """Refuse parameters that ask for more than ``MOST_VIEWS``, by arithmetic alone; a table has the views it has.

    Raises
    ------
    ParameterError
        There would be too many.
    """
    if params.angles is not None:
        return
    psis = 360 / params.psi_step if params.psi_step else 1.0
    views = psis * _directions_at_most(params, group)
    if views > MOST_VIEWS:
        raise ParameterError(f"these are about {views:.2g} views", "", f"ask for {MOST_VIEWS:.0e} at most")


def _directions_at_most(params: GalleryParams, group: symmetry.PointGroup) -> float:
    if params.view:
        return len(params.view)
    if params.tilt_series is not None:
        _, first, last, step = params.tilt_series
        return (last - first) / step + 1
    if params.random is not None:
        return params.random
    steps = params.steps
    if params.lattice == "product":
        return math.prod((high - low) / step + 1 for (low, high), step in zip(_ranges(params), steps, strict=True))
    return 4 * math.pi / math.radians(steps[0]) ** 2 / group.order


def _ranges(params: GalleryParams) -> tuple[tuple[float, float], tuple[float, float]]:
    return rot_range(params), tilt_range(params)


def _directions(params: GalleryParams, group: symmetry.PointGroup, rng: np.random.Generator, check: Check) -> F64:
    if params.view:
        return np.array(params.view, float)
    if params.tilt_series is not None:
        return sampling.tilt_series(*params.tilt_series)
    if params.random is not None:
        return sampling.random(params.random, rng)
    if params.lattice == "product":
        rot_step, tilt_step = params.steps
        rots, tilts = sampling.Steps(*rot_range(params), rot_step), sampling.Steps(*tilt_range(params), tilt_step)
        return sampling.grid_ranges(rots, tilts)
    if params.lattice == "even":
        return sampling.even(params.steps[0], group, rot_range(params), tilt_range(params), check=check)
    lay = {"healpix": sampling.healpix, "xmipp": sampling.xmipp}[params.lattice]
    return lay(params.steps[0], group, rot_range=rot_range(params), tilt_range=tilt_range(params))


def rot_range(params: GalleryParams) -> tuple[float, float]:
    """Return the range of rot in degrees; all round unless told."""
    return params.rot[:2] if params.rot else (0.0, 360.0)  # type: ignore[return-value]


def tilt_range(params: GalleryParams) -> tuple[float, float]:
    """Return the range of tilt in degrees; the whole sphere unless told."""
    return params.tilt[:2] if params.tilt else (0.0, 180.0)  # type: ignore[return-value]


def different_directions(angles: F64) -> F64:
    """Return the different directions among angles (n, 3), as angles (m, 3) with psi 0, in order of appearance."""
    rot, tilt = np.deg2rad(angles[:, 0]), np.deg2rad(angles[:, 1])
    vectors = np.stack([np.sin(tilt) * np.cos(rot), np.sin(tilt) * np.sin(rot), np.cos(tilt)], axis=1)
    _, first = np.unique(np.round(vectors, 6), axis=0, return_index=True)
    found: F64 = np.array(angles[np.sort(first)], float)
    found[:, 2] = 0.0
    return found


def _from_table(path: Path, group: symmetry.PointGroup) -> Views:
    """Read angles and origins of a RELION table."""
    from emviewer.engine import star

    if not path.exists():
        raise FileError("there is no such file", path, "check --angles")
    blocks = star.read_star(path)
    table = next((t for t in blocks.values() if any(label in t.columns for label in _ANGLES)), None)
    missing = [label for label in _ANGLES[:2] if table is None or label not in table.columns]
    if table is None or missing:
        raise DataError(
            f"the table has no {' and no '.join(missing)}", path, "give --angles a table with these columns"
        )
    if len(table) == 0:
        raise DataError("the table has no rows", path, "give --angles a table with at least one view")
    notes: tuple[str, ...] = ()
    if _ANGLES[2] not in table.columns:
        notes = (f"{path} has no rlnAnglePsi: 0 is taken",)
    columns = [_numbers(table, c, path) if c in table.columns else np.zeros(len(table)) for c in _ANGLES]
    angles = np.stack(columns, axis=1).astype(float)
    bad = np.flatnonzero(~np.isfinite(angles).all(axis=1))
    if len(bad):
        raise DataError(f"row {bad[0] + 1} has an angle that is not a number", path, "mend the table")
    shifts_A = _pair(table, "rlnOriginXAngst", "rlnOriginYAngst", path)
    shifts_px = _pair(table, "rlnOriginX", "rlnOriginY", path) if shifts_A is None else None
    return Views(angles, different_directions(angles), group, shifts_A, shifts_px, notes=notes)


def _numbers(table: pd.DataFrame, column: str, path: Path) -> F64:
    """Return a column as numbers; the error names the file."""
    from emviewer.engine import star

    try:
        return star.numbers(table, column)
    except DataError as err:
        raise DataError(err.what, path, err.what_to_do) from None


def _pair(table: pd.DataFrame, x: str, y: str, path: Path) -> F64 | None:
    if x not in table.columns or y not in table.columns:
        return None
    pair: F64 = np.stack([_numbers(table, x, path), _numbers(table, y, path)], axis=1).astype(float)
    return pair
