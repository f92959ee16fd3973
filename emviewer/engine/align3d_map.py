"""A map made ready for alignment: masked, band-limited, padded, transformed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import fft as sfft

from emviewer.engine import kernels_align as ka
from emviewer.engine.errors import DataError
from emviewer.engine.match_transform import prepare_transform
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
        Edge of the unpadded box in Å.
    pixel_size_A : float
        Voxel of the transform's map (coarser than the file's where the band allows).
    """

    transform: C64
    centre: int
    scale: float
    box_A: float
    pixel_size_A: float

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


def cube_of(data: F32, fill: float = 0.0) -> F32:
    """Return data (nz, ny, nx) centred in a cube of its longest edge, voxel n//2 on voxel n//2."""
    n = max(data.shape)
    if data.shape == (n, n, n):
        return data
    out = np.full((n, n, n), fill, np.float32)
    out[tuple(slice(n // 2 - s // 2, n // 2 - s // 2 + s) for s in data.shape)] = data
    return out


def fourier_cropped(data: F32, pixel_A: float, wanted_A: float) -> tuple[F32, float]:
    """Return a cube at a pixel size near ``wanted_A`` (never finer than it is), and that pixel size."""
    n = data.shape[0]
    m = sfft.next_fast_len(int(np.ceil(n * pixel_A / wanted_A)), real=True)
    m += m % 2
    if m >= n:
        return data, pixel_A
    half = sfft.rfftn(sfft.ifftshift(data), workers=-1)
    keep = np.r_[0 : m // 2, -(m // 2) : 0]
    cut = half[np.ix_(keep, keep, np.arange(m // 2 + 1))]
    cut[m // 2], cut[:, m // 2], cut[..., m // 2] = 0, 0, 0
    out = sfft.fftshift(sfft.irfftn(cut, s=(m, m, m), workers=-1)) * (m / n) ** 3
    return np.asarray(out, np.float32), pixel_A * n / m


def soft_sphere(n: int, radius_px: float, edge_px: float) -> F32:
    """Return a sphere (n, n, n) about n//2 with a raised-cosine edge outside ``radius_px``."""
    g = (np.arange(n) - n // 2).astype(np.float32) ** 2
    r = np.sqrt(g[:, None, None] + g[:, None] + g)
    return np.asarray((1 + np.cos(np.pi * np.clip((r - radius_px) / edge_px, 0, 1))) / 2, np.float32)


def prepare_map(volume: Map3D, mask: F32 | None, finest_A: float) -> AlignMap:
    """Mask a map, cut it to the band it is needed in, and transform it.

    Parameters
    ----------
    volume : Map3D
        The map; not cubic is centred in a cube.
    mask : ndarray of float32 of the map's shape, optional
        Weights; an automatic soft sphere that holds the box's inscribed ball if None.
    finest_A : float
        Finest detail that will be compared.

    Raises
    ------
    DataError
        The map is flat, so that it cannot be aligned.
    """
    data = np.asarray(volume.data, np.float32)
    n = max(data.shape)
    weight = soft_sphere(n, n / 2 - 4, 3.0) if mask is None else cube_of(mask)
    edge = (weight > 0.02) & (weight < 0.5)
    cube = cube_of(data, float(np.median(data)))
    level = float(cube[edge].mean(dtype=np.float64)) if edge.any() else float(np.median(cube))
    cube = (cube - np.float32(level)) * weight
    if not float(cube.std()) > 0:
        raise DataError(
            "the map has no density inside the mask", volume.source or volume.name, "give another map or mask"
        )
    cube, pixel = fourier_cropped(cube, volume.pixel_size_A, finest_A / 2.4)
    transform = prepare_transform(cube)
    centre = (transform.shape[0] - 2) // 2
    return AlignMap(transform, centre, 2 * centre * pixel, cube.shape[0] * pixel, pixel)
