"""What the program says on stderr: one line a time, and always in the same form."""

from __future__ import annotations

import sys


def say_error(error: object) -> None:
    """Print ``emviewer: error: …`` on one line."""
    print(f"emviewer: error: {_one_line(error)}", file=sys.stderr, flush=True)


def say_warning(sentence: object) -> None:
    """Print ``emviewer: warning: …`` on one line."""
    print(f"emviewer: warning: {_one_line(sentence)}", file=sys.stderr, flush=True)


def _one_line(text: object) -> str:
    return " ".join(str(text).split())
