"""What the micrograph panel draws over the picture: boxes, arrows, legend, and the words about them."""

from __future__ import annotations

from typing import Any

import numpy as np
from PySide6.QtGui import QColor

from emviewer.engine.micrograph_picks import CommonWay, Picks, common_way
from emviewer.ui.micrograph_boxes import AFTER, BEFORE, OUTSIDE, WAY, Boxes, arrow_growth
from emviewer.ui.micrograph_colours import CLASS

KEY_ROWS = 8
"""Classes that the legend names."""
OTHERS = 0x5A6068


class MicrographMarks:
    """Mix-in of the micrograph panel."""

    def _show_boxes(self: Any) -> None:
        """Give the painter the particles of the micrograph shown."""
        if self.source is None or self.index < 0:
            self.painter.boxes = Boxes()
            return
        source = self.source
        picks, positions = source.picks, source.picks.on(self.index)
        after = None if picks.after_px is None else picks.after_px[positions]
        k, rank = len(positions), source.classes.rank[positions]
        shown = self.class_list.shown()
        boxes = Boxes(
            positions, picks.before_px[positions], after, picks.outside[positions],
            ~shown[rank] if len(shown) else np.zeros(k, bool), self._faint(positions), self.selected_at(positions),
            None if self.colouring.words is None else self.colouring.words[positions],
        )  # fmt: skip
        found = np.flatnonzero(positions == self.current_position())
        if len(found):
            boxes.current = int(found[0])
            boxes.current_text = self._particle_text(int(positions[found[0]]), short=True)
        self.painter.boxes = boxes
        if len(shown):
            self.class_list.set_here(np.bincount(rank, minlength=len(shown)))
        self._say_mean(picks, positions)
        self._say_count()
        self._restyle()

    def _say_mean(self: Any, picks: Picks, positions: np.ndarray) -> None:
        here = common_way(picks.way_px[positions])
        self.mean.x, self.mean.y, self.mean.clear = here.x, here.y, here.clear
        self.mean.text = "" if not here.n else (
            f"median shift here {shift_words(here)}\nof all {shift_words(self.source.shown)}"
        )  # fmt: skip

    def _restyle(self: Any) -> None:
        style, form = self.painter.style, self.boxes_form
        style.edge_px = form.edge_px()
        has_after = self.painter.boxes.after is not None
        style.before = self.bar.before.isChecked() if not self._blink else True
        style.after = has_after and self.bar.after.isChecked() and not self._blink
        style.arrows = has_after and self.bar.arrows.isChecked() and not self._blink
        style.growth = form.growth.currentData()
        style.round = form.shape.currentIndex() == 1
        self.mean.shown = style.arrows
        self.legend.shown = form.legend.isChecked()
        self._write_legend()
        self.canvas.update()

    def _write_legend(self: Any) -> None:
        boxes, style = self.painter.boxes, self.painter.style
        words = ("", "") if self.source is None else (self.source.picks.before_word, self.source.picks.after_word)
        plain = boxes.colours is None
        grey = WAY
        lines = []
        if len(boxes):
            if style.before:
                lines.append((BEFORE if plain else grey, "thin" if style.after else "box", words[0]))
            if style.after:
                lines.append((AFTER if plain else grey, "box", words[1]))
            if style.arrows:
                growth = arrow_growth(boxes, style, self.canvas.scale)
                lines.append((WAY, "arrow", "shift" if growth == 1 else f"shift, {growth} times"))
            if boxes.outside.any():
                lines.append((OUTSIDE, "cross", "outside the micrograph"))
        if len(boxes) and self.colouring.choice == CLASS:
            lines += [(QColor(colour), "fill", words) for colour, words in self.class_key()]
        self.legend.lines = lines
        self.legend.colouring = self.colouring

    def class_key(self: Any) -> list[tuple[str, str]]:
        """Return ``#rrggbb`` and name of the classes that have most particles here, at most :data:`KEY_ROWS`."""
        classes, boxes = self.source.classes, self.painter.boxes
        counts = np.bincount(classes.rank[boxes.positions[~boxes.hidden]], minlength=len(classes.numbers))
        order = np.argsort(-counts, kind="stable")[: int((counts > 0).sum())]
        words = classes.words()
        out = [(f"#{int(words[i]) & 0xFFFFFF:06x}", f"{classes.text(int(i))} ({counts[i]})") for i in order[:KEY_ROWS]]
        if len(order) > KEY_ROWS:
            out.append((f"#{OTHERS:06x}", f"and {len(order) - KEY_ROWS} more classes"))
        return out

    def set_blink(self: Any, on: bool) -> None:
        """Show the picked boxes alone (True) or what the buttons say."""
        if on != self._blink:
            self._blink = on
            self._restyle()

    def _set_blinking(self: Any, on: bool) -> None:
        if on:
            self._blinking.start()
        else:
            self._blinking.stop()
            self.set_blink(False)


def shift_words(way: CommonWay) -> str:
    """Return a displacement in words: ``(+3.0, -1.2) px``."""
    if way.length < 0.05:
        return "0 px"
    x, y = (f"{v:+.1f}".replace("-0.0", "0.0").replace("+0.0", "0.0") for v in (way.x, way.y))
    return f"({x}, {y}) px"
