"""Explorer: turn a map with the mouse and see its projection at that orientation, with the sphere beside it."""

from __future__ import annotations

from typing import Any

import numpy as np
from PySide6.QtCore import Qt, QTimer
from PySide6.QtGui import QGuiApplication, QHideEvent, QPainter, QPaintEvent, QResizeEvent
from PySide6.QtWidgets import (
    QLabel,
    QPushButton,
    QSplitter,
    QStackedLayout,
    QVBoxLayout,
    QWidget,
)

from emviewer.engine.errors import EmviewerError
from emviewer.engine.filters_display import Distribution, amplitude_spectrum, distribution, subsample
from emviewer.engine.symmetry import PointGroup, point_group
from emviewer.engine.task import Check
from emviewer.engine.types import Contrast, Map3D
from emviewer.ui.canvas import ImageCanvas
from emviewer.ui.latest import Latest, Throttle
from emviewer.ui.levels import LevelsWidget
from emviewer.ui.panels.base import Panel
from emviewer.ui.panels.explorer_actions import STEP_DEG, ExplorerActions
from emviewer.ui.panels.explorer_controls import ExplorerControls, ViewList
from emviewer.ui.panels.explorer_gallery import GalleryLink
from emviewer.ui.panels.explorer_orientation import View
from emviewer.ui.panels.explorer_overlays import paint_hint, paint_tripod
from emviewer.ui.panels.explorer_prepare import Turning
from emviewer.ui.panels.explorer_session import ExplorerSession
from emviewer.ui.panels.explorer_stage import Stage
from emviewer.ui.panels.slices_rings import paint_rings, spectrum_text
from emviewer.ui.panels.sphere import GROWING_MS, group_of
from emviewer.ui.runner import Runner
from emviewer.ui.sphere_view import SphereView
from emviewer.ui.workspace import Document, Workspace

REST_MS = 150
"""After this long without a movement the map rests, and is shown in full resolution."""


