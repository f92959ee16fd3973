"""Figures of two maps in one frame: overlaid, behind a line, side by side; and what differs between them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from emviewer.engine import sources
from emviewer.engine.align3d_cuts import MovedCuts
from emviewer.engine.errors import ParameterError
from emviewer.engine.figure_page import GREY_INK, MARGIN, Page, limits, painted
from emviewer.engine.figure_spec_base import ContrastSpec
from emviewer.engine.figure_spec_maps import AlignmentSpec, CutsSpec, DifferenceSpec
from emviewer.engine.figure_two import contour_lines, significance, two_colours
from emviewer.engine.filters_display import subsample
from emviewer.engine.types import F32, Map3D, RigidTransform

GAP, LABEL_MM, FOOT_MM = 2.0, 4.0, 6.5
SIGMAS = 5.0
"""Colours of a difference reach to this many standard deviations unless told."""
DIVERGING = "blue-white-orange"
GREEN, YELLOW, CYAN, RED = "#1f9e63", "#b58900", "#0097a7", "#d32f2f"
STILL = RigidTransform(np.eye(3), np.zeros(3))
_AXES = {"XY": (2, 0, 1), "XZ": (1, 0, 2), "YZ": (0, 2, 1)}
"""Normal, across, down (0 x, 1 y, 2 z) of each cut, as the window shows them."""


@dataclass(frozen=True, eq=False)
class _Grid:
    """Where the cuts of a page stand: planes, position, millimetres a voxel, pixel size in Å or None."""

    names: list[str]
    position: tuple[int, int, int]
    size: tuple[int, int, int]
    mm: float
    pixel_A: float | None
    half_width: int

    @classmethod
    def of(cls, spec: CutsSpec, reference: Map3D) -> _Grid:
        """Lay out the cuts of a spec, all at one scale."""
        nz, ny, nx = reference.shape
        size = (nx, ny, nz)
        position = spec.position or (nx // 2, ny // 2, nz // 2)
        if any(not 0 <= p < n for p, n in zip(position, size, strict=True)):
            raise ParameterError(f"position {position} is outside the map of {size}", spec.reference, "mend the spec")
        names = [str(name) for name in spec.cuts]
        room = spec.width_mm - 2 * MARGIN - (len(names) - 1) * GAP
        mm = room / sum(size[_AXES[name][1]] for name in names)
        pixel = reference.pixel_size_A if reference.pixel_size_known else None
        return cls(names, position, size, mm, pixel, spec.half_width)

    def row_mm(self) -> float:
        """Return the height of a row of cuts."""
        return max(self.size[_AXES[name][2]] for name in self.names) * self.mm

    def cuts(self, volume: Map3D, on: Map3D, motion: RigidTransform = STILL) -> list[F32]:
        """Return the cuts of a map where a motion puts it on the grid of another."""
        cutter = MovedCuts(volume, on)
        axes = [_AXES[name] for name in self.names]
        return [cutter.slab(motion, each, self.position[each[0]], self.half_width) for each in axes]

    def places(self, top: float) -> list[tuple[float, float, float, float]]:
        """Return x, y, width, height (mm) of each cut of a row."""
        x, out = MARGIN, []
        for name in self.names:
            _, across, down = _AXES[name]
            out.append((x, top, self.size[across] * self.mm, self.size[down] * self.mm))
            x += out[-1][2] + GAP
        return out

    def heading(self, name: str) -> str:
        """Return what a cut is called."""
        normal = _AXES[name][0]
        index = self.position[normal]
        if self.pixel_A is None:
            return f"{name}, {'xyz'[normal]} = {index} px"
        offset = (index - self.size[normal] // 2) * self.pixel_A
        return f"{name}, {'xyz'[normal]} = {offset:+.1f} Å".replace("-", "−") if offset else f"{name}, centre"


def draw(spec: AlignmentSpec | DifferenceSpec) -> Page:
    """Return the page of two maps in one frame."""
    return draw_alignment(spec) if isinstance(spec, AlignmentSpec) else draw_difference(spec)


def draw_alignment(spec: AlignmentSpec) -> Page:
    """Return the page of a reference and a map moved onto it."""
    reference = sources.open_map(spec.reference, pixel_size_A=spec.pixel_size_A)
    moving = sources.open_map(spec.map, pixel_size_A=spec.map_pixel_size_A or spec.pixel_size_A)
    if spec.magnification != 1:
        moving = moving.with_pixel_size(moving.pixel_size_A * spec.magnification)
    grid = _Grid.of(spec, reference)
    motion = RigidTransform(np.array(spec.matrix), np.array(spec.translation_A))
    pairs = list(zip(grid.cuts(reference, reference), grid.cuts(moving, reference, motion), strict=True))
    side = spec.mode == "side"
    rows = 2 if side else 1
    page = Page(spec, rows * (grid.row_mm() + LABEL_MM) + FOOT_MM)
    dark = spec.mode == "overlay"
    first = _grey([pair[0] for pair in pairs], spec.contrast, dark)
    second = _grey([pair[1] for pair in pairs], spec.second, dark)
    top = page.top + LABEL_MM
    for k, place in enumerate(grid.places(top)):
        page.text(place[0], top - 1.2, grid.heading(grid.names[k]), 6.5)
        if spec.mode == "overlay":
            page.image(two_colours(first[k][..., 0], second[k][..., 0]), *place)
        elif spec.mode == "wipe":
            line = grid.position[_AXES[grid.names[k]][1]]
            picture = first[k].copy()
            picture[:, line:] = second[k][:, line:]
            page.image(picture, *place)
            x = place[0] + (line + 0.5) * grid.mm
            page.line((x, x), (top, top + place[3]), 0.5, "#f0be28")
        else:
            page.image(first[k], *place)
    if side:
        low = top + grid.row_mm() + LABEL_MM
        page.text(MARGIN, low - 1.2, spec.names[1], 6.5)
        for k, place in enumerate(grid.places(low)):
            page.image(second[k], *place)
    _foot(page, grid, spec.scale_bar)
    foot = page.height - MARGIN - 0.5
    if side:
        page.text(page.width - MARGIN, foot, f"above: {spec.names[0]}", 6.5, colour=GREY_INK, align="right")
    elif spec.mode == "wipe":
        text = f"left of the line {spec.names[0]}, right of it {spec.names[1]}"
        page.text(page.width - MARGIN, foot, text, 6.5, colour=GREY_INK, align="right")
    else:
        page.text(page.width - MARGIN, foot, spec.names[1], 7, colour=RED, align="right")
        page.text(page.width - MARGIN - 48, foot, spec.names[0], 7, colour=CYAN, align="right")
    return page


def draw_difference(spec: DifferenceSpec) -> Page:
    """Return the page of reference, aligned map and difference, a row each, with a bar of colours."""
    difference = sources.open_map(spec.difference, pixel_size_A=spec.pixel_size_A)
    grid = _Grid.of(spec, difference)
    reference = grid.cuts(_open(spec.reference, spec), difference)
    aligned = None if spec.aligned is None else grid.cuts(_open(spec.aligned, spec), difference)
    z_map = None if spec.z is None else _open(spec.z, spec)
    z = None if z_map is None else grid.cuts(z_map, difference)
    shown = z if spec.as_z and z is not None else grid.cuts(difference, difference)
    half = spec.half_range or SIGMAS * (1.0 if spec.as_z else _rms(difference))
    rows = 2 + (aligned is not None)
    page = Page(spec, rows * (grid.row_mm() + LABEL_MM) + FOOT_MM + 3.0)
    lines = _lines(spec, reference, aligned)
    top = page.top + LABEL_MM
    pictures = _grey(reference, spec.contrast)
    if spec.significant is not None and z is not None:
        pictures = [_over(p, significance(c, spec.significant)) for p, c in zip(pictures, z, strict=True)]
    _row(page, grid, top, "Reference", pictures, [(lines[0], GREEN, "-")])
    if aligned is not None:
        top += grid.row_mm() + LABEL_MM
        _row(page, grid, top, "Map, aligned", _grey(aligned, spec.second), [(lines[1], YELLOW, "--")])
    top += grid.row_mm() + LABEL_MM
    colour = ContrastSpec(colormap=DIVERGING)
    _row(page, grid, top, "Reference − map", [painted(c, -half, half, colour) for c in shown],
         [(lines[0], GREEN, "-"), (lines[1], YELLOW, "--")])  # fmt: skip
    _bar(page, half, "standard deviations of the noise" if spec.as_z else "density")
    _foot(page, grid, spec.scale_bar)
    return page


def _open(path: str | Path, spec: CutsSpec) -> Map3D:
    return sources.open_map(path, pixel_size_A=spec.pixel_size_A)


def _rms(volume: Map3D) -> float:
    """Return the root mean square of what is not exactly zero: a difference is zero outside its mask."""
    sample = subsample(np.asarray(volume.data))
    sample = sample[sample != 0]
    return float(np.sqrt(np.mean(np.square(sample, dtype=np.float64)))) or 1.0 if sample.size else 1.0


def _grey(images: list[F32], contrast: ContrastSpec, dark: bool = False) -> list[NDArray[np.uint8]]:
    """Return cuts in grey; ``dark`` makes what is no density black where no limit is given, else it veils two colours.

    An overlay has no colours of its own, so the colour map does not count there.
    """
    values = np.concatenate([image.ravel() for image in images])
    low, high = limits(values, contrast)
    if dark:
        low = max(low, float(np.median(values))) if contrast.low is None else low
        contrast = ContrastSpec(low=low, high=high)
    return [painted(image, low, high, contrast) for image in images]


def _over(picture: NDArray[np.uint8], cover: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return a picture beneath one with alpha."""
    alpha = cover[..., 3:].astype(np.float32) / 255
    return np.asarray(picture * (1 - alpha) + cover[..., :3] * alpha, np.uint8)


