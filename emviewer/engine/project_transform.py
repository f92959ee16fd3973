"""The padded 3D transform from which central slices are read.

The transform is made axis by axis and pruned: rows of zeros are never transformed, frequencies beyond the maximum
resolution are dropped as soon as they appear, and no second array of its size is ever made.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from emviewer.engine import fft, threads
from emviewer.engine.kernels_slice import mirror_margins, pack_layer, unwrap_lines, wrap_lines
from emviewer.engine.project_gridding import Gridding
from emviewer.engine.task import Check
from emviewer.engine.types import F32, F64

C64 = NDArray[np.complex64]

STRIP = 32
"""Lines transformed at a time: they stay in the second cache up to a length of 2000."""


@dataclass(frozen=True, eq=False)
class PaddedTransform:
    """A cube of the half transform around frequency 0, cut into bricks.

    Parameters
    ----------
    bricks : ndarray of complex64, shape (Z, Y, X, 2, 2, 2)
        Bricks of 2 x 2 x 2 frequencies; x holds frequencies >= 0 and a margin of negative ones.
    origin : tuple of float
        Place ``(z and y, x)`` of frequency 0 in bricks, less the lead of the kernel's window.
    size : int
        Edge of the padded box; the frequency step of the grid is 1 / size cycles a voxel.
    """

    bricks: C64
    origin: tuple[float, float]
    size: int


@dataclass(frozen=True)
class Layout:
    """Where frequencies stand in the bricks: what memory the transform needs can be told without making it.

    Parameters
    ----------
    size : int
        Edge of the padded box.
    reach : int
        Largest frequency kept along y and z, in grid spacings.
    margin : int
        Negative frequencies kept along x; even, so that frequency 0 begins a brick.
    """

    size: int
    reach: int
    margin: int

    @classmethod
    def of(cls, size: int, kernel: Gridding, radius: float) -> Layout:
        """Return the layout that serves places up to ``radius`` grid spacings from frequency 0."""
        margin = kernel.bricks + 1
        return cls(size, int(np.ceil(radius)) + margin, margin + margin % 2)

    @property
    def columns(self) -> int:
        """Frequencies >= 0 along x that are transformed; what lies beyond half the box mirrors them."""
        return min(self.reach, self.size // 2) + 1

    @property
    def shape(self) -> tuple[int, int, int]:
        """Bricks along z, y and x."""
        edge = self.reach + 1
        return edge, edge, (self.reach + self.margin) // 2 + 1

    @property
    def bytes(self) -> int:
        """Memory of the bricks."""
        z, y, x = self.shape
        return z * y * x * 64


def padded_size(box: int, pad: float) -> int:
    """Return the edge of the padded box: even, at least ``pad * box``, and quick to transform."""
    return fft.fast_size(int(np.ceil(pad * box)), even=True)


def padded_transform(data: F32, layout: Layout, kernel: Gridding, scale: float, check: Check) -> PaddedTransform:
    """Transform a map, gridding-corrected and zero-padded.

    Parameters
    ----------
    data : ndarray of float32, shape (nz, ny, nx)
        The map; voxel ``n // 2`` of every axis goes to the centre of rotation.
    layout : Layout
        Size of the padded box, and which frequencies to keep.
    kernel : Gridding
        The kernel whose transform the map is divided by.
    scale : float
        Factor of everything.
    check : callable
        Called every few planes.
    """
    planes = _transform_planes(data, layout, kernel, scale, check)
    bricks = _aligned_zeros((*layout.shape, 2, 2, 2), check)
    _transform_along_z(planes, layout, bricks, check)
    del planes

    def work(start: int, stop: int) -> None:
        check()
        mirror_margins(bricks, layout.size, layout.margin, layout.reach, layout.columns, start, stop)

    threads.each_chunk(work, 2 * layout.reach + 1, 16)
    origin = ((layout.reach - kernel.lead) / 2, (layout.margin - kernel.lead) / 2)
    return PaddedTransform(bricks, origin, layout.size)


def _aligned_zeros(shape: tuple[int, ...], check: Check) -> C64:
    """Return zeros whose bricks start on cache lines.

    The system hands out memory when it is first touched, two milliseconds for 2 MB; it is touched here in order,
    because the layers that are written later cross all of it.
    """
    n_bytes = int(np.prod(shape)) * 8
    raw = np.zeros(n_bytes + 64, np.uint8)

    def touch(start: int, stop: int) -> None:
        check()
        raw[start << 22 : stop << 22 : 4096] = 0

    threads.each_chunk(touch, -(-len(raw) // (1 << 22)), 4)
    start = -raw.ctypes.data % 64
    return raw[start : start + n_bytes].view(np.complex64).reshape(shape)


def _correction(n: int, size: int, kernel: Gridding) -> F64:
    return 1 / kernel.transform((np.arange(n) - n // 2) / size)


def _transform_planes(data: F32, layout: Layout, kernel: Gridding, scale: float, check: Check) -> C64:
    """Transform every plane along x and y: (nz, 2 reach + 1, columns)."""
    nz, ny, nx = data.shape
    size, columns = layout.size, layout.columns
    cx, cy, cz = (_correction(n, size, kernel) for n in (nx, ny, nz))
    weight = (scale * np.outer(cy, cx)).astype(np.float32)
    out = np.empty((nz, 2 * layout.reach + 1, columns), np.complex64)

    def work(start: int, stop: int) -> None:
        with fft.lend("r2c", (ny, size), (1,)) as rows, _lend_lines(size) as lines:
            rows.input[:] = 0
            for z in range(start, stop):
                check()
                plane = data[z] * weight
                plane *= np.float32(cz[z])
                rows.input[:, : nx - nx // 2] = plane[:, nx // 2 :]
                rows.input[:, size - nx // 2 :] = plane[:, : nx // 2]
                rows.run()
                for x in range(0, columns, STRIP):
                    width = min(STRIP, columns - x)
                    wrap_lines(rows.output[:, x : x + width], lines.input[:width])
                    lines.run()
                    unwrap_lines(lines.output, layout.reach, out[z, :, x : x + width])

    threads.each_chunk(work, nz, max(1, min(8, nz // (2 * threads.threads()))))
    return out


def _lend_lines(size: int) -> AbstractContextManager[fft.Plan]:
    """Lend a plan for ``STRIP`` lines; long ones are worth measuring (1.1 instead of 2.1 µs a line of 800)."""
    return fft.lend("forward", (STRIP, size), (1,), measure=size >= 256)


def _transform_along_z(planes: C64, layout: Layout, bricks: C64, check: Check) -> None:
    """Transform along z, two rows of y at a time: a layer of bricks."""
    size, columns, reach = layout.size, layout.columns, layout.reach
    nz, n_rows, _ = planes.shape

    def work(start: int, stop: int) -> None:
        pair = np.zeros((nz, 2, columns), np.complex64)
        with _lend_lines(size) as lines:
            block = lines.input.reshape(2, STRIP // 2, size)
            for layer in range(start, stop):
                check()
                there = min(2, n_rows - 2 * layer)
                pair[:, :there] = planes[:, 2 * layer : 2 * layer + there]
                pair[:, there:] = 0
                for x in range(0, columns, STRIP // 2):
                    width = min(STRIP // 2, columns - x)
                    for row in (0, 1):
                        wrap_lines(pair[:, row, x : x + width], block[row, :width])
                    lines.run()
                    pack_layer(block, reach, layout.margin + x, width, layer, bricks)

    threads.each_chunk(work, reach + 1, 4)
