"""The cells into which a trained distance sorts an image: directions of view by angles in the image's plane.

From the probabilities of the cells come the view of an image, finer than the cells, and how certain it is.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np

from emviewer.engine.conventions import euler_to_matrix
from emviewer.engine.sampling import even
from emviewer.engine.symmetry import PointGroup
from emviewer.engine.types import F32, F64

NEAR_RAD = np.radians(25.0)
"""Certainty is the probability of all views nearer than this to the one chosen."""
WIDTHS_RAD = (0.35, 0.25, 0.25)
"""Widths of the windows, one after the other, within which views are averaged about the most probable cell."""


class Cells:
    """Directions (those of one asymmetric unit) and turns.

    Parameters
    ----------
    step_deg : float
        Distance of neighbouring directions.
    turns : int
        Angles in the plane.
    group : PointGroup
        Of the particle.
    """

    def __init__(self, step_deg: float, turns: int, group: PointGroup) -> None:
        self.step_deg, self.turns, self.group = step_deg, turns, group
        angles = even(step_deg, group)
        frames = euler_to_matrix(angles[:, 0], angles[:, 1], np.zeros(len(angles)))
        t = -2 * np.pi * np.arange(turns) / turns
        turn = np.zeros((turns, 3, 3))
        turn[:, 0, 0] = turn[:, 1, 1] = np.cos(t)
        turn[:, 0, 1], turn[:, 1, 0], turn[:, 2, 2] = np.sin(t), -np.sin(t), 1.0
        self.directions = len(angles)
        self.views: F32 = (turn[:, None] @ frames).reshape(-1, 3, 3).astype(np.float32)
        """Views of the cells, (turns · directions, 3, 3), directions running fastest."""

    @cached_property
    def _copies(self) -> F32:
        """The cells' views and all that the symmetry makes of them, (elements · cells, 9)."""
        elements = np.asarray(self.group.rotations, np.float32)
        return np.ascontiguousarray(np.concatenate([self.views @ g for g in elements]).reshape(-1, 9))

    def targets(self, views: F64, width_rad: float) -> F32:
        """Return the probabilities (n, cells) that a network should give to true views, spread by ``width_rad``."""
        flat = self.views.reshape(-1, 9).T
        score = np.full((len(views), len(self.views)), -np.inf, np.float32)
        for g in np.asarray(self.group.rotations):
            near = (np.asarray(views @ g, np.float32).reshape(-1, 9) @ flat - 3) / np.float32(2 * width_rad**2)
            score = near if self.group.order == 1 else np.logaddexp(score, near)
        return softmax(score)

    def settle(self, probability: F32) -> tuple[F64, F64]:
        """Return views (n, 3, 3) and certainties (n,) 0 … 1 from probabilities (n, cells) of the cells.

        The view is the mean of those about the most probable cell, nearest in the sense of the symmetry.
        """
        copies = self._copies
        spread = np.tile(probability, (1, self.group.order)) / self.group.order
        best = copies[probability.argmax(axis=1)].reshape(-1, 3, 3).astype(np.float64)
        narrow = self._narrowest()
        for width in WIDTHS_RAD:
            near = best.reshape(-1, 9).astype(np.float32) @ copies.T
            weight = spread * np.exp((near - 3) / np.float32(2 * min(width, narrow / 6) ** 2))
            best = _nearest((weight @ copies).reshape(-1, 3, 3).astype(np.float64))
        near = best.reshape(-1, 9).astype(np.float32) @ copies.T
        reach = min(NEAR_RAD, narrow / 2)
        inside = near > np.float32(1 + 2 * np.cos(reach))
        return best, np.clip((spread * inside).sum(axis=1, dtype=np.float64) * self.group.order, 0, 1)

    def _narrowest(self) -> float:
        """Return the smallest angle by which the symmetry turns, in rad; 2π for none."""
        traces = np.trace(np.asarray(self.group.rotations), axis1=1, axis2=2)
        angles = np.arccos(np.clip((traces - 1) / 2, -1, 1))
        return float(angles[angles > 1e-6].min(initial=2 * np.pi))


def softmax(score: F32) -> F32:
    """Return the softmax of each row, float32."""
    power = np.exp(score - score.max(axis=1, keepdims=True))
    return np.asarray(power / power.sum(axis=1, keepdims=True), np.float32)


def _nearest(matrices: F64) -> F64:
    u, _, vt = np.linalg.svd(matrices)
    u[:, :, 2] *= np.linalg.det(u @ vt)[:, None]
    return np.asarray(u @ vt)
