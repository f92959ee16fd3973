"""The folders that a person chose for the micrographs of a table, remembered between two starts."""

from __future__ import annotations

import json
from pathlib import Path

from PySide6.QtCore import QSettings

KEY = "micrographs/folders"
MOST = 40
"""Tables that are remembered."""


def _store() -> QSettings:
    return QSettings(QSettings.Format.IniFormat, QSettings.Scope.UserScope, "emviewer", "emviewer")


def _known(store: QSettings) -> dict[str, str]:
    try:
        known = json.loads(str(store.value(KEY, "{}")))
        return {str(k): str(v) for k, v in known.items()}
    except (ValueError, AttributeError):
        return {}


def folder_of(table: Path | None) -> Path | None:
    """Return the folder chosen for the micrographs of a table; None if there is none, or it has gone."""
    if table is None:
        return None
    name = _known(_store()).get(str(table.absolute()))
    return Path(name) if name and Path(name).is_dir() else None


def remember(table: Path | None, folder: Path | None) -> None:
    """Remember the folder of a table's micrographs (None: forget it)."""
    if table is None:
        return
    store = _store()
    known = _known(store)
    known.pop(str(table.absolute()), None)
    if folder is not None:
        known[str(table.absolute())] = str(folder.absolute())
    store.setValue(KEY, json.dumps(dict(list(known.items())[-MOST:])))
    store.sync()
