"""The 1024 bytes in front of every MRC/CCP4 file: read forgivingly, written strictly.

Format: MRC2014 (Cheng et al., J. Struct. Biol. 192 (2015) 146–150), with what CCP4, IMOD, RELION, EMAN and older
programs make of it.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from emviewer.engine.errors import FileError

SIZE = 1024
SMALLEST_PIXEL_A = 0.02
LARGEST_PIXEL_A = 1000.0
SAME_EDGE = 5e-4
"""Voxel edges that differ by less than this fraction are one and the same (headers round their cells)."""
_WRONG_EDGE = 4.0
_MODES = {0: "i1", 1: "i2", 2: "f4", 6: "u2", 12: "f2"}
_OTHER_MODES = {
    3: "a Fourier transform of 16-bit integers",
    4: "a Fourier transform",
    16: "colours",
    101: "4-bit counts",
}
_IMOD_STAMP = 1146047817
_STAMPS = {0x44: "<", 0x11: ">"}


@dataclass(frozen=True)
class MrcHeader:
    """What the header of an MRC file says, in plain words.

    Parameters
    ----------
    columns, rows, sections : int
        Size along the file's fast, medium and slow axis.
    mode : int
        Number format: 0 int8, 1 int16, 2 float32, 6 uint16, 12 float16.
    dtype : numpy.dtype
        Number format with byte order (mode 0 may be unsigned, see `parse`).
    axes : tuple of int
        Which of x = 1, y = 2, z = 3 the columns, rows and sections run along.
    nstart : tuple of int
        First grid point along columns, rows, sections.
    sampling : tuple of int
        Grid points of the cell along x, y, z.
    cell_A, angles_deg : tuple of float
        Cell edges along x, y, z in Å and cell angles in degrees.
    statistics : tuple of float
        ``(min, max, mean, rms)`` as the header claims.
    ispg : int
        Space group: 0 images, 1 a volume, 401 and above a stack of volumes; anything is accepted.
    offset : int
        First byte of the data.
    origin_field_A : tuple of float
        The MRC2014 origin ``(x, y, z)`` in Å.
    labels : tuple of str
        Text labels.
    problems : tuple of str
        Doubts, one clause each.
    """

    columns: int
    rows: int
    sections: int
    mode: int
    dtype: np.dtype[np.generic]
    axes: tuple[int, int, int]
    nstart: tuple[int, int, int]
    sampling: tuple[int, int, int]
    cell_A: tuple[float, float, float]
    angles_deg: tuple[float, float, float]
    statistics: tuple[float, float, float, float]
    ispg: int
    offset: int
    origin_field_A: tuple[float, float, float]
    labels: tuple[str, ...]
    problems: tuple[str, ...]

    @property
    def file_shape(self) -> tuple[int, int, int]:
        """``(sections, rows, columns)``, the order of the bytes."""
        return self.sections, self.rows, self.columns

    @property
    def data_bytes(self) -> int:
        """Number of bytes the voxels take."""
        return self.sections * self.rows * self.columns * self.dtype.itemsize

    @property
    def to_zyx(self) -> tuple[int, int, int]:
        """Permutation that turns an array of `file_shape` into ``[z, y, x]``."""
        order = (self.axes[2], self.axes[1], self.axes[0])
        return order.index(3), order.index(2), order.index(1)

    @property
    def shape(self) -> tuple[int, int, int]:
        """``(nz, ny, nx)`` after the axes are put in order."""
        z, y, x = self.to_zyx
        return self.file_shape[z], self.file_shape[y], self.file_shape[x]

    @property
    def voxel_A(self) -> tuple[float, float, float]:
        """Voxel edges along x, y, z in Å as the header has them; 0 where it is silent."""
        nz, ny, nx = self.shape
        edges = []
        for cell, m, n in zip(self.cell_A, self.sampling, (nx, ny, nz), strict=True):
            edges.append(tidy(cell / (m if m > 0 else n)) if np.isfinite(cell) else 0.0)
        return edges[0], edges[1], edges[2]

    @property
    def nstart_xyz(self) -> tuple[int, int, int]:
        """First grid point along x, y, z."""
        start = dict(zip(self.axes, self.nstart, strict=True))
        return start[1], start[2], start[3]

    @property
    def axis_order(self) -> str:
        """Fast, medium and slow axis of the file as letters, ``xyz`` for most."""
        return "".join(" xyz"[a] for a in self.axes)

    @property
    def is_surely_stack(self) -> bool:
        """Whether the header says that the sections are separate images (ISPG 0 and one section a cell)."""
        return self.ispg == 0 and self.sampling[2] == 1 and self.sections > 1


def tidy(value: float) -> float:
    """Undo the rounding of a decimal number to float32: 226.55999755859375 over 64 pixels means 3.54."""
    short = float(f"{value:.6g}")
    return short if abs(short - value) <= 1e-6 * abs(value) else float(f"{value:.8g}")


def plausible_pixel(edge_A: float) -> bool:
    """Whether a voxel edge can be true."""
    return bool(np.isfinite(edge_A) and SMALLEST_PIXEL_A <= edge_A <= LARGEST_PIXEL_A)


def pixel_size(header: MrcHeader, *, image: bool = False) -> tuple[float, tuple[float, float, float], tuple[str, ...]]:
    """Return the pixel size to use, the voxel edges (x, y, z) to believe, and doubts.

    The pixel size is 0 where the header does not know it. For images only x and y count.
    """
    edges = header.voxel_A[:2] if image else header.voxel_A
    if not all(plausible_pixel(e) for e in edges):
        said = ", ".join(f"{e:.4g}" for e in edges)
        if image and plausible_pixel(edges[0]):
            return edges[0], (edges[0],) * 3, (f"pixel edges {said} Å in the header: {edges[0]:.4g} Å is used",)
        return 0.0, (1.0, 1.0, 1.0), (f"the header does not know the pixel size (it says {said} Å)",)
    if max(edges) <= min(edges) * (1 + SAME_EDGE):
        doubt = ("a pixel size of exactly 1 Å is often that of a program which did not know it",)
        return edges[0], (edges[0],) * 3, doubt if edges[0] == 1.0 else ()
    said = " x ".join(f"{e:.4g}" for e in edges)
    if image or max(edges) > _WRONG_EDGE * min(edges):
        return edges[0], (edges[0],) * 3, (f"voxel edges {said} Å cannot be right: {edges[0]:.4g} Å is used for all",)
    return min(edges), header.voxel_A, ()


def parse(block: bytes, where: Path) -> MrcHeader:
    """Read a header.

    Parameters
    ----------
    block : bytes
        The first 1024 bytes.
    where : pathlib.Path
        The file, for messages.

    Raises
    ------
    FileError
        If this is no MRC file, or holds numbers that are no density (mode 3, 4, 16, 101).

    Notes
    -----
    The byte order is the one in which size, mode and axes make sense; the machine stamp is only believed when it
    agrees. Mode 0 is unsigned where IMOD's stamp says so, or where an old header claims a maximum above 127.
    """
    if len(block) < SIZE:
        raise FileError(f"only {len(block)} bytes, less than the header of an MRC file", where, "copy or make it again")
    stamped = _STAMPS.get(block[212])
    order = next((o for o in sorted("<>", key=lambda o: o != stamped) if _makes_sense(block, o)), None)
    if order is None:
        raise FileError("this is no MRC file", where, "check the file; its first 1024 bytes are no MRC header")
    nx, ny, nz, mode, *rest = struct.unpack(order + "10i", block[:40])
    if mode not in _MODES:
        what = _OTHER_MODES.get(mode, "an unknown number format")
        raise FileError(f"the file holds {what} (mode {mode})", where, "convert it to real numbers, mode 2")
    problems = []
    if block[208:211] != b"MAP":
        problems.append("the mark 'MAP' is missing from the header")
    if stamped != order:
        problems.append(f"the machine stamp is {'wrong' if stamped else 'missing'}; byte order found from the numbers")
    axes = struct.unpack(order + "3i", block[64:76])
    if sorted(axes) != [1, 2, 3]:
        problems.append(f"axis order {axes} in the header makes no sense: x, y, z is used")
        axes = (1, 2, 3)
    cell = struct.unpack(order + "6f", block[40:64])
    angles = cell[3:]
    if any(a != 0 and abs(a - 90) > 0.01 for a in angles):
        problems.append(
            "cell angles " + ", ".join(f"{a:.4g}" for a in angles) + "°: treated as 90°, so it looks sheared"
        )
    dmin, dmax, dmean = struct.unpack(order + "3f", block[76:88])
    ispg, nsymbt = struct.unpack(order + "2i", block[88:96])
    if nsymbt < 0 or nsymbt > 2**30:
        problems.append(f"extended header of {nsymbt} bytes makes no sense: none is assumed")
        nsymbt = 0
    (rms,) = struct.unpack(order + "f", block[216:220])
    (n_labels,) = struct.unpack(order + "i", block[220:224])
    labels = [block[224 + 80 * i : 304 + 80 * i] for i in range(min(max(n_labels, 0), 10))]
    return MrcHeader(
        columns=nx,
        rows=ny,
        sections=nz,
        mode=mode,
        dtype=np.dtype(order + (_MODES[mode] if mode or not _unsigned_bytes(block, order, dmin, dmax) else "u1")),
        axes=axes,
        nstart=(rest[0], rest[1], rest[2]),
        sampling=(rest[3], rest[4], rest[5]),
        cell_A=(cell[0], cell[1], cell[2]),
        angles_deg=(angles[0], angles[1], angles[2]),
        statistics=(dmin, dmax, dmean, rms),
        ispg=ispg,
        offset=SIZE + nsymbt,
        origin_field_A=_finite(struct.unpack(order + "3f", block[196:208])),
        labels=tuple(t for t in (lab.split(b"\0")[0].decode("latin-1").strip() for lab in labels) if t),
        problems=tuple(problems),
    )


def _finite(values: tuple[float, ...]) -> tuple[float, float, float]:
    x, y, z = (v if np.isfinite(v) and abs(v) < 1e7 else 0.0 for v in values)
    return x, y, z


def _makes_sense(block: bytes, order: str) -> bool:
    nx, ny, nz, mode = struct.unpack(order + "4i", block[:16])
    axes = struct.unpack(order + "3i", block[64:76])
    known = mode in _MODES or mode in _OTHER_MODES
    return known and 0 < nx < 2**20 and 0 < ny < 2**20 and 0 < nz < 2**28 and all(0 <= a <= 3 for a in axes)


def _unsigned_bytes(block: bytes, order: str, dmin: float, dmax: float) -> bool:
    stamp, flags = struct.unpack(order + "2i", block[152:160])
    if stamp == _IMOD_STAMP:
        return not flags & 1
    return dmin >= 0 and 127 < dmax <= 255


def build(
    shape: tuple[int, int, int],
    voxel_A: float,
    *,
    stack: bool,
    origin_A: tuple[float, float, float] = (0.0, 0.0, 0.0),
    statistics: tuple[float, float, float, float] = (0.0, -1.0, -2.0, -1.0),
    label: str = "",
) -> bytes:
    """Return a strict MRC2014 header of float32 data, little endian, axes x, y, z.

    Parameters
    ----------
    shape : tuple of int
        ``(nz, ny, nx)``; for a stack ``(n, height, width)``.
    voxel_A : float
        Voxel edge in Å; 0 for unknown.
    stack : bool
        Whether the sections are separate images (ISPG 0, MZ 1) or a volume (ISPG 1).
    origin_A : tuple of float
        ``(x, y, z)`` of the first voxel in Å.
    statistics : tuple of float
        ``(min, max, mean, rms)``; the default is MRC2014's "not determined".
    label : str
        What made the file, at most 80 characters.
    """
    nz, ny, nx = shape
    mz = 1 if stack else nz
    parts: list[bytes] = [
        struct.pack("<10i", nx, ny, nz, 2, 0, 0, 0, nx, ny, mz),
        struct.pack("<6f", nx * voxel_A, ny * voxel_A, mz * voxel_A, 90, 90, 90),
        struct.pack("<3i3f2i", 1, 2, 3, *statistics[:3], 0 if stack else 1, 0),
        bytes(12),
        struct.pack("<i", 20140),
        bytes(84),
        struct.pack("<3f", *origin_A),
        b"MAP \x44\x44\0\0",
        struct.pack("<fi", statistics[3], 1 if label else 0),
    ]
    block = b"".join(parts) + label.encode("ascii", "replace")[:80].ljust(80, b" " if label else b"\0")
    return block.ljust(SIZE, b"\0")


def in_order(data: NDArray[np.generic], header: MrcHeader) -> NDArray[np.generic]:
    """Return an array of `MrcHeader.file_shape` as a view indexed ``[z, y, x]``."""
    return data.transpose(header.to_zyx)
