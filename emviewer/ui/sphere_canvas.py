"""The sphere of view directions, drawn without GL: graticule, asymmetric unit, symmetry axes, directions, the current.

A direction is where the eye of a projection sits: the third row of the pose, ``(sin tilt cos rot, sin tilt sin rot,
cos tilt)``. Everything that does not move is painted once and kept; while 100 000 directions are turned by hand only
every fifth is drawn, so that a frame stays under 16 ms. A million are drawn in the view lane (:meth:`use_lane`).
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import replace
from functools import partial

import numpy as np
from PySide6.QtCore import QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QImage, QLinearGradient, QPainter, QPainterPath, QPaintEvent, QPen, QPolygonF
from PySide6.QtWidgets import QSizePolicy, QWidget

from emviewer.engine.conventions import angles_from_directions
from emviewer.engine.rotations import super_fibonacci
from emviewer.engine.symmetry import PointGroup
from emviewer.ui import colormaps
from emviewer.ui.lane_picture import LanePicture
from emviewer.ui.runner import Runner
from emviewer.ui.sphere_paint import DENSE, FEW, Scene, dots, paint_fold, shading
from emviewer.ui.sphere_projection import Mollweide, Orthographic, graticule, pieces

CURRENT = QColor(230, 120, 60)
NEAR = 14.0
"""Widget units within which a click finds a direction or the marker."""


class SphereCanvas(QWidget):
    """Shows directions; hands are added by :class:`emviewer.ui.sphere_view.SphereView`."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setMinimumSize(120, 120)
        self.setAccessibleName("Sphere of view directions")
        self.projection: Orthographic | Mollweide = Orthographic()
        self.group: PointGroup | None = None
        self.directions = np.empty((0, 3))
        self.current: np.ndarray | None = None
        self.selected = np.empty(0, np.int64)
        self.hovered = -1
        self.show_legend = True
        self._values: np.ndarray | None = None
        self.span: tuple[float, float] | None = None  # of the colours; None: that of the values
        self._lines = graticule()
        self._ground: tuple[object, QImage] | None = None
        self._dots = LanePicture(self.update)
        self._version = 0
        self._turning = False
        self._by_key = False
        self._by_hand = False

    def sizeHint(self) -> QSize:
        return QSize(220, 220)

    def use_lane(self, runner: Runner, owner: Hashable) -> None:
        """Draw many directions in the view lane of a runner; ``owner`` is the ``id`` of the panel."""
        self._dots.use_lane(runner, (owner, "directions"))

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
        # of a million only those about the point are projected, all that could be seen near it even at the rim
        reach = 2.0 * np.arccos(1.0 - min(1.0, NEAR / self._radius()))
        about = np.flatnonzero(self.directions @ self.direction_at(at)[0] >= np.cos(min(np.pi, reach)))
        if not len(about):
            return -1
        flat, visible = self.projection.flat(self.directions[about])
        spot = self.to_widget(flat)
        distance = np.where(visible, np.hypot(spot[:, 0] - at.x(), spot[:, 1] - at.y()), np.inf)
        index = int(np.argmin(distance))
        return int(about[index]) if distance[index] <= NEAR else -1

    # painting ---------------------------------------------------------------------------------------------------
    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.drawImage(QPointF(0, 0), self._ground_image())
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        picture = self._dots_image() if len(self.directions) else None
        if picture is not None:
            painter.drawImage(QRectF(self.rect()), picture)
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
                box = QRectF(min(x + 4, self.width() - 16.0), max(0.0, y - 20), 16, 16)  # never cut at the edge
                painter.drawText(box, Qt.AlignmentFlag.AlignCenter, name)

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

    def _dots_image(self) -> QImage | None:
        """Return the picture of the directions; of many the last one that was made."""
        made = self._made()
        return None if made is None else made[0]

    def _made(self) -> tuple[QImage, tuple[float, float] | None] | None:
        slow = len(self.directions) > DENSE and not self._turning
        found: tuple[QImage, tuple[float, float] | None] | None
        found = self._dots.get(self._dots_key(), self._dots_work(), slow)
        return found

    def _fine(self) -> float:
        return self.devicePixelRatioF() * (2.0 if len(self.directions) <= FEW else 1.0)

    def _dots_key(self) -> object:
        ink = self.palette().text().color().rgb()
        return (self.projection, self.size(), self._fine(), self._version, self._turning, self.span, ink)

    def _dots_work(self) -> Callable[[], tuple[QImage, tuple[float, float] | None]]:
        thin = -(-len(self.directions) // DENSE) if self._turning else 1
        values = self._values if self._values is not None and len(self._values) == len(self.directions) else None
        selected = self.selected if thin == 1 else self.selected[self.selected % thin == 0] // thin
        scene = Scene(
            self.projection,
            (float(self.width()), float(self.height())),
            self._radius(),
            self._fine(),
            self.directions[::thin],
            None if values is None else values[::thin],
            selected,
            self.span,
            self.palette().text().color().rgb() | 0xFF000000,
        )
        return partial(dots, scene)

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
        """Return the values of the first and last colour, as the picture has them."""
        if self._values is None or len(self._values) != len(self.directions):
            return None
        made = self._made()
        return None if made is None else made[1]

    def _paint_legend(self, painter: QPainter) -> None:
        span = self._range()
        if span is None or not self.show_legend or self.width() < 160:
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
