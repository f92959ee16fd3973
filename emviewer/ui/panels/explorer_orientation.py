"""Turning by hand: how a mouse movement, a typed angle or a clicked direction becomes an orientation.

``A`` (3 × 3) has the image's x axis (right), y axis (down) and the view direction as rows, in the map's frame.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from emviewer.engine.conventions import angles_from_directions, euler_to_matrix, matrix_to_euler
from emviewer.engine.symmetry import PointGroup


@dataclass(frozen=True)
class View:
    """An orientation with the angles that name it, degrees. Typed angles stay as typed."""

    rot: float = 0.0
    tilt: float = 0.0
    psi: float = 0.0

    @property
    def angles(self) -> tuple[float, float, float]:
        """(rot, tilt, psi)."""
        return self.rot, self.tilt, self.psi

    @property
    def matrix(self) -> np.ndarray:
        """``A``."""
        return np.asarray(euler_to_matrix([self.rot], [self.tilt], [self.psi])[0])

    @property
    def direction(self) -> np.ndarray:
        """The view direction, third row of ``A``."""
        return np.asarray(self.matrix[2])

    @classmethod
    def of(cls, matrix: np.ndarray) -> View:
        """Return the view of a matrix; rot and psi in (-180, 180], tilt in [0, 180]."""
        rot, tilt, psi = (float(a) for a in matrix_to_euler(np.asarray(matrix)[None])[0])
        return cls(rot, tilt, psi)

    def turned(self, right: float, down: float) -> View:
        """Return the view after the near side was dragged right and down by these angles (degrees).

        The eye looks along +z of the image frame (x right, y down), so the near side has negative z.
        """
        return View.of(rotation(np.array([down, -right, 0.0])) @ self.matrix)

    def spun(self, clockwise: float) -> View:
        """Return the view after the image was turned clockwise on the screen (degrees)."""
        return View.of(rotation(np.array([0.0, 0.0, clockwise])) @ self.matrix)

    def towards(self, direction: np.ndarray) -> View:
        """Return the view along another direction with the same psi."""
        rot, tilt = (float(np.ravel(a)[0]) for a in angles_from_directions(np.asarray(direction)[None]))
        return View(rot if rot <= 180 else rot - 360, tilt, self.psi)

    def in_unit(self, group: PointGroup) -> tuple[float, float]:
        """Return rot and tilt (degrees) of the equivalent direction in the asymmetric unit."""
        rot, tilt = angles_from_directions(group.to_asymmetric_unit(self.direction[None]))
        return float(rot[0]), float(tilt[0])

    def option(self) -> str:
        """Return the view as the command line takes it."""
        return "--view " + ",".join(f"{a:.2f}".rstrip("0").rstrip(".") for a in np.array(self.angles) + 0.0)


def rotation(vector_deg: np.ndarray) -> np.ndarray:
    """Return the rotation about a vector by its length in degrees (Rodrigues), shape (3, 3)."""
    angle = float(np.linalg.norm(vector_deg))
    if angle == 0:
        return np.eye(3)
    x, y, z = vector_deg / angle
    k = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    t = np.radians(angle)
    return np.asarray(np.eye(3) + np.sin(t) * k + (1 - np.cos(t)) * (k @ k))


def nearest_row(directions: np.ndarray, direction: np.ndarray) -> int:
    """Return the index of the direction (n, 3) nearest to one, -1 if there are none."""
    return int(np.argmax(directions @ direction)) if len(directions) else -1
