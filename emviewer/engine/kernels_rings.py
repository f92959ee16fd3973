# mypy: disable-error-code="no-untyped-def"
"""Inner loop that reads images along rings about their centre."""

from __future__ import annotations

from numba import njit


@njit(nogil=True, cache=True)
def sample_rings(images, first, weight_y, weight_x, out):
    """Sample images at points between pixels, with four by four weights each.

    Parameters
    ----------
    images : (k, d, d) float32
    first : (p, 2) int32, row and column of the first of the 4 by 4 pixels about each point
    weight_y, weight_x : (p, 4) float32
    out : (k, p) float32, written
    """
    for i in range(images.shape[0]):
        image = images[i]
        for s in range(first.shape[0]):
            y, x = first[s, 0], first[s, 1]
            total = 0.0
            for a in range(4):
                row = image[y + a]
                total += weight_y[s, a] * (
                    weight_x[s, 0] * row[x]
                    + weight_x[s, 1] * row[x + 1]
                    + weight_x[s, 2] * row[x + 2]
                    + weight_x[s, 3] * row[x + 3]
                )
            out[i, s] = total
