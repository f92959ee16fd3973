"""Difference: reference, aligned map and difference in linked cuts, and the pieces that stand out of the noise."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PySide6.QtCore import QPointF, Qt
from PySide6.QtGui import QColor, QImage, QPainter, QPen, QPolygonF
from PySide6.QtWidgets import QComboBox, QDoubleSpinBox, QLabel, QSplitter, QToolButton

from emviewer.engine.figure_two import contour_lines, significance
from emviewer.engine.task import Check
from emviewer.engine.types import F32, Contrast
from emviewer.ui import results_align
from emviewer.ui.canvas import ImageCanvas
from emviewer.ui.panels.align_base import AlignCutsPanel
from emviewer.ui.panels.align_volumes import CONTOUR_SHARE, Volume, on_grid_of, read_volume
from emviewer.ui.panels.difference_blobs import BlobTable
from emviewer.ui.panels.slices_read import CutReader
from emviewer.ui.panels.slices_state import PLANES, Plane, SliceState
from emviewer.ui.workspace import Document

RANGE_SIGMA = 5.0
WHITE_ZERO, DARK_ZERO = "blue-white-orange", "blue-dark-orange"
INSPECT_Z = 3.0
REFERENCE, ALIGNED = QColor(70, 200, 130), QColor(240, 200, 60)
"""Of the contour lines; solid and dashed, so that colour alone says nothing."""


@dataclass(frozen=True, eq=False)
class Maps:
    """The maps of the panel, on the reference's grid."""

    reference: Volume
    aligned: Volume | None
    difference: Volume
    z: F32 | None
    sigma: float
    blobs: pd.DataFrame | None


@dataclass(frozen=True, eq=False)
class Cuts:
    """One plane of every map, and the contour lines there."""

    images: tuple[F32, F32 | None, F32]
    z: F32 | None
    lines: tuple[list[F32], list[F32]]


