"""The pictures a sphere of directions is made of: shaded ground, dots, density, symbols of symmetry axes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from PySide6.QtCore import QPointF
from PySide6.QtGui import QColor, QImage, QPainter, QPainterPath, QPolygonF

from emviewer.engine.symmetry import PointGroup
from emviewer.ui import colormaps
from emviewer.ui.sphere_projection import Projection

RASTER = 240
"""Pixels across at which the shading is evaluated."""
SELECTED = QColor(240, 190, 40)
FEW = 3_000
"""Up to this many directions the dots are painted twice as fine and shrunk, so that they are round."""
DENSE = 20_000
"""From this many directions on their density, or the mean of their values, is drawn instead of dots."""
ROOMY = 90.0
"""Radius of a sphere in widget units below which its dots shrink with it."""
CELL = 4
"""Pixels a cell of such a picture."""
FAINTEST = 0.3
"""How strongly a cell is tinted in which few of the directions are selected."""


@dataclass(frozen=True, eq=False)
class Scene:
    """All that a picture of directions depends on, so that any thread can make it.

    Parameters
    ----------
    projection : Projection
        How the sphere is seen.
    size : tuple of float
        Width and height in widget units.
    radius : float
        Widget units of a flat unit.
    ratio : float
        Pixels a widget unit.
    directions : ndarray of float64, shape (n, 3)
    values : ndarray of float, shape (n,), or None
        Their colours; NaN: as without values.
    selected : ndarray of int64
        Indices of those that are marked.
    span : (float, float) or None
        Values of the first and last colour; None: the 1 and 99 percentile.
    ink : int
        Colour of dots without a value, ARGB.
    """

    projection: Projection
    size: tuple[float, float]
    radius: float
    ratio: float
    directions: np.ndarray
    values: np.ndarray | None
    selected: np.ndarray
    span: tuple[float, float] | None
    ink: int

    def spots(self) -> tuple[np.ndarray, np.ndarray]:
        """Return where the directions are seen, in pixels (n, 2), and which are on the near side (n,)."""
        flat, visible = self.projection.flat(self.directions)
        x = self.size[0] / 2 + self.radius * flat[:, 0]
        y = self.size[1] / 2 - self.radius * flat[:, 1]
        return np.column_stack([x, y]) * self.ratio, visible

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return max(1, round(self.size[1] * self.ratio)), max(1, round(self.size[0] * self.ratio))


def dots(scene: Scene) -> tuple[QImage, tuple[float, float] | None]:
    """Return the directions as a picture, and the values of its end colours (None: there are no colours)."""
    spots, visible = scene.spots()
    if len(spots) <= DENSE:
        return _stamped(scene, spots, visible)
    values, shape = scene.values, scene.shape
    if values is not None:
        words, span = mean_values(spots[visible], values[visible], shape)
    else:
        words, span = density(spots[visible], scene.projection.area(scene.directions[visible]), shape), None
    return _as_image(_tinted(words, scene, spots, visible)), span


def span_of(values: np.ndarray) -> tuple[float, float] | None:
    """Return the 1 and 99 percentile of the numbers among values, None if there is none."""
    finite = values[np.isfinite(values)]
    if not len(finite):
        return None
    low, high = (float(v) for v in np.percentile(finite, (1, 99)))
    return low, high


def _stamped(scene: Scene, spots: np.ndarray, visible: np.ndarray) -> tuple[QImage, tuple[float, float] | None]:
    """Return a dot for each direction; the selected ones larger, in gold with a dark edge."""
    words = np.zeros(scene.shape, np.uint32)
    colour = np.full(len(spots), scene.ink, np.uint32)
    span = None
    if scene.values is not None:
        span = scene.span or span_of(scene.values)
    if span is not None and scene.values is not None:
        finite = np.isfinite(scene.values)
        level = (scene.values[finite] - span[0]) / max(1e-12, span[1] - span[0]) * 255
        colour[finite] = colormaps.table("viridis")[np.clip(level, 0, 255).astype(np.uint8)]
    ratio = scene.ratio
    small = min(1.0, scene.radius / ROOMY)
    radius = max(1.2, float(np.clip(60.0 / np.sqrt(max(1, len(spots))), 1.2, 4.0)) * small) * ratio
    stamp(words, spots[visible], colour[visible], radius)
    show = np.zeros(len(spots), bool)
    show[scene.selected] = True
    show &= visible
    if show.any():
        stamp(words, spots[show], np.full(int(show.sum()), scene.ink, np.uint32), radius + 2.2 * small * ratio)
        gold = np.full(int(show.sum()), SELECTED.rgb() | 0xFF000000, np.uint32)
        stamp(words, spots[show], gold, radius + 1.2 * small * ratio)
    return _as_image(words), span


def _tinted(words: np.ndarray, scene: Scene, spots: np.ndarray, visible: np.ndarray) -> np.ndarray:
    """Return cells mixed with gold, the more of their directions are selected the stronger."""
    if not len(scene.selected):
        return words
    show = np.zeros(len(spots), bool)
    show[scene.selected] = True
    here = cells_of(spots[visible], scene.shape)
    every = np.bincount(here, minlength=words.size)
    share = np.bincount(here, show[visible], minlength=words.size) / np.maximum(1, every)
    weight = np.where(share > 0, FAINTEST + (1 - FAINTEST) * share, 0.0).reshape(words.shape)
    out = np.where(words > 0, np.uint32(0xFF000000), np.uint32(0))
    for bits, gold in ((16, SELECTED.red()), (8, SELECTED.green()), (0, SELECTED.blue())):
        own = ((words >> bits) & 0xFF).astype(float)
        mixed = (own + weight * (gold - own)).astype(np.uint32)
        out |= np.where(words > 0, mixed << bits, 0).astype(np.uint32)
    return out


def cells_of(spots: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Return the number of the cell in which each spot (n, 2) lies, cells counted along rows."""
    high, wide = -(-shape[0] // CELL), -(-shape[1] // CELL)
    x = np.clip((spots[:, 0] / CELL).astype(int), 0, wide - 1)
    y = np.clip((spots[:, 1] / CELL).astype(int), 0, high - 1)
    return y * wide + x


def _as_image(words: np.ndarray) -> QImage:
    """Return ARGB words (h, w) as a picture of its own."""
    words = np.ascontiguousarray(words, np.uint32)
    high, wide = words.shape
    return QImage(words.data, wide, high, 4 * wide, QImage.Format.Format_ARGB32_Premultiplied).copy()


@lru_cache(maxsize=2)
def _grid(half_height: float) -> tuple[np.ndarray, np.ndarray, np.ndarray, tuple[int, int]]:
    """Return flat points on the sphere, their places in the picture, how they are lit, and the picture's shape."""
    high, wide = max(1, round(RASTER * half_height)), RASTER
    x = (np.arange(wide) + 0.5) / wide * 2 - 1
    y = 1 - (np.arange(high) + 0.5) / high * 2
    square = x[None, :] ** 2 + y[:, None] ** 2
    rows, columns = np.nonzero(square <= 1.0)
    flat = np.column_stack([x[columns], y[rows] * half_height])
    lit = 0.78 + 0.22 * np.sqrt(1.0 - square[rows, columns]) if half_height == 1.0 else np.ones(len(flat))
    return flat, rows * wide + columns, lit, (high, wide)


def shading(projection: Projection, group: PointGroup | None, light: bool) -> QImage:
    """Return the sphere with the asymmetric unit tinted, transparent outside, :data:`RASTER` pixels wide."""
    flat, place, lit, (high, wide) = _grid(projection.half_height)
    base, tint = ((236, 239, 243), (176, 211, 240)) if light else ((44, 48, 55), (36, 82, 122))
    grey, blue = (
        sum((lit * c).astype(np.uint32) << k for c, k in zip(rgb, (16, 8, 0), strict=True)) for rgb in (base, tint)
    )
    colour = grey
    if group is not None and group.order > 1:
        colour = np.where(group.in_asymmetric_unit(projection.sphere(flat)[0]), blue, grey)
    words = np.zeros(high * wide, np.uint32)
    words[place] = colour | 0xFF000000
    return QImage(words.data, wide, high, 4 * wide, QImage.Format.Format_ARGB32_Premultiplied).copy()


def stamp(words: np.ndarray, spots: np.ndarray, colours: np.ndarray, radius: float) -> None:
    """Paint round dots into uint32 (h, w); ``spots`` (n, 2) are (x, y) in pixels."""
    reach = int(np.ceil(radius))
    x, y = np.floor(spots[:, 0]).astype(int), np.floor(spots[:, 1]).astype(int)
    for dy in range(-reach, reach + 1):
        for dx in range(-reach, reach + 1):
            if dx * dx + dy * dy <= radius * radius + 0.3:
                px, py = x + dx, y + dy
                ok = (px >= 0) & (py >= 0) & (px < words.shape[1]) & (py < words.shape[0])
                words[py[ok], px[ok]] = colours[ok]


def density(spots: np.ndarray, weights: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Return how dense directions lie, square-root scaled, as ARGB words of one a cell.

    Parameters
    ----------
    spots : ndarray, shape (n, 2)
        Where they are seen, in pixels.
    weights : ndarray, shape (n,)
        Flat area of a unit of solid angle there, so that evenly spread directions give an even picture.
    shape : tuple of int
        Height and width in pixels.
    """
    cells = (-(-shape[0] // CELL), -(-shape[1] // CELL))
    dense = np.bincount(cells_of(spots, shape), weights, minlength=cells[0] * cells[1]).reshape(cells)
    full = np.percentile(dense[dense > 0], 99.5) if len(spots) else 1.0
    level = np.sqrt(np.minimum(1.0, dense / full))
    words = colormaps.table("viridis")[(level * 255).astype(np.uint8)]
    return np.where(dense > 0, words, 0).astype(np.uint32)


def mean_values(
    spots: np.ndarray, values: np.ndarray, shape: tuple[int, int]
) -> tuple[np.ndarray, tuple[float, float] | None]:
    """Return the mean value of the directions in each cell as ARGB words, and the values of their end colours.

    Parameters
    ----------
    spots : ndarray, shape (n, 2)
        Where directions are seen, in pixels.
    values : ndarray, shape (n,)
        A score of each; NaN does not count.
    shape : tuple of int
        Height and width in pixels.
    """
    cells = (-(-shape[0] // CELL), -(-shape[1] // CELL))
    known = np.isfinite(values)
    here, values = cells_of(spots[known], shape), values[known]
    count = np.bincount(here, minlength=cells[0] * cells[1])
    total = np.bincount(here, values, minlength=cells[0] * cells[1])
    seen = count > 0
    words = np.zeros(cells[0] * cells[1], np.uint32)
    span = None
    if seen.any():
        mean = total[seen] / count[seen]
        low, high = (float(v) for v in np.percentile(mean, (1, 99)))
        span = (low, high)
        level = np.clip((mean - low) / max(1e-12, high - low) * 255, 0, 255).astype(np.uint8)
        words[seen] = colormaps.table("viridis")[level]
    return words.reshape(cells), span


def paint_fold(painter: QPainter, fold: int, at: QPointF, size: float) -> None:
    """Draw the crystallographers' symbol of a rotation axis: lens, triangle, square, pentagon, hexagon … ."""
    if fold == 2:
        path = QPainterPath()
        path.moveTo(at + QPointF(0, -size * 1.2))
        path.quadTo(at + QPointF(size * 1.1, 0), at + QPointF(0, size * 1.2))
        path.quadTo(at + QPointF(-size * 1.1, 0), at + QPointF(0, -size * 1.2))
        painter.drawPath(path)
        return
    angles = -np.pi / 2 + 2 * np.pi * np.arange(fold) / fold + (np.pi / 4 if fold == 4 else 0.0)
    grow = size * (1.15 if fold < 5 else 1.05)
    painter.drawPolygon(QPolygonF([at + QPointF(grow * np.cos(a), grow * np.sin(a)) for a in angles]))
