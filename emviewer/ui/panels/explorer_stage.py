"""When a map is prepared for turning: once it is looked at, coarse first, full afterwards; given up when not wanted."""

from __future__ import annotations

from PySide6.QtCore import QObject, QTimer, Signal
from PySide6.QtWidgets import QWidget

from emviewer.engine.errors import EmviewerError
from emviewer.engine.filters_display import Distribution
from emviewer.engine.types import Map3D
from emviewer.ui.panels.explorer_prepare import Turning, coarse_factor, prepare, prepared_for_turning, rest_factor
from emviewer.ui.runner import Runner

PATIENCE_MS = 60
"""A panel must be seen this long before its map is prepared: docks show panels for a moment while they are arranged."""


class Stage(QObject):
    """Holds the prepared map of the explorer.

    Parameters
    ----------
    runner : Runner
    panel : QWidget
        Prepares only while it is seen; the keys of its views begin with its ``id``.

    Signals
    -------
    busy : str
        What is being prepared; empty when nothing is.
    ready : Distribution
        The map can be turned.
    rested
        The full-resolution projections can be made.
    failed : str
        Why the map cannot be turned.
    """

    busy = Signal(str)
    ready = Signal(object)
    rested = Signal()
    failed = Signal(str)

    def __init__(self, runner: Runner, panel: QWidget) -> None:
        super().__init__(panel)
        self.runner, self._panel = runner, panel
        self.turning: Turning | None = None
        self.resting: Turning | None = None
        self.cancelled = False
        self._volume: Map3D | None = None
        self._keys = (id(panel), "prepare"), (id(panel), "resting")
        self._under_way = ""
        self._patience = QTimer(self)
        self._patience.setSingleShot(True)
        self._patience.setInterval(PATIENCE_MS)
        self._patience.timeout.connect(self._begin)

    @property
    def best(self) -> Turning | None:
        """The finest that is prepared."""
        return self.resting or self.turning

    def set_volume(self, volume: Map3D | None) -> None:
        """Take another map; nothing is prepared until :meth:`want`."""
        self._stop()
        self._volume, self.turning, self.resting, self.cancelled = volume, None, None, False

    def want(self) -> None:
        """Prepare what is missing, unless it was cancelled; called whenever the panel is painted."""
        if self._missing() and not self.cancelled and not self._under_way and not self._patience.isActive():
            self._patience.start()

    def unwant(self) -> None:
        """Nobody looks: give up what is under way; :meth:`want` takes it up again."""
        self._stop()

    def cancel(self) -> None:
        """Stop preparing, until :meth:`again`."""
        self.cancelled = True
        self._stop()

    def again(self) -> None:
        """Prepare after a cancel."""
        self.cancelled = False
        self.want()

    def _stop(self) -> None:
        self._patience.stop()
        for key in self._keys:
            self.runner.drop_views(key)
        self._say("")

    def _say(self, text: str) -> None:
        if text != self._under_way:
            self._under_way = text
            self.busy.emit(text)

    def _missing(self) -> bool:
        volume = self._volume
        if volume is None:
            return False
        finer = rest_factor(volume.box) < coarse_factor(volume.box)
        return self.turning is None or (self.resting is None and finer)

    def _begin(self) -> None:
        volume = self._volume
        # a dock behind another tab says that it is visible, but nothing of it is
        if volume is None or not self._missing() or self._panel.visibleRegion().isEmpty():
            return
        if self.turning is None:
            self._say("Preparing the projections…")
            self.runner.view(
                self._keys[0], prepared_for_turning(volume), self._got_turning, fail=self._failed, slow=True
            )
        else:
            factor = rest_factor(volume.box)
            self._say("Preparing full resolution…")
            self.runner.view(
                self._keys[1],
                lambda check: prepare(volume, factor, check),
                self._got_resting,
                fail=self._failed,
                slow=True,
            )

    def _got_turning(self, made: tuple[Turning, Distribution]) -> None:
        self.turning, found = made
        self._say("")
        self.ready.emit(found)
        self._begin()

    def _got_resting(self, made: Turning) -> None:
        self.resting = made
        self._say("")
        self.rested.emit()

    def _failed(self, error: Exception) -> None:
        self._say("")
        self.cancelled = True
        text = str(error) if isinstance(error, EmviewerError) else f"{type(error).__name__}: {error}"
        if isinstance(error, MemoryError):
            text = "there is not enough memory for this box"
        self.failed.emit(text)
