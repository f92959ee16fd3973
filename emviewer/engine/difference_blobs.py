"""The connected pieces of a difference map that stand out of the noise, as a table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from emviewer.engine import kernels_mask as kk
from emviewer.engine.types import F32

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = ("sign", "volume_A3", "x_A", "y_A", "z_A", "peak_z", "mass_fraction")
REPORT_Z = 4.5


def blobs(*args: Any, **more: Any) -> pd.DataFrame:
    """Return :func:`find_blobs` as a DataFrame."""
    import pandas as pd

    return pd.DataFrame(find_blobs(*args, **more))


def find_blobs(
    diff: F32, z: F32, reference: F32, pixel_size_A: float, resolution_A: float,
    origin_A: tuple[float, float, float] = (0.0, 0.0, 0.0), threshold: float = REPORT_Z,
) -> dict[str, NDArray[Any]]:  # fmt: skip
    """Return pieces with ``|z|`` above a threshold and at least the resolution cubed, largest mass first.

    Parameters
    ----------
    diff, z : ndarray of float32, shape (nz, ny, nx)
        Difference and its significance.
    reference : ndarray of float32
        The reference that was subtracted from, for its mass (sum of what is positive).
    pixel_size_A, resolution_A : float
        Voxel edge and band limit.
    origin_A : tuple of float
        Position (x, y, z) of the first voxel, as the header has it.
    threshold : float
        Smallest ``|z|``.

    Returns
    -------
    dict of str to ndarray
        ``sign`` (+1: the reference has more), ``volume_A3``, centroid ``x_A, y_A, z_A`` weighted by the difference, in
        the coordinates of the header (ChimeraX), ``peak_z``, ``mass_fraction`` of the reference's mass.
    """
    mass = float(np.sum(reference, where=reference > 0, dtype=np.float64))
    smallest = max(resolution_A / pixel_size_A, 1.0) ** 3
    rows: list[tuple[float, ...]] = []
    corner = _corner(np.abs(z) > threshold)
    if corner is None:
        return _table(rows)
    z, diff = z[corner], diff[corner]
    first = [s.start for s in corner]
    for sign in (1, -1):
        labels = np.empty(z.shape, np.int32)
        count = int(kk.label(z > threshold if sign > 0 else z < -threshold, labels))
        sizes, bounds = kk.boxes(labels, count)
        for label in np.flatnonzero(sizes >= smallest):
            place = tuple(slice(int(lo), int(hi)) for lo, hi in bounds[label])
            size = int(sizes[label])
            own = labels[place] == label
            weight = np.where(own, np.abs(diff[place]), 0).astype(np.float64)
            total = float(weight.sum())
            start = [f + s.start for f, s in zip(first, place, strict=True)]
            middle = [float((weight.sum(axis=tuple(j for j in range(3) if j != i)) * np.arange(n)).sum() / total)
                      for i, n in enumerate(weight.shape)]  # fmt: skip
            at = [origin_A[i] + (start[2 - i] + middle[2 - i]) * pixel_size_A for i in range(3)]
            peak = sign * float((sign * z[place])[own].max())
            rows.append((sign, size * pixel_size_A**3, *at, peak, total / mass if mass > 0 else np.nan))
    return _table(sorted(rows, key=lambda row: -row[-1]))


def _table(rows: list[tuple[float, ...]]) -> dict[str, NDArray[Any]]:
    values = np.array(rows, float).reshape(len(rows), len(COLUMNS))
    table: dict[str, NDArray[Any]] = {name: values[:, i] for i, name in enumerate(COLUMNS)}
    table["sign"] = values[:, 0].astype(np.int64)
    return table


def _corner(above: NDArray[np.bool_]) -> tuple[slice, slice, slice] | None:
    """Return the smallest box that holds all voxels asked for, or None if there are none."""
    spans = [np.flatnonzero(above.any(axis=tuple(j for j in range(3) if j != i))) for i in range(3)]
    if len(spans[0]) == 0:
        return None
    z, y, x = (slice(int(s[0]), int(s[-1]) + 1) for s in spans)
    return z, y, x
