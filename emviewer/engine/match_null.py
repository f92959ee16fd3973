"""A map that has the spectrum and the size of another but none of its structure."""

from __future__ import annotations

import numpy as np
from scipy import fft as sfft

from emviewer.engine.match import prepare_transform
from emviewer.engine.match_search import Slices


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
    p = 2 * slices.centre
    n = p // 2
    amplitude = sfft.ifftshift(np.abs(slices.transform[:p, :p, 2 : n + 3]), axes=(0, 1))
    noise = np.random.default_rng(seed).standard_normal((p, p, p), dtype=np.float32)
    spectrum = sfft.rfftn(noise, workers=-1)
    spectrum *= (amplitude / np.maximum(np.abs(spectrum), 1e-20)).astype(np.float32)
    data = sfft.fftshift(sfft.irfftn(spectrum, s=(p, p, p), workers=-1))
    o = p // 2 - n // 2
    central = np.asarray(data[o : o + n, o : o + n, o : o + n], np.float32)
    z, y, x = np.ogrid[:n, :n, :n]
    r = np.sqrt((z - n // 2) ** 2 + (y - n // 2) ** 2 + (x - n // 2) ** 2)
    central *= np.clip(min(radius_voxels, n / 2 - 2) + 1 - r, 0, 1).astype(np.float32)
    transform = prepare_transform(central)
    return Slices(transform, (transform.shape[0] - 2) // 2, slices.scale, slices.n)
