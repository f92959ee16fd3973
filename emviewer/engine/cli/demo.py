"""``emviewer demo`` where there is no display: the same example, headless, and where its results are."""

from __future__ import annotations

import os
import sys


def has_display() -> bool:
    """Return whether a window can be shown (or Qt was told to make do without)."""
    if sys.platform in ("darwin", "win32"):
        return True
    return any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM"))
