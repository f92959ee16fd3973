"""Xmipp's three residual scores by their own definition, for parity with its compare-reprojections protocol.

They belong to residual images as Xmipp stores them (any sign; zero outside a disc) and take mean and standard
deviation over the whole set. Program: ``xmipp_image_residuals``; covariance distance: Cherian et al. 2013, eq. 25.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emviewer.engine.task import Check, never
from emviewer.engine.threads import each_chunk
from emviewer.engine.types import F32, F64

Blocks = Callable[[], Iterator[F32]]
"""Returns an iterator over the residual images in blocks (k, d, d); called once for every pass over the set."""


def zscores(values: F64) -> F64:
    """Return ``|v - mean| / standard deviation`` (population) of values (n,); zeros if they are all equal."""
    spread = values.std()
    return np.abs(values - values.mean()) / spread if spread > 0 else np.zeros_like(values)


def mean_and_deviation(images: F32) -> tuple[F64, F64]:
    """Return mean and standard deviation of every image (k, d, d) over the full square, zeros included."""
    wide = images.astype(np.float64)
    return wide.mean(axis=(1, 2)), wide.std(axis=(1, 2))


def column_covariance(images: F32) -> F64:
    """Return the (d, d) covariance of the columns of every image, rows taken as samples; shape (k, d, d)."""
    x = images.astype(np.float64)
    x -= x.mean(axis=1, keepdims=True)
    return np.asarray(np.matmul(x.transpose(0, 2, 1), x) / (x.shape[1] - 1))


def covariance_divergence(blocks: Blocks, size: int, check: Check = never) -> F64:
    """Return Xmipp's ``zScoreResCov``: the divergence of every residual's covariance from the set's centroid.

    Parameters
    ----------
    blocks : callable
        The residual images; read eleven times, so that any number of them fits in memory.
    size : int
        Edge ``d`` of the images in pixels.
    check : callable
        Called between blocks.

    Returns
    -------
    ndarray of float64, shape (n,)
        Larger means structure unlike the rest.

    Notes
    -----
    Xmipp diagonalises the non-symmetric product of centroid and covariance with a routine for symmetric matrices
    that reads its lower triangle only; that is kept, because the numbers are wanted, not their meaning. The score of
    emviewer's own is ``residual_logdet`` of :mod:`emviewer.engine.residuals`.
    """
    centre = centroid(blocks, size, check)
    out = []
    for images in blocks():
        check()
        out.append(divergence(images, centre))
    return np.concatenate(out) if out else np.empty(0)


def centroid(blocks: Blocks, size: int, check: Check = never) -> F64:
    """Return the centroid (d, d) of the covariances after Xmipp's ten fixed-point steps from the identity."""
    centre = np.eye(size)
    for _ in range(10):
        total, n = np.zeros((size, size)), 0
        for images in blocks():
            check()
            inverse = np.empty((len(images), size, size))

            def work(lo: int, hi: int, images: F32 = images, inverse: F64 = inverse, centre: F64 = centre) -> None:
                inverse[lo:hi] = np.linalg.inv((column_covariance(images[lo:hi]) + centre) / 2)

            each_chunk(work, len(images), 16)
            total += inverse.sum(axis=0)
            n += len(images)
        centre = np.asarray(np.linalg.inv(total / n), np.float64)
    return centre


def divergence(images: F32, centre: F64) -> F64:
    """Return the divergence of every image's column covariance (k, d, d) from a centroid, shape (k,)."""
    half = len(centre) // 2
    covariance = column_covariance(images)
    middle = np.linalg.eigvalsh((covariance + centre) / 2)[:, ::-1][:, :half]
    product = np.linalg.eigvalsh(centre @ covariance, UPLO="L")[:, ::-1][:, :half]
    return np.asarray(_log_sum(middle) - _log_sum(product) / 2)


def _log_sum(eigenvalues: NDArray[np.floating[Any]]) -> F64:
    size = np.abs(eigenvalues)
    return np.asarray(np.where(size > 1e-14, np.log(np.maximum(size, 1e-14)), 0.0).sum(axis=1))
