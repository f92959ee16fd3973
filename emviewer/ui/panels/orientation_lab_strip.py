"""A strip of images of one document, in an order of its own: the worst, the least sure, the first."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from PySide6.QtCore import QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QKeyEvent, QMouseEvent, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QSizePolicy, QWidget

from emviewer.ui import theme
from emviewer.ui.runner import Runner
from emviewer.ui.sphere_view import CURRENT, SELECTED
from emviewer.ui.thumbnails import Thumbnails, TileStyle
from emviewer.ui.workspace import Document

GAP = 6
TILE = 92


class ImageStrip(QWidget):
    """Shows as many images as fit, each with a caption; a click makes a row current, Ctrl or Shift selects it.

    Signals
    -------
    picked : int, modifiers
        Row id of the image clicked.
    """

    picked = Signal(object, object)

    def __init__(self, runner: Runner, owner: Any) -> None:
        super().__init__()
        self.title = ""
        self.rows = np.empty(0, np.int64)
        self.positions = np.empty(0, np.int64)
        self.caption: Callable[[int], str] = lambda position: ""
        self.current: int | None = None
        self.selected = np.empty(0, np.int64)
        self.thumbnails = Thumbnails(runner, owner, self)
        self.thumbnails.ready.connect(lambda _: self.update())
        self.thumbnails.failed.connect(lambda _: self.update())
        self._document: Document | None = None
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setAccessibleName("Images")

    def sizeHint(self) -> QSize:
        return QSize(400, TILE + 2 * self.fontMetrics().height() + 14)

    def minimumSizeHint(self) -> QSize:
        return QSize(TILE + 12, self.sizeHint().height())

    def show_images(
        self,
        document: Document | None,
        order: np.ndarray,
        title: str,
        caption: Callable[[int], str],
    ) -> None:
        """Show the images at these positions of a document's table, most wanted first."""
        stack = None if document is None else document.stack
        self.thumbnails.set_stack(stack, keep=document is self._document and stack is not None)
        self.thumbnails.set_style(TileStyle(int(TILE * self.devicePixelRatioF())))
        self._document = document
        self.positions = np.asarray(order, np.int64)
        self.rows = document.row_ids[self.positions] if document is not None else np.empty(0, np.int64)
        self.title, self.caption = title, caption
        self._want()
        self.update()

    def mark(self, current: int | None, selected: np.ndarray) -> None:
        """Frame the current row and the selected ones (row ids)."""
        self.current, self.selected = current, selected
        self.update()

    def shown(self) -> int:
        """Return how many images fit."""
        return min(len(self.positions), max(1, (self.width() - 12 + GAP) // (TILE + GAP)))

    def tile(self, k: int) -> QRectF:
        """Return where the k-th image is painted."""
        return QRectF(6 + k * (TILE + GAP), self.fontMetrics().height() + 6, TILE, TILE)

    def _want(self) -> None:
        stack = self.thumbnails.stack
        if stack is not None:
            self.thumbnails.want([int(p) for p in self.positions[: self.shown()] if p < len(stack)])

    def resizeEvent(self, event: Any) -> None:
        super().resizeEvent(event)
        self._want()

    def paintEvent(self, event: QPaintEvent) -> None:
        painter, c, line = QPainter(self), theme.current(), self.fontMetrics().height()
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        painter.setPen(QColor(c.text))
        painter.drawText(QPointF(6, 2 + self.fontMetrics().ascent()), self.title)
        for k in range(self.shown() if len(self.positions) else 0):
            area, row = self.tile(k), int(self.rows[k])
            picture = self.thumbnails.get(int(self.positions[k]))
            painter.fillRect(area, QColor(c.hover))
            if picture is not None:
                painter.drawImage(area, picture)
            for marked, colour in ((row in self.selected, SELECTED), (row == self.current, CURRENT)):
                if marked:
                    painter.setPen(QPen(colour, 3))
                    painter.drawRect(area.adjusted(1, 1, -1, -1))
            painter.setPen(QColor(c.dim))
            below = QRectF(area.left() - GAP / 2, area.bottom() + 2, TILE + GAP, line)
            painter.drawText(below, Qt.AlignmentFlag.AlignHCenter, self.caption(int(self.positions[k])))
        if self.hasFocus():
            painter.setPen(QPen(QColor(c.accent), 1))
            painter.drawRect(self.rect().adjusted(0, 0, -1, -1))

    def mousePressEvent(self, event: QMouseEvent) -> None:
        k = int((event.position().x() - 6) // (TILE + GAP))
        if 0 <= k < self.shown() and len(self.rows):
            self.picked.emit(int(self.rows[k]), event.modifiers())

    def keyPressEvent(self, event: QKeyEvent) -> None:
        step = {Qt.Key.Key_Left: -1, Qt.Key.Key_Right: 1}.get(Qt.Key(event.key()))
        if step is None or not len(self.rows):
            super().keyPressEvent(event)
            return
        found = np.flatnonzero(self.rows == self.current) if self.current is not None else []
        k = int(np.clip(found[0] + step, 0, self.shown() - 1)) if len(found) else 0
        self.picked.emit(int(self.rows[k]), Qt.KeyboardModifier.NoModifier)
