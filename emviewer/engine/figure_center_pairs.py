"""The figure of a centring: class averages before and after, with the centre found and how each was moved."""

from __future__ import annotations

import math

import numpy as np

from emviewer.engine.centering_move import centred
from emviewer.engine.errors import DataError
from emviewer.engine.figure_gallery import open_images
from emviewer.engine.figure_page import GREY_INK, MARGIN, Page, limits, painted
from emviewer.engine.figure_spec import CentringSpec
from emviewer.engine.types import F64

GAP, BETWEEN, CAPTION_MM = 0.6, 2.4, 3.2
LARGEST_TILE = 30.0
FEWEST_MM = 15.0
"""Width that a picture has at least, if the number of columns is not told."""
CROSS, ARROW = "#56b4e9", "#e69f00"
HEAD_MM = 1.3


def draw(spec: CentringSpec) -> Page:
    """Return the page: pairs in rows; a blue cross is the centre of the box, an orange arrow goes to the object's.

    Raises
    ------
    DataError
        A row is not there, or there are not as many centres as rows.
    """
    k = len(spec.rows)
    if len(spec.centres) != k or (spec.moves and len(spec.moves) != k) or (spec.texts and len(spec.texts) != k):
        raise DataError("rows, centres, moves and texts differ in length", spec.table or spec.stack, "mend the spec")
    source = open_images(spec)
    wrong = [row for row in spec.rows if not 0 <= row < source.stack.n]
    if wrong:
        raise DataError(f"there is no image {wrong[0] + 1} among {source.stack.n}", spec.table or spec.stack, "mend it")
    images = source.stack[np.array(spec.rows)]
    found: F64 = np.array(spec.centres, np.float64)
    moves = np.array(spec.moves or [True] * k)
    after = centred(images, np.where(moves[:, None], -found[:, :2], 0.0), np.where(moves, found[:, 2], 0.0))
    room = spec.width_mm - 2 * MARGIN
    columns = spec.columns or max(1, min(k, int((room + BETWEEN) / (2 * FEWEST_MM + GAP + BETWEEN))))
    tile = min(LARGEST_TILE, ((room - (columns - 1) * BETWEEN) / columns - GAP) / 2)
    step = tile + GAP + (CAPTION_MM if spec.texts else 1.0)
    page = Page(spec, math.ceil(k / columns) * step + 6.5)
    for i in range(k):
        x = MARGIN + (i % columns) * (2 * tile + GAP + BETWEEN)
        y = page.top + (i // columns) * step
        low, high = limits(images[i], spec.contrast)
        for j, image in enumerate((images[i], after[i])):
            page.image(painted(image, low, high, spec.contrast), x + j * (tile + GAP), y, tile, tile)
            _cross(page, _middle(x + j * (tile + GAP), y, tile, images.shape[1]), 0.07 * tile)
        _arrow(page, _middle(x, y, tile, images.shape[1]), found[i, :2] * tile / images.shape[1], bool(moves[i]))
        if spec.texts:
            page.text(x + tile + GAP / 2, y + tile + 2.4, spec.texts[i], 5.0, align="center")
    foot = page.height - MARGIN - 0.5
    if spec.scale_bar:
        page.scale_bar(MARGIN, foot - 0.8, tile, images.shape[1], source.pixel_size_A)
    page.text(page.width - MARGIN, foot, "before | after; arrow: centre of box to centre of particle", 6,
              colour=GREY_INK, align="right")  # fmt: skip
    return page


def _middle(x: float, y: float, tile: float, box: int) -> tuple[float, float]:
    """Return where pixel n // 2 is drawn."""
    part = (box // 2 + 0.5) / box
    return x + part * tile, y + part * tile


def _cross(page: Page, at: tuple[float, float], arm: float) -> None:
    page.line((at[0] - arm, at[0] + arm), (at[1], at[1]), 0.5, CROSS)
    page.line((at[0], at[0]), (at[1] - arm, at[1] + arm), 0.5, CROSS)


def _arrow(page: Page, start: tuple[float, float], way: F64, moved: bool) -> None:
    length = float(np.hypot(*way))
    if length < HEAD_MM / 2:
        return
    colour = ARROW if moved else GREY_INK
    along = way / length
    across = np.array([-along[1], along[0]])
    end = np.array(start) + way
    page.line((start[0], float(end[0])), (start[1], float(end[1])), 0.9, colour)
    head = min(HEAD_MM, 0.6 * length)
    for side in (1, -1):
        tip = end - head * along + side * 0.5 * head * across
        page.line((float(end[0]), float(tip[0])), (float(end[1]), float(tip[1])), 0.9, colour)
