"""Xmipp's gallery directions, reproduced with their order and count, for comparison with old results.

The algorithm is described, not ported. Its known faults are part of it: the step of tilt is ignored, the true step is
a little larger than asked (72 rots over 360° make 5.07°), neighbours are judged by a box in rot and tilt instead of by
angle, and ranges are applied last. :func:`emviewer.engine.sampling.even` is what to use for new work.
"""

from __future__ import annotations

import numpy as np

from emviewer.engine.conventions import F64, angles_from_directions, directions_from_angles
from emviewer.engine.errors import ParameterError
from emviewer.engine.symmetry import PointGroup

_EDGE = 1e-9
"""Degrees by which a box test must be passed, so that rounding does not decide between touching boxes."""


def xmipp_angles(
    step_deg: float, group: PointGroup, rot_range: tuple[float, float], tilt_range: tuple[float, float]
) -> F64:
    """Return rot, tilt, psi = 0 (n, 3) in degrees as Xmipp's gallery protocol makes them.

    Parameters
    ----------
    step_deg : float
        What the protocol calls rot step.
    group : PointGroup
        Copies under all elements are dropped, the first met (smallest tilt) is kept.
    rot_range, tilt_range : tuple of float
        Degrees; directions outside are dropped at the end, equivalents are not looked for.

    Raises
    ------
    ParameterError
        If the rot range holds fewer than two steps, where Xmipp divides by zero.
    """
    number = int(np.floor((rot_range[1] - rot_range[0]) / step_deg + 0.5))
    if number < 2:
        raise ParameterError(
            f"Xmipp's grid needs a rot range of at least two steps of {step_deg:g}°",
            f"{rot_range[0]:g}:{rot_range[1]:g}",
            "widen --rot, make --step smaller, or use --grid even",
        )
    true_step = (rot_range[1] - rot_range[0]) / (number - 1)
    rings = int(np.floor(180.0 / true_step + 0.5))
    boxes = _Boxes(group, half_tilt=180.0 / (rings + 1))
    for ring in range(rings + 1):
        tilt = ring * 180.0 / rings if rings else 0.0
        sine = np.sin(np.deg2rad(tilt))
        n_rot = 1 if ring in (0, rings) else int(np.ceil(360.0 * sine / true_step))
        boxes.offer_ring(tilt, n_rot)
    angles = np.array(boxes.accepted).reshape(-1, 2)
    rots, tilts = angles.T
    kept = (rots >= rot_range[0]) & (rots <= rot_range[1]) & (tilts >= tilt_range[0]) & (tilts <= tilt_range[1])
    return np.column_stack([angles[kept], np.zeros(kept.sum())])


class _Boxes:
    """Accepted directions and their copies, in bins of tilt."""

    def __init__(self, group: PointGroup, half_tilt: float) -> None:
        self.accepted: list[tuple[float, float]] = []
        self._group = group
        self._half_tilt = half_tilt
        self._bins: dict[int, list[tuple[F64, F64]]] = {}

    def offer_ring(self, tilt: float, n_rot: int) -> None:
        """Accept the directions of one ring that lie in no box of an accepted one or its copies."""
        half_rot = 360.0 / n_rot
        rots: F64 = np.arange(n_rot, dtype=np.float64) * half_rot
        copies = self._group.copies(directions_from_angles(rots, tilt))
        flat_rots, flat_tilts = angles_from_directions(copies.reshape(-1, 3))
        copy_rots, copy_tilts = flat_rots.reshape(-1, n_rot), flat_tilts.reshape(-1, n_rot)
        taken = self._taken(rots, tilt, half_rot)
        for k in range(n_rot):
            if taken[k]:
                continue
            self.accepted.append((float(rots[k]), tilt))
            r, t = copy_rots[:, k], copy_tilts[:, k]
            self._store(np.concatenate([r, r + 180.0]), np.concatenate([t, -t]))
            near = np.abs(t - tilt) < self._half_tilt - _EDGE
            mine = np.concatenate([r[near], r[np.abs(-t - tilt) < self._half_tilt - _EDGE] + 180.0])
            for rot in mine:
                taken |= _rot_distance(rots, rot) < half_rot - _EDGE

    def _taken(self, rots: F64, tilt: float, half_rot: float) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
        taken = np.zeros(len(rots), bool)
        centre = int(np.floor(tilt / self._half_tilt))
        stored = [pair for b in (centre - 1, centre, centre + 1) for pair in self._bins.get(b, [])]
        if not stored:
            return taken
        others = np.concatenate([r for r, _ in stored])
        near = np.abs(np.concatenate([t for _, t in stored]) - tilt) < self._half_tilt - _EDGE
        others = np.sort(others[near] % 360.0)
        if not len(others):
            return taken
        others = np.concatenate([others[-1:] - 360.0, others, others[:1] + 360.0])
        after = np.clip(np.searchsorted(others, rots), 1, len(others) - 1)
        gap = np.minimum(np.abs(others[after] - rots), np.abs(rots - others[after - 1]))
        return np.asarray(gap < half_rot - _EDGE)

    def _store(self, rots: F64, tilts: F64) -> None:
        bins = np.floor(tilts / self._half_tilt).astype(int)
        for b in np.unique(bins):
            self._bins.setdefault(int(b), []).append((rots[bins == b], tilts[bins == b]))


def _rot_distance(rots: F64, rot: float) -> F64:
    gap = np.abs(rots - rot) % 360.0
    return np.asarray(np.minimum(gap, 360.0 - gap))
