"""The padded 3D transform from which central slices are read.

The transform is made axis by axis and pruned: rows of zeros are never transformed, frequencies beyond the maximum
resolution are dropped as soon as they appear, and no second array of its size is ever made.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from emviewer.engine import fft, threads
from emviewer.engine.project_gridding import Gridding
from emviewer.engine.task import Check
from emviewer.engine.types import F32, F64

C64 = NDArray[np.complex64]


@dataclass(frozen=True, eq=False)
class PaddedTransform:
    """A cube of the half transform around frequency 0, with margins.

    Parameters
    ----------
    grid : ndarray of complex64, shape (Z, Y, X)
        Frequency 0 at ``[centre, centre, centre_x]``; x holds frequencies >= 0 and a margin of negative ones.
    centre, centre_x : int
        Index of frequency 0.
    size : int
        Edge of the padded box; frequency step of the grid is 1 / size cycles a voxel.
    """

    grid: C64
    centre: int
    centre_x: int
    size: int


def padded_size(box: int, pad: float) -> int:
    """Return the edge of the padded box: even, at least ``pad * box``, and quick to transform."""
    return fft.fast_size(int(np.ceil(pad * box)), even=True)


def padded_transform(data: F32, box: int, size: int, kernel: Gridding, radius: float, check: Check) -> PaddedTransform:
    """Transform a map, gridding-corrected and padded to ``size``, out to ``radius`` grid spacings.

    Parameters
    ----------
    data : ndarray of float32, shape (nz, ny, nx)
        The map; voxel ``n // 2`` of every axis goes to the centre of rotation.
    box : int
        Edge of the cube it stands for (its longest edge).
    size : int
        Edge of the padded box.
    kernel : Gridding
        The kernel whose transform the map is divided by.
    radius : float
        Largest frequency wanted, in grid spacings.
    check : callable
        Called every few planes.
    """
    margin = kernel.width // 2 + 1
    reach = int(np.ceil(radius)) + margin
    columns = min(reach, size // 2) + 1
    wanted = np.arange(-reach, reach + 1) % size
    planes = _transform_planes(data, size, kernel, wanted, columns, check)
    grid = np.empty((len(wanted), len(wanted), reach + margin + 1), np.complex64)
    _transform_along_z(planes, size, data.shape[0], wanted, grid[:, :, margin : margin + columns], check)
    _mirror_margins(grid, reach, margin, size)
    return PaddedTransform(grid, reach, margin, size)


def _correction(n: int, size: int, kernel: Gridding) -> F64:
    return 1 / kernel.transform((np.arange(n) - n // 2) / size)


def _transform_planes(
    data: F32, size: int, kernel: Gridding, wanted: NDArray[np.int64], columns: int, check: Check
) -> C64:
    """Transform every plane along x and y: (nz, len(wanted), columns)."""
    nz, ny, nx = data.shape
    cx, cy, cz = (_correction(n, size, kernel) for n in (nx, ny, nz))
    weight = np.outer(cy, cx).astype(np.float32)
    out = np.empty((nz, len(wanted), columns), np.complex64)

    def work(start: int, stop: int) -> None:
        with fft.lend("r2c", (ny, size), (1,)) as rows, fft.lend("forward", (size, columns), (0,)) as cols:
            for z in range(start, stop):
                check()
                plane = data[z] * weight
                plane *= np.float32(cz[z])
                rows.input[:] = 0
                rows.input[:, : nx - nx // 2] = plane[:, nx // 2 :]
                rows.input[:, size - nx // 2 :] = plane[:, : nx // 2]
                rows.run()
                cols.input[:] = 0
                cols.input[: ny - ny // 2] = rows.output[ny // 2 :, :columns]
                cols.input[size - ny // 2 :] = rows.output[: ny // 2, :columns]
                cols.run()
                out[z] = cols.output[wanted]

    threads.each_chunk(work, nz, max(1, min(8, nz // (2 * threads.threads()))))
    return out


def _transform_along_z(planes: C64, size: int, nz: int, wanted: NDArray[np.int64], out: C64, check: Check) -> None:
    """Transform along z, row after row of y, into ``out``."""
    columns = planes.shape[2]

    def work(start: int, stop: int) -> None:
        with fft.lend("forward", (size, columns), (0,)) as plan:
            for y in range(start, stop):
                check()
                plan.input[:] = 0
                plan.input[: nz - nz // 2] = planes[nz // 2 :, y]
                plan.input[size - nz // 2 :] = planes[: nz // 2, y]
                plan.run()
                out[:, y] = plan.output[wanted]

    threads.each_chunk(work, len(wanted), 4)


def _mirror_margins(grid: C64, reach: int, margin: int, size: int) -> None:
    """Fill the columns of negative x, and those beyond half the padded box, by Hermitian symmetry."""
    columns = min(reach, size // 2) + 1
    index = (-np.arange(-reach, reach + 1)) % size
    place = np.full(size, -1)
    place[np.arange(-reach, reach + 1) % size] = np.arange(2 * reach + 1)
    back = place[index]
    for x in range(grid.shape[2]):
        k = x - margin
        if k < 0 or k >= columns:
            source = -k if k < 0 else size - k
            grid[:, :, x] = np.conj(grid[back[:, None], back[None, :], source + margin])
