"""The map page of the orientation lab: slices of the reconstruction, how far its halves agree, flip hand, send on."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path
from typing import Any

import numpy as np
from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QHBoxLayout, QLabel, QPushButton, QSizePolicy, QSplitter, QVBoxLayout, QWidget

from emviewer.engine.task import Batch, Check, message
from emviewer.ui.orientation_read import of
from emviewer.ui.panels.orientation_lab_chart import Chart, Line
from emviewer.ui.panels.orientation_lab_pages import Page
from emviewer.ui.panels.slices import SlicesPanel
from emviewer.ui.runner import JobHandle, Runner
from emviewer.ui.workspace import Workspace

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
    open_wanted : path
        A map that was written is to be opened.
    said : str
        Something to tell in the state line.
    """

    send_wanted = Signal(str)
    open_wanted = Signal(object)
    said = Signal(str)

    def __init__(self, workspace: Workspace, runner: Runner, owner: Any, jobs: list[tuple[str, str]]) -> None:
        super().__init__(workspace, runner, owner)
        self.slices = SlicesPanel(workspace, runner, self)
        self.slices.empty.setText("No map yet: it shows here as soon as there is one.")
        self.curve = Chart("FSC of the halves", "resolution, Å", "No half maps yet")
        self.curve.y_range, self.curve.levels = (-0.1, 1.02), (0.143, 0.5)
        self.curve.x_text = lambda f: "∞" if f <= 0 else f"{1 / f:.3g}"
        self.hand = QLabel(HAND)
        self.hand.setProperty("role", "dim")
        self.hand.setWordWrap(True)
        self.flip = QPushButton("Flip hand")
        self.flip.setToolTip("Write map, halves and orientations of the other hand into a folder beside them")
        self.flip.clicked.connect(lambda: self.flip_hand())
        self.sends = []
        for job, title in jobs:
            button = QPushButton(title)
            button.setToolTip(f"Open the map and take it to {title}")
            button.clicked.connect(lambda _=False, j=job: self.send_wanted.emit(j))
            self.sends.append(button)
        self._build()

    def _build(self) -> None:
        self.levels = self.slices.inspector()[0][1]
        side = QWidget()
        column = QVBoxLayout(side)
        column.setContentsMargins(6, 4, 8, 6)
        column.addWidget(self.curve, 1)
        column.addWidget(self.hand)
        line = QHBoxLayout()
        line.addWidget(self.flip)
        line.addStretch(1)
        column.addLayout(line)
        if self.sends:
            onward = QHBoxLayout()
            word = QLabel("Take the map to")
            word.setProperty("role", "dim")
            word.setSizePolicy(QSizePolicy.Policy.Maximum, QSizePolicy.Policy.Preferred)
            onward.addWidget(word)
            for button in self.sends:
                onward.addWidget(button)
            onward.addStretch(1)
            column.addLayout(onward)
        column.addSpacing(4)
        column.addWidget(self.levels)
        split = QSplitter(Qt.Orientation.Horizontal)
        split.setChildrenCollapsible(False)
        split.addWidget(self.slices)
        split.addWidget(side)
        split.setSizes([600, 360])
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(split)

    def refresh(self) -> None:
        document, orient = self.document, of(self.document)
        if self.slices.document is not document or (document is not None and document.volume is None):
            self.slices.show_document(document)
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
            lines.append(Line(frequency, table["fsc_truth"].to_numpy(float), "with the true map", "text"))
        reached = orient.summary.get("fsc_0.143_A")
        words = "" if isinstance(reached, (int, float)) else "above 0.143 to the end"
        marks = [(1 / float(reached), f"{reached:.1f} Å")] if isinstance(reached, (int, float)) else []
        self.curve.show_data(lines=lines, note=words, marks=marks)

    def flip_hand(self) -> JobHandle | None:
        """Write the other hand beside the result, in the job lane; None if there is no map."""
        orient = of(self.document)
        if orient is None or orient.folder is None or orient.file("map.mrc") is None:
            return None
        folder = orient.folder
        self.flip.setEnabled(False)
        return self.runner.submit(
            JobHandle(f"Flip hand: {folder.name}", lambda check: flipped(folder, check), on_end=self._flipped)
        )

    def _flipped(self, job: JobHandle) -> None:
        self.flip.setEnabled(True)
        if job.state == "complete":
            self.said.emit(f"The other hand is in {job.outcome.parent.name}/{job.outcome.name}. {HAND}")
            self.open_wanted.emit(job.outcome / "map.mrc")
        elif job.error is not None:
            self.said.emit(f"The other hand could not be written: {job.error}")


def flipped(folder: Path, check: Check) -> Generator[Batch, None, Path]:
    """Write the maps and orientations of a result in the other hand into ``other_hand`` within its folder.

    The map is mirrored through the plane z = n // 2; each view ``A`` becomes ``J A J`` with ``J = diag(1, 1, -1)``, so
    that it shows the same image of the mirrored map and its shift stays.
    """
    from emviewer.engine import mrc, mrc_write, star
    from emviewer.engine.conventions import euler_to_matrix, flip_hand, matrix_to_euler

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
