"""The whole alignment of one map to a reference: search, refinement in bands, choice, verdict on the hand."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, field

import numpy as np

from emviewer.engine.align3d import Aligner, Pose3D, Search
from emviewer.engine.align3d_map import AlignMap
from emviewer.engine.align3d_search import distinct_poses
from emviewer.engine.align3d_start import near
from emviewer.engine.errors import DataError
from emviewer.engine.task import Check, never
from emviewer.engine.types import F64, RigidTransform

DETAIL_VOXELS = 2.5
DETAIL_A = 6.0
SHIFT_SHARE = 0.35
"""Longest translation looked for, as a share of the box, unless told."""
HAND_SIGMA = 4.0
HAND_MARGIN = 0.003
"""A hand is believed when it is better by this many standard deviations and this share of the correlation."""
PARTIAL = 0.6
"""Masks whose volumes have a lower ratio: one map may be a part of the other; more candidates, stricter verdict."""
PARTIAL_SIGMA = 8.0
"""Of 4 poses of 35 % of a chain of 350 Gaussians, wrong hands came to 5.3 standard deviations, the right one to 20."""
EQUAL = 1e-3
"""Candidates that tell as much to within this share are copies by symmetry: the smallest rotation is taken."""
FEW_POINTS = 30_000
"""Frequencies used while candidates are still many."""
WORTH = 0.75
"""Candidates with less than this share of the best score of their hand are not followed up."""


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
    """

    both_hands: bool
    max_shift_A: float
    max_angle_deg: float
    finest_A: float
    fit_size: bool = False
    symmetry: F64 = field(default_factory=lambda: np.eye(3)[None])
    start: RigidTransform | None = None


@dataclass(frozen=True, eq=False)
class Alignment:
    """How one map lies on the reference.

    Parameters
    ----------
    motion : RigidTransform
        ``x' = M x + t`` in Å about voxel n//2, map to reference.
    pose : Pose3D
        The same, with the factor of the map's pixel size.
    cc_before, cc_after, cc_other_hand : float
        Correlation of the masked, band-limited maps as they came, aligned, and best of the other hand (nan if that
        was not tried).
    hand : str
        ``same``, ``flipped`` or ``undetermined``.
    hand_sigma, hand_margin : float
        How much better the hand taken is, in standard deviations and relative.
    sigma_angle_deg, sigma_shift_A : float
        Standard deviations of the motion.
    search : Search
        Scores of the search, for figures.
    """

    motion: RigidTransform
    pose: Pose3D
    cc_before: float
    cc_after: float
    cc_other_hand: float
    hand: str
    hand_sigma: float
    hand_margin: float
    sigma_angle_deg: float
    sigma_shift_A: float
    search: Search


def finest_detail_A(pixel_a: float, pixel_b: float, lowpass_A: float | None) -> float:
    """Return the finest detail worth comparing: what is asked for, else 2.5 of the coarser voxels or 6 Å."""
    coarsest = max(pixel_a, pixel_b)
    if lowpass_A is not None:
        return max(lowpass_A, 2.05 * coarsest)
    return max(DETAIL_VOXELS * coarsest, DETAIL_A)


def align(
    reference: AlignMap, moving: AlignMap, options: Options, check: Check = never
) -> Generator[tuple[str, Pose3D | None], None, Alignment]:
    """Align one map; yield what is being done and the best pose so far, return the :class:`Alignment`.

    Raises
    ------
    DataError
        Nothing within the limits of angle and shift was found.
    """
    diameter = min(reference.diameter_A, moving.diameter_A)
    aligner = Aligner(
        reference, diameter, options.max_shift_A, max_angle_deg=options.max_angle_deg, finest_A=options.finest_A,
        box_A=moving.box_A,
    )  # fmt: skip
    start = Pose3D(np.eye(3), np.zeros(3), 0.0)
    cc_before = aligner.correlation(moving, start)
    yield "searching", start
    hands = (False, True) if options.both_hands else (False,)
    both_hands = options.both_hands and options.start is None
    volumes = [m.fraction * m.box_A**3 for m in (reference, moving)]
    partial = min(volumes) < PARTIAL * max(volumes)
    if options.start is not None:
        found = near(aligner, moving, options.start, check)
    else:
        found = aligner.search(moving, hands, keep=48 if partial else 16, check=check)
    yield "refining", found.poses[0]
    refiner = _Refiner(aligner, moving, options, check, (16, 8) if partial else (6, 3))
    best: Pose3D | None = None
    other: Pose3D | None = None
    for pose in refiner.finalists([*found.poses, start] if options.start is None else found.poses):
        yield "refining", pose
        if best is None:
            best = pose
        elif other is None and pose.flipped != best.flipped:
            other = pose
    if best is None:
        raise DataError("no position within the limits was found", "", "raise --max-angle or --max-shift")
    best = refiner.final(best)
    yield "polished", best
    sigma, margin = 0.0, 0.0
    if other is not None:
        other = refiner.final(other)
        margin, sigma = aligner.hand_margin(moving, best, other)
        if margin < 0:
            best, other, margin, sigma = other, best, -margin, -sigma
    if options.start is None:
        best = smallest(best, options.symmetry)
    needed = PARTIAL_SIGMA if partial else HAND_SIGMA
    uncertain = both_hands and not (sigma > needed and margin > HAND_MARGIN)
    sigmas = aligner.uncertainty(moving, best)
    return Alignment(
        motion=RigidTransform(best.matrix, best.translation_A),
        pose=best,
        cc_before=cc_before,
        cc_after=aligner.correlation(moving, best),
        cc_other_hand=aligner.correlation(moving, other) if other is not None else float("nan"),
        hand="undetermined" if uncertain else "flipped" if best.flipped else "same",
        hand_sigma=sigma,
        hand_margin=margin,
        sigma_angle_deg=sigmas[0],
        sigma_shift_A=sigmas[1],
        search=found,
    )


