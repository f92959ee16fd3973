"""Particles whose poses move with their maps: opened and checked first, written at the end."""

from __future__ import annotations

import gzip
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from emviewer.engine import cryosparc, files_bytes
from emviewer.engine.align3d_poses import CryosparcPoses, RelionPoses
from emviewer.engine.errors import DataError, FileError
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
    """

    path: Path
    poses: RelionPoses | CryosparcPoses
    map_index: int | None
    moved: int = 0


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
    out = []
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
        out.append(ParticleFile(path, poses, None if by_class else i))
        if not by_class and poses.classes is not None and len(np.unique(poses.classes)) > 1:
            folder.warn(f"{path.name} has particles of several classes: all of them move with {_nth(i)} map")
    return out


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


def write_particles(files: list[ParticleFile], folder: ResultFolder) -> dict[str, int]:
    """Write the particles under their own names; return how many moved and how many were left."""
    if not files:
        return {}
    (folder / "particles").mkdir(exist_ok=True)
    taken: dict[str, int] = {}
    moved = left = 0
    for file in files:
        base = file.path.name
        taken[base] = taken.get(base, 0) + 1
        name = base if taken[base] == 1 else f"{base.split('.')[0]}_{taken[base]}{base[len(base.split('.')[0]) :]}"
        _write(file.poses, folder / "particles" / name)
        moved += file.moved
        left += len(file.poses) - file.moved
        if file.moved < len(file.poses):
            folder.warn(f"{len(file.poses) - file.moved} particles of {base} belong to none of the maps and are left")
    return {"n_particles_moved": moved, "n_particles_left": left}


def _write(poses: RelionPoses | CryosparcPoses, target: Path) -> None:
    if isinstance(poses, CryosparcPoses):
        cryosparc.write_cs(target, poses.rows)
    elif target.suffix == ".gz":
        plain = target.with_suffix("")
        write_star(plain, poses.result())
        target.write_bytes(gzip.compress(plain.read_bytes(), 6))
        plain.unlink()
    else:
        write_star(target, poses.result())
