"""Pictures of micrographs for the panel: found, opened and binned in a lane, kept, fetched ahead."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path

from emviewer.engine.errors import FileError
from emviewer.engine.micrograph import Piece, Spread
from emviewer.engine.micrograph_find import MicrographFinder
from emviewer.engine.micrograph_view import Binned, Look, Shown, Wanted, filtered, piece_of, read_binned
from emviewer.engine.task import Check
from emviewer.ui.latest import Latest
from emviewer.ui.runner import Runner

KEEP = 6
"""Overviews that are kept, so that going back and forth reads nothing again."""
HELD_BYTES = 500_000_000
"""Memory that unpacked micrographs may take together; the one that is shown stays in any case."""


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
        self._kept: OrderedDict[tuple[str, bool | None], Binned] = OrderedDict()
        self._spreads: dict[int, Spread] = {}
        self._pieces = Latest(runner, (owner, "piece"))
        self._number = 0

    def reset(self, finder: MicrographFinder | None) -> None:
        """Look for micrographs somewhere else from now on."""
        self.finder = finder
        self._kept = OrderedDict()
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
        finder, kept = self.finder, self._kept
        self.forget_pieces()
        self.runner.drop_views((self.owner, "ahead"))

        def work(check: Check) -> Shown:
            source = _read(finder, kept, name, known, look.upside_down, check)
            return filtered(source, look, pixel_A or source.micrograph.pixel_size_A)

        self.runner.view((self.owner, "picture"), work, then, fail=fail, slow=True)

    def fetch_ahead(self, name: str, known: Path | None, look: Look) -> None:
        """Read a micrograph that will probably be wanted next."""
        finder, kept = self.finder, self._kept

        def work(check: Check) -> None:
            try:
                _read(finder, kept, name, known, look.upside_down, check)
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


def _read(
    finder: MicrographFinder | None, kept: OrderedDict[tuple[str, bool | None], Binned], name: str, known: Path | None,
    upside_down: bool | None, check: Check,
) -> Binned:  # fmt: skip
    """Return a micrograph with its overview; only the slow lane calls this, one at a time."""
    key = (name, upside_down)
    if key in kept:
        kept.move_to_end(key)
        return kept[key]
    found = read_binned(_path(finder, name, known), upside_down, check)
    kept[key] = found
    while len(kept) > KEEP or (len(kept) > 1 and sum(b.micrograph.held_bytes for b in kept.values()) > HELD_BYTES):
        kept.popitem(last=False)
    return found


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
