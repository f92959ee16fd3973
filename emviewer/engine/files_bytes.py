"""The first look at any file: is it there, may it be read, is it compressed, how does it begin."""

from __future__ import annotations

import bz2
import gzip
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from emviewer.engine.errors import FileError

_GZIP = b"\x1f\x8b"
_BZIP2 = b"BZh"


def existing(path: str | Path) -> Path:
    """Return the path of a file that exists and may be read.

    Raises
    ------
    FileError
        If it is missing, a folder, empty, or may not be read.
    """
    found = Path(path).expanduser()
    try:
        if found.is_dir():
            raise FileError("this is a folder", found, "give a file")
        if found.stat().st_size == 0:
            raise FileError("the file is empty", found, "copy or make it again")
        with found.open("rb"):
            pass
    except FileNotFoundError:
        raise FileError("there is no such file", found, "check the name and the folder") from None
    except PermissionError:
        raise FileError("the file may not be read", found, "ask its owner for permission to read") from None
    except OSError as err:
        raise FileError(
            f"the file cannot be read: {err.strerror or err}", found, "check the disk or the name"
        ) from None
    return found


def compression(path: Path) -> str:
    """Return ``"gz"``, ``"bz2"`` or ``""`` from the first bytes, whatever the name says."""
    with path.open("rb") as file:
        start = file.read(3)
    if start[:2] == _GZIP:
        return "gz"
    return "bz2" if start == _BZIP2 else ""


def whole(path: Path) -> bytes:
    """Return the whole content, decompressed.

    Raises
    ------
    FileError
        If a compressed file is cut short or damaged.
    """
    return head(path, -1)


def reason(error: BaseException) -> str:
    """Return the first line of another library's complaint, short enough to stand within a sentence."""
    line = " ".join((str(error).strip() or type(error).__name__).splitlines()[0].split())
    return line if len(line) <= 100 else line[:97] + "..."


def head(path: Path, n: int) -> bytes:
    """Return the first ``n`` bytes, decompressed (fewer if the file is shorter, all if ``n`` is negative).

    Raises
    ------
    FileError
        If a compressed file is cut short or damaged.
    """
    openers: dict[str, Callable[..., Any]] = {"gz": gzip.open, "bz2": bz2.open, "": open}
    packing = compression(path)
    try:
        with openers[packing](path, "rb") as file:
            content: bytes = file.read(n)
    except (EOFError, OSError, zlib.error) as err:
        raise FileError(
            f"the file cannot be unpacked ({reason(err)})", path, "copy it again; it is cut short or damaged"
        ) from None
    return content


def suffixes(path: str | Path) -> tuple[str, str]:
    """Return the suffix that names the format and the stem without it, both free of ``.gz`` and ``.bz2``.

    ``EMD-3001.map.bz2`` gives ``(".map", "EMD-3001")``; the suffix is in lower case.
    """
    name = Path(path).name
    for packing in (".gz", ".bz2"):
        if name.lower().endswith(packing):
            name = name[: -len(packing)]
    stem, dot, suffix = name.rpartition(".")
    return (dot + suffix.lower(), stem) if dot and stem else ("", name)
