"""SPIDER images, stacks and volumes, as SPIDER, Xmipp and EMAN write them, in either byte order.

Format: the SPIDER documentation, "Format of SPIDER image files".
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emviewer.engine import files_bytes
from emviewer.engine.errors import FileError
from emviewer.engine.mrc_header import plausible_pixel, tidy
from emviewer.engine.types import F32, ImageStack, Map3D

_WORDS = 256
_FOURIER = (-1, -3, -7, -9, -11, -12, -21, -22)


@dataclass(frozen=True)
class SpiderHeader:
    """What the header of a SPIDER file says.

    Parameters
    ----------
    columns, rows, slices : int
        Size along x, y, z of one image or volume.
    header_bytes : int
        Length of a header; in a stack every image has one of its own behind that of the stack.
    images : int
        Number of images in a stack; 0 for a single image or volume.
    order : str
        Byte order, ``<`` or ``>``.
    pixel_size_A : float
        Pixel size in Å, 0 if the header is silent.
    """

    columns: int
    rows: int
    slices: int
    header_bytes: int
    images: int
    order: str
    pixel_size_A: float

    @property
    def needed_bytes(self) -> int:
        """Length that the file must have."""
        data = 4 * self.columns * self.rows * self.slices
        if self.images:
            return self.header_bytes + self.images * (self.header_bytes + data)
        return self.header_bytes + data


def parse(block: bytes) -> SpiderHeader | None:
    """Return the header, or None if these first 1024 bytes are no SPIDER header.

    Raises
    ------
    FileError
        If the file holds a Fourier transform.
    """
    if len(block) < 4 * _WORDS:
        return None
    for order in "<>":
        word = np.frombuffer(block, order + "f4", _WORDS)
        sizes = word[[0, 1, 4, 11, 12, 21, 22, 23, 25]]
        if not np.all(np.isfinite(sizes)) or not np.all(sizes == np.round(sizes)):
            continue
        slices, rows, form, columns, label_records, label_bytes, record_bytes, is_stack, images = map(int, sizes)
        if not (1 <= abs(slices) < 2**16 and 1 <= rows < 2**17 and 1 <= columns < 2**17):
            continue
        if record_bytes != 4 * columns or label_bytes != label_records * record_bytes or label_bytes < 4 * _WORDS:
            continue
        if form in _FOURIER:
            raise FileError("the file holds a Fourier transform", "", "convert it to a real image")
        if form not in (1, 3):
            continue
        edge = float(word[37])
        return SpiderHeader(
            columns=columns,
            rows=rows,
            slices=abs(slices),
            header_bytes=label_bytes,
            images=images if is_stack > 0 else 0,
            order=order,
            pixel_size_A=tidy(edge) if plausible_pixel(edge) else 0.0,
        )
    return None


def read_header(path: str | Path) -> SpiderHeader:
    """Read the header of a SPIDER file.

    Raises
    ------
    FileError
        If the file is missing, no SPIDER file, or cut short.
    """
    found = files_bytes.existing(path)
    header = parse(files_bytes.head(found, 4 * _WORDS))
    if header is None:
        raise FileError("this is no SPIDER file", found, "check the file")
    length = found.stat().st_size
    if not files_bytes.compression(found) and length < header.needed_bytes:
        raise FileError(
            f"the file is cut short: it needs {header.needed_bytes} bytes and has {length}",
            found,
            "copy or make it again",
        )
    return header


def _data(path: Path, header: SpiderHeader) -> NDArray[Any]:
    """Return the numbers as (n, z, y, x), memory-mapped; n is 1 if the file is no stack."""
    n = max(1, header.images)
    size = header.slices * header.rows * header.columns
    words = header.header_bytes // 4
    first = words if header.images else 0
    if files_bytes.compression(path):
        flat: NDArray[Any] = np.frombuffer(files_bytes.whole(path), header.order + "f4")
    else:
        flat = np.asarray(np.memmap(path, header.order + "f4", "r", 0, (header.needed_bytes // 4,)))
    records = flat[first : first + n * (words + size)].reshape(n, words + size)
    return records[:, words:].reshape(n, header.slices, header.rows, header.columns)


def read_map(path: str | Path, pixel_size_A: float | None = None) -> Map3D:
    """Open a SPIDER volume (``.vol``, ``.spi``).

    Parameters
    ----------
    path : path
        The file.
    pixel_size_A : float, optional
        Overrules the header, which mostly is silent.

    Raises
    ------
    FileError
        If the file is missing, no SPIDER file, cut short, or no volume.
    """
    header = read_header(path)
    found = Path(path).expanduser()
    if header.slices == 1:
        raise FileError("this is an image or a stack of images, not a 3D map", found, "give a map")
    edge = header.pixel_size_A if pixel_size_A is None else pixel_size_A
    notes = () if edge else ("the header does not know the pixel size",)
    return Map3D(
        data=np.ascontiguousarray(_data(found, header)[0], dtype=np.float32),
        pixel_size_A=edge or 1.0,
        source=found,
        name=files_bytes.suffixes(found)[1],
        pixel_size_known=edge > 0,
        notes=notes,
    )


def read_stack(path: str | Path, pixel_size_A: float | None = None) -> ImageStack:
    """Open a SPIDER image or stack (``.stk``, ``.spi``, ``.xmp``), lazily; slices of a volume are read as images.

    Parameters
    ----------
    path : path
        The file.
    pixel_size_A : float, optional
        Overrules the header, which mostly is silent.

    Raises
    ------
    FileError
        If the file is missing, no SPIDER file, or cut short.
    """
    header = read_header(path)
    found = Path(path).expanduser()
    data = _data(found, header)
    images = data[:, 0] if header.slices == 1 else data[0]
    edge = header.pixel_size_A if pixel_size_A is None else pixel_size_A

    def read(ids: NDArray[np.int64]) -> F32:
        return np.ascontiguousarray(images[ids], dtype=np.float32)

    return ImageStack(
        n=len(images),
        shape=(header.rows, header.columns),
        pixel_size_A=edge or 1.0,
        read=read,
        source=found,
        name=files_bytes.suffixes(found)[1],
        pixel_size_known=edge > 0,
        notes=() if edge else ("the header does not know the pixel size",),
    )
