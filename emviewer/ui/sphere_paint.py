"""The pictures a sphere of directions is made of: shaded ground, dots, density, symbols of symmetry axes."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from PySide6.QtCore import QPointF
from PySide6.QtGui import QImage, QPainter, QPainterPath, QPolygonF

from emviewer.engine.symmetry import PointGroup
from emviewer.ui import colormaps
from emviewer.ui.sphere_projection import Projection

RASTER = 240
"""Pixels across at which the shading is evaluated."""


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


def density(spots: np.ndarray, weights: np.ndarray, shape: tuple[int, int], cell: int = 4) -> QImage:
    """Return how dense directions lie, square-root scaled, as a picture of one pixel a cell.

    Parameters
    ----------
    spots : ndarray, shape (n, 2)
        Where they are seen, in pixels.
    weights : ndarray, shape (n,)
        Flat area of a unit of solid angle there, so that evenly spread directions give an even picture.
    shape : tuple of int
        Height and width in pixels.
    cell : int
        Pixels a cell.
    """
    high, wide = -(-shape[0] // cell), -(-shape[1] // cell)
    x = np.clip((spots[:, 0] / cell).astype(int), 0, wide - 1)
    y = np.clip((spots[:, 1] / cell).astype(int), 0, high - 1)
    dense = np.bincount(y * wide + x, weights, minlength=high * wide).reshape(high, wide)
    full = np.percentile(dense[dense > 0], 99.5) if len(spots) else 1.0
    level = np.sqrt(np.minimum(1.0, dense / full))
    words = colormaps.table("viridis")[(level * 255).astype(np.uint8)]
    words = np.ascontiguousarray(np.where(dense > 0, words, 0).astype(np.uint32))
    return QImage(words.data, wide, high, 4 * wide, QImage.Format.Format_ARGB32_Premultiplied).copy()


def mean_values(
    spots: np.ndarray, values: np.ndarray, shape: tuple[int, int], cell: int = 4
) -> tuple[QImage, tuple[float, float] | None]:
    """Return the mean value of the directions that lie in each cell, as a picture, and the values of its end colours.

    Parameters
    ----------
    spots : ndarray, shape (n, 2)
        Where directions are seen, in pixels.
    values : ndarray, shape (n,)
        A score of each; NaN does not count.
    shape : tuple of int
        Height and width in pixels.
    cell : int
        Pixels a cell.
    """
    high, wide = -(-shape[0] // cell), -(-shape[1] // cell)
    known = np.isfinite(values)
    spots, values = spots[known], values[known]
    x = np.clip((spots[:, 0] / cell).astype(int), 0, wide - 1)
    y = np.clip((spots[:, 1] / cell).astype(int), 0, high - 1)
    count = np.bincount(y * wide + x, minlength=high * wide)
    total = np.bincount(y * wide + x, values, minlength=high * wide)
    seen = count > 0
    words = np.zeros(high * wide, np.uint32)
    span = None
    if seen.any():
        mean = total[seen] / count[seen]
        low, high_value = (float(v) for v in np.percentile(mean, (1, 99)))
        span = (low, high_value)
        level = np.clip((mean - low) / max(1e-12, high_value - low) * 255, 0, 255).astype(np.uint8)
        words[seen] = colormaps.table("viridis")[level]
    image = QImage(words.data, wide, high, 4 * wide, QImage.Format.Format_ARGB32_Premultiplied).copy()
    return image, span


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
