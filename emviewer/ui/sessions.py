"""Sessions: what is open, how the panels stand, what is selected; to and from a file."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def save(window: Any, path: Path) -> None:
    """Write the session of a window."""
    raise NotImplementedError


def load(window: Any, path: Path) -> None:
    """Open a session in a window."""
    raise NotImplementedError
