"""A finished comparison, read from its folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from emviewer.engine.errors import FileError
from emviewer.ui.comparison import KEY, SCORES, Comparison, open_growing, refresh
from emviewer.ui.comparison_grow import STATUS
from emviewer.ui.comparison_keep import read_tags, read_views
from emviewer.ui.tags import Tags
from emviewer.ui.workspace import Document

TEXT = ("image_name", "map", "status", "reason")
NEEDED = (
    "image", "map", "status", "cc", "rot_deg", "tilt_deg", "psi_deg", "shift_x_A", "shift_y_A", "gray_scale",
    "gray_offset",
)  # fmt: skip
"""Columns of scores.csv without which nothing can be shown."""


def is_comparison(folder: Path, job: dict[str, Any]) -> bool:
    """Return whether a result folder holds a comparison with scores."""
    return job.get("job") == "compare" and (folder / "scores.csv").is_file()


def read_comparison(folder: Path, job: dict[str, Any], info: dict[str, Any]) -> Document:
    """Open the folder of a comparison.

    Parameters
    ----------
    folder : path
        Has job.json, scores.csv and a folder of stacks for each map.
    job : dict
        Contents of job.json.
    info : dict
        Lines of the information box that job.json gives.

    Raises
    ------
    FileError
        The scores cannot be read.
    """
    scores = _scores(folder)
    comparison = Comparison(parameters=job.get("parameters", {}), folder=folder, tags=Tags(read_tags(folder)))
    comparison.summary = _json(folder / "summary.json")
    for name, rows in scores.groupby("map", sort=False):
        table = rows.set_index(rows["image"].to_numpy(int) - 1).sort_index()
        if np.array_equal(table.index, np.arange(len(table))):
            table.index = pd.RangeIndex(len(table))
        table["reason"] = table["reason"].fillna("") if "reason" in table else ""
        table["status"] = pd.Categorical(table["status"], dtype=STATUS)
        comparison.tables[str(name)] = table
        comparison.places[str(name)] = (folder / str(name), folder / str(name))
    read_views(folder, comparison)
    if (folder / "ranking.csv").is_file():
        comparison.ranking = pd.read_csv(folder / "ranking.csv")
    best = str(comparison.summary.get("best_map"))
    comparison.shown = best if best in comparison.tables else next(iter(comparison.tables), "")
    document = Document("result", folder.name, folder, info=info | {KEY: comparison} | facts(comparison))
    if comparison.shown:
        comparison.shape, comparison.pixel_size_A = _frame(comparison)
        comparison.prepare()
        refresh(document)
    return document


def _scores(folder: Path) -> pd.DataFrame:
    """Return scores.csv with numbers where numbers belong.

    Raises
    ------
    FileError
        It is missing, cut short, or something else.
    """
    path, again = folder / "scores.csv", "run the comparison again"
    try:
        scores = pd.read_csv(path, dtype=dict.fromkeys(TEXT, str))
    except (ValueError, OSError) as err:  # pandas raises ValueErrors of its own
        raise FileError(f"the scores cannot be read, {err}", path, again) from err
    missing = [name for name in NEEDED if name not in scores]
    if missing:
        raise FileError(f"the scores have no column {', '.join(missing)}", path, again)
    for name in scores.columns.intersection([*NEEDED, *SCORES]).difference(TEXT):  # others may hold anything
        if scores[name].dtype.kind not in "iufb":
            wrong = scores[name].notna() & pd.to_numeric(scores[name], errors="coerce").isna()
            line = int(wrong.to_numpy().argmax()) + 2
            raise FileError(f"line {line} of the scores has no number in column {name}", path, again)
    if scores["image"].isna().any() or scores["map"].isna().any():
        raise FileError("the last lines of the scores are cut short", path, again)
    return scores


def _frame(comparison: Comparison) -> tuple[tuple[int, int], float]:
    """Return shape and pixel size of the pictures, from the summary if they are not there any more."""
    try:
        stack = open_growing(*(place / "aligned.mrcs" for place in comparison.places[comparison.shown]))
    except FileError:
        n, pixel = comparison.summary.get("box_px"), comparison.summary.get("pixel_size_A")
        if not n or not pixel:
            raise
        return (int(n), int(n)), float(pixel)
    return stack.shape, stack.pixel_size_A


def facts(comparison: Comparison) -> dict[str, str]:
    """Return lines for the information box."""
    s = comparison.summary
    out = {"Images": f"{s.get('n_images', len(comparison.table_of(comparison.shown)))}"}
    if "n_outliers" in s:
        out["Flagged"] = str(s["n_outliers"])
    if s.get("median_cc") is not None:
        out["Median cc"] = f"{float(s['median_cc']):.3f}"
    if s.get("contrast"):
        out["Contrast"] = str(s["contrast"])
    if len(comparison.tables) > 1:
        out["Best map"] = str(s.get("best_map"))
    out["Compared at"] = f"{s.get('box_px', '?')} px of {float(s.get('pixel_size_A') or 0):.3g} Å"
    out["Hand"] = "cannot be told from projections"
    return out


def _json(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