class DifferencePanel(AlignCutsPanel):
    """Three maps, three planes, one cursor; the difference on one symmetric scale, zero in the neutral colour."""

    kind = "difference"
    heading = "Difference"
    rows = ("Reference", "Aligned", "Difference")
    nothing = "Align maps, or subtract one from another,\nto see where they differ."

    def _build(self) -> None:
        self.volumes: Maps | None = None
        self.readers: list[CutReader | None] = []
        self.cuts: dict[str, Cuts] = {}
        super()._build()
        self.range_box = _number(RANGE_SIGMA, 0.5, 100.0, " σ", "Colours reach to this many standard deviations")
        self.range_box.valueChanged.connect(lambda _: self.recolour())
        self.contours = _toggle("Contours", "Lines of one density level: reference solid, aligned map dashed", True)
        self.contours.toggled.connect(lambda _: self._repaint())
        self.share_box = _number(100 * (1 - CONTOUR_SHARE), 0.01, 60.0, " %", "Voxels that the contour encloses", 2)
        self.share_box.valueChanged.connect(lambda _: self.ask())
        self.scores = QComboBox()
        self.scores.addItem("Density", "density")
        self.scores.addItem("z-scores", "z")
        self.scores.setToolTip("Show the difference as density, or in standard deviations of the noise")
        self.scores.setAccessibleName("What the difference is shown as")
        self.scores.activated.connect(lambda _: self.recolour())
        self.overlay = _toggle("Significant", "Colour on the reference what differs by more than this z-score", True)
        self.overlay.toggled.connect(lambda _: self._repaint())
        self.z_box = _number(INSPECT_Z, 0.5, 1000.0, " z", "From this z-score on, differences are coloured")
        self.z_box.valueChanged.connect(lambda _: self._repaint())
        self.dark = _toggle("Dark zero", "Show no difference in black in place of white", False)
        self.dark.toggled.connect(lambda _: self.recolour())
        self.note = QLabel()
        self.note.setProperty("badge", "warn")
        self.note.hide()
        for widget in (self.scores, self.range_box, self.contours, self.share_box, self.overlay, self.z_box, self.dark):
            self.bar.addWidget(widget)
        self.bar.addWidget(self.note)
        self.blobs = BlobTable()
        self.blobs.chosen.connect(self._to_blob)
        self.split = QSplitter(Qt.Orientation.Horizontal)
        column = self.content.layout()
        column.removeWidget(self.area)
        self.split.addWidget(self.area)
        self.split.addWidget(self.blobs)
        self.split.setStretchFactor(0, 1)
        self.split.setStretchFactor(1, 0)
        self.split.setCollapsible(0, False)
        self.split.setSizes([640, self.blobs.sizeHint().width()])
        column.insertWidget(1, self.split, 1)
        for plane in PLANES:
            for row in (0, 1, 2):
                canvas = self.area.cells[row, plane.name]
                canvas.overlays.append(lambda painter, c, p=plane, r=row: self._paint(painter, c, p, r))

    @classmethod
    def accepts(cls, document: Document) -> bool:
        found = results_align.of(document)
        return found is not None and any(each.difference is not None for each in found.maps.values())

    # volumes --------------------------------------------------------------------------------------------------------
    def wanted(self) -> tuple[Any, ...]:
        found, each = self.alignment, self.shown
        if found is None or each is None or each.difference is None:
            return ()
        return (found.reference, each.aligned, each.difference, each.z_scores, each.name)

    def reading(self, wanted: tuple[Any, ...]) -> Callable[[Check], Any]:
        given, moved, made, scored, _ = wanted
        blobs = None if self.shown is None else self.shown.blobs
        return lambda check: read_maps(given, moved, made, scored, blobs, check)

    def take(self, read: Maps) -> Volume:
        self.volumes, self.cuts = read, {}
        self.area.set_hidden(set() if read.aligned is not None else {1})
        self.readers = [
            None if v is None else CutReader(v)
            for v in (
                read.reference.data, None if read.aligned is None else read.aligned.data, read.difference.data, read.z
            )
        ]  # fmt: skip
        self.levels.set_distribution(read.reference.distribution)
        self.levels.set_contrast(read.reference.contrast())
        has_z = read.z is not None
        for widget in (self.overlay, self.z_box):
            widget.setVisible(has_z)
        self.scores.setVisible(has_z)
        self.blobs.show_blobs(read.blobs)
        self.recolour()
        return read.reference

    def cutting(self, state: SliceState) -> Callable[[Plane, Check], Any]:
        volumes, readers, share = self.volumes, list(self.readers), 1 - self.share_box.value() / 100
        assert volumes is not None

        def cut(plane: Plane, check: Check) -> Cuts:
            index, half = state.voxel[plane.normal], state.half_width
            cuts = [None if r is None else r.cut(plane, index, half, check) for r in readers]
            lines: list[list[F32]] = []
            for volume, image in ((volumes.reference, cuts[0]), (volumes.aligned, cuts[1])):
                lines.append([] if volume is None or image is None else contour_lines(image, volume.level(share)))
            assert cuts[0] is not None and cuts[2] is not None
            return Cuts((cuts[0], cuts[1], cuts[2]), cuts[3], (lines[0], lines[1]))

        return cut

    def got_cut(self, plane: Plane, made: Cuts) -> None:
        self.cuts[plane.name] = made
        self._paint_plane(plane)

    # pictures -------------------------------------------------------------------------------------------------------
    @property
    def as_z(self) -> bool:
        """Whether the difference is shown in standard deviations of the noise."""
        return self.scores.currentData() == "z" and self.volumes is not None and self.volumes.z is not None

    def difference_contrast(self) -> Contrast:
        """Return the range of the difference, symmetric about zero, the same for all cuts and maps."""
        assert self.volumes is not None
        half = self.range_box.value() * (1.0 if self.as_z else self.volumes.sigma)
        return Contrast(-half, half, DARK_ZERO if self.dark.isChecked() else WHITE_ZERO)

    def recolour(self) -> None:
        volumes = self.volumes
        if volumes is None:
            return
        first = self.levels.contrast
        second = first if volumes.aligned is None else volumes.aligned.contrast(volumes.reference, first)
        for plane in PLANES:
            canvases = self.area.canvases(plane)
            for canvas, contrast in zip(canvases, (first, second, self.difference_contrast()), strict=True):
                canvas.set_contrast(contrast)
            self._paint_plane(plane)
        self._show_labels()

    def _paint_plane(self, plane: Plane) -> None:
        made = self.cuts.get(plane.name)
        if made is None:
            return
        images = (*made.images[:2], made.z if self.as_z else made.images[2])
        for canvas, image in zip(self.area.canvases(plane), images, strict=True):
            canvas.set_image(image)

    def _repaint(self) -> None:
        for canvas in self.area.cells.values():
            canvas.update()

    def label(self, row: int) -> str:
        if row < 2 or self.volumes is None:
            return self.rows[row]
        if self.as_z:
            return f"Difference ±{self.range_box.value():.3g} z"
        return f"Difference ±{self.difference_contrast().high:.3g} ({self.range_box.value():.3g} σ)"

    def _paint(self, painter: QPainter, canvas: ImageCanvas, plane: Plane, row: int) -> None:
        made = self.cuts.get(plane.name)
        if made is None:
            return
        if row == 0 and made.z is not None and self.overlay.isChecked():
            painter.drawImage(canvas.image_rect(), significant(made.z, self.z_box.value()))
        if self.contours.isChecked():
            painter.setRenderHint(QPainter.RenderHint.Antialiasing)
            for k, (lines, colour, style) in enumerate(
                zip(made.lines, (REFERENCE, ALIGNED), (Qt.PenStyle.SolidLine, Qt.PenStyle.DashLine), strict=True)
            ):
                if row == 2 or row == k:
                    painter.setPen(QPen(colour, 1.2, style))
                    paint_lines(painter, canvas, lines)

    # blobs ----------------------------------------------------------------------------------------------------------
    def _to_blob(self, at_A: tuple[float, float, float]) -> None:
        volume = self.reference
        if volume is None:
            return
        origin, pixel = volume.map.origin_A, volume.map.pixel_size_A
        x, y, z = ((a - o) / pixel for a, o in zip(at_A, origin, strict=True))
        self.go_to((x, y, z))
        if not self.area.fitted:
            self.area.set_view(self.area.scale, [v + 0.5 for v in self.current.voxel])

    def do_next_worst(self) -> None:
        """Go to the next piece of the difference."""
        self.blobs.walk(1)

    def do_previous_worst(self) -> None:
        """Go to the piece before."""
        self.blobs.walk(-1)

    def show_facts(self) -> None:
        facts = {} if self.shown is None else self.shown.facts
        off = facts.get("misregistration", 0.0)
        wrong = bool(isinstance(off, (int, float)) and off > 0.2)
        self.note.setVisible(wrong)
        self.note.setText("! mostly misregistration")
        self.note.setToolTip("The difference is what a small motion of the map would make: align it more finely first")

    def figure_spec(self) -> dict[str, Any] | None:
        each, volumes = self.shown, self.volumes
        if each is None or each.difference is None or volumes is None:
            return None
        c = self.difference_contrast()
        return {
            "kind": "slices",
            "map": str(each.z_scores if self.as_z else each.difference),
            "position": list(self.current.voxel),
            "half_width": self.current.half_width,
            "cuts": [plane.name for plane in self.area.shown()],
            "title": f"Reference − {each.name}",
            "contrast": {"low": c.low, "high": c.high, "colormap": WHITE_ZERO, "inverted": False},
        }


