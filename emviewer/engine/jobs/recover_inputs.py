"""Open the images whose orientations are wanted, find out which can be used, and bring them onto a small grid."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import fft as sfft

from emviewer.engine import files, match_grid
from emviewer.engine.conventions import without_mirror
from emviewer.engine.ctf import CTF
from emviewer.engine.ctf import transfer as ctf_transfer
from emviewer.engine.errors import DataError, ParameterError
from emviewer.engine.jobs.folder import ResultFolder
from emviewer.engine.jobs.reconstruct import CTF_COLUMNS
from emviewer.engine.jobs.recover_outliers import even_out
from emviewer.engine.jobs.recover_params import RecoverParams
from emviewer.engine.match_grid import Grid
from emviewer.engine.symmetry import PointGroup, point_group
from emviewer.engine.types import F32, F64, ImageSet

LARGEST = 128
"""Edge to which larger images are cut in Fourier space while orientations are sought."""
LEAST = 4
"""Fewer images determine nothing: three have a single triangle of common lines."""


@dataclass(frozen=True, eq=False)
class Inputs:
    """What orientations are sought for.

    Parameters
    ----------
    images : ImageSet
        As opened.
    data : ndarray of float32, shape (n, box, box)
        All images, white on dark, phases flipped if asked; zeros where an image cannot be used.
    usable : ndarray of int64
        Rows that can be used.
    reason : list of str
        Why a row cannot be used; empty where it can.
    transfer : CTF or None
        Of all images, if their phases were flipped.
    pixel_size_A : float
        Of the images.
    grid : Grid
        The small grid.
    group : PointGroup
        Of the particle.
    max_shift_px : float
        On the small grid.
    truth : ndarray of float64, shape (n, 3, 3), or None
        True views.
    truth_shifts_A : ndarray of float64, shape (n, 2), or None
        True shifts, in RELION's sense.
    """

    images: ImageSet
    data: F32
    usable: NDArray[np.int64]
    reason: list[str]
    transfer: CTF | None
    pixel_size_A: float
    grid: Grid
    group: PointGroup
    max_shift_px: float
    truth: F64 | None
    truth_shifts_A: F64 | None

    @property
    def small(self) -> F32:
        """The usable images on the small grid."""
        return self.grid.images(self.data[self.usable])

    @property
    def flipped(self) -> Callable[[NDArray[np.int64]], F32] | None:
        """What is left of the transfer functions once phases are flipped, or nothing if they were not."""
        ctf, box, pixel = self.transfer, self.data.shape[1], self.pixel_size_A
        return None if ctf is None else (lambda ids: np.abs(ctf_transfer(ctf.take(ids), box, pixel)))


def open_inputs(params: RecoverParams, folder: ResultFolder) -> Inputs:
    """Open and check the images; doubts go to ``folder.warn``.

    Raises
    ------
    EmviewerError
        Images that cannot be read, that are not square, of unknown pixel size, or fewer than four of use.
    """
    group = point_group(params.sym)
    images = files.read_images(
        params.images, pixel_size_A=params.pixel_size, project_dir=params.project_dir, passthrough=params.passthrough
    )
    for note in images.notes:
        folder.warn(note)
    stack = images.stack
    if stack is None:
        raise DataError("the table's images were not found", params.images, "give --project-dir, or the stack itself")
    if stack.shape[0] != stack.shape[1] or stack.shape[0] < 16:
        what = f"the images are {stack.shape[1]}×{stack.shape[0]} px"
        raise DataError(f"{what}; squares of at least 16 px are needed", params.images, "crop or pad them")
    if len(stack) == stack.shape[0] and params.images.suffix.lower() in (".mrc", ".map", ".ccp4"):
        folder.warn("this looks like a map: its sections are taken for images")
    if not (images.pixel_size_known or stack.pixel_size_known):
        raise ParameterError("the images do not tell their pixel size", params.images, "give --pixel-size in Å")
    pixel = float(images.pixel_size_A if images.pixel_size_known else stack.pixel_size_A)
    data = stack[:] * np.float32(1.0 if params.contrast == "positive" else -1.0)
    reason = _reasons(data)
    usable = np.flatnonzero([not r for r in reason]).astype(np.int64)
    if len(usable) < LEAST:
        raise DataError(
            f"{len(usable)} of {len(data)} images can be used, orientations need at least {LEAST}",
            params.images, "give more images" + " that are not empty" * (len(usable) < len(data)),
        )  # fmt: skip
    if len(usable) < len(data):
        first = next(i for i, r in enumerate(reason) if r)
        folder.warn(f"{len(data) - len(usable)} images are left out, the first is {first + 1}: {reason[first]}")
    data[[i for i, r in enumerate(reason) if r]] = 0
    hot, odd = even_out(data, usable)
    if len(hot):
        folder.warn(f"hot pixels are evened out in {len(hot)} images, the first is {hot[0] + 1}")
    if len(odd):
        folder.warn(
            f"{len(odd)} images of tenfold or more other contrast than most are scaled, the first is {odd[0] + 1}"
        )
    transfer = _flip(images, data, pixel, params, folder)
    target = None if data.shape[1] <= LARGEST else data.shape[1] * pixel / LARGEST
    grid = match_grid.common_grid(data.shape[1], pixel, target)
    shift_A = 0.08 * data.shape[1] * pixel if params.max_shift is None else params.max_shift
    most = 0.45 * grid.n
    return Inputs(
        images, data, usable, reason, transfer, pixel, grid, group, min(shift_A / grid.pixel_size_A, most),
        *_truth(params, len(data)),
    )  # fmt: skip


def _reasons(data: F32) -> list[str]:
    finite = np.asarray(np.isfinite(data).all(axis=(1, 2)))
    flat = np.ptp(np.where(finite[:, None, None], data, 0), axis=(1, 2)) == 0
    return [
        "" if f and not e else "empty" if f else "values that are not numbers"
        for f, e in zip(finite, flat, strict=True)
    ]


def _flip(images: ImageSet, data: F32, pixel: float, params: RecoverParams, folder: ResultFolder) -> CTF | None:
    """Flip phases in place and return the CTFs, if that is asked for or possible."""
    if params.ctf == "ignore":
        return None
    table = images.ctf
    if table is None or any(c not in table or bool(table[c].isna().any()) for c in CTF_COLUMNS):
        if params.ctf == "flip":
            raise ParameterError("--ctf flip needs the CTF of every image", params.images, "give --ctf ignore")
        return None
    ctf = CTF(*table[list(CTF_COLUMNS)].to_numpy(np.float64).T)
    box = data.shape[1]
    for start in range(0, len(data), 256):
        part = slice(start, start + 256)
        sign = np.sign(ctf_transfer(ctf.take(part), box, pixel))
        half = sfft.rfft2(sfft.ifftshift(data[part], axes=(1, 2))) * sign
        data[part] = sfft.fftshift(sfft.irfft2(half, s=(box, box)), axes=(1, 2))
    folder.warn("phases were flipped as the CTF in the table says; --ctf ignore leaves them")
    return ctf


def _truth(params: RecoverParams, n: int) -> tuple[F64, F64] | tuple[None, None]:
    return (None, None) if params.truth is None else read_views(params.truth, params, n)


def read_views(path: Path, params: RecoverParams, n: int) -> tuple[F64, F64]:
    """Return the views (n, 3, 3) and RELION's shifts (n, 2) in Å of a table with one row an image.

    Raises
    ------
    DataError
        It has no orientations, or another number of rows.
    """
    known = files.read_images(path, project_dir=params.project_dir)
    if known.poses is None or known.in_plane_only:
        raise DataError("the table has no orientations", path, "give rlnAngleRot, Tilt and Psi")
    if len(known) != n:
        raise DataError(f"the table has {len(known)} orientations for {n} images", path, "give one row an image")
    p = known.poses
    return without_mirror(p.rotations, p.shifts_A, p.mirror)
