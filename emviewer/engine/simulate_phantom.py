"""Phantoms: sums of Gaussians whose density and projections are known in closed form.

They are the oracle of the projectors and the built-in maps ``phantom:C1|C4|D2|D7|T|O|I``.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from emviewer.engine import kernels_splat, threads
from emviewer.engine.errors import ParameterError
from emviewer.engine.symmetry import point_group
from emviewer.engine.types import F32, F64, Map3D

PHANTOMS = ("C1", "C4", "D2", "D7", "T", "O", "I")
"""Names that :func:`phantom` knows."""

REACH = 5.5
"""Half edge, in standard deviations, of the cube in which a Gaussian is written (e^-15 of its height at the face)."""


@dataclass(frozen=True, eq=False)
class GaussianPhantom:
    """A sum of isotropic Gaussians about the centre voxel ``n // 2``.

    Parameters
    ----------
    centres_px : ndarray of float64, shape (n, 3)
        ``(x, y, z)`` of each Gaussian from the centre, in voxels.
    sigmas_px : ndarray of float64, shape (n,)
        Standard deviations in voxels. From 1 voxel on, the line sum of the sampled density is the line integral
        to better than 1e-8 of its height.
    amplitudes : ndarray of float64, shape (n,)
        Heights.
    """

    centres_px: F64
    sigmas_px: F64
    amplitudes: F64

    def __post_init__(self) -> None:
        n = len(self.centres_px)
        if self.centres_px.shape != (n, 3) or self.sigmas_px.shape != (n,) or self.amplitudes.shape != (n,):
            raise ParameterError("a phantom needs centres (n, 3), and as many sigmas and amplitudes", "GaussianPhantom")

    def density(self, box: int) -> F32:
        """Return the density, float32 ``(box, box, box)`` in ``[z, y, x]``."""
        volume = np.zeros((box, box, box), np.float32)
        sigmas, kinds = np.unique(self.sigmas_px, return_inverse=True)
        tables = np.ones((len(sigmas), 1)), 1 / (2 * sigmas[:, None] ** 2), REACH * sigmas
        centres = np.ascontiguousarray(self.centres_px + box // 2)

        def work(start: int, stop: int) -> None:
            kernels_splat.splat(volume, start, stop, centres, kinds.astype(np.int64), self.amplitudes, *tables)

        threads.each_chunk(work, box, max(8, -(-box // 16)))
        return volume

    def project(self, rotations: ArrayLike, box: int, shifts_px: ArrayLike | None = None) -> F64:
        """Return the exact projections.

        Parameters
        ----------
        rotations : array_like, shape (n, 3, 3) or (3, 3)
            ``A`` of RELION: the point ``x`` lands at ``(A x)[:2]``.
        box : int
            Edge of the images in pixels.
        shifts_px : array_like, shape (n, 2), optional
            ``(x, y)`` to be added to the image to centre it: the particle stands at ``(A x)[:2] - shift``.

        Returns
        -------
        ndarray of float64, shape (n, box, box) or (box, box)
            Line integrals in voxel units, the centre at ``box // 2``.
        """
        matrices = np.asarray(rotations, float)
        single = matrices.ndim == 2
        matrices = matrices.reshape(-1, 3, 3)
        shifts = np.zeros((len(matrices), 2)) if shifts_px is None else np.asarray(shifts_px, float).reshape(-1, 2)
        at = np.einsum("nij,gj->nig", matrices[:, :2], self.centres_px) - shifts[:, :, None]
        pixels = np.arange(box) - box // 2
        steep = 1 / (2 * self.sigmas_px**2)
        along = np.exp(-steep[:, None] * (pixels - at[..., None]) ** 2)
        heights = self.amplitudes * self.sigmas_px * np.sqrt(2 * np.pi)
        images: F64 = np.einsum("g,ngy,ngx->nyx", heights, along[:, 1], along[:, 0], optimize=True)
        return images[0] if single else images

    def replicated(self, rotations: F64) -> GaussianPhantom:
        """Return the phantom made symmetric: one copy for each rotation ``(k, 3, 3)``."""
        centres = np.einsum("kij,gj->kgi", rotations, self.centres_px).reshape(-1, 3)
        k = len(rotations)
        return GaussianPhantom(centres, np.tile(self.sigmas_px, k), np.tile(self.amplitudes, k))

    @classmethod
    def random(cls, box: int, rng: np.random.Generator, n: int = 40) -> GaussianPhantom:
        """Return the phantom on which projectors are measured.

        ``n`` Gaussians with centres uniform in a cube of ±0.28 box, sigma 1.6–4.0 px, amplitudes 0.5–1.5.
        """
        return cls(rng.uniform(-0.28, 0.28, (n, 3)) * box, rng.uniform(1.6, 4.0, n), rng.uniform(0.5, 1.5, n))


def phantom_blobs(name: str, box: int = 64, seed: int = 0) -> GaussianPhantom:
    """Return the Gaussians of a built-in phantom (see :func:`phantom`)."""
    group_name = next((p for p in PHANTOMS if p == name.strip().upper()), None)
    if group_name is None:
        raise ParameterError(f"no phantom is called {name!r}", "", "choose one of " + ", ".join(PHANTOMS))
    if box < 8:
        raise ParameterError(f"a phantom does not fit into a box of {box}", "", "take at least 8 voxels")
    group = point_group(group_name)
    rng = np.random.default_rng([seed, zlib.crc32(group_name.encode())])
    order = len(group.rotations)
    shell, size, blobs, sigma = _SHAPE.get(group_name, _SHAPE["C1"])
    centre = _subunit_centre(group.rotations, rng) * shell if order > 1 else np.zeros(3)
    points = _wander(blobs, size, rng) + centre
    sigmas = sigma * rng.uniform(0.85, 1.25, blobs)
    unit = GaussianPhantom(points * box, sigmas * box, rng.uniform(0.6, 1.4, blobs))
    return unit.replicated(group.rotations)


_SHAPE = {
    "C1": (0.0, 0.27, 60, 0.030),
    "C4": (0.19, 0.16, 22, 0.028),
    "D2": (0.20, 0.16, 22, 0.028),
    "D7": (0.27, 0.10, 9, 0.026),
    "T": (0.27, 0.11, 9, 0.026),
    "O": (0.30, 0.08, 6, 0.024),
    "I": (0.33, 0.055, 4, 0.021),
}
"""Distance of a subunit from the centre, its radius, its number of Gaussians and their sigma; lengths in boxes."""


def _subunit_centre(rotations: F64, rng: np.random.Generator) -> F64:
    """Return a direction (unit vector) that keeps well away from its symmetry copies.

    Not the best of all: in T the best directions are those of an icosahedron.
    """
    tries = rng.normal(size=(400, 3))
    tries /= np.linalg.norm(tries, axis=1, keepdims=True)
    copies = np.einsum("kij,nj->nki", rotations, tries)
    nearest = np.sort(np.linalg.norm(copies - tries[:, None], axis=2), axis=1)[:, 1]
    return np.asarray(tries[np.argsort(nearest)[int(0.8 * len(tries))]])


def _wander(n: int, radius: float, rng: np.random.Generator) -> F64:
    """Return a smooth random walk of ``n`` points that keeps within ``radius`` and away from itself, like a chain."""
    step = 1.15 * radius / n ** (1 / 3)
    points = [rng.normal(size=3) * radius * 0.2]
    heading = rng.normal(size=3)
    for _ in range(n - 1):
        headings = heading / np.linalg.norm(heading) + rng.normal(size=(24, 3)) * 0.7
        headings /= np.linalg.norm(headings, axis=1, keepdims=True)
        ends = points[-1] + step * headings
        crowd = np.min(np.linalg.norm(ends[:, None] - np.array(points)[None], axis=2), axis=1) / step
        outside = np.maximum(0, np.linalg.norm(ends, axis=1) / radius - 0.85)
        best = int(np.argmax(np.minimum(crowd, 1.1) - 6 * outside))
        points.append(ends[best])
        heading = headings[best]
    chain = np.array(points)
    return np.asarray(chain - chain.mean(axis=0))


def phantom(name: str, box: int = 64, pixel_size_A: float = 3.0, seed: int = 0) -> Map3D:
    """Return a built-in phantom map with the point group ``name``.

    Parameters
    ----------
    name : str
        ``C1``, ``C4``, ``D2``, ``D7``, ``T``, ``O`` or ``I``, upper or lower case. The axes stand as in
        :func:`emviewer.engine.symmetry.point_group`; the phantom has that symmetry exactly and no other.
    box : int
        Edge in voxels; the phantom scales with it and fits into the inscribed sphere.
    pixel_size_A : float
        Edge of a voxel in Å.
    seed : int
        Another seed, another shape.

    Returns
    -------
    Map3D
        Named ``phantom_D7`` and so on.

    Raises
    ------
    ParameterError
        Unknown name (with the list), or a box below 8.
    """
    density = phantom_blobs(name, box, seed).density(box)
    group = point_group(name.strip())
    return Map3D(density, float(pixel_size_A), symmetry=group.name, name=f"phantom_{name.strip().upper()}")
