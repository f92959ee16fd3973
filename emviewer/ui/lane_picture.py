"""A picture of a widget that is made anew when what it shows changes: at once while that is quick, else in a lane."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any

from emviewer.ui.latest import Latest
from emviewer.ui.runner import Runner


class LanePicture:
    """The newest picture of a widget; while another is being made the one before it is shown.

    Parameters
    ----------
    changed : callable
        Called when a picture came from the lane: the widget paints itself again.

    Notes
    -----
    A million points take some 100 ms to be stamped, the window may stand still for 50. Widgets that nobody gave a lane
    (:meth:`use_lane`) make every picture where they stand.
    """

    def __init__(self, changed: Callable[[], None]) -> None:
        self._changed = changed
        self._key: object = None
        self._asked: object = None
        self._made: Any = None
        self._latest: Latest | None = None

    def use_lane(self, runner: Runner, key: Hashable) -> None:
        """Make slow pictures in the view lane of a runner; ``key`` begins with the ``id`` of the panel."""
        self._latest = Latest(runner, key)

    @property
    def waiting(self) -> bool:
        """Whether a picture is being made."""
        return self._asked is not None

    def get(self, key: object, make: Callable[[], Any], slow: bool) -> Any:
        """Return the picture for a key, or the last one (None at first) while it is being made.

        Parameters
        ----------
        key : object
            All that the picture depends on.
        make : callable
            Makes it; must not touch the widget.
        slow : bool
            Whether it takes longer than a frame.
        """
        if key == self._key:
            return self._made
        if self._latest is None or not slow:
            if self._latest is not None and self._asked is not None:
                self._latest.cancel()
            self._key, self._asked, self._made = key, None, make()
        elif key != self._asked:
            self._asked = key
            self._latest.ask(lambda check: make(), lambda made: self._put(key, made))
        return self._made

    def _put(self, key: object, made: Any) -> None:
        self._key, self._made = key, made
        if self._asked == key:
            self._asked = None
        self._changed()
