"""What every test gets: a home of its own, an offscreen Qt, the shared data, and a check that it cleans up.

Nothing here imports Qt: ``tests/engine`` runs where Qt is not installed.
"""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
import threading
import time
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
collect_ignore = [] if find_spec("PySide6") else ["ui"]


def isolate() -> Path:
    """Give this process a home of its own, and keep only what is costly to make again: compiled kernels, font lists."""
    home = Path(tempfile.mkdtemp(prefix="emviewer-tests-"))
    atexit.register(shutil.rmtree, home, ignore_errors=True)
    kept = ROOT / ".cache"
    for name, place in {
        "HOME": home,
        "XDG_CONFIG_HOME": home / ".config",
        "XDG_CACHE_HOME": home / ".cache",
        "XDG_DATA_HOME": home / ".local/share",
        "XDG_STATE_HOME": home / ".local/state",
        "XDG_RUNTIME_DIR": home / "run",
        "NUMBA_CACHE_DIR": kept / "numba",
        "MPLCONFIGDIR": kept / "matplotlib",
    }.items():
        place.mkdir(parents=True, exist_ok=True, mode=0o700)
        os.environ[name] = str(place)
    (home / "matplotlibrc").touch()
    os.environ |= {
        "MATPLOTLIBRC": str(home / "matplotlibrc"),
        "MPLBACKEND": "Agg",
        "QT_QPA_PLATFORM": "offscreen",
        "PYTEST_QT_API": "pyside6",
    }
    return home


isolate()

OWN_THREADS = ("MainThread", "emviewer-engine", "PyFFTWCacheThread", "execnet")
"""Threads that outlive a test on purpose: the engine's pool, pyfftw's cache keeper, pytest-xdist's wires."""


PATIENCE_S = 2.0
"""How long what is ending may take to end."""


def foreign_threads() -> set[threading.Thread]:
    """Return running Python threads that nobody is known to keep (threads of Qt are looked at in ``tests/ui``)."""
    return {
        t
        for t in threading.enumerate()
        if t.is_alive() and not t.name.startswith(OWN_THREADS) and not isinstance(t, threading._DummyThread)
    }


@pytest.fixture(autouse=True)
def leaves_no_thread():
    """Fail a test that leaves a thread running."""
    before = foreign_threads()
    yield
    end = time.monotonic() + PATIENCE_S
    while (left := foreign_threads() - before) and time.monotonic() < end:
        time.sleep(0.01)
    assert not left, f"threads left behind: {sorted(t.name for t in left)}"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Return the folder of real data beside the checkout, or skip."""
    place = Path(os.environ.get("EMVIEWER_SHARED_DATA") or ROOT.parent / "shared" / "data")
    if not place.is_dir():
        pytest.skip(f"no shared data at {place} (set EMVIEWER_SHARED_DATA)")
    return place
