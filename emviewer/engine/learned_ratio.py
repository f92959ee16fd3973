"""The signal-to-noise ratio of images, as a trained distance counts it: to tell whether it was trained on such."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emviewer.engine.types import F32

MOST = 400
"""Images that are looked at."""


def ratio_of(
    images: F32, pixel_size_A: float, badge: Mapping[str, Any], rows: NDArray[np.int64] | None = None
) -> float | None:
    """Return the ratio of images (n, d, d), or of those in ``rows``, at the box and pixel size of a distance's own map.

    The noise is that outside the particle, the signal what the particle adds to it.

    Returns
    -------
    float or None
        None where the badge tells too little, or nothing but the particle is left of the images.
    """
    try:
        radius, trained_pixel, trained_box = (
            float(badge[k]) for k in ("particle_radius_A", "pixel_size_A", "box_A")
        )  # fmt: skip
    except (KeyError, TypeError, ValueError):
        return None
    d = images.shape[1]
    y, x = np.ogrid[:d, :d]
    r = np.hypot(y - d // 2, x - d // 2) * pixel_size_A
    inside, outside = r <= radius, (r > 1.15 * radius) & (r < pixel_size_A * d / 2)
    if outside.sum() < 50 or inside.sum() < 10:
        return None
    rows = np.arange(len(images)) if rows is None else rows
    some = images[rows[np.unique(np.linspace(0, len(rows) - 1, min(len(rows), MOST)).astype(int))]]
    noise = float(some[:, outside].var(axis=1).mean())
    where = inside if badge.get("snr_region") == "disc" else np.ones((d, d), bool)
    both = float(some[:, where].var(axis=1).mean())
    if noise < 1e-4 * both:
        return None
    ratio = max(both / noise - 1, 1e-4)
    ratio *= (trained_pixel / pixel_size_A) ** 2
    return ratio if badge.get("snr_region") == "disc" else ratio * (d * pixel_size_A / trained_box) ** 2
