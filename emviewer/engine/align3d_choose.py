"""From the candidates of the search to the best ways of laying a map onto the reference, in bands of growing detail."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from emviewer.engine.align3d import Aligner, Pose3D
from emviewer.engine.align3d_common import agreement, common
from emviewer.engine.align3d_map import AlignMap
from emviewer.engine.align3d_search import distinct_poses
from emviewer.engine.align3d_verdict import Fit
from emviewer.engine.task import Check
from emviewer.engine.types import F64, RigidTransform

FEW_POINTS = 30_000
"""Frequencies used while candidates are still many."""
WORTH = 0.75
"""Candidates with less than this share of the best score of their hand are not followed up."""
PARTIAL = 0.6
"""Masks whose volumes have a lower ratio: one map may be a part of the other, and is compared with what it covers."""
CORE = 0.97
"""The pose is refined on what agrees where that has less than this share of the density."""
LOOSER = 1.3
"""A pose refined on what agrees is not taken if that settles the rotation so much worse than all there is."""


@dataclass(frozen=True, eq=False)
class Options:
    """How maps are aligned.

    Parameters
    ----------
    both_hands : bool
        Whether the mirror image of the map is tried too.
    max_shift_A : float
        Longest translation.
    max_angle_deg : float
        Largest rotation.
    finest_A : float
        Finest detail compared.
    fit_size : bool
        Whether the map's pixel size is refined too.
    symmetry : ndarray of float64, shape (k, 3, 3)
        Rotations that leave the reference as it is; the smallest equivalent motion is returned.
    start : RigidTransform or None
        Where the map begins: it is looked for near there only, in the start's hand, and angles count from there.
    step_deg : float or None
        Step of the search; from the size of the particle and the band unless told.
    """

    both_hands: bool
    max_shift_A: float
    max_angle_deg: float
    finest_A: float
    fit_size: bool = False
    symmetry: F64 = field(default_factory=lambda: np.eye(3)[None])
    start: RigidTransform | None = None
    step_deg: float | None = None


class Chooser:
    """Follows up the candidates of a search.

    Parameters
    ----------
    aligner : Aligner
        Of the reference.
    moving : AlignMap
        The moving map.
    options : Options
        Limits, symmetry, and whether the size is refined.
    check : callable
        Called now and then.
    partial : bool
        Whether one map may be a part of the other; true in any case if their masks say so.
    """

    def __init__(
        self, aligner: Aligner, moving: AlignMap, options: Options, check: Check, partial: bool = False
    ) -> None:
        self.aligner, self.moving, self.options, self.check = aligner, moving, options, check
        volumes = [m.volume_A3 for m in (aligner.reference, moving)]
        self.partial = partial or min(volumes) < PARTIAL * max(volumes)
        self.middle = float(np.sqrt(aligner.coarse * aligner.finest))

    def finalists(self, poses: list[Pose3D]) -> list[Fit]:
        """Return the best distinct fits of both hands, the best first."""
        poses = self.stage(poses, self.aligner.coarse, 8, 24 if self.partial else 6)
        if self.partial:
            return self._parts(poses)
        if self.aligner.finest > 1.4 * self.aligner.coarse:
            poses = self.stage(poses, self.middle, 8, 3)
        fits = []
        for pose in poses:
            self.check()
            better = self.aligner.polish(self.moving, pose, rounds=1, iterations=6, most=FEW_POINTS)
            if self.allowed(better):
                fits.append(Fit.of(better, self.aligner, self.moving))
        return sorted(fits, key=lambda f: -f.information)

    def stage(self, poses: list[Pose3D], top: float, iterations: int, keep: int) -> list[Pose3D]:
        """Return poses refined up to ``top``: those worth it, up to ``keep`` of each hand, apart from each other."""
        a, refined = self.aligner, []
        for pose in poses:
            self.check()
            refined.append(a.refine(self.moving, pose, top, iterations=iterations, most=FEW_POINTS))
        apart = distinct_poses([p for p in refined if self.allowed(p)], 2.0, 0.1 / a.coarse)
        hands = [[p for p in apart if p.flipped == flipped][:keep] for flipped in (False, True)]
        return [p for own in hands for p in own if p is own[0] or p.score > WORTH * own[0].score]

    def _parts(self, poses: list[Pose3D]) -> list[Fit]:
        """Return fits in which the smaller map is compared with what it covers of the larger."""
        coarser = self.aligner.like(self.aligner.reference.narrowed(self.middle), self.middle)
        near = coarser, self.moving.narrowed(self.middle)
        some = self._covering(*near, poses, 6)
        some = self._covering(*near, [f.pose for f in some], 2)
        return self._covering(self.aligner, self.moving, [f.pose for f in some], 2)

    def _covering(self, aligner: Aligner, moving: AlignMap, poses: list[Pose3D], keep: int) -> list[Fit]:
        """Return the best fits of each hand, polished where the masks overlap, the best first."""
        fits = [f for f in (self._covered(aligner, moving, pose) for pose in poses) if f is not None]
        scored = [Pose3D(f.pose.matrix, f.pose.translation_A, f.information, f.pose.size) for f in fits]
        of = {id(pose): fit for pose, fit in zip(scored, fits, strict=True)}
        apart = distinct_poses(scored, 2.0, 3.0)
        return [of[id(p)] for p in apart if [q for q in apart if q.flipped == p.flipped].index(p) < keep]

    def _covered(self, aligner: Aligner, moving: AlignMap, pose: Pose3D) -> Fit | None:
        """Return a fit polished where the masks overlap; None if they hardly do, or beyond the limits."""
        self.check()
        part = common(aligner, moving, pose)
        if part is None:
            return None
        pose = part.aligner.polish(part.moving, pose, rounds=1, iterations=6, most=FEW_POINTS)
        return Fit.of(pose, part.aligner, part.moving) if self.allowed(pose) else None

    def tested(self, pose: Pose3D) -> Fit | None:
        """Return a further pose as a fit comparable with the final ones; None beyond the limits."""
        if self.partial:
            return self._covered(self.aligner, self.moving, pose)
        pose = self.aligner.refine(self.moving, pose, self.middle, iterations=6, most=FEW_POINTS)
        pose = self.aligner.polish(self.moving, pose, rounds=1, iterations=8, most=FEW_POINTS)
        return Fit.of(pose, self.aligner, self.moving) if self.allowed(pose) else None

    def final(self, fit: Fit) -> Fit:
        """Return a fit polished with all frequencies."""
        self.check()
        aligner, moving = fit.aligner, fit.moving
        if self.partial and (part := common(self.aligner, self.moving, fit.pose)) is not None:
            aligner, moving = part.aligner, part.moving
        pose = aligner.polish(moving, fit.pose, rounds=2, fit_size=self.options.fit_size, iterations=12)
        return Fit.of(pose, aligner, moving)

    def core(self, fit: Fit) -> Fit:
        """Return a fit polished on what agrees in both maps, if that is not all and settles the pose better."""
        sigma: float | None = None
        for _ in range(3):
            self.check()
            weight = agreement(self.aligner, self.moving, fit.pose)
            part = common(self.aligner, self.moving, fit.pose, weight)
            if part is None or part.kept > CORE:
                return fit
            pose = part.aligner.polish(part.moving, fit.pose, rounds=1, fit_size=self.options.fit_size, iterations=12)
            if sigma is None:
                sigma = fit.aligner.uncertainty(fit.moving, fit.pose)[0]
            if not part.aligner.uncertainty(part.moving, pose)[0] < LOOSER * sigma or not self.allowed(pose):
                return fit
            fit = Fit.of(pose, part.aligner, part.moving)
        return fit

    def allowed(self, pose: Pose3D) -> bool:
        """Whether a pose keeps the limit of the angle (that of the shift is kept by the refinement)."""
        limit, start = self.options.max_angle_deg, self.options.start
        if limit >= 180:
            return True
        if start is not None:
            return Pose3D(pose.matrix @ start.matrix.T, pose.translation_A, 0.0).angle_deg <= limit
        return smallest(pose, self.options.symmetry).angle_deg <= limit + 1e-6


def smallest(pose: Pose3D, symmetry: F64) -> Pose3D:
    """Return the equivalent of a pose with the smallest rotation, for rotations that leave the reference as it is."""
    if len(symmetry) == 1:
        return pose
    traces = np.einsum("kij,ji->k", symmetry, pose.rotation)
    g = symmetry[int(np.argmax(traces))]
    return Pose3D(g @ pose.matrix, g @ pose.translation_A, pose.score, pose.size)
