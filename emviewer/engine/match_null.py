"""A map that has the spectrum and the size of another but none of its structure."""

from __future__ import annotations

import numpy as np

from emviewer.engine import fft
from emviewer.engine.match_search import Slices
from emviewer.engine.match_transform import prepare_transform


def random_phases(slices: Slices, radius_voxels: float, seed: int) -> Slices:
    """Return slices of a map with the amplitudes of ``slices`` and the phases of white noise, cut to a ball.

    Parameters
    ----------
    slices : Slices
        The map.
    radius_voxels : float
        Radius of the ball, in voxels of the map behind the slices.
    seed : int
        Of the phases.
    """
    n = slices.centre
    place = 2 * np.round(np.fft.fftfreq(n) * n).astype(int) + n  # every second point of the padded transform
    amplitude = np.abs(slices.transform[np.ix_(place, place, 2 + 2 * np.arange(n // 2 + 1))])
    noise = np.random.default_rng(seed).standard_normal((n, n, n), dtype=np.float32)
    spectrum = fft.rfftn(noise)
    spectrum *= amplitude / np.maximum(np.abs(spectrum), 1e-20)
    central = fft.irfftn(spectrum, (n, n, n))
    z, y, x = np.ogrid[:n, :n, :n]
    r = np.sqrt((z - n // 2) ** 2 + (y - n // 2) ** 2 + (x - n // 2) ** 2)
    central *= np.clip(min(radius_voxels, n / 2 - 2) + 1 - r, 0, 1).astype(np.float32)
    transform = prepare_transform(central)
    return Slices(transform, (transform.shape[0] - 2) // 2, slices.scale, slices.n)
