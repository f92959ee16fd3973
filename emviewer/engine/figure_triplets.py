"""The figure of a comparison: image, reprojection and residual of the worst and the best explained images."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from emviewer.engine.errors import DataError, FileError
from emviewer.engine.figure_page import GREY_INK, MARGIN, Page, limits, painted
from emviewer.engine.figure_spec import ContrastSpec, TripletsSpec
from emviewer.engine.mrc import read_stack
from emviewer.engine.types import F32

GAP, BETWEEN, CAPTION_MM, HEADING_MM = 0.8, 6.0, 3.4, 7.5
KINDS = ("aligned", "reprojections", "residuals")
NAMES = ("image", "reprojection", "residual")
DIVERGING = "blue-white-orange"


def draw(spec: TripletsSpec) -> Page:
    """Return the page: worst explained to the left, best to the right; scores beneath each triplet.

    Image and reprojection share their gray values; the residual has half their range about zero.

    Raises
    ------
    FileError
        The folder holds no comparison.
    DataError
        There is no such map or image in it.
    """
    table, name = _table(spec)
    worst, best = _rows(spec, table)
    path = spec.result / name
    stacks = [read_stack(path / f"{kind}.mrcs") for kind in KINDS]
    pixel = spec.pixel_size_A or stacks[0].pixel_size_A
    sides = [(heading, rows) for heading, rows in (("Worst explained", worst), ("Best explained", best)) if rows]
    side_mm = (spec.width_mm - 2 * MARGIN - BETWEEN * (len(sides) - 1)) / len(sides)
    tile = min(45.0, (side_mm - 2 * GAP) / 3)
    step = tile + GAP + CAPTION_MM
    page = Page(spec, HEADING_MM + max(len(rows) for _, rows in sides) * step + 6.5)
    for number, (heading, rows) in enumerate(sides):
        left = MARGIN + number * (side_mm + BETWEEN)
        page.text(left, page.top + 2.6, heading, 7.5, weight="bold")
        for j, word in enumerate(NAMES):
            page.text(left + j * (tile + GAP) + tile / 2, page.top + 6.2, word, 6, colour=GREY_INK, align="center")
        for i, row in enumerate(rows):
            top = page.top + HEADING_MM + i * step
            scores = table.loc[[row]].to_dict("records")[0]
            _triplet(page, spec, [stack[row] for stack in stacks], scores, left, top, tile)
    foot = page.height - MARGIN - 0.5
    if spec.scale_bar:
        page.scale_bar(MARGIN, foot - 0.8, tile, stacks[0].shape[1], pixel)
    page.text(page.width - MARGIN, foot, f"against {name}", 6, colour=GREY_INK, align="right")
    return page


def _triplet(
    page: Page, spec: TripletsSpec, images: list[F32], scores: dict[Any, Any], left: float, top: float, tile: float
) -> None:
    scale, offset = (np.float32(np.nan_to_num(float(scores[c]))) for c in ("gray_scale", "gray_offset"))
    fitted = images[1] * scale + offset
    low, high = limits(np.stack([images[0], fitted]), spec.contrast)
    half = (high - low) / 2
    residual = ContrastSpec(colormap=DIVERGING)
    for j, pixels in enumerate(
        (
            painted(images[0], low, high, spec.contrast),
            painted(fitted, low, high, spec.contrast),
            painted(images[2], -half, half, residual),
        )
    ):
        page.image(pixels, left + j * (tile + GAP), top, tile, tile)
    flagged = "   flagged" if scores.get("outlier") == 1 else ""
    text = f"{int(scores['image'])}    cc {scores['cc']:.3f}    outlier score {scores['outlier_score']:.1f}{flagged}"
    page.text(left + 1.5 * tile + GAP, top + tile + 2.4, text, 5.5, align="center")


def _table(spec: TripletsSpec) -> tuple[pd.DataFrame, str]:
    try:
        scores = pd.read_csv(spec.result / "scores.csv", dtype={"map": str, "image_name": str, "reason": str})
    except (OSError, ValueError) as err:
        raise FileError("the folder holds no comparison", spec.result, "give the result of a compare job") from err
    names = list(dict.fromkeys(scores["map"]))
    if not names or (spec.map_name and spec.map_name not in names):
        raise DataError(f"there is no map {spec.map_name} in the comparison", spec.result, f"it has {', '.join(names)}")
    name = spec.map_name or str(names[0])
    table = scores[scores["map"] == name]
    return table.set_index(table["image"].to_numpy(int) - 1), name


def _rows(spec: TripletsSpec, table: pd.DataFrame) -> tuple[list[int], list[int]]:
    wrong = [row for row in (*spec.worst, *spec.best) if row not in table.index]
    if wrong:
        raise DataError(f"there is no image {wrong[0] + 1} among {len(table)}", spec.result, "mend the rows")
    if spec.worst or spec.best:
        return spec.worst, spec.best
    good = table[table["cc"].notna()].sort_values("outlier_score", kind="stable")
    if good.empty:
        raise DataError("no image was compared", spec.result, "run the comparison again")
    order = [int(i) for i in good.index]
    return order[::-1][: spec.limit], order[: spec.limit]
