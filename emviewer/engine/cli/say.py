"""What the program says: errors and warnings on stderr, one line each; where results are on stdout."""

from __future__ import annotations

import sys


def say(sentence: object) -> None:
    """Print ``emviewer: …`` on stdout at once."""
    print(f"emviewer: {_one_line(sentence)}", flush=True)


def say_error(error: object) -> None:
    """Print ``emviewer: error: …`` on one line."""
    print(f"emviewer: error: {_one_line(error)}", file=sys.stderr, flush=True)


def say_warning(sentence: object) -> None:
    """Print ``emviewer: warning: …`` on one line."""
    print(f"emviewer: warning: {_one_line(sentence)}", file=sys.stderr, flush=True)


def quieten_libraries() -> None:
    """Keep matplotlib from telling about its fonts and folders: stderr is for what the person can act on."""
    import logging

    logging.getLogger("matplotlib").setLevel(logging.ERROR)


def _one_line(text: object) -> str:
    return " ".join(str(text).split())
