"""Whether one way to lay a map onto the reference is better than another, and whether several are as good.

Two ways are compared frequency by frequency. Were they as good as each other, the differences would be noise of both
signs, and their sum lie within a few standard deviations of nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from emviewer.engine.align3d import Aligner
from emviewer.engine.align3d_map import AlignMap
from emviewer.engine.align3d_refine import Pose3D
from emviewer.engine.types import F64


@dataclass(frozen=True, eq=False)
class Fit:
    """One way to lay the moving map onto the reference, and the maps as they were compared in it.

    Parameters
    ----------
    pose : Pose3D
        The motion.
    aligner : Aligner
        Of the reference, under the weight in which the two were compared.
    moving : AlignMap
        The moving map likewise.
    information : float
        What they tell of each other there (nats).
    """

    pose: Pose3D
    aligner: Aligner
    moving: AlignMap
    information: float = 0.0

    @classmethod
    def of(cls, pose: Pose3D, aligner: Aligner, moving: AlignMap) -> Fit:
        """Return a fit with its information."""
        return cls(pose, aligner, moving, aligner.information(moving, pose))


def margin(best: Fit, other: Fit) -> tuple[float, float]:
    """Return by how much one fit is better than another, relative and in standard deviations.

    The correlations of every shell count as ``c / (1 - c²)``, with the better ``c`` of the two fits.
    """
    fits = (best, other)
    curves = [fit.aligner.signal(fit.moving, fit.pose)[0] for fit in fits]
    shells = min(map(len, curves))
    c = np.maximum(curves[0][:shells], curves[1][:shells])
    weight = c / (1 - c**2)
    terms = [_terms(fit, weight) for fit in fits]
    count = min(map(len, terms))
    difference = terms[0][:count] - terms[1][:count]
    independent = 0.5 * sum(fit.aligner.independent for fit in fits)
    spread = float(np.sqrt(np.sum(difference**2) / max(independent, 1e-6)))
    total = float(np.sum(terms[0]))
    if not (spread > 0 and total > 0):
        return 0.0, 0.0
    return float(difference.sum()) / total, float(difference.sum()) / spread


def _terms(fit: Fit, weight: F64) -> F64:
    """Return ``weight · Re F₁ F₂* / sqrt(P₁ P₂)`` at every frequency of the shells that count."""
    a, pose = fit.aligner, fit.pose
    last = np.flatnonzero(weight)
    top = (last[-1] + 0.5) / a.box_A if len(last) else 0.0
    m = int(np.searchsorted(a.radius, min(top, a.finest, fit.moving.highest)))
    shells, reference = a.shells[:m], a.values[:m]
    value = fit.moving.sample(a.points[:m], pose.matrix * pose.size, pose.translation_A)
    powers = [np.bincount(shells, np.abs(v) ** 2, len(weight)) for v in (reference, value)]
    norm = np.sqrt(powers[0] * powers[1]) / np.maximum(np.bincount(shells, minlength=len(weight)), 1)
    factor = np.divide(weight, norm, out=np.zeros_like(weight), where=norm > 0)
    return np.asarray(factor[shells] * (reference * value.conj()).real, np.float64)
