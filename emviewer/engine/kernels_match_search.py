# mypy: disable-error-code="no-untyped-def"
"""Inner loops of the exhaustive search: the best in-plane angle and shift, and the best views that are apart."""

from __future__ import annotations

import numpy as np
from numba import njit


@njit(nogil=True, fastmath=True, cache=True)
def best_psi_and_shift(even, odd, n_shifts, score, where):
    """Reduce correlations to the best in-plane angle and shift for every view and image.

    ``even``, ``odd`` (half, v, g, b * n_shifts): sums over even and odd harmonics at ``half`` angles of [0, π);
    the correlation at ψ is even + odd, at ψ + π even - odd. Writes ``score`` (g, b, v) and ``where`` (packed
    ``psi_index * n_shifts + shift``).
    """
    half, v, g, columns = even.shape
    best = np.empty(columns, np.float32)
    at = np.empty(columns, np.int32)
    for iv in range(v):
        for ig in range(g):
            best[:] = np.float32(-1e30)
            for k in range(half):
                e = even[k, iv, ig]
                o = odd[k, iv, ig]
                for col in range(columns):
                    value = e[col] + abs(o[col])
                    if value > best[col]:
                        best[col] = value
                        at[col] = k if o[col] >= 0 else k + half
            for col in range(columns):
                ib = col // n_shifts
                if best[col] > score[ig, ib, iv]:
                    score[ig, ib, iv] = best[col]
                    where[ig, ib, iv] = at[col] * n_shifts + (col - ib * n_shifts)


@njit(nogil=True, cache=True)
def pick_distinct(score, directions, cos_min, k, group, cos_apart, chosen):
    """Choose the ``k`` best of ``score`` (g, v) whose directions are further apart than ``cos_min``.

    Group 0 stands for ``directions[v]``, group 1 (mirrored) for the opposite; writes flat indices ``g * V + v``
    into ``chosen`` (k,), -1 where there are fewer. The last quarter of them are further from the first than
    ``cos_apart`` modulo ``group`` (m, 3, 3), so that there is something else to compare it with.
    """
    g, v = score.shape
    taken = np.zeros((k, 3))
    count = 0
    free = score.copy()
    chosen[:] = -1
    reserved = max(1, k // 4)
    while count < k:
        if count == k - reserved and count > 0:
            for m in range(group.shape[0]):
                first = group[m] @ taken[0]
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
