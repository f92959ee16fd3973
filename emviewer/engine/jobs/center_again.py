"""Go on with a centring: read its folder, estimate classes anew, carry centres set by hand to the members, save.

The inputs are read again from where the job found them; nothing is estimated that is not asked for.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from emviewer.engine import mrc, star
from emviewer.engine.centering import Centres, find_centres
from emviewer.engine.errors import EmviewerError, FileError
from emviewer.engine.jobs.center_classes import Classes
from emviewer.engine.jobs.center_inputs import CenterInputs, open_inputs
from emviewer.engine.jobs.center_members import Members, Moved, move
from emviewer.engine.jobs.center_micrographs import look_up
from emviewer.engine.jobs.center_params import CenterParams
from emviewer.engine.params import validated
from emviewer.engine.task import Check, never
from emviewer.engine.types import F64, ImageStack


@dataclass(eq=False)
class ClassCentres:
    """The centre of every class as it stands now; arrays have one row a class average.

    Parameters
    ----------
    offset_px : ndarray of float64, shape (k, 2)
        ``(x, y)`` of the centre from ``n // 2`` in the average; what is added to centre it is the negative.
    psi_deg : ndarray of float64, shape (k,)
        In-plane turn in RELION's sense.
    confidence : ndarray of float64, shape (k,)
        0 to 1.
    method : list of str
        Estimator, or ``hand`` for a centre that a person set.
    alone : ndarray of bool, shape (k,)
        Classes that are not moved, nor their members.
    """

    offset_px: F64
    psi_deg: F64
    confidence: F64
    method: list[str]
    alone: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.method)

    @property
    def moved_px(self) -> F64:
        """Offset that is applied: 0 for classes left alone, shape (k, 2)."""
        return np.where(self.alone[:, None], 0.0, self.offset_px)


@dataclass(eq=False)
class CenterResult:
    """A finished centring.

    Parameters
    ----------
    folder : Path
        Of the job.
    params : CenterParams
        Of the job, with absolute paths.
    numbers : ndarray of int64, shape (k,)
        What the members call each class.
    n_members : ndarray of int64, shape (k,)
        How many there are.
    found : ClassCentres
        What the job found.
    after : ImageStack
        The centred averages of the job.
    pixel_size_A : float
        Of the averages.
    summary : dict
        Contents of summary.json.
    """

    folder: Path
    params: CenterParams
    numbers: NDArray[np.int64]
    n_members: NDArray[np.int64]
    found: ClassCentres
    after: ImageStack
    pixel_size_A: float
    summary: dict[str, Any] = field(default_factory=dict)


def read_result(folder: str | Path) -> CenterResult:
    """Read what a center job wrote.

    Raises
    ------
    FileError
        A file of the result is missing or damaged.
    """
    place = Path(folder)
    job, summary = _json(place / "job.json"), _json(place / "summary.json")
    given = dict(job.get("parameters", {})) | dict(summary.get("sources", {}))
    # the members' table of a _model.star was found beside it, and is so again
    if job.get("parameters", {}).get("particles") is None:
        given.pop("particles", None)
    params = validated(CenterParams, {k: v for k, v in given.items() if k in CenterParams.model_fields})
    blocks = star.read_star(place / "classes.star")
    table = blocks.get("classes", pd.DataFrame())
    wanted = ("class", "found_x_px", "found_y_px", "psi_deg", "confidence", "left_alone", "n_members", "method")
    absent = [name for name in wanted if name not in table.columns]
    if absent:
        raise FileError(f"classes.star has no {absent[0]}", place, "centre the classes again")
    column = {name: star.numbers(table, name) for name in wanted[:-1]}
    found = ClassCentres(
        np.stack([column["found_x_px"], column["found_y_px"]], axis=1),
        column["psi_deg"],
        column["confidence"],
        [str(v) for v in table["method"]],
        column["left_alone"] > 0.5,
    )
    after = mrc.read_stack(place / "centered_classes.mrcs")
    return CenterResult(
        place,
        params,
        column["class"].astype(np.int64),
        column["n_members"].astype(np.int64),
        found,
        after,
        float(summary.get("pixel_size_A") or after.pixel_size_A),
        summary,
    )


def _json(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text())
    except OSError as err:
        raise FileError(f"{path.name} cannot be read", path.parent, "open the folder of a finished job") from err
    except ValueError as err:
        raise FileError(f"{path.name} is damaged ({err})", path.parent, "centre the classes again") from err
    return dict(found)


def open_again(result: CenterResult, warn: Callable[[str], None], check: Check = never) -> CenterInputs:
    """Open the inputs of a result again; sizes and places of micrographs come from its micrographs.csv.

    Raises
    ------
    EmviewerError
        An input has gone or changed its form.
    """
    inputs = open_inputs(result.params, warn, check, micrographs=False)
    if inputs.classes.stack.n != len(result.numbers):
        raise FileError(
            f"the class averages have changed: {inputs.classes.stack.n} now, {len(result.numbers)} when centred",
            result.params.classes, "centre them again",
        )  # fmt: skip
    members = inputs.members
    if members is not None and not _from_csv(members, result.folder / "micrographs.csv") and inputs.table is not None:
        look_up(members, result.params.micrographs, inputs.table, result.params.project_dir, warn, check)
    return inputs


def _from_csv(members: Members, path: Path) -> bool:
    """Take sizes, pixel sizes and places of micrographs from the table of a result; return whether it has them."""
    if not path.is_file():
        return not members.micrographs
    table = pd.read_csv(
        path, dtype={"micrograph": str, "path": str}, keep_default_na=False, na_values={"width_px": [""]}
    )
    if table["micrograph"].tolist() != members.micrographs or not {"path", "pixel_size_A"} <= set(table.columns):
        return False
    size = [pd.to_numeric(table[c], errors="coerce").to_numpy(np.float64) for c in ("width_px", "height_px")]
    members.micrograph_shape = np.stack(size, axis=1)
    members.micrograph_px_A = table["pixel_size_A"].to_numpy(np.float64)
    members.micrograph_path = [Path(p) if p else None for p in table["path"]]
    return True


def row_of_class(numbers: NDArray[np.int64], members: Members) -> NDArray[np.int64]:
    """Return the row of each member's class average, -1 where it has none."""
    order = np.argsort(numbers, kind="stable")
    ordered = numbers[order]
    place = np.clip(np.searchsorted(ordered, members.class_number), 0, len(numbers) - 1)
    return np.where(ordered[place] == members.class_number, order[place], -1)


