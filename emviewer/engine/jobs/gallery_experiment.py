"""What an experiment adds to projections: random shifts, a CTF, noise. Seeded, and the same for any batch size."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from emviewer.engine import threads
from emviewer.engine.jobs.gallery_params import GalleryParams
from emviewer.engine.types import F32, F64, Map3D

if TYPE_CHECKING:
    from emviewer.engine.ctf import CTF

SAMPLE = 48
"""Views whose signal variance sets the noise of the whole set."""


def make_ctf(params: GalleryParams, n: int) -> CTF | None:
    """Return the same CTF for ``n`` views, or None if none was asked for."""
    if params.defocus is None:
        return None
    from emviewer.engine.ctf import CTF

    u, v, angle = defocus(params)
    same = np.ones(n)
    return CTF(
        defocus_u_A=u * same,
        defocus_v_A=v * same,
        defocus_angle_deg=angle * same,
        voltage_kV=params.kv,
        cs_mm=params.cs,
        amplitude_contrast=params.q0,
    )


def defocus(params: GalleryParams) -> tuple[float, float, float]:
    """Return underfocus along both axes (Å) and the angle of the first (degrees)."""
    given = params.defocus or (0.0,)
    return given[0], given[1] if len(given) > 1 else given[0], given[2] if len(given) > 2 else 0.0


def particle_radius_px(volume: Map3D) -> float:
    """Return the radius in voxels of the sphere about voxel n//2 that holds 99 % of the map's variance.

    The background is the median of the map's faces; at most half of the shortest edge. Judged on at most about
    96³ voxels, so good to some hundredths of the box.
    """
    stride = max(1, volume.box // 96)
    data = volume.data[::stride, ::stride, ::stride].astype(np.float64)
    faces = np.concatenate([data[i].ravel() for i in (0, -1)] + [data[:, :, i].ravel() for i in (0, -1)])
    power = (data - np.median(faces)) ** 2
    axes = [np.arange(0, n, stride) - n // 2 for n in volume.shape]
    z, y, x = np.meshgrid(*axes, indexing="ij", sparse=True)
    shell = np.sqrt(z * z + y * y + x * x).astype(np.int64)
    total = np.cumsum(np.bincount(shell.ravel(), power.ravel()))
    if total[-1] <= 0:
        return min(volume.shape) / 2
    radius = float(np.searchsorted(total, 0.99 * total[-1])) + 1.0
    return min(radius, min(volume.shape) / 2)


def sample_ids(n: int) -> NDArray[np.int64]:
    """Return the views, evenly spread over the list, that the signal variance is taken from."""
    return np.unique(np.linspace(0, n - 1, min(n, SAMPLE)).astype(np.int64))


class Noise:
    """White Gaussian noise, the same for view ``i`` whatever is made beside it.

    Parameters
    ----------
    sigma : float
        Standard deviation.
    key : int
        Seed of the whole set.
    """

    def __init__(self, sigma: float, key: int) -> None:
        self.sigma = np.float32(sigma)
        self.key = key

    def add(self, images: F32, first: int) -> None:
        """Add noise in place to images (k, h, w), which are views ``first …`` of the set."""

        def work(start: int, stop: int) -> None:
            for i in range(start, stop):
                generator = np.random.Generator(np.random.Philox(key=self.key, counter=[0, 0, first + i, 0]))
                noise = generator.standard_normal(images.shape[1:], dtype=np.float32)
                noise *= self.sigma
                images[i] += noise

        threads.each_chunk(work, len(images))


def random_shifts(sigma_px: float, n: int, rng: np.random.Generator) -> F64:
    """Return Gaussian shifts (n, 2) in pixels; zero for sigma 0."""
    return rng.normal(0.0, sigma_px, (n, 2)) if sigma_px > 0 else np.zeros((n, 2))
