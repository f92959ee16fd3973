"""Paper: a page in millimetres, type, tiles, scale bars. matplotlib's objects only, never pyplot."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from typing import Any

import matplotlib
import numpy as np
from matplotlib import font_manager
from matplotlib.figure import Figure
from numpy.typing import NDArray

from emviewer.engine.figure_colours import colours
from emviewer.engine.figure_lengths import length_text, round_length
from emviewer.engine.figure_spec import ContrastSpec, FigureSpec
from emviewer.engine.filters_display import AUTO_PERCENTILES, subsample

matplotlib.rcParams["svg.fonttype"] = "none"
matplotlib.rcParams["svg.hashsalt"] = "emviewer"
matplotlib.rcParams["pdf.fonttype"] = 42

MM = 1 / 25.4
POINT_MM = 25.4 / 72
MARGIN = 3.0
INK, GREY_INK = "#1a1a1a", "#5c5c5c"


@cache
def font_family() -> str:
    """Return the sans-serif that journals ask for if it is installed, otherwise the one matplotlib brings."""
    installed = {font.name for font in font_manager.fontManager.ttflist}
    return next((n for n in ("Arial", "Helvetica", "Liberation Sans") if n in installed), "DejaVu Sans")


def limits(
    images: NDArray[np.float32], contrast: ContrastSpec, percentiles: tuple[float, float] = AUTO_PERCENTILES
) -> tuple[float, float]:
    """Return the values of the first and last colour: those given, and the percentiles where none are."""
    sample = subsample(images)
    low, high = (float(v) for v in np.percentile(sample, percentiles)) if sample.size else (0.0, 1.0)
    if not high > low and sample.size:
        low, high = float(sample.min()), float(sample.max())
    low = low if contrast.low is None else contrast.low
    high = high if contrast.high is None else contrast.high
    return low, high if high > low else low + 1.0


def painted(image: NDArray[np.float32], low: float, high: float, contrast: ContrastSpec) -> NDArray[np.uint8]:
    """Return an image (h, w) in colour, uint8 (h, w, 3); values that are not finite get the first colour."""
    scaled = np.nan_to_num((image - low) * (255.0 / (high - low)), nan=0.0, posinf=255.0, neginf=0.0)
    index = np.clip(np.rint(scaled), 0, 255).astype(np.uint8)
    table = colours(contrast.colormap)
    pixels: NDArray[np.uint8] = (table[::-1] if contrast.inverted else table)[index]
    return pixels


class Page:
    """A white page whose coordinates are millimetres from its upper left corner.

    Parameters
    ----------
    spec : FigureSpec
        Width, title, letter.
    body_mm : float
        Height of what stands beneath the heading.
    """

    def __init__(self, spec: FigureSpec, body_mm: float) -> None:
        self.spec = spec
        self.width = spec.width_mm
        self.top = MARGIN + self._heading_mm()
        self.height = self.top + body_mm + MARGIN
        self.figure = Figure(figsize=(self.width * MM, self.height * MM), dpi=spec.dpi, facecolor="white")
        self.figure.suppressComposite = True  # every tile stays an image of its own in PDF and SVG
        self.axes: Any = self.figure.add_axes((0, 0, 1, 1))
        self.axes.set_axis_off()
        self.axes.set_xlim(0, self.width)
        self.axes.set_ylim(self.height, 0)
        self.images: list[Any] = []
        self._heading()

    def _heading_mm(self) -> float:
        first = 5.0 if self.spec.title or self.spec.letter else 0.0
        second = 3.6 if self.spec.subtitle else 0.0
        return first + second + (1.0 if first or second else 0.0)

    def _heading(self) -> None:
        left = MARGIN
        if self.spec.letter:
            self.text(left, MARGIN + 3.4, self.spec.letter, 11, weight="bold")
            left += 5.0
        if self.spec.title:
            self.text(left, MARGIN + 3.4, self.spec.title, 8.5, weight="bold")
        if self.spec.subtitle:
            self.text(
                left,
                MARGIN + (7.2 if self.spec.title or self.spec.letter else 2.4),
                self.spec.subtitle,
                6.5,
                colour=GREY_INK,
            )

    def text(
        self,
        x: float,
        y: float,
        text: str,
        points: float,
        *,
        colour: str = INK,
        align: str = "left",
        weight: str = "normal",
    ) -> None:
        """Write text with its baseline at (x, y)."""
        self.axes.text(
            x,
            y,
            text,
            fontsize=points,
            fontfamily=font_family(),
            color=colour,
            ha=align,
            va="baseline",
            fontweight=weight,
            parse_math=False,
        )

    def image(self, pixels: NDArray[np.uint8], x: float, y: float, width: float, height: float) -> None:
        """Draw pixels (h, w, 3), row 0 at the top, into a rectangle."""
        artist = self.axes.imshow(pixels, extent=(x, x + width, y + height, y), aspect="auto", origin="upper")
        self.images.append(artist)
        self.axes.set_xlim(0, self.width)
        self.axes.set_ylim(self.height, 0)

    def line(self, x: tuple[float, float], y: tuple[float, float], points: float, colour: str = INK) -> None:
        """Draw a straight line."""
        self.axes.plot(x, y, color=colour, linewidth=points, solid_capstyle="butt")

    def scale_bar(self, x: float, y: float, span_mm: float, pixels: int, pixel_size_A: float | None) -> None:
        """Draw a bar with its label to the right, its left end at (x, y).

        Parameters
        ----------
        x, y : float
            Left end, in mm.
        span_mm, pixels : float, int
            Width of an image on paper and in pixels; the bar is about a fifth of it.
        pixel_size_A : float or None
            None draws the bar in pixels.
        """
        extent = pixels * (pixel_size_A or 1.0)
        length = round_length(extent)
        self.line((x, x + length / extent * span_mm), (y, y), 1.8)
        label = length_text(length) if pixel_size_A else f"{length:g} px"
        self.text(x + length / extent * span_mm + 1.2, y + 0.85, label, 7)


@dataclass(frozen=True, eq=False)
class Sheets:
    """Figures that are not made of tiles: one, or the pages of a report. The writer of files takes them as a page.

    Parameters
    ----------
    pages : list of Figure
        At least one.
    images : list
        Pictures whose pixels stay as they are in vector formats.
    """

    pages: list[Figure]
    images: list[Any] = field(default_factory=list)

    @property
    def figure(self) -> Figure:
        """The first page."""
        return self.pages[0]


def text_width_mm(text: str, points: float) -> float:
    """Return roughly how wide a text is on paper (mean width of sans-serif digits and letters, 0.6 em)."""
    return 0.6 * points * POINT_MM * len(text)
