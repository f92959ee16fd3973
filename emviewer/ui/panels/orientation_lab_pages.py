"""The pages of the orientation lab that show views: their coverage, and their recovery. Linked by row."""

from __future__ import annotations

from typing import Any

import numpy as np
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QHBoxLayout, QLabel, QSplitter, QToolButton, QVBoxLayout, QWidget

from emviewer.ui import orientation_numbers as numbers
from emviewer.ui.orientation_read import CONFIDENCE, Point, of
from emviewer.ui.panels.orientation_lab_chart import Bars, Chart, Line
from emviewer.ui.panels.orientation_lab_strip import ImageStrip
from emviewer.ui.panels.orientation_lab_words import UNSURE
from emviewer.ui.panels.sphere import angles_of, group_of
from emviewer.ui.runner import Runner
from emviewer.ui.sphere_view import SphereView
from emviewer.ui.workspace import Document, Workspace

PAIR_EDGES = np.linspace(0.0, 180.0, 46)
STRIP = 40
CURVES = {"loss": "Loss", "explained": "Explained by the map", "spread_deg": "Spread of the likely views, °"}
"""What a job may say of its progress, and what it is called; of what is finished the first is shown."""


def toggles(modifiers: Qt.KeyboardModifier) -> bool:
    """Return whether a click adds to the selection rather than moving the current row."""
    return bool(modifiers & (Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.ShiftModifier))


class Page(QWidget):
    """A page shows one document; clicks go to the workspace, and what others click comes back from it.

    Parameters
    ----------
    workspace, runner
        As for panels.
    owner : hashable
        First element of the keys of views.
    """

    def __init__(self, workspace: Workspace, runner: Runner, owner: Any) -> None:
        super().__init__()
        self.workspace, self.runner, self.owner = workspace, runner, owner
        self.document: Document | None = None
        self.rows = np.empty(0, np.int64)

    def show_document(self, document: Document | None) -> None:
        """Show a document as it is now."""
        self.document = document
        self.rows = np.empty(0, np.int64) if document is None else document.row_ids
        self.refresh()
        self.follow()

    def refresh(self) -> None:
        """Show the document's contents."""

    def follow(self) -> None:
        """Show the current row and the selection."""

    def pick(self, row: int, modifiers: Qt.KeyboardModifier) -> None:
        """Make a row current; with Ctrl or Shift put it into the selection, or take it out."""
        if self.document is None:
            return
        if toggles(modifiers):
            self.workspace.select(self.document, np.setxor1d(self.workspace.selection(self.document), [row]))
        self.workspace.set_row(self.document, row)

    def position(self) -> int:
        """Return the position of the current row, -1 for none."""
        row = None if self.document is None else self.workspace.row(self.document)
        found = np.flatnonzero(self.rows == row) if row is not None else []
        return int(found[0]) if len(found) else -1

    def column(self, name: str) -> np.ndarray | None:
        """Return a column of the document's table as numbers; None if it has none."""
        table = None if self.document is None else self.document.table
        return None if table is None or name not in table else table[name].to_numpy(float)


