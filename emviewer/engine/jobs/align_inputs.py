"""Open maps and masks, find what belongs to a map, and check that everything fits before anything is computed."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from emviewer.engine import files, files_bytes, sources
from emviewer.engine.errors import DataError, EmviewerError
from emviewer.engine.jobs.folder import ResultFolder
from emviewer.engine.task import Check, never
from emviewer.engine.types import F32, Map3D

_MAPS = (".mrc", ".map", ".ccp4")
_HALF = re.compile(r"(^|[_-])half[_-]?(map)?[_-]?[12ab]([_-]|$)", re.IGNORECASE)
_MASK = re.compile(r"(^|[_-])mask([_-]|$)", re.IGNORECASE)
_DERIVED = re.compile(r"([_-](map_)?sharp(ened)?|[_-]postprocess(ed)?(_masked)?)$", re.IGNORECASE)
_TAIL = re.compile(r"([_-]map|[_-]unfil(tered)?)$", re.IGNORECASE)
PLATEAU = 0.1
"""Least share of the voxels above zero that are 1 in a mask; of a density scaled to 0 … 1 next to none are."""
_NAMELESS = re.compile(r"(half)?[_-]?(map)?[_-]?[12ab]?", re.IGNORECASE)
_CLASS = re.compile(r"[_-]half[_-]?(?:map)?[_-]?[12ab](?=[_-]|$)|(?<![a-z0-9])half[_-]?[12ab][_-]", re.IGNORECASE)


@dataclass(eq=False)
class Member:
    """A map to align with what belongs to it.

    Parameters
    ----------
    name : str
        Unique name in the result.
    path : Path
        The file, or ``phantom:NAME``.
    volume : Map3D
        The map.
    mask : Map3D or None
        Its mask, given or found beside it.
    mask_given : bool
        Whether the mask was given (otherwise it only moves along).
    siblings : list of (str, Path)
        Name in the result and file of each map that moves with it.
    masks : list of (str, Path)
        The same of each further mask.
    halves : tuple of Path or None
        Its half maps, for noise and the ceiling of the FSC.
    found_mask : (ndarray of float32, float) or None
        The automatic mask on its coarse grid, and the pixel size there.
    """

    name: str
    path: Path
    volume: Map3D
    mask: Map3D | None = None
    mask_given: bool = False
    siblings: list[tuple[str, Path]] = field(default_factory=list)
    masks: list[tuple[str, Path]] = field(default_factory=list)
    halves: tuple[Path, Path] | None = None
    found_mask: tuple[F32, float] | None = None


class Opener:
    """Opens maps of one job: pixel size, notes, names."""

    def __init__(
        self, folder: ResultFolder, pixel_size_A: float | None, resolution_A: float | None, check: Check = never
    ) -> None:
        self.folder, self.pixel, self.resolution, self.check = folder, pixel_size_A, resolution_A, check
        self.taken: set[str] = set()

    def open(self, paths: list[Path]) -> list[Map3D]:
        """Open maps; ``--pixel-size`` goes to those that do not tell theirs, or to all if every header tells.

        Raises
        ------
        EmviewerError
            One cannot be read, is flat, or nothing tells its pixel size.
        """
        volumes = []
        for path in paths:
            volume = sources.open_map(str(path), resolution_A=self.resolution, check=self.check)
            if any("every voxel of the map is" in note for note in volume.notes):
                raise DataError("all voxels of the map are equal", path, "give a map with density")
            volumes.append(volume)
        made = [str(p).startswith(sources.PHANTOM) for p in paths]
        overrule = self.pixel is not None and all(v.pixel_size_known for v in volumes)
        out = []
        for path, volume, phantom in zip(paths, volumes, made, strict=True):
            known = volume.pixel_size_known
            if not known and self.pixel is None:
                raise DataError("the map does not tell its pixel size", path, "give --pixel-size in Å")
            if self.pixel is not None and not phantom and (overrule or not known):
                volume = volume.with_pixel_size(self.pixel)
            for note in volume.notes:
                if known or "pixel size" not in note:
                    self.folder.warn(note)
            if min(volume.shape) < 8:
                raise DataError(f"a map of {size_text(volume)} voxels is too small to align", path, "give a larger map")
            out.append(volume)
        return out

    def name(self, path: Path) -> str:
        """Return the name of a map in the result: its file's without suffixes, ``_2`` for the second of that name."""
        text = str(path)
        base = text.split(":", 1)[1] if text.startswith(sources.PHANTOM) else files_bytes.suffixes(path)[1]
        return self.unique(base)

    def unique(self, base: str) -> str:
        """Return a name that nothing else in the result has: ``base``, else ``base_2``, ``base_3``."""
        name = base
        for number in itertools.count(2):
            if name not in self.taken:
                break
            name = f"{base}_{number}"
        self.taken.add(name)
        return name


