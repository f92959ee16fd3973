"""Random views, shifts and defoci of a simulated set."""

from __future__ import annotations

import numpy as np

from emviewer.engine import conventions, rotations
from emviewer.engine.symmetry import PointGroup
from emviewer.engine.types import F64


def draw_views(coverage: str, n: int, group: PointGroup, rng: np.random.Generator) -> F64:
    """Return views as Euler angles (n, 3) in degrees.

    Parameters
    ----------
    coverage : str
        ``so3`` uniform over rotations; ``euler`` uniform in each angle (crowded at the poles); ``half`` and
        ``quarter`` uniform with tilt ≤ 90°, and then rot ≤ 180° as well; ``preferred:KAPPA`` directions of a von
        Mises–Fisher distribution of that concentration about z, in-plane angle uniform.
    n : int
        How many.
    group : PointGroup
        Views are replaced by their equivalents in its asymmetric unit.
    rng : Generator
        Same state, same views.
    """
    name, _, kappa = coverage.partition(":")
    if name == "so3":
        angles = conventions.matrix_to_euler(rotations.random_rotations(n, rng))
    else:
        u, v, w = rng.uniform(size=(3, n))
        rot, psi = 360 * u, 360 * w
        if name == "euler":
            tilt = 180 * v
        elif name == "preferred":
            tilt = np.degrees(np.arccos(_fisher_cosine(v, float(kappa))))
        else:
            tilt = np.degrees(np.arccos(v))
            rot = rot / 2 if name == "quarter" else rot
        angles = np.stack([rot, tilt, psi], axis=1)
    return _equivalent(angles, group) if group.order > 1 else angles


def _fisher_cosine(v: F64, kappa: float) -> F64:
    """Return cosines of the angle to the pole for uniform ``v`` (Fisher's inverse distribution in three dimensions)."""
    return np.asarray(np.clip(1 + np.log(v + (1 - v) * np.exp(-2 * kappa)) / kappa, -1, 1))


def _equivalent(angles: F64, group: PointGroup) -> F64:
    views = conventions.euler_to_matrix(*angles.T)
    copies = views[:, None] @ np.asarray(group.rotations)[None].transpose(0, 1, 3, 2)  # A gᵀ sees the same
    inside = group.in_asymmetric_unit(copies[:, :, 2].reshape(-1, 3)).reshape(len(angles), -1)
    return conventions.matrix_to_euler(copies[np.arange(len(angles)), inside.argmax(axis=1)])


def draw_shifts(kind: str, size_px: float, n: int, rng: np.random.Generator) -> F64:
    """Return shifts (n, 2) in pixels: Gaussian of that standard deviation, or triangular of that half width."""
    if size_px <= 0:
        return np.zeros((n, 2))
    if kind == "triangular":
        return rng.triangular(-size_px, 0.0, size_px, (n, 2))
    return rng.normal(0.0, size_px, (n, 2))
