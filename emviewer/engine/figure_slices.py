"""Figures of a single thing: three cuts of a map, or one image."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from emviewer.engine import conventions, sources
from emviewer.engine.errors import DataError, ParameterError
from emviewer.engine.figure_gallery import open_images
from emviewer.engine.figure_page import GREY_INK, MARGIN, Page, limits, painted
from emviewer.engine.figure_spec import ImageSpec, SlicesSpec
from emviewer.engine.filters_display import cut
from emviewer.engine.types import F32, Map3D

GAP = 2.0
_PLANES = {"XY": (2, 0, 1), "XZ": (1, 0, 2), "YZ": (0, 2, 1)}
"""Normal, across, down (0 x, 1 y, 2 z) of each cut, as the window shows them."""


def draw_slices(spec: SlicesSpec) -> Page:
    """Return the page of orthogonal cuts, all at one scale, side by side."""
    volume = sources.open_map(spec.map, pixel_size_A=spec.pixel_size_A, resolution_A=spec.resolution_A)
    size = tuple(reversed(volume.shape))
    position = spec.position or (size[0] // 2, size[1] // 2, size[2] // 2)
    if any(not 0 <= p < n for p, n in zip(position, size, strict=True)):
        raise ParameterError(f"position {position} is outside the map of {size} voxels", spec.map, "mend the spec")
    planes = [_PLANES[name] for name in spec.cuts]
    across = sum(size[a] for _, a, _ in planes)
    mm = (spec.width_mm - 2 * MARGIN - (len(planes) - 1) * GAP) / across
    page = Page(spec, max(size[d] for _, _, d in planes) * mm + 12.0)
    cuts = [_cut(volume, normal, position[normal], spec.half_width) for normal, _, _ in planes]
    low, high = limits(np.concatenate([c.ravel() for c in cuts]), spec.contrast)
    x, top = MARGIN, page.top + 4.0
    for name, image, (normal, a, d) in zip(spec.cuts, cuts, planes, strict=True):
        width, height = size[a] * mm, size[d] * mm
        page.image(painted(image, low, high, spec.contrast), x, top, width, height)
        page.text(x, top - 1.2, _heading(volume, name, normal, position[normal]), 6.5)
        if spec.crosshair:
            cx, cy = x + (position[a] + 0.5) * mm, top + (position[d] + 0.5) * mm
            page.line((cx, cx), (top, top + height), 0.4, "#d95f02")
            page.line((x, x + width), (cy, cy), 0.4, "#d95f02")
        x += width + GAP
    foot = page.height - MARGIN - 0.5
    if spec.scale_bar:
        first = size[planes[0][1]]
        page.scale_bar(MARGIN, foot - 0.8, first * mm, first, volume.pixel_size_A if volume.pixel_size_known else None)
    if spec.half_width:
        page.text(
            page.width - MARGIN, foot, f"mean of {2 * spec.half_width + 1} planes", 6, colour=GREY_INK, align="right"
        )
    return page


def _cut(volume: Map3D, normal: int, index: int, half_width: int) -> F32:
    image = cut(volume.data, 2 - normal, index, half_width)
    return np.ascontiguousarray(image.T) if normal == 0 else image


def _heading(volume: Map3D, name: str, normal: int, index: int) -> str:
    axis, centre = "xyz"[normal], volume.shape[2 - normal] // 2
    if not volume.pixel_size_known:
        return f"{name}, {axis} = {index} px"
    offset = (index - centre) * volume.pixel_size_A
    return f"{name}, {axis} = {offset:+.1f} Å from the centre" if index != centre else f"{name} through the centre"


def draw_image(spec: ImageSpec) -> Page:
    """Return the page of one image with its caption and scale bar."""
    image, pixel, caption = _image(spec)
    height, width = image.shape
    span = spec.width_mm - 2 * MARGIN
    mm = span / width
    page = Page(spec, height * mm + (4.0 if caption else 0.0) + 6.5)
    low, high = limits(image, spec.contrast)
    page.image(painted(image, low, high, spec.contrast), MARGIN, page.top, span, height * mm)
    if caption:
        page.text(page.width / 2, page.top + height * mm + 3.2, caption, 7, align="center")
    if spec.scale_bar:
        page.scale_bar(MARGIN, page.height - MARGIN - 1.3, span, width, pixel)
    return page


def _image(spec: ImageSpec) -> tuple[NDArray[np.float32], float | None, str]:
    if spec.map is not None:
        from emviewer.engine.project import Projector

        volume = sources.open_map(spec.map, pixel_size_A=spec.pixel_size_A, resolution_A=spec.resolution_A)
        rotation = conventions.euler_to_matrix(*(np.array([v]) for v in spec.angles))
        rot, tilt, psi = spec.angles
        text = f"rot {rot:g}°, tilt {tilt:g}°, psi {psi:g}°".replace("-", "−")
        pixel = volume.pixel_size_A if volume.pixel_size_known else None
        return Projector(volume, max_res_A=spec.max_res_A).project(rotation)[0], pixel, spec.caption or text
    source = open_images(spec)
    if spec.row >= len(source.stack):
        raise DataError(f"there is no image {spec.row} among {len(source.stack)}", source.stack.name, "mend row")
    return source.stack[spec.row], source.pixel_size_A, spec.caption
