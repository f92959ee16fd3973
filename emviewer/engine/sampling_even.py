"""Even directions modulo a point group: a spiral in the asymmetric unit, mended by true distances.

A Fibonacci spiral that closes on itself around the main axis is laid through the asymmetric unit. Where it meets its
own symmetry copies badly, points that are too close are taken out, and then every hole that is too large gets a point
in its middle, until there is none. Both guarantees therefore hold by construction: whatever is put into a hole is far
from all others, and the work ends only when no hole is left.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from emviewer.engine.conventions import F64
from emviewer.engine.sampling_cover import copies_of, region_holes, thinned
from emviewer.engine.sampling_region import Region
from emviewer.engine.symmetry import PointGroup

MAX_HOLE = 0.745
"""Largest covering radius in steps; the promise is 0.75."""

MIN_GAPS = (0.62, 0.74, 1.0, 1.3)
"""Smallest separations in steps that are tried; the promise is 0.6."""

MANY = 5_000
"""With fewer points on the sphere than this, several starts are compared and the one with fewest views is taken."""

_EDGE_SPACING = 0.02
"""Spacing in steps of the points that watch over the edge of a range."""


def even_directions(step: float, group: PointGroup, region: Region) -> F64:
    """Return directions (n, 3) spread evenly modulo the group over the region.

    Parameters
    ----------
    step : float
        Radians. Every direction of the region has a view within 0.75 steps, no two views are nearer than 0.6 steps.
    group : PointGroup
        All elements count.
    region : Region
        Directions with an equivalent inside are wanted.

    Returns
    -------
    ndarray of float64, shape (n, 3)
        In the asymmetric unit, unless it and the region only meet elsewhere.
    """
    best: F64 | None = None
    for seeds, gap in _starts(step, group, region):
        mended = _mended(thinned(seeds, group, gap * step), step, group, region)
        if best is None or len(mended) < len(best):
            best = mended
    assert best is not None
    return best


def _starts(step: float, group: PointGroup, region: Region) -> Iterator[tuple[F64, float]]:
    """Yield seeds and the smallest separation to begin with; one for fine steps, several for coarse ones."""
    many = 4 * np.pi / step**2 > MANY
    for density in (1.06,) if many else (0.85, 0.95, 1.06):
        for shift in (0.5,) if many else (0.5, 0.2, 0.8):
            seeds = _spiral_in_unit(step / np.sqrt(density), shift, group)
            if not region.is_whole_sphere:
                seeds = seeds[region.first_inside(seeds, group)[1]]
            for gap in MIN_GAPS[:1] if many else MIN_GAPS:
                yield seeds, gap


def _spiral_in_unit(spacing: float, shift: float, group: PointGroup) -> F64:
    """Return a Fibonacci spiral in the asymmetric unit with one point in ``spacing ** 2`` steradian.

    Around the main axis it has the period of the wedge, so that it goes on smoothly across the sides of the unit; the
    golden ratio keeps its points apart however the wedge narrows towards the axis.
    """
    c1, c2, c3 = group.unit_frame
    width = 2 * np.pi / group.wedges
    count = max(1, round(2 * width / spacing**2))
    i = np.arange(count)
    height = 1 - 2 * (i + shift) / count
    azimuth = width * ((i * 0.6180339887498949) % 1.0 - 0.5)
    sine = np.sqrt(np.maximum(0.0, 1 - height * height))
    points = np.outer(sine * np.cos(azimuth), c2) + np.outer(sine * np.sin(azimuth), c3) + np.outer(height, c1)
    return points[group.in_asymmetric_unit(points)]


def _mended(directions: F64, step: float, group: PointGroup, region: Region) -> F64:
    """Return the directions with a point put into every hole wider than the limit."""
    limit = MAX_HOLE * step
    watch = None if region.is_whole_sphere else region.edge_points(np.rad2deg(_EDGE_SPACING * step))
    while True:
        if not len(directions):
            first = group.unit_middle if region.is_whole_sphere else region.inner_points(360.0)[0]
            directions = first[None]
        centres, radii = region_holes(copies_of(directions, group), group, region, watch)
        too_wide = radii > limit
        if not too_wide.any():
            return group.to_asymmetric_unit(directions)
        order = np.argsort(-np.round(radii[too_wide], 9), kind="stable")
        new = centres[too_wide][order]
        directions = np.concatenate([directions, thinned(new[_first_of_each(new)], group, limit)])


def _first_of_each(points: F64) -> NDArray[np.int64]:
    """Return the rows (ascending) of points (n, 3) that are not repeated earlier to six digits."""
    return np.sort(np.unique(np.round(points, 6) + 0.0, axis=0, return_index=True)[1])
