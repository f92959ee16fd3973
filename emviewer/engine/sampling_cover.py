"""How well directions cover the sphere modulo a point group: the largest holes and the closest pairs.

The holes come from the convex hull of the directions and all their symmetry copies: its facets are the Delaunay
triangles on the sphere, their circumcentres the points farthest from all directions around. No grid of probes is
involved where the hull encloses the origin, so the covering radius is exact to rounding.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from emviewer.engine.conventions import F64
from emviewer.engine.sampling_region import Region
from emviewer.engine.symmetry import PointGroup

_PROBES = 6_000
"""Probes on the whole sphere, 2.6° apart, used when the directions do not surround it."""

_NARROW = 0.35
"""Radians; an empty cap narrower than the margin around the unit needs no copies from beyond it to be known."""

_SAME = 1e-7
"""Chord below which two copies are one point."""


def copies_of(directions: F64, group: PointGroup) -> F64:
    """Return all distinct copies (m, 3) of directions (n, 3), the given ones first."""
    points = group.copies(directions).reshape(-1, 3)
    return points if group.order == 1 else _distinct(points)


def _copies_near_unit(directions: F64, group: PointGroup, margin: float) -> F64:
    """Return the distinct copies within a margin (radians) of the asymmetric unit, and perhaps some more."""
    d = group.to_asymmetric_unit(directions)
    near = [copy[group.touches_asymmetric_unit(copy, margin)] for copy in (d @ g.T for g in group.operations)]
    return _distinct(np.concatenate(near))


def _distinct(points: F64) -> F64:
    pairs = _tree(points).query_pairs(_SAME, output_type="ndarray")
    keep = np.ones(len(points), bool)
    keep[pairs.max(axis=1)] = False
    return points[keep]


def _tree(points: F64) -> Any:
    from scipy.spatial import cKDTree  # costs 0.2 s, and a spiral needs none of it

    return cKDTree(points)


def spiral(n: int) -> F64:
    """Return ``n`` directions (n, 3) along the Fibonacci spiral, from +z to -z."""
    i = np.arange(n)
    z = 1 - (2 * i + 1) / max(n, 1)
    azimuth = 2 * np.pi * ((i * 0.6180339887498949) % 1.0)
    sine = np.sqrt(1 - z * z)
    return np.stack([sine * np.cos(azimuth), sine * np.sin(azimuth), z], axis=1)


def holes(points: F64) -> tuple[F64, F64]:
    """Return the centres and angular radii of the empty caps between points on the sphere.

    Parameters
    ----------
    points : ndarray of float64, shape (m, 3)
        Distinct unit vectors, copies included.

    Returns
    -------
    centres : ndarray of float64, shape (h, 3)
        Circumcentres of the Delaunay triangles; none if all points lie on one circle.
    radii : ndarray of float64, shape (h,)
        Radians. Where all are below 90°, no direction is farther from the points than the largest.
    """
    from scipy.spatial import ConvexHull, QhullError  # costs 0.2 s, and a spiral needs none of it

    try:
        equations = ConvexHull(points).equations
    except (QhullError, ValueError):
        return np.empty((0, 3)), np.empty(0)
    return equations[:, :3], np.arccos(np.clip(-equations[:, 3], -1, 1))


def region_holes(directions: F64, group: PointGroup, region: Region, watch: F64 | None) -> tuple[F64, F64]:
    """Return the holes of a region: those of :func:`holes` whose centres lie in it, and its edge.

    Parameters
    ----------
    directions : ndarray of float64, shape (n, 3)
        Unit vectors; their copies are made here.
    group : PointGroup
        Of a whole sphere only the asymmetric unit with its edges is looked at.
    region : Region
        Where holes matter.
    watch : ndarray of float64, shape (w, 3), or None
        Points along the edge of the region; None for the whole sphere. Between them a hole may be deeper by half
        their spacing.

    Returns
    -------
    centres : ndarray of float64, shape (h, 3)
    radii : ndarray of float64, shape (h,)
        Radians, those of ``watch`` last. Where a hole is wider than 80° or all points lie on one circle, probes 2.6°
        apart are among them, so that the largest may be 1.8° too small.
    """
    margin = 4 * float(np.sqrt(4 * np.pi / (len(directions) * group.order)))
    if watch is None and group.order > 1 and margin < _NARROW:
        centres, radii = holes(_copies_near_unit(directions, group, margin))
        inside = group.touches_asymmetric_unit(centres)
        if inside.any() and radii[inside].max() <= margin:
            return centres[inside], radii[inside]
    points = copies_of(directions, group)
    centres, radii = holes(points)
    inside = group.touches_asymmetric_unit(centres) if watch is None else region.angles_inside(centres)[1]
    centres, radii = centres[inside], radii[inside]
    extra = []
    if not len(radii) or radii.max() > np.deg2rad(80):
        probes = spiral(_PROBES)
        probes = np.concatenate([probes[group.touches_asymmetric_unit(probes)], group.unit_frame[:1]])
        extra.append(probes if watch is None else region.inner_points(2.6))
    if watch is not None:
        extra.append(watch)
    for more in extra:
        centres = np.concatenate([centres, more])
        radii = np.concatenate([radii, chord_angle(np.asarray(_tree(points).query(more)[0]))])
    return centres, radii


def chord_angle(chord: F64) -> F64:
    """Return the angle in radians of chords of the unit sphere."""
    return np.asarray(2 * np.arcsin(np.minimum(np.asarray(chord) / 2, 1.0)))


def angle_chord(angle: float) -> float:
    """Return the chord of the unit sphere over an angle in radians."""
    return float(2 * np.sin(min(angle, np.pi) / 2))


def closest_pair(directions: F64, group: PointGroup) -> float:
    """Return the smallest angle in radians between two different directions (n, 3) modulo the group.

    Copies of one direction do not count against itself, however near an axis it lies; infinity for fewer than two.
    """
    n = len(directions)
    if n < 2:
        return float("inf")
    points = group.copies(directions).reshape(-1, 3)
    labels = np.tile(np.arange(n), group.order)
    tree = _tree(points)
    best, rows, k = float("inf"), np.arange(n), min(4, len(points))
    while len(rows):
        chord, index = (np.asarray(a) for a in tree.query(directions[rows], k=k))
        other = labels[index] != rows[:, None]
        if other.any():
            best = min(best, float(chord[other].min()))
        undecided = ~other.any(axis=1) & (chord[:, -1] < best)
        rows, k = rows[undecided], min(4 * k, len(points))
    return float(chord_angle(np.array(best)))


def thinned(directions: F64, group: PointGroup, min_angle: float) -> F64:
    """Return the directions without those nearer than ``min_angle`` (radians) to an earlier one modulo the group."""
    n = len(directions)
    if n < 2:
        return directions
    points = group.copies(directions).reshape(-1, 3)
    reach = angle_chord(min_angle) * (1 - 1e-12)
    close = _tree(directions).sparse_distance_matrix(_tree(points), reach, output_type="coo_matrix")
    earlier, later = close.row, close.col % n
    ordered = np.flatnonzero(earlier < later)
    ordered = ordered[np.argsort(earlier[ordered], kind="stable")]
    keep = np.ones(n, bool)
    for i, j in zip(earlier[ordered].tolist(), later[ordered].tolist(), strict=True):
        if keep[i]:
            keep[j] = False
    return directions[keep]


def spread(candidates: F64, group: PointGroup, min_angle: float) -> F64:
    """Return candidates (n, 3), first come first taken, no two nearer than ``min_angle`` (radians) modulo the group.

    The same as :func:`thinned`, for many candidates of which few are taken.
    """
    tree = _tree(candidates)
    free = np.ones(len(candidates), bool)
    taken: list[int] = []
    reach = angle_chord(min_angle) * (1 - 1e-12)
    for i in range(len(candidates)):
        if free[i]:
            taken.append(i)
            for near in tree.query_ball_point(group.operations @ candidates[i], reach):
                free[near] = False
    return candidates[taken]
