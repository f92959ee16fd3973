"""Surface: maps as contour surfaces in three dimensions, where OpenGL can be had."""

from __future__ import annotations

import functools
import importlib
import importlib.util
from typing import Any

import numpy as np
from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication, QOpenGLContext, QVector3D
from PySide6.QtWidgets import QCheckBox, QHBoxLayout, QLabel, QSlider, QVBoxLayout, QWidget

from emviewer.engine.task import Check
from emviewer.engine.types import Map3D, RigidTransform
from emviewer.ui import results_align
from emviewer.ui.latest import Latest
from emviewer.ui.panels.align_volumes import Told
from emviewer.ui.panels.base import Panel
from emviewer.ui.panels.surface_mesh import Contoured, Source, contour, mesh
from emviewer.ui.runner import Runner
from emviewer.ui.workspace import Document, Workspace

CYAN, RED = (0.35, 0.78, 0.82, 1.0), (0.93, 0.42, 0.36, 0.55)
BACKGROUND = (17, 18, 21)
SLIDER = 1000
LEAST, MOST = 0.1, 20.0
"""Percent of the box that the surface encloses, at the ends of the slider."""


@functools.cache
def has_gl() -> bool:
    """Return whether views with OpenGL can be made here: the library, a platform for it, and contexts that share."""
    if not QGuiApplication.testAttribute(Qt.ApplicationAttribute.AA_ShareOpenGLContexts):
        return False
    if importlib.util.find_spec("OpenGL") is None or QGuiApplication.platformName() in ("offscreen", "minimal"):
        return False
    return bool(QOpenGLContext().create())


