"""Other places of the same hand that fit as well as the best: copies by a symmetry that was not told, or doubt."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from emviewer.engine.align3d import Pose3D, Search
from emviewer.engine.align3d_choose import FEW_POINTS, Chooser, smallest
from emviewer.engine.align3d_common import common
from emviewer.engine.align3d_search import distinct
from emviewer.engine.align3d_verdict import Fit, margin
from emviewer.engine.types import F64

SIGMA = 4.0
SHARE = 0.003
"""A place is as good as another when it is worse by fewer standard deviations or by a lower share than these."""
COARSE = 0.95
"""In the coarse band a place that is as good has at least this share of the score of the best."""
ALIKE = 0.6
"""Share of the likeness of the maps that the reference must have with itself, turned, to be called symmetric."""
MOST = 14
"""Places followed up, as many as D7 has, the smallest rotations first."""
ENOUGH = 3
"""As many places as good as the best settle it: the smallest rotation is known, and that it is not the only one."""
APART_DEG = 12.0
APART_A = 10.0
"""Places that are nearer are one place, known so well."""


@dataclass(frozen=True)
class Equals:
    """What is known of other places.

    Parameters
    ----------
    count : int
        Places that fit equally well, the one taken included; 1 if it is the only one, and no more than 4 are counted.
    symmetric : bool
        Whether a symmetry of the reference explains them: it looks the same turned from one to the other.
    sigma : float
        By how many standard deviations the next place is worse (infinite if none comes near).
    """

    count: int = 1
    symmetric: bool = False
    sigma: float = float("inf")

    @property
    def place(self) -> str:
        """``determined``; ``symmetric`` if a symmetry explains that several places fit; else ``undetermined``."""
        if self.count == 1:
            return "determined"
        return "symmetric" if self.symmetric else "undetermined"


def equals(chooser: Chooser, best: Fit, fits: list[Fit], found: Search) -> tuple[Fit, Equals]:
    """Return the fit with the smallest rotation among those as good as the best, and what is known of the others."""
    group = chooser.options.symmetry
    best = _turned(chooser, best)
    nearest: list[float] = []
    alike: list[Fit] = []
    own = [f for f in fits if f.pose.flipped == best.pose.flipped]
    candidates: list[Pose3D | Fit] = [*_candidates(chooser, best.pose, found), *own]
    for candidate in candidates:
        chooser.check()
        if len(alike) == ENOUGH:
            break
        fit = chooser.tested(candidate) if isinstance(candidate, Pose3D) else candidate
        if fit is None:
            continue
        if not all(_apart(fit.pose, other.pose, group) for other in (best, *alike)):
            continue
        fit = _turned(chooser, fit)
        ahead, sigma = margin(best, fit)
        nearest.append(sigma)
        if sigma < SIGMA or ahead < SHARE:
            alike.append(fit)
    symmetric = bool(alike) and all(_looks_alike(chooser, best, fit) for fit in alike)
    state = Equals(1 + len(alike), symmetric, min(nearest, default=float("inf")))
    chosen = min((best, *alike), key=lambda f: f.pose.angle_deg)
    return (best if chosen is best else chooser.final(chosen)), state


def _candidates(chooser: Chooser, best: Pose3D, found: Search) -> list[Pose3D]:
    """Return places of the best's hand that are nearly as good in the coarse band, the smallest rotations first."""
    a, hand, group = chooser.aligner, best.flipped, chooser.options.symmetry
    column = int(hand) if found.scores.shape[1] > 1 else 0
    scores, shifts = found.scores[:, [column]], found.shifts[:, [column]]
    starts = distinct(found.rotations, (hand,), scores, shifts, 72, min(1.3 * a.step_deg, 25.0))
    worth = [p for p in starts if p.score > 0.7 * starts[0].score]
    reached = a.refine(chooser.moving, best, a.coarse, iterations=8, most=FEW_POINTS).score
    places: list[Pose3D] = []
    for pose in worth:
        chooser.check()
        pose = smallest(
            a.refine(chooser.moving, pose, a.coarse, iterations=8, most=FEW_POINTS), chooser.options.symmetry
        )
        if pose.score > COARSE * reached and chooser.allowed(pose) and _apart(pose, best, group):
            places.append(pose)
    places.sort(key=lambda p: p.angle_deg)
    kept: list[Pose3D] = []
    for pose in places:
        if len(kept) < MOST and all(_apart(pose, other, group) for other in kept):
            kept.append(pose)
    return kept


def _looks_alike(chooser: Chooser, best: Fit, other: Fit) -> bool:
    """Whether the reference itself looks the same when turned as one place is to the other, where the maps agree."""
    a = chooser.aligner
    turn = best.pose.matrix @ other.pose.matrix.T
    pose = Pose3D(turn, best.pose.translation_A - turn @ other.pose.translation_A, 0.0)
    own = a.signal(a.reference, pose)[0]
    c = best.aligner.signal(best.moving, best.pose)[0]
    shells = min(len(own), len(c))
    count = np.bincount(a.shells, minlength=shells)[:shells]
    return bool(np.sum(count * c[:shells] * own[:shells]) > ALIKE * np.sum(count * c[:shells] ** 2))


def _apart(first: Pose3D, second: Pose3D, group: F64) -> bool:
    """Whether two places differ, whichever element of the group is applied to the first."""
    turns = group @ first.matrix @ second.matrix.T
    angles = np.degrees(np.arccos(np.clip((np.trace(turns, axis1=1, axis2=2) - 1) / 2, -1, 1)))
    i = int(np.argmin(angles))
    shift = group[i] @ first.translation_A - turns[i] @ second.translation_A
    return bool(angles[i] > APART_DEG or np.linalg.norm(shift) > APART_A)


def _turned(chooser: Chooser, fit: Fit) -> Fit:
    """Return the equivalent fit with the smallest rotation.

    Maps of which one may be a part were compared where they overlap, and overlap elsewhere once turned.
    """
    pose = smallest(fit.pose, chooser.options.symmetry)
    if np.array_equal(pose.matrix, fit.pose.matrix):
        return fit
    if not chooser.partial:
        return Fit(pose, fit.aligner, fit.moving, fit.information)
    part = common(chooser.aligner, chooser.moving, pose)
    return fit if part is None else Fit.of(pose, part.aligner, part.moving)
