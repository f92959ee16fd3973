"""Where the object of a class average stands: its silhouette, without the neighbours that reach into the box."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from emviewer.engine.types import F32, F64

Mask = NDArray[np.bool_]
_NEXT = np.array([[0, 1, 0], [1, 1, 1], [0, 1, 0]], bool)
"""Pixels that touch; scipy makes it anew for each call unless it is given."""

BLUR = 0.031
"""Standard deviation of the blur, in boxes (2.5 px of 80)."""
CLOSE, OPEN = 0.05, 0.0375
"""Gaps that are closed and threads that are cut, half widths in boxes: a chain seen through a CTF falls to pieces."""
THRESHOLD = 0.7
"""Height of the threshold between the background and Otsu's: the CTF takes the low frequencies of the rim."""
SOFT = 0.2
"""Height over the threshold, in the same unit, from which a pixel counts fully: a hard edge moves in whole pixels."""
BINS = 128
"""Bins of the histogram that parts object and background."""
EDGE = 0.40
"""What reaches further out than this, in boxes, may belong to a neighbour."""
CENTRAL = 0.3
"""Width of the weight that prefers what stands near the centre, in boxes."""


@dataclass(frozen=True, eq=False)
class Support:
    """The object of one image.

    Parameters
    ----------
    density : ndarray of float64, shape (n, n)
        The blurred image over its background, never negative.
    weight : ndarray of float64, shape (n, n)
        What the centre of gravity is taken of: the square root of the density, which lies between the silhouette,
        that overrates flat parts, and the density, that noise pulls; it falls to zero at the silhouette's edge.
    masks : list of ndarray of bool, shape (n, n)
        Silhouettes, the most plausible first; more than one where a neighbour may touch.
    noise : float
        Standard deviation of the blurred background.
    """

    density: F64
    weight: F64
    masks: list[Mask]
    noise: float


