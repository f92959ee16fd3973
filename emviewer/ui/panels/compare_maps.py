"""Several maps side by side: the image, then what each map shows of it, the best one marked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QColor
from PySide6.QtWidgets import QGridLayout, QWidget

from emviewer.engine.types import F32, Contrast
from emviewer.ui import columns
from emviewer.ui.canvas import ImageCanvas
from emviewer.ui.canvas_view import LABEL

WINNER = QColor(240, 190, 40)
ACROSS = 4
"""Pictures in a line."""


@dataclass(frozen=True, eq=False)
class MapView:
    """What one of several maps shows of an image.

    Parameters
    ----------
    name : str
    cc : float
        Its correlation with the image; NaN if they were not compared (yet).
    fitted : ndarray of float32, shape (n, n), or None
        Its reprojection on the gray scale of the image.
    best : bool
        Whether no other map correlates better.
    """

    name: str
    cc: float
    fitted: F32 | None
    best: bool


class MapsRow(QWidget):
    """An image beside its reprojections from all maps.

    Signals
    -------
    map_wanted : str
        A reprojection was clicked: its map is to be shown.
    """

    map_wanted = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.grid = QGridLayout(self)
        self.grid.setContentsMargins(0, 0, 0, 0)
        self.grid.setSpacing(2)
        self.canvases: list[ImageCanvas] = []
        self.views: list[MapView] = []
        self.pixel_size_A: float | None = None

    def show_views(self, image: F32 | None, views: Sequence[MapView], contrast: Contrast, name: str) -> None:
        """Show an image (called ``name``) and what the maps show of it; None: nothing."""
        self.views = list(views)
        self._fill(0 if image is None else len(views) + 1)
        if image is None:
            return
        pictures = [(image, name, LABEL), *((v.fitted, _label(v), WINNER if v.best else LABEL) for v in views)]
        for canvas, (picture, label, colour) in zip(self.canvases, pictures, strict=True):
            canvas.pixel_size_A = self.pixel_size_A
            canvas.set_contrast(contrast)
            canvas.set_label(label, colour)
            canvas.setAccessibleName(label)
            if picture is None:
                canvas.set_message("not compared")
            else:
                canvas.set_image(picture)

    def set_contrast(self, contrast: Contrast) -> None:
        """Show all with one contrast."""
        for canvas in self.canvases:
            canvas.set_contrast(contrast)

    def _fill(self, n: int) -> None:
        while len(self.canvases) < n:
            number = len(self.canvases)
            canvas = ImageCanvas()
            canvas.wheel_zooms = True
            canvas.view_changed.connect(lambda c=canvas: self._link(c))
            if number:
                canvas.setCursor(Qt.CursorShape.PointingHandCursor)
                canvas.setToolTip("Click to show this map's scores and pictures")
                canvas.pointed.connect(lambda _x, _y, i=number - 1: self._pressed(i))
            self.canvases.append(canvas)
            self.grid.addWidget(canvas, number // ACROSS, number % ACROSS)
        for canvas in self.canvases[n:]:
            self.grid.removeWidget(canvas)
            canvas.deleteLater()
        del self.canvases[n:]

    def _pressed(self, number: int) -> None:
        if number < len(self.views):
            self.map_wanted.emit(self.views[number].name)

    def _link(self, moved: ImageCanvas) -> None:
        for canvas in self.canvases:
            if canvas is not moved:
                canvas.set_view(moved.scale, moved.centre, moved.fitted)


def _label(view: MapView) -> str:
    mark = "● " if view.best else ""
    return f"{mark}{view.cc:.3f}  {view.name}" if np.isfinite(view.cc) else f"{columns.MISSING}  {view.name}"