class SpherePage(Page):
    """A page with the directions of view on a sphere, charts beside it and a strip of images beneath."""

    def __init__(self, workspace: Workspace, runner: Runner, owner: Any) -> None:
        super().__init__(workspace, runner, owner)
        self.sphere = SphereView()
        self.flat = QToolButton()
        self.flat.setText("Flat map")
        self.flat.setCheckable(True)
        self.flat.setToolTip("The whole sphere as an equal-area map (Mollweide)")
        self.flat.toggled.connect(self.sphere.set_mollweide)
        self.legend = QLabel()
        self.legend.setProperty("role", "dim")
        self.legend.setWordWrap(True)
        self.legend.setMinimumWidth(6 * self.fontMetrics().height())
        self.strip = ImageStrip(runner, owner)
        self.strip.picked.connect(self.pick)
        self.placed = np.empty(0, np.int64)
        self.sphere.picked.connect(lambda index, modifiers: self.pick(int(self.rows[self.placed[index]]), modifiers))
        self.strip_of_tools = QHBoxLayout()
        self.strip_of_tools.addWidget(self.legend, 1)
        self.strip_of_tools.addWidget(self.flat)
        left = QWidget()
        column = QVBoxLayout(left)
        column.setContentsMargins(6, 4, 4, 4)
        column.addWidget(self.sphere, 1)
        column.addLayout(self.strip_of_tools)
        self.beside = QWidget()
        self.charts = QVBoxLayout(self.beside)
        self.charts.setContentsMargins(4, 4, 8, 4)
        split = QSplitter(Qt.Orientation.Horizontal)
        split.setChildrenCollapsible(False)
        split.addWidget(left)
        split.addWidget(self.beside)
        split.setSizes([500, 500])
        self.foot = QWidget()
        self.foot.hide()
        self.below = QHBoxLayout(self.foot)
        self.below.setContentsMargins(6, 0, 8, 0)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addWidget(split, 3)
        layout.addWidget(self.foot, 2)
        layout.addWidget(self.strip)

    def show_directions(self, values: np.ndarray | None, legend: str) -> np.ndarray | None:
        """Draw the directions of the document, coloured by values; return its Euler angles (n, 3)."""
        document = self.document
        angles = None if document is None else angles_of(document.table)
        self.legend.setText(legend if angles is not None else "")
        self.placed = np.empty(0, np.int64) if angles is None else np.flatnonzero(np.isfinite(angles[:, :2]).all(1))
        if document is None or angles is None:
            self.sphere.set_directions(np.empty((0, 3)))
            return None
        self.sphere.set_group(group_of(document, self.workspace))
        shown = None if values is None else np.round(values[self.placed], 2)
        self.sphere.set_directions(numbers.direction_angles(angles[self.placed]), shown)
        return angles

    def follow(self) -> None:
        index = self.position()
        chosen = np.empty(0, np.int64) if self.document is None else self.workspace.selection(self.document)
        at = np.flatnonzero(self.placed == index)
        self.sphere.set_current(self.sphere.directions[at[0]] if len(at) else None)
        self.sphere.set_selected(np.flatnonzero(np.isin(self.rows[self.placed], chosen)))
        self.strip.mark(None if index < 0 else int(self.rows[index]), chosen)


class SimulatePage(SpherePage):
    """Coverage of the sphere, Euler angles, and the distances between all pairs beside those of uniform rotations."""

    def __init__(self, workspace: Workspace, runner: Runner, owner: Any) -> None:
        super().__init__(workspace, runner, owner)
        self.flat.setChecked(True)
        self.euler = [Chart(name, "", "No views yet") for name in ("rot, °", "tilt, °", "psi, °")]
        self.pairs = Chart("Distances between all pairs of views", "rotation angle, °", "No views yet")
        self.pairs.legend = "left"
        for chart, tilts in zip(self.euler, (False, True, False), strict=True):
            chart.x_ticks = (0, 45, 90, 135, 180) if tilts else (-180, -90, 0, 90, 180)
            self.below.addWidget(chart)
        self.foot.show()
        self.charts.addWidget(self.pairs)

    def refresh(self) -> None:
        angles = self.show_directions(None, "A dot is where an image looks from")
        document = self.document
        if angles is None or document is None:
            for chart in (*self.euler, self.pairs):
                chart.clear()
            self.strip.show_images(None, np.empty(0), "", str)
            return
        self.legend.setText(f"{len(angles)} views; a dot is where an image looks from")
        self._show_euler(angles)
        show_pairs(self, self.pairs, angles)
        n = 0 if document.stack is None else len(document.stack)
        self.strip.show_images(document, np.arange(min(n, STRIP)), "The first images", lambda p: f"#{self.rows[p]}")

    def _show_euler(self, angles: np.ndarray) -> None:
        n = len(angles)
        for chart, values, tilts in zip(self.euler, angles.T, (False, True, False), strict=True):
            edges = np.linspace(0, 180, 19) if tilts else np.linspace(-180, 180, 19)
            wrapped = values if tilts else (values + 180) % 360 - 180
            middle = (edges[1:] + edges[:-1]) / 2
            expected = n * np.diff(-np.cos(np.radians(edges))) / 2 if tilts else np.full(18, n / 18)
            counts = np.histogram(wrapped[np.isfinite(wrapped)], edges)[0]
            line = Line(middle, expected, "", "text", dashed=True)
            chart.show_data(bars=Bars(counts, edges), lines=[line])


