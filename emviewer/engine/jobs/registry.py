"""Which jobs there are. Names and help cost nothing; a job's own modules are imported when it is asked for."""

from __future__ import annotations

import gc
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

from emviewer.engine.errors import ParameterError

if TYPE_CHECKING:
    from emviewer.engine.jobs.run import JobSpec
    from emviewer.engine.params import JobParams


@dataclass(frozen=True)
class _Entry:
    line: str
    params: str
    spec: str


_JOBS = {
    "gallery": _Entry(
        "project a map over orientation space",
        "emviewer.engine.jobs.gallery_params:GalleryParams",
        "emviewer.engine.jobs.gallery:SPEC",
    ),
    "compare": _Entry(
        "compare images with the reprojections of maps",
        "emviewer.engine.jobs.compare_params:CompareParams",
        "emviewer.engine.jobs.compare:SPEC",
    ),
    "align": _Entry(
        "align maps to a reference, with masks and particles",
        "emviewer.engine.jobs.align_params:AlignParams",
        "emviewer.engine.jobs.align:SPEC",
    ),
    "difference": _Entry(
        "subtract a map from a reference and find what differs",
        "emviewer.engine.jobs.difference_params:DifferenceParams",
        "emviewer.engine.jobs.difference:SPEC",
    ),
    "fsc": _Entry(
        "Fourier shell correlation of two maps",
        "emviewer.engine.jobs.fsc_params:FscParams",
        "emviewer.engine.jobs.fsc:SPEC",
    ),
    "center": _Entry(
        "centre class averages and carry the centre to their particles and micrographs",
        "emviewer.engine.jobs.center_params:CenterParams",
        "emviewer.engine.jobs.center:SPEC",
    ),
    "simulate": _Entry(
        "make particle images with known orientations",
        "emviewer.engine.jobs.simulate_params:SimulateParams",
        "emviewer.engine.jobs.simulate:SPEC",
    ),
    "recover": _Entry(
        "find orientations from the images alone",
        "emviewer.engine.jobs.recover_params:RecoverParams",
        "emviewer.engine.jobs.recover:SPEC",
    ),
    "train-distance": _Entry(
        "train a distance between images on projections of a map",
        "emviewer.engine.jobs.train_distance_params:TrainDistanceParams",
        "emviewer.engine.jobs.train_distance:SPEC",
    ),
    "reconstruct": _Entry(
        "reconstruct a map from particles with orientations",
        "emviewer.engine.jobs.reconstruct_params:ReconstructParams",
        "emviewer.engine.jobs.reconstruct:SPEC",
    ),
}


def names() -> list[tuple[str, str]]:
    """Return (name, one line of help) of every job, in the order in which they are shown."""
    return [(name, entry.line) for name, entry in _JOBS.items()]


def params(name: str) -> type[JobParams]:
    """Return the parameter model of a job; imports pydantic, not numpy."""
    model: type[JobParams] = _load(_entry(name).params)
    return model


def help_of(name: str) -> str:
    """Return the paragraph of help of a job."""
    text: str = _load(_entry(name).params.partition(":")[0] + ":HELP")
    return text


def spec(name: str) -> JobSpec:
    """Return a job, ready for :func:`emviewer.engine.jobs.run.run_job`.

    Raises
    ------
    ParameterError
        There is no job of this name.
    """
    found: JobSpec = _load(_entry(name).spec)
    return found


def _entry(name: str) -> _Entry:
    if name not in _JOBS:
        raise ParameterError("there is no such job", name, f"choose among {', '.join(_JOBS)}")
    return _JOBS[name]


def _load(where: str) -> Any:
    module, _, attribute = where.partition(":")
    collecting = gc.isenabled()
    gc.disable()  # modules make many objects and no garbage: a sixth less time
    try:
        return getattr(import_module(module), attribute)
    finally:
        if collecting:
            gc.enable()
