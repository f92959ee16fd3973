"""Xmipp metadata (``.xmd``): a STAR dialect with Xmipp's labels, images in SPIDER or MRC stacks."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from emviewer.engine import conventions, files_bytes
from emviewer.engine.files_named import ImageNames, open_named, settled_pixel
from emviewer.engine.star import numbers, read_star
from emviewer.engine.types import F64, ImageSet, Poses

_CTF = {
    "defocus_u_A": "ctfDefocusU",
    "defocus_v_A": "ctfDefocusV",
    "defocus_angle_deg": "ctfDefocusAngle",
    "kv": "ctfVoltage",
    "cs_mm": "ctfSphericalAberration",
    "q0": "ctfQ0",
    "phase_shift_deg": "ctfPhaseShift",
}


def _column(table: pd.DataFrame, name: str) -> F64 | None:
    return numbers(table, name) if name in table.columns else None


def poses_of(table: pd.DataFrame, pixel_size_A: float) -> Poses | None:
    """Return the poses of Xmipp rows, or None if there are no angles.

    Parameters
    ----------
    table : DataFrame
        With ``angleRot, angleTilt, anglePsi`` in degrees, ``shiftX, shiftY`` in pixels, ``flip`` 0 or 1.
    pixel_size_A : float
        Turns the shifts into Å.

    Notes
    -----
    Angles and shifts have RELION's meaning (RELION took them from Xmipp); ``flip`` 1 is an image that is the mirror
    (x to -x) of the projection, the view (rot, tilt + 180, -psi).
    """
    angles = [_column(table, f"angle{name}") for name in ("Rot", "Tilt", "Psi")]
    if angles[0] is None and angles[2] is None:
        return None
    n = len(table)
    rot, tilt, psi = (np.zeros(n) if a is None else a for a in angles)
    shifts = [_column(table, f"shift{letter}") for letter in "XY"]
    shift = np.stack([np.zeros(n) if s is None else s * pixel_size_A for s in shifts], axis=1)
    flip = _column(table, "flip")
    mirror = np.zeros(n, bool) if flip is None else flip > 0.5
    return Poses(conventions.euler_to_matrix(rot, tilt, psi), shift, mirror)


def _members(blocks: Mapping[str, pd.DataFrame]) -> pd.DataFrame | None:
    """Return the rows of all blocks ``class000012_images``, each with its class number as text in ``ref``."""
    parts = []
    for name, frame in blocks.items():
        number = name.removeprefix("class").removesuffix("_images")
        if name == f"class{number}_images" and number.isdigit():
            parts.append(frame.assign(ref=pd.Series([str(int(number))] * len(frame), index=frame.index, dtype="str")))
    return pd.concat(parts, ignore_index=True) if parts else None


def ctf_of(table: pd.DataFrame) -> pd.DataFrame | None:
    """Return the CTF of Xmipp rows (see `ImageSet`), or None if there is no defocus."""
    if "ctfDefocusU" not in table.columns:
        return None
    filled = {"defocus_v_A": numbers(table, "ctfDefocusU"), "defocus_angle_deg": 0.0, "phase_shift_deg": 0.0}
    columns = {}
    for ours, theirs in _CTF.items():
        values = _column(table, theirs)
        columns[ours] = np.full(len(table), filled.get(ours, np.nan)) if values is None else values
    return pd.DataFrame(columns, index=table.index)


def read_images(
    path: str | Path,
    pixel_size_A: float | None = None,
    project_dir: str | Path | None = None,
    *,
    cut_short: bool = False,
) -> ImageSet:
    """Open an Xmipp ``.xmd`` file with the images it names.

    Parameters
    ----------
    path : path
        The file. A block ``classes`` makes them class averages, and the blocks ``class…_images`` the members, with
        the number of their class in a column ``ref``; else the longest block with an ``image`` column is used.
    pixel_size_A : float, optional
        Overrules ``samplingRate`` and the headers of the images.
    project_dir : path, optional
        Where relative image names start, if not at the table or a folder above it.
    cut_short : bool
        Whether stacks that end early are opened too, see :func:`emviewer.engine.mrc.read_stack`.

    Raises
    ------
    FileError
        If the file is no STAR text or is damaged.
    """
    blocks = read_star(path)
    found = Path(path).expanduser()
    with_images = [name for name, frame in blocks.items() if "image" in frame.columns]
    longest = max(with_images or list(blocks), key=lambda name: len(blocks[name]))
    table = blocks["classes" if "classes" in with_images else longest]
    notes: list[str] = []
    edge = pixel_size_A
    if edge is None and "samplingRate" in table.columns and len(table):
        edge = float(numbers(table, "samplingRate")[0])
    stack = None
    if "image" in table.columns and len(table):
        stack, more = open_named(
            ImageNames.parse(table["image"]), found, pixel_size_A=edge, project_dir=project_dir, cut_short=cut_short
        )
        notes += more
    else:
        notes.append("the table names no images")
    edge = settled_pixel(edge, stack, notes)
    return ImageSet(
        table=table,
        stack=stack,
        poses=poses_of(table, edge or 1.0),
        ctf=ctf_of(table),
        in_plane_only=not any(
            (a := _column(table, f"angle{name}")) is not None and a.any() for name in ("Rot", "Tilt")
        ),
        source=found,
        format="xmipp",
        name=files_bytes.suffixes(found)[1],
        blocks=blocks,
        members=_members(blocks) if "classes" in with_images else None,
        pixel_size_A=edge or 1.0,
        pixel_size_known=edge is not None,
        notes=tuple(notes),
    )
