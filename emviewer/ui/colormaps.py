"""The colour maps that menus offer, and their colours as Qt wants them."""

from __future__ import annotations

from functools import cache

import numpy as np

from emviewer.engine.figure_colours import GREY, colours

SEQUENTIAL = (GREY, "viridis", "magma", "inferno", "cividis")
DIVERGING = ("blue-white-orange", "blue-dark-orange")
NAMES = SEQUENTIAL + DIVERGING
"""All names, in the order menus show them; all but grey are safe for colour-vision deficiencies by design."""


@cache
def table(name: str, inverted: bool = False) -> np.ndarray:
    """Return the map as Qt's ``Format_RGB32`` words, uint32 (256,), alpha full."""
    rgb = colours(name).astype(np.uint32)
    words = (0xFF << 24) | (rgb[:, 0] << 16) | (rgb[:, 1] << 8) | rgb[:, 2]
    return np.ascontiguousarray(words[::-1] if inverted else words, dtype=np.uint32)
