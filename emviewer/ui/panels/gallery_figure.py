"""The page on the screen as the spec of a figure, so that it can be printed, and printed again."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from emviewer.ui.panels.gallery import GalleryPanel

MAX_TILES = 600
"""Tiles on a printed page; of a page with more (tiny tiles on a large screen) the first are taken."""


def page_spec(panel: GalleryPanel) -> dict[str, Any] | None:
    """Return the spec of what the gallery shows now; None without images on disk.

    The figure has the tiles of the page in their order, with the same columns, captions and contrast.
    """
    document, stack = panel.document, panel.stack
    source = source_of(panel)
    first, last = panel.grid.visible()
    if document is None or stack is None or source is None or first == last:
        return None
    positions = [int(p) for p in panel.rows.shown[first : min(last, first + MAX_TILES)]]
    contrast = panel.contrast.contrast
    shared = panel.contrast.shared and panel.contrast.known
    n, all_of_them = len(positions), len(panel.rows)
    spec: dict[str, Any] = {
        "kind": "gallery",
        "table" if source.suffix in (".star", ".xmd", ".cs") else "stack": str(source),
        "rows": positions,
        "columns": min(panel.grid.columns, n),
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
    if panel.grid.lines:
        spec["texts"] = ["  ".join(panel.captions(position)) for position in positions]
    if stack.pixel_size_known:
        spec["pixel_size_A"] = stack.pixel_size_A
    return spec


def source_of(panel: GalleryPanel) -> Path | None:
    """Return the file that the figure reads: the stack itself where image i is row i, else the table."""
    document, stack = panel.document, panel.stack
    if document is None or stack is None:
        return None
    for path in (stack.source, document.path):
        if path is not None and path.suffix.lower() in (".mrcs", ".mrc", ".star", ".xmd", ".cs", ".stk", ".npy"):
            return Path(path)
    found = sorted(document.path.glob("*.star")) if document.path is not None and document.path.is_dir() else []
    return found[0] if found else None
