"""cryoSPARC's ``.cs`` tables: numpy structured arrays, kept field by field and row by row.

Conventions as pyem has them from cryoSPARC's author; see `emviewer.engine.conventions`.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from emviewer.engine import conventions, files_bytes
from emviewer.engine.errors import DataError, FileError
from emviewer.engine.files_named import ImageNames, open_named, settled_pixel
from emviewer.engine.files_whole import whole
from emviewer.engine.mrc_header import plausible_pixel, tidy
from emviewer.engine.types import F32, F64, ImageSet, ImageStack, Poses

Rows = NDArray[Any]
"""A structured array, one element a row."""


def read_cs(path: str | Path) -> Rows:
    """Read a ``.cs`` file; nothing in it is ever unpickled.

    Raises
    ------
    FileError
        If the file is missing, damaged, or no cryoSPARC table.
    """
    found = files_bytes.existing(path)
    try:
        source = io.BytesIO(files_bytes.whole(found)) if files_bytes.compression(found) else found
        rows = np.load(source, allow_pickle=False, max_header_size=100_000)
    except Exception as err:  # numpy's parser of headers lets SyntaxError, TokenError and more through
        raise FileError(
            f"this is no readable .cs file ({files_bytes.reason(err)})", found, "export it from cryoSPARC again"
        ) from None
    if not isinstance(rows, np.ndarray) or rows.dtype.names is None or rows.ndim != 1:
        raise FileError("the file holds no cryoSPARC table", found, "give a .cs file")
    return rows


def write_cs(path: str | Path, rows: Rows) -> None:
    """Write a ``.cs`` file under exactly this name; it appears whole or not at all.

    Raises
    ------
    OSError
        If the file cannot be written; nothing is left behind.
    """
    with whole(Path(path)) as beside, beside.open("wb") as file:
        np.save(file, rows, allow_pickle=False)


def partners(rows: Rows, passthrough: Rows) -> NDArray[np.int64]:
    """Return which row of the passthrough belongs to each row, by ``uid``.

    Raises
    ------
    DataError
        If one of them has no ``uid``, or the passthrough lacks one of the rows.
    """
    for part, what in ((rows, "the particles"), (passthrough, "the passthrough")):
        if "uid" not in _names(part):
            raise DataError(f"{what} have no field uid", "", "give the files of one cryoSPARC job")
    order = np.argsort(passthrough["uid"], kind="stable")
    place = np.searchsorted(passthrough["uid"], rows["uid"], sorter=order)
    partner = order[np.minimum(place, len(order) - 1)] if len(order) else np.zeros(len(rows), np.int64)
    absent = np.flatnonzero(passthrough["uid"][partner] != rows["uid"]) if len(order) else np.arange(len(rows))
    if absent.size:
        raise DataError(
            f"{absent.size} of {len(rows)} particles are not in the passthrough, first uid {rows['uid'][absent[0]]}",
            "",
            "give the passthrough of the same job",
        )
    return partner.astype(np.int64)


def join(rows: Rows, passthrough: Rows) -> Rows:
    """Return the rows with the fields that only the passthrough has, matched by ``uid``.

    Raises
    ------
    DataError
        If one of them has no ``uid``, or the passthrough lacks one of the rows.
    """
    partner = partners(rows, passthrough)
    extra = [name for name in _names(passthrough) if name not in _names(rows)]
    if not extra:
        return rows
    fields = [*_fields(rows), *(f for f in _fields(passthrough) if f[0] in extra)]
    out = np.empty(len(rows), dtype=fields)
    for name in _names(rows):
        out[name] = rows[name]
    for name in extra:
        out[name] = passthrough[name][partner]
    return out


def _names(rows: Rows) -> tuple[str, ...]:
    return rows.dtype.names or ()


def _fields(rows: Rows) -> list[tuple[Any, ...]]:
    """Return the fields as (name, base type, shape), for making a wider array."""
    found: list[tuple[Any, ...]] = []
    for name in _names(rows):
        kind = rows.dtype[name]
        found.append((name, kind.base, kind.shape))
    return found


def to_table(rows: Rows) -> pd.DataFrame:
    """Return the rows as a DataFrame: bytes as text, a field of several numbers as ``name[0]``, ``name[1]``."""
    columns: dict[str, Any] = {}
    for name in _names(rows):
        values = rows[name]
        if values.ndim > 1:
            flat = values.reshape(len(values), -1)
            columns |= {f"{name}[{k}]": flat[:, k] for k in range(flat.shape[1])}
        elif values.dtype.kind == "S":
            columns[name] = pd.Series(_text(values), dtype="str")
        elif values.dtype.kind == "U":
            columns[name] = pd.Series(values.tolist(), dtype="str")
        else:
            columns[name] = values
    return pd.DataFrame(columns, index=pd.RangeIndex(len(rows)))


def _text(values: Rows) -> list[str]:
    """Decode bytes; each different value once, as paths repeat a thousand times."""
    different, which = np.unique(values, return_inverse=True)
    texts = np.array([v.decode("utf-8", "replace") for v in different.tolist()], dtype=object)
    return texts[which].tolist() if len(texts) else []


def poses_of(rows: Rows, pixel_size_A: float = 0.0) -> Poses | None:
    """Return the poses of particles, or None if they have none.

    Parameters
    ----------
    rows : structured ndarray
        With ``alignments3D/pose`` (axis times angle, radians), else ``alignments2D/pose`` (in-plane angle, radians);
        ``…/shift`` in pixels of ``…/psize_A``, x first, RELION's sign.
    pixel_size_A : float
        For the shifts, where the alignment has no ``psize_A`` of its own.
    """
    names = _names(rows)
    for group in ("alignments3D", "alignments2D"):
        if f"{group}/pose" not in names:
            continue
        pose = np.asarray(rows[f"{group}/pose"], np.float64)
        if group == "alignments3D":
            matrices: F64 = conventions.cryosparc_to_matrix(pose)
        else:
            zero = np.zeros(len(rows))
            matrices = conventions.euler_to_matrix(zero, zero, np.rad2deg(pose.reshape(len(rows))))
        shifts = np.zeros((len(rows), 2))
        if f"{group}/shift" in names:
            edge = shift_pixel(rows, group, pixel_size_A)
            shifts = np.asarray(rows[f"{group}/shift"], np.float64) * edge[:, None]
        return Poses(matrices, shifts, np.zeros(len(rows), bool))
    return None


def shift_pixel(rows: Rows, group: str = "alignments3D", pixel_size_A: float = 0.0) -> F64:
    """Return the pixel in Å in which the shifts of a group are counted, for each row."""
    for name in (f"{group}/psize_A", "blob/psize_A"):
        if name in _names(rows):
            values = np.asarray(rows[name], np.float64)
            if all(plausible_pixel(v) for v in np.unique(values)):
                return values
    return np.full(len(rows), pixel_size_A or 1.0)


def with_poses(rows: Rows, poses: Poses) -> Rows:
    """Return a copy of the rows with ``alignments3D/pose`` and ``shift`` set from poses; all else is untouched.

    Raises
    ------
    DataError
        If the rows have no ``alignments3D/pose`` and ``shift``, or the numbers of rows differ.
    """
    if not {"alignments3D/pose", "alignments3D/shift"} <= set(_names(rows)):
        raise DataError("the particles have no alignments3D/pose and shift", "", "give particles of a 3D refinement")
    if len(poses) != len(rows):
        raise DataError(f"{len(poses)} poses for {len(rows)} particles")
    out = rows.copy()
    out["alignments3D/pose"] = conventions.matrix_to_cryosparc(poses.rotations)
    out["alignments3D/shift"] = poses.shifts_A / shift_pixel(rows)[:, None]
    return out


def ctf_of(rows: Rows) -> pd.DataFrame | None:
    """Return the CTF of each row (see `ImageSet`), or None if there is no defocus."""
    names = _names(rows)
    if "ctf/df1_A" not in names:
        return None

    def column(name: str, missing: float) -> F64:
        return np.asarray(rows[name], np.float64) if name in names else np.full(len(rows), missing)

    return pd.DataFrame(
        {
            "defocus_u_A": column("ctf/df1_A", np.nan),
            "defocus_v_A": column("ctf/df2_A" if "ctf/df2_A" in names else "ctf/df1_A", np.nan),
            "defocus_angle_deg": np.rad2deg(column("ctf/df_angle_rad", 0.0)),
            "kv": column("ctf/accel_kv", np.nan),
            "cs_mm": column("ctf/cs_mm", np.nan),
            "q0": column("ctf/amp_contrast", np.nan),
            "phase_shift_deg": np.rad2deg(column("ctf/phase_shift_rad", 0.0)),
        }
    )


def read_images(
    path: str | Path,
    pixel_size_A: float | None = None,
    project_dir: str | Path | None = None,
    passthrough: str | Path | None = None,
    *,
    cut_short: bool = False,
) -> ImageSet:
    """Open a ``.cs`` file of particles or class averages with the images it names.

    Parameters
    ----------
    path : path
        The ``.cs`` file.
    pixel_size_A : float, optional
        Overrules ``blob/psize_A``.
    project_dir : path, optional
        cryoSPARC's project folder, if it is not the table's own folder or one above it.
    passthrough : path, optional
        Another ``.cs`` file whose further fields are joined by ``uid``.
    cut_short : bool
        Whether stacks that end early are opened too, see :func:`emviewer.engine.mrc.read_stack`.

    Returns
    -------
    ImageSet
        ``blocks["particles"]`` is the array of the file and ``blocks["passthrough"]`` that of the other, for writing
        back; ``table`` has the fields of both. Images are multiplied by ``blob/sign``, so that the particles are
        white on dark.

    Raises
    ------
    FileError
        If a file is damaged or no cryoSPARC table.
    DataError
        If the passthrough does not belong to the particles.
    """
    main = read_cs(path)
    found = Path(path).expanduser()
    blocks = {"particles": main}
    rows = main
    if passthrough is not None:
        blocks["passthrough"] = read_cs(passthrough)
        rows = join(main, blocks["passthrough"])
    notes: list[str] = []
    edge = _pixel_size(rows, notes) if pixel_size_A is None else pixel_size_A
    opener = partial(open_named, table=found, pixel_size_A=edge, project_dir=project_dir, cut_short=cut_short)
    stack = _stack(rows, opener, notes)
    edge = settled_pixel(edge, stack, notes)
    return ImageSet(
        table=to_table(rows),
        stack=stack,
        poses=poses_of(rows, edge or 0.0),
        in_plane_only="alignments3D/pose" not in _names(rows),
        ctf=ctf_of(rows),
        source=found,
        format="cryosparc",
        name=files_bytes.suffixes(found)[1],
        blocks=blocks,
        pixel_size_A=edge or 1.0,
        pixel_size_known=edge is not None,
        notes=tuple(notes),
    )


def _stack(
    rows: Rows, opener: Callable[..., tuple[ImageStack | None, tuple[str, ...]]], notes: list[str]
) -> ImageStack | None:
    """Open the images of a table, white on dark; None, and a note why, if there are none."""
    if not ({"blob/path", "blob/idx"} <= set(_names(rows)) and len(rows)):
        notes.append("the table names no images; its passthrough may")
        return None
    sign = _sign(rows)
    stack, more = opener(image_names(rows), scale=sign)
    notes += more
    if sign is not None and stack is not None:
        notes.append("the images are dark on light (blob/sign -1) and are shown with their sign turned")
    return stack


def _pixel_size(rows: Rows, notes: list[str]) -> float | None:
    """Return ``blob/psize_A`` of the first row, None if it is not there or not plausible."""
    if "blob/psize_A" not in _names(rows) or not len(rows) or not plausible_pixel(float(rows["blob/psize_A"][0])):
        return None
    edge = tidy(float(rows["blob/psize_A"][0]))
    if np.ptp(rows["blob/psize_A"]) > 1e-4 * edge:
        notes.append(f"several pixel sizes in one table: {edge:.5g} Å of the first row is used for all")
    return edge


def image_names(rows: Rows) -> ImageNames:
    """Return which image of which file each row means (``blob/path`` without its leading ``>``, ``blob/idx``)."""
    paths, which = np.unique(rows["blob/path"], return_inverse=True)
    files = [(p.decode("utf-8", "replace") if isinstance(p, bytes) else str(p)).lstrip(">") for p in paths.tolist()]
    return ImageNames(files, which.astype(np.int64), np.asarray(rows["blob/idx"], np.int64))


def _sign(rows: Rows) -> F32 | None:
    """Return the factor of each image, or None if all are white on dark already."""
    if "blob/sign" not in _names(rows):
        return None
    sign = np.where(np.asarray(rows["blob/sign"]) < 0, -1, 1).astype(np.float32)
    return None if (sign > 0).all() else sign
