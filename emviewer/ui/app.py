"""Starting the window."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

SWITCH_INTERVAL_S = 0.001
"""How long a worker may hold the interpreter before the GUI thread gets its turn (Python's default is 5 ms)."""


def refuse_bad_pair(pyside: str, python: tuple[int, ...]) -> str:
    """Return why this PySide6 must not run on this Python, or nothing.

    PySide6 6.12.0 loses a reference to ``None`` with every call on Python < 3.12 and the interpreter aborts.
    """
    if tuple(int(part) for part in pyside.split(".")[:2]) == (6, 12) and python[:2] < (3, 12):
        return (
            f"PySide6 {pyside} crashes on Python {python[0]}.{python[1]}: "
            "install 'PySide6-Essentials<6.12' or use Python 3.12 or later"
        )
    return ""


def main(files: Sequence[str | Path] = (), session: str | Path | None = None, demo: bool = False) -> int:
    """Open the window and run until it is closed.

    Parameters
    ----------
    files : sequence of path
        Opened at the start.
    session : path, optional
        A saved session to restore.
    demo : bool
        Build and open the example.

    Returns
    -------
    int
        Exit status.
    """
    import PySide6

    problem = refuse_bad_pair(PySide6.__version__, sys.version_info[:3])
    if problem:
        print(f"emviewer: error: {problem}", file=sys.stderr)
        return 2
    from emviewer.ui.start import run_window

    sys.setswitchinterval(SWITCH_INTERVAL_S)
    return run_window([Path(f) for f in files], Path(session) if session else None, demo)
