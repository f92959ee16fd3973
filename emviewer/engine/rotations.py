"""Sets of rotations and distances between them.

Rotations are the matrices ``A`` of :mod:`emviewer.engine.conventions`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from emviewer.engine.conventions import F64, quaternion_to_matrix

_SUPER_FIBONACCI_PHI = np.sqrt(2.0)
_SUPER_FIBONACCI_PSI = 1.533751168755204288118041
"""Positive root of psi^4 = psi + 4 (Alexa 2022)."""


def random_rotations(n: int, rng: np.random.Generator) -> F64:
    """Return ``n`` rotations drawn uniformly (Haar measure).

    Parameters
    ----------
    n : int
        How many.
    rng : numpy.random.Generator
        Same state, same rotations.

    Returns
    -------
    ndarray of float64, shape (n, 3, 3)
        Matrices of normalised Gaussian quaternions (Shoemake 1992).
    """
    return quaternion_to_matrix(rng.standard_normal((n, 4)))


def super_fibonacci(n: int) -> F64:
    """Return ``n`` evenly spread rotations, the super-Fibonacci spiral.

    Parameters
    ----------
    n : int
        How many, any number.

    Returns
    -------
    ndarray of float64, shape (n, 3, 3)
        The angle from any rotation to the nearest is about ``(79 / n) ** (1/3)`` rad at most (15° for 4 400).

    Notes
    -----
    M. Alexa, "Super-Fibonacci Spirals: Fast, Low-Discrepancy Sampling of SO(3)", CVPR 2022.
    """
    s = np.arange(n) + 0.5
    inner, outer = np.sqrt(s / max(n, 1)), np.sqrt(1.0 - s / max(n, 1))
    alpha, beta = 2 * np.pi * s / _SUPER_FIBONACCI_PHI, 2 * np.pi * s / _SUPER_FIBONACCI_PSI
    q = np.stack([outer * np.cos(beta), inner * np.sin(alpha), inner * np.cos(alpha), outer * np.sin(beta)], axis=1)
    return quaternion_to_matrix(q)


def from_rotvec(vectors: ArrayLike) -> F64:
    """Return the rotations about the axes ``vectors`` by their lengths in radians (Rodrigues).

    Parameters
    ----------
    vectors : array_like, shape (n, 3) or (3,)
        Axis times angle, right-handed, (x, y, z).

    Returns
    -------
    ndarray of float64, shape (n, 3, 3)
        Matrices that act on column vectors.
    """
    v = np.asarray(vectors, np.float64).reshape(-1, 3)
    half = np.linalg.norm(v, axis=-1, keepdims=True) / 2
    xyz = v * np.sinc(half / np.pi) / 2
    return quaternion_to_matrix(np.concatenate([np.cos(half), xyz], axis=-1))


def angle_deg(a: ArrayLike, b: ArrayLike) -> F64:
    """Return the angle in degrees of the rotation that carries ``a`` to ``b``.

    Parameters
    ----------
    a, b : array_like, shape (..., 3, 3), broadcast together
        Rotations.

    Returns
    -------
    ndarray of float64, shape (...)
        In [0, 180]. From the chord between the matrices, so it is exact to 1e-14 rad near 0 as well.
    """
    x, y = np.asarray(a, np.float64), np.asarray(b, np.float64)
    difference = x - y
    chord = np.sqrt(np.sum(difference * difference, axis=(-2, -1)) / 8.0)
    return np.asarray(np.rad2deg(2 * np.arcsin(np.minimum(chord, 1.0))))


def angle_modulo_deg(a: ArrayLike, b: ArrayLike, symmetry: ArrayLike) -> F64:
    """Return the smallest angle in degrees between ``a`` and any copy ``b g^T`` under a symmetry group.

    Parameters
    ----------
    a, b : array_like, shape (n, 3, 3), broadcast together
        Rotations.
    symmetry : array_like, shape (k, 3, 3)
        Proper elements of the map's point group.

    Returns
    -------
    ndarray of float64, shape (n,)
    """
    x, y = np.broadcast_arrays(np.asarray(a, np.float64), np.asarray(b, np.float64))
    group = np.asarray(symmetry, np.float64).reshape(-1, 3, 3)
    relative = np.swapaxes(y, -1, -2) @ x
    nearest = np.argmax(np.einsum("...ij,kij->...k", relative, group), axis=-1)
    return angle_deg(relative, group[nearest])


def directions(matrices: ArrayLike) -> F64:
    """Return the view directions of rotations ``A``: their third rows, shape (n, 3), in the map's frame."""
    return np.array(np.asarray(matrices, np.float64).reshape(-1, 3, 3)[:, 2, :])


def direction_angle_deg(a: ArrayLike, b: ArrayLike) -> F64:
    """Return the angle in degrees between unit vectors (..., 3), exact for small angles too."""
    x, y = np.asarray(a, np.float64), np.asarray(b, np.float64)
    chord = np.linalg.norm(x - y, axis=-1) / 2.0
    return np.asarray(np.rad2deg(2 * np.arcsin(np.minimum(chord, 1.0))))
