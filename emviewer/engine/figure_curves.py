"""Figures of curves: shell correlations with their thresholds, and the scores of a search."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from emviewer.engine.errors import DataError, FileError
from emviewer.engine.figure_page import MM, Sheets, font_family
from emviewer.engine.figure_spec import CurvesSpec, FigureSpec, SearchSpec
from emviewer.engine.fsc import crossing
from emviewer.engine.types import F64

BLUE, ORANGE, GREY, GREEN, PURPLE, OLIVE = "#0072B2", "#D55E00", "#666666", "#009E73", "#7a4fbf", "#8a7700"
STYLES: dict[str, tuple[str, str, float, str]] = {
    "fsc_before": ("before", GREY, 0.7, "-"),
    "fsc_after": ("after, unmasked", BLUE, 0.9, "-"),
    "fsc": ("unmasked", BLUE, 0.9, "-"),
    "fsc_masked": ("masked", ORANGE, 0.9, "--"),
    "fsc_corrected": ("corrected for the mask", GREEN, 1.3, "-"),
    "fsc_ceiling": ("ceiling from half maps", PURPLE, 0.8, ":"),
    "half_bit": ("half-bit", OLIVE, 0.7, "-."),
}
"""Column of a table of curves: name, colour, width and style of its line."""
BEST = ("fsc_corrected", "fsc_after", "fsc")
"""The curve that is held against thresholds: the first of these that there is."""
BETWEEN = "Between maps, not gold standard"


def read_curves(spec: CurvesSpec) -> pd.DataFrame:
    """Return the table of the curves of a spec.

    Raises
    ------
    EmviewerError
        It cannot be read or holds no curves.
    """
    try:
        table = read_table(spec.curves) if spec.curves is not None else pd.DataFrame(spec.values or {}, dtype=float)
    except ValueError:
        raise DataError("the columns of values differ in length", "values", "mend the spec") from None
    if "frequency_inv_A" not in table or not any(name in table for name in STYLES):
        where = spec.curves or "values"
        raise DataError("the table holds no shell correlation", where, "give fsc.csv of a result")
    return table


def read_table(path: Path) -> pd.DataFrame:
    """Return a table of comma-separated values.

    Raises
    ------
    FileError
        It cannot be read.
    """
    try:
        return pd.read_csv(path)
    except (OSError, ValueError) as err:
        raise FileError("the table cannot be read", path, "give a .csv file of a result") from err


def best_crossings(table: pd.DataFrame, levels: list[float]) -> dict[float, float | None]:
    """Return where the best curve first falls below each level, in Å (None: never); empty without a curve."""
    best = next((n for n in BEST if n in table and table[n].notna().any()), None)
    if best is None:
        return {}
    known = table[table[best].notna() & (table["frequency_inv_A"] > 0)]
    frequency, values = known["frequency_inv_A"].to_numpy(float), known[best].to_numpy(float)
    return {level: crossing(frequency, values, level) for level in levels}


def draw(spec: CurvesSpec | SearchSpec) -> Sheets:
    """Return the figure of curves or of a search."""
    return draw_curves(spec) if isinstance(spec, CurvesSpec) else draw_search(spec)


def draw_curves(spec: CurvesSpec) -> Sheets:
    """Return the figure of shell correlations."""
    table = read_curves(spec)
    figure, axes = _axes(spec, 0.62)
    plot_curves(axes, table, spec.thresholds)
    for level, found in best_crossings(table, spec.thresholds).items():
        if found:
            axes.plot([1 / found], [level], "o", ms=2.2, color="black", zorder=5)
            axes.annotate(f"{level:g}: {found:.2f} Å", (1 / found, level), (4, 3), textcoords="offset points",
                          fontsize=6.5, fontfamily=font_family())  # fmt: skip
    axes.set_title(BETWEEN, fontsize=7, color=GREY, fontfamily=font_family())
    return Sheets([figure])


def draw_search(spec: SearchSpec) -> Sheets:
    """Return the figure of the scores of a search."""
    table = read_table(spec.table)
    if not {"angle_deg", "score", "flipped"} <= set(table.columns):
        raise DataError("the table holds no search", spec.table, "give search/<map>.csv of an alignment")
    figure, axes = _axes(spec, 0.62)
    flipped = table["flipped"].to_numpy(bool)
    scores = np.full((len(table), 2), np.nan)
    scores[np.arange(len(table)), flipped.astype(int)] = table["score"]
    plot_search(axes, table["angle_deg"].to_numpy(float), scores)
    return Sheets([figure])


def plot_curves(axes: Any, table: pd.DataFrame, thresholds: list[float], size: float = 6.5) -> None:
    """Draw a table of curves with thresholds; resolution in Å beneath the axis, 1/Å above it."""
    frequency = table["frequency_inv_A"].to_numpy(float)
    lowest = -0.1
    for column, (name, colour, width, style) in STYLES.items():
        if column in table and table[column].notna().any():
            values = table[column].to_numpy(float)
            lowest = min(lowest, float(np.nanmin(values)) - 0.03)
            axes.plot(frequency, values, color=colour, lw=width, ls=style, label=name)
    for level in thresholds:
        axes.axhline(level, color=GREY, lw=0.4, ls="--")
        axes.text(float(frequency[-1]), level, f" {level:g}", fontsize=size - 1, color=GREY, va="center")
    axes.axhline(0, color=GREY, lw=0.4)
    axes.set_ylim(max(lowest, -1.0), 1.03)
    axes.set_xlim(0, float(frequency[-1]))
    ticks = [t for t in axes.get_xticks() if 0 < t <= frequency[-1]]
    axes.set_xticks(ticks, [f"{1 / t:.3g}\n{t:.3g}" for t in ticks])
    axes.set_xlabel("resolution, Å; beneath, 1/Å", fontsize=size, fontfamily=font_family())
    axes.set_ylabel("Fourier shell correlation", fontsize=size, fontfamily=font_family())
    axes.legend(fontsize=size - 0.5, frameon=False, loc="upper right")
    plain(axes, size - 0.5)


def plot_search(axes: Any, angle: F64, scores: F64, size: float = 6.5) -> None:
    """Draw the scores (r, hands) of rotations over their angle to the one found (r,)."""
    for j, (name, colour, mark) in enumerate((("same hand", BLUE, "."), ("flipped", ORANGE, "x"))):
        if j < scores.shape[1] and np.isfinite(scores[:, j]).any():
            axes.plot(angle, scores[:, j], mark, ms=1.6, mew=0.3, color=colour, label=name, rasterized=True)
    axes.set_xlim(0, 180)
    axes.set_xticks([0, 45, 90, 135, 180])
    axes.set_xlabel("angle from the rotation found, °", fontsize=size, fontfamily=font_family())
    axes.set_ylabel("score", fontsize=size, fontfamily=font_family())
    axes.legend(fontsize=size - 0.5, frameon=False, loc="best", markerscale=3)
    plain(axes, size - 0.5)


def plain(axes: Any, size: float = 5.5) -> None:
    """Give axes two thin spines and small ticks."""
    axes.tick_params(labelsize=size, width=0.4, length=2)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_linewidth(0.5)


def _axes(spec: FigureSpec, ratio: float) -> tuple[Figure, Any]:
    """Return a white figure of the spec's width with its headings, and axes beneath them."""
    height = spec.width_mm * ratio + 6
    figure = Figure(figsize=(spec.width_mm * MM, height * MM), dpi=spec.dpi, facecolor="white")
    text: dict[str, Any] = {"fontfamily": font_family(), "parse_math": False, "va": "top"}
    y = 1 - 2.5 / height
    if spec.letter:
        figure.text(3 / spec.width_mm, y, spec.letter, fontsize=11, fontweight="bold", **text)
    if spec.title:
        figure.text((8 if spec.letter else 3) / spec.width_mm, y, spec.title, fontsize=8.5, fontweight="bold", **text)
    if spec.subtitle:
        figure.text(3 / spec.width_mm, y - 4.6 / height, spec.subtitle, fontsize=6.5, color=GREY, **text)
    top = 7.0 + 4.5 * bool(spec.title or spec.letter) + 3.5 * bool(spec.subtitle)
    left, below = 12.0, 12.0
    return figure, figure.add_axes(
        (left / spec.width_mm, below / height, 1 - (left + 8) / spec.width_mm, 1 - (below + top) / height)
    )
