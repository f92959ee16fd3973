"""The pages of the orientation lab that hold views against the truth: errors image by image, distances pair by pair."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QHBoxLayout, QLabel, QSizePolicy, QVBoxLayout

from emviewer.ui import orientation_numbers as numbers
from emviewer.ui.orientation_read import CONFIDENCE, DISTANCES, ERROR, IN_PLANE_ERROR, VIEW_ERROR, of
from emviewer.ui.panels.orientation_lab_chain import symmetry_of
from emviewer.ui.panels.orientation_lab_chart import Bars, Chart, Line
from emviewer.ui.panels.orientation_lab_pages import PAIR_EDGES, STRIP, Page
from emviewer.ui.panels.orientation_lab_strip import ImageStrip
from emviewer.ui.panels.sphere import angles_of
from emviewer.ui.plot_view import PlotView
from emviewer.ui.runner import Runner
from emviewer.ui.workspace import Workspace

MOST_DOTS = 6000
"""Pairs that are drawn one by one."""


class Figures(QLabel):
    """A line of key figures, each with its name."""

    def __init__(self) -> None:
        super().__init__()
        self.setWordWrap(True)
        self.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Minimum)
        self.setContentsMargins(10, 8, 10, 4)

    def say(self, figures: list[tuple[str, str]], below: str = "") -> None:
        """Write the figures large, and a sentence below them."""
        words = " &nbsp; &nbsp; ".join(f"<span style='font-size:large'><b>{v}</b></span> {n}" for n, v in figures)
        self.setText(words + (f"<br>{below}" if below else ""))


class ReportPage(Page):
    """Errors against the truth, image by image."""

    def __init__(self, workspace: Workspace, runner: Runner, owner: Any) -> None:
        super().__init__(workspace, runner, owner)
        self.figures = Figures()
        self.histogram = Chart("Errors of the orientations", "error, °", "No truth to compare with")
        self.parts = Chart("How many are within an error", "error, °", "No truth to compare with")
        self.parts.y_range = (0.0, 1.0)
        self.parts.legend = "bottom"
        self.plot = PlotView()
        self.plot.picked.connect(lambda i, modifiers: self.pick(int(self.rows[i]), modifiers) if i >= 0 else None)
        self.plot.chosen.connect(self._chosen)
        self.strip = ImageStrip(runner, owner)
        self.strip.picked.connect(self.pick)
        charts = QVBoxLayout()
        charts.addWidget(self.histogram, 1)
        charts.addWidget(self.parts, 1)
        row = QHBoxLayout()
        row.setContentsMargins(6, 0, 8, 0)
        row.addLayout(charts, 1)
        row.addWidget(self.plot, 1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.figures)
        layout.addLayout(row, 1)
        layout.addWidget(self.strip)

    def refresh(self) -> None:
        document, orient, whole = self.document, of(self.document), self.column(ERROR)
        self.plot.setVisible(whole is not None)
        if document is None or orient is None or whole is None or not np.isfinite(whole).any():
            self._say_empty()
            return
        known = whole[np.isfinite(whole)]
        median, p95 = (float(v) for v in np.percentile(known, [50, 95]))
        hand = "the other hand than the truth's" if orient.flipped else "the truth's hand"
        figures = [("median", f"{median:.2f}°"), ("mean", f"{known.mean():.2f}°"), ("95 % within", f"{p95:.1f}°")]
        o4 = orient.summary.get("error_median_o4_rad")
        if isinstance(o4, float):
            figures.append(("rad, median under O(4)", f"{o4:.4f}"))
        self.figures.say(figures, f"After the best rotation; compared in {hand}, which projections cannot tell.")
        edges = np.linspace(0, max(1e-3, min(180.0, float(np.percentile(known, 99)) * 1.15)), 41)
        self.histogram.show_data(
            bars=Bars(np.histogram(known, edges)[0], edges), marks=[(median, f"median {median:.2f}°")],
            note=f"{int((known > edges[-1]).sum())} beyond" if (known > edges[-1]).any() else "",
        )  # fmt: skip
        self._show_parts(float(edges[-1]))
        sure = self.column(CONFIDENCE)
        x = np.arange(len(whole), dtype=float) if sure is None else sure
        self.plot.set_points(x, whole, ("image" if sure is None else "confidence", "error, °"))
        worst = np.argsort(-np.nan_to_num(whole, nan=-1.0), kind="stable")
        n = 0 if document.stack is None else len(document.stack)
        self.strip.show_images(
            document, worst[worst < n][:STRIP], "Worst first", lambda p: f"#{self.rows[p]}  {whole[p]:.1f}°"
        )

    def _say_empty(self) -> None:
        words = "Errors can be told where the truth is known: recover a simulated set, or give the true orientations."
        self.figures.say([], words)
        self.histogram.clear()
        self.parts.clear()
        self.strip.show_images(None, np.empty(0), "", str)

    def _show_parts(self, top: float) -> None:
        lines = []
        for name, label, role in (
            (ERROR, "whole", "accent"), (VIEW_ERROR, "direction of view", "text"), (IN_PLANE_ERROR, "in plane", "dim"),
        ):  # fmt: skip
            values = self.column(name)
            if values is not None:
                values = np.sort(values[np.isfinite(values)])
                x = np.linspace(0, top, 200)
                y = np.searchsorted(values, x, side="right") / len(values)
                lines.append(Line(x, y, label, role, dashed=role == "dim"))
        self.parts.show_data(lines=lines)

    def _chosen(self, indices: np.ndarray, modifiers: Qt.KeyboardModifier) -> None:
        if self.document is None:
            return
        rows, before = self.rows[indices], self.workspace.selection(self.document)
        if modifiers & Qt.KeyboardModifier.ShiftModifier:
            rows = np.union1d(before, rows)
        elif modifiers & Qt.KeyboardModifier.AltModifier:
            rows = np.setdiff1d(before, rows)
        self.workspace.select(self.document, rows)

    def follow(self) -> None:
        index = self.position()
        chosen = np.empty(0, np.int64) if self.document is None else self.workspace.selection(self.document)
        if len(self.plot.x) == len(self.rows):
            self.plot.set_current(index)
            self.plot.set_selected(np.isin(self.rows, chosen))
        self.strip.mark(None if index < 0 else int(self.rows[index]), chosen)


@dataclass(frozen=True, eq=False)
class _Pairs:
    """Pairwise distances in degrees, counted and, of some, side by side; estimated by the images, or of views found."""

    found: np.ndarray
    expected: np.ndarray
    truth: np.ndarray | None
    dots: tuple[np.ndarray, np.ndarray] | None
    mae_deg: float = 0.0
    rms_deg: float = 0.0
    estimated: bool = False
    sym: str = "C1"


class DistancesPage(Page):
    """Distances between pairs of views: their histogram, and against the truth where that is known."""

    def __init__(self, workspace: Workspace, runner: Runner, owner: Any) -> None:
        super().__init__(workspace, runner, owner)
        self.figures = Figures()
        self.pairs = Chart("Distances between all pairs of views", "rotation angle, °", "No views yet")
        self.pairs.legend = "left"
        self.plot = PlotView()
        row = QHBoxLayout()
        row.setContentsMargins(6, 0, 8, 6)
        row.addWidget(self.pairs, 1)
        row.addWidget(self.plot, 1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.figures)
        layout.addLayout(row, 1)

    def refresh(self) -> None:
        document, orient = self.document, of(self.document)
        angles = None if document is None else angles_of(document.table)
        self.plot.hide()
        if document is None or angles is None or len(angles) < 2:
            self.figures.say([], "The angle between two views is the distance from which orientations are recovered.")
            self.pairs.clear()
            return
        truth = None if orient is None else orient.truth
        angles = angles.copy()
        told = None if orient is None else orient.file(DISTANCES)
        sym = symmetry_of(document)
        self.runner.view((self.owner, "pairs"), lambda check: compare_pairs(angles, truth, told, sym), self._got)

    def _got(self, pairs: _Pairs) -> None:
        shown = [pairs.found, pairs.expected] + ([] if pairs.truth is None else [pairs.truth])
        top = int(np.flatnonzero(np.sum(shown, axis=0) > 0.1).max(initial=3)) + 1  # folded distances end before 180°
        edges = PAIR_EDGES[: top + 1]
        middle = (edges[1:] + edges[:-1]) / 2
        total = float(pairs.found.sum())
        uniform = "uniform: (1 − cos d)/π" if pairs.sym == "C1" else f"uniform, least over {pairs.sym}"
        lines = [Line(middle, pairs.expected[:top], uniform, "text", dashed=True)]
        if pairs.truth is not None:
            lines.append(Line(middle, pairs.truth[:top], "truth", "text"))
        self.pairs.show_data(bars=Bars(pairs.found[:top], edges), lines=lines, note=f"{total:.0f} pairs")
        if pairs.dots is None:
            orient = of(self.document)
            views = "recovered orientations" if orient is not None and orient.job == "recover" else "true orientations"
            words = "As estimated from the images." if pairs.estimated else f"Between {views}."
            self.figures.say([], f"{words} Recover with the truth at hand to compare them with it.")
            return
        self.plot.show()
        name = "estimated" if pairs.estimated else "recovered"
        self.plot.set_points(*pairs.dots, ("true distance, °", f"{name} distance, °"))
        what = "distances as they were estimated from the images" if pairs.estimated else (
            "distances between recovered orientations; they do not depend on frame or hand"
        )  # fmt: skip
        self.figures.say(
            [("mean absolute error", f"{pairs.mae_deg:.2f}°"), ("root mean square", f"{pairs.rms_deg:.2f}°")],
            f"Of the {what}.",
        )


def compare_pairs(angles: np.ndarray, truth: np.ndarray | None, told: Path | None = None, sym: str = "C1") -> _Pairs:
    """Count the pairwise distances of views, and hold them against the true ones; for a lane.

    Parameters
    ----------
    angles, truth : ndarray of float64, shape (n, 3)
        Rot, tilt and psi in degrees, as found and true.
    told : path or None
        Distances in rad that were estimated (N×N); they take the place of those between the views found.
    sym : str
        Point group: distances are the least between equivalent views, as those estimated of a symmetric particle are.
    """
    known = angles if truth is None else np.where(np.isfinite(truth), angles, np.nan)
    rows = numbers.paired(known)
    estimate = None if told is None else read_distances(told, rows, len(angles))
    found = numbers.pairwise_deg(angles[rows], sym) if estimate is None else estimate
    there = np.isfinite(found)
    counts = np.histogram(found[there], PAIR_EDGES)[0]
    expected = numbers.expected_pairs(PAIR_EDGES, float(counts.sum()), sym)
    if truth is None:
        return _Pairs(counts, expected, None, None, estimated=estimate is not None, sym=sym)
    true, found = numbers.pairwise_deg(truth[rows], sym)[there], found[there]
    some = np.unique(np.linspace(0, len(true) - 1, min(len(true), MOST_DOTS)).astype(int))
    off = found - true
    return _Pairs(
        counts, expected, np.histogram(true, PAIR_EDGES)[0].astype(float), (true[some], found[some]),
        float(np.abs(off).mean()), float(np.sqrt((off**2).mean())), estimate is not None, sym,
    )  # fmt: skip


def read_distances(path: Path, rows: np.ndarray, n: int) -> np.ndarray | None:
    """Return the estimated distances in degrees of all pairs of these rows; None if the file does not fit."""
    try:
        matrix = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError):
        return None
    if matrix.shape != (n, n):
        return None
    return np.degrees(np.asarray(matrix[np.ix_(rows, rows)], float)[np.triu_indices(len(rows), 1)])
