"""What a session and a figure keep of the explorer."""

from __future__ import annotations

from typing import Any

from emviewer.engine.errors import EmviewerError
from emviewer.engine.symmetry import PointGroup, point_group
from emviewer.engine.types import Contrast, Map3D
from emviewer.ui.canvas import ImageCanvas
from emviewer.ui.levels import LevelsWidget
from emviewer.ui.panels.explorer_controls import ExplorerControls, ViewList
from emviewer.ui.panels.explorer_orientation import View
from emviewer.ui.panels.explorer_stage import Stage
from emviewer.ui.workspace import Document


class ExplorerSession:
    """Mix-in of the explorer: :meth:`figure_spec`, :meth:`state` and :meth:`restore`."""

    canvas: ImageCanvas
    controls: ExplorerControls
    document: Document | None
    kept: ViewList
    levels: LevelsWidget
    stage: Stage
    view: View
    set_view: Any
    _contrasts: dict[tuple[int, bool], Contrast]
    _groups: dict[int, PointGroup]
    _resolution_A: float
    _restoring: dict[str, Any] | None
    _spectrum: bool
    _volume: Map3D | None

    def figure_spec(self) -> dict[str, Any] | None:
        volume = self._volume
        if volume is None or volume.source is None or self.stage.turning is None or self._spectrum:
            return None
        c = self.levels.contrast
        told = self.document.info if self.document is not None else {}
        return {
            "kind": "image",
            "map": str(volume.source),
            "resolution_A": told.get("_resolution"),
            "pixel_size_A": volume.pixel_size_A if volume.pixel_size_known else None,
            "max_res_A": self._resolution_A or None,
            "angles": list(self.view.angles),
            "width_mm": 85.0,
            "contrast": {"low": c.low, "high": c.high, "colormap": c.colormap, "inverted": c.inverted},
        }

    def state(self) -> dict[str, Any]:
        c = self._contrasts.get((self.document.id, False)) if self.document is not None else None
        return {
            "angles": list(self.view.angles),
            "symmetry": self.controls.group.name,
            "resolution_A": self._resolution_A,
            "contrast": None if c is None else [c.low, c.high, c.colormap, c.inverted],
            "views": [list(view.angles) for view in self.kept.views],
        }

    def restore(self, state: dict[str, Any]) -> None:
        if self.document is None:
            self._restoring = state
        else:
            self._take(state)
            self.set_view(self.view)

    def _take(self, state: dict[str, Any]) -> None:
        assert self.document is not None
        self._restoring = None
        if len(state.get("angles", ())) == 3:
            self.view = View(*(float(a) for a in state["angles"]))
        self.kept.set_views([View(*(float(a) for a in angles)) for angles in state.get("views", [])])
        try:
            self.controls.set_group(point_group(str(state.get("symmetry", self.controls.group.name))))
            self._groups[self.document.id] = self.controls.group
        except EmviewerError:
            pass
        self.controls.resolution_box.setValue(float(state.get("resolution_A", 0.0)))
        c = state.get("contrast")
        if isinstance(c, (list, tuple)) and len(c) == 4:
            contrast = Contrast(float(c[0]), float(c[1]), str(c[2]), bool(c[3]))
            self._contrasts[self.document.id, False] = contrast
            self.levels.set_contrast(contrast)
            self.canvas.set_contrast(contrast)