def read_maps(
    given: Path | None, moved: Path | None, made: Path, scored: Path | None, blobs: pd.DataFrame | None, check: Check
) -> Maps:
    """Read the maps of the panel; the aligned map is brought onto the grid of the difference if it is on another."""
    difference = read_volume(made, check)
    reference = on_grid_of(read_volume(given, check), difference, check) if given is not None else difference
    aligned = None if moved is None else on_grid_of(read_volume(moved, check), difference, check)
    z = None if scored is None else read_volume(scored, check).data
    sample = difference.levels[difference.levels != 0]
    sigma = float(np.sqrt(np.mean(np.square(sample, dtype=np.float64)))) if len(sample) else 0.0
    if blobs is None and z is not None and z.shape == difference.data.shape:
        from emviewer.engine.difference_blobs import blobs as find

        pixel = difference.map.pixel_size_A
        blobs = find(difference.data, z, reference.data, pixel, 2 * pixel, reference.map.origin_A)
    return Maps(reference, aligned, difference, z, sigma if sigma > 0 else 1.0, blobs)


def significant(z: F32, threshold: float) -> QImage:
    """Return a picture that is clear where ``|z|`` is below a threshold, coloured by sign above it."""
    rgba = significance(z, threshold)
    return QImage(rgba.data, z.shape[1], z.shape[0], 4 * z.shape[1], QImage.Format.Format_RGBA8888).copy()


def paint_lines(painter: QPainter, canvas: ImageCanvas, lines: list[F32]) -> None:
    """Draw contour lines in the image's coordinates."""
    middle, scale = canvas.centre, canvas.scale
    offset = np.array([canvas.width() / 2 - middle.x() * scale, canvas.height() / 2 - middle.y() * scale])
    for line in lines:
        painter.drawPolyline(QPolygonF([QPointF(x, y) for x, y in (line * scale + offset).tolist()]))


def _number(value: float, low: float, high: float, unit: str, tip: str, decimals: int = 1) -> QDoubleSpinBox:
    box = QDoubleSpinBox()
    box.setDecimals(decimals)
    box.setRange(low, high)
    box.setSingleStep(0.5)
    box.setValue(value)
    box.setSuffix(unit)
    box.setToolTip(tip)
    box.setAccessibleName(tip)
    box.setKeyboardTracking(False)
    box.setMaximumWidth(box.fontMetrics().horizontalAdvance("888.88") + box.fontMetrics().horizontalAdvance(unit) + 34)
    return box


def _toggle(text: str, tip: str, on: bool) -> QToolButton:
    button = QToolButton()
    button.setText(text)
    button.setToolTip(tip)
    button.setCheckable(True)
    button.setChecked(on)
    return button
