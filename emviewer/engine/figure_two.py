"""Two maps in one picture, the same on the screen and on paper: two colours, contour lines, what is significant."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from emviewer.engine.types import F32

MORE, LESS = (230, 120, 20), (40, 120, 220)
"""Red, green, blue of what differs: more density in the reference, and less."""


def two_colours(first: NDArray[np.uint8], second: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return a picture (h, w, 3) of two grey ones (h, w): the first in cyan, the second in red.

    Where both are alike it is grey.
    """
    return np.stack([second, first, first], axis=-1)


def significance(z: F32, threshold: float) -> NDArray[np.uint8]:
    """Return a picture (h, w, 4) with alpha: clear where ``|z|`` is below a threshold, coloured by sign above it."""
    strength = np.clip((np.abs(z) - threshold) / max(threshold, 1e-6), 0, 1)
    rgba = np.empty((*z.shape, 4), np.uint8)
    rgba[..., :3] = np.where((z > 0)[..., None], MORE, LESS)
    rgba[..., 3] = np.where(np.abs(z) >= threshold, 110 + 110 * strength, 0).astype(np.uint8)
    return rgba


def contour_lines(image: F32, level: float) -> list[F32]:
    """Return the lines where an image has a value, each (n, 2) as x, y in pixels (pixel centres at + 0.5)."""
    from contourpy import contour_generator

    lines = contour_generator(z=image, name="serial", line_type="Separate").lines(level)
    return [np.asarray(line, np.float32) + 0.5 for line in lines if len(line) > 2]
