"""What is done with chosen images: save them as a stack of their own, average them. Streams; nothing is held whole."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from emviewer.engine import conventions, star
from emviewer.engine.errors import DataError, OutputError
from emviewer.engine.files_whole import whole
from emviewer.engine.jobs.folder import as_output_error
from emviewer.engine.mrc import StackWriter
from emviewer.engine.task import Batch, Check, message, never
from emviewer.engine.types import F32, ImageSet, ImageStack

CHUNK_BYTES = 8 << 20
"""Bytes of images that are read at a time: about 10 ms of work."""
_CTF_LABELS = {
    "defocus_u_A": "rlnDefocusU",
    "defocus_v_A": "rlnDefocusV",
    "defocus_angle_deg": "rlnDefocusAngle",
    "phase_shift_deg": "rlnPhaseShift",
}
_CTF_OPTICS = {"kv": "rlnVoltage", "cs_mm": "rlnSphericalAberration", "q0": "rlnAmplitudeContrast"}
IMAGE_LABELS = ("rlnImageName", "rlnReferenceImage")
"""Columns of RELION that name an image of a stack, ``000001@file``."""


def save_subset(
    images: ImageSet, positions: ArrayLike, out: str | Path, *, check: Check = never
) -> Generator[Batch, None, Path]:
    """Write chosen images as ``<out>.mrcs`` and their rows as ``<out>.star``.

    Parameters
    ----------
    images : ImageSet
        Images and table; ``images.stack`` must be there.
    positions : array of int, shape (k,)
        Which images, in the order in which they are written (0-based).
    out : path
        Name of the two files; a suffix ``.mrcs`` or ``.star`` is taken off.
    check : callable
        Raises :class:`Cancelled` to stop; then nothing is left behind.

    Yields
    ------
    Batch
        ``rows`` are the positions written so far.

    Returns
    -------
    pathlib.Path
        The star file. All columns of the table are kept in their order; ``rlnImageName`` points to the new stack and
        ``rlnImageOriginalName`` says where the image came from; the optics groups are kept. Tables of other programs
        get RELION's angles, origins and CTF columns first.

    Raises
    ------
    DataError
        Nothing was chosen, or there are no images.
    OutputError
        The files cannot be written, or would overwrite the stack that is being read.
    """
    chosen = np.asarray(positions, np.int64)
    stack = images.stack
    if stack is None or not len(chosen):
        raise DataError("there is nothing to save", images.name, "select some images first")
    mrcs, table_path = subset_paths(out)
    _refuse_own_source(images, mrcs, table_path)
    try:
        mrcs.parent.mkdir(parents=True, exist_ok=True)
        pixel_size = stack.pixel_size_A if stack.pixel_size_known else 0.0
        with whole(mrcs) as beside, StackWriter(beside, stack.shape, pixel_size) as writer:
            for block in _blocks(stack, chosen):
                check()
                writer.append(stack[block])
                yield Batch(block, {}, writer.n, len(chosen), "saving images")
        star.write_star(table_path, subset_blocks(images, chosen, mrcs.name))
    except OSError as err:
        problem = as_output_error(err, mrcs)
        raise OutputError(problem.what, problem.where, "make room, or choose another place to save") from err
    return table_path


def subset_paths(out: str | Path) -> tuple[Path, Path]:
    """Return the names (stack, table) that :func:`save_subset` writes."""
    path = Path(out).absolute()
    stem = path.with_suffix("") if path.suffix in (".mrcs", ".star", ".mrc") else path
    return stem.with_name(stem.name + ".mrcs"), stem.with_name(stem.name + ".star")


def save_members(
    images: ImageSet, positions: ArrayLike, out: str | Path, *, check: Check = never
) -> Generator[Batch, None, int]:
    """Write the particles that belong to chosen class averages of a RELION run, with all columns and optics groups.

    Parameters
    ----------
    images : ImageSet
        Class averages out of a ``_model.star``; the particles are in the ``_data.star`` beside it.
    positions : array of int, shape (k,)
        Chosen rows (0-based): row ``p`` is class ``p + 1``.
    out : path
        The star file. No image is copied; the names stay as RELION wrote them, relative to the project's folder.

    Returns
    -------
    int
        Number of particles written.

    Raises
    ------
    DataError
        The particles are not known, or the chosen classes have none.
    OutputError
        The file cannot be written, or is the one that is read.
    """
    model = images.source
    data = model.with_name(model.name.replace("_model.star", "_data.star")) if model is not None else None
    if data is None or data == model or not data.is_file():
        raise DataError("the particles of these classes are not known", images.name, "open the run's _model.star")
    target = Path(out).absolute().with_suffix(".star")
    if target.resolve() == data.resolve():
        raise OutputError("a selection cannot overwrite the file that it comes from", target, "choose another name")
    yield message("reading particles")
    blocks = star.read_star(data)
    check()
    name = next((n for n, block in blocks.items() if "rlnClassNumber" in block.columns), None)
    if name is None:
        raise DataError("the particles say no class number", data, "choose a run of 2D classification")
    wanted = np.isin(star.numbers(blocks[name], "rlnClassNumber"), np.asarray(positions, np.int64) + 1)
    if not wanted.any():
        raise DataError("no particle belongs to the selected classes", data, "select other classes")
    try:
        star.write_star(target, {n: block[wanted] if n == name else block for n, block in blocks.items()})
    except OSError as err:
        problem = as_output_error(err, target)
        raise OutputError(problem.what, problem.where, "make room, or choose another place to save") from err
    yield message("saved", int(wanted.sum()), int(wanted.sum()))
    return int(wanted.sum())


def _refuse_own_source(images: ImageSet, *targets: Path) -> None:
    assert images.stack is not None
    sources = {p.resolve() for p in (images.source, images.stack.source) if p is not None}
    for target in targets:
        if target.resolve() in sources:
            raise OutputError("a selection cannot overwrite the file that it comes from", target, "choose another name")


def _blocks(stack: ImageStack, chosen: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    size = max(1, CHUNK_BYTES // (4 * stack.shape[0] * stack.shape[1]))
    return [chosen[i : i + size] for i in range(0, len(chosen), size)]


def subset_blocks(images: ImageSet, positions: NDArray[np.int64], stack_name: str) -> dict[str, pd.DataFrame]:
    """Return the blocks of the star file of chosen rows, whose images are 1 … k of ``stack_name``."""
    if images.format == "relion":
        table = images.table.iloc[positions].copy()
    else:
        table = _as_relion(images, positions)
    names = [f"{i:06d}@{stack_name}" for i in range(1, len(positions) + 1)]
    old = next((label for label in IMAGE_LABELS if label in table.columns), None)
    if old is not None and "rlnImageOriginalName" not in table.columns:
        table["rlnImageOriginalName"] = table[old]
    for label in IMAGE_LABELS:
        if label in table.columns:
            table[label] = names
    if "rlnImageName" not in table.columns:
        table.insert(0, "rlnImageName", names)
    optics = images.blocks.get("optics")
    if isinstance(optics, pd.DataFrame):
        return {"optics": optics, "particles": table}
    if "rlnDetectorPixelSize" in table.columns:
        return {"": table}
    table["rlnOpticsGroup"] = 1
    return {"optics": _optics(images), "particles": table}


def _as_relion(images: ImageSet, positions: NDArray[np.int64]) -> pd.DataFrame:
    """Return RELION's columns of what is known, followed by the columns of the table that hold one value a row."""
    table = pd.DataFrame(index=images.table.index[positions])
    if images.poses is not None:
        poses = images.poses.take(positions)
        angles = conventions.matrix_to_euler(poses.rotations)
        for k, label in enumerate(("rlnAngleRot", "rlnAngleTilt", "rlnAnglePsi")):
            table[label] = angles[:, k]
        table["rlnOriginXAngst"], table["rlnOriginYAngst"] = poses.shifts_A.T
    if images.ctf is not None:
        for ours, label in _CTF_LABELS.items():
            if ours in images.ctf.columns:
                table[label] = images.ctf[ours].to_numpy()[positions]
    for name in images.table.columns:
        column = images.table[name].iloc[positions]
        if name not in table.columns and not column.map(lambda v: isinstance(v, (list, tuple, np.ndarray))).any():
            table[str(name).replace("/", "_").replace(" ", "_")] = column.map(
                lambda v: v.decode(errors="replace") if isinstance(v, bytes) else v
            )
    return table