class SurfacePanel(Panel):
    """One map, or the reference and the moving map of an alignment; drag turns, wheel zooms, the slider contours."""

    kind = "surface"
    heading = "Surface"

    def __init__(self, workspace: Workspace, runner: Runner, parent: QWidget | None = None) -> None:
        super().__init__(workspace, runner, parent)
        self.view: Any = None
        self.items: list[Any] = []
        self.message = QLabel("Preparing the view…")
        self.message.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.slider = QSlider(Qt.Orientation.Horizontal)
        self.slider.setRange(0, SLIDER)
        self.slider.setValue(500)
        self.slider.setAccessibleName("Contour level")
        self.slider.setToolTip("The volume that the surfaces enclose: the same for both maps")
        self.slider.valueChanged.connect(lambda _: self.ask())
        self.slider.sliderReleased.connect(self.ask)
        self.said = QLabel()
        self.shows = [QCheckBox("Reference"), QCheckBox("Moving map")]
        for box in self.shows:
            box.setChecked(True)
            box.toggled.connect(lambda _: self._show_items())
        row = QHBoxLayout()
        row.setSpacing(8)
        row.setContentsMargins(8, 4, 8, 4)
        row.addWidget(QLabel("Contour"))
        row.addWidget(self.slider, 1)
        row.addWidget(self.said)
        for box in self.shows:
            row.addWidget(box)
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(0, 0, 0, 0)
        self._column.setSpacing(0)
        self._column.addWidget(self.message, 1)
        self._column.addLayout(row)
        self.maps: tuple[Contoured | None, Contoured | None] = (None, None)
        self._loaded: tuple[Source | None, Source | None] | None = None
        self._made = [False, False]
        self._look_anew = True
        self._shown_motion: RigidTransform | None = None
        self._pacer = Latest(runner, (id(self), "surface"), slow=True)
        workspace.changed.connect(self._changed)
        # half a second of imports: not on the thread that answers hands
        runner.view((id(self), "import"), lambda check: importlib.import_module("pyqtgraph.opengl"), self._build_view,
                    fail=lambda error: self.message.setText(str(error)), slow=True)  # fmt: skip

    def _build_view(self, gl: Any) -> None:
        self.view = gl.GLViewWidget()
        self.view.setBackgroundColor(BACKGROUND)
        self.view.setAccessibleName("Contour surfaces")
        for colour, blend in ((CYAN, opaque()), (RED, veil())):
            item = gl.GLMeshItem(smooth=True, shader="shaded", color=colour, computeNormals=True, glOptions=blend)
            item.setVisible(False)
            self.view.addItem(item)
            self.items.append(item)
        self._column.replaceWidget(self.message, self.view)
        self._column.setStretchFactor(self.view, 1)
        self.message.deleteLater()
        self.ask()

    @classmethod
    def accepts(cls, document: Document) -> bool:
        found = results_align.of(document)
        return has_gl() and (document.volume is not None or (found is not None and found.job == "align"))

    def show_document(self, document: Document | None) -> None:
        super().show_document(document if document is not None and self.accepts(document) else None)
        self._refresh()

    def _changed(self, document: Document) -> None:
        if document is self.document:
            self._refresh()

    def _sources(self) -> tuple[Source | None, Source | None]:
        """Return what is to be contoured."""
        document, found = self.document, results_align.of(self.document)
        if document is None:
            return None, None
        if found is None or found.current is None:
            return (None if document.volume is None else Source(document.volume)), None
        told = Told.of(found.parameters)
        each = found.current
        given = found.parameters.get("reference") or found.reference
        reference = found.reference if given is None or not results_align.is_there(given) else given
        moving = each.moving or each.aligned
        return (
            None if reference is None else Source(reference, told),
            None if moving is None else Source(moving, told, each.size if each.moving else 1.0),
        )

    def motion(self) -> RigidTransform | None:
        """Return where the moving map lies; None as it is."""
        found = results_align.of(self.document)
        each = None if found is None else found.current
        return None if each is None or each.moving is None else each.motion

    def _refresh(self) -> None:
        wanted = self._sources()
        self.shows[1].setVisible(wanted[1] is not None)
        self.shows[0].setVisible(wanted[1] is not None)
        if wanted != self._loaded:
            self._loaded = wanted
            self.maps = (None, None)
            self._pacer.cancel()
            self._made = [False, False]
            self._show_items()
            self.said.setText("Reading…" if wanted[0] is not None else "")
            self.runner.view(
                (id(self), "maps"),
                lambda check: tuple(None if w is None else w.read(check) for w in wanted),
                self._got,
                fail=lambda error: self.said.setText(str(error)),
                slow=True,
            )
        elif not _same(self.motion(), self._shown_motion):
            self.ask()

    def _got(self, maps: tuple[Contoured | None, Contoured | None]) -> None:
        self.maps = maps
        self._look_anew = True
        self.ask()

    def percent(self) -> float:
        """Return how much of the box the surfaces enclose."""
        return float(LEAST * (MOST / LEAST) ** (self.slider.value() / SLIDER))

    def ask(self) -> None:
        """Contour the maps anew."""
        maps, percent, motion = self.maps, self.percent(), self.motion()
        self._shown_motion = motion
        reference, moving = maps
        if reference is None or self.view is None:
            return
        shares = (percent, percent if moving is None else percent * reference.volume_A3 / moving.volume_A3)
        quick = self.slider.isSliderDown()

        def work(check: Check) -> list[Any]:
            made = []
            for small, share, moved in zip(maps, shares, (None, motion), strict=True):
                check()
                if small is None:
                    made.append(None)
                    continue
                made.append(mesh(*contour(small.coarse if quick else small, min(share, 90.0)), moved))
            return made

        self._pacer.ask(work, self._show, lambda error: self.said.setText(str(error)))
        self.said.setText(f"{percent:.2f} % of the box, level {reference.level(percent):.4g}")

    def _show(self, meshes: list[Any]) -> None:
        for item, made in zip(self.items, meshes, strict=True):
            if made is not None:
                item.setMeshData(meshdata=made)
        self._made = [made is not None for made in meshes]
        self._show_items()
        if self._look_anew and meshes[0] is not None:
            self._look_anew = False
            radius = float(np.linalg.norm(meshes[0].vertexes(), axis=1).max())
            self.view.setCameraPosition(pos=QVector3D(0, 0, 0), distance=2.6 * radius)

    def _show_items(self) -> None:
        """Show the surfaces that there are; a single map has no box to untick, so what was unticked is not its."""
        two_maps = self._loaded is not None and self._loaded[1] is not None
        for item, box, made in zip(self.items, self.shows, self._made, strict=False):
            item.setVisible(made and (box.isChecked() or not two_maps))

    def do_copy_picture(self) -> None:
        """Copy what is shown to the clipboard."""
        if self.view is not None:
            QGuiApplication.clipboard().setImage(self.view.grabFramebuffer())

    def figure_spec(self) -> dict[str, Any] | None:
        reference, moving = self._sources()
        if reference is None or self.view is None or self.maps[0] is None:
            return None
        place = reference.map if not isinstance(reference.map, Map3D) else _place_of(self.document)
        if not place:
            return None
        motion, seen = self.motion(), [box.isChecked() for box in self.shows]
        camera = self.view.opts
        spec = {
            "kind": "surface",
            "reference": str(place),
            "percent": self.percent(),
            "azimuth_deg": float(camera["azimuth"]),
            "elevation_deg": float(np.clip(camera["elevation"], -90, 90)),
            "distance_A": float(camera["distance"]),
            "fov_deg": float(camera["fov"]),
            "centre_A": [float(v) for v in camera["center"].toTuple()],
            "aspect": self.view.height() / max(1, self.view.width()),
            "pixel_size_A": None if reference.told.pixel_size_A is None else self.maps[0].pixel_size_A,
            "resolution_A": reference.told.resolution_A,
        }
        if moving is None:
            return spec
        there = {} if motion is None else {
            "matrix": motion.matrix.tolist(), "translation_A": motion.translation_A.tolist(),
        }  # fmt: skip
        read = self.maps[1]
        if reference.told.pixel_size_A is not None and read is not None:
            there |= {"map_pixel_size_A": read.pixel_size_A / moving.size}
        show = "both" if all(seen) else "map" if seen[1] else "reference"
        return spec | there | {"map": str(moving.map), "magnification": moving.size, "show": show}

    def state(self) -> dict[str, Any]:
        return {"contour": self.slider.value()}

    def restore(self, state: dict[str, Any]) -> None:
        self.slider.setValue(int(state.get("contour", self.slider.value())))


