"""How large the images are inside a projector, before they are cut to the box that was asked for."""

from __future__ import annotations

import threading

import numpy as np

from emviewer.engine import threads
from emviewer.engine.kernels_shell import shell_power
from emviewer.engine.task import Check
from emviewer.engine.types import F32

OUTSIDE = 1e-3
"""Part of a map's root-mean-square density that may lie outside its radius."""


def mass_radius_px(data: F32, check: Check) -> float:
    """Return the radius in voxels about voxel ``n // 2`` of the sphere that holds a map but for ``OUTSIDE``.

    Parameters
    ----------
    data : ndarray of float32, shape (nz, ny, nx)
        The map.
    check : callable
        Called every few planes.
    """
    power = np.zeros(int(np.ceil(np.linalg.norm(data.shape) / 2)) + 3)
    lock = threading.Lock()

    def work(start: int, stop: int) -> None:
        check()
        part = np.zeros_like(power)
        # a copy, because a file mapped into memory is another type to numba, and would be compiled again
        shell_power(np.array(data[start:stop], np.float32, order="C"), len(data) // 2 - start, part)
        with lock:
            np.add(power, part, out=power)

    threads.each_chunk(work, len(data), 8)
    outside = np.cumsum(power[::-1])[::-1]
    return float(np.count_nonzero(outside > OUTSIDE**2 * outside[0])) - 0.5


def frame_size(box: int, radius_px: float) -> int:
    """Return the edge of the images to compute so that nothing wraps around into a box.

    Central slices are sampled once a Fourier pixel, so what a projection has outside the frame comes back in at the
    other side. The frame is the box itself for a map that stays inside the sphere of the box; at most 1.37 boxes.

    Parameters
    ----------
    box : int
        Edge of the images wanted.
    radius_px : float
        Radius of the map, see :func:`mass_radius_px`.
    """
    needed = max(box, int(np.ceil(box / 2 + radius_px)))
    return min(range(needed, needed + needed // 8 + 8), key=_cost)


def _cost(n: int) -> float:
    """Return the time of one view of edge n: reading the slice takes 5.7 times FFTW's inverse of a good length.

    Factors 7, 11 and 13, and few factors 2, make FFTW slower as measured between 64 and 280 (odd 135: 2.3 times).
    """
    rest, twos = n, 0
    while rest % 2 == 0:
        rest, twos = rest // 2, twos + 1
    slower = {0: 1.2, 1: 0.4}.get(twos, 0.0)
    for factor, more in ((3, 0.0), (5, 0.0), (7, 0.3), (11, 0.5), (13, 0.5)):
        if rest % factor == 0:
            slower += more
        while rest % factor == 0:
            rest //= factor
    if rest > 1:
        slower += 15.0
    return n * n * (5.7 + 1 + slower)
