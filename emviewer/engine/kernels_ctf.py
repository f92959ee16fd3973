"""The loop of the contrast transfer function."""
# mypy: disable-error-code="no-untyped-def"

from __future__ import annotations

import numpy as np
from numba import njit


@njit(nogil=True, cache=True, fastmath=True)
def fill_transfer(parameters, box, pixel_size, out):
    """Fill ``out`` (n, box, box // 2 + 1) float32 with contrast transfer functions.

    Parameters
    ----------
    parameters : float64, shape (n, 7)
        Mean underfocus and half the astigmatism (Å), angle (rad), wavelength (Å), Cs (Å), phase of the amplitude
        contrast plus phase shift (rad), B factor (Å²).
    box : int
        Edge of the image in pixels.
    pixel_size : float
        Å.
    out : float32
        Result, frequencies in FFT order.
    """
    step = 1 / (box * pixel_size)
    for i in range(len(parameters)):
        mean, astigmatism, angle, wavelength, cs, phase, b_factor = parameters[i]
        cosine, sine = np.cos(2 * angle), np.sin(2 * angle)
        quadratic, quartic = np.pi * wavelength, 0.5 * np.pi * cs * wavelength**3
        for j in range(box):
            ky = (j if j <= (box - 1) // 2 else j - box) * step
            for k in range(box // 2 + 1):
                kx = k * step
                xx, yy = kx * kx, ky * ky
                k2 = xx + yy
                defocus_k2 = mean * k2 + astigmatism * ((xx - yy) * cosine + 2 * kx * ky * sine)
                value = np.sin(quadratic * defocus_k2 - quartic * k2 * k2 + phase)
                if b_factor != 0:
                    value *= np.exp(-0.25 * b_factor * k2)
                out[i, j, k] = value
