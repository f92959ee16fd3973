"""Pictures of micrographs for the panel: found, opened and binned in a lane, kept, fetched ahead."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from emviewer.engine.errors import FileError
from emviewer.engine.micrograph import Piece, Spread
from emviewer.engine.micrograph_find import MicrographFinder
from emviewer.engine.micrograph_view import Binned, Look, Shown, Wanted, filtered, piece_of, read_binned
from emviewer.engine.task import Check
from emviewer.ui.latest import Latest
from emviewer.ui.runner import Runner

KEEP = 4
"""Micrographs that are kept, so that going back and forth reads nothing again: each 11 MB as read, 15 MB as shown."""
HELD_BYTES = 500_000_000
"""Memory that unpacked micrographs may take together; the one that is shown stays in any case."""


@dataclass
class Kept:
    """Micrographs that were read; only the slow lane, which does one thing at a time, looks into it.

    Parameters
    ----------
    binned : OrderedDict
        As read, by name and way up.
    shown : OrderedDict
        As shown, by name, look and pixel size.
    """

    binned: OrderedDict[tuple[str, bool | None], Binned] = field(default_factory=OrderedDict)
    shown: OrderedDict[tuple[str, Look, float], Shown] = field(default_factory=OrderedDict)

    def forget_old(self) -> None:
        """Keep what was used last."""
        while len(self.shown) > KEEP:
            self.shown.popitem(last=False)
        while len(self.binned) > KEEP or (len(self.binned) > 1 and self._held() > HELD_BYTES):
            (name, _), _ = self.binned.popitem(last=False)
            for key in [k for k in self.shown if k[0] == name]:
                del self.shown[key]

    def _held(self) -> int:
        return sum(b.micrograph.held_bytes for b in self.binned.values())


class Pictures:
    """Brings the pictures of one table's micrographs; all work is done in lanes.

    Parameters
    ----------
    runner : Runner
    owner : int
        ``id`` of the panel.
    """

    def __init__(self, runner: Runner, owner: int) -> None:
        self.runner, self.owner = runner, owner
        self.finder: MicrographFinder | None = None
        self.kept = Kept()
        self._spreads: dict[int, Spread] = {}
        self._pieces = Latest(runner, (owner, "piece"))
        self._number = 0

    def reset(self, finder: MicrographFinder | None) -> None:
        """Look for micrographs somewhere else from now on."""
        self.finder = finder
        self.kept = Kept()
        self.forget_pieces()

    def forget_pieces(self) -> None:
        """Drop what was asked of pieces."""
        self._number += 1
        self._spreads = {}
        self._pieces.cancel()

    def show(
        self, name: str, known: Path | None, pixel_A: float, look: Look, then: Callable[[Shown], None],
        fail: Callable[[Exception], None],
    ) -> None:  # fmt: skip
        """Bring a micrograph; ``fail`` is told where it cannot be found or read."""
        finder, kept = self.finder, self.kept
        self.forget_pieces()
        self.runner.drop_views((self.owner, "ahead"))
        self.runner.view(
            (self.owner, "picture"), lambda check: _shown(finder, kept, name, known, pixel_A, look, check), then,
            fail=fail, slow=True,
        )  # fmt: skip

    def fetch_ahead(self, name: str, known: Path | None, pixel_A: float, look: Look) -> None:
        """Read a micrograph that will probably be wanted next."""
        finder, kept = self.finder, self.kept

        def work(check: Check) -> None:
            try:
                _shown(finder, kept, name, known, pixel_A, look, check)
            except (FileError, OSError):  # it will be said when it is shown
                return

        self.runner.view((self.owner, "ahead"), work, lambda _: None, slow=True)

    def piece(self, shown: Shown, wanted: Wanted, then: Callable[[Piece], None]) -> None:
        """Bring a piece of what is shown; one is under way at a time, and the newest wish comes next."""
        number, spreads = self._number, self._spreads

        def got(piece: Piece) -> None:
            if number == self._number:
                then(piece)

        self._pieces.ask(lambda check: piece_of(shown, wanted, spreads, check), got)

    @property
    def busy(self) -> bool:
        """Whether a piece is being cut out."""
        return self._pieces.busy


def _shown(
    finder: MicrographFinder | None, kept: Kept, name: str, known: Path | None, pixel_A: float, look: Look,
    check: Check,
) -> Shown:  # fmt: skip
    """Return a micrograph as it is shown, read and filtered only if that is not kept."""
    whole, read = (name, look, pixel_A), (name, look.upside_down)
    if whole in kept.shown and read in kept.binned:
        kept.shown.move_to_end(whole)
        kept.binned.move_to_end(read)
        return kept.shown[whole]
    if read not in kept.binned:
        kept.binned[read] = read_binned(_path(finder, name, known), look.upside_down, check)
    kept.binned.move_to_end(read)
    source = kept.binned[read]
    check()
    kept.shown[whole] = filtered(source, look, pixel_A or source.micrograph.pixel_size_A)
    kept.forget_old()
    return kept.shown[whole]


def _path(finder: MicrographFinder | None, name: str, known: Path | None) -> Path:
    if finder is not None and finder.chosen is not None:
        chosen = finder.find(name)
        if chosen is not None:
            return chosen
    if known is not None and known.is_file():
        return known
    found = finder.find(name) if finder is not None else None
    if found is None:
        raise FileError(f"the picture of {name} was not found", "", "choose the folder of the micrographs")
    return found
