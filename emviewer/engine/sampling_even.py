"""Even directions modulo a point group: a spiral in the asymmetric unit, mended by true distances.

A Fibonacci spiral that closes on itself around the main axis is laid through the asymmetric unit. Where it meets its
own symmetry copies badly, points that are too close are taken out, and then every hole that is too large gets a point
in its middle, until there is none. Both guarantees therefore hold by construction: whatever is put into a hole is far
from all others, and the work ends only when no hole is left.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from emviewer.engine.conventions import F64
from emviewer.engine.sampling_cover import region_holes, spread, thinned
from emviewer.engine.sampling_region import WHOLE_SPHERE, Region
from emviewer.engine.symmetry import PointGroup
from emviewer.engine.task import Check, never

MAX_HOLE = 0.745
"""Largest covering radius in steps; the promise is 0.75."""

MAX_EDGE_HOLE, EDGE_SPACING = 0.72, 0.05
"""On the edge of a range, distances to the nearest view are watched at points this far apart (in steps)."""

GAPS = (0.74, 0.62, 1.3, 1.0)
"""Smallest separations of the seeds in steps, in the order in which they are tried; the promise is 0.6."""

MANY = 5_000
"""With more points than this on the whole sphere one start is enough."""


def even_directions(step: float, group: PointGroup, region: Region, check: Check = never) -> F64:
    """Return directions (n, 3) spread evenly modulo the group over the region.

    Parameters
    ----------
    step : float
        Radians. Every direction of the region has a view within 0.75 steps, no two views are nearer than 0.6 steps.
    group : PointGroup
        All elements count.
    region : Region
        Directions with an equivalent inside are wanted.
    check : callable
        Called between steps of which the longest takes 3 s at 0.5° and 0.7 s at 1°.

    Returns
    -------
    ndarray of float64, shape (n, 3)
        In the asymmetric unit, unless it and the region only meet elsewhere.
    """
    if region.is_whole_sphere:
        return _best(step, group, region, check)
    seeds = spiral_in_unit(float(np.sqrt(4 * np.pi / group.order / 500)), 0.5, group)
    if group.order > 1 and region.first_inside(seeds, group)[1].all():
        whole = _best(step, group, WHOLE_SPHERE, check)
        if region.first_inside(whole, group)[1].all() and not len(_too_wide(whole, step, group, region)):
            return whole
    return _best(step, group, region, check)


def _best(step: float, group: PointGroup, region: Region, check: Check) -> F64:
    best: F64 | None = None
    for seeds, gap in _starts(step, group, region):
        check()
        mended = _mended(thinned(seeds, group, gap * step), step, group, region, check)
        if best is None or len(mended) < len(best):
            best = mended
    assert best is not None
    return best


def _starts(step: float, group: PointGroup, region: Region) -> Iterator[tuple[F64, float]]:
    """Yield seeds and the smallest separation to begin with; one for fine steps, up to 36 for coarse ones."""
    if region.is_thin:
        yield region.edge_points(float(np.rad2deg(step))), GAPS[1]
        return
    points = max(4 * np.pi / step**2, group.order * float(group.unit_edge_lengths.max(initial=0.0)) / step)
    tries = 1 if points > MANY else int(np.clip(10_000 / points, 4, 36))
    if points > MANY:
        starts = [(1.06, 0.5, GAPS[1])]
    else:
        starts = [(d, s, g) for s in (0.5, 0.2, 0.8) for d in (0.95, 1.06, 0.85) for g in GAPS][:tries]
    for density, shift, gap in starts:
        seeds = spiral_in_unit(step / np.sqrt(density), shift, group)
        if not region.is_whole_sphere:
            seeds = seeds[region.first_inside(seeds, group)[1]]
        yield seeds, gap


def spiral_in_unit(spacing: float, shift: float, group: PointGroup) -> F64:
    """Return a Fibonacci spiral in the asymmetric unit with one point in ``spacing ** 2`` steradian, shape (n, 3).

    Around the main axis it has the period of the wedge, so that it goes on smoothly across the sides of the unit; the
    golden ratio keeps its points apart however the wedge narrows towards the axis. ``shift`` in 0…1 slides the points
    along the axis.
    """
    c1, c2, c3 = group.unit_frame
    width = 2 * np.pi / group.wedges
    count = max(1, round(2 * width / spacing**2))
    i = np.arange(count)
    height = 1 - 2 * (i + shift) / count
    azimuth = width * ((i * 0.6180339887498949) % 1.0 - 0.5)
    sine = np.sqrt(np.maximum(0.0, 1 - height * height))
    points = np.outer(sine * np.cos(azimuth), c2) + np.outer(sine * np.sin(azimuth), c3) + np.outer(height, c1)
    return np.asarray(points[group.in_asymmetric_unit(points)])


def _mended(directions: F64, step: float, group: PointGroup, region: Region, check: Check) -> F64:
    """Return the directions, in the asymmetric unit, with a point put into every hole wider than the limit."""
    if not len(directions):
        directions = (group.unit_middle if region.is_whole_sphere else region.inner_points(360.0)[0])[None]
    while True:
        check()
        new = _too_wide(directions, step, group, region)
        if not len(new):
            return group.to_asymmetric_unit(directions)
        directions = np.concatenate([directions, spread(new, group, MAX_EDGE_HOLE * step)])


def _too_wide(directions: F64, step: float, group: PointGroup, region: Region) -> F64:
    """Return the middles of the holes that are too wide, the deepest first."""
    watch = None if region.is_whole_sphere else region.edge_points(float(np.rad2deg(EDGE_SPACING * step)))
    centres, radii = region_holes(directions, group, region, watch)
    limit = np.full(len(radii), MAX_HOLE * step)
    if watch is not None:
        limit[len(radii) - len(watch) :] = MAX_EDGE_HOLE * step
    wide = np.flatnonzero(radii > limit)
    return centres[wide[np.argsort(-np.round(radii[wide], 9), kind="stable")]]
