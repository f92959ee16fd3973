"""Find the rigid motion, and hand, that brings one map onto another.

Exhaustive search over rotations in a coarse band, all translations of each at once by a small Fourier transform, both
hands; the best candidates are refined by Levenberg–Marquardt with analytic gradients in bands of growing resolution,
and polished with the weights of two noisy copies of one signal, ``c / (1 - c²) / sqrt(P₁ P₂)`` with ``c`` the Fourier
shell correlation at the present pose. Spatial frequencies are physical, so pixel sizes and boxes may differ.
"""

from __future__ import annotations

from copy import copy

import numpy as np
from numpy.typing import NDArray

from emviewer.engine import align3d_search as search
from emviewer.engine import kernels_align as ka
from emviewer.engine.align3d_map import AlignMap
from emviewer.engine.align3d_refine import FLIP, Pose3D, Problem, half_ball
from emviewer.engine.align3d_search import Search
from emviewer.engine.task import Check, never
from emviewer.engine.types import F64

__all__ = ["FLIP", "Aligner", "Pose3D", "Search", "half_ball"]

MOST_POINTS = 150_000
"""Frequencies used in the refinement of one band, a random half ball if there are more."""
SIGNAL_POINTS = 50_000
"""Frequencies from which shell correlations are estimated."""
STEP_DEG = 15.0
"""Step of the search where the coarse band ends at a sixth of the diameter."""


