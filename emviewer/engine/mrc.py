"""MRC/CCP4 maps and image stacks: memory-mapped, any axis order, byte order, mode 0, 1, 2, 6, 12, ``.gz``, ``.bz2``."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emviewer.engine import files_bytes
from emviewer.engine.errors import FileError, ParameterError
from emviewer.engine.files_guess import sections_are_images
from emviewer.engine.mrc_header import SIZE, MrcHeader, in_order, parse, pixel_size
from emviewer.engine.mrc_images import FileImages
from emviewer.engine.mrc_write import StackWriter, write_map
from emviewer.engine.types import F32, ImageStack, Map3D

__all__ = ["StackWriter", "holds_images", "opening", "read_header", "read_map", "read_raw", "read_stack", "write_map"]

_STACK_SUFFIXES = (".mrcs", ".st", ".ali", ".preali")
_MAP_SUFFIXES = (".map", ".ccp4")


def read_header(path: str | Path, *, cut_short: bool = False) -> MrcHeader:
    """Read the header of an MRC file, and check that the file is as long as it says unless ``cut_short`` is allowed.

    Raises
    ------
    FileError
        If the file is missing, empty, no MRC file, or cut short.
    """
    found = files_bytes.existing(path)
    header = parse(files_bytes.head(found, SIZE), found)
    if not cut_short and not files_bytes.compression(found):
        _check_length(header, found.stat().st_size, found)
    return header


def read_raw(path: str | Path) -> tuple[MrcHeader, NDArray[Any]]:
    """Read the header and the numbers as they are in the file.

    Returns
    -------
    header : MrcHeader
        What the header says.
    data : ndarray, shape (sections, rows, columns)
        A read-only memory map, or an array in memory if the file is compressed; dtype and axes are the file's.
    """
    found = files_bytes.existing(path)
    if files_bytes.compression(found):
        content = files_bytes.whole(found)
        header = parse(content[:SIZE], found)
        _check_length(header, len(content), found)
        count = header.sections * header.rows * header.columns
        return header, np.frombuffer(content, header.dtype, count, header.offset).reshape(header.file_shape)
    header = read_header(found)
    return header, np.asarray(np.memmap(found, header.dtype, "r", header.offset, header.file_shape))


def _check_length(header: MrcHeader, length: int, path: Path) -> None:
    missing = header.offset + header.data_bytes - length
    if missing > 0:
        size = " x ".join(str(n) for n in reversed(header.file_shape))
        raise FileError(
            f"the file is cut short: {size} voxels of mode {header.mode} need {header.offset + header.data_bytes} "
            f"bytes, it has {length}",
            path,
            "copy or make it again",
        )


def holds_images(header: MrcHeader, path: str | Path) -> tuple[bool, bool]:
    """Tell a stack of images from a map.

    Returns
    -------
    images : bool
        Whether the sections are images.
    sure : bool
        False where name and header leave it open and the numbers had to tell.

    Notes
    -----
    The name counts first (``.mrcs``, ``.st``: images; ``.map``, ``.ccp4``: a map). Then MRC2014: ISPG 0 with MZ 1 is
    a stack, ISPG 1 a map. Programs that do not know MRC2014 write ISPG 0 and MZ = NZ for both: a cube is a map, and
    of the others `sections_are_images` looks at a few sections.
    """
    nz, ny, nx = header.file_shape
    suffix, _ = files_bytes.suffixes(path)
    if suffix in _STACK_SUFFIXES or nz == 1:
        return True, True
    if suffix in _MAP_SUFFIXES:
        return False, True
    if header.is_surely_stack:
        return True, True
    if header.ispg >= 1 or header.axes != (1, 2, 3) or nx == ny == nz:
        return False, True
    return sections_are_images(read_raw(path)[1]), False


def read_map(path: str | Path, pixel_size_A: float | None = None) -> Map3D:
    """Open a 3D map.

    Parameters
    ----------
    path : path
        ``.mrc``, ``.map``, ``.ccp4``, compressed or not.
    pixel_size_A : float, optional
        Overrules the header; voxels are then taken as cubes of this edge.

    Returns
    -------
    Map3D
        ``data`` is float32 ``[z, y, x]``: a read-only memory map when the file holds just that in this machine's byte
        order, else an array in memory. ``origin_A`` is the origin field, or else nstart times the voxel.

    Raises
    ------
    FileError
        If the file is missing, cut short, not MRC, a Fourier transform, or a stack of images.

    Notes
    -----
    Anisotropic voxels are resampled to the smallest edge by cubic B-splines, which a note says. A stack of volumes
    (ISPG 401 and above) gives its first volume.
    """
    _check_pixel(pixel_size_A, path)
    header, raw = read_raw(path)
    found = Path(path).expanduser()
    images, sure = holds_images(header, path)
    if images and sure:
        what = f"a stack of {header.sections} images" if header.sections > 1 else "a single image"
        raise FileError(f"this is {what}, not a 3D map", found, "give a map")
    plan = opening(header, pixel_size_A)
    doubt = ("the header leaves open whether this is a map, and it looks like a stack of images",) if images else ()
    data = in_order(raw, header)[: plan.sections]
    voxels = _native(data)
    if plan.shape != data.shape:
        finite = np.isfinite(voxels)
        if not finite.all():
            doubt = (*doubt, f"{voxels.size - int(finite.sum())} values that are not finite were resampled as 0")
        voxels = _isotropic(np.where(finite, voxels, np.float32(0)), plan.shape, plan.edges_A)
    return Map3D(
        data=voxels,
        pixel_size_A=plan.pixel_size_A or 1.0,
        origin_A=plan.origin_A,
        source=found,
        name=files_bytes.suffixes(found)[1],
        pixel_size_known=plan.pixel_size_A > 0,
        notes=plan.notes + doubt,
    )


@dataclass(frozen=True)
class Opening:
    """How a map will be opened, known from the header alone.

    Parameters
    ----------
    shape : tuple of int
        ``(nz, ny, nx)`` of the opened map.
    sections : int
        Sections along z that are taken from the file (fewer than all for a stack of volumes).
    pixel_size_A : float
        Voxel edge of the opened map; 0 if unknown.
    edges_A : tuple of float
        Voxel edges ``(x, y, z)`` of the file.
    origin_A : tuple of float
        ``(x, y, z)`` of the first voxel.
    notes : tuple of str
        Doubts, and what is done about them.
    """

    shape: tuple[int, int, int]
    sections: int
    pixel_size_A: float
    edges_A: tuple[float, float, float]
    origin_A: tuple[float, float, float]
    notes: tuple[str, ...]


def opening(header: MrcHeader, pixel_size_A: float | None = None) -> Opening:
    """Return how `read_map` opens a file with this header."""
    notes = list(header.problems)
    nz, ny, nx = header.shape
    cell = header.sampling[2]
    if header.ispg >= 401 and 0 < cell < nz and nz % cell == 0:
        notes.append(f"{nz // cell} volumes in the file: the first is opened")
        nz = cell
    shape = (nz, ny, nx)
    if pixel_size_A is not None:
        edge, edges = pixel_size_A, (pixel_size_A,) * 3
    else:
        edge, edges, doubts = pixel_size(header)
        notes += doubts
        if edge and max(edges) != min(edges):
            shape = _isotropic_shape(shape, edges)
            said, old, new = (
                " x ".join(t) for t in (map("{:.4g}".format, edges), map(str, (nx, ny, nz)), map(str, shape[::-1]))
            )
            notes.append(f"voxels of {said} Å are resampled to cubes of {edge:.4g} Å ({old} to {new} voxels)")
    return Opening(shape, nz, edge, edges, _origin(header, edges, pixel_size_A), tuple(notes))


def _native(data: NDArray[Any]) -> F32:
    """Return float32 in this machine's byte order and in rows; the same memory map if it is so already."""
    return np.require(data, np.float32, ["C", "A"])


