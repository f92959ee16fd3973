"""Class, reprojection and residual: side by side, blinking, one over the other behind a line or in two colours."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from PySide6.QtCore import QPointF, QRectF, Qt, Signal
from PySide6.QtGui import QColor, QImage, QKeyEvent, QPainter, QPen
from PySide6.QtWidgets import QHBoxLayout, QStackedLayout, QWidget

from emviewer.engine.filters_display import AUTO_PERCENTILES
from emviewer.engine.filters_polar import unrolled
from emviewer.engine.types import F32, Contrast
from emviewer.ui import scale_bar, theme
from emviewer.ui.canvas import ImageCanvas, to_qimage
from emviewer.ui.panels.compare_maps import MapsRow, MapView

MODES = (
    ("side", "Side", "Image, reprojection and residual side by side"),
    ("blink", "Blink", "One picture; hold B to see the other"),
    ("wipe", "Wipe", "Image left, reprojection right of a line that can be dragged  (W)"),
    ("overlay", "Overlay", "Image in cyan and reprojection in red: grey where they agree"),
    ("difference", "Difference", "The residual, large"),
    ("maps", "Maps", "The reprojections of all maps side by side, ● at the best"),
)
NAMES = ("Image", "Reprojection", "Residual")
LINE = QColor(240, 190, 40)
RED, CYAN = QColor(255, 110, 100), QColor(90, 220, 230)
GRAB = 12.0


@dataclass(frozen=True, eq=False)
class Triplet:
    """An image, its fitted reprojection and the residual, float32 (n, n), on one gray scale."""

    image: F32
    fitted: F32
    residual: F32

    @cached_property
    def polar(self) -> F32:
        """Image and reprojection unrolled about their centre, float32 (2, r, angles)."""
        return unrolled(np.stack([self.image, self.fitted]))

    def contrast(self) -> Contrast:
        """Return the robust range of image and reprojection together."""
        both = np.concatenate([self.image.ravel(), self.fitted.ravel()])
        low, high = (float(v) for v in np.percentile(both, AUTO_PERCENTILES))
        return Contrast(low, high if high > low else low + 1.0)


def diverging() -> str:
    """Return the colour map of residuals: neutral is white on light themes and dark on dark ones."""
    return "blue-dark-orange" if theme.is_dark() else "blue-white-orange"


class ComparePictures(QWidget):
    """The pictures of one row.

    Signals
    -------
    turned : (float, float)
        The reprojection was dragged, in fractions of its width: the view is to be turned after it.
    moved : (float, float)
        Dragged with Shift, in pixels.
    rolled : float
        Dragged with Ctrl, in degrees in the plane.
    mode_changed : str
    pointed_at : str
        Read-out of the pixel under the mouse.
    """

    turned = Signal(float, float)
    moved = Signal(float, float)
    rolled = Signal(float)
    mode_changed = Signal(str)
    pointed_at = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.mode = "side"
        self.triplet: Triplet | None = None
        self.contrast = Contrast(0.0, 1.0)
        self.gain = 1.0
        self.wipe = 0.5
        self.blinking = False
        self.names = NAMES
        self.canvases = [ImageCanvas() for _ in NAMES]
        self.single = ImageCanvas()
        self.single.overlays.append(self._paint_over)
        self._second: tuple[object, QImage] | None = None
        row = QWidget()
        across = QHBoxLayout(row)
        across.setContentsMargins(0, 0, 0, 0)
        across.setSpacing(2)
        for canvas, name in zip(self.canvases, NAMES, strict=True):
            across.addWidget(canvas, 1)
            canvas.setAccessibleName(name)
            canvas.view_changed.connect(lambda c=canvas: self._link(c))
        self.single.setAccessibleName("Class and reprojection")
        self.pages = QStackedLayout(self)
        self.pages.addWidget(row)
        self.pages.addWidget(self.single)
        self.maps = MapsRow()
        self.pages.addWidget(self.maps)
        for canvas in (*self.canvases, self.single):
            canvas.wheel_zooms = True
            canvas.hovered.connect(lambda pixel, c=canvas: self._hover(c, pixel))
        turning = self.canvases[1]
        turning.free_drag = True
        turning.setCursor(Qt.CursorShape.OpenHandCursor)
        turning.dragged.connect(self._dragged)
        self.single.pointed.connect(self._wipe_to)
        self.setMinimumHeight(90)

    # contents -------------------------------------------------------------------------------------------------------
    def set_pixel_size(self, pixel_size_A: float | None) -> None:
        """Give the scale bars their unit."""
        for canvas in (*self.canvases, self.single):
            canvas.pixel_size_A = pixel_size_A
        self.maps.pixel_size_A = pixel_size_A

    def set_names(self, image: str) -> None:
        """Call the image by what it is: a class, a particle."""
        self.names = (image, *NAMES[1:])
        self._paint()

    def show_triplet(self, triplet: Triplet | None, message: str = "") -> None:
        """Show the pictures of a row, or a sentence."""
        self.triplet = triplet
        self._second = None
        if triplet is None:  # a sentence has the whole width, in whatever mode
            for canvas in self.canvases:
                canvas.set_message("")
            self.maps.show_views(None, (), self.contrast, "")
            self.single.set_label("")
            self.single.set_message(message)
            self.pages.setCurrentIndex(1)
            return
        self._turn_page()
        self._paint()

    def leading(self) -> ImageCanvas | None:
        """Return the canvas that is shown, the first of several: the others follow its zoom."""
        beside = self.maps.canvases[0] if self.maps.canvases else None
        return (self.canvases[0], self.single, beside)[self.pages.currentIndex()]

    def set_contrast(self, contrast: Contrast) -> None:
        """Show image and reprojection with this contrast; the residual takes its half range, about zero."""
        self.contrast = contrast
        self._second = None
        self.maps.set_contrast(contrast)
        self._paint()

    def show_maps(self, views: Sequence[MapView]) -> None:
        """Show what all maps show of the image."""
        image = None if self.triplet is None else self.triplet.image
        self.maps.show_views(image, views, self.contrast, self.names[0])

    def set_gain(self, gain: float) -> None:
        """Show the residual so many times stronger than the images."""
        self.gain = gain
        self._paint()

    def set_mode(self, mode: str) -> None:
        """Show the pictures in one of :data:`MODES`."""
        self.mode = mode
        self._turn_page()
        self.single.setCursor(Qt.CursorShape.SplitHCursor if mode == "wipe" else Qt.CursorShape.ArrowCursor)
        self._second = None
        self._paint()
        self.mode_changed.emit(mode)

    def _turn_page(self) -> None:
        page = {"side": 0, "maps": 2}.get(self.mode, 1)
        self.pages.setCurrentIndex(1 if self.triplet is None else page)

    def set_blinking(self, blinking: bool) -> None:
        """Show the reprojection in place of the image while true."""
        if blinking != self.blinking:
            self.blinking = blinking
            self._paint()

    def residual_contrast(self) -> Contrast:
        """Return the range of the residual: symmetric about zero, its neutral colour is zero."""
        half = max(1e-12, abs(self.contrast.high - self.contrast.low) / 2 / self.gain)
        return Contrast(-half, half, diverging())

    def _paint(self) -> None:
        t = self.triplet
        if t is None:
            return
        first = t.fitted if self.blinking else t.image
        for canvas, image, name in zip(self.canvases, (first, t.fitted, t.residual), self.names, strict=True):
            canvas.set_contrast(self.residual_contrast() if canvas is self.canvases[2] else self.contrast)
            canvas.set_image(image)
            canvas.set_label(self.names[1] if self.blinking and canvas is self.canvases[0] else name)
        half = self.residual_contrast().high
        sigma = float(t.image.std()) or 1.0
        self.canvases[2].set_label(f"{self.names[2]}  ±{half / sigma:.1f} σ")
        self.canvases[2].setToolTip(
            f"Neutral is zero, the end colours ±{half:.3g}; σ is that of the image, {sigma:.3g}"
        )
        self._paint_single(t)

    def _paint_single(self, t: Triplet) -> None:
        residual = self.mode == "difference"
        self.single.set_contrast(self.residual_contrast() if residual else self.contrast)
        self.single.set_image(t.residual if residual else t.fitted if self.blinking else t.image)
        self.single.set_label(
            {
                "blink": f"{self.names[1] if self.blinking else self.names[0]}   hold B to change",
                "wipe": "",
                "overlay": "",
                "difference": self.canvases[2].label,
            }.get(self.mode, "")
        )

    # one over the other ---------------------------------------------------------------------------------------------
    def _paint_over(self, painter: QPainter, canvas: ImageCanvas) -> None:
        if self.triplet is None or self.mode not in ("wipe", "overlay") or self.blinking:
            return
        area = canvas.image_rect()
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform, canvas.scale < 1)
        if self.mode == "overlay":
            painter.drawImage(area, self._picture(self._two_colours))
            self._words(painter, canvas, ((self.names[0], CYAN), (self.names[1], RED)))
            return
        x = self._line_x(canvas)
        painter.save()
        painter.setClipRect(QRectF(x, 0, canvas.width() - x, canvas.height()))
        painter.drawImage(area, self._picture(lambda t: to_qimage(t.fitted, self.contrast)))
        painter.restore()
        painter.setPen(QPen(QColor(0, 0, 0, 160), 4))
        painter.drawLine(QPointF(x, 0), QPointF(x, canvas.height()))
        painter.setPen(QPen(LINE, 2))
        painter.drawLine(QPointF(x, 0), QPointF(x, canvas.height()))
        metrics = painter.fontMetrics()
        y = metrics.ascent() + 6.0
        left = x - metrics.horizontalAdvance(self.names[0]) - 10
        for at, word in ((left, self.names[0]), (x + 10, self.names[1])):
            scale_bar.outlined_text(painter, QPointF(at, y), word, QColor(235, 238, 243))

    def _line_x(self, canvas: ImageCanvas) -> float:
        area = canvas.image_rect()
        return float(np.clip(area.left() + self.wipe * area.width(), 1, canvas.width() - 1))

    def _words(self, painter: QPainter, canvas: ImageCanvas, words: tuple[tuple[str, QColor], ...]) -> None:
        x, y = 8.0, painter.fontMetrics().ascent() + 6.0
        for word, colour in words:
            scale_bar.outlined_text(painter, QPointF(x, y), word, colour)
            x += painter.fontMetrics().horizontalAdvance(word) + 14

    def _picture(self, make: Callable[[Triplet], QImage]) -> QImage:
        assert self.triplet is not None
        key = (id(self.triplet), self.mode, self.contrast)
        if self._second is None or self._second[0] != key:
            self._second = (key, make(self.triplet))
        return self._second[1]

    def _two_colours(self, t: Triplet) -> QImage:
        """Return the image in cyan and the reprojection in red: gray where they agree."""
        grey = Contrast(self.contrast.low, self.contrast.high, inverted=self.contrast.inverted)
        span = (grey.high - grey.low) or 1.0

        def level(values: F32) -> np.ndarray:
            scaled = np.clip((values - grey.low) / span, 0, 1)
            return ((1 - scaled if grey.inverted else scaled) * 255).astype(np.uint32)

        a, b = level(t.image), level(t.fitted)
        words = np.ascontiguousarray((np.uint32(0xFF) << 24) | (b << 16) | (a << 8) | a, np.uint32)
        return QImage(words.data, words.shape[1], words.shape[0], words.strides[0], QImage.Format.Format_RGB32).copy()

    # hands ----------------------------------------------------------------------------------------------------------
    def _wipe_to(self, x: int, _y: int) -> None:
        if self.mode == "wipe" and self.triplet is not None:
            self.wipe = float(np.clip((x + 0.5) / self.triplet.image.shape[1], 0, 1))
            self.single.update()

    def _dragged(self, dx: float, dy: float, modifiers: Qt.KeyboardModifier) -> None:
        canvas = self.canvases[1]
        if modifiers & Qt.KeyboardModifier.ShiftModifier:
            self.moved.emit(dx / canvas.scale, dy / canvas.scale)
        elif modifiers & Qt.KeyboardModifier.ControlModifier:
            self.rolled.emit(dx * 0.5)
        else:
            size = max(1.0, canvas.image_rect().width())
            self.turned.emit(dx / size, dy / size)

    def _link(self, moved: ImageCanvas) -> None:
        for canvas in self.canvases:
            if canvas is not moved:
                canvas.set_view(moved.scale, moved.centre, moved.fitted)

    def _hover(self, canvas: ImageCanvas, pixel: tuple[int, int] | None) -> None:
        t = self.triplet
        if t is None or pixel is None:
            self.pointed_at.emit("")
            return
        x, y = pixel
        values = (float(v[y, x]) for v in (t.image, t.fitted, t.residual))
        words = (name.lower() for name in self.names)
        edge = self.single.pixel_size_A
        where = f"x {x}  y {y}" + (f"  ({x * edge:.1f} Å, {y * edge:.1f} Å)" if edge else "")
        self.pointed_at.emit("   ".join([where, *(f"{w} {v:.4g}" for w, v in zip(words, values, strict=True))]))

    def keyPressEvent(self, event: QKeyEvent) -> None:
        event.ignore()
