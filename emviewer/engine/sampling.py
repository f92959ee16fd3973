"""Which views to make: lists of Euler angles (rot, tilt, psi in degrees) over the sphere, modulo a point group.

:func:`even` is the one to use; :func:`healpix` and :func:`xmipp` are grids that other programs make. Directions are
reduced by the whole group (see :mod:`emviewer.engine.symmetry`).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from emviewer.engine.conventions import F64, directions_from_angles, matrix_to_euler
from emviewer.engine.errors import ParameterError
from emviewer.engine.rotations import random_rotations, super_fibonacci
from emviewer.engine.sampling_cover import closest_pair, region_holes
from emviewer.engine.sampling_even import MANY, even_directions, spiral_in_unit
from emviewer.engine.sampling_lists import (
    Steps,
    grid_ranges,
    healpix_nside,
    healpix_pixels,
    tilt_series,
    with_psi,
)
from emviewer.engine.sampling_region import Region
from emviewer.engine.sampling_xmipp import xmipp_angles
from emviewer.engine.symmetry import PointGroup, point_group
from emviewer.engine.task import Check, never

__all__ = [
    "Count",
    "Steps",
    "count",
    "even",
    "even_rotations",
    "grid_ranges",
    "healpix",
    "healpix_pixels",
    "quality",
    "random",
    "tilt_series",
    "with_psi",
    "xmipp",
]

Range = tuple[float, float]
ALL_ROT: Range = (0.0, 360.0)
ALL_TILT: Range = (0.0, 180.0)
MIN_STEP_DEG, MAX_STEP_DEG = 0.2, 90.0


class Count(NamedTuple):
    """A number of views, and whether it is exact or a forecast."""

    views: int
    exact: bool


def even(
    step_deg: float,
    group: PointGroup | str = "C1",
    rot_range: Range = ALL_ROT,
    tilt_range: Range = ALL_TILT,
    *,
    check: Check = never,
) -> F64:
    """Return evenly spread views, one for each symmetry orbit.

    Parameters
    ----------
    step_deg : float
        Distance of neighbouring views, 0.2 to 90; there is about one view in ``step**2`` square degrees.
    group : PointGroup or str
        Views are spread modulo all elements of the group.
    rot_range, tilt_range : tuple of float
        Degrees; a view with an equivalent in the range is given as that equivalent, one without is left out. The rot
        range may cross 0 (``(350, 370)``, ``(-10, 10)``), the tilt range may be negative.
    check : callable
        Called now and then; may raise.

    Returns
    -------
    ndarray of float64, shape (n, 3)
        rot, tilt, psi = 0; sorted by tilt. The same arguments give the same list.

    Raises
    ------
    ParameterError
        For a step out of bounds or a range upside down.

    Notes
    -----
    Every direction (of the range) has a view within 0.75 steps, and no two views are nearer than 0.6 steps, both
    modulo the group. Measured over all groups and 1…90°: see benchmarks/RESULTS.md.
    """
    group = _group(group)
    _check_step(step_deg)
    region = Region.of(rot_range, tilt_range)
    key = (float(step_deg), group, region)
    views = _KEPT.get(key)
    if views is None:
        directions = even_directions(float(np.deg2rad(step_deg)), group, region, check)
        views = _KEPT[key] = _sorted_angles(region.first_inside(directions, group)[0])
        while len(_KEPT) > _MOST_KEPT:
            _KEPT.pop(next(iter(_KEPT)), None)
    return views.copy()


_KEPT: dict[tuple[float, PointGroup, Region], F64] = {}
"""The last lists that were made; groups by name are one object each."""
_MOST_KEPT = 32


def healpix(
    step_deg: float, group: PointGroup | str = "C1", rot_range: Range = ALL_ROT, tilt_range: Range = ALL_TILT
) -> F64:
    """Return the pixel centres of HEALPix that lie in the asymmetric unit.

    Parameters
    ----------
    step_deg : float
        Pixels are no wider than this: 58.63° / nside, any nside. 30, 15, 7.5, 3.7° are RELION's orders 1 to 4.
    group, rot_range, tilt_range
        As for :func:`even`.

    Returns
    -------
    ndarray of float64, shape (n, 3)
        rot, tilt, psi = 0; sorted by tilt. The pixels are not symmetric themselves, so that views may lie close to
        each other's copies along the edges of the asymmetric unit; :func:`quality` says how close.
    """
    group = _group(group)
    _check_step(step_deg)
    region = Region.of(rot_range, tilt_range)
    pixels = healpix_pixels(healpix_nside(step_deg))
    angles, inside = region.first_inside(pixels[group.in_asymmetric_unit(pixels)], group)
    return _sorted_angles(angles[inside])


def xmipp(
    step_deg: float, group: PointGroup | str = "C1", rot_range: Range = ALL_ROT, tilt_range: Range = ALL_TILT
) -> F64:
    """Return the views of Xmipp's "create gallery" in its order (n, 3); 1647 for C1 and 131 for D6 at 5°.

    Faults and all, see :mod:`emviewer.engine.sampling_xmipp`.
    """
    _check_step(step_deg)
    Region.of(rot_range, tilt_range)
    return xmipp_angles(step_deg, _group(group), rot_range, tilt_range)


def random(n: int, rng: np.random.Generator) -> F64:
    """Return rot, tilt, psi (n, 3) of ``n`` uniformly random orientations."""
    return matrix_to_euler(random_rotations(n, rng))


def even_rotations(step_deg: float) -> F64:
    """Return rot, tilt, psi (n, 3) of a super-Fibonacci grid with one orientation in about a step of 15° for 4 400."""
    _check_step(step_deg)
    return matrix_to_euler(super_fibonacci(max(1, round(79.0 / np.deg2rad(step_deg) ** 3))))


def quality(
    angles: ArrayLike,
    group: PointGroup | str = "C1",
    rot_range: Range = ALL_ROT,
    tilt_range: Range = ALL_TILT,
) -> tuple[float, float]:
    """Return how well views cover the sphere of directions.

    Parameters
    ----------
    angles : array_like, shape (n, 2 or more)
        rot, tilt (and psi, which is not looked at), degrees. Rows of the same direction count as one view.
    group : PointGroup or str
        Distances are modulo all its elements.
    rot_range, tilt_range : tuple of float
        The part of the sphere that the covering radius is for; all of it unless told.

    Returns
    -------
    covering_radius_deg : float
        Distance of the direction that is farthest from all views to its nearest view. Exact (circumcentres of the
        Delaunay triangles) for the whole sphere where no hole is wider than 80°, else at most 1.8° too small; for a
        range at most 0.25° too small.
    min_separation_deg : float
        Distance of the two views nearest to each other; infinity for a single view. A view near an axis is near its
        own copies; these are the same view and do not count.
    """
    group = _group(group)
    a = np.asarray(angles, np.float64)
    if a.ndim != 2 or a.shape[1] < 2 or not len(a):
        raise ParameterError(f"angles of shape {a.shape} are not views", "", "give at least one row of rot, tilt, psi")
    d = directions_from_angles(a[:, 0], a[:, 1])
    d = d[np.sort(np.unique(np.round(d, 9) + 0.0, axis=0, return_index=True)[1])]
    region = Region.of(rot_range, tilt_range)
    watch = None if region.is_whole_sphere else region.edge_points(0.5)
    radii = region_holes(d, group, region, watch)[1]
    return float(np.rad2deg(radii.max())), float(np.rad2deg(closest_pair(d, group)))


def count(
    step_deg: float,
    group: PointGroup | str = "C1",
    rot_range: Range = ALL_ROT,
    tilt_range: Range = ALL_TILT,
    *,
    grid: str = "even",
    psi_step: float | None = None,
) -> Count:
    """Return how many views a grid will have, for a form, without making it.

    Parameters
    ----------
    step_deg, group, rot_range, tilt_range
        As for :func:`even`.
    grid : str
        ``even``, ``healpix`` or ``xmipp``.
    psi_step : float or None
        As for :func:`with_psi`.

    Returns
    -------
    Count
        Forecasts for whole spheres are within 25 % or 4 views, mostly within 10 %; for ranges that only fold onto
        themselves in part they may be twice too high. Under 5 ms.
    """
    group = _group(group)
    _check_step(step_deg)
    region = Region.of(rot_range, tilt_range)
    psis = len(with_psi(np.zeros((1, 3)), psi_step))
    share = _share(region, group)
    if grid == "healpix":
        pixels = 12 * healpix_nside(step_deg) ** 2
        return Count(max(1, round(share * pixels / group.order)) * psis, share == 1.0 and group.order == 1)
    if grid == "xmipp":
        turns = max(2, round((rot_range[1] - rot_range[0]) / step_deg))
        true_step = (rot_range[1] - rot_range[0]) / (turns - 1)
        return Count(max(1, round(share * 1.026 * 4 * np.pi / group.order / np.deg2rad(true_step) ** 2)) * psis, False)
    return Count(max(1, round(_even_forecast(float(np.deg2rad(step_deg)), group, region, share))) * psis, False)


def _even_forecast(step: float, group: PointGroup, region: Region, share: float) -> float:
    """Return about how many views :func:`even` makes: by area, and half a view a step along edges that fold nothing.

    The factors were fitted to the lists themselves.
    """
    if region.is_thin:
        return region.edge_length / 2 / step + 0.5
    edges = group.unit_edge_lengths.tolist()
    area = share * 4 * np.pi / group.order / step**2
    folds = max(1.0, region.area * group.order / (share * 4 * np.pi))
    around = group.mirror_edge_length * share
    if share < 1.0 or group.order == 1:
        around += region.edge_length / folds
    by_area = (1.06 if 4 * np.pi / step**2 > MANY else 0.95) * area + 0.48 * around / step
    return max(by_area, share * max(edges, default=0.0) / step + 0.5)


def _share(region: Region, group: PointGroup) -> float:
    """Return the part of the asymmetric unit that has an equivalent in the region, to about 3 %."""
    if region.is_whole_sphere:
        return 1.0
    probes = spiral_in_unit(float(np.sqrt(4 * np.pi / group.order / 600)), 0.5, group)
    share = float(region.first_inside(probes, group)[1].mean())
    return share if share > 0.05 else min(1.0, region.area * group.order / (4 * np.pi))


def _sorted_angles(rot_tilt: F64) -> F64:
    order = np.lexsort((np.round(rot_tilt[:, 0], 7), np.round(rot_tilt[:, 1], 7)))
    return np.column_stack([rot_tilt[order], np.zeros(len(order))])


def _group(group: PointGroup | str) -> PointGroup:
    return group if isinstance(group, PointGroup) else point_group(group)


def _check_step(step_deg: float) -> None:
    if not MIN_STEP_DEG <= step_deg <= MAX_STEP_DEG:
        raise ParameterError(
            f"the step {step_deg:g}° is not from {MIN_STEP_DEG:g}° to {MAX_STEP_DEG:g}°",
            "--step",
            "give a step between",
        )
