"""What a reprojection leaves unexplained of an image: gray fit, residual, and the scores of both.

Arrays are (k, d, d) in pixels; a mask (d, d) has weights in [0, 1]. Averages over a mask are weighted by it.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emviewer.engine import fft
from emviewer.engine.types import F32, F64

PATCH = 5
"""Edge in pixels of the patches whose covariance describes the structure of a residual."""


@dataclass(frozen=True, eq=False)
class Fit:
    """Images, their fitted reprojections and residuals.

    Parameters
    ----------
    scale, offset : ndarray of float64, shape (k,)
        experiment ≈ scale · reprojection + offset, least squares in the mask.
    residual : ndarray of float32, shape (k, d, d)
        experiment - (scale · reprojection + offset), the sign of the compare job.
    cc : ndarray of float64, shape (k,)
        Pearson correlation of experiment and fitted reprojection in the mask (its sign follows ``sign``).
    spread : ndarray of float64, shape (k,)
        Standard deviation of the experiment in the mask.
    """

    scale: F64
    offset: F64
    residual: F32
    cc: F64
    spread: F64


def _mean(images: F32 | F64, mask: F32) -> F64:
    return np.asarray(np.einsum("kyx,yx->k", images, mask, dtype=np.float64) / mask.sum(dtype=np.float64))


def fit_gray(experiment: F32, reprojection: F32, mask: F32, sign: int = 1) -> Fit:
    """Match gray values in closed form and return the residuals.

    Parameters
    ----------
    experiment, reprojection : ndarray of float32, shape (k, d, d)
        Images and their aligned reprojections.
    mask : ndarray of float32, shape (d, d)
        Weights.
    sign : {1, -1}
        Contrast of the experiment against the map; the correlation is of ``sign · experiment``.
    """
    mx, mp = _mean(experiment, mask), _mean(reprojection, mask)
    x, p = experiment - mx[:, None, None], reprojection - mp[:, None, None]
    xx, pp, xp = _mean(x * x, mask), _mean(p * p, mask), _mean(x * p, mask)
    scale = np.divide(xp, pp, out=np.zeros_like(xp), where=pp > 0)
    both = np.sqrt(xx * pp)
    cc = np.divide(sign * xp, both, out=np.zeros_like(xp), where=both > 0)
    residual = (x - scale[:, None, None] * p).astype(np.float32)
    return Fit(scale, mx - scale * mp, residual, np.clip(cc, -1, 1), np.sqrt(xx))


def ring_correlation(experiment: F32, reprojection: F32, mask: F32) -> F64:
    """Return the Fourier ring correlation of masked images, shape (k, d // 2 + 1), ring 0 to Nyquist."""
    d = experiment.shape[1]
    order, starts = _rings(d)
    weight = (mask / mask.sum(dtype=np.float64)).astype(np.float32).ravel()
    a, b = (
        fft.rfft2((images - (images.reshape(len(images), -1) @ weight)[:, None, None]) * mask, 1)
        for images in (experiment, reprojection)
    )
    twice = np.full(a.shape[2], 2.0, np.float32)
    twice[0] = 1.0
    if d % 2 == 0:
        twice[-1] = 1.0

    def over_rings(values: NDArray[Any]) -> F64:
        in_order = np.take((values * twice).reshape(len(values), -1), order, axis=1)
        return np.asarray(np.add.reduceat(in_order, starts, axis=1, dtype=np.float64))

    top = over_rings(a.real * b.real + a.imag * b.imag)
    norm = np.sqrt(over_rings(a.real**2 + a.imag**2) * over_rings(b.real**2 + b.imag**2))
    return np.divide(top, norm, out=np.zeros_like(norm), where=norm > 0)


@functools.cache
def _rings(d: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the points of a half transform of ``d`` px sorted by ring, and where rings 0 … d // 2 start."""
    ky = np.fft.fftfreq(d) * d
    rings = np.round(np.hypot(ky[:, None], np.arange(d // 2 + 1))).astype(np.int64).ravel()
    order = np.argsort(rings, kind="stable")
    order = order[rings[order] <= d // 2]
    return order, np.searchsorted(rings[order], np.arange(d // 2 + 1))


def first_crossing_A(curve: F64, pixel_size_A: float, size: int, threshold: float = 0.5) -> F64:
    """Return the resolution in Å where each curve (k, rings) first falls below the threshold, NaN if it never does.

    Interpolated between rings; ring 0 is left out.
    """
    out = np.full(len(curve), np.nan)
    for i, c in enumerate(curve):
        below = np.flatnonzero(c[1:] < threshold) + 1
        if len(below):
            j = below[0]
            before = c[j - 1] if j > 1 else 1.0
            part = (before - threshold) / (before - c[j]) if before > c[j] else 1.0
            out[i] = size * pixel_size_A / max(j - 1 + part, 0.5)
    return out


def imed(fit: Fit, mask: F32) -> F64:
    """Return the image Euclidean distance of experiment and fitted reprojection, in SDs of the experiment.

    ``sqrt(Σ_i d_i Σ_j w_ij d_j / Σ mask)`` with a Gaussian ``w`` of σ = 1 px over 7×7 px: pixels that disagree together
    count more than noise (Wang, Zhang & Feng 2005; Xmipp's ``imedValue`` up to scale).
    """
    from scipy import ndimage  # costs 0.1 s; the job takes :mod:`emviewer.engine.residuals_score`

    d = fit.residual * mask
    smooth = ndimage.gaussian_filter(d, (0, 1, 1), truncate=3.0, mode="constant")
    value = np.maximum(np.einsum("kyx,kyx->k", d, smooth, dtype=np.float64), 0) / float(mask.sum())
    return np.asarray(np.divide(np.sqrt(value), fit.spread, out=np.zeros(len(d)), where=fit.spread > 0))


def residual_statistics(fit: Fit, reprojection: F32, mask: F32) -> tuple[F64, F64, F64]:
    """Return mean, variance and log-determinant of the covariance of the residuals, in SDs of the experiment.

    Returns
    -------
    mean : ndarray of float64, shape (k,)
        Over the reprojection's own support (its brighter half of the range), where the fit leaves it free: positive
        when the image has more density there than the map.
    variance : ndarray of float64, shape (k,)
        In the mask; the fraction of the experiment's variance that is left.
    logdet : ndarray of float64, shape (k,)
        Log-determinant of the covariance of 5×5 patches, per pixel of the patch, shrunk by 1 % of its trace: tells
        residuals that have structure from those that are noise; does not depend on the image's rotation by 90° or
        mirror, and little on other turns.
    """
    unit = np.divide(1.0, fit.spread, out=np.zeros_like(fit.spread), where=fit.spread > 0)
    r = fit.residual * unit[:, None, None].astype(np.float32)
    low = reprojection.min(axis=(1, 2), keepdims=True)
    high = reprojection.max(axis=(1, 2), keepdims=True)
    support = (reprojection > (low + high) / 2) * mask
    size = support.sum(axis=(1, 2), dtype=np.float64)
    mean = np.einsum("kyx,kyx->k", r, support, dtype=np.float64) / np.maximum(size, 1.0)
    variance = _mean(r * r, mask) - _mean(r, mask) ** 2
    return mean, variance, patch_logdet(fit.residual, patch_corners(mask), unit)


def patch_logdet(residual: F32, corners: NDArray[np.int64], unit: F64) -> F64:
    """Return the log-determinants of the covariance of patches of ``unit · residual``, per pixel of the patch."""
    size = PATCH * PATCH
    if len(corners) <= size:
        return np.full(len(residual), np.nan)
    inner = (np.arange(PATCH)[:, None] * residual.shape[2] + np.arange(PATCH)).ravel()
    x = np.take(residual.reshape(len(residual), -1), inner[:, None] + corners, axis=1)
    x -= x.mean(axis=2, keepdims=True)
    covariance = np.matmul(x, x.transpose(0, 2, 1)).astype(np.float64) / (len(corners) - 1)
    covariance *= (unit**2)[:, None, None]
    trace = np.trace(covariance, axis1=1, axis2=2)[:, None, None]
    shrunk = 0.99 * covariance + (0.01 * trace / size + 1e-12) * np.eye(size)
    return np.asarray(np.linalg.slogdet(shrunk)[1] / size)


def patch_corners(mask: F32) -> NDArray[np.int64]:
    """Return the flat index of the first pixel of every patch that lies inside the mask."""
    inside = np.lib.stride_tricks.sliding_window_view(mask > 0.5, (PATCH, PATCH)).all(axis=(2, 3))
    y, x = np.nonzero(inside)
    return np.asarray(y * mask.shape[1] + x, np.int64)


def robust_z(values: F64) -> F64:
    """Return signed robust z-scores: (value - median) / (1.4826 · median absolute deviation); NaN stays NaN.

    Positive means larger than the median. Zero for all when more than half the values are equal.
    """
    known = values[np.isfinite(values)]
    if len(known) == 0:
        return np.full(values.shape, np.nan)
    middle = np.median(known)
    spread = 1.4826 * np.median(np.abs(known - middle))
    if spread <= 0:
        spread = known.std()
    return (values - middle) / spread if spread > 0 else np.where(np.isfinite(values), 0.0, np.nan)
