"""Slices: three linked orthogonal cuts of a map with one crosshair and one contrast."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QLabel, QStackedLayout, QVBoxLayout, QWidget

from emviewer.engine.filters_display import Distribution, distribution, map_distribution, subsample
from emviewer.engine.types import Contrast, Map3D
from emviewer.ui.canvas import LABEL, Crosshair
from emviewer.ui.latest import Latest
from emviewer.ui.levels import LevelsWidget
from emviewer.ui.panels.base import Panel
from emviewer.ui.panels.slices_actions import SlicesActions
from emviewer.ui.panels.slices_area import AXIS_COLOURS, CutsArea
from emviewer.ui.panels.slices_controls import CutControls
from emviewer.ui.panels.slices_read import CutReader, warm
from emviewer.ui.panels.slices_rings import paint_rings, spectrum_text
from emviewer.ui.panels.slices_state import AXES, PLANES, Layout, Plane, SliceState
from emviewer.ui.runner import Runner
from emviewer.ui.workspace import Document, Workspace


class SlicesPanel(SlicesActions, Panel):
    """Three linked cuts: wheel steps, Ctrl+wheel zooms, left drag moves the crosshair, right drag the levels."""

    kind = "slices"
    heading = "Slices"

    def __init__(self, workspace: Workspace, runner: Runner, parent: QWidget | None = None) -> None:
        super().__init__(workspace, runner, parent)
        self.area = CutsArea()
        self.controls = CutControls()
        self.levels = LevelsWidget()
        self.destroyed.connect(self.levels.deleteLater)
        self._states: dict[int, SliceState] = {}
        self._contrasts: dict[tuple[int, bool], Contrast] = {}
        self._volume: Map3D | None = None
        self._reader: CutReader | None = None
        self._distribution: Distribution | None = None
        self._spectrum_distribution: Distribution | None = None
        self._asked: dict[str, tuple[int, int, bool]] = {}
        self._hover: tuple[Plane, int, int] | None = None
        self._pacers = {p.name: Latest(runner, (id(self), "cut", p.name)) for p in PLANES}
        self._restoring: dict[str, Any] | None = None
        self._build()
        self._connect()
        workspace.changed.connect(self._document_changed)
        workspace.removed.connect(self._document_removed)
        self.show_document(None)

    def _build(self) -> None:
        self.empty = QLabel("Open a map to see its cuts:\ndrop a file here, or press Ctrl+O.")
        self.empty.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.empty.setWordWrap(True)
        content = QWidget()
        column = QVBoxLayout(content)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(self.area, 1)
        column.addWidget(self.controls)
        self._stack = QStackedLayout(self)
        self._stack.addWidget(self.empty)
        self._stack.addWidget(content)

    def _connect(self) -> None:
        for plane in PLANES:
            canvas = self.area.canvases[plane.name]
            canvas.auto_fit = False
            canvas.stepped.connect(lambda steps, plane=plane: self._step(plane.normal, steps))
            canvas.pointed.connect(lambda x, y, plane=plane: self._point(plane, x, y))
            canvas.hovered.connect(lambda pixel, plane=plane: self._hovered(plane, pixel))
            canvas.levels_dragged.connect(self.levels.drag)
            canvas.double_clicked.connect(lambda x, y, plane=plane: self._centre(plane, x, y))
        self.levels.contrast_changed.connect(self._set_contrast)
        self.controls.moved.connect(lambda axis, index: self._change(self.current.at(axis, index)))
        self.controls.slab_changed.connect(lambda k: self._change(replace(self.current, half_width=k)))
        self.controls.layout_chosen.connect(self._choose_layout)
        self.controls.spectrum_chosen.connect(self._choose_spectrum)
        self.controls.crosshair_chosen.connect(lambda _: self._show_state())
        self.area.on_view = self._show_labels

    # documents --------------------------------------------------------------------------------------------------
    @classmethod
    def accepts(cls, document: Document) -> bool:
        return document.volume is not None

    def show_document(self, document: Document | None) -> None:
        if document is not None and not self.accepts(document):
            document = None
        super().show_document(document)
        for pacer in self._pacers.values():
            pacer.cancel()
        self.runner.drop_views(id(self))
        self._asked.clear()
        self._distribution = self._spectrum_distribution = None
        self._hover = None
        self._volume = document.volume if document is not None else None
        self._reader = CutReader(self._volume.data) if self._volume is not None else None
        if document is None or self._volume is None:
            self._stack.setCurrentIndex(0)
            self.levels.set_distribution(None)
            return
        volume = self._volume
        if document.id not in self._states or self._states[document.id].size != volume.shape[::-1]:
            self._states[document.id] = SliceState.of(volume.shape)
        self._stack.setCurrentIndex(1)
        if self._restoring is not None:
            self._take(self._restoring)
        for canvas in self.area.canvases.values():
            canvas.set_image(None)
            canvas.message = "Reading…"
        self._show_state(read=False)
        self.runner.view(
            (id(self), "levels"),
            lambda check: map_distribution(volume.data),
            self._got_distribution,
            fail=self._failed,
        )

    def show_instead(self, document: Document) -> None:
        """Show a map in the place of another: where it has the same box the cuts stay, its contrast is its own."""
        before, volume = self.document, document.volume
        if before is not None and volume is not None and self._volume is not None and before.id in self._states:
            state = self._states.pop(before.id)
            self._contrasts.pop((before.id, False), None)
            if volume.shape == self._volume.shape:
                self._states[document.id] = state
        self.show_document(document)

    def _document_changed(self, document: Document) -> None:
        if document is self.document and document.volume is not self._volume:
            self.show_document(document)

    def _document_removed(self, document: Document) -> None:
        self._states.pop(document.id, None)
        for spectrum in (False, True):
            self._contrasts.pop((document.id, spectrum), None)
        if document is self.document:
            self.show_document(None)

    def _got_distribution(self, found: Distribution) -> None:
        assert self.document is not None
        self._distribution = found
        key = (self.document.id, False)
        self._contrasts.setdefault(key, Contrast(found.auto_low, found.auto_high))
        self._show_levels()
        self._read()
        volume = self._volume
        if volume is not None:
            self.runner.view((id(self), "warm"), lambda check: warm(volume.data, check), lambda done: None, slow=True)

    def _failed(self, error: Exception) -> None:
        for canvas in self.area.canvases.values():
            canvas.set_message(f"This map cannot be read: {error}")

    # state ------------------------------------------------------------------------------------------------------
    @property
    def current(self) -> SliceState:
        """Where the cuts stand."""
        if self.document is None:
            return SliceState.of((1, 1, 1))
        return self._states[self.document.id]

    @property
    def contrast(self) -> Contrast:
        """The contrast of what is shown (spectra have their own)."""
        return self.levels.contrast

    def _change(self, state: SliceState) -> None:
        if self.document is None or state == self.current:
            return
        self._states[self.document.id] = state
        self._show_state()

    def _step(self, axis: int, steps: int) -> None:
        state = replace(self.current, active=axis)
        self._change(state.at(axis, state.voxel[axis] + steps))

    def _point(self, plane: Plane, x: int, y: int) -> None:
        if self.current.spectrum:
            return
        self._change(replace(self.current, active=plane.normal).at(plane.across, x).at(plane.down, y))
        self._hovered(plane, (x, y))

    def _centre(self, plane: Plane, x: int, y: int) -> None:
        self._point(plane, x, y)
        self.area.set_view(self.area.scale, [v + 0.5 for v in self.current.voxel])

    def _choose_layout(self, layout: Layout) -> None:
        state = replace(self.current, layout=layout)
        self._change(state if layout == "three" else replace(state, active=AXES.index(layout)))

    def _choose_spectrum(self, on: bool) -> None:
        self._spectrum_distribution = None
        self._change(replace(self.current, spectrum=on))
        self._show_levels()

    def _show_state(self, read: bool = True) -> None:
        if self._volume is None:
            return
        state = self.current
        self.area.arrange(state.size, state.layout)
        self.setFocusProxy(self.area.canvases[self.area.shown()[0].name])
        pixel = self._pixel_size()
        self.controls.show_state(state, pixel)
        crosshair = self.controls.crosshair_button.isChecked() and not state.spectrum
        for plane in PLANES:
            canvas = self.area.canvases[plane.name]
            canvas.pixel_size_A = pixel
            canvas.show_scale_bar = not state.spectrum
            canvas.overlays = [paint_rings] if state.spectrum else []
            canvas.set_crosshair(
                Crosshair(
                    state.voxel[plane.across],
                    state.voxel[plane.down],
                    AXIS_COLOURS[plane.across],
                    AXIS_COLOURS[plane.down],
                )
                if crosshair
                else None
            )
        self._show_labels()
        if read and self._distribution is not None:
            self._read()

    def _show_labels(self) -> None:
        if self._volume is None:
            return
        state, pixel = self.current, self._pixel_size()
        for plane in PLANES:
            canvas = self.area.canvases[plane.name]
            index = state.voxel[plane.normal]
            length = f", {index * pixel:.1f} Å" if pixel and canvas.width() > 190 else ""
            name = f"|F| {plane.name}" if state.spectrum else plane.name
            slab = f" ±{state.half_width}" if state.half_width else ""
            colour = AXIS_COLOURS[plane.normal] if plane.normal == state.active else LABEL
            canvas.set_label(f"{name}   {AXES[plane.normal]} {index}{slab}{length}", colour)
            canvas.setAccessibleDescription(f"{AXES[plane.normal]} {index} of {state.size[plane.normal]}")
        self.area.corner.show_state(state, self._lines())

    def _lines(self) -> list[str]:
        state, pixel = self.current, self._pixel_size()
        x, y, z = state.voxel
        lines = [f"x {x}   y {y}   z {z}"]
        if pixel:
            lines.append(f"{x * pixel:.1f}, {y * pixel:.1f}, {z * pixel:.1f} Å")
        xy = self.area.canvases["XY"].image
        if xy is not None and not state.spectrum and xy.shape == (state.size[1], state.size[0]):
            lines.append(f"value {xy[y, x]:.4g}" + (" (slab mean)" if state.half_width else ""))
        return lines

    def _pixel_size(self) -> float | None:
        volume = self._volume
        return volume.pixel_size_A if volume is not None and volume.pixel_size_known else None

    # reading ----------------------------------------------------------------------------------------------------
    def _read(self) -> None:
        if self._reader is None:
            return
        state, reader = self.current, self._reader
        for plane in self.area.shown():
            wanted = (state.voxel[plane.normal], state.half_width, state.spectrum)
            if self._asked.get(plane.name) == wanted:
                continue
            self._asked[plane.name] = wanted
            self._pacers[plane.name].ask(
                lambda check, plane=plane, w=wanted: reader.view(plane, *w, check),
                lambda made, plane=plane, w=wanted: self._got_cut(plane, *made, w),
                self._failed,
            )

    def _got_cut(
        self, plane: Plane, image: np.ndarray, reduced: dict[int, np.ndarray], what: tuple[int, int, bool]
    ) -> None:
        canvas = self.area.canvases[plane.name]
        canvas.set_image(image, reduced=reduced)
        if what[2] and self.current.spectrum and self._spectrum_distribution is None:
            self._spectrum_distribution = distribution(subsample(image))
            self._show_levels()
        if plane.name == "XY":
            self.area.corner.show_state(self.current, self._lines())
        if self._hover is not None and self._hover[0] is plane:
            self._hovered(plane, self._hover[1:])

    # contrast ---------------------------------------------------------------------------------------------------
    def _show_levels(self) -> None:
        if self.document is None:
            return
        spectrum = self.current.spectrum
        found = self._spectrum_distribution if spectrum else self._distribution
        if found is None:
            return
        default = Contrast(found.auto_low, found.auto_high, "viridis" if spectrum else self.contrast.colormap)
        contrast = self._contrasts.setdefault((self.document.id, spectrum), default)
        self.levels.set_distribution(found)
        self.levels.set_contrast(contrast)
        for canvas in self.area.canvases.values():
            canvas.set_contrast(contrast)

    def _set_contrast(self, contrast: Contrast) -> None:
        if self.document is not None:
            self._contrasts[self.document.id, self.current.spectrum] = contrast
        for canvas in self.area.canvases.values():
            canvas.set_contrast(contrast)

    # read-out ---------------------------------------------------------------------------------------------------
    def _hovered(self, plane: Plane, pixel: tuple[int, int] | None) -> None:
        if pixel is None or self._volume is None:
            self._hover = None
            self.status.emit("")
            return
        x, y = pixel
        self._hover = (plane, x, y)
        state = replace(self.current, active=plane.normal)
        if self.document is not None and state != self.current:
            self._states[self.document.id] = state
            self._show_labels()
        value = self.area.canvases[plane.name].value_at(x, y)
        size = self._pixel_size()
        if state.spectrum:
            shape = (state.size[plane.down], state.size[plane.across])
            self.status.emit(spectrum_text(shape, x, y, value, size))
            return
        at = state.at(plane.across, x).at(plane.down, y).voxel
        lengths = f" ({', '.join(f'{v * size:.1f}' for v in at)} Å)" if size else ""
        self.status.emit(f"x {at[0]} y {at[1]} z {at[2]}{lengths}  {value:.4g}")

    # window -----------------------------------------------------------------------------------------------------
    def inspector(self) -> list[tuple[str, QWidget]]:
        return [("Levels", self.levels)]

    def picture_widget(self) -> QWidget:
        """Return what a picture of the panel shows."""
        return self.area

    def figure_spec(self) -> dict[str, Any] | None:
        volume, state, c = self._volume, self.current, self.contrast
        if volume is None or volume.source is None or state.spectrum:
            return None
        spec: dict[str, Any] = {
            "kind": "slices",
            "map": str(volume.source),
            "position": list(state.voxel),
            "half_width": state.half_width,
            "cuts": [plane.name for plane in self.area.shown()],
            "crosshair": self.controls.crosshair_button.isChecked(),
            "contrast": {"low": c.low, "high": c.high, "colormap": c.colormap, "inverted": c.inverted},
        }
        resampled = any("resampled" in note for note in volume.notes)
        if volume.pixel_size_known and not resampled:
            spec["pixel_size_A"] = volume.pixel_size_A
        if self.document is not None and "_resolution" in self.document.info:
            spec["resolution_A"] = self.document.info["_resolution"]
        return spec

    def state(self) -> dict[str, Any]:
        if self.document is None:
            return {}
        c = self._contrasts.get((self.document.id, False))
        view = None if self.area.fitted else {"scale": self.area.scale, "centre": list(self.area.centre)}
        return self.current.plain() | {
            "contrast": None if c is None else [c.low, c.high, c.colormap, c.inverted],
            "view": view,
        }

    def restore(self, state: dict[str, Any]) -> None:
        if self.document is None:
            self._restoring = state
        else:
            self._take(state)
            self._show_state()
            self._show_levels()

    def _take(self, state: dict[str, Any]) -> None:
        assert self.document is not None
        self._restoring = None
        self._states[self.document.id] = self.current.taking(state)
        c = state.get("contrast")
        if isinstance(c, (list, tuple)) and len(c) == 4:
            restored = Contrast(float(c[0]), float(c[1]), str(c[2]), bool(c[3]))
            self._contrasts[self.document.id, False] = restored
        self.area.arrange(self.current.size, self.current.layout)
        view = state.get("view")
        if isinstance(view, dict):
            self.area.set_view(float(view["scale"]), [float(v) for v in view["centre"]])
