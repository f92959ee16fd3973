"""Levels: the histogram is the control. Drag the low and the high mark, or what lies between them."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from PySide6.QtCore import QPointF, QRectF, QSignalBlocker, QSize, Qt, Signal
from PySide6.QtGui import (
    QBrush,
    QColor,
    QIcon,
    QImage,
    QKeyEvent,
    QLinearGradient,
    QMouseEvent,
    QPainter,
    QPainterPath,
    QPaintEvent,
    QPen,
    QPixmap,
)
from PySide6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from emviewer.engine.filters_display import Distribution
from emviewer.engine.types import Contrast
from emviewer.ui import colormaps

GRAB = 14.0
"""Widget units from a mark at which the mouse takes it."""


class HistogramView(QWidget):
    """The histogram with its two marks.

    Signals
    -------
    moved : (float, float)
        New low and high while a mark, or the range between them, is dragged or moved by keys.
    reset
        Double click: the automatic range is wanted.
    """

    moved = Signal(float, float)
    reset = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setMouseTracking(True)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setAccessibleName("Histogram with levels")
        self.setToolTip("Drag the marks or the range between them; double-click for automatic levels")
        self.distribution: Distribution | None = None
        self.contrast = Contrast(0.0, 1.0)
        self._grabbed = ""
        self._last = 0.0
        self._path: tuple[tuple[int, int], QPainterPath] | None = None

    def sizeHint(self) -> QSize:
        return QSize(220, self.fontMetrics().height() * 7)

    def minimumSizeHint(self) -> QSize:
        return QSize(80, self.sizeHint().height())

    def set_distribution(self, distribution: Distribution | None) -> None:
        """Show this histogram."""
        self.distribution = distribution
        self._path = None
        self.update()

    def set_contrast(self, contrast: Contrast) -> None:
        """Place the marks."""
        self.contrast = contrast
        self.update()

    def span(self) -> tuple[float, float]:
        """Return the values at the left and right edge: the data's range, widened to show both marks."""
        low, high = self.contrast.low, self.contrast.high
        if self.distribution is not None:
            low, high = min(low, self.distribution.low), max(high, self.distribution.high)
        low, high = min(low, high), max(low, high)
        return (low, high) if high > low else (low, low + 1.0)

    def _area(self) -> QRectF:
        return QRectF(self.rect()).adjusted(8, 4, -8, -16)

    def _to_x(self, value: float) -> float:
        low, high = self.span()
        area = self._area()
        return area.left() + (value - low) / (high - low) * area.width()

    def _per_unit(self) -> float:
        low, high = self.span()
        return (high - low) / max(1.0, self._area().width())

    def _histogram(self, area: QRectF) -> QPainterPath:
        key = (self.width(), self.height())
        if self._path is not None and self._path[0] == (hash(key), hash(self.span())):
            return self._path[1]
        path = QPainterPath()
        d = self.distribution
        if d is not None and d.n:
            heights = np.log1p(d.counts)
            heights = heights / max(1e-9, float(heights.max()))
            edges = np.linspace(d.low, d.high, len(heights) + 1)
            path.moveTo(self._to_x(d.low), area.bottom())
            for left, right, height in zip(edges[:-1], edges[1:], heights, strict=True):
                y = area.bottom() - float(height) * area.height()
                path.lineTo(self._to_x(float(left)), y)
                path.lineTo(self._to_x(float(right)), y)
            path.lineTo(self._to_x(d.high), area.bottom())
            path.closeSubpath()
        self._path = ((hash(key), hash(self.span())), path)
        return path

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        area = self._area()
        palette = self.palette()
        painter.fillRect(area, palette.base())
        low, high = self._to_x(self.contrast.low), self._to_x(self.contrast.high)
        painter.fillPath(self._histogram(area), QBrush(palette.mid().color()))
        painter.save()
        painter.setClipRect(QRectF(low, area.top(), max(1.0, high - low), area.height()))
        painter.fillPath(self._histogram(area), QBrush(palette.highlight().color()))
        painter.restore()
        self._paint_ramp(painter, area, low, high)
        for x in (low, high):
            painter.setPen(QPen(palette.text().color(), 1.5))
            painter.drawLine(QPointF(x, area.top()), QPointF(x, area.bottom() + 12))
            painter.setBrush(palette.button())
            painter.drawRoundedRect(QRectF(x - 4, area.center().y() - 9, 8, 18), 3, 3)
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.setPen(QPen(palette.highlight().color() if self.hasFocus() else palette.mid().color(), 1))
        painter.drawRect(area)

    def _paint_ramp(self, painter: QPainter, area: QRectF, low: float, high: float) -> None:
        rgb = colormaps.colours(self.contrast.colormap)
        if self.contrast.inverted:
            rgb = rgb[::-1]
        gradient = QLinearGradient(low, 0, high, 0)
        for k in range(0, 256, 15):
            gradient.setColorAt(k / 255, QColor(*(int(v) for v in rgb[k])))
        painter.fillRect(QRectF(area.left(), area.bottom() + 3, area.width(), 9), QBrush(gradient))

    def _mark_at(self, x: float) -> str:
        low, high = self._to_x(self.contrast.low), self._to_x(self.contrast.high)
        if min(abs(x - low), abs(x - high)) <= GRAB:
            nearer_low = abs(x - low) < abs(x - high) or (low == high and x < low)
            return "low" if nearer_low else "high"
        return "both" if low < x < high else ""

    def mousePressEvent(self, event: QMouseEvent) -> None:
        if event.button() == Qt.MouseButton.LeftButton:
            self._last = event.position().x()
            self._grabbed = self._mark_at(self._last)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        x = event.position().x()
        if not self._grabbed:
            shape = {"": Qt.CursorShape.ArrowCursor, "both": Qt.CursorShape.SizeAllCursor}
            self.setCursor(shape.get(self._mark_at(x), Qt.CursorShape.SizeHorCursor))
            return
        step = (x - self._last) * self._per_unit()
        self._last = x
        self._shift(self._grabbed, step)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        self._grabbed = ""

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        self._grabbed = ""
        self.reset.emit()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        step = {Qt.Key.Key_Left: -1, Qt.Key.Key_Right: 1}.get(event.key(), 0)
        if not step:
            super().keyPressEvent(event)
            return
        shift = event.modifiers() & Qt.KeyboardModifier.ShiftModifier
        control = event.modifiers() & Qt.KeyboardModifier.ControlModifier
        self._shift("low" if shift else "high" if control else "both", step * self._per_unit() * 2)

    def _shift(self, which: str, step: float) -> None:
        low, high = self.contrast.low, self.contrast.high
        least = self._per_unit()
        if which == "both":
            low, high = low + step, high + step
        elif which == "low":
            low = min(low + step, high - least)
        else:
            high = max(high + step, low + least)
        self.moved.emit(low, high)


