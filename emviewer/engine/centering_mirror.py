"""The point about which a class average is its own half turn: the centre of projections that are symmetric."""

from __future__ import annotations

import numpy as np
from scipy import fft as sfft

from emviewer.engine.centering_support import Frame, Mask, middle_of
from emviewer.engine.types import F32, F64

BLUR = 0.019
"""Standard deviation of the blur, in boxes (1.5 px of 80)."""
RIM = 0.0375
"""How far the comparison reaches beyond the silhouette, in boxes."""
REACH = 0.0625
"""How far from the silhouette's centre of gravity the point is sought, in boxes."""


def half_turn(image: F32, mask: Mask, near: F64, frame: Frame) -> tuple[F64, float]:
    """Find the centre of the half turn that maps the object onto itself best.

    The self-convolution of the masked image, divided by the energy that takes part, has its peak at twice the centre.

    Parameters
    ----------
    image : ndarray of float32, shape (n, n)
        White on dark.
    mask : ndarray of bool, shape (n, n)
        Silhouette of the object.
    near : ndarray of float64, shape (2,)
        ``(x, y)`` about which the centre is sought.
    frame : Frame
        Of the image's size.

    Returns
    -------
    centre : ndarray of float64, shape (2,)
        ``(x, y)`` from ``n // 2``.
    score : float
        Correlation of the object with its half turn times the share of it that takes part, 0 to 1. Measured (80 px):
        0.6 to 0.97 on classes of a D7 particle, 0.05 to 0.6 on those of one without symmetry.
    """
    n = frame.n
    blurred = frame.blurred(image, BLUR * n)
    rim = max(1, round(RIM * n))
    wide = _widened(mask, rim)
    soft = frame.blurred(wide, rim / 2)
    beside = blurred[~wide & frame.disc]
    level = middle_of(beside) if beside.size else float(blurred.min())
    part = (blurred - level) * soft
    # the object is narrower than the box: the periodic self-convolution is the plain one near its peak
    one, two, three = (sfft.rfft2(a, workers=1) for a in (part, part * part, soft))
    same = sfft.irfft2(one * one, (n, n), workers=1)
    energy = sfft.irfft2(two * three, (n, n), workers=1)
    share = same / np.maximum(energy, 1e-3 * energy.max())
    centre = _peak(share, near, REACH * n, n)
    return centre, _likeness(blurred, wide, centre, frame)


def _widened(mask: Mask, steps: int) -> Mask:
    """Return the mask grown by so many steps to its four neighbours."""
    for _ in range(steps):
        grown = mask.copy()
        grown[1:] |= mask[:-1]
        grown[:-1] |= mask[1:]
        grown[:, 1:] |= mask[:, :-1]
        grown[:, :-1] |= mask[:, 1:]
        mask = grown
    return mask


def _peak(share: F64, near: F64, reach: float, n: int) -> F64:
    """Return half the place of the highest value within ``reach`` of ``near``, refined by parabolas."""
    k = round(2 * reach)
    middle = np.round(2 * (near[::-1] + n // 2)).astype(int)
    steps = np.arange(-k - 1, k + 2)
    around = share.take((middle[0] + steps) % n, axis=0).take((middle[1] + steps) % n, axis=1)
    row, column = (int(v) + 1 for v in np.unravel_index(int(around[1:-1, 1:-1].argmax()), (2 * k + 1, 2 * k + 1)))
    y = middle[0] + steps[row] + _vertex(*around[row - 1 : row + 2, column])
    x = middle[1] + steps[column] + _vertex(*around[row, column - 1 : column + 2])
    return np.array([x, y]) / 2 - n // 2


def _vertex(left: float, middle: float, right: float) -> float:
    curvature = left - 2 * middle + right
    return float(np.clip(0.5 * (left - right) / curvature, -0.5, 0.5)) if curvature < 0 else 0.0


def _likeness(blurred: F64, mask: Mask, centre: F64, frame: Frame) -> float:
    """Return the correlation with the half turn over object and turned object, times their overlap."""
    n = frame.n
    x, y = np.round(2 * (centre + n // 2)).astype(int)  # a quarter of a pixel is nothing to the blurred image
    rows, columns = y - np.arange(n), x - np.arange(n)
    inside = ((rows >= 0) & (rows < n))[:, None] & ((columns >= 0) & (columns < n))
    rows, columns = np.clip(rows, 0, n - 1), np.clip(columns, 0, n - 1)
    turned = blurred.take(rows, axis=0).take(columns, axis=1)
    other = mask.take(rows, axis=0).take(columns, axis=1) & inside
    either = mask | other
    a, b = blurred[either], turned[either]
    a, b = a - a.mean(), b - b.mean()
    norm = float(np.sqrt((a @ a) * (b @ b)))
    overlap = float((mask & other).sum() / either.sum())
    return max(0.0, float(a @ b) / norm * overlap) if norm > 0 else 0.0
