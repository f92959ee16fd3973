"""Where the three cuts stand, without any widget: planes, the current voxel, the slab, the layout."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

Layout = Literal["three", "x", "y", "z"]
AXES = "xyz"


@dataclass(frozen=True)
class Plane:
    """One of the three cuts.

    Parameters
    ----------
    name : str
        As shown: the horizontal axis first, except YZ, whose y runs down so that it shares y with XY.
    normal, across, down : int
        Axes (0 x, 1 y, 2 z) perpendicular to the cut, along its columns, along its rows.
    """

    name: str
    normal: int
    across: int
    down: int

    @property
    def axes(self) -> tuple[int, int, int]:
        """The three axes: normal, across, down."""
        return self.normal, self.across, self.down


PLANES = (Plane("XY", 2, 0, 1), Plane("XZ", 1, 0, 2), Plane("YZ", 0, 2, 1))
"""XY upper left, XZ beneath it sharing x, YZ to its right sharing y."""


@dataclass(frozen=True)
class SliceState:
    """What the panel shows of one map.

    Parameters
    ----------
    size : tuple of int
        ``(nx, ny, nz)``.
    voxel : tuple of int
        Current point ``(x, y, z)``; the three cuts go through it.
    half_width : int
        Slab: the mean of ``2·half_width + 1`` voxels.
    layout : str
        ``three`` cuts, or only the one perpendicular to ``x``, ``y`` or ``z``.
    spectrum : bool
        Whether amplitude spectra are shown.
    active : int
        Axis (0 x, 1 y, 2 z) that the arrow keys step.
    """

    size: tuple[int, int, int]
    voxel: tuple[int, int, int]
    half_width: int = 0
    layout: Layout = "three"
    spectrum: bool = False
    active: int = 2

    @classmethod
    def of(cls, shape: tuple[int, int, int]) -> SliceState:
        """Return the state that shows the middle of a map of shape (nz, ny, nx)."""
        nx, ny, nz = shape[::-1]
        return cls((nx, ny, nz), (nx // 2, ny // 2, nz // 2))

    def at(self, axis: int, index: int) -> SliceState:
        """Return the state with one coordinate moved, kept inside the map."""
        voxel = list(self.voxel)
        voxel[axis] = min(max(int(index), 0), self.size[axis] - 1)
        return replace(self, voxel=(voxel[0], voxel[1], voxel[2]))

    def slab(self, axis: int) -> int:
        """Return the number of voxels averaged in the cut perpendicular to ``axis`` (fewer at the edge)."""
        i = self.voxel[axis]
        return min(self.size[axis] - 1, i + self.half_width) - max(0, i - self.half_width) + 1

    def plain(self) -> dict[str, Any]:
        """Return what a session keeps."""
        return {
            "voxel": list(self.voxel),
            "half_width": self.half_width,
            "layout": self.layout,
            "spectrum": self.spectrum,
        }

    def taking(self, plain: dict[str, Any]) -> SliceState:
        """Return this state with what :meth:`plain` kept; what is missing or out of the map is left as it is."""
        state = self
        voxel = plain.get("voxel")
        if isinstance(voxel, (list, tuple)) and len(voxel) == 3:
            for axis in range(3):
                state = state.at(axis, int(voxel[axis]))
        layout = plain.get("layout", self.layout)
        return replace(
            state,
            half_width=max(0, int(plain.get("half_width", self.half_width))),
            layout=layout if layout in ("three", "x", "y", "z") else self.layout,
            spectrum=bool(plain.get("spectrum", self.spectrum)),
        )
