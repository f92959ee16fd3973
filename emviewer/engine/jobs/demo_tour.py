"""What the example runs: one job for every question that emviewer answers, on the files of :mod:`.demo`.

The window and ``emviewer demo --headless`` run the same steps with the same values.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from emviewer.engine.jobs.demo import STEP_DEG, SYMMETRY, Example


@dataclass(frozen=True)
class Step:
    """One job of the tour.

    Parameters
    ----------
    job : str
        Its name.
    values : dict
        Parameters by field name, as on the command line.
    out : pathlib.Path
        Result folder.
    """

    job: str
    values: dict[str, Any]
    out: Path


def steps(example: Example, folder: Path, prefix: str = "") -> list[Step]:
    """Return the jobs in their order; a later one may read the result of an earlier one.

    Parameters
    ----------
    example : Example
        The files.
    folder : path
        Where the results go, each into a folder ``prefix + job``.
    prefix : str
        Before the name of the job.
    """
    out = {job: folder / f"{prefix}{job}" for job in ("gallery", "compare", "center", "align", "simulate", "recover")}
    views = out["simulate"] / "particles.star"
    values: dict[str, dict[str, Any]] = {
        "gallery": {"map": example.map, "sym": SYMMETRY, "step": STEP_DEG},
        "compare": {"images": example.classes, "maps": [example.map, example.monomer]},
        "center": {"classes": example.classes, "particles": example.members, "micrographs": example.micrographs},
        "align": {"reference": example.map, "maps": [example.turned]},
        "simulate": {"map": example.monomer, "n": 80, "box": 64, "snr": 8.0},
        "recover": {"images": views, "truth": views},
    }
    return [Step(job, values[job], out[job]) for job in out]
