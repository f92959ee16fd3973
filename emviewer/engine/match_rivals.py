"""Whether another view explains an image better than the one it was given."""

from __future__ import annotations

import numpy as np

from emviewer.engine.match import C64, Matcher
from emviewer.engine.match_search import Matches, PolarSearch
from emviewer.engine.task import Check, never
from emviewer.engine.types import F32, F64

BAND = 1.5
"""Highest ring, in those of the matcher's coarse band: what tells views apart lies there, what is finer is noise."""
KEPT = 3
"""Candidates weighed."""


class Rivals:
    """Finds the best view of an image that is not near the given one.

    Parameters
    ----------
    matcher : Matcher
        The map, with its weights.
    views : ndarray of float64, shape (v, 3, 3)
        Views with ψ = 0, coarser than for a search: every view tried adds to what noise alone would reach.
    apart_rad : float
        Views nearer to the given one, modulo the matcher's group, are not rivals.

    Notes
    -----
    Displacements are tried at most one step of the band from the given one, for an image of the wrong class is centred
    on something too.
    """

    def __init__(self, matcher: Matcher, views: F64, apart_rad: float) -> None:
        self.matcher, self.apart_rad, self.weight = matcher, apart_rad, matcher.ring_weight
        self.band = min(BAND * matcher.coarse, matcher.finest)
        spacing = max(1.0, matcher.n / (4.5 * int(self.band)))
        self._search = PolarSearch(matcher.slices, views, matcher.ring_weight, self.band, spacing)

    def beside(
        self, values: C64, given: Matches, own: Matches, *, transfer: F32 | None, check: Check = never
    ) -> Matches:
        """Return the views of ``own`` and their best rivals, shape (n, 2), with their correlations in the band.

        Parameters
        ----------
        values : ndarray of complex64, shape (n, m)
            Of the images, at the matcher's points.
        given : Matches
            The given views; what leads is measured on them, for refinement also helps what is wrong.
        own : Matches
            The same views, refined, or ``given`` itself. If they were refined, so are their rivals.
        transfer : ndarray of float32, shape (n, m), optional
            Contrast transfer function at the points.
        """
        m = self.matcher
        A, d = given.rotations[:, 0], given.displacement_px[:, 0]
        centred = values * m.phases(d).conj()
        if transfer is not None:
            centred *= transfer
        found = self._search.run(m.band_images(centred, self.band), KEPT, check)
        cosine = m.cosines(A[:, 2], found.rotations[:, :, 2])
        score = np.where(cosine < np.cos(self.apart_rad), found.score, -np.inf)
        rivals = Matches(found.rotations, found.displacement_px + d[:, None], score, found.converged)
        first, second = (m.scored(values, v, transfer=transfer, top=self.band) for v in (given, rivals))
        lead = first.score[:, 0] - second.score[:, 0]
        if own is not given:
            second = m.refine(values, second, bands=((self.band, 2, 6),), transfer=transfer, check=check)
            first = m.scored(values, own, transfer=transfer, top=self.band)
        pair = (first, second)
        return Matches(
            np.concatenate([v.rotations[:, :1] for v in pair], axis=1),
            np.concatenate([v.displacement_px[:, :1] for v in pair], axis=1),
            np.concatenate([v.score[:, :1] for v in pair], axis=1),
            np.concatenate([v.converged[:, :1] for v in pair], axis=1),
            np.where(np.isfinite(lead), lead, np.nan),
        )
