"""Which map goes with which mask and particles: rows that keep what belongs to them whatever happens to others."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from emviewer.ui.opening import is_built_in

_ids = itertools.count(1)
PARTS = {"mask": "mask", "particles": "particle"}
NAMES = ("reference", "ref_mask", "maps", "mask", "particles")
"""The parameters that the table stands for."""


def _plain(value: Any) -> Any:
    """Return a parameter as text to compare."""
    return [str(v) for v in value] if isinstance(value, (list, tuple)) else str(value) if value else value or None


@dataclass(eq=False)
class PairRow:
    """A map with what belongs to it.

    Parameters
    ----------
    path : str
        The map; empty for a reference that is not chosen.
    mask, particles : str
        Files bound to it; empty for none.
    beside : tuple of list of Path
        Half maps, derived maps and masks found beside it.
    looked : bool
        Whether it was looked for them.
    """

    path: str
    mask: str = ""
    particles: str = ""
    beside: tuple[list[Path], list[Path], list[Path]] = ([], [], [])
    looked: bool = False
    id: int = field(default_factory=_ids.__next__)

    @property
    def name(self) -> str:
        """The file's name."""
        return self.path if is_built_in(self.path) else Path(self.path).name

    def found_text(self) -> str:
        """Return what was found beside the map, in words; empty for nothing."""
        halves, derived, masks = self.beside
        words = [f"{len(halves)} half maps" if len(halves) != 1 else "1 half map"] if halves else []
        words += [f"{len(derived)} sharpened or filtered"] if derived else []
        words += ["mask" if len(masks) == 1 else f"{len(masks)} masks"] if masks else []
        return ", ".join(words)


class Pairing:
    """The reference and the maps of an alignment, without any widget."""

    def __init__(self) -> None:
        self.reference = PairRow("")
        self.maps: list[PairRow] = []

    def rows(self) -> list[PairRow]:
        """Return reference and maps."""
        return [self.reference, *self.maps]

    def row(self, number: int) -> PairRow | None:
        """Return the row of an id."""
        return next((r for r in self.rows() if r.id == number), None)

    def add(self, path: str) -> PairRow:
        """Add a map; one that is there already is not added again."""
        known = next((r for r in self.maps if r.path == path), None)
        if known is None:
            known = PairRow(path)
            self.maps.append(known)
        return known

    def remove(self, row: PairRow) -> None:
        """Take a map out; the others keep what belongs to them."""
        self.maps = [r for r in self.maps if r is not row]

    def make_reference(self, row: PairRow) -> None:
        """Let a map and the reference change places, each with what belongs to it."""
        place = self.maps.index(row)
        if self.reference.path:
            self.maps[place] = self.reference
        else:
            del self.maps[place]
        self.reference = row

    def take(self, values: dict[str, Any]) -> None:
        """Take the parameters of a form: rows that are known by their path keep their identity.

        Parameters that are as :meth:`values` gave them change nothing: a mask of one of several maps stays its own.
        """
        if {name: _plain(values.get(name)) for name in NAMES} == {n: _plain(v) for n, v in self.values().items()}:
            return
        given = str(values.get("reference") or "")
        if given != self.reference.path:
            self.reference = next((r for r in self.maps if r.path == given), PairRow(given))
        self.reference.mask = str(values.get("ref_mask") or "")
        known = {r.path: r for r in self.maps}
        self.maps = [known.get(str(p)) or PairRow(str(p)) for p in values.get("maps") or [] if str(p)]
        for part in PARTS:
            files = [str(p) for p in values.get(part) or []]
            if len(files) in (1, len(self.maps)) and files:
                for row, file in zip(self.maps, files if len(files) > 1 else files * len(self.maps), strict=True):
                    setattr(row, part, file)
            elif not files and part in values:
                for row in self.maps:
                    setattr(row, part, "")

    def values(self) -> dict[str, Any]:
        """Return the parameters; masks and particles in the order of the maps."""
        out: dict[str, Any] = {
            "reference": self.reference.path or None,
            "ref_mask": self.reference.mask or None,
            "maps": [r.path for r in self.maps],
        }
        for part in PARTS:
            files = [getattr(r, part) for r in self.maps if getattr(r, part)]
            out[part] = files[:1] if files and len(set(files)) == 1 and len(files) == len(self.maps) else files
        return out

    def problem(self) -> str:
        """Return why these rows cannot be aligned; empty if they can."""
        for part, word in PARTS.items():
            given = [bool(getattr(r, part)) for r in self.maps]
            if any(given) and not all(given):
                missing = next(r.name for r in self.maps if not getattr(r, part))
                said = f"{sum(given)} of {len(given)} maps have a {word} file, {missing} has none"
                return f"{said}: give one to all of them, or to none."
        if self.reference.path and any(r.path == self.reference.path for r in self.maps):
            return f"{self.reference.name} is the reference and one of the maps."
        return ""
