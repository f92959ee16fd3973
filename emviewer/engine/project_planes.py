"""Projection in real space: a map as a stack of planes across the axis nearest to the view direction."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Literal

import numpy as np

from emviewer.engine import fft, threads
from emviewer.engine.ctf import CTF, transfer
from emviewer.engine.kernels_rays import MARGIN, integrate_rays, spline_coefficients, sum_sheared
from emviewer.engine.project_gridding import Interp
from emviewer.engine.task import Check
from emviewer.engine.types import F32, F64, Map3D

ORDER = {0: (0, 2, 1), 1: (1, 2, 0), 2: (2, 1, 0)}
"""Axes (t, v, u) of the planes, as indices of x, y, z, by the axis that is nearest to the view direction."""

PLANES_A_CHECK = 16
"""Planes summed between two looks at whether to stop: 35 ms for rays through planes of 400²."""


@dataclass(frozen=True)
class View:
    """One view as it meets the planes.

    Parameters
    ----------
    axis : int
        Axis (0 x, 1 y, 2 z) across which the planes lie.
    step_x, step_y, slope : tuple of float
        How far ``(u, v)`` moves a pixel along image x, a pixel along image y, and a plane.
    length : float
        Length of ray from plane to plane.
    """

    axis: int
    step_x: tuple[float, float]
    step_y: tuple[float, float]
    slope: tuple[float, float]
    length: float

    @classmethod
    def of(cls, matrix: F64) -> View:
        """Return the view of a rotation ``A`` (3, 3)."""
        axis = int(np.argmax(np.abs(matrix[2])))
        t, v, u = ORDER[axis]
        along_x, along_y, ray = matrix[:, [u, v, t]]
        slope = ray[:2] / ray[2]
        x, y = along_x[:2] - along_x[2] * slope, along_y[:2] - along_y[2] * slope
        pairs = [(float(p[0]), float(p[1])) for p in (x, y, slope)]
        return cls(axis, pairs[0], pairs[1], pairs[2], float(1 / abs(ray[2])))


class Planes:
    """A map prepared for projection in real space: by rays, or by shears.

    Rays (``method="real"``): every pixel's ray is followed from plane to plane, and the plane interpolated where the
    ray meets it. Along the axis of the planes nothing is interpolated.

    Shears: all planes are shifted so that the rays become parallel to the axis, and added up; what is left to do is a
    linear change of the coordinates of one image. As all pixels of a plane share their weights, this is fast. Cubic
    splines throughout (the idea of factoring a rotation into one-dimensional shears: Paeth 1986).

    Parameters
    ----------
    volume : Map3D
        The map, without what is finer than the maximum resolution.
    method : {"real", "shears"}
        Rays or shears.
    interp : {"best", "nearest", "linear", "cubic"}
        In-plane interpolation of rays; ``best`` is the cubic spline. Shears are always cubic.
    check : callable
        Called while preparing.
    """

    def __init__(self, volume: Map3D, method: Literal["real", "shears"], interp: Interp, check: Check) -> None:
        self._volume = volume
        self._shears = method == "shears"
        self._degree = 3 if self._shears else {"nearest": 0, "linear": 1}.get(interp, 3)
        self._lock = threading.Lock()
        self._planes: dict[int, F32] = {}
        self._of_axis(2, check)

    @property
    def bytes(self) -> int:
        """Memory held, in bytes; planes along the other axes are made when first needed."""
        return sum(p.nbytes for p in self._planes.values())

    def _of_axis(self, axis: int, check: Check) -> F32:
        with self._lock:
            if axis not in self._planes:
                data = self._volume.data.transpose([2 - a for a in ORDER[axis]])
                nt, nv, nu = data.shape
                planes = np.zeros((nt, nv + 2 * MARGIN, nu + 2 * MARGIN), np.float32)
                inner = planes[:, MARGIN : MARGIN + nv, MARGIN : MARGIN + nu]

                def work(start: int, stop: int) -> None:
                    check()
                    inner[start:stop] = data[start:stop]
                    if self._degree == 3:
                        spline_coefficients(planes, start, stop)

                threads.each_chunk(work, nt, 8)
                self._planes[axis] = planes
            return self._planes[axis]

    def project(self, rotations: F64, shifts: F64, ctf: CTF | None, out: F32, check: Check) -> None:
        """Project into ``out`` (n, b, b); ``ctf`` multiplies the transforms of the images."""
        views = [View.of(matrix) for matrix in rotations]
        for axis in {view.axis for view in views}:
            self._of_axis(axis, check)

        def work(start: int, stop: int) -> None:
            for i in range(start, stop):
                (self._by_shears if self._shears else self._by_rays)(views[i], shifts[i], out[i], check)
                if ctf is not None:
                    _apply(ctf.take(slice(i, i + 1)), self._volume.pixel_size_A, out[i])

        threads.each_chunk(work, len(views), 1)

    def _start(self, view: View, shift: F64, box: int, middle: tuple[float, float]) -> tuple[float, float]:
        """Return (u, v) of image pixel (0, 0) on the plane through the centre, whose centre is at ``middle``."""
        x, y = shift[0] - box // 2, shift[1] - box // 2
        return (
            middle[0] + x * view.step_x[0] + y * view.step_y[0],
            middle[1] + x * view.step_x[1] + y * view.step_y[1],
        )

    def _by_rays(self, view: View, shift: F64, out: F32, check: Check) -> None:
        planes = self._planes[view.axis]
        nt, nv, nu = planes.shape
        middle = (MARGIN + (nu - 2 * MARGIN) // 2, MARGIN + (nv - 2 * MARGIN) // 2)
        start = self._start(view, shift, out.shape[0], middle)
        steps = (view.step_x, view.step_y, view.slope, start, view.length, self._degree)
        out[:] = 0
        for t in range(0, nt, PLANES_A_CHECK):
            check()
            integrate_rays(planes[t : t + PLANES_A_CHECK], nt // 2 - t, *steps, out)

    def _by_shears(self, view: View, shift: F64, out: F32, check: Check) -> None:
        planes = self._planes[view.axis]
        nt, nv, nu = planes.shape
        height, width = (n + 2 * (nt // 2 + 2) for n in (nv, nu))
        total = np.zeros((1, height, width), np.float32)
        for t in range(0, nt, PLANES_A_CHECK):
            check()
            sum_sheared(planes[t : t + PLANES_A_CHECK], nt // 2 - t, view.slope, total[0])
        spline_coefficients(total, 0, 1)
        rim = MARGIN + nt // 2 + 2
        start = self._start(view, shift, out.shape[0], (rim + (nu - 2 * MARGIN) // 2, rim + (nv - 2 * MARGIN) // 2))
        out[:] = 0
        integrate_rays(total, 0, view.step_x, view.step_y, (0.0, 0.0), start, view.length, 3, out)


def _apply(ctf: CTF, pixel_size_A: float, image: F32) -> None:
    box = image.shape[0]
    image[:] = fft.irfft2(fft.rfft2(image, 1) * transfer(ctf, box, pixel_size_A)[0], (box, box), 1)
