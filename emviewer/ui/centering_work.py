"""What the centring panel hands to the job lane: estimates anew, and saving."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emviewer.engine.errors import OutputError
from emviewer.engine.task import Batch, Check, message
from emviewer.ui.centering_session import Centering, Choice
from emviewer.ui.runner import JobHandle, Runner

Say = Callable[[str, str], None]
"""Takes a sentence and its level."""


def estimate(
    runner: Runner, centering: Centering, method: str, rows: NDArray[np.int64], map_path: str | None,
    then: Callable[[list[Choice], list[str]], None], say: Say,
) -> JobHandle | None:  # fmt: skip
    """Estimate the centres of some classes in the job lane.

    ``then`` gets their new choices in the order of rows, and sentences about doubts of the map.
    """
    result, inputs = centering.result, centering.inputs
    if result is None or inputs is None or not len(rows):
        return None
    many = f"{len(rows)} class{'es' * (len(rows) != 1)}"

    def make(check: Check) -> Generator[Batch, None, tuple[list[Choice], list[str]]]:
        from emviewer.engine.centering import left_alone
        from emviewer.engine.jobs import center_again

        yield message(f"finding centres by {method}", 0, len(rows))
        doubts: list[str] = []
        found = center_again.estimate(result, inputs, method, rows, map_path=map_path, warn=doubts.append, check=check)
        alone = left_alone(found, center_again.farthest_px(result))
        yield message("centres are found", len(rows), len(rows))
        new = [
            Choice(float(x), float(y), float(psi), float(sure), name, bool(leave))
            for (x, y), psi, sure, name, leave in zip(
                found.offset_px, found.psi_deg, found.confidence, found.method, alone, strict=True
            )
        ]
        return new, list(dict.fromkeys(doubts))

    def ended(job: JobHandle) -> None:
        if job.error is not None:
            say(f"{job.error}.", "error")
        elif job.state == "complete":
            then(*job.outcome)
        else:
            say("", "info")

    return runner.submit(JobHandle(f"Centre {many} by {method}", make, on_end=ended))


def save(
    runner: Runner, centering: Centering, path: Path, store: str, say: Say, *, folder: bool = False
) -> JobHandle | None:  # fmt: skip
    """Save the centring as it stands in the job lane; the suffix says how (``center_save.save``).

    A ``folder`` of coordinates may have a dot in its name, which is no suffix then.
    """
    result, inputs, now = centering.result, centering.inputs, centering.now
    if result is None or inputs is None:
        return None

    def make(check: Check) -> Generator[Batch, None, list[Path]]:
        from emviewer.engine.jobs import center_save

        yield message(f"saving {path.name}")
        if folder:
            return [_save_folder(path, lambda plain: center_save.save(result, inputs, now, plain, check=check))]
        if path.suffix in (".pdf", ".png", ".svg"):
            return center_save.save_report(result, inputs, now, path, check=check)
        return center_save.save(result, inputs, now, path, store=store, check=check)

    def ended(job: JobHandle) -> None:
        if job.error is not None:
            say(f"{job.error}.", "error")
        elif job.state == "complete":
            use = {
                "alignment": " It is valid with the present images.",
                "both": " It is for re-extraction at its new coordinates.",
            }.get(store, "") if not folder and path.suffix in (".star", ".cs", ".xmd") else ""  # fmt: skip
            say(f"Saved {', '.join(p.name for p in job.outcome)} in {path.parent}.{use}", "good")

    return runner.submit(JobHandle(f"Save {path.name}", make, on_end=ended))


def _save_folder(path: Path, write: Callable[[Path], list[Path]]) -> Path:
    """Write a folder under a name without dots, by which the engine knows folders, and give it its own."""
    if not path.suffix:
        return write(path)[0]
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise OutputError("the folder is there and not empty", path, "choose another name")
    (made,) = write(path.with_name(f".{path.name.replace('.', '_')}_{os.getpid()}"))
    return made.replace(path)


def choices_for(rows: NDArray[np.int64], centering: Centering, **changes: Any) -> list[Choice]:
    """Return the choices of some rows with some fields changed."""
    from dataclasses import replace

    return [replace(centering.choices[int(row)], **changes) for row in rows]
