"""From a position set by hand to the best one near it; and the map moved there, as a file. Runs in a lane."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from emviewer.engine.task import Check
from emviewer.engine.types import Map3D, RigidTransform

SHIFT_SHARE = 0.5


def refine_from(
    reference: Map3D, moving: Map3D, start: RigidTransform, check: Check
) -> tuple[RigidTransform, float, float]:
    """Return the best motion near a start, and the correlations there before and after; the hand stays.

    Parameters
    ----------
    reference, moving : Map3D
        The maps; masked automatically.
    start : RigidTransform
        Motion of the moving map, ``x' = M x + t`` in Å about voxel n//2.
    check : callable
        Called now and then.
    """
    from emviewer.engine.align3d import Aligner
    from emviewer.engine.align3d_map import prepare_map
    from emviewer.engine.align3d_pair import finest_detail_A
    from emviewer.engine.align3d_refine import Pose3D

    finest = finest_detail_A(reference.pixel_size_A, moving.pixel_size_A, None)
    maps = [prepare_map(volume, None, finest, automatic=True, check=check) for volume in (reference, moving)]
    box_A = max(v.box * v.pixel_size_A for v in (reference, moving))
    aligner = Aligner(
        maps[0], min(m.diameter_A for m in maps), SHIFT_SHARE * box_A, finest_A=finest, box_A=maps[1].box_A
    )
    pose = Pose3D(np.asarray(start.matrix), np.asarray(start.translation_A), 0.0)
    before = aligner.correlation(maps[1], pose)
    for top in (aligner.coarse, float(np.sqrt(aligner.coarse * aligner.finest))):
        check()
        pose = aligner.refine(maps[1], pose, top, iterations=25, most=30_000)
    check()
    pose = aligner.polish(maps[1], pose, rounds=2, iterations=12)
    return RigidTransform(pose.matrix, pose.translation_A), before, aligner.correlation(maps[1], pose)


def write_moved(moving: Map3D, reference: Map3D, motion: RigidTransform, path: Path, check: Check) -> Path:
    """Write a map moved onto the reference's grid, resampled once.

    Returns
    -------
    pathlib.Path
        The file.
    """
    from emviewer.engine import mrc
    from emviewer.engine.align3d_move import Grid3D, move_map

    data = move_map(np.asarray(moving.data, np.float32), moving.pixel_size_A, motion, Grid3D.of(reference), check)
    mrc.write_map(path, replace(reference, data=data, source=None, notes=()))
    return path
