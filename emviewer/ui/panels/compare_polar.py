"""The polar strip: image above reprojection, unrolled about the centre. What is turned stands beside itself."""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QImage, QMouseEvent, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QSizePolicy, QWidget

from emviewer.engine.types import F32, Contrast
from emviewer.ui import scale_bar, theme
from emviewer.ui.canvas import to_qimage

WORDS = QColor(235, 238, 243)
QUARTERS = (90.0, 180.0, 270.0)


class PolarStrip(QWidget):
    """Two bands, angle to the right and the centre at the bottom of each; dragging turns the reprojection in the plane.

    Signals
    -------
    rolled : float
        Degrees by which the reprojection was dragged.
    pointed_at : str
        Angle and radius under the mouse.
    """

    rolled = Signal(float)
    pointed_at = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.bands: F32 | None = None
        self.names = ("Image", "Reprojection")
        self.contrast = Contrast(0.0, 1.0)
        self.pixel_size_A: float | None = None
        self._pictures: list[QImage] = []
        self._last: float | None = None
        self.setMouseTracking(True)
        self.setMinimumSize(90, 44)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setCursor(Qt.CursorShape.SizeHorCursor)
        self.setAccessibleName("Polar strip")
        self.setToolTip(
            "Image above reprojection, unrolled: angle to the right, centre below.\n"
            "Drag sideways to turn the reprojection in the plane"
        )

    def sizeHint(self) -> QSize:
        return QSize(200, 72)

    def show_bands(self, bands: F32 | None, contrast: Contrast) -> None:
        """Show image and reprojection unrolled, float32 (2, r, angles), or nothing."""
        self.bands, self.contrast = bands, contrast
        flipped = [] if bands is None else [np.ascontiguousarray(band[::-1]) for band in bands]
        self._pictures = [to_qimage(band, contrast) for band in flipped]
        self.update()

    def _band(self, number: int) -> QRectF:
        high = (self.height() - 1) / 2
        return QRectF(0, number * (high + 1), self.width(), high)

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        c = theme.current()
        painter.fillRect(self.rect(), QColor(c.base))
        if not self._pictures:
            painter.setPen(QColor(c.dim))
            painter.drawText(self.rect(), Qt.AlignmentFlag.AlignCenter, "polar strip")
            return
        for number, (picture, name) in enumerate(zip(self._pictures, self.names, strict=True)):
            area = self._band(number)
            painter.drawImage(area, picture)
            baseline = QPointF(5, area.top() + painter.fontMetrics().ascent() + 2)
            scale_bar.outlined_text(painter, baseline, name, WORDS)
        painter.setPen(QPen(QColor(255, 255, 255, 90), 1, Qt.PenStyle.DotLine))
        for angle in QUARTERS:
            x = angle / 360 * self.width()
            painter.drawLine(QPointF(x, 0), QPointF(x, self.height()))

    def mousePressEvent(self, event: QMouseEvent) -> None:
        if event.button() == Qt.MouseButton.LeftButton and self.bands is not None:
            self._last = event.position().x()

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        x = event.position().x()
        if self._last is not None:
            turn, self._last = (x - self._last) / max(1, self.width()) * 360, x
            if turn:
                self.rolled.emit(turn)
        elif self.bands is not None:
            area = self._band(int(event.position().y() > self.height() / 2))
            radius = (1 - (event.position().y() - area.top()) / area.height()) * (self.bands.shape[1] - 1)
            unit = f"{radius * self.pixel_size_A:.0f} Å" if self.pixel_size_A else f"{radius:.0f} px"
            self.pointed_at.emit(f"angle {x / max(1, self.width()) * 360:.0f}°   radius {unit}")

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        self._last = None

    def leaveEvent(self, event: object) -> None:
        self.pointed_at.emit("")
