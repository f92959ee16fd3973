"""Images out of a file by reading, not by mapping: mapped pages would count as the program's memory, image by image."""

from __future__ import annotations

import os
import weakref
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from emviewer.engine.errors import FileError
from emviewer.engine.types import F32

_AT_ONCE = 16 << 20
"""Bytes read in one piece."""


class FileImages:
    """Reads images that lie one after another in a file; may be called from several threads at once.

    The file stays open, so that it can be renamed, as result folders are.

    Parameters
    ----------
    path : pathlib.Path
        The file.
    dtype : numpy.dtype
        Of the pixels, byte order included.
    offset : int
        Bytes before the first image.
    shape : tuple of int
        ``(n, height, width)``.

    Raises
    ------
    FileError
        The file cannot be read.
    """

    def __init__(self, path: Path, dtype: np.dtype, offset: int, shape: tuple[int, int, int]) -> None:
        self.path, self.dtype, self.offset, self.shape = path, np.dtype(dtype), offset, shape
        try:
            self._file = os.open(path, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0))
        except OSError as err:
            raise FileError(f"the file cannot be read ({err.strerror})", path, "check its permissions") from err
        weakref.finalize(self, os.close, self._file)

    def __call__(self, ids: NDArray[np.int64]) -> F32:
        """Return images by their positions, shape (k, height, width).

        Raises
        ------
        FileError
            The file ends before an image.
        """
        _, height, width = self.shape
        out = np.empty((len(ids), height, width), np.float32)
        image_bytes = height * width * self.dtype.itemsize
        most = max(1, _AT_ONCE // max(image_bytes, 1))
        cuts = np.flatnonzero(np.diff(ids) != 1) + 1
        runs = zip([0, *cuts], [*cuts, len(ids)], strict=True) if len(ids) else ()
        for first, last in runs:
            for begin in range(first, last, most):
                end = min(begin + most, last)
                pixels = self._bytes(int(ids[begin]), (end - begin) * image_bytes, image_bytes)
                with np.errstate(over="ignore"):
                    out[begin:end] = np.frombuffer(pixels, self.dtype).reshape(-1, height, width)
        return out

    def _bytes(self, first: int, count: int, image_bytes: int) -> bytes | bytearray:
        place = self.offset + first * image_bytes
        got = os.pread(self._file, count, place)
        if len(got) == count:
            return got
        pieces = bytearray(got)  # a single call may return less, at 2 GB at the latest
        while len(pieces) < count:
            more = os.pread(self._file, count - len(pieces), place + len(pieces))
            if not more:
                number = first + len(pieces) // max(image_bytes, 1) + 1
                raise FileError(
                    f"the file is cut short before the end of image {number}", self.path, "copy or make it again"
                )
            pieces += more
        return pieces
