"""The sphere of view directions, drawn without GL: graticule, asymmetric unit, symmetry axes, directions, the current.

A direction is where the eye of a projection sits: the third row of the pose, ``(sin tilt cos rot, sin tilt sin rot,
cos tilt)``. Everything that does not move is painted once and kept; while 100 000 directions are turned by hand only
every fifth is drawn, so that a frame stays under 16 ms.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from PySide6.QtCore import QEvent, QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import (
    QColor,
    QFocusEvent,
    QImage,
    QKeyEvent,
    QLinearGradient,
    QMouseEvent,
    QPainter,
    QPainterPath,
    QPaintEvent,
    QPen,
    QPolygonF,
)
from PySide6.QtWidgets import QSizePolicy, QWidget

from emviewer.engine.conventions import angles_from_directions
from emviewer.engine.rotations import super_fibonacci
from emviewer.engine.symmetry import PointGroup
from emviewer.ui import colormaps
from emviewer.ui.canvas import BY_KEY
from emviewer.ui.sphere_paint import density, mean_values, paint_fold, shading, stamp
from emviewer.ui.sphere_projection import Mollweide, Orthographic, graticule, pieces

CURRENT = QColor(230, 120, 60)
SELECTED = QColor(240, 190, 40)
FEW = 3_000
"""Up to this many directions the dots are painted twice as fine and shrunk, so that they are round."""
DENSE = 20_000
"""From this many directions on their density, or the mean of their values, is drawn instead of dots."""
NEAR = 14.0
"""Widget units within which a click finds a direction or the marker."""
OWN_KEYS = (Qt.Key.Key_Left, Qt.Key.Key_Right, Qt.Key.Key_Up, Qt.Key.Key_Down, Qt.Key.Key_Return, Qt.Key.Key_Space)


class SphereView(QWidget):
    """Shows and picks directions.

    Signals
    -------
    direction_chosen : ndarray of float64, shape (3,)
        A click on the sphere, or the current marker dragged.
    picked : (int, modifiers)
        Index of the direction nearest to a click.
    pointed : int
        Index of the direction under the mouse, -1 for none.
    """

    direction_chosen = Signal(object)
    picked = Signal(int, object)
    pointed = Signal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setMouseTracking(True)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setMinimumSize(120, 120)
        self.setAccessibleName("Sphere of view directions")
        self.setToolTip("Click for a direction, drag the marker, drag elsewhere to turn the sphere")
        self.projection: Orthographic | Mollweide = Orthographic()
        self.group: PointGroup | None = None
        self.directions = np.empty((0, 3))
        self.current: np.ndarray | None = None
        self.selected = np.empty(0, np.int64)
        self.hovered = -1
        self._values: np.ndarray | None = None
        self.span: tuple[float, float] | None = None  # of the colours; None: that of the values
        self._lines = graticule()
        self._ground: tuple[object, QImage] | None = None
        self._dots: tuple[object, QImage] | None = None
        self._mean_span: tuple[float, float] | None = None
        self._version = 0
        self._press: tuple[QPointF, QPointF, str] | None = None
        self._turning = False
        self._by_key = False
        self._by_hand = False

    def sizeHint(self) -> QSize:
        return QSize(220, 220)

    # contents ---------------------------------------------------------------------------------------------------
    def set_group(self, group: PointGroup | None) -> None:
        """Shade this group's asymmetric unit, draw its axes, and look at the unit unless the sphere was turned."""
        changed = (group.name if group else "") != (self.group.name if self.group else "")
        self.group = group
        if changed and not self._by_hand and group is not None and group.order > 1:
            everywhere = super_fibonacci(2000)[:, 2]
            middle = everywhere[group.in_asymmetric_unit(everywhere)].mean(0)
            self.look_from(middle / np.linalg.norm(middle))
            elevation = float(np.clip(self.projection.elevation, 15.0, 60.0))
            self.projection = replace(self.projection, elevation=elevation)
        self.update()

    def set_directions(self, directions: np.ndarray, values: np.ndarray | None = None) -> None:
        """Draw these unit vectors (n, 3); ``values`` (n,) colours them (NaN: as without values)."""
        self.directions = np.asarray(directions, np.float64).reshape(-1, 3)
        self._values = values
        self.selected = self.selected[self.selected < len(self.directions)]
        self.hovered = -1
        self._changed()

    def set_selected(self, indices: np.ndarray) -> None:
        """Highlight these directions."""
        self.selected = np.asarray(indices, np.int64)
        self._changed()

    def set_current(self, direction: np.ndarray | None) -> None:
        """Mark the current direction."""
        self.current = None if direction is None else np.asarray(direction, np.float64)
        if self.current is not None:
            rot, tilt = (float(np.ravel(v)[0]) for v in angles_from_directions(self.current[None]))
            self.setAccessibleDescription(f"rot {rot:.1f}, tilt {tilt:.1f} degrees")
        self.update()

    def set_mollweide(self, on: bool) -> None:
        """Show the whole sphere as an equal-area map, or the sphere from outside."""
        self.projection = Mollweide() if on else Orthographic()
        self.update()

    def look_from(self, direction: np.ndarray) -> None:
        """Turn the sphere so that a direction faces the eye."""
        x, y, z = np.asarray(direction, float)
        azimuth = float(np.degrees(np.arctan2(y, x))) if x or y else self.projection.azimuth
        elevation = float(np.degrees(np.arcsin(np.clip(z, -1, 1))))
        self.projection = replace(self.projection, azimuth=azimuth, elevation=elevation)
        self.update()

    def _changed(self) -> None:
        self._version += 1
        self.update()

    # geometry ---------------------------------------------------------------------------------------------------
    def _radius(self) -> float:
        """Return widget units a flat unit."""
        margin = min(18.0, 0.08 * min(self.width(), self.height()))  # a small sphere needs all it has
        return max(10.0, min(self.width() / 2 - margin, (self.height() / 2 - margin) / self.projection.half_height))

    def to_widget(self, points: np.ndarray) -> np.ndarray:
        """Convert flat points (n, 2) to widget units."""
        radius = self._radius()
        return np.column_stack([self.width() / 2 + radius * points[:, 0], self.height() / 2 - radius * points[:, 1]])

    def direction_at(self, at: QPointF) -> tuple[np.ndarray, bool]:
        """Return the direction under a widget point and whether the point lies on the sphere."""
        radius = self._radius()
        flat = np.array([[(at.x() - self.width() / 2) / radius, (self.height() / 2 - at.y()) / radius]])
        directions, inside = self.projection.sphere(flat)
        return directions[0], bool(inside[0])

    def nearest(self, at: QPointF) -> int:
        """Return the index of the visible direction nearest to a widget point, -1 if none is near."""
        if not len(self.directions):
            return -1
        flat, visible = self.projection.flat(self.directions)
        spot = self.to_widget(flat)
        distance = np.where(visible, np.hypot(spot[:, 0] - at.x(), spot[:, 1] - at.y()), np.inf)
        index = int(np.argmin(distance))
        return index if distance[index] <= NEAR else -1

    # painting ---------------------------------------------------------------------------------------------------
    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.drawImage(QPointF(0, 0), self._ground_image())
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        if len(self.directions):
            painter.drawImage(QRectF(self.rect()), self._dots_image())
        self._paint_axes(painter)
        self._paint_current(painter)
        self._paint_legend(painter)
        if self.hasFocus() and self._by_key:
            painter.setPen(QPen(self.palette().highlight().color(), 2))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawRect(self.rect().adjusted(1, 1, -1, -1))

    def _ground_image(self) -> QImage:
        """Return shading and lines, painted once for each way the sphere is turned (stroking them takes 10 ms)."""
        ratio, light = self.devicePixelRatioF(), self.palette().window().color().lightness() > 127
        key = (self.projection, self.size(), ratio, light, self.group)
        if self._ground is None or self._ground[0] != key:
            image = QImage(self.size() * ratio, QImage.Format.Format_ARGB32_Premultiplied)
            image.setDevicePixelRatio(ratio)
            image.fill(Qt.GlobalColor.transparent)
            painter = QPainter(image)
            painter.setRenderHint(QPainter.RenderHint.Antialiasing)
            painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
            painter.drawImage(self._outline(), shading(self.projection, self.group, light))
            self._paint_lines(painter, self.palette().text().color())
            painter.end()
            self._ground = (key, image)
        return self._ground[1]

    def _outline(self) -> QRectF:
        radius, middle = self._radius(), QPointF(self.width() / 2, self.height() / 2)
        half = QPointF(radius, radius * self.projection.half_height)
        return QRectF(middle - half, middle + half)

    def _paint_lines(self, painter: QPainter, ink: QColor) -> None:
        faint = QColor(ink)
        faint.setAlpha(50)
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.setPen(QPen(faint, 1))
        painter.drawPath(self._path(self._lines))
        if self.group is not None:
            edge = QColor(self.palette().highlight().color())
            painter.setPen(QPen(edge, 1.8))
            painter.drawPath(self._path(self.group.asymmetric_unit_outline(2.0)))
        painter.setPen(QPen(faint, 1))
        painter.drawPath(self._rim())
        painter.setPen(ink)
        for name, axis in zip("xyz", np.eye(3), strict=True):
            flat, visible = self.projection.flat(axis[None])
            if visible[0]:
                x, y = self.to_widget(flat)[0]
                painter.drawText(QRectF(x + 4, y - 20, 16, 16), Qt.AlignmentFlag.AlignCenter, name)

    def _rim(self) -> QPainterPath:
        rim, around = QPainterPath(), np.linspace(0, 2 * np.pi, 181)
        edge = self.to_widget(np.column_stack([np.cos(around), self.projection.half_height * np.sin(around)]))
        rim.addPolygon(QPolygonF([QPointF(x, y) for x, y in edge]))
        return rim

    def _path(self, lines: list[np.ndarray]) -> QPainterPath:
        path = QPainterPath()
        if not lines:
            return path
        flat, visible = self.projection.flat(np.concatenate(lines))
        spot = self.to_widget(flat)
        start = 0
        for line in lines:
            part = slice(start, start + len(line))
            start += len(line)
            scale = self._radius()
            for piece in pieces(spot[part] / scale, visible[part]):
                path.addPolygon(QPolygonF([QPointF(x * scale, y * scale) for x, y in piece]))
        return path

    def _dots_image(self) -> QImage:
        fine = 2.0 if len(self.directions) <= FEW else 1.0
        ratio = self.devicePixelRatioF() * fine
        key = (self.projection, self.size(), ratio, self._version, self._turning, self.palette().text().color().rgb())
        if self._dots is None or self._dots[0] != key:
            thin = -(-len(self.directions) // DENSE) if self._turning else 1
            shown = self.directions[::thin]
            flat, visible = self.projection.flat(shown)
            spot = self.to_widget(flat) * ratio
            shape = (max(1, round(self.height() * ratio)), max(1, round(self.width() * ratio)))
            if len(self.directions) > DENSE and self._values is not None and len(self._values) == len(self.directions):
                image, self._mean_span = mean_values(spot[visible], self._values[::thin][visible], shape)
            elif len(self.directions) > DENSE:
                area = self.projection.area(shown[visible])
                image = density(spot[visible], area, shape)
            else:
                image = self._stamped(spot, visible, shape, ratio)
            self._dots = (key, image)
        return self._dots[1]

    def _stamped(self, spot: np.ndarray, visible: np.ndarray, shape: tuple[int, int], ratio: float) -> QImage:
        words = np.zeros(shape, np.uint32)
        ink = self.palette().text().color().rgb() | 0xFF000000
        colour = np.full(len(spot), ink, np.uint32)
        span = self._range()
        if span is not None and self._values is not None:
            finite = np.isfinite(self._values)
            level = (self._values[finite] - span[0]) / max(1e-12, span[1] - span[0]) * 255
            colour[finite] = colormaps.table("viridis")[np.clip(level, 0, 255).astype(np.uint8)]
        radius = float(np.clip(60.0 / np.sqrt(max(1, len(spot))), 1.2, 4.0)) * ratio
        stamp(words, spot[visible], colour[visible], radius)
        chosen = np.zeros(len(spot), bool)
        chosen[self.selected] = True
        show = visible & chosen
        if show.any():
            stamp(words, spot[show], np.full(int(show.sum()), ink, np.uint32), radius + 2.2 * ratio)
            gold = np.full(int(show.sum()), SELECTED.rgb() | 0xFF000000, np.uint32)
            stamp(words, spot[show], gold, radius + 1.2 * ratio)
        return QImage(words.data, shape[1], shape[0], 4 * shape[1], QImage.Format.Format_ARGB32_Premultiplied).copy()

    def _paint_axes(self, painter: QPainter) -> None:
        if self.group is None:
            return
        both = [(fold, end) for fold, axis in self.group.axes for end in (axis, -axis)]
        if not both:
            return
        flat, visible = self.projection.flat(np.array([end for _, end in both]))
        spot = self.to_widget(flat)
        ink = self.palette().text().color()
        size = float(np.clip(self._radius() * 0.05, 5.0, 9.0)) * (0.8 if len(both) > 20 else 1.0)
        fill = self.palette().highlight().color()
        for (fold, _), at, near in zip(both, spot, visible, strict=True):
            if near:
                painter.setPen(QPen(ink, 1))
                painter.setBrush(fill)
                paint_fold(painter, fold, QPointF(*at), size)

    def _paint_current(self, painter: QPainter) -> None:
        for direction, radius in ((self.current, 7.0), (self._hovered_direction(), 5.5)):
            if direction is None:
                continue
            flat, visible = self.projection.flat(direction[None])
            at = QPointF(*self.to_widget(flat)[0])
            painter.setBrush(Qt.BrushStyle.NoBrush)
            style = Qt.PenStyle.SolidLine if visible[0] else Qt.PenStyle.DotLine
            painter.setPen(QPen(QColor(0, 0, 0, 150), 5.0 if visible[0] else 3.0, style))
            painter.drawEllipse(at, radius, radius)
            painter.setPen(QPen(CURRENT, 2.6, style))
            painter.drawEllipse(at, radius, radius)
            if visible[0] and radius > 6:
                painter.setBrush(CURRENT)
                painter.setPen(Qt.PenStyle.NoPen)
                painter.drawEllipse(at, 2.2, 2.2)

    def _range(self) -> tuple[float, float] | None:
        """Return the values of the first and last colour: the 1 and 99 percentile of those that are numbers."""
        if self._values is None or len(self._values) != len(self.directions):
            return None
        if len(self.directions) > DENSE:
            return self._mean_span
        if self.span is not None:
            return self.span
        finite = self._values[np.isfinite(self._values)]
        if not len(finite):
            return None
        low, high = (float(v) for v in np.percentile(finite, (1, 99)))
        return low, high

    def _paint_legend(self, painter: QPainter) -> None:
        span = self._range()
        if span is None or self.width() < 160:
            return
        line = painter.fontMetrics().height()
        ramp = QRectF(8, self.height() - 14, 90, 7)
        gradient = QLinearGradient(ramp.left(), 0, ramp.right(), 0)
        for k, (r, g, b) in enumerate(colormaps.colours("viridis")[::51]):
            gradient.setColorAt(k / 5, QColor(int(r), int(g), int(b)))
        painter.fillRect(ramp, gradient)
        painter.setPen(self.palette().text().color())
        area = QRectF(8, ramp.top() - line - 1, 90, line)
        painter.drawText(area, Qt.AlignmentFlag.AlignLeft, f"{span[0]:.3g}")
        painter.drawText(area, Qt.AlignmentFlag.AlignRight, f"{span[1]:.3g}")

    def _hovered_direction(self) -> np.ndarray | None:
        return self.directions[self.hovered] if 0 <= self.hovered < len(self.directions) else None

    # hands ------------------------------------------------------------------------------------------------------
    def mousePressEvent(self, event: QMouseEvent) -> None:
        if event.button() not in (Qt.MouseButton.LeftButton, Qt.MouseButton.MiddleButton):
            return
        at = event.position()
        what = "turn"
        if self.current is not None and event.button() == Qt.MouseButton.LeftButton:
            flat, visible = self.projection.flat(self.current[None])
            spot = self.to_widget(flat)[0]
            if visible[0] and np.hypot(spot[0] - at.x(), spot[1] - at.y()) <= NEAR:
                what = "marker"
        self._press = (at, at, what)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        at = event.position()
        if self._press is None:
            index = self.nearest(at)
            if index != self.hovered:
                self.hovered = index
                self.pointed.emit(index)
                self.update()
            return
        start, last, what = self._press
        self._press = (start, at, what)
        if what == "marker":
            self._choose(at)
        elif (at - start).manhattanLength() > 4:
            turn = 90.0 / self._radius()
            delta = at - last
            elevation = float(np.clip(self.projection.elevation + delta.y() * turn, -90, 90))
            azimuth = (self.projection.azimuth - delta.x() * turn) % 360
            self._turning = self._by_hand = True
            self.projection = replace(self.projection, azimuth=azimuth, elevation=elevation)
            self.update()

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        if self._press is None:
            return
        start, last, what = self._press
        self._press = None
        if self._turning:
            self._turning = False
            self.update()
        if what == "turn" and (last - start).manhattanLength() <= 4 and event.button() == Qt.MouseButton.LeftButton:
            index = self.nearest(last)
            if index >= 0:
                self.picked.emit(index, event.modifiers())
            else:
                self._choose(last)

    def leaveEvent(self, event: object) -> None:
        if self.hovered >= 0:
            self.hovered = -1
            self.pointed.emit(-1)
            self.update()

    def _choose(self, at: QPointF) -> None:
        direction, inside = self.direction_at(at)
        if inside or (self._press is not None and self._press[2] == "marker"):
            self.direction_chosen.emit(direction)

    def event(self, event: QEvent) -> bool:
        if event.type() == QEvent.Type.ShortcutOverride and isinstance(event, QKeyEvent) and event.key() in OWN_KEYS:
            event.accept()  # the arrows turn the sphere, not the picture beside it
            return True
        return super().event(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        keys = Qt.Key
        steps = {keys.Key_Left: (-5, 0), keys.Key_Right: (5, 0), keys.Key_Up: (0, 5), keys.Key_Down: (0, -5)}
        if event.key() in steps:
            a, e = steps[event.key()]
            self._by_hand = True
            elevation = float(np.clip(self.projection.elevation + e, -90, 90))
            self.projection = replace(self.projection, azimuth=(self.projection.azimuth + a) % 360, elevation=elevation)
            self.update()
        elif event.key() in (keys.Key_Return, keys.Key_Enter, keys.Key_Space):
            middle = QPointF(self.width() / 2, self.height() / 2)
            index = self.nearest(middle)
            if index >= 0:
                self.picked.emit(index, event.modifiers())
            else:
                self._choose(middle)
        else:
            super().keyPressEvent(event)

    def focusInEvent(self, event: QFocusEvent) -> None:
        super().focusInEvent(event)
        self._by_key = event.reason() in BY_KEY
        self.update()

    def focusOutEvent(self, event: QFocusEvent) -> None:
        super().focusOutEvent(event)
        self.update()
