"""Bring recovered orientations onto the truth: up to a rotation and hand, and up to O(4) as the paper does."""

from __future__ import annotations

import numpy as np

from emviewer.engine.rotations import angle_modulo_deg
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


def other_hand(views: F64) -> F64:
    """Return the views (n, 3, 3) under which the mirrored object gives the same images: ``J A J``."""
    return np.asarray(HAND @ views @ HAND)


def align_views(truth: F64, found: F64, group: F64 | None = None, rounds: int = 40) -> tuple[F64, bool, F64]:
    """Bring views onto the truth by one rotation of the object and, where that is nearer, the other hand.

    Parameters
    ----------
    truth, found : ndarray of float64, shape (n, 3, 3)
        Views ``A``.
    group : ndarray of float64, shape (g, 3, 3), optional
        Point group of the true object: views that differ by one of its rotations are the same.
    rounds : int
        Of robust fitting (weights 1 / angle), each choosing the equivalent view nearest by.

    Returns
    -------
    turn : ndarray of float64, shape (3, 3)
        ``found @ turn`` (of the other hand if ``flipped``) is nearest to the truth.
    flipped : bool
        Whether the other hand was taken.
    angle : ndarray of float64, shape (n,)
        Angles left, in rad.
    """
    elements = np.eye(3)[None] if group is None else np.asarray(group, float)
    best: tuple[F64, bool, F64] | None = None
    for flipped in (False, True):
        views = other_hand(found) if flipped else found
        for start in _starts(truth, views, elements):
            turn = start
            for _ in range(rounds):
                moved = views @ turn
                relative = np.einsum("nji,njk->nik", moved, truth)
                nearest = elements[np.argmax(np.einsum("nij,gij->ng", relative, elements), axis=1)]
                target = truth @ nearest.transpose(0, 2, 1)
                angle = np.linalg.norm(moved - target, axis=(1, 2))
                new = _nearest_rotation(np.einsum("nji,njk,n->ik", views, target, 1 / np.maximum(angle, 1e-5)))
                if np.abs(new - turn).max() < 1e-9:
                    break
                turn = new
            angle = np.radians(angle_modulo_deg(truth, views @ turn, elements))
            if best is None or np.median(angle) < np.median(best[2]):
                best = (turn, flipped, angle)
    assert best is not None
    return best


def _starts(truth: F64, views: F64, elements: F64, most: int = 8) -> list[F64]:
    """Return the turns, suggested by single images, that bring most images near."""
    pick = np.unique(np.linspace(0, len(truth) - 1, min(len(truth), 40)).astype(int))
    turns = np.einsum("nji,njk->nik", views[pick], truth[pick])
    sample = np.unique(np.linspace(0, len(truth) - 1, min(len(truth), 150)).astype(int))
    median = [float(np.median(angle_modulo_deg(truth[sample], views[sample] @ t, elements))) for t in turns]
    return [turns[i] for i in np.argsort(median)[:most]]


def _nearest_rotation(matrix: F64) -> F64:
    u, _, vt = np.linalg.svd(matrix)
    return np.asarray(u @ np.diag([1.0, 1.0, np.sign(np.linalg.det(u @ vt))]) @ vt)
