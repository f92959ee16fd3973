"""Alignment: reference and moving map in one frame, before and after, live, and moved by hand."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PySide6.QtCore import QPointF, Qt
from PySide6.QtGui import QFontDatabase, QGuiApplication, QImage, QKeyEvent, QPainter
from PySide6.QtWidgets import (
    QButtonGroup,
    QLabel,
    QPlainTextEdit,
    QSplitter,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from emviewer.engine.align3d_cuts import MovedCuts
from emviewer.engine.task import Check
from emviewer.engine.types import Contrast, RigidTransform
from emviewer.ui import results_align
from emviewer.ui.canvas import ImageCanvas
from emviewer.ui.panels.align_base import AlignCutsPanel
from emviewer.ui.panels.align_hand import AlignHand
from emviewer.ui.panels.align_pair import (
    CYAN,
    MODES,
    RED,
    Pair,
    PairCanvas,
    paint_wipe,
    picture,
    two_colours,
)
from emviewer.ui.panels.align_scatter import ScoreScatter
from emviewer.ui.panels.align_volumes import Volume, read_volume
from emviewer.ui.panels.slices_read import CutReader
from emviewer.ui.panels.slices_state import PLANES, Plane, SliceState
from emviewer.ui.results_align import AlignedMap
from emviewer.ui.scale_bar import outlined_text
from emviewer.ui.workspace import Document

STILL = RigidTransform(np.eye(3), np.zeros(3))


class AlignPanel(AlignHand, AlignCutsPanel):
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
        self._pictures: dict[str, tuple[object, QImage]] = {}
        self._dragging: RigidTransform | None = None
        self._said = ""
        self._version = 0
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
        self.apply = _tool("Apply…", "Write the map moved to this position, on the reference's grid, and open it")
        self.apply.clicked.connect(lambda: self.apply_to(self._ask_file()))
        for button in (self.hand, self.refine, self.back, self.apply):
            self.bar.addWidget(button)
        self.badge, self.quality = QLabel(), QLabel()
        for label in (self.badge, self.quality):
            label.setProperty("badge", "info")
            self.bar.addWidget(label)

    def _build_below(self) -> None:
        self.text = QPlainTextEdit()
        self.text.setReadOnly(True)
        fixed = QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont)
        fixed.setPointSizeF(max(7.0, 0.92 * self.font().pointSizeF()))
        self.text.setFont(fixed)
        self.text.setLineWrapMode(QPlainTextEdit.LineWrapMode.NoWrap)
        self.text.setAccessibleName("The motion as text")
        self.copy = _tool("Copy", "Copy matrix, Euler angles and ChimeraX command")
        self.copy.clicked.connect(self.do_copy)
        left = QWidget()
        column = QVBoxLayout(left)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(2)
        column.addWidget(self.text, 1)
        column.addWidget(self.copy, 0, Qt.AlignmentFlag.AlignRight)
        self.scatter = ScoreScatter()
        below = QSplitter(Qt.Orientation.Horizontal)
        below.addWidget(left)
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
        known = Path(given) if Path(given).exists() or str(given).startswith("phantom:") else found.reference
        return (str(known), str(moving), each.size, found.parameters.get("pixel_size"), each.name)

    def reading(self, wanted: tuple[Any, ...]) -> Callable[[Check], Any]:
        given, moved, size, pixel, _ = wanted

        def read(check: Check) -> tuple[Volume, Volume, MovedCuts]:
            reference = read_volume(Path(given), check, pixel)
            moving = read_volume(Path(moved), check, pixel)
            if size != 1.0:
                scaled = moving.map.with_pixel_size(moving.map.pixel_size_A * size)
                moving = Volume(scaled, moving.distribution, moving.levels, moving.sigma)
            return reference, moving, MovedCuts(moving.map, reference.map)

        return read

    def take(self, read: tuple[Volume, Volume, MovedCuts]) -> Volume:
        reference, self.moving, self.cutter = read
        self.reader = CutReader(reference.data)
        self.pairs.clear()
        self.levels.set_distribution(reference.distribution)
        self.levels.set_contrast(reference.contrast())
        self.recolour()
        return reference

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

    # pictures -------------------------------------------------------------------------------------------------------
    def contrasts(self) -> tuple[Contrast, Contrast]:
        """Return the ranges of both maps; the moving map's stands to it as the reference's to the reference."""
        first = self.levels.contrast
        assert self.moving is not None
        return first, self.moving.contrast(self.reference or self.moving, first)

    def recolour(self) -> None:
        if self.moving is None:
            return
        self._version += 1
        for plane in PLANES:
            self._paint_plane(plane)

    def set_mode(self, mode: str) -> None:
        """Show the maps in one of :data:`MODES`."""
        self.mode = mode
        self.modes[mode].setChecked(True)
        self.area.set_hidden(set() if mode == "side" else {1})
        self.recolour()
        self._show_labels()

    def set_blinking(self, blinking: bool) -> None:
        """Show the moving map in place of the reference while true."""
        if blinking != self.blinking:
            self.blinking = blinking
            self.recolour()
            self._show_labels()

    def _paint_plane(self, plane: Plane) -> None:
        pair = self.pairs.get(plane.name)
        if pair is None or self.moving is None:
            return
        first, second = self.contrasts()
        self._pictures.pop(plane.name, None)
        size = self.current.size
        world = (float(size[plane.across]), float(size[plane.down]))
        unit = pair.first.shape[1] / pair.second.shape[1]
        unit = max(1.0, float(round(unit)))
        top, below = self.area.canvases(plane)
        top.set_contrast(second if self.blinking else first)
        if self.blinking:
            top.set_image(pair.second, world, unit)
        else:
            top.set_image(pair.first)
        below.set_contrast(second)
        below.set_image(pair.second, world, unit)

    def label(self, row: int) -> str:
        if row == 1 or self.blinking:
            return self._moving_name()
        if self.mode == "overlay":
            return ""
        return "Reference"

    def _moving_name(self) -> str:
        each = self.shown
        where = "before" if self.before.isChecked() else "by hand" if each and each.by_hand else "aligned"
        if where == "aligned" and each is not None and not each.facts.get("hand"):
            where = "so far"
        return f"Moving map, {where}"

    def _paint_over(self, painter: QPainter, canvas: ImageCanvas, plane: Plane) -> None:
        pair = self.pairs.get(plane.name)
        if pair is None or self.blinking or self.moving is None or self.mode not in ("overlay", "wipe"):
            return
        first, second = self.contrasts()
        if plane.name not in self._pictures:
            made = two_colours(pair, *self._dark(first, second)) if self.mode == "overlay" else picture(
                pair.second, second
            )  # fmt: skip
            self._pictures[plane.name] = (self._version, made)
        made = self._pictures[plane.name][1]
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform, canvas.scale < 1)
        if self.mode == "overlay":
            painter.drawImage(canvas.image_rect(), made)
            if plane is self.area.shown()[0]:
                metrics = painter.fontMetrics()
                y = metrics.ascent() + 6.0 + metrics.height()
                outlined_text(painter, QPointF(8, y), "Reference", CYAN)
                outlined_text(painter, QPointF(8, y + metrics.height()), self._moving_name(), RED)
            return
        x = canvas.to_widget(self.current.voxel[plane.across] + 0.5, 0).x()
        paint_wipe(painter, canvas, made, x, ("Reference", "Moving map"))

    def _dark(self, first: Contrast, second: Contrast) -> tuple[Contrast, Contrast]:
        """Return the ranges for two colours: what is no density is black, else the solvent would be a grey veil."""
        assert self.reference is not None or self.moving is not None
        out = []
        for volume, c in ((self.reference, first), (self.moving, second)):
            floor = c.low if volume is None else max(c.low, volume.level(0.5))
            out.append(Contrast(min(floor, c.high), c.high))
        return out[0], out[1]

    # facts ----------------------------------------------------------------------------------------------------------
    def show_facts(self) -> None:
        each = self.shown
        if each is None:
            return
        motion = STILL if self.before.isChecked() else each.motion
        by_hand = each.by_hand is not None and not self.before.isChecked()
        self.text.setPlainText(
            "" if motion is None else results_align.motion_text(motion, {} if self.before.isChecked() else each.facts,
                                                                by_hand or self.before.isChecked())
        )  # fmt: skip
        self._show_badges(each)
        self.scatter.setVisible(each.search is not None)
        self.scatter.show_search(each.search)
        self.back.setEnabled(each.by_hand is not None)
        key = (id(each), repr(each.facts.get("matrix")), repr(each.facts.get("translation_A")), id(each.by_hand))
        if key != getattr(self, "_motion_key", None):
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
        QGuiApplication.clipboard().setText(self.text.toPlainText())

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

    def figure_spec(self) -> dict[str, Any] | None:
        each, c = self.shown, self.levels.contrast
        if each is None or each.aligned is None or self.moving is None or self.reference is None:
            return None
        c = self.moving.contrast(self.reference, c)
        return {
            "kind": "slices",
            "map": str(each.aligned),
            "cuts": [plane.name for plane in self.area.shown()],
            "title": f"{each.name}, aligned",
            "contrast": {"low": c.low, "high": c.high, "colormap": c.colormap, "inverted": c.inverted},
        }

    def state(self) -> dict[str, Any]:
        return super().state() | {"mode": self.mode}

    def restore(self, state: dict[str, Any]) -> None:
        if state.get("mode") in self.modes:
            self.set_mode(str(state["mode"]))
        super().restore(state)


def _tool(text: str, tip: str, toggle: bool = False) -> QToolButton:
    button = QToolButton()
    button.setText(text)
    button.setToolTip(tip)
    button.setCheckable(toggle)
    return button
