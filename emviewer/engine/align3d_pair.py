"""The whole alignment of one map to a reference: search, refinement in bands, choice, verdict on the hand."""

from __future__ import annotations

from collections.abc import Generator
from copy import copy
from dataclasses import dataclass

import numpy as np

from emviewer.engine.align3d import Aligner, Pose3D, Search
from emviewer.engine.align3d_choose import Chooser, Options
from emviewer.engine.align3d_equal import Equals, equals
from emviewer.engine.align3d_map import AlignMap
from emviewer.engine.align3d_start import near
from emviewer.engine.align3d_verdict import Fit, margin
from emviewer.engine.errors import DataError
from emviewer.engine.task import Check, never
from emviewer.engine.types import RigidTransform

__all__ = ["Alignment", "Options", "align", "finest_detail_A"]

DETAIL_VOXELS = 2.5
DETAIL_A = 6.0
SHIFT_SHARE = 0.35
"""Longest translation looked for, as a share of the box, unless told."""
LEAST_DETAIL = 4.0
"""Finest details that a particle must be long."""
HAND_SIGMA = 4.0
HAND_MARGIN = 0.003
"""A hand is believed when it is better by this many standard deviations and this share of the correlation."""
PARTIAL_STEP_DEG = 11.0
"""Step of the search where one map may be a part of the other: the right place scores less there than elsewhere."""
PARTIAL_SIGMA = 5.0
"""The same of a part: of 15–25 % of chains of 350 Gaussians in noise, wrong hands came to 2.1, right ones to 5–7."""


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
        was not tried, or not found).
    hand : str
        ``same``, ``flipped`` or ``undetermined``.
    hand_sigma, hand_margin : float
        How much better the hand taken is, in standard deviations and relative; infinite if the other was looked for
        and not found within the limits, 0 if it was not tried.
    sigma_angle_deg, sigma_shift_A : float
        Standard deviations of the motion.
    search : Search
        Scores of the search, for figures.
    same : Equals
        What is known of other places that fit as well.
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
    same: Equals


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
        The detail compared is too coarse, or nothing within the limits of angle and shift was found.
    """
    diameter = min(reference.diameter_A, moving.diameter_A)
    aligner = Aligner(
        reference, diameter, options.max_shift_A, max_angle_deg=options.max_angle_deg, finest_A=options.finest_A,
        box_A=moving.box_A,
    )  # fmt: skip
    if aligner.finest * diameter < LEAST_DETAIL:
        raise DataError(
            f"detail of {1 / aligner.finest:.0f} Å is too coarse to align particles of {diameter:.0f} Å", "",
            "give a finer --lowpass",
        )  # fmt: skip
    if options.step_deg is not None:
        aligner.step_deg = options.step_deg
    chooser = Chooser(aligner, moving, options, check)
    still = Pose3D(np.eye(3), np.zeros(3), 0.0)
    cc_before = aligner.correlation(moving, still)
    yield "searching", still
    found = _search(chooser)
    yield "refining", found.poses[0]
    choice = _choose(chooser, found)
    if choice is None:
        raise DataError("no position within the limits was found", "", "raise --max-angle or --max-shift")
    yield "refining", choice.best.pose
    if choice.doubtful and not chooser.partial and options.start is None:
        again = Chooser(aligner, moving, options, check, partial=True)
        other = _choose(again, _search(again))
        if other is not None and not other.doubtful:
            chooser, choice = again, other
    core = chooser.core(choice.best)
    pose = core.pose
    yield "polished", pose
    sigmas = core.aligner.uncertainty(core.moving, pose)
    rival = choice.other
    return Alignment(
        motion=RigidTransform(pose.matrix, pose.translation_A),
        pose=pose,
        cc_before=cc_before,
        cc_after=aligner.correlation(moving, pose),
        cc_other_hand=aligner.correlation(moving, rival.pose) if rival is not None else float("nan"),
        hand="undetermined" if choice.hand_doubtful else "flipped" if pose.flipped else "same",
        hand_sigma=choice.sigma,
        hand_margin=choice.margin,
        sigma_angle_deg=sigmas[0],
        sigma_shift_A=sigmas[1],
        search=found,
        same=choice.same,
    )


@dataclass(frozen=True, eq=False)
class _Choice:
    """The best fit, the best of the other hand, by how much it is worse, and what is known of other places."""

    best: Fit
    other: Fit | None
    margin: float
    sigma: float
    same: Equals
    hand_doubtful: bool

    @property
    def doubtful(self) -> bool:
        return self.hand_doubtful or self.same.place == "undetermined"


def _search(chooser: Chooser) -> Search:
    """Search everywhere, or near the start; more finely where one map may be a part of the other."""
    options, aligner = chooser.options, chooser.aligner
    if options.start is not None:
        return near(aligner, chooser.moving, options.start, chooser.check)
    hands = (False, True) if options.both_hands else (False,)
    if not chooser.partial:
        return aligner.search(chooser.moving, hands, keep=16, check=chooser.check)
    finer = copy(aligner)
    finer.step_deg = min(aligner.step_deg, PARTIAL_STEP_DEG)
    return finer.search(chooser.moving, hands, keep=64, check=chooser.check)


def _choose(chooser: Chooser, found: Search) -> _Choice | None:
    """Return the best fit among the candidates of a search; None if all are beyond the limits."""
    options = chooser.options
    poses = found.poses
    if options.start is None:
        poses = [*poses, Pose3D(np.eye(3), np.zeros(3), 0.0)]
    fits = chooser.finalists(poses)
    if not fits:
        return None
    best, other, (ahead, sigma) = _hands(chooser, fits)
    same = Equals()
    if options.start is None:
        best, same = equals(chooser, best, fits, found)
    needed = PARTIAL_SIGMA if chooser.partial else HAND_SIGMA
    asked = options.both_hands and options.start is None
    return _Choice(best, other, ahead, sigma, same, asked and not (sigma > needed and ahead > HAND_MARGIN))


def _hands(chooser: Chooser, fits: list[Fit]) -> tuple[Fit, Fit | None, tuple[float, float]]:
    """Return the best fit, the best of the other hand, and by how much the one is better (relative, sigma).

    Nothing stands against a hand whose mirror image has no place within the limits: it is infinitely better.
    """
    best = chooser.final(fits[0])
    others = [f for f in fits if f.pose.flipped != best.pose.flipped]
    if not others:
        asked = chooser.options.both_hands and chooser.options.start is None
        return best, None, (np.inf, np.inf) if asked else (0.0, 0.0)
    other = chooser.final(others[0])
    ahead, sigma = margin(best, other)
    return (best, other, (ahead, sigma)) if ahead >= 0 else (other, best, (-ahead, -sigma))
