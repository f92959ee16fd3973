"""The simulate job: particle images whose orientations are known, streamed to disk."""

from __future__ import annotations

import json
from collections.abc import Iterator

import numpy as np

from emviewer.engine import conventions, project, simulate, sources
from emviewer.engine.ctf import CTF
from emviewer.engine.errors import DataError, ParameterError
from emviewer.engine.files_whole import whole
from emviewer.engine.jobs import gallery_experiment as experiment
from emviewer.engine.jobs.folder import ResultFolder, report_kinds
from emviewer.engine.jobs.run import JobSpec
from emviewer.engine.jobs.simulate_params import HELP, TITLE, SimulateParams
from emviewer.engine.jobs.simulate_views import draw_shifts, draw_views
from emviewer.engine.mrc_write import StackWriter
from emviewer.engine.star_stream import ParticleStream, Value, optics_group, view_columns
from emviewer.engine.symmetry import point_group
from emviewer.engine.task import Batch, Check, message
from emviewer.engine.types import F32, F64, Map3D

STACK, TABLE = "particles.mrcs", "particles.star"
BATCH_BYTES = 1 << 21
PAGE_TILES = 60
WITHIN = 0.45
"""Part of the box inside which a particle must lie for its edge to be known: others fill their map as it is."""


def simulated(
    params: SimulateParams, folder: ResultFolder, *, check: Check, rng: np.random.Generator
) -> Iterator[Batch]:
    """Simulate particles (see :class:`SimulateParams`) into ``folder``.

    Yields
    ------
    Batch
        Rows are image ids from 0; columns ``rot_deg, tilt_deg, psi_deg, shift_x_A, shift_y_A``; extra ``stack`` (path
        of the growing ``particles.mrcs``), ``n_views``, ``pixel_size_A``.
    """
    folder.summary["n_images"] = 0
    yield message("opening the map")
    volume = open_source(params, folder, check)
    group = point_group(params.sym)
    made = _Set(params, volume, draw_views(params.coverage, params.n, group, rng), rng, check)
    folder.record["parameters"] |= {"box": made.projector.box}
    over = made.over_the_edge()
    if over and made.radius_px < WITHIN * min(volume.shape):
        folder.warn(f"{over} of {made.n} particles reach over the edge of their images: shift less, or enlarge --box")
    folder.summary |= {
        "pixel_size_A": made.projector.pixel_size_A,
        "box": made.projector.box,
        "symmetry": group.name,
        "coverage": params.coverage,
        "snr": params.snr,
        "snr_region": params.snr_region,
        "noise_sigma": made.noise.sigma if made.noise else None,
        "disc_radius_px": made.radius_px,
    }
    folder.stage("project")
    yield from made.batches(folder, check)
    folder.stage("report")
    if params.report != "none":
        _figures(params, folder, volume.name or params.map.name)


def open_source(params: SimulateParams, folder: ResultFolder, check: Check) -> Map3D:
    """Open the map and pass its notes on.

    Raises
    ------
    EmviewerError
        It cannot be read, has NaN, no pixel size, or nothing to project.
    """
    volume = sources.open_map(
        str(params.map), pixel_size_A=params.pixel_size, resolution_A=params.resolution, check=check
    )
    if not volume.pixel_size_known:
        raise ParameterError("the map does not tell its pixel size", params.map, "give --pixel-size in Å")
    if min(volume.shape) < 2 or float(np.ptp(volume.data)) == 0:
        raise DataError("there is no density to project", params.map, "give a 3D map")
    for note in volume.notes:
        folder.warn(note)
    return volume


