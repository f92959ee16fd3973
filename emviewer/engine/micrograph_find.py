"""Where the picture of a micrograph is that a table names: in its project, or in a folder that a person chose."""

from __future__ import annotations

import re
from pathlib import Path

from emviewer.engine.files_bytes import suffixes
from emviewer.engine.files_named import Finder

SUFFIXES = (".mrc", ".tif", ".tiff", ".mrcs", ".st", ".spi", ".npy")
"""Of micrographs, before ``.gz`` or ``.bz2``; of two with one name the earlier kind is taken."""
_UID = re.compile(r"^\d{15,}_")
"""cryoSPARC puts the number of the exposure before the name of a micrograph it imports."""


class MicrographFinder:
    """Finds micrographs by the names that tables have for them.

    Parameters
    ----------
    tables : sequence of Path
        The table, and the one it was made from: their folders and every folder above are looked into.
    chosen : Path, optional
        A folder that a person chose: goes first, and there a file of the same stem is enough (``a.tif`` or
        ``a.mrc.bz2`` for ``…/a.mrc``).
    """

    def __init__(self, tables: list[Path], chosen: Path | None = None) -> None:
        self._finders = [Finder(table) for table in tables]
        self.chosen = chosen
        self._stems: dict[str, Path] | None = None

    def find(self, name: str) -> Path | None:
        """Return where a micrograph is, or None."""
        if self.chosen is not None:
            direct = self.chosen / name.lstrip("/")
            found = direct if direct.is_file() else self._by_stem(name)
            if found is not None:
                return found
        return next((path for finder in self._finders if (path := finder.find(name)) is not None), None)

    def _by_stem(self, name: str) -> Path | None:
        if self._stems is None:
            self._stems = folder_stems(self.chosen) if self.chosen is not None else {}
        stem = suffixes(name)[1]
        return self._stems.get(stem) or self._stems.get(_UID.sub("", stem))


def folder_stems(folder: Path) -> dict[str, Path]:
    """Return the micrographs of a folder by stem, with and without cryoSPARC's number before it."""
    found: dict[str, Path] = {}
    kinds = {suffix: [] for suffix in SUFFIXES}  # type: dict[str, list[Path]]
    for path in sorted(folder.iterdir()) if folder.is_dir() else []:
        kinds.get(suffixes(path)[0], []).append(path)
    for paths in kinds.values():
        for path in paths:
            stem = suffixes(path)[1]
            found.setdefault(stem, path)
            found.setdefault(_UID.sub("", stem), path)
    return found
