"""How the sphere of directions becomes flat: seen from outside (orthographic), or whole (Mollweide).

Flat coordinates have x to the right and y **up**; the orthographic sphere is the unit disc, the Mollweide ellipse is
2 wide and 1 high. Directions are unit vectors in the map's frame, z up.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np


class Projection(Protocol):
    """What a flat picture of the sphere must know."""

    half_height: float

    def flat(self, directions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return (points (n, 2), visible (n,)) of directions (n, 3)."""
        ...

    def sphere(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return (directions (n, 3), inside (n,)) of flat points (n, 2)."""
        ...

    def area(self, directions: np.ndarray) -> np.ndarray:
        """Return the flat area of a unit of solid angle at visible directions, shape (n,), up to a factor."""
        ...


@dataclass(frozen=True)
class Orthographic:
    """The sphere from far away, from azimuth and elevation in degrees."""

    azimuth: float = 30.0
    elevation: float = 25.0
    half_height: float = 1.0

    @property
    def camera(self) -> np.ndarray:
        """Rows: the directions that point right, up, and towards the eye, shape (3, 3)."""
        a, e = np.radians(self.azimuth), np.radians(self.elevation)
        right = np.array([-np.sin(a), np.cos(a), 0.0])
        towards = np.array([np.cos(e) * np.cos(a), np.cos(e) * np.sin(a), np.sin(e)])
        return np.array([right, np.cross(towards, right), towards])

    def flat(self, directions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return (points, whether on the side that faces the eye)."""
        seen = directions @ self.camera.T
        return seen[:, :2], seen[:, 2] >= -1e-9

    def sphere(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return (directions on the near side, whether the point lies on the disc)."""
        square = np.sum(points**2, axis=1)
        inside = square <= 1.0
        depth = np.sqrt(np.maximum(0.0, 1.0 - square))
        grow = np.where(inside, 1.0, 1.0 / np.sqrt(np.maximum(square, 1e-12)))
        return np.column_stack([points * grow[:, None], depth]) @ self.camera, inside

    def area(self, directions: np.ndarray) -> np.ndarray:
        """Return the cosine of the angle to the eye."""
        return np.maximum(0.0, directions @ self.camera[2])


@dataclass(frozen=True)
class Mollweide:
    """The whole sphere in an ellipse, equal areas; ``azimuth`` (degrees) is the meridian in the middle."""

    azimuth: float = 0.0
    elevation: float = 0.0
    half_height: float = 0.5

    def flat(self, directions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return (points, all visible); the auxiliary angle comes from Newton steps."""
        z = np.clip(directions[:, 2], -1.0, 1.0)
        longitude = np.arctan2(directions[:, 1], directions[:, 0]) - np.radians(self.azimuth)
        longitude = (longitude + np.pi) % (2 * np.pi) - np.pi
        wanted = np.pi * z
        t = 2 * np.arcsin(z) * 0.8
        for _ in range(12):
            t -= (t + np.sin(t) - wanted) / np.maximum(1e-6, 1.0 + np.cos(t))
            t = np.clip(t, -np.pi, np.pi)
        theta = t / 2
        points = np.column_stack([longitude / np.pi * np.cos(theta), 0.5 * np.sin(theta)])
        return points, np.ones(len(points), bool)

    def sphere(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return (directions, whether the point lies in the ellipse)."""
        sine = np.clip(points[:, 1] * 2, -1.0, 1.0)
        theta = np.arcsin(sine)
        z = np.clip((2 * theta + np.sin(2 * theta)) / np.pi, -1.0, 1.0)
        longitude = points[:, 0] * np.pi / np.maximum(1e-9, np.cos(theta))
        inside = (np.abs(longitude) <= np.pi) & (np.abs(points[:, 1]) <= 0.5)
        longitude = np.clip(longitude, -np.pi, np.pi) + np.radians(self.azimuth)
        level = np.sqrt(1.0 - z**2)
        return np.column_stack([level * np.cos(longitude), level * np.sin(longitude), z]), inside

    def area(self, directions: np.ndarray) -> np.ndarray:
        """Return ones: areas are kept."""
        return np.ones(len(directions))


def graticule(step_deg: float = 30.0, points: int = 91) -> list[np.ndarray]:
    """Return the lines of equal rot and equal tilt as directions (m, 3) each."""
    along = np.linspace(0.0, np.pi, points)
    around = np.linspace(-np.pi, np.pi, 2 * points - 1)
    lines = []
    for rot in np.radians(np.arange(0.0, 360.0, step_deg)):
        lines.append(np.column_stack([np.sin(along) * np.cos(rot), np.sin(along) * np.sin(rot), np.cos(along)]))
    for tilt in np.radians(np.arange(step_deg, 180.0, step_deg)):
        ring = np.full_like(around, np.cos(tilt))
        lines.append(np.column_stack([np.sin(tilt) * np.cos(around), np.sin(tilt) * np.sin(around), ring]))
    return lines


def pieces(points: np.ndarray, visible: np.ndarray) -> list[np.ndarray]:
    """Cut a flat line where it goes behind the sphere or jumps across the edge of the map; pieces of ≥ 2 points."""
    jump = np.linalg.norm(np.diff(points, axis=0), axis=1) > 0.5
    breaks = np.flatnonzero(jump | (visible[1:] != visible[:-1])) + 1
    parts = np.split(np.arange(len(points)), breaks)
    return [points[part] for part in parts if len(part) > 1 and visible[part[0]]]