def _isotropic_shape(shape: tuple[int, int, int], edges: tuple[float, float, float]) -> tuple[int, int, int]:
    nz, ny, nx = (max(1, round(n * e / min(edges))) for n, e in zip(shape, reversed(edges), strict=True))
    return nz, ny, nx


def _isotropic(data: F32, shape: tuple[int, int, int], edges: tuple[float, float, float]) -> F32:
    """Resample to cubic voxels of the smallest edge by cubic B-splines; the first voxel keeps its place."""
    from scipy import ndimage  # costs 0.3 s, and few maps need it

    steps = [min(edges) / e for e in reversed(edges)]
    out = ndimage.affine_transform(data, steps, output_shape=shape, output=np.float32, order=3, mode="nearest")
    return np.asarray(out, np.float32)


def _origin(
    header: MrcHeader, edges: tuple[float, float, float], overruled: float | None
) -> tuple[float, float, float]:
    """Return the place of the first voxel: the origin field, else nstart times the voxel edge of the file."""
    field = header.origin_field_A
    if any(field):
        said = header.voxel_A
        scale = [overruled / v if overruled and v > 0 else 1.0 for v in said]
        return field[0] * scale[0], field[1] * scale[1], field[2] * scale[2]
    voxel = (overruled,) * 3 if overruled else (header.voxel_A if min(header.voxel_A) > 0 else edges)
    x, y, z = (float(s * v) for s, v in zip(header.nstart_xyz, voxel, strict=True))
    return x, y, z


