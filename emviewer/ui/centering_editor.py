"""One class large, before and after; its centre is taken with the mouse or moved with the arrow keys."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QImage, QKeyEvent, QMouseEvent, QPainter, QPaintEvent, QPen, QTransform
from PySide6.QtWidgets import QSizePolicy, QWidget

from emviewer.ui import theme
from emviewer.ui.centering_paint import CROSS, HALO, OBJECT, draw_arrow, draw_cross, draw_moved, draw_ring, middle_of
from emviewer.ui.centering_session import Choice

GAP = 8
GRAB = 14
"""Distance on the screen from which the ring is taken; further off the centre jumps to the mouse."""
STEP_PX, FINE_PX = 1.0, 0.1
"""What an arrow key moves the centre by, in pixels of the average; with Shift the fine step."""
GUIDES = (0.25, 0.4)
"""Radii of the circles over the centred average, in boxes: they show what is left to one side."""


class CenterEditor(QWidget):
    """Shows a class average with its centre and lets a person set it.

    Signals
    -------
    moving : float, float
        The centre under the mouse ``(x, y)`` in pixels from ``n // 2``.
    centre_set : float, float
        The mouse was let go, or a key pressed.
    """

    moving = Signal(float, float)
    centre_set = Signal(float, float)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.image: QImage | None = None
        self.choice: Choice | None = None
        self.box_px = 1
        self.base_px = (0.0, 0.0)
        self.message = ""
        self._hand: tuple[float, float] | None = None
        self._grip: tuple[QPointF, tuple[float, float], bool] | None = None
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setMinimumSize(260, 120)
        self.setMouseTracking(True)
        self.setAccessibleName("Class average before and after; drag its centre")
        self.setToolTip(
            "Before: click or drag to set the centre. After: drag the particle to the cross.\n"
            "Arrow keys move the centre by 1 px, with Shift by 0.1 px."
        )

    def sizeHint(self) -> QSize:
        return QSize(420, 230)

    def show_class(
        self, image: QImage | None, choice: Choice | None, box_px: int, base_px: tuple[float, float] = (0.0, 0.0)
    ) -> None:
        """Show a class average; ``base_px`` is by how much the picture itself is centred already."""
        self.image, self.choice, self.box_px, self.base_px = image, choice, max(1, box_px), base_px
        self._hand = self._grip = None
        self.update()

    @property
    def centre(self) -> tuple[float, float] | None:
        """The centre shown, under the mouse while it is dragged."""
        if self._hand is not None:
            return self._hand
        return None if self.choice is None else (self.choice.x_px, self.choice.y_px)

    # geometry -------------------------------------------------------------------------------------------------------
    def halves(self) -> tuple[QRectF, QRectF]:
        """Return where before and after stand."""
        line = self.fontMetrics().height() + 4
        room = QRectF(self.rect()).adjusted(4, line, -4, -4)
        edge = max(10.0, min((room.width() - GAP) / 2, room.height()))
        left = room.center().x() - edge - GAP / 2
        top = room.top() + (room.height() - edge) / 2
        return QRectF(left, top, edge, edge), QRectF(left + edge + GAP, top, edge, edge)

    def _middle(self, half: QRectF) -> QPointF:
        return middle_of(half, self.box_px)

    # painting -------------------------------------------------------------------------------------------------------
    def paintEvent(self, event: QPaintEvent) -> None:
        with QPainter(self) as painter:
            painter.setRenderHint(QPainter.RenderHint.Antialiasing)
            c, (before, after) = theme.current(), self.halves()
            painter.setPen(QColor(c.dim))
            still = self.choice is not None and not self.choice.moves and self._hand is None
            for half, words in ((before, "before"), (after, "after: left as it is" if still else "after")):
                place = QRectF(half.left(), half.top() - self.fontMetrics().height() - 2, half.width(), 20)
                painter.drawText(place, Qt.AlignmentFlag.AlignHCenter | Qt.AlignmentFlag.AlignTop, words)
                painter.fillRect(half, QColor(c.canvas))
            if self.image is None or self.choice is None or self.centre is None:
                painter.setPen(QColor("#a3acb9"))
                flags = Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap
                painter.drawText(before.united(after).adjusted(8, 8, -8, -8), flags, self.message)
                return
            self._paint_before(painter, before)
            self._paint_after(painter, after)
            if self.hasFocus():
                painter.setPen(QPen(QColor(c.accent), 1))
                painter.setBrush(Qt.BrushStyle.NoBrush)
                painter.drawRect(before.united(after).adjusted(-2, -2, 1, 1))

    def _paint_before(self, painter: QPainter, half: QRectF) -> None:
        assert self.image is not None and self.centre is not None
        scale = half.width() / self.box_px
        draw_moved(painter, half, self.image, QPointF(*self.base_px) * scale)
        painter.save()
        painter.setClipRect(half)
        middle = self._middle(half)
        at = middle + QPointF(*self.centre) * scale
        draw_cross(painter, middle, 0.06 * half.width(), CROSS)
        draw_arrow(painter, middle, at, OBJECT, 2.0)
        draw_ring(painter, at, 7.0, OBJECT, 2.0)
        painter.restore()

    def _paint_after(self, painter: QPainter, half: QRectF) -> None:
        assert self.image is not None and self.centre is not None and self.choice is not None
        scale = half.width() / self.box_px
        moves = self.choice.moves or self._hand is not None
        by = QPointF(*self.base_px) - (QPointF(*self.centre) if moves else QPointF())
        draw_moved(painter, half, self.image, by * scale, self.choice.psi_deg if moves else 0.0, self.box_px)
        painter.save()
        painter.setClipRect(half)
        middle = self._middle(half)
        painter.setBrush(Qt.BrushStyle.NoBrush)
        for radius in GUIDES:
            for pen in (QPen(HALO, 2.0), QPen(CROSS, 0.8, Qt.PenStyle.DashLine)):
                painter.setPen(pen)
                painter.drawEllipse(middle, radius * half.width(), radius * half.width())
        draw_cross(painter, middle, 0.06 * half.width(), CROSS)
        painter.restore()

    # hands ----------------------------------------------------------------------------------------------------------
    def mousePressEvent(self, event: QMouseEvent) -> None:
        if event.button() != Qt.MouseButton.LeftButton or self.centre is None or self.image is None:
            return
        before, after = self.halves()
        at = event.position()
        if before.contains(at):
            found = (at - self._middle(before)) / (before.width() / self.box_px)
            near = (
                at - self._middle(before) - QPointF(*self.centre) * (before.width() / self.box_px)
            ).manhattanLength()
            start = self.centre if near <= 14 else (found.x(), found.y())
            self._grip = at, start, False
            self._move_to(*start)
        elif after.contains(at):
            self._grip = at, self.centre, True

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        before, after = self.halves()
        if self._grip is None:
            inside = before.contains(event.position()) or after.contains(event.position())
            active = inside and self.image is not None
            self.setCursor(Qt.CursorShape.CrossCursor if active else Qt.CursorShape.ArrowCursor)
            return
        start, centre, of_particle = self._grip
        way = (event.position() - start) / (before.width() / self.box_px)
        if of_particle:  # drawn turned by psi: back into the average, where the centre goes the other way
            way = -QTransform().rotate(-self.choice.psi_deg if self.choice is not None else 0.0).map(way)
        self._move_to(centre[0] + way.x(), centre[1] + way.y())

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        grip, self._grip = self._grip, None
        if grip is not None and event.button() == Qt.MouseButton.LeftButton and self._hand is not None:
            self.centre_set.emit(*self._hand)

    def _move_to(self, x: float, y: float) -> None:
        half = self.box_px / 2
        self._hand = max(-half, min(half - 1, x)), max(-half, min(half - 1, y))
        self.moving.emit(*self._hand)
        self.update()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        step = {
            Qt.Key.Key_Left: (-1, 0), Qt.Key.Key_Right: (1, 0), Qt.Key.Key_Up: (0, -1), Qt.Key.Key_Down: (0, 1)
        }.get(Qt.Key(event.key()))  # fmt: skip
        centre = self.centre
        if step is None or centre is None or self.image is None:
            event.ignore()
            return
        size = FINE_PX if event.modifiers() & Qt.KeyboardModifier.ShiftModifier else STEP_PX
        self._move_to(round(centre[0] + size * step[0], 4), round(centre[1] + size * step[1], 4))
        assert self._hand is not None
        self.centre_set.emit(*self._hand)

    def event(self, event: QEvent) -> bool:
        # the arrow keys are shortcuts of the window; over the picture they move the centre
        if event.type() == QEvent.Type.ShortcutOverride and isinstance(event, QKeyEvent):
            arrows = (Qt.Key.Key_Left, Qt.Key.Key_Right, Qt.Key.Key_Up, Qt.Key.Key_Down)
            if Qt.Key(event.key()) in arrows and self.image is not None:
                event.accept()
                return True
        return super().event(event)

    def leaveEvent(self, event: QEvent) -> None:
        self.unsetCursor()
