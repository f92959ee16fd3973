"""The headless command line: ``emviewer JOB INPUTS --out DIR``, ``info``, ``figure``, ``--help``, ``--version``.

The contract: exit 0 when done; 2 with one line ``emviewer: error: what, where, what to do`` for anything the user
can mend; 130 after Ctrl-C; 1, with a traceback, only for a bug.
"""

from __future__ import annotations

import difflib
from typing import Any

import click

from emviewer import __version__
from emviewer.engine.cli.say import say_error
from emviewer.engine.errors import EmviewerError, ParameterError
from emviewer.engine.jobs import registry

HELP = """emviewer: does this 3D map explain these 2D images, and which are the exceptions?

\b
emviewer [FILE ...] [--session FILE.emv]   the window, with these open
emviewer demo                              the window with an example running; needs no data, no network
emviewer JOB INPUTS ... --out DIR          headless
emviewer JOB --help                        what a job can be asked for"""

OTHERS = {
    "info": "what each file is: kind, size, pixel size, axes, statistics, problems",
    "figure": "make a figure again from the spec that was saved beside it",
    "demo": "the window with a ready example; headless where there is no display",
}
ENDED_BY_USER = (KeyboardInterrupt, click.Abort)


class Commands(click.Group):
    """The commands, each made when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the order of the help."""
        return [name for name, _ in registry.names()] + list(OTHERS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        """Make a command by its name; None if there is none."""
        if name in OTHERS:
            return _other(name)
        return _job(name) if name in dict(registry.names()) else None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without making them."""
        with formatter.section("Jobs"):
            formatter.write_dl(registry.names())
        with formatter.section("Other commands"):
            formatter.write_dl(list(OTHERS.items()))


def names() -> list[str]:
    """Return the names of all commands."""
    return [name for name, _ in registry.names()] + list(OTHERS)


def no_such(name: str) -> ParameterError:
    """Return the error about a first word that is neither a command nor a file."""
    close = difflib.get_close_matches(name, names(), 1)
    advice = f"did you mean {close[0]}?" if close else "see emviewer --help"
    return ParameterError("there is no file and no command of this name", name, advice)


def run(args: list[str]) -> int:
    """Run a command line without the program's name and return the exit code; never raises what a user can mend."""
    group = Commands("emviewer", help=HELP, context_settings={"help_option_names": ["-h", "--help"]})
    group.params.append(_version_option())
    return guarded(lambda: group.main(args, prog_name="emviewer", standalone_mode=False))


def guarded(work: Any) -> int:
    """Call ``work()`` and return its exit code, turning what a user can mend into one line and exit code 2."""
    try:
        return int(work() or 0)
    except ENDED_BY_USER:
        say_error("interrupted")
        return 130
    except click.exceptions.Exit as end:
        return int(end.exit_code)
    except click.ClickException as err:
        say_error(_usage(err))
    except EmviewerError as err:
        say_error(err)
    except BrokenPipeError:
        return 0
    except Exception as err:
        from emviewer.engine.task import Cancelled

        if not isinstance(err, Cancelled):
            raise
        say_error("interrupted before anything was finished: nothing was changed")
        return 130
    return 2


def _usage(err: click.ClickException) -> str:
    """Say click's complaint as what, where, what to do."""
    ctx = getattr(err, "ctx", None)
    path = ctx.command_path if ctx is not None else "emviewer"
    if isinstance(err, click.NoSuchOption):
        close = err.possibilities or ()
        advice = f"did you mean {' or '.join(close)}?" if close else f"see {path} --help"
        return f"there is no option {err.option_name} ({path}): {advice}"
    what = err.format_message().strip().rstrip(".")
    return f"{what[:1].lower()}{what[1:]} ({path}): see {path} --help"


def _version_option() -> click.Option:
    def show(ctx: click.Context, parameter: click.Parameter, value: bool) -> None:
        if value and not ctx.resilient_parsing:
            click.echo(f"emviewer {__version__}")
            ctx.exit()

    return click.Option(
        ["--version"], is_flag=True, expose_value=False, is_eager=True, callback=show, help="show the version and exit"
    )


def _job(name: str) -> click.Command:
    from emviewer.engine.cli.options import job_command
    from emviewer.engine.cli.run import run as run_one

    def go(values: dict[str, Any], out: str, overwrite: bool, quiet: bool) -> int:
        return run_one(name, values, out, overwrite, quiet)

    return job_command(name, registry.help_of(name), registry.params(name), go)


def _other(name: str) -> click.Command:
    if name == "info":
        from emviewer.engine.cli.info import command

        return command
    if name == "figure":
        from emviewer.engine.cli.figure import command

        return command
    from emviewer.engine.cli.demo import command

    return command
