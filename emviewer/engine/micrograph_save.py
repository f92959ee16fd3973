"""Places of particles, a file a micrograph, as picking programs read them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from emviewer.engine.errors import ParameterError
from emviewer.engine.files_bytes import suffixes
from emviewer.engine.files_unused import each_its_own, refuse_existing
from emviewer.engine.files_whole import whole
from emviewer.engine.micrograph_picks import Picks, box_corner
from emviewer.engine.star import write_star
from emviewer.engine.task import Check, never
from emviewer.engine.types import F64

FORMATS = {
    ".star": "RELION coordinates",
    ".box": "EMAN boxes",
    ".coord": "plain text: x y",
}
"""What can be written, by suffix."""


def write_all_places(
    folder: str | Path,
    suffix: str,
    picks: Picks,
    box_px: int,
    *,
    after: bool = True,
    left_out: NDArray[np.bool_] | None = None,
    check: Check = never,
) -> int:
    """Write the places of every micrograph into a folder, a file each, named like the micrograph.

    Parameters
    ----------
    folder : path
        Made if it is not there.
    suffix : str
        See :data:`FORMATS`.
    picks : Picks
        The particles.
    box_px : int
        Edge of the boxes, for ``.box``.
    after : bool
        Write where the particles stand rather than where they were picked, if that is known.
    left_out : ndarray of bool, shape (n,), optional
        Particles that are not written.
    check : callable
        Called now and then; may raise.

    Returns
    -------
    int
        Files written; micrographs without particles have none. Micrographs of the same name in different folders get
        different files.

    Raises
    ------
    OutputError
        A file is there already; nothing is written then.
    ParameterError, OSError
        See :func:`write_places`. What was written before is taken away again, also if ``check`` raises.
    """
    home = Path(folder)
    names = each_its_own(suffixes(name)[1] for name in picks.names)
    wanted: dict[str, NDArray[np.int64]] = {}
    for i, name in enumerate(names):
        rows = picks.on(i)
        rows = rows if left_out is None else rows[~left_out[rows]]
        if len(rows):
            wanted[f"{name}{suffix}"] = rows
    refuse_existing(home, wanted)
    home.mkdir(parents=True, exist_ok=True)
    places = picks.after_px if after and picks.after_px is not None else picks.before_px
    written: list[Path] = []
    try:
        for file, rows in wanted.items():
            if len(written) % 50 == 0:
                check()
            number = None if picks.class_number is None else picks.class_number[rows]
            written.append(write_places(home / file, places[rows], box_px, number))
    except BaseException:  # also a cancel
        for path in written:
            path.unlink(missing_ok=True)
        raise
    return len(written)


def write_places(
    path: str | Path, place_px: F64, box_px: int, class_number: NDArray[np.int64] | None = None
) -> Path:  # fmt: skip
    """Write the places of one micrograph; the file appears whole or not at all.

    Parameters
    ----------
    path : path
        ``.star`` (rlnCoordinateX/Y, and rlnClassNumber if given), ``.box`` (EMAN: first column and row of the box,
        and its edges), ``.coord`` or ``.txt`` (x and y).
    place_px : ndarray of float64, shape (n, 2)
        Centres ``(x, y)``, counted from the file's first pixel; rows that are not finite are left out.
    box_px : int
        Edge of the boxes, for ``.box``.
    class_number : ndarray of int64, shape (n,), optional
        For ``.star``.

    Raises
    ------
    ParameterError
        Another suffix, or boxes without an edge.
    OSError
        The file cannot be written.
    """
    target = Path(path)
    suffix = target.suffix.lower()
    good = np.isfinite(place_px).all(axis=1)
    place = place_px[good]
    if suffix == ".star":
        columns: dict[str, object] = {"rlnCoordinateX": place[:, 0], "rlnCoordinateY": place[:, 1]}
        if class_number is not None:
            columns["rlnClassNumber"] = class_number[good]
        write_star(target, {"": pd.DataFrame(columns)})
        return target
    if suffix == ".box":
        if box_px < 1:
            raise ParameterError("an EMAN .box file needs the edge of the boxes", target, "give a box size")
        lines = [f"{box_corner(x, box_px)}\t{box_corner(y, box_px)}\t{box_px}\t{box_px}\n" for x, y in place.tolist()]
    elif suffix in (".coord", ".txt"):
        lines = [f"{x:.3f} {y:.3f}\n" for x, y in place.tolist()]
    else:
        raise ParameterError(
            f"places cannot be written as {suffix or 'a file without suffix'}", target,
            f"choose {', '.join(FORMATS)}",
        )  # fmt: skip
    with whole(target) as beside:
        beside.write_text("".join(lines), encoding="utf-8")
    return target
