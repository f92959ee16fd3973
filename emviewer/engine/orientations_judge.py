"""How far recovered orientations are to be believed.

The witnesses are the common lines, detected pair by pair before any view was known: few of them agree with wrong
views. Where lines are seen too rarely to tell, as in noisy particles, there is a second witness: random starts that
agree with each other, and images that are found where they stood when they are sought anew in the map of the others.
Each alone may err, as starts agree on wrong answers, too. What is given is meant as the probability that a view is
right within 10°, up to the hand, the one rotation of the object, and equivalent views of a symmetric one.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import chdtr

from emviewer.engine import orientations_quick
from emviewer.engine.orientations_solution import Solution
from emviewer.engine.symmetry import PointGroup
from emviewer.engine.types import F64

HALF_SURE, SURE_WIDTH = 0.20, 0.025
"""Mean support at which all views are as likely to be right as wrong, and how fast that changes. Wrong answers of rods
and noise reached 0.20."""
HALF_SURE_SYMMETRIC, SURE_WIDTH_SYMMETRIC = 0.38, 0.04
"""The same with symmetry: of several lines one agrees easily. Answers of which half the views were right had 0.43."""
HALF_EXACT, EXACT_WIDTH = 2.2, 0.5
"""Support times the root of the number of lines an image has, at which as many views are right within 10° as not:
few images do not pin views down even where their lines agree."""
HALF_RIGHT, RIGHT_WIDTH = 0.45, 0.09
"""Support of an image, over that of most, at which its view is as likely to be right as wrong."""
FREE_PAIRS = 3.0
"""Lines of each image that some views satisfy whatever the lines: three angles, two numbers a pair of images."""
FEW = 8
"""Fewer images are doubted altogether."""
HALF_AGAIN, AGAIN_WIDTH = 0.925, 0.012
"""Part of the images on which starts agree, and of those found again, at which views are as likely right as wrong.
Wrong answers reached 0.88, views of which nine in ten were right had 0.94 and more."""
RIGHT_AGAIN, RIGHT_ELSEWHERE = 0.97, 0.5
"""How often a view is right that was found again where it stood, or that was moved to where it was found."""
WITHIN_DEG = 10.0
LEAST_SYMMETRY = 0.15
"""Support that views without symmetry may have more than views with it."""


def judged(
    found: Solution,
    lines: orientations_quick.Found,
    anchors: NDArray[np.int64],
    group: PointGroup,
    doubts: tuple[str, ...] = (),
) -> Solution:
    """Return the solution with its confidence, support and doubts.

    Parameters
    ----------
    found : Solution
        Views of n images.
    lines : Found
        Lines of the anchors, and views that they gave without symmetry.
    anchors : ndarray of int64
        Images whose lines are known. The others are judged by how well they fit the map.
    group : PointGroup
        That was taken.
    doubts : tuple of str
        Sentences known already, for which nothing is to be believed.
    """
    n, m = len(found.rotations), len(anchors)
    free = min(0.9, FREE_PAIRS / m) if group.order == 1 else 0.0
    borne = orientations_quick.support(lines.lines, found.rotations[anchors], np.asarray(group.rotations))
    borne = (borne - free) / (1 - free)
    whole = float(borne.mean())
    half, width = (HALF_SURE, SURE_WIDTH) if group.order == 1 else (HALF_SURE_SYMMETRIC, SURE_WIDTH_SYMMETRIC)
    sure = float(_step((whole - half) / width))
    exact = float(_step((whole * np.sqrt(m * group.order) - HALF_EXACT) / EXACT_WIDTH))
    right = np.empty(n)
    right[anchors] = _step((borne / max(float(np.median(borne)), 1e-3) - HALF_RIGHT) / RIGHT_WIDTH)
    others = np.setdiff1d(np.arange(n), anchors)
    if len(others):
        right[others] = _by_fit(found.fit, anchors, others) * float(np.median(right[anchors]))
    agreement = 1.0 if found.agreement is None else found.agreement
    held = agreement if found.held is None else float(found.held.mean())
    # of a symmetric particle wrong starts agree easily, without symmetry right ones may stand alone
    by_lines = sure * exact * right * (max(agreement, held) if group.order == 1 else agreement * held) ** 2
    by_map = _found_again(found) if group.order == 1 else np.zeros(n)
    factor = 0.1 if doubts else 1.0
    warnings = list(doubts)
    if max(sure, float(np.median(by_map))) < 0.5:
        warnings.append(
            f"only {100 * max(0.0, whole):.0f} % of the common lines of the images bear these views out beyond chance: "
            "the orientations are not reliable"
        )
    elif max(exact, float(np.median(by_map))) < 0.5:
        warnings.append(f"{m} images like these do not tell their orientations within 10°: give more, or cleaner ones")
    for weight, sentence in _faults(found.rotations, lines.support - FREE_PAIRS / m - whole, group):
        factor *= weight
        warnings.append(sentence)
    confidence = np.clip(np.maximum(by_lines, by_map) * factor, 0, 1)
    return replace(found, confidence=confidence, stage="done", support=borne, warnings=tuple(warnings))


def _found_again(found: Solution) -> F64:
    """Return how likely (n,) views are right by what starts, and images sought anew, say; 0 where neither was asked."""
    if found.held is None or found.agreement is None or found.spread_rad is None:
        return np.zeros(len(found.rotations))
    n = len(found.held)
    part = (float(found.held.sum()) + 1) / (n + 2)  # of few images, all may be found again by chance
    whole = min(found.agreement, part - np.sqrt(part * (1 - part) / (n + 3)))
    each = np.where(found.held, RIGHT_AGAIN, RIGHT_ELSEWHERE)
    # errors about three axes, whose mean square is that of the likely views
    near = chdtr(3, 3 * (np.radians(WITHIN_DEG) / np.maximum(found.spread_rad, 1e-6)) ** 2)
    return np.asarray(_step((whole - HALF_AGAIN) / AGAIN_WIDTH) * each * near, float)


def _faults(views: F64, freer: float, group: PointGroup) -> list[tuple[float, str]]:
    """Return factors of confidence and sentences; ``freer`` is how much more support views without symmetry have."""
    out = []
    if group.order > 1 and freer > LEAST_SYMMETRY:
        out.append((0.1, f"the images agree much better without the symmetry {group.name}"))
    if orientations_quick.one_sided(_everywhere(views, group)):
        out.append((0.1, "the views found lie in one plane or direction: images like these do not determine a map"))
    if len(views) < FEW:
        out.append((0.3, f"{len(views)} images are too few to be sure of any orientation"))
    return out


def _everywhere(views: F64, group: PointGroup) -> F64:
    """Return views (n · g, 3, 3) from all equivalent directions."""
    return np.concatenate([views @ np.asarray(g).T for g in group.rotations])


def _by_fit(fit: F64 | None, anchors: NDArray[np.int64], others: NDArray[np.int64]) -> F64:
    """Return how likely images are right whose fit to the map is known, by that of the anchors."""
    if fit is None:
        return np.full(len(others), 0.5)
    usual = np.percentile(fit[anchors], [25, 50, 75])
    return np.asarray(_step((fit[others] - usual[1]) / max((usual[2] - usual[0]) / 1.35, 0.02) + 2.5))


def _step(x: F64 | float) -> F64:
    return np.asarray(1 / (1 + np.exp(-np.clip(x, -40, 40))))
