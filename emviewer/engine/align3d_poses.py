"""Carry the poses of particles along when their map moves: RELION tables of every version, cryoSPARC, both hands.

With ``x' = M x + t``, ``M = R`` or ``R J``, ``J = diag(1, 1, -1)``: RELION ``A' = A Rᵀ`` (flipped ``J A J Rᵀ``) and
``o' = o + (A' t)_xy``; cryoSPARC likewise through ``P = Aᵀ``. The flip leaves the images as they are, as projections
drop z; a subtomogram does not, hence cannot be flipped by its metadata.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from emviewer.engine import conventions
from emviewer.engine.cryosparc import Rows, shift_pixel
from emviewer.engine.errors import DataError
from emviewer.engine.mrc_header import plausible_pixel
from emviewer.engine.star import numbers
from emviewer.engine.star_images import RelionTable, main_block
from emviewer.engine.types import F64, RigidTransform

Blocks = Mapping[str, pd.DataFrame]
Rowset = NDArray[np.int64]
_ANGLES = ("rlnAngleRot", "rlnAngleTilt", "rlnAnglePsi")
_ORIGINS = {
    "rlnOrigin{}Angst": True,
    "rlnOrigin{}": False,
    "rlnOrigin{}PriorAngst": True,
    "rlnOrigin{}Prior": False,
}
"""Names of the shifts, and whether they are in Å (else in pixels)."""
_CLASS_GROUP = re.compile(r"alignments_class_(\d+)")


def moved_rotations(rotations: F64, motion: RigidTransform) -> F64:
    """Return ``A'`` (n, 3, 3) of poses ``A`` whose map has moved."""
    if not motion.hand_flipped:
        return np.asarray(rotations @ motion.matrix.T)
    proper = motion.matrix @ conventions.MIRROR_Z
    return np.asarray(conventions.flip_hand(rotations) @ proper.T)


