"""The report of an alignment or a difference: slices of both maps and their difference, FSC, search, numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

from emviewer.engine.figure_lengths import length_text, round_length
from emviewer.engine.figure_page import MM, font_family
from emviewer.engine.types import F32, F64

WIDTH_MM, HEIGHT_MM = 180.0, 250.0
BLUE, ORANGE, GREY, GREEN = "#0072B2", "#D55E00", "#666666", "#009E73"
DIVERGING = LinearSegmentedColormap.from_list(
    "difference", ["#2166ac", "#92c5de", "#ffffff", "#f4a582", "#b2182b"], N=257
)
"""Blue where the map has more, red where the reference has; zero is exactly white."""
_NAMES = ("XY", "XZ", "YZ")


@dataclass(frozen=True, eq=False)
class Curves:
    """Shell correlations to draw: frequency in 1/Å and named curves; ``limit`` marks a resolution in Å."""

    frequency_inv_A: F64
    curves: dict[str, F64 | None]
    half_bit: F64
    limit_A: float = 0.0


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
    rows = [(n, m) for n, m in (("reference", page.reference), ("map", page.moved)) if m is not None]
    for i, (name, data) in enumerate(rows):
        _slices(figure, data, name, 0.93 - i * 0.215, page, False)
    if page.difference is not None:
        _slices(figure, page.difference, "reference − map", 0.93 - len(rows) * 0.215, page, True)
    if page.curves is not None:
        _correlations(figure, page.curves, (0.08, 0.06, 0.37, 0.17))
    if page.search is not None:
        _search(figure, *page.search)
    for i, line in enumerate(page.lines):
        figure.text(0.74, 0.232 - i * 0.0125, line, fontsize=6, **text)
    return figure


def draw_curves(title: str, subtitle: str, curves: Curves) -> Figure:
    """Draw shell correlations alone, 180 × 110 mm."""
    figure = Figure(figsize=(WIDTH_MM * MM, 110 * MM), dpi=200, facecolor="white")
    text: dict[str, Any] = {"fontfamily": font_family(), "parse_math": False}
    figure.text(0.05, 0.94, title, fontsize=11, fontweight="bold", **text)
    figure.text(0.05, 0.90, subtitle, fontsize=7.5, color=GREY, **text)
    _correlations(figure, curves, (0.07, 0.12, 0.88, 0.7))
    return figure


def _slices(figure: Figure, data: F32, name: str, top: float, page: Page, diverging: bool) -> None:
    width, height = 0.27, 0.27 * WIDTH_MM / HEIGHT_MM
    text: dict[str, Any] = {"fontfamily": font_family(), "parse_math": False}
    middle = [n // 2 for n in data.shape]
    cuts = [data[middle[0]], data[:, middle[1]], data[:, :, middle[2]]]
    everything = np.concatenate([c.ravel() for c in cuts])
    if diverging:
        high = float(np.percentile(np.abs(everything), 99.9)) or 1.0
        low, colours = -high, DIVERGING
    else:
        low, high = (float(v) for v in np.percentile(everything, [0.5, 99.8]))
        colours = "gray"  # type: ignore[assignment]
    figure.text(0.035, top - height / 2, name, fontsize=7.5, rotation=90, va="center", ha="center", **text)
    for j, image in enumerate(cuts):
        axes = figure.add_axes((0.06 + j * 0.3, top - height, width, height))
        shown = axes.imshow(image, cmap=colours, vmin=low, vmax=high if high > low else low + 1, origin="lower")
        axes.set_axis_off()
        if diverging and page.reference is not None:
            middle_cut = [page.reference[middle[0]], page.reference[:, middle[1]], page.reference[:, :, middle[2]]][j]
            level = float(np.percentile(middle_cut, 90))
            if middle_cut.min() < level < middle_cut.max():
                axes.contour(middle_cut, [level], colors="#444444", linewidths=0.35)
        axes.text(0.02, 0.97, _NAMES[j], transform=axes.transAxes, fontsize=6, va="top",
                  color="#444444" if diverging else "white", **text)  # fmt: skip
        if j == 0 and not diverging:
            _bar(axes, image.shape[1], page.pixel_size_A)
        if diverging and j == 2:
            bar = figure.colorbar(shown, cax=figure.add_axes((0.94, top - height, 0.012, height)))
            bar.ax.tick_params(labelsize=5, width=0.4, length=2)


def _bar(axes: Any, n: int, pixel_A: float) -> None:
    length = round_length(n * pixel_A)
    axes.plot([0.04 * n, 0.04 * n + length / pixel_A], [0.05 * n, 0.05 * n], color="white", lw=1.6)
    axes.text(0.04 * n, 0.08 * n, length_text(length), color="white", fontsize=5.5, fontfamily=font_family())


def _correlations(figure: Figure, curves: Curves, place: tuple[float, float, float, float]) -> None:
    axes = figure.add_axes(place)
    styles = {"before": (GREY, 0.6), "after": (BLUE, 0.9), "masked": (GREEN, 0.9), "corrected": (ORANGE, 1.2),
              "ceiling": ("#000000", 0.7)}  # fmt: skip
    for name, values in curves.curves.items():
        if values is not None:
            colour, width = styles.get(name, (BLUE, 1.0))
            axes.plot(curves.frequency_inv_A, values, color=colour, lw=width, label=name)
    axes.plot(curves.frequency_inv_A, curves.half_bit, color=GREY, lw=0.5, ls=":", label="half-bit")
    for level in (0.143, 0.5):
        axes.axhline(level, color=GREY, lw=0.4, ls="--")
    if curves.limit_A > 0:
        axes.axvline(1 / curves.limit_A, color=GREY, lw=0.5)
    axes.set_ylim(-0.1, 1.02)
    axes.set_xlim(0, float(curves.frequency_inv_A[-1]))
    ticks = [t for t in axes.get_xticks() if 0 < t <= curves.frequency_inv_A[-1]]
    axes.set_xticks(ticks, [f"{1 / t:.3g}" for t in ticks])
    axes.set_xlabel("resolution, Å", fontsize=6.5)
    axes.set_title("FSC between the two maps", fontsize=6.5, color=GREY)
    axes.legend(fontsize=5.5, frameon=False, loc="upper right")
    _plain(axes)


def _search(figure: Figure, angle: F64, scores: F64) -> None:
    axes = figure.add_axes((0.52, 0.06, 0.18, 0.17))
    for j, (name, colour) in enumerate((("same hand", BLUE), ("flipped", ORANGE))):
        if j < scores.shape[1]:
            axes.plot(angle, scores[:, j], ".", ms=1, color=colour, label=name, rasterized=True)
    axes.set_xlabel("angle to the rotation found, °", fontsize=6)
    axes.set_title("scores of the search", fontsize=6.5, color=GREY)
    axes.legend(fontsize=5.5, frameon=False, loc="lower right", markerscale=4)
    _plain(axes)


def _plain(axes: Any) -> None:
    axes.tick_params(labelsize=5.5, width=0.4, length=2)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_linewidth(0.5)
