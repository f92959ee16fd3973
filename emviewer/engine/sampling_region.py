"""A range of rot and tilt on the sphere of directions, and the equivalents of directions that lie in it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from emviewer.engine.conventions import F64, angles_from_directions, directions_from_angles
from emviewer.engine.errors import ParameterError
from emviewer.engine.symmetry import PointGroup

EDGE_DEG = 1e-7
"""Degrees by which a direction may lie outside a range and still count as on its edge."""


@dataclass(frozen=True)
class Region:
    """Directions with ``rot_start ≤ rot ≤ rot_stop`` (modulo 360°) and ``tilt_start ≤ tilt ≤ tilt_stop``.

    Tilts may be negative: ``(rot, -tilt)`` is the direction ``(rot + 180, tilt)``.
    """

    rot_start: float
    rot_stop: float
    tilt_start: float
    tilt_stop: float

    @classmethod
    def of(cls, rot_range: tuple[float, float], tilt_range: tuple[float, float]) -> Region:
        """Check and keep two ranges in degrees.

        Raises
        ------
        ParameterError
            For a range upside down or a tilt outside -180…180.
        """
        (r0, r1), (t0, t1) = rot_range, tilt_range
        if not np.isfinite([r0, r1, t0, t1]).all():
            raise ParameterError("a range of angles is not a number", f"{r0}:{r1}, {t0}:{t1}", "give finite degrees")
        if r1 < r0:
            raise ParameterError(
                f"the rot range {r0:g}:{r1:g} ends before it starts", "--rot", f"write {r0:g}:{r1 + 360:g} to cross 0"
            )
        if t1 < t0 or t0 < -180 or t1 > 180:
            raise ParameterError(
                f"the tilt range {t0:g}:{t1:g} is not inside -180:180 from low to high",
                "--tilt",
                "write for instance 0:90",
            )
        return cls(float(r0), float(r1), float(t0), float(t1))

    @property
    def is_whole_sphere(self) -> bool:
        """Whether every direction lies in the range."""
        turn = self.rot_stop - self.rot_start
        whole_tilt = (self.tilt_start <= 0 and self.tilt_stop >= 180) or (
            self.tilt_start <= -180 and self.tilt_stop >= 0
        )
        return (turn >= 360 - EDGE_DEG and whole_tilt) or (
            turn >= 180 and self.tilt_start <= -180 and self.tilt_stop >= 180
        )

    @property
    def is_thin(self) -> bool:
        """Whether the range has no area: one rot or one tilt."""
        return self.rot_stop - self.rot_start < 1e-6 or self.tilt_stop - self.tilt_start < 1e-6

    @property
    def area(self) -> float:
        """Area in steradian; of a range that overlaps itself (negative tilts) the overlap counts twice."""
        turn = min(self.rot_stop - self.rot_start, 360.0)
        ends = np.deg2rad([self.tilt_start, min(max(self.tilt_start, 0.0), self.tilt_stop), self.tilt_stop])
        return float(np.deg2rad(turn) * np.abs(np.diff(np.cos(ends))).sum())

    @property
    def edge_length(self) -> float:
        """Length of the edges in radians; a range of all rots has none along rot."""
        turn = min(self.rot_stop - self.rot_start, 360.0)
        rings = np.abs(np.sin(np.deg2rad([self.tilt_start, self.tilt_stop]))).sum() * np.deg2rad(turn)
        sides = 0.0 if turn >= 360 - EDGE_DEG else 2 * np.deg2rad(self.tilt_stop - self.tilt_start)
        return float(rings + sides)

    def angles_inside(self, directions: F64) -> tuple[F64, NDArray[np.bool_]]:
        """Return rot and tilt (n, 2) of unit vectors as the range writes them, and which lie inside (n,)."""
        rot, tilt = angles_from_directions(directions)
        at_pole = np.hypot(directions[:, 0], directions[:, 1]) < 1e-9
        out = np.column_stack([rot, tilt])
        inside = np.zeros(len(rot), bool)
        for turn, sign in ((0.0, 1.0), (180.0, -1.0)):
            lifted = self.rot_start + (rot + turn - self.rot_start) % 360.0
            lifted = np.where(lifted - self.rot_start > 360.0 - EDGE_DEG, self.rot_start, lifted)
            if self.rot_start <= 0.0 <= self.rot_stop:
                lifted[at_pole] = 0.0
            else:
                lifted[at_pole] = self.rot_start
            signed = sign * tilt
            fits = (lifted <= self.rot_stop + EDGE_DEG) & ~inside
            fits &= (signed >= self.tilt_start - EDGE_DEG) & (signed <= self.tilt_stop + EDGE_DEG)
            out[fits, 0] = np.minimum(lifted[fits], self.rot_stop)
            out[fits, 1] = np.clip(signed[fits], self.tilt_start, self.tilt_stop)
            inside |= fits
        return out + 0.0, inside

    def first_inside(self, directions: F64, group: PointGroup) -> tuple[F64, NDArray[np.bool_]]:
        """Return rot and tilt (n, 2) of the first copy of each direction inside the range, and whether there is one."""
        out = np.zeros((len(directions), 2))
        found = np.zeros(len(directions), bool)
        for g in group.operations:
            left = np.flatnonzero(~found)
            if not len(left):
                break
            angles, inside = self.angles_inside(directions[left] @ g.T)
            out[left[inside]] = angles[inside]
            found[left[inside]] = True
        return out, found

    def edge_points(self, spacing_deg: float) -> F64:
        """Return directions (n, 3) along the edges of the range, at most a spacing apart, corners included."""
        lines = list(self._edges(spacing_deg))
        return np.concatenate([directions_from_angles(rot, tilt) for rot, tilt in lines])

    def inner_points(self, spacing_deg: float) -> F64:
        """Return directions (n, 3) in rows of tilt through the whole range, rows and points at most a spacing apart."""
        rows = np.linspace(self.tilt_start, self.tilt_stop, 2 + int((self.tilt_stop - self.tilt_start) / spacing_deg))
        turn = self.rot_stop - self.rot_start
        found = []
        for tilt in rows:
            count = 2 + int(turn * abs(np.sin(np.deg2rad(tilt))) / spacing_deg)
            found.append(directions_from_angles(np.linspace(self.rot_start, self.rot_stop, count), tilt))
        return np.concatenate(found)

    def _edges(self, spacing: float) -> Iterator[tuple[F64, F64]]:
        tilts = np.linspace(self.tilt_start, self.tilt_stop, 2 + int((self.tilt_stop - self.tilt_start) / spacing))
        sides = () if self.rot_stop - self.rot_start >= 360 - EDGE_DEG else (self.rot_start, self.rot_stop)
        for rot in dict.fromkeys(sides):
            yield np.full(len(tilts), rot), tilts
        for tilt in dict.fromkeys((self.tilt_start, self.tilt_stop)):
            length = (self.rot_stop - self.rot_start) * abs(np.sin(np.deg2rad(tilt)))
            rots = np.linspace(self.rot_start, self.rot_stop, 2 + int(length / spacing))
            yield rots, np.full(len(rots), tilt)


WHOLE_SPHERE = Region(0.0, 360.0, 0.0, 180.0)
