"""From a path to documents. Runs in a lane, never on the GUI thread; imports the engine's doors when first used."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from emviewer.engine import conventions
from emviewer.engine.errors import FileError
from emviewer.engine.types import ImageSet, ImageStack, Map3D
from emviewer.ui.facts import summary_line
from emviewer.ui.workspace import Document

ANGLES = {"rlnAngleRot": "rot_deg", "rlnAngleTilt": "tilt_deg", "rlnAnglePsi": "psi_deg"}
ORIGINS = {"rlnOriginXAngst": "shift_x_A", "rlnOriginYAngst": "shift_y_A"}


def is_built_in(path: Path | str) -> bool:
    """Return whether this names a map that is built in (``phantom:D2``) rather than a file."""
    return str(path).startswith("phantom:")


def read_document(path: Path, pixel_size_A: float | None = None, project_dir: str | None = None) -> Document:
    """Open a file, a result folder, or a map that is built in.

    Parameters
    ----------
    path : path
        A map, an image set, an atomic model, or a folder with ``job.json``.
    pixel_size_A : float, optional
        Takes the place of what the header says.
    project_dir : str, optional
        Folder that the names in a table start from.

    Raises
    ------
    EmviewerError
        It cannot be opened: one sentence says why.
    """
    if is_built_in(path):
        from emviewer.engine import sources

        volume = sources.open_map(str(path))
        return Document("map", str(path).replace(":", " "), None, volume=volume, info={"_source": str(path)})
    if not path.exists():
        raise FileError("the file is not there", path, "check the name, or whether the disk is mounted")
    if path.is_dir():
        return _result(path)
    if path.name == "job.json":
        return _result(path.parent)
    from emviewer.engine import files

    opened = files.open_any(path, pixel_size_A=pixel_size_A, project_dir=project_dir)
    document = _document(opened, path)
    document.info["_stat"] = path.stat()
    return document


def reading_again(document: Document) -> Callable[[], Document]:
    """Return what reads a document again, with the pixel size and the project folder that a person said; for a lane."""
    assert document.path is not None
    path, info = document.path, document.info
    pixel_size_A, project_dir = info.get("_pixel_size"), info.get("_project_dir")
    return lambda: read_document(path, pixel_size_A, project_dir)


def _document(opened: Any, path: Path) -> Document:
    if isinstance(opened, Map3D):
        return Document("map", opened.name or path.stem, path, volume=opened)
    if isinstance(opened, ImageStack):
        return Document("images", opened.name or path.stem, path, stack=opened)
    if isinstance(opened, ImageSet):
        info = {"_images": opened}
        return Document("images", path.stem, path, stack=opened.stack, table=table_of(opened), info=info)
    if type(opened).__name__ == "Model":
        return _model(opened, path)
    raise FileError("the file holds a table without images", path, "open the stack or a table that names images")


def _model(model: Any, path: Path) -> Document:
    from emviewer.engine import sources

    volume = sources.open_map(path, resolution_A=MODEL_RESOLUTION_A)
    document = Document("map", f"{path.name.split('.')[0]} at {MODEL_RESOLUTION_A:g} Å", path, volume=volume)
    document.info["_resolution"] = MODEL_RESOLUTION_A
    document.info["Made from"] = f"{len(model.elements)} atoms, {MODEL_RESOLUTION_A:g} Å resolution"
    return document


MODEL_RESOLUTION_A = 4.0
"""Resolution at which an atomic model is shown as a density."""


def _result(folder: Path) -> Document:
    record = folder / "job.json"
    if not record.is_file():
        raise FileError("the folder holds no result", folder, "open a folder that a job wrote (it has job.json)")
    try:
        job = json.loads(record.read_text())
    except ValueError as err:
        raise FileError(f"job.json is damaged ({err})", folder, "run the job again") from err
    from emviewer.ui import comparison_read

    if comparison_read.is_comparison(folder, job):
        return comparison_read.read_comparison(folder, job, result_info(job))
    from emviewer.ui import centering_read

    if centering_read.is_centering(folder, job):
        return centering_read.read_centering(folder, job, result_info(job))
    from emviewer.ui import results_align

    if results_align.is_alignment(folder, job):
        return results_align.read_alignment(folder, job, result_info(job))
    from emviewer.ui import orientation_read

    if orientation_read.is_orientation(job):
        document = orientation_read.read_orientation(folder, job, result_info(job), table_of)
        summary = orientation_read.of(document).summary
        document.info |= dict(summary_line(k, v) for k, v in summary.items() if not isinstance(v, (dict, list)))
        return document
    from emviewer.engine import files

    document = Document("result", folder.name, folder, info=result_info(job))
    tables = sorted(folder.glob("projections.star")) or sorted(folder.glob("*.star"))
    stacks = sorted(folder.glob("projections.mrcs")) or sorted(folder.glob("*.mrcs"))
    if tables:
        images = files.open_any(tables[0])
        document.stack, document.table = images.stack, table_of(images)
        document.info["_images"] = images
    elif stacks:
        document.stack = files.read_images(stacks[0]).stack
    summary = folder / "summary.json"
    if summary.is_file():
        document.info |= dict(summary_line(name, value) for name, value in json.loads(summary.read_text()).items())
    return document


def result_info(job: dict[str, Any]) -> dict[str, Any]:
    """Return the lines of the information box that ``job.json`` gives."""
    info: dict[str, Any] = {"job": job.get("job", "?"), "Status": job.get("status", "?")}
    inputs = [Path(entry["path"]).name for entry in job.get("inputs", []) if "path" in entry]
    if inputs:
        info["Made from"] = ", ".join(dict.fromkeys(inputs))
    seconds = sum(job.get("seconds", {}).values())
    if seconds:
        info["Took"] = f"{seconds:.1f} s"
    info["_parameters"] = job.get("parameters", {})
    return info


def table_of(images: ImageSet) -> pd.DataFrame:
    """Return the table of an image set with ``rot_deg, tilt_deg, psi_deg, shift_x_A, shift_y_A`` beside its columns.

    RELION's angles stand as they were written; those of every other program come from the poses, and so do shifts that
    the table tells in pixels. Images aligned in the plane only get no direction unless the table writes one; ``mirror``
    is there if some image is a mirror image.
    """
    table, poses = with_angles(images.table), images.poses
    if poses is None:
        return table
    found: dict[str, np.ndarray] = {}
    if poses.shifts_A.any():
        found |= dict(zip(ORIGINS.values(), poses.shifts_A.T, strict=True))
    if not set(ANGLES.values()) & set(table.columns):
        angles = conventions.matrix_to_euler(poses.rotations).T
        found |= dict(zip(ANGLES.values(), angles, strict=True))
        if images.in_plane_only:
            del found["rot_deg"], found["tilt_deg"]
    if poses.mirror.any():
        found["mirror"] = poses.mirror.astype(int)
    return table.assign(**{name: values for name, values in found.items() if name not in table.columns})


def with_angles(table: pd.DataFrame) -> pd.DataFrame:
    """Return the table with ``rot_deg, tilt_deg, psi_deg, shift_x_A, shift_y_A`` beside RELION's columns of text."""
    found = {ours: pd.to_numeric(table[theirs], errors="coerce") for theirs, ours in (ANGLES | ORIGINS).items()
             if theirs in table.columns and ours not in table.columns}  # fmt: skip
    return table.assign(**found) if found else table
