"""A scatter plot or histogram of columns, painted as pixels: a million points, rectangle and lasso, no scene.

Points are stamped into a picture that is kept until view, size or data change; beyond :data:`DENSE` points it shows
how dense they lie. Selected and current points are painted over it.
"""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import QEvent, QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QImage, QMouseEvent, QPainter, QPainterPath, QPaintEvent, QPen, QPolygonF, QWheelEvent
from PySide6.QtWidgets import QSizePolicy, QWidget

from emviewer.ui import theme
from emviewer.ui.plot_scale import View, density_words, in_polygon, padded, ticks
from emviewer.ui.sphere_view import CURRENT, SELECTED, stamp

DENSE = 200_000
"""Points from which their density is drawn."""
NEAR = 10.0
BINS = 60


class PlotView(QWidget):
    """Shows points and lets them be chosen.

    Signals
    -------
    chosen : ndarray of int64, modifiers
        Indices of the points inside a rectangle or lasso.
    picked : int, modifiers
        Index of the point clicked, -1 beside the points.
    pointed : int
        Index of the point under the mouse, -1 for none.
    """

    chosen = Signal(object, object)
    picked = Signal(int, object)
    pointed = Signal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setMouseTracking(True)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setMinimumSize(140, 90)
        self.setAccessibleName("Plot")
        self.setToolTip("Drag to select; Shift adds, Alt takes away; wheel zooms, middle drag moves, double click fits")
        self.x, self.y = np.empty(0), np.empty(0)
        self.titles = ("", "")
        self.histogram = False
        self.lasso = False
        self.view = View(0.0, 1.0, 0.0, 1.0)
        self.selected = np.empty(0, bool)
        self.current = -1
        self.hovered = -1
        self._fitted = True
        self._counts: np.ndarray = np.empty(0)
        self._edges: np.ndarray = np.empty(0)
        self._picture: tuple[object, QImage] | None = None
        self._version = 0
        self._path: list[QPointF] = []
        self._pan: QPointF | None = None

    def sizeHint(self) -> QSize:
        return QSize(320, 260)

    # contents -------------------------------------------------------------------------------------------------------
    def set_points(self, x: np.ndarray, y: np.ndarray | None, titles: tuple[str, str]) -> None:
        """Show points, or with ``y`` None the histogram of ``x``; zoom is kept while the columns are the same."""
        same = titles == self.titles and (y is None) == self.histogram
        self.histogram = y is None
        self.x, self.y = np.asarray(x, float), np.zeros(len(x)) if y is None else np.asarray(y, float)
        self.titles = titles
        if len(self.selected) != len(self.x):
            self.selected = np.zeros(len(self.x), bool)
        self._version += 1
        if self.histogram:
            low, high = padded(self.x)
            self._counts, self._edges = np.histogram(self.x[np.isfinite(self.x)], BINS, (low, high))
        if not same or self._fitted:
            self.fit()
        self.update()

    def set_selected(self, selected: np.ndarray) -> None:
        """Mark these points, bool (n,)."""
        self.selected = selected
        self._version += 1
        self.update()

    def set_current(self, index: int) -> None:
        """Mark one point, -1 for none."""
        self.current = index
        self.update()

    def fit(self) -> None:
        """Show all points."""
        self._fitted = True
        y = (0.0, max(1.0, float(self._counts.max(initial=1))) * 1.06) if self.histogram else padded(self.y)
        self.view = View(*padded(self.x), *y)
        self.update()

    # geometry -------------------------------------------------------------------------------------------------------
    def area(self) -> QRectF:
        """Return where the points are drawn."""
        line = self.fontMetrics().height()
        return QRectF(self.rect()).adjusted(line * 3.4, 8, -10, -line * 2.6)

    def to_widget(self, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Convert values to widget units."""
        area, v = self.area(), self.view
        return (
            area.left() + (x - v.x0) / (v.x1 - v.x0) * area.width(),
            area.bottom() - (y - v.y0) / (v.y1 - v.y0) * area.height(),
        )

    def value_at(self, at: QPointF) -> tuple[float, float]:
        """Convert widget units to values."""
        area, v = self.area(), self.view
        return (
            v.x0 + (at.x() - area.left()) / max(1.0, area.width()) * (v.x1 - v.x0),
            v.y0 + (area.bottom() - at.y()) / max(1.0, area.height()) * (v.y1 - v.y0),
        )

    def nearest(self, at: QPointF) -> int:
        """Return the index of the point nearest to a place, -1 if none is near."""
        if self.histogram or not len(self.x):
            return -1
        px, py = self.to_widget(self.x, self.y)
        distance = np.nan_to_num(np.hypot(px - at.x(), py - at.y()), nan=np.inf)
        index = int(np.argmin(distance))
        return index if distance[index] <= NEAR else -1

    def inside(self, path: list[QPointF]) -> np.ndarray:
        """Return the indices of the points within a drawn rectangle (two corners) or lasso, int64."""
        xs, ys = np.array([p.x() for p in path]), np.array([p.y() for p in path])
        (x0, y0), (x1, y1) = self.value_at(QPointF(xs.min(), ys.max())), self.value_at(QPointF(xs.max(), ys.min()))
        if self.histogram:
            return np.flatnonzero((self.x >= x0) & (self.x <= x1))
        box = np.flatnonzero((self.x >= x0) & (self.x <= x1) & (self.y >= y0) & (self.y <= y1))
        if not self.lasso:
            return box
        corners = np.array([self.value_at(p) for p in path])
        return box[in_polygon(self.x[box], self.y[box], corners)]

    # painting -------------------------------------------------------------------------------------------------------
    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        area = self.area()
        c = theme.current()
        painter.fillRect(area, QColor(c.base))
        self._paint_axes(painter, area)
        painter.save()
        painter.setClipRect(area)
        if self.histogram:
            self._paint_bars(painter)
        elif len(self.x):
            painter.drawImage(area, self._points_picture(area))
        self._paint_marks(painter)
        if len(self._path) > 1:
            self._paint_path(painter)
        painter.restore()

    def _paint_axes(self, painter: QPainter, area: QRectF) -> None:
        c, v, line = theme.current(), self.view, self.fontMetrics().height()
        faint = QPen(QColor(c.border), 1)
        for value in ticks(v.x0, v.x1):
            x = float(self.to_widget(np.array([value]), np.zeros(1))[0][0])
            painter.setPen(faint)
            painter.drawLine(QPointF(x, area.top()), QPointF(x, area.bottom()))
            painter.setPen(QColor(c.dim))
            box = QRectF(x - 60, area.bottom() + 3, 120, line)
            painter.drawText(box, Qt.AlignmentFlag.AlignHCenter, f"{value:.6g}")
        for value in ticks(v.y0, v.y1):
            y = float(self.to_widget(np.zeros(1), np.array([value]))[1][0])
            painter.setPen(faint)
            painter.drawLine(QPointF(area.left(), y), QPointF(area.right(), y))
            painter.setPen(QColor(c.dim))
            box = QRectF(line * 1.2, y - line / 2, area.left() - line * 1.2 - 5, line)
            painter.drawText(box, Qt.AlignmentFlag.AlignRight, f"{value:.6g}")
        painter.setPen(QColor(c.text))
        below = QRectF(area.left(), self.height() - line - 3, area.width(), line)
        painter.drawText(below, Qt.AlignmentFlag.AlignHCenter, self.titles[0])
        painter.save()
        painter.translate(line * 0.2, area.center().y())
        painter.rotate(-90)
        beside = QRectF(-area.height() / 2, 0, area.height(), line)
        painter.drawText(beside, Qt.AlignmentFlag.AlignHCenter, "images" if self.histogram else self.titles[1])
        painter.restore()

    def _paint_bars(self, painter: QPainter) -> None:
        c = theme.current()
        chosen = self.x[self.selected & np.isfinite(self.x)]
        marked = np.histogram(chosen, self._edges)[0] if len(self._edges) else []
        for counts, colour in ((self._counts, QColor(c.accent)), (marked, SELECTED)):
            for i, n in enumerate(counts):
                if n:
                    x, y = self.to_widget(self._edges[i : i + 2], np.array([0.0, float(n)]))
                    painter.fillRect(QRectF(QPointF(x[0] + 0.5, y[1]), QPointF(x[1] - 0.5, y[0])), colour)

    def _points_picture(self, area: QRectF) -> QImage:
        ratio = self.devicePixelRatioF()
        c = theme.current()
        key = (self._version, self.view, area.width(), area.height(), ratio, c.accent)
        if self._picture is None or self._picture[0] != key:
            self._picture = (key, self._stamped(area, ratio))
        return self._picture[1]

    def _stamped(self, area: QRectF, ratio: float) -> QImage:
        shape = (max(1, round(area.height() * ratio)), max(1, round(area.width() * ratio)))
        px, py = self.to_widget(self.x, self.y)
        spots = np.column_stack([(px - area.left()) * ratio, (py - area.top()) * ratio])
        seen = np.isfinite(spots).all(axis=1)
        seen[seen] = ((spots[seen] > -10) & (spots[seen] < [shape[1] + 10, shape[0] + 10])).all(axis=1)
        words = np.zeros(shape, np.uint32)
        if seen.sum() > DENSE:
            words = density_words(spots[seen], shape)
        else:
            radius = float(np.clip(40.0 / np.sqrt(max(1, len(spots))), 1.2, 3.2)) * ratio
            plain = QColor(theme.current().accent).rgb() | 0xFF000000
            stamp(words, spots[seen & ~self.selected], np.full(int((seen & ~self.selected).sum()), plain), radius)
        radius = 3.4 * ratio if self.selected.sum() < 5000 else 1.2 * ratio
        marked = seen & self.selected
        if marked.any():
            edge = QColor(theme.current().text).rgb() | 0xFF000000
            stamp(words, spots[marked], np.full(int(marked.sum()), edge), radius + 1.0 * ratio)
            stamp(words, spots[marked], np.full(int(marked.sum()), SELECTED.rgb() | 0xFF000000), radius)
        return QImage(words.data, shape[1], shape[0], 4 * shape[1], QImage.Format.Format_ARGB32_Premultiplied).copy()

    def _paint_marks(self, painter: QPainter) -> None:
        for index, radius in ((self.current, 7.0), (self.hovered, 5.0)):
            if not 0 <= index < len(self.x) or not np.isfinite(self.x[index]):
                continue
            x, y = self.to_widget(self.x[[index]], self.y[[index]])
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.setPen(QPen(CURRENT, 2.4))
            if self.histogram:
                painter.drawLine(QPointF(x[0], self.area().top()), QPointF(x[0], self.area().bottom()))
            elif np.isfinite(y[0]):
                painter.drawEllipse(QPointF(x[0], y[0]), radius, radius)

    def _paint_path(self, painter: QPainter) -> None:
        painter.setPen(QPen(QColor(theme.current().text), 1.2, Qt.PenStyle.DashLine))
        fill = QColor(SELECTED)
        fill.setAlpha(40)
        painter.setBrush(fill)
        path = QPainterPath()
        if self.lasso and not self.histogram:
            path.addPolygon(QPolygonF(self._path))
            path.closeSubpath()
        elif self.histogram:
            area = self.area()
            x0, x1 = sorted((self._path[0].x(), self._path[-1].x()))
            path.addRect(QRectF(x0, area.top(), x1 - x0, area.height()))
        else:
            path.addRect(QRectF(self._path[0], self._path[-1]).normalized())
        painter.drawPath(path)

    # hands ----------------------------------------------------------------------------------------------------------
    def mousePressEvent(self, event: QMouseEvent) -> None:
        if event.button() == Qt.MouseButton.MiddleButton:
            self._pan = event.position()
        elif event.button() == Qt.MouseButton.LeftButton:
            self._path = [event.position()]

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        at = event.position()
        if self._pan is not None:
            (x0, y0), (x1, y1) = self.value_at(self._pan), self.value_at(at)
            v = self.view
            self.view = View(v.x0 + x0 - x1, v.x1 + x0 - x1, v.y0 + y0 - y1, v.y1 + y0 - y1)
            self._pan, self._fitted = at, False
        elif self._path:
            self._path = [*self._path, at] if self.lasso else [self._path[0], at]
        else:
            index = self.nearest(at) if len(self.x) <= DENSE else -1
            if index == self.hovered:
                return
            self.hovered = index
            self.pointed.emit(index)
        self.update()

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        path, self._path, self._pan = self._path, [], None
        if event.button() != Qt.MouseButton.LeftButton or not path:
            return
        moved = max((p - path[0]).manhattanLength() for p in [*path, event.position()])
        if moved <= 4:
            self.picked.emit(self.nearest(path[0]), event.modifiers())
        elif len(self.x):
            path = path if len(path) > 1 else [path[0], event.position()]
            self.chosen.emit(self.inside(path), event.modifiers())
        self.update()

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        self.fit()

    def wheelEvent(self, event: QWheelEvent) -> None:
        factor = 0.9985 ** (event.angleDelta().y() or event.angleDelta().x())
        x, y = self.value_at(event.position())
        v = self.view
        y0, y1 = (v.y0, v.y1) if self.histogram else (y + (v.y0 - y) * factor, y + (v.y1 - y) * factor)
        self.view = View(x + (v.x0 - x) * factor, x + (v.x1 - x) * factor, y0, y1)
        self._fitted = False
        self.update()
        event.accept()

    def leaveEvent(self, event: QEvent) -> None:
        if self.hovered >= 0:
            self.hovered = -1
            self.pointed.emit(-1)
            self.update()
