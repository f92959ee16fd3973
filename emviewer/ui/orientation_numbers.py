"""Numbers of the orientation lab, for a lane: errors against the truth, angles and pairwise distances in bins."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from emviewer.engine import conventions
from emviewer.engine.orientations_align import align_views, other_hand
from emviewer.engine.symmetry import point_group

MOST_PAIRED = 700
"""Views whose pairwise distances are counted: a quarter of a million pairs, some 60 ms."""
EVEN_VIEWS = 20_000
"""Rotations of which folded distances are counted."""


@dataclass(frozen=True, eq=False)
class Errors:
    """How far recovered views are from the truth, after the best rotation of the object and hand.

    Parameters
    ----------
    whole_deg, view_deg, in_plane_deg : ndarray of float64, shape (n,)
        Of the whole orientation, of its direction of view, and about that direction.
    flipped : bool
        Whether the other hand was nearer.
    """

    whole_deg: np.ndarray
    view_deg: np.ndarray
    in_plane_deg: np.ndarray
    flipped: bool


def errors_of(truth: np.ndarray, found: np.ndarray, sym: str = "C1") -> Errors:
    """Return the errors of Euler angles ``found`` (n, 3) against ``truth`` (n, 3), degrees; NaN where either is NaN."""
    group = np.asarray(point_group(sym).rotations)
    known = np.isfinite(truth).all(1) & np.isfinite(found).all(1)
    whole, view, in_plane = (np.full(len(truth), np.nan) for _ in range(3))
    if known.sum() < 3:
        return Errors(whole, view, in_plane, False)
    a, b = (conventions.euler_to_matrix(*angles[known].T) for angles in (truth, found))
    turn, flipped, angle = align_views(a, b, group)
    moved = (other_hand(b) if flipped else b) @ turn
    copies = np.einsum("nij,gkj->ngik", a, group)
    nearest = np.argmax(np.einsum("ngij,nij->ng", copies, moved), axis=1)
    left = np.einsum("nij,nkj->nik", moved, copies[np.arange(len(a)), nearest])  # in the frame of the image
    whole[known] = np.degrees(angle)
    view[known] = np.degrees(np.arccos(np.clip(left[:, 2, 2], -1, 1)))
    twist = np.arctan2(left[:, 1, 0] - left[:, 0, 1], left[:, 0, 0] + left[:, 1, 1])
    in_plane[known] = np.abs(np.degrees(twist))
    return Errors(whole, view, in_plane, flipped)


def paired(angles: np.ndarray) -> np.ndarray:
    """Return the rows of Euler angles (n, 3) whose pairs are counted: all, or an even choice."""
    known = np.flatnonzero(np.isfinite(angles).all(1))
    return known[np.unique(np.linspace(0, len(known) - 1, min(len(known), MOST_PAIRED)).astype(int))]


def pairwise_deg(angles: np.ndarray, sym: str = "C1") -> np.ndarray:
    """Return the rotation angles in degrees between all pairs of these views (n, 3), one-dimensional.

    Of a symmetric particle it is the least angle between equivalent views, as a learned distance estimates it.
    """
    group = np.asarray(point_group(sym).rotations)
    if len(group) > 1:
        from emviewer.engine.learned import folded_angles

        folded = folded_angles(conventions.euler_to_matrix(*angles.T), group)
        return np.degrees(folded[np.triu_indices(len(angles), 1)])
    q = conventions.matrix_to_quaternion(conventions.euler_to_matrix(*angles.T))
    upper = np.triu_indices(len(q), 1)
    return np.degrees(2 * np.arccos(np.clip(np.abs(q @ q.T)[upper], 0, 1)))


def expected_pairs(edges_deg: np.ndarray, n: float, sym: str = "C1") -> np.ndarray:
    """Return how many of ``n`` pairs of uniform rotations fall into each bin: density ``(1 - cos d) / pi``.

    Folded by a point group, the angles from the identity of an even grid of rotations are counted instead.
    """
    group = np.asarray(point_group(sym).rotations)
    if len(group) > 1:
        from emviewer.engine.rotations import super_fibonacci

        trace = np.einsum("nij,gij->ng", super_fibonacci(EVEN_VIEWS), group).max(axis=1)
        counts = np.histogram(np.degrees(np.arccos(np.clip((trace - 1) / 2, -1, 1))), edges_deg)[0]
        return np.asarray(n * counts / EVEN_VIEWS)
    d = np.radians(edges_deg)
    return n * np.diff(d - np.sin(d)) / np.pi


def direction_angles(angles: np.ndarray) -> np.ndarray:
    """Return unit vectors of view (n, 3) of Euler angles (n, 3)."""
    return np.nan_to_num(conventions.directions_from_angles(angles[:, 0], angles[:, 1])).reshape(-1, 3)
