"""Run any job into a result folder: the one loop that the window and the command line share."""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from emviewer import __version__
from emviewer.engine.errors import DataError, EmviewerError, OutputError
from emviewer.engine.jobs.folder import ResultFolder, as_error, changed, fingerprint, is_full
from emviewer.engine.jobs.progress import Progress
from emviewer.engine.params import JobParams, command_line
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
    curves : tuple of str
        Numbers in the ``extra`` of batches that are kept in progress.csv (:mod:`emviewer.engine.jobs.progress`).
    """

    name: str
    title: str
    help: str
    params: type[JobParams]
    run: JobFunction
    estimate: Callable[[Any], str] | None = None
    curves: tuple[str, ...] = ()


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

    An error before anything was finished is raised and leaves no folder. Once a batch has rows, or a file is whole
    when the disk is full, what is finished is kept, closed and renamed with status ``partial``, and the reason is in
    ``Outcome.error``. A job that is cancelled is kept too, even with nothing finished, unless it would replace an
    earlier result by nothing.

    Raises
    ------
    EmviewerError
        Wrong input or parameters, or an output folder that cannot be made.
    Cancelled
        Cancelled before anything was finished, and ``out`` holds an earlier result, which stays.
    """
    folder = ResultFolder(out, overwrite)
    try:
        _describe(spec, params, folder)
    except BaseException:
        folder.discard()
        raise
    finished, error, status = False, None, "complete"
    progress = Progress(spec.curves)
    folder.stage("prepare")
    batches = spec.run(params, folder, check=check, rng=np.random.default_rng(params.seed))
    try:
        try:
            for batch in batches:
                finished |= len(batch.rows) > 0
                progress.take(batch)
                yield batch
                check()
        finally:
            _close(batches)
            progress.write(folder)
    except Cancelled:
        status = "partial"
        if not finished and folder.replaces:
            folder.discard()
            raise
    except (KeyboardInterrupt, GeneratorExit):
        if finished or not folder.replaces:
            folder.close("partial")
        else:
            folder.discard()
        raise
    except (EmviewerError, OSError, MemoryError) as err:
        status, error = "partial", _sentence(err, folder)
        kept = finished or (is_full(err) and folder.holds_files and not folder.replaces)
        if not kept:
            folder.discard()
            raise error from err
    for path in changed(folder.record["inputs"]):
        folder.warn(f"{path} was changed while the job ran: the result may mix its old and its new content")
    return Outcome(folder.close(status), status, folder.summary, folder.warnings, error)


def _describe(spec: JobSpec, params: JobParams, folder: ResultFolder) -> None:
    """Begin job.json: what is run, with what, on which inputs."""
    paths = params.input_paths()
    for path in paths:
        if folder.replaces and path.absolute().is_relative_to(folder.out):
            raise OutputError("the output folder holds an input of the job", path, "choose another --out")
    used = set_threads(params.threads)
    folder.record |= {
        "job": spec.name,
        "parameters": params.resolved() | {"threads": used},
        "command": command_line(spec.name, params, folder.out, folder.overwrite),
        "emviewer_version": __version__,
        "python_version": sys.version.split()[0],
        "inputs": [fingerprint(p) for p in paths if p.exists()],
        "seed": params.seed,
        "threads": used,
    }


def _sentence(err: Exception, folder: ResultFolder) -> EmviewerError:
    if isinstance(err, OSError):
        return as_error(err, folder)
    if isinstance(err, MemoryError):
        return DataError("there is not enough memory", err.args[0] if err.args else "", "use a smaller map, box or pad")
    assert isinstance(err, EmviewerError)
    return err


def _close(batches: Iterator[Batch]) -> None:
    close = getattr(batches, "close", None)
    if close is not None:
        close()
