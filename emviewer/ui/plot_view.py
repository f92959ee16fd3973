"""A scatter plot or histogram of columns, painted as pixels: a million points, rectangle and lasso, no scene.

Points are stamped into a picture that is kept until view, size or data change; beyond 200 000 points it shows how
dense they lie. Pictures of many points are made in the view lane (:meth:`PlotView.use_lane`).
"""

from __future__ import annotations

from collections.abc import Hashable
from functools import partial

import numpy as np
from PySide6.QtCore import QEvent, QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QImage, QMouseEvent, QPainter, QPainterPath, QPaintEvent, QPen, QPolygonF, QWheelEvent
from PySide6.QtWidgets import QSizePolicy, QWidget

from emviewer.ui import theme
from emviewer.ui.lane_picture import LanePicture
from emviewer.ui.latest import Latest
from emviewer.ui.plot_paint import DENSE, QUICK, Points, points_picture
from emviewer.ui.plot_scale import Enclosed, Limits, View, limits_of, ticks
from emviewer.ui.runner import Runner
from emviewer.ui.sphere_view import CURRENT, SELECTED

NEAR = 10.0
LASSO_STEP = 3
"""Widget units the mouse must go before a lasso takes another corner."""


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
        self.limits = Limits()
        self._marked: tuple[int, np.ndarray] = (-1, np.empty(0))
        self._picture = LanePicture(self.update)
        self._lookup: Latest | None = None
        self._version = 0
        self._path: list[QPointF] = []
        self._pan: QPointF | None = None

    def sizeHint(self) -> QSize:
        return QSize(320, 260)

    def use_lane(self, runner: Runner, owner: Hashable) -> None:
        """Draw and look up many points in the view lane of a runner; ``owner`` is the ``id`` of the panel."""
        self._picture.use_lane(runner, (owner, "points"))
        self._lookup = Latest(runner, (owner, "lookup"))

    # contents -------------------------------------------------------------------------------------------------------
    def set_points(
        self, x: np.ndarray, y: np.ndarray | None, titles: tuple[str, str], limits: Limits | None = None
    ) -> None:
        """Show points, or with ``y`` None the histogram of ``x``; zoom is kept while the columns are the same.

        ``limits``: ranges and counts of the values, if they were found already, in a lane (of a million they take
        longer than a frame).
        """
        same = titles == self.titles and (y is None) == self.histogram
        self.histogram = y is None
        self.x, self.y = np.asarray(x, float), np.zeros(len(x)) if y is None else np.asarray(y, float)
        self.titles = titles
        if len(self.selected) != len(self.x):
            self.selected = np.zeros(len(self.x), bool)
        self._version += 1
        self.limits = limits or limits_of(self.x, None if y is None else self.y)
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
        self.view = View(*self.limits.x, *self.limits.y)
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

    def enclosing(self, path: list[QPointF]) -> Enclosed:
        """Return what a drawn rectangle (two corners) or lasso encloses, to be looked up in any thread."""
        corners = np.array([self.value_at(p) for p in path])
        lasso = self.lasso and not self.histogram and len(path) > 2
        return Enclosed(self.x, None if self.histogram else self.y, corners, lasso)

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
            picture = self._points_picture(area)
            if picture is not None:
                painter.drawImage(area, picture)
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
        edges = self.limits.edges
        if self._marked[0] != self._version:
            chosen = self.x[self.selected]
            self._marked = (self._version, np.histogram(chosen[np.isfinite(chosen)], edges)[0])
        for counts, colour in ((self.limits.counts, QColor(c.accent)), (self._marked[1], SELECTED)):
            for i, n in enumerate(counts):
                if n:
                    x, y = self.to_widget(edges[i : i + 2], np.array([0.0, float(n)]))
                    painter.fillRect(QRectF(QPointF(x[0] + 0.5, y[1]), QPointF(x[1] - 0.5, y[0])), colour)

    def _points_picture(self, area: QRectF) -> QImage | None:
        ratio = self.devicePixelRatioF()
        c = theme.current()
        key = (self._version, self.view, area.width(), area.height(), ratio, c.accent)
        shape = (max(1, round(area.height() * ratio)), max(1, round(area.width() * ratio)))
        plain, edge = (QColor(colour).rgb() | 0xFF000000 for colour in (c.accent, c.text))
        points = Points(self.x, self.y, self.selected, self.view, shape, ratio, plain, edge)
        found: QImage | None = self._picture.get(key, partial(points_picture, points), slow=len(self.x) > QUICK)
        return found

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
            if not self.lasso:
                self._path = [self._path[0], at]
            elif (at - self._path[-1]).manhattanLength() >= LASSO_STEP:
                self._path.append(at)
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
            self._choose(self.enclosing(path), event.modifiers())
        self.update()

    def _choose(self, drawn: Enclosed, modifiers: Qt.KeyboardModifier) -> None:
        if self._lookup is None or len(drawn.x) < QUICK:
            self.chosen.emit(drawn.indices(), modifiers)
        else:  # a lasso of 100 corners about a million points takes half a second
            self._lookup.ask(lambda check: drawn.indices(), lambda found: self.chosen.emit(found, modifiers))

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
