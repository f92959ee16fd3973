"""Find the rigid motion, and hand, that brings one map onto another.

Exhaustive search over rotations in a coarse band, all translations of each at once by a small Fourier transform, both
hands; the best candidates are refined by Levenberg–Marquardt with analytic gradients in bands of growing resolution,
and polished with the weights of two noisy copies of one signal, ``c / (1 - c²) / sqrt(P₁ P₂)`` with ``c`` the Fourier
shell correlation at the present pose. Spatial frequencies are physical, so pixel sizes and boxes may differ.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy import fft as sfft
from scipy.spatial.transform import Rotation

from emviewer.engine import kernels_align as ka
from emviewer.engine.align3d_map import AlignMap
from emviewer.engine.rotations import super_fibonacci
from emviewer.engine.task import Check, never
from emviewer.engine.threads import each_chunk, threads
from emviewer.engine.types import F64

C64 = NDArray[np.complex64]
FLIP = np.diag([1.0, 1.0, -1.0])
"""The mirror at the z plane through voxel n//2 that changes the hand."""
MOST_POINTS = 150_000
"""Frequencies used in the refinement of one band, a random half ball if there are more."""


@dataclass(eq=False)
class Pose3D:
    """``x' = matrix x + translation`` (Å, about voxel n//2), moving to reference, and its correlation."""

    matrix: F64
    translation_A: F64
    score: float
    size: float = 1.0

    @property
    def flipped(self) -> bool:
        """Whether the hand is changed."""
        return bool(np.linalg.det(self.matrix) < 0)


