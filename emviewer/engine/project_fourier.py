"""Projection through the central-slice theorem: one gather and one inverse 2D transform a view."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from emviewer.engine import fft, threads
from emviewer.engine.kernels_slice import central_slices
from emviewer.engine.project_gridding import Interp, gridding
from emviewer.engine.project_transform import padded_size, padded_transform
from emviewer.engine.task import Check
from emviewer.engine.types import F32, F64

EDGE_PX = 3.0
"""Width of the soft edge at the maximum resolution, in Fourier pixels of the map's box."""


def edge_mask(box: int, cut: float, edge: float) -> F32:
    """Return a disc in half-transform order (box, box // 2 + 1): 1 inside, cosine edge, 0 from ``cut`` on.

    Parameters
    ----------
    box : int
        Edge of the image in pixels.
    cut, edge : float
        Radius where it reaches 0, and width of the edge, in cycles a pixel.
    """
    k = np.hypot(np.fft.fftfreq(box)[:, None], np.fft.rfftfreq(box)[None, :])
    t = np.clip((cut - k) / edge, 0, 1)
    return (0.5 - 0.5 * np.cos(np.pi * t)).astype(np.float32)


class FourierSlices:
    """A map prepared for projection by central slices.

    Parameters
    ----------
    data : ndarray of float32, shape (nz, ny, nx)
        The map.
    box : int
        Edge of the images in pixels, at least the map's longest edge.
    interp : {"best", "nearest", "linear", "cubic"}
        Interpolation in the padded transform.
    pad : float
        Padding factor.
    cut : float
        Maximum frequency in cycles a voxel, at most 0.5.
    check : callable
        Called at least every 100 ms while preparing.
    """

    def __init__(self, data: F32, box: int, interp: Interp, pad: float, cut: float, check: Check) -> None:
        edge = max(data.shape)
        size = padded_size(edge, pad)
        self.kernel = gridding(interp, size / edge)
        self._transform = padded_transform(data, edge, size, self.kernel, cut * size, check)
        self._box = box
        self._step = size / box
        self._mask = edge_mask(box, cut, EDGE_PX / edge) / np.float32(box * box)
        self._table = self.kernel.table()
        self._table_x = np.repeat(self._table, 2, axis=2)
        turn = -2j * np.pi * (box // 2)
        self._phase_y = np.exp(turn * np.fft.fftfreq(box)).astype(np.complex64)
        self._phase_x = np.exp(turn * np.fft.rfftfreq(box)).astype(np.complex64)

    @property
    def bytes(self) -> int:
        """Memory held, in bytes."""
        return self._transform.grid.nbytes

    def project(self, rotations: F64, shifts: F64, transfer: F32 | None, out: F32) -> None:
        """Project into ``out`` (n, box, box); ``transfer`` (n, box, box // 2 + 1) multiplies the transforms."""
        box = self._box
        batch = max(1, min(4, (1 << 18) // (8 * box * (box // 2 + 1))))

        def work(start: int, stop: int) -> None:
            with fft.lend("c2r", (batch, box, box), (1, 2)) as plan:
                for a in range(start, stop, batch):
                    b = min(stop, a + batch)
                    self.slices(rotations[a:b], shifts[a:b], plan.input[: b - a])
                    if transfer is not None:
                        plan.input[: b - a] *= transfer[a:b]
                    plan.run()
                    out[a:b] = plan.output[: b - a]

        n = len(rotations)
        threads.each_chunk(work, n, max(batch, min(8 * batch, -(-n // threads.threads()))))

    def slices(self, rotations: F64, shifts: F64, out: NDArray[np.complex64]) -> None:
        """Sample the half transforms (n, box, box // 2 + 1) of the projections, origin at pixel box // 2, / box²."""
        t = self._transform
        central_slices(
            (0,) * self.kernel.width,
            t.grid,
            (t.centre, t.centre_x),
            rotations,
            self._step,
            self._table_x,
            self._table,
            self._mask,
            self._phase_x,
            self._phase_y,
            shifts,
            out,
        )
