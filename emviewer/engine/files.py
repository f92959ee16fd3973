"""Opening any file by its content: maps, images, tables, models."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Literal

from emviewer.engine import files_array, files_bytes, model, mrc, spider
from emviewer.engine.errors import FileError
from emviewer.engine.files_stack import image_format, open_stack
from emviewer.engine.model import Model
from emviewer.engine.types import ImageSet, ImageStack, Map3D

Kind = Literal["map", "images", "star", "cryosparc", "xmipp", "model", "table"]
READABLE = (
    "maps .mrc .map .ccp4 .npy .spi .vol, images .mrcs .mrc .stk .tif, tables .star .cs .xmd .csv, models .pdb .cif"
)
_MRC_SUFFIXES = (".mrc", ".mrcs", ".map", ".ccp4", ".st", ".rec", ".ali")
_PICTURES = {b"\xff\xd8\xff": "a JPEG picture", b"\x89PNG": "a PNG picture", b"GIF8": "a GIF picture"}
_OTHERS = {b"%PDF": "a PDF document", b"PK\x03\x04": "a zip archive", b"\x89HDF": "an HDF5 file"}


def kind_of(path: str | Path) -> Kind:
    """Tell what a file is, from its first bytes and, where those leave it open, from its name.

    Returns
    -------
    str
        ``map`` a 3D map; ``images`` an image or a stack; ``star`` a RELION table, ``cryosparc``, ``xmipp`` (these
        may name images); ``model`` atoms; ``table`` comma-separated values.

    Raises
    ------
    FileError
        If the file is missing, empty, or nothing that emviewer reads.
    """
    found = files_bytes.existing(path)
    start = files_bytes.head(found, 65536)
    suffix, _ = files_bytes.suffixes(found)
    if start.startswith(b"\x93NUMPY"):
        return _kind_of_npy(found, suffix, start)
    for mark, what in (_PICTURES | _OTHERS).items():
        if start.startswith(mark):
            raise FileError(f"this is {what}, which emviewer does not read", found, f"give one of: {READABLE}")
    if suffix in model.SUFFIXES or (b"\0" not in start and model.looks_like_model(start)):
        return "model"
    if suffix in (".star", ".xmd") or (b"\0" not in start and b"\ndata_" in b"\n" + start):
        return "xmipp" if suffix == ".xmd" or b"XMIPP_STAR" in start[:200] else "star"
    if suffix == ".csv":
        return "table"
    if b"\0" not in start and suffix not in _MRC_SUFFIXES and image_format(found) == "mrc":
        raise FileError("this is text that emviewer does not read", found, f"give one of: {READABLE}")
    return _kind_of_images(found, suffix)


def _kind_of_npy(path: Path, suffix: str, start: bytes) -> Kind:
    if suffix == ".cs" or b"'descr': [(" in start[:200]:
        return "cryosparc"
    return "images" if files_array.npy_holds_images(files_array.read_npy(path)) else "map"


def _kind_of_images(path: Path, suffix: str) -> Kind:
    form = image_format(path)
    if form == "tif":
        return "images"
    if form == "spider":
        return "images" if spider.read_header(path).slices == 1 else "map"
    try:
        header = mrc.read_header(path, cut_short=True)  # who reads the file says so
    except FileError as err:
        if suffix in _MRC_SUFFIXES or not err.what.startswith("this is no MRC file"):
            raise
        raise FileError("this is nothing that emviewer reads", path, f"give one of: {READABLE}") from None
    return "images" if mrc.holds_images(header, path)[0] else "map"


def read_map(path: str | Path, pixel_size_A: float | None = None) -> Map3D:
    """Open a 3D map of any format: MRC, SPIDER, ``.npy``.

    Raises
    ------
    FileError
        If the file is missing, damaged, or holds no map.
    """
    found = files_bytes.existing(path)
    form = image_format(found)
    if form == "npy":
        return files_array.read_npy_map(found, pixel_size_A)
    if form == "spider":
        return spider.read_map(found, pixel_size_A)
    if form == "tif":
        raise FileError("this is a TIFF image, not a 3D map", found, "give a map")
    return mrc.read_map(found, pixel_size_A)


def read_images(
    path: str | Path,
    *,
    pixel_size_A: float | None = None,
    project_dir: str | Path | None = None,
    passthrough: str | Path | None = None,
    cut_short: bool = False,
) -> ImageSet:
    """Open images of any format: a stack, or a table that names images.

    Parameters
    ----------
    path : path
        MRC, SPIDER, TIFF, ``.npy``, RELION ``.star``, cryoSPARC ``.cs``, Xmipp ``.xmd``. The sections of a map are
        images too.
    pixel_size_A : float, optional
        Overrules the file.
    project_dir : path, optional
        Where image names in a table start, tried after the table's own folder and each above it.
    passthrough : path, optional
        For ``.cs`` only: the file with further fields.
    cut_short : bool
        Whether stacks that end early are opened too, see :func:`emviewer.engine.mrc.read_stack`.

    Raises
    ------
    FileError
        If the file is missing, damaged, or holds no images.
    """
    from emviewer.engine import cryosparc, star_images, xmipp  # pandas: 0.3 s that maps need not spend

    kind = kind_of(path)
    if kind == "cryosparc":
        return cryosparc.read_images(path, pixel_size_A, project_dir, passthrough, cut_short=cut_short)
    if kind == "xmipp":
        return xmipp.read_images(path, pixel_size_A, project_dir, cut_short=cut_short)
    if kind == "star":
        return star_images.read_images(path, pixel_size_A, project_dir, cut_short=cut_short)
    if kind == "table":
        return _read_csv(Path(path).expanduser())
    if kind == "model":
        raise FileError("this is an atomic model, it holds no images", path, "give images or a table")
    return from_stack(open_stack(path, pixel_size_A, cut_short=cut_short), image_format(Path(path).expanduser()))


def from_stack(stack: ImageStack, form: str = "") -> ImageSet:
    """Return a plain stack as an image set, with a table that has a row an image and no columns."""
    import pandas as pd

    return ImageSet(
        table=pd.DataFrame(index=pd.RangeIndex(stack.n)),
        stack=stack,
        source=stack.source,
        format=form,
        name=stack.name,
        pixel_size_A=stack.pixel_size_A,
        pixel_size_known=stack.pixel_size_known,
        notes=stack.notes,
    )


def _read_csv(path: Path) -> ImageSet:
    import pandas as pd

    try:
        table = pd.read_csv(path, dtype="str", keep_default_na=False)
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as err:
        what = f"this is no table of comma-separated values ({files_bytes.reason(err)})"
        raise FileError(what, path, "check the file") from None
    return ImageSet(
        table=table,
        source=path,
        format="csv",
        name=files_bytes.suffixes(path)[1],
        blocks={"": table},
        notes=("the table names no images",),
    )


def open_any(
    path: str | Path,
    *,
    pixel_size_A: float | None = None,
    project_dir: str | Path | None = None,
    passthrough: str | Path | None = None,
    kind: Literal["map", "images"] | None = None,
) -> Map3D | ImageSet | Model:
    """Open a file as what it is.

    Parameters
    ----------
    path : path
        Any file that emviewer reads.
    pixel_size_A : float, optional
        Overrules the file.
    project_dir : path, optional
        Where image names in a table start, tried after the table's own folder and each above it.
    passthrough : path, optional
        For ``.cs`` only: the file with further fields.
    kind : {"map", "images"}, optional
        Overrules the guess for a file that could be both.

    Returns
    -------
    Map3D, ImageSet or Model
        By `kind_of`.

    Raises
    ------
    FileError
        If the file is missing, damaged, or nothing that emviewer reads.
    """
    found_kind = kind_of(path)
    if found_kind == "model":
        return model.read_model(path)
    if (kind or found_kind) == "map" and found_kind in ("map", "images"):
        return read_map(path, pixel_size_A)
    images = read_images(path, pixel_size_A=pixel_size_A, project_dir=project_dir, passthrough=passthrough)
    if kind is None and found_kind == "images" and _in_doubt(Path(path).expanduser()):
        note = "the header leaves open whether this is a map; it looks like a stack of images"
        images = replace(images, notes=(*images.notes, note))
    return images


def _in_doubt(path: Path) -> bool:
    return image_format(path) == "mrc" and not mrc.holds_images(mrc.read_header(path), path)[1]
