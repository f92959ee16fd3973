"""The contrast keys, the same in every panel that has levels."""

from __future__ import annotations

from emviewer.ui.levels import LevelsWidget

LEVEL_STEP = 0.04
"""Fraction of the present range that F5 … F8 move a level by."""


class ContrastActions:
    """Mix-in of panels with a ``levels`` widget: the actions C, T, I, F5 … F8 of the action table."""

    levels: LevelsWidget

    def do_auto_contrast(self) -> None:
        """Take the robust range."""
        self.levels.auto()

    def do_full_range(self) -> None:
        """Take smallest and largest value."""
        self.levels.full_range()

    def do_invert(self) -> None:
        """Invert the display."""
        self.levels.invert()

    def do_black_down(self) -> None:
        """Lower the black level."""
        self.levels.nudge(low=-LEVEL_STEP)

    def do_black_up(self) -> None:
        """Raise the black level."""
        self.levels.nudge(low=LEVEL_STEP)

    def do_white_down(self) -> None:
        """Lower the white level."""
        self.levels.nudge(high=-LEVEL_STEP)

    def do_white_up(self) -> None:
        """Raise the white level."""
        self.levels.nudge(high=LEVEL_STEP)
