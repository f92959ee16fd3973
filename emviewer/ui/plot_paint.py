"""The points of a plot as a picture, made from plain arrays, so that any thread can make it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PySide6.QtGui import QImage

from emviewer.ui.plot_scale import View, density_words
from emviewer.ui.sphere_paint import SELECTED, stamp

DENSE = 200_000
"""Points from which their density is drawn."""
QUICK = 20_000
"""Points up to which a picture takes less than a frame or two."""
FEW_SELECTED = 5_000
"""Selected points up to which each has a dot with an edge; more are drawn as one pixel each."""


@dataclass(frozen=True, eq=False)
class Points:
    """All that the picture depends on.

    Parameters
    ----------
    x, y : ndarray of float64, shape (n,)
        Values; NaN: not drawn.
    selected : ndarray of bool, shape (n,)
    view : View
        Ranges that are seen.
    shape : tuple of int
        Height and width in pixels.
    ratio : float
        Pixels a widget unit.
    plain, edge : int
        Colours of points and of the edge of selected ones, ARGB.
    """

    x: np.ndarray
    y: np.ndarray
    selected: np.ndarray
    view: View
    shape: tuple[int, int]
    ratio: float
    plain: int
    edge: int


def points_picture(points: Points) -> QImage:
    """Return the points, the selected ones over the others; of very many how dense they lie."""
    high, wide = points.shape
    v = points.view
    px = (points.x - v.x0) / (v.x1 - v.x0) * wide
    py = high - (points.y - v.y0) / (v.y1 - v.y0) * high
    with np.errstate(invalid="ignore"):
        seen = (px > -10) & (px < wide + 10) & (py > -10) & (py < high + 10)
    spots, chosen = np.column_stack([px[seen], py[seen]]), points.selected[seen]
    words = np.zeros(points.shape, np.uint32)
    if len(spots) > DENSE:
        inside = (spots >= 0).all(axis=1) & (spots < [wide, high]).all(axis=1)
        words = density_words(spots[inside], points.shape)
    else:
        radius = float(np.clip(40.0 / np.sqrt(max(1, len(points.x))), 1.2, 3.2)) * points.ratio
        stamp(words, spots[~chosen], np.full(int((~chosen).sum()), points.plain, np.uint32), radius)
    marked = spots[chosen]
    gold = np.full(len(marked), SELECTED.rgb() | 0xFF000000, np.uint32)
    if 0 < len(marked) <= FEW_SELECTED:
        stamp(words, marked, np.full(len(marked), points.edge, np.uint32), 4.4 * points.ratio)
        stamp(words, marked, gold, 3.4 * points.ratio)
    elif len(marked):
        stamp(words, marked, gold, 0.0)
    return QImage(words.data, wide, high, 4 * wide, QImage.Format.Format_ARGB32_Premultiplied).copy()
