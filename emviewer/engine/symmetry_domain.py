"""The asymmetric unit of view directions: a part of the sphere that holds each orbit of a point group once.

A direction ``d`` belongs to the unit if no copy ``g d`` is larger in lexicographic order of ``(d.c1, d.c2, d.c3)``,
where ``c1`` is the main axis, ``c2`` is perpendicular to it and ``c3 = c1 x c2``. For almost every direction that
comes to a few half-spaces, the walls; only directions on a wall are compared with all their copies, so that exactly
one of them is taken, poles and axes included.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from emviewer.engine.conventions import F64

ON_WALL = 1e-9
"""Distance from a wall (about radians) below which a direction counts as lying on it."""


@dataclass(frozen=True, eq=False)
class Domain:
    """The asymmetric unit of one group.

    Parameters
    ----------
    operations : ndarray of float64, shape (k, 3, 3)
        All elements, identity first.
    frame : ndarray of float64, shape (3, 3)
        Rows ``c1, c2, c3``.
    walls : ndarray of float64, shape (w, 3)
        Inward unit normals of the walls that bound the unit (none for C1).
    arcs : ndarray of float64, shape (w, 2)
        Start and end of each wall's edge in radians along its great circle, from :func:`circle_frame`.
    """

    operations: F64
    frame: F64
    walls: F64
    arcs: F64

    def contains(self, directions: F64) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
        """Return which unit vectors (n, 3) lie in the unit; see the module's text for those on a wall."""
        if not len(self.walls):
            return np.ones(len(directions), bool)
        lowest = directions @ self.walls[0]
        for wall in self.walls[1:]:
            np.minimum(lowest, directions @ wall, out=lowest)
        inside = lowest > ON_WALL
        doubtful = np.flatnonzero(np.abs(lowest) <= ON_WALL)
        chunk = max(1, 500_000 // len(self.operations))
        for start in range(0, len(doubtful), chunk):
            rows = doubtful[start : start + chunk]
            inside[rows] = self._is_largest(directions[rows])
        return np.asarray(inside)

    def touches(self, directions: F64, margin: float = 1e-6) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
        """Return which unit vectors (n, 3) lie no farther than a margin (sine) on the wrong side of each wall."""
        inside = np.ones(len(directions), bool)
        for wall in self.walls:
            inside &= directions @ wall >= -margin
        return inside

    def _is_largest(self, directions: F64) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
        own = directions @ self.frame.T
        copies = np.einsum("cj,kji,ni->nkc", self.frame, self.operations, directions, optimize=True)
        difference = own[:, None, :] - copies
        difference[np.abs(difference) <= 2 * ON_WALL] = 0.0
        first, second, third = np.moveaxis(np.sign(difference), -1, 0)
        return np.asarray((4 * first + 2 * second + third >= 0).all(axis=1))

    def outline(self, step_rad: float) -> list[F64]:
        """Return the edges of the unit as lines of unit vectors, each (m, 3), with points at most a step apart."""
        lines = []
        for wall, (start, end) in zip(self.walls, self.arcs, strict=True):
            u, v = circle_frame(wall)
            t = np.linspace(start, end, 2 + int((end - start) / step_rad))[:, None]
            lines.append(np.asarray(np.cos(t) * u + np.sin(t) * v))
        return lines


def circle_frame(normal: F64) -> tuple[F64, F64]:
    """Return two unit vectors that span the plane with this unit normal, the same for the same normal."""
    helper = np.eye(3)[np.argmin(np.abs(normal))]
    u = np.cross(normal, helper)
    u /= np.linalg.norm(u)
    return u, np.cross(normal, u)


def make_domain(operations: F64, main_axis: F64, mirror_normals: F64) -> Domain:
    """Return the asymmetric unit.

    Parameters
    ----------
    operations : ndarray of float64, shape (k, 3, 3)
        All elements of the group.
    main_axis : ndarray of float64, shape (3,)
        Unit vector ``c1``; the unit is around it.
    mirror_normals : ndarray of float64, shape (m, 3)
        Unit normals of the mirror planes.
    """
    keeps = np.abs(operations @ main_axis - main_axis).max(axis=1) < 1e-6
    c2 = _second_axis(operations, keeps, main_axis, mirror_normals)
    frame = np.stack([main_axis, c2, np.cross(main_axis, c2)])
    keeps_two = keeps & (np.abs(operations @ c2 - c2).max(axis=1) < 1e-6)
    normals = np.concatenate(
        [
            main_axis - operations[~keeps] @ main_axis,
            c2 - operations[keeps & ~keeps_two] @ c2,
            frame[2] - operations[keeps_two][1:] @ frame[2],
        ]
    )
    return Domain(operations, frame, *_walls(normals / np.linalg.norm(normals, axis=1, keepdims=True)))


def _second_axis(operations: F64, keeps: np.ndarray[tuple[int, ...], np.dtype[np.bool_]], c1: F64, mirrors: F64) -> F64:
    """Return the middle of the wedge about the main axis, so that the wedge begins on a natural line.

    The wedge has the width 360° over the number of operations that keep the axis. It begins on a mirror plane if one
    holds the axis; else it is centred on the way to the nearest copy of the axis; else (Cn, Dn) it begins at rot 0.
    """
    width = 2 * np.pi / keeps.sum()
    around = [m for m in mirrors if abs(m @ c1) < 1e-6]
    copies = operations[~keeps] @ c1
    off_axis = copies[np.abs(copies @ c1) < 1 - 1e-6]
    if around:
        start = np.cross(around[0], c1)
        turn = width / 2
    elif len(off_axis):
        nearest = off_axis[np.argmax(np.round(off_axis @ c1, 9))]
        start, turn = nearest - c1 * (nearest @ c1), 0.0
    else:
        start, turn = np.eye(3)[0] if abs(c1[0]) < 0.9 else np.eye(3)[1], width / 2
        start = start - c1 * (start @ c1)
    start = start / np.linalg.norm(start)
    if around and start[np.argmax(np.abs(start))] < 0:
        start = -start
    return np.asarray(np.cos(turn) * start + np.sin(turn) * np.cross(c1, start))


def _walls(normals: F64) -> tuple[F64, F64]:
    """Return the half-spaces that are not implied by the others, and the arc of each one's circle that is an edge."""
    if not len(normals):
        return np.empty((0, 3)), np.empty((0, 2))
    _, first = np.unique(np.round(normals, 7) + 0.0, axis=0, return_index=True)
    normals = normals[np.sort(first)]
    walls, arcs = [], []
    for i, normal in enumerate(normals):
        u, v = circle_frame(normal)
        others = np.delete(normals, i, axis=0)
        a, b = others @ u, others @ v
        if not len(others):
            walls.append(normal)
            arcs.append((0.0, 2 * np.pi))
            continue
        middles = np.arctan2(b, a)
        offset = (middles - middles[0] + np.pi) % (2 * np.pi) - np.pi
        low, high = offset.max() - np.pi / 2, offset.min() + np.pi / 2
        if high - low > 1e-6:
            walls.append(normal)
            arcs.append((low + middles[0], high + middles[0]))
    return np.array(walls), np.array(arcs)
