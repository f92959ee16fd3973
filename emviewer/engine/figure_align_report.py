"""The report of an alignment, a difference or a shell correlation out of its result folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from emviewer.engine import figure_align, sources
from emviewer.engine.align3d_move import Grid3D, move_map
from emviewer.engine.errors import DataError, FileError
from emviewer.engine.figure_align import Curves, Page
from emviewer.engine.figure_curves import read_table
from emviewer.engine.figure_page import Sheets
from emviewer.engine.figure_spec import ReportSpec
from emviewer.engine.task import Check, never
from emviewer.engine.types import F32, Map3D, RigidTransform

STILL = RigidTransform(np.eye(3), np.zeros(3))


def draw(spec: ReportSpec, check: Check = never) -> Sheets:
    """Return the pages: of an alignment a table of all maps if there are several, then a page a map; else one page.

    Raises
    ------
    EmviewerError
        The folder holds no result of maps compared, or no such map.
    """
    record = _json(spec.result / "job.json")
    if record.get("job") == "difference":
        return Sheets([figure_align.draw(_difference_page(spec, record, check))])
    if record.get("job") == "fsc":
        return Sheets([_curves_page(spec, record)])
    rows = _rows(spec)
    reference = sources.open_map(spec.result / "reference.mrc", pixel_size_A=spec.pixel_size_A)
    pages = []
    if len(rows) > 1:
        pages.append(figure_align.draw_table(spec.title or f"{len(rows)} maps on {_given(record)}", rows))
    for row in rows:
        check()
        pages.append(figure_align.draw(_page(spec.result, row, reference, _given(record), check)))
    return Sheets(pages)


def _json(path: Path) -> dict[str, Any]:
    """Return an object of a JSON file; empty if there is none."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _difference_page(spec: ReportSpec, record: dict[str, Any], check: Check) -> Page:
    difference = sources.open_map(spec.result / "difference.mrc", pixel_size_A=spec.pixel_size_A)
    paths = [Path(str(record.get("parameters", {}).get(name, ""))) for name in ("reference", "map")]
    maps = [_on_grid(path, difference, check) for path in paths]
    return Page(
        title=spec.title or f"{paths[0].name} − {paths[1].name}",
        subtitle="reference minus map; slices through the centre",
        pixel_size_A=difference.pixel_size_A,
        reference=maps[0],
        moved=maps[1],
        difference=np.asarray(difference.data, np.float32),
        lines=_summary(spec.result),
    )


def _curves_page(spec: ReportSpec, record: dict[str, Any]) -> Figure:
    given = record.get("parameters", {})
    names = [Path(str(given.get(name, "a map"))).name for name in ("first", "second")]
    found = _curves(spec.result / "fsc.csv", plain="fsc")
    if found is None:
        raise FileError("the folder holds no curves", spec.result, "give the result of an fsc job")
    return figure_align.draw_curves(spec.title or " and ".join(names), "   ".join(_summary(spec.result)), found)


def _summary(folder: Path) -> list[str]:
    """Return the key figures of a result as lines of text."""
    values = {
        name: value for name, value in _json(folder / "summary.json").items() if not isinstance(value, (dict, list))
    }
    return [
        f"{name}: {f'{v:.4g}' if isinstance(v, float) else 'never' if v is None else v}" for name, v in values.items()
    ]


def _rows(spec: ReportSpec) -> list[dict[str, Any]]:
    try:
        rows = json.loads((spec.result / "transforms.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as err:
        raise FileError("the folder holds no alignment", spec.result, "give the result of an align job") from err
    chosen = [row for row in rows if not spec.map_name or row["name"] == spec.map_name]
    if not chosen:
        names = ", ".join(str(row["name"]) for row in rows)
        raise DataError(f"there is no map {spec.map_name} in the alignment", spec.result, f"it has {names}")
    return chosen


def _page(folder: Path, row: dict[str, Any], reference: Map3D, given: str, check: Check) -> Page:
    name = str(row["name"])
    aligned, difference = folder / "aligned" / f"{name}.mrc", folder / "difference" / f"{name}.mrc"
    table = folder / "search" / f"{name}.csv"
    return Page(
        title=f"{name} on {given}",
        subtitle=f"hand {row['hand']}, correlation {row['cc_before']:.3f} before, {row['cc_after']:.4f} after; slices "
        "through the centre",
        pixel_size_A=reference.pixel_size_A,
        reference=np.asarray(reference.data, np.float32),
        moved=_on_grid(aligned, reference, check),
        difference=_on_grid(difference, reference, check),
        curves=_curves(folder / "fsc" / f"{name}.csv"),
        search=_search(read_table(table)) if table.is_file() else None,
        lines=lines_of(row),
    )


def _given(record: dict[str, Any]) -> str:
    """Return the name of the reference as it was given."""
    return Path(str(record.get("parameters", {}).get("reference", "the reference"))).name


def _on_grid(path: Path, reference: Map3D, check: Check) -> F32 | None:
    """Return a map that is in the reference's frame on its grid."""
    if not path.is_file():
        return None
    volume, grid = sources.open_map(path), Grid3D.of(reference)
    data = np.asarray(volume.data, np.float32)
    return data if Grid3D.of(volume).same_as(grid) else move_map(data, volume.pixel_size_A, STILL, grid, check)


def _curves(path: Path, plain: str = "fsc_after") -> Curves | None:
    if not path.is_file():
        return None
    table = read_table(path)
    names = ("before", "after", "masked", "corrected", "ceiling")
    columns = {name: plain if name == "after" else f"fsc_{name}" for name in names}
    found = {name: table[column].to_numpy(float) for name, column in columns.items() if column in table}
    return Curves(
        table["frequency_inv_A"].to_numpy(float),
        {name: values if np.isfinite(values).any() else None for name, values in found.items()},
        table["half_bit"].to_numpy(float),
    )


def _search(table: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    scores = np.full((len(table), 2), np.nan)
    scores[np.arange(len(table)), table["flipped"].to_numpy(int)] = table["score"]
    return table["angle_deg"].to_numpy(float), scores


def lines_of(row: dict[str, Any]) -> list[str]:
    """Return the numbers of a map as lines of text.

    Parameters
    ----------
    row : dict
        An object of ``transforms.json``.
    """
    matrix = ["  ".join(f"{v:8.5f}" for v in line) for line in np.asarray(row["rotation"], float)]
    other = row.get("cc_other_hand")
    missing = "not found within the limits" if row.get("hand_sigma", 0) is None else "not tried"
    found = ["never" if row.get(k) is None else f"{row[k]:.2f} Å" for k in ("fsc_0.143_A", "fsc_0.5_A")]
    sigma = [row.get(k) for k in ("sigma_angle_deg", "sigma_shift_A")]
    return [
        "rotation",
        *matrix,
        "after a z-flip" if row["hand_flipped"] else "no flip",
        "translation " + ", ".join(f"{v:.3f}" for v in row["translation_A"]) + " Å",
        "Euler ZYZ " + ", ".join(f"{v:.2f}" for v in row["euler_zyz_deg"]) + "°",
        f"angle {row['axis_angle'][3]:.3f}°",
        f"other hand {missing if other is None or np.isnan(other) else f'{other:.4f}'}",
        f"FSC 0.143: {found[0]}, 0.5: {found[1]}",
        "" if None in sigma else f"σ {sigma[0]:.3g}°, {sigma[1]:.3g} Å",
    ]