class RelionPoses:
    """The particles of a STAR file whose poses can be moved.

    Parameters
    ----------
    blocks : mapping of str to DataFrame
        As :func:`emviewer.engine.star.read_star` gives them.
    source : path
        For sentences.
    pixel_size_A : float, optional
        Of the images, where the table does not tell.

    Raises
    ------
    DataError
        There are no 3D orientations, or the shifts are in pixels of unknown size.
    """

    def __init__(self, blocks: Blocks, source: Path, pixel_size_A: float | None = None) -> None:
        self.blocks, self.source = dict(blocks), source
        self.name = main_block(blocks)
        self.table = self.blocks[self.name].copy()
        self.rows = RelionTable(self.table, blocks.get("optics"), None)
        self.columns = set(map(str, self.table.columns))
        self._refuse()
        self.three_d = any(f"rlnOriginZ{unit}" in self.columns for unit in ("", "Angst")) or self._subtomograms()
        self.pixel = self._pixel(pixel_size_A)
        self._add_shifts()

    def __len__(self) -> int:
        return len(self.table)

    def _refuse(self) -> None:
        absent = [name for name in _ANGLES if name not in self.columns]
        if absent:
            raise DataError(f"the particles have no {absent[0]}", self.source, "give particles of a 3D refinement")
        if "rlnTomoSubtomogramRot" in self.columns:
            raise DataError(
                "orientations relative to subtomograms (rlnTomoSubtomogramRot) cannot be moved", self.source,
                "give particles with plain rlnAngleRot, Tilt and Psi",
            )  # fmt: skip

    def _subtomograms(self) -> bool:
        dimensions = self.rows.column("rlnImageDimensionality")
        return dimensions is not None and bool((dimensions == 3).any())

    def _pixel(self, given: float | None) -> F64 | None:
        known = self.rows.pixel_size()
        if known is None and given is not None:
            return np.full(len(self), given)
        angstrom = "rlnOriginXAngst" in self.columns
        needed = [n.format("X") for n, in_A in _ORIGINS.items() if not in_A and n.format("X") in self.columns]
        if known is None and (needed or not angstrom) and len(self):
            raise DataError(
                "the shifts of the particles are in pixels and the table does not tell the pixel size",
                self.source, "give --pixel-size",
            )  # fmt: skip
        return known

    def _add_shifts(self) -> None:
        """Add the shift columns that a table without them needs once its map is translated."""
        if not {"rlnOriginX", "rlnOriginXAngst"} & self.columns:
            unit = "Angst" if "optics" in self.blocks else ""
            for axis in "XYZ" if self.three_d else "XY":
                self.table[f"rlnOrigin{axis}{unit}"] = np.zeros(len(self))
                self.columns.add(f"rlnOrigin{axis}{unit}")

    @property
    def classes(self) -> NDArray[np.int64] | None:
        """Class of each row counted from 0 (``rlnClassNumber - 1``), or None if untold."""
        if "rlnClassNumber" not in self.columns:
            return None
        return np.asarray(np.nan_to_num(numbers(self.table, "rlnClassNumber")), np.int64) - 1

    def move(self, rows: Rowset, motion: RigidTransform) -> None:
        """Move the poses of some rows, in place.

        Raises
        ------
        DataError
            The motion flips the hand and the particles are subtomograms.
        """
        if len(rows) == 0:
            return
        if motion.hand_flipped and self.three_d:
            raise DataError(
                "subtomograms cannot be flipped by their metadata", self.source,
                "flip the map first, or align with --hands input",
            )  # fmt: skip
        angles = np.stack([numbers(self.table, name)[rows] for name in _ANGLES], axis=1)
        main = self._turn(rows, angles, _ANGLES, motion)
        priors = tuple(f"{name}Prior" for name in _ANGLES)
        prior = main
        if self.columns & set(priors):
            given = angles.copy()
            for i, name in enumerate(priors):
                if name in self.columns:
                    given[:, i] = numbers(self.table, name)[rows]
            prior = self._turn(rows, given, priors, motion)
        for name, in_A in _ORIGINS.items():
            self._shift(rows, name, in_A, (prior if "Prior" in name else main) @ motion.translation_A)

    def _turn(self, rows: Rowset, angles: F64, names: tuple[str, ...], motion: RigidTransform) -> F64:
        matrices = moved_rotations(conventions.euler_to_matrix(*angles.T), motion)
        new = conventions.matrix_to_euler(matrices)
        for i, name in enumerate(names):
            if name in self.columns:
                self._put(name, rows, new[:, i])
        return matrices

    def _shift(self, rows: Rowset, name: str, in_A: bool, added_A: F64) -> None:
        for i, axis in enumerate("XYZ" if self.three_d else "XY"):
            column = name.format(axis)
            if column not in self.columns:
                continue
            edge: F64 = np.ones(len(rows))
            if not in_A:
                assert self.pixel is not None
                edge = self.pixel[rows]
            self._put(column, rows, numbers(self.table, column)[rows] + added_A[:, i] / edge)

    def _put(self, column: str, rows: Rowset, values: F64) -> None:
        """Write numbers into some rows of a column; the text of the other rows stays what it is."""
        texts = self.table[column].astype(str).to_numpy(object, copy=True)
        texts[rows] = [f"{v:.6f}" for v in (values + 0.0).tolist()]
        self.table[column] = pd.Series(texts, index=self.table.index, dtype="str")

    def result(self) -> dict[str, pd.DataFrame]:
        """Return all blocks, in the order of the file, with the poses moved so far."""
        self.table.attrs = dict(self.blocks[self.name].attrs)
        return {name: self.table if name == self.name else frame for name, frame in self.blocks.items()}


