"""The gallery job: project a map over orientation space, streaming the images to disk."""

from __future__ import annotations

import time
from collections.abc import Iterator

import numpy as np

from emviewer.engine import conventions, kernels, project, project_warm, sampling, sources
from emviewer.engine.errors import DataError
from emviewer.engine.jobs import gallery_experiment as experiment
from emviewer.engine.jobs import gallery_output as output
from emviewer.engine.jobs.folder import ResultFolder
from emviewer.engine.jobs.gallery_estimate import estimate
from emviewer.engine.jobs.gallery_params import HELP, TITLE, GalleryParams
from emviewer.engine.jobs.gallery_plan import Views, plan
from emviewer.engine.jobs.run import JobSpec
from emviewer.engine.task import Batch, Check, message
from emviewer.engine.types import F32, F64, Map3D

BATCH_SECONDS = 0.035
"""Aim of the time that a batch takes; the window shows what arrives, so neither a flood nor a drip."""
BATCH_BYTES = 32 << 20
"""Largest batch, whatever the speed."""


def gallery(params: GalleryParams, folder: ResultFolder, *, check: Check, rng: np.random.Generator) -> Iterator[Batch]:
    """Project a map over orientation space (see :class:`GalleryParams`) into ``folder``.

    Yields
    ------
    Batch
        Rows are view ids from 0; columns ``rot_deg, tilt_deg, psi_deg, shift_x_A, shift_y_A``; extra ``stack`` (path
        of the growing ``projections.mrcs``), ``n_views``, ``pixel_size_A``.
    """
    folder.summary["n_views"] = 0
    yield message("opening the map")
    volume = open_volume(params, folder, check)
    check()
    yield message("choosing views")
    folder.stage("views")
    views = plan(params, rng, check)
    for note in views.notes:
        folder.warn(note)
    if not kernels.is_compiled():
        folder.stage("compile")
        for what in project_warm.warm_up(check):
            yield message(what)
    yield message("preparing the projector", 0, len(views))
    folder.stage("projector")
    projector = project.Projector(
        volume,
        method=params.method,
        interp=params.interp,
        pad=params.pad,
        max_res_A=params.max_res,
        box=params.box,
        check=check,
    )
    folder.record["parameters"] |= {
        "pad": project.default_pad(params.interp) if params.pad is None else params.pad,
        "box": projector.box,
        "max_res": params.max_res or 2 * projector.pixel_size_A,
    }
    folder.summary["pixel_size_known"] = volume.pixel_size_known
    run = _Run(params, volume, views, projector, rng)
    with output.GalleryWriter(folder, params, projector.box, projector.pixel_size_A) as writer:
        folder.stage("project")
        start = time.perf_counter()
        try:
            yield from run.batches(writer, check)
        finally:
            _summarise(folder, views, writer.n, time.perf_counter() - start)
    folder.stage("report")
    if params.report != "none":
        yield message("drawing the figure", len(views), len(views))
        spec = output.figure_spec(volume.name or params.map.name, len(views), views.group.name)
        output.write_figures(folder, params, spec, check)


def open_volume(params: GalleryParams, folder: ResultFolder, check: Check) -> Map3D:
    """Open the map, pass its notes on, and refuse one that has nothing to project.

    Raises
    ------
    EmviewerError
        It cannot be read, has NaN, or is a single voxel wide.
    """
    volume = sources.open_map(
        str(params.map), pixel_size_A=params.pixel_size, resolution_A=params.resolution, check=check
    )
    if min(volume.shape) < 2:
        size = " × ".join(map(str, reversed(volume.shape)))
        raise DataError(f"a map of {size} voxels has nothing to project", params.map, "give a 3D map")
    for note in volume.notes:
        if volume.pixel_size_known or "pixel size" not in note:
            folder.warn(note)
    if not volume.pixel_size_known:
        folder.warn(f"{params.map} does not tell its pixel size: 1 Å is taken; give --pixel-size to set it")
    return volume


