"""``emviewer demo`` where there is no display: the same example, headless, and where its results are."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click


def has_display() -> bool:
    """Return whether a window can be shown (or Qt was told to make do without)."""
    if sys.platform in ("darwin", "win32"):
        return True
    return any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM"))


@click.command("demo", context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--headless", is_flag=True, help="do without the window even where there is a display")
@click.option("--out", default="demo-out", metavar="DIR", help="folder for the headless results  [demo-out]")
@click.option("--quiet", is_flag=True, help="no progress bar")
def command(headless: bool, out: str, quiet: bool) -> int:
    """Show the window with a ready example running through every panel; needs no data, no network.

    Where there is no display, the same example runs headless.
    """
    return run(Path(out), quiet)


def run(out: Path, quiet: bool = False) -> int:
    """Make the example, run every kind of job on it, and say where everything is; return the exit code."""
    from emviewer.engine import figure
    from emviewer.engine.cli.interrupt import interruptible
    from emviewer.engine.cli.run import run as run_job
    from emviewer.engine.cli.say import say
    from emviewer.engine.jobs.demo import example
    from emviewer.engine.jobs.demo_tour import steps
    from emviewer.engine.jobs.folder import as_output_error

    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as err:
        raise as_output_error(err, out) from err
    with interruptible() as interrupt:
        made = example(check=interrupt.check, progress=lambda stage: None if quiet else say(stage))
    say(f"the example is in {made.folder}")
    for step in steps(made, out):
        say(f"{step.job}:")
        code = run_job(step.job, step.values, str(step.out), overwrite=True, quiet=quiet)
        if code:
            return code
    spec = {"kind": "slices", "map": str(made.map), "title": "The example: three cuts of its map"}
    figure.render(spec, [out / "slices.png", out / "slices.pdf"])
    say(f"figures and reports: *.png and *.pdf in {out.absolute()}")
    return 0