def open_mask(path: Path, of: Map3D, what: str) -> Map3D:
    """Open a mask that must lie on the grid of a map.

    Raises
    ------
    EmviewerError
        Another box, no voxel above zero, or not a map.
    """
    mask = sources.open_map(str(path))
    if mask.shape != of.shape:
        raise DataError(
            f"the mask has {size_text(mask)} voxels, {what} {size_text(of)}", path, "give a mask on the grid of the map"
        )
    if mask.pixel_size_known and abs(mask.pixel_size_A / of.pixel_size_A - 1) > 0.02:
        raise DataError(
            f"the mask has voxels of {mask.pixel_size_A:.4g} Å, {what} of {of.pixel_size_A:.4g} Å", path,
            "give a mask on the grid of the map",
        )  # fmt: skip
    if not float(mask.data.max()) > 0:
        raise DataError("no voxel of the mask is above zero", path, "give another mask")
    return replace(mask, data=np.clip(mask.data, 0, 1).astype(np.float32), pixel_size_A=of.pixel_size_A)


def size_text(volume: Map3D) -> str:
    """Return the box as ``nx × ny × nz``."""
    return " × ".join(map(str, reversed(volume.shape)))


def root_of(stem: str) -> str:
    """Return what the names of a map, its half maps and its sharpened map have in common.

    ``J7_003_volume_map_half_A`` and ``J7_003_volume_map_sharp`` give ``j7_003_volume``;
    ``run_half1_class001_unfil`` and ``run_class001`` give ``run_class001``.
    """
    base = _DERIVED.sub("", stem)
    base = _TAIL.sub("", base)
    base = _CLASS.sub("", base)
    base = _TAIL.sub("", base)
    return base.strip("_-").lower()


def kind_of_name(stem: str) -> str:
    """Return what a file's name says it is: ``half``, ``mask``, ``derived`` (sharpened, post-processed) or ``map``."""
    if _HALF.search(stem):
        return "half"
    if _MASK.search(stem):
        return "mask"
    return "derived" if _DERIVED.search(stem) else "map"


def find_siblings(path: Path) -> tuple[list[Path], list[Path], list[Path]]:
    """Return half maps, derived maps and masks that lie beside a map and belong to it by their names.

    A half map has no siblings. Files without a name of their own (``half1_unfil.mrc``, ``mask.mrc``) belong to the map
    only if it is the one map of its folder.
    """
    nothing: tuple[list[Path], list[Path], list[Path]] = ([], [], [])
    if str(path).startswith(sources.PHANTOM) or not path.is_file():
        return nothing
    stem = files_bytes.suffixes(path)[1]
    if kind_of_name(stem) in ("half", "mask"):
        return nothing
    beside = sorted(p for p in path.parent.iterdir() if files_bytes.suffixes(p)[0] in _MAPS and not p.samefile(path))
    names = {p: files_bytes.suffixes(p)[1] for p in beside}
    alone = all(kind_of_name(name) != "map" for name in names.values())
    mine = root_of(stem)

    def belongs(name: str) -> bool:
        kind = kind_of_name(name)
        if kind == "mask":
            root = _TAIL.sub("", _MASK.split(name)[0]).strip("_-").lower()
            return root == mine if root else alone
        root = root_of(name)
        return root == mine or (alone and _NAMELESS.fullmatch(root) is not None)

    own = [p for p in beside if belongs(names[p])]
    by_kind = {kind: [p for p in own if kind_of_name(names[p]) == kind] for kind in ("half", "derived", "mask", "map")}
    derived = by_kind["derived"]
    if kind_of_name(stem) == "derived":
        derived = [*derived, *by_kind["map"]]
    return by_kind["half"], derived, by_kind["mask"]


