"""Surface: maps as contour surfaces in three dimensions, where OpenGL can be had."""

from __future__ import annotations

import functools
import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication, QOpenGLContext, QVector3D
from PySide6.QtWidgets import QCheckBox, QHBoxLayout, QLabel, QSlider, QVBoxLayout, QWidget

from emviewer.engine.task import Check
from emviewer.engine.types import Map3D, RigidTransform
from emviewer.ui import results_align
from emviewer.ui.latest import Latest
from emviewer.ui.panels.base import Panel
from emviewer.ui.panels.surface_mesh import Contoured, contour, mesh, prepare
from emviewer.ui.runner import Runner
from emviewer.ui.workspace import Document, Workspace

CYAN, RED = (0.35, 0.78, 0.82, 1.0), (0.93, 0.42, 0.36, 1.0)
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
        import pyqtgraph.opengl as gl

        super().__init__(workspace, runner, parent)
        self.view = gl.GLViewWidget()
        self.view.setBackgroundColor((17, 18, 21))
        self.view.setAccessibleName("Contour surfaces")
        self.items: list[Any] = []
        for colour in (CYAN, RED):
            item = gl.GLMeshItem(smooth=True, shader="shaded", color=colour, computeNormals=True)
            item.setVisible(False)
            self.view.addItem(item)
            self.items.append(item)
        self.slider = QSlider(Qt.Orientation.Horizontal)
        self.slider.setRange(0, SLIDER)
        self.slider.setValue(500)
        self.slider.setAccessibleName("Contour level")
        self.slider.setToolTip("How much of the box the surfaces enclose: the same for both maps")
        self.slider.valueChanged.connect(lambda _: self.ask())
        self.said = QLabel()
        self.shows = [QCheckBox("Reference"), QCheckBox("Moving map")]
        for box, item in zip(self.shows, self.items, strict=True):
            box.setChecked(True)
            box.toggled.connect(item.setVisible)
        row = QHBoxLayout()
        row.setSpacing(8)
        row.setContentsMargins(8, 4, 8, 4)
        row.addWidget(QLabel("Contour"))
        row.addWidget(self.slider, 1)
        row.addWidget(self.said)
        for box in self.shows:
            row.addWidget(box)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(self.view, 1)
        column.addLayout(row)
        self.maps: tuple[Contoured | None, Contoured | None] = (None, None)
        self._loaded: object = None
        self._look_anew = True
        self._shown_motion: RigidTransform | None = None
        self._pacer = Latest(runner, (id(self), "surface"), slow=True)
        workspace.changed.connect(self._changed)

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

    def _sources(self) -> tuple[Map3D | Path | None, Map3D | Path | None]:
        """Return what is to be contoured: maps, or files to read."""
        document = self.document
        found = results_align.of(document)
        if document is None:
            return None, None
        if found is None or found.current is None:
            return document.volume, None
        return found.reference, found.current.moving or found.current.aligned

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
            self.runner.view(
                (id(self), "maps"),
                lambda check: tuple(None if w is None else prepare(_open(w), check) for w in wanted),
                self._got,
                fail=lambda error: self.said.setText(str(error)),
                slow=True,
            )
        elif self.motion() is not self._shown_motion:
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
        if maps[0] is None:
            return

        def work(check: Check) -> list[Any]:
            made = []
            for small, moved in zip(maps, (None, motion), strict=True):
                check()
                made.append(None if small is None else mesh(*contour(small, percent), moved))
            return made

        self._pacer.ask(work, self._show, lambda error: self.said.setText(str(error)))
        self.said.setText(f"{percent:.2f} % of the box, level {maps[0].level(percent):.4g}")

    def _show(self, meshes: list[Any]) -> None:
        for item, box, made in zip(self.items, self.shows, meshes, strict=True):
            if made is not None:
                item.setMeshData(meshdata=made)
            item.setVisible(made is not None and box.isChecked())
        if self._look_anew and meshes[0] is not None:
            self._look_anew = False
            radius = float(np.linalg.norm(meshes[0].vertexes(), axis=1).max())
            self.view.setCameraPosition(pos=QVector3D(0, 0, 0), distance=2.6 * radius)

    def do_copy_picture(self) -> None:
        """Copy what is shown to the clipboard."""
        QGuiApplication.clipboard().setImage(self.view.grabFramebuffer())

    def state(self) -> dict[str, Any]:
        return {"contour": self.slider.value()}

    def restore(self, state: dict[str, Any]) -> None:
        self.slider.setValue(int(state.get("contour", self.slider.value())))


def _open(source: Map3D | Path) -> Map3D:
    if isinstance(source, Map3D):
        return source
    from emviewer.engine import sources

    return sources.open_map(source)
