"""Simulated particles, recovered orientations and reconstructions as documents, read from their folder.

Such a document has a table of orientations, the images that belong to it, and the map once there is one; what else the
orientation lab shows of it is an :class:`Orient` beside them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from emviewer.engine.errors import EmviewerError
from emviewer.engine.types import ImageSet
from emviewer.ui.orientation_numbers import errors_of
from emviewer.ui.workspace import Document

JOBS = ("simulate", "train-distance", "recover", "reconstruct")
KEY = "_orient"
TABLES = {"simulate": "particles.star", "recover": "orientations.star"}
ANGLES = ["rot_deg", "tilt_deg", "psi_deg"]
CONFIDENCE = "confidence"
MODEL, LOSS, PAIRS, PROGRESS = "model.npz", "loss.csv", "pairs.csv", "progress.csv"
DISTANCES = "distances.npy"
ERROR, VIEW_ERROR, IN_PLANE_ERROR = "error_deg", "view_error_deg", "in_plane_error_deg"


class Point(NamedTuple):
    """A value of a curve that a job lets grow: when, how much, and what was being done."""

    step: float
    value: float
    stage: str


@dataclass(eq=False)
class Orient:
    """What the orientation lab knows of a result beyond its table, images and map.

    Parameters
    ----------
    job : str
        One of ``JOBS``.
    folder : path or None
        The folder once it is final.
    files : frozenset of str
        Names of what lay in it when it was read, so that nobody asks a disk on the GUI thread.
    inputs : tuple of path
        Files that the job read.
    curves : dict of str to list of Point
        What the job said of its progress while it ran.
    fsc : DataFrame or None
        ``frequency_inv_A`` and the correlations of the halves.
    pairs : DataFrame or None
        ``truth_rad, estimate_rad, sd_rad, snr`` of pairs of views that a distance was not trained on.
    summary : dict
        Contents of summary.json.
    truth : ndarray of float64, shape (n, 3), or None
        True rot, tilt, psi in degrees of the rows of the table.
    flipped : bool
        Whether the recovered hand is the other one than that of the truth.
    warnings : tuple of str
        What the job doubted.
    """

    job: str
    folder: Path | None = None
    files: frozenset[str] = frozenset()
    inputs: tuple[Path, ...] = ()
    curves: dict[str, list[Point]] = field(default_factory=dict)
    fsc: pd.DataFrame | None = None
    pairs: pd.DataFrame | None = None
    summary: dict[str, Any] = field(default_factory=dict)
    truth: np.ndarray | None = None
    flipped: bool = False
    warnings: tuple[str, ...] = ()

    def file(self, name: str) -> Path | None:
        """Return a file of the folder if it is there."""
        return self.folder / name if self.folder is not None and name in self.files else None


def of(document: Document | None) -> Orient | None:
    """Return what a document of the lab has beyond the usual; None for any other."""
    return None if document is None else document.info.get(KEY)


def is_orientation(job: Mapping[str, Any]) -> bool:
    """Return whether ``job.json`` is that of a job of the lab."""
    return job.get("job") in JOBS


def read_orientation(
    folder: Path, job: Mapping[str, Any], info: dict[str, Any], table_of: Callable[[ImageSet], pd.DataFrame]
) -> Document:
    """Open the folder of a simulated set, of recovered orientations, or of a reconstruction. For a lane.

    Parameters
    ----------
    folder : path
        Has job.json; whatever else the job finished.
    job : mapping
        Contents of job.json.
    info : dict
        Lines of the information box that job.json gives.
    table_of : callable
        Gives the table of an image set with its angles in degrees.
    """
    name = str(job["job"])
    there = frozenset(p.name for p in folder.iterdir())
    orient = Orient(name, folder, there, tuple(Path(e["path"]) for e in job.get("inputs", []) if "path" in e))
    orient.summary = _json(folder / "summary.json")
    orient.warnings = tuple(str(sentence) for sentence in job.get("warnings", []))
    document = Document("result", folder.name, folder, info=info | {KEY: orient})
    table = orient.file(TABLES.get(name, ""))
    if table is not None:
        from emviewer.engine import files

        images = files.open_any(table)
        document.stack, document.table = images.stack, table_of(images)
        document.info |= {"_images": images, "_source": str(table)}
        _take_confidence(document)
    if orient.file("map.mrc") is not None:
        from emviewer.engine import mrc

        document.volume = mrc.read_map(folder / "map.mrc")
    if orient.file("fsc.csv") is not None:
        orient.fsc = pd.read_csv(folder / "fsc.csv")
    if orient.file(PROGRESS) is not None:
        orient.curves = curves_of(pd.read_csv(folder / PROGRESS))
    if name == "train-distance" and orient.file(LOSS) is not None:
        document.table = pd.read_csv(folder / LOSS)
    if orient.file(PAIRS) is not None:
        orient.pairs = pd.read_csv(folder / PAIRS)
    if name == "recover" and document.table is not None:
        _take_truth(document, orient, str(info.get("_parameters", {}).get("truth") or ""), table_of)
    return document


def curves_of(table: pd.DataFrame) -> dict[str, list[Point]]:
    """Return the curves that a job kept: columns ``curve, step, value, stage``."""
    if not {"curve", "step", "value", "stage"} <= set(table.columns):
        return {}
    return {
        str(name): [Point(float(r.step), float(r.value), str(r.stage)) for r in part.itertuples()]
        for name, part in table.groupby("curve", sort=False)
    }


def _take_confidence(document: Document) -> None:
    assert document.table is not None
    if "emvConfidence" in document.table:
        values = pd.to_numeric(document.table["emvConfidence"], errors="coerce")
        document.table = document.table.assign(**{CONFIDENCE: values})


def _take_truth(document: Document, orient: Orient, told: str, table_of: Callable[[ImageSet], pd.DataFrame]) -> None:
    """Compare with the truth: that which the job was told, else that of the simulated set which it was given."""
    path = Path(told) if told else next((p for p in orient.inputs if is_simulated(p)), None)
    table = document.table
    if path is None or table is None or not set(ANGLES) <= set(table.columns):
        return
    try:
        truth = read_angles(path, table_of)
    except (EmviewerError, OSError, ValueError):
        return
    if truth is None or len(truth) != len(table):
        return
    orient.truth = truth
    found = errors_of(truth, table[ANGLES].to_numpy(float), str(document.info["_parameters"].get("sym") or "C1"))
    orient.flipped = found.flipped
    columns = {ERROR: found.whole_deg, VIEW_ERROR: found.view_deg, IN_PLANE_ERROR: found.in_plane_deg}
    document.table = table.assign(**columns)


def is_simulated(path: Path) -> bool:
    """Return whether a table lies in the folder of a simulated set, so that its angles are the truth."""
    return path.suffix == ".star" and _json(path.parent / "job.json").get("job") == "simulate"


def read_angles(path: Path, table_of: Callable[[ImageSet], pd.DataFrame]) -> np.ndarray | None:
    """Return rot, tilt, psi (n, 3) in degrees of a table of images; None if it has none."""
    from emviewer.engine import files

    table = table_of(files.open_any(path))
    return table[ANGLES].to_numpy(float) if set(ANGLES) <= set(table.columns) else None


def _json(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
