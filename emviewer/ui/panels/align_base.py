"""What panels of cuts over an alignment share: the cursor, the layout, the map shown, reading in the lanes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from PySide6.QtCore import QSignalBlocker, Qt
from PySide6.QtWidgets import QComboBox, QLabel, QSizePolicy, QStackedLayout, QVBoxLayout, QWidget

from emviewer.engine.task import Check
from emviewer.ui import results_align
from emviewer.ui.canvas import LABEL, Crosshair, ImageCanvas
from emviewer.ui.flow_layout import FlowLayout
from emviewer.ui.latest import Latest
from emviewer.ui.levels import LevelsWidget
from emviewer.ui.panels.align_grid import CutsGrid
from emviewer.ui.panels.align_volumes import Volume
from emviewer.ui.panels.base import Panel
from emviewer.ui.panels.shell import ask_and_write_report
from emviewer.ui.panels.slices_actions import SlicesActions
from emviewer.ui.panels.slices_area import AXIS_COLOURS
from emviewer.ui.panels.slices_controls import CutControls
from emviewer.ui.panels.slices_state import AXES, PLANES, Layout, Plane, SliceState
from emviewer.ui.results_align import AlignedMap, Alignment
from emviewer.ui.runner import Runner
from emviewer.ui.workspace import Document, Workspace


class AlignCutsPanel(SlicesActions, Panel):
    """Base of the alignment and difference panels; subclasses give rows, read volumes and paint cuts."""

    rows: tuple[str, ...] = ()
    nothing = ""

    def __init__(self, workspace: Workspace, runner: Runner, parent: QWidget | None = None) -> None:
        super().__init__(workspace, runner, parent)
        self.area = CutsGrid(self.rows, self.make_canvas)
        self.controls = CutControls()
        self.controls.spectrum_button.hide()
        self.levels = LevelsWidget()
        self.destroyed.connect(self.levels.deleteLater)
        self.maps = QComboBox()
        self.maps.setAccessibleName("Map shown")
        self.maps.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToContents)
        self.reference: Volume | None = None
        self.current = SliceState.of((1, 1, 1))
        self._loaded: tuple[Any, ...] = ()
        self._pacers = {p.name: Latest(runner, (id(self), "cut", p.name)) for p in PLANES}
        self._restoring: dict[str, Any] | None = None
        self._hover: tuple[Plane, int, int] | None = None
        self._build()
        self._connect()
        workspace.changed.connect(self._document_changed)
        self.show_document(None)

    def _build(self) -> None:
        self.empty = QLabel(self.nothing)
        self.empty.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.empty.setWordWrap(True)
        self.content = QWidget()
        column = QVBoxLayout(self.content)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        holder = QWidget()
        holder.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Minimum)
        self.bar = FlowLayout(holder)
        self.bar.setContentsMargins(6, 4, 6, 4)
        self.bar.addWidget(self.maps)
        column.addWidget(holder)
        column.addWidget(self.area, 1)
        column.addWidget(self.controls)
        self._stack = QStackedLayout(self)
        self._stack.addWidget(self.empty)
        self._stack.addWidget(self.content)

    def _connect(self) -> None:
        for plane in PLANES:
            for canvas in self.area.canvases(plane):
                canvas.stepped.connect(lambda steps, plane=plane: self._step(plane.normal, steps))
                canvas.pointed.connect(lambda x, y, plane=plane: self.point(plane, x, y))
                canvas.hovered.connect(lambda pixel, plane=plane: self._hovered(plane, pixel))
                canvas.levels_dragged.connect(self.levels.drag)
                canvas.double_clicked.connect(lambda x, y, plane=plane: self._centre(plane, x, y))
        self.levels.contrast_changed.connect(lambda _: self.recolour())
        self.controls.moved.connect(lambda axis, index: self._change(self.current.at(axis, index)))
        self.controls.slab_changed.connect(lambda k: self._change(replace(self.current, half_width=k)))
        self.controls.layout_chosen.connect(self._choose_layout)
        self.controls.crosshair_chosen.connect(lambda _: self._show_state())
        self.maps.activated.connect(lambda _: self.show_map(str(self.maps.currentData())))
        self.area.on_view = self._show_labels

    def make_canvas(self) -> ImageCanvas:
        """Return a canvas of the grid."""
        return ImageCanvas()

    # documents ------------------------------------------------------------------------------------------------------
    @property
    def alignment(self) -> Alignment | None:
        """The alignment of the document."""
        return results_align.of(self.document)

    @property
    def shown(self) -> AlignedMap | None:
        """The map shown."""
        return None if self.alignment is None else self.alignment.current

    def show_document(self, document: Document | None) -> None:
        if document is not None and not self.accepts(document):
            document = None
        super().show_document(document)
        self._refresh()

    def _document_changed(self, document: Document) -> None:
        if document is self.document:
            self._refresh()

    def show_map(self, name: str) -> None:
        """Let all panels of the alignment show another of its maps."""
        if self.alignment is not None and self.document is not None and name in self.alignment.maps:
            self.alignment.shown = name
            self.workspace.touch(self.document)

    def _refresh(self) -> None:
        """Take in what the document has become; volumes are read again only if they are others."""
        self._show_maps()
        wanted = self.wanted()
        if not wanted:
            self._forget()
            self.empty.setText(self.nothing_text())
            self._stack.setCurrentIndex(0)
            return
        self._stack.setCurrentIndex(1)
        self.show_facts()
        if wanted == self._loaded:
            return
        self._forget()
        self._loaded = wanted
        for canvas in self.area.cells.values():
            canvas.set_message("Reading…")
        self.runner.view((id(self), "volumes"), self.reading(wanted), self._got, fail=self._failed, slow=True)

    def _forget(self) -> None:
        for pacer in self._pacers.values():
            pacer.cancel()
        self.runner.drop_views(id(self))
        self._loaded, self.reference, self._hover = (), None, None

    def _show_maps(self) -> None:
        names = [] if self.alignment is None else list(self.alignment.maps)
        self.maps.setVisible(len(names) > 1)
        with QSignalBlocker(self.maps):
            if names != [self.maps.itemData(i) for i in range(self.maps.count())]:
                self.maps.clear()
                for name in names:
                    self.maps.addItem(name, name)
            if self.alignment is not None:
                self.maps.setCurrentIndex(self.maps.findData(self.alignment.shown))

    def _got(self, read: Any) -> None:
        reference = self.take(read)
        self.reference = reference
        size = SliceState.of(reference.map.shape)
        if size.size != self.current.size:
            self.current = size
        if self._restoring is not None:
            self.current = self.current.taking(self._restoring)
            self._restoring = None
        self._show_state()

    def _failed(self, error: Exception) -> None:
        for canvas in self.area.cells.values():
            canvas.set_message(f"These maps cannot be shown: {error}")

    # what subclasses give -------------------------------------------------------------------------------------------
    def wanted(self) -> tuple[Any, ...]:
        """Return what must be read for the map shown; empty while there is nothing to show."""
        raise NotImplementedError

    def reading(self, wanted: tuple[Any, ...]) -> Callable[[Check], Any]:
        """Return what reads, in a lane, what :meth:`wanted` named; it must not look at widgets."""
        raise NotImplementedError

    def take(self, read: Any) -> Volume:
        """Keep what was read and return the reference, whose grid all cuts are on."""
        raise NotImplementedError

    def cutting(self, state: SliceState) -> Callable[[Plane, Check], Any]:
        """Return what cuts a plane in the view lane, as widgets and maps stand now; it must not look at widgets."""
        raise NotImplementedError

    def got_cut(self, plane: Plane, made: Any) -> None:
        """Show the cuts of a plane."""
        raise NotImplementedError

    def recolour(self) -> None:
        """Show with another contrast."""

    def show_facts(self) -> None:
        """Write what is known about the map shown."""

    def nothing_text(self) -> str:
        """Return what is said in place of pictures."""
        document = self.document
        if document is None:
            return self.nothing
        if document.streaming:
            return "Reading the maps…"
        if document.info.get("Status") == "partial" and not (self.alignment and self.alignment.maps):
            return "The job ended before it had aligned a map."
        return "This result has nothing to show here."

    def label(self, row: int) -> str:
        """Return what the cuts of a row are called."""
        return self.rows[row]

    # state ----------------------------------------------------------------------------------------------------------
    def can(self, action: str) -> bool:
        """Return whether this panel knows an action; it has no spectra."""
        return action != "spectrum" and super().can(action)

    def _change(self, state: SliceState) -> None:
        if state != self.current:
            self.current = state
            self._show_state()

    def _step(self, axis: int, steps: int) -> None:
        state = replace(self.current, active=axis)
        self._change(state.at(axis, state.voxel[axis] + steps))

    def point(self, plane: Plane, x: int, y: int) -> None:
        """Bring the cursor to a pixel of a cut."""
        self._change(replace(self.current, active=plane.normal).at(plane.across, x).at(plane.down, y))
        self._hovered(plane, (x, y))

    def go_to(self, voxel: tuple[float, float, float]) -> None:
        """Bring the cursor to a voxel (x, y, z)."""
        state = self.current
        for axis, value in enumerate(voxel):
            state = state.at(axis, round(value))
        self._change(state)

    def _centre(self, plane: Plane, x: int, y: int) -> None:
        self.point(plane, x, y)
        self.area.set_view(self.area.scale, [v + 0.5 for v in self.current.voxel])

    def _choose_layout(self, layout: Layout) -> None:
        state = replace(self.current, layout=layout)
        self._change(state if layout == "three" else replace(state, active=AXES.index(layout)))

    def _choose_spectrum(self, on: bool) -> None:
        """Cuts of several maps have no spectra here."""

    def _pixel_size(self) -> float | None:
        known = self.reference is not None and self.reference.map.pixel_size_known
        return self.reference.map.pixel_size_A if known and self.reference is not None else None

    def _show_state(self, read: bool = True) -> None:
        if self.reference is None:
            return
        state, pixel = self.current, self._pixel_size()
        self.area.arrange(state.size, state.layout)
        self.setFocusProxy(self.area.cells[self.area.rows()[0], self.area.shown()[0].name])
        self.controls.show_state(state, pixel)
        for plane in PLANES:
            cross = Crosshair(
                state.voxel[plane.across], state.voxel[plane.down], AXIS_COLOURS[plane.across], AXIS_COLOURS[plane.down]
            )
            for row, canvas in enumerate(self.area.canvases(plane)):
                canvas.pixel_size_A = pixel
                canvas.show_scale_bar = plane is self.area.shown()[0] and row == self.area.rows()[0]
                canvas.set_crosshair(cross if self.controls.crosshair_button.isChecked() else None)
        self._show_labels()
        if read:
            self.ask()

    def ask(self) -> None:
        """Ask the view lane for the cuts that are shown."""
        if self.reference is None:
            return
        cut = self.cutting(self.current)
        for plane in self.area.shown():
            self._pacers[plane.name].ask(
                lambda check, plane=plane: cut(plane, check),
                lambda made, plane=plane: self.got_cut(plane, made) if self.reference is not None else None,
                self._failed,
            )

    def _show_labels(self) -> None:
        if self.reference is None:
            return
        state, pixel = self.current, self._pixel_size()
        for plane in PLANES:
            index = state.voxel[plane.normal]
            slab = f" ±{state.half_width}" if state.half_width else ""
            for row, canvas in enumerate(self.area.canvases(plane)):
                first = row == self.area.rows()[0]
                length = f", {index * pixel:.1f} Å" if pixel and canvas.width() > 260 else ""
                where = f"   {plane.name} {AXES[plane.normal]} {index}{slab}{length}" if first else ""
                colour = AXIS_COLOURS[plane.normal] if plane.normal == state.active and first else LABEL
                named = plane is self.area.shown()[0]
                canvas.set_label(f"{self.label(row) if named else ''}{where}".strip(), colour)

    def _hovered(self, plane: Plane, pixel: tuple[int, int] | None) -> None:
        if pixel is None or self.reference is None:
            self._hover = None
            self.status.emit("")
            return
        self._hover = (plane, *pixel)
        size = self._pixel_size()
        at = self.current.at(plane.across, pixel[0]).at(plane.down, pixel[1])
        x, y, z = at.at(plane.normal, self.current.voxel[plane.normal]).voxel
        lengths = f" ({', '.join(f'{v * size:.1f}' for v in (x, y, z))} Å)" if size else ""
        cells = [(name, self.area.cells[row, plane.name]) for row, name in enumerate(self.rows)]
        values = [f"{name.lower()} {cell.value_at(*pixel):.4g}" for name, cell in cells if cell.image is not None]
        self.status.emit(f"x {x} y {y} z {z}{lengths}   {'   '.join(values)}")

    # window ---------------------------------------------------------------------------------------------------------
    def inspector(self) -> list[tuple[str, QWidget]]:
        return [("Levels", self.levels)]

    def ask_report(self) -> None:
        """Ask where the report of the result goes, and write it."""
        ask_and_write_report(self, results_align.report_spec(self.alignment))

    def picture_widget(self) -> QWidget:
        """Return what a picture of the panel shows."""
        return self.area

    def state(self) -> dict[str, Any]:
        return self.current.plain() | {"map": "" if self.alignment is None else self.alignment.shown}

    def restore(self, state: dict[str, Any]) -> None:
        if state.get("map"):
            self.show_map(str(state["map"]))
        if self.reference is None:
            self._restoring = state
        else:
            self._change(self.current.taking(state))
