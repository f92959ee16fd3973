"""Find the centre of class averages by registering them to the projections of a map, as a comparison does."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

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
CORRELATION = (0.5, 0.65)
"""Correlation in the mask from 0 to full confidence: T20S classes have 0.77 to 0.92, other molecules 0.56 to 0.69."""


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
    """

    def __init__(
        self, params: CenterParams, images: F32, pixel_size_A: float, max_shift_px: float,
        warn: Callable[[str], None], check: Check,
    ) -> None:  # fmt: skip
        volume = _map(params, pixel_size_A, warn, check)
        self.images, self.check = np.nan_to_num(images), check
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

    def find(self) -> Centres:
        """Register, move the images there, and register again until nothing moves.

        Notes
        -----
        Medians on simulated T20S classes of 80 px against their map: 0.24 px, off-centre 0.35 px (three classes), with
        a neighbour 0.26 px; an off-centre class of 0.8 px is found there by every estimator alike.
        """
        k = len(self.images)
        offset, psi, cc = np.zeros((k, 2)), np.zeros(k), np.full(k, -1.0)
        left = np.full(k, np.inf)
        best = offset.copy()
        active = np.arange(k)
        for _ in range(ROUNDS):
            used, step, turn, likeness = self._once(active, offset)
            length = np.hypot(*step.T) if len(step) else np.zeros(0)
            better = length < left[used]
            rows = used[better]
            left[rows], best[rows], psi[rows], cc[rows] = length[better], offset[rows], turn[better], likeness[better]
            moving = length >= SETTLED_PX
            offset[used[moving]] += step[moving]
            active = used[moving]
            if active.size == 0:
                break
        # ice and dirt correlate with any map at low resolution (0.6 to 0.78): what they look like tells them
        low, high = CORRELATION
        looks = find_centres(self.images, method="mass", sign=self.comparison.sign, check=self.check).confidence
        return Centres(best, psi, np.clip((cc - low) / (high - low), 0, 1) * looks, ["reprojection"] * k)

    def _once(self, ids: np.ndarray, offset: F64) -> tuple[np.ndarray, F64, F64, F64]:
        """Return the usable ids, how far each object still is from the centre in px, its psi and correlation."""
        images = self.images[ids]
        moved = shifted(images, -offset[ids])
        at_rest = ~offset[ids].any(axis=1)
        moved[at_rest] = images[at_rest]
        usable = np.ptp(moved.reshape(len(ids), -1), axis=1) > 0
        ids = ids[usable]
        if ids.size == 0:
            return ids, np.zeros((0, 2)), np.zeros(0), np.zeros(0)
        batch = self.comparison.prepare(ids, self.grid.images(moved[usable]), None)
        found = self.comparison.find(batch, None, self.check)
        likeness = self.comparison.compare(batch, found).columns["cc"]
        psi = conventions.matrix_to_euler(found.rotations[:, 0])[:, 2]
        return ids, found.displacement_px[:, 0] * self.scale, psi, likeness


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
