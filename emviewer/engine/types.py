"""The data that walk through the house: maps, image stacks, poses, transforms, contrast. Frozen, checked, in Å.

Arrays are indexed ``[z, y, x]`` (maps) and ``[y, x]`` (images); vectors are ``(x, y, z)``. The centre of
rotation of a box of ``n`` voxels is voxel ``n // 2``, for even and odd ``n`` (RELION, Xmipp, cryoSPARC, EMAN2).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from emviewer.engine.errors import DataError, ParameterError

if TYPE_CHECKING:
    import pandas as pd  # 0.2 s that work on maps need not spend

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Map3D:
    """A 3D density map.

    Parameters
    ----------
    data : ndarray of float32, shape (nz, ny, nx)
        Voxels; may be a read-only memory map of the file.
    pixel_size_A : float
        Edge of the cubic voxel in Å; 1.0 with ``pixel_size_known=False`` when the file does not say.
    origin_A : tuple of float
        Position ``(x, y, z)`` in Å of the first voxel, as the header gives it (ChimeraX's sense).
    symmetry : str
        Point group in emviewer's names, ``C1`` if none is known.
    source : pathlib.Path or None
        The file it came from.
    name : str
        Name to show and to use in result folders.
    pixel_size_known : bool
        False if the file was silent and nobody has told.
    notes : tuple of str
        Doubts met while opening (one sentence each), for the person to see.
    """

    data: F32
    pixel_size_A: float
    origin_A: tuple[float, float, float] = (0.0, 0.0, 0.0)
    symmetry: str = "C1"
    source: Path | None = None
    name: str = ""
    pixel_size_known: bool = True
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.data.ndim != 3 or min(self.data.shape) < 1:
            raise DataError(f"a map needs three axes, this one has shape {self.data.shape}", self.source or self.name)
        if self.data.dtype != np.float32:
            raise DataError(f"a map holds float32, this one {self.data.dtype}", self.source or self.name)
        if not (np.isfinite(self.pixel_size_A) and self.pixel_size_A > 0):
            raise ParameterError(f"pixel size {self.pixel_size_A} Å is not positive", self.source or self.name)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Size ``(nz, ny, nx)`` in voxels."""
        nz, ny, nx = self.data.shape
        return nz, ny, nx

    @property
    def box(self) -> int:
        """Longest edge in voxels."""
        return int(max(self.data.shape))

    @property
    def is_cubic(self) -> bool:
        """Whether the three edges are equal."""
        return len(set(self.data.shape)) == 1

    def with_pixel_size(self, pixel_size_A: float) -> Map3D:
        """Return the same map with another pixel size, taken as known; the origin keeps its place in voxels."""
        scale = pixel_size_A / self.pixel_size_A
        x, y, z = self.origin_A
        return replace(
            self,
            pixel_size_A=float(pixel_size_A),
            pixel_size_known=True,
            origin_A=(x * scale, y * scale, z * scale),
        )


@dataclass(frozen=True, eq=False)
class ImageStack:
    """A lazy stack of images; ``stack[ids]`` reads only what is asked for.

    Parameters
    ----------
    n : int
        Number of images.
    shape : tuple of int
        ``(height, width)`` in pixels, the same for all images.
    pixel_size_A : float
        Edge of a pixel in Å; 1.0 with ``pixel_size_known=False`` when unknown.
    read : callable
        ``read(ids: int64 (k,)) -> float32 (k, h, w)``, contiguous and owned by the caller. Thread-safe.
    source : pathlib.Path or None
        The stack or table it came from.
    name : str
        Name to show.
    pixel_size_known : bool
        False if nobody has told the pixel size.
    notes : tuple of str
        Doubts met while opening.
    """

    n: int
    shape: tuple[int, int]
    pixel_size_A: float
    read: Callable[[NDArray[np.int64]], F32] = field(repr=False)
    source: Path | None = None
    name: str = ""
    pixel_size_known: bool = True
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return self.n

    def __getitem__(self, ids: ArrayLike | slice) -> F32:
        """Read images: an int gives ``(h, w)``; a slice, sequence or array of ids gives ``(k, h, w)``."""
        if isinstance(ids, slice):
            ids = np.arange(*ids.indices(self.n))
        index = np.asarray(ids)
        if index.dtype == bool:
            index = np.flatnonzero(index)
        flat = np.atleast_1d(index).astype(np.int64)
        if flat.size and (flat.min() < -self.n or flat.max() >= self.n):
            raise IndexError(f"image ids {flat.min()}..{flat.max()} outside 0..{self.n - 1} of {self.name or 'stack'}")
        out = self.read(np.where(flat < 0, flat + self.n, flat))
        return out[0] if index.ndim == 0 else out

    @classmethod
    def from_array(cls, data: NDArray[Any], pixel_size_A: float = 1.0, **kw: Any) -> ImageStack:
        """Wrap an array of shape (n, h, w) that is already in memory (or memory-mapped)."""
        if data.ndim != 3:
            raise DataError(f"an image stack needs three axes, this one has shape {data.shape}", kw.get("source") or "")

        def read(ids: NDArray[np.int64]) -> F32:
            with np.errstate(over="ignore"):
                return np.ascontiguousarray(data[ids], dtype=np.float32)

        return cls(data.shape[0], (data.shape[1], data.shape[2]), pixel_size_A, read, **kw)


@dataclass(frozen=True, eq=False)
class Poses:
    """Orientations and shifts of projections.

    Parameters
    ----------
    rotations : ndarray of float64, shape (n, 3, 3)
        ``A`` of RELION, Xmipp: a point ``x`` (x, y, z; Å) of the map lands at image position ``(A x)[:2]``.
        The rows are the image's x axis, y axis and the view direction in the map's frame;
        ``A = Euler_angles2matrix(rot, tilt, psi)``.
    shifts_A : ndarray of float64, shape (n, 2)
        ``(x, y)`` in Å to be *added to the image* to centre it (RELION's ``rlnOriginXAngst/YAngst``):
        the particle stands at ``(A x)[:2] - shift``.
    mirror : ndarray of bool, shape (n,)
        True where the image is the mirror (x to -x) of the projection.
    """

    rotations: F64
    shifts_A: F64
    mirror: NDArray[np.bool_]

    def __post_init__(self) -> None:
        n = len(self.rotations)
        if self.rotations.shape != (n, 3, 3) or self.shifts_A.shape != (n, 2) or self.mirror.shape != (n,):
            raise DataError(
                f"poses of different lengths: rotations {self.rotations.shape}, shifts {self.shifts_A.shape}, "
                f"mirror {self.mirror.shape}"
            )

    def __len__(self) -> int:
        return len(self.rotations)

    @classmethod
    def from_rotations(cls, rotations: ArrayLike, shifts_A: ArrayLike | None = None) -> Poses:
        """Make poses from matrices (n, 3, 3), unshifted and unmirrored unless told."""
        r = np.asarray(rotations, float).reshape(-1, 3, 3)
        s = np.zeros((len(r), 2)) if shifts_A is None else np.asarray(shifts_A, float).reshape(-1, 2)
        return cls(r, s, np.zeros(len(r), bool))

    def take(self, ids: ArrayLike) -> Poses:
        """Return the poses of the given rows."""
        index = np.asarray(ids)
        return Poses(self.rotations[index], self.shifts_A[index], self.mirror[index])


@dataclass(frozen=True, eq=False)
class ImageSet:
    """Images with what is known of each: a table, and where it says so poses and contrast transfer.

    Parameters
    ----------
    table : DataFrame
        One row an image, in the order of the file; the index is the stable row id ``0 … n-1``. Columns have the
        names of the file; text columns keep their text exactly.
    stack : ImageStack or None
        Image ``i`` belongs to row ``i``; None if the table names no image, or none of them was found (see notes).
    poses : Poses or None
        Orientations and shifts, if the table has angles.
    in_plane_only : bool
        Whether the angles turn in the plane only, as 2D classification leaves them: rot and tilt are 0 or untold.
    ctf : DataFrame or None
        ``defocus_u_A, defocus_v_A, defocus_angle_deg, kv, cs_mm, q0, phase_shift_deg``, float64, nan where untold
        (0 for the angle and the phase shift); same index as the table.
    source : pathlib.Path or None
        The file it came from.
    format : str
        ``relion``, ``cryosparc``, ``xmipp``, ``mrc``, ``spider``, ``npy``, ``tif``.
    name : str
        Name to show and to use in result folders.
    blocks : mapping
        Everything the file held, for writing it back: DataFrames by block name, or for cryoSPARC the structured
        arrays ``particles`` and ``passthrough``.
    members : DataFrame or None
        For class averages: the particle table whose class column refers to the rows of this set.
    pixel_size_A : float
        Edge of a pixel in Å; 1.0 with ``pixel_size_known=False`` when nobody has told.
    pixel_size_known : bool
        Whether the pixel size is known.
    notes : tuple of str
        Doubts met while opening, one sentence each.
    """

    table: pd.DataFrame
    stack: ImageStack | None = None
    poses: Poses | None = None
    ctf: pd.DataFrame | None = None
    source: Path | None = None
    format: str = ""
    name: str = ""
    blocks: Mapping[str, Any] = field(default_factory=dict, repr=False)
    members: pd.DataFrame | None = None
    in_plane_only: bool = False
    pixel_size_A: float = 1.0
    pixel_size_known: bool = False
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        n = len(self.table)
        for what, part in (("images", self.stack), ("poses", self.poses), ("rows of CTF", self.ctf)):
            if part is not None and len(part) != n:
                raise DataError(f"{len(part)} {what} for a table of {n} rows", self.source or self.name)

    def __len__(self) -> int:
        return len(self.table)


@dataclass(frozen=True, eq=False)
class RigidTransform:
    """``x' = matrix @ x + translation_A`` in Å about voxel n//2, from the moving to the reference frame.

    ``matrix`` is a rotation, or a rotation times ``diag(1, 1, -1)`` when the hand is flipped.
    """

    matrix: F64
    translation_A: F64

    @property
    def hand_flipped(self) -> bool:
        """Whether the transform mirrors."""
        return bool(np.linalg.det(self.matrix) < 0)


@dataclass(frozen=True)
class Contrast:
    """How values become grey or colour; shared by linked views and saved with a session.

    Parameters
    ----------
    low, high : float
        Values shown as the first and last colour.
    colormap : str
        Name of the colour map.
    inverted : bool
        Whether the display (never the data) is inverted.
    """

    low: float
    high: float
    colormap: str = "grey"
    inverted: bool = False
