"""What a canvas shows: one image with its scale, contrast, crosshair, overlays, label and message.

A plain ``QWidget`` painted with ``QPainter``. A new image of 512² float pixels is on the screen after 0.9 ms of work
(a pyqtgraph ``ImageItem``: 0.7 ms), and linked views, overlays and hands are a few lines each.

Convention: **row 0 is drawn at the top, column 0 at the left** (as relion_display does; IMOD and ChimeraX draw row 0
at the bottom). Pixel ``(x, y)`` covers ``x … x+1`` of the image's coordinates, so its centre is at ``x + 0.5``.
Widget units are Qt's device-independent pixels; ``scale`` is widget units an image pixel.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from PySide6.QtCore import QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import (
    QColor,
    QFocusEvent,
    QImage,
    QPainter,
    QPaintEvent,
    QPen,
    QResizeEvent,
)
from PySide6.QtWidgets import QSizePolicy, QWidget

from emviewer.engine.filters_display import halved
from emviewer.engine.types import Contrast
from emviewer.ui import colormaps, scale_bar

BACKGROUND = QColor(17, 18, 21)
FOCUS = QColor(86, 180, 233)
LABEL = QColor(205, 209, 216)
BY_KEY = (Qt.FocusReason.TabFocusReason, Qt.FocusReason.BacktabFocusReason, Qt.FocusReason.ShortcutFocusReason)
"""Ways to come to a picture that draw a frame around it; a click needs none."""
WHOLE = 2048 * 2048
"""Images up to this many pixels are turned into colours at once and kept; of larger ones only what is seen."""


class Colouring:
    """Turns values into colours in buffers that are kept: fresh ones cost more in page faults than the arithmetic."""

    def __init__(self) -> None:
        self._scaled = np.empty((0, 0), np.float32)
        self._index = np.empty((0, 0), np.uint8)
        self._words = np.empty((0, 0), np.uint32)

    def words(self, image: np.ndarray, contrast: Contrast) -> np.ndarray:
        """Return what :func:`to_words` does; it is overwritten by the next call."""
        if self._scaled.shape != image.shape:
            self._scaled = np.empty(image.shape, np.float32)
            self._index = np.empty(image.shape, np.uint8)
            self._words = np.empty(image.shape, np.uint32)
        span, scaled = contrast.high - contrast.low, self._scaled
        np.subtract(image, np.float32(contrast.low), out=scaled)
        scaled *= np.float32(255.999 / (span if abs(span) > 1e-30 else 1e-30))
        # np.clip, or an fmax that would know NaN, takes five times as long as these two
        np.maximum(scaled, np.float32(0.0), out=scaled)
        np.minimum(scaled, np.float32(255.0), out=scaled)
        with np.errstate(invalid="ignore"):
            np.copyto(self._index, scaled, casting="unsafe")
        table = colormaps.table(contrast.colormap, contrast.inverted)
        return np.take(table, self._index, out=self._words, mode="clip")


def to_words(image: np.ndarray, contrast: Contrast) -> np.ndarray:
    """Turn values into Qt's RGB32 words.

    Parameters
    ----------
    image : ndarray of float32, shape (h, w)
        NaN is shown as the first colour.
    contrast : Contrast
        ``low`` and ``high`` become the first and the last of 256 colours.

    Returns
    -------
    ndarray of uint32, shape (h, w), contiguous
    """
    return Colouring().words(image, contrast)


def to_qimage(image: np.ndarray, contrast: Contrast) -> QImage:
    """Turn values into a ``QImage`` that owns its pixels (for pictures, thumbnails, the clipboard)."""
    words = to_words(image, contrast)
    return QImage(words.data, words.shape[1], words.shape[0], words.strides[0], QImage.Format.Format_RGB32).copy()


@dataclass
class Crosshair:
    """Two lines through a pixel: ``x`` and ``y`` in pixels, and the colour of the vertical and the horizontal one."""

    x: int
    y: int
    vertical: QColor
    horizontal: QColor


class CanvasView(QWidget):
    """Shows one image; :class:`emviewer.ui.canvas.ImageCanvas` adds the hands.

    Signals
    -------
    view_changed
        Scale or centre changed by the person (not by :meth:`set_view`).
    """

    view_changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setMouseTracking(True)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setMinimumSize(40, 40)
        self.setAttribute(Qt.WidgetAttribute.WA_OpaquePaintEvent)
        self.pixel_size_A: float | None = None
        self.label = ""
        self.label_colour = LABEL
        self.message = ""
        self.show_scale_bar = True
        self.crosshair: Crosshair | None = None
        self.overlays: list[Callable[[QPainter, Any], None]] = []
        self.auto_fit = True
        self._image: np.ndarray | None = None
        self._contrast = Contrast(0.0, 1.0)
        self._colouring = Colouring()
        self._scale = 1.0
        self._centre = QPointF(0.5, 0.5)
        self._fitted = True
        self._world: tuple[float, float] | None = None
        self._unit = 1.0
        self._reduced: dict[int, np.ndarray] = {}
        self._painted: tuple[int, np.ndarray] | None = None
        self._by_key = False

    def sizeHint(self) -> QSize:
        return QSize(240, 240)

    # contents ---------------------------------------------------------------------------------------------------
    @property
    def image(self) -> np.ndarray | None:
        """The image shown, float32 (h, w), or None."""
        return self._image

    @property
    def contrast(self) -> Contrast:
        """The contrast in use."""
        return self._contrast

    @property
    def scale(self) -> float:
        """Widget units an image pixel (of the coordinates of :meth:`world_size`)."""
        return self._scale

    @property
    def centre(self) -> QPointF:
        """Image coordinates at the middle of the widget."""
        return self._centre

    def world_size(self) -> tuple[float, float]:
        """Return (width, height) of the image's coordinates: its shape, or what :meth:`set_image` was told."""
        if self._world is not None:
            return self._world
        if self._image is None:
            return (1.0, 1.0)
        return float(self._image.shape[1]), float(self._image.shape[0])

    def set_image(
        self,
        image: np.ndarray | None,
        world: tuple[float, float] | None = None,
        unit: float = 1.0,
        reduced: dict[int, np.ndarray] | None = None,
    ) -> None:
        """Show an image; zoom and place are kept while the size stays the same.

        Parameters
        ----------
        image : ndarray of float32, shape (h, w), or None
        world : tuple of float, optional
            Width and height of the full-size image that this one stands for, so that a coarse image takes the place
            of the full one while something moves.
        unit : float
            Full-size pixels a pixel of ``image``.
        reduced : dict, optional
            ``filters_display.pyramid(image)``, made off the GUI thread; large images need it.
        """
        before = self.world_size() if self._image is not None else None
        self._image, self._world, self._unit = image, world, unit
        self._reduced = dict(reduced or {})
        self._painted = None
        if image is not None:
            self.message = ""
            if self.auto_fit and (before != self.world_size() or self._fitted):
                self.fit(tell=False)
        self.update()

    def set_contrast(self, contrast: Contrast) -> None:
        """Show the image with this contrast."""
        if contrast != self._contrast:
            self._contrast = contrast
            self._painted = None
            self.update()

    def set_crosshair(self, crosshair: Crosshair | None) -> None:
        """Draw these lines (None: none)."""
        if crosshair != self.crosshair:
            self.crosshair = crosshair
            self.update()

    def set_label(self, label: str, colour: QColor = LABEL) -> None:
        """Write this in the upper left corner."""
        if (label, colour) != (self.label, self.label_colour):
            self.label, self.label_colour = label, colour
            self.update()

    def set_message(self, message: str) -> None:
        """Show a sentence instead of an image."""
        self.message = message
        self._image = None
        self._painted = None
        self._reduced.clear()
        self.update()

    # view -------------------------------------------------------------------------------------------------------
    def fit_scale(self) -> float:
        """Return the scale at which the whole image is seen."""
        w, h = self.world_size()
        return max(1e-6, min((self.width() - 2) / w, (self.height() - 2) / h))

    def fit(self, tell: bool = True) -> None:
        """Show the whole image; it stays fitted when the widget is resized."""
        w, h = self.world_size()
        self._fitted = True
        self.set_view(self.fit_scale(), QPointF(w / 2, h / 2), fitted=True)
        if tell:
            self.view_changed.emit()

    def set_view(self, scale: float, centre: QPointF, fitted: bool = False) -> None:
        """Show with this scale, ``centre`` (image coordinates) in the middle; emits nothing."""
        self._scale, self._centre, self._fitted = scale, centre, fitted
        self.update()

    @property
    def fitted(self) -> bool:
        """Whether the whole image is shown and follows the widget's size."""
        return self._fitted

    def zoom(self, factor: float, at: QPointF | None = None) -> None:
        """Zoom by a factor; the image point under ``at`` (widget units; the middle) stays where it is."""
        at = at if at is not None else QPointF(self.width() / 2, self.height() / 2)
        fixed = self.to_image(at)
        least = min(self.fit_scale(), 1.0) * 0.25
        scale = min(64.0, max(least, self._scale * factor))
        middle = QPointF(self.width() / 2, self.height() / 2)
        self.set_view(scale, fixed - (at - middle) / scale)
        self.view_changed.emit()

    def one_to_one(self) -> None:
        """Show one image pixel as one device pixel."""
        self.zoom(1.0 / (self._scale * self.devicePixelRatioF()))

    def centre_on(self, x: float, y: float) -> None:
        """Bring an image point to the middle."""
        self.set_view(self._scale, QPointF(x, y))
        self.view_changed.emit()

    def to_image(self, at: QPointF) -> QPointF:
        """Convert widget units to image coordinates."""
        return QPointF(
            (at.x() - self.width() / 2) / self._scale + self._centre.x(),
            (at.y() - self.height() / 2) / self._scale + self._centre.y(),
        )

    def to_widget(self, x: float, y: float) -> QPointF:
        """Convert image coordinates to widget units."""
        return QPointF(
            (x - self._centre.x()) * self._scale + self.width() / 2,
            (y - self._centre.y()) * self._scale + self.height() / 2,
        )

    def pixel_at(self, at: QPointF, clamp: bool = False) -> tuple[int, int] | None:
        """Return the pixel ``(x, y)`` at a widget point; None outside the image unless clamped."""
        if self._image is None:
            return None
        point = self.to_image(at)
        w, h = self.world_size()
        x, y = math.floor(point.x()), math.floor(point.y())
        if clamp:
            return min(max(x, 0), int(w) - 1), min(max(y, 0), int(h) - 1)
        return (x, y) if 0 <= x < w and 0 <= y < h else None

    def value_at(self, x: int, y: int) -> float:
        """Return the value of a pixel (of the image that is shown, if that is a half-resolution one)."""
        if self._image is None:
            return math.nan
        rows, columns = self._image.shape
        return float(self._image[min(rows - 1, int(y / self._unit)), min(columns - 1, int(x / self._unit))])

    # painting ---------------------------------------------------------------------------------------------------
    def image_rect(self) -> QRectF:
        """Return where the whole image lies, in widget units."""
        w, h = self.world_size()
        return QRectF(self.to_widget(0, 0), self.to_widget(w, h))

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.fillRect(self.rect(), BACKGROUND)
        if self._image is not None:
            self._paint_image(painter)
            if self.crosshair is not None:
                self._paint_crosshair(painter, self.crosshair)
            for overlay in self.overlays:
                painter.save()
                overlay(painter, self)
                painter.restore()
            if self.show_scale_bar:
                area = self.image_rect() & QRectF(self.rect())
                scale_bar.paint(painter, area, self.pixel_size_A, self._scale)
        if self.label:
            at = QPointF(8, painter.fontMetrics().ascent() + 6)
            scale_bar.outlined_text(painter, at, self.label, self.label_colour)
        if self.message:
            painter.setPen(QColor(170, 176, 186))
            flags = Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap
            painter.drawText(self.rect().adjusted(16, 16, -16, -16), flags, self.message)
        if self.hasFocus() and self._by_key:
            painter.setPen(QPen(FOCUS, 2))
            painter.drawRect(self.rect().adjusted(1, 1, -1, -1))

    def _paint_image(self, painter: QPainter) -> None:
        assert self._image is not None
        per_pixel = self._scale * self.devicePixelRatioF() * self._unit
        factor, source = 1, self._image
        while per_pixel * factor * 2 <= 1.0 and min(source.shape) >= 8:
            factor *= 2
            if factor not in self._reduced:
                self._reduced[factor] = halved(source)
            source = self._reduced[factor]
        unit = self._unit * factor
        x0 = y0 = 0
        if source.size <= WHOLE:
            if self._painted is None or self._painted[0] != factor:
                self._painted = (factor, self._colouring.words(source, self._contrast))
            words = self._painted[1]
        else:
            a, b = self.to_image(QPointF(0, 0)), self.to_image(QPointF(self.width(), self.height()))
            x0, y0 = max(0, int(a.x() / unit) - 1), max(0, int(a.y() / unit) - 1)
            x1, y1 = min(source.shape[1], int(b.x() / unit) + 2), min(source.shape[0], int(b.y() / unit) + 2)
            if x1 <= x0 or y1 <= y0:
                return
            self._painted = None
            words = self._colouring.words(source[y0:y1, x0:x1], self._contrast)
        picture = QImage(words.data, words.shape[1], words.shape[0], words.strides[0], QImage.Format.Format_RGB32)
        target = QRectF(
            self.to_widget(x0 * unit, y0 * unit),
            self.to_widget((x0 + words.shape[1]) * unit, (y0 + words.shape[0]) * unit),
        )
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform, per_pixel * factor < 1.0 - 1e-6)
        painter.drawImage(target, picture)

    def _paint_crosshair(self, painter: QPainter, cross: Crosshair) -> None:
        at = self.to_widget(cross.x + 0.5, cross.y + 0.5)
        area = self.image_rect()
        gap = max(5.0, min(14.0, 1.5 * self._scale))
        for colour, first, last, step in (
            (cross.vertical, QPointF(at.x(), area.top()), QPointF(at.x(), area.bottom()), QPointF(0, gap)),
            (cross.horizontal, QPointF(area.left(), at.y()), QPointF(area.right(), at.y()), QPointF(gap, 0)),
        ):
            painter.setPen(QPen(colour, 1))
            painter.drawLine(first, at - step)
            painter.drawLine(at + step, last)

    def picture(self) -> QImage:
        """Return what is shown, overlays included, as an image (for the clipboard)."""
        return self.grab().toImage()

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        if self._fitted and self._image is not None:
            self.fit(tell=False)

    def focusInEvent(self, event: QFocusEvent) -> None:
        super().focusInEvent(event)
        self._by_key = event.reason() in BY_KEY
        self.update()

    def focusOutEvent(self, event: QFocusEvent) -> None:
        super().focusOutEvent(event)
        self.update()