def _optics(images: ImageSet) -> pd.DataFrame:
    assert images.stack is not None
    optics: dict[str, Any] = {"rlnOpticsGroup": [1], "rlnOpticsGroupName": ["opticsGroup1"]}
    if images.stack.pixel_size_known:
        optics["rlnImagePixelSize"] = [images.stack.pixel_size_A]
    optics |= {"rlnImageSize": [images.stack.shape[1]], "rlnImageDimensionality": [2]}
    if images.ctf is not None:
        for ours, label in _CTF_OPTICS.items():
            if ours in images.ctf.columns and images.ctf[ours].notna().any():
                optics[label] = [float(images.ctf[ours].dropna().iloc[0])]
    return pd.DataFrame(optics)


def average(
    stack: ImageStack, positions: ArrayLike, *, check: Check = never
) -> Generator[Batch, None, tuple[F32, F32]]:
    """Average chosen images pixel by pixel.

    Yields
    ------
    Batch
        Progress; ``rows`` are the positions done.

    Returns
    -------
    tuple of ndarray of float32, each of shape (h, w)
        Mean and standard deviation (0 for one image). Accumulated in float64 about the first image (Welford's
        shifted sums), so that a large offset costs no digits.

    Raises
    ------
    DataError
        Nothing was chosen.
    """
    chosen = np.asarray(positions, np.int64)
    if not len(chosen):
        raise DataError("there is nothing to average", stack.name, "select some images first")
    origin = stack[int(chosen[0])].astype(np.float64)
    first, second, done = np.zeros(stack.shape), np.zeros(stack.shape), 0
    for block in _blocks(stack, chosen):
        check()
        centred = stack[block].astype(np.float64) - origin
        first += centred.sum(0)
        second += (centred**2).sum(0)
        done += len(block)
        yield Batch(block, {}, done, len(chosen), "averaging images")
    mean = first / done
    sd = np.sqrt(np.maximum(second / done - mean**2, 0.0))
    return (origin + mean).astype(np.float32), sd.astype(np.float32)
