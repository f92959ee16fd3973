"""Places of particles out of the tables of RELION, cryoSPARC and Xmipp."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from emviewer.engine import cryosparc, star
from emviewer.engine.errors import DataError, EmviewerError
from emviewer.engine.micrograph_picks import Picks
from emviewer.engine.mrc_header import plausible_pixel
from emviewer.engine.star_images import RelionTable
from emviewer.engine.types import F64

RELION = ("rlnCoordinateX", "rlnCoordinateY")
CRYOSPARC = ("location/center_x_frac", "location/center_y_frac", "location/micrograph_shape[0]")
XMIPP = ("xcoor", "ycoor")
_STACK = r"^.*?([^/@]+?)(?:\.mrcs)?$"


def has_places(table: pd.DataFrame) -> bool:
    """Whether the rows of a table have places in micrographs."""
    names = set(table.columns)
    return any(set(wanted) <= names for wanted in (RELION, CRYOSPARC, XMIPP))


def read_picks(
    table: pd.DataFrame, optics: pd.DataFrame | None = None, *, header_A: float = 0.0, image_A: float = 0.0,
    where: object = "",
) -> Picks:  # fmt: skip
    """Return the places of the particles of a table.

    Parameters
    ----------
    table : DataFrame
        Particles of RELION (1.x or 3.1 and later), cryoSPARC (see `cryosparc.to_table`) or Xmipp.
    optics : DataFrame, optional
        RELION's optics groups.
    header_A : float
        Pixel size that the header of a micrograph tells; before what a RELION table says of the movies.
    image_A : float
        Pixel size of the particle images, where the table does not say.
    where : object
        The file, for error sentences.

    Raises
    ------
    DataError
        The rows have no places in micrographs, or one is no number.
    """
    names = set(table.columns)
    if set(RELION) <= names:
        return _of_relion(table, optics, header_A, image_A)
    if set(CRYOSPARC) <= names:
        return _of_cryosparc(table, header_A, image_A)
    if set(XMIPP) <= names:
        return _of_xmipp(table, header_A, image_A)
    raise DataError(
        "the particles have no places in micrographs", where,
        "open a table with rlnCoordinateX, location/center_x_frac or xcoor",
    )  # fmt: skip


def _of_relion(table: pd.DataFrame, optics: pd.DataFrame | None, header_A: float, image_A: float) -> Picks:
    rows = RelionTable(table, optics)
    n = len(table)
    which, names = _micrographs(table)
    pixel = _relion_pixels(rows, which, len(names), header_A)
    image = rows.pixel_size()
    image = np.full(n, image_A) if image is None else image
    place = np.stack([star.numbers(table, name) for name in RELION], axis=1)
    origin = _relion_origins(rows, image)
    number = rows.column("rlnClassNumber")
    size = rows.column("rlnImageSize")
    box = float(size[0] * image[0]) if size is not None and n else 0.0
    after, notes = _moved(place, origin, which, pixel, image)
    if after is not None and "emvCentering" in table.columns:
        still = (table["emvCentering"] != "centred").to_numpy(bool)
        after[still] = place[still]
    outside = rows.column("emvOutOfBounds")
    return Picks(
        names,
        which,
        place,
        after,
        None if number is None else _whole(number, least=1),
        np.zeros(n, bool) if outside is None else outside > 0.5,
        pixel,
        np.full((len(names), 2), np.nan),
        box,
        notes=notes,
    )


def _micrographs(table: pd.DataFrame) -> tuple[NDArray[np.int64], list[str]]:
    """Return each row's micrograph, from its name or else from the stack that its image is in."""
    if "rlnMicrographName" in table.columns:
        return _coded(table["rlnMicrographName"])
    if "rlnImageName" in table.columns:
        # Extract/job007/Micrographs/a.mrcs holds the particles of some folder's a.mrc
        return _coded(table["rlnImageName"].str.replace(_STACK, r"\1.mrc", regex=True))
    return np.zeros(len(table), np.int64), ["micrograph"]


def _coded(names: pd.Series) -> tuple[NDArray[np.int64], list[str]]:
    which, different = pd.factorize(names)
    return which.astype(np.int64), [str(v) for v in different]


def _relion_pixels(rows: RelionTable, which: NDArray[np.int64], m: int, header_A: float) -> F64:
    out = np.full(m, header_A)
    for name, sure in (("rlnMicrographPixelSize", True), ("rlnMicrographOriginalPixelSize", header_A <= 0)):
        values = rows.column(name) if sure else None
        if values is not None and all(plausible_pixel(v) for v in np.unique(values)):
            out[which[which >= 0]] = values[which >= 0]
            break
    return out


def _relion_origins(rows: RelionTable, image_A: F64) -> F64 | None:
    """Return origins in Å, or None if there are none."""
    x, y = (rows.origin_A(letter, image_A) for letter in "XY")
    return None if x is None or y is None else np.stack([x, y], axis=1)


