"""Run one job from the command line: parameters, progress, warnings, the last line, the exit code."""

from __future__ import annotations

from typing import Any

from emviewer.engine.cli.interrupt import interruptible
from emviewer.engine.cli.say import quieten_libraries, say, say_error, say_warning
from emviewer.engine.errors import FileError
from emviewer.engine.jobs import registry
from emviewer.engine.params import JobParams, validated

INTERRUPTED = 130


def run(name: str, values: dict[str, Any], out: str, overwrite: bool = False, quiet: bool = False) -> int:
    """Run a job with values as typed (by field name) and return the exit code.

    Returns
    -------
    int
        0 done; 2 ended early by something the user can mend, what was finished kept; 130 after Ctrl-C.

    Raises
    ------
    EmviewerError
        Wrong values or inputs; nothing was written.
    """
    params = validated(registry.params(name), values)
    check_inputs(params)
    quieten_libraries()
    from emviewer.engine.cli.progress import progress_bar
    from emviewer.engine.jobs.run import run_job

    with interruptible() as interrupt:
        job = run_job(registry.spec(name), params, out, overwrite=overwrite, check=interrupt.check)
        with progress_bar(quiet) as bar:
            while True:
                try:
                    bar.show(next(job))
                except StopIteration as end:
                    outcome = end.value
                    break
    for sentence in outcome.warnings:
        say_warning(sentence)
    if outcome.error is not None:
        say_error(outcome.error)
    partial = " (partial)" if outcome.status == "partial" else ""
    say(f"result{partial} in {outcome.folder}")
    if interrupt.asked and outcome.status == "partial":
        return INTERRUPTED
    return 2 if outcome.error is not None else 0


def check_inputs(params: JobParams) -> None:
    """Refuse inputs that are not there before anything heavy is imported.

    Raises
    ------
    FileError
        An input does not exist.
    """
    for path in params.input_paths():
        if not path.exists():
            raise FileError("there is no such file", path, "check the name and the folder")
