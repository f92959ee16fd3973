"""The scores of a batch of residuals on one grid, in one pass of compiled loops.

They are those of :mod:`emviewer.engine.residuals`, of which the tests check it; there they are defined one by one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from emviewer.engine import kernels_match_score as kernels
from emviewer.engine.residuals import patch_corners, patch_logdet
from emviewer.engine.types import F32, F64

TAPS = np.exp(-0.5 * np.arange(-3, 4) ** 2.0)
"""Gaussian of σ = 1 px over 7 px."""


@dataclass(frozen=True, eq=False)
class Scores:
    """Scores of k images, each of shape (k,); see :mod:`emviewer.engine.residuals` for those it has.

    Parameters
    ----------
    cc, scale, offset, imed, residual_mean, residual_var, residual_logdet : ndarray of float64
        As there.
    signal : ndarray of float64
        How much of each image's variance in the mask is more than beside it: 0 for noise alone, at most 1; NaN
        where there is too little beside the mask.
    xmipp_mean, xmipp_deviation : ndarray of float64
        Over the full square, of residuals that are zero outside the inscribed disc.
    """

    cc: F64
    scale: F64
    offset: F64
    imed: F64
    residual_mean: F64
    residual_var: F64
    residual_logdet: F64
    signal: F64
    xmipp_mean: F64
    xmipp_deviation: F64


class Scoring:
    """Scores images against reprojections in one mask.

    Parameters
    ----------
    mask : ndarray of float32, shape (d, d)
        Weights of the comparison.
    rim : ndarray of float32, shape (d, d)
        Weights of the background beside it.
    """

    def __init__(self, mask: F32, rim: F32) -> None:
        d = len(mask)
        self.mask = np.ascontiguousarray(mask, np.float32)
        self.rim = np.ascontiguousarray(rim if rim.sum() >= d else np.zeros_like(mask), np.float32)
        self._disc = (np.hypot(*(np.indices((d, d)) - d // 2)) <= d // 2).astype(np.float32)
        self._corners = patch_corners(mask)
        self._taps = (TAPS / TAPS.sum()).astype(np.float32)

    def score(self, experiment: F32, reprojection: F32, residual: F32, sign: int) -> Scores:
        """Fill ``residual`` (k, d, d) with experiment - fitted reprojection and return the scores.

        Parameters
        ----------
        experiment, reprojection : ndarray of float32, shape (k, d, d)
            Images and their aligned reprojections.
        residual : ndarray of float32, shape (k, d, d)
            Filled.
        sign : {1, -1}
            Contrast of the experiment against the map.
        """
        out = np.empty((len(experiment), kernels.N_SCORES))
        kernels.score_images(
            np.ascontiguousarray(experiment, np.float32), np.ascontiguousarray(reprojection, np.float32),
            self.mask, self.rim, self._disc, self._taps, residual, out,
        )  # fmt: skip
        scale, offset, cc, spread, distance, mean, variance, beside, x_mean, x_deviation = out.T
        unit = np.divide(1.0, spread, out=np.zeros_like(spread), where=spread > 0)
        inside = spread**2
        share = np.clip(1 - np.divide(beside, inside, out=np.ones_like(inside), where=inside > 0), 0, 1)
        return Scores(
            cc=np.clip(sign * cc, -1, 1),
            scale=scale,
            offset=offset,
            imed=np.sqrt(np.maximum(distance, 0)) * unit,
            residual_mean=mean * unit,
            residual_var=variance * unit**2,
            residual_logdet=patch_logdet(residual, self._corners, unit),
            signal=share if self.rim.any() else np.full(len(out), np.nan),
            xmipp_mean=x_mean,
            xmipp_deviation=x_deviation,
        )
