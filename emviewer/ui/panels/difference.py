"""Difference: reference, aligned map and difference in linked cuts, and the pieces that stand out of the noise."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from PySide6.QtCore import Qt
from PySide6.QtGui import QColor, QImage, QPainter, QPainterPath, QPen
from PySide6.QtWidgets import QComboBox, QDoubleSpinBox, QLabel, QSplitter, QToolButton, QVBoxLayout, QWidget

from emviewer.engine.figure_two import contour_lines, significance
from emviewer.engine.task import Check
from emviewer.engine.types import F32, Contrast
from emviewer.ui import results_align
from emviewer.ui.canvas import ImageCanvas
from emviewer.ui.panels.align_base import AlignCutsPanel
from emviewer.ui.panels.align_pictures import plain
from emviewer.ui.panels.align_volumes import CONTOUR_SHARE, Volume
from emviewer.ui.panels.difference_blobs import BlobTable
from emviewer.ui.panels.difference_legend import DifferenceLegend, paint_chip
from emviewer.ui.panels.difference_read import Cuts, Maps, path_of, read_maps
from emviewer.ui.panels.slices_read import CutReader
from emviewer.ui.panels.slices_state import PLANES, Plane, SliceState
from emviewer.ui.workspace import Document

RANGE_SIGMA = 5.0
WHITE_ZERO, DARK_ZERO = "blue-white-orange", "blue-dark-orange"
INSPECT_Z = 3.0
FEW_POINTS = 3000
"""Contour lines with fewer points are as wide on fine screens as on others."""
REFERENCE, ALIGNED = QColor(70, 200, 130), QColor(240, 200, 60)
"""Of the contour lines; solid and dashed, so that colour alone says nothing."""


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
        self._build_bar()
        self.blobs = BlobTable()
        self.blobs.chosen.connect(self._to_blob)
        self.split = QSplitter(Qt.Orientation.Horizontal)
        column = self.content.layout()
        column.removeWidget(self.area)
        self.legend = DifferenceLegend()
        left = QWidget()
        holder = QVBoxLayout(left)
        holder.setContentsMargins(0, 0, 0, 0)
        holder.setSpacing(0)
        holder.addWidget(self.area, 1)
        holder.addWidget(self.legend)
        self.split.addWidget(left)
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

    def _build_bar(self) -> None:
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
        self.z_box.valueChanged.connect(lambda _: self.ask())
        self.dark = _toggle("Dark zero", "Show no difference in black in place of white", False)
        self.dark.toggled.connect(lambda _: self.recolour())
        self.note = QLabel()
        self.note.setProperty("badge", "warn")
        self.note.hide()
        for widget in (self.scores, self.range_box, self.contours, self.share_box, self.overlay, self.z_box, self.dark):
            self.bar.addWidget(widget)
        self.report = _toggle("Report…", "Write the report of the result: slices, difference, numbers", False)
        self.report.setCheckable(False)
        self.report.clicked.connect(self.ask_report)
        self.bar.addWidget(self.report)
        self.bar.addWidget(self.note)

    @classmethod
    def accepts(cls, document: Document) -> bool:
        found = results_align.of(document)
        return found is not None and any(each.difference is not None for each in found.maps.values())

    # volumes --------------------------------------------------------------------------------------------------------
    def wanted(self) -> tuple[Any, ...]:
        found, each = self.alignment, self.shown
        if found is None or each is None or each.difference is None:
            return ()
        return (found.reference, each.aligned, each.difference, each.z_scores, found.told, each.name)

    def reading(self, wanted: tuple[Any, ...]) -> Callable[[Check], Any]:
        given, moved, made, scored, told, _ = wanted
        blobs = None if self.shown is None else self.shown.blobs
        return lambda check: read_maps(given, moved, made, scored, told, blobs, check)

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
        threshold = self.z_box.value()
        assert volumes is not None

        def cut(plane: Plane, check: Check) -> Cuts:
            index, half = state.voxel[plane.normal], state.half_width
            cuts = [None if r is None else r.cut(plane, index, half, check) for r in readers]
            lines: list[QPainterPath] = []
            for volume, image in ((volumes.reference, cuts[0]), (volumes.aligned, cuts[1])):
                there = volume is not None and image is not None
                lines.append(path_of(contour_lines(image, volume.level(share))) if there else QPainterPath())
            assert cuts[0] is not None and cuts[2] is not None
            cover = None if cuts[3] is None else significant(cuts[3], threshold)
            return Cuts((cuts[0], cuts[1], cuts[2]), cuts[3], (lines[0], lines[1]), cover)

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
        self._show_legend()

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
        if row == 1 and self.alignment is not None and self.alignment.job != "align":
            return "Map"
        return self.rows[row] if row < 2 else ""

    def _show_legend(self) -> None:
        if self.volumes is None:
            return
        table = self.volumes.blobs
        note = (
            "no z-scores, no pieces" if table is None
            else "nothing stands out of the noise" if not len(table)
            else "1 piece stands out: N" if len(table) == 1
            else f"{len(table)} pieces stand out: N, P"
        )  # fmt: skip
        unit = "σ of the noise" if self.as_z else f"= {self.range_box.value():g} σ"
        self.legend.show_range(self.difference_contrast(), unit, note)

    def _paint(self, painter: QPainter, canvas: ImageCanvas, plane: Plane, row: int) -> None:
        made = self.cuts.get(plane.name)
        if made is None:
            return
        if row == 0 and made.significant is not None and self.overlay.isChecked():
            painter.drawImage(canvas.image_rect(), made.significant)
        if self.contours.isChecked():
            painter.save()
            painter.setRenderHint(QPainter.RenderHint.Antialiasing)
            middle, scale = canvas.centre, canvas.scale
            painter.translate(canvas.width() / 2 - middle.x() * scale, canvas.height() / 2 - middle.y() * scale)
            painter.scale(scale, scale)
            for k, (lines, colour, style) in enumerate(
                zip(made.lines, (REFERENCE, ALIGNED), (Qt.PenStyle.SolidLine, Qt.PenStyle.DashLine), strict=True)
            ):
                if row == 2 or row == k:
                    shade = QColor(colour)
                    shade.setAlpha(150 if row == 2 else 255)  # what differs is seen through them
                    # wider than one pixel of the screen, lines take four times as long to paint
                    fine = canvas.devicePixelRatioF() if lines.elementCount() < FEW_POINTS else 1.0
                    pen = QPen(shade, fine, style)
                    pen.setCosmetic(True)
                    painter.strokePath(lines, pen)
            painter.restore()
        if row == 2 and plane is self.area.shown()[0]:
            paint_chip(painter, self.rows[2])

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
        each, volumes, found = self.shown, self.volumes, self.alignment
        if each is None or each.difference is None or volumes is None or found is None:
            return None
        share = 1 - self.share_box.value() / 100
        aligned = volumes.aligned or volumes.reference
        first, second = self.levels.contrast, aligned.contrast(volumes.reference, self.levels.contrast)
        significant = self.overlay.isChecked() and volumes.z is not None
        told, pixel = found.told[0], volumes.difference.map.pixel_size_A
        return {
            "kind": "difference",
            "reference": str(found.reference or each.difference),
            "aligned": None if each.aligned is None else str(each.aligned),
            "difference": str(each.difference),
            "z": None if each.z_scores is None else str(each.z_scores),
            "as_z": self.as_z,
            "half_range": self.difference_contrast().high,
            "significant": self.z_box.value() if significant else None,
            "levels": [volumes.reference.level(share), aligned.level(share)] if self.contours.isChecked() else None,
            "position": list(self.current.voxel),
            "half_width": self.current.half_width,
            "cuts": [plane.name for plane in self.area.shown()],
            "title": f"Reference − {each.name}",
            "contrast": plain(first),
            "second": plain(second),
            # a figure has one for all maps: that of the difference, unless only the map's was told
            "pixel_size_A": told if told is not None and abs(told - pixel) < 1e-3 * pixel else None,
        }

    def state(self) -> dict[str, Any]:
        boxes = {name: box.value() for name, box in self._boxes().items()}
        toggles = {name: button.isChecked() for name, button in self._toggles().items()}
        return super().state() | boxes | toggles | {"as_z": self.scores.currentData() == "z"}

    def restore(self, state: dict[str, Any]) -> None:
        for name, box in self._boxes().items():
            box.setValue(float(state.get(name, box.value())))
        for name, button in self._toggles().items():
            button.setChecked(bool(state.get(name, button.isChecked())))
        self.scores.setCurrentIndex(int(bool(state.get("as_z", self.scores.currentData() == "z"))))
        self.recolour()
        super().restore(state)

    def _boxes(self) -> dict[str, QDoubleSpinBox]:
        return {"range": self.range_box, "enclosed": self.share_box, "least_z": self.z_box}

    def _toggles(self) -> dict[str, QToolButton]:
        return {"contours": self.contours, "significant": self.overlay, "dark": self.dark}


def significant(z: F32, threshold: float) -> QImage:
    """Return a picture that is clear where ``|z|`` is below a threshold, coloured by sign above it."""
    rgba = significance(z, threshold)
    return QImage(rgba.data, z.shape[1], z.shape[0], 4 * z.shape[1], QImage.Format.Format_RGBA8888).copy()


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