@dataclass(eq=False)
class Search:
    """What an exhaustive search found.

    Parameters
    ----------
    poses : list of Pose3D
        Distinct candidates, best first, of both hands.
    scores : ndarray of float64, shape (r, h)
        Best score over translations of every rotation tried and hand, for diagnostics.
    rotations : ndarray of float64, shape (r, 3, 3)
        The rotations tried.
    """

    poses: list[Pose3D] = field(default_factory=list)
    scores: F64 = field(default_factory=lambda: np.empty((0, 0)))
    rotations: F64 = field(default_factory=lambda: np.empty((0, 3, 3)))


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
    """

    def __init__(
        self, reference: AlignMap, diameter_A: float, max_shift_A: float, *, max_angle_deg: float = 180.0,
        finest_A: float = 0.0,
    ) -> None:  # fmt: skip
        self.reference = reference
        self.diameter_A = diameter_A
        self.max_shift_A = max_shift_A
        self.max_angle_deg = max_angle_deg
        self.finest = min(reference.highest, 1 / finest_A if finest_A > 0 else np.inf)
        self.coarse = min(1 / float(np.clip(diameter_A / 6, 20, 40)), 0.8 * self.finest)
        self.step_deg = float(np.clip(60 / (self.coarse * diameter_A), 8, 15))
        self.points, self.radius = half_ball(reference.box_A, self.finest)
        self.values = reference.sample(self.points, np.eye(3))
        self.shells = np.round(self.radius * reference.box_A).astype(np.int64)

    # search ---------------------------------------------------------------------------------------------------------
    def search(
        self, moving: AlignMap, hands: tuple[bool, ...] = (False, True), keep: int = 16, check: Check = never
    ) -> Search:
        """Try every rotation on a grid and every translation of each; return the best distinct candidates."""
        rotations = self._grid()
        m = int(np.searchsorted(self.radius, min(self.coarse, moving.highest)))
        points, lattice, n = self._lattice(m)
        weight = self._whitening(moving, m)
        left = self.values[:m].conj() * weight
        norm = float(np.sum(weight * np.abs(self.values[:m]) ** 2))
        radius2 = (self.max_shift_A / self.reference.box_A * n) ** 2
        scores = np.empty((len(rotations), len(hands)))
        shifts = np.empty((len(rotations), len(hands), 3))

        def work(lo: int, hi: int) -> None:
            check()
            value = np.empty(m, np.complex64)
            block = np.zeros((n, n, n // 2 + 1), np.complex64)
            found = np.empty(4)
            for i in range(lo, hi):
                for j, flipped in enumerate(hands):
                    matrix = rotations[i] @ FLIP if flipped else rotations[i]
                    ka.sample_linear(moving.transform, moving.centre, moving.scale, points, matrix, value)
                    power = float(np.sum(weight * np.abs(value) ** 2))
                    block[:] = 0
                    block.reshape(-1)[lattice] = (left * value).conj()
                    _complete(block)
                    field_ = sfft.irfftn(block, s=(n, n, n), workers=1, overwrite_x=True)
                    ka.best_in_ball(field_, radius2, found)
                    scores[i, j] = found[0] * n**3 / 2 / np.sqrt(max(norm * power, 1e-30))
                    shifts[i, j] = found[3:0:-1] * self.reference.box_A / n

        each_chunk(work, len(rotations), 32)
        poses = self._distinct(rotations, hands, scores, shifts, keep)
        return Search(poses, scores, rotations)

    def _grid(self) -> F64:
        count = max(24, round(79.0 / np.deg2rad(self.step_deg) ** 3))
        rotations = super_fibonacci(count)
        if self.max_angle_deg < 180:
            angle = np.degrees(Rotation.from_matrix(rotations).magnitude())
            rotations = rotations[angle <= self.max_angle_deg + self.step_deg]
        return np.ascontiguousarray(np.concatenate([np.eye(3)[None], rotations]))

    def _lattice(self, m: int) -> tuple[F64, NDArray[np.int64], int]:
        """Return the first ``m`` points, their places in a small half transform, and its edge."""
        index = np.round(self.points[:m] * self.reference.box_A).astype(np.int64)
        n = sfft.next_fast_len(int(2 * np.abs(index).max() + 2), real=True)
        n += n % 2
        x, y, z = index.T
        return self.points[:m], (z % n * n + y % n) * (n // 2 + 1) + x, n

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

    def _distinct(self, rotations: F64, hands: tuple[bool, ...], scores: F64, shifts: F64, keep: int) -> list[Pose3D]:
        out: list[Pose3D] = []
        near = np.cos(np.radians(1.3 * self.step_deg))
        for j, flipped in enumerate(hands):
            mine: list[int] = []
            for i in np.argsort(-scores[:, j]):
                if all((np.sum(rotations[i] * rotations[o]) - 1) / 2 < near for o in mine):
                    mine.append(int(i))
                    matrix = rotations[i] @ FLIP if flipped else rotations[i]
                    out.append(Pose3D(matrix.copy(), shifts[i, j].copy(), float(scores[i, j])))
                if len(mine) == keep:
                    break
        return sorted(out, key=lambda p: -p.score)

    # refinement -----------------------------------------------------------------------------------------------------
    def refine(
        self, moving: AlignMap, pose: Pose3D, top: float, *, weight: F64 | None = None, iterations: int = 25,
        fit_size: bool = False, rng: np.random.Generator | None = None,
    ) -> Pose3D:  # fmt: skip
        """Refine one pose within the band up to ``top`` (1/Å); weights by shell, whitened ones by default."""
        m = int(np.searchsorted(self.radius, min(top, moving.highest)))
        use = (
            slice(0, m)
            if m <= MOST_POINTS
            else np.sort((rng or np.random.default_rng(0)).choice(m, MOST_POINTS, False))
        )
        points, values = np.ascontiguousarray(self.points[use]), np.ascontiguousarray(self.values[use])
        each = self._whitening(moving, m)[use] if weight is None else weight[self.shells[use]]
        problem = _Problem(moving, points, values, each, fit_size)
        return problem.solve(pose, iterations, self.max_shift_A)

    def shell_correlation(self, moving: AlignMap, pose: Pose3D) -> tuple[F64, F64, F64]:
        """Return FSC by shell of the reference's box, and the power of both maps there, at a pose."""
        m = int(np.searchsorted(self.radius, moving.highest))
        value = moving.sample(self.points[:m], pose.matrix, pose.translation_A)
        shells = self.shells[:m]
        reference = self.values[:m]
        sums = [
            np.bincount(shells, v)
            for v in ((reference * value.conj()).real, np.abs(reference) ** 2, np.abs(value) ** 2)
        ]
        norm = np.sqrt(sums[1] * sums[2])
        count = np.maximum(np.bincount(shells), 1)
        fsc = np.divide(sums[0], norm, out=np.zeros_like(norm), where=norm > 0)
        return fsc, sums[1] / count, sums[2] / count

    def polish(self, moving: AlignMap, pose: Pose3D, *, rounds: int = 2, fit_size: bool = False) -> Pose3D:
        """Refine with the weights that the shell correlation at the pose gives, twice."""
        for _ in range(rounds):
            fsc, p1, p2 = self.shell_correlation(moving, pose)
            smooth = np.convolve(np.r_[fsc[1], fsc[1:], fsc[-1]], [0.25, 0.5, 0.25], "valid")
            c = np.clip(np.r_[smooth[0], smooth], 0, 0.9999)[: len(fsc)]
            n = np.maximum(np.bincount(self.shells, minlength=len(fsc))[: len(fsc)], 1)
            low = np.flatnonzero(c[3:] < np.maximum(0.05, 2 / np.sqrt(n[3:])))
            if len(low):
                c[low[0] + 3 :] = 0
            norm = np.sqrt(p1 * p2)
            weight = np.divide(c / (1 - c**2), norm, out=np.zeros_like(c), where=norm > 0)
            weight[0] = 0
            full = np.zeros(int(self.shells.max()) + 1)
            full[: len(weight)] = weight / max(weight.max(), 1e-30)
            last = np.flatnonzero(full)
            if len(last) == 0:
                return pose
            top = (last[-1] + 0.5) / self.reference.box_A
            better = self.refine(moving, pose, top, weight=full, iterations=20, fit_size=fit_size)
            pose = better
        return pose


