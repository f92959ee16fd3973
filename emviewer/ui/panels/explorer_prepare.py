"""The map behind the explorer, prepared twice: coarse for while it turns, full for when it rests. No widgets here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from emviewer.engine.conventions import euler_to_matrix
from emviewer.engine.filters_display import Distribution, bin_volume, distribution, soft_lowpass, subsample
from emviewer.engine.project import Projector
from emviewer.engine.sources import verified
from emviewer.engine.task import Check, never
from emviewer.engine.types import Map3D

AT_ONCE = 160
"""Boxes up to this many voxels turn at full resolution (a 160 view takes about 2 ms)."""
COARSE = 192
"""Larger maps are binned to at most this many voxels while they turn."""
LARGEST = 576
"""Larger boxes are binned for the resting view too: the padded transform of 576³ takes 1.5 GB."""

VIEWS = ((0, 0), (0, 90), (90, 90), (45, 55), (135, 55), (225, 55), (315, 55))
"""rot, tilt of the views that the first contrast is taken from."""


@dataclass(frozen=True, eq=False)
class Turning:
    """A map ready to be projected, perhaps binned.

    Parameters
    ----------
    projector : Projector
        Of the binned map.
    factor : int
        Voxels a block edge; 1 for the map itself.
    box : int
        Edge in voxels of the full map's projections.
    centre : ndarray of float64, shape (3,)
        The full map's centre of rotation minus the binned map's, (x, y, z) in full voxels.
    pixel_size_A : float
        Of the full map.
    """

    projector: Projector
    factor: int
    box: int
    centre: np.ndarray
    pixel_size_A: float

    def image(self, matrix: np.ndarray, resolution_A: float = 0.0) -> np.ndarray:
        """Return the projection along one orientation, float32, on ``factor`` times coarser pixels.

        Parameters
        ----------
        matrix : ndarray, shape (3, 3)
            ``A``.
        resolution_A : float
            Finest resolution kept; 0 keeps all.
        """
        f = self.factor
        if f == 1:
            image = self.projector.project(matrix[None])[0]
        else:
            # where the full map's centre must appear in the coarse image, so that both images lie on each other
            wanted = (self.box // 2 + 0.5) / f - 0.5
            natural = self.projector.box // 2 + (matrix @ self.centre)[:2] / f
            image = self.projector.project(matrix[None], (natural - wanted)[None])[0] * np.float32(f)
        if resolution_A > 0:
            image = soft_lowpass(image, resolution_A / (self.pixel_size_A * f))
        return image


def coarse_factor(box: int) -> int:
    """Return the binning while a map of this box turns; 1 if it needs none."""
    return 1 if box <= AT_ONCE else max(2, -(-box // COARSE))


def rest_factor(box: int) -> int:
    """Return the binning of the resting view: 1 unless the transform would not fit."""
    return -(-box // LARGEST)


def prepare(volume: Map3D, factor: int, check: Check = never) -> Turning:
    """Bin and transform a map.

    Raises
    ------
    Cancelled
        Out of ``check``.
    """
    if factor == 1:
        return Turning(Projector(volume, check=check), 1, volume.box, np.zeros(3), volume.pixel_size_A)
    data = bin_volume(volume.data, factor, check)
    full = np.array(volume.shape[::-1])
    small = np.array(data.shape[::-1])
    centre = full // 2 - (factor * (small // 2) + (factor - 1) / 2)
    coarse = replace(volume, data=data, pixel_size_A=volume.pixel_size_A * factor)
    return Turning(Projector(coarse, check=check), factor, volume.box, centre, volume.pixel_size_A)


def first_contrast(turning: Turning, check: Check = never) -> Distribution:
    """Return the distribution of some views from all around, so that contrast need not jump while turning.

    The robust range holds that of every view: along its long axis a particle projects brightest.
    """
    values = []
    for rot, tilt in VIEWS:
        check()
        matrix = euler_to_matrix([rot], [tilt], [0.0])[0]
        values.append(subsample(turning.image(matrix), 20_000))
    views = [distribution(view) for view in values]
    low, high = min(v.auto_low for v in views), max(v.auto_high for v in views)
    return replace(distribution(np.concatenate(values)), auto_low=low, auto_high=high)


def prepared_for_turning(volume: Map3D) -> Callable[[Check], tuple[Turning, Distribution]]:
    """Return the work of the first preparation, for a lane; it refuses a map with voxels that are not numbers."""

    def work(check: Check) -> tuple[Turning, Distribution]:
        verified(volume, check)
        turning = prepare(volume, coarse_factor(volume.box), check)
        return turning, first_contrast(turning, check)

    return work
