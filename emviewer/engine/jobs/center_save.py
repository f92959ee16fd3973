"""Save a centring, as it stands after a person changed it, in the form that the file's name says."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pandas as pd

from emviewer.engine import cryosparc, star
from emviewer.engine.centering_move import centred
from emviewer.engine.errors import DataError, OutputError, ParameterError
from emviewer.engine.files_named import open_named
from emviewer.engine.files_whole import whole
from emviewer.engine.jobs import (
    center_convert,
    center_cryosparc,
    center_guard,
    center_output,
    center_relion,
    center_xmipp,
)
from emviewer.engine.jobs.center_again import CenterResult, ClassCentres, carry
from emviewer.engine.jobs.center_inputs import CenterInputs
from emviewer.engine.jobs.center_members import Members, Moved
from emviewer.engine.jobs.center_report import draw_report
from emviewer.engine.jobs.center_summary import hints, key_figures
from emviewer.engine.jobs.folder import as_output_error
from emviewer.engine.mrc_write import StackWriter
from emviewer.engine.task import Check, never
from emviewer.engine.types import F32, ImageStack

SUFFIXES = (".star", ".cs", ".xmd", ".mrcs")
STORES = ("both", "alignment", "coordinates")
BATCH = 32


def save(
    result: CenterResult, inputs: CenterInputs, centres: ClassCentres, out: str | Path, *, store: str = "both",
    check: Check = never,
) -> list[Path]:  # fmt: skip
    """Carry the centres to the members and write them; no centre is estimated.

    Parameters
    ----------
    result, inputs
        See :func:`emviewer.engine.jobs.center_again.read_result` and ``open_again``.
    centres : ClassCentres
        The centre of every class: those of the result, or changed by hand; classes with ``alone`` keep their members
        as they are.
    out : path
        ``.star``: RELION's table; ``.cs``: cryoSPARC's (with ``NAME_passthrough.cs`` if the members came with one);
        ``.xmd``: Xmipp's; ``.mrcs``: the centred class averages with a star file; a name without suffix: a folder of
        coordinates, one table a micrograph. A table of the same program keeps all its columns.
    store : {"both", "alignment", "coordinates"}
        As ``--store`` (cli.md): ``both`` and ``coordinates`` are for re-extraction, ``alignment`` is valid with the
        present images.

    Returns
    -------
    list of Path
        The files written.

    Raises
    ------
    ParameterError
        Another suffix.
    DataError
        The members do not have what the form needs.
    OutputError
        It cannot be written, or would overwrite what the centring comes from.
    """
    target = Path(out).expanduser().absolute()
    if store not in STORES:
        raise ParameterError(f"there is no way of storing called {store}", "", f"choose one of {', '.join(STORES)}")
    center_guard.refuse(result, inputs, _written(inputs, target))
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.suffix == ".mrcs":
            return _save_classes(result, inputs, centres, target, check)
        members = inputs.members
        if members is None:
            raise DataError("there are no members", result.folder, "centre with --particles")
        check()
        moved = carry(inputs.classes, inputs.pixel_size_A, centres, members)
        check()
        if target.suffix == "":
            return _save_coordinates(members, moved, target, check)
        return _save_table(result, inputs, members, moved, target, store, bool(centres.psi_deg.any()))
    except OSError as err:
        problem = as_output_error(err, target)
        raise OutputError(problem.what, problem.where, "make room, or choose another place to save") from err


def _written(inputs: CenterInputs, target: Path) -> list[Path]:
    """Return every file that will be written."""
    if target.suffix == ".mrcs":
        return [target, target.with_suffix(".star")]
    if target.suffix == ".cs" and inputs.form == "cryosparc":
        return [target, _passthrough(target)]
    return [target]


def _passthrough(target: Path) -> Path:
    return target.with_name(f"{target.stem}_passthrough.cs")


def _save_table(
    result: CenterResult, inputs: CenterInputs, members: Members, moved: Moved, target: Path, store: str, turned: bool
) -> list[Path]:
    form, places = inputs.form, store != "alignment"
    if target.suffix == ".star":
        given = center_convert.as_relion(members, form, places=places)
        star.write_star(target, center_relion.changed(given, moved, store, turned))
        return [target]
    if target.suffix == ".xmd":
        if form != "xmipp":
            raise ParameterError("only Xmipp's own members can be saved as .xmd", target, "choose .star or .cs")
        star.write_star(target, center_xmipp.changed(members, moved, store, turned))
        return [target]
    if target.suffix == ".cs":
        last = int(max(inputs.classes.numbers.max(initial=0), members.class_number.max(initial=0)))
        given = center_convert.as_cryosparc(
            members, form, places=places, last_class=last, table=inputs.table, project_dir=result.params.project_dir
        )
        rows, extra = center_cryosparc.changed(given, moved, store, turned)
        cryosparc.write_cs(target, rows)
        if extra is None:
            return [target]
        beside = _passthrough(target)
        cryosparc.write_cs(beside, extra)
        return [target, beside]
    raise ParameterError(
        f"members cannot be saved as {target.suffix}", target, f"choose {', '.join(SUFFIXES)} or a folder"
    )


def _save_coordinates(members: Members, moved: Moved, target: Path, check: Check) -> list[Path]:
    if moved.centre_px is None or not members.micrographs:
        raise DataError("the particles have no coordinates in micrographs", "", "save them as .star or .cs")
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise OutputError("the folder is there and not empty", target, "choose another name")
    beside = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        center_output.write_coordinates(members, moved, beside, check)
        if target.exists():
            target.rmdir()
        os.replace(beside, target)
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    return [target]


def _save_classes(
    result: CenterResult, inputs: CenterInputs, centres: ClassCentres, target: Path, check: Check
) -> list[Path]:
    stack = centred_stack(inputs.classes.stack, centres)
    with whole(target) as beside, StackWriter(beside, stack.shape, inputs.pixel_size_A) as writer:
        for start in range(0, stack.n, BATCH):
            check()
            writer.append(stack[np.arange(start, min(stack.n, start + BATCH))])
    shift = -centres.moved_px * inputs.pixel_size_A
    shift[shift == 0] = 0.0  # no -0
    table = pd.DataFrame(
        {
            "class": result.numbers, "shift_x_A": shift[:, 0], "shift_y_A": shift[:, 1],
            "psi_deg": np.where(centres.alone, 0.0, centres.psi_deg), "method": centres.method,
            "confidence": centres.confidence, "left_alone": centres.alone.astype(np.int64),
            "rlnReferenceImage": [f"{i + 1:06d}@{target.name}" for i in range(stack.n)],
        }
    )  # fmt: skip
    star.write_star(target.with_suffix(".star"), {"classes": table.astype({"method": "str"})})
    return [target, target.with_suffix(".star")]


def centred_stack(before: ImageStack, centres: ClassCentres) -> ImageStack:
    """Return the class averages moved to their centres as a stack that is made when it is read."""
    shift = -centres.moved_px
    psi = np.where(centres.alone, 0.0, centres.psi_deg)

    def read(ids: np.ndarray[tuple[int, ...], np.dtype[np.int64]]) -> F32:
        return centred(before[ids], shift[ids], psi[ids])

    return ImageStack(
        before.n, before.shape, before.pixel_size_A, read, name=before.name, pixel_size_known=before.pixel_size_known
    )


def member_images(
    result: CenterResult, inputs: CenterInputs, moved: Moved, rows: np.ndarray[tuple[int, ...], np.dtype[np.int64]]
) -> tuple[F32, F32]:
    """Return some members as their alignment places them: before the centring and after it.

    Returns
    -------
    before, after : ndarray of float32, shape (m, n, n)
        Shifted and turned as their class average lies.

    Raises
    ------
    DataError
        The table names no images, or they were not found.
    """
    members = inputs.members
    names = None if members is None else center_convert.image_names(members, inputs.form, rows)
    if members is None or names is None or inputs.table is None:
        raise DataError("the members' table names no images", inputs.table, "their coordinates are known all the same")
    stack, _ = open_named(names, inputs.table, project_dir=result.params.project_dir)
    if stack is None:
        raise DataError("the particle images were not found", inputs.table, "keep them where the table says")
    images = stack[np.arange(stack.n)]
    if inputs.form == "cryosparc" and "blob/sign" in (members.source[0].dtype.names or ()):
        images *= np.sign(members.source[0]["blob/sign"][rows]).astype(np.float32)[:, None, None]
    flip = members.flip[rows]
    edge = members.pixel_A[rows][:, None]
    out = []
    for origin, psi in ((members.origin_A, members.psi_deg), (moved.origin_A, moved.psi_deg)):
        placed = centred(images, origin[rows] / edge, np.nan_to_num(psi[rows]))
        # turned back by psi after the mirror: the mirror of x about the centre voxel
        if flip.any():
            mirrored = centred(images[flip], origin[rows][flip] / edge[flip], np.zeros(int(flip.sum())))
            mirrored = np.roll(mirrored[:, :, ::-1], 1 - mirrored.shape[2] % 2, axis=2)
            placed[flip] = centred(mirrored, np.zeros((len(mirrored), 2)), np.nan_to_num(psi[rows][flip]))
        out.append(placed)
    return out[0], out[1]


def save_report(
    result: CenterResult, inputs: CenterInputs, centres: ClassCentres, out: str | Path, *, check: Check = never
) -> list[Path]:
    """Draw the report of the centring as it stands; the suffix (``.pdf``, ``.png``, ``.svg``) says how.

    Raises
    ------
    OutputError
        It cannot be written, or would overwrite what the centring comes from.
    """
    target = Path(out).expanduser().absolute()
    center_guard.refuse(result, inputs, [target])
    stack, members = inputs.classes.stack, inputs.members
    before = stack[np.arange(stack.n)]
    check()
    after = centred_stack(stack, centres)[np.arange(stack.n)]
    moved = None if members is None else carry(inputs.classes, inputs.pixel_size_A, centres, members)
    figures = {} if members is None or moved is None else key_figures(members, moved)
    said = [] if members is None or moved is None else hints(members, moved)
    check()
    classes = centres.offset_px, centres.confidence, centres.method
    name = result.params.classes.name
    page = draw_report(name, inputs, (before, after), classes, centres.alone, moved, figures, said)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with whole(target) as beside:
            page.savefig(beside, dpi=200, format=target.suffix[1:])
    except OSError as err:
        problem = as_output_error(err, target)
        raise OutputError(problem.what, problem.where, "make room, or choose another place to save") from err
    return [target]
