"""What a session keeps of the micrograph panel, and the spec of its figure."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from PySide6.QtCore import QPointF

from emviewer.ui.micrograph_boxes import arrow_growth
from emviewer.ui.micrograph_colours import CLASS
from emviewer.ui.panels.micrograph_controls import look_from


def _pairs(places: np.ndarray) -> list[list[float]]:
    return [[round(float(x), 2), round(float(y), 2)] for x, y in places]


class MicrographState:
    """Mix-in of the micrograph panel."""

    def state(self: Any) -> dict[str, Any]:
        if self.source is None or self.index < 0:
            return {}
        form, look = self.boxes_form, self.picture_form.look()
        view = {"scale": self.canvas.scale, "centre": [self.canvas.centre.x(), self.canvas.centre.y()]}
        return {
            "micrograph": str(self.source.picks.names[self.index]),
            "view": None if self.canvas.fitted else view,
            "shown": [b.isChecked() for b in (self.bar.before, self.bar.after, self.bar.arrows)],
            "colour": self.colouring.choice,
            "hidden": self.class_list.hidden_numbers(),
            "box": list(form.edge()),
            "shape": form.shape.currentIndex(),
            "growth": form.growth.currentData(),
            "from_pick": form.start.currentIndex() == 1,
            "low_pass_A": look.resolution_A,
            "low_pass_px": look.resolution_px,
            "flat": look.flat,
            "upside_down": look.upside_down,
            "levels": self._by_hand,
            "colormap": self.levels.contrast.colormap,
            "inverted": self.levels.contrast.inverted,
            "tool": self.canvas.tool,
        }

    def figure_spec(self: Any) -> dict[str, Any] | None:
        """Return the figure of what is shown: the visible part, with the boxes that are not hidden."""
        if self.source is None or self.index < 0:
            return None
        boxes, style, shown = self.painter.boxes, self.painter.style, self.shown
        w, h = (int(v) for v in self.canvas.world_size())
        rows = np.flatnonzero(~boxes.hidden & np.isfinite(boxes.before).all(axis=1))
        spec: dict[str, Any] = {
            "kind": "micrograph",
            "picture": None if shown is None else str(shown.micrograph.source),
            "size": [w, h],
            "title": self.plate.text,
            "box_px": style.edge_px,
            "circles": style.round,
            "before": _pairs(boxes.before[rows]) if style.before else [],
            "outside": np.flatnonzero(boxes.outside[rows]).tolist() if style.before or style.after else [],
        }
        if style.after:
            spec |= {"after": _pairs(np.where(np.isfinite(boxes.after), boxes.after, boxes.before)[rows])}
        if style.before and style.after and style.arrows:
            spec["arrows"] = float(arrow_growth(boxes, style, self.canvas.scale))
        spec["words"] = [self.source.picks.before_word, self.source.picks.after_word]
        if boxes.colours is not None and (style.before or style.after):
            spec["colours"] = [f"#{int(word) & 0xFFFFFF:06x}" for word in boxes.colours[rows]]
        if self.colouring.is_scale and len(rows):
            spec["scale"] = [self.colouring.title, self.colouring.low, self.colouring.high]
        if self.colouring.choice == CLASS and len(rows):
            spec["key"] = [list(entry) for entry in self.class_key()]
        if not self.canvas.fitted:
            seen = self.canvas.visible()
            spec["crop"] = [seen.x(), seen.y(), seen.width(), seen.height()]
        if self.canvas.pixel_size_A:
            spec["pixel_size_A"] = self.canvas.pixel_size_A
        if shown is not None:
            c = self.levels.contrast
            spec |= {"low_pass_px": shown.finest_px, "flat": shown.ground is not None, "upside_down": shown.turned}
            spec["contrast"] = {"low": c.low, "high": c.high, "colormap": c.colormap, "inverted": c.inverted}
        return spec

    def restore(self: Any, state: dict[str, Any]) -> None:
        self._restoring = dict(state)
        if self.source is not None:
            self._take_state()
            self.show_micrograph(self.index)

    def _take_state(self: Any) -> None:
        """Take over what a session kept, once the particles are there."""
        state, self._restoring = self._restoring, {}
        if not state or self.source is None:
            return
        names = [str(n) for n in self.source.picks.names]
        if state.get("micrograph") in names:
            self.index = names.index(state["micrograph"])
        for button, on in zip((self.bar.before, self.bar.after, self.bar.arrows), state.get("shown", []), strict=False):
            button.setChecked(bool(on))
        form = self.boxes_form
        edge = state.get("box")
        if isinstance(edge, (list, tuple)) and len(edge) == 2:
            form.set_edge(float(edge[0]), float(edge[1]))
        form.start.setCurrentIndex(int(bool(state.get("from_pick", False))))
        form.shape.setCurrentIndex(int(state.get("shape", 0)))
        form.growth.setCurrentIndex(max(0, form.growth.findData(state.get("growth", 0))))
        self.picture_form.set_look(look_from(state))
        levels = state.get("levels")
        self._by_hand = (float(levels[0]), float(levels[1])) if isinstance(levels, (list, tuple)) else None
        c = self.levels.contrast
        self.levels.set_contrast(replace(c, colormap=str(state.get("colormap", c.colormap)),
                                         inverted=bool(state.get("inverted", c.inverted))))  # fmt: skip
        self.class_list.hide_numbers([int(n) for n in state.get("hidden", [])])
        self.set_tool(str(state.get("tool", "pan")))
        self.colour_by(str(state.get("colour", self.colouring.choice)))
        view = state.get("view")
        if isinstance(view, dict):
            self.canvas.set_view(float(view["scale"]), QPointF(*(float(v) for v in view["centre"])))
            self.canvas.keep_view = True
