"""Colour maps by name, the same on the screen and on paper: ``resources/colormaps``, one ``rrggbb`` a line."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray

GREY = "grey"


@cache
def colours(name: str) -> NDArray[np.uint8]:
    """Return the 256 colours of a map, uint8 (256, 3), red green blue; an unknown name gives grey."""
    path = files("emviewer.resources") / "colormaps" / f"{name}.txt"
    if not path.is_file():
        return np.repeat(np.arange(256, dtype=np.uint8)[:, None], 3, axis=1)
    rows = [line for line in path.read_text().split() if len(line) == 6]
    return np.array([[int(row[i : i + 2], 16) for i in (0, 2, 4)] for row in rows], np.uint8)
