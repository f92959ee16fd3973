"""Members of classes in cryoSPARC's tables: alignments2D in the particles, places in them or in the passthrough."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emviewer.engine import cryosparc
from emviewer.engine.cryosparc import Rows
from emviewer.engine.errors import DataError
from emviewer.engine.jobs.center_members import Members, Moved
from emviewer.engine.jobs.center_relion import stored
from emviewer.engine.mrc_header import plausible_pixel
from emviewer.engine.types import F64

MARK = "emviewer/out_of_bounds"
_PLACE = ("location/center_x_frac", "location/center_y_frac", "location/micrograph_shape")


def read(path: Path, passthrough: Path | None, pixel_size_A: float | None, class_pixel_A: float) -> Members:
    """Read members from ``particles.cs`` and its passthrough.

    Raises
    ------
    DataError
        There are no classes, no pixel size, or the passthrough belongs to other particles.
    """
    rows = cryosparc.read_cs(path)
    names = set(rows.dtype.names or ())
    if len(rows) == 0:
        raise DataError("there are no particles", path, "give the members of the classes")
    if "alignments2D/class" not in names:
        raise DataError("the particles have no alignments2D/class", path, "give the particles of a 2D classification")
    extra, partner = (None, None) if passthrough is None else _partner(rows, passthrough)
    notes: list[str] = []
    n = len(rows)
    edges = np.full(n, pixel_size_A or class_pixel_A)
    if (
        pixel_size_A is None
        and "blob/psize_A" in names
        and all(plausible_pixel(float(v)) for v in np.unique(rows["blob/psize_A"]))
    ):
        edges = np.asarray(rows["blob/psize_A"], np.float64)
    if not (edges > 0).all():
        raise DataError("neither classes nor particles tell their pixel size", path, "give --pixel-size")
    psi = np.full(n, np.nan)
    if "alignments2D/pose" in names:
        psi = np.rad2deg(np.asarray(rows["alignments2D/pose"], np.float64).reshape(n))
    else:
        notes.append("the particles have no alignments2D/pose: how they lie in their classes is unknown")
    pixel = _shift_pixel(rows, edges)
    shift = np.asarray(rows["alignments2D/shift"], np.float64) if "alignments2D/shift" in names else np.zeros((n, 2))
    place = _Place.find(rows, extra, partner)
    if place is None:
        notes.append("the particles have no location fields: no coordinates are written; give --passthrough")
    elif place.foreign:
        notes.append(f"{place.foreign} particles are not in the passthrough: their coordinates are unknown")
    box = rows["blob/shape"][0] if "blob/shape" in names else (0,)
    return Members(
        class_number=np.asarray(rows["alignments2D/class"], np.int64),
        psi_deg=psi,
        origin_A=shift * pixel[:, None],
        flip=np.zeros(n, bool),
        pixel_A=edges,
        coordinate_px=None if place is None else place.coordinate_px(),
        micrograph=np.full(n, -1) if place is None else place.which,
        micrographs=[] if place is None else place.names,
        micrograph_px_A=np.zeros(0) if place is None else place.pixel_A,
        micrograph_shape=np.zeros((0, 2)) if place is None else place.shape,
        box_px=int(np.ravel(box)[-1]),
        source=(rows, extra, partner, pixel),
        notes=notes,
    )


def _partner(rows: Rows, passthrough: Path) -> tuple[Rows, NDArray[np.int64]]:
    """Return the passthrough and its row for each particle, -1 where it has none."""
    extra = cryosparc.read_cs(passthrough)
    for part, what in ((rows, "the particles"), (extra, "the passthrough")):
        if "uid" not in (part.dtype.names or ()):
            raise DataError(f"{what} have no field uid", passthrough, "give the files of one cryoSPARC job")
    order = np.argsort(extra["uid"], kind="stable")
    at = np.clip(np.searchsorted(extra["uid"], rows["uid"], sorter=order), 0, max(0, len(order) - 1))
    partner = order[at] if len(order) else np.zeros(len(rows), np.int64)
    same = extra["uid"][partner] == rows["uid"] if len(order) else np.zeros(len(rows), bool)
    if not same.any():
        raise DataError("the passthrough has none of the particles", passthrough, "give the one of the same job")
    return extra, np.where(same, partner, -1)


def _shift_pixel(rows: Rows, edges: F64) -> F64:
    """Return the pixel in which the 2D shifts are counted."""
    name = "alignments2D/psize_A"
    if name in (rows.dtype.names or ()):
        values = np.asarray(rows[name], np.float64)
        if all(plausible_pixel(v) for v in np.unique(values)):
            return values
    return edges


class _Place:
    """Location fields of each particle, from the table that has them."""

    def __init__(self, at: Rows, row: NDArray[np.int64]) -> None:
        self.at, self.row = at, row
        self.foreign = int((row < 0).sum())
        fields = at.dtype.names or ()
        name = next((f for f in ("location/micrograph_path", "location/micrograph_uid") if f in fields), None)
        taken = np.maximum(row, 0)
        if name is None:
            different, which = np.zeros(1, np.int64), np.zeros(len(row), np.int64)
        else:
            different, which = np.unique(at[name][taken], return_inverse=True)
        self.names = [_text(v) for v in different.tolist()]
        self.which = np.where(row < 0, -1, which.astype(np.int64))
        first = np.zeros(len(different), np.int64)
        first[which[::-1]] = taken[::-1]
        self.shape = np.asarray(at["location/micrograph_shape"][first], np.float64).reshape(-1, 2)[:, ::-1]
        pixel = at["location/micrograph_psize_A"][first] if "location/micrograph_psize_A" in fields else np.zeros(1)
        pixel = np.broadcast_to(np.asarray(pixel, np.float64), (len(first),))
        self.pixel_A = np.array([v if plausible_pixel(float(v)) else 0.0 for v in pixel])

    @classmethod
    def find(cls, rows: Rows, extra: Rows | None, partner: NDArray[np.int64] | None) -> _Place | None:
        if set(_PLACE) <= set(rows.dtype.names or ()):
            return cls(rows, np.arange(len(rows)))
        if extra is not None and partner is not None and set(_PLACE) <= set(extra.dtype.names or ()):
            return cls(extra, partner)
        return None

    def coordinate_px(self) -> F64:
        taken = np.maximum(self.row, 0)
        size = np.asarray(self.at["location/micrograph_shape"][taken], np.float64)[:, ::-1]
        part = np.stack([self.at[name][taken] for name in _PLACE[:2]], axis=1).astype(np.float64)
        return np.where(self.row[:, None] < 0, np.nan, part * size)


def _text(value: Any) -> str:
    return (value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)).lstrip(">")


def write(folder: Path, members: Members, moved: Moved, store: str, turned: bool) -> tuple[Path, Path]:
    """Write particles.cs as ``store`` says, particles_in_place.cs, and passthrough.cs; return the first two paths."""
    paths = folder / "particles.cs", folder / "particles_in_place.cs"
    rows, other = changed(members, moved, store, turned)
    cryosparc.write_cs(paths[0], rows)
    if other is not None:
        cryosparc.write_cs(folder / "passthrough.cs", other)
    del rows, other
    cryosparc.write_cs(paths[1], changed(members, moved, "alignment", turned)[0])
    return paths


def changed(members: Members, moved: Moved, store: str, turned: bool) -> tuple[Rows, Rows | None]:
    """Return the rows as read with the members moved, and those of the passthrough; all other fields are kept."""
    rows, extra, partner, pixel = members.source
    origin, place = stored(members, moved, store)
    out, which = _wider(rows), moved.changed
    if "alignments2D/shift" in (rows.dtype.names or ()):
        out["alignments2D/shift"][which] = (origin / pixel[:, None])[which]
    if turned and "alignments2D/pose" in (rows.dtype.names or ()):
        out["alignments2D/pose"][which] = np.deg2rad(moved.psi_deg).reshape(rows["alignments2D/pose"].shape)[which]
    out[MARK] = moved.outside
    if place is not None:
        _put(out, np.arange(len(rows)), place, which)
    if extra is None:
        return out, None
    other = extra.copy()
    if place is not None:
        _put(other, partner, place, which & (partner >= 0))
    return out, other


def _wider(rows: Rows) -> Rows:
    """Return a copy of the rows with the field that marks those out of bounds."""
    if MARK in (rows.dtype.names or ()):
        return rows.copy()
    out = np.empty(len(rows), dtype=[*rows.dtype.descr, (MARK, "|u1")])
    for name in rows.dtype.names or ():
        out[name] = rows[name]
    return out


def _put(rows: Rows, at: NDArray[np.int64], place: F64, changed: NDArray[np.bool_]) -> None:
    """Write coordinates in px as fractions into the rows that have location fields."""
    if not set(_PLACE) <= set(rows.dtype.names or ()):
        return
    target = at[changed]
    size = np.asarray(rows["location/micrograph_shape"][target], np.float64)
    for axis, name in enumerate(_PLACE[:2]):
        rows[name][target] = place[changed, axis] / size[:, 1 - axis]