def _place_of(document: Document | None) -> str:
    """Return where the map of a document can be read again; empty for nowhere."""
    return "" if document is None else str(document.info.get("_source", document.path) or "")


def _same(first: RigidTransform | None, second: RigidTransform | None) -> bool:
    """Return whether two motions are the same."""
    if first is None or second is None:
        return first is second
    return np.array_equal(first.matrix, second.matrix) and np.array_equal(first.translation_A, second.translation_A)


def opaque() -> dict[Any, Any]:
    """Return how the reference is drawn: a little further back, so that a surface in the same place lies over it."""
    from OpenGL import GL

    return {GL.GL_DEPTH_TEST: True, GL.GL_BLEND: False, GL.GL_CULL_FACE: False, GL.GL_POLYGON_OFFSET_FILL: True,
            "glPolygonOffset": (1.0, 1.0)}  # fmt: skip


def veil() -> dict[Any, Any]:
    """Return how the moving map is drawn: let the reference through, so that neither hides the other where both lie."""
    from OpenGL import GL

    return {GL.GL_DEPTH_TEST: True, GL.GL_BLEND: True, GL.GL_CULL_FACE: False, GL.GL_POLYGON_OFFSET_FILL: False,
            "glBlendFuncSeparate": (GL.GL_SRC_ALPHA, GL.GL_ONE_MINUS_SRC_ALPHA, GL.GL_ONE, GL.GL_ONE)}  # fmt: skip
