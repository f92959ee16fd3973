"""Images unrolled about their centre: angle along rows, radius along columns. A turn in the plane becomes a shift."""

from __future__ import annotations

import numpy as np

from emviewer.engine.types import F32


def unrolled(images: F32, n_angles: int = 180) -> F32:
    """Return images in polar coordinates about pixel ``n // 2``, interpolated linearly.

    Parameters
    ----------
    images : ndarray of float32, shape (k, n, n)
        ``[y, x]``, y down.
    n_angles : int
        Angles evenly spread over the full turn.

    Returns
    -------
    ndarray of float32, shape (k, r, n_angles)
        Row ``j`` is the circle of radius ``j`` pixels, of ``r = (n - 1) // 2 + 1`` (those that lie in the image);
        column ``i`` the angle ``360° i / n_angles`` from the x axis towards the y axis.
    """
    n = images.shape[-1]
    centre = n // 2
    radius = np.arange(min(centre, n - 1 - centre) + 1, dtype=np.float64)
    angle = 2 * np.pi * np.arange(n_angles) / n_angles
    x = centre + radius[:, None] * np.cos(angle)
    y = centre + radius[:, None] * np.sin(angle)
    x0 = np.clip(np.floor(x).astype(np.intp), 0, n - 2)
    y0 = np.clip(np.floor(y).astype(np.intp), 0, n - 2)
    fx, fy = (x - x0).astype(np.float32), (y - y0).astype(np.float32)
    top = images[:, y0, x0] * (1 - fx) + images[:, y0, x0 + 1] * fx
    below = images[:, y0 + 1, x0] * (1 - fx) + images[:, y0 + 1, x0 + 1] * fx
    return np.asarray(top * (1 - fy) + below * fy, np.float32)
