"""What differs between two maps in one frame: matched in band, amplitudes and grey values, then subtracted.

Band limit of both to the worse resolution; amplitudes matched shell by shell inside the mask (as TEMPy does: Joseph,
Polles, Alber, Topf, J. Struct. Biol. 199 (2017) 12), grey values by a robust line; ``difference = reference - map``.
Significance from half maps (local variance) or from the solvent.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from emviewer.engine.errors import DataError
from emviewer.engine.fsc import crossing, ratio
from emviewer.engine.fsc_transform import C64, half_transform, real_map, scale_shells, shell_sums
from emviewer.engine.task import Check, never
from emviewer.engine.types import F32, F64

Match = Literal["radial", "local", "none"]
GAIN = 5.0
"""Most that amplitudes of a shell are raised or lowered relative to the whole."""
SHELL_INV_A = 0.02
WINDOW_A = 25.0
NOISE_WINDOW_A = 12.0
ALIKE, SAME, LEAST_CORRELATION = 4.0, 8.5, 0.7
"""Least detail that maps of one particle have in common, and the one up to which they must correlate as well."""
FEW = 2_000_000
"""Voxels from which the line of grey values and the noise are estimated."""


@dataclass(frozen=True, eq=False)
class Difference:
    """A difference map and how it was made.

    Parameters
    ----------
    data, z : ndarray of float32
        ``reference - matched map`` inside the mask, and the same in standard deviations of noise.
    reference, matched : ndarray of float32
        What was subtracted, band-limited and matched, inside the mask.
    resolution_A : float
        Band limit; 0 if none.
    scale, offset : float
        ``reference ≈ scale · map + offset`` after matching.
    noise : str
        ``half maps``, ``solvent`` or ``density`` (no noise outside: the spread inside was taken).
    misregistration : float
        Largest correlation of the difference with a derivative by rotation or shift; above 0.2 it says that the maps
        are not in register (0 where the difference is less than 2 % of the density).
    correlation : float
        Of what was subtracted, inside the mask.
    agree_A : float
        Where the shell correlation of the maps inside the mask falls below 0.143; 0 if it is not known
        (``match="none"`` without a band limit) or never falls.
    detail : float
        Diameter of a ball as large as the mask over ``agree_A``; infinite where that is 0.
    gain : ndarray of float64
        Factor of each shell of the map.
    """

    data: F32
    z: F32
    reference: F32
    matched: F32
    resolution_A: float
    scale: float
    offset: float
    noise: str
    misregistration: float
    correlation: float
    agree_A: float
    detail: float
    gain: F64 = field(repr=False)

    @property
    def is_misregistered(self) -> bool:
        """Whether the difference is mostly what a small motion makes."""
        return self.misregistration > 0.2

    @property
    def is_unrelated(self) -> bool:
        """Whether the maps have no more in common than two particles of about the same size.

        Measured on maps of seven particles of 92 to 238 Å, aligned to each other and as they came: different ones have
        a ``detail`` of 0.7 to 8.1 and correlate up to 0.65 where it is above 4, up to 0.82 below. A map has 8.7 to 21
        with itself low-passed to 25 Å, with a half or two thirds missing or in a hundred times as much noise, and
        with another map of the same particle.
        """
        return self.detail < ALIKE or (self.detail < SAME and self.correlation < LEAST_CORRELATION)


def subtract(
    reference: F32, moved: F32, pixel_size_A: float, mask: F32 | None = None, *, resolution_A: float | None = None,
    match: Match = "radial", noise_ref: F32 | None = None, noise_map: F32 | None = None,
    check: Check = never,
) -> Difference:  # fmt: skip
    """Return the difference of two maps that are in one frame and on one grid.

    Parameters
    ----------
    reference, moved : ndarray of float32, shape (nz, ny, nx)
        The maps.
    pixel_size_A : float
        Voxel edge.
    mask : ndarray of float32, optional
        Weights 0 … 1; everywhere if None.
    resolution_A : float, optional
        Band limit. By default where the shell correlation of the two, inside the mask, falls below 0.143, at least
        2.2 voxels; none at all with ``match="none"``.
    match : {"radial", "local", "none"}
        Amplitudes by shell and a robust line; the same and then local contrast too (hides differing occupancy); or
        plain subtraction.
    noise_ref, noise_map : ndarray of float32, optional
        Half the difference of the half maps of each, on the same grid.
    check : callable
        Called between planes.

    Raises
    ------
    DataError
        Boxes that differ, or a mask without any voxel above one half.
    """
    if not reference.shape == moved.shape == (moved.shape if mask is None else mask.shape):
        raise DataError("maps of different boxes cannot be subtracted", "", "align with --on reference first")
    inside = np.ones(moved.shape, bool) if mask is None else mask > 0.5
    if not inside.any():
        raise DataError("no voxel of the mask is above one half", "", "give another mask")
    bands = _Bands(reference, moved, pixel_size_A, mask, match, resolution_A, check)
    a, b = bands.filtered(reference, False), bands.filtered(moved, True)
    values = _sample(inside, b, a)
    scale, offset = (1.0, 0.0) if match == "none" else robust_line(*values)
    b *= np.float32(scale)
    b += np.float32(offset)
    if match == "local":
        b = _local(a, b, inside, pixel_size_A, bands.resolution_A)
    diff = a - b
    sigma, noise = _sigma(diff, a, inside, moved != 0, bands, scale, noise_ref, noise_map, pixel_size_A)
    if mask is not None:
        for each in (diff, a, b):
            each *= mask
    z = diff / sigma
    diameter_A = 2 * (3 * float(inside.sum()) / (4 * np.pi)) ** (1 / 3) * pixel_size_A
    return Difference(
        diff, z, a, b, bands.resolution_A, scale, offset, noise, misregistration(diff, b, a),
        _correlation(*values), bands.agree_A, diameter_A / bands.agree_A if bands.agree_A else np.inf, bands.gain,
    )  # fmt: skip


class _Bands:
    """The band limit and the gains that make the amplitudes of the map those of the reference."""

    def __init__(
        self, reference: F32, moved: F32, pixel_A: float, mask: F32 | None, match: Match, resolution_A: float | None,
        check: Check,
    ) -> None:  # fmt: skip
        self.shape = (moved.shape[0], moved.shape[1], moved.shape[2])
        self.pixel, self.check = pixel_A, check
        count = max(self.shape) // 2 + 1
        self.frequency = np.arange(count) / (max(self.shape) * pixel_A)
        self.gain, self.resolution_A = np.ones(count), resolution_A or 0.0
        self.limit, self.agree_A = np.ones(count), 0.0
        if match == "none" and resolution_A is None:
            return
        sums = self._sums(reference, moved, mask)
        self.agree_A = crossing(self.frequency[1:], ratio(sums)[1:], 0.143) or 0.0
        if resolution_A is None:
            self.resolution_A = max(2.2 * pixel_A, self.agree_A)
        fall = 8 / (max(self.shape) * pixel_A)
        t = np.clip((self.frequency - 1 / self.resolution_A) / fall + 0.5, 0, 1)
        self.limit = 0.5 + 0.5 * np.cos(np.pi * t)
        if match != "none":
            self.gain = self._gains(sums)

    def _sums(self, reference: F32, moved: F32, mask: F32 | None) -> F64:
        halves: list[C64] = []
        for data in (reference, moved):
            level = np.float32(_rim(data, mask))
            halves.append(half_transform(data - level, mask, self.check))
        return shell_sums(halves[0], halves[1], self.shape, self.check)

    def _gains(self, sums: F64) -> F64:
        band = (self.frequency > 0) & (self.frequency <= 1 / self.resolution_A)
        if not band.any() or not (sums[2, band].sum() > 0 and sums[1, band].sum() > 0):
            return self.gain
        width = max(1, round(SHELL_INV_A * max(self.shape) * self.pixel / 2))
        powers = [_running_mean(sums[i], width) for i in (1, 2)]
        whole = np.sqrt(sums[1, band].sum() / sums[2, band].sum())
        gain = np.sqrt(np.divide(powers[0], powers[1], out=np.full(len(powers[0]), whole**2), where=powers[1] > 0))
        gain = whole * np.clip(gain / whole, 1 / GAIN, GAIN)
        last = int(np.flatnonzero(band)[-1])
        gain[last + 1 :] = gain[last]
        return np.asarray(gain)

    def filtered(self, data: F32, with_gain: bool) -> F32:
        """Return data within the band, with the gains of the map if asked; a new array."""
        factor = self.limit * self.gain if with_gain else self.limit
        if np.all(factor == 1):
            return data.astype(np.float32, copy=True)
        half = half_transform(data, check=self.check)
        scale_shells(half, self.shape, factor, self.check)
        return real_map(half, self.shape, self.check)


def _running_mean(values: F64, width: int) -> F64:
    """Return the mean of each value and ``width`` on either side, the ends repeated."""
    total = np.concatenate([[0.0], np.cumsum(np.pad(values, width, mode="edge"))])
    n = 2 * width + 1
    return np.asarray((total[n:] - total[:-n]) / n)


def _rim(data: F32, mask: F32 | None) -> float:
    """Return the grey value of the solvent: the mean on the edge of the mask, else the median."""
    if mask is not None:
        edge = (mask > 0.02) & (mask < 0.5)
        if edge.any():
            return float(data[edge].mean(dtype=np.float64))
    return float(np.median(data[:: max(1, len(data) // 32)]))


def _slope(data: F32, axis: int, step: int) -> F32:
    """Return the derivative along an axis (per voxel) at every ``step``-th voxel of each axis."""
    place = np.clip(np.arange(0, data.shape[axis], step), 1, max(1, data.shape[axis] - 2))
    thin = tuple(slice(None) if i == axis else slice(None, None, step) for i in range(3))
    ahead, behind = (data[thin].take(place + k, axis=axis, mode="clip") for k in (1, -1))
    return np.asarray((ahead - behind) / 2, np.float32)


def _sample(where: NDArray[np.bool_], *maps: F32) -> list[NDArray[np.float32]]:
    """Return values of maps at some two million of the voxels asked for, the same of each."""
    step = max(1, int(np.ceil((where.size / FEW) ** (1 / 3))))
    thin = (slice(None, None, step),) * 3
    if not where[thin].any():
        thin = (slice(None),) * 3
    return [data[thin][where[thin]] for data in maps]


def _correlation(x: NDArray[np.float32], y: NDArray[np.float32]) -> float:
    """Return the correlation of values, which no scale or offset changes; 0 if either are all equal."""
    u, v = x - x.mean(dtype=np.float64), y - y.mean(dtype=np.float64)
    norm = float(np.sqrt(np.vdot(u, u) * np.vdot(v, v)))
    return float(np.vdot(u, v)) / norm if norm > 0 else 0.0


def robust_line(x: NDArray[np.float32], y: NDArray[np.float32]) -> tuple[float, float]:
    """Return scale and offset of ``y ≈ scale x + offset`` that outliers hardly move (Huber's weights, four rounds)."""
    u, v = x.astype(np.float64), y.astype(np.float64)
    weight = np.ones(len(u))
    scale, offset = 1.0, 0.0
    for _ in range(4):
        mean_u, mean_v = np.average(u, weights=weight), np.average(v, weights=weight)
        spread = float(np.sum(weight * (u - mean_u) ** 2))
        if not spread > 0:
            return 1.0, float(mean_v - mean_u)
        scale = float(np.sum(weight * (u - mean_u) * (v - mean_v)) / spread)
        offset = float(mean_v - scale * mean_u)
        rest = np.abs(v - scale * u - offset)
        width = 1.345 * 1.4826 * float(np.median(rest))
        if not width > 0:
            break
        weight = np.minimum(1.0, width / np.maximum(rest, 1e-30))
    return scale, offset


def _local(a: F32, b: F32, inside: NDArray[np.bool_], pixel_A: float, resolution_A: float) -> F32:
    """Return ``b`` with the local contrast of ``a`` (Gaussian window of 25 Å or five times the resolution)."""
    from scipy import ndimage

    sigma = max(WINDOW_A, 5 * resolution_A) / pixel_A / 2.355
    level = np.float32(np.mean(b[inside]))
    powers = [ndimage.gaussian_filter((each - level) ** 2, sigma, truncate=3.0) for each in (a, b)]
    low = np.float32(1e-6 * float(powers[1].max()))
    local = np.clip(np.sqrt(powers[0] / np.maximum(powers[1], low)), 1 / GAIN, GAIN)
    return np.asarray((b - level) * local + level, np.float32)


def _sigma(
    diff: F32, reference: F32, inside: NDArray[np.bool_], reached: NDArray[np.bool_], bands: _Bands, scale: float,
    noise_ref: F32 | None, noise_map: F32 | None, pixel_A: float,
) -> tuple[F32 | np.float32, str]:  # fmt: skip
    """Return the noise of the difference, of each voxel or of all, and where it is from."""
    floor = np.float32(1e-3 * max(float(np.abs(reference).max()), 1e-30))
    if noise_ref is not None or noise_map is not None:
        from scipy import ndimage

        variance = np.zeros(diff.shape, np.float32)
        pairs = [(noise_ref, False, 1.0), (noise_map, True, scale)]
        known = sum(half is not None for half, _, _ in pairs)
        for half, with_gain, factor in pairs:
            if half is not None:
                noise = bands.filtered(half, with_gain) * np.float32(factor)
                variance += ndimage.gaussian_filter(noise * noise, NOISE_WINDOW_A / pixel_A / 2.355, truncate=3.0)
        return np.maximum(np.sqrt(variance * np.float32(2 / known)), floor), "half maps"
    solvent = _sample(~inside & reached, diff)[0]
    if len(solvent) > 1000:
        spread = 1.4826 * float(np.median(np.abs(solvent - np.median(solvent))))
        if spread > float(floor) * 1e-2:
            return np.maximum(np.float32(spread), floor), "solvent"
    values = _sample(inside, diff)[0]
    return np.maximum(np.float32(1.4826 * np.median(np.abs(values - np.median(values)))), floor), "density"


def misregistration(diff: F32, moved: F32, reference: F32) -> float:
    """Return the largest absolute correlation of a difference with the derivatives of the map by its six motions."""
    power, whole = (float(np.vdot(each, each)) for each in (diff, reference))
    if not power > 4e-4 * whole:
        return 0.0
    step = max(1, max(diff.shape) // 128)
    d = diff[::step, ::step, ::step]
    gx, gy, gz = (_slope(moved, axis, step) for axis in (2, 1, 0))
    z, y, x = np.ix_(*(np.arange(0, n, step, dtype=np.float32) - n // 2 for n in diff.shape))
    maps = [gx, gy, gz, gz * y - gy * z, gx * z - gz * x, gy * x - gx * y]
    norm = np.sqrt(np.sum(np.square(d), dtype=np.float64))
    found = 0.0
    for each in maps:
        length = np.sqrt(np.sum(np.square(each), dtype=np.float64))
        if length > 0 and norm > 0:
            found = max(found, abs(float(np.sum(each * d, dtype=np.float64))) / float(length * norm))
    return found
