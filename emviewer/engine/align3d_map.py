"""A map made ready for alignment: masked, band-limited, padded, transformed."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from emviewer.engine import fft
from emviewer.engine import kernels_align as ka
from emviewer.engine.align3d_mask import MARGIN_A, coarse_mask, reach_A, without_fill
from emviewer.engine.align3d_move import Grid3D, move_mask
from emviewer.engine.errors import DataError
from emviewer.engine.filters import soft_ball
from emviewer.engine.match_transform import prepare_transform
from emviewer.engine.resample import fourier_resize, resize_box
from emviewer.engine.task import Check, never
from emviewer.engine.threads import each_chunk
from emviewer.engine.types import F32, F64, Map3D, RigidTransform

C64 = NDArray[np.complex64]
LEAST = 32
"""Fewest voxels along an edge, so that a mask keeps its shape however coarse the detail."""
_STILL = RigidTransform(np.eye(3), np.zeros(3))


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
    diameter_A : float
        Of what the mask holds.
    masked, mask : ndarray of float32 (m, m, m)
        The masked map and its mask that the transform is of, voxel n//2 at the centre.
    found_mask : (ndarray of float32, float) or None
        The automatic mask, if one was made (:func:`emviewer.engine.align3d_mask.coarse_mask`).
    """

    transform: C64
    centre: int
    scale: float
    box_A: float
    pixel_size_A: float
    fraction: float
    diameter_A: float
    masked: F32 = field(repr=False)
    mask: F32 = field(repr=False)
    found_mask: tuple[F32, float] | None = field(default=None, repr=False)

    @property
    def highest(self) -> float:
        """Highest frequency that can be sampled, in 1/Å."""
        return (self.centre - 3) / self.scale

    def sample(self, points: F64, matrix: F64, translation_A: F64 | None = None) -> C64:
        """Return the transform at ``points`` (m, 3) after ``x' = matrix x + translation``."""
        value = np.empty(len(points), np.complex64)
        turn, none = np.ascontiguousarray(matrix), np.empty((0, 3), np.complex64)

        def work(lo: int, hi: int) -> None:
            ka.sample_points(
                self.transform, self.centre, self.scale, points[lo:hi], hi - lo, turn, value[lo:hi], none, False
            )

        each_chunk(work, len(points), 20_000)
        if translation_A is not None:
            value *= np.exp(-2j * np.pi * (points @ translation_A)).astype(np.complex64)
        return value

    @property
    def volume_A3(self) -> float:
        """Volume that the mask leaves."""
        return self.fraction * self.box_A**3

    def narrowed(self, top: float) -> AlignMap:
        """Return the map on a coarser grid that suffices up to ``top`` (1/Å); itself if it is as coarse."""
        n = len(self.masked)
        m = fft.fast_size(int(np.ceil(2.4 * self.box_A * top)), even=True)
        if m > 0.8 * n:
            return self
        cube, weight = (fourier_resize(each, (m,) * 3) for each in (self.masked, self.mask))
        return _transformed(cube, np.clip(weight, 0, 1), self.pixel_size_A * n / m, self.diameter_A)

    def weighted(self, weight: F32) -> AlignMap | None:
        """Return the map under a further weight, its mean there taken away; None if next to nothing is left.

        What is cut out of a map has no solvent around it: without the mean the outline of the cut, which both maps
        share, would count as likeness.
        """
        both = self.mask * weight
        total = float(both.sum(dtype=np.float64))
        if not total > 1e-3 * float(self.mask.sum(dtype=np.float64)):
            return None
        cube = self.masked * weight
        cube -= np.float32(cube.sum(dtype=np.float64) / total) * both
        return _transformed(cube, both, self.pixel_size_A, self.diameter_A)


def prepare_map(
    volume: Map3D, mask: F32 | None, finest_A: float, *, automatic: bool = False, check: Check = never
) -> AlignMap:
    """Cut a map to the band it is needed in, mask it, and transform it.

    Parameters
    ----------
    volume : Map3D
        The map; not cubic is centred in a cube.
    mask : ndarray of float32 of the map's shape, optional
        Weights.
    finest_A : float
        Finest detail that will be compared.
    automatic : bool
        Without a mask, whether to make one around the density (:func:`coarse_mask`); otherwise, and where none is
        found, a soft sphere that holds the box's inscribed ball.
    check : callable
        Called now and then.

    Raises
    ------
    DataError
        The map is flat, so that it cannot be aligned.
    """
    small = _working(volume, mask, finest_A, check)
    n, pixel = small.box, small.pixel_size_A
    weight: F32 | None = None
    found = None
    if mask is not None:
        shape = (volume.box,) * 3
        weight = np.clip(fourier_resize(resize_box(np.asarray(mask, np.float32), shape), (n,) * 3, check), 0, 1)
    elif automatic and (found := coarse_mask(small)) is not None:
        weight = move_mask(found[0], found[1], _STILL, Grid3D.of(small))
    diameter, reach = (n * pixel, n * pixel / 2) if weight is None else reach_A(weight, pixel)
    if weight is None:
        weight = soft_ball(small.shape, n / 2 - 4, 3.0)
    box = min(n, 2 * (int(np.ceil((reach + MARGIN_A) / pixel)) + 2))
    cube, weight = resize_box(small.data, (box,) * 3), resize_box(weight, (box,) * 3)
    if mask is None:
        cube -= np.float32(_rim(cube, weight))
        cube *= weight
    if not float(cube.std()) > 1e-6 * float(np.abs(cube).max(initial=0.0)):
        raise DataError(
            "the map has no density inside the mask", volume.source or volume.name, "give another map or mask"
        )
    check()
    return replace(_transformed(cube, weight, pixel, diameter), found_mask=found)


def _transformed(cube: F32, weight: F32, pixel: float, diameter: float) -> AlignMap:
    """Return a masked cube and its mask made ready."""
    transform = prepare_transform(cube)
    centre = (transform.shape[0] - 2) // 2
    fraction = float(np.mean(np.square(weight), dtype=np.float64))
    box_A = len(cube) * pixel
    return AlignMap(transform, centre, 2 * centre * pixel, box_A, pixel, fraction, diameter, cube, weight)


def _working(volume: Map3D, mask: F32 | None, finest_A: float, check: Check) -> Map3D:
    """Return the map, masked if there is a mask, as a cube whose voxels suffice for the band."""
    n = volume.box
    cube = without_fill(np.asarray(volume.data, np.float32))
    if float(cube[:: max(1, len(cube) // 64)].std()) == 0 and float(cube.std()) == 0:
        raise DataError("the map is flat: every voxel is alike", volume.source or volume.name, "give another map")
    if mask is not None:
        cube = (cube - np.float32(_rim(cube, mask))) * mask
    if not volume.is_cubic:
        cube = resize_box(cube, (n,) * 3, 0.0 if mask is not None else float(np.median(cube)))
    smaller = fft.fast_size(max(int(np.ceil(n * volume.pixel_size_A / (finest_A / 2.4))), LEAST), even=True)
    pixel = volume.pixel_size_A
    if smaller < n:
        cube, pixel = fourier_resize(cube, (smaller,) * 3, check), pixel * n / smaller
    return Map3D(cube, pixel)


def _rim(data: F32, weight: F32) -> float:
    """Return the grey value around the density: the mean on the soft edge, else the median."""
    edge = (weight > 0.02) & (weight < 0.5)
    return float(data[edge].mean(dtype=np.float64) if edge.any() else np.median(data))
