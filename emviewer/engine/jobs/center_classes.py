"""Open class averages of any program: the images, their class numbers, their pixel size, and where members are."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from emviewer.engine import files, star
from emviewer.engine.errors import DataError, ParameterError
from emviewer.engine.files_named import ImageNames, open_named
from emviewer.engine.jobs.center_params import CenterParams
from emviewer.engine.star_images import RelionTable, image_column, main_block
from emviewer.engine.types import ImageStack


@dataclass(frozen=True, eq=False)
class Classes:
    """Class averages.

    Parameters
    ----------
    stack : ImageStack
        The images, square.
    numbers : ndarray of int64, shape (k,)
        What the members call each class (RELION, Xmipp: from 1; cryoSPARC: from 0).
    pixel_size_A : float
        Of the images; 0 if they do not tell.
    members : path or None
        The table of members, if known.
    counted : bool
        Whether the classes are a plain stack, whose numbers were counted from 1.
    blocks : mapping or None
        An Xmipp file that was read already and holds the members.
    """

    stack: ImageStack
    numbers: NDArray[np.int64]
    pixel_size_A: float
    members: Path | None
    counted: bool = False
    blocks: dict[str, pd.DataFrame] | None = None


def open_classes(params: CenterParams, warn: Callable[[str], None]) -> Classes:
    """Open the class averages; doubts go to ``warn``.

    Raises
    ------
    EmviewerError
        There are none, they are not square, or their images were not found.
    """
    kind = files.kind_of(params.classes)
    if kind == "star":
        found = _relion(params, warn)
    else:
        images = files.read_images(params.classes, pixel_size_A=params.pixel_size, project_dir=params.project_dir)
        for note in images.notes:
            if "pixel size" not in note:  # the members may know it
                warn(note)
        if kind == "map":
            warn("this looks like a 3D map: its sections are taken for class averages")
        if images.stack is None or len(images) == 0:
            raise DataError("no class averages were found", params.classes, "give the stack, or --project-dir")
        edge = images.pixel_size_A if images.pixel_size_known else 0.0
        blocks: Any = images.blocks if images.members is not None and params.particles is None else None
        numbers = _numbers(images.table, kind, images.stack.n)
        counted = kind in ("images", "map")
        found = Classes(images.stack, numbers, edge, params.particles, counted, blocks)
    height, width = found.stack.shape
    if height != width:
        raise DataError(f"the class averages are {width}×{height} px, not square", params.classes, "crop them")
    if len(np.unique(found.numbers)) < len(found.numbers):
        raise DataError(
            "a class number occurs twice, as in a table of particles", params.classes,
            "give the class averages, and the particles as --particles",
        )  # fmt: skip
    return found


def _numbers(table: pd.DataFrame, kind: str, n: int) -> NDArray[np.int64]:
    """Return the class number of each row: its own column, else its place."""
    if kind == "cryosparc":
        return np.arange(n, dtype=np.int64)
    if "ref" in table.columns:
        return star.numbers(table, "ref").astype(np.int64)
    return np.arange(1, n + 1, dtype=np.int64)


def _relion(params: CenterParams, warn: Callable[[str], None]) -> Classes:
    path = params.classes.expanduser()
    members = params.particles
    if path.name.endswith("_data.star"):
        model = path.with_name(path.name.replace("_data.star", "_model.star"))
        if not model.is_file():
            raise DataError(
                "these are particles, and there is no _model.star beside them", path, "give the class averages"
            )
        members, path = members or path, model
    if members is None and path.name.endswith("_model.star"):
        beside = path.with_name(path.name.replace("_model.star", "_data.star"))
        members = beside if beside.is_file() else None
        if members is None:
            warn(f"there is no {beside.name} beside {path.name}: no members are moved; give --particles")
    blocks = star.read_star(path)
    table = blocks[main_block(blocks)]
    column = image_column(table)
    if column is None or len(table) == 0:
        raise DataError("the table names no class averages", path, "give a _model.star or the stack")
    rows = RelionTable(table, blocks.get("optics"), blocks.get("model_general"))
    edges = rows.pixel_size()
    edge = params.pixel_size or (float(edges[0]) if edges is not None and edges.size else None)
    names = ImageNames.parse(table[column])
    stack, notes = open_named(names, path, pixel_size_A=edge, project_dir=params.project_dir)
    for note in notes:
        warn(note)
    if stack is None:
        raise DataError("the class averages were not found", path, "keep them beside the table, or give --project-dir")
    if edge is None and stack.pixel_size_known:
        edge = stack.pixel_size_A
    if "rlnClassNumber" in table.columns:
        numbers = star.numbers(table, "rlnClassNumber").astype(np.int64)
    else:
        numbers = names.index + 1
        if len(np.unique(numbers)) < len(numbers):
            numbers = np.arange(1, len(table) + 1, dtype=np.int64)
    return Classes(stack, numbers, edge or 0.0, members)


def common_pixel(classes: Classes, members_A: float, params: CenterParams, warn: Callable[[str], None]) -> float:
    """Return the pixel size of the class averages in Å, from themselves or from their members.

    Raises
    ------
    ParameterError
        Neither knows it.
    """
    own = classes.pixel_size_A
    if params.pixel_size is not None:
        return params.pixel_size
    # 1 Å in a header is what programs write that do not know
    if members_A > 0 and (own <= 0 or own == 1.0):
        return members_A
    if own <= 0:
        raise ParameterError("neither classes nor members tell their pixel size", params.classes, "give --pixel-size")
    if members_A > 0 and abs(own / members_A - 1) > 0.005:
        warn(f"the class averages have {own:.5g} Å/px and their members {members_A:.5g}: both are taken as told")
    return own
