"""Exhaustive search over rotations, hands and translations in a coarse band."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from emviewer.engine import fft
from emviewer.engine import kernels_align as ka
from emviewer.engine.align3d_map import AlignMap
from emviewer.engine.align3d_refine import FLIP, Pose3D
from emviewer.engine.rotations import angle_deg, from_rotvec, super_fibonacci
from emviewer.engine.task import Check, never
from emviewer.engine.threads import each_chunk
from emviewer.engine.types import F64

C64 = NDArray[np.complex64]
BATCH = 16
"""Rotations whose translations are transformed at once."""
LOCAL_DEG = 60.0
"""Largest rotation up to which a grid of rotation vectors is finer and smaller than one of all rotations."""


@dataclass(eq=False)
class Search:
    """What an exhaustive search found.

    Parameters
    ----------
    poses : list of Pose3D
        Distinct candidates, best first, of both hands.
    scores : ndarray of float64, shape (r, h)
        Best score over translations of every rotation tried and hand.
    rotations : ndarray of float64, shape (r, 3, 3)
        The rotations tried.
    shifts : ndarray of float64, shape (r, h, 3)
        The best translation of each, in Å; empty where only a neighbourhood was searched.
    """

    poses: list[Pose3D] = field(default_factory=list)
    scores: F64 = field(default_factory=lambda: np.empty((0, 0)))
    rotations: F64 = field(default_factory=lambda: np.empty((0, 3, 3)))
    shifts: F64 = field(default_factory=lambda: np.empty((0, 0, 3)))


def grid(step_deg: float, max_angle_deg: float) -> F64:
    """Return rotations (r, 3, 3) about ``step_deg`` apart up to an angle, the identity first."""
    if max_angle_deg <= LOCAL_DEG:
        step = np.radians(step_deg)
        n = int(np.ceil(np.radians(max_angle_deg) / step))
        axis = np.arange(-n, n + 1) * step
        vectors = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), axis=-1).reshape(-1, 3)
        length = np.linalg.norm(vectors, axis=1)
        vectors = vectors[(length <= np.radians(max_angle_deg) + 0.5 * step) & (length > 0)]
        return np.concatenate([np.eye(3)[None], from_rotvec(vectors)])
    rotations = super_fibonacci(max(24, round(79.0 / np.deg2rad(step_deg) ** 3)))
    if max_angle_deg < 180:
        angle = angle_deg(rotations, np.eye(3))
        rotations = rotations[angle <= max_angle_deg + step_deg / 2]
    return np.ascontiguousarray(np.concatenate([np.eye(3)[None], rotations]))


@dataclass(frozen=True, eq=False)
class Coarse:
    """The reference in the coarse band: frequencies on the lattice of one over the box.

    Parameters
    ----------
    points : ndarray of float64, shape (m, 3)
        In 1/Å, multiples of one over the box.
    values : ndarray of complex64, shape (m,)
        Transform of the reference there.
    weight : ndarray of float64, shape (m,)
        Weight of each.
    box_A : float
        Period of the translations.
    """

    points: F64
    values: C64
    weight: F64
    box_A: float

    def search(
        self, moving: AlignMap, rotations: F64, hands: tuple[bool, ...], max_shift_A: float, check: Check = never
    ) -> tuple[F64, F64]:
        """Return the best score (r, h) and its translation (r, h, 3; Å) of every rotation and hand."""
        index = np.round(self.points * self.box_A).astype(np.int64)
        n = fft.fast_size(int(2 * np.abs(index).max() + 2), even=True)
        x, y, z = index.T
        place = (z % n * n + y % n) * (n // 2 + 1) + x
        mate = np.where(x == 0, (-z % n * n + -y % n) * (n // 2 + 1), -1)
        left = (self.values * self.weight).astype(np.complex64)
        norm = float(np.sum(self.weight * np.abs(self.values) ** 2))
        radius2 = (max_shift_A / self.box_A * n) ** 2
        matrices = np.stack([rotations @ FLIP if flipped else rotations for flipped in hands], axis=1)
        flat = np.ascontiguousarray(matrices.reshape(-1, 3, 3))
        found = np.zeros((len(flat), 4))

        def work(lo: int, hi: int) -> None:
            powers = np.empty(BATCH)
            with fft.lend("c2r", (BATCH, n, n, n), (1, 2, 3), measure=True) as plan:
                for start in range(lo, hi, BATCH):
                    check()
                    stop = min(hi, start + BATCH)
                    plan.input[:] = 0
                    ka.products(
                        moving.transform, moving.centre, moving.scale, self.points, flat[start:stop], left,
                        self.weight, place, mate, plan.input.reshape(BATCH, -1), powers,
                    )  # fmt: skip
                    plan.run()
                    for i in range(stop - start):
                        ka.best_in_ball(plan.output[i], radius2, found[start + i])
                        found[start + i, 0] /= 2 * np.sqrt(max(norm * powers[i], 1e-30))

        each_chunk(work, len(flat), 8 * BATCH)
        each = found.reshape(len(rotations), len(hands), 4)
        return each[..., 0].copy(), each[..., 3:0:-1] * (self.box_A / n)


def distinct(
    rotations: F64, hands: tuple[bool, ...], scores: F64, shifts: F64, keep: int, apart_deg: float
) -> list[Pose3D]:
    """Return up to ``keep`` candidates of each hand that are apart from each other, best first."""
    out: list[Pose3D] = []
    near = np.cos(np.radians(apart_deg))
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


def distinct_poses(poses: list[Pose3D], apart_deg: float, apart_A: float) -> list[Pose3D]:
    """Return poses, best first, without those that another of the same hand comes near to."""
    out: list[Pose3D] = []
    near = np.cos(np.radians(apart_deg))
    for pose in sorted(poses, key=lambda p: -p.score):
        if not any(
            pose.flipped == o.flipped
            and (np.sum(pose.matrix * o.matrix) - 1) / 2 > near
            and float(np.linalg.norm(pose.translation_A - o.translation_A)) < apart_A
            for o in out
        ):
            out.append(pose)
    return out