def show_pairs(page: Page, chart: Chart, angles: np.ndarray) -> None:
    """Count the pairwise distances of views in a lane and show them with what uniform rotations would give."""
    angles = angles.copy()

    def work(check: Any) -> np.ndarray:
        return np.histogram(numbers.pairwise_deg(angles[numbers.paired(angles)]), PAIR_EDGES)[0]

    def then(counts: np.ndarray) -> None:
        middle = (PAIR_EDGES[1:] + PAIR_EDGES[:-1]) / 2
        expected = numbers.expected_pairs(PAIR_EDGES, float(counts.sum()))
        uniform = Line(middle, expected, "uniform: (1 − cos d)/π", "text", dashed=True)
        chart.show_data(bars=Bars(counts, PAIR_EDGES), lines=[uniform], note=f"{counts.sum()} pairs")

    page.runner.view((page.owner, id(chart)), work, then)


class RecoverPage(SpherePage):
    """Orientations settling on the sphere, the loss, and how sure each image is."""

    def __init__(self, workspace: Workspace, runner: Runner, owner: Any) -> None:
        super().__init__(workspace, runner, owner)
        self.loss = Chart("Progress", "step", "The curve appears while orientations are recovered")
        self.sphere.span = (0.0, 1.0)
        self.sure = Chart("How sure the images are", "confidence", "No orientations yet")
        self.unsure = QToolButton()
        self.unsure.setText("Select the unsure")
        self.unsure.setToolTip(
            f"Select the images whose confidence is below {UNSURE}; the gallery shows and saves them"
        )
        self.unsure.clicked.connect(self.select_unsure)
        self.strip_of_tools.insertWidget(1, self.unsure)
        self.charts.addWidget(self.loss, 1)
        self.charts.addWidget(self.sure, 1)

    def refresh(self) -> None:
        document, orient = self.document, of(self.document)
        sure = self.column(CONFIDENCE)
        judged = sure is None or bool(np.isfinite(sure).any())
        sure = sure if judged else None
        angles = self.show_directions(sure, "Bright is sure" if sure is not None else "")
        self.unsure.setVisible(sure is not None)
        self._show_loss(orient.curves if orient is not None else {})
        if document is None or angles is None:
            self.sure.clear()
            self.strip.show_images(None, np.empty(0), "", str)
            return
        order = np.arange(len(angles)) if sure is None else np.argsort(sure, kind="stable")  # NaN last
        title = "The images" if sure is None else "Least sure first"
        if sure is None:
            self.sure.clear("These orientations carry no confidence" if judged else "Told once the views have settled")
        else:
            known = sure[np.isfinite(sure)]
            waiting = len(sure) - len(known)
            top = max(1.0, float(known.max(initial=1.0)))
            edges = np.linspace(0.0, top, 31)
            low = int((known < UNSURE).sum())
            missing = f", {waiting} not placed" if waiting else ""
            self.sure.show_data(bars=Bars(np.histogram(known, edges)[0], edges), note=f"{low} below {UNSURE}{missing}")
        n = 0 if document.stack is None else len(document.stack)
        self.strip.show_images(
            document, order[order < n][:STRIP], title,
            lambda p: f"#{self.rows[p]}" if sure is None or not sure[p] >= 0 else f"#{self.rows[p]}  {sure[p]:.2f}",
        )  # fmt: skip

    def select_unsure(self) -> None:
        """Select the images whose confidence is low."""
        sure = self.column(CONFIDENCE)
        if self.document is not None and sure is not None:
            self.workspace.select(self.document, self.rows[sure < UNSURE])

    def _show_loss(self, curves: dict[str, list[Point]]) -> None:
        streaming = self.document is not None and self.document.streaming
        self.loss.setVisible(bool(curves) or streaming)  # the folder does not keep it
        name = next((n for n in CURVES if n in curves), next(iter(curves), ""))
        name = next(reversed(curves), "") if streaming else name  # the newest, which moves
        if not name:
            self.loss.clear()
            return
        curve = curves[name]
        self.loss.title = CURVES.get(name, name.replace("_", " ").capitalize())
        lines = []
        for stage in dict.fromkeys(point.stage for point in curve):
            points = np.array([(point.step, point.value) for point in curve if point.stage == stage])
            lines.append(Line(points[:, 0], points[:, 1]))
        self.loss.x_ticks = tuple(range(len(curve))) if len(curve) < 8 else ()  # no step is a fraction
        now = curve[-1]
        self.loss.show_data(lines=lines, note=f"{now.stage}: {now.value:.3g}".lstrip(": "))
