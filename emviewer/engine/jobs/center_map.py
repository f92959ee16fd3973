"""Find the centre of class averages by registering them to the projections of a map, as a comparison does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from emviewer.engine import conventions, match_grid, sources
from emviewer.engine.centering import Centres, contrast_sign, find_centres
from emviewer.engine.centering_move import shifted
from emviewer.engine.errors import DataError, ParameterError
from emviewer.engine.jobs import compare_setup as setup
from emviewer.engine.jobs.center_params import CenterParams
from emviewer.engine.jobs.compare_inputs import Inputs
from emviewer.engine.jobs.compare_map import MapComparison
from emviewer.engine.jobs.compare_params import CompareParams
from emviewer.engine.jobs.compare_read import Reader
from emviewer.engine.symmetry import point_group
from emviewer.engine.task import Check
from emviewer.engine.types import F32, F64, ImageSet, ImageStack, Map3D

ROUNDS = 4
SETTLED_PX = 0.03
UNSETTLED_PX = 0.5
"""Distance in pixels of the grid from which a centre that is found again in the moved image is another one."""
BETWEEN = (0.25, 0.5, 0.75, 1.0)
"""Parts of the way to the centre of gravity at which the centre is held."""
HELD_PX = 0.1
"""How far the search moves an image whose centre is held, in pixels of the grid."""
AT_REST_PX = 0.12
"""Averages nearer to their centre than this, in pixels of the grid, stay: a second run moves nothing."""
APART_PX = 0.4
"""Distance from the centre of gravity, in pixels of the grid, from which that is worth while."""
EQUAL = 3e-4
"""Correlations that differ by less are equal: that of an average has a standard error of several thousandths."""
CORRELATION = (0.5, 0.65)
"""Correlation in the mask from 0 to full confidence: T20S classes have 0.77 to 0.92, other molecules 0.56 to 0.69."""


@dataclass(eq=False)
class _Settled:
    """Where images came to rest."""

    offset: F64
    psi: F64
    likeness: F64

    def take(self, rows: np.ndarray, other: _Settled, highest: F64) -> None:
        """Take for some rows what is as much alike as the highest so far, which follows."""
        highest[rows] = np.maximum(highest[rows], other.likeness)
        better = other.likeness > highest[rows] - EQUAL
        self.offset[rows[better]] = other.offset[better]
        self.psi[rows[better]] = other.psi[better]
        self.likeness[rows[better]] = other.likeness[better]


class Registration:
    """Class averages registered to one map.

    Parameters
    ----------
    params : CenterParams
        With ``map``.
    images : ndarray of float32, shape (k, n, n)
        Class averages.
    pixel_size_A : float
        Of them.
    max_shift_px : float
        Largest displacement sought.
    warn : callable
        Takes sentences about doubts.
    check : callable
        Raises to stop.
    rows : ndarray of int64, shape (m,), optional
        Only these are registered, in this order. Contrast, weights of the rings and how much detail is usual come from
        all images all the same: from a few chosen ones junk could not be told.
    """

    def __init__(
        self, params: CenterParams, images: F32, pixel_size_A: float, max_shift_px: float,
        warn: Callable[[str], None], check: Check, rows: NDArray[np.int64] | None = None,
    ) -> None:  # fmt: skip
        volume = _map(params, pixel_size_A, warn, check)
        self.images, self.check = np.nan_to_num(images), check
        self.rows = np.arange(len(images)) if rows is None else np.asarray(rows, np.int64)
        self.grid = match_grid.common_grid(images.shape[1], pixel_size_A, max(3.0, volume.pixel_size_A))
        self.scale = images.shape[1] / self.grid.n
        group = point_group(params.sym)
        radius = match_grid.particle_radius_A(volume) * 1.1 / self.grid.pixel_size_A
        mask = match_grid.soft_disc(self.grid.n, min(max(radius, 4.0), self.grid.n / 2 - match_grid.EDGE_PX - 0.5))
        settings = CompareParams(
            images=params.classes, maps=[Path(str(params.map))], assignment="search", sym=params.sym
        )
        self.inputs = Inputs(
            images=ImageSet(pd.DataFrame(index=pd.RangeIndex(len(images)))),
            stack=ImageStack.from_array(self.images, pixel_size_A), maps=[(volume.name, volume)], grid=self.grid,
            group=group, mask=mask, use=False, max_shift_px=min(max_shift_px / self.scale, self.grid.n / 2),
            names=[], weights=np.ones(len(images)),
        )  # fmt: skip
        self.comparison = MapComparison(volume, self.inputs, settings)
        self.comparison.sign = contrast_sign(self.images)
        setup.calibrate(self.comparison, Reader(self.inputs), check)
        still = replace(self.inputs, max_shift_px=HELD_PX)
        self.held = MapComparison(volume, still, settings, self.comparison.slices)
        self.held.sign = self.comparison.sign
        self.held.matcher.set_weights(self.comparison.matcher.ring_weight)

    def find(self) -> Centres:
        """Find the centres of the rows, and again in the images moved there: where that is elsewhere, confidence is 0.

        Returns
        -------
        Centres
            Of the rows, in their order; ``psi_deg`` is the map's own turn.
        """
        found = self._find(self.rows)
        moved = np.flatnonzero(found.offset_px.any(axis=1) & (found.confidence > 0))
        if moved.size == 0:
            return found
        given, ids = self.images, self.rows[moved]
        self.images = given.copy()
        self.images[ids] = shifted(given[ids], -found.offset_px[moved])
        again = self._find(ids)
        self.images = given
        found.confidence[moved[np.hypot(*again.offset_px.T) > UNSETTLED_PX * self.scale]] = 0.0
        return found

    def _find(self, rows: NDArray[np.int64]) -> Centres:
        """Register, move the images there, and register again until nothing moves; then try the way to the silhouette.

        The search weights all rings alike, so that fine detail leads it to the view. Where an object's ends are faint
        the correlation is flat along it (0.004 over 1.5 px of an average of beta-galactosidase), and fine detail alone
        may stop a pixel beside its highest value. So views are sought with the centre held at some places between
        there and the centre of gravity, and the highest correlation within the mask counts; of equal ones that nearest
        the centre of gravity.

        Notes
        -----
        Medians on simulated T20S classes of 80 px against their map: 0.26 px, off-centre 0.36 px, with a neighbour
        0.26 px. That set's averages are of ten jittered projections, whose mean displacement is not in its truth: the
        half turn finds the same places (an off-centre class 0.78 px from the truth to 0.01 px). The same projections
        made anew with noise like theirs, whose truth is exact, are found to 0.1 px, off-centre to 0.25 px.

        Of 36 good averages of beta-galactosidase, 35 are within 1 px of their centre of gravity, the median 0.30 px.
        The other one (1.6 px) has a faint end that weighs little: the correlation falls by 0.012 on the way there.
        """
        sign = self.comparison.sign
        looks = find_centres(self.images, method="mass", sign=sign, rows=rows, check=self.check)
        seen = looks.confidence > 0.5
        # begun where the object is, not where the image happens to be: a second run comes to the same place
        best = self._settled(rows, np.where(seen[:, None], looks.offset_px, 0.0))
        away = looks.offset_px - best.offset
        first, highest = best.offset.copy(), best.likeness.copy()
        for part in BETWEEN:
            again = np.flatnonzero((np.hypot(*away.T) > APART_PX * self.scale) & seen)
            if again.size:
                best.take(again, self._held(rows[again], first[again] + part * away[again]), highest)
        best.offset[np.hypot(*best.offset.T) < AT_REST_PX * self.scale] = 0.0
        # ice and dirt correlate with any map at low resolution (0.6 to 0.78): what they look like tells them
        low, high = CORRELATION
        sure = np.clip((best.likeness - low) / (high - low), 0, 1) * looks.confidence
        return Centres(best.offset, best.psi, sure, ["reprojection"] * len(rows))

    def _settled(self, ids: np.ndarray, start: F64) -> _Settled:
        """Register images until they stay, beginning at the centres ``start`` (m, 2)."""
        m = len(ids)
        found = _Settled(start.copy(), np.zeros(m), np.full(m, -1.0))
        offset, left = start.copy(), np.full(m, np.inf)
        active = np.arange(m)
        for _ in range(ROUNDS):
            usable, step, turn, likeness = self._once(ids[active], offset[active])
            used = active[usable]
            length = np.hypot(*step.T) if len(step) else np.zeros(0)
            better = length < left[used]
            rows = used[better]
            left[rows], found.offset[rows] = length[better], offset[rows]
            found.psi[rows], found.likeness[rows] = turn[better], likeness[better]
            moving = length >= SETTLED_PX
            offset[used[moving]] += step[moving]
            active = used[moving]
            if active.size == 0:
                break
        return found

    def _held(self, ids: np.ndarray, offset: F64) -> _Settled:
        """Register images with their centres held at ``offset``."""
        found = _Settled(offset.copy(), np.zeros(len(ids)), np.full(len(ids), -1.0))
        usable, _, found.psi[usable], found.likeness[usable] = self._once(ids, offset, self.held)
        return found

    def _once(
        self, ids: np.ndarray, offset: F64, comparison: MapComparison | None = None
    ) -> tuple[np.ndarray, F64, F64, F64]:
        """Return which images are usable, how far each of them still is from the centre in px, psi and correlation."""
        images = self.images[ids]
        moved = shifted(images, -offset)
        at_rest = ~offset.any(axis=1)
        moved[at_rest] = images[at_rest]
        usable = np.flatnonzero(np.ptp(moved.reshape(len(ids), -1), axis=1) > 0)
        ids = ids[usable]
        if ids.size == 0:
            return usable, np.zeros((0, 2)), np.zeros(0), np.zeros(0)
        comparison = comparison or self.comparison
        batch = comparison.prepare(ids, self.grid.images(moved[usable]), None)
        found = comparison.find(batch, None, self.check)
        likeness = comparison.compare(batch, found).columns["cc"]
        psi = conventions.matrix_to_euler(found.rotations[:, 0])[:, 2]
        return usable, found.displacement_px[:, 0] * self.scale, psi, likeness


def _map(params: CenterParams, pixel_size_A: float, warn: Callable[[str], None], check: Check) -> Map3D:
    volume = sources.open_map(str(params.map), resolution_A=params.resolution, check=check)
    for note in volume.notes:
        warn(note)
    if float(np.ptp(volume.data)) == 0:
        raise DataError("all voxels of the map are equal", params.map, "give a map with density")
    if not volume.pixel_size_known:
        if params.pixel_size is None:
            raise ParameterError("the map does not tell its pixel size", params.map, "give --pixel-size in Å")
        volume = volume.with_pixel_size(pixel_size_A)
    return volume
