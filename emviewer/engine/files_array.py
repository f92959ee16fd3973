"""Pictures and arrays of other houses: ``.npy`` (no pixel size, no axis order) and TIFF micrographs."""

from __future__ import annotations

import io
import logging
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emviewer.engine import files_bytes
from emviewer.engine.errors import FileError
from emviewer.engine.files_guess import sections_are_images
from emviewer.engine.types import F32, ImageStack, Map3D


def read_npy(path: str | Path) -> NDArray[Any]:
    """Return the numeric array of a ``.npy`` file, memory-mapped unless compressed.

    Raises
    ------
    FileError
        If it is missing, no array of real numbers, or cut short. Pickled objects are never loaded.
    """
    found = files_bytes.existing(path)
    try:
        if files_bytes.compression(found):
            data = np.load(io.BytesIO(files_bytes.whole(found)), allow_pickle=False)
        else:
            data = np.load(found, mmap_mode="r", allow_pickle=False)
    except Exception as err:  # numpy's parser of headers lets SyntaxError, TokenError and more through
        raise FileError(
            f"this is no readable .npy array ({files_bytes.reason(err)})", found, "save it again with numpy.save"
        ) from None
    if not isinstance(data, np.ndarray) or data.dtype.kind not in "fiub":
        raise FileError("the array holds no real numbers", found, "save real numbers")
    if data.ndim not in (2, 3) or data.size == 0:
        raise FileError(f"an array of shape {data.shape} is neither image, stack nor map", found, "give 2 or 3 axes")
    return np.asarray(data)


def npy_holds_images(data: NDArray[Any]) -> bool:
    """Whether an array is taken as images: two axes, or sections that do not follow from each other and are no cube."""
    if data.ndim == 2 or data.shape[0] == 1:
        return True
    return len(set(data.shape)) > 1 and sections_are_images(data)


def read_npy_map(path: str | Path, pixel_size_A: float | None = None) -> Map3D:
    """Open a ``.npy`` array ``[z, y, x]`` as a map; float64 becomes float32.

    Raises
    ------
    FileError
        See `read_npy`; also if it has two axes.
    """
    data = read_npy(path)
    found = Path(path).expanduser()
    if data.ndim != 3:
        raise FileError("this is a single image, not a 3D map", found, "give a map")
    with np.errstate(over="ignore"):
        voxels = np.ascontiguousarray(data, dtype=np.float32)
    return Map3D(
        data=voxels,
        pixel_size_A=pixel_size_A or 1.0,
        source=found,
        name=files_bytes.suffixes(found)[1],
        pixel_size_known=pixel_size_A is not None,
        notes=() if pixel_size_A else ("a .npy file does not know its pixel size",),
    )


def read_npy_stack(path: str | Path, pixel_size_A: float | None = None) -> ImageStack:
    """Open a ``.npy`` array ``[n, y, x]`` or ``[y, x]`` as images."""
    data = read_npy(path)
    found = Path(path).expanduser()
    return ImageStack.from_array(
        data if data.ndim == 3 else data[None],
        pixel_size_A or 1.0,
        source=found,
        name=files_bytes.suffixes(found)[1],
        pixel_size_known=pixel_size_A is not None,
        notes=() if pixel_size_A else ("a .npy file does not know its pixel size",),
    )


def read_tif(path: str | Path, pixel_size_A: float | None = None) -> ImageStack:
    """Open the pages of a TIFF file as images, read when asked for.

    Parameters
    ----------
    path : path
        Grey pages of one size; TIFF has no agreed place for a pixel size in Å.
    pixel_size_A : float, optional
        Pixel size to use.

    Raises
    ------
    FileError
        If the file is no TIFF, is damaged, or has colour or pages of different sizes.
    """
    import tifffile

    logging.getLogger("tifffile").setLevel(logging.CRITICAL)
    found = files_bytes.existing(path)
    try:
        with tifffile.TiffFile(found) as tif:
            series = tif.series[0]
            shape, dtype = series.shape, series.dtype
    except Exception as err:  # a damaged TIFF makes tifffile raise nearly anything
        raise FileError(
            f"this is no readable TIFF file ({files_bytes.reason(err)})", found, "copy or make it again"
        ) from None
    odd = len(shape) not in (2, 3) or 0 in shape or shape[-1] in (3, 4)
    if odd or dtype is None or dtype.kind not in "fiu":
        raise FileError(f"a TIFF of shape {shape} is no grey image", found, "save it as grey")
    n = 1 if len(shape) == 2 else int(shape[0])

    def read(ids: NDArray[np.int64]) -> F32:
        try:
            with tifffile.TiffFile(found) as opened:
                series = opened.series[0]
                if n == 1:
                    page = np.asarray(series.asarray(), np.float32).reshape(shape[-2:])
                    return np.repeat(page[None], len(ids), axis=0)
                return np.stack([np.asarray(series.pages[int(i)].asarray(), np.float32) for i in ids])
        except Exception as err:  # as above, or a packing that needs another package
            what = f"the TIFF image cannot be unpacked ({files_bytes.reason(err)})"
            raise FileError(what, found, "save it uncompressed") from None

    return ImageStack(
        n=n,
        shape=(int(shape[-2]), int(shape[-1])),
        pixel_size_A=pixel_size_A or 1.0,
        read=read,
        source=found,
        name=files_bytes.suffixes(found)[1],
        pixel_size_known=pixel_size_A is not None,
        notes=() if pixel_size_A else ("a TIFF file does not know its pixel size",),
    )