def attach(
    member: Member, opener: Opener, warn: Callable[[str], None], *, leave: Sequence[Path] = (),
    also: Sequence[Path] = (), look: bool = True,
) -> None:  # fmt: skip
    """Find the siblings of a member and take those that lie on its grid.

    Parameters
    ----------
    member, opener, warn : Member, Opener, callable
        The map, what names its siblings, and what is told of those that do not fit.
    leave, also : sequence of Path
        Files that are not taken (those that are maps of the job themselves among them), and files that are taken
        whatever they are called, as a mask if their name or their values say so.
    look : bool
        Whether files beside the map are looked for.
    """
    left = {p.resolve() for p in leave}
    found = find_siblings(member.path) if look else ([], [], [])
    halves, derived, masks = ([p for p in group if p.resolve() not in left] for group in found)
    halves, derived = ([p for p in group if _fits(p, member.volume, warn)] for group in (halves, derived))
    masks = [p for p in masks[:1] if member.mask is None and _fits(p, member.volume, warn)]
    for path in also:
        if path.resolve() not in {p.resolve() for p in (*halves, *derived, *masks)} and _fits(
            path, member.volume, warn
        ):
            _kind_of(path, halves, derived, masks).append(path)
    stem = files_bytes.suffixes(member.path)[1]
    tail = member.name[len(stem) :] if member.name.startswith(stem) else ""

    def named(path: Path) -> tuple[str, Path]:
        return opener.unique(f"{files_bytes.suffixes(path)[1]}{tail}"), path

    member.siblings += [named(path) for path in (*halves, *derived)]
    if len(halves) == 2:
        member.halves = (halves[0], halves[1])
    if member.mask is None and masks:
        member.mask = open_mask(masks.pop(0), member.volume, f"the map {member.name}")
    member.masks += [named(path) for path in masks]


def _kind_of(path: Path, halves: list[Path], derived: list[Path], masks: list[Path]) -> list[Path]:
    """Return the list that a file belongs to, by its name, or by its values if they are those of a mask."""
    kind = kind_of_name(files_bytes.suffixes(path)[1])
    if kind == "half":
        return halves
    return masks if kind == "mask" or looks_like_mask(read_data(path)) else derived


def looks_like_mask(data: F32) -> bool:
    """Whether values are those of a mask: 0 outside, 1 inside, and at most an edge between.

    Parameters
    ----------
    data : ndarray of float32
        Voxels of a map.
    """
    if float(data.min()) < 0 or float(data.max()) > 1.001:
        return False
    above = int(np.count_nonzero(data))
    return above > 0 and int(np.count_nonzero(data > 0.999)) > PLATEAU * above


def _fits(path: Path, volume: Map3D, warn: Callable[[str], None]) -> bool:
    try:
        other = files.read_map(path)
    except EmviewerError as err:
        warn(f"{path.name} beside the map is left: {err.what}")
        return False
    same = other.shape == volume.shape and (
        not other.pixel_size_known or abs(other.pixel_size_A / volume.pixel_size_A - 1) < 0.02
    )
    if not same:
        warn(f"{path.name} beside the map is on another grid and is left")
    return same


def read_data(path: Path) -> F32:
    """Return the voxels of a sibling, checked."""
    return np.asarray(sources.open_map(str(path)).data, np.float32)