class LevelsWidget(QWidget):
    """Histogram, numeric levels, colour map, invert, automatic and full range.

    Parameters
    ----------
    contrast : Contrast
        To begin with.

    Signals
    -------
    contrast_changed : Contrast
        The person changed it (not :meth:`set_contrast`).
    """

    contrast_changed = Signal(object)

    def __init__(self, contrast: Contrast | None = None, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAccessibleName("Levels")
        self._contrast = contrast or Contrast(0.0, 1.0)
        self.histogram = HistogramView()
        self.low_edit, self.high_edit = QLineEdit(), QLineEdit()
        for edit, name in ((self.low_edit, "Lowest level"), (self.high_edit, "Highest level")):
            edit.setAccessibleName(name)
            edit.setToolTip(name)
            edit.editingFinished.connect(self._typed)
        self.high_edit.setAlignment(Qt.AlignmentFlag.AlignRight)
        self.map_box = QComboBox()
        self.map_box.setAccessibleName("Colour map")
        self.map_box.setIconSize(QSize(48, 12))
        for name in colormaps.NAMES:
            self.map_box.addItem(_ramp_icon(name), name)
        self.invert_box = QCheckBox("Invert")
        self.auto_button, self.full_button = QPushButton("Auto"), QPushButton("Full range")
        self.auto_button.setToolTip("0.5 to 99.5 percentile (C)")
        self.full_button.setToolTip("Smallest to largest value (T)")
        self.clip_label = QLabel()
        self.clip_label.setWordWrap(True)
        self._arrange()
        self.histogram.moved.connect(lambda low, high: self._set(replace(self._contrast, low=low, high=high)))
        self.histogram.reset.connect(self.auto)
        self.map_box.activated.connect(
            lambda _: self._set(replace(self._contrast, colormap=self.map_box.currentText()))
        )
        self.invert_box.clicked.connect(lambda on: self._set(replace(self._contrast, inverted=on)))
        self.auto_button.clicked.connect(self.auto)
        self.full_button.clicked.connect(self.full_range)
        self._show()

    def _arrange(self) -> None:
        self.map_box.setMinimumContentsLength(4)
        self.map_box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        least = self.fontMetrics().horizontalAdvance("-0.00000") + 18
        for edit in (self.low_edit, self.high_edit):
            edit.setMinimumWidth(least)
        for button in (self.auto_button, self.full_button):
            button.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        numbers = QHBoxLayout()
        numbers.addWidget(self.low_edit)
        numbers.addWidget(self.high_edit)
        colours = QHBoxLayout()
        colours.addWidget(self.map_box, 1)
        colours.addWidget(self.invert_box)
        ranges = QHBoxLayout()
        ranges.addWidget(self.auto_button)
        ranges.addWidget(self.full_button)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.histogram)
        layout.addLayout(numbers)
        layout.addLayout(colours)
        layout.addLayout(ranges)
        layout.addWidget(self.clip_label)

    @property
    def contrast(self) -> Contrast:
        """The contrast shown."""
        return self._contrast

    @property
    def distribution(self) -> Distribution | None:
        """The histogram shown."""
        return self.histogram.distribution

    def set_contrast(self, contrast: Contrast) -> None:
        """Show this contrast; emits nothing."""
        self._contrast = contrast
        self._show()

    def set_distribution(self, distribution: Distribution | None, auto: bool = False) -> None:
        """Show a histogram (see ``filters_display.distribution``); ``auto`` also takes its robust range."""
        self.histogram.set_distribution(distribution)
        if auto and distribution is not None:
            self.auto()
        else:
            self._show()

    def auto(self) -> None:
        """Take the robust range of the histogram."""
        d = self.distribution
        if d is not None:
            self._set(replace(self._contrast, low=d.auto_low, high=d.auto_high))

    def full_range(self) -> None:
        """Take smallest and largest sampled value."""
        d = self.distribution
        if d is not None:
            self._set(replace(self._contrast, low=d.low, high=d.high))

    def invert(self) -> None:
        """Invert the display."""
        self._set(replace(self._contrast, inverted=not self._contrast.inverted))

    def nudge(self, low: float = 0.0, high: float = 0.0) -> None:
        """Move the levels by fractions of the present range (keys F5 … F8)."""
        span = self._contrast.high - self._contrast.low
        self._set(
            _ordered(
                replace(self._contrast, low=self._contrast.low + low * span, high=self._contrast.high + high * span)
            )
        )

    def drag(self, dx: float, dy: float) -> None:
        """Right drag on an image: ``dx`` moves the centre, ``dy`` changes the width (fractions of the widget)."""
        c = self._contrast
        span = c.high - c.low
        centre = (c.low + c.high) / 2 - dx * span
        half = span / 2 * math.exp(2.0 * dy)
        self._set(replace(c, low=centre - half, high=centre + half))

    def _typed(self) -> None:
        try:
            low, high = float(self.low_edit.text()), float(self.high_edit.text())
        except ValueError:
            self._show()
            return
        if (f"{low:.5g}", f"{high:.5g}") != (f"{self._contrast.low:.5g}", f"{self._contrast.high:.5g}"):
            self._set(_ordered(replace(self._contrast, low=low, high=high)))

    def _set(self, contrast: Contrast) -> None:
        if contrast != self._contrast:
            self._contrast = contrast
            self._show()
            self.contrast_changed.emit(contrast)
        else:
            self._show()

    def _show(self) -> None:
        c = self._contrast
        self.histogram.set_contrast(c)
        for edit, value in ((self.low_edit, c.low), (self.high_edit, c.high)):
            if not edit.hasFocus() or not edit.isModified():
                edit.setText(f"{value:.5g}")
        with QSignalBlocker(self.map_box):
            self.map_box.setCurrentText(c.colormap)
        self.invert_box.setChecked(c.inverted)
        d = self.distribution
        for widget in (self.histogram, self.low_edit, self.high_edit, self.auto_button, self.full_button):
            widget.setEnabled(d is not None)
        if d is None:
            self.clip_label.setText("")
            return
        below, above = d.clipped(c.low, c.high)
        clips = below + above >= 0.0005
        text = f"Clipped: {100 * below:.1f} % dark, {100 * above:.1f} % bright" if clips else "Nothing is clipped"
        self.clip_label.setText(text)


def _ordered(contrast: Contrast) -> Contrast:
    low, high = min(contrast.low, contrast.high), max(contrast.low, contrast.high)
    return replace(contrast, low=low, high=high if high > low else low + max(1e-12, abs(low) * 1e-6))


def _ramp_icon(name: str) -> QIcon:
    words = np.ascontiguousarray(np.tile(colormaps.table(name), (12, 1)))
    image = QImage(words.data, 256, 12, words.strides[0], QImage.Format.Format_RGB32).copy()
    return QIcon(QPixmap.fromImage(image.scaled(48, 12)))
