"""One large image under the hands: zoom at the cursor, pan, point, drag levels, step."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QPointF, Qt, Signal
from PySide6.QtGui import QKeyEvent, QMouseEvent, QNativeGestureEvent, QWheelEvent
from PySide6.QtWidgets import QWidget

from emviewer.ui.canvas_view import BACKGROUND, BY_KEY, LABEL, CanvasView, Crosshair, to_qimage, to_words

__all__ = ["BACKGROUND", "BY_KEY", "LABEL", "Crosshair", "ImageCanvas", "to_qimage", "to_words"]


class ImageCanvas(CanvasView):
    """Shows one image and tells what the mouse and the keys do to it.

    Signals
    -------
    hovered : (int, int) or None
        Pixel ``(x, y)`` under the cursor; None outside the image.
    pointed : (int, int)
        Left press or drag: pixel, clamped to the image.
    dragged : (float, float, modifiers)
        Left drag in widget units since the last one, when ``free_drag`` is on (``pointed`` is then silent).
    drag_ended
        The left button was released.
    levels_dragged : (float, float)
        Right drag since the last one, as fractions of the width (right +) and height (up +).
    stepped : int
        Slices to step, from wheel or arrow keys (positive: towards higher index).
    double_clicked : (int, int)
    """

    hovered = Signal(object)
    pointed = Signal(int, int)
    dragged = Signal(float, float, object)
    drag_ended = Signal()
    levels_dragged = Signal(float, float)
    stepped = Signal(int)
    double_clicked = Signal(int, int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.free_drag = False
        self.wheel_zooms = False
        self._press: tuple[Qt.MouseButton, QPointF] | None = None
        self._wheel = 0.0

    def mousePressEvent(self, event: QMouseEvent) -> None:
        self._press = (event.button(), event.position())
        if event.button() == Qt.MouseButton.LeftButton and not self.free_drag:
            self._point(event.position())
        elif event.button() == Qt.MouseButton.MiddleButton:
            self.setCursor(Qt.CursorShape.ClosedHandCursor)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        at = event.position()
        self.hovered.emit(self.pixel_at(at))
        if self._press is None:
            return
        button, last = self._press
        self._press = (button, at)
        delta = at - last
        if button == Qt.MouseButton.LeftButton:
            if self.free_drag:
                self.dragged.emit(delta.x(), delta.y(), event.modifiers())
            else:
                self._point(at)
        elif button == Qt.MouseButton.MiddleButton:
            self.set_view(self._scale, self._centre - delta / self._scale)
            self.view_changed.emit()
        elif button == Qt.MouseButton.RightButton:
            self.levels_dragged.emit(delta.x() / max(1, self.width()), -delta.y() / max(1, self.height()))

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        if self._press is not None and self._press[0] == Qt.MouseButton.LeftButton:
            self.drag_ended.emit()
        self._press = None
        self.unsetCursor()

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        pixel = self.pixel_at(event.position())
        if pixel is not None and event.button() == Qt.MouseButton.LeftButton:
            self.double_clicked.emit(*pixel)

    def _point(self, at: QPointF) -> None:
        pixel = self.pixel_at(at, clamp=True)
        if pixel is not None:
            self.pointed.emit(*pixel)

    def wheelEvent(self, event: QWheelEvent) -> None:
        # Alt turns a vertical wheel into a horizontal one on some platforms
        delta = event.angleDelta().y() or event.angleDelta().x()
        zooms = bool(event.modifiers() & Qt.KeyboardModifier.ControlModifier) != self.wheel_zooms
        if zooms:
            self.zoom(1.0015**delta, event.position())
        else:
            self._wheel += delta / 120.0
            steps = int(self._wheel)
            if steps:
                self._wheel -= steps
                fast = 10 if event.modifiers() & Qt.KeyboardModifier.ShiftModifier else 1
                self.stepped.emit(-steps * fast)
        event.accept()

    def event(self, event: QEvent) -> bool:
        if isinstance(event, QNativeGestureEvent) and event.gestureType() == Qt.NativeGestureType.ZoomNativeGesture:
            self.zoom(1.0 + event.value(), event.position())
            return True
        return super().event(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        keys = Qt.Key
        steps = {keys.Key_Left: -1, keys.Key_Right: 1, keys.Key_PageUp: -10, keys.Key_PageDown: 10}
        if event.key() in steps and not event.modifiers():
            self.stepped.emit(steps[event.key()])
        elif event.key() in (keys.Key_Plus, keys.Key_Equal, keys.Key_Minus):
            self.zoom(1 / 1.25 if event.key() == keys.Key_Minus else 1.25)
        else:
            super().keyPressEvent(event)

    def leaveEvent(self, event: QEvent) -> None:
        self.hovered.emit(None)
