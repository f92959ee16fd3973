"""Draw the report of a reconstruction: cuts of the map, shell correlation, directions of view."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from emviewer.engine.figure_page import MM, font_family
from emviewer.engine.jobs.folder import ResultFolder
from emviewer.engine.jobs.reconstruct_output import Maps
from emviewer.engine.types import F32, F64

BLUE, ORANGE, GREY = "#0072B2", "#D55E00", "#666666"
WIDTH_MM = 180.0


def page(height_mm: float, title: str, subtitle: str, notes: tuple[str, ...]) -> Figure:
    """Return an empty page with its heading, and notes at the foot."""
    figure = Figure(figsize=(WIDTH_MM * MM, height_mm * MM), dpi=200, facecolor="white")
    text: dict[str, Any] = {"fontfamily": font_family(), "parse_math": False}
    figure.text(0.04, 1 - 7 / height_mm, title, fontsize=11, fontweight="bold", **text)
    figure.text(0.04, 1 - 11 / height_mm, subtitle, fontsize=7.5, color=GREY, **text)
    for i, note in enumerate(reversed(notes)):
        figure.text(0.04, (3 + 3.2 * i) / height_mm, note, fontsize=6.5, color=GREY, **text)
    return figure


def cuts(figure: Figure, data: F32, pixel_size_A: float, bottom: float, height: float) -> None:
    """Draw the three central cuts of a map and its three sums across a strip of the page."""
    n, c = data.shape[0], data.shape[0] // 2
    pictures = [("XY", data[c]), ("XZ", data[:, c]), ("YZ", data[:, :, c])]
    pictures += [("sum along z", data.sum(0)), ("sum along y", data.sum(1)), ("sum along x", data.sum(2))]
    width = 0.92 / 6
    for i, (name, image) in enumerate(pictures):
        axes = figure.add_axes((0.04 + i * width, bottom, width * 0.96, height))
        low, high = np.percentile(image, [0.5, 99.7])
        axes.imshow(image, cmap="gray", vmin=low, vmax=max(high, low + 1e-12), origin="lower", aspect="equal")
        axes.set_axis_off()
        axes.set_title(name if i else f"{name}, box {n * pixel_size_A:.0f} Å", fontsize=6.5, pad=2)


def shells(axes: Axes, frequency: F64, curves: list[tuple[str, F64, str]]) -> None:
    """Draw shell correlations with their thresholds."""
    for label, values, colour in curves:
        axes.plot(frequency, values, color=colour, lw=1.0, label=label)
    for level in (0.5, 0.143):
        axes.axhline(level, color=GREY, lw=0.4, ls=":")
    axes.set_ylim(-0.1, 1.04)
    axes.set_xlim(0, float(frequency[-1]))
    axes.set_xlabel("spatial frequency (1/Å)", fontsize=6.5)
    axes.set_ylabel("Fourier shell correlation", fontsize=6.5)
    axes.legend(fontsize=6, frameon=False)
    plain(axes)


def directions(figure: Figure, place: tuple[float, float, float, float], views: F64, colour: F64 | None) -> None:
    """Draw the directions of view on a Mollweide map, coloured by a value if there is one."""
    axes = figure.add_axes(place, projection="mollweide")
    d = views[:, 2]
    longitude, latitude = np.arctan2(d[:, 1], d[:, 0]), np.arcsin(np.clip(d[:, 2], -1, 1))
    values: dict[str, Any] = (
        {"color": BLUE} if colour is None else {"c": colour, "cmap": "viridis", "vmin": 0, "vmax": 1}
    )
    dots = axes.scatter(longitude, latitude, s=5, lw=0, rasterized=True, **values)
    axes.grid(alpha=0.3, lw=0.4)
    axes.set_xticklabels([])
    axes.set_yticklabels([])
    axes.set_title("directions of view", fontsize=6.5, color=GREY)
    if colour is not None:
        bar = figure.colorbar(dots, ax=axes, shrink=0.7, pad=0.03)
        bar.ax.tick_params(labelsize=5.5, width=0.4, length=2)
        bar.set_label("confidence", fontsize=6)


def plain(axes: Axes) -> None:
    """Draw thin axes without the upper and right frame."""
    axes.tick_params(labelsize=5.5, width=0.4, length=2)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_linewidth(0.5)


def save(figure: Figure, folder: ResultFolder, report: str) -> None:
    """Write report.png and report.pdf as asked."""
    folder.save_page(figure, report)


def draw_reconstruction(
    folder: ResultFolder, report: str, name: str, maps: Maps, pixel_size_A: float, views: F64, group: str
) -> None:
    """Write the report of a reconstruction."""
    resolution = folder.summary.get("fsc_0.143_A")
    reached = f"{resolution:.1f} Å at 0.143" if resolution else "the halves agree to Nyquist"
    figure = page(110, f"Reconstruction from {name}", f"{len(views)} images, {group}, {reached}", (*folder.warnings,))
    cuts(figure, maps.whole, pixel_size_A, 0.57, 0.26)
    shells(figure.add_axes((0.09, 0.13, 0.38, 0.3)), maps.curve.frequency_inv_A, [("halves", maps.curve.fsc, BLUE)])
    directions(figure, (0.53, 0.1, 0.42, 0.34), views, None)
    save(figure, folder, report)
