"""The members of classes, whatever program wrote them: class, in-plane alignment, place in the micrograph."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emviewer.engine.types import F64

CENTRED, LEFT_ALONE, NO_CLASS, NO_ALIGNMENT = "centred", "class left alone", "no class", "no in-plane alignment"
STATES = (CENTRED, LEFT_ALONE, NO_CLASS, NO_ALIGNMENT)


@dataclass(eq=False)
class Members:
    """Members of classes in one form; arrays have one row a particle.

    Parameters
    ----------
    class_number : ndarray of int64, shape (n,)
        As the table has it; -1 where it has none.
    psi_deg : ndarray of float64, shape (n,)
        In-plane angle in RELION's sense; nan where the particle has no in-plane alignment.
    origin_A : ndarray of float64, shape (n, 2)
        Added to the image to centre it, in Å.
    flip : ndarray of bool, shape (n,)
        Whether the image is the mirror (x to -x) of the class.
    pixel_A : ndarray of float64, shape (n,)
        Pixel of the particle images.
    coordinate_px : ndarray of float64, shape (n, 2) or None
        ``(x, y)`` of the pick in micrograph pixels; None if the table has none.
    micrograph : ndarray of int64, shape (n,)
        Index into ``micrographs``; -1 where none is named.
    micrographs : list of str
        Names as in the table.
    micrograph_px_A : ndarray of float64, shape (m,)
        Pixel of each micrograph; 0 if unknown.
    micrograph_shape : ndarray of float64, shape (m, 2)
        ``(width, height)`` of each in pixels; nan if unknown.
    box_px : int
        Edge of the particle images; 0 if unknown.
    source : object
        What the writer of the format needs.
    notes : list of str
        Doubts met in reading.
    micrograph_path : list of Path or None
        Where each micrograph was found; empty before it was looked for.
    """

    class_number: NDArray[np.int64]
    psi_deg: F64
    origin_A: F64
    flip: NDArray[np.bool_]
    pixel_A: F64
    coordinate_px: F64 | None
    micrograph: NDArray[np.int64]
    micrographs: list[str]
    micrograph_px_A: F64
    micrograph_shape: F64
    box_px: int = 0
    source: Any = None
    notes: list[str] = field(default_factory=list)
    micrograph_path: list[Path | None] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.class_number)

    def micrograph_pixel(self) -> F64:
        """Return the micrograph pixel of each particle in Å; that of its own image where unknown."""
        if not self.micrographs:
            return self.pixel_A
        known = np.where(self.micrograph >= 0, self.micrograph_px_A[np.maximum(self.micrograph, 0)], 0.0)
        return np.where(known > 0, known, self.pixel_A)


@dataclass(eq=False)
class Moved:
    """Members after centring.

    Parameters
    ----------
    state : ndarray of int8, shape (n,)
        Index into :data:`STATES`.
    moved_px : ndarray of float64, shape (n, 2)
        How far the particle's centre moved, ``(x, y)`` in micrograph pixels.
    origin_A : ndarray of float64, shape (n, 2)
        The whole shift: valid with the present images and coordinates.
    psi_deg : ndarray of float64, shape (n,)
        In-plane angle after turning.
    centre_px : ndarray of float64, shape (n, 2) or None
        Where the particle stands in the micrograph; the pick for those that are left as they are.
    steps_px : ndarray of float64, shape (n, 2)
        Whole pixels nearest to the way from coordinate to centre.
    outside : ndarray of bool, shape (n,)
        Whether the centre lies outside the micrograph (False where its size is unknown).
    over_edge : ndarray of bool, shape (n,)
        Whether a box about the centre does not lie wholly in the micrograph.
    """

    state: NDArray[np.int8]
    moved_px: F64
    origin_A: F64
    psi_deg: F64
    centre_px: F64 | None
    steps_px: F64
    outside: NDArray[np.bool_]
    over_edge: NDArray[np.bool_]

    @property
    def changed(self) -> NDArray[np.bool_]:
        """Which rows are written anew; the others keep their text."""
        return np.asarray(self.state == STATES.index(CENTRED))


def move(members: Members, numbers: NDArray[np.int64], offset_A: F64, psi_deg: F64, alone: NDArray[np.bool_]) -> Moved:
    """Carry the centres of classes to their members.

    Parameters
    ----------
    members : Members
        The particles.
    numbers : ndarray of int64, shape (k,)
        What the members call each class.
    offset_A : ndarray of float64, shape (k, 2)
        Centre of the object in each class average, ``(x, y)`` in Å.
    psi_deg : ndarray of float64, shape (k,)
        Turn of each class in RELION's sense.
    alone : ndarray of bool, shape (k,)
        Classes that are not moved; their members keep their rows as they are.

    Notes
    -----
    A point c of the class stands at ``F A(psi) c - origin`` in the particle, with F the mirror of a flipped one. So
    the new origin is ``origin - F A(psi) c``, and the centre in the micrograph ``coordinate - origin``.
    """
    n = len(members)
    order = np.argsort(numbers, kind="stable")
    place = np.clip(np.searchsorted(numbers, members.class_number, sorter=order), 0, len(numbers) - 1)
    row = order[place]
    known = numbers[row] == members.class_number
    aligned = np.isfinite(members.psi_deg)
    state = np.full(n, STATES.index(CENTRED), np.int8)
    state[known & alone[row]] = STATES.index(LEFT_ALONE)
    state[~aligned] = STATES.index(NO_ALIGNMENT)
    state[~known] = STATES.index(NO_CLASS)
    good = state == STATES.index(CENTRED)

    angle = np.radians(np.where(aligned, members.psi_deg, 0.0))
    c, s = np.cos(angle), np.sin(angle)
    x, y = offset_A[row].T
    mirror = np.where(members.flip, -1.0, 1.0)
    way_A = np.where(good[:, None], np.stack([mirror * (c * x + s * y), c * y - s * x], axis=1), 0.0)
    pixel = members.micrograph_pixel()[:, None]
    origin = members.origin_A - way_A
    psi = members.psi_deg + np.where(good, psi_deg[row], 0.0)
    pick = members.coordinate_px
    from_pick = -origin / pixel
    steps = np.where(good[:, None], np.rint(from_pick), 0.0)
    centre = None if pick is None else pick + np.where(good[:, None], from_pick, 0.0)
    outside, over = _bounds(members, centre)
    return Moved(state, way_A / pixel, origin, (psi + 180) % 360 - 180, centre, steps, outside, over)


def _bounds(members: Members, centre: F64 | None) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    n = len(members)
    if centre is None or not members.micrographs:
        return np.zeros(n, bool), np.zeros(n, bool)
    size = members.micrograph_shape[np.maximum(members.micrograph, 0)]
    known = np.isfinite(size).all(axis=1) & (members.micrograph >= 0)
    half = members.box_px * members.pixel_A / members.micrograph_pixel() / 2
    outside = known & ((centre < 0) | (centre > size - 1)).any(axis=1)
    over = known & ((centre < half[:, None]) | (centre > size - half[:, None])).any(axis=1)
    return outside, over
