"""The figure of a gallery: tiles in rows, captions beneath, one scale bar for all."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from emviewer.engine.errors import DataError
from emviewer.engine.figure_page import GREY_INK, MARGIN, Page, limits, painted, text_width_mm
from emviewer.engine.figure_spec import CentringSpec, GallerySpec, ImageSpec
from emviewer.engine.types import ImageStack

GAP = 0.8
LARGEST_TILE = 45.0
CAPTION_POINTS = 5.0
SMALLEST_POINTS = 4.5
CAPTION_MM = 2.6
_SHORT = {
    "rot_deg": ("rlnAngleRot", "rot", "°"),
    "tilt_deg": ("rlnAngleTilt", "tilt", "°"),
    "psi_deg": ("rlnAnglePsi", "psi", "°"),
}


@dataclass(frozen=True)
class Images:
    """A stack, the columns that stand beside it, and its pixel size in Å (None where nobody knows)."""

    stack: ImageStack
    columns: Any
    pixel_size_A: float | None


def open_images(spec: GallerySpec | ImageSpec | CentringSpec) -> Images:
    """Open what a spec names: a table with its stack, or a stack alone."""
    from emviewer.engine import files, files_stack

    path = spec.table or spec.stack
    assert path is not None
    found = files.read_images(path, pixel_size_A=spec.pixel_size_A, project_dir=spec.project_dir)
    stack = (
        found.stack
        if spec.stack is None or spec.table is None
        else files_stack.open_stack(spec.stack, spec.pixel_size_A)
    )
    if stack is None:
        raise DataError("the table names no images", path, "give a table with image names, or a stack")
    known = found.pixel_size_known or stack.pixel_size_known
    pixel = found.pixel_size_A if found.pixel_size_known else stack.pixel_size_A
    return Images(stack, found.table, pixel if known else None)


def draw(spec: GallerySpec) -> Page:
    """Return the page of a gallery."""
    source = open_images(spec)
    rows = _rows(spec, len(source.stack))
    images = source.stack[rows]
    columns = spec.columns or columns_for(len(rows), spec.width_mm)
    tile = min(LARGEST_TILE, (spec.width_mm - 2 * MARGIN - (columns - 1) * GAP) / columns)
    height, width = source.stack.shape
    tile_height = tile * height / width
    captions, common = _captions(spec, source.columns, rows)
    points = _caption_points(captions, tile)
    if points < SMALLEST_POINTS and not spec.texts:
        captions, common = _captions(spec, source.columns, rows, decimals=0)
        points = _caption_points(captions, tile)
    step_y = tile_height + GAP + (CAPTION_MM if any(captions) else 0.0)
    lines = math.ceil(len(rows) / columns)
    page = Page(spec, lines * step_y + 6.5)
    low, high = limits(images, spec.contrast, spec.percentiles)
    for i, image in enumerate(images):
        x = MARGIN + (i % columns) * (tile + GAP)
        y = page.top + (i // columns) * step_y
        if spec.per_tile_contrast:
            low, high = limits(image, spec.contrast, spec.percentiles)
        page.image(painted(image, low, high, spec.contrast), x, y, tile, tile_height)
        if captions[i]:
            page.text(x + tile / 2, y + tile_height + 2.1, captions[i], points, align="center")
    foot = page.height - MARGIN - 0.5
    if spec.scale_bar:
        page.scale_bar(MARGIN, foot - 0.8, tile, width, source.pixel_size_A)
    if common:
        page.text(page.width - MARGIN, foot, common, 6, colour=GREY_INK, align="right")
    return page


def columns_for(n: int, width_mm: float) -> int:
    """Return how many tiles stand side by side: about 4 to 3 overall, tiles of 11 mm or more, the last row full."""
    usable = width_mm - 2 * MARGIN
    most, least = max(1, int(usable // 11)), max(1, math.ceil(usable / LARGEST_TILE))
    wanted = max(1, min(most, n, max(least, math.ceil(math.sqrt(n * 4 / 3)))))
    near = range(max(1, math.ceil(0.85 * wanted)), min(most, n, math.floor(1.2 * wanted)) + 1)
    return min(near, key=lambda c: (-n % c / c, abs(c - wanted)), default=wanted)


def _rows(spec: GallerySpec, n: int) -> np.ndarray[Any, np.dtype[np.int64]]:
    rows = np.array(spec.rows if spec.rows else range(min(n, spec.limit)), np.int64)
    if len(rows) == 0:
        raise DataError("there are no images to draw", spec.table or spec.stack or "", "choose others")
    wrong = rows[(rows < 0) | (rows >= n)]
    if len(wrong):
        raise DataError(f"there is no image {wrong[0]} among {n}", spec.table or spec.stack or "", "mend rows")
    return rows


def _caption_points(captions: list[str], tile_mm: float) -> float:
    """Return the size of type at which the longest caption fits beneath its tile, the same for all."""
    longest = max(captions, key=len, default="")
    return min(CAPTION_POINTS, CAPTION_POINTS * tile_mm / max(1e-6, text_width_mm(longest, CAPTION_POINTS)))


def _captions(spec: GallerySpec, table: Any, rows: Any, decimals: int = 1) -> tuple[list[str], str]:
    """Return one caption a tile, and what is said once for all: names of the fields, and those that never change."""
    if spec.texts:
        return (spec.texts + [""] * len(rows))[: len(rows)], ""
    fields: list[tuple[str, list[str], str]] = []
    for name in spec.captions:
        column, label, unit = _SHORT.get(name, (name, name.removeprefix("rln"), ""))
        if name == "row":
            fields.append(("row", [str(r) for r in rows], ""))
        elif table is not None and column in table.columns:
            fields.append((label, _texts(list(table[column].iloc[rows]), decimals), unit))
    same = [f for f in fields if len(set(f[1])) == 1 and len(rows) > 1]
    vary = [f for f in fields if f not in same]
    captions = [", ".join(f[1][i] + f[2] for f in vary) for i in range(len(rows))]
    notes = [", ".join(f[0] for f in vary)] if vary else []
    return captions, "; ".join(notes + [f"{f[0]} {f[1][0]}{f[2]} in all" for f in same])


def _texts(values: list[Any], decimals: int) -> list[str]:
    """Return a column as short text: all its numbers with as many decimals, none if all are whole."""
    try:
        numbers = [float(v) for v in values]
    except ValueError:
        return [Path(str(v)).name for v in values]
    whole = all(abs(v - round(v)) < 0.05 for v in numbers if math.isfinite(v))
    form = ".4g" if any(abs(v) >= 1e4 for v in numbers) else f".{0 if whole else decimals}f"
    return [format(v + 0.0, form).replace("-", "−") for v in numbers]