class ExplorerPanel(ExplorerActions, ExplorerSession, Panel):
    """Drag turns the map about the screen's axes, Shift or Alt drag in the plane, the wheel zooms."""

    kind = "explorer"
    heading = "Explorer"

    def __init__(self, workspace: Workspace, runner: Runner, parent: QWidget | None = None) -> None:
        super().__init__(workspace, runner, parent)
        self.canvas = ImageCanvas()
        self.sphere = SphereView()
        self.controls = ExplorerControls(self.sphere)
        self.levels = LevelsWidget()
        self.kept = ViewList()
        for widget in (self.levels, self.kept):
            self.destroyed.connect(widget.deleteLater)
        self.view = View()
        self.stage = Stage(runner, self)
        self._volume: Map3D | None = None
        self._views: dict[int, View] = {}
        self._contrasts: dict[tuple[int, bool], Contrast] = {}
        self._distributions: dict[bool, Distribution] = {}
        self._groups: dict[int, PointGroup] = {}
        self._lists: dict[int, list[View]] = {}
        self._restoring: dict[str, Any] | None = None
        self._resolution_A = 0.0
        self._spectrum = False
        self._turned_by_hand = False
        self.gallery = GalleryLink(
            workspace, self.sphere.set_directions, lambda view: self.set_view(view, moving=False)
        )
        self._growing = Throttle(self._find_gallery, GROWING_MS, self)
        self._pacer = Latest(runner, (id(self), "projection"))
        self._rest = QTimer(self)
        self._rest.setSingleShot(True)
        self._rest.setInterval(REST_MS)
        self._build()
        self._connect()
        self.show_document(None)

    def _build(self) -> None:
        self.setFocusProxy(self.canvas)
        self.canvas.free_drag = True
        self.canvas.wheel_zooms = True
        self.canvas.setAccessibleName("Projection")
        self.canvas.overlays = [self._paint_over]
        self.busy = QLabel()
        self.cancel_button = QPushButton("Cancel")
        self.empty = QLabel("Open a map to turn it and see its projections:\ndrop a file here, or press Ctrl+O.")
        self.empty.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.empty.setWordWrap(True)
        bar = QWidget(self.canvas)
        row = QVBoxLayout(bar)
        row.setContentsMargins(10, 8, 10, 8)
        self.busy.setStyleSheet("color: rgb(205, 209, 216)")
        row.addWidget(self.busy)
        row.addWidget(self.cancel_button, 0, Qt.AlignmentFlag.AlignLeft)
        self._busy_bar = bar
        bar.hide()
        self.splitter = QSplitter(Qt.Orientation.Horizontal)
        self.splitter.setChildrenCollapsible(False)
        self.splitter.addWidget(self.canvas)
        self.splitter.addWidget(self.sphere)
        self.splitter.setStretchFactor(0, 3)
        self.splitter.setStretchFactor(1, 2)
        self.splitter.setSizes([600, 400])
        content = QWidget()
        column = QVBoxLayout(content)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(self.splitter, 1)
        column.addWidget(self.controls)
        self._stack = QStackedLayout(self)
        self._stack.addWidget(self.empty)
        self._stack.addWidget(content)

    def _connect(self) -> None:
        self.canvas.dragged.connect(self._dragged)
        self.canvas.drag_ended.connect(lambda: self.gallery.follow(self.view.direction))
        self.canvas.levels_dragged.connect(self.levels.drag)
        self.canvas.stepped.connect(lambda k: self.set_view(self.view.turned(STEP_DEG * k, 0.0)))
        self.canvas.double_clicked.connect(lambda x, y: self.canvas.fit())
        self.canvas.hovered.connect(self._hovered)
        self.controls.view_typed.connect(self._go)
        self.controls.go_to.connect(self._go)
        self.sphere.direction_chosen.connect(lambda d: self._go(self.view.towards(d)))
        self.sphere.picked.connect(lambda index, modifiers: self.gallery.pick(index))
        self.controls.group_changed.connect(self._group_changed)
        self.controls.resolution_changed.connect(self._set_resolution)
        self.controls.add_wanted.connect(lambda: self.kept.add(self.view))
        self.controls.copy_wanted.connect(lambda: QGuiApplication.clipboard().setText(self.view.option()))
        self.controls.save_wanted.connect(self.do_save_view)
        self.kept.chosen.connect(self._go)
        self.levels.contrast_changed.connect(self._set_contrast)
        self.cancel_button.clicked.connect(self.cancel_preparation)
        self._rest.timeout.connect(lambda: self._ask(self.stage.best))
        self.stage.busy.connect(self._show_busy)
        self.stage.ready.connect(self._ready)
        self.stage.rested.connect(lambda: self._ask(self.stage.best))
        self.stage.failed.connect(self._failed)
        self.workspace.changed.connect(self._document_changed)
        self.workspace.added.connect(self._document_changed)
        self.workspace.removed.connect(self._document_removed)
        self.listen(self.workspace.row_changed, self.gallery.row_changed)

    # documents --------------------------------------------------------------------------------------------------
    @classmethod
    def accepts(cls, document: Document) -> bool:
        return document.volume is not None

    def show_document(self, document: Document | None) -> None:
        if document is not None and not self.accepts(document):
            document = None
        if self.document is not None:
            self._views[self.document.id] = self.view
            self._lists[self.document.id] = self.kept.views
        super().show_document(document)
        self._rest.stop()
        self._pacer.cancel()
        self._volume = document.volume if document is not None else None
        self.stage.set_volume(self._volume)
        self._spectrum = False
        self._distributions.clear()
        self._stack.setCurrentIndex(0 if self._volume is None else 1)
        self.levels.set_distribution(None)
        self.canvas.set_image(None)
        if document is None or self._volume is None:
            return
        self.canvas.pixel_size_A = self._volume.pixel_size_A if self._volume.pixel_size_known else None
        self.controls.resolution_box.setEnabled(self._volume.pixel_size_known)
        self.view = self._views.get(document.id, View())
        self.kept.set_views(self._lists.get(document.id, []))
        self.controls.set_group(self._groups.get(document.id) or known_group(self._volume.symmetry))
        if self._restoring is not None:
            self._take(self._restoring)
        self._find_gallery()
        self.controls.show_view(self.view)
        if self.isVisible():
            self.stage.want()

    def paintEvent(self, event: QPaintEvent) -> None:
        """Take up the preparation when the panel comes into sight (a tab that is raised is not told in another way)."""
        super().paintEvent(event)
        self.stage.want()

    def hideEvent(self, event: QHideEvent) -> None:
        super().hideEvent(event)
        self.stage.unwant()

    def _document_changed(self, document: Document) -> None:
        if self.document is None:
            return
        if document is self.document and document.volume is not self._volume:
            self.show_document(document)
        elif document.parent == self.document.id:
            if document.streaming:
                self._growing.ask()
            else:
                self._find_gallery()

    def _find_gallery(self) -> None:
        """Link the newest gallery of the map, and take its symmetry unless another was chosen."""
        self.gallery.find(self.document)
        found = self.gallery.gallery
        group = group_of(found, self.workspace) if found is not None else None
        if group is not None and self.document is not None and self.document.id not in self._groups:
            self.controls.set_group(group)
            self.controls.show_view(self.view)

    def _document_removed(self, document: Document) -> None:
        if document is self.document:
            self.show_document(None)
        for kept in (self._views, self._groups, self._lists):
            kept.pop(document.id, None)
        for spectrum in (False, True):
            self._contrasts.pop((document.id, spectrum), None)
        if document is self.gallery.gallery:
            self.gallery.find(self.document)

    # preparation ------------------------------------------------------------------------------------------------
    def cancel_preparation(self) -> None:
        """Stop preparing; Enter starts again."""
        self.stage.cancel()
        if self.stage.turning is None:
            self.canvas.set_message("Not prepared. Press Enter to prepare the projections.")

    def _ready(self, found: Distribution) -> None:
        self._distributions[False] = found
        self._show_levels()
        self._ask(self.stage.turning)

    def _failed(self, text: str) -> None:
        if self.stage.turning is None:
            self.canvas.set_message(f"The projections cannot be made: {text}")
        else:
            self.status.emit(f"The projection cannot be shown in full resolution: {text}")

    def _show_busy(self, text: str) -> None:
        self.busy.setText(text)
        self._busy_bar.setVisible(bool(text))
        self._busy_bar.adjustSize()
        self._busy_bar.move(4, 30)

    # turning ----------------------------------------------------------------------------------------------------
    def set_view(self, view: View, moving: bool = True) -> None:
        """Show another orientation; while ``moving`` a coarse image will do, and the full one follows at rest."""
        self.view = view
        self.controls.show_view(view)
        self._ask(self.stage.turning if moving else self.stage.best)
        if moving and self.stage.resting is not None:
            self._rest.start()

    def _go(self, view: View) -> None:
        self.set_view(view)
        self.gallery.follow(view.direction)

    def _ask(self, turning: Turning | None) -> None:
        if turning is None:
            return
        matrix, resolution, spectrum = self.view.matrix, self._resolution_A, self._spectrum

        def work(check: Check) -> tuple[np.ndarray, Turning, bool]:
            image = turning.image(matrix, resolution)
            return amplitude_spectrum(image) if spectrum else image, turning, spectrum

        self._pacer.ask(work, self._got_image, lambda error: self._failed(str(error)))

    def _got_image(self, made: tuple[np.ndarray, Turning, bool]) -> None:
        image, turning, spectrum = made
        if spectrum != self._spectrum or self._volume is None:
            return
        known, box = self._volume.pixel_size_known, float(turning.box)
        self.canvas.overlays = [paint_rings] if spectrum else [self._paint_over]
        self.canvas.show_scale_bar = not spectrum
        if spectrum:
            self.canvas.pixel_size_A = turning.pixel_size_A * turning.factor if known else None
            self.canvas.set_image(image)
            if True not in self._distributions:
                self._distributions[True] = distribution(subsample(image))
                self._show_levels()
        else:
            self.canvas.pixel_size_A = turning.pixel_size_A if known else None
            self.canvas.set_image(image, (box, box), turning.factor)
        rot, tilt, psi = self.view.angles
        coarse = f"   1/{turning.factor} resolution" if turning.factor > 1 else ""
        name = "|F|   " if spectrum else ""
        self.canvas.set_label(f"{name}rot {rot:.1f}°  tilt {tilt:.1f}°  psi {psi:.1f}°{coarse}")

    def _paint_over(self, painter: QPainter, canvas: ImageCanvas) -> None:
        paint_tripod(painter, canvas, self.view.matrix)
        if not self._turned_by_hand:  # the hint stays until it has been followed
            paint_hint(painter, canvas)

    def _choose_spectrum(self, on: bool) -> None:
        self._spectrum = on
        self._distributions.pop(True, None)
        if not on:
            self._show_levels()
        self._ask(self.stage.best)

    def _dragged(self, dx: float, dy: float, modifiers: Qt.KeyboardModifier) -> None:
        self._turned_by_hand = True
        unit = 180.0 / max(60.0, min(self.canvas.width(), self.canvas.height()))
        in_plane = Qt.KeyboardModifier.ShiftModifier | Qt.KeyboardModifier.AltModifier
        if modifiers & in_plane:
            self.set_view(self.view.spun(dx * unit))
        else:
            self.set_view(self.view.turned(dx * unit, dy * unit))

    def _set_resolution(self, resolution_A: float) -> None:
        self._resolution_A = resolution_A
        self._ask(self.stage.best)

    def _group_changed(self, group: PointGroup) -> None:
        if self.document is not None:
            self._groups[self.document.id] = group
        self.controls.show_view(self.view)

    # contrast and read-out --------------------------------------------------------------------------------------
    def _show_levels(self) -> None:
        found = self._distributions.get(self._spectrum)
        if self.document is None or found is None:
            return
        colours = "viridis" if self._spectrum else self.levels.contrast.colormap
        contrast = self._contrasts.setdefault(
            (self.document.id, self._spectrum), Contrast(found.auto_low, found.auto_high, colours)
        )
        self.levels.set_distribution(found)
        self.levels.set_contrast(contrast)
        self.canvas.set_contrast(contrast)

    def _set_contrast(self, contrast: Contrast) -> None:
        if self.document is not None:
            self._contrasts[self.document.id, self._spectrum] = contrast
        self.canvas.set_contrast(contrast)

    def _hovered(self, pixel: tuple[int, int] | None) -> None:
        if pixel is None or self._volume is None:
            self.status.emit("")
            return
        x, y = pixel
        size = self.canvas.pixel_size_A
        if self._spectrum and self.canvas.image is not None:
            self.status.emit(spectrum_text(self.canvas.image.shape, x, y, self.canvas.value_at(x, y), size))
            return
        lengths = f" ({x * size:.1f}, {y * size:.1f} Å)" if size else ""
        self.status.emit(f"x {x} y {y}{lengths}  {self.canvas.value_at(x, y):.4g}")

    # window -----------------------------------------------------------------------------------------------------
    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        tall = self.height() > 1.4 * self.width()
        self.splitter.setOrientation(Qt.Orientation.Vertical if tall else Qt.Orientation.Horizontal)

    def inspector(self) -> list[tuple[str, QWidget]]:
        return [("Levels", self.levels), ("Views", self.kept)]

    def picture_widget(self) -> QWidget:
        """Return what a picture of the panel shows."""
        return self.canvas


def known_group(name: str) -> PointGroup:
    """Return a point group, C1 for a name that is none."""
    try:
        return point_group(name)
    except EmviewerError:
        return point_group("C1")
