"""Particles whose poses move with their maps: opened and checked first, written as soon as their maps are done."""

from __future__ import annotations

import gzip
import itertools
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from emviewer.engine import cryosparc, files_bytes
from emviewer.engine.align3d_poses import CryosparcPoses, RelionPoses
from emviewer.engine.errors import DataError, FileError
from emviewer.engine.files_whole import whole
from emviewer.engine.jobs.folder import ResultFolder
from emviewer.engine.star import read_star, write_star
from emviewer.engine.types import RigidTransform


@dataclass(eq=False)
class ParticleFile:
    """One file of particles.

    Parameters
    ----------
    path : Path
        The file.
    poses : RelionPoses or CryosparcPoses
        Its poses.
    map_index : int or None
        The map that all rows belong to; None if the class of a row says it.
    name : str
        Of the file in the result.
    moved : int
        Rows moved so far.
    maps : set of int
        The maps that its rows were moved with so far.
    """

    path: Path
    poses: RelionPoses | CryosparcPoses
    map_index: int | None
    name: str
    moved: int = 0
    maps: set[int] = field(default_factory=set)


def open_particles(
    paths: list[Path], n_maps: int, pixel_size_A: float | None, folder: ResultFolder
) -> list[ParticleFile]:
    """Open particles: once per map in their order, or once for all maps by class.

    Raises
    ------
    EmviewerError
        A file has no 3D poses, no pixel size, or no class where classes are needed.
    """
    by_class = len(paths) == 1 and n_maps > 1
    out: list[ParticleFile] = []
    for i, path in enumerate(paths):
        suffix = files_bytes.suffixes(path)[0]
        poses: RelionPoses | CryosparcPoses
        if suffix == ".cs":
            poses = CryosparcPoses(cryosparc.read_cs(path), path, pixel_size_A)
        elif suffix == ".star":
            poses = RelionPoses(read_star(path), path, pixel_size_A)
        else:
            raise FileError("particles are a .star or .cs file", path, "give --particles one of these")
        if by_class and poses.classes is None:
            column = "alignments3D/class" if suffix == ".cs" else "rlnClassNumber"
            raise DataError(f"one file for {n_maps} maps needs {column}", path, "give --particles once per map")
        out.append(ParticleFile(path, poses, None if by_class else i, _name(path, {file.name for file in out})))
        if not by_class and poses.classes is not None and len(np.unique(poses.classes)) > 1:
            folder.warn(f"{path.name} has particles of several classes: all of them move with {_nth(i)} map")
    return out


def _name(path: Path, taken: set[str]) -> str:
    """Return the file's own name, with ``_2``, ``_3`` if another has it."""
    name = path.name
    base = name.split(".")[0]
    for number in itertools.count(2):
        if name not in taken:
            break
        name = f"{base}_{number}{path.name[len(base) :]}"
    return name


def _nth(i: int) -> str:
    return "the only" if i == 0 else f"the {i + 1}."


def move_particles(files: list[ParticleFile], index: int, motion: RigidTransform) -> None:
    """Move the particles of map ``index``.

    Raises
    ------
    DataError
        Subtomograms whose map was flipped.
    """
    for file in files:
        poses = file.poses
        if file.map_index is None:
            assert poses.classes is not None
            rows = np.flatnonzero(poses.classes == index)
        elif file.map_index == index:
            rows = np.arange(len(poses))
        else:
            continue
        if isinstance(poses, CryosparcPoses) and file.map_index is None:
            poses.move_single(rows, motion)
            poses.move_slice(index, motion)
        else:
            poses.move(rows, motion)
        file.moved += len(rows)
        file.maps.add(index)


def write_particles(file: ParticleFile, n_maps: int, folder: ResultFolder) -> None:
    """Write a file under its own name, if any of its maps is done; say what of it stays, and count both.

    Parameters
    ----------
    file : ParticleFile
        The particles, moved with the maps that are done.
    n_maps : int
        Maps of the job, of which ``file.maps`` are done.
    folder : ResultFolder
        Gets ``particles/``; ``n_particles_moved`` and ``n_particles_left`` in its summary grow.
    """
    if not file.maps:
        folder.warn(f"{file.path.name} is not written: no map that its particles belong to was aligned")
        return
    (folder / "particles").mkdir(exist_ok=True)
    _write(file.poses, folder / "particles" / file.name)
    stay = 0
    classes = None if file.map_index is not None else file.poses.classes
    if classes is not None and (missing := sorted(set(range(n_maps)) - file.maps)):
        stay = int(np.isin(classes, missing).sum())
        first = 0 if isinstance(file.poses, CryosparcPoses) else 1
        names = ", ".join(str(index + first) for index in missing)
        folder.warn(
            f"{stay} particles of {file.path.name} are not moved, as no map was aligned for "
            f"{'class' if len(missing) == 1 else 'classes'} {names}"
        )
    left = len(file.poses) - file.moved
    if left > stay:
        folder.warn(f"{left - stay} particles of {file.path.name} belong to none of the maps and are left")
    for key, count in (("n_particles_moved", file.moved), ("n_particles_left", left)):
        folder.summary[key] = folder.summary.get(key, 0) + count


def _write(poses: RelionPoses | CryosparcPoses, target: Path) -> None:
    if isinstance(poses, CryosparcPoses):
        cryosparc.write_cs(target, poses.rows)
    elif target.suffix == ".gz":
        with whole(target) as beside:
            plain = beside.with_suffix(".star")
            write_star(plain, poses.result())
            try:
                beside.write_bytes(gzip.compress(plain.read_bytes(), 6))
            finally:
                plain.unlink()
    else:
        write_star(target, poses.result())
