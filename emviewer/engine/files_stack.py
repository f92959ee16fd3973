"""Any file that holds images, told by its content."""

from __future__ import annotations

from pathlib import Path

from emviewer.engine import files_array, files_bytes, mrc, spider
from emviewer.engine.types import ImageStack

_TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")


def image_format(path: Path) -> str:
    """Return ``npy``, ``tif``, ``spider`` or ``mrc`` (also for what is none of them) from the first bytes."""
    start = files_bytes.head(path, 1024)
    if start.startswith(b"\x93NUMPY"):
        return "npy"
    if start[:4] in _TIFF:
        return "tif"
    return "spider" if spider.parse(start) is not None else "mrc"


def open_stack(path: str | Path, pixel_size_A: float | None = None, *, cut_short: bool = False) -> ImageStack:
    """Open MRC, SPIDER, TIFF or ``.npy`` images, lazily; ``cut_short`` as for :func:`emviewer.engine.mrc.read_stack`.

    Raises
    ------
    FileError
        If the file is missing, damaged, or none of these.
    """
    found = files_bytes.existing(path)
    form = image_format(found)
    if form == "mrc":
        return mrc.read_stack(found, pixel_size_A, cut_short=cut_short)
    readers = {"npy": files_array.read_npy_stack, "tif": files_array.read_tif, "spider": spider.read_stack}
    return readers[form](found, pixel_size_A)
