"""The map page of the orientation lab: slices of the reconstruction, how far its halves agree, flip hand, send on."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QBoxLayout, QCheckBox, QLabel, QPushButton, QSplitter, QVBoxLayout, QWidget

from emviewer.engine import mrc, mrc_write, star
from emviewer.engine.conventions import euler_to_matrix, flip_hand, matrix_to_euler
from emviewer.engine.filters import lowpass_map
from emviewer.engine.reconstruct import Reconstructor
from emviewer.engine.symmetry import point_group
from emviewer.engine.task import Batch, Check, message
from emviewer.engine.types import ImageStack, Map3D
from emviewer.ui.flow_layout import FlowLayout
from emviewer.ui.latest import Latest
from emviewer.ui.orientation_read import of
from emviewer.ui.panels.orientation_lab_chart import Chart, Line
from emviewer.ui.panels.orientation_lab_pages import Page
from emviewer.ui.panels.slices import SlicesPanel
from emviewer.ui.runner import JobHandle, Runner
from emviewer.ui.workspace import Document, Workspace

LOW_EM = 34
"""Height in lines of text below which there is no room for what the hand means; the button's tip says it, too."""
FLIPPED = "other_hand"
MAPS = ("map.mrc", "half1.mrc", "half2.mrc")
HAND = (
    "Projections cannot tell the hand: this map and its mirror image explain the images equally well. A known α-helix "
    "or a tilted pair decides."
)


