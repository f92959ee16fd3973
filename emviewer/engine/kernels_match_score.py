# mypy: disable-error-code="no-untyped-def,assignment"
"""Inner loops of the scores of residuals: gray fit and moments of one image after the other, in a few passes.

The passes are inlined: called, they would round differently in the run that compiles them and in those that load them
from the cache (by 2e-4 of a score at the most).
"""

from __future__ import annotations

import numpy as np
from numba import njit

N_SCORES = 10


@njit(nogil=True, fastmath=True, error_model="numpy", cache=True)
def score_images(experiment, reprojection, mask, rim, disc, taps, residual, out):
    """Fit gray values, write the residuals and the scores of every image.

    ``experiment``, ``reprojection``, ``residual`` (k, d, d) float32; ``mask``, ``rim``, ``disc`` (d, d) float32;
    ``taps`` (t,) a centred filter. ``out`` (k, 10) float64 gets scale, offset, correlation, deviation of the
    experiment, image distance, mean on the support, variance, variance of the experiment beside the mask, mean and
    deviation in the disc; see :mod:`emviewer.engine.residuals`.
    """
    k, d = experiment.shape[0], experiment.shape[1]
    weight = mask.sum()
    beside = rim.sum()
    pixels = d * d
    masked = np.empty((d, d), np.float32)
    rows = np.empty((d, d), np.float32)
    for i in range(k):
        x, p = experiment[i], reprojection[i]
        sx, sp, sr, low, high = _sums(x, p, mask, rim)
        mx, mp = np.float32(sx / weight), np.float32(sp / weight)
        mr = np.float32(sr / beside) if beside > 0 else np.float32(0)
        sxx, spp, sxp, srr = _products(x, p, mask, rim, mx, mp, mr)
        scale = sxp / spp if spp > 0 else 0.0
        both = np.sqrt(sxx * spp)
        half = np.float32(0.5) * (low + high)
        total, squares, mean, square, support, size = _subtract(
            x, p, mask, disc, mx, mp, np.float32(scale), half, residual[i], masked
        )
        out[i, 0] = scale
        out[i, 1] = mx - scale * mp
        out[i, 2] = sxp / both if both > 0 else 0.0
        out[i, 3] = np.sqrt(sxx / weight)
        out[i, 4] = _distance(masked, rows, taps) / weight
        out[i, 5] = support / max(size, 1.0)
        out[i, 6] = square / weight - (mean / weight) ** 2
        out[i, 7] = srr / beside if beside > 0 else 0.0
        out[i, 8] = total / pixels
        out[i, 9] = np.sqrt(max(squares / pixels - (total / pixels) ** 2, 0.0))


@njit(nogil=True, fastmath=True, cache=True, inline="always")
def _sums(x, p, mask, rim):
    """Return the sums of an image and its reprojection in the mask, of the image on the rim, and the range of ``p``."""
    d = x.shape[0]
    sx, sp, sr = 0.0, 0.0, 0.0
    low, high = p[0, 0], p[0, 0]  # not infinities: fastmath promises that there are none
    for y in range(d):
        ax, ap, ar = np.float32(0), np.float32(0), np.float32(0)
        for c in range(d):
            ax += mask[y, c] * x[y, c]
            ap += mask[y, c] * p[y, c]
            ar += rim[y, c] * x[y, c]
            low = min(low, p[y, c])
            high = max(high, p[y, c])
        sx += ax
        sp += ap
        sr += ar
    return sx, sp, sr, low, high


@njit(nogil=True, fastmath=True, cache=True, inline="always")
def _products(x, p, mask, rim, mx, mp, mr):
    """Return the sums of products about the means: image, reprojection, both, and the image on the rim."""
    d = x.shape[0]
    sxx, spp, sxp, srr = 0.0, 0.0, 0.0, 0.0
    for y in range(d):
        axx, app, axp, arr = np.float32(0), np.float32(0), np.float32(0), np.float32(0)
        for c in range(d):
            ux, up = x[y, c] - mx, p[y, c] - mp
            axx += mask[y, c] * ux * ux
            app += mask[y, c] * up * up
            axp += mask[y, c] * ux * up
            ur = x[y, c] - mr
            arr += rim[y, c] * ur * ur
        sxx += axx
        spp += app
        sxp += axp
        srr += arr
    return sxx, spp, sxp, srr


@njit(nogil=True, fastmath=True, cache=True, inline="always")
def _subtract(x, p, mask, disc, mx, mp, a, half, residual, masked):
    """Write the residual, and it times the mask; return its sums and those of its squares.

    In the disc, in the mask, and where the reprojection exceeds ``half``; there the number of pixels in place of
    the squares.
    """
    d = x.shape[0]
    total, squares, mean, square, support, size = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    for y in range(d):
        at, asq, am = np.float32(0), np.float32(0), np.float32(0)
        aq, au, an = np.float32(0), np.float32(0), np.float32(0)
        for c in range(d):
            v = x[y, c] - mx - a * (p[y, c] - mp)
            residual[y, c] = v
            w = mask[y, c]
            masked[y, c] = v * w
            am += w * v
            aq += w * v * v
            s = w if p[y, c] > half else np.float32(0)
            au += s * v
            an += s
            u = disc[y, c] * v
            at += u
            asq += u * u
        total += at
        squares += asq
        mean += am
        square += aq
        support += au
        size += an
    return total, squares, mean, square, support, size


@njit(nogil=True, fastmath=True, cache=True, inline="always")
def _distance(v, rows, taps):
    """Return ``Σ v · (G v)`` of an image that is zero outside, with a separable filter ``G``."""
    d = v.shape[0]
    reach = len(taps) // 2
    for y in range(d):
        for c in range(d):
            rows[y, c] = taps[reach] * v[y, c]
        for t in range(1, reach + 1):
            w = taps[reach + t]
            for c in range(t, d):
                rows[y, c] += w * v[y, c - t]
            for c in range(d - t):
                rows[y, c] += w * v[y, c + t]
    total = 0.0
    for y in range(d):
        for t in range(-reach, reach + 1):
            if 0 <= y + t < d:
                part = np.float32(0)
                for c in range(d):
                    part += v[y, c] * rows[y + t, c]
                total += taps[reach + t] * part
    return total
