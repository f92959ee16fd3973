"""Bring recovered orientations onto the truth: up to a rotation and hand, and up to O(4) as the paper does."""

from __future__ import annotations

import numpy as np

from emviewer.engine.types import F64

HAND = np.diag([1.0, 1.0, -1.0])


def align_o4(truth: F64, found: F64, rounds: int = 60, starts: int = 6, seed: int = 0) -> tuple[F64, F64]:
    """Return the element of O(4) (4, 4) that brings ``found`` onto ``truth`` (n, 4), and the distances left (n,), rad.

    Robust Procrustes with signs: quaternions count up to sign; weights 1 / distance make it a median fit.
    """
    rng = np.random.default_rng(seed)
    best: tuple[float, F64, F64] | None = None
    for s in range(starts):
        for flip in (1.0, -1.0):
            pick = rng.choice(len(truth), min(len(truth), 12 + 20 * s), replace=False)
            m = _sign_fit(truth[pick], found[pick], flip, rng)
            for _ in range(rounds):
                d = distances(truth, found @ m.T)
                w = 1 / np.maximum(d, 1e-6)
                sign = np.sign(np.sum(truth * (found @ m.T), axis=1))
                u, _, vt = np.linalg.svd((truth * (w * sign)[:, None]).T @ found)
                m = u @ vt
            d = distances(truth, found @ m.T)
            if best is None or np.median(d) < best[0]:
                best = (float(np.median(d)), m, d)
    assert best is not None
    return best[1], best[2]


def _sign_fit(truth: F64, found: F64, flip: float, rng: np.random.Generator) -> F64:
    """Start of the sign iteration: the best of random orthogonal matrices."""
    best, out = -1.0, np.eye(4)
    for _ in range(200):
        q, _ = np.linalg.qr(rng.normal(size=(4, 4)))
        if np.sign(np.linalg.det(q)) != flip:
            q[:, 0] = -q[:, 0]
        score = float(np.mean(np.sum(truth * (found @ q.T), axis=1) ** 2))
        if score > best:
            best, out = score, q
    return out


def distances(a: F64, b: F64) -> F64:
    """Return the angles (n,) in rad between orientations as unit quaternions (n, 4)."""
    dot = np.abs(np.sum(a * b, axis=1))
    # arccos loses half the digits near 1
    chord = np.minimum(np.linalg.norm(a - b, axis=1), np.linalg.norm(a + b, axis=1))
    near = 4 * np.arcsin(np.clip(chord / 2, 0, 1))
    return np.asarray(np.where(dot > 0.99, near, 2 * np.arccos(np.clip(dot, 0, 1))))