class CryosparcPoses:
    """The particles of a ``.cs`` file whose poses can be moved.

    Parameters
    ----------
    rows : structured ndarray
        With ``pose`` and ``shift`` under ``alignments3D``, ``alignments3D_multi`` (a column a class), or, before
        version 4.5, ``alignments_class_0``, ``alignments_class_1`` ….
    source : path
        For sentences.
    pixel_size_A : float, optional
        Of the shifts, where the table does not tell.

    Raises
    ------
    DataError
        There are no 3D alignments, or nothing tells the pixel of their shifts.
    """

    def __init__(self, rows: Rows, source: Path, pixel_size_A: float | None = None) -> None:
        self.rows, self.source = rows.copy(), source
        names = set(rows.dtype.names or ())
        posed = {n.split("/")[0] for n in names if n.endswith("/pose") and f"{n.split('/')[0]}/shift" in names}
        self.groups = [g for g in ("alignments3D", "alignments3D_multi") if g in posed]
        self.per_class = {int(m[1]): g for g in sorted(posed) if (m := _CLASS_GROUP.fullmatch(g))}
        if not self.groups and not self.per_class:
            raise DataError("the particles have no alignments3D/pose and shift", source, "give those of a 3D job")
        self.edges = self._edges(names, pixel_size_A)

    def __len__(self) -> int:
        return len(self.rows)

    def _edges(self, names: set[str], given: float | None) -> F64:
        known = ("alignments3D/psize_A", "alignments3D_multi/psize_A")
        old = tuple(f"{group}/psize_A" for group in self.per_class.values())
        told = [n for n in (*known, *old, "blob/psize_A") if n in names]
        for name in told:
            if all(plausible_pixel(float(v)) for v in np.unique(self.rows[name])):
                plain = name in ("alignments3D/psize_A", "blob/psize_A")
                return shift_pixel(self.rows) if plain else np.asarray(self.rows[name], np.float64)
        if given is not None:
            return np.full(len(self.rows), given)
        raise DataError(
            "the shifts of the particles are in pixels and neither alignments3D/psize_A nor blob/psize_A tells their "
            "size", self.source, "give --pixel-size",
        )  # fmt: skip

    @property
    def classes(self) -> NDArray[np.int64] | None:
        """Class of each row: ``alignments3D/class``, else the most probable one; None if untold."""
        names = self.rows.dtype.names or ()
        if "alignments3D/class" in names:
            return np.asarray(self.rows["alignments3D/class"], np.int64)
        if "alignments3D_multi/class_posterior" in names:
            return np.asarray(np.argmax(self.rows["alignments3D_multi/class_posterior"], axis=1), np.int64)
        old = {k: f"{group}/class_posterior" for k, group in self.per_class.items()}
        if old and all(name in names for name in old.values()):
            best = np.argmax(np.stack([self.rows[name] for name in old.values()], axis=1), axis=1)
            return np.asarray(np.array(list(old), np.int64)[best])
        return None

    def move(self, rows: Rowset, motion: RigidTransform) -> None:
        """Move ``alignments3D`` of some rows, and the poses for all classes there, in place."""
        for group in self.per_class.values():
            self._move(f"{group}/pose", f"{group}/shift", (rows,), motion)
        for group in self.groups:
            if group == "alignments3D":
                self._move(f"{group}/pose", f"{group}/shift", (rows,), motion)
            else:
                for k in range(self.rows[f"{group}/pose"].shape[1]):
                    self._move(f"{group}/pose", f"{group}/shift", (rows, k), motion)

    def move_slice(self, k: int, motion: RigidTransform) -> None:
        """Move the poses that all rows have in class ``k`` by the motion of that class."""
        if k in self.per_class:
            own = self.per_class[k]
            self._move(f"{own}/pose", f"{own}/shift", (np.arange(len(self.rows)),), motion)
        group = "alignments3D_multi"
        if group in self.groups and k < self.rows[f"{group}/pose"].shape[1]:
            self._move(f"{group}/pose", f"{group}/shift", (np.arange(len(self.rows)), k), motion)

    def move_single(self, rows: Rowset, motion: RigidTransform) -> None:
        """Move ``alignments3D`` of some rows only."""
        if "alignments3D" in self.groups:
            self._move("alignments3D/pose", "alignments3D/shift", (rows,), motion)

    def _move(self, pose: str, shift: str, where: tuple[Any, ...], motion: RigidTransform) -> None:
        rotations = moved_rotations(conventions.cryosparc_to_matrix(self.rows[pose][where]), motion)
        self.rows[pose][where] = conventions.matrix_to_cryosparc(rotations)
        added = (rotations @ motion.translation_A)[:, :2] / self.edges[where[0]][:, None]
        self.rows[shift][where] = self.rows[shift][where] + added
