"""What the window remembers between two starts: theme, geometry, recent files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from PySide6.QtCore import QByteArray, QSettings

RECENT_MAX = 10


class Settings:
    """Typed access to the user's settings.

    Parameters
    ----------
    path : path, optional
        An ini file of one's own (tests); by default the user's configuration folder.
    """

    def __init__(self, path: str | Path | None = None) -> None:
        if path is None:
            self._store = QSettings(QSettings.Format.IniFormat, QSettings.Scope.UserScope, "emviewer", "emviewer")
        else:
            self._store = QSettings(str(path), QSettings.Format.IniFormat)

    @property
    def theme(self) -> str:
        """``system``, ``light`` or ``dark``."""
        value = str(self._store.value("theme", "system"))
        return value if value in ("system", "light", "dark") else "system"

    @theme.setter
    def theme(self, name: str) -> None:
        self._store.setValue("theme", name)

    def bytes_of(self, key: str) -> QByteArray | None:
        """Return a stored geometry or layout, None if there is none."""
        value = self._store.value(f"layout/{key}")
        return value if isinstance(value, QByteArray) and not value.isEmpty() else None

    def set_bytes(self, key: str, value: QByteArray | None) -> None:
        """Store (or with None forget) a geometry or layout."""
        if value is None:
            self._store.remove(f"layout/{key}")
        else:
            self._store.setValue(f"layout/{key}", value)

    @property
    def folder(self) -> str:
        """Folder in which the last file was opened."""
        return str(self._store.value("folder", ""))

    @folder.setter
    def folder(self, path: str) -> None:
        self._store.setValue("folder", path)

    def recent(self) -> list[tuple[Path, bool]]:
        """Return recent files as (path, pinned): the pinned ones first, each part newest first."""
        entries = self._recent()
        return [(Path(e["path"]), e["pinned"]) for e in sorted(entries, key=lambda e: not e["pinned"])]

    def add_recent(self, path: Path) -> None:
        """Put a file in front of the recent ones; pinned files stay, others beyond the tenth go."""
        name = str(path.absolute())
        old = self._recent()
        pinned = any(e["path"] == name and e["pinned"] for e in old)
        entries = [{"path": name, "pinned": pinned}] + [e for e in old if e["path"] != name]
        room = RECENT_MAX - sum(e["pinned"] for e in entries)
        kept = []
        for entry in entries:
            if not entry["pinned"]:
                room -= 1
            if entry["pinned"] or room >= 0:
                kept.append(entry)
        self._set_recent(kept)

    def pin_recent(self, path: Path, pinned: bool) -> None:
        """Pin a recent file, or let it go with time."""
        self._set_recent([e | {"pinned": pinned} if e["path"] == str(path) else e for e in self._recent()])

    def remove_recent(self, path: Path) -> None:
        """Forget a recent file."""
        self._set_recent([e for e in self._recent() if e["path"] != str(path)])

    def _recent(self) -> list[dict[str, Any]]:
        try:
            stored = json.loads(str(self._store.value("recent", "[]")))
            return [{"path": str(e["path"]), "pinned": bool(e["pinned"])} for e in stored]
        except (ValueError, TypeError, KeyError):
            return []

    def _set_recent(self, entries: list[dict[str, Any]]) -> None:
        self._store.setValue("recent", json.dumps(entries))
        self._store.sync()
