"""Begin from a position that somebody set by hand, in place of the search over all rotations."""

from __future__ import annotations

import numpy as np

from emviewer.engine.align3d import Aligner, Pose3D, Search
from emviewer.engine.align3d_map import AlignMap
from emviewer.engine.align3d_refine import FLIP
from emviewer.engine.rotations import from_rotvec
from emviewer.engine.task import Check, never
from emviewer.engine.types import F64, RigidTransform

NEAR_DEG = 15.0
"""How far the other candidates are turned from the start; each is refined in the coarse band."""
FEW_POINTS = 30_000


def near(aligner: Aligner, moving: AlignMap, start: RigidTransform, check: Check = never) -> Search:
    """Return candidates about a start, as the search over all rotations does: the start itself, and turned from it.

    The turns are about the centre of the moving map's box, where it was put; its hand stays.

    Parameters
    ----------
    aligner : Aligner
        Of the reference.
    moving : AlignMap
        The moving map.
    start : RigidTransform
        Where it begins, moving to reference.
    check : callable
        Called before each candidate.
    """
    flip = FLIP if start.hand_flipped else np.eye(3)
    rotations = turns() @ (start.matrix @ flip)
    poses = []
    for rotation in rotations:
        check()
        pose = Pose3D(rotation @ flip, np.array(start.translation_A, float), 0.0)
        poses.append(aligner.refine(moving, pose, aligner.coarse, iterations=0, most=FEW_POINTS))
    scores = np.array([[pose.score] for pose in poses])
    return Search(sorted(poses, key=lambda pose: -pose.score), scores, rotations)


def turns() -> F64:
    """Return the identity, and rotations by :data:`NEAR_DEG` about the axes and diagonals of a cube, (15, 3, 3)."""
    axes = np.concatenate([np.eye(3), -np.eye(3), np.array(np.meshgrid(*[[-1, 1]] * 3)).reshape(3, -1).T])
    axes /= np.linalg.norm(axes, axis=1)[:, None]
    return np.concatenate([np.eye(3)[None], from_rotvec(np.radians(NEAR_DEG) * axes)])
