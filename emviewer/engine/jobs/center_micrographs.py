"""Sizes and pixel sizes of the micrographs that members were picked from."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from emviewer.engine import files, mrc, star
from emviewer.engine.errors import DataError, EmviewerError
from emviewer.engine.files_named import Finder
from emviewer.engine.files_stack import image_format, open_stack
from emviewer.engine.jobs.center_members import Members
from emviewer.engine.mrc_header import pixel_size, plausible_pixel
from emviewer.engine.star_images import RelionTable, main_block
from emviewer.engine.task import Check

SUFFIXES = (".mrc", ".tif", ".tiff", ".mrcs", ".spi", ".map")


def look_up(
    members: Members,
    given: Path | None,
    table: Path,
    project_dir: Path | None,
    warn: Callable[[str], None],
    check: Check,
) -> None:
    """Fill in the sizes and pixel sizes of the members' micrographs; what is not known is said once.

    The pixel size is, in this order: that of the given micrograph table; the particles' own (of the micrograph);
    the header's; the movie's as the particles have it.

    Raises
    ------
    DataError
        The given table or folder has no micrographs.
    """
    told: dict[str, float] = {}
    places: dict[str, Path] = {}
    home = table
    if given is not None and given.is_dir():
        places = {p.stem: p for p in sorted(given.iterdir()) if p.suffix.lower() in SUFFIXES}
        if not places:
            raise DataError("the folder holds no micrographs", given, f"give one with {', '.join(SUFFIXES[:3])} files")
    elif given is not None:
        told, home = _of_table(given), given
    finder, first = Finder(home, project_dir), Finder(table, project_dir)
    absent = []
    members.micrograph_path = [None] * len(members.micrographs)
    for i, name in enumerate(members.micrographs):
        check()
        stem = Path(name).stem
        path = places.get(stem) or finder.find(name) or first.find(name)
        members.micrograph_path[i] = path
        shape, header_A = _header(path) if path is not None else (None, 0.0)
        if shape is not None:
            members.micrograph_shape[i] = shape
        elif not np.isfinite(members.micrograph_shape[i]).all():
            absent.append(name)
        own = members.micrograph_px_A[i]
        candidates = (told.get(name, told.get(stem, 0.0)), max(own, 0.0), header_A, -min(own, 0.0))
        members.micrograph_px_A[i] = next((v for v in candidates if v > 0), 0.0)
    _say(members, absent, given, warn)


def _say(members: Members, absent: list[str], given: Path | None, warn: Callable[[str], None]) -> None:
    if absent:
        how = "check --micrographs" if given is not None else "give --micrographs"
        warn(
            f"the size of {len(absent)} of {len(members.micrographs)} micrographs is unknown, first {absent[0]}: "
            f"particles there are not checked for leaving it; {how}"
        )
    unknown = members.micrograph_px_A <= 0
    if members.coordinate_px is not None and (unknown.any() or not members.micrographs):
        warn("the micrographs do not tell their pixel size: that of the particle images is taken for it")


def _of_table(path: Path) -> dict[str, float]:
    """Return the pixel size of each micrograph of a table by name and by stem."""
    if files.kind_of(path) not in ("star", "xmipp"):
        raise DataError("this is no table of micrographs", path, "give a .star file, or the folder of the micrographs")
    blocks = star.read_star(path)
    table = blocks[main_block(blocks)]
    column = next((c for c in ("rlnMicrographName", "micrograph", "image") if c in table.columns), None)
    if column is None:
        raise DataError("the table has no rlnMicrographName", path, "give the table of the micrographs")
    rows = RelionTable(table, blocks.get("optics"))
    edges = rows.column("rlnMicrographPixelSize")
    if edges is None:
        edges = rows.pixel_size() if column == "rlnMicrographName" else None
    out: dict[str, float] = {}
    for name, edge in zip(table[column].tolist(), np.zeros(len(table)) if edges is None else edges, strict=True):
        value = float(edge) if plausible_pixel(float(edge)) else 0.0
        out |= {str(name): value, Path(str(name)).stem: value}
    return out


def _header(path: Path) -> tuple[tuple[int, int] | None, float]:
    """Return (width, height) and pixel size of a micrograph; None and 0 where it cannot be read or does not tell."""
    try:
        if image_format(path) == "mrc":
            header = mrc.read_header(path)
            _, rows, columns = header.file_shape
            edge = pixel_size(header, image=True)[0]
        else:
            stack = open_stack(path)
            (rows, columns), edge = stack.shape, stack.pixel_size_A if stack.pixel_size_known else 0.0
    except (EmviewerError, OSError):
        return None, 0.0
    # 1 Å is what programs write that do not know
    return (columns, rows), 0.0 if edge == 1.0 else float(edge)
