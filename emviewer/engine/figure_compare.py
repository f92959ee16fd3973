"""The report of a comparison: best and worst images beside their reprojections, histograms, directions, ranking."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from emviewer.engine.figure_lengths import length_text, round_length
from emviewer.engine.figure_page import MM, font_family
from emviewer.engine.mrc import read_stack
from emviewer.engine.types import F32, F64

WIDTH_MM, HEIGHT_MM = 180.0, 240.0
BLUE, ORANGE, GREY = "#0072B2", "#D55E00", "#666666"
ROWS = 5
KINDS = ("aligned", "reprojections", "residuals")


@dataclass(frozen=True)
class CompareReport:
    """What the report shows.

    Parameters
    ----------
    title, subtitle : str
        Heading.
    table : DataFrame
        Scores of the map shown, one row an image.
    folder : Path
        Where ``aligned.mrcs``, ``reprojections.mrcs`` and ``residuals.mrcs`` of that map are.
    pixel_size_A : float
        Of these stacks.
    ranking : DataFrame or None
        With several maps.
    notes : sequence of str
        Sentences at the foot.
    """

    title: str
    subtitle: str
    table: pd.DataFrame
    folder: Path
    pixel_size_A: float
    ranking: pd.DataFrame | None = None
    notes: Sequence[str] = ()


def draw(report: CompareReport) -> Figure:
    """Draw the report on one page of 180 × 240 mm."""
    figure = Figure(figsize=(WIDTH_MM * MM, HEIGHT_MM * MM), dpi=200, facecolor="white")
    text: dict[str, Any] = {"fontfamily": font_family(), "parse_math": False}
    figure.text(0.04, 0.972, report.title, fontsize=11, fontweight="bold", **text)
    figure.text(0.04, 0.957, report.subtitle, fontsize=7.5, color=GREY, **text)
    good = report.table[report.table["cc"].notna()]
    order = good["outlier_score"].to_numpy(float).argsort(kind="stable")
    best, worst = good.iloc[order[:ROWS]], good.iloc[order[::-1][:ROWS]]
    _triplets(figure, report, best, 0.04, "Best explained")
    _triplets(figure, report, worst, 0.53, "Worst explained")
    _histograms(figure, good)
    _directions(figure, good)
    if report.ranking is not None:
        _ranking(figure, report.ranking)
    for i, note in enumerate(report.notes):
        figure.text(0.04, 0.012 + 0.012 * (len(report.notes) - 1 - i), note, fontsize=6.5, color=GREY, **text)
    return figure


def _triplets(figure: Figure, report: CompareReport, rows: pd.DataFrame, left: float, heading: str) -> None:
    size, height = 0.138, 0.1035
    text: dict[str, Any] = {"fontfamily": font_family(), "parse_math": False}
    figure.text(left, 0.935, heading, fontsize=8.5, fontweight="bold", **text)
    for j, label in enumerate(("image", "reprojection", "residual")):
        figure.text(left + (j + 0.5) * (size + 0.006), 0.923, label, fontsize=6.5, color=GREY, ha="center", **text)
    if len(rows) == 0:
        return
    place = rows["image"].to_numpy(int) - 1
    stacks: list[F32] = [read_stack(report.folder / f"{kind}.mrcs")[place] for kind in KINDS]
    for i in range(len(rows)):
        row = rows.iloc[i]
        images = [stacks[0][i], float(row["gray_scale"]) * stacks[1][i] + float(row["gray_offset"]), stacks[2][i]]
        low, high = np.percentile(np.concatenate([images[0].ravel(), images[1].ravel()]), [0.5, 99.5])
        top = 0.915 - (i + 1) * (height + 0.022)
        for j, image in enumerate(images):
            axes = figure.add_axes((left + j * (size + 0.006), top, size, height))
            span = (high - low) / 2 or 1.0
            bounds = (low, high) if j < 2 else (-span, span)
            axes.imshow(image, cmap="gray" if j < 2 else "PuOr_r", vmin=bounds[0], vmax=bounds[1], aspect="equal")
            axes.set_axis_off()
            axes.autoscale(False)
            if i == len(rows) - 1 and j == 0:
                bar = round_length(image.shape[1] * report.pixel_size_A)
                n = image.shape[1]
                axes.plot([0, bar / report.pixel_size_A], [n + 3, n + 3], color="black", lw=1.6, clip_on=False)
                axes.text(0, n + 10, length_text(bar), fontsize=6, clip_on=False, **text)
        caption = f"{int(row['image'])}   cc {row['cc']:.3f}   score {row['outlier_score']:.1f}"
        mark = "   flagged" if row["outlier"] else ""
        figure.text(left + 1.5 * (size + 0.006), top - 0.011, caption + mark, fontsize=6.5, ha="center", **text)


def _histograms(figure: Figure, good: pd.DataFrame) -> None:
    for j, (name, label) in enumerate((("cc", "correlation in the mask"), ("outlier_score", "outlier score"))):
        axes = figure.add_axes((0.07 + j * 0.235, 0.105, 0.19, 0.12))
        values = good[name].to_numpy(float)
        flagged = good["outlier"].to_numpy(int) == 1
        if len(values):
            bins = np.histogram_bin_edges(values, bins=min(40, max(8, len(values) // 4))).tolist()
            axes.hist([values[~flagged], values[flagged]], bins=bins, stacked=True, color=[BLUE, ORANGE])
        axes.set_xlabel(label, fontsize=6.5)
        axes.set_ylabel("images" if j == 0 else "", fontsize=6.5)
        _plain(axes)
    figure.text(0.07, 0.232, "■ ok", fontsize=6.5, color=BLUE)
    figure.text(0.11, 0.232, "■ flagged", fontsize=6.5, color=ORANGE)


def _directions(figure: Figure, good: pd.DataFrame) -> None:
    axes = figure.add_axes((0.52, 0.085, 0.27, 0.15), projection="mollweide")
    rot = np.radians((good["rot_deg"].to_numpy(float) + 180) % 360 - 180)
    latitude = np.radians(90 - good["tilt_deg"].to_numpy(float))
    dots = axes.scatter(rot, latitude, c=good["cc"].to_numpy(float), s=6, cmap="viridis", lw=0, rasterized=True)
    axes.grid(alpha=0.3, lw=0.4)
    axes.set_xticklabels([])
    axes.set_yticklabels([])
    bar = figure.colorbar(dots, ax=axes, shrink=0.7, pad=0.03)
    bar.ax.tick_params(labelsize=5.5, width=0.4, length=2)
    bar.set_label("cc", fontsize=6)
    figure.text(0.62, 0.238, "directions of view", fontsize=6.5, color=GREY, ha="center")


def _ranking(figure: Figure, ranking: pd.DataFrame) -> None:
    figure.text(0.81, 0.232, "Ranking of maps", fontsize=7.5, fontweight="bold")
    axes = figure.add_axes((0.83, 0.105, 0.14, 0.11))
    shown = ranking.iloc[:8]
    y = np.arange(len(shown))
    mean: F64 = shown["mean_cc"].to_numpy(float)
    error = np.abs(np.array([mean - shown["ci_low"].to_numpy(float), shown["ci_high"].to_numpy(float) - mean]))
    axes.errorbar(mean, y, xerr=error, fmt="o", ms=3, lw=0.8, color=BLUE)
    for i, name in enumerate(shown["map"]):
        axes.text(mean[i], y[i] - 0.25, str(name)[:18], fontsize=5.5, ha="center", parse_math=False)
    axes.set_yticks([])
    axes.set_ylim(len(shown) - 0.5, -0.8)
    axes.margins(x=0.3)
    axes.set_xlabel("mean cc, 95 %", fontsize=6)
    _plain(axes)


def _plain(axes) -> None:  # type: ignore[no-untyped-def]
    axes.tick_params(labelsize=5.5, width=0.4, length=2)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_linewidth(0.5)
