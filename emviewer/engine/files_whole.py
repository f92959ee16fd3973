"""Writing a file so that it appears whole or not at all."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def whole(target: Path) -> Iterator[Path]:
    """Give a name beside ``target`` to write to, and rename what was written when the block ends.

    An earlier file of that name stays until then, and for good if the block raises; nothing else is left behind.
    Whoever has the earlier file open or memory-mapped keeps it.

    Raises
    ------
    OSError
        What was written cannot be renamed.
    """
    part = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        yield part
        os.replace(part, target)
    finally:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
