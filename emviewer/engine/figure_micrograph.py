"""A micrograph on paper: its picture, or a part of it, with boxes and arrows as lines that stay sharp."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.collections import EllipseCollection, LineCollection
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from emviewer.engine.figure_colours import colours
from emviewer.engine.figure_page import GREY_INK, INK, MARGIN, MM, Page, limits, painted, text_width_mm
from emviewer.engine.figure_spec import MicrographSpec
from emviewer.engine.filters_display import halved
from emviewer.engine.micrograph_view import Look, filtered, piece_of, read_binned
from emviewer.engine.task import Check, never
from emviewer.engine.types import F32, F64

FOOT_MM, LEGEND_MM = 6.5, 4.4
BLUE, ORANGE, RED, EDGE = "#56b4e9", "#e69f00", "#e0402f", "#101010"
MAP, DARKEST = "viridis", 75
"""Colours of a scale, as the window has them: from this one of the 256 on, as darker ones are not seen."""
Entry = tuple[str, str, str]
"""Kind, colour and words of a part of the legend."""
EMPTY = 0.25
"""Grey, from black to white, of a micrograph whose picture is missing."""


def draw(spec: MicrographSpec, check: Check = never) -> Page:
    """Draw a micrograph with its boxes.

    Raises
    ------
    FileError
        The picture is missing or damaged.
    """
    crop = spec.crop or (0.0, 0.0, float(spec.size[0]), float(spec.size[1]))
    width = spec.width_mm - 2 * MARGIN
    mm = width / crop[2]
    legend = _legend(spec)
    legend += [("fill", str(colour), words) for colour, words in spec.key]
    lines = _in_lines(legend, width)
    foot = (FOOT_MM if spec.scale_bar else 0.0) + LEGEND_MM * len(lines) + (LEGEND_MM * 1.6 if spec.scale else 0.0)
    page = Page(spec, crop[3] * mm + foot + (1.0 if foot else 0.0))
    pixels, corner, size = _picture(spec, crop, width, check)
    x, y = MARGIN + (corner[0] - crop[0]) * mm, page.top + (corner[1] - crop[1]) * mm
    page.image(pixels, x, y, size[0] * mm, size[1] * mm)
    frame = Rectangle((MARGIN, page.top), width, crop[3] * mm, transform=page.axes.transData)
    page.images[-1].set_clip_path(frame)
    _boxes(page, spec, crop, mm, frame)
    at = page.top + crop[3] * mm
    if spec.scale_bar:
        page.scale_bar(MARGIN, at + 4.4, width, round(crop[2]), spec.pixel_size_A)
        at += FOOT_MM
    for line in lines:
        _write_legend(page, line, at + 3.2)
        at += LEGEND_MM
    if spec.scale:
        _write_scale(page, spec, at + 2.0)
    return page


def _picture(
    spec: MicrographSpec, crop: tuple[float, float, float, float], width_mm: float, check: Check
) -> tuple[NDArray[np.uint8], tuple[float, float], tuple[float, float]]:
    """Return pixels in colour, and their corner and size in pixels of the micrograph."""
    if spec.picture is None:
        grey = np.full((1, 1, 3), round(255 * EMPTY), np.uint8)
        return grey, (0.0, 0.0), (float(spec.size[0]), float(spec.size[1]))
    look = Look(0.0, spec.low_pass_px, spec.flat, spec.upside_down)
    shown = filtered(read_binned(spec.picture, spec.upside_down, check), look, 0.0)
    picture, unit, corner = shown.picture, shown.factor, (0.0, 0.0)
    wanted = width_mm * MM * spec.dpi
    if crop[2] / unit < wanted and unit > 1:
        finer = max(1, int(crop[2] / wanted))
        place = (int(crop[0]), int(crop[1])), (int(np.ceil(crop[2])) + 1, int(np.ceil(crop[3])) + 1), finer
        piece = piece_of(shown, place, {}, check)
        picture, unit, corner = piece.picture, piece.factor, (float(piece.x), float(piece.y))
    low, high = limits(shown.picture, spec.contrast)
    while crop[2] / unit > 2 * wanted:
        picture, unit = halved(picture), unit * 2
    size = (float(picture.shape[1] * unit), float(picture.shape[0] * unit))
    return painted(picture, low, high, spec.contrast), corner, size


def _boxes(
    page: Page, spec: MicrographSpec, crop: tuple[float, float, float, float], mm: float, frame: Rectangle
) -> None:
    offset = np.array([MARGIN - crop[0] * mm, page.top - crop[1] * mm])
    before, after = (np.array(v, float).reshape(-1, 2) * mm + offset for v in (spec.before, spec.after))
    edge = spec.box_px * mm
    own = [str(c) for c in spec.colours]
    thin = len(before) and len(after)
    for places, colour, points in ((before, BLUE, 0.5 if thin else 0.8), (after, ORANGE, 0.8)):
        for ink, line in ((EDGE, points + 0.7), (own or colour, points)):
            _outlines(page, places, edge, ink, line, spec.circles, frame)
    if spec.arrows and len(before) and len(after):
        way = (after - before) * spec.arrows
        lines = _arrows(before + 0.5 * mm, way)
        for ink, line in (("#000000", 1.5), ("#ffffff", 0.8)):
            _add(page, LineCollection(lines, colors=ink, linewidths=line, capstyle="round"), frame)
    crossed = (after if len(after) else before)[spec.outside]
    half = edge / 2
    cross = [[(x - half, y - s * half), (x + half, y + s * half)] for x, y in crossed.tolist() for s in (1, -1)]
    _add(page, LineCollection(cross, colors=RED, linewidths=0.9), frame)


def _outlines(page: Page, places: F64, edge: float, ink: Any, points: float, circles: bool, frame: Rectangle) -> None:
    good = np.flatnonzero(np.isfinite(places).all(axis=1))
    inks = [ink[i] for i in good] if isinstance(ink, list) else ink
    at = places[good]
    if not len(at):
        return
    if circles:
        sizes = np.full(len(at), edge)
        shapes: Any = EllipseCollection(
            sizes, sizes, np.zeros(len(at)), units="xy", offsets=at, transOffset=page.axes.transData,
            facecolors="none", edgecolors=inks, linewidths=points,
        )  # fmt: skip
    else:
        half = edge / 2
        ring = np.array([(-half, -half), (half, -half), (half, half), (-half, half), (-half, -half)])
        shapes = LineCollection(at[:, None] + ring[None], colors=inks, linewidths=points, joinstyle="miter")
    _add(page, shapes, frame)


def _add(page: Page, collection: Any, frame: Rectangle) -> None:
    page.axes.add_collection(collection, autolim=False)
    collection.set_clip_path(frame)


def _arrows(start: F64, way: F64, head_mm: float = 1.3) -> list[F64]:
    """Return shafts and heads, each a polyline; arrows without a length are left out."""
    length = np.hypot(*way.T)
    keep = np.isfinite(length) & (length > 0.05)
    start, way, length = start[keep], way[keep], length[keep]
    along = way / length[:, None]
    across = np.stack([-along[:, 1], along[:, 0]], axis=1)
    size = np.minimum(head_mm, 0.45 * length)[:, None]
    tip = start + way
    heads = np.stack([tip - size * (along - 0.55 * across), tip, tip - size * (along + 0.55 * across)], axis=1)
    return [*np.stack([start, tip], axis=1), *heads]


def _legend(spec: MicrographSpec) -> list[Entry]:
    """Return (kind, colour, words) of each thing that is drawn."""
    plain = not spec.colours
    out: list[Entry] = []
    if spec.before:
        out.append(("thin" if spec.after else "box", BLUE if plain else GREY_INK, spec.words[0]))
    if spec.after:
        out.append(("box", ORANGE if plain else GREY_INK, spec.words[1]))
    if spec.arrows and spec.before and spec.after:
        out.append(("arrow", INK, "shift" if spec.arrows == 1 else f"shift, drawn {spec.arrows:g} times longer"))
    if spec.outside:
        out.append(("cross", RED, "outside the micrograph"))
    return out


def _wide(words: str) -> float:
    return 3.6 + text_width_mm(words, 7) + 5.0


def _in_lines(legend: list[Entry], width: float) -> list[list[Entry]]:
    """Return the legend in lines that fit the width."""
    lines: list[list[Entry]] = []
    room = 0.0
    for entry in legend:
        if not lines or room < _wide(entry[2]) - 5.0:
            lines.append([])
            room = width
        lines[-1].append(entry)
        room -= _wide(entry[2])
    return lines


def _write_legend(page: Page, legend: list[Entry], y: float) -> None:
    x = MARGIN
    for kind, colour, words in legend:
        points = 0.6 if kind == "thin" else 1.0
        if kind == "arrow":
            for line in _arrows(np.array([[x, y - 0.9]]), np.array([[5.0, 0.0]])):
                page.axes.plot(*np.asarray(line).T, color=colour, linewidth=points)
            x += 2.8
        elif kind == "fill":
            page.image(np.array([[[int(colour[i : i + 2], 16) for i in (1, 3, 5)]]], np.uint8), x, y - 2.1, 2.4, 2.4)
        elif kind == "cross":
            for s in (1, -1):
                page.line((x, x + 2.4), (y - 0.9 - s * 1.2, y - 0.9 + s * 1.2), points, colour)
        else:
            page.axes.plot([x, x + 2.4, x + 2.4, x, x], [y - 2.1, y - 2.1, y + 0.3, y + 0.3, y - 2.1], color=colour,
                           linewidth=points)  # fmt: skip
        page.text(x + 3.6, y, words, 7)
        x += _wide(words)


def _write_scale(page: Page, spec: MicrographSpec, y: float) -> None:
    assert spec.scale is not None
    title, low, high = spec.scale
    ramp: F32 = np.linspace(DARKEST, 255, 256).astype(np.float32)
    page.image(colours(MAP)[ramp.astype(int)][None], MARGIN, y, 40.0, 2.2)
    page.text(MARGIN, y + 5.0, f"{low:.4g}", 6.5)
    page.text(MARGIN + 40.0, y + 5.0, f"{high:.4g}", 6.5, align="right")
    page.text(MARGIN + 42.5, y + 2.0, title, 7)