class MapPage(Page):
    """Slices of the map as it comes, the shell correlation of its halves, and where the map can go.

    Signals
    -------
    send_wanted : str
        Name of the job that the map is wanted for.
    flipped : path
        The other hand was written into this folder.
    failed : str
        Why it could not be.
    """

    send_wanted = Signal(str)
    flipped = Signal(object)
    failed = Signal(str)

    def __init__(self, workspace: Workspace, runner: Runner, owner: Any, jobs: list[tuple[str, str]]) -> None:
        super().__init__(workspace, runner, owner)
        self.slices = SlicesPanel(workspace, runner, self)
        self.slices.controls.hide()  # wheel and clicks move the cuts; the room belongs to the curve
        self.filtered = QCheckBox("Show only what the halves agree on")
        self.filtered.setToolTip("Filter the display to the resolution where the halves correlate by 0.143")
        self.filtered.setChecked(True)
        self.filtered.toggled.connect(lambda _: self._show_map(again=True))
        self._shown: tuple[Any, ...] = ()
        self._live = Latest(runner, (owner, "live map"), slow=True)
        self.slices.empty.setText("No map yet: it shows here as soon as there is one.")
        self.curve = Chart("FSC of the halves", "resolution, Å", "No half maps yet")
        self.curve.y_range, self.curve.levels = (-0.1, 1.02), (0.143, 0.5)
        self.curve.x_text = lambda f: "∞" if f <= 0 else f"{1 / f:.3g}"
        self.hand = QLabel(HAND)
        self.hand.setProperty("role", "dim")
        self.hand.setWordWrap(True)
        self.flip = QPushButton("Flip hand")
        self.flip.setToolTip(f"Write map, halves and orientations of the other hand into a folder beside them. {HAND}")
        self.flip.clicked.connect(lambda: self.flip_hand())
        self.sends = []
        for job, title in jobs:
            button = QPushButton(title)
            button.setToolTip(f"Open the map and take it on to {title}")
            button.clicked.connect(lambda _=False, j=job: self.send_wanted.emit(j))
            self.sends.append(button)
        self._build()

    def _build(self) -> None:
        onward = FlowLayout()
        word = QLabel("Take the map to")
        word.setProperty("role", "dim")
        word.setMinimumHeight(self.flip.sizeHint().height())
        for widget in (word, *self.sends) if self.sends else ():
            onward.addWidget(widget)
        words = QVBoxLayout()
        words.addWidget(self.filtered)
        words.addWidget(self.hand)
        words.addWidget(self.flip, 0, Qt.AlignmentFlag.AlignLeft)
        words.addLayout(onward)
        words.addStretch(1)
        side = QWidget()
        self._side = QBoxLayout(QBoxLayout.Direction.TopToBottom, side)
        self._side.setContentsMargins(6, 4, 8, 6)
        self._side.addWidget(self.curve, 1)
        self._side.addLayout(words, 1)
        self.split = QSplitter(Qt.Orientation.Horizontal)
        self.split.setChildrenCollapsible(False)
        self.split.addWidget(self.slices)
        self.split.addWidget(side)
        self.split.setStretchFactor(0, 2)
        self.split.setStretchFactor(1, 1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.split)

    def resizeEvent(self, event: Any) -> None:
        super().resizeEvent(event)
        self.hand.setVisible(self.height() > LOW_EM * self.fontMetrics().height())
        wide = self.width() > 1.25 * self.height()
        wanted = Qt.Orientation.Horizontal if wide else Qt.Orientation.Vertical
        if wanted != self.split.orientation() or event.oldSize().width() < 1:
            self.split.setOrientation(wanted)
            way = QBoxLayout.Direction.TopToBottom if wide else QBoxLayout.Direction.LeftToRight
            self._side.setDirection(way)
            length = self.width() if wide else self.height()
            self.split.setSizes([length * 64 // 100, length * 36 // 100])

    def refresh(self) -> None:
        orient = of(self.document)
        self._show_map()
        there = orient is not None and orient.file("map.mrc") is not None
        for button in (self.flip, *self.sends):
            button.setEnabled(there)
        if orient is None or orient.fsc is None:
            self.curve.clear()
            return
        table = orient.fsc
        frequency = table["frequency_inv_A"].to_numpy(float)
        lines = [Line(frequency, table["fsc"].to_numpy(float), "halves")]
        if "fsc_truth" in table:
            lines.append(Line(frequency, table["fsc_truth"].to_numpy(float), "at the true views", "text"))
        reached = orient.summary.get("fsc_0.143_A")
        words = "" if isinstance(reached, (int, float)) else "above 0.143 to the end"
        marks = [(1 / float(reached), f"{reached:.1f} Å")] if isinstance(reached, (int, float)) else []
        self.curve.show_data(lines=lines, note=words, marks=marks)

    def _show_map(self, again: bool = False) -> None:
        """Show the map of the document, filtered if wanted; while it is made, one of the orientations so far."""
        document, orient = self.document, of(self.document)
        volume = None if document is None else document.volume
        reached = None if orient is None else orient.summary.get("fsc_0.143_A")
        filters = volume is not None and isinstance(reached, (int, float))
        self.filtered.setVisible(filters)
        if document is None or orient is None:
            self._shown = ()
            self.slices.show_document(None)
        elif volume is None:
            if document.streaming and orient.job == "recover":
                self._ask_live(document)
            elif self._shown:
                self._shown = ()
                self.slices.show_document(None)
        elif again or self._shown != (document.id, id(volume)):
            self._shown = (document.id, id(volume))
            self._live.cancel()
            if not (filters and self.filtered.isChecked()):
                self._put(volume, document.title)
                return
            resolution = float(reached or 0)
            self.runner.view(
                (self.owner, "filtered map"), lambda check: lowpass_map(volume, resolution),
                lambda made: self._put(made, f"{document.title} at {resolution:.1f} Å"),
            )  # fmt: skip

    def _put(self, volume: Map3D, title: str) -> None:
        self.slices.show_instead(Document("map", title, volume=volume))

    def _ask_live(self, document: Document) -> None:
        """Make a map of the orientations as they are now, in the slow lane, one at a time."""
        if document.table is None or document.stack is None or self._live.busy or not self.isVisible():
            return
        table, stack = document.table, document.stack
        sign = -1.0 if document.info.get("_parameters", {}).get("contrast") == "negative" else 1.0
        sym = str(document.info.get("_parameters", {}).get("sym") or "C1")

        def then(volume: Map3D | None) -> None:
            if volume is not None and self.document is document and document.streaming and document.volume is None:
                self._shown = (document.id, "live")
                self._put(volume, f"{document.title} so far")

        self._live.ask(lambda check: live_map(table, stack, sign, sym, check), then, fail=lambda error: None)

    def flip_hand(self) -> JobHandle | None:
        """Write the other hand beside the result, in the job lane; None if there is no map."""
        orient = of(self.document)
        if orient is None or orient.folder is None or orient.file("map.mrc") is None:
            return None
        folder = orient.folder
        self.flip.setEnabled(False)
        return self.runner.submit(
            JobHandle(f"Flip hand: {folder.name}", lambda check: write_other_hand(folder, check), on_end=self._flipped)
        )

    def _flipped(self, job: JobHandle) -> None:
        self.flip.setEnabled(True)
        if job.state == "complete":
            self.flipped.emit(job.outcome)
        elif job.error is not None:
            self.failed.emit(f"The other hand could not be written: {job.error}")


LIVE_IMAGES = 600
"""Images that a map of the orientations so far is made of; 200 of 64 px take 0.2 s in the view lane's one thread."""
LIVE_BAND = 0.5
"""Part of the band of the images that it shows."""


def live_map(table: pd.DataFrame, stack: ImageStack, sign: float, sym: str, check: Check) -> Map3D | None:
    """Return a coarse map of the orientations of a table as they are; None if fewer than four are placed."""
    columns = ["rot_deg", "tilt_deg", "psi_deg", "shift_x_A", "shift_y_A"]
    values = table[columns].to_numpy(float)
    placed = np.flatnonzero(np.isfinite(values).all(1))
    ids = placed[np.unique(np.linspace(0, len(placed) - 1, min(len(placed), LIVE_IMAGES)).astype(int))]
    if len(ids) < 4:
        return None
    box = stack.shape[0]
    work = Reconstructor(box, group=np.asarray(point_group(sym).rotations), top=LIVE_BAND * box / 2)
    for start in range(0, len(ids), 64):
        check()
        some = ids[start : start + 64]
        images = np.nan_to_num(stack[table.index.to_numpy(np.int64)[some]]) * np.float32(sign)
        views, shifts = euler_to_matrix(*values[some, :3].T), values[some, 3:] / stack.pixel_size_A
        work.add(images, views, shifts, None, None, check)
    return Map3D(work.map(), stack.pixel_size_A)


def write_other_hand(folder: Path, check: Check) -> Generator[Batch, None, Path]:
    """Write the maps and orientations of a result in the other hand into ``other_hand`` within its folder.

    The map is mirrored through the plane z = n // 2; each view ``A`` becomes ``J A J`` with ``J = diag(1, 1, -1)``, so
    that it shows the same image of the mirrored map and its shift stays.
    """
    out = folder / FLIPPED
    out.mkdir(exist_ok=True)
    maps = [name for name in MAPS if (folder / name).is_file()]
    for done, name in enumerate(maps):
        check()
        yield message("mirroring", done, len(maps) + 1)
        volume = mrc.read_map(folder / name)
        n = volume.data.shape[0]
        mirrored = np.ascontiguousarray(volume.data[(2 * (n // 2) - np.arange(n)) % n])
        mrc_write.write_map(out / name, mirrored, volume.pixel_size_A, volume.origin_A)
    source = folder / "orientations.star"
    if source.is_file():
        check()
        blocks = star.read_star(source)
        for table in blocks.values():
            if {"rlnAngleRot", "rlnAngleTilt", "rlnAnglePsi"} <= set(table.columns):
                names = ["rlnAngleRot", "rlnAngleTilt", "rlnAnglePsi"]
                views = euler_to_matrix(*(star.numbers(table, c) for c in names))
                angles = matrix_to_euler(flip_hand(views))
                for name, values in zip(names, angles.T, strict=True):
                    table[name] = [f"{v:.6f}" for v in values]
        star.write_star(out / "orientations.star", blocks)
    yield message("mirroring", len(maps) + 1, len(maps) + 1)
    return out
