"""Contour surfaces of maps as triangles, for the lanes."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from emviewer.engine.filters_display import bin_volume
from emviewer.engine.task import Check
from emviewer.engine.types import F32, Map3D, RigidTransform
from emviewer.ui.panels.align_volumes import Told

MOST = 112
"""Longest edge of the map that is contoured: 0.12 s for 25 000 triangles (one thread), their normals 4 ms."""
SAMPLE = 400_000
NOTHING = Told()


@dataclass(frozen=True, eq=False)
class Contoured:
    """A map made small enough to be contoured while a slider moves.

    Parameters
    ----------
    data : ndarray of float32, shape (nx, ny, nz)
        Voxels, x first.
    corner_A, step_A : ndarray, float
        Place of the first voxel relative to the map's centre, and the edge of a voxel.
    levels : ndarray of float32
        Its values in order.
    pixel_size_A : float
        Of the map before.
    """

    data: F32
    corner_A: np.ndarray
    step_A: float
    levels: F32
    pixel_size_A: float

    @property
    def volume_A3(self) -> float:
        """The volume of the box."""
        return float(self.data.size * self.step_A**3)

    @functools.cached_property
    def coarse(self) -> Contoured:
        """The same at half the resolution, for a level that is being dragged."""
        n = [k - k % 2 for k in self.data.shape]
        even = self.data[: n[0], : n[1], : n[2]]
        data = even.reshape(n[0] // 2, 2, n[1] // 2, 2, n[2] // 2, 2).mean(axis=(1, 3, 5), dtype=np.float32)
        values = np.sort(data.ravel()[:: max(1, data.size // SAMPLE)])
        return Contoured(
            np.ascontiguousarray(data), self.corner_A + self.step_A / 2, 2 * self.step_A, values, self.pixel_size_A
        )

    def level(self, percent: float) -> float:
        """Return the value that so many percent of the box exceed."""
        place = int((1 - percent / 100) * (len(self.levels) - 1))
        return float(self.levels[min(max(place, 0), len(self.levels) - 1)])


@dataclass(frozen=True)
class Source:
    """A map to contour: itself or its file, and what was said about it.

    Parameters
    ----------
    map : Map3D or Path
        The map.
    told : Told
        What overrules its header and makes a density of a model.
    size : float
        Factor of its pixel size.
    """

    map: Map3D | Path
    told: Told = NOTHING
    size: float = 1.0

    def read(self, check: Check) -> Contoured:
        """Return the map made small.

        Raises
        ------
        EmviewerError
            It cannot be read.
        """
        volume = self.map
        if not isinstance(volume, Map3D):
            from emviewer.engine import sources

            pixel = self.told.size_of(volume)
            volume = sources.open_map(str(volume), pixel_size_A=pixel, resolution_A=self.told.resolution_A)
        if self.size != 1:
            volume = volume.with_pixel_size(volume.pixel_size_A * self.size)
        return prepare(volume, check)


def prepare(volume: Map3D, check: Check) -> Contoured:
    """Bin a map to at most :data:`MOST` voxels an edge."""
    factor = max(1, -(-volume.box // MOST))
    data = np.asarray(volume.data, np.float32) if factor == 1 else bin_volume(volume.data, factor, check)
    pixel = volume.pixel_size_A
    corner = np.array([((factor - 1) / 2 - n // 2) * pixel for n in volume.shape[::-1]])
    values = np.sort(data.ravel()[:: max(1, data.size // SAMPLE)])
    return Contoured(np.ascontiguousarray(data.transpose(2, 1, 0)), corner, factor * pixel, values, pixel)


def contour(small: Contoured, percent: float) -> tuple[F32, np.ndarray]:
    """Return vertices (n, 3) in Å from the map's centre and triangles (m, 3) that are lit from outside."""
    from pyqtgraph import isosurface

    vertices, faces = isosurface(small.data, small.level(percent))
    # pyqtgraph winds triangles for maps that are dense outside: ours would be lit from within
    return np.asarray(vertices * small.step_A + small.corner_A, np.float32), np.ascontiguousarray(faces[:, ::-1])


def normals_of(vertices: F32, faces: np.ndarray) -> F32:
    """Return the unit normal of each vertex (n, 3): the mean of its triangles', by their area; 0 without any.

    Parameters
    ----------
    vertices : ndarray of float32, shape (n, 3)
    faces : ndarray of int, shape (m, 3)
        Counter-clockwise as seen from outside.
    """
    corners = vertices[faces]
    each = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    place = faces.ravel()
    total = np.stack(
        [np.bincount(place, np.repeat(each[:, k], 3), minlength=len(vertices)) for k in range(3)], axis=1
    )  # fmt: skip
    length = np.linalg.norm(total, axis=1, keepdims=True)
    return np.divide(total, length, out=np.zeros_like(total), where=length > 0).astype(np.float32)


def mesh(vertices: F32, faces: np.ndarray, motion: RigidTransform | None) -> Any:
    """Return mesh data of a surface where a motion puts it, its normals computed; None if it is empty."""
    from pyqtgraph.opengl import MeshData

    if not len(faces):
        return None
    if motion is not None:
        vertices = np.asarray(vertices @ motion.matrix.T + motion.translation_A, np.float32)
        if motion.hand_flipped:
            faces = np.ascontiguousarray(faces[:, ::-1])
    normals = normals_of(vertices, faces)

    class Mesh(MeshData):  # type: ignore[misc]
        """Has its normals already: pyqtgraph's take ten times as long."""

        def vertexNormals(self, indexed: str | None = None) -> np.ndarray:
            """Return the normals of the vertices, or of the corners of the faces."""
            return normals if indexed is None else normals[faces]

    return Mesh(vertexes=vertices, faces=faces)
