"""The whole alignment of one map to a reference: search, refinement in bands, choice, verdict on the hand."""

from __future__ import annotations

from collections.abc import Generator
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
        was not tried).
    hand : str
        ``same``, ``flipped`` or ``undetermined``.
    hand_sigma, hand_margin : float
        How much better the hand taken is, in standard deviations and relative.
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
    chooser = Chooser(aligner, moving, options, check)
    still = Pose3D(np.eye(3), np.zeros(3), 0.0)
    cc_before = aligner.correlation(moving, still)
    yield "searching", still
    both_hands = options.both_hands and options.start is None
    if options.start is not None:
        found = near(aligner, moving, options.start, check)
    else:
        hands = (False, True) if both_hands else (False,)
        found = aligner.search(moving, hands, keep=48 if chooser.partial else 16, check=check)
    yield "refining", found.poses[0]
    fits = chooser.finalists(found.poses if options.start is not None else [*found.poses, still])
    if not fits:
        raise DataError("no position within the limits was found", "", "raise --max-angle or --max-shift")
    yield "refining", fits[0].pose
    best, other, verdict = _hands(chooser, fits)
    yield "polished", best.pose
    same = Equals()
    if options.start is None:
        best, same = equals(chooser, best, fits, found)
    core = chooser.core(best)
    pose = core.pose
    sigmas = core.aligner.uncertainty(core.moving, core.pose)
    needed = PARTIAL_SIGMA if chooser.partial else HAND_SIGMA
    decided = verdict[1] > needed and verdict[0] > HAND_MARGIN
    return Alignment(
        motion=RigidTransform(pose.matrix, pose.translation_A),
        pose=pose,
        cc_before=cc_before,
        cc_after=aligner.correlation(moving, pose),
        cc_other_hand=aligner.correlation(moving, other.pose) if other is not None else float("nan"),
        hand="undetermined" if both_hands and not decided else "flipped" if pose.flipped else "same",
        hand_sigma=verdict[1],
        hand_margin=verdict[0],
        sigma_angle_deg=sigmas[0],
        sigma_shift_A=sigmas[1],
        search=found,
        same=same,
    )


def _hands(chooser: Chooser, fits: list[Fit]) -> tuple[Fit, Fit | None, tuple[float, float]]:
    """Return the best fit, the best of the other hand, and by how much the one is better (relative, sigma)."""
    best = chooser.final(fits[0])
    others = [f for f in fits if f.pose.flipped != best.pose.flipped]
    if not others:
        return best, None, (0.0, 0.0)
    other = chooser.final(others[0])
    ahead, sigma = margin(best, other)
    return (best, other, (ahead, sigma)) if ahead >= 0 else (other, best, (-ahead, -sigma))
