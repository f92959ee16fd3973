"""Cuts of several maps in one frame: a row a map, a column a plane, all at one scale and about one point."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QPointF, QSize
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QWidget

from emviewer.ui.canvas import ImageCanvas
from emviewer.ui.panels.slices_state import PLANES, Layout, Plane

GAP = 2


class CutsGrid(QWidget):
    """Places the canvases of :data:`PLANES` for each of several maps.

    With three planes shown, maps are rows and planes are columns; with one plane, maps stand side by side.

    Parameters
    ----------
    names : sequence of str
        Of the rows, for assistive technology.
    make : callable
        Makes a canvas.
    """

    def __init__(
        self, names: tuple[str, ...], make: Callable[[], ImageCanvas] = ImageCanvas, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self.names = names
        self.hidden: set[int] = set()
        self.size_xyz = (1, 1, 1)
        self.layout_mode: Layout = "three"
        self.scale = 1.0
        self.centre = [0.5, 0.5, 0.5]
        self.fitted = True
        self.on_view: Callable[[], None] = lambda: None
        self.cells: dict[tuple[int, str], ImageCanvas] = {}
        for row, name in enumerate(names):
            for plane in PLANES:
                canvas = make()
                canvas.setParent(self)
                canvas.auto_fit = False
                canvas.setAccessibleName(f"{name}, {plane.name} cut")
                canvas.view_changed.connect(lambda c=canvas, p=plane: self._taken_from(c, p))
                self.cells[row, plane.name] = canvas
        self.setMinimumSize(200, 120)

    def sizeHint(self) -> QSize:
        return QSize(620, 200 * max(1, len(self.rows())))

    def rows(self) -> list[int]:
        """Return the rows that are visible."""
        return [row for row in range(len(self.names)) if row not in self.hidden]

    def shown(self) -> list[Plane]:
        """Return the planes that are visible."""
        if self.layout_mode == "three":
            return list(PLANES)
        return [p for p in PLANES if "xyz"[p.normal] == self.layout_mode]

    def canvases(self, plane: Plane) -> list[ImageCanvas]:
        """Return the canvases of a plane, a row each, those hidden too."""
        return [self.cells[row, plane.name] for row in range(len(self.names))]

    def set_hidden(self, rows: set[int]) -> None:
        """Hide rows."""
        if rows != self.hidden:
            self.hidden = set(rows)
            self._place()
            if self.fitted:
                self.fit()

    def arrange(self, size_xyz: tuple[int, int, int], layout: Layout) -> None:
        """Make room for maps of this size; the view is kept if the size stays."""
        relayout = layout != self.layout_mode
        if size_xyz != self.size_xyz:
            self.size_xyz, self.fitted = size_xyz, True
        self.layout_mode = layout
        self._place()
        if self.fitted or relayout:
            self.fit()

    def fit(self) -> None:
        """Show everything; stays fitted when the grid is resized."""
        self.fitted = True
        self.centre = [n / 2 for n in self.size_xyz]
        scales = []
        for plane in self.shown():
            canvas = self.cells[self.rows()[0], plane.name]
            scales.append((canvas.width() - 2) / self.size_xyz[plane.across])
            scales.append((canvas.height() - 2) / self.size_xyz[plane.down])
        self.scale = max(1e-6, min(scales))
        self.apply()

    def set_view(self, scale: float, centre: list[float]) -> None:
        """Show with this scale and this point (voxels) in the middle of every cut."""
        self.scale, self.centre, self.fitted = scale, list(centre), False
        self.apply()

    def zoom(self, factor: float) -> None:
        """Zoom about the middle."""
        self.set_view(min(64.0, max(0.02, self.scale * factor)), self.centre)

    def apply(self) -> None:
        """Give every canvas the shared view."""
        for plane in PLANES:
            at = QPointF(self.centre[plane.across], self.centre[plane.down])
            for canvas in self.canvases(plane):
                canvas.set_view(self.scale, at)
        self.on_view()

    def _taken_from(self, canvas: ImageCanvas, plane: Plane) -> None:
        self.fitted = False
        self.scale = canvas.scale
        self.centre[plane.across], self.centre[plane.down] = canvas.centre.x(), canvas.centre.y()
        self.apply()

    def _place(self) -> None:
        rows, planes = self.rows(), self.shown()
        across, down = (planes, rows) if self.layout_mode == "three" else (rows, planes)
        lengths = [self.size_xyz[p.across] for p in planes] if self.layout_mode == "three" else [1] * len(rows)
        room = self.width() - GAP * (len(across) - 1)
        height = (self.height() - GAP * (len(down) - 1)) / len(down)
        shares = [max(0.2, n / sum(lengths)) for n in lengths]
        x, place = 0.0, {}
        for i, share in enumerate(shares):
            width = room * share / sum(shares)
            for j in range(len(down)):
                row, plane = (rows[j], planes[i]) if self.layout_mode == "three" else (rows[i], planes[j])
                top = round(j * (height + GAP))
                left, right = round(x), round(x + width)
                place[row, plane.name] = (left, top, right - left, round(j * (height + GAP) + height) - top)
            x += width + GAP
        for key, canvas in self.cells.items():
            if key in place:
                canvas.setGeometry(*place[key])
            canvas.setVisible(key in place)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._place()
        if self.fitted:
            self.fit()
        else:
            self.apply()
