"""Large micrographs for looking at: opened without reading, binned in one pass, low-passed, cut out piece by piece.

A micrograph of 11 520 × 8 184 pixels is 377 MB of float32, a screen two million pixels. So the whole is shown from
an *overview*, a mean over blocks of pixels read once in order, and only what is looked at closely is cut out anew.
Row 0 of the file is the first row here, as in the coordinates of every program's tables.
"""

from __future__ import annotations

import logging
import mmap
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emviewer.engine import fft, files_bytes, mrc
from emviewer.engine.errors import FileError
from emviewer.engine.files_stack import image_format, open_stack
from emviewer.engine.mrc_header import in_order, pixel_size
from emviewer.engine.task import Check, never
from emviewer.engine.types import F32

OVERVIEW_PX = 2_800_000
"""Most pixels of an overview: more than a window shows, turned into greys in 15 ms, and 11 MB."""
SLAB_BYTES = 1 << 24
"""Bytes of the file taken at a time: small enough to be stopped between, large enough to be read at full speed."""
SAMPLE_EDGE = 256
"""Edge in pixels, after binning, of the pieces that greys are learnt from."""
SOFT_EDGE = 0.5
"""Part of the cut-off that its cosine edge takes, from there down: wide, or noise rings and pieces show seams."""


@dataclass(frozen=True, eq=False)
class Micrograph:
    """An opened micrograph.

    Parameters
    ----------
    rows : ndarray, shape (h, w)
        Pixels of any real type: a read-only memory map of the file, or an array in memory where it is packed.
    pixel_size_A : float
        Edge of a pixel; 0 if the file does not say (programs that do not know write 1 Å, which counts as not said).
    source : Path
        The file.
    format : str
        ``mrc``, ``tif``, ``spider`` or ``npy``.
    notes : tuple of str
        Doubts met while opening.
    """

    rows: NDArray[Any]
    pixel_size_A: float
    source: Path
    format: str = "mrc"
    notes: tuple[str, ...] = ()

    @property
    def shape(self) -> tuple[int, int]:
        """``(height, width)`` in pixels."""
        return int(self.rows.shape[0]), int(self.rows.shape[1])

    @property
    def held_bytes(self) -> int:
        """Memory that it holds: nothing where the file is mapped, all its pixels where it was unpacked."""
        under: Any = self.rows
        while isinstance(under, np.ndarray):
            under = under.base
        return 0 if isinstance(under, mmap.mmap) else int(self.rows.nbytes)

    def upside_down(self) -> Micrograph:
        """Return the same with its last row first; nothing is copied."""
        return replace(self, rows=self.rows[::-1])


def open_micrograph(path: str | Path) -> Micrograph:
    """Open a micrograph: MRC of any mode (also ``.gz``, ``.bz2``), TIFF, SPIDER or ``.npy``.

    MRC files and plain TIFF files are only mapped into memory; packed ones are unpacked, which for 11k × 8k float32
    takes some seconds. Of a movie the first frame is opened, and a note says so.

    Raises
    ------
    FileError
        If the file is missing, damaged, cut short, or no image.
    """
    found = files_bytes.existing(path)
    form = image_format(found)
    if form == "mrc":
        return _of_mrc(found)
    rows = _mapped_tif(found) if form == "tif" else None
    if rows is not None:
        return Micrograph(rows, 0.0, found, form)
    stack = open_stack(found)
    known = stack.pixel_size_A if stack.pixel_size_known and stack.pixel_size_A != 1.0 else 0.0
    return Micrograph(stack[0], known, found, form, _frames(stack.n))


def _of_mrc(path: Path) -> Micrograph:
    header, data = mrc.read_raw(path)
    if header.axes[2] == 3:
        data = in_order(data, header)
    edge, _, doubts = pixel_size(header, image=True)
    return Micrograph(
        data[0], 0.0 if edge == 1.0 else float(edge), path, "mrc", (*header.problems, *doubts, *_frames(len(data)))
    )


def _frames(n: int) -> tuple[str, ...]:
    return (f"the file has {n} frames: the first is shown",) if n > 1 else ()


def _mapped_tif(path: Path) -> NDArray[Any] | None:
    """Return the grey picture of a TIFF file as a memory map; None if it is packed, coloured or a movie."""
    import tifffile

    logging.getLogger("tifffile").setLevel(logging.CRITICAL)
    try:
        data = tifffile.memmap(path, mode="r")
    except Exception:  # a packed one is a ValueError, a damaged one nearly anything; both are opened the other way
        return None
    return np.asarray(data) if data.ndim == 2 and data.dtype.kind in "fiu" else None


