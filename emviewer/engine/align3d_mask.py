"""An automatic soft mask around the density of a map, on a coarse grid."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from emviewer.engine import kernels_mask as kk
from emviewer.engine.align3d_move import Grid3D, move_mask
from emviewer.engine.filters import lowpass
from emviewer.engine.resample import fourier_resize, resize_box
from emviewer.engine.types import F32, Map3D, RigidTransform

COARSE = 64
"""Longest edge of the grid on which the mask is found; 64³ takes 0.05 s, and the edge is soft anyway."""
DETAIL_A = 15.0
MARGIN_A = 8.0
LEVEL = 0.05
EDGE_A = 10.0


def coarse_mask(volume: Map3D) -> tuple[F32, float] | None:
    """Return a soft mask around the density on a coarse cube, with the cube's pixel size.

    The map is low-passed to 15 Å (4 voxels if coarser); what stands three deviations above the solvent, and above
    5 % of the height of the density, is kept without specks, its holes are filled, and it grows by 8 Å and a soft edge
    of 10 Å.

    Returns
    -------
    ndarray of float32 (m, m, m) and float, or None
        None where density cannot be told from solvent: nothing stands out, or nearly everything.
    """
    data = without_fill(np.asarray(volume.data, np.float32))
    n = volume.box
    cube = data if volume.is_cubic else resize_box(data, (n,) * 3, float(np.median(data)))
    m = min(n, COARSE)
    coarse = fourier_resize(cube, (m,) * 3) if m < n else cube
    pixel = volume.pixel_size_A * n / m
    smooth = lowpass(coarse, pixel, max(DETAIL_A, 4 * pixel))
    axis = np.arange(m) - m // 2
    radius = np.sqrt(axis[:, None, None] ** 2 + axis[:, None] ** 2 + axis**2)
    shell = smooth[(radius > 0.42 * m) & (radius < 0.5 * m - 1)]
    level = float(np.median(shell))
    noise = 1.4826 * float(np.median(np.abs(shell - level)))
    height = float(np.percentile(smooth[radius < 0.5 * m - 1], 99.8)) - level
    above = (smooth > level + max(3 * noise, LEVEL * height)) & (radius < 0.5 * m - 1)
    kept = _without_specks(above)
    share = float(kept.sum()) / (np.pi / 6 * m**3)
    if not 0.002 < share < 0.7:
        return None
    edge = max(EDGE_A, 2 * pixel)
    distance = distances(_filled(kept), (MARGIN_A + edge) / pixel) * pixel
    soft = 0.5 + 0.5 * np.cos(np.pi * np.clip((distance - MARGIN_A) / edge, 0, 1))
    return np.asarray(soft, np.float32), pixel


def without_fill(data: F32) -> F32:
    """Return the map with the value that fills its corners, if any, replaced by that of the solvent.

    Programs that turn a map fill what comes from outside with its least value: more than 1 % of the voxels share it
    exactly, and it lies three standard deviations of the others below their median.
    """
    low = data.min()
    filled = data == low
    share = float(np.count_nonzero(filled)) / data.size
    if not 0.01 < share < 0.9:
        return data
    rest = data[~filled]
    middle = np.median(rest)
    if low > middle - 3 * float(rest.std()):
        return data
    return np.where(filled, middle, data)


def automatic_mask(volume: Map3D) -> F32 | None:
    """Return :func:`coarse_mask` on the map's own grid."""
    found = coarse_mask(volume)
    if found is None:
        return None
    still = RigidTransform(np.eye(3), np.zeros(3))
    return move_mask(found[0], found[1], still, Grid3D.of(volume))


def _labels(above: NDArray[np.bool_]) -> tuple[NDArray[np.int32], int]:
    labels = np.empty(above.shape, np.int32)
    return labels, int(kk.label(above, labels))


def _without_specks(above: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the largest piece and those of at least a tenth of its size."""
    labels, count = _labels(above)
    if count < 2:
        return above
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    return np.asarray((sizes >= 0.1 * sizes.max())[labels])


def _filled(kept: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return a mask and what it encloses."""
    labels, count = _labels(~kept)
    outside = np.zeros(count + 1, bool)
    for axis in range(3):
        for end in (0, -1):
            outside[labels.take(end, axis=axis)] = True
    outside[0] = False
    return np.asarray(~outside[labels])


def distances(kept: NDArray[np.bool_], reach: float) -> F32:
    """Return how far each voxel is from the next one of a mask, in voxels, exact up to ``reach``."""
    steps = int(np.ceil(reach)) + 1
    squares = np.where(kept, 0, 3 * steps * steps).astype(np.float32)
    for axis in range(3):
        out = np.empty_like(squares)
        kk.nearer(squares, steps, axis, out)
        squares = out
    return np.asarray(np.sqrt(squares))


def reach_A(mask: F32, pixel_size_A: float) -> tuple[float, float]:
    """Return the diameter of what a mask holds, and how far from voxel n//2 it reaches, both in Å."""
    places = np.argwhere(mask > 0.5).astype(np.float64)
    if len(places) == 0:
        return 0.0, 0.0
    centre = np.array([n // 2 for n in mask.shape])
    spread = np.linalg.norm(places - places.mean(axis=0), axis=1)
    far = np.linalg.norm(places - centre, axis=1)
    return 2 * float(np.percentile(spread, 99.5)) * pixel_size_A, float(far.max()) * pixel_size_A
