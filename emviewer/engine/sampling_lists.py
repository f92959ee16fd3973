"""Plain lists of views: regular grids, tilt series, HEALPix pixels, psi added. All angles in degrees."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from emviewer.engine.conventions import F64, wrap_degrees
from emviewer.engine.errors import ParameterError

HEALPIX_SPACING_DEG = float(np.rad2deg(np.sqrt(4 * np.pi / 12)))
"""Square root of the area of one of HEALPix's 12 base pixels: 58.63°; nside ``k`` has 1/k of it."""


@dataclass(frozen=True)
class Steps:
    """``start:stop:step`` in degrees."""

    start: float
    stop: float
    step: float

    def values(self, period: float = 0.0) -> F64:
        """Return start, start + step … up to stop inclusive; with a period, not the same angle twice."""
        count = int(np.floor((self.stop - self.start) / self.step + 1e-6)) + 1
        found = self.start + self.step * np.arange(count)
        if period:
            found = found[found - self.start < period - 1e-6]
        return np.asarray(found)


def grid_ranges(rot: Steps, tilt: Steps) -> F64:
    """Return the regular grid of two ranges, tilt by tilt.

    Parameters
    ----------
    rot, tilt : Steps
        Both ends included; a rot that is 360° from the first is the first again and is left out.

    Returns
    -------
    ndarray of float64, shape (n, 3)
        rot, tilt, psi = 0. Every rot is kept at tilt 0 and 180 too, where it turns the image in its plane.
    """
    rots, tilts = rot.values(period=360.0), tilt.values(period=360.0)
    return np.column_stack([np.tile(rots, len(tilts)), np.repeat(tilts, len(rots)), np.zeros(len(rots) * len(tilts))])


def tilt_series(axis_deg: float, start: float, stop: float, step: float) -> F64:
    """Return the views of a single-axis tilt series.

    Parameters
    ----------
    axis_deg : float
        Direction of the tilt axis in the image, from the image's x axis towards its y axis: 90 tilts about y, which
        is the stage's ``(0, tilt, 0)``.
    start, stop, step : float
        Tilts in degrees, both ends included; ``step`` negative to go down.

    Returns
    -------
    ndarray of float64, shape (n, 3)
        rot, tilt, psi with the tilt as given (negative ones stay negative) and ``rot = axis - 90 = -psi``: at tilt 0
        the image is the unrotated view along z, and points on the axis stay where they are in all images.
    """
    count = int(np.floor((stop - start) / step + 1e-6)) + 1
    tilts = start + step * np.arange(count)
    rot = float(wrap_degrees(axis_deg - 90.0))
    return np.column_stack([np.full(count, rot), tilts, np.full(count, -rot)]) + 0.0


def with_psi(angles: ArrayLike, psi_step: float | None) -> F64:
    """Return every view at evenly spaced in-plane angles.

    Parameters
    ----------
    angles : array_like, shape (n, 3)
        rot, tilt, psi.
    psi_step : float or None
        Largest psi step; where it does not divide 360° the steps are made a little smaller and equal. None or 360 and
        more leave the list as it is.

    Returns
    -------
    ndarray of float64, shape (n * ceil(360 / psi_step), 3)
        View by view; psi 0 is in, 360 is not.
    """
    a = np.asarray(angles, np.float64).reshape(-1, 3)
    if psi_step is None:
        return a.copy()
    if not psi_step > 0:
        raise ParameterError(f"the psi step {psi_step:g}° is not positive", "--psi-step", "give degrees above 0")
    count = max(1, int(np.ceil(360.0 / psi_step - 1e-6)))
    out = np.repeat(a, count, axis=0)
    out[:, 2] += np.tile(np.arange(count) * (360.0 / count), len(a))
    return out


def healpix_nside(step_deg: float) -> int:
    """Return the smallest nside whose pixels are no wider than the step: 7.5° gives 8, RELION's order 3."""
    return max(1, int(np.ceil(HEALPIX_SPACING_DEG / step_deg - 1e-6)))


def healpix_pixels(nside: int) -> F64:
    """Return the pixel centres of HEALPix in ring order.

    Parameters
    ----------
    nside : int
        Resolution, any number from 1 (RELION's order ``k`` is ``2 ** k``).

    Returns
    -------
    ndarray of float64, shape (12 * nside ** 2, 3)
        Unit vectors.

    Notes
    -----
    Górski et al. 2005, ApJ 622, 759, equations 4–9.
    """
    heights, azimuths = [], []
    for ring in range(1, 4 * nside):
        mirrored = min(ring, 4 * nside - ring)
        if mirrored < nside:
            height = 1 - mirrored**2 / (3 * nside**2)
            count, offset = 4 * mirrored, 0.5
            height = height if ring < 2 * nside else -height
        else:
            height = (4 - 2 * ring / nside) / 3
            count, offset = 4 * nside, 0.5 * ((ring - nside + 1) % 2)
        heights.append(np.full(count, height))
        azimuths.append((np.arange(count) + offset) * (2 * np.pi / count))
    z, phi = np.concatenate(heights), np.concatenate(azimuths)
    sine = np.sqrt(np.maximum(0.0, 1 - z * z))
    return np.stack([sine * np.cos(phi), sine * np.sin(phi), z], axis=1)
