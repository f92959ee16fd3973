"""Read the images of a comparison in batches; an image that cannot be used becomes a reason, not an end."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from emviewer.engine.ctf import CTF
from emviewer.engine.errors import EmviewerError
from emviewer.engine.jobs.compare_inputs import Inputs
from emviewer.engine.match_search import MIRROR
from emviewer.engine.types import F32, F64

if TYPE_CHECKING:
    from emviewer.engine.jobs.compare_map import MapComparison, Prepared


class Reader:
    """Images of an :class:`Inputs` on its grid, with their orientations and CTF.

    Parameters
    ----------
    inputs : Inputs
        What is compared.

    Attributes
    ----------
    reasons : dict of int to str
        Why an image cannot be used, by row id; grows while reading.
    """

    def __init__(self, inputs: Inputs) -> None:
        self.inputs = inputs
        self.reasons: dict[int, str] = {}

    def __len__(self) -> int:
        return self.inputs.stack.n

    def read(self, ids: NDArray[np.int64]) -> tuple[NDArray[np.int64], F32]:
        """Return the usable ones of ``ids`` and their images (k, n, n) on the grid."""
        ids = self._with_angles(ids)
        try:
            images = self.inputs.stack[ids]
        except (EmviewerError, OSError):
            ids, images = self._one_by_one(ids)
        flat = images.reshape(len(ids), images.shape[1] * images.shape[2])
        low, high = flat.min(axis=1, initial=np.inf), flat.max(axis=1, initial=-np.inf)
        finite = np.isfinite(low) & np.isfinite(high)
        usable = finite & (high > low)
        for i in np.flatnonzero(~usable):
            self.reasons[int(ids[i])] = (
                "the image is empty" if finite[i] else "the image holds values that are no numbers"
            )
        return ids[usable], self.inputs.grid.images(images[usable])

    def _with_angles(self, ids: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return those of ``ids`` whose orientation can be used, if orientations are."""
        poses = self.inputs.images.poses
        if not self.inputs.use or poses is None:
            return ids
        known = np.isfinite(poses.rotations[ids]).all(axis=(1, 2)) & np.isfinite(poses.shifts_A[ids]).all(axis=1)
        for i in ids[~known]:
            self.reasons[int(i)] = "the table's angles or shifts are no numbers"
        return ids[known]

    def _one_by_one(self, ids: NDArray[np.int64]) -> tuple[NDArray[np.int64], F32]:
        kept, images = [], []
        for i in ids:
            try:
                images.append(self.inputs.stack[np.array([i])][0])
                kept.append(i)
            except (EmviewerError, OSError) as err:
                self.reasons[int(i)] = str(err)
        shape = (0, *self.inputs.stack.shape)
        return np.array(kept, np.int64), np.stack(images) if images else np.empty(shape, np.float32)

    def prepared(self, comparison: MapComparison, ids: NDArray[np.int64]) -> Prepared:
        """Read images and prepare them for a map."""
        kept, images = self.read(ids)
        return comparison.prepare(kept, images, self.ctf(kept))

    def ctf(self, ids: NDArray[np.int64]) -> CTF | None:
        """Return the CTF of images, None if the table has none."""
        table = self.inputs.images.ctf
        if table is None or not {"defocus_u_A", "defocus_v_A"} <= set(table.columns):
            return None
        rows = table.iloc[ids]

        def column(name: str, default: float) -> F64:
            values = rows[name].to_numpy(np.float64) if name in rows else np.full(len(rows), default)
            return np.where(np.isfinite(values), values, default)

        return CTF(
            column("defocus_u_A", 0.0),
            column("defocus_v_A", 0.0),
            column("defocus_angle_deg", 0.0),
            column("kv", 300.0),
            column("cs_mm", 2.7),
            column("q0", 0.1),
            column("phase_shift_deg", 0.0),
        )

    def given(self, ids: NDArray[np.int64]) -> tuple[F64, F64] | None:
        """Return rotations (k, 3, 3) and displacements in grid pixels (k, 2) of the table, None when searching."""
        poses = self.inputs.images.poses
        if not self.inputs.use or poses is None:
            return None
        rotations = np.where(poses.mirror[ids, None, None], MIRROR @ poses.rotations[ids], poses.rotations[ids])
        return rotations, -poses.shifts_A[ids] / self.inputs.grid.pixel_size_A
