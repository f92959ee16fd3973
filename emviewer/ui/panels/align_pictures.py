"""How the alignment panel shows two maps: overlaid in two colours, behind a line, blinking, side by side."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from PySide6.QtCore import QPointF, QTimer
from PySide6.QtGui import QImage, QPainter, QRegion
from PySide6.QtWidgets import QToolButton

from emviewer.engine.types import Contrast, RigidTransform
from emviewer.ui.canvas import ImageCanvas
from emviewer.ui.levels import LevelsWidget
from emviewer.ui.panels.align_grid import CutsGrid
from emviewer.ui.panels.align_pair import CYAN, RED, Pair, paint_wipe, picture, two_colours
from emviewer.ui.panels.align_volumes import Volume
from emviewer.ui.panels.slices_state import PLANES, Plane, SliceState
from emviewer.ui.results_align import AlignedMap
from emviewer.ui.scale_bar import outlined_text

BLINK_MS = 600
"""How long each map is shown in the mode that blinks by itself."""


class AlignPictures:
    """Mix-in of the alignment panel."""

    area: CutsGrid
    current: SliceState
    levels: LevelsWidget
    reference: Volume | None
    moving: Volume | None
    shown: AlignedMap | None
    before: QToolButton
    modes: dict[str, QToolButton]
    mode: str
    blinking: bool
    blinker: QTimer
    pairs: dict[str, Pair]
    motion: Callable[[], RigidTransform]
    isVisible: Callable[[], bool]
    visibleRegion: Callable[[], QRegion]
    _pictures: dict[str, QImage]
    _show_labels: Callable[[], None]

    def contrasts(self) -> tuple[Contrast, Contrast]:
        """Return the ranges of both maps; the moving map's stands to it as the reference's to the reference."""
        first = self.levels.contrast
        assert self.moving is not None
        return first, self.moving.contrast(self.reference or self.moving, first)

    def dark_contrasts(self) -> tuple[Contrast, Contrast]:
        """Return the ranges for two colours: what is no density is black, else the solvent would be a grey veil."""
        out = []
        for volume, c in zip((self.reference, self.moving), self.contrasts(), strict=True):
            floor = c.low if volume is None else max(c.low, volume.level(0.5))
            out.append(Contrast(min(floor, c.high), c.high))
        return out[0], out[1]

    def recolour(self) -> None:
        """Show with another contrast."""
        if self.moving is not None:
            for plane in PLANES:
                self._paint_plane(plane)

    def set_mode(self, mode: str) -> None:
        """Show the maps in one of the modes of :mod:`emviewer.ui.panels.align_pair`."""
        self.mode = mode
        self.modes[mode].setChecked(True)
        self.area.set_hidden(set() if mode == "side" else {1})
        self.blinking = False
        self.blink()
        self.recolour()
        self._show_labels()

    def blink(self) -> None:
        """Let the blinking mode run while it is seen."""
        if self.mode == "blink" and self.isVisible():
            self.blinker.start()
        else:
            self.blinker.stop()

    def blink_once(self) -> None:
        """Change between the two maps, unless another tab lies over the panel (its widgets count as visible then)."""
        if not self.visibleRegion().isEmpty():
            self.set_blinking(not self.blinking)

    def set_blinking(self, blinking: bool) -> None:
        """Show the moving map in place of the reference while true."""
        if blinking != self.blinking:
            self.blinking = blinking
            self.recolour()
            self._show_labels()

    def _paint_plane(self, plane: Plane) -> None:
        pair = self.pairs.get(plane.name)
        if pair is None or self.moving is None:
            return
        first, second = self.contrasts()
        self._pictures.pop(plane.name, None)
        size = self.current.size
        world = (float(size[plane.across]), float(size[plane.down]))
        unit = max(1.0, float(round(pair.first.shape[1] / pair.second.shape[1])))
        top, below = self.area.canvases(plane)
        top.set_contrast(second if self.blinking else first)
        if self.blinking:
            top.set_image(pair.second, world, unit)
        else:
            top.set_image(pair.first)
        below.set_contrast(second)
        below.set_image(pair.second, world, unit)

    def label(self, row: int) -> str:
        """Return what the cuts of a row are called."""
        if row == 1 or self.blinking:
            return self.moving_name()
        return "" if self.mode == "overlay" else "Reference"

    def moving_name(self) -> str:
        """Return what the moving map is called, and where it is."""
        each = self.shown
        where = "before" if self.before.isChecked() else "by hand" if each and each.by_hand else "aligned"
        if where == "aligned" and each is not None and not each.facts.get("hand"):
            where = "so far" if each.facts else "as it came"
        return f"Moving map, {where}"

    def _paint_over(self, painter: QPainter, canvas: ImageCanvas, plane: Plane) -> None:
        pair = self.pairs.get(plane.name)
        if pair is None or self.blinking or self.moving is None or self.mode not in ("overlay", "wipe"):
            return
        if plane.name not in self._pictures:
            overlay = self.mode == "overlay"
            self._pictures[plane.name] = (
                two_colours(pair, *self.dark_contrasts()) if overlay else picture(pair.second, self.contrasts()[1])
            )
        made = self._pictures[plane.name]
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform, canvas.scale < 1)
        if self.mode == "overlay":
            painter.drawImage(canvas.image_rect(), made)
            if plane is self.area.shown()[0]:
                metrics = painter.fontMetrics()
                y = metrics.ascent() + 6.0 + metrics.height()
                outlined_text(painter, QPointF(8, y), "Reference", CYAN)
                outlined_text(painter, QPointF(8, y + metrics.height()), self.moving_name(), RED)
            return
        x = canvas.to_widget(self.current.voxel[plane.across] + 0.5, 0).x()
        paint_wipe(painter, canvas, made, x, ("Reference", "Moving map"))

    def pictures_spec(
        self, reference: str, moving: str, pixel_size_A: float | None = None, map_pixel_size_A: float | None = None
    ) -> dict[str, object]:
        """Return the spec of the figure of what is seen, for maps at these places; their headers may be overruled."""
        motion, each = self.motion(), self.shown
        first, second = self.dark_contrasts() if self.mode == "overlay" else self.contrasts()
        name = "moving map" if each is None else each.name
        return {
            "kind": "alignment",
            "reference": reference,
            "map": moving,
            "matrix": np.asarray(motion.matrix).tolist(),
            "translation_A": np.asarray(motion.translation_A).tolist(),
            "magnification": 1.0 if each is None else each.size,
            "mode": "side" if self.mode == "blink" else self.mode,
            "position": list(self.current.voxel),
            "half_width": self.current.half_width,
            "cuts": [plane.name for plane in self.area.shown()],
            "names": ["Reference", name],
            "title": f"{name}, {self.moving_name().split(', ')[1]}",
            "contrast": plain(first),
            "second": plain(second),
            "pixel_size_A": pixel_size_A,
            "map_pixel_size_A": map_pixel_size_A,
        }


def plain(c: Contrast) -> dict[str, object]:
    """Return a contrast as a spec has it."""
    return {"low": c.low, "high": c.high, "colormap": c.colormap, "inverted": c.inverted}
