"""Cuts of several maps in one frame: a row a map, a column a plane, all at one scale and about one point."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QSize
from PySide6.QtWidgets import QWidget

from emviewer.ui.canvas import ImageCanvas
from emviewer.ui.panels.cuts_view import GAP, CutsView
from emviewer.ui.panels.slices_state import PLANES, Plane


class CutsGrid(CutsView):
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
        self.cells: dict[tuple[int, str], ImageCanvas] = {}
        for row, name in enumerate(names):
            for plane in PLANES:
                canvas = make()
                canvas.setParent(self)
                canvas.auto_fit = False
                canvas.setAccessibleName(f"{name}, {plane.name} cut")
                self.follow(canvas, plane)
                self.cells[row, plane.name] = canvas
        self.setMinimumSize(200, 120)

    def sizeHint(self) -> QSize:
        return QSize(620, 200 * max(1, len(self.rows())))

    def rows(self) -> list[int]:
        """Return the rows that are visible."""
        return [row for row in range(len(self.names)) if row not in self.hidden]

    def canvases(self, plane: Plane) -> list[ImageCanvas]:
        """Return the canvases of a plane, a row each, those hidden too."""
        return [self.cells[row, plane.name] for row in range(len(self.names))]

    def canvases_of(self, plane: Plane) -> list[ImageCanvas]:
        """Return the canvases of a plane, those of visible rows first."""
        return [self.cells[row, plane.name] for row in sorted(range(len(self.names)), key=self.hidden.__contains__)]

    def set_hidden(self, rows: set[int]) -> None:
        """Hide rows."""
        if rows != self.hidden:
            self.hidden = set(rows)
            self.place()
            if self.fitted:
                self.fit()

    def place(self) -> None:
        """Lay the canvases out: rows of maps, or maps side by side if one plane is shown."""
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
