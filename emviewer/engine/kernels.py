"""Whether the compiled loops of the engine are at hand, and how to make them.

numba compiles a loop when it is first used and keeps the result: beside the source or, where that cannot be written,
in the user's cache folder. The first use of all takes some seconds once a machine and version; a note in emviewer's
own cache folder says that it is behind us, so that the window and the command line can announce it beforehand.
"""

from __future__ import annotations

import hashlib
import platform
from pathlib import Path

import numba

import emviewer.engine as engine


def _note(loops: str) -> Path:
    sources = sorted(Path(__file__).parent.glob("kernels*.py"))
    stamp = [numba.__version__, platform.machine(), platform.node()]
    stamp += [f"{p.name}:{p.stat().st_size}:{p.stat().st_mtime_ns}" for p in sources]
    return engine.cache_folder() / f"{loops}-{hashlib.sha256('|'.join(stamp).encode()).hexdigest()[:16]}.compiled"


def is_compiled(loops: str = "kernels") -> bool:
    """Return whether all loops of a kind were compiled before, for this version on this machine.

    Parameters
    ----------
    loops : str
        Which: those of projection by default, or the name that a room of its own gives them.
    """
    return _note(loops).exists()


def mark_compiled(loops: str = "kernels") -> None:
    """Note that all loops of a kind are compiled; without a folder to note it in, it is announced again next time."""
    note = _note(loops)
    try:
        note.parent.mkdir(parents=True, exist_ok=True)
        for old in note.parent.glob(f"{loops}-*.compiled"):
            old.unlink()
        note.touch()
    except OSError:
        return
