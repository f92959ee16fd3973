"""Orientations out of common lines: detection on polar transforms, synchronisation, robust refinement.

Two projections of one object share a line of their transforms. With the line's angles ``c_ij`` in image i and
``c_ji`` in image j, and the image axes ``H_i = A_iᵀ[:, :2]`` in the object, ``H_i c_ij = H_j c_ji``. Singer and
Shkolnisky 2011 (eigenvectors), Wang, Singer and Wen 2013 (least unsquared deviations by reweighting). The hand stays
open.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray
from scipy import fft as sfft
from scipy.linalg import eigh
from scipy.sparse.linalg import ArpackNoConvergence, eigsh

from emviewer.engine import kernels_orient as ko
from emviewer.engine.task import Check, never
from emviewer.engine.threads import each_chunk
from emviewer.engine.types import F32, F64

C64 = NDArray[np.complex64]
BLOCK = 16
"""Images compared with one image in a matrix product."""


@dataclass(frozen=True, eq=False)
class Lines:
    """Common lines of all pairs.

    Parameters
    ----------
    direction : ndarray of float64, shape (n, n, 2)
        ``direction[i, j]``: unit vector of the line in image i (sign fixed together with ``direction[j, i]``).
    score : ndarray of float32, shape (n, n)
        Correlation along the line; 0 on the diagonal.
    shift : ndarray of float32, shape (n, n)
        Displacement along the line of image i against j, in pixels.
    """

    direction: F64
    score: F32
    shift: F32


def polar_transform(images: F32, top: float, n_theta: int, first: int = 1) -> tuple[C64, F64]:
    """Return the transforms of images along rays (n, n_theta, rings) over a full turn, and the rings.

    Parameters
    ----------
    images : ndarray of float32, shape (n, d, d)
        Masked, background zero.
    top : float
        Highest ring, in pixels of the transform.
    n_theta : int
        Rays a turn, even.
    first : int
        Lowest ring.
    """
    n, d, _ = images.shape
    p = 2 * sfft.next_fast_len(d, real=True)
    p += p % 2
    rings = np.arange(first, int(top) + 1).astype(float)
    theta = np.arange(n_theta // 2) * 2 * np.pi / n_theta
    x = rings[None] * np.cos(theta)[:, None] * p / d
    y = rings[None] * np.sin(theta)[:, None] * p / d
    spread = np.sinc((np.arange(d) - d // 2) / p) ** 2
    o = p // 2 - d // 2
    half = np.empty((n, len(theta), len(rings)), np.complex64)

    def work(lo: int, hi: int) -> None:
        box = np.zeros((hi - lo, p, p), np.float32)
        box[:, o : o + d, o : o + d] = images[lo:hi] / (spread[:, None] * spread)
        f = sfft.rfft2(sfft.ifftshift(box, axes=(1, 2)), workers=1)
        flip = x < 0
        u, v = np.where(flip, -x, x), np.where(flip, -y, y)
        iu, iv = np.floor(u).astype(int), np.floor(v).astype(int)
        fu, fv = (u - iu).astype(np.float32), (v - iv).astype(np.float32)
        low = f[:, iv % p, iu] * (1 - fu) + f[:, iv % p, iu + 1] * fu
        high = f[:, (iv + 1) % p, iu] * (1 - fu) + f[:, (iv + 1) % p, iu + 1] * fu
        value = low * (1 - fv) + high * fv
        half[lo:hi] = np.where(flip, value.conj(), value)

    each_chunk(work, n, 32)
    return np.concatenate([half, half.conj()], axis=1), rings


def normalised(rays: C64, ring_weight: F64 | None = None) -> C64:
    """Return rays (n, n_theta, rings) of norm one, their rings weighted."""
    out = rays if ring_weight is None else rays * np.sqrt(ring_weight).astype(np.float32)
    norm = np.sqrt((out.real**2 + out.imag**2).sum(axis=2, keepdims=True))
    return np.ascontiguousarray(out / np.maximum(norm, 1e-20))


def polar_rays(images: F32, top: float, n_theta: int, first: int = 1) -> tuple[C64, F64]:
    """Return normalised rays of images and their rings (see :func:`polar_transform`)."""
    rays, rings = polar_transform(images, top, n_theta, first)
    return normalised(rays), rings


def common_lines(
    rays: C64, rings: F64, size: int, max_shift_px: float = 0.0, shift_step_px: float = 1.0, check: Check = never
) -> Lines:
    """Find the common line of every pair by correlating all rays.

    Parameters
    ----------
    rays : ndarray of complex64, shape (n, n_theta, rings)
        From :func:`polar_rays`.
    rings : ndarray of float64
        Their rings.
    size : int
        Edge of the images in pixels.
    max_shift_px, shift_step_px : float
        Displacements along the line that are tried.
    """
    n, n_full, _ = rays.shape
    n_half = n_full // 2
    right = np.ascontiguousarray(np.concatenate([rays.real, rays.imag], axis=2))  # (n, n_full, 2 rings)
    steps = np.arange(-int(max_shift_px / shift_step_px), int(max_shift_px / shift_step_px) + 1) * shift_step_px
    ramp = np.exp(2j * np.pi / size * steps[:, None] * rings).astype(np.complex64)
    ii, jj, ss = (np.zeros((n, n), np.int32) for _ in range(3))
    score = np.zeros((n, n), np.float32)

    def work(lo: int, hi: int) -> None:
        for i in range(lo, hi):
            check()
            moved = ramp[:, None] * rays[i, None, :n_half]
            left = np.concatenate([moved.real, moved.imag], axis=2).reshape(len(steps) * n_half, -1)
            for j0 in range(i + 1, n, BLOCK):
                j1 = min(n, j0 + BLOCK)
                product = left @ right[j0:j1].reshape(-1, right.shape[2]).T
                ko.best_lines(
                    product.reshape(len(steps), n_half, j1 - j0, n_full), n_half, n_full,
                    ii[i, j0:j1], jj[i, j0:j1], ss[i, j0:j1], score[i, j0:j1],
                )  # fmt: skip

    each_chunk(work, n, 4)
    angle_i, angle_j = ii * (2 * np.pi / n_full), jj * (2 * np.pi / n_full)
    upper = np.triu(np.ones((n, n), bool), 1)
    direction = np.zeros((n, n, 2))
    direction[upper] = np.stack([np.cos(angle_i), np.sin(angle_i)], -1)[upper]
    direction.transpose(1, 0, 2)[upper] = np.stack([np.cos(angle_j), np.sin(angle_j)], -1)[upper]
    shift = np.where(upper, steps[ss], 0).astype(np.float32)
    return Lines(direction, score + score.T, shift - shift.T)


def synchronise(lines: Lines, weight: F64 | None = None) -> F64:
    """Return views ``A`` (n, 3, 3) from the top eigenvectors of the matrix of common lines; the hand is arbitrary."""
    n = len(lines.score)
    d = lines.direction
    blocks = d[:, :, :, None] * d.transpose(1, 0, 2)[:, :, None, :]  # (i, j, 2, 2): c_ij c_jiᵀ
    if weight is not None:
        blocks = blocks * (weight / np.maximum(weight.mean(axis=1, keepdims=True), 1e-12))[:, :, None, None]
    S = blocks.transpose(0, 2, 1, 3).reshape(2 * n, 2 * n)
    S = (S + S.T) / 2
    try:
        _, vectors = eigsh(S, k=3, which="LA", v0=np.ones(2 * n))
    except ArpackNoConvergence:  # equal images: many equal eigenvalues
        vectors = eigh(S, subset_by_index=(2 * n - 3, 2 * n - 1))[1]
    v = vectors.reshape(n, 2, 3)
    rows, right = [], []
    for a, b, value in ((0, 0, 1.0), (1, 1, 1.0), (0, 1, 0.0)):
        x, y = v[:, a], v[:, b]
        rows.append(
            np.stack(
                [x[:, 0] * y[:, 0], x[:, 1] * y[:, 1], x[:, 2] * y[:, 2], x[:, 0] * y[:, 1] + x[:, 1] * y[:, 0],
                 x[:, 0] * y[:, 2] + x[:, 2] * y[:, 0], x[:, 1] * y[:, 2] + x[:, 2] * y[:, 1]], axis=1,
            )
        )  # fmt: skip
        right.append(np.full(n, value))
    g = np.linalg.lstsq(np.concatenate(rows), np.concatenate(right), rcond=None)[0]
    G = np.array([[g[0], g[3], g[4]], [g[3], g[1], g[5]], [g[4], g[5], g[2]]])
    values, axes = np.linalg.eigh(G)
    factor = axes * np.sqrt(np.maximum(values, 1e-9 * max(values.max(), 1e-30)))
    return _views(np.einsum("nak,kl->nla", v, factor))


def _views(targets: F64) -> F64:
    """Return the views ``A`` whose image axes are nearest to targets (n, 3, 2)."""
    u, _, vt = np.linalg.svd(targets, full_matrices=False)
    H = u @ vt
    third = np.cross(H[:, :, 0], H[:, :, 1])
    return np.ascontiguousarray(np.stack([H[:, :, 0], H[:, :, 1], third], axis=1))


def residuals(lines: Lines, views: F64, others: F64 | None = None, mates: NDArray[np.int64] | None = None) -> F64:
    """Return ``|H_i c_ij - H_j c_ji|`` of every pair, shape (n, n); at most 2.

    Parameters
    ----------
    lines : Lines
        Of n images.
    views : ndarray of float64, shape (n, 3, 3)
        Of the images i.
    others : ndarray of float64, shape (n, 3, 3), optional
        Of the images j, where they are not the same.
    mates : ndarray of int64, shape (n,), optional
        Images whose line with i is held against that of i with j, instead of j: lines that have nothing to do with
        each other.
    """
    n = len(views)
    out = np.empty((n, n))
    H = np.ascontiguousarray(views[:, :2].transpose(0, 2, 1))
    K = H if others is None else np.ascontiguousarray(others[:, :2].transpose(0, 2, 1))
    m = np.arange(n) if mates is None else mates
    each_chunk(lambda lo, hi: ko.line_residuals(lines.direction, H, K, m, lo, hi, out), n, 32)
    np.fill_diagonal(out, 0)
    return out


def reweighted(
    lines: Lines, views: F64, prior: F64 | None = None, iterations: int = 60, floor: float = 0.02, check: Check = never
) -> F64:
    """Refine views by iteratively reweighted least squares on the lines (weights 1 / residual, all images at once)."""
    n = len(views)
    base = np.ones((n, n)) if prior is None else prior.copy()
    np.fill_diagonal(base, 0)
    targets = np.empty((n, 3, 2))
    for iteration in range(iterations):
        check()
        weight = base / np.maximum(residuals(lines, views), floor)
        H = np.ascontiguousarray(views[:, :2].transpose(0, 2, 1))
        each_chunk(partial(_sum_targets, lines.direction, weight, H, targets), n, 32)
        new = _views(targets)
        moved = float(np.abs(new - views).max())
        views = new
        if moved < 1e-5 and iteration > 3:
            break
    return views


def _sum_targets(direction: F64, weight: F64, H: F64, targets: F64, lo: int, hi: int) -> None:
    ko.procrustes_sums(direction, weight, H, lo, hi, targets)


def consistent(lines: Lines, rounds: tuple[float, ...] = (0.9, 0.9, 0.9, 0.9, 0.6, 0.6, 0.6, 0.6)) -> F64:
    """Return views from eigenvectors solved anew with lines weighted by how well they agree with the last solution."""
    views = synchronise(lines)
    for width in rounds:
        weight = np.exp(-((residuals(lines, views) / width) ** 2))
        np.fill_diagonal(weight, 0)
        views = synchronise(lines, weight)
    return views
