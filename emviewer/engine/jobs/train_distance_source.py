"""The map that a distance is trained on: given, or reconstructed from particles whose orientations are known."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np

from emviewer.engine import files, filters, sources
from emviewer.engine.conventions import without_mirror
from emviewer.engine.errors import DataError, ParameterError
from emviewer.engine.jobs import reconstruct_output as maps_of
from emviewer.engine.jobs.folder import ResultFolder
from emviewer.engine.jobs.reconstruct import CTF_COLUMNS, open_particles, transfer_of
from emviewer.engine.jobs.reconstruct_params import ReconstructParams
from emviewer.engine.jobs.train_distance_params import TrainDistanceParams
from emviewer.engine.symmetry import point_group
from emviewer.engine.task import Check
from emviewer.engine.types import Map3D


def open_training_map(params: TrainDistanceParams, folder: ResultFolder, check: Check) -> Map3D:
    """Open the map to train on; notes go to ``folder.warn``.

    Raises
    ------
    EmviewerError
        It cannot be read, has no density or pixel size, or the particles of a table have no orientations.
    """
    spec = str(params.map)
    if not spec.startswith(sources.PHANTOM) and _is_table(params.map):
        return _reconstructed(params, folder, check)
    volume = sources.open_map(spec, pixel_size_A=params.pixel_size, resolution_A=params.resolution, check=check)
    if not volume.pixel_size_known:
        raise ParameterError("the map does not tell its pixel size", params.map, "give --pixel-size in Å")
    if min(volume.shape) < 16 or float(np.ptp(volume.data)) == 0:
        raise DataError("there is no density to train on", params.map, "give a 3D map of at least 16 voxels")
    for note in volume.notes:
        folder.warn(note)
    return volume


def map_hash(volume: Map3D) -> str:
    """Return the first 16 hexadecimal digits of the sha256 of a map's voxels and pixel size."""
    digest = hashlib.sha256(np.ascontiguousarray(volume.data, "<f4").tobytes())
    digest.update(f"{volume.pixel_size_A:.6f}".encode())
    return digest.hexdigest()[:16]


def name_of(path: Path, volume: Map3D) -> str:
    """Return what a map is called: its name, after its folder's where a job wrote it, as all jobs write a map.mrc."""
    name, folder = volume.name or path.name, path.expanduser().resolve().parent
    return f"{folder.name}/{name}" if (folder / "job.json").is_file() else name


def _is_table(path: Path) -> bool:
    from emviewer.engine import files_bytes

    return files.kind_of(files_bytes.existing(str(path))) in ("star", "cryosparc", "xmipp", "table")


def _reconstructed(params: TrainDistanceParams, folder: ResultFolder, check: Check) -> Map3D:
    """Return the map of particles at the orientations of their table, no finer than its halves agree."""
    told = ReconstructParams(
        particles=params.map, sym=params.sym, contrast=params.contrast, pixel_size=params.pixel_size,
        project_dir=params.project_dir,
    )  # fmt: skip
    images, stack, pixel = open_particles(told, folder)
    if images.poses is None or images.in_plane_only:
        raise DataError("the table has no orientations to train on", params.map, "give particles.star of simulate")
    views, shifts_A = without_mirror(images.poses.rotations, images.poses.shifts_A, images.poses.mirror)
    known = images.ctf is not None and all(c in images.ctf and images.ctf[c].notna().all() for c in CTF_COLUMNS)
    sign, box = np.float32(1.0 if params.contrast == "positive" else -1.0), stack.shape[0]
    maps = maps_of.reconstruct_halves(
        lambda ids: stack[ids] * sign, views, shifts_A / pixel, maps_of.random_halves(len(views), params.seed), box,
        pixel, group=np.asarray(point_group(params.sym).rotations),
        transfer=transfer_of(images, box, pixel, told) if known else None, check=check,
    )  # fmt: skip
    if not np.isfinite(maps.whole).all() or float(np.ptp(maps.whole)) == 0:
        raise DataError("the particles give no map to train on", params.map, "give images that are not empty")
    resolution = maps.curve.resolution_A(0.143)
    data = maps.whole if resolution is None else filters.lowpass(maps.whole, pixel, resolution, spatial=3)
    reached = "" if resolution is None else f", at {resolution:.1f} Å"
    folder.warn(f"trained on the map of the {len(views)} particles of the table{reached}")
    return Map3D(np.asarray(data, np.float32), pixel, source=params.map, name=params.map.stem)
