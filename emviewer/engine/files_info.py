"""What a file is, in plain data: kind, size, pixel size, axes, statistics, problems. Reads large files in slabs."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from emviewer.engine import files, files_array, files_bytes, mrc, spider
from emviewer.engine.files_stack import image_format
from emviewer.engine.model import Model, read_model
from emviewer.engine.mrc_header import MrcHeader
from emviewer.engine.task import Check, never
from emviewer.engine.types import ImageSet

if TYPE_CHECKING:
    from emviewer.engine.files_named import ImageNames

Facts = dict[str, Any]
_SLAB_BYTES = 1 << 24
_SAMPLE = 500
_MODES = {0: "int8", 1: "int16", 2: "float32", 6: "uint16", 12: "float16"}


@dataclass(frozen=True)
class Statistics:
    """Of all finite values: extremes, mean, standard deviation; and how many are not finite."""

    n: int
    n_nan: int
    n_inf: int
    min: float
    max: float
    mean: float
    sd: float


def statistics(slabs: Iterator[NDArray[Any]], check: Check = never) -> Statistics:
    """Return the statistics of all slabs together (means and variances combined as Chan et al. 1979)."""
    n = n_nan = n_inf = 0
    low, high, mean, squares = math.inf, -math.inf, 0.0, 0.0
    for slab in slabs:
        check()
        values = np.asarray(slab)
        with np.errstate(invalid="ignore", over="ignore"):
            total = float(values.sum(dtype=np.float64))
        if not np.isfinite(total):
            n_nan += int(np.isnan(values).sum())
            n_inf += int(np.isinf(values).sum())
            values = values[np.isfinite(values)]
            total = float(values.sum(dtype=np.float64))
        k = values.size
        if k == 0:
            continue
        here = total / k
        delta = here - mean
        with np.errstate(over="ignore"):
            spread = values.astype(np.float64).ravel() - here
            squares += float(spread @ spread) + delta * delta * n * k / (n + k)
        mean += delta * k / (n + k)
        n += k
        low, high = min(low, float(values.min())), max(high, float(values.max()))
    sd = math.sqrt(squares / n) if n else math.nan
    return Statistics(n, n_nan, n_inf, low if n else math.nan, high if n else math.nan, mean if n else math.nan, sd)


def describe(
    path: str | Path,
    *,
    pixel_size_A: float | None = None,
    project_dir: str | Path | None = None,
    passthrough: str | Path | None = None,
    with_statistics: bool = True,
    check: Check = never,
) -> Facts:
    """Return what a file is.

    Parameters
    ----------
    path : path
        Any file.
    pixel_size_A, project_dir, passthrough
        As for `files.open_any`.
    with_statistics : bool
        Whether to read the numbers; without, only headers and tables are read.
    check : callable
        Called once a slab; may raise to stop.

    Returns
    -------
    dict
        Plain data for JSON: ``path, kind, format, problems`` always; ``nx, ny, nz`` or ``n_images, width, height``;
        ``pixel_size_A`` (None if unknown), ``axis_order``, ``mode``, ``byte_order``, ``origin_A``, ``statistics``;
        for tables ``n_rows, blocks, poses, ctf, missing_files``; for models ``n_atoms, chains, extent_A``.

    Raises
    ------
    FileError
        If the file is missing, damaged, or nothing that emviewer reads.
    """
    found = files_bytes.existing(path)
    kind = files.kind_of(found)
    facts: Facts = {"path": str(path), "kind": kind, "format": kind, "problems": []}
    packing = files_bytes.compression(found)
    if packing:
        facts["packing"] = packing
    if kind == "model":
        _of_model(facts, read_model(found, waters=True))
    elif kind in ("map", "images"):
        _of_pixels(facts, found, pixel_size_A, with_statistics, check)
    else:
        images = files.read_images(found, pixel_size_A=pixel_size_A, project_dir=project_dir, passthrough=passthrough)
        _of_table(facts, images, found, project_dir, with_statistics, check)
    if "statistics" in facts:
        _judge(facts)
    return facts


def _judge(facts: Facts) -> None:
    """Add to the problems what the numbers show."""
    stats = facts["statistics"]
    for name, what in (("n_nan", "NaN"), ("n_inf", "infinite")):
        if stats[name]:
            facts["problems"].append(f"{stats[name]} values are {what}")
    if stats["n"] == 0:
        facts["problems"].append("no value is finite")
    elif stats["sd"] == 0:
        facts["problems"].append(f"all values are {stats['min']:.6g}")


def _of_pixels(facts: Facts, path: Path, pixel_size_A: float | None, with_statistics: bool, check: Check) -> None:
    form = image_format(path)
    facts["format"] = form
    data: NDArray[Any] | None = None
    if form == "mrc":
        header, data = mrc.read_raw(path)
        _of_mrc(facts, header, path, pixel_size_A)
    elif facts["kind"] == "map":
        volume = files.read_map(path, pixel_size_A)
        nz, ny, nx = volume.shape
        facts |= {"nx": nx, "ny": ny, "nz": nz, "origin_A": list(volume.origin_A), "axis_order": "xyz"}
        _pixel(facts, volume.pixel_size_A, volume.pixel_size_known)
        facts["problems"] += volume.notes
        data = volume.data
    else:
        images = files.read_images(path, pixel_size_A=pixel_size_A)
        _of_images(facts, images)
        facts["problems"] += images.notes
        if with_statistics:
            facts["statistics"] = _image_statistics(images, check)
    if form == "npy":
        facts["mode"] = str(files_array.read_npy(path).dtype)
    if form == "spider":
        facts["byte_order"] = "little" if spider.read_header(path).order == "<" else "big"
        facts["mode"] = "float32"
    if data is not None and with_statistics:
        facts["statistics"] = vars(statistics(_slabs(data), check))


def _of_mrc(facts: Facts, header: MrcHeader, path: Path, pixel_size_A: float | None) -> None:
    nz, ny, nx = header.shape
    facts |= {
        "mode": f"{header.mode} ({header.dtype.newbyteorder('=')})",
        "byte_order": "big" if header.dtype.byteorder == ">" else "little",
        "axis_order": header.axis_order,
        "space_group": header.ispg,
        "nstart": list(header.nstart_xyz),
        "header_origin_A": list(header.origin_field_A),
        "voxel_A": list(header.voxel_A),
        "labels": list(header.labels),
    }
    if header.dtype.itemsize == 1:
        facts["byte_order"] = "none (bytes)"
    surplus = path.stat().st_size - header.offset - header.data_bytes
    if surplus > 0 and "packing" not in facts:
        facts["problems"].append(f"the file is {surplus} bytes longer than its header says")
    images, sure = mrc.holds_images(header, path)
    if not sure:
        looks = "a stack of images" if images else "a map"
        facts["problems"].append(f"the header leaves open whether this is a map or images; it looks like {looks}")
    if facts["kind"] == "images":
        stack = mrc.read_stack(path, pixel_size_A)
        facts |= {"n_images": stack.n, "width": stack.shape[1], "height": stack.shape[0]}
        _pixel(facts, stack.pixel_size_A, stack.pixel_size_known)
        facts["problems"] += stack.notes
    else:
        plan = mrc.opening(header, pixel_size_A)
        facts |= {"nx": nx, "ny": ny, "nz": nz, "origin_A": list(plan.origin_A)}
        if plan.shape != header.shape:
            facts["opened_as"] = list(reversed(plan.shape))
        _pixel(facts, plan.pixel_size_A or 1.0, plan.pixel_size_A > 0)
        facts["problems"] += plan.notes


def _pixel(facts: Facts, pixel_size_A: float, known: bool) -> None:
    facts["pixel_size_A"] = pixel_size_A if known else None
    facts["pixel_size_known"] = known


def _of_images(facts: Facts, images: ImageSet) -> None:
    if images.stack is not None:
        height, width = images.stack.shape
        facts |= {"n_images": images.stack.n, "width": width, "height": height}
    _pixel(facts, images.pixel_size_A, images.pixel_size_known)


def _of_table(
    facts: Facts, images: ImageSet, path: Path, project_dir: str | Path | None, with_statistics: bool, check: Check
) -> None:
    facts["format"] = images.format
    _of_images(facts, images)
    facts |= {
        "n_rows": len(images),
        "columns": [str(c) for c in images.table.columns],
        "blocks": {name: len(block) for name, block in images.blocks.items()},
        "poses": "none" if images.poses is None else ("in-plane" if images.in_plane_only else "3D"),
        "ctf": images.ctf is not None,
        "members": None if images.members is None else len(images.members),
    }
    if images.ctf is not None and len(images.ctf):
        facts["defocus_A"] = [float(images.ctf["defocus_u_A"].min()), float(images.ctf["defocus_u_A"].max())]
    facts["problems"] += images.notes
    from emviewer.engine.files_named import missing_files

    names = _names(images)
    if names is not None and images.stack is not None:
        missing = missing_files(names, path, project_dir) if len(names.files) > 1 else []
        facts["missing_files"] = missing
        if missing:
            facts["problems"].append(
                f"{len(missing)} of {len(names.files)} image files are missing, first {missing[0]}"
            )
    if images.stack is not None and with_statistics and not facts.get("missing_files"):
        facts["statistics"] = _image_statistics(images, check)


def _names(images: ImageSet) -> ImageNames | None:
    """Return which images the rows of a table mean."""
    from emviewer.engine import cryosparc
    from emviewer.engine.files_named import ImageNames
    from emviewer.engine.star_images import image_column

    if images.format == "cryosparc":
        rows = images.blocks["particles"]
        named = {"blob/path", "blob/idx"} <= set(rows.dtype.names or ())
        return cryosparc.image_names(rows) if named else None
    column = "image" if images.format == "xmipp" else image_column(images.table)
    return ImageNames.parse(images.table[column]) if column in images.table.columns else None


def _image_statistics(images: ImageSet, check: Check) -> Facts:
    """Return the statistics of the images, of evenly chosen ones if there are many."""
    stack = images.stack
    assert stack is not None
    rows = np.unique(np.linspace(0, stack.n - 1, min(stack.n, _SAMPLE)).astype(np.int64))
    step = max(1, _SLAB_BYTES // (4 * stack.shape[0] * stack.shape[1]))
    found = vars(statistics((stack.read(rows[i : i + step]) for i in range(0, len(rows), step)), check))
    return found | ({"of_images": len(rows)} if len(rows) < stack.n else {})


def _slabs(data: NDArray[Any]) -> Iterator[NDArray[Any]]:
    step = max(1, _SLAB_BYTES // max(1, data[0].nbytes))
    for start in range(0, len(data), step):
        yield data[start : start + step]


def _of_model(facts: Facts, atoms: Model) -> None:
    elements, counts = np.unique(atoms.elements, return_counts=True)
    waters = int(np.isin(atoms.residues, ["HOH", "WAT", "DOD"]).sum())
    facts |= {
        "n_atoms": len(atoms),
        "n_water_atoms": waters,
        "elements": {str(e): int(c) for e, c in zip(elements, counts, strict=True)},
        "chains": len(np.unique(atoms.chains)),
        "extent_A": [round(e, 3) for e in atoms.extent_A],
        "centre_A": [round(c, 3) for c in atoms.centre_A],
        "bfactor_A2": [float(atoms.bfactors.min()), float(atoms.bfactors.max())],
    }
    facts["problems"] += atoms.notes