class _Problem:
    """Levenberg–Marquardt on one set of points."""

    def __init__(self, moving: AlignMap, points: F64, values: C64, weight: F64, fit_size: bool) -> None:
        self.moving, self.points, self.values = moving, points, values
        self.weight = weight
        self.free = 7 if fit_size else 6
        self.value = np.empty(len(points), np.complex64)
        self.gradient = np.empty((len(points), 3), np.complex64)

    def evaluate(self, pose: Pose3D) -> tuple[float, F64, F64]:
        """Return the correlation, the normal matrix and the gradient at a pose."""
        m = len(self.points)
        f = self.moving
        matrix = np.ascontiguousarray(pose.matrix * pose.size)
        pieces = max(1, min(threads(), m // 20_000))
        bounds = np.linspace(0, m, pieces + 1).astype(int)
        parts = [(np.zeros(3), np.zeros(7), np.zeros(7), np.zeros((7, 7))) for _ in range(pieces)]

        def work(lo: int, hi: int) -> None:
            for k in range(lo, hi):
                a, b = int(bounds[k]), int(bounds[k + 1])
                ka.sample_points(
                    f.transform, f.centre, f.scale, self.points[a:b], b - a, matrix, self.value[a:b],
                    self.gradient[a:b], True,
                )  # fmt: skip
                ka.accumulate(
                    self.points,
                    a,
                    b,
                    self.weight,
                    self.values,
                    self.value,
                    self.gradient,
                    pose.translation_A,
                    *parts[k],
                )

        each_chunk(work, pieces, 1)
        sums, bi, bm, jj = (np.sum([part[i] for part in parts], axis=0) for i in range(4))
        if not (sums[0] > 0 and sums[2] > 0):
            return 0.0, np.zeros((7, 7)), np.zeros(7)
        gain = sums[1] / sums[2]
        upper = np.triu(jj) + np.triu(jj, 1).T
        hessian = gain * gain * (upper - np.outer(bm, bm) / sums[2])
        return float(sums[1] / np.sqrt(sums[0] * sums[2])), hessian, gain * (bi - gain * bm)

    def solve(self, pose: Pose3D, iterations: int, max_shift_A: float) -> Pose3D:
        """Return the pose refined from ``pose``."""
        score, hessian, gradient = self.evaluate(pose)
        pose = Pose3D(pose.matrix, pose.translation_A, score, pose.size)
        damping = 1e-3
        for _ in range(iterations):
            free = self.free
            lifted = hessian[:free, :free] + np.diag(damping * np.diag(hessian)[:free] + 1e-12 * hessian[0, 0] + 1e-300)
            try:
                step = np.linalg.solve(lifted, gradient[:free])
            except np.linalg.LinAlgError:
                break
            turn = float(np.linalg.norm(step[:3]))
            if turn > ka.MAX_STEP_RAD:
                step *= ka.MAX_STEP_RAD / turn
            matrix = Rotation.from_rotvec(step[:3]).as_matrix() @ pose.matrix
            shift = pose.translation_A + step[3:6]
            length = float(np.linalg.norm(shift))
            if length > max_shift_A:
                shift *= max_shift_A / length
            size = pose.size * float(np.exp(np.clip(step[6], -0.02, 0.02))) if free == 7 else pose.size
            trial = Pose3D(matrix, shift, 0.0, size)
            trial.score, hessian2, gradient2 = self.evaluate(trial)
            if trial.score > pose.score:
                small = trial.score - pose.score < 1e-10 and turn < 1e-6
                pose, hessian, gradient = trial, hessian2, gradient2
                damping = max(damping * 0.2, 1e-7)
                if small:
                    break
            else:
                damping *= 8
                if damping > 1e4 or turn < 1e-8:
                    break
        return pose


def half_ball(box_A: float, top: float) -> tuple[F64, F64]:
    """Return the frequencies (m, 3) of a box's transform within ``top`` (1/Å), one of each Friedel pair, by radius."""
    n = int(np.floor(top * box_A))
    x = np.arange(0, n + 1)
    y = np.arange(-n, n + 1)
    z3, y3, x3 = np.meshgrid(y, y, x, indexing="ij")
    r2 = x3 * x3 + y3 * y3 + z3 * z3
    use = (r2 <= (top * box_A) ** 2) & ((x3 > 0) | ((x3 == 0) & ((y3 > 0) | ((y3 == 0) & (z3 > 0)))))
    r = np.sqrt(r2[use])
    order = np.argsort(r, kind="stable")
    points = np.stack([x3[use], y3[use], z3[use]], axis=1)[order] / box_A
    return np.ascontiguousarray(points), r[order] / box_A


def _complete(block: C64) -> None:
    """Fill the Friedel mates on the plane x = 0 of a half transform whose one half is set."""
    n = block.shape[0]
    plane = block[:, :, 0]
    mate = plane[(-np.arange(n)) % n][:, (-np.arange(n)) % n].conj()
    empty = plane == 0
    plane[empty] = mate[empty]
