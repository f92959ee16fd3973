"""How a micrograph is looked at: a filtered overview, and pieces of it in the overview's greys."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from emviewer.engine import filters_display
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
    sample_pieces,
    spread,
)
from emviewer.engine.task import Check, never
from emviewer.engine.types import F32, F64

GROUND = 6
"""The background of a flattened picture is what is coarser than this part of its shorter edge."""
Wanted = tuple[tuple[int, int], tuple[int, int], int]
"""A piece: corner ``(x, y)`` and size ``(width, height)`` in pixels of the micrograph, pixels averaged an edge."""


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


def read_binned(path: Path, upside_down: bool | None, check: Check = never) -> Binned:
    """Open a micrograph and bin it; see :class:`Look` for ``upside_down``.

    Raises
    ------
    FileError
        If it is missing, damaged, or no image.
    """
    opened = open_micrograph(path)
    turned = opened.format == "tif" if upside_down is None else upside_down
    opened = opened.upside_down() if turned else opened
    factor = overview_factor(opened.shape)
    return Binned(opened, binned(opened.rows, factor, check, path), factor, turned)


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


def piece_of(shown: Shown, wanted: Wanted, spreads: dict[int, Spread], check: Check = never) -> Piece:
    """Cut a piece out, its greys brought to those of the overview.

    Less is averaged in a piece than in the overview, so that its noise is stronger; with the contrast of the overview
    it would be black and white. Its middle and spread over the whole micrograph are made those of the overview.
    ``spreads`` keeps what was found for each binning.
    """
    corner, size, factor = wanted
    rows = shown.micrograph.rows
    picture = _even(shown, piece := cut_piece(rows, corner, size, factor, shown.finest_px, check))
    if factor not in spreads:
        pieces = sample_pieces(rows, factor, shown.finest_px, check)
        spreads[factor] = spread(np.concatenate([_even(shown, each).ravel() for each in pieces]))
    own, whole = spreads[factor], shown.spread
    scale = np.float32(whole.half_width / own.half_width)
    return replace(piece, picture=(picture - np.float32(own.middle)) * scale + np.float32(whole.middle))


def _even(shown: Shown, piece: Piece) -> F32:
    """Return a piece without the background that was taken away from the overview."""
    return piece.picture if shown.ground is None else piece.picture - _ground_at(shown.ground, shown.factor, piece)


def _ground_at(ground: F32, factor: int, piece: Piece) -> F32:
    """Return the background of an overview, less its mean, at the pixels of a piece."""
    level = ground - np.float32(ground.mean(dtype=np.float64))
    h, w = piece.picture.shape
    y = ((np.arange(h) + 0.5) * piece.factor + piece.y) / factor - 0.5
    x = ((np.arange(w) + 0.5) * piece.factor + piece.x) / factor - 0.5
    return _interpolated(_interpolated(level, y).T, x).T


def _interpolated(rows: F32, at: F64) -> F32:
    place = np.clip(at, 0, len(rows) - 1)
    low = np.minimum(place.astype(int), max(0, len(rows) - 2))
    part = (place - low).astype(np.float32)[:, None]
    mixed: F32 = rows[low] * (1 - part) + rows[np.minimum(low + 1, len(rows) - 1)] * part
    return mixed
