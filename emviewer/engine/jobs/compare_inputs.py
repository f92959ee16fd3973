"""Open what is to be compared and bring it onto one grid: images, maps, contrast, mask."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pandas as pd

from emviewer.engine import files, match_grid, sources
from emviewer.engine.errors import DataError, EmviewerError, ParameterError
from emviewer.engine.files_stack import open_stack
from emviewer.engine.jobs.compare_params import CompareParams
from emviewer.engine.jobs.folder import ResultFolder
from emviewer.engine.match_grid import Grid
from emviewer.engine.symmetry import PointGroup, point_group
from emviewer.engine.task import Check
from emviewer.engine.types import F32, ImageSet, ImageStack, Map3D

MISMATCH = 0.005
"""Pixel sizes of table and header that differ by more are reported."""
CTF_COLUMNS = ("defocus_u_A", "defocus_v_A", "kv", "cs_mm", "q0")


@dataclass(frozen=True, eq=False)
class Inputs:
    """What a comparison works on.

    Parameters
    ----------
    images : ImageSet
        The images; ``stack`` is there.
    maps : list of (str, Map3D)
        Unique name and map, in the order given.
    grid : Grid
        The common grid.
    group : PointGroup
        Symmetry of the maps.
    mask : ndarray of float32, shape (n, n)
        Where images are compared, on the grid.
    use : bool
        Whether the images' own orientations are used.
    max_shift_px : float
        On the grid.
    names : list of str
        What to call each image.
    weights : ndarray of float64, shape (n_images,)
        Populations of class averages, else ones.
    """

    images: ImageSet
    stack: ImageStack
    maps: list[tuple[str, Map3D]]
    grid: Grid
    group: PointGroup
    mask: F32
    use: bool
    max_shift_px: float
    names: list[str]
    weights: np.ndarray[tuple[int], np.dtype[np.float64]]
    radii_A: dict[str, float] = field(default_factory=dict)

    def radius_A(self, volume: Map3D) -> float:
        """Return the radius of the particle in one of the maps, measured once."""
        key = volume.name
        if key not in self.radii_A:
            self.radii_A[key] = match_grid.particle_radius_A(volume)
        return self.radii_A[key]


def open_inputs(params: CompareParams, folder: ResultFolder, check: Check) -> Inputs:
    """Open and check everything a comparison needs; doubts go to ``folder.warn``.

    Raises
    ------
    EmviewerError
        Something cannot be read, has no pixel size, or options that need what the table does not have.
    """
    group = point_group(params.sym)
    images = _images(params, folder)
    stack = images.stack
    assert stack is not None
    if stack.shape[0] != stack.shape[1]:
        raise DataError(
            f"the images are {stack.shape[1]}×{stack.shape[0]} px, not square", params.images, "crop them to a square"
        )
    _say_other_size(images, stack, folder)
    if stack.n == stack.shape[0] and params.images.name.removesuffix(".gz").endswith((".mrc", ".map", ".ccp4")):
        folder.warn(
            f"{params.images.name} is as deep as it is wide: if it is a 3D map, its sections are compared as images; "
            "images come first, then maps"
        )
    maps = _maps(params, folder, check)
    pixel = _pixel_size(images, stack, params, folder)
    target = params.resample
    if target is not None:
        target = max(target, *(volume.pixel_size_A for _, volume in maps))
    grid = match_grid.common_grid(stack.shape[0], pixel, target)
    for name, volume in maps:
        if volume.pixel_size_A > grid.pixel_size_A * 1.02:
            folder.warn(
                f"the map {name} has {volume.pixel_size_A:g} Å pixels, coarser than the images' "
                f"{grid.pixel_size_A:g} Å: nothing finer than its own Nyquist is compared"
            )
    use = _use_assignment(params, images)
    _need_ctf(params, images)
    radii = {name: match_grid.particle_radius_A(volume) for name, volume in maps}
    shift_A = params.max_shift if params.max_shift is not None else 0.1 * grid.n * grid.pixel_size_A
    return Inputs(
        images=images,
        stack=stack,
        maps=maps,
        grid=grid,
        group=group,
        mask=_mask(params, grid, radii),
        use=use,
        max_shift_px=min(shift_A / grid.pixel_size_A, grid.n / 2),
        names=_names(images),
        weights=_weights(images),
        radii_A=radii,
    )


def _images(params: CompareParams, folder: ResultFolder) -> ImageSet:
    images = files.read_images(
        params.images,
        pixel_size_A=None,
        project_dir=params.project_dir,
        passthrough=params.passthrough,
        cut_short=True,  # the images that are missing fail with this reason, one by one; the others are compared
    )
    for note in images.notes:
        folder.warn(note)
    if len(images) == 0:
        raise DataError("there are no images", params.images, "give a stack or table with at least one")
    if images.stack is None:
        names = _names(images)
        raise DataError(
            f"the table's images were not found, the first is {names[0]}", params.images,
            "give --project-dir, or the stack itself",
        )  # fmt: skip
    return images


def _say_other_size(images: ImageSet, stack: ImageStack, folder: ResultFolder) -> None:
    told: set[int] = set()
    optics = images.blocks.get("optics")
    for table, column in ((optics, "rlnImageSize"), (images.table, "rlnImageSize"), (images.table, "blob/shape")):
        if table is not None and not isinstance(table, np.ndarray) and column in table:
            told |= {int(np.ravel(v)[0]) for v in pd.unique(table[column].map(_edge).dropna())}
    if told and told != {stack.shape[0]}:
        folder.warn(
            f"the table says {' and '.join(map(str, sorted(told)))} px, the images have {stack.shape[0]}: if they were "
            "binned or cropped after the table was made, give --pixel-size"
        )


def _edge(value: object) -> float | None:
    number = pd.to_numeric(np.ravel(np.asarray(value))[:1], errors="coerce")
    return float(number[0]) if len(number) and np.isfinite(number[0]) else None


def _maps(params: CompareParams, folder: ResultFolder, check: Check) -> list[tuple[str, Map3D]]:
    out: list[tuple[str, Map3D]] = []
    taken: dict[str, int] = {}
    for path in class3d_maps(params.maps):
        volume = sources.open_map(str(path), resolution_A=params.resolution, check=check)
        for note in volume.notes:
            folder.warn(note)
        if float(np.ptp(volume.data)) == 0:
            raise DataError("all voxels of the map are equal", path, "give a map with density")
        if not volume.pixel_size_known:
            if params.pixel_size is None:
                raise ParameterError("the map does not tell its pixel size", path, "give --pixel-size in Å")
            volume = volume.with_pixel_size(params.pixel_size)
        base = volume.name or Path(path).name
        taken[base] = taken.get(base, 0) + 1
        name = base if taken[base] == 1 else f"{base}_{taken[base]}"
        out.append((name, replace(volume, name=name)))
    return out


def class3d_maps(maps: list[Path]) -> list[Path]:
    """Return the map files: a RELION Class3D ``_model.star`` among them stands for its reference images."""
    out: list[Path] = []
    for path in maps:
        if path.suffix == ".star":
            out += _references(path)
        else:
            out.append(path)
    return out


def _references(model: Path) -> list[Path]:
    from emviewer.engine import star_read

    blocks = star_read.read_star(model)
    classes = blocks.get("model_classes")
    if classes is None or "rlnReferenceImage" not in classes:
        raise DataError("the table has no model_classes with rlnReferenceImage", model, "give a Class3D _model.star")
    out = []
    for name in classes["rlnReferenceImage"]:
        found = next(
            (d / str(name) for d in (model.parent, *model.absolute().parents) if (d / str(name)).exists()), None
        )
        beside = model.parent / Path(str(name)).name
        if found is None and beside.exists():
            found = beside
        if found is None:
            raise DataError(f"the map {name} was not found", model, "keep it in the project folder or beside the table")
        out.append(found)
    return out


def _pixel_size(images: ImageSet, stack: ImageStack, params: CompareParams, folder: ResultFolder) -> float:
    if params.pixel_size is not None:
        return params.pixel_size
    if images.pixel_size_known:
        known = images.pixel_size_A
        if stack.pixel_size_known and abs(stack.pixel_size_A / known - 1) > MISMATCH:
            folder.warn(
                f"the table says {known:g} Å/px, the stack's header {stack.pixel_size_A:g}: the table's is taken; "
                "give --pixel-size to overrule"
            )
        return known
    if stack.pixel_size_known:
        return stack.pixel_size_A
    raise ParameterError("the images do not tell their pixel size", params.images, "give --pixel-size in Å")


def _use_assignment(params: CompareParams, images: ImageSet) -> bool:
    there = images.poses is not None and not images.in_plane_only
    if params.assignment == "use" and not there:
        raise ParameterError(
            "the table has no orientations of views",
            params.images,
            "give one with rlnAngleRot/Tilt/Psi, or --assignment search",
        )
    return there and params.assignment != "search"


def _need_ctf(params: CompareParams, images: ImageSet) -> None:
    if params.ctf == "ignore":
        return
    missing = list(CTF_COLUMNS) if images.ctf is None else [c for c in CTF_COLUMNS if c not in images.ctf]
    if missing:
        raise ParameterError(
            f"--ctf {params.ctf} needs {', '.join(missing)}, which the table does not have",
            params.images,
            "give a table with the CTF of every image, or --ctf ignore",
        )


def _mask(params: CompareParams, grid: Grid, radii: dict[str, float]) -> F32:
    largest = match_grid.largest_radius_px(grid.n)
    if params.mask == "auto":
        radius = max(radii.values()) * 1.1 / grid.pixel_size_A
        return match_grid.soft_disc(grid.n, min(max(radius, 4.0), largest))
    if params.mask.startswith("radius:"):
        return match_grid.soft_disc(grid.n, min(float(params.mask[7:]) / grid.pixel_size_A, largest))
    try:
        stack = open_stack(params.mask)
    except EmviewerError as err:
        raise ParameterError(f"the mask cannot be used, {err.what}", params.mask, err.what_to_do) from err
    if len(stack) != 1:
        raise ParameterError(
            f"the mask holds {len(stack)} images or sections", params.mask, "give one image, as a 2D mask"
        )
    if stack.shape != (grid.n_input, grid.n_input):
        raise ParameterError(
            f"the mask has {stack.shape[1]}×{stack.shape[0]} px, the images {grid.n_input}×{grid.n_input}",
            params.mask,
            "give a 2D mask of the images' size",
        )
    mask = np.clip(grid.images(stack[0:1])[0], 0, 1)
    if not mask.max() > 0:
        raise DataError("the mask is empty", params.mask, "give one with values up to 1")
    return np.asarray(mask, np.float32)


def _names(images: ImageSet) -> list[str]:
    for column in ("rlnImageName", "rlnReferenceImage", "image"):
        if column in images.table:
            return [str(v) for v in images.table[column]]
    if "blob/path" in images.table and "blob/idx" in images.table:
        pairs = zip(images.table["blob/idx"], images.table["blob/path"], strict=True)
        return [f"{int(i) + 1:06d}@{p.decode() if isinstance(p, bytes) else p}" for i, p in pairs]
    source = images.source.name if images.source is not None else images.name
    return [f"{i + 1:06d}@{source}" for i in range(len(images))]


def _weights(images: ImageSet) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    for column in ("rlnClassDistribution", "class2D/num_particles"):
        if column in images.table:
            values = pd.to_numeric(images.table[column], errors="coerce").to_numpy(np.float64)
            values = np.where(np.isfinite(values) & (values > 0), values, 0.0)
            if values.sum() > 0:
                return np.asarray(values / values.mean(), np.float64)
    return np.ones(len(images))