class _Run:
    """The projecting of one gallery: everything that is ready before the first view."""

    def __init__(
        self,
        params: GalleryParams,
        volume: Map3D,
        views: Views,
        projector: project.Projector,
        rng: np.random.Generator,
    ) -> None:
        self.angles, self.projector = views.angles, projector
        self.n = len(views)
        self.rotations = conventions.euler_to_matrix(*views.angles.T)
        self.shifts_px = experiment.random_shifts(params.shift_sigma, self.n, rng)
        if views.shifts_A is not None:
            self.shifts_px += views.shifts_A / projector.pixel_size_A
        if views.shifts_px is not None:
            self.shifts_px += views.shifts_px
        self.shifted = bool(self.shifts_px.any())
        self.params = params
        key = int(rng.integers(2**63))
        self.noise = None
        if params.snr is not None:
            self.noise = experiment.Noise(self._sigma(volume, params.snr), key)

    def _sigma(self, volume: Map3D, snr: float) -> float:
        """Return the standard deviation of noise: signal variance in the particle's disc over SNR."""
        from emviewer.engine.simulate import signal_variance

        radius = experiment.particle_radius_px(volume) * volume.pixel_size_A / self.projector.pixel_size_A
        ids = experiment.sample_ids(self.n)
        images = self.projector.project(self.rotations[ids], ctf=experiment.make_ctf(self.params, len(ids)))
        return float(np.sqrt(signal_variance(images, radius) / snr))

    def project(self, start: int, stop: int, check: Check) -> F32:
        """Return the finished images of views start … stop - 1."""
        images = self.projector.project(
            self.rotations[start:stop],
            shifts_px=self.shifts_px[start:stop] if self.shifted else None,
            ctf=experiment.make_ctf(self.params, stop - start),
            check=check,
        )
        if self.noise is not None:
            self.noise.add(images, start)
        return images

    def batches(self, writer: output.GalleryWriter, check: Check) -> Iterator[Batch]:
        """Project, write and yield, in batches whose size follows the measured speed."""
        pixel = self.projector.pixel_size_A
        most = max(1, BATCH_BYTES // (4 * self.projector.box**2))
        size, done = min(8, most), 0
        extra = {"stack": str(writer.path), "n_views": self.n, "pixel_size_A": pixel}
        while done < self.n:
            check()
            stop = min(self.n, done + size)
            began = time.perf_counter()
            shifts_A = self.shifts_px[done:stop] * pixel
            writer.append(self.project(done, stop, check), self.angles[done:stop], shifts_A)
            ratio = BATCH_SECONDS / max(1e-6, time.perf_counter() - began)
            size = int(min(most, max(1, size * min(4.0, ratio))))
            yield Batch(
                np.arange(done, stop), _columns(self.angles[done:stop], shifts_A), stop, self.n, "projecting", extra
            )
            done = stop


def _columns(angles: F64, shifts_A: F64) -> dict[str, F64]:
    return {
        "rot_deg": angles[:, 0].copy(),
        "tilt_deg": angles[:, 1].copy(),
        "psi_deg": angles[:, 2].copy(),
        "shift_x_A": shifts_A[:, 0].copy(),
        "shift_y_A": shifts_A[:, 1].copy(),
    }


def _summarise(folder: ResultFolder, views: Views, done: int, seconds: float) -> None:
    """Put the key figures of what is finished into summary.json; undefined ones stay null."""
    folder.stage("quality")
    covering = separation = float("nan")
    if done == len(views):
        covering, separation = sampling.quality(views.directions, views.group, *views.ranges)
    folder.summary |= {
        "n_views": done,
        "n_directions": len(views.directions),
        "covering_radius_deg": covering,
        "min_separation_deg": separation,
        "views_per_second": round(done / seconds, 1) if done else None,
        "symmetry": views.group.name,
    }


SPEC = JobSpec("gallery", TITLE, HELP, GalleryParams, gallery, estimate)
