"""The micrograph under the hands: an overview with a sharper piece over it, pan, zoom, click, rectangle and lasso."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
from PySide6.QtCore import QPointF, QRectF, Qt, Signal
from PySide6.QtGui import QColor, QImage, QMouseEvent, QPainter, QPainterPath, QPaintEvent, QPen, QPolygonF
from PySide6.QtWidgets import QWidget

from emviewer.engine.micrograph import Piece
from emviewer.engine.types import Contrast
from emviewer.ui.canvas import ImageCanvas
from emviewer.ui.canvas_view import Colouring
from emviewer.ui.sphere_view import SELECTED

Tool = Literal["pan", "rectangle", "lasso"]
BLANK, BLANK_EDGE = QColor(44, 47, 53), QColor(92, 98, 108)
"""Of a micrograph whose picture is missing."""
SHARP = 4.0
"""Device pixels a micrograph pixel from which on pixels are shown as squares; below, they are smoothed."""
STILL = 4.0
"""Widget units that a hand may tremble in a click."""
AROUND = 0.35
"""Part of the view that a piece reaches beyond it on every side, so that a short way can be panned at once."""


class MicrographCanvas(ImageCanvas):
    """Shows a micrograph of any size.

    The overview is always there; where one looks closer, the panel cuts a piece of the micrograph out and gives it to
    :meth:`set_piece`, which is painted over the overview until the micrograph, or the way it is shown, changes.

    Signals
    -------
    clicked : (QPointF, modifiers)
        A click, in pixels of the micrograph.
    enclosed : (list of QPointF, bool, modifiers)
        What was drawn around, in pixels of the micrograph: two corners of a rectangle, or (True) a lasso.
    menu_wanted : QPoint
        A right click that did not drag, in global coordinates.
    """

    clicked = Signal(object, object)
    enclosed = Signal(object, bool, object)
    menu_wanted = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAccessibleName("Micrograph")
        self.wheel_zooms = True
        self.tool: Tool = "pan"
        self.blank = False
        self.keep_view = False  # the next micrograph is shown where a session stood
        self._piece: Piece | None = None
        self._piece_words: tuple[Contrast, np.ndarray] | None = None
        self._piece_colouring = Colouring()
        self._path: list[QPointF] = []
        self._start: QPointF | None = None
        self._far = False

    # contents -------------------------------------------------------------------------------------------------------
    def show_blank(self, width: int, height: int) -> None:
        """Show an empty field of this many pixels, for a micrograph whose picture is missing."""
        self.blank = True
        self.set_piece(None)
        self.set_image(
            np.zeros((1, 1), np.float32), world=(float(width), float(height)), unit=float(max(width, height))
        )

    def show_overview(
        self, picture: np.ndarray, world: tuple[int, int], unit: int, reduced: dict[int, np.ndarray] | None = None
    ) -> None:
        """Show a micrograph of ``world`` (width, height) pixels by its overview of ``unit`` pixels a pixel."""
        self.blank = False
        self._show(picture, world, unit, reduced)

    def _show(
        self, picture: np.ndarray, world: tuple[int, int], unit: int, reduced: dict[int, np.ndarray] | None = None
    ) -> None:
        scale, centre, kept = self._scale, self._centre, self.keep_view
        self.keep_view = False
        self.set_image(picture, world=(float(world[0]), float(world[1])), unit=float(unit), reduced=reduced)
        if kept:
            self.set_view(scale, centre)

    def set_piece(self, piece: Piece | None) -> None:
        """Show a piece over the overview (None: none)."""
        self._piece, self._piece_words = piece, None
        self.update()

    @property
    def piece(self) -> Piece | None:
        """The piece shown over the overview."""
        return self._piece

    def visible(self) -> QRectF:
        """Return the visible part of the micrograph, in its pixels."""
        a, b = self.to_image(QPointF(0, 0)), self.to_image(QPointF(self.width(), self.height()))
        w, h = self.world_size()
        return QRectF(a, b) & QRectF(0, 0, w, h)

    def wanted_piece(self, finest_px: float) -> tuple[tuple[int, int], tuple[int, int], int] | None:
        """Return corner, size and binning of the piece that would show more than the overview; None if none would.

        Parameters
        ----------
        finest_px : float
            Finest period that is shown, in pixels of the micrograph (the low-pass).
        """
        if self.image is None or self.blank:
            return None
        per_pixel = self._scale * self.devicePixelRatioF()
        seen = self.visible()
        if per_pixel * self._unit <= 1.0 or finest_px >= 4 * self._unit or seen.isEmpty():
            return None
        factor = max(1, int(1.0 / per_pixel))
        have = self._piece
        if have is not None and have.factor <= factor:
            w, h = self.world_size()
            left, top = seen.left() >= have.x, seen.top() >= have.y
            right = seen.right() <= have.right or have.right > w - factor
            if left and top and right and (seen.bottom() <= have.bottom or have.bottom > h - factor):
                return None
        grown = seen.adjusted(*(s * AROUND * e for s, e in zip((-1, -1, 1, 1), (seen.width(), seen.height()) * 2,
                                                               strict=True)))  # fmt: skip
        size = (math.ceil(grown.width()), math.ceil(grown.height()))
        return (math.floor(grown.left()), math.floor(grown.top())), size, factor

    # painting -------------------------------------------------------------------------------------------------------
    def paintEvent(self, event: QPaintEvent) -> None:
        super().paintEvent(event)
        if len(self._path) > 1 and self._selecting:
            painter = QPainter(self)
            painter.setRenderHint(QPainter.RenderHint.Antialiasing)
            fill = QColor(SELECTED)
            fill.setAlpha(45)
            painter.setBrush(fill)
            painter.setPen(QPen(SELECTED, 1.4, Qt.PenStyle.DashLine))
            path = QPainterPath()
            if self.tool == "lasso":
                path.addPolygon(QPolygonF(self._path))
                path.closeSubpath()
            else:
                path.addRect(QRectF(self._path[0], self._path[-1]).normalized())
            painter.drawPath(path)

    def _paint_image(self, painter: QPainter) -> None:
        if self.blank:
            painter.fillRect(self.image_rect(), BLANK)
            painter.setPen(QPen(BLANK_EDGE, 1, Qt.PenStyle.DashLine))
            painter.drawRect(self.image_rect())
            return
        assert self._image is not None
        if self._scale * self.devicePixelRatioF() * self._unit <= 1.0:
            super()._paint_image(painter)
            return
        if self._painted is None or self._painted[0] != 1:
            self._painted = (1, self._colouring.words(self._image, self._contrast))
        self._paint_layer(painter, self._painted[1], 0, 0, self._unit)
        if self._piece is not None:
            if self._piece_words is None or self._piece_words[0] != self._contrast:
                words = self._piece_colouring.words(self._piece.picture, self._contrast)
                self._piece_words = (self._contrast, words)
            self._paint_layer(painter, self._piece_words[1], self._piece.x, self._piece.y, self._piece.factor)

    def _paint_layer(self, painter: QPainter, words: np.ndarray, x: int, y: int, unit: float) -> None:
        """Paint the visible part of a picture that begins at pixel ``(x, y)``."""
        seen = self.visible()
        x0, y0 = max(0, int((seen.left() - x) / unit) - 1), max(0, int((seen.top() - y) / unit) - 1)
        x1 = min(words.shape[1], int((seen.right() - x) / unit) + 2)
        y1 = min(words.shape[0], int((seen.bottom() - y) / unit) + 2)
        if x1 <= x0 or y1 <= y0:
            return
        picture = QImage(words.data, words.shape[1], words.shape[0], words.strides[0], QImage.Format.Format_RGB32)
        target = QRectF(self.to_widget(x + x0 * unit, y + y0 * unit), self.to_widget(x + x1 * unit, y + y1 * unit))
        sharp = unit == 1 and self._scale * self.devicePixelRatioF() >= SHARP
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform, not sharp)
        painter.drawImage(target, picture, QRectF(x0, y0, x1 - x0, y1 - y0))

    # hands ----------------------------------------------------------------------------------------------------------
    @property
    def _selecting(self) -> bool:
        return self.tool != "pan" or self._with_shift

    _with_shift = False

    def mousePressEvent(self, event: QMouseEvent) -> None:
        self._start, self._far = event.position(), False
        if event.button() == Qt.MouseButton.LeftButton:
            self._with_shift = bool(event.modifiers() & Qt.KeyboardModifier.ShiftModifier)
            self._path = [event.position()]
            return
        super().mousePressEvent(event)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        at = event.position()
        if self._start is not None and (at - self._start).manhattanLength() > STILL:
            self._far = True
        if not self._path:
            super().mouseMoveEvent(event)
            return
        if not self._far:
            return
        if not self._selecting:
            self.setCursor(Qt.CursorShape.ClosedHandCursor)
            self.set_view(self._scale, self._centre - (at - self._path[-1]) / self._scale)
            self._path = [at]
            self.view_changed.emit()
        else:
            self._path = [*self._path, at] if self.tool == "lasso" else [self._path[0], at]
            self.update()

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        path, self._path = self._path, []
        if event.button() == Qt.MouseButton.LeftButton and path:
            if not self._far:
                self.clicked.emit(self.to_image(event.position()), event.modifiers())
            elif self._selecting:
                corners = [self.to_image(p) for p in path]
                modifiers = event.modifiers() if self.tool != "pan" else Qt.KeyboardModifier.NoModifier
                self.enclosed.emit(corners, self.tool == "lasso", modifiers)
        elif event.button() == Qt.MouseButton.RightButton and not self._far:
            self.menu_wanted.emit(event.globalPosition().toPoint())
        self._start = None
        super().mouseReleaseEvent(event)
        self.update()
