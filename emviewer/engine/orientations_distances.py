"""Orientations out of pairwise distances: the trace kernel, Huber loss, Riemannian heavy-ball, several starts.

The distance of two orientations is the angle of the rotation between them, ``d = 2 arccos |<q_i, q_j>|``; its trace
kernel ``T = 1 + 2 cos d = 4 <q_i, q_j>² - 1`` is smooth in the quaternions, so neither the sign of a quaternion nor
the infinite slope of arccos is met (Banjac, Donati & Defferrard 2021 minimise the distances themselves). Distances fix
orientations only up to a rotation on the left, one on the right, and inversion of all: an element of O(4).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from emviewer.engine import kernels_orient as ko
from emviewer.engine.errors import DataError
from emviewer.engine.task import Check, never
from emviewer.engine.threads import each_chunk
from emviewer.engine.types import F32, F64

FINISHING = 2
"""Rounds in which the distances themselves are fitted."""
LEAST_ERROR_RAD = 1e-6
"""Distances that are fitted this well are exact."""


@dataclass(frozen=True, eq=False)
class Pairs:
    """Distances of pairs of images, as lists of partners.

    Parameters
    ----------
    partners : ndarray of int32, shape (n, k)
        Partner of each image; -1 after the last. Every pair stands in the lists of both.
    target : ndarray of float32, shape (n, k)
        ``1 + 2 cos d``.
    weight : ndarray of float32, shape (n, k)
        Weight of the pair, 1 / variance of the target.
    distance : ndarray of float32, shape (n, k)
        ``d`` in rad as it was given; of no meaning where the weight is 0.
    """

    partners: NDArray[np.int32]
    target: F32
    weight: F32
    distance: F32


@dataclass(frozen=True, eq=False)
class Recovered:
    """Orientations up to O(4).

    Parameters
    ----------
    quaternions : ndarray of float64, shape (n, 4)
        Unit quaternions ``(w, x, y, z)`` of the views up to one element of O(4).
    loss : float
        Mean loss of a pair.
    loss_of : ndarray of float64, shape (n,)
        Mean loss of the pairs of each image: large where it does not fit the others.
    history : ndarray of float64
        Mean loss by iteration.
    """

    quaternions: F64
    loss: float
    loss_of: F64
    history: F64


def pairs_from_matrix(distance: F64, partners: int, rng: np.random.Generator, debias_sd: float = 0.0) -> Pairs:
    """Choose about ``partners`` partners of each image out of a distance matrix.

    Parameters
    ----------
    distance : ndarray of float64, shape (n, n)
        Distances in rad; NaN where unknown.
    partners : int
        Wanted partners of each image; all pairs if that is at least n - 1.
    rng : Generator
        Chooses the pairs.
    debias_sd : float
        Standard deviation of the distances' errors in rad: ``E cos(d + e) = cos d · exp(-sd²/2)`` is undone.
    """
    n = len(distance)
    if distance.shape != (n, n) or n < 3:
        raise DataError(f"distances need a square matrix of at least 3 images, this one is {distance.shape}")
    sym = (distance + distance.T) / 2
    if partners >= n - 1:
        others = np.arange(n - 1)[None].repeat(n, 0)
        columns = (others + (others >= np.arange(n)[:, None])).astype(np.int32)
    else:
        columns = _random_partners(n, partners, rng)
    d = np.where(columns >= 0, sym[np.arange(n)[:, None], np.maximum(columns, 0)], np.nan)
    gain = np.exp(debias_sd**2 / 2)
    target = np.nan_to_num(1 + 2 * np.cos(d) * gain, nan=0.0).astype(np.float32)
    weight = np.isfinite(d).astype(np.float32)
    return Pairs(np.ascontiguousarray(columns), target, weight, np.nan_to_num(d, nan=0.0).astype(np.float32))


def _random_partners(n: int, partners: int, rng: np.random.Generator) -> NDArray[np.int32]:
    """Return symmetric lists of partners: a ring of random permutations, so that every image has the same number."""
    half = max(1, partners // 2)
    columns = np.empty((n, 2 * half), np.int32)
    for k in range(half):
        order = rng.permutation(n).astype(np.int32)
        columns[order, 2 * k] = np.roll(order, -1)
        columns[order, 2 * k + 1] = np.roll(order, 1)
    return columns


def recover(
    pairs: Pairs,
    rng: np.random.Generator,
    *,
    starts: int = 3,
    iterations: int = 600,
    delta: float = 1.0,
    tolerance: float = 1e-12,
    check: Check = never,
) -> Recovered:
    """Recover orientations from distances: the best of several random starts, :func:`finished`."""
    best: Recovered | None = None
    for _ in range(starts):
        for result in steps(pairs, rng, iterations=iterations, delta=delta, tolerance=tolerance, check=check):
            last = result
        if best is None or last.loss < best.loss:
            best = last
        if best.loss < 1e-10:
            break
    assert best is not None
    return finished(pairs, best, rng, check)


def finished(pairs: Pairs, found: Recovered, rng: np.random.Generator, check: Check = never) -> Recovered:
    """Return orientations that fit the distances themselves best, near those that fit their cosines.

    Errors of distances near 0 and π hardly show in the cosines, and large ones bend them; about orientations that are
    nearly right the distances are linear. Each round takes the slope of the cosines at the present distances, and
    trusts pairs that are further off than most less (Huber).
    """
    q = found.quaternions
    for _ in range(FINISHING):
        check()
        dot = np.abs(np.einsum("nc,nkc->nk", q, q[np.maximum(pairs.partners, 0)]))
        now = 2 * np.arccos(np.clip(dot, 0, 1))
        off = pairs.distance - now
        known = (pairs.weight > 0) & (pairs.partners >= 0)
        usual = 1.4826 * float(np.median(np.abs(off[known])))
        if usual < LEAST_ERROR_RAD:
            break
        slope = -2 * np.sin(now)
        trust = np.minimum(1.0, 2.5 * usual / np.maximum(np.abs(off), 1e-12)) / np.maximum(slope**2, 0.05)
        near = replace(
            pairs,
            target=np.asarray(1 + 2 * np.cos(now) + slope * off, np.float32),
            weight=np.asarray(pairs.weight * trust, np.float32),
        )
        *_, last = steps(near, rng, start=q, iterations=60, delta=np.inf, check=check)
        q = last.quaternions
    return replace(found, quaternions=q)


def steps(
    pairs: Pairs,
    rng: np.random.Generator,
    *,
    start: F64 | None = None,
    iterations: int = 600,
    delta: float = 1.0,
    tolerance: float = 1e-12,
    report_every: int = 20,
    check: Check = never,
) -> Iterator[Recovered]:
    """Yield the state of one optimisation every ``report_every`` iterations and at its end."""
    n, k = pairs.partners.shape
    q = rng.normal(size=(n, 4)) if start is None else start.copy()
    q /= np.linalg.norm(q, axis=1, keepdims=True)
    velocity, gradient, loss = np.zeros_like(q), np.empty_like(q), np.empty(n)
    mass = float(pairs.weight.sum() / n)
    rate, momentum = 0.35 / max(mass, 1e-9), 0.9
    history: list[float] = []
    for iteration in range(iterations):
        if iteration % 8 == 0:
            check()
        each_chunk(
            lambda lo, hi: ko.trace_gradient(
                q, pairs.partners, pairs.target, pairs.weight, delta, lo, hi, gradient, loss
            ),
            n,
            max(16, 200_000 // k),
        )
        history.append(float(loss.sum() / max(pairs.weight.sum(), 1e-9)))
        if iteration > 3 and history[-1] > history[-2] * 1.05:
            velocity[:] = 0
        speed = ko.heavy_ball(q, velocity, gradient, rate, momentum)
        ended = speed < tolerance * n
        if ended or iteration == iterations - 1 or (iteration + 1) % report_every == 0:
            yield Recovered(q.copy(), history[-1], loss / max(mass, 1e-9), np.array(history))
        if ended:
            return