def carry(classes: Classes, pixel_size_A: float, centres: ClassCentres, members: Members) -> Moved:
    """Carry the centres of classes to their members (see :func:`emviewer.engine.jobs.center_members.move`)."""
    psi = np.where(centres.alone, 0.0, centres.psi_deg)
    return move(members, classes.numbers, centres.moved_px * pixel_size_A, psi, centres.alone)


def estimate(
    result: CenterResult, inputs: CenterInputs, method: str, rows: NDArray[np.int64], *,
    map_path: str | Path | None = None, sym: str | None = None, warn: Callable[[str], None] = lambda _: None,
    check: Check = never,
) -> Centres:  # fmt: skip
    """Estimate the centres of some classes with one estimator.

    Parameters
    ----------
    result, inputs
        See :func:`read_result` and :func:`open_again`.
    method : str
        ``auto``, ``mass``, ``mirror``, ``xmipp``, or ``reprojection`` (with ``map_path``, or the job's own map).
    rows : ndarray of int64, shape (m,)
        Which classes; of the others come only contrast, usual detail, and the weights of the rings of a map.
    map_path, sym
        For ``reprojection``.
    warn, check : callable
        Takes sentences about doubts of the map; raises to stop.

    Returns
    -------
    Centres
        Of the rows, in their order.

    Raises
    ------
    EmviewerError
        There is no map, or it cannot be opened.
    """
    stack = inputs.classes.stack
    images = stack[np.arange(stack.n)]
    rotate = result.params.rotate
    if method != "reprojection":
        return find_centres(images, method=method, rotate=rotate, check=check, rows=rows)  # type: ignore[arg-type]
    from emviewer.engine.jobs.center_map import Registration

    params = result.params.model_copy(
        update={"map": Path(map_path) if map_path else result.params.map, "sym": sym or result.params.sym}
    )
    if params.map is None:
        raise EmviewerError("registration needs a map", "", "choose one")
    farthest = farthest_px(result)
    found = Registration(params, images, result.pixel_size_A, farthest, warn, check, rows).find()
    if not rotate:
        found = Centres(found.offset_px, np.zeros(len(rows)), found.confidence, found.method)
    return found


def farthest_px(result: CenterResult) -> float:
    """Return the largest displacement of a class that the job allowed, in pixels of the averages."""
    from emviewer.engine.jobs.center import FARTHEST

    told = result.params.max_shift
    return FARTHEST * result.after.shape[0] if told is None else told / result.pixel_size_A
