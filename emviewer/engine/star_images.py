"""RELION's particles, micrographs and class averages as image sets: names, pixel size, poses and CTF of each row."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from emviewer.engine import conventions, files_bytes
from emviewer.engine.errors import FileError
from emviewer.engine.files_named import ImageNames, open_named, settled_pixel
from emviewer.engine.mrc_header import plausible_pixel
from emviewer.engine.star import numbers, read_star
from emviewer.engine.types import F64, ImageSet, ImageStack, Poses

_IMAGE_COLUMNS = ("rlnImageName", "rlnReferenceImage")
_CTF = {
    "defocus_u_A": "rlnDefocusU",
    "defocus_v_A": "rlnDefocusV",
    "defocus_angle_deg": "rlnDefocusAngle",
    "kv": "rlnVoltage",
    "cs_mm": "rlnSphericalAberration",
    "q0": "rlnAmplitudeContrast",
    "phase_shift_deg": "rlnPhaseShift",
}


class RelionTable:
    """A table whose columns are looked up in its optics group where it does not have them itself.

    Parameters
    ----------
    table : DataFrame
        Particles, micrographs or classes.
    optics : DataFrame or None
        The optics groups of RELION 3.1 and later.
    general : DataFrame or None
        One row of values that hold for all (``data_model_general``).
    """

    def __init__(
        self, table: pd.DataFrame, optics: pd.DataFrame | None = None, general: pd.DataFrame | None = None
    ) -> None:
        self.table, self.optics, self.general = table, optics, general
        self._group: np.ndarray[tuple[int, ...], np.dtype[np.int64]] | None = None

    def column(self, name: str) -> F64 | None:
        """Return the numbers of a column for every row, or None if nobody has them."""
        if name in self.table.columns:
            return numbers(self.table, name)
        if self.optics is not None and name in self.optics.columns and len(self.optics):
            return np.asarray(numbers(self.optics, name)[self._groups()])
        if self.general is not None and name in self.general.columns and len(self.general):
            return np.full(len(self.table), numbers(self.general, name)[0])
        return None

    def _groups(self) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
        """Return the row of the optics table for each row; the first where the group is not told."""
        if self._group is None:
            assert self.optics is not None
            self._group = np.zeros(len(self.table), np.int64)
            if "rlnOpticsGroup" in self.table.columns and "rlnOpticsGroup" in self.optics.columns:
                known = {int(g): i for i, g in enumerate(numbers(self.optics, "rlnOpticsGroup"))}
                groups, which = np.unique(numbers(self.table, "rlnOpticsGroup"), return_inverse=True)
                absent = [int(g) for g in groups if int(g) not in known]
                if absent:
                    raise FileError(f"optics group {absent[0]} is not in data_optics", "", "mend the table")
                self._group = np.array([known[int(g)] for g in groups], np.int64)[which]
        return self._group

    def pixel_size(self) -> F64 | None:
        """Return the pixel size of each row in Å, or None if the table does not know it."""
        for name in ("rlnImagePixelSize", "rlnPixelSize"):
            values = self.column(name)
            if values is not None and all(plausible_pixel(v) for v in np.unique(values)):
                return values
        detector, magnification = self.column("rlnDetectorPixelSize"), self.column("rlnMagnification")
        if detector is not None and magnification is not None and magnification.size and magnification.min() > 0:
            values = np.round(detector * 1e4 / magnification, 6)
            if all(plausible_pixel(v) for v in np.unique(values)):
                return values
        if "rlnImageName" not in self.table.columns:
            for name in ("rlnMicrographPixelSize", "rlnMicrographOriginalPixelSize"):
                values = self.column(name)
                if values is not None and all(plausible_pixel(v) for v in np.unique(values)):
                    return values
        return None

    def poses(self, pixel_size_A: float | None) -> Poses | None:
        """Return the poses, or None if the table has no angle psi or rot.

        ``pixel_size_A`` turns ``rlnOriginX/Y`` of RELION before 3.1, which are pixels, into Å.
        """
        angles = [self.column(f"rlnAngle{name}") for name in ("Rot", "Tilt", "Psi")]
        if angles[0] is None and angles[2] is None:
            return None
        n = len(self.table)
        rot, tilt, psi = (np.zeros(n) if a is None else a for a in angles)
        shifts = np.zeros((n, 2))
        for axis, letter in enumerate("XY"):
            origin = self.origin_A(letter, pixel_size_A or 1.0)
            if origin is not None:
                shifts[:, axis] = origin
        return Poses(conventions.euler_to_matrix(rot, tilt, psi), shifts, np.zeros(n, bool))

    def origin_A(self, letter: str, pixel_A: F64 | float) -> F64 | None:
        """Return the origins along ``X`` or ``Y`` in Å, or None; up to RELION 3.0 they were in pixels of the image."""
        angstrom = self.column(f"rlnOrigin{letter}Angst")
        if angstrom is not None:
            return angstrom
        pixels = self.column(f"rlnOrigin{letter}")
        return None if pixels is None else pixels * pixel_A

    def ctf(self) -> pd.DataFrame | None:
        """Return the CTF of each row, or None if there is no defocus."""
        values = {ours: self.column(theirs) for ours, theirs in _CTF.items()}
        if values["defocus_u_A"] is None:
            return None
        if values["defocus_v_A"] is None:
            values["defocus_v_A"] = values["defocus_u_A"]
        missing = {"defocus_angle_deg": 0.0, "phase_shift_deg": 0.0}
        n = len(self.table)
        columns = {k: np.full(n, missing.get(k, np.nan)) if v is None else v for k, v in values.items()}
        return pd.DataFrame(columns, index=self.table.index)


def main_block(blocks: Mapping[str, pd.DataFrame]) -> str:
    """Return the name of the block with the rows a person means: classes, particles, micrographs, or the longest."""
    for name in ("model_classes", "particles", "images", "micrographs", "movies"):
        if name in blocks:
            return name
    with_images = [name for name, frame in blocks.items() if "rlnImageName" in frame.columns]
    candidates = with_images or [name for name in blocks if name not in ("optics", "general", "job")] or list(blocks)
    return max(candidates, key=lambda name: len(blocks[name]))


def read_images(
    path: str | Path,
    pixel_size_A: float | None = None,
    project_dir: str | Path | None = None,
    *,
    cut_short: bool = False,
) -> ImageSet:
    """Open a RELION STAR file with the images it names.

    Parameters
    ----------
    path : path
        ``_data.star``, ``particles.star``, ``micrographs.star``, or a ``_model.star`` (classes; the particles of the
        ``_data.star`` beside it are the members), of RELION 1.x to 5.
    pixel_size_A : float, optional
        Overrules the table.
    project_dir : path, optional
        Where relative image names start, if not at the table or a folder above it.
    cut_short : bool
        Whether stacks that end early are opened too, see :func:`emviewer.engine.mrc.read_stack`.

    Returns
    -------
    ImageSet
        ``stack`` is None, and a note says why, if the table names no images or none was found.

    Raises
    ------
    FileError
        If the file is no STAR file or is damaged.
    """
    blocks = read_star(path)
    found = Path(path).expanduser()
    name = main_block(blocks)
    table = blocks[name]
    rows = RelionTable(table, blocks.get("optics"), blocks.get("model_general"))
    edges = rows.pixel_size()
    notes: list[str] = []
    if edges is not None and edges.size and edges.min() != edges.max():
        notes.append(
            f"pixel sizes from {edges.min():.4g} to {edges.max():.4g} Å in one table: the first is used for all"
        )
    edge = pixel_size_A if pixel_size_A is not None else (float(edges[0]) if edges is not None and edges.size else None)
    opener = partial(open_named, table=found, pixel_size_A=edge, project_dir=project_dir, cut_short=cut_short)
    stack = _stack(rows, opener, notes)
    edge = settled_pixel(edge, stack, notes)
    members = _members(found, notes) if name == "model_classes" else None
    return ImageSet(
        table=table,
        stack=stack,
        poses=rows.poses(edge),
        ctf=rows.ctf(),
        in_plane_only=not any(
            (a := rows.column(f"rlnAngle{name}")) is not None and a.any() for name in ("Rot", "Tilt")
        ),
        source=found,
        format="relion",
        name=files_bytes.suffixes(found)[1],
        blocks=blocks,
        members=members,
        pixel_size_A=edge or 1.0,
        pixel_size_known=edge is not None,
        notes=tuple(notes),
    )


def _stack(
    rows: RelionTable, opener: Callable[[ImageNames], tuple[ImageStack | None, tuple[str, ...]]], notes: list[str]
) -> ImageStack | None:
    """Open the images of a table; None, and a note why, if there are none that can be shown."""
    table = rows.table
    column = image_column(table)
    dimensions = rows.column("rlnImageDimensionality")
    if column is None:
        notes.append("the table names no images")
    elif dimensions is not None and (dimensions == 3).any():
        notes.append("the particles are 3D (subtomograms), which emviewer does not show")
    elif column == "rlnReferenceImage" and "@" not in str(table[column].iloc[0]):
        notes.append(f"the {len(table)} classes are 3D maps; open {table[column].iloc[0]} and the others as maps")
    else:
        stack, more = opener(ImageNames.parse(table[column]))
        notes += more
        return stack
    return None


def image_column(table: pd.DataFrame) -> str | None:
    """Return the column that names the images of a RELION table, or None."""
    if len(table) == 0:
        return None
    for column in _IMAGE_COLUMNS:
        if column in table.columns:
            return column
    is_micrographs = "rlnMicrographName" in table.columns and "rlnCoordinateX" not in table.columns
    return "rlnMicrographName" if is_micrographs else None


def _members(model: Path, notes: list[str]) -> pd.DataFrame | None:
    """Return the particle table that RELION wrote beside a ``_model.star``."""
    data = model.with_name(model.name.replace("_model.star", "_data.star"))
    if data == model or not data.is_file():
        notes.append(f"no {model.name.replace('_model', '_data')} beside it: the members of the classes are unknown")
        return None
    blocks = read_star(data)
    return blocks[main_block(blocks)]
