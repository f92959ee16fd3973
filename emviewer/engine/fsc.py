"""Fourier shell correlation of two maps: as they are, masked, and corrected for what the mask alone correlates.

``FSC(k) = Re Σ F₁ F₂* / sqrt(Σ|F₁|² Σ|F₂|²)`` over shells one Fourier voxel of the longest edge wide. Correction: the
phases of both maps are made random beyond the shell where the unmasked curve falls below 0.8; what the mask makes of
them is ``FSC_n``, and ``(FSC_t - FSC_n) / (1 - FSC_n)`` holds two shells beyond (Chen et al., Ultramicroscopy 135
(2013) 24). Half-bit threshold: van Heel & Schatz, J. Struct. Biol. 151 (2005) 250.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from emviewer.engine.errors import DataError
from emviewer.engine.fsc_transform import C64, half_transform, randomise, real_map, shell_sums
from emviewer.engine.task import Check, never
from emviewer.engine.types import F32, F64

RANDOM_BELOW = 0.8
"""Unmasked correlation beyond which phases are made random."""


@dataclass(frozen=True, eq=False)
class Curve:
    """Shell correlations of two maps; all arrays (shells,), from shell 1 to Nyquist.

    Parameters
    ----------
    frequency_inv_A : ndarray of float64
        Middle of each shell in 1/Å.
    fsc : ndarray of float64
        Of the maps as they are.
    voxels : ndarray of float64
        Fourier voxels in each shell, mates included.
    masked, corrected : ndarray of float64 or None
        Of the masked maps, and that without the mask's own share.
    mask_fraction : float
        Mean of the squared mask: the fraction of voxels that stay independent.
    """

    frequency_inv_A: F64
    fsc: F64
    voxels: F64
    masked: F64 | None = None
    corrected: F64 | None = None
    mask_fraction: float = 1.0

    @property
    def best(self) -> F64:
        """The corrected curve if there is one, else the plain one."""
        return self.fsc if self.corrected is None else self.corrected

    def resolution_A(self, threshold: float | F64) -> float | None:
        """Return where :attr:`best` first falls below a threshold, in Å; None if it never does."""
        return crossing(self.frequency_inv_A, self.best, threshold)

    @property
    def half_bit(self) -> F64:
        """The half-bit threshold of each shell for :attr:`best`."""
        share = 1.0 if self.corrected is None else self.mask_fraction
        return half_bit(self.voxels * share)


def correlate(
    a: F32, b: F32, pixel_size_A: float, mask: F32 | None = None, *, seed: int = 0, check: Check = never
) -> Curve:
    """Return the shell correlations of two maps on one grid.

    Parameters
    ----------
    a, b : ndarray of float32, shape (nz, ny, nx)
        The maps.
    pixel_size_A : float
        Voxel edge.
    mask : ndarray of float32 of the same shape, optional
        Weights 0 … 1.
    seed : int
        Of the random phases.
    check : callable
        Called between planes.

    Raises
    ------
    DataError
        Shapes that differ.
    """
    if a.shape != b.shape or (mask is not None and mask.shape != a.shape):
        raise DataError("maps of different boxes have no shell correlation", "", "bring them onto one grid")
    shape = (a.shape[0], a.shape[1], a.shape[2])
    first, second = half_transform(a, check=check), half_transform(b, check=check)
    sums = shell_sums(first, second, shape, check)
    plain = ratio(sums)
    frequency = np.arange(len(plain)) / (max(shape) * pixel_size_A)
    if mask is None:
        return Curve(frequency[1:], plain[1:], sums[3, 1:])
    random = _random_curve(first, second, shape, plain, mask, seed, check)
    half_transform(a, mask, check, first)
    half_transform(b, mask, check, second)
    masked = ratio(shell_sums(first, second, shape, check))
    corrected = masked if random is None else _corrected(masked, *random)
    fraction = float(np.mean(np.square(mask), dtype=np.float64))
    return Curve(frequency[1:], plain[1:], sums[3, 1:], masked[1:], corrected[1:], fraction)


def ratio(sums: F64) -> F64:
    """Return the correlation of each shell of :func:`emviewer.engine.fsc_transform.shell_sums`; 0 where empty."""
    norm = np.sqrt(sums[1] * sums[2])
    return np.asarray(np.divide(sums[0], norm, out=np.zeros_like(norm), where=norm > 0))


def _random_curve(
    first: C64, second: C64, shape: tuple[int, int, int], plain: F64, mask: F32, seed: int, check: Check
) -> tuple[int, F64] | None:
    """Return the first random shell and the masked correlation of maps with random phases; uses both transforms up."""
    low = np.flatnonzero(plain[1:] < RANDOM_BELOW)
    if len(low) == 0:
        return None
    start = int(low[0]) + 1
    for i, half in enumerate((first, second)):
        randomise(half, shape, start, 2 * seed + i + 1, check)
        half_transform(real_map(half, shape, check), mask, check, half)
    return start, ratio(shell_sums(first, second, shape, check))


def _corrected(masked: F64, start: int, noise: F64) -> F64:
    out = masked.copy()
    far = np.arange(len(masked)) > start + 2
    share = np.clip(noise[far], -1, 0.999)
    out[far] = (masked[far] - share) / (1 - share)
    return out


def crossing(frequency_inv_A: ArrayLike, fsc: ArrayLike, threshold: ArrayLike) -> float | None:
    """Return the resolution in Å where a curve first falls below a threshold, or None if it never does.

    Parameters
    ----------
    frequency_inv_A, fsc : array_like, shape (n,)
        The curve, frequencies increasing from above 0.
    threshold : float or array_like, shape (n,)
        Level; interpolated linearly between shells. A curve that begins below gives its first frequency.
    """
    f = np.asarray(frequency_inv_A, np.float64)
    above = np.asarray(fsc, np.float64) - np.asarray(threshold, np.float64)
    below = np.flatnonzero(above < 0)
    if len(below) == 0:
        return None
    i = int(below[0])
    if i == 0:
        return float(1 / f[0])
    share = above[i - 1] / (above[i - 1] - above[i])
    return float(1 / (f[i - 1] + share * (f[i] - f[i - 1])))


def half_bit(voxels: ArrayLike) -> F64:
    """Return the half-bit threshold for shells of ``voxels`` independent Fourier voxels."""
    n = np.maximum(np.asarray(voxels, np.float64), 1.0)
    return (0.2071 + 1.9102 / np.sqrt(n)) / (1.2071 + 0.9102 / np.sqrt(n))


def ceiling(half_fsc_1: ArrayLike, half_fsc_2: ArrayLike) -> F64:
    """Return the highest correlation that two maps can have given the half-map correlations of each.

    ``sqrt(2F₁/(1+F₁) · 2F₂/(1+F₂))``: what lies between this and the curve of the maps is difference, not noise.
    """
    full = [2 * f / (1 + f) for f in (np.clip(np.asarray(h, np.float64), 0, 1) for h in (half_fsc_1, half_fsc_2))]
    return np.sqrt(full[0] * full[1])
