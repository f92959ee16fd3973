"""Colour maps by name: 256 colours each, read from ``resources/colormaps`` (one ``rrggbb`` a line)."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

import numpy as np

GREY = "grey"
SEQUENTIAL = (GREY, "viridis", "magma", "inferno", "cividis")
DIVERGING = ("blue-white-orange", "blue-dark-orange")
NAMES = SEQUENTIAL + DIVERGING
"""All names, in the order menus show them; all but grey are safe for colour-vision deficiencies by design."""


@cache
def colours(name: str) -> np.ndarray:
    """Return the colours of a map, uint8 (256, 3), red green blue; an unknown name gives grey."""
    if name not in NAMES or name == GREY:
        return np.repeat(np.arange(256, dtype=np.uint8)[:, None], 3, axis=1)
    text = (files("emviewer.resources") / "colormaps" / f"{name}.txt").read_text()
    rows = [line for line in text.split() if len(line) == 6]
    return np.array([[int(row[i : i + 2], 16) for i in (0, 2, 4)] for row in rows], np.uint8)


@cache
def table(name: str, inverted: bool = False) -> np.ndarray:
    """Return the map as Qt's ``Format_RGB32`` words, uint32 (256,), alpha full."""
    rgb = colours(name).astype(np.uint32)
    words = (0xFF << 24) | (rgb[:, 0] << 16) | (rgb[:, 1] << 8) | rgb[:, 2]
    return np.ascontiguousarray(words[::-1] if inverted else words, dtype=np.uint32)
