"""What a table says about directions, brought to a sphere: read in the view lane when there are many rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from emviewer.engine.conventions import directions_from_angles
from emviewer.ui import columns
from emviewer.ui.row_order import Ints, RowIds, sortable
from emviewer.ui.runner import Runner
from emviewer.ui.sphere_paint import DENSE
from emviewer.ui.sphere_view import SphereView

ANGLES = (("rot_deg", "tilt_deg", "psi_deg"), ("rlnAngleRot", "rlnAngleTilt", "rlnAnglePsi"))


@dataclass(frozen=True, eq=False)
class Directions:
    """The rows of a table whose view is known.

    Parameters
    ----------
    rows : RowIds
        Their ids.
    angles : ndarray of float64, shape (n, 3)
        rot, tilt, psi in degrees.
    vectors : ndarray of float64, shape (n, 3)
        Where they look from.
    values : ndarray of float64, shape (n,), or None
        The column they are coloured by.
    """

    rows: RowIds = field(default_factory=RowIds)
    angles: np.ndarray = field(default_factory=lambda: np.empty((0, 3)))
    vectors: np.ndarray = field(default_factory=lambda: np.empty((0, 3)))
    values: np.ndarray | None = None


def angle_columns(table: pd.DataFrame | None) -> tuple[str, ...]:
    """Return the names of rot, tilt and, if there is one, psi in a table; nothing without rot and tilt."""
    for names in ANGLES:
        if table is not None and names[0] in table and names[1] in table:
            return names if names[2] in table else names[:2]
    return ()


def angles_of(table: pd.DataFrame | None) -> np.ndarray | None:
    """Return rot, tilt, psi in degrees, float64 (n, 3), of a table that has them (psi 0 if it has none), or None."""
    names = angle_columns(table)
    if table is None or not names:
        return None
    found = [pd.to_numeric(table[c], errors="coerce").to_numpy(float) for c in names]
    return np.column_stack([*found, *[np.zeros(len(table))] * (3 - len(found))])


def read_directions(table: pd.DataFrame, by: str) -> Directions:
    """Return the known directions of a table, coloured by a column (any other word: by none); for any thread."""
    angles = angles_of(table)
    if angles is None:
        return Directions()
    known = np.isfinite(angles[:, :2]).all(axis=1)
    angles = angles[known]
    values = sortable(table[by])[known] if by in table else None
    rows = RowIds(table.index.to_numpy(np.int64)[known])
    return Directions(rows, angles, directions_from_angles(angles[:, 0], angles[:, 1]).reshape(-1, 3), values)


class SphereFeed:
    """Keeps a sphere showing the directions, the selection and the current row of a document.

    Parameters
    ----------
    runner : Runner
        Whose view lane reads long tables and draws many directions.
    owner : int
        ``id`` of the panel.
    view : SphereView
        The sphere.
    """

    def __init__(self, runner: Runner, owner: int, view: SphereView) -> None:
        self.runner, self.view = runner, view
        self._key = (owner, "read directions")
        self.found = Directions()
        self._table: pd.DataFrame | None = None
        self._by = ""
        view.use_lane(runner, owner)

    def show(self, table: pd.DataFrame | None, by: str, then: Callable[[], None]) -> None:
        """Show a table's directions coloured by a column; ``then`` when they are there.

        Nothing is done for a table whose angles and column are the ones shown.
        """
        wanted = (*angle_columns(table), by)
        same = table is not None and by == self._by and columns.same(self._table, table, wanted)
        self._table, self._by = table, by
        if same:
            return
        if table is None or len(table) <= DENSE:
            self.runner.drop_views(self._key)
            self._take(Directions() if table is None else read_directions(table, by), then)
        else:
            self.runner.view(self._key, lambda check: read_directions(table, by), lambda found: self._take(found, then))

    def _take(self, found: Directions, then: Callable[[], None]) -> None:
        self.found = found
        self.view.set_directions(found.vectors, found.values)
        then()

    def select(self, ids: Ints) -> None:
        """Mark the directions of these rows."""
        self.view.set_selected(self.found.rows.positions_of(ids))

    def mark(self, row: int | None) -> None:
        """Mark the direction of the current row; of a row without a view none."""
        position = self.found.rows.position_of(row)
        self.view.set_current(self.found.vectors[position] if position >= 0 else None)
