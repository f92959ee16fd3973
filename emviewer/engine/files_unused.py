"""Names for several files in one folder, so that no two of them are the same."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from emviewer.engine.errors import OutputError

SAID = 3
"""Names of files that are said when there are more."""


def each_its_own(stems: Iterable[str]) -> list[str]:
    """Return names of files without suffix, each different from all others.

    Parameters
    ----------
    stems : iterable of str
        The names wished for, which may repeat.

    Returns
    -------
    list of str
        The first of equal names as it is, further ones with the least number from ``_2`` on that makes a name which
        nobody has or wishes for. Capital letters make no difference, as on the disks of Macs.
    """
    wished = list(stems)
    reserved = {stem.casefold() for stem in wished}
    seen: set[str] = set()
    last: dict[str, int] = {}
    found = []
    for stem in wished:
        key, name = stem.casefold(), stem
        while key in seen and name.casefold() in reserved:
            last[key] = last.get(key, 1) + 1
            name = f"{stem}_{last[key]}"
        seen.add(key)
        reserved.add(name.casefold())
        found.append(name)
    return found


def refuse_existing(folder: Path, names: Iterable[str]) -> None:
    """Raise unless none of the files is in the folder.

    Raises
    ------
    OutputError
        Some are there.
    """
    there = [name for name in names if (folder / name).exists()]
    if there:
        some = ", ".join(there[:SAID]) + (f" and {len(there) - SAID} more" if len(there) > SAID else "")
        raise OutputError(f"{some} would be overwritten", folder, "choose another folder, or a new one")
