"""Members of classes in Xmipp's metadata.

A 2D alignment of Xmipp maps the particle onto its class: ``y = F (R x + t)``, R = [[cos, sin], [-sin, cos]] of
``anglePsi``, t = ``shiftX, shiftY`` in pixels, F the mirror of x where ``flip`` is 1. In the form shared with RELION
(the class point y stands at ``F A(psi) y - origin``) that is psi = -anglePsi, or anglePsi of a flipped one, and
origin = R^T t.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from emviewer.engine import star
from emviewer.engine.errors import DataError
from emviewer.engine.jobs import center_text as text
from emviewer.engine.jobs.center_members import STATES, Members, Moved
from emviewer.engine.jobs.center_relion import stored
from emviewer.engine.mrc_header import plausible_pixel
from emviewer.engine.types import F64


def members_of(blocks: dict[str, pd.DataFrame]) -> pd.DataFrame | None:
    """Return the rows of all blocks ``class000012_images`` with their class in ``ref``, or the table that has one."""
    parts = []
    for name, frame in blocks.items():
        number = name.removeprefix("class").removesuffix("_images")
        if name == f"class{number}_images" and number.isdigit() and len(frame):
            parts.append(frame.assign(ref=str(int(number))))
    if parts:
        return pd.concat(parts, ignore_index=True)
    named = [frame for frame in blocks.values() if {"ref", "image"} <= set(frame.columns)]
    return max(named, key=len) if named else None


def read(
    path: Path, blocks: dict[str, pd.DataFrame] | None, pixel_size_A: float | None, class_pixel_A: float
) -> Members:
    """Read members from ``.xmd`` metadata.

    Raises
    ------
    DataError
        There are no members with classes, or no pixel size.
    """
    table = members_of(blocks if blocks is not None else star.read_star(path))
    if table is None:
        raise DataError("the metadata has no images with ref, and no blocks class…_images", path, "give the members")
    n = len(table)
    names = set(table.columns)
    edge = pixel_size_A or class_pixel_A
    if pixel_size_A is None and "samplingRate" in names and plausible_pixel(star.numbers(table, "samplingRate")[0]):
        edge = float(star.numbers(table, "samplingRate")[0])
    if not edge > 0:
        raise DataError("neither classes nor members tell their pixel size", path, "give --pixel-size")

    def column(name: str) -> F64:
        return star.numbers(table, name) if name in names else np.zeros(n)

    angle = column("anglePsi")
    flip = column("flip") > 0.5
    place = np.stack([column("xcoor"), column("ycoor")], axis=1) if {"xcoor", "ycoor"} <= names else None
    which, micrographs = text.coded(table, "micrograph") if "micrograph" in names else (np.full(n, -1), [])
    aligned = bool({"anglePsi", "shiftX", "shiftY"} & names)
    return Members(
        class_number=column("ref").astype(np.int64),
        psi_deg=np.where(flip, angle, -angle) if aligned else np.full(n, np.nan),
        origin_A=_turned(np.stack([column("shiftX"), column("shiftY")], axis=1), -angle) * edge,
        flip=flip,
        pixel_A=np.full(n, edge),
        coordinate_px=place,
        micrograph=which,
        micrographs=micrographs,
        micrograph_px_A=np.zeros(len(micrographs)),
        micrograph_shape=np.full((len(micrographs), 2), np.nan),
        source=table,
        notes=[] if aligned else ["the members have no alignment: how they lie in their classes is unknown"],
    )


def _turned(vectors: F64, angle_deg: F64) -> F64:
    """Return vectors (n, 2) times [[cos, sin], [-sin, cos]] of each angle."""
    c, s = np.cos(np.radians(angle_deg)), np.sin(np.radians(angle_deg))
    x, y = vectors.T
    return np.stack([c * x + s * y, c * y - s * x], axis=1)


def write(folder: Path, members: Members, moved: Moved, store: str, turned: bool) -> tuple[Path, Path]:
    """Write particles.star as ``store`` says and particles_in_place.star, with Xmipp's labels; return their paths."""
    paths = folder / "particles.star", folder / "particles_in_place.star"
    for path, how in zip(paths, (store, "alignment"), strict=True):
        star.write_star(path, changed(members, moved, how, turned))
    return paths


def changed(members: Members, moved: Moved, store: str, turned: bool) -> dict[str, pd.DataFrame]:
    """Return the members as read, with Xmipp's labels, moved; all other columns are kept."""
    angle = np.where(members.flip, moved.psi_deg, -moved.psi_deg)
    origin, place = stored(members, moved, store)
    table: pd.DataFrame = members.source.copy(deep=False)
    table.attrs = {"loop": True, "comment": "XMIPP_STAR_1 * "}
    rows = moved.changed
    shift = _turned(origin / members.pixel_A[:, None], angle)
    for axis, letter in enumerate("XY"):
        text.replaced(table, f"shift{letter}", shift[:, axis], rows)
        if place is not None:
            text.replaced(table, f"{letter.lower()}coor", place[:, axis], rows)
    if turned:
        text.replaced(table, "anglePsi", angle, rows)
    text.words(table, "emvCentering", moved.state, STATES)
    text.words(table, "emvOutOfBounds", moved.outside.astype(np.int64), ("0", "1"))
    return {"particles": table}