class Frame:
    """Coordinates of a box of ``n`` pixels and what is measured in them; made once for all images of a size."""

    def __init__(self, n: int) -> None:
        self.n = n
        self._blurs: dict[float, F64] = {}
        self._discs: dict[tuple[int, float], F32] = {}
        self.y, self.x = (np.indices((n, n)) - n // 2).astype(np.float64)
        self.r = np.hypot(self.y, self.x)
        self.disc = self.r < n / 2 - 1
        self.outer = self.r > EDGE * n
        self._near = np.exp(-((self.r / (CENTRAL * n)) ** 2))

    def central(self, labels: NDArray[Any], count: int) -> int:
        """Return the label of the largest piece, what is near the centre counting more."""
        weight = np.bincount(labels.ravel(), self._near.ravel(), count + 1)
        weight[0] = 0
        return int(weight.argmax())

    def largest(self, mask: Mask) -> Mask:
        """Return the largest piece of a mask, what is near the centre counting more."""
        labels, count = _label(mask)
        return np.asarray(labels == self.central(labels, count)) if count else mask

    def blurred(self, image: F32 | F64 | Mask, sigma_px: float) -> F64:
        """Return an image (n, n) blurred by a Gaussian, mirrored at its border.

        Two products with a matrix, which is scipy's filter of the unit matrix: a third of the filter's own time.
        """
        matrix = self._blurs.get(sigma_px)
        if matrix is None:
            matrix = np.asarray(ndimage.gaussian_filter1d(np.eye(self.n), sigma_px, axis=0))
            self._blurs[sigma_px] = matrix
        return np.asarray(matrix @ np.asarray(image, np.float64) @ matrix.T)

    def dilated(self, mask: Mask, radius_px: float) -> Mask:
        """Return what lies within ``radius_px`` of a mask (m, m) of any size; what is beyond it is nothing.

        The disc is a pile of rows: the mask widened along x by each row's half width, which is one product with band
        matrices side by side, then moved along y. A fifth of the time of a distance transform.
        """
        size = len(mask)
        bands = self._discs.get((size, radius_px))
        if bands is None:
            away = np.abs(np.arange(size)[:, None] - np.arange(size))
            widths = [int(np.sqrt(radius_px**2 - dy * dy)) for dy in range(int(radius_px) + 1)]
            bands = np.concatenate([away <= width for width in widths], axis=1).astype(np.float32)
            self._discs[size, radius_px] = bands
        wide = (mask.astype(np.float32) @ bands).reshape(size, -1, size)
        out = wide[:, 0].copy()
        for dy in range(1, wide.shape[1]):
            out[dy:] += wide[: size - dy, dy]
            out[: size - dy] += wide[dy:, dy]
        return np.asarray(out > 0.5)

    def centroid(self, weight: F64) -> F64:
        """Return the centre of gravity ``(x, y)`` from ``n // 2``."""
        total = weight.sum()
        return np.array([(weight * self.x).sum(), (weight * self.y).sum()]) / total if total > 0 else np.zeros(2)


def support(image: F32, frame: Frame, blur: float = BLUR, threshold: float = THRESHOLD) -> Support | None:
    """Find the silhouette of the object in an image.

    Parameters
    ----------
    image : ndarray of float32, shape (n, n)
        White on dark.
    frame : Frame
        Of the image's size.
    blur, threshold : float
        See :data:`BLUR` and :data:`THRESHOLD`.

    Returns
    -------
    Support or None
        None if the image is empty.
    """
    n = frame.n
    blurred = frame.blurred(image, blur * n)
    values = blurred[frame.disc]
    if not np.ptp(values) > 1e-9 * max(1.0, float(np.abs(values).max())):
        return None
    otsu = _otsu(values)
    beside = values[values < otsu]
    background = middle_of(beside)
    level = background + threshold * (otsu - background)
    noise = 1.4826 * middle_of(np.abs(beside - background))
    whole = _smooth((blurred > level) & frame.disc, frame)
    whole = frame.largest(whole)
    if not whole.any():
        return None
    masks = [whole]
    if (whole & frame.outer).any():
        masks = [_cut_necks(whole, frame), whole, _eroded(whole, frame)]
    density = np.maximum(blurred - background, 0)
    weight = np.sqrt(density) * np.clip((blurred - level) / (SOFT * (otsu - background)), 0, 1)
    return Support(density, weight, masks, noise)


def middle_of(values: F64) -> float:
    """Return the median of many values (the upper of two in the middle); numpy's own takes three times as long."""
    half = len(values) // 2
    return float(np.partition(values, half)[half])


def _otsu(values: F64) -> float:
    """Return the threshold that parts values into two classes of least variance (Otsu, IEEE T-SMC 9 (1979) 62)."""
    low, step = float(values.min()), float(np.ptp(values)) / BINS
    count = np.bincount(np.minimum(((values - low) / step).astype(np.int64), BINS - 1), minlength=BINS)
    middle = low + (np.arange(BINS) + 0.5) * step
    below, first = np.cumsum(count), np.cumsum(count * middle)
    between = (first[-1] * below / below[-1] - first) ** 2 / np.maximum(below * (below[-1] - below), 1)
    return float(middle[between.argmax()])


def _label(mask: Mask) -> tuple[NDArray[np.int32], int]:
    labels, count = ndimage.label(mask, _NEXT)
    return np.asarray(labels, np.int32), int(count)


def _depth(mask: Mask) -> F64:
    return np.asarray(ndimage.distance_transform_edt(mask), np.float64)


def _grown(core: Mask, by: float, within: Mask) -> Mask:
    return np.asarray(within & (_depth(~core) <= by))


def _smooth(mask: Mask, frame: Frame) -> Mask:
    """Close gaps, fill holes, cut threads."""
    close, cut = CLOSE * frame.n, OPEN * frame.n
    pad = int(np.ceil(close)) + 1
    closed = ~frame.dilated(~frame.dilated(np.pad(mask, pad), close), close)
    filled = _filled(closed[pad:-pad, pad:-pad] | mask)
    return filled & frame.dilated(~frame.dilated(~filled, cut), cut)


def _filled(mask: Mask) -> Mask:
    """Fill holes: all that is not connected to the border of the box."""
    labels, _ = _label(np.pad(~mask, 1, constant_values=True))
    return np.asarray(labels[1:-1, 1:-1] != labels[0, 0])


def _cut_necks(mask: Mask, frame: Frame) -> Mask:
    """Cut off, at its neck, what hangs on the central piece and reaches the rim."""
    n = frame.n
    depth = _depth(mask)
    for level in np.arange(n / 80, 0.8 * depth.max(), n / 80):
        labels, count = _label(depth > level)
        if count < 2:
            continue
        mine = frame.central(labels, count)
        reach = np.asarray(ndimage.maximum(frame.r + depth, labels, np.arange(1, count + 1)))
        others = [k for k in range(1, count + 1) if k != mine and reach[k - 1] > EDGE * n]
        if not others:
            continue
        mask = mask & (_depth(labels != mine) <= _depth(~np.isin(labels, others)))
        mask = frame.largest(_grown(_depth(mask) > OPEN * n, OPEN * n, mask))
        depth = _depth(mask)
        if not (mask & frame.outer).any():
            break
    return mask


def _eroded(mask: Mask, frame: Frame) -> Mask:
    """Return the opening of the mask, as narrow as needed, that keeps off the rim; the mask itself if none does."""
    depth = _depth(mask)
    for level in np.arange(frame.n / 80, depth.max(), frame.n / 80):
        opened = _grown(frame.largest(depth > level), level, mask)
        if not (opened & frame.outer).any():
            return opened
    return mask
