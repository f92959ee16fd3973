"""Small pictures of the images of a stack: read and painted in the view lane, kept as ready QImages up to a bound.

The GUI thread only looks pictures up (:meth:`Thumbnails.get`) and says which it would like (:meth:`Thumbnails.want`).
One chunk is under way at a time; while the user scrolls, the list of wishes changes but no work is thrown away, so
that tiles keep coming. A picture made for another size or contrast is shown until the new one is there.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from PySide6.QtCore import QObject, Signal
from PySide6.QtGui import QImage

from emviewer.engine.errors import EmviewerError
from emviewer.engine.filters_display import amplitude_spectrum
from emviewer.engine.filters_tiles import as_pixels, low_passed, resized, tile_levels
from emviewer.engine.task import Check
from emviewer.engine.types import F32, ImageStack
from emviewer.ui import colormaps
from emviewer.ui.runner import Runner

MAX_BYTES = 192 * 2**20
"""Bytes of pictures kept; 3 000 tiles of 128 px."""
CHUNK_PIXELS = 600_000
"""Image pixels read for one chunk of tiles, about 10 ms of work."""
MAX_CHUNK = 64


@dataclass(frozen=True)
class TileStyle:
    """How tiles are painted.

    Parameters
    ----------
    size_px : int
        Longer edge in device pixels.
    levels : (float, float) or None
        Grey levels shared by all tiles; None scales each tile by itself (mean ± 3 standard deviations).
    colormap : str
        Name of the colour map.
    inverted : bool
        Whether the display is inverted.
    spectrum : bool
        Show the log amplitude spectrum in place of the image, each scaled by itself.
    low_pass_A : float
        Resolution to which the display is filtered; 0 for none.
    """

    size_px: int = 128
    levels: tuple[float, float] | None = None
    colormap: str = colormaps.GREY
    inverted: bool = False
    spectrum: bool = False
    low_pass_A: float = 0.0


def painted(images: F32, style: TileStyle, pixel_size_A: float) -> list[QImage]:
    """Return the pictures of images (k, h, w); any thread may call it."""
    if style.low_pass_A > 0:
        images = low_passed(images, style.low_pass_A / pixel_size_A)
    if style.spectrum:
        images = np.stack([amplitude_spectrum(image) for image in images])
    own = style.levels is None or style.spectrum
    low, high = tile_levels(images) if own else style.levels  # type: ignore[misc]
    pixels = as_pixels(resized(images, style.size_px), low, high, colormaps.table(style.colormap, style.inverted))
    height, width = pixels.shape[1:]
    return [QImage(p.data, width, height, 4 * width, QImage.Format.Format_RGB32).copy() for p in pixels]


class Thumbnails(QObject):
    """The pictures of one stack.

    Parameters
    ----------
    runner : Runner
        Whose view lane does the work.
    owner : hashable
        First element of the keys of the requests (the panel's ``id``), so that the panel can drop them.
    max_bytes : int
        Bytes of pictures kept; those least recently looked at go first.

    Signals
    -------
    ready : list of int
        Positions whose pictures arrived.
    failed : Exception
        Reading failed; nothing more is asked for until :meth:`set_stack` or :meth:`retry`.
    """

    ready = Signal(object)
    failed = Signal(object)

    def __init__(self, runner: Runner, owner: Any, parent: QObject | None = None, max_bytes: int = MAX_BYTES) -> None:
        super().__init__(parent)
        self.runner = runner
        self.max_bytes = max_bytes
        self.bytes = 0
        self.stack: ImageStack | None = None
        self.style: TileStyle | None = TileStyle()
        self.error: Exception | None = None
        self._key = (owner, "thumbnails", id(self))
        self._cache: OrderedDict[int, tuple[QImage, TileStyle]] = OrderedDict()
        self._wanted: list[int] = []
        self._busy = False
        self._source = 0

    def set_stack(self, stack: ImageStack | None, *, keep: bool = False) -> None:
        """Show another stack; ``keep`` the pictures if it is the same one, longer or at another place."""
        self.stack = stack
        self.error = None
        if not keep:
            self._source += 1
            self._wanted = []
            self._cache.clear()
            self.bytes = 0

    def set_style(self, style: TileStyle | None) -> None:
        """Paint in another way from now on; pictures painted before are shown until they are replaced.

        None: the way is not known yet (levels are being found); nothing is read until it is.
        """
        self.style = style

    def retry(self) -> None:
        """Read again after an error."""
        self.error = None
        self._next()

    def get(self, position: int) -> QImage | None:
        """Return the picture, perhaps of an earlier style, or None if it has not been read yet."""
        found = self._cache.get(position)
        if found is None:
            return None
        self._cache.move_to_end(position)
        return found[0]

    def is_fresh(self, position: int) -> bool:
        """Return whether the picture is there in the present style."""
        found = self._cache.get(position)
        return found is not None and (found[1] is self.style or found[1] == self.style)

    def want(self, positions: Iterable[int]) -> None:
        """Ask for pictures, most urgent first; replaces the wishes made before."""
        self._wanted = [p for p in positions if not self.is_fresh(p)]
        self._next()

    @property
    def idle(self) -> bool:
        """Whether nothing is under way or waiting."""
        return not self._busy and not self._wanted

    def _next(self) -> None:
        stack, style, source = self.stack, self.style, self._source
        if self._busy or self.error is not None or stack is None or style is None or not self._wanted:
            return
        k = max(1, min(MAX_CHUNK, CHUNK_PIXELS // (stack.shape[0] * stack.shape[1])))
        chunk, self._wanted = [p for p in self._wanted[:k] if p < stack.n], self._wanted[k:]
        if not chunk:
            self._next()
            return
        self._busy = True

        def work(check: Check) -> list[QImage]:
            check()
            return painted(stack[np.array(chunk, np.int64)], style, stack.pixel_size_A)

        def done(pictures: list[QImage]) -> None:
            self._busy = False
            if source == self._source:
                self._store(chunk, pictures, style)
                self.ready.emit(chunk)
            self._next()

        def fail(error: Exception) -> None:
            self._busy = False
            if source == self._source:
                self.error = as_sentence(error, stack)
                self._wanted = []
                self.failed.emit(self.error)
            self._next()

        self.runner.view(self._key, work, done, fail=fail)

    def _store(self, chunk: list[int], pictures: list[QImage], style: TileStyle) -> None:
        for position, picture in zip(chunk, pictures, strict=True):
            old = self._cache.pop(position, None)
            self.bytes += picture.sizeInBytes() - (old[0].sizeInBytes() if old else 0)
            self._cache[position] = picture, style
        while self.bytes > self.max_bytes and len(self._cache) > len(chunk):
            _, (dropped, _) = self._cache.popitem(last=False)
            self.bytes -= dropped.sizeInBytes()


def as_sentence(error: Exception, stack: ImageStack) -> EmviewerError:
    """Return an error met while reading a stack as one sentence the user can act on."""
    if isinstance(error, EmviewerError):
        return error
    where = stack.source or stack.name
    if isinstance(error, OSError):
        return EmviewerError("the stack cannot be read any more", where, "was it moved or deleted? Relink it")
    return EmviewerError(f"the images could not be shown, {type(error).__name__}: {error}", where)
