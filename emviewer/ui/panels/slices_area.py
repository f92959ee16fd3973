"""Three canvases that share one scale and one centre, and the corner that says where one is."""

from __future__ import annotations

from PySide6.QtCore import QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QPainter, QPaintEvent, QPen, QPolygonF
from PySide6.QtWidgets import QWidget

from emviewer.ui.canvas import BACKGROUND, ImageCanvas
from emviewer.ui.panels.cuts_view import GAP, CutsView
from emviewer.ui.panels.slices_state import PLANES, Plane, SliceState

AXIS_COLOURS = (QColor(230, 120, 60), QColor(60, 190, 140), QColor(86, 170, 233))
"""Of the planes perpendicular to x, y and z: apart for all colour-vision deficiencies, readable on black."""

HINT = "wheel steps · Ctrl+wheel zooms · right drag levels"
LEAST_SHARE = 0.3
"""A cut of a flat map gets at least this share of a row or column."""


class Corner(QWidget):
    """The fourth quadrant: the box with its three planes, and the current point in words."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.state: SliceState | None = None
        self.lines: list[str] = []
        self.setAccessibleName("Position in the map")

    def show_state(self, state: SliceState | None, lines: list[str]) -> None:
        """Show a position and these lines."""
        self.state, self.lines = state, lines
        self.setAccessibleDescription("; ".join(lines))
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.fillRect(self.rect(), BACKGROUND)
        if self.state is None:
            return
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        line = painter.fontMetrics().height()
        text_height = line * len(self.lines) + 16
        side = min(self.width() - 16, self.height() - text_height - 8)
        if side >= 60:
            self._paint_box(painter, QRectF((self.width() - side) / 2, 12, side, side))
            top = self.height() - text_height
        else:
            top = max(4, (self.height() - text_height) // 2)
        if side >= 200:
            painter.setPen(QColor(120, 126, 136))
            hint = painter.fontMetrics().elidedText(HINT, Qt.TextElideMode.ElideRight, self.width() - 16)
            painter.drawText(QRectF(8, 5, self.width() - 16, line), Qt.AlignmentFlag.AlignLeft, hint)
        painter.setPen(QColor(190, 195, 204))
        for k, text in enumerate(self.lines):
            elided = painter.fontMetrics().elidedText(text, Qt.TextElideMode.ElideRight, self.width() - 12)
            at = QRectF(6, top + k * line, self.width() - 12, line)
            painter.drawText(at, Qt.AlignmentFlag.AlignHCenter, elided)

    def _paint_box(self, painter: QPainter, area: QRectF) -> None:
        assert self.state is not None
        size, voxel = self.state.size, self.state.voxel
        longest = max(size)
        extent = [n / longest for n in size]
        # x to the right, y down and into the paper, z down: the same senses as in the three cuts
        ax, ay, az = QPointF(0.60, 0.12), QPointF(-0.34, 0.22), QPointF(0.0, 0.62)
        middle = QPointF(area.center())

        def at(x: float, y: float, z: float) -> QPointF:
            p = ax * (x - extent[0] / 2) + ay * (y - extent[1] / 2) + az * (z - extent[2] / 2)
            return middle + p * area.width() * 0.95

        def quad(axis: int, value: float) -> QPolygonF:
            a, b = [k for k in range(3) if k != axis]
            corners = []
            for u, v in ((0, 0), (1, 0), (1, 1), (0, 1)):
                point = [0.0, 0.0, 0.0]
                point[axis], point[a], point[b] = value, u * extent[a], v * extent[b]
                corners.append(at(*point))
            return QPolygonF(corners)

        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.setPen(QPen(QColor(90, 95, 104), 1))
        for axis in range(3):
            for value in (0.0, extent[axis]):
                painter.drawPolygon(quad(axis, value))
        for axis in (2, 1, 0):
            colour = QColor(AXIS_COLOURS[axis])
            painter.setPen(QPen(colour, 1))
            colour.setAlpha(60)
            painter.setBrush(colour)
            painter.drawPolygon(quad(axis, (voxel[axis] + 0.5) / longest))
        painter.setBrush(Qt.BrushStyle.NoBrush)
        for axis, name in enumerate("xyz"):
            end = [0.0, 0.0, 0.0]
            end[axis] = extent[axis] + 0.09
            painter.setPen(AXIS_COLOURS[axis])
            painter.drawText(QRectF(at(*end).x() - 8, at(*end).y() - 9, 16, 18), Qt.AlignmentFlag.AlignCenter, name)


class CutsArea(CutsView):
    """Places the cuts: XY upper left, XZ beneath it sharing x, YZ to the right sharing y, all at one scale in Å."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.canvases = {plane.name: ImageCanvas(self) for plane in PLANES}
        self.corner = Corner(self)
        for plane in PLANES:
            canvas = self.canvases[plane.name]
            canvas.setAccessibleName(f"{plane.name} cut")
            self.follow(canvas, plane)
        self.setMinimumSize(160, 160)

    def sizeHint(self) -> QSize:
        return QSize(480, 420)

    def canvases_of(self, plane: Plane) -> list[ImageCanvas]:
        """Return the one canvas of a plane."""
        return [self.canvases[plane.name]]

    def place(self) -> None:
        """Lay the canvases out about the corner, or let one have all the room."""
        width, height = self.width(), self.height()
        if self.layout_mode != "three":
            for plane in PLANES:
                canvas = self.canvases[plane.name]
                if "xyz"[plane.normal] == self.layout_mode:
                    canvas.setGeometry(0, 0, width, height)
                canvas.setVisible("xyz"[plane.normal] == self.layout_mode)
            self.corner.hide()
            return
        nx, ny, nz = self.size_xyz
        left = int((width - GAP) * min(1 - LEAST_SHARE, max(LEAST_SHARE, nx / (nx + nz))))
        upper = int((height - GAP) * min(1 - LEAST_SHARE, max(LEAST_SHARE, ny / (ny + nz))))
        right, lower = width - GAP - left, height - GAP - upper
        self.canvases["XY"].setGeometry(0, 0, left, upper)
        self.canvases["YZ"].setGeometry(left + GAP, 0, right, upper)
        self.canvases["XZ"].setGeometry(0, upper + GAP, left, lower)
        self.corner.setGeometry(left + GAP, upper + GAP, right, lower)
        for widget in (*self.canvases.values(), self.corner):
            widget.show()
