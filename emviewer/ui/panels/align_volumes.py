"""Reading the maps of an alignment and bringing them onto one grid. Runs in the lanes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from emviewer.engine.errors import EmviewerError
from emviewer.engine.filters_display import Distribution, map_distribution
from emviewer.engine.task import Check, never
from emviewer.engine.types import F32, Contrast, Map3D, RigidTransform

CONTOUR_SHARE = 0.98
"""Share of the voxels below the contour level (ChimeraX begins with 0.99)."""


@dataclass(frozen=True, eq=False)
class Volume:
    """A map with what its display needs.

    Parameters
    ----------
    map : Map3D
        The map.
    distribution : Distribution
        Of its values.
    levels : ndarray of float32
        Sorted sample of its values, from which contour levels that enclose a given volume are read.
    sigma : float
        Standard deviation.
    """

    map: Map3D
    distribution: Distribution
    levels: F32
    sigma: float

    @property
    def data(self) -> F32:
        """The voxels."""
        return self.map.data

    def level(self, share: float) -> float:
        """Return the value below which this share of the voxels lies."""
        return float(self.levels[min(len(self.levels) - 1, int(share * len(self.levels)))])

    def contrast(self, other: Volume | None = None, of_other: Contrast | None = None) -> Contrast:
        """Return the robust range, or the range that stands as to this map as another's does to that one.

        Between maps solvent (the median) and bright density are matched: what is darker than solvent may be anything,
        such as the corners of a map that was turned.
        """
        if other is None or of_other is None:
            return Contrast(self.distribution.auto_low, self.distribution.auto_high)
        theirs = other.distribution.auto_high - other.level(0.5)
        scale = (self.distribution.auto_high - self.level(0.5)) / (theirs if theirs > 0 else 1.0)
        low, high = (self.level(0.5) + (v - other.level(0.5)) * scale for v in (of_other.low, of_other.high))
        return Contrast(low, high, of_other.colormap, of_other.inverted)


@dataclass(frozen=True)
class Told:
    """What a job was told of the maps that it aligned.

    Parameters
    ----------
    pixel_size_A, resolution_A : float or None
        Overrules headers, as :func:`read_inputs` says; makes a map of a model.
    inputs : tuple of str
        Every map of the job.
    """

    pixel_size_A: float | None = None
    resolution_A: float | None = None
    inputs: tuple[str, ...] = ()

    @classmethod
    def of(cls, parameters: Mapping[str, Any]) -> Told:
        """Return what the parameters of a job say."""
        maps = (parameters.get("reference"), *(parameters.get("maps") or ()))
        inputs = tuple(_place(each) for each in maps if each)
        return cls(parameters.get("pixel_size"), parameters.get("resolution"), inputs)

    def size_of(self, place: str | Path) -> float | None:
        """Return the pixel size that the job read a map with; None for that of its header. Reads headers: for a lane.

        What the job itself wrote tells its pixel size.
        """
        from emviewer.engine import sources

        wanted = _place(place)
        if self.pixel_size_A is None or wanted not in self.inputs or wanted.startswith(sources.PHANTOM):
            return None
        known = {}
        for each in self.inputs:
            try:
                volume = sources.open_map(each, resolution_A=self.resolution_A, verify=False)
            except EmviewerError:
                continue  # gone since, and no longer to be asked
            known[each] = volume.pixel_size_known
        return self.pixel_size_A if all(known.values()) or not known.get(wanted, False) else None


def _place(place: str | Path) -> str:
    """Return a path in full; a phantom as it is."""
    return str(place) if str(place).startswith("phantom:") else str(Path(place).absolute())


def read_volume(
    path: Path, check: Check = never, pixel_size_A: float | None = None, resolution_A: float | None = None
) -> Volume:
    """Open a map, or a model at a resolution, and look at its values; the voxels stay on disk where they can.

    Raises
    ------
    EmviewerError
        It cannot be opened.
    """
    from emviewer.engine import sources

    volume = sources.open_map(str(path), pixel_size_A=pixel_size_A, resolution_A=resolution_A)
    check()
    step = max(1, round((volume.data.size / 200_000) ** (1 / 3)))
    sample = np.sort(volume.data[::step, ::step, ::step].ravel().astype(np.float32))
    return Volume(volume, map_distribution(volume.data), sample, float(sample.std(dtype=np.float64)))


def read_inputs(
    paths: Sequence[Path | None],
    check: Check = never,
    pixel_size_A: float | None = None,
    resolution_A: float | None = None,
) -> list[Volume | None]:
    """Open the maps that a job was given with the pixel sizes that it gave them; None stays None.

    Parameters
    ----------
    paths : sequence of Path or None
        All maps of the job.
    check : callable
        Called now and then.
    pixel_size_A : float or None
        As the job was told: goes to the maps that do not tell theirs, or to all if every header tells.
    resolution_A : float or None
        At which models become maps.

    Raises
    ------
    EmviewerError
        One cannot be opened.
    """
    found = [None if path is None else read_volume(path, check, resolution_A=resolution_A) for path in paths]
    if pixel_size_A is None:
        return found
    overrule = all(v.map.pixel_size_known for v in found if v is not None)
    return [
        replace(v, map=v.map.with_pixel_size(pixel_size_A))
        if v is not None and (overrule or not v.map.pixel_size_known)
        else v
        for v in found
    ]


def on_grid_of(volume: Volume, reference: Volume, check: Check = never) -> Volume:
    """Return a map that is in the reference's frame on the reference's grid, unchanged if it is there."""
    from emviewer.engine.align3d_move import Grid3D, move_map

    grid = Grid3D.of(reference.map)
    if Grid3D.of(volume.map).same_as(grid):
        return volume
    still = RigidTransform(np.eye(3), np.zeros(3))
    data = move_map(volume.data, volume.map.pixel_size_A, still, grid, check)
    moved = Map3D(data, grid.pixel_size_A, reference.map.origin_A, source=volume.map.source, name=volume.map.name)
    return Volume(moved, map_distribution(data), volume.levels, volume.sigma)
