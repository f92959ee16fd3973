"""From a document to particles in micrographs: a centring with its members, a table of particles, micrographs alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from emviewer.engine.errors import EmviewerError
from emviewer.engine.jobs.center_members import CENTRED, STATES, Members, Moved
from emviewer.engine.micrograph_find import MicrographFinder
from emviewer.engine.micrograph_picks import CommonWay, Picks, common_way
from emviewer.engine.micrograph_tables import has_places, read_picks, with_passthrough
from emviewer.engine.task import Check
from emviewer.ui import centering_session
from emviewer.ui.micrograph_colours import Classes
from emviewer.ui.row_order import RowOrder
from emviewer.ui.workspace import Document

LARGE_PX = 512
"""Edge from which on a single image is taken for a micrograph."""
LOOKED_FOR = 20
"""Micrographs that are looked for to learn the pixel size from a header."""


NOWHERE = CommonWay(0.0, 0.0, 0, False)


@dataclass(frozen=True, eq=False)
class Source:
    """What the panel shows.

    Parameters
    ----------
    picks : Picks
        The particles.
    classes : Classes
        Their classes.
    tables : list of Path
        Tables from which the search for micrographs starts.
    columns : dict of str to array
        Further columns that particles can be coloured by, by name; one value a particle.
    class_row : ndarray of int64 or None
        Of a centring: the document's row of each particle's class.
    rows : RowOrder or None
        Of a table of particles: the document's row ids by particle.
    of_relion : bool
        Whether RELION wrote the table, which reads TIFF files with their last row first.
    picking, shown : CommonWay
        What the ways from the picks to the particles have in common, and those that are drawn.
    notes : tuple of str
        What a person should know.
    """

    picks: Picks
    classes: Classes
    tables: list[Path] = field(default_factory=list)
    columns: dict[str, Any] = field(default_factory=dict)
    class_row: np.ndarray | None = None
    rows: RowOrder | None = None
    of_relion: bool = False
    picking: CommonWay = NOWHERE
    shown: CommonWay = NOWHERE
    notes: tuple[str, ...] = ()


def accepts(document: Document) -> bool:
    """Whether a document has particles in micrographs, or micrographs."""
    if centering_session.of(document) is not None:
        return True
    table, stack = document.table, document.stack
    if table is not None and has_places(table):  # a result, too: outliers of a comparison may have a place in common
        return True
    if document.kind != "images":
        return False
    if table is not None and ("rlnMicrographName" in table.columns or "uid" in table.columns):
        return True
    return stack is not None and stack.n == 1 and max(stack.shape) >= LARGE_PX


def of_members(
    members: Members, moved: Moved | None, class_row: np.ndarray | None, tables: list[Path],
    from_pick: bool = False, of_relion: bool = False,
) -> Source:  # fmt: skip
    """Return what is shown of a centring's members; for a lane.

    Parameters
    ----------
    members, moved, class_row
        See ``centering_session``.
    tables : list of Path
        From which the search for micrographs starts.
    from_pick : bool
        Show the whole way from the pick, not only what the centring added to the alignment before.
    of_relion : bool
        See :class:`Source`.
    """
    n = len(members)
    unknown = np.full((n, 2), np.nan)
    before = unknown if members.coordinate_px is None else members.coordinate_px
    after = None if moved is None else moved.centre_px
    picking = NOWHERE if after is None else common_way(np.nan_to_num(after - before))
    aligned = moved is not None and after is not None and not from_pick
    if aligned:
        before = after - moved.moved_px
    count = len(members.micrographs)
    notes = []
    if members.coordinate_px is None or not count:
        notes.append("the particles have no places in micrographs: there is nothing to show of them here")
    picks = Picks(
        members.micrographs or ["micrograph"],
        members.micrograph if count else np.zeros(n, np.int64),
        before,
        after,
        members.class_number,
        np.zeros(n, bool) if moved is None else moved.outside,
        members.micrograph_px_A if count else np.zeros(1),
        members.micrograph_shape if count else np.full((1, 2), np.nan),
        members.box_px * float(members.pixel_A[0]) if n else 0.0,
        list(members.micrograph_path),
        "before" if aligned else "picked",
        "centred",
    )
    named: dict[str, Any] = {}
    if moved is not None:
        named["moved by centring (px)"] = np.hypot(*moved.moved_px.T)
        named["centring"] = np.where(moved.state == STATES.index(CENTRED), 1.0, 0.0)
    named |= _columns_of_source(members.source)
    common = common_way(picks.way_px)
    source = Source(
        picks,
        Classes.of(picks.class_number, n),
        tables,
        named,
        class_row,
        None,
        of_relion,
        picking,
        common,
        tuple(notes),
    )
    warm(source)
    return source


def _columns_of_source(source: Any) -> dict[str, Any]:
    """Return the columns of the table that members were read from, whatever program wrote it."""
    if isinstance(source, pd.DataFrame):
        return _columns(source)
    if isinstance(source, tuple) and isinstance(source[0], Mapping):
        return _columns(source[0][source[1]])
    if isinstance(source, tuple) and isinstance(source[0], np.ndarray) and source[0].dtype.names:
        rows = source[0]
        return {
            name: rows[name] for name in rows.dtype.names if rows[name].ndim == 1 and rows.dtype[name].kind in "iuf"
        }
    return {}


def _columns(table: pd.DataFrame) -> dict[str, Any]:
    from emviewer.ui.panels.plot import number_columns

    return {name: table[name] for name in number_columns(table)}


class NeedsPassthrough(EmviewerError):
    """cryoSPARC particles whose places are in another file."""


def warm(source: Source) -> None:
    """Work out beforehand what the panel asks of many particles."""
    picks = source.picks
    for values in (picks.counts, picks.length_px, picks.mean_length_px, picks.n_outside):
        assert len(values) >= 0
    if len(picks.names):
        picks.canvas_px(0)


def of_table(document: Document, chosen: Path | None, passthrough: Path | None, check: Check) -> Source:
    """Return what is shown of a document with a table, or of one image; for a lane.

    Parameters
    ----------
    document : Document
        Of particles, micrographs, or one micrograph.
    chosen : Path or None
        Folder of the micrographs that a person chose.
    passthrough : Path or None
        File with the places of cryoSPARC particles that a person chose.
    check : callable
        May raise.

    Raises
    ------
    EmviewerError
        The table has no places in micrographs.
    """
    table, images, path = document.table, document.info.get("_images"), document.path
    tables = [path] if path is not None else []
    if table is None or not len(table.columns):
        return _single(document)
    blocks: Mapping[str, Any] = getattr(images, "blocks", {})
    notes: tuple[str, ...] = ()
    if not has_places(table) and "uid" in table.columns and path is not None and "particles" in blocks:
        table, found = with_passthrough(blocks["particles"], table, path, passthrough)
        if found is None:
            raise NeedsPassthrough(
                "the particles do not say where they are in their micrographs", path,
                "cryoSPARC keeps that in the passthrough file of the job: choose it",
            )  # fmt: skip
        notes = (f"places come from {found.name}",)
    if not has_places(table) and "rlnMicrographName" in table.columns:
        return _micrographs(table, tables)
    check()
    optics = blocks.get("optics")
    image_A = document.stack.pixel_size_A if document.stack is not None and document.stack.pixel_size_known else 0.0
    picks = read_picks(table, optics, image_A=image_A, where=path or "")
    # what the table says of the micrographs goes before their headers, and these before what it says of the movies
    if optics is None or "rlnMicrographPixelSize" not in optics.columns:
        header = header_pixel(picks.names, MicrographFinder(tables, chosen))
        if header > 0:
            picks = read_picks(table, optics, header_A=header, image_A=image_A, where=path or "")
    check()
    common = common_way(picks.way_px)
    source = Source(
        picks, Classes.of(picks.class_number, len(picks)), tables, _columns(table), None,
        RowOrder(table.index.to_numpy(np.int64)), "rlnCoordinateX" in table.columns, common, common,
        (*notes, *picks.notes),
    )  # fmt: skip
    warm(source)
    return source


def header_pixel(names: Any, finder: MicrographFinder) -> float:
    """Return the pixel size that the first micrograph's header tells, 0 if none is found or tells."""
    from emviewer.engine.micrograph import open_micrograph

    for name in list(names)[:LOOKED_FOR]:
        path = finder.find(name)
        if path is not None and path.suffix.lower() in (".mrc", ".mrcs"):
            try:
                return open_micrograph(path).pixel_size_A
            except (EmviewerError, OSError):
                continue
    return 0.0


def _nothing(names: list[str], pixel_A: float) -> Picks:
    m = len(names)
    none = np.empty(0, np.int64)
    return Picks(names, none, np.empty((0, 2)), None, None, np.empty(0, bool), np.full(m, pixel_A),
                 np.full((m, 2), np.nan))  # fmt: skip


def _micrographs(table: pd.DataFrame, tables: list[Path]) -> Source:
    picks = _nothing([str(v) for v in table["rlnMicrographName"]], 0.0)
    return Source(picks, Classes.of(None, 0), tables)


def _single(document: Document) -> Source:
    path = document.path
    known = document.stack.pixel_size_A if document.stack is not None and document.stack.pixel_size_known else 0.0
    picks = _nothing([path.name if path is not None else document.title], known)
    return Source(picks, Classes.of(None, 0), [path] if path is not None else [])