class _Refiner:
    def __init__(
        self, aligner: Aligner, moving: AlignMap, options: Options, check: Check, keep: tuple[int, int]
    ) -> None:
        self.aligner, self.moving, self.options, self.check = aligner, moving, options, check
        self.keep = keep

    def finalists(self, poses: list[Pose3D]) -> list[Pose3D]:
        """Return the best distinct poses of both hands, refined in growing bands, the best first."""
        a = self.aligner
        poses = self._stage(poses, a.coarse, 8, self.keep[0])
        middle = float(np.sqrt(a.coarse * a.finest))
        if a.finest > 1.4 * a.coarse:
            poses = self._stage(poses, middle, 8, self.keep[1])
        scored = []
        for pose in poses:
            self.check()
            better = a.polish(self.moving, pose, rounds=1, iterations=6, most=FEW_POINTS)
            if self._allowed(better):
                better.score = a.information(self.moving, better)
                scored.append(better)
        scored.sort(key=lambda p: -p.score)
        return self._copies_by_symmetry(scored)

    def _stage(self, poses: list[Pose3D], top: float, iterations: int, keep: int) -> list[Pose3D]:
        a, refined = self.aligner, []
        for pose in poses:
            self.check()
            refined.append(a.refine(self.moving, pose, top, iterations=iterations, most=FEW_POINTS))
        apart = distinct_poses([p for p in refined if self._allowed(p)], 2.0, 0.1 / a.coarse)
        hands = [[p for p in apart if p.flipped == flipped][:keep] for flipped in (False, True)]
        return [p for own in hands for p in own if p is own[0] or p.score > WORTH * own[0].score]

    def _allowed(self, pose: Pose3D) -> bool:
        """Whether a pose keeps the limit of the angle (that of the shift is kept by the refinement)."""
        limit, start = self.options.max_angle_deg, self.options.start
        if start is not None:
            return limit >= 180 or Pose3D(pose.matrix @ start.matrix.T, pose.translation_A, 0.0).angle_deg <= limit
        return limit >= 180 or smallest(pose, self.options.symmetry).angle_deg <= limit + 1e-6

    def _copies_by_symmetry(self, poses: list[Pose3D]) -> list[Pose3D]:
        """Put the smallest rotation first among those of the best hand that are as good."""
        if not poses:
            return poses
        first = poses[0]
        as_good = [p for p in poses if p.flipped == first.flipped and p.score >= first.score * (1 - EQUAL)]
        chosen = min(as_good, key=lambda p: p.angle_deg)
        return [chosen, *(p for p in poses if p is not chosen)]

    def final(self, pose: Pose3D) -> Pose3D:
        """Return a pose polished with all frequencies."""
        self.check()
        return self.aligner.polish(self.moving, pose, rounds=2, fit_size=self.options.fit_size, iterations=12)


def smallest(pose: Pose3D, symmetry: F64) -> Pose3D:
    """Return the equivalent of a pose with the smallest rotation, for rotations that leave the reference as it is."""
    if len(symmetry) == 1:
        return pose
    traces = np.einsum("kij,ji->k", symmetry, pose.rotation)
    g = symmetry[int(np.argmax(traces))]
    return Pose3D(g @ pose.matrix, g @ pose.translation_A, pose.score, pose.size)
