"""What areas of cuts share: canvases of three planes at one scale and about one point."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QPointF
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QWidget

from emviewer.ui.canvas import ImageCanvas
from emviewer.ui.panels.slices_state import PLANES, Layout, Plane

GAP = 2
LARGEST, SMALLEST = 64.0, 0.02
"""Widget units a voxel, at most and at least, that zooming leads to."""


class CutsView(QWidget):
    """Base of areas of cuts; subclasses make canvases, place them, and tell which belong to a plane.

    Attributes
    ----------
    scale : float
        Widget units a voxel, of all canvases.
    centre : list of float
        The point (x, y, z; voxels) in the middle of every canvas.
    fitted : bool
        Whether everything is shown and follows the size of the widget.
    on_view : callable
        Called when scale or centre changed.
    """

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.size_xyz = (1, 1, 1)
        self.layout_mode: Layout = "three"
        self.scale = 1.0
        self.centre = [0.5, 0.5, 0.5]
        self.fitted = True
        self.on_view: Callable[[], None] = lambda: None

    # what subclasses give -------------------------------------------------------------------------------------------
    def canvases_of(self, plane: Plane) -> list[ImageCanvas]:
        """Return the canvases of a plane, first one whose size says how large cuts can be."""
        raise NotImplementedError

    def place(self) -> None:
        """Give the canvases their places."""
        raise NotImplementedError

    # view -----------------------------------------------------------------------------------------------------------
    def follow(self, canvas: ImageCanvas, plane: Plane) -> None:
        """Let a canvas have the shared view, and change it when a hand zooms or pans there."""
        canvas.view_changed.connect(lambda: self._taken_from(canvas, plane))

    def shown(self) -> list[Plane]:
        """Return the planes that are visible in the present layout."""
        if self.layout_mode == "three":
            return list(PLANES)
        return [p for p in PLANES if "xyz"[p.normal] == self.layout_mode]

    def arrange(self, size_xyz: tuple[int, int, int], layout: Layout) -> None:
        """Make room for maps of this size; the view is kept if the size stays."""
        if size_xyz != self.size_xyz:
            self.size_xyz, self.fitted = size_xyz, True
        relayout = layout != self.layout_mode
        self.layout_mode = layout
        self.place()
        if self.fitted or relayout:
            self.fit()

    def fit(self) -> None:
        """Show everything; stays fitted when the widget is resized."""
        self.fitted = True
        self.centre = [n / 2 for n in self.size_xyz]
        scales = []
        for plane in self.shown():
            canvas = self.canvases_of(plane)[0]
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
        self.set_view(min(LARGEST, max(SMALLEST, self.scale * factor)), self.centre)

    def apply(self) -> None:
        """Give every canvas the shared view."""
        for plane in PLANES:
            at = QPointF(self.centre[plane.across], self.centre[plane.down])
            for canvas in self.canvases_of(plane):
                canvas.set_view(self.scale, at)
        self.on_view()

    def _taken_from(self, canvas: ImageCanvas, plane: Plane) -> None:
        self.fitted = False
        self.scale = canvas.scale
        self.centre[plane.across], self.centre[plane.down] = canvas.centre.x(), canvas.centre.y()
        self.apply()

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self.place()
        if self.fitted:
            self.fit()
        else:
            self.apply()
