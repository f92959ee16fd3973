"""``emviewer`` and ``python -m emviewer``: the window for files or nothing, the command line for everything else."""

from __future__ import annotations

import io
import sys
from pathlib import Path
from typing import Any


def main(argv: list[str] | None = None) -> int:
    """Run emviewer with arguments (the process's unless given) and return the exit code."""
    try:
        return _run(sys.argv[1:] if argv is None else argv)
    except KeyboardInterrupt:  # while modules are being loaded; later the command line has its own answer
        print("emviewer: error: interrupted", file=sys.stderr)
        return 130


def _run(args: list[str]) -> int:
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a terminal that knows no Å is no reason to stop
    if args[:1] == ["--version"]:
        from emviewer import __version__

        print(f"emviewer {__version__}")
        return 0
    from emviewer.engine.cli import main as cli

    first = args[0] if args else ""
    if first == "demo" and not {"--help", "-h", "--headless"} & set(args) and display():
        return cli.guarded(lambda: _window(demo=True))
    if first in (*cli.names(), "--help", "-h"):
        return cli.run(args)
    return cli.guarded(lambda: _open(args))


def display() -> bool:
    """Return whether a window can be shown."""
    from emviewer.engine.cli.demo import has_display

    return has_display()


def _open(args: list[str]) -> int:
    """Show the window with the files and the session named in the arguments."""
    import click

    from emviewer.engine.errors import FileError

    if args and not args[0].startswith("-"):
        _must_exist(args[0])

    parser = click.Command(
        "emviewer",
        params=[click.Argument(["files"], nargs=-1), click.Option(["--session"], metavar="FILE.emv")],
        callback=lambda **given: given,
        add_help_option=False,
    )
    given: dict[str, Any] = parser.main(args, prog_name="emviewer", standalone_mode=False)
    for name in given["files"]:
        _must_exist(name)
    session = given["session"]
    if session is not None and not Path(session).exists():
        raise FileError("there is no such session", session, "check the name and the folder")
    return _window(files=list(given["files"]), session=session)


def _must_exist(name: str) -> None:
    from emviewer.engine.cli.main import no_such

    if not name.startswith("phantom:") and not Path(name).exists():
        raise no_such(name)


def _window(**what: Any) -> int:
    from emviewer.engine.errors import EmviewerError

    if not display():
        raise EmviewerError("there is no display for the window", "", "work headless, see emviewer --help")
    from emviewer.ui import app

    return int(app.main(**what))


if __name__ == "__main__":
    sys.exit(main())
