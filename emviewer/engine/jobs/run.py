"""Run any job into a result folder: the one loop that the window and the command line share."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from emviewer import __version__
from emviewer.engine.errors import EmviewerError
from emviewer.engine.jobs.folder import ResultFolder, as_output_error, fingerprint
from emviewer.engine.params import JobParams
from emviewer.engine.task import Batch, Cancelled, Check, never
from emviewer.engine.threads import set_threads


class JobFunction(Protocol):
    """What a job is: a generator of batches that writes closed files into ``folder``.

    On :class:`Cancelled` out of ``check`` (or ``GeneratorExit`` at a yield) it closes its files so that
    what is finished stays valid (``try … finally``).
    """

    def __call__(self, params: Any, folder: ResultFolder, *, check: Check, rng: np.random.Generator) -> Iterator[Batch]:
        """Run the job."""
        ...


@dataclass(frozen=True)
class JobSpec:
    """A job as the window and the command line know it.

    Parameters
    ----------
    name : str
        Command name (``gallery``).
    title : str
        Heading in the window.
    help : str
        One paragraph.
    params : type
        The :class:`JobParams` subclass; fields whose flag is ``""`` are positional.
    run : callable
        The generator function.
    estimate : callable or None
        ``estimate(params) -> str``: what the job will make (views, disk), said beforehand; quick (< 50 ms).
    """

    name: str
    title: str
    help: str
    params: type[JobParams]
    run: JobFunction
    estimate: Callable[[Any], str] | None = None


@dataclass(frozen=True)
class Outcome:
    """How a job ended.

    Parameters
    ----------
    folder : pathlib.Path
        The result folder.
    status : str
        ``complete`` or ``partial``.
    summary : dict
        Contents of summary.json.
    warnings : list of str
        Doubts met on the way.
    error : EmviewerError or None
        Why a partial result ended early, when it was not the user's wish.
    """

    folder: Path
    status: str
    summary: dict[str, Any] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    error: EmviewerError | None = None


def run_job(
    spec: JobSpec, params: JobParams, out: str | Path, *, overwrite: bool = False, check: Check = never
) -> Generator[Batch, None, Outcome]:
    """Run a job; yield its batches and return its :class:`Outcome`.

    An error before anything was finished is raised and leaves no folder. Once a batch has rows, what is finished
    is kept, closed and renamed with status ``partial``, and the reason is in ``Outcome.error``.

    Raises
    ------
    EmviewerError
        Wrong input or parameters, or an output folder that cannot be made.
    """
    inputs = [fingerprint(p) for p in params.input_paths() if p.exists()]
    folder = ResultFolder(out, overwrite)
    used = set_threads(params.threads)
    folder.record |= {
        "job": spec.name,
        "parameters": params.model_dump(mode="json") | {"threads": used},
        "emviewer_version": __version__,
        "python_version": sys.version.split()[0],
        "inputs": inputs,
        "seed": params.seed,
        "threads": used,
    }
    finished, error, status = False, None, "complete"
    folder.stage("prepare")
    batches = spec.run(params, folder, check=check, rng=np.random.default_rng(params.seed))
    try:
        for batch in batches:
            finished |= len(batch.rows) > 0
            yield batch
            check()
    except Cancelled:
        status = "partial"
        _close(batches)
    except (KeyboardInterrupt, GeneratorExit):
        _close(batches)
        folder.close("partial")
        raise
    except EmviewerError as err:
        if not finished:
            _discard(folder)
            raise
        status, error = "partial", err
    except OSError as err:
        error, status = as_output_error(err, folder.out), "partial"
        _close(batches)
        if not finished:
            _discard(folder)
            raise error from err
    return Outcome(folder.close(status), status, folder.summary, folder.warnings, error)


def _close(batches: Iterator[Batch]) -> None:
    close = getattr(batches, "close", None)
    if close is not None:
        close()


def _discard(folder: ResultFolder) -> None:
    shutil.rmtree(folder.path, ignore_errors=True)
