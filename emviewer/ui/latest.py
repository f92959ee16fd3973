"""Keeping pace: one request under way and the newest one waiting; a change taken in at most every so often."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any

from PySide6.QtCore import QObject, QTimer

from emviewer.engine.task import Check
from emviewer.ui.runner import Runner


class Latest:
    """A pacer over ``runner.view`` for things that follow the mouse.

    ``runner.view`` drops every answer that a newer request has overtaken: right for a change of mind, but while a
    wheel turns faster than cuts can be read nothing would be shown until it stops. Here a request that is under way
    is always shown, and of those made meanwhile only the newest is carried out.

    Parameters
    ----------
    runner : Runner
    key : hashable
        Begins with the ``id`` of the panel, so that closing the panel forgets it.
    slow : bool
        Use the lane of work that takes seconds.
    """

    def __init__(self, runner: Runner, key: Hashable, slow: bool = False) -> None:
        self._runner, self._key, self._slow = runner, key, slow
        self._busy = False
        self._waiting: tuple[Any, ...] | None = None

    @property
    def busy(self) -> bool:
        """Whether a request is under way."""
        return self._busy

    def ask(
        self,
        work: Callable[[Check], Any],
        then: Callable[[Any], None],
        fail: Callable[[Exception], None] | None = None,
    ) -> None:
        """Carry out ``then(work(check))`` as soon as the request under way is answered; replaces one that waits."""
        if self._busy:
            self._waiting = (work, then, fail)
            return
        self._busy = True

        def answered(result: Any) -> None:
            self._go_on()
            then(result)

        def failed(error: Exception) -> None:
            self._go_on()
            if fail is not None:
                fail(error)
            else:
                self._runner.view_failed(self._key, error)

        self._runner.view(self._key, work, answered, fail=failed, slow=self._slow)

    def cancel(self) -> None:
        """Forget what is under way (its ``check()`` stops it) and what waits."""
        self._waiting = None
        self._busy = False
        self._runner.drop_views(self._key)

    def _go_on(self) -> None:
        self._busy = False
        waiting, self._waiting = self._waiting, None
        if waiting is not None:
            self.ask(*waiting)


class Throttle(QTimer):
    """Calls something at most every ``ms`` milliseconds however often it is asked, and always after the last time.

    Parameters
    ----------
    action : callable
        Called on the GUI thread.
    ms : int
        Shortest time between two calls.
    parent : QObject
        Ends with it.
    """

    def __init__(self, action: Callable[[], None], ms: int, parent: QObject) -> None:
        super().__init__(parent)
        self.setSingleShot(True)
        self.setInterval(ms)
        self.timeout.connect(action)

    def ask(self) -> None:
        """Call soon."""
        if not self.isActive():
            self.start()
