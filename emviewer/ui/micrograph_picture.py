"""Pictures of micrographs for the panel: found, opened and binned in a lane, kept, fetched ahead, low-passed."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from emviewer.engine import filters_display
from emviewer.engine.errors import FileError
from emviewer.engine.filters_display import Distribution
from emviewer.engine.micrograph import (
    Micrograph,
    Piece,
    Spread,
    binned,
    cut_piece,
    lowpassed,
    open_micrograph,
    overview_factor,
    spread,
    spread_at,
)
from emviewer.engine.micrograph_find import MicrographFinder
from emviewer.engine.task import Check
from emviewer.engine.types import F32
from emviewer.ui.latest import Latest
from emviewer.ui.runner import Runner

KEEP = 6
"""Overviews that are kept, so that going back and forth reads nothing again."""
HELD_BYTES = 500_000_000
"""Memory that unpacked micrographs may take together; the one that is shown stays in any case."""
GROUND = 6
"""The background of a flattened picture is what is coarser than this part of its shorter edge."""


@dataclass(frozen=True)
class Look:
    """How a micrograph is shown.

    Parameters
    ----------
    resolution_A, resolution_px : float
        Finest period in Å, and in pixels where the pixel size is not known; 0 is all.
    flat : bool
        Whether slow changes of the background are taken away.
    upside_down : bool or None
        Whether the last row of the file comes first; None for TIFF files only, which RELION reads so.
    """

    resolution_A: float = 20.0
    resolution_px: float = 8.0
    flat: bool = False
    upside_down: bool | None = None


@dataclass(frozen=True, eq=False)
class Binned:
    """A micrograph with its overview as it was read."""

    micrograph: Micrograph
    picture: F32
    factor: int
    turned: bool


@dataclass(frozen=True, eq=False)
class Shown:
    """What is shown of a micrograph.

    Parameters
    ----------
    micrograph : Micrograph
        Opened, the right way up.
    picture : ndarray of float32
        The overview, filtered.
    reduced : dict
        The same still coarser, see ``filters_display.pyramid``.
    factor : int
        Pixels of the micrograph a pixel of the overview.
    finest_px : float
        The low-pass in pixels of the micrograph; 0 for none.
    ground : ndarray of float32 or None
        What was taken away from the overview to flatten it.
    spread : Spread
        Of the overview.
    distribution : Distribution
        Of the overview.
    pixel_A : float
        Pixel size in use; 0 if unknown.
    turned : bool
        Whether the last row of the file comes first.
    """

    micrograph: Micrograph
    picture: F32
    reduced: dict[int, F32]
    factor: int
    finest_px: float
    ground: F32 | None
    spread: Spread
    distribution: Distribution
    pixel_A: float
    turned: bool


def filtered(source: Binned, look: Look, pixel_A: float) -> Shown:
    """Return what is shown of a micrograph with an overview that was read."""
    picture, factor = source.picture, source.factor
    finest = look.resolution_A / pixel_A if pixel_A > 0 else look.resolution_px
    ground = None
    if look.flat:
        ground = lowpassed(picture, min(picture.shape) / GROUND)
        picture = picture - (ground - np.float32(ground.mean(dtype=np.float64)))
    picture = lowpassed(picture, finest / factor)
    sample = filters_display.subsample(picture)
    return Shown(
        source.micrograph, picture, filters_display.pyramid(picture), factor, finest if finest > 2.0 else 0.0, ground,
        spread(sample), filters_display.distribution(sample), pixel_A, source.turned,
    )  # fmt: skip


def piece_of(
    shown: Shown, wanted: tuple[tuple[int, int], tuple[int, int], int], spreads: dict[int, Spread], check: Check
) -> Piece:
    """Cut a piece out, its greys brought to those of the overview.

    Less is averaged in a piece than in the overview, so that its noise is stronger; with the contrast of the overview
    it would be black and white. Its middle and spread over the whole micrograph are made those of the overview.
    """
    corner, size, factor = wanted
    rows = shown.micrograph.rows
    piece = cut_piece(rows, corner, size, factor, shown.finest_px, check)
    if factor not in spreads:
        spreads[factor] = spread_at(rows, factor, shown.finest_px, check)
    own, whole = spreads[factor], shown.spread
    picture = piece.picture
    if shown.ground is not None:
        picture = picture - _ground_at(shown.ground, shown.factor, piece)
    scale = np.float32(whole.half_width / own.half_width)
    return replace(piece, picture=(picture - np.float32(own.middle)) * scale + np.float32(whole.middle))


def _ground_at(ground: F32, factor: int, piece: Piece) -> F32:
    """Return the background of an overview, less its mean, at the pixels of a piece."""
    level = ground - np.float32(ground.mean(dtype=np.float64))
    h, w = piece.picture.shape
    y = ((np.arange(h) + 0.5) * piece.factor + piece.y) / factor - 0.5
    x = ((np.arange(w) + 0.5) * piece.factor + piece.x) / factor - 0.5
    return _interpolated(_interpolated(level, y).T, x).T


def _interpolated(rows: F32, at: np.ndarray) -> F32:
    place = np.clip(at, 0, len(rows) - 1)
    low = np.minimum(place.astype(int), max(0, len(rows) - 2))
    part = (place - low).astype(np.float32)[:, None]
    return rows[low] * (1 - part) + rows[np.minimum(low + 1, len(rows) - 1)] * part


class Pictures:
    """Brings the pictures of one table's micrographs; all work is done in lanes.

    Parameters
    ----------
    runner : Runner
    owner : int
        ``id`` of the panel.
    """

    def __init__(self, runner: Runner, owner: int) -> None:
        self.runner, self.owner = runner, owner
        self.finder: MicrographFinder | None = None
        self._kept: OrderedDict[tuple[str, bool | None], Binned] = OrderedDict()
        self._spreads: dict[int, Spread] = {}
        self._pieces = Latest(runner, (owner, "piece"))
        self._number = 0

    def reset(self, finder: MicrographFinder | None) -> None:
        """Look for micrographs somewhere else from now on."""
        self.finder = finder
        self._kept = OrderedDict()
        self.forget_pieces()

    def forget_pieces(self) -> None:
        """Drop what was asked of pieces."""
        self._number += 1
        self._spreads = {}
        self._pieces.cancel()

    def show(
        self, name: str, known: Path | None, pixel_A: float, look: Look, then: Callable[[Shown], None],
        fail: Callable[[Exception], None],
    ) -> None:  # fmt: skip
        """Bring a micrograph; ``fail`` is told where it cannot be found or read."""
        finder, kept = self.finder, self._kept
        self.forget_pieces()
        self.runner.drop_views((self.owner, "ahead"))

        def work(check: Check) -> Shown:
            source = _read(finder, kept, name, known, look.upside_down, check)
            return filtered(source, look, pixel_A or source.micrograph.pixel_size_A)

        self.runner.view((self.owner, "picture"), work, then, fail=fail, slow=True)

    def fetch_ahead(self, name: str, known: Path | None, look: Look) -> None:
        """Read a micrograph that will probably be wanted next."""
        finder, kept = self.finder, self._kept

        def work(check: Check) -> None:
            try:
                _read(finder, kept, name, known, look.upside_down, check)
            except (FileError, OSError):  # it will be said when it is shown
                return

        self.runner.view((self.owner, "ahead"), work, lambda _: None, slow=True)

    def piece(
        self, shown: Shown, wanted: tuple[tuple[int, int], tuple[int, int], int], then: Callable[[Piece], None]
    ) -> None:
        """Bring a piece of what is shown; one is under way at a time, and the newest wish comes next."""
        number, spreads = self._number, self._spreads

        def got(piece: Piece) -> None:
            if number == self._number:
                then(piece)

        self._pieces.ask(lambda check: piece_of(shown, wanted, spreads, check), got)

    @property
    def busy(self) -> bool:
        """Whether a piece is being cut out."""
        return self._pieces.busy


def _read(
    finder: MicrographFinder | None, kept: OrderedDict[tuple[str, bool | None], Binned], name: str, known: Path | None,
    upside_down: bool | None, check: Check,
) -> Binned:  # fmt: skip
    """Return a micrograph with its overview; only the slow lane calls this, one at a time."""
    key = (name, upside_down)
    if key in kept:
        kept.move_to_end(key)
        return kept[key]
    path = _path(finder, name, known)
    opened = open_micrograph(path)
    turned = opened.format == "tif" if upside_down is None else upside_down
    opened = opened.upside_down() if turned else opened
    factor = overview_factor(opened.shape)
    found = Binned(opened, binned(opened.rows, factor, check, path), factor, turned)
    kept[key] = found
    while len(kept) > KEEP or (len(kept) > 1 and sum(b.micrograph.held_bytes for b in kept.values()) > HELD_BYTES):
        kept.popitem(last=False)
    return found


def _path(finder: MicrographFinder | None, name: str, known: Path | None) -> Path:
    if finder is not None and finder.chosen is not None:
        chosen = finder.find(name)
        if chosen is not None:
            return chosen
    if known is not None and known.is_file():
        return known
    found = finder.find(name) if finder is not None else None
    if found is None:
        raise FileError(f"the picture of {name} was not found", "", "choose the folder of the micrographs")
    return found
