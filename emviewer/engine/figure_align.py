"""The report of an alignment or a difference: slices of both maps and their difference, FSC, search, numbers."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure

from emviewer.engine import figure_curves
from emviewer.engine.figure_colours import colours
from emviewer.engine.figure_lengths import length_text, round_length
from emviewer.engine.figure_page import MM, font_family
from emviewer.engine.filters_display import subsample
from emviewer.engine.types import F32, F64

WIDTH_MM, HEIGHT_MM = 180.0, 250.0
SIDE, TOP, PITCH = 0.218, 0.94, 0.167
"""Of the cuts: their side as a share of the width, where they begin and how far apart rows are, of the height."""
COLUMNS = (
    (0.05, "map", "name"), (0.45, "hand", "hand"), (0.53, "angle, °", "angle_deg"), (0.61, "shift, Å", "shift"),
    (0.68, "cc before", "cc_before"), (0.74, "after", "cc_after"), (0.81, "FSC 0.143, Å", "fsc_0.143_A"),
    (0.87, "0.5, Å", "fsc_0.5_A"), (0.95, "σ(angle), °", "sigma_angle_deg"),
)  # fmt: skip
"""Of the table of maps: place, heading and key."""
MOST_ROWS = 60
LINE = 34
"""Letters in a line of the column of numbers."""
CONTOUR_SHARE = 0.98
"""Share of the voxels below the density of the contour lines."""
GREY = figure_curves.GREY
DIVERGING = ListedColormap(colours("blue-white-orange") / 255.0, "difference")
"""Blue where the map has more, orange where the reference has; zero is exactly white."""
_NAMES = ("XY", "XZ", "YZ")


@dataclass(frozen=True, eq=False)
class Curves:
    """Shell correlations to draw.

    Parameters
    ----------
    frequency_inv_A : ndarray of float64, shape (k,)
        Of the shells, in 1/Å.
    curves : dict
        ``before, after, masked, corrected, ceiling``, each (k,) or None.
    half_bit : ndarray of float64, shape (k,)
        The half-bit threshold.
    limit_A : float
        A resolution to mark; 0 for none.
    """

    frequency_inv_A: F64
    curves: dict[str, F64 | None]
    half_bit: F64
    limit_A: float = 0.0

    def table(self) -> pd.DataFrame:
        """Return the curves as a table, in columns as ``fsc.csv`` has them."""
        known = {f"fsc_{name}": values for name, values in self.curves.items() if values is not None}
        return pd.DataFrame({"frequency_inv_A": self.frequency_inv_A, **known, "half_bit": self.half_bit})


@dataclass(frozen=True, eq=False)
class Page:
    """What a page shows.

    Parameters
    ----------
    title, subtitle : str
        Heading.
    reference, moved, difference : ndarray of float32 or None
        Maps on one grid, shown as central slices.
    pixel_size_A : float
        Of that grid.
    curves : Curves or None
        Shell correlations.
    search : tuple of ndarray or None
        Angle to the rotation found (degrees, (r,)) and scores (r, hands) of the search.
    lines : sequence of str
        Numbers as text.
    """

    title: str
    subtitle: str
    pixel_size_A: float
    reference: F32 | None = None
    moved: F32 | None = None
    difference: F32 | None = None
    curves: Curves | None = None
    search: tuple[F64, F64] | None = None
    lines: Sequence[str] = ()


def draw(page: Page) -> Figure:
    """Draw one page of 180 × 250 mm."""
    figure = Figure(figsize=(WIDTH_MM * MM, HEIGHT_MM * MM), dpi=200, facecolor="white")
    text: dict[str, Any] = {"fontfamily": font_family(), "parse_math": False}
    figure.text(0.05, 0.972, page.title, fontsize=11, fontweight="bold", **text)
    figure.text(0.05, 0.957, page.subtitle, fontsize=7.5, color=GREY, **text)
    rows = [row for row in ("reference", "map", "overlay", "reference − map") if _pictures(page, row)]
    for i, row in enumerate(rows):
        _slices(figure, row, TOP - i * PITCH, page)
    if page.curves is not None:
        _correlations(figure, page.curves, (0.07, 0.055, 0.52, 0.175))
    if page.search is not None:
        _search(figure, *page.search)
    lines = [
        part
        for line in page.lines
        for part in textwrap.wrap(line.replace(" Å", "\u00a0Å"), LINE, subsequent_indent="  ")
    ]
    for i, line in enumerate(lines):
        figure.text(0.785, TOP - 0.012 - i * 0.0115, line, fontsize=5.5, **text)
    return figure


def draw_curves(title: str, subtitle: str, curves: Curves) -> Figure:
    """Draw shell correlations alone, 180 × 110 mm."""
    figure = Figure(figsize=(WIDTH_MM * MM, 110 * MM), dpi=200, facecolor="white")
    text: dict[str, Any] = {"fontfamily": font_family(), "parse_math": False}
    figure.text(0.05, 0.94, title, fontsize=11, fontweight="bold", **text)
    figure.text(0.05, 0.90, subtitle, fontsize=7.5, color=GREY, **text)
    _correlations(figure, curves, (0.07, 0.12, 0.88, 0.7))
    return figure


def central_cuts(data: F32) -> list[F32]:
    """Return the cuts through voxel n // 2, as the window shows them: XY, XZ, YZ, row 0 at the top."""
    z, y, x = (n // 2 for n in data.shape)
    return [data[z], data[:, y], data[:, :, x].T]


def _pictures(page: Page, row: str) -> list[F32] | None:
    """Return the cuts of a row of the page: numbers, or colours (h, w, 3); None if its maps are not there."""
    if row == "overlay":
        if page.reference is None or page.moved is None:
            return None
        grey = [_scaled(central_cuts(data)) for data in (page.reference, page.moved)]
        return [np.stack([b, a, a], axis=-1) for a, b in zip(*grey, strict=True)]
    data = {"reference": page.reference, "map": page.moved}.get(row, page.difference)
    return None if data is None else central_cuts(data)


def _scaled(cuts: list[F32]) -> list[F32]:
    """Return cuts between 0 and 1: what is no density is black, else the solvent would be a grey veil."""
    low, high = np.percentile(np.concatenate([c.ravel() for c in cuts]), [50, 99.8])
    return [np.clip((c - low) / max(high - low, 1e-30), 0, 1) for c in cuts]


def _slices(figure: Figure, row: str, top: float, page: Page) -> None:
    width, height = SIDE, SIDE * WIDTH_MM / HEIGHT_MM
    text: dict[str, Any] = {"fontfamily": font_family(), "parse_math": False}
    cuts = _pictures(page, row)
    assert cuts is not None
    everything = np.concatenate([c.ravel() for c in cuts])
    diverging = row == "reference − map"
    if diverging:
        high = float(np.percentile(np.abs(everything), 99.9)) or 1.0
        low, shades = -high, DIVERGING
    else:
        low, high = (float(v) for v in np.percentile(everything, [0.5, 99.8]))
        shades = "gray"  # type: ignore[assignment]
    level = 0.0 if page.reference is None else float(np.quantile(subsample(page.reference), CONTOUR_SHARE))
    figure.text(0.035, top - height / 2, row, fontsize=7.5, rotation=90, va="center", ha="center", **text)
    for j, image in enumerate(cuts):
        axes = figure.add_axes((0.06 + j * (SIDE + 0.02), top - height, width, height))
        shown = axes.imshow(image, cmap=shades, vmin=low, vmax=high if high > low else low + 1)
        axes.set_axis_off()
        if diverging and page.reference is not None:
            _contour(axes, central_cuts(page.reference)[j], level)
        axes.text(0.02, 0.97, _NAMES[j], transform=axes.transAxes, fontsize=6, va="top",
                  color="#444444" if diverging else "white", **text)  # fmt: skip
        if j == 0 and not diverging:
            _bar(axes, image.shape[1], image.shape[0], page.pixel_size_A)
        if diverging and j == 2:
            place = (0.06 + 3 * (SIDE + 0.02), top - height, 0.012, height)
            bar = figure.colorbar(shown, cax=figure.add_axes(place))
            bar.ax.tick_params(labelsize=5, width=0.4, length=2)
            bar.ax.yaxis.get_offset_text().set_fontsize(5)
            bar.outline.set_linewidth(0.4)
    if row == "overlay":
        figure.text(0.79, top - 0.012, "reference cyan, map red:\ngrey where they agree", fontsize=6, va="top",
                    color=GREY, **text)  # fmt: skip


def _contour(axes: Any, image: F32, level: float) -> None:
    if image.min() < level < image.max():
        axes.contour(image, [level], colors="#444444", linewidths=0.35)


def _bar(axes: Any, n: int, rows: int, pixel_A: float) -> None:
    length = round_length(n * pixel_A)
    axes.plot([0.04 * n, 0.04 * n + length / pixel_A], [0.95 * rows] * 2, color="white", lw=1.6)
    axes.text(0.04 * n, 0.92 * rows, length_text(length), color="white", fontsize=5.5, fontfamily=font_family())


def draw_table(title: str, rows: Sequence[dict[str, Any]]) -> Figure:
    """Draw a page of 180 × 250 mm with a line of numbers for each map of an alignment.

    Parameters
    ----------
    title : str
        Heading.
    rows : sequence of dict
        Objects of ``transforms.json``; those beyond the :data:`MOST_ROWS` first are counted only.
    """
    figure = Figure(figsize=(WIDTH_MM * MM, HEIGHT_MM * MM), dpi=200, facecolor="white")
    text: dict[str, Any] = {"fontfamily": font_family(), "parse_math": False}
    figure.text(0.05, 0.972, title, fontsize=11, fontweight="bold", **text)
    for j, (place, heading, _) in enumerate(COLUMNS):
        side = "left" if j == 0 else "right"
        figure.text(place, 0.94, heading, fontsize=7, fontweight="bold", ha=side, **text)
        for i, row in enumerate(rows[:MOST_ROWS]):
            figure.text(place, 0.922 - i * 0.0145, _cell(row, j), fontsize=7, ha=side, **text)
    if len(rows) > MOST_ROWS:
        figure.text(0.05, 0.02, f"and {len(rows) - MOST_ROWS} more", fontsize=7, color=GREY, **text)
    return figure


def _cell(row: dict[str, Any], column: int) -> str:
    _, _, name = COLUMNS[column]
    value = float(np.linalg.norm(row["translation_A"])) if name == "shift" else row.get(name)
    if value is None:
        return "–"
    if isinstance(value, str):
        return value if len(value) <= 44 else f"…{value[-43:]}"
    return f"{value:.3f}" if name.startswith("cc") else f"{value:.3g}" if "sigma" in name else f"{value:.2f}"


def _correlations(figure: Figure, curves: Curves, place: tuple[float, float, float, float], size: float = 5.5) -> None:
    axes = figure.add_axes(place)
    figure_curves.plot_curves(axes, curves.table(), [0.143, 0.5], size)
    if curves.limit_A > 0:
        axes.axvline(1 / curves.limit_A, color=GREY, lw=0.5)
    axes.set_title("FSC between the two maps, not gold standard", fontsize=size + 0.5, color=GREY)


def _search(figure: Figure, angle: F64, scores: F64) -> None:
    axes = figure.add_axes((0.68, 0.055, 0.28, 0.175))
    figure_curves.plot_search(axes, angle, scores, 5.5)
    axes.set_title("scores of the search", fontsize=6, color=GREY)
