"""Writing MRC2014: whole maps, and stacks that grow and are valid after every image."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike

from emviewer import __version__
from emviewer.engine.errors import DataError
from emviewer.engine.files_whole import whole
from emviewer.engine.mrc_header import SIZE, build
from emviewer.engine.types import F32, Map3D

_LABEL = f"emviewer {__version__}"


def write_map(
    path: str | Path,
    data: Map3D | ArrayLike,
    pixel_size_A: float | None = None,
    origin_A: tuple[float, float, float] | None = None,
) -> None:
    """Write a map as float32 MRC2014; the file appears whole or not at all.

    Parameters
    ----------
    path : path
        Written beside and then renamed, so that a file which somebody has memory-mapped may be replaced.
    data : Map3D or array_like, shape (nz, ny, nx)
        Voxels; a `Map3D` brings pixel size and origin with it.
    pixel_size_A : float, optional
        Voxel edge in Å; overrules that of the map. 0 or unknown is written as 0.
    origin_A : tuple of float, optional
        ``(x, y, z)`` in Å of the first voxel; overrules that of the map.

    Raises
    ------
    OSError
        If the file cannot be written (disk full, no permission); nothing is left behind.
    """
    if isinstance(data, Map3D):
        pixel_size_A = (data.pixel_size_A if data.pixel_size_known else 0.0) if pixel_size_A is None else pixel_size_A
        origin_A = data.origin_A if origin_A is None else origin_A
        data = data.data
    voxels = np.ascontiguousarray(data, dtype="<f4")
    if voxels.ndim != 3:
        raise DataError(f"a map needs three axes, this one has shape {voxels.shape}", path)
    with np.errstate(invalid="ignore", over="ignore"):
        low, high = float(voxels.min()), float(voxels.max())
        stats = (low, high, float(voxels.mean(dtype=np.float64)), float(voxels.std(dtype=np.float64)))
    nz, ny, nx = voxels.shape
    header = build(
        (nz, ny, nx),
        float(pixel_size_A or 0.0),
        stack=False,
        origin_A=origin_A or (0.0, 0.0, 0.0),
        statistics=stats,
        label=_LABEL,
    )
    with whole(Path(path)) as beside, beside.open("wb") as file:
        file.write(header)
        file.write(voxels.data)


class StackWriter:
    """A stack of float32 images that grows on disk and can be read at any moment.

    Parameters
    ----------
    path : path
        Made anew; an existing file is replaced.
    shape : tuple of int
        ``(height, width)`` in pixels.
    pixel_size_A : float
        Edge of a pixel in Å; 0 for unknown.

    Raises
    ------
    OSError
        If the file cannot be written. After a failed `append` (disk full) the file holds what was finished before,
        and is valid.

    Notes
    -----
    The header always tells the number of finished images, and their statistics; images are written first. No
    reader accepts a stack of no images, hence the file is empty before the first, and removed if none comes.
    """

    def __init__(self, path: str | Path, shape: tuple[int, int], pixel_size_A: float) -> None:
        self.path = Path(path)
        self.shape = (int(shape[0]), int(shape[1]))
        self.pixel_size_A = float(pixel_size_A)
        self.n = 0
        self._low, self._high, self._sum, self._squares = np.inf, -np.inf, 0.0, 0.0
        self._before = (0, self._low, self._high, self._sum, self._squares)
        self.path.unlink(missing_ok=True)
        self._file: Any = self.path.open("xb", buffering=0)

    def append(self, images: F32) -> None:
        """Add images of shape (k, h, w), or one of shape (h, w).

        Raises
        ------
        DataError
            If the images have another size.
        OSError
            If the disk is full; the images of this call are lost, the earlier ones are safe.
        """
        block = np.ascontiguousarray(images, dtype="<f4")
        block = block[None] if block.ndim == 2 else block
        if block.shape[1:] != self.shape:
            raise DataError(f"images of {block.shape[1:]} do not fit into a stack of {self.shape}", self.path)
        if len(block) == 0:
            return
        end = SIZE + self.n * self._image_bytes
        try:
            if self.n == 0:
                self._put(0, bytes(SIZE))
            self._put(end, block.reshape(-1).view(np.uint8).data)
        except OSError:
            self._file.truncate(end if self.n else 0)
            raise
        self._count(block)
        self._put(0, self._header())

    def take_back(self) -> None:
        """Remove the images of the last append (what belongs to them could not be written)."""
        self.n, self._low, self._high, self._sum, self._squares = self._before
        self._file.truncate(SIZE + self.n * self._image_bytes if self.n else 0)
        if self.n:
            self._put(0, self._header())

    @property
    def _image_bytes(self) -> int:
        return 4 * self.shape[0] * self.shape[1]

    def _put(self, place: int, content: bytes | memoryview) -> None:
        """Write all bytes; an unbuffered write may take only some of them."""
        self._file.seek(place)
        rest = memoryview(content)
        while rest:
            rest = rest[self._file.write(rest) :]

    def _count(self, block: F32) -> None:
        self._before = (self.n, self._low, self._high, self._sum, self._squares)
        self.n += len(block)
        flat = block.reshape(len(block), -1)
        with np.errstate(invalid="ignore", over="ignore"):
            self._low = min(self._low, float(block.min()))
            self._high = max(self._high, float(block.max()))
            self._sum += float(block.sum(dtype=np.float64))
            self._squares += float(np.einsum("ij,ij->i", flat, flat).sum(dtype=np.float64))

    def _header(self) -> bytes:
        values = self.n * self.shape[0] * self.shape[1]
        mean = self._sum / values
        rms = max(0.0, self._squares / values - mean * mean) ** 0.5
        stats = (self._low, self._high, mean, rms)
        return build((self.n, *self.shape), self.pixel_size_A, stack=True, statistics=stats, label=_LABEL)

    def close(self) -> None:
        """Close the file, and remove it if it holds no image; closing twice is no error."""
        if not self._file.closed and self.n == 0:
            self.path.unlink(missing_ok=True)
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
