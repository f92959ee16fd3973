"""The engine: file formats, projection, matching, alignment, jobs and the command line. Imports no Qt."""

from __future__ import annotations

import atexit
import os
import shutil
import sys
import tempfile
from pathlib import Path


def cache_folder() -> Path:
    """Return emviewer's folder in the user's cache (``EMVIEWER_CACHE`` overrides); it need not exist."""
    told = os.environ.get("EMVIEWER_CACHE")
    if told:
        return Path(told)
    home = Path(os.path.expanduser("~"))
    if sys.platform == "darwin":
        return home / "Library" / "Caches" / "emviewer"
    base = os.environ.get("LOCALAPPDATA") if sys.platform == "win32" else os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else home / ".cache") / "emviewer"


def _find_room_for_kernels() -> None:
    """Tell numba where to keep compiled kernels when the installation is read-only; it stops if it finds no place."""
    if os.environ.get("NUMBA_CACHE_DIR") or os.access(Path(__file__).parent, os.W_OK):
        return
    place = cache_folder() / "numba"
    try:
        place.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=place):
            pass
    except OSError:
        place = Path(tempfile.mkdtemp(prefix="emviewer-numba-"))  # nobody else's: numba unpickles what it finds there
        atexit.register(shutil.rmtree, place, ignore_errors=True)
    os.environ["NUMBA_CACHE_DIR"] = str(place)


_find_room_for_kernels()
