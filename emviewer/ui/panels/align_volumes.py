"""Reading the maps of an alignment, and cutting a map where a rigid motion puts it. Runs in the lanes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy import ndimage

from emviewer.engine.filters_display import Distribution, map_distribution
from emviewer.engine.task import Check, never
from emviewer.engine.types import F32, F64, Contrast, Map3D, RigidTransform
from emviewer.ui.panels.slices_state import Plane

SMALL = 96
"""Longest edge of the copy that is cut while a hand moves the map."""
CONTOUR_SHARE = 0.98
"""Share of the voxels below the contour level (ChimeraX begins with 0.99)."""


@dataclass(frozen=True, eq=False)
class Volume:
    """A map with what its display needs.

    Parameters
    ----------
    map : Map3D
        The map.
    distribution : Distribution
        Of its values.
    levels : ndarray of float32
        Sorted sample of its values, from which contour levels that enclose a given volume are read.
    sigma : float
        Standard deviation.
    """

    map: Map3D
    distribution: Distribution
    levels: F32
    sigma: float

    @property
    def data(self) -> F32:
        """The voxels."""
        return self.map.data

    def level(self, share: float) -> float:
        """Return the value below which this share of the voxels lies."""
        return float(self.levels[min(len(self.levels) - 1, int(share * len(self.levels)))])

    def contrast(self, other: Volume | None = None, of_other: Contrast | None = None) -> Contrast:
        """Return the robust range, or the range that stands as to this map as another's does to that one."""
        if other is None or of_other is None:
            return Contrast(self.distribution.auto_low, self.distribution.auto_high)
        theirs = other.distribution.auto_high - other.distribution.auto_low
        scale = (self.distribution.auto_high - self.distribution.auto_low) / (theirs if theirs > 0 else 1.0)
        low = self.distribution.auto_low + (of_other.low - other.distribution.auto_low) * scale
        high = self.distribution.auto_low + (of_other.high - other.distribution.auto_low) * scale
        return Contrast(low, high, of_other.colormap, of_other.inverted)


def read_volume(path: Path, check: Check = never, pixel_size_A: float | None = None) -> Volume:
    """Open a map and look at its values; the voxels stay on disk where they can.

    Raises
    ------
    EmviewerError
        It cannot be opened.
    """
    from emviewer.engine import sources

    volume = sources.open_map(path, pixel_size_A=pixel_size_A)
    check()
    step = max(1, round((volume.data.size / 200_000) ** (1 / 3)))
    sample = np.sort(volume.data[::step, ::step, ::step].ravel().astype(np.float32))
    return Volume(volume, map_distribution(volume.data), sample, float(sample.std(dtype=np.float64)))


def on_grid_of(volume: Volume, reference: Volume, check: Check = never) -> Volume:
    """Return a map that is in the reference's frame on the reference's grid, unchanged if it is there."""
    from emviewer.engine.align3d_move import Grid3D, move_map

    grid = Grid3D.of(reference.map)
    if Grid3D.of(volume.map).same_as(grid):
        return volume
    still = RigidTransform(np.eye(3), np.zeros(3))
    data = move_map(volume.data, volume.map.pixel_size_A, still, grid, check)
    moved = Map3D(data, grid.pixel_size_A, reference.map.origin_A, source=volume.map.source, name=volume.map.name)
    return Volume(moved, map_distribution(data), volume.levels, volume.sigma)


class MovedCuts:
    """Cuts of a map where a motion puts it, on the grid of the reference; linear between voxels.

    A cut of 256² takes 8 ms; of the copy of at most 96³ voxels, which is cut while a hand moves the map, 1 ms.

    Parameters
    ----------
    moving, reference : Map3D
        The map, and the grid.
    """

    def __init__(self, moving: Map3D, reference: Map3D) -> None:
        from emviewer.engine.filters_display import bin_volume

        self.moving, self.reference = moving, reference
        self.factor = max(1, -(-max(moving.shape) // SMALL))
        self.coarse = 1 if self.factor == 1 else max(1, -(-max(reference.shape) // SMALL))
        self.small = moving.data if self.factor == 1 else bin_volume(moving.data, self.factor)

    def cut(self, motion: RigidTransform, plane: Plane, index: int, quick: bool = False) -> F32:
        """Return the cut ``index`` of a plane, float32 ``[down, across]``; at reduced resolution if ``quick``."""
        step = self.coarse if quick else 1
        size = self.reference.shape[::-1]
        points = np.empty((3, -(-size[plane.down] // step), -(-size[plane.across] // step)))
        half = (step - 1) / 2
        points[plane.across] = (np.arange(points.shape[2]) * step + half)[None, :]
        points[plane.down] = (np.arange(points.shape[1]) * step + half)[:, None]
        points[plane.normal] = index
        matrix, offset = lookup(motion, self.moving, self.reference)
        at = np.tensordot(matrix, points, axes=1) + offset[:, None, None]
        data: Any = self.moving.data
        if quick and self.factor > 1:
            at = (at - (self.factor - 1) / 2) / self.factor
            data = self.small
        return np.asarray(
            ndimage.map_coordinates(data, at[::-1], np.float32, order=1, mode="constant", prefilter=False), np.float32
        )


def lookup(motion: RigidTransform, moving: Map3D, reference: Map3D) -> tuple[F64, F64]:
    """Return matrix and offset from a voxel (x, y, z) of the reference's grid to one of the moving map."""
    back = np.linalg.inv(motion.matrix)
    here = np.array([n // 2 for n in reference.shape[::-1]], float)
    there = np.array([n // 2 for n in moving.shape[::-1]], float)
    matrix = back * (reference.pixel_size_A / moving.pixel_size_A)
    return matrix, there - matrix @ here - back @ motion.translation_A / moving.pixel_size_A


def contour_lines(image: F32, level: float) -> list[F32]:
    """Return the lines where an image has a value, each (n, 2) as x, y in pixels (pixel centres at + 0.5)."""
    from contourpy import contour_generator

    lines = contour_generator(z=image, name="serial", line_type="Separate").lines(level)
    return [np.asarray(line, np.float32) + 0.5 for line in lines if len(line) > 2]