def _lines(
    spec: DifferenceSpec, reference: list[F32], aligned: list[F32] | None
) -> tuple[list[list[F32]], list[list[F32]]]:
    """Return the contour lines of both maps by cut; empty lists where there are none."""
    if spec.levels is None:
        return [[] for _ in reference], [[] for _ in reference]
    first = [contour_lines(image, spec.levels[0]) for image in reference]
    second = [[] for _ in reference] if aligned is None else [contour_lines(c, spec.levels[1]) for c in aligned]
    return first, second


def _row(
    page: Page, grid: _Grid, top: float, name: str, pictures: list[NDArray[np.uint8]],
    lines: list[tuple[list[list[F32]], str, str]],
) -> None:  # fmt: skip
    for k, (place, picture) in enumerate(zip(grid.places(top), pictures, strict=True)):
        page.image(picture, *place)
        page.text(place[0], top - 1.2, f"{name}   " * (k == 0) + grid.heading(grid.names[k]), 6.5)
        for found, colour, style in lines:
            for line in found[k]:
                x, y = place[0] + line[:, 0] * grid.mm, place[1] + line[:, 1] * grid.mm
                page.axes.plot(x, y, color=colour, linewidth=0.7, linestyle=style)


def _bar(page: Page, half: float, what: str) -> None:
    """Draw the bar of colours of a difference, zero in its middle."""
    width, height = 40.0, 2.2
    left, top = page.width - MARGIN - width, page.height - MARGIN - 6.2
    ramp = np.linspace(-half, half, 256, dtype=np.float32)[None]
    page.image(painted(ramp, -half, half, ContrastSpec(colormap=DIVERGING)), left, top, width, height)
    page.axes.plot([left, left + width, left + width, left, left], [top, top, top + height, top + height, top],
                   color=GREY_INK, linewidth=0.3)  # fmt: skip
    for share, text, align in ((0.0, f"−{half:.3g}", "left"), (0.5, "0", "center"), (1.0, f"+{half:.3g}", "right")):
        page.text(left + share * width, top + height + 2.6, text, 6, align=align)
    page.text(left - 2, top + 1.7, f"{what}: map has more ← 0 → reference has more", 6, colour=GREY_INK, align="right")


def _foot(page: Page, grid: _Grid, scale_bar: bool) -> None:
    foot = page.height - MARGIN - 0.5
    first = grid.size[_AXES[grid.names[0]][1]]
    if scale_bar:
        page.scale_bar(MARGIN, foot - 0.8, first * grid.mm, first, grid.pixel_A)
    if grid.half_width:
        text = f"mean of {2 * grid.half_width + 1} planes"
        page.text(MARGIN + 40, foot, text, 6, colour=GREY_INK)
