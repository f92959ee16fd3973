"""Projection through the central-slice theorem: one gather and one inverse 2D transform a view."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from emviewer.engine import fft, threads
from emviewer.engine.ctf import CTF, transfer
from emviewer.engine.kernels_slice import central_slices, centre_images
from emviewer.engine.project_gridding import Interp, gridding
from emviewer.engine.project_transform import Layout, padded_size, padded_transform
from emviewer.engine.task import Check
from emviewer.engine.types import F32, F64, Map3D

EDGE_PX = 3.0
"""Width of the soft edge at the maximum resolution, in Fourier pixels of the map's box."""


def edge_fall(k: F64, cut: float, edge: float) -> F64:
    """Return 1 below ``cut - edge``, 0 from ``cut`` on, a cosine between; all in cycles a pixel."""
    t = np.clip((cut - k) / edge, 0, 1)
    return np.asarray(0.5 - 0.5 * np.cos(np.pi * t))


class FourierSlices:
    """A map prepared for projection by central slices.

    Parameters
    ----------
    volume : Map3D
        The map.
    frame : int
        Edge of the images that are computed, see :func:`project_frame.frame_size`.
    interp : {"best", "nearest", "linear", "cubic"}
        Interpolation in the padded transform.
    pad : float
        Padding factor.
    cut : float
        Maximum frequency in cycles a voxel, at most 0.5.
    check : callable
        Called at least every 100 ms while preparing.
    """

    def __init__(self, volume: Map3D, frame: int, interp: Interp, pad: float, cut: float, check: Check) -> None:
        data, box, edge = volume.data, frame, volume.box
        size = padded_size(edge, pad)
        self.kernel = gridding(interp, size / edge)
        layout = Layout.of(size, self.kernel, cut * size)
        self._transform = padded_transform(data, layout, self.kernel, 1 / box**2, check)
        self._box = box
        self._pixel_size_A = volume.pixel_size_A
        self._step = size / box / 2
        k = np.hypot(np.fft.fftfreq(box)[:, None], np.fft.rfftfreq(box)[None, :])
        self._mask = edge_fall(k, cut, EDGE_PX / edge).astype(np.float32)
        pixels = np.arange(1, box // 2 + 2)
        self._rims = np.stack(
            [np.where(self._mask >= level, pixels, 0).max(axis=1) for level in (1.0, np.float32(1e-30))], axis=1
        )
        self._table = self.kernel.table()

    @property
    def bytes(self) -> int:
        """Memory held, in bytes."""
        return self._transform.bricks.nbytes

    def project(self, rotations: F64, shifts: F64, ctf: CTF | None, out: F32, check: Check) -> None:
        """Project into ``out`` (n, b, b), the middle of the frame; ``ctf`` multiplies the transforms."""
        box = self._box
        batch = max(1, min(4, (1 << 18) // (8 * box * (box // 2 + 1))))

        def work(start: int, stop: int) -> None:
            with fft.lend("c2r", (batch, box, box), (1, 2), measure=True) as plan:
                for a in range(start, stop, batch):
                    check()
                    b = min(stop, a + batch)
                    self.slices(rotations[a:b], shifts[a:b], plan.input[: b - a])
                    if ctf is not None:
                        plan.input[: b - a] *= transfer(ctf.take(slice(a, b)), box, self._pixel_size_A)
                    plan.run()
                    centre_images(plan.output[: b - a], out[a:b])

        n = len(rotations)
        threads.each_chunk(work, n, max(batch, min(8 * batch, -(-n // threads.threads()))))

    def slices(self, rotations: F64, shifts: F64, out: NDArray[np.complex64]) -> None:
        """Sample the half transforms (n, frame, frame // 2 + 1) of projections, centre at pixel 0, over frame²."""
        central_slices(
            (0,) * self.kernel.bricks,
            self._transform.bricks,
            self._transform.origin,
            rotations,
            self._step,
            self._table,
            self._mask,
            self._rims,
            shifts,
            out.view(np.float32),
        )
