"""What a comparison writes for cryoSPARC: its own rows, the passthrough that belongs to them, and the views found."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from emviewer.engine import conventions, cryosparc
from emviewer.engine.types import ImageSet, Poses

POSE = (
    ("alignments3D/pose", "<f4", (3,)), ("alignments3D/shift", "<f4", (2,)), ("alignments3D/psize_A", "<f4"),
)  # fmt: skip
SCORES = (("emviewer/cc", "cc"), ("emviewer/outlier_score", "outlier_score"))


def write_chosen(folder: Path, images: ImageSet, chosen: NDArray[np.int64]) -> None:
    """Write ``particles.cs`` with the chosen rows as they came, and ``passthrough.cs`` with theirs if there is one."""
    rows: Any = images.blocks["particles"]
    cryosparc.write_cs(folder / "particles.cs", rows[chosen])
    other: Any = images.blocks.get("passthrough")
    if other is not None:
        cryosparc.write_cs(folder / "passthrough.cs", other[cryosparc.partners(rows[chosen], other)])


def write_views(path: Path, images: ImageSet, table: pd.DataFrame, pixel_size_A: float) -> None:
    """Write all rows with all fields of table and passthrough, the views found, and their scores.

    Parameters
    ----------
    path : pathlib.Path
        The ``.cs`` to write.
    images : ImageSet
        Read from a ``.cs``.
    table : DataFrame
        Scores of one map by row id; rows without a view keep the one they had, or none.
    pixel_size_A : float
        Of the images as they came: shifts are counted in it if the table does not say otherwise.
    """
    main: Any = images.blocks["particles"]
    other: Any = images.blocks.get("passthrough")
    rows: Any = (main if other is None else cryosparc.join(main, other))[table.index.to_numpy()]
    names = rows.dtype.names
    missing = [field for field in (*POSE, *((name, "<f4") for name, _ in SCORES)) if field[0] not in names]
    out = np.zeros(len(rows), [*((name, rows.dtype[name]) for name in names), *missing])
    for name in names:
        out[name] = rows[name]
    if "alignments3D/psize_A" not in names:
        out["alignments3D/psize_A"] = pixel_size_A
    known = table["cc"].notna().to_numpy()
    found = table[known]
    views = conventions.euler_to_matrix(*found[["rot_deg", "tilt_deg", "psi_deg"]].to_numpy(float).T)
    shifts = found[["shift_x_A", "shift_y_A"]].to_numpy(float)
    out[known] = cryosparc.with_poses(out[known], Poses(views, shifts, np.zeros(len(found), bool)))
    for name, column in SCORES:
        out[name] = table[column]
    cryosparc.write_cs(path, out)
