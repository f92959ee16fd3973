"""Slow and obvious answers for the tests of projection: closed forms and direct sums."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

F64 = NDArray[np.float64]


@dataclass(frozen=True)
class Gaussians:
    """Gaussians about voxel n//2: centres (n, 3) as x, y, z, standard deviations and heights, in voxels."""

    centres: F64
    sigmas: F64
    heights: F64

    @classmethod
    def random(cls, box: int, seed: int, n: int = 40, spread: float = 0.28) -> Gaussians:
        rng = np.random.default_rng(seed)
        return cls(rng.uniform(-spread, spread, (n, 3)) * box, rng.uniform(1.6, 4, n), rng.uniform(0.5, 1.5, n))

    def density(self, shape: tuple[int, int, int] | int) -> NDArray[np.float32]:
        shape = (shape,) * 3 if isinstance(shape, int) else shape
        z, y, x = (np.arange(n) - n // 2 for n in shape)
        total = np.zeros(shape)
        for (cx, cy, cz), s, h in zip(self.centres, self.sigmas, self.heights, strict=True):
            gx, gy, gz = (np.exp(-((a - c) ** 2) / (2 * s * s)) for a, c in ((x, cx), (y, cy), (z, cz)))
            total += h * gz[:, None, None] * gy[:, None] * gx
        return total.astype(np.float32)

    def project(self, matrix: F64, box: int, shift: tuple[float, float] = (0.0, 0.0)) -> F64:
        pixels = np.arange(box) - box // 2
        total = np.zeros((box, box))
        for centre, s, h in zip(self.centres, self.sigmas, self.heights, strict=True):
            x, y = (matrix @ centre)[:2] - shift
            gx, gy = (np.exp(-((pixels - c) ** 2) / (2 * s * s)) for c in (x, y))
            total += h * np.sqrt(2 * np.pi) * s * gy[:, None] * gx
        return total


def rotations(n: int, seed: int) -> F64:
    return Rotation.random(n, random_state=np.random.default_rng(seed)).as_matrix()


def errors(images: NDArray[np.float32], truth: F64) -> F64:
    """Root-mean-square difference over that of the truth, within the disc of radius box/2 - 2."""
    box = truth.shape[-1]
    y, x = np.mgrid[:box, :box] - box // 2
    disc = np.hypot(x, y) <= box / 2 - 2
    return np.sqrt(((images - truth)[:, disc] ** 2).sum(axis=1) / (truth[:, disc] ** 2).sum(axis=1))
