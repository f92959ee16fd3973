"""Refinement of one pose: Levenberg–Marquardt with analytic gradients on a set of spatial frequencies."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from emviewer.engine import kernels_align as ka
from emviewer.engine.align3d_map import AlignMap
from emviewer.engine.rotations import angle_deg, from_rotvec
from emviewer.engine.threads import each_chunk, threads
from emviewer.engine.types import F64

C64 = NDArray[np.complex64]
FLIP = np.diag([1.0, 1.0, -1.0])
"""The mirror at the z plane through voxel n//2 that changes the hand."""


@dataclass(eq=False)
class Pose3D:
    """``x' = size · matrix x + translation`` (Å, about voxel n//2), moving to reference, and its correlation."""

    matrix: F64
    translation_A: F64
    score: float
    size: float = 1.0

    @property
    def flipped(self) -> bool:
        """Whether the hand is changed."""
        return bool(np.linalg.det(self.matrix) < 0)

    @property
    def rotation(self) -> F64:
        """The proper rotation: the matrix without the flip that goes first."""
        return self.matrix @ FLIP if self.flipped else self.matrix

    @property
    def angle_deg(self) -> float:
        """Angle of the rotation."""
        return float(angle_deg(self.rotation, np.eye(3)))


@lru_cache(maxsize=2)
def half_ball(box_A: float, top: float) -> tuple[F64, F64]:
    """Return the frequencies (m, 3) of a box's transform within ``top`` (1/Å), one of each Friedel pair, by radius.

    The arrays are kept for the next map, and cannot be written to.
    """
    n = int(np.floor(top * box_A))
    x = np.arange(0, n + 1)
    y = np.arange(-n, n + 1)
    z3, y3, x3 = np.meshgrid(y, y, x, indexing="ij")
    r2 = x3 * x3 + y3 * y3 + z3 * z3
    use = (r2 <= (top * box_A) ** 2) & ((x3 > 0) | ((x3 == 0) & ((y3 > 0) | ((y3 == 0) & (z3 > 0)))))
    r = np.sqrt(r2[use])
    order = np.argsort(r, kind="stable")
    points = np.stack([x3[use], y3[use], z3[use]], axis=1)[order] / box_A
    found = np.ascontiguousarray(points), r[order] / box_A
    for each in found:
        each.flags.writeable = False
    return found


class Problem:
    """Levenberg–Marquardt on one set of points."""

    def __init__(self, moving: AlignMap, points: F64, values: C64, weight: F64, fit_size: bool) -> None:
        self.moving, self.points, self.values = moving, points, values
        self.weight = weight
        self.free = 7 if fit_size else 6
        self.value = np.empty(len(points), np.complex64)
        self.gradient = np.empty((len(points), 3), np.complex64)

    def sums(self, pose: Pose3D) -> tuple[F64, F64, F64, F64]:
        """Return sums of the correlation (3), of both gradients (7 each), and the normal matrix (7, 7), at a pose."""
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
                    self.points, a, b, self.weight, self.values, self.value, self.gradient, pose.translation_A,
                    *parts[k],
                )  # fmt: skip

        each_chunk(work, pieces, 1)
        first, second, third, upper = (np.sum([part[i] for part in parts], axis=0) for i in range(4))
        return first, second, third, np.triu(upper) + np.triu(upper, 1).T

    def evaluate(self, pose: Pose3D) -> tuple[float, F64, F64]:
        """Return the correlation, the normal matrix and the gradient at a pose."""
        sums, bi, bm, jj = self.sums(pose)
        if not (sums[0] > 0 and sums[2] > 0):
            return 0.0, np.zeros((7, 7)), np.zeros(7)
        gain = sums[1] / sums[2]
        hessian = gain * gain * (jj - np.outer(bm, bm) / sums[2])
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
            matrix = from_rotvec(step[:3])[0] @ pose.matrix
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
