"""Projections of a map: the line sums that an electron microscope would see along any direction."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from emviewer.engine.ctf import CTF
from emviewer.engine.errors import ParameterError
from emviewer.engine.filters import apply_radial
from emviewer.engine.project_fourier import EDGE_PX, FourierSlices, edge_fall
from emviewer.engine.project_frame import frame_size, mass_radius_px
from emviewer.engine.project_gridding import Interp
from emviewer.engine.project_planes import Planes
from emviewer.engine.task import Check, never
from emviewer.engine.types import F32, F64, Map3D

Method = Literal["fourier", "real", "shears"]


class Projector:
    """A map prepared once, projected along any number of directions.

    A projection is the line sum in voxel units (a map of ones in a box of n gives n), on the map's pixel size and
    with the map's sign; the centre of rotation is voxel and pixel ``n // 2`` (RELION's, even and odd boxes).

    Parameters
    ----------
    volume : Map3D
        The map, of any shape; it stands centred in a cube of its longest edge.
    method : {"fourier", "real", "shears"}
        Central slice of the padded Fourier transform, integration along rays, or shears.
    interp : {"best", "nearest", "linear", "cubic"}
        Interpolation.
    pad : float or None
        Padding factor of the Fourier method; None takes what is quickest for the interpolation.
    max_res_A : float or None
        Finest resolution in the projections, with a soft edge; None is Nyquist.
    box : int or None
        Edge of the images in pixels; None is the map's longest edge. Smaller boxes are cut, larger ones zero-filled.
    check : callable
        Called at least every 100 ms while preparing; raises to cancel.

    Attributes
    ----------
    box : int
        Edge of the images in pixels.
    pixel_size_A : float
        Pixel size of the images in Å.

    Raises
    ------
    ParameterError
        An option outside its bounds.
    """

    def __init__(
        self,
        volume: Map3D,
        *,
        method: Method = "fourier",
        interp: Interp = "best",
        pad: float | None = None,
        max_res_A: float | None = None,
        box: int | None = None,
        check: Check = never,
    ) -> None:
        self.box = int(box) if box else volume.box
        self.pixel_size_A = volume.pixel_size_A
        if self.box < 1:
            raise ParameterError(f"box {box} is not positive", "--box", "give the edge in pixels")
        pad = default_pad(interp) if pad is None else float(pad)
        if not 1 <= pad <= 8:
            raise ParameterError(f"padding {pad} is outside 1…8", "--pad", "2 is RELION's")
        if max_res_A is not None and not max_res_A > 0:
            raise ParameterError(f"maximum resolution {max_res_A} Å is not positive", "--max-res", "give it in Å")
        cut = min(0.5, volume.pixel_size_A / max_res_A) if max_res_A else 0.5
        self._engine: FourierSlices | Planes
        if method == "fourier":
            frame = frame_size(self.box, mass_radius_px(volume.data, check))
            self._engine = FourierSlices(volume, frame, interp, pad, cut, check)
        elif method in ("real", "shears"):
            self._engine = Planes(_limited(volume, cut, check), method, interp, check)
        else:
            raise ParameterError(f"unknown projection method {method!r}", "--method", "use fourier, real or shears")

    @property
    def bytes(self) -> int:
        """Memory held, in bytes."""
        return self._engine.bytes

    def project(
        self,
        rotations: ArrayLike,
        shifts_px: ArrayLike | None = None,
        ctf: CTF | None = None,
        out: F32 | None = None,
        check: Check = never,
    ) -> F32:
        """Return projections; any number of threads may call this at once.

        Parameters
        ----------
        rotations : array_like, shape (n, 3, 3)
            ``A`` of :class:`~emviewer.engine.types.Poses`.
        shifts_px : array_like, shape (n, 2), optional
            ``(x, y)`` in pixels to be added to the image to centre it: the particle stands at ``-shift``.
        ctf : CTF of length n or 1, optional
            Contrast transfer functions to multiply with.
        out : ndarray of float32, shape (n, box, box), optional
            Where to write.
        check : callable
            Called at least every 100 ms, from any thread; raises to cancel.

        Returns
        -------
        ndarray of float32, shape (n, box, box)
            The projections.
        """
        matrices = np.ascontiguousarray(np.asarray(rotations, np.float64).reshape(-1, 3, 3))
        n = len(matrices)
        shifts = np.zeros((n, 2)) if shifts_px is None else np.ascontiguousarray(shifts_px, np.float64).reshape(n, 2)
        if ctf is not None and len(ctf) != n:
            if len(ctf) != 1:
                raise ParameterError(f"{len(ctf)} CTFs for {n} views", "CTF", "give one, or one a view")
            ctf = ctf.take(np.zeros(n, np.int64))
        result = np.empty((n, self.box, self.box), np.float32) if out is None else out
        self._engine.project(matrices, shifts, ctf, result, check)
        return result


def _limited(volume: Map3D, cut: float, check: Check) -> Map3D:
    """Return the map without frequencies beyond ``cut`` cycles a voxel.

    Done at Nyquist too: turned, the corners of the map's cube of frequencies would come back as false detail (on the
    48³ TRPV1 map of the tests, which has an eighth of its power there, the correlation with central slices is 0.992
    with the corners and 0.9995 without).
    """
    edge = EDGE_PX / volume.box

    def factor(k: F64) -> F64:
        return edge_fall(k * volume.pixel_size_A, cut, edge)

    return replace(volume, data=apply_radial(volume.data, volume.pixel_size_A, factor, check=check))


def default_pad(interp: Interp) -> float:
    """Return the padding that is quickest for an interpolation at its accuracy."""
    return 2.0 if interp in ("cubic", "nearest") else 1.25
