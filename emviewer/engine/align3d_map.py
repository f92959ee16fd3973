"""A map made ready for alignment: masked, band-limited, padded, transformed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from emviewer.engine import fft
from emviewer.engine import kernels_align as ka
from emviewer.engine.errors import DataError
from emviewer.engine.filters import soft_ball
from emviewer.engine.match_transform import prepare_transform
from emviewer.engine.resample import fourier_resize, resize_box
from emviewer.engine.task import Check, never
from emviewer.engine.types import F32, F64, Map3D

C64 = NDArray[np.complex64]


@dataclass(frozen=True, eq=False)
class AlignMap:
    """A map ready to be sampled at any spatial frequency.

    Parameters
    ----------
    transform : ndarray of complex64
        Prepared transform (:mod:`emviewer.engine.kernels_match_slice`) of the masked map.
    centre : int
        Its index of frequency 0.
    scale : float
        Padded box in Å: frequency (1/Å) times this is an index.
    box_A : float
        Edge of the unpadded box in Å (smaller than the file's where the mask allows).
    pixel_size_A : float
        Voxel of the transform's map (coarser than the file's where the band allows).
    fraction : float
        Mean of the squared mask: the fraction of voxels that stay independent.
    """

    transform: C64
    centre: int
    scale: float
    box_A: float
    pixel_size_A: float
    fraction: float = 1.0

    @property
    def highest(self) -> float:
        """Highest frequency that can be sampled, in 1/Å."""
        return (self.centre - 3) / self.scale

    def sample(self, points: F64, matrix: F64, translation_A: F64 | None = None) -> C64:
        """Return the transform at ``points`` (m, 3) after ``x' = matrix x + translation``."""
        value = np.empty(len(points), np.complex64)
        ka.sample_points(
            self.transform, self.centre, self.scale, points, len(points), np.ascontiguousarray(matrix), value,
            np.empty((0, 3), np.complex64), False,
        )  # fmt: skip
        if translation_A is not None:
            value *= np.exp(-2j * np.pi * (points @ translation_A)).astype(np.complex64)
        return value


def prepare_map(
    volume: Map3D, mask: F32 | None, finest_A: float, *, reach_A: float = np.inf, check: Check = never
) -> AlignMap:
    """Mask a map, cut it to the band it is needed in, and transform it.

    Parameters
    ----------
    volume : Map3D
        The map; not cubic is centred in a cube.
    mask : ndarray of float32 of the map's shape, optional
        Weights; a soft sphere that holds the box's inscribed ball if None.
    finest_A : float
        Finest detail that will be compared.
    reach_A : float
        How far from voxel n//2 the mask reaches: what lies beyond is cut off, so that transforms are small.
    check : callable
        Called now and then.

    Raises
    ------
    DataError
        The map is flat, so that it cannot be aligned.
    """
    half = int(np.ceil(min(reach_A, 1e9) / volume.pixel_size_A)) + 2
    box = min(volume.box, 2 * half)
    shape = (box, box, box)
    weight = soft_ball(shape, box / 2 - 4, 3.0) if mask is None else resize_box(mask, shape)
    cube = resize_box(np.asarray(volume.data, np.float32), shape, float(np.median(volume.data[::4, ::4, ::4])))
    edge = (weight > 0.02) & (weight < 0.5)
    cube -= np.float32(cube[edge].mean(dtype=np.float64) if edge.any() else np.median(cube))
    cube *= weight
    fraction = float(np.mean(np.square(weight), dtype=np.float64))
    if not float(cube.std()) > 1e-6 * float(np.abs(cube).max(initial=0.0)):
        raise DataError(
            "the map has no density inside the mask", volume.source or volume.name, "give another map or mask"
        )
    del weight, edge
    smaller = fft.fast_size(int(np.ceil(box * volume.pixel_size_A / (finest_A / 2.4))), even=True)
    pixel = volume.pixel_size_A
    if smaller < box:
        cube, pixel = fourier_resize(cube, (smaller,) * 3, check), pixel * box / smaller
    check()
    transform = prepare_transform(cube)
    centre = (transform.shape[0] - 2) // 2
    return AlignMap(transform, centre, 2 * centre * pixel, cube.shape[0] * pixel, pixel, fraction)
