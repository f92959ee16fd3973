"""Resolve what distances leave open, from the images: the camera frame and the transpose.

Distances between orientations do not change when all are multiplied by one rotation on the right, or all are
inverted; a map does. The right frame is the one under which the transforms of the images agree best along their
common lines. The hand stays open: no projection tells it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from emviewer.engine.kernels_orient import line_scores
from emviewer.engine.rotations import super_fibonacci
from emviewer.engine.task import Check, never
from emviewer.engine.threads import each_chunk
from emviewer.engine.types import F64

C64 = NDArray[np.complex64]


@dataclass(frozen=True, eq=False)
class Frame:
    """The frame found.

    Parameters
    ----------
    views : ndarray of float64, shape (n, 3, 3)
        Views ``A`` up to a rotation of the object and the hand.
    score : float
        Mean correlation along common lines.
    other_score : float
        Best score of the other branch (transposed or not).
    transposed : bool
        Which branch was taken.
    """

    views: F64
    score: float
    other_score: float
    transposed: bool


def mean_line_correlation(rays: C64, views: F64, pairs: NDArray[np.int64]) -> float:
    """Return the mean correlation of normalised rays (n, n_theta, rings) along the common lines of pairs (p, 2)."""
    out = np.empty(len(pairs))
    A = np.ascontiguousarray(views)
    each_chunk(lambda lo, hi: line_scores(rays, A, pairs, lo, hi, out), len(pairs), 512)
    return float(out.mean())


def resolve(
    rays: C64, rotations: F64, rng: np.random.Generator, *, pairs: int = 3000, grid: int = 4608, check: Check = never
) -> Frame:
    """Return the views in the frame and branch that the images support.

    Parameters
    ----------
    rays : ndarray of complex64, shape (n, n_theta, rings)
        Normalised rays of the images over a full turn (:func:`emviewer.engine.orientations_lines.polar_rays`).
    rotations : ndarray of float64, shape (n, 3, 3)
        Orientations up to a rotation on either side and transposition.
    rng : Generator
        Chooses the pairs of images.
    pairs, grid : int
        Pairs compared, and rotations tried before the best are refined.
    """
    n = len(rotations)
    chosen = rng.integers(n, size=(pairs, 2)).astype(np.int64)
    chosen = np.ascontiguousarray(chosen[chosen[:, 0] != chosen[:, 1]])
    found = []
    for transposed in (False, True):
        base = rotations.transpose(0, 2, 1) if transposed else rotations
        found.append((*_best_turn(rays, base, chosen, super_fibonacci(grid), check), transposed))
    found.sort(key=lambda f: -f[0])
    score, turn, transposed = found[0]
    base = rotations.transpose(0, 2, 1) if transposed else rotations
    return Frame(turn @ base, score, found[1][0], transposed)


def _best_turn(rays: C64, base: F64, pairs: NDArray[np.int64], turns: F64, check: Check) -> tuple[float, F64]:
    few = np.ascontiguousarray(pairs[: max(200, len(pairs) // 10)])
    rough = np.empty(len(turns))

    def work(lo: int, hi: int) -> None:
        check()
        out = np.empty(len(few))
        for i in range(lo, hi):
            line_scores(rays, np.ascontiguousarray(turns[i] @ base), few, 0, len(few), out)
            rough[i] = out.mean()

    each_chunk(work, len(turns), 64)
    best_score, best_turn = -np.inf, turns[0]
    for i in np.argsort(-rough)[:6]:
        turn, score = turns[i], mean_line_correlation(rays, turns[i] @ base, pairs)
        step = np.radians(7.0)
        while step > np.radians(0.05):
            check()
            moves = Rotation.from_rotvec(step * np.concatenate([np.eye(3), -np.eye(3)])).as_matrix() @ turn
            scores = [mean_line_correlation(rays, m @ base, pairs) for m in moves]
            if max(scores) > score:
                turn, score = moves[int(np.argmax(scores))], max(scores)
            else:
                step /= 2
        if score > best_score:
            best_score, best_turn = score, turn
    return best_score, best_turn
