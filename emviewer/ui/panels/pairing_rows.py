"""Which map goes with which mask and particles: rows that keep what belongs to them whatever happens to others."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from emviewer.ui.opening import is_built_in

_ids = itertools.count(1)
PARTS = {"mask": "mask", "particles": "particle"}
NAMES = ("reference", "ref_mask", "maps", "mask", "particles", "start", "leave", "also")
"""The parameters that the table stands for."""

NOWHERE = "none"
"""The start of a map that is looked for everywhere."""


def _start_text(value: Any) -> str:
    """Return a start as ``--start`` has it, out of a text or of numbers; empty for none."""
    text = value if isinstance(value, str) else ",".join(f"{v:g}" for v in value)
    return "" if text.strip() in ("", NOWHERE) else text


def _numbered(value: Any) -> tuple[int, str]:
    """Return the number of a map and a file, out of ``1:FILE`` or of both."""
    number, _, file = value.partition(":") if isinstance(value, str) else (value[0], "", value[1])
    return int(number), str(file)


def start_words(start: str) -> str:
    """Return a start in words: how far it is turned and shifted."""
    numbers = [float(v) for v in start.split(",")]
    rot, tilt, psi = (math.radians(v) for v in numbers[:3])
    angle = 2 * math.acos(min(1.0, abs(math.cos(tilt / 2) * math.cos((rot + psi) / 2))))
    flipped = ", flipped" if len(numbers) > 6 and numbers[6] else ""
    return f"by hand: {math.degrees(angle):.1f}°, {math.hypot(*numbers[3:6]):.1f} Å{flipped}"


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
    start : str
        Where it begins, as ``--start`` has it; empty for everywhere.
    also : list of str
        Further files that move with it.
    beside : tuple of list of Path
        Half maps, derived maps and masks found beside it.
    looked : bool
        Whether it was looked for them.
    """

    path: str
    mask: str = ""
    particles: str = ""
    start: str = ""
    also: list[str] = field(default_factory=list)
    beside: tuple[list[Path], list[Path], list[Path]] = ([], [], [])
    looked: bool = False
    id: int = field(default_factory=_ids.__next__)

    @property
    def name(self) -> str:
        """The file's name."""
        return self.path if is_built_in(self.path) else Path(self.path).name

    def files(self) -> list[tuple[str, Path]]:
        """Return what was found beside the map: what each file is, and the file."""
        words = ("half map", "sharpened", "mask beside")
        return [(word, path) for word, group in zip(words, self.beside, strict=True) for path in group]


class Pairing:
    """The reference and the maps of an alignment, without any widget."""

    def __init__(self) -> None:
        self.reference = PairRow("")
        self.maps: list[PairRow] = []
        self.left: set[str] = set()
        """Files found beside maps that are not to move with them."""

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
        self.left -= {str(path) for _, path in row.files()}
        self.maps = [r for r in self.maps if r is not row]

    def make_reference(self, row: PairRow) -> None:
        """Let a map and the reference change places, each with what belongs to it."""
        place = self.maps.index(row)
        if self.reference.path:
            self.maps[place] = self.reference
        else:
            del self.maps[place]
        self.reference = row
        row.start = ""

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
        starts = [_start_text(each) for each in values.get("start") or []]
        for k, row in enumerate(self.maps):
            row.start = starts[k] if len(starts) == len(self.maps) else ""
        self.left = {str(p) for p in values.get("leave") or []}
        further = [_numbered(each) for each in values.get("also") or []]
        for k, row in enumerate(self.rows()):
            row.also = [file for number, file in further if number == k]

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
        starts = [r.start or NOWHERE for r in self.maps]
        out["start"] = starts if any(r.start for r in self.maps) else []
        out["leave"] = sorted(self.left)
        out["also"] = [f"{k}:{file}" for k, r in enumerate(self.rows()) for file in r.also]
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
