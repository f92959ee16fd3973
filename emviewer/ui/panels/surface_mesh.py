"""Contour surfaces of maps as triangles, for the lanes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from emviewer.engine.filters_display import bin_volume
from emviewer.engine.task import Check
from emviewer.engine.types import F32, Map3D, RigidTransform

MOST = 112
"""Longest edge of the map that is contoured: 0.12 s for 25 000 triangles, and as much for their normals."""
SAMPLE = 400_000


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
    """

    data: F32
    corner_A: np.ndarray
    step_A: float
    levels: F32

    def level(self, percent: float) -> float:
        """Return the value that so many percent of the box exceed."""
        place = int((1 - percent / 100) * (len(self.levels) - 1))
        return float(self.levels[min(max(place, 0), len(self.levels) - 1)])


def prepare(volume: Map3D, check: Check) -> Contoured:
    """Bin a map to at most :data:`MOST` voxels an edge."""
    factor = max(1, -(-volume.box // MOST))
    data = np.asarray(volume.data, np.float32) if factor == 1 else bin_volume(volume.data, factor, check)
    pixel = volume.pixel_size_A
    corner = np.array([((factor - 1) / 2 - n // 2) * pixel for n in volume.shape[::-1]])
    values = np.sort(data.ravel()[:: max(1, data.size // SAMPLE)])
    return Contoured(np.ascontiguousarray(data.transpose(2, 1, 0)), corner, factor * pixel, values)


def contour(small: Contoured, percent: float) -> tuple[F32, np.ndarray]:
    """Return vertices (n, 3) in Å from the map's centre and triangles (m, 3) that are lit from outside."""
    from pyqtgraph import isosurface

    vertices, faces = isosurface(small.data, small.level(percent))
    # pyqtgraph winds triangles for maps that are dense outside: ours would be lit from within
    return np.asarray(vertices * small.step_A + small.corner_A, np.float32), np.ascontiguousarray(faces[:, ::-1])


def mesh(vertices: F32, faces: np.ndarray, motion: RigidTransform | None) -> Any:
    """Return mesh data of a surface where a motion puts it, its normals computed; None if it is empty."""
    from pyqtgraph.opengl import MeshData

    if not len(faces):
        return None
    if motion is not None:
        vertices = np.asarray(vertices @ motion.matrix.T + motion.translation_A, np.float32)
        if motion.hand_flipped:
            faces = np.ascontiguousarray(faces[:, ::-1])
    made = MeshData(vertexes=vertices, faces=faces)
    with np.errstate(invalid="ignore"):  # of a vertex between triangles without area
        made.vertexNormals()
    return made
