"""The sphere of view directions in a person's hands: turned, clicked, its marker dragged."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from PySide6.QtCore import QEvent, QPointF, Qt, Signal
from PySide6.QtGui import QFocusEvent, QKeyEvent, QMouseEvent
from PySide6.QtWidgets import QWidget

from emviewer.ui.canvas import BY_KEY
from emviewer.ui.sphere_canvas import CURRENT, NEAR, SphereCanvas
from emviewer.ui.sphere_paint import DENSE, SELECTED

__all__ = ["CURRENT", "SELECTED", "SphereView"]

OWN_KEYS = (Qt.Key.Key_Left, Qt.Key.Key_Right, Qt.Key.Key_Up, Qt.Key.Key_Down, Qt.Key.Key_Return, Qt.Key.Key_Space)


class SphereView(SphereCanvas):
    """Shows and picks directions.

    Signals
    -------
    direction_chosen : ndarray of float64, shape (3,)
        A click on the sphere, or the current marker dragged.
    picked : (int, modifiers)
        Index of the direction nearest to a click.
    pointed : int
        Index of the direction under the mouse, -1 for none.
    """

    direction_chosen = Signal(object)
    picked = Signal(int, object)
    pointed = Signal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setMouseTracking(True)
        self.setToolTip("Click for a direction, drag the marker, drag elsewhere to turn the sphere")
        self._press: tuple[QPointF, QPointF, str] | None = None

    # hands ------------------------------------------------------------------------------------------------------
    def mousePressEvent(self, event: QMouseEvent) -> None:
        if event.button() not in (Qt.MouseButton.LeftButton, Qt.MouseButton.MiddleButton):
            return
        at = event.position()
        what = "turn"
        if self.current is not None and event.button() == Qt.MouseButton.LeftButton:
            flat, visible = self.projection.flat(self.current[None])
            spot = self.to_widget(flat)[0]
            if visible[0] and np.hypot(spot[0] - at.x(), spot[1] - at.y()) <= NEAR:
                what = "marker"
        self._press = (at, at, what)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        at = event.position()
        if self._press is None:
            index = self.nearest(at) if len(self.directions) <= DENSE * 5 else -1
            if index != self.hovered:
                self.hovered = index
                self.pointed.emit(index)
                self.update()
            return
        start, last, what = self._press
        self._press = (start, at, what)
        if what == "marker":
            self._choose(at)
        elif (at - start).manhattanLength() > 4:
            turn = 90.0 / self._radius()
            delta = at - last
            elevation = float(np.clip(self.projection.elevation + delta.y() * turn, -90, 90))
            azimuth = (self.projection.azimuth - delta.x() * turn) % 360
            self._turning = self._by_hand = True
            self.projection = replace(self.projection, azimuth=azimuth, elevation=elevation)
            self.update()

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        if self._press is None:
            return
        start, last, what = self._press
        self._press = None
        if self._turning:
            self._turning = False
            self.update()
        if what == "turn" and (last - start).manhattanLength() <= 4 and event.button() == Qt.MouseButton.LeftButton:
            index = self.nearest(last)
            if index >= 0:
                self.picked.emit(index, event.modifiers())
            else:
                self._choose(last)

    def leaveEvent(self, event: object) -> None:
        if self.hovered >= 0:
            self.hovered = -1
            self.pointed.emit(-1)
            self.update()

    def _choose(self, at: QPointF) -> None:
        direction, inside = self.direction_at(at)
        if inside or (self._press is not None and self._press[2] == "marker"):
            self.direction_chosen.emit(direction)

    def event(self, event: QEvent) -> bool:
        if event.type() == QEvent.Type.ShortcutOverride and isinstance(event, QKeyEvent) and event.key() in OWN_KEYS:
            event.accept()  # the arrows turn the sphere, not the picture beside it
            return True
        return super().event(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        keys = Qt.Key
        steps = {keys.Key_Left: (-5, 0), keys.Key_Right: (5, 0), keys.Key_Up: (0, 5), keys.Key_Down: (0, -5)}
        if event.key() in steps:
            a, e = steps[event.key()]
            self._by_hand = True
            elevation = float(np.clip(self.projection.elevation + e, -90, 90))
            self.projection = replace(self.projection, azimuth=(self.projection.azimuth + a) % 360, elevation=elevation)
            self.update()
        elif event.key() in (keys.Key_Return, keys.Key_Enter, keys.Key_Space):
            middle = QPointF(self.width() / 2, self.height() / 2)
            index = self.nearest(middle)
            if index >= 0:
                self.picked.emit(index, event.modifiers())
            else:
                self._choose(middle)
        else:
            super().keyPressEvent(event)

    def focusInEvent(self, event: QFocusEvent) -> None:
        super().focusInEvent(event)
        self._by_key = event.reason() in BY_KEY
        self.update()

    def focusOutEvent(self, event: QFocusEvent) -> None:
        super().focusOutEvent(event)
        self.update()
