"""Grey levels of a gallery: found once from a robust sample, kept while it grows, changed only by hand."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from PySide6.QtCore import QObject, Signal

from emviewer.engine.filters_display import Distribution, distribution
from emviewer.engine.filters_tiles import sampled_values
from emviewer.engine.types import Contrast, ImageStack
from emviewer.ui.levels import LevelsWidget
from emviewer.ui.runner import Runner
from emviewer.ui.thumbnails import TileStyle

LEVELS_FROM = 64
"""Images after which the shared levels of a growing gallery stay as they are."""


class GalleryContrast(QObject):
    """How tiles are shaded: shared levels or each by itself, inverted, filtered, as spectrum.

    Signals
    -------
    changed
        Tiles must be painted again.
    """

    changed = Signal()

    def __init__(self, runner: Runner, owner: Any, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.runner = runner
        self._key = (owner, "levels", id(self))
        self.levels = LevelsWidget(Contrast(0.0, 1.0))
        self.shared = True
        self.spectrum = False
        self.low_pass_A = 0.0
        self.known = False
        self._settled = False
        self._hopeless = False
        self._asked = 0
        self.levels.contrast_changed.connect(self._by_hand)
        if parent is not None:
            # The inspector borrows the widget and gives it back without a parent; it must still go with its panel.
            parent.destroyed.connect(self.levels.deleteLater)

    @property
    def contrast(self) -> Contrast:
        """The shared contrast."""
        return self.levels.contrast

    def reset(self, stack: ImageStack | None) -> None:
        """Begin with another stack; colour map and inversion are kept."""
        self.known = self._settled = self._hopeless = False
        self._asked = 0
        self.levels.set_distribution(None)
        self.follow(stack)

    def follow(self, stack: ImageStack | None) -> None:
        """Find levels for a growing stack: at its first images, once more at ``LEVELS_FROM``, then never again."""
        if stack is None or stack.n == 0 or self._settled:
            return
        if self._asked and self._asked < LEVELS_FROM <= stack.n:
            self._settled = True
            self._sample(stack, take=True)
        elif not self._asked:
            self._settled = stack.n >= LEVELS_FROM
            self._sample(stack, take=True)

    def auto(self, stack: ImageStack | None) -> None:
        """Find the levels afresh from what is there now."""
        if stack is not None and stack.n:
            self._settled = True
            self._sample(stack, take=True)

    def _sample(self, stack: ImageStack, take: bool) -> None:
        self._asked = stack.n
        self.runner.view(
            self._key,
            lambda check: distribution(sampled_values(stack, check=check)),
            lambda found: self._found(found, take),
            fail=self._failed,
        )

    def _found(self, found: Distribution, take: bool) -> None:
        self.levels.set_distribution(found)
        if take:
            self.levels.set_contrast(replace(self.contrast, low=found.auto_low, high=found.auto_high))
        self.known = True
        self.levels.set_distribution(found)
        self.changed.emit()

    def _failed(self, error: Exception) -> None:
        """Let the tiles be read without levels: they meet the same error and say it."""
        self._hopeless = True
        self.changed.emit()

    def _by_hand(self, contrast: Contrast) -> None:
        self._settled = True
        self.changed.emit()

    def set_shared(self, shared: bool) -> None:
        """Shade all tiles alike, or each by its own mean ± 3 standard deviations."""
        self.shared = shared
        self.changed.emit()

    def style(self, size_px: int) -> TileStyle | None:
        """Return how tiles of this size in device pixels are painted now; None while shared levels are being found."""
        c = self.contrast
        if self.shared and not self.known and not self._hopeless:
            return None
        levels = (c.low, c.high) if self.shared and self.known else None
        return TileStyle(size_px, levels, c.colormap, c.inverted, self.spectrum, self.low_pass_A)

    def state(self) -> dict[str, Any]:
        """Return what a session keeps."""
        c = self.contrast
        return {
            "levels": [c.low, c.high] if self.known else None,
            "colormap": c.colormap,
            "inverted": c.inverted,
            "shared": self.shared,
            "low_pass_A": self.low_pass_A,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take back what :meth:`state` gave."""
        c = self.contrast
        levels = state.get("levels")
        if levels:
            c, self.known, self._settled = replace(c, low=float(levels[0]), high=float(levels[1])), True, True
        c = replace(
            c, colormap=str(state.get("colormap", c.colormap)), inverted=bool(state.get("inverted", c.inverted))
        )
        self.levels.set_contrast(c)
        self.shared = bool(state.get("shared", self.shared))
        self.low_pass_A = float(state.get("low_pass_A", self.low_pass_A))
        self.changed.emit()