def read_stack(path: str | Path, pixel_size_A: float | None = None, *, cut_short: bool = False) -> ImageStack:
    """Open an image, or a stack of images; the sections of a map are read as images too.

    Parameters
    ----------
    path : path
        ``.mrcs``, ``.mrc``, ``.st``, compressed or not.
    pixel_size_A : float, optional
        Overrules the header.
    cut_short : bool
        Whether an uncompressed stack that ends early is opened all the same: a note says so, and asking for an image
        that is not there is an error.

    Returns
    -------
    ImageStack
        Lazy: nothing but the header is read until images are asked for (compressed files are unpacked into memory).

    Raises
    ------
    FileError
        If the file is missing, cut short, not MRC, or a Fourier transform.
    """
    _check_pixel(pixel_size_A, path)
    found = files_bytes.existing(path)
    there = _images_there(found) if cut_short else None
    if there is not None:
        header, n_there = there
        data: NDArray[Any] = np.broadcast_to(np.zeros((), header.dtype), header.file_shape)
        missing: tuple[str, ...] = (f"the file is cut short: {n_there} of its {header.sections} images are there",)
    else:
        (header, data), missing = read_raw(found), ()
    if header.axes[2] == 3:
        data = in_order(data, header)
    edge, _, doubts = pixel_size(header, image=True)
    if pixel_size_A is not None:
        edge, doubts = pixel_size_A, ()
    stack = ImageStack.from_array(
        data,
        edge or 1.0,
        source=found,
        name=files_bytes.suffixes(found)[1],
        pixel_size_known=edge > 0,
        notes=(*header.problems, *doubts, *missing),
    )
    as_it_lies = header.axes == (1, 2, 3) and data.shape == header.file_shape
    if files_bytes.compression(found) or not as_it_lies:
        return stack
    return replace(stack, read=FileImages(found, header.dtype, header.offset, header.file_shape))


def _images_there(path: Path) -> tuple[MrcHeader, int] | None:
    """Return the header of a stack that is cut short and how many whole images it has; None for any other file."""
    if files_bytes.compression(path):
        return None
    header = read_header(path, cut_short=True)
    rest = path.stat().st_size - header.offset
    n_there = rest * header.sections // max(header.data_bytes, 1)
    return (header, n_there) if header.axes == (1, 2, 3) and 0 < n_there < header.sections else None


def _check_pixel(pixel_size_A: float | None, path: str | Path) -> None:
    if pixel_size_A is not None and not (np.isfinite(pixel_size_A) and pixel_size_A > 0):
        raise ParameterError(f"pixel size {pixel_size_A} Å is not positive", path, "give the edge of a pixel in Å")
