"""Members of classes in RELION's tables, of 1.x and of 3.1 and later."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from emviewer.engine import star
from emviewer.engine.errors import DataError
from emviewer.engine.jobs import center_text as text
from emviewer.engine.jobs.center_members import STATES, Members, Moved
from emviewer.engine.mrc_header import plausible_pixel
from emviewer.engine.star_images import RelionTable, main_block
from emviewer.engine.types import F64

FLAT_DEG = 0.01
"""Largest tilt, modulo a half turn, of an alignment that turns in the plane only."""


def read(path: Path, pixel_size_A: float | None, class_pixel_A: float) -> Members:
    """Read members from a RELION particle table.

    Raises
    ------
    DataError
        The table has no classes, or its origins are in pixels of unknown size.
    """
    blocks = star.read_star(path)
    name = main_block(blocks)
    table = blocks[name]
    rows = RelionTable(table, blocks.get("optics"), blocks.get("general"))
    if len(table) == 0:
        raise DataError("there are no particles", path, "give the table of the members")
    number = rows.column("rlnClassNumber")
    if number is None:
        raise DataError("the particles have no rlnClassNumber", path, "give the _data.star of the classification")
    notes: list[str] = []
    n = len(table)
    edges = np.full(n, pixel_size_A) if pixel_size_A else rows.pixel_size()
    if edges is None:
        if class_pixel_A <= 0:
            raise DataError("neither classes nor particles tell their pixel size", path, "give --pixel-size")
        notes.append(f"the particles do not tell their pixel size: that of the classes, {class_pixel_A:.5g} Å, is used")
        edges = np.full(n, class_pixel_A)
    origins = [rows.origin_A(letter, edges) for letter in "XY"]
    origin = np.stack([np.zeros(n) if values is None else values for values in origins], axis=1)
    micrograph: NDArray[np.int64] = np.full(n, -1, np.int64)
    names: list[str] = []
    if "rlnMicrographName" in table.columns:
        micrograph, names = text.coded(table, "rlnMicrographName")
    has_place = {"rlnCoordinateX", "rlnCoordinateY"} <= set(table.columns)
    place = np.stack([star.numbers(table, f"rlnCoordinate{a}") for a in "XY"], axis=1) if has_place else None
    if place is not None:
        place[~np.isfinite(place)] = np.nan  # an infinite one has no differences
    size = rows.column("rlnImageSize")
    return Members(
        class_number=np.where(np.isfinite(number) & (number > 0), number, -1).astype(np.int64),
        psi_deg=_psi(rows, n, notes),
        origin_A=origin,
        flip=np.zeros(n, bool),
        pixel_A=np.asarray(edges, np.float64),
        coordinate_px=place,
        micrograph=micrograph,
        micrographs=names,
        micrograph_px_A=_micrograph_pixel(rows, micrograph, len(names)),
        micrograph_shape=np.full((len(names), 2), np.nan),
        box_px=int(size[0]) if size is not None and size.size else 0,
        source=(blocks, name),
        notes=notes,
    )


def _psi(rows: RelionTable, n: int, notes: list[str]) -> F64:
    """Return the in-plane angle; nan where there is none or the alignment is to a 3D map."""
    psi = rows.column("rlnAnglePsi")
    if psi is None:
        notes.append("the particles have no rlnAnglePsi: how they lie in their classes is unknown, and none is moved")
        return np.full(n, np.nan)
    rot, tilt = rows.column("rlnAngleRot"), rows.column("rlnAngleTilt")
    if tilt is None:
        return psi if rot is None else psi + rot
    flat = np.abs((tilt + 180) % 360 - 180) < FLAT_DEG
    if not flat.all():
        notes.append(
            f"{int((~flat).sum())} of {n} particles are aligned to a 3D map (rlnAngleTilt is not 0): how they lie in "
            "their classes is unknown, and they are not moved; give the _data.star of the 2D classification"
        )
    return np.where(flat, psi + (0.0 if rot is None else rot), np.nan)


def _micrograph_pixel(rows: RelionTable, micrograph: NDArray[np.int64], count: int) -> F64:
    """Return the pixel size of each micrograph as the particles tell it; negative where it is that of the movie."""
    out = np.zeros(count)
    for name, sign in (("rlnMicrographPixelSize", 1.0), ("rlnMicrographOriginalPixelSize", -1.0)):
        values = rows.column(name)
        if values is not None and count and all(plausible_pixel(v) for v in np.unique(values)):
            named = micrograph >= 0  # -1, no micrograph named, would be the last one
            out[micrograph[named]] = sign * values[named]
            break
    return out


def write(folder: Path, members: Members, moved: Moved, store: str, turned: bool) -> tuple[Path, Path]:
    """Write particles.star as ``store`` says and particles_in_place.star; return their paths."""
    paths = folder / "particles.star", folder / "particles_in_place.star"
    for path, how in zip(paths, (store, "alignment"), strict=True):
        star.write_star(path, changed(members, moved, how, turned))
    return paths


def changed(members: Members, moved: Moved, store: str, turned: bool) -> dict[str, pd.DataFrame]:
    """Return the blocks of the table as read, with the members moved; all other columns are kept."""
    blocks, name = members.source
    return {**blocks, name: _changed(blocks, name, members, moved, store, turned)}


def _changed(blocks: Any, name: str, members: Members, moved: Moved, store: str, turned: bool) -> pd.DataFrame:
    table: pd.DataFrame = blocks[name].copy(deep=False)
    table.attrs = dict(blocks[name].attrs)
    rows = moved.changed
    origin, place = stored(members, moved, store)
    if place is not None:
        for axis, letter in enumerate("XY"):
            text.replaced(table, f"rlnCoordinate{letter}", place[:, axis], rows & np.isfinite(place[:, axis]))
    in_pixels = "rlnOriginX" in table.columns or ("rlnOriginXAngst" not in table.columns and "optics" not in blocks)
    for axis, letter in enumerate("XY"):
        if "optics" in blocks or not in_pixels or f"rlnOrigin{letter}Angst" in table.columns:
            text.replaced(table, f"rlnOrigin{letter}Angst", origin[:, axis], rows)
        if in_pixels:
            text.replaced(table, f"rlnOrigin{letter}", origin[:, axis] / members.pixel_A, rows)
    if turned:
        rot = RelionTable(blocks[name], blocks.get("optics")).column("rlnAngleRot")
        psi = moved.psi_deg - (0.0 if rot is None else rot)
        text.replaced(table, "rlnAnglePsi", (psi + 180) % 360 - 180, rows)
    text.words(table, "emvCentering", moved.state, STATES)
    text.words(table, "emvOutOfBounds", moved.outside.astype(np.int64), ("0", "1"))
    return table


def stored(members: Members, moved: Moved, store: str) -> tuple[F64, F64 | None]:
    """Return origins in Å and coordinates in px (None: untouched) for a way of storing."""
    pick = members.coordinate_px
    if store == "alignment" or pick is None or moved.centre_px is None:
        return moved.origin_A, None
    if store == "coordinates":
        return np.zeros_like(moved.origin_A), moved.centre_px
    return moved.origin_A + moved.steps_px * members.micrograph_pixel()[:, None], pick + moved.steps_px
