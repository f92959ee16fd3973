"""What two maps have in common at a pose: where both have density, and where the density agrees.

A part of a complex is compared with what lies under it, not with the whole (overlap-normalised correlation: Roseman,
Acta Cryst. D56 (2000) 1332), and a domain that has moved does not pull at the pose of the rest. Both maps are
multiplied by one weight, in the frame of the pose, and transformed anew.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from emviewer.engine.align3d import Aligner
from emviewer.engine.align3d_map import AlignMap
from emviewer.engine.align3d_move import Grid3D, move_map, move_mask
from emviewer.engine.align3d_refine import Pose3D
from emviewer.engine.fsc_transform import half_transform, real_map, scale_shells
from emviewer.engine.types import F32, F64, RigidTransform

WINDOW = 1.5
"""Standard deviation of the window in which agreement is looked at, in units of the finest detail that agrees."""
WORSE = 2.0
UNLIKE = 0.02
"""Density counts less from where its unlikeness, 1 - local correlation, is this many times that of the best quarter and
at least this. A domain with 20 % of the mass turned by 10° pulled the rest by 1.0–1.7°, so weighted by 0.00–0.05° (with
noise as strong as the density 0.15° instead of 2.0°); of maps that differ in noise alone 92–100 % counted."""


@dataclass(frozen=True, eq=False)
class Common:
    """Two maps under one weight, at a pose.

    Parameters
    ----------
    aligner : Aligner
        Of the reference under the weight.
    moving : AlignMap
        The moving map under the weight.
    kept : float
        Least share of the density of either map that the weight leaves.
    """

    aligner: Aligner
    moving: AlignMap
    kept: float


def common(aligner: Aligner, moving: AlignMap, pose: Pose3D, agreement: F32 | None = None) -> Common | None:
    """Return both maps where their masks overlap at a pose; None if they hardly do.

    Parameters
    ----------
    aligner : Aligner
        Holds the reference.
    moving : AlignMap
        The moving map.
    pose : Pose3D
        Where it lies.
    agreement : ndarray of float32, optional
        A further weight on the grid of the reference's cube, as :func:`agreement` gives it.
    """
    reference = aligner.reference
    here, there = _grid(reference), _grid(moving)
    motion = RigidTransform(pose.matrix, pose.translation_A)
    back = RigidTransform(pose.matrix.T, -pose.matrix.T @ pose.translation_A)
    over = move_mask(moving.mask, moving.pixel_size_A * pose.size, motion, here)
    under = reference.mask
    if agreement is not None:
        over, under = over * agreement, under * agreement
    first = reference.weighted(over)
    scaled = Grid3D(there.shape, there.pixel_size_A * pose.size)
    second = moving.weighted(move_mask(under, reference.pixel_size_A, back, scaled))
    if first is None or second is None:
        return None
    return Common(aligner.like(first), second, min(_kept(first, reference), _kept(second, moving)))


def agreement(aligner: Aligner, moving: AlignMap, pose: Pose3D) -> F32:
    """Return how well two maps agree around each voxel of the reference's cube, 0 … 1 against how they do elsewhere.

    From the local correlation, in a Gaussian window, of the maps filtered so that every shell counts by what it tells.
    """
    reference = aligner.reference
    grid = _grid(reference)
    motion = RigidTransform(pose.matrix, pose.translation_A)
    pixel = moving.pixel_size_A * pose.size
    other = move_map(moving.masked, pixel, motion, grid)
    both = reference.mask * move_mask(moving.mask, pixel, motion, grid)
    weight = aligner.weights(moving, [pose])
    last = np.flatnonzero(weight)
    if len(last) == 0:
        return np.ones(grid.shape, np.float32)
    window = WINDOW * aligner.box_A / last[-1] / grid.pixel_size_A
    a, b = (_filtered(each, np.sqrt(weight), aligner.box_A, grid) for each in (reference.masked, other))

    steps = np.arange(grid.shape[0] // 2 + 1) / grid.shape[0]
    blur = np.exp(-2 * (np.pi * window * steps) ** 2)

    def local(values: F32) -> F32:
        half = half_transform(values)
        scale_shells(half, grid.shape, blur)
        return real_map(half, grid.shape)

    norm = np.maximum(local(a * a), 0) * np.maximum(local(b * b), 0)
    inside = both > 0.3
    if not inside.any():
        return np.ones(grid.shape, np.float32)
    floor = 1e-4 * float(norm[inside].mean())
    found = local(a * b) / np.sqrt(np.maximum(norm, floor))
    usual = 1 - float(np.percentile(found[inside], 75))
    least = min(max(WORSE * usual, UNLIKE), 0.5)
    return np.asarray(np.clip(2 - (1 - found) / least, 0, 1), np.float32)


def _filtered(cube: F32, factor: F64, box_A: float, grid: Grid3D) -> F32:
    """Return a cube whose shells, known for a box of ``box_A``, are multiplied by a factor."""
    half = half_transform(cube)
    n = grid.shape[0]
    own = np.arange(n // 2 + 1) / (n * grid.pixel_size_A)
    scale_shells(half, grid.shape, np.interp(own, np.arange(len(factor)) / box_A, factor, right=0.0))
    return real_map(half, grid.shape)


def _grid(which: AlignMap) -> Grid3D:
    n = len(which.masked)
    return Grid3D((n, n, n), which.pixel_size_A)


def _kept(part: AlignMap, whole: AlignMap) -> float:
    power = np.square(whole.masked)
    left = np.where(whole.mask > 0.01, np.square(part.mask / np.maximum(whole.mask, 0.01)), 0)
    return float(np.vdot(power, left)) / max(float(power.sum(dtype=np.float64)), 1e-30)
