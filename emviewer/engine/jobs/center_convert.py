"""Members in the table of another program than the one they came from, not moved yet.

What both programs know goes over: images, micrographs, coordinates, in-plane alignment, class, CTF. Further columns
stay behind; the program's own table (see ``center_relion``, ``center_cryosparc``) keeps them all.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from emviewer.engine import cryosparc, xmipp
from emviewer.engine.cryosparc import Rows
from emviewer.engine.errors import DataError
from emviewer.engine.files_named import ImageNames, open_named
from emviewer.engine.jobs.center_members import Members
from emviewer.engine.star_images import RelionTable, image_column
from emviewer.engine.types import F64

_MIRROR = "save coordinates, or Xmipp's own metadata (.xmd)"
_OPTICS = {"kv": "rlnVoltage", "cs_mm": "rlnSphericalAberration", "q0": "rlnAmplitudeContrast"}
_CTF = {
    "defocus_u_A": "rlnDefocusU",
    "defocus_v_A": "rlnDefocusV",
    "defocus_angle_deg": "rlnDefocusAngle",
    "phase_shift_deg": "rlnPhaseShift",
}
_CRYOSPARC_CTF = {
    "kv": ("ctf/accel_kv", 1.0),
    "cs_mm": ("ctf/cs_mm", 1.0),
    "q0": ("ctf/amp_contrast", 1.0),
    "defocus_u_A": ("ctf/df1_A", 1.0),
    "defocus_v_A": ("ctf/df2_A", 1.0),
    "defocus_angle_deg": ("ctf/df_angle_rad", np.pi / 180),
    "phase_shift_deg": ("ctf/phase_shift_rad", np.pi / 180),
}


def as_relion(members: Members, form: str, *, places: bool) -> Members:
    """Return the members with a RELION 3.1 table as their source.

    Parameters
    ----------
    members : Members
        Of cryoSPARC or Xmipp.
    form : str
        ``relion`` (returned as they are), ``cryosparc`` or ``xmipp``.
    places : bool
        Whether the coordinates will be used. If not, and some are unknown, the table has no coordinate columns.

    Raises
    ------
    DataError
        Some are mirror images of their class, which RELION's tables cannot say; or the place of some in a micrograph
        is unknown, with ``places``.
    """
    if form == "relion":
        return members
    if members.flip.any():
        raise DataError("some particles are mirror images of their class, which a RELION table cannot say", "", _MIRROR)
    unknown = 0 if members.coordinate_px is None else int((~_placed(members)).sum())
    if unknown and places:
        raise DataError(
            f"the place in a micrograph is unknown for {unknown} of {len(members)} particles", "",
            "centre with the passthrough or table that has them all, or save for the present images",
        )  # fmt: skip
    number = members.class_number + (1 if form == "cryosparc" else 0)
    columns: dict[str, Any] = {}
    names = image_names(members, form)
    if names is not None:
        columns["rlnImageName"] = [names.name(i) for i in range(len(members))]
    if members.micrographs:
        named = np.array([*members.micrographs, ""], dtype=object)
        columns["rlnMicrographName"] = named[members.micrograph]
    if members.coordinate_px is not None and not unknown:
        columns |= {f"rlnCoordinate{a}": _text(members.coordinate_px[:, i]) for i, a in enumerate("XY")}
    columns |= {f"rlnOrigin{a}Angst": _text(members.origin_A[:, i]) for i, a in enumerate("XY")}
    columns["rlnAnglePsi"] = _text(np.nan_to_num(members.psi_deg))
    columns["rlnClassNumber"] = [str(v) for v in np.maximum(number, 0).tolist()]
    ctf = ctf_of(members, form)
    optics = {"pixel": members.pixel_A, "micrograph": members.micrograph_pixel()}
    if ctf is not None:
        columns |= {theirs: _text(ctf[ours].to_numpy(float)) for ours, theirs in _CTF.items() if ours in ctf}
        optics |= {ours: ctf[ours].to_numpy(float) for ours in _OPTICS if ours in ctf and ctf[ours].notna().all()}
    kinds, group = np.unique(np.stack(list(optics.values()), axis=1), axis=0, return_inverse=True)
    columns["rlnOpticsGroup"] = [str(v + 1) for v in group.ravel().tolist()]
    blocks = {"optics": _optics(list(optics), kinds, members.box_px), "particles": pd.DataFrame(columns, dtype="str")}
    return replace(members, class_number=number, source=(blocks, "particles"), notes=[])


def _placed(members: Members) -> NDArray[np.bool_]:
    """Return which members have a micrograph and finite coordinates in it, shape (n,)."""
    if members.coordinate_px is None:
        return np.zeros(len(members), bool)
    return np.asarray(np.isfinite(members.coordinate_px).all(axis=1) & (members.micrograph >= 0))


def _text(values: F64) -> list[str]:
    return [f"{v:.6f}" for v in np.nan_to_num(values).tolist()]


def _optics(names: list[str], kinds: F64, box_px: int) -> pd.DataFrame:
    k = len(kinds)
    table: dict[str, Any] = {
        "rlnOpticsGroup": [str(i + 1) for i in range(k)],
        "rlnOpticsGroupName": [f"opticsGroup{i + 1}" for i in range(k)],
    }
    labels = {"pixel": "rlnImagePixelSize", "micrograph": "rlnMicrographPixelSize"} | _OPTICS
    table |= {labels[name]: [f"{v:.6f}" for v in kinds[:, j].tolist()] for j, name in enumerate(names)}
    if box_px:
        table["rlnImageSize"] = [str(box_px)] * k
    table["rlnImageDimensionality"] = ["2"] * k
    return pd.DataFrame(table, dtype="str")


def as_cryosparc(
    members: Members, form: str, *, places: bool, last_class: int, table: Path | None, project_dir: Path | None = None
) -> Members:
    """Return the members with cryoSPARC's rows as their source; every row gets a ``uid`` of its own.

    Parameters
    ----------
    members : Members
        Of RELION or Xmipp.
    form : str
        As in :func:`as_relion`.
    places : bool
        Whether location fields must be there.
    last_class : int
        Highest number of a class, from 1. Members without a class are put into the class after it, with a posterior
        of 0: cryoSPARC's numbers cannot say "none", and 0 is its first class.
    table, project_dir : Path or None
        The members' table and the project folder, from where their images are looked for when the box is unknown.

    Raises
    ------
    DataError
        The place of a member or the size of a micrograph is unknown (cryoSPARC counts places as fractions of it), or
        the box of the particles is told neither by the table nor by their stack.
    """
    if form == "cryosparc":
        return members
    n = len(members)
    known = bool(members.micrographs and np.isfinite(members.micrograph_shape).all() and _placed(members).all())
    if places and not known:
        raise DataError(
            "coordinates or the size of some micrographs are unknown, and cryoSPARC counts places as fractions of it",
            "", "centre with --micrographs, or save for the present images",
        )  # fmt: skip
    if members.flip.any():
        raise DataError("some particles are mirror images of their class, which alignments2D cannot say", "", _MIRROR)
    fields: dict[str, tuple[Any, Any]] = {"uid": ("<u8", _uids(n))}
    names = image_names(members, form)
    if names is not None:
        paths = np.array([f.encode() for f in names.files] or [b""])
        fields |= {"blob/path": (paths.dtype, paths[names.which]), "blob/idx": ("<u4", names.index)}
    number = np.where(members.class_number > 0, members.class_number - 1, last_class)
    fields |= {
        "blob/shape": ("<u4", np.full((n, 2), members.box_px or _box_px(names, table, project_dir))),
        "blob/psize_A": ("<f4", members.pixel_A),
        "blob/sign": ("<f4", np.ones(n)),
        "alignments2D/split": ("<u4", np.zeros(n)),
        "alignments2D/shift": ("<f4", members.origin_A / members.pixel_A[:, None]),
        "alignments2D/pose": ("<f4", np.deg2rad(np.nan_to_num(members.psi_deg))),
        "alignments2D/psize_A": ("<f4", members.pixel_A),
        "alignments2D/class": ("<u4", number),
        "alignments2D/class_posterior": ("<f4", (members.class_number > 0).astype(float)),
    }
    if known:
        fields |= _location(members)
    ctf = ctf_of(members, form)
    if ctf is not None:
        fields |= {
            theirs: ("<f4", np.nan_to_num(ctf[ours].to_numpy(float)) * scale)
            for ours, (theirs, scale) in _CRYOSPARC_CTF.items() if ours in ctf
        }  # fmt: skip
    rows = _structured(n, fields)
    return replace(members, class_number=number, source=(rows, None, None, members.pixel_A), notes=[])


def _box_px(names: ImageNames | None, table: Path | None, project_dir: Path | None) -> int:
    """Return the edge of the particle images from the header of their first stack."""
    stack = None if names is None or table is None else open_named(names, table, project_dir=project_dir)[0]
    if stack is None:
        raise DataError(
            "the box of the particles is unknown: the table does not tell it, and their images were not found",
            table or "", "keep the images where the table says, or centre with --project-dir",
        )  # fmt: skip
    return stack.shape[0]


def _location(members: Members) -> dict[str, tuple[Any, Any]]:
    assert members.coordinate_px is not None
    paths = np.array([name.encode() for name in members.micrographs])
    size = members.micrograph_shape[members.micrograph]
    part = members.coordinate_px / size
    return {
        "location/micrograph_uid": ("<u8", _uids(len(paths), 1)[members.micrograph]),
        "location/exp_group_id": ("<u4", np.zeros(len(members))),
        "location/micrograph_path": (paths.dtype, paths[members.micrograph]),
        "location/micrograph_shape": ("<u4", size[:, ::-1]),
        "location/micrograph_psize_A": ("<f4", members.micrograph_pixel()),
        "location/center_x_frac": ("<f4", part[:, 0]),
        "location/center_y_frac": ("<f4", part[:, 1]),
    }


def _structured(n: int, fields: dict[str, tuple[Any, Any]]) -> Rows:
    dtype = [(name, kind, np.shape(values)[1:]) for name, (kind, values) in fields.items()]
    rows = np.zeros(n, dtype=dtype)
    for name, (_, values) in fields.items():
        rows[name] = values
    return rows


def _uids(n: int, salt: int = 0) -> np.ndarray[tuple[int], np.dtype[np.uint64]]:
    """Return numbers that differ (splitmix64, a bijection), the same every time."""
    x = (np.arange(n, dtype=np.uint64) + np.uint64(1 + (salt << 40))) * np.uint64(0x9E3779B97F4A7C15)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(x ^ (x >> np.uint64(31)))


def image_names(members: Members, form: str, rows: Any = slice(None)) -> ImageNames | None:
    """Return which image of which file the members (or some rows of them) are; None if the table does not say."""
    if form == "cryosparc":
        table, extra, partner, _ = members.source
        for part, at in ((table, np.arange(len(table))), (extra, partner)):
            if part is not None and {"blob/path", "blob/idx"} <= set(part.dtype.names or ()):
                return cryosparc.image_names(part[np.maximum(at[rows], 0)])
        return None
    frame: pd.DataFrame = members.source[0][members.source[1]] if form == "relion" else members.source
    column = image_column(frame) if form == "relion" else "image" if "image" in frame.columns else None
    return None if column is None else ImageNames.parse(frame[column].iloc[rows].astype("str"))


def ctf_of(members: Members, form: str) -> pd.DataFrame | None:
    """Return the CTF of the members as image sets have it, None without a defocus."""
    if form == "cryosparc":
        table, extra, partner, _ = members.source
        if "ctf/df1_A" in (table.dtype.names or ()):
            return cryosparc.ctf_of(table)
        return None if extra is None else cryosparc.ctf_of(extra[np.maximum(partner, 0)])
    if form == "relion":
        blocks, name = members.source
        return RelionTable(blocks[name], blocks.get("optics")).ctf()
    found = xmipp.ctf_of(members.source)
    return None if found is None else found.dropna(axis=1, how="all")
