"""Files that saving a centring must leave as they are: all that it was read from, and what its job wrote."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import pandas as pd

from emviewer.engine import cryosparc, files, star
from emviewer.engine.errors import OutputError
from emviewer.engine.files_bytes import suffixes
from emviewer.engine.files_named import Finder
from emviewer.engine.jobs import center_convert
from emviewer.engine.jobs.center_again import CenterResult
from emviewer.engine.jobs.center_inputs import CenterInputs
from emviewer.engine.star_images import image_column

_OWN = (
    "job.json", "summary.json", "classes.star", "centered_classes.mrcs", "particles.star", "particles_in_place.star",
    "particles.cs", "particles_in_place.cs", "passthrough.cs", "micrographs.csv", "report.png", "report.pdf",
)  # fmt: skip
_STACKS = (".mrcs", ".mrc", ".stk")


def refuse(result: CenterResult, inputs: CenterInputs, written: Iterable[Path]) -> None:
    """Refuse to overwrite a file that the centring comes from.

    Parameters
    ----------
    result, inputs
        See :func:`emviewer.engine.jobs.center_again.read_result` and ``open_again``.
    written : iterable of Path
        Every file that will be written.

    Raises
    ------
    OutputError
        One of them is an input, an image file or micrograph named by a table of the inputs, the map, or a file of the
        job's own result; also if it is that file under another name (a link).
    """
    # a file that is not there cannot be lost: the tables are only gone through when something would be replaced
    there = {key: path for path in written if (key := _identity(path)) is not None}
    if not there:
        return
    for path in _kept(result, inputs):
        target = there.get(_identity(path) or (-1, -1))
        if target is not None:
            raise OutputError(
                f"saving would overwrite {target.name}, a file that the centring comes from", target,
                "choose another name",
            )  # fmt: skip


def _identity(path: Path) -> tuple[int, int] | None:
    """Return what tells a file from all others, whatever it is called; None if there is none."""
    try:
        stat = path.stat()
    except OSError:
        return None
    return stat.st_dev, stat.st_ino


def _kept(result: CenterResult, inputs: CenterInputs) -> Iterator[Path]:
    """Yield the files that must stay; some may not be there."""
    p, source = result.params, inputs.classes.stack.source
    yield from (result.folder / name for name in _OWN)
    yield from (result.folder / "coordinates").glob("*")
    for path in (p.classes, source, inputs.table, p.particles, p.passthrough, p.micrographs, p.map):
        if path is not None:
            yield path.expanduser()
    for table in {path.expanduser() for path in (p.classes, source) if path is not None}:
        yield from _found(_named(table), table, p.project_dir)
    members = inputs.members
    if members is None or inputs.table is None:
        return
    yield from (path for path in members.micrograph_path if path is not None)
    names = center_convert.image_names(members, inputs.form)
    for named in ([] if names is None else names.files, members.micrographs):
        yield from _found(named, inputs.table.expanduser(), p.project_dir)


def _named(table: Path) -> list[str]:
    """Return the image files that a table of class averages names; none if it is a stack or has gone."""
    if not table.is_file():
        return []
    kind = files.kind_of(table)
    if kind == "cryosparc":
        rows = cryosparc.read_cs(table)
        return (
            list(cryosparc.image_names(rows).files) if {"blob/path", "blob/idx"} <= set(rows.dtype.names or ()) else []
        )
    if kind not in ("star", "xmipp"):
        return []
    found: list[str] = []
    for block in star.read_star(table).values():
        column = image_column(block) or ("image" if "image" in block.columns else None)
        if column is not None:
            found += [name.rpartition("@")[2] for name in pd.unique(block[column].astype("str"))]
    return list(dict.fromkeys(found))


def _found(names: Iterable[str], table: Path, project_dir: Path | None) -> Iterator[Path]:
    """Yield where the named files are; if none is, the stacks beside the table that may stand in for them."""
    finder, some = Finder(table, project_dir), False
    for name in names:
        path = finder.find(name)
        if path is not None:
            some = True
            yield path
    if not some:
        yield from (table.with_name(suffixes(table)[1] + suffix) for suffix in _STACKS)
