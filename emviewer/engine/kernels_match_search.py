# mypy: disable-error-code="no-untyped-def"
"""Inner loops of the exhaustive search: the best in-plane angle and shift, and the best views that are apart."""

from __future__ import annotations

import numpy as np
from numba import njit


@njit(nogil=True, fastmath=True, cache=True)
def best_psi_and_shift(sums, half, n_shifts, first, score, where):
    """Reduce correlations to the best in-plane angle and shift for every view and image, straight and mirrored.

    ``sums`` (8, q, v, b * n_shifts), at the ``q = half // 2 + 1`` angles ψ = kπ/half of the first quarter turn: over
    even harmonics cosine and sine sums of what both senses share, the same of what differs between them, then the four
    over odd harmonics. The other three quarters follow from signs: π - ψ turns the sign of even sines and odd cosines,
    ψ + π that of all odd ones. Writes ``score`` (b, 2, all views) from the ``first`` of these views on, and ``where``
    (packed ``psi_index * n_shifts + shift``).
    """
    quarter, v, columns = sums.shape[1], sums.shape[2], sums.shape[3]
    best = np.empty((2, columns), np.float32)
    at = np.empty((2, columns), np.int32)
    turn = np.int32(half)
    for iv in range(v):
        best[:] = np.float32(-1e30)
        for k in range(quarter):
            uce, use, wce, wse = sums[0, k, iv], sums[1, k, iv], sums[2, k, iv], sums[3, k, iv]
            uco, uso, wco, wso = sums[4, k, iv], sums[5, k, iv], sums[6, k, iv], sums[7, k, iv]
            here = np.int32(k)
            back = np.int32(half - k)
            for side in range(2):
                sign = np.float32(1 - 2 * side)
                b = best[side]
                a = at[side]
                for col in range(columns):  # selections, not branches, so that the loop is one of vectors
                    e = uce[col] - use[col] + sign * (wce[col] + wse[col])
                    o = uco[col] - uso[col] + sign * (wco[col] + wso[col])
                    value = e + abs(o)
                    place = here if o >= 0 else here + turn
                    a[col] = place if value > b[col] else a[col]
                    b[col] = max(value, b[col])
                    e = uce[col] + use[col] + sign * (wce[col] - wse[col])
                    o = sign * (wso[col] - wco[col]) - uco[col] - uso[col]
                    value = e + abs(o)
                    place = back if o >= 0 else back + turn
                    a[col] = place if value > b[col] else a[col]
                    b[col] = max(value, b[col])
        for side in range(2):
            for col in range(columns):
                ib = col // n_shifts
                if best[side, col] > score[ib, side, first + iv]:
                    score[ib, side, first + iv] = best[side, col]
                    where[ib, side, first + iv] = at[side, col] * n_shifts + (col - ib * n_shifts)


@njit(nogil=True, cache=True)
def pick_distinct(score, directions, cos_min, k, group, cos_apart, chosen):
    """Choose the ``k`` best of ``score`` (g, v) whose directions are further apart than ``cos_min``.

    Group 0 stands for ``directions[v]``, group 1 (mirrored) for the opposite; writes flat indices ``g * V + v``
    into ``chosen`` (k,), -1 where there are fewer. The last quarter of them are further from the first than
    ``cos_apart`` modulo ``group`` (m, 3, 3), so that there is something else to compare it with.
    """
    g, v = score.shape
    taken = np.zeros((k, 3))
    first = np.empty(3)
    count = 0
    free = score.copy()
    chosen[:] = -1
    reserved = max(1, k // 4)
    while count < k:
        if count == k - reserved and count > 0:
            for m in range(group.shape[0]):
                for a in range(3):  # not a matrix product: numba would load scipy's, which costs 0.1 s
                    first[a] = 0.0
                    for b in range(3):
                        first[a] += group[m, a, b] * taken[0, b]
                for jg in range(g):
                    other = 1.0 if jg == 0 else -1.0
                    for jv in range(v):
                        d = 0.0
                        for a in range(3):
                            d += other * directions[jv, a] * first[a]
                        if d > cos_apart:
                            free[jg, jv] = -np.inf
        best = -np.inf
        at = -1
        for ig in range(g):
            for iv in range(v):
                if free[ig, iv] > best:
                    best = free[ig, iv]
                    at = ig * v + iv
        if at < 0 or best == -np.inf:
            return
        ig = at // v
        iv = at - ig * v
        sign = 1.0 if ig == 0 else -1.0
        chosen[count] = at
        for a in range(3):
            taken[count, a] = sign * directions[iv, a]
        for jg in range(g):
            other = 1.0 if jg == 0 else -1.0
            for jv in range(v):
                d = 0.0
                for a in range(3):
                    d += other * directions[jv, a] * taken[count, a]
                if d > cos_min:
                    free[jg, jv] = -np.inf
        count += 1
