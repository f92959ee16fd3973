"""One way to get a map, whatever it is made from: a file, an array, atoms, or a built-in phantom."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from emviewer.engine import files, files_bytes, simulate
from emviewer.engine.errors import DataError, FileError, ParameterError
from emviewer.engine.model import read_model
from emviewer.engine.task import Check, never
from emviewer.engine.types import F32, Map3D

PHANTOM = "phantom:"
"""What the name of a built-in phantom begins with."""

_SLAB_BYTES = 1 << 20


def open_map(
    spec: str | Path,
    *,
    pixel_size_A: float | None = None,
    resolution_A: float | None = None,
    check: Check = never,
    verify: bool = True,
) -> Map3D:
    """Open or make a map.

    Parameters
    ----------
    spec : str or path
        A map (``.mrc .map .ccp4``), a ``.npy`` array of three axes, an atomic model (``.pdb .cif``), each also
        compressed (``.gz .bz2``), or ``phantom:C1|C4|D2|D7|T|O|I``.
    pixel_size_A : float, optional
        For a map or array: overrules the header. For a model or phantom: the pixel size to make it at.
    resolution_A : float, optional
        Resolution in Å at which a model becomes a map; needed for models, without meaning for the rest.
    check : callable
        Called now and then; raises to stop.
    verify : bool
        Whether to look at every voxel for what is no number; without it a file is only mapped, not read.

    Returns
    -------
    Map3D
        With a note when all voxels are alike.

    Raises
    ------
    FileError
        The file is missing, damaged, or no map.
    DataError
        Voxels that are not numbers (says how many and where the first is), or nothing but zeros.
    ParameterError
        An unknown phantom, a pixel size that is not positive, or a model without a resolution.
    """
    if pixel_size_A is not None and not (np.isfinite(pixel_size_A) and pixel_size_A > 0):
        raise ParameterError(f"a pixel size of {pixel_size_A} Å is not positive", "--pixel-size")
    text = str(spec)
    if text.lower().startswith(PHANTOM):
        return simulate.phantom(text[len(PHANTOM) :], pixel_size_A=pixel_size_A or 3.0)
    path = files_bytes.existing(text)
    kind = files.kind_of(path)
    if kind not in ("map", "images", "model"):
        raise FileError("this is a table, not a map", path, "give a map")
    if kind == "model":
        return _from_model(path, pixel_size_A, resolution_A, check)
    volume = files.read_map(path, pixel_size_A)
    return verified(volume, check) if verify else volume


def _from_model(path: Path, pixel_size_A: float | None, resolution_A: float | None, check: Check) -> Map3D:
    if resolution_A is None:
        raise ParameterError("a model becomes a map only at a resolution", path, "give one, such as --resolution 6")
    return simulate.density_from_model(read_model(path), resolution_A, pixel_size_A, check=check)


def verified(volume: Map3D, check: Check = never) -> Map3D:
    """Return the map after a look at all its voxels, with a note if they are all alike.

    One pass in slabs of 1 MiB, so that a memory-mapped map never comes into memory whole and each slab is read from
    disk once (512³: 0.03 s when the file is in the system's cache).

    Raises
    ------
    DataError
        Voxels that are not numbers, or nothing but zeros.
    """
    low, high = np.inf, -np.inf
    for _, slab in slabs(volume.data):
        check()
        least, most = float(slab.min()), float(slab.max())
        if not (np.isfinite(least) and np.isfinite(most)):
            _refuse_not_finite(volume)
        low, high = min(low, least), max(high, most)
    if low == high == 0:
        raise DataError("every voxel of the map is zero", volume.source or volume.name, "give a map with density")
    if low == high:
        return replace(volume, notes=(*volume.notes, f"every voxel of the map is {low:.6g}"))
    return volume


def slabs(data: F32) -> list[tuple[int, NDArray[np.float32]]]:
    """Return ``(first slice, slices)`` pieces of a map of about 1 MiB each; views, nothing is read."""
    step = max(1, _SLAB_BYTES // max(1, data[0].nbytes))
    return [(z, data[z : z + step]) for z in range(0, len(data), step)]


def _refuse_not_finite(volume: Map3D) -> None:
    count, first = 0, (0, 0, 0)
    for start, slab in slabs(volume.data):
        bad = ~np.isfinite(slab)
        if count == 0 and bad.any():
            z, y, x = (int(v) for v in np.unravel_index(int(bad.argmax()), bad.shape))
            first = (x, y, start + z)
        count += int(bad.sum())
    voxels = "1 voxel is" if count == 1 else f"{count} of {volume.data.size} voxels are"
    raise DataError(
        f"{voxels} not a number, the first at x, y, z = {first[0]}, {first[1]}, {first[2]}",
        volume.source or volume.name,
        "mend or mask the map",
    )