class Aligner:
    """Aligns moving maps to one reference.

    Parameters
    ----------
    reference : AlignMap
        The reference, masked.
    diameter_A : float
        Diameter of the particle; sets the coarse band and the step.
    max_shift_A : float
        Longest translation allowed.
    max_angle_deg : float
        Largest rotation allowed (of the rotation after the flip).
    finest_A : float
        Finest detail compared.
    box_A : float
        Period of the comparison, at least: the box of the moving maps.
    """

    def __init__(
        self, reference: AlignMap, diameter_A: float, max_shift_A: float, *, max_angle_deg: float = 180.0,
        finest_A: float = 0.0, box_A: float = 0.0,
    ) -> None:  # fmt: skip
        self.reference = reference
        self.diameter_A = diameter_A
        self.max_shift_A = max_shift_A
        self.max_angle_deg = max_angle_deg
        self.box_A = max(reference.box_A, box_A, 2.2 * max_shift_A)
        self.finest = min(reference.highest, 1 / finest_A if finest_A > 0 else np.inf)
        self.coarse = min(1 / float(np.clip(diameter_A / 6, 20, 40)), 0.8 * self.finest)
        self.step_deg = float(np.clip(6 * STEP_DEG / (self.coarse * diameter_A), 8, STEP_DEG))
        if max_angle_deg <= search.LOCAL_DEG:
            self.step_deg = min(self.step_deg, max(max_angle_deg / 3, 1.0))
        self.points, self.radius = half_ball(self.box_A, self.finest)
        self.values = reference.sample(self.points, np.eye(3))
        self.shells = np.round(self.radius * self.box_A).astype(np.int64)

    def like(self, reference: AlignMap, top: float = np.inf) -> Aligner:
        """Return an aligner of another state of the reference on the same frequencies, up to ``top`` (1/Å)."""
        other = copy(self)
        other.reference, other.finest = reference, min(self.finest, top)
        m = int(np.searchsorted(self.radius, other.finest, side="right"))
        other.points, other.radius, other.shells = self.points[:m], self.radius[:m], self.shells[:m]
        other.values = reference.sample(other.points, np.eye(3))
        return other

    @property
    def independent(self) -> float:
        """Fraction of the frequencies that is independent, as the mask leaves it."""
        return float(self.reference.fraction * (self.reference.box_A / self.box_A) ** 3)

    # search ---------------------------------------------------------------------------------------------------------
    def search(
        self, moving: AlignMap, hands: tuple[bool, ...] = (False, True), keep: int = 16, check: Check = never
    ) -> Search:
        """Try every rotation on a grid and every translation of each; return the best distinct candidates."""
        rotations = search.grid(self.step_deg, self.max_angle_deg)
        m = int(np.searchsorted(self.radius, min(self.coarse, moving.highest)))
        coarse = search.Coarse(self.points[:m], self.values[:m], self._whitening(moving, m), self.box_A)
        scores, shifts = coarse.search(moving, rotations, hands, self.max_shift_A, check)
        apart = min(1.3 * self.step_deg, 25.0)
        return Search(search.distinct(rotations, hands, scores, shifts, keep, apart), scores, rotations, shifts)

    def _whitening(self, moving: AlignMap, m: int) -> F64:
        shells = self.shells[:m]
        count = np.maximum(np.bincount(shells), 1)
        there = np.empty(m, np.complex64)
        ka.sample_linear(moving.transform, moving.centre, moving.scale, self.points[:m], np.eye(3), there)
        powers = [np.bincount(shells, np.abs(v) ** 2) / count for v in (self.values[:m], there)]
        weight = 1 / np.sqrt(np.maximum(powers[0] * powers[1], 1e-12 * powers[0].max() * powers[1].max()))
        out = weight[shells]
        out[self.radius[:m] < 1 / max(150.0, self.diameter_A)] = 0
        return np.asarray(out / out.max(), np.float64)

    # refinement -----------------------------------------------------------------------------------------------------
    def refine(
        self, moving: AlignMap, pose: Pose3D, top: float, *, weight: F64 | None = None, iterations: int = 25,
        fit_size: bool = False, most: int = MOST_POINTS,
    ) -> Pose3D:  # fmt: skip
        """Refine one pose within the band up to ``top`` (1/Å); weights by shell, whitened ones by default."""
        m = int(np.searchsorted(self.radius, min(top, moving.highest)))
        use = self._some(m, most)
        each = self._whitening(moving, m)[use] if weight is None else weight[self.shells[use]]
        return self._problem(moving, use, each, fit_size).solve(pose, iterations, self.max_shift_A)

    def _some(self, m: int, most: int = MOST_POINTS) -> NDArray[np.int64]:
        """Return the first ``m`` points, or the same random ones of them each time."""
        if m <= most:
            return np.arange(m)
        return np.sort(np.random.default_rng(0).choice(m, most, False))

    def _problem(self, moving: AlignMap, use: NDArray[np.int64], weight: F64, fit_size: bool = False) -> Problem:
        points, values = np.ascontiguousarray(self.points[use]), np.ascontiguousarray(self.values[use])
        return Problem(moving, points, values, weight, fit_size)

    def sums(self, moving: AlignMap, pose: Pose3D, most: int = MOST_POINTS) -> F64:
        """Return sums over shells at a pose: Re F₁ F₂*, |F₁|², |F₂|², number; shape (4, shells), one Friedel mate."""
        use = self._some(int(np.searchsorted(self.radius, min(self.finest, moving.highest))), most)
        value = moving.sample(self.points[use], pose.matrix * pose.size, pose.translation_A)
        shells, reference = self.shells[use], self.values[use]
        power = reference.real**2 + reference.imag**2, value.real**2 + value.imag**2
        parts = [(reference * value.conj()).real, *power, np.ones(len(use))]
        return np.array([np.bincount(shells, part) for part in parts])

    def shell_correlation(self, moving: AlignMap, pose: Pose3D, most: int = MOST_POINTS) -> tuple[F64, F64, F64]:
        """Return FSC by shell of the reference's box, and the power of both maps there, at a pose."""
        sums = self.sums(moving, pose, most)
        norm = np.sqrt(sums[1] * sums[2])
        count = np.maximum(sums[3], 1)
        return np.divide(sums[0], norm, out=np.zeros_like(norm), where=norm > 0), sums[1] / count, sums[2] / count

    def correlation(self, moving: AlignMap, pose: Pose3D) -> float:
        """Return the correlation of the masked, band-limited maps at a pose (Pearson's, means removed)."""
        sums = self.sums(moving, pose)[:, 1:].sum(axis=1)
        return float(sums[0] / np.sqrt(sums[1] * sums[2])) if sums[1] * sums[2] > 0 else 0.0

    def signal(self, moving: AlignMap, pose: Pose3D) -> tuple[F64, F64, F64]:
        """Return the smoothed shell correlation up to where it vanishes (0 beyond), and both powers."""
        fsc, p1, p2 = self.shell_correlation(moving, pose, SIGNAL_POINTS)
        wide = np.pad(fsc, 1, mode="edge")
        c = np.clip(0.25 * wide[:-2] + 0.5 * fsc + 0.25 * wide[2:], 0, 0.9999)
        n = np.maximum(np.bincount(self.shells, minlength=len(fsc))[: len(fsc)], 1)
        low = np.flatnonzero(c[3:] < np.maximum(0.05, 2 / np.sqrt(n[3:])))
        if len(low):
            c[low[0] + 3 :] = 0
        c[0] = 0
        return c, p1, p2

    def weights(self, moving: AlignMap, poses: list[Pose3D]) -> F64:
        """Return the weight of each shell, ``c / (1 - c²) / sqrt(P₁ P₂)``, with the best ``c`` of some poses."""
        found = [self.signal(moving, pose) for pose in poses]
        c = np.max([f[0] for f in found], axis=0)
        norm = np.sqrt(found[0][1] * found[0][2])
        weight = np.divide(c / (1 - c**2), norm, out=np.zeros_like(c), where=norm > 0)
        full = np.zeros(int(self.shells.max()) + 1)
        full[: len(weight)] = weight / max(weight.max(), 1e-30)
        return full

    def polish(
        self, moving: AlignMap, pose: Pose3D, *, rounds: int = 2, fit_size: bool = False, iterations: int = 20,
        most: int = MOST_POINTS,
    ) -> Pose3D:  # fmt: skip
        """Refine with the weights that the shell correlation at the pose gives."""
        for _ in range(rounds):
            weight = self.weights(moving, [pose])
            last = np.flatnonzero(weight)
            if len(last) == 0:
                return pose
            top = (last[-1] + 0.5) / self.box_A
            pose = self.refine(moving, pose, top, weight=weight, iterations=iterations, fit_size=fit_size, most=most)
        return pose

    def information(self, moving: AlignMap, pose: Pose3D) -> float:
        """Return what the maps tell of each other at a pose, ``-Σ n log(1 - c²)`` over shells, in nats."""
        c = self.signal(moving, pose)[0]
        n = np.bincount(self.shells, minlength=len(c))[: len(c)]
        return float(-np.sum(n * np.log(1 - c**2)) * self.independent)

    def uncertainty(self, moving: AlignMap, pose: Pose3D) -> tuple[float, float]:
        """Return standard deviations of the rotation (degrees) and of the translation (Å) at a pose.

        From the inverse of the Fisher information of two noisy copies of one signal,
        ``2 c² / (1 - c²) |∂F|² / P₂`` summed over the independent frequencies. Where the maps tell nothing of the
        pose, they are as large as can be: 180° and the longest translation.
        """
        c, _, p2 = self.signal(moving, pose)
        full = np.zeros(int(self.shells.max()) + 1)
        full[: len(c)] = np.divide(2 * c**2 / (1 - c**2), p2, out=np.zeros_like(c), where=p2 > 0)
        m = int(np.searchsorted(self.radius, min(self.finest, moving.highest)))
        use = self._some(m)
        normal = self._problem(moving, use, full[self.shells[use]]).sums(pose)[3][:6, :6]
        normal *= self.independent * m / max(len(use), 1)
        most = 180.0, self.max_shift_A
        try:
            covariance = np.linalg.inv(normal)
        except np.linalg.LinAlgError:
            return most
        variance = np.array([np.trace(covariance[:3, :3]), np.trace(covariance[3:, 3:])])
        if not (np.isfinite(variance).all() and (variance > 0).all()):
            return most
        spread = np.sqrt(variance)
        return min(float(np.degrees(spread[0])), most[0]), min(float(spread[1]), most[1])
