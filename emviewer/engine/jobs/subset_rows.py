"""Save chosen rows of an image set in the form a person names by the suffix: star, cs, mrcs or csv."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from emviewer.engine import cryosparc, star
from emviewer.engine.errors import DataError, OutputError, ParameterError
from emviewer.engine.files_whole import whole
from emviewer.engine.jobs import subset
from emviewer.engine.jobs.folder import as_output_error
from emviewer.engine.task import Batch, Check, message, never
from emviewer.engine.types import ImageSet

SUFFIXES = (".star", ".cs", ".mrcs", ".csv")


def save_rows(
    images: ImageSet, positions: ArrayLike, out: str | Path, *, scores: pd.DataFrame | None = None, check: Check = never
) -> Generator[Batch, None, list[Path]]:
    """Write chosen rows.

    Parameters
    ----------
    images : ImageSet
        As it was opened, with all its original columns.
    positions : array of int, shape (k,)
        Which rows, 0-based, in the order written.
    out : path
        ``.star``: the rows of the original table, images stay where they are; ``.cs``: the same for cryoSPARC, with
        its passthrough beside it; ``.mrcs``: the images too, with a star file; ``.csv``: the scores.
    scores : DataFrame, optional
        One row an image, for ``.csv``.

    Returns
    -------
    list of Path
        The files written.

    Raises
    ------
    ParameterError
        Another suffix, or one that does not fit the images.
    DataError
        Nothing was chosen.
    OutputError
        A file cannot be written, or would overwrite the one that is read.
    """
    target = Path(out).absolute()
    chosen = np.asarray(positions, np.int64)
    if not len(chosen):
        raise DataError("there is nothing to save", images.name, "select some rows first")
    if target.suffix == ".mrcs":
        table = yield from subset.save_subset(images, chosen, target, check=check)
        return [table.with_suffix(".mrcs"), table]
    yield message(f"saving {len(chosen)} rows")
    _refuse_source(images, target)
    try:
        if target.suffix == ".csv" and scores is not None:
            with whole(target) as beside:
                scores.iloc[chosen].to_csv(beside, index=False, float_format="%.6g")
            return [target]
        if target.suffix == ".cs":
            return _save_cs(images, chosen, target)
        if target.suffix == ".star":
            return _save_star(images, chosen, target)
    except OSError as err:
        problem = as_output_error(err, target)
        raise OutputError(problem.what, problem.where, "make room, or choose another place to save") from err
    raise ParameterError(f"rows cannot be saved as {target.suffix or 'a file without suffix'}", target, _choose())


def _choose() -> str:
    return f"choose {', '.join(SUFFIXES)}"


def _refuse_source(images: ImageSet, target: Path) -> None:
    if images.source is not None and target.resolve() == images.source.resolve():
        raise OutputError("a selection cannot overwrite the file that it comes from", target, "choose another name")


def _save_star(images: ImageSet, chosen: NDArray[np.int64], target: Path) -> list[Path]:
    """Write all blocks of the file with the rows of the images' block chosen; other formats become RELION tables."""
    name = _block_of(images)
    if name is not None:
        blocks: dict[str, Any] = {n: b.iloc[chosen] if n == name else b for n, b in images.blocks.items()}
        star.write_star(target, blocks)
        return [target]
    names = _image_names(images, chosen)
    blocks = subset.subset_blocks(images, chosen, target.name)
    table = next(reversed(blocks.values()))
    table["rlnImageName"] = names
    star.write_star(target, blocks)
    return [target]


def _image_names(images: ImageSet, chosen: NDArray[np.int64]) -> list[str]:
    """Return where the images stay, ``000001@file``."""
    table = images.table
    if "image" in table:
        return [str(v) for v in table["image"].iloc[chosen]]
    if "blob/path" in table and "blob/idx" in table:
        pairs = zip(table["blob/idx"].iloc[chosen], table["blob/path"].iloc[chosen], strict=True)
        return [f"{int(i) + 1:06d}@{p.decode() if isinstance(p, bytes) else p}" for i, p in pairs]
    if images.stack is None or images.stack.source is None:
        raise DataError("the images have no file of their own", images.name, "save them as .mrcs")
    return [f"{i + 1:06d}@{images.stack.source}" for i in chosen]


def _block_of(images: ImageSet) -> str | None:
    """Return the name of the block of a star file that holds the images, None for other formats."""
    if images.format != "relion":
        return None
    wanted = [
        name
        for name, block in images.blocks.items()
        if isinstance(block, pd.DataFrame)
        and len(block) == len(images)
        and any(label in block.columns for label in subset.IMAGE_LABELS)
    ]
    return wanted[0] if wanted else None


def _save_cs(images: ImageSet, chosen: NDArray[np.int64], target: Path) -> list[Path]:
    rows = images.blocks.get("particles") if images.format == "cryosparc" else None
    if rows is None:
        raise ParameterError("only cryoSPARC's own rows can be saved as .cs", target, "choose .star")
    cryosparc.write_cs(target, rows[chosen])
    out = [target]
    passthrough = images.blocks.get("passthrough")
    if passthrough is not None and "uid" in (passthrough.dtype.names or ()):
        beside = target.with_name(f"{target.stem}_passthrough.cs")
        cryosparc.write_cs(beside, passthrough[np.isin(passthrough["uid"], rows["uid"][chosen])])
        out.append(beside)
    return out
