"""The report of a centring: classes before and after, displacements of the members, one micrograph with its arrows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from emviewer.engine.figure_page import MM, font_family
from emviewer.engine.types import F32, F64

WIDTH_MM, HEIGHT_MM = 180.0, 240.0
BLUE, ORANGE, GREY = "#0072B2", "#D55E00", "#666666"
COLUMNS, ROWS = 6, 4
ARROWS = 400


@dataclass(frozen=True, eq=False)
class CenterReport:
    """What the report shows.

    Parameters
    ----------
    title, subtitle : str
        Heading.
    before, after : ndarray of float32, shape (k, n, n)
        Class averages.
    numbers, found_px, confidence, method, alone
        Class number, centre found ``(x, y)`` from ``n // 2``, confidence, estimator, whether left alone, of each.
    pixel_size_A : float
        Of the class averages.
    moved_px : ndarray of float64, shape (n, 2) or None
        Displacement of each member in micrograph pixels.
    micrograph : str
        The one that is drawn.
    places_px, arrows_px : ndarray of float64, shape (m, 2) or None
        Its particles and how they moved.
    notes : sequence of str
        Sentences at the foot.
    """

    title: str
    subtitle: str
    before: F32
    after: F32
    numbers: NDArray[np.int64]
    found_px: F64
    confidence: F64
    method: Sequence[str]
    alone: NDArray[np.bool_]
    pixel_size_A: float
    moved_px: F64 | None = None
    micrograph: str = ""
    places_px: F64 | None = None
    arrows_px: F64 | None = None
    notes: Sequence[str] = ()


def draw(report: CenterReport) -> Figure:
    """Draw the report on one page of 180 × 240 mm."""
    figure = Figure(figsize=(WIDTH_MM * MM, HEIGHT_MM * MM), dpi=200, facecolor="white")
    text: dict[str, Any] = {"fontfamily": font_family(), "parse_math": False}
    figure.text(0.04, 0.972, report.title, fontsize=11, fontweight="bold", **text)
    figure.text(0.04, 0.957, report.subtitle, fontsize=7.5, color=GREY, **text)
    length = np.hypot(*report.found_px.T)
    # what is doubtful first, then what moved most
    order = np.lexsort((-length, ~report.alone))
    doubtful = order[: min(int(report.alone.sum()), COLUMNS)]
    shown = [*doubtful.tolist(), *[i for i in order.tolist() if not report.alone[i]]][: COLUMNS * ROWS]
    figure.text(0.04, 0.938, "Classes left alone, then those moved most: before | after", fontsize=7.5, **text)
    for place, i in enumerate(shown):
        _pair(figure, report, i, place)
    _histogram(figure, report)
    _micrograph(figure, report)
    for j, note in enumerate(list(report.notes)[:5][::-1]):
        figure.text(0.04, 0.012 + 0.012 * j, note[:170], fontsize=6, color=GREY, **text)
    return figure


def _pair(figure: Figure, report: CenterReport, i: int, place: int) -> None:
    width, height = 0.073, 0.073 * WIDTH_MM / HEIGHT_MM
    left = 0.04 + (place % COLUMNS) * 0.155
    bottom = 0.865 - (place // COLUMNS) * 0.092
    h = report.before.shape[1] // 2
    low, high = np.percentile(report.before[i], [0.5, 99.5])
    for j, image in enumerate((report.before[i], report.after[i])):
        axes = figure.add_axes((left + j * (width + 0.002), bottom, width, height))
        axes.imshow(image, cmap="gray", vmin=low, vmax=high if high > low else low + 1)
        axes.set_axis_off()
        axes.autoscale(False)
        axes.plot(h, h, "+", color=BLUE, ms=5, mew=0.6)
        if j == 0 and not report.alone[i]:
            x, y = report.found_px[i]
            axes.annotate(
                "", (h + x, h + y), (h, h), arrowprops={"arrowstyle": "->", "color": ORANGE, "lw": 0.8,
                                                         "shrinkA": 0, "shrinkB": 0},
            )  # fmt: skip
    said = "left alone" if report.alone[i] else f"{np.hypot(*report.found_px[i]):.1f} px"
    figure.text(
        left + width, bottom - 0.009, f"{report.numbers[i]}  {said}  {report.method[i]} {report.confidence[i]:.2f}",
        fontsize=5.2, ha="center", fontfamily=font_family(), parse_math=False,
    )  # fmt: skip


def _histogram(figure: Figure, report: CenterReport) -> None:
    axes = figure.add_axes((0.07, 0.33, 0.38, 0.17))
    if report.moved_px is None:
        values, label = report.found_px[~report.alone], "classes"
    else:
        values, label = report.moved_px, "particles"
    reach = max(3.0, float(np.percentile(np.abs(values), 99.5)) if values.size else 3.0)
    bins = np.linspace(-reach, reach, 61).tolist()
    for axis, colour, name in ((0, BLUE, "x"), (1, ORANGE, "y")):
        axes.hist(np.clip(values[:, axis], -reach, reach), bins=bins, histtype="step", color=colour, lw=0.9, label=name)
    axes.axvline(0, color=GREY, lw=0.5)
    axes.legend(fontsize=6, frameon=False)
    axes.set_xlabel("displacement (px, signed)", fontsize=6.5)
    axes.set_ylabel(label, fontsize=6.5)
    _plain(axes)


def _micrograph(figure: Figure, report: CenterReport) -> None:
    if report.places_px is None or report.arrows_px is None or len(report.places_px) == 0:
        return
    axes = figure.add_axes((0.56, 0.12, 0.4, 0.4 * WIDTH_MM / HEIGHT_MM))
    good = np.isfinite(report.places_px).all(axis=1)
    at, way = report.places_px[good][:ARROWS], report.arrows_px[good][:ARROWS]
    length = np.hypot(*way.T)
    grown = 8.0
    axes.scatter(at[:, 0], at[:, 1], s=4, c=np.where(length >= 1, ORANGE, GREY).tolist(), lw=0)
    far = length >= 1
    axes.quiver(
        *(at - grown * way)[far].T, *(grown * way)[far].T, angles="xy", scale_units="xy", scale=1, width=0.003,
        color=ORANGE,
    )  # fmt: skip
    axes.set_aspect("equal")
    axes.invert_yaxis()
    axes.set_title(f"{report.micrograph}: displacements, {grown:g} times", fontsize=6.5, parse_math=False)
    _plain(axes)


def _plain(axes: Any) -> None:
    axes.tick_params(labelsize=5.5, width=0.4, length=2)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