def _moved(
    place: F64, origin_A: F64 | None, which: NDArray[np.int64], pixel_A: F64, image_A: F64
) -> tuple[F64 | None, tuple[str, ...]]:
    """Return where the particles stand: the pick minus the origin, which is what centres the image."""
    if origin_A is None or not origin_A.any():
        return None, ()
    known = np.where(which >= 0, pixel_A[np.maximum(which, 0)], 0.0) if len(pixel_A) else np.zeros(len(which))
    edge = np.where(known > 0, known, image_A)
    if not (edge > 0).all():
        return None, ("no pixel size is known, so the shifts of the particles cannot be shown",)
    notes = () if (known > 0).all() else (
        "the micrographs do not tell their pixel size: that of the particle images is taken for it",
    )  # fmt: skip
    return place - origin_A / edge[:, None], notes


def _whole(values: F64, least: int) -> NDArray[np.int64]:
    return np.where(np.isfinite(values) & (values >= least), np.nan_to_num(values), -1).astype(np.int64)


def _of_cryosparc(table: pd.DataFrame, header_A: float, image_A: float) -> Picks:
    names = set(table.columns)
    n = len(table)
    name = next((c for c in ("location/micrograph_path", "location/micrograph_uid") if c in names), None)
    which, micrographs = (np.zeros(n, np.int64), ["micrograph"]) if name is None else _coded(table[name])
    micrographs = [v.lstrip(">") for v in micrographs]
    first = np.zeros(len(micrographs), np.int64)
    named = np.flatnonzero(which >= 0)[::-1]  # a row that names no micrograph is -1, which would be the last one
    first[which[named]] = named
    size = np.stack([star.numbers(table, f"location/micrograph_shape[{k}]") for k in (1, 0)], axis=1)
    place = np.stack([star.numbers(table, c) for c in CRYOSPARC[:2]], axis=1) * size
    pixel = np.full(len(micrographs), header_A)
    if "location/micrograph_psize_A" in names:
        told = star.numbers(table, "location/micrograph_psize_A")[first]
        pixel = np.where([plausible_pixel(float(v)) for v in told], told, header_A)
    image = star.numbers(table, "blob/psize_A") if "blob/psize_A" in names else np.full(n, image_A)
    group = next((g for g in ("alignments3D", "alignments2D") if f"{g}/shift[0]" in names), "")
    origin = None
    if group:
        edge = star.numbers(table, f"{group}/psize_A") if f"{group}/psize_A" in names else image
        shift = np.stack([star.numbers(table, f"{group}/shift[{k}]") for k in (0, 1)], axis=1)
        origin = shift * np.where(edge > 0, edge, image)[:, None]
    after, notes = _moved(place, origin, which, pixel, image)
    number = next((c for c in ("alignments2D/class", "alignments3D/class") if c in names), None)
    mark = "emviewer/out_of_bounds"
    box = float(table["blob/shape[0]"].iloc[0]) * float(image[0]) if "blob/shape[0]" in names and n else 0.0
    return Picks(
        micrographs,
        which,
        place,
        after,
        None if number is None else _whole(star.numbers(table, number), least=0),
        star.numbers(table, mark) > 0.5 if mark in names else np.zeros(n, bool),
        pixel,
        size[first] if n else np.zeros((0, 2)),
        box,
        notes=notes,
    )


def _of_xmipp(table: pd.DataFrame, header_A: float, image_A: float) -> Picks:
    names = set(table.columns)
    n = len(table)
    name = next((c for c in ("micrograph", "micrographId") if c in names), None)
    which, micrographs = (np.zeros(n, np.int64), ["micrograph"]) if name is None else _coded(table[name])
    place = np.stack([star.numbers(table, c) for c in XMIPP], axis=1)
    outside = star.numbers(table, "emvOutOfBounds") > 0.5 if "emvOutOfBounds" in names else np.zeros(n, bool)
    return Picks(
        micrographs,
        which,
        place,
        None,
        _whole(star.numbers(table, "ref"), least=0) if "ref" in names else None,
        outside,
        np.full(len(micrographs), header_A or image_A),
        np.full((len(micrographs), 2), np.nan),
    )


def with_passthrough(
    rows: Any, table: pd.DataFrame, path: Path, chosen: Path | None = None
) -> tuple[pd.DataFrame, Path | None]:
    """Return cryoSPARC particles with the places that the passthrough file of their job has.

    Parameters
    ----------
    rows : structured ndarray
        The particles as they are in the file.
    table : DataFrame
        The same as a table.
    path : Path
        The file: passthrough files are looked for beside it.
    chosen : Path, optional
        The passthrough file that a person chose.

    Returns
    -------
    table : DataFrame
        With further columns, or as it was.
    found : Path or None
        The passthrough file that had them.
    """
    beside = (
        [chosen]
        if chosen is not None
        else sorted(path.parent.glob("*passthrough*.cs"), key=lambda p: ("particle" not in p.name, p.name))
    )
    for candidate in beside:
        try:
            extra = cryosparc.read_cs(candidate)
            fields = [f for f in extra.dtype.names or () if f == "uid" or f.startswith("location/")]
            if candidate == path or "location/center_x_frac" not in fields:
                continue
            joined = cryosparc.join(rows[["uid"]], extra[fields])
        except (EmviewerError, OSError, ValueError):  # another job's, or none at all
            continue
        places = cryosparc.to_table(joined).drop(columns="uid").set_axis(table.index, axis=0)
        return pd.concat([table, places[[c for c in places.columns if c not in table.columns]]], axis=1), candidate
    return table, None