def overview_factor(shape: tuple[int, int], limit: int = OVERVIEW_PX) -> int:
    """Return how many pixels an edge are averaged so that at most ``limit`` remain."""
    factor = 1
    while (shape[0] // factor) * (shape[1] // factor) > limit:
        factor += 1
    return factor


def binned(rows: NDArray[Any], factor: int, check: Check = never, source: Path | None = None) -> F32:
    """Return a picture averaged over blocks of ``factor``² pixels.

    Parameters
    ----------
    rows : ndarray, shape (h, w)
        Any real type; read once, in order. Rows and columns beyond the last whole block are left out.
    factor : int
        Pixels an edge of a block.
    check : callable
        Called once a slab.
    source : Path, optional
        For the error sentence.

    Returns
    -------
    ndarray of float32, shape (h // factor, w // factor)
        Values that are not finite count as the mean of the finite ones.

    Raises
    ------
    FileError
        If there is no whole block, or no finite value.
    """
    h, w = rows.shape[0] // factor, rows.shape[1] // factor
    if h < 1 or w < 1:
        raise FileError(f"a picture of {rows.shape[1]} x {rows.shape[0]} pixels cannot be shown", source or "")
    out = np.empty((h, w), np.float32)
    step = max(1, SLAB_BYTES // max(1, rows.shape[1] * rows.itemsize * factor))
    for start in range(0, h, step):
        check()
        stop = min(h, start + step)
        slab = rows[start * factor : stop * factor, : w * factor].reshape(stop - start, factor, w * factor)
        if factor == 1:
            out[start:stop] = slab[:, 0]
            continue
        # rows first, which are contiguous; the short sums along the columns then run on a small array
        with np.errstate(over="ignore", invalid="ignore"):
            added = np.add.reduce(slab, axis=1, dtype=np.float32)
            out[start:stop] = np.add.reduce(added.reshape(stop - start, w, factor), axis=2)
    if factor > 1:
        out *= np.float32(1.0 / factor**2)
    return _finite(out, source)


def _finite(picture: F32, source: Path | None) -> F32:
    good = np.isfinite(picture)
    if good.all():
        return picture
    if not good.any():
        raise FileError("no pixel of the micrograph is a number", source or "", "make the micrograph again")
    return np.where(good, picture, picture[good].mean(dtype=np.float64)).astype(np.float32)


def lowpassed(picture: F32, resolution_px: float, edge: float = SOFT_EDGE) -> F32:
    """Return a picture without what is finer than ``resolution_px``, its borders mirrored rather than wrapped.

    Parameters
    ----------
    picture : ndarray of float32, shape (h, w)
        Not changed.
    resolution_px : float
        Finest period kept, in pixels; 2 (Nyquist) or less gives the picture back as it is.
    edge : float
        The cosine edge reaches from the cut-off down by this fraction of it.
    """
    if resolution_px <= 2.0:
        return picture
    h, w = picture.shape
    around = int(np.ceil(2 * resolution_px))
    pad = (min(around, h - 1), min(around, w - 1))
    big = (fft.fast_size(h + 2 * pad[0], even=True), fft.fast_size(w + 2 * pad[1], even=True))
    mean = np.float32(picture.mean(dtype=np.float64))
    widths = [(p, n - size - p) for p, n, size in zip(pad, big, (h, w), strict=True)]
    # numpy's transforms, as FFTW would first have to be loaded (0.8 s); of the columns only those that pass are done
    mask = _mask(big, 1.0 / resolution_px, edge)
    spectrum = np.fft.rfft(np.pad(picture - mean, widths, mode="symmetric"), axis=1)[:, : mask.shape[1]]
    spectrum = np.fft.ifft(np.fft.fft(spectrum, axis=0) * mask, axis=0)[pad[0] : pad[0] + h]
    inner = np.fft.irfft(spectrum, big[1], axis=1)[:, pad[1] : pad[1] + w]
    return np.asarray(inner + mean, np.float32)


def _mask(shape: tuple[int, int], cutoff: float, edge: float) -> F32:
    """Return the low-pass for the columns of a half spectrum that pass at all, shape (h, columns)."""
    h, w = shape
    columns = np.arange(min(w // 2, int(cutoff * w)) + 1) / w
    rows = np.minimum(np.arange(h), h - np.arange(h)) / h
    radius = np.sqrt(np.square(rows)[:, None] + np.square(columns)[None, :], dtype=np.float32)
    t = np.clip((radius - np.float32(cutoff * (1 - edge))) * np.float32(1.0 / (cutoff * edge)), 0, 1)
    return np.asarray(0.5 + 0.5 * np.cos(np.float32(np.pi) * t), np.float32)


@dataclass(frozen=True, eq=False)
class Piece:
    """A part of a micrograph as it is shown.

    Parameters
    ----------
    picture : ndarray of float32, shape (h, w)
        Binned and low-passed.
    x, y : int
        Pixel of the micrograph at which it begins.
    factor : int
        Micrograph pixels an edge of a pixel of the picture.
    """

    picture: F32
    x: int
    y: int
    factor: int

    @property
    def right(self) -> int:
        """First column beyond it."""
        return self.x + int(self.picture.shape[1]) * self.factor

    @property
    def bottom(self) -> int:
        """First row beyond it."""
        return self.y + int(self.picture.shape[0]) * self.factor


def cut_piece(
    rows: NDArray[Any],
    corner: tuple[int, int],
    size: tuple[int, int],
    factor: int,
    resolution_px: float = 0.0,
    check: Check = never,
) -> Piece:
    """Cut out a part of a micrograph, binned and low-passed, its borders filtered with what lies beyond them.

    Parameters
    ----------
    rows : ndarray, shape (h, w)
        The micrograph.
    corner, size : tuple of int
        ``(x, y)`` and ``(width, height)`` wanted in its pixels; what sticks out is left away, and the corner moves to
        a multiple of ``factor``.
    factor : int
        Pixels averaged an edge.
    resolution_px : float
        Finest period kept, in pixels of the micrograph; up to twice the factor filters nothing.
    check : callable
        Called once a slab.

    Raises
    ------
    IndexError
        If nothing of the part lies in the micrograph.
    """
    h, w = rows.shape[0] // factor, rows.shape[1] // factor
    x0, y0 = max(0, corner[0] // factor), max(0, corner[1] // factor)
    x1, y1 = min(w, -(-(corner[0] + size[0]) // factor)), min(h, -(-(corner[1] + size[1]) // factor))
    if x1 <= x0 or y1 <= y0:
        raise IndexError(f"nothing of the micrograph at {corner}, {size}")
    finest = resolution_px / factor
    around = int(np.ceil(2 * finest)) if finest > 2.0 else 0
    left, top = max(0, x0 - around), max(0, y0 - around)
    right, bottom = min(w, x1 + around), min(h, y1 + around)
    part = rows[top * factor : bottom * factor, left * factor : right * factor]
    picture = lowpassed(binned(part, factor, check), finest)
    return Piece(
        np.ascontiguousarray(picture[y0 - top : y1 - top, x0 - left : x1 - left]), x0 * factor, y0 * factor, factor
    )


@dataclass(frozen=True)
class Spread:
    """Middle and width of the grey values of a micrograph at one binning: the median, and half the 1–99 % range."""

    middle: float
    half_width: float


def spread(values: NDArray[Any]) -> Spread:
    """Return middle and width of a picture from at most 200 000 samples on a grid."""
    from emviewer.engine.filters_display import subsample

    sample = subsample(values)
    if sample.size == 0:
        return Spread(0.0, 1.0)
    low, middle, high = (float(v) for v in np.percentile(sample, (1, 50, 99)))
    return Spread(middle, (high - low) / 2 or 1.0)


def sample_pieces(rows: NDArray[Any], factor: int, resolution_px: float, check: Check = never) -> list[Piece]:
    """Return sixteen small pieces spread over a micrograph, or all of a small one, to learn its greys from."""
    h, w = rows.shape
    edge = SAMPLE_EDGE * factor
    if h * w <= 16 * edge * edge:
        return [cut_piece(rows, (0, 0), (w, h), factor, resolution_px, check)]
    places = [((2 * i + 1) / 8, (2 * j + 1) / 8) for i in range(4) for j in range(4)]
    parts = []
    for v, u in places:
        check()
        corner = (int(u * max(0, w - edge)), int(v * max(0, h - edge)))
        parts.append(cut_piece(rows, corner, (edge, edge), factor, resolution_px))
    return parts
