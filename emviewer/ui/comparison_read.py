"""A finished comparison, read from its folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from emviewer.engine.errors import FileError
from emviewer.ui.comparison import KEY, Comparison, open_growing, refresh
from emviewer.ui.comparison_grow import STATUS
from emviewer.ui.comparison_keep import read_tags, read_views
from emviewer.ui.tags import Tags
from emviewer.ui.workspace import Document


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
    try:
        scores = pd.read_csv(folder / "scores.csv", dtype={"image_name": str, "reason": str, "map": str})
        scores["image"].astype(int)
    except (ValueError, KeyError, OSError) as err:
        raise FileError(f"scores.csv cannot be read ({err})", folder, "run the comparison again") from err
    comparison = Comparison(parameters=job.get("parameters", {}), folder=folder, tags=Tags(read_tags(folder)))
    comparison.summary = _json(folder / "summary.json")
    for name, rows in scores.groupby("map", sort=False):
        table = rows.set_index(rows["image"].to_numpy(int) - 1).sort_index()
        if np.array_equal(table.index, np.arange(len(table))):
            table.index = pd.RangeIndex(len(table))
        table["reason"] = table["reason"].fillna("")
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
        stack = open_growing(*(place / "aligned.mrcs" for place in comparison.places[comparison.shown]))
        comparison.shape, comparison.pixel_size_A = stack.shape, stack.pixel_size_A
        comparison.prepare()
        refresh(document)
    return document


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
