"""What stands under a tile: up to two fields, chosen from the columns of the table."""

from __future__ import annotations

from typing import Any

import pandas as pd

from emviewer.ui import columns
from emviewer.ui.row_order import ROW_NUMBER

VIEW = "\0view"
"""Pseudo-column: rot and tilt in one line."""
_ANGLES = (("rot_deg", "tilt_deg"), ("rlnAngleRot", "rlnAngleTilt"), ("angleRot", "angleTilt"))
SHARE = "rlnClassDistribution"
MAX_FIELDS = 2


class Captions:
    """The caption fields of a document; calling it with a position gives the lines."""

    def __init__(self) -> None:
        self.fields: list[str] = [ROW_NUMBER]
        self.table: pd.DataFrame | None = None
        self._values: dict[str, Any] = {}
        self._angles: tuple[str, ...] = ()

    def set_table(self, table: pd.DataFrame | None, *, defaults: bool) -> None:
        """Use a table; ``defaults`` chooses the fields afresh: number, and view or class share if it tells them."""
        self.table = table
        self._values = {}
        self._angles = ()
        if table is not None:
            self._angles = next((a for a in _ANGLES if set(a) <= set(table.columns)), ())
        if defaults:
            self.fields = [ROW_NUMBER, *self._telling()]
        else:
            known = {name for name, _ in self.choices()}
            self.fields = [name for name in self.fields if name in known]

    def _telling(self) -> list[str]:
        """Return the field that tells most of an image: its view, or the share of particles of a class average."""
        if self._angles:
            return [VIEW]
        return [SHARE] if self.table is not None and SHARE in self.table.columns else []

    def choices(self) -> list[tuple[str, str]]:
        """Return (column, what menus call it)."""
        found = [(ROW_NUMBER, "number (#)")]
        if self._angles:
            found.append((VIEW, "view (rot, tilt)"))
        if self.table is not None:
            hidden = columns.repeated(self.table.columns)
            found += [(name, columns.title(name)) for name in self.table.columns if name not in hidden]
        return found

    def toggle(self, name: str) -> None:
        """Show a field, or stop; a third one takes the place of the oldest."""
        if name in self.fields:
            self.fields.remove(name)
        else:
            self.fields = [*self.fields, name][-MAX_FIELDS:]

    def __call__(self, position: int) -> tuple[str, ...]:
        """Return the lines under the tile at a position."""
        return tuple(self._line(name, position) for name in self.fields)

    def _line(self, name: str, position: int) -> str:
        if name == ROW_NUMBER:
            row = position if self.table is None else self._value(ROW_NUMBER, position)
            return f"#{row + 1}" if row is not None else ""
        if name == VIEW:
            parts = [columns.shown(self._value(a, position), "°").removesuffix(".0") for a in self._angles]
            return ", ".join(f"{p}°" for p in parts)
        words, unit = columns.heading(name)
        value = columns.shown(self._value(name, position), unit)
        if not value[:1].isdigit() and value[:1] != "-":
            return value
        return f"{words} {value}{'' if unit == '°' else ' ' if unit else ''}{unit}"

    def _value(self, name: str, position: int) -> Any:
        if self.table is None or position >= len(self.table):
            return None
        if name not in self._values:
            self._values[name] = columns.values_of(self.table, name)
        return self._values[name][position]
