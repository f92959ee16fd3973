"""Alignment: reference and moving map in one frame, before and after, live, and moved by hand."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PySide6.QtCore import Qt, QTimer
from PySide6.QtGui import QHideEvent, QImage, QKeyEvent, QShowEvent
from PySide6.QtWidgets import QButtonGroup, QLabel, QMenu, QSplitter, QToolButton

from emviewer.engine.align3d_cuts import MovedCuts
from emviewer.engine.task import Check
from emviewer.engine.types import RigidTransform
from emviewer.ui import results_align
from emviewer.ui.canvas import ImageCanvas
from emviewer.ui.panels.align_base import AlignCutsPanel
from emviewer.ui.panels.align_hand import AlignHand
from emviewer.ui.panels.align_pair import MODES, Pair, PairCanvas
from emviewer.ui.panels.align_pictures import BLINK_MS, AlignPictures
from emviewer.ui.panels.align_scatter import ScoreScatter
from emviewer.ui.panels.align_text import MotionText
from emviewer.ui.panels.align_volumes import Told, Volume, read_volume
from emviewer.ui.panels.shell import ask_and_export
from emviewer.ui.panels.slices_read import CutReader
from emviewer.ui.panels.slices_state import PLANES, Plane, SliceState
from emviewer.ui.results_align import AlignedMap
from emviewer.ui.workspace import Document

STILL = RigidTransform(np.eye(3), np.zeros(3))


class AlignPanel(AlignPictures, AlignHand, AlignCutsPanel):
    """The moving map is cut where its motion puts it, so that before, after and every pose between cost the same."""

    kind = "align"
    heading = "Alignment"
    rows = ("Reference", "Moving map")
    nothing = "Align maps to see them in one frame."

    def _build(self) -> None:
        self.mode = "overlay"
        self.blinking = False
        self.moving: Volume | None = None
        self.cutter: MovedCuts | None = None
        self.reader: CutReader | None = None
        self.pairs: dict[str, Pair] = {}
        self._pictures: dict[str, QImage] = {}
        self._motion_key: object = None
        self._dragging: RigidTransform | None = None
        self._said = ""
        self.blinker = QTimer(self)
        self.blinker.setInterval(BLINK_MS)
        self.blinker.timeout.connect(self.blink_once)
        super()._build()
        self._build_bar()
        self._build_below()
        for plane in PLANES:
            canvas = self.area.cells[0, plane.name]
            canvas.cover = lambda painter, c, p=plane: self._paint_over(painter, c, p)
            for each in self.area.canvases(plane):
                each.dragged.connect(lambda dx, dy, keys, p=plane, c=each: self._drag(c, p, dx, dy, keys))
                each.drag_ended.connect(self._drag_ended)
        self.area.set_hidden({1})

    def _build_bar(self) -> None:
        self.modes: dict[str, QToolButton] = {}
        group = QButtonGroup(self)
        for mode, text, tip in MODES:
            self.modes[mode] = _tool(text, tip, True)
            self.modes[mode].clicked.connect(lambda _=False, m=mode: self.set_mode(m))
            group.addButton(self.modes[mode])
            self.bar.addWidget(self.modes[mode])
        self.modes["overlay"].setChecked(True)
        self.before = _tool("Before", "Show the moving map as it came", True)
        self.before.toggled.connect(lambda _: self._moved())
        self.bar.addWidget(self.before)
        self.hand = _tool(
            "Move by hand", "Drag moves the map in the plane, Shift+drag turns it about the crosshair", True
        )
        self.hand.toggled.connect(self._set_hand)
        self.refine = _tool("Refine from here", "Find the best position near the one set by hand")
        self.refine.clicked.connect(self.refine_from_here)
        self.back = _tool("As found", "Return to the position that the job found")
        self.back.clicked.connect(lambda: self._edit("return to the position found", None))
        menu = QMenu(self)
        self.apply = menu.addAction("Write the map moved to this position…", lambda: self.apply_to(self._ask_file()))
        self.again = menu.addAction("Run the job again from this position…", self.run_from_here)
        self.again.setToolTip("Masks, half maps and particles move too")
        self.report = menu.addAction("Write a report…", self.ask_report)
        self.scores = menu.addAction("Export the scores of the search…", self._export_scores)
        menu.setToolTipsVisible(True)
        self.more = _tool("Apply ▾", "Write the moved map, a report or the scores; run the job again from here")
        self.more.setMenu(menu)
        self.more.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        for button in (self.hand, self.refine, self.back, self.more):
            self.bar.addWidget(button)
        self.badge, self.quality = QLabel(), QLabel()
        for label in (self.badge, self.quality):
            label.setProperty("badge", "info")
            self.bar.addWidget(label)

    def _build_below(self) -> None:
        self.text = MotionText()
        self.scatter = ScoreScatter()
        below = QSplitter(Qt.Orientation.Horizontal)
        below.addWidget(self.text)
        below.addWidget(self.scatter)
        self.split = QSplitter(Qt.Orientation.Vertical)
        outer = self.content.layout()
        outer.removeWidget(self.area)
        self.split.addWidget(self.area)
        self.split.addWidget(below)
        self.split.setStretchFactor(0, 1)
        self.split.setCollapsible(0, False)
        self.split.setSizes([330, 260])
        outer.insertWidget(1, self.split, 1)

    def make_canvas(self) -> ImageCanvas:
        return PairCanvas()

    @classmethod
    def accepts(cls, document: Document) -> bool:
        found = results_align.of(document)
        return found is not None and found.job == "align"

    # volumes --------------------------------------------------------------------------------------------------------
    def wanted(self) -> tuple[Any, ...]:
        found, each = self.alignment, self.shown
        if found is None or each is None or found.reference is None:
            return ()
        moving = each.moving or each.aligned
        if moving is None:
            return ()
        # the copy of the reference in the result is the same map: reading it anew would only make the picture blink
        given = found.parameters.get("reference", str(found.reference))
        known = Path(given) if results_align.is_there(given) else found.reference
        return (str(known), str(moving), each.size, Told.of(found.parameters), each.name)

    def reading(self, wanted: tuple[Any, ...]) -> Callable[[Check], Any]:
        given, moved, size, told, _ = wanted

        def read(check: Check) -> tuple[Volume, Volume, MovedCuts]:
            reference = read_volume(Path(given), check, told.size_of(given), told.resolution_A)
            moving = read_volume(Path(moved), check, told.size_of(moved), told.resolution_A)
            if size != 1.0:
                scaled = moving.map.with_pixel_size(moving.map.pixel_size_A * size)
                moving = Volume(scaled, moving.distribution, moving.levels, moving.sigma)
            cutter = MovedCuts(moving.map, reference.map)
            check()
            cutter.small  # noqa: B018 - made here, in the slow lane, before a hand wants it
            return reference, moving, cutter

        return read

    def take(self, read: tuple[Volume, Volume, MovedCuts]) -> Volume:
        reference, self.moving, self.cutter = read
        self.reader = CutReader(reference.data)
        self.pairs.clear()
        self.levels.set_distribution(reference.distribution)
        self.levels.set_contrast(reference.contrast())
        self.recolour()
        return reference

    def _got(self, read: Any) -> None:
        super()._got(read)
        self.show_facts()

    def _forget(self) -> None:
        super()._forget()
        self.refine.setEnabled(True)  # a search that was under way is forgotten too: nobody else would

    def motion(self) -> RigidTransform:
        """Return the motion that the moving map is shown with."""
        each = self.shown
        if self._dragging is not None:
            return self._dragging
        if each is None or self.before.isChecked() or (each.moving is None and each.by_hand is None):
            return STILL
        return each.motion or STILL

    def cutting(self, state: SliceState) -> Callable[[Plane, Check], Any]:
        cutter, reader, motion, quick = self.cutter, self.reader, self.motion(), self._dragging is not None
        assert cutter is not None and reader is not None

        def cut(plane: Plane, check: Check) -> Pair:
            index, half = state.voxel[plane.normal], 0 if quick else state.half_width
            first = reader.cut(plane, index, half, check)
            if quick:
                return Pair(first, cutter.cut(motion, plane.axes, index, quick=True))
            planes = range(max(0, index - half), min(state.size[plane.normal], index + half + 1))
            second = np.zeros_like(first)
            for k in planes:
                check()
                second += cutter.cut(motion, plane.axes, k)
            return Pair(first, second / np.float32(len(planes)))

        return cut

    def got_cut(self, plane: Plane, made: Pair) -> None:
        self.pairs[plane.name] = made
        self._paint_plane(plane)

    def _moved(self) -> None:
        """Show another motion."""
        self.show_facts()
        self.ask()

    # facts ----------------------------------------------------------------------------------------------------------
    def show_facts(self) -> None:
        each = self.shown
        if each is None:
            return
        motion = STILL if self.before.isChecked() else each.motion
        maps = None if self.moving is None or self.reference is None else (self.moving.map, self.reference.map)
        plain = self.before.isChecked() or each.by_hand is not None
        self.text.show_motion(motion, {} if plain else each.facts, maps)
        self._show_badges(each)
        self.scatter.setVisible(each.search is not None)
        self.scatter.show_search(each.search)
        self.back.setEnabled(each.by_hand is not None)
        key = (id(each), repr(each.facts.get("matrix")), repr(each.facts.get("translation_A")), id(each.by_hand))
        self.report.setEnabled(self.alignment is not None and self.alignment.folder is not None)
        self.again.setEnabled(each.motion is not None)
        self.scores.setEnabled(self.search_spec() is not None)
        if key != self._motion_key:
            self._motion_key = key
            if self.reference is not None:
                self.ask()

    def _show_badges(self, each: AlignedMap) -> None:
        facts, hand = each.facts, str(each.facts.get("hand", ""))
        other = facts.get("cc_other_hand")
        scores = f": cc {facts['cc_after']:.3f}" if facts.get("cc_after") is not None else ""
        if scores and other is not None and np.isfinite(other):
            scores += f", other hand {other:.3f}"
        words = {"same": "✓ hand kept", "flipped": "✓ hand flipped", "undetermined": "! hand undetermined"}
        self._badge(self.badge, words.get(hand, each.stage) + (scores if hand else ""), hand)
        before = facts.get("cc_before")
        text = self._said
        if not text and hand and before is not None:
            text = f"cc {before:.3f} before, {facts['cc_after']:.3f} after"
        self._badge(self.quality, text, "info")

    def _badge(self, label: QLabel, text: str, level: str) -> None:
        label.setText(text)
        label.setVisible(bool(text))
        kind = {"same": "good", "flipped": "good", "undetermined": "warn"}.get(level, "info")
        if label.property("badge") != kind:
            label.setProperty("badge", kind)
            label.style().unpolish(label)
            label.style().polish(label)

    # keys -----------------------------------------------------------------------------------------------------------
    def do_wipe(self) -> None:
        """Change between the overlay and the wipe line."""
        self.set_mode("overlay" if self.mode == "wipe" else "wipe")

    def do_copy(self) -> None:
        """Copy the motion as text."""
        self.text.copy(self.text.text.toPlainText)

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        self.blink()

    def hideEvent(self, event: QHideEvent) -> None:
        super().hideEvent(event)
        self.blink()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() == Qt.Key.Key_B and not event.modifiers():
            if not event.isAutoRepeat():
                self.set_blinking(True)
        else:
            super().keyPressEvent(event)

    def keyReleaseEvent(self, event: QKeyEvent) -> None:
        if event.key() == Qt.Key.Key_B:
            if not event.isAutoRepeat():
                self.set_blinking(False)
        else:
            super().keyReleaseEvent(event)

    def search_spec(self) -> dict[str, Any] | None:
        """Return the spec of the figure of the search's scores; None where they were not kept."""
        found, each = self.alignment, self.shown
        file = None if found is None or found.folder is None else found.folder / "search" / f"{found.shown}.csv"
        if file is None or each is None or each.search is None:
            return None
        return {"kind": "search", "table": str(file), "title": f"{each.name}: scores of the search"}

    def _export_scores(self) -> None:
        ask_and_export(self, self.search_spec(), f"{self.shown.name}_search" if self.shown else "search")

    def nothing_text(self) -> str:
        if self.alignment is not None and self.shown is not None:
            return "The maps of this alignment are no longer where they were."
        return super().nothing_text()

    def figure_spec(self) -> dict[str, Any] | None:
        if self.moving is None or self.reference is None or not self._loaded:
            return None
        reference, moving, size, told, _ = self._loaded
        if told.pixel_size_A is None:
            return self.pictures_spec(reference, moving)
        sizes = (self.reference.map.pixel_size_A, self.moving.map.pixel_size_A / size)
        return self.pictures_spec(reference, moving, *sizes)

    def state(self) -> dict[str, Any]:
        moved = {} if self.alignment is None else {
            name: {"matrix": each.by_hand.matrix.tolist(), "translation_A": each.by_hand.translation_A.tolist()}
            for name, each in self.alignment.maps.items() if each.by_hand is not None
        }  # fmt: skip
        return super().state() | {"mode": self.mode, "by_hand": moved}

    def restore(self, state: dict[str, Any]) -> None:
        if state.get("mode") in self.modes:
            self.set_mode(str(state["mode"]))
        if self.alignment is not None and self.document is not None:
            for name, kept in (state.get("by_hand") or {}).items():
                if name in self.alignment.maps:
                    self.alignment.maps[name].by_hand = results_align.motion_of(kept)
            self.workspace.touch(self.document)
        super().restore(state)


def _tool(text: str, tip: str, toggle: bool = False) -> QToolButton:
    button = QToolButton()
    button.setText(text)
    button.setToolTip(tip)
    button.setCheckable(toggle)
    return button
