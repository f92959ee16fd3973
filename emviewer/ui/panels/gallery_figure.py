"""The page on the screen as the spec of a figure, so that it can be printed, and printed again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from emviewer.ui.panels.gallery_captions import Captions
from emviewer.ui.panels.gallery_contrast import GalleryContrast
from emviewer.ui.panels.gallery_sheet import TileSheet
from emviewer.ui.workspace import Document

MAX_TILES = 600
"""Tiles on a printed page; of a page with more (tiny tiles on a large screen) the first are taken."""


def page_spec(
    document: Document | None, grid: TileSheet, captions: Captions, shading: GalleryContrast
) -> dict[str, Any] | None:
    """Return the spec of what the gallery shows now; None without images on disk.

    The figure has the tiles of the page in their order, with the same columns, captions and contrast.
    """
    stack = None if document is None else document.stack
    source = None if document is None else source_of(document)
    first, last = grid.visible()
    if document is None or stack is None or source is None or first == last:
        return None
    positions = [int(p) for p in grid.rows.shown[first : min(last, first + MAX_TILES)]]
    contrast = shading.contrast
    shared = shading.shared and shading.known
    n, all_of_them = len(positions), len(grid.rows)
    spec: dict[str, Any] = {
        "kind": "gallery",
        "table" if source.suffix in (".star", ".xmd", ".cs") else "stack": str(source),
        "rows": positions,
        "columns": min(grid.columns, n),
        "title": document.title,
        "subtitle": f"{n} of {all_of_them} images" if n < all_of_them else f"{n} image{'s' * (n != 1)}",
        "per_tile_contrast": not shared,
        "contrast": {
            "low": contrast.low if shared else None,
            "high": contrast.high if shared else None,
            "colormap": contrast.colormap,
            "inverted": contrast.inverted,
        },
        "width_mm": 180.0,
    }
    if grid.lines:
        spec["texts"] = ["  ".join(captions(position)) for position in positions]
    if stack.pixel_size_known:
        spec["pixel_size_A"] = stack.pixel_size_A
    return spec


def source_of(document: Document) -> Path | None:
    """Return the file that the figure reads: the stack itself where image i is row i, else the table."""
    for path in (document.stack.source if document.stack is not None else None, document.path):
        if path is not None and path.suffix.lower() in (".mrcs", ".mrc", ".star", ".xmd", ".cs", ".stk", ".npy"):
            return Path(path)
    found = sorted(document.path.glob("*.star")) if document.path is not None and document.path.is_dir() else []
    return found[0] if found else None
