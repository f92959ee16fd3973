"""How orientations are solved, and what is found."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from emviewer.engine.types import F64


@dataclass(frozen=True)
class Plan:
    """How images are solved.

    Parameters
    ----------
    max_shift_px : float
        Largest displacement that is searched.
    radius_px : float
        Radius of the particle.
    starts : int
        Random starts, where common lines do not give the views at once.
    iterations : int
        Of each start.
    rounds : int
        In which views and the map they give settle, at most, before and after all are sought anew.
    search : bool
        Whether starts search for views where common lines do not give them.
    seed : int
        Of everything random.
    farthest_px : float or None
        Largest displacement to which particles may go once their views are known roughly; as searched unless told.
    """

    max_shift_px: float
    radius_px: float
    starts: int = 4
    iterations: int = 30
    rounds: int = 8
    search: bool = True
    seed: int = 0
    farthest_px: float | None = None

    @property
    def reach_px(self) -> float:
        """Largest displacement of settled particles."""
        return self.max_shift_px if self.farthest_px is None else self.farthest_px


@dataclass(frozen=True, eq=False)
class Solution:
    """Orientations found, at some stage.

    Parameters
    ----------
    rotations : ndarray of float64, shape (n, 3, 3)
        Views ``A``.
    displacement_px : ndarray of float64, shape (n, 2)
        Where the particles stand; minus RELION's origin.
    confidence : ndarray of float64, shape (n,)
        0 … 1.
    stage : str
        What was done last.
    explained : float
        Share of the images' power in the coarse band that the map explains.
    agreement : float or None
        Share of the images on which the best starts agree, where there were several.
    warnings : tuple of str
        Doubts.
    support : ndarray of float64, shape (n,), or None
        How much more often the common lines of each image agree with the views than chance would have it.
    fit : ndarray of float64, shape (n,), or None
        Correlation of each image with the map; with that of the anchors where it was placed on it.
    held : ndarray of bool, shape (n,), or None
        Whether each image, sought anew among all views in the map of the others, was found where it stood.
    spread_rad : ndarray of float64, shape (n,), or None
        Root mean square angle of the likely views about the best.
    best : Solution or None
        An earlier answer that is better than this one, while starts are tried.
    loss : float or None
        Of the distances between the views, while views are fitted to distances.
    """

    rotations: F64
    displacement_px: F64
    confidence: F64
    stage: str
    explained: float = 0.0
    agreement: float | None = None
    warnings: tuple[str, ...] = field(default=())
    support: F64 | None = None
    fit: F64 | None = None
    held: NDArray[np.bool_] | None = None
    spread_rad: F64 | None = None
    best: Solution | None = None
    loss: float | None = None