class _Set:
    """Everything that is drawn before the first image."""

    def __init__(
        self, params: SimulateParams, volume: Map3D, angles: F64, rng: np.random.Generator, check: Check
    ) -> None:
        self.projector = project.Projector(volume, box=params.box, check=check)
        self.params, self.angles, self.n = params, angles, len(angles)
        self.views = conventions.euler_to_matrix(*angles.T)
        self.shifts_px = draw_shifts(params.shift_kind, params.shift_px, self.n, rng)
        self.defocus_A = rng.uniform(*params.defocus, self.n) if params.defocus else None
        key = int(rng.integers(2**63))
        self.radius_px = experiment.particle_radius_px(volume)
        self.noise = experiment.Noise(self._sigma(params.snr), key) if params.snr else None

    def _sigma(self, snr: float) -> float:
        ids = experiment.sample_ids(self.n)
        images = self.projector.project(self.views[ids], ctf=self.ctf(ids))
        radius = self.radius_px if self.params.snr_region == "disc" else None
        return float(np.sqrt(simulate.signal_variance(images, radius) / snr))

    def over_the_edge(self) -> int:
        """Return how many particles are cut, or come in again at the other side."""
        reach = np.abs(self.shifts_px).max(axis=1) + self.radius_px
        return int((reach > self.projector.box / 2).sum())

    def ctf(self, ids: np.ndarray[tuple[int], np.dtype[np.int64]]) -> CTF | None:
        """Return the CTFs of these images."""
        if self.defocus_A is None:
            return None
        d, p = self.defocus_A[ids], self.params
        return CTF(d, d, voltage_kV=p.kv, cs_mm=p.cs, amplitude_contrast=p.q0)

    def images(self, start: int, stop: int, check: Check) -> F32:
        """Return the finished images start … stop - 1."""
        ids = np.arange(start, stop)
        images = self.projector.project(self.views[ids], shifts_px=self.shifts_px[ids], ctf=self.ctf(ids), check=check)
        if self.noise is not None:
            self.noise.add(images, start)
        return images

    def batches(self, folder: ResultFolder, check: Check) -> Iterator[Batch]:
        """Make, write and yield the images."""
        pixel, box = self.projector.pixel_size_A, self.projector.box
        size = max(1, BATCH_BYTES // (4 * box * box))
        columns = view_columns(STACK, self.defocus_A is not None)
        extra = {"stack": str(folder / STACK), "n_views": self.n, "pixel_size_A": pixel}
        given = self.params
        microscope = (given.kv, given.cs, given.q0) if given.defocus is not None else None
        optics = optics_group(box, pixel, microscope)
        with (
            StackWriter(folder / STACK, (box, box), pixel) as stack,
            ParticleStream(folder / TABLE, optics, columns) as table,
        ):
            for start in range(0, self.n, size):
                check()
                stop = min(self.n, start + size)
                table.append(self._rows(start, stop))
                try:
                    stack.append(self.images(start, stop, check))
                except BaseException:
                    table.take_back()
                    raise
                folder.summary["n_images"] = stop
                names = ("rot_deg", "tilt_deg", "psi_deg", "shift_x_A", "shift_y_A")
                values = np.c_[self.angles[start:stop], self.shifts_px[start:stop] * pixel]
                yield Batch(
                    np.arange(start, stop), {name: values[:, i].copy() for i, name in enumerate(names)}, stop, self.n,
                    "projecting", extra,
                )  # fmt: skip

    def _rows(self, start: int, stop: int) -> list[tuple[Value, ...]]:
        numbers = np.c_[self.angles[start:stop], self.shifts_px[start:stop] * self.projector.pixel_size_A].tolist()
        ends: list[tuple[Value, ...]] = [(1,)] * (stop - start)
        if self.defocus_A is not None:
            ends = [(1, d, d, 0.0) for d in self.defocus_A[start:stop].tolist()]
        return [(start + i + 1, *row, *ends[i]) for i, row in enumerate(numbers)]


def _figures(params: SimulateParams, folder: ResultFolder, name: str) -> None:
    from emviewer.engine import figure

    rows = list(range(min(params.n, PAGE_TILES)))
    said = "no noise" if params.snr is None else f"SNR {params.snr:g} in the {params.snr_region}"
    spec = {
        "kind": "gallery",
        "table": TABLE,
        "rows": rows,
        "captions": ["rot_deg", "tilt_deg", "psi_deg"],
        "title": f"Simulated particles of {name}",
        "subtitle": f"{len(rows)} of {params.n} images, coverage {params.coverage}, {said}",
        "width_mm": 180,
    }
    with whole(folder / "report.json") as beside:
        beside.write_text(json.dumps(spec, indent=1) + "\n")
    figure.render(spec, [folder / f"report.{kind}" for kind in report_kinds(params.report)], base=folder.path)


def estimate(params: SimulateParams) -> str:
    """Return one line of what will be made."""
    from emviewer.engine.jobs.gallery_estimate import map_box

    box = params.box or map_box(params.map)
    size = f", {4e-6 * params.n * box * box:.3g} MB" if box else ""
    return f"{params.n} images{size}"


SPEC = JobSpec("simulate", TITLE, HELP, SimulateParams, simulated, estimate)
