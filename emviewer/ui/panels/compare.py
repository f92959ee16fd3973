"""Compare: an image, its reprojection and what is left; any other orientation can be tried by hand."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QWidget

from emviewer.engine.conventions import directions_from_angles
from emviewer.engine.filters_display import distribution
from emviewer.engine.task import Check
from emviewer.ui import comparison
from emviewer.ui.latest import Latest
from emviewer.ui.panels.compare_apply import ViewSetter
from emviewer.ui.panels.compare_hand import Hand
from emviewer.ui.panels.compare_looks import CompareLooks
from emviewer.ui.panels.compare_maps import MapView
from emviewer.ui.panels.compare_read import Shown, read_maps, read_row
from emviewer.ui.panels.sphere import group_of
from emviewer.ui.runner import Runner
from emviewer.ui.sphere_feed import SphereFeed
from emviewer.ui.workspace import Document, Workspace


class ComparePanel(CompareLooks):
    """The triplet of the current row with its scores, ring correlation and place on the sphere."""

    kind = "compare"
    heading = "Compare"

    def __init__(self, workspace: Workspace, runner: Runner, parent: QWidget | None = None) -> None:
        super().__init__(workspace, runner, parent)
        self.hand = Hand(runner, id(self), self)
        self.hand.row = lambda: self._row
        self.setter = ViewSetter(workspace, runner, self.say_error)
        self.shown: Shown | None = None
        self._reading = Latest(runner, (id(self), "row"))
        self._reading_maps = Latest(runner, (id(self), "maps"))
        self._row: int | None = None
        self._version: object = None
        self._unreadable = False
        self.feed = SphereFeed(runner, id(self), self.sphere)
        self._connect()
        self.show_document(None)

    def _connect(self) -> None:
        self.pictures.turned.connect(self.hand.turn)
        self.pictures.mode_changed.connect(lambda _: self._read_maps())
        self.pictures.moved.connect(self.hand.move)
        self.pictures.rolled.connect(self.hand.roll)
        self.polar.rolled.connect(self.hand.roll)
        self.sphere.direction_chosen.connect(self.hand.look_along)
        self.sphere.picked.connect(self._picked)
        self.hand.changed.connect(self._hand_changed)
        self.hand.said.connect(self.hand_strip.say)
        self.hand.failed.connect(lambda error: self.notice.say(f"{error}.", "error"))
        self.hand_strip.search_wanted.connect(self.do_search_here)
        self.hand_strip.apply_wanted.connect(self.apply_hand)
        self.hand_strip.back_wanted.connect(self.hand.leave)
        w = self.workspace
        self.listen(w.direction_tried, lambda number, d: self.hand.look_along(d) if self._is_shown(number) else None)
        self.listen(w.changed, lambda d: self._reload() if d is self.document else None)
        self.listen(w.row_changed, lambda number: self._show_row() if self._is_shown(number) else None)
        self.listen(w.order_changed, lambda number: self._show_place() if self._is_shown(number) else None)
        self.listen(w.selection_changed, lambda number: self._show_selected() if self._is_shown(number) else None)

    def _is_shown(self, number: int) -> bool:
        return self.document is not None and number == self.document.id

    # the document ---------------------------------------------------------------------------------------------------
    def show_document(self, document: Document | None) -> None:
        if document is not None and not self.accepts(document):
            document = None
        super().show_document(document)
        self._row = self._version = None
        self.notice.say("")
        self.hand.set_comparison(self.compared)
        self.pages.setCurrentIndex(0 if document is None else 1)
        self._reload()

    def _reload(self) -> None:
        document, compared = self.document, self.compared
        if document is None or compared is None:
            return
        if self.hand.comparison is not compared:
            self.hand.set_comparison(compared)
        self.verdict.show_comparison(compared, document.streaming)
        self.options.show_low_pass(compared.low_pass_A)
        self.hand.low_pass_A = compared.low_pass_A
        self.pictures.set_pixel_size(compared.pixel_size_A)
        self.header.show_maps(len(compared.maps) > 1)
        if len(compared.maps) < 2 and self.pictures.mode == "maps":
            self.pictures.set_mode("side")
        self.polar.pixel_size_A = compared.pixel_size_A
        self.pictures.set_names("Class" if compared.of_classes else "Image")
        self.polar.names = self.pictures.names[:2]
        self._show_directions()
        if self.workspace.row(document) is None and len(compared.walk()):
            self.workspace.set_row(document, int(compared.walk()[0]))
        else:
            self._show_row()

    def _show_directions(self) -> None:
        document, compared = self.document, self.compared
        if document is None or compared is None:
            return
        table = compared.table_of(compared.shown)
        self.sphere.set_group(group_of(document, self.workspace))
        self.feed.show(table, "outlier_score" if "outlier_score" in table else "cc", self._show_selected)

    def _show_selected(self) -> None:
        if self.document is not None:
            self.feed.select(self.workspace.selection(self.document))

    def _picked(self, index: int, modifiers: Qt.KeyboardModifier) -> None:
        if self.document is not None:
            row = int(self.feed.found.rows.ids[index])
            if modifiers & (Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.ShiftModifier):
                chosen = np.setxor1d(self.workspace.selection(self.document), [row])
                self.workspace.select(self.document, chosen)
            self.workspace.set_row(self.document, row)

    # the row --------------------------------------------------------------------------------------------------------
    def scores(self) -> pd.Series | None:
        """Return what the table says of the row shown."""
        document = self.document
        row = None if document is None else self.workspace.row(document)
        if document is None or document.table is None or row is None or row not in document.table.index:
            return None
        return document.table.loc[row]

    def _show_row(self) -> None:
        document, compared = self.document, self.compared
        if document is None or compared is None:
            return
        row, scores = self.workspace.row(document), self.scores()
        self._show_place()
        if row != self._row:
            self.hand.leave()
        self._row = row
        if not self.hand.active:
            self.strip.show_scores(scores)
            self._mark_direction(scores)
        if row is None or scores is None:
            self._show_nothing("")
            return
        version = (
            compared.version,
            row,
            compared.low_pass_A,
            compared.shown,
            id(compared.replaced.get((compared.shown, row))),
            _view_of(scores),
        )
        if version == self._version:
            return
        self._version = version
        self._read(row, scores)

    def set_low_pass(self, low_pass_A: float) -> None:
        if self.compared is not None and self.document is not None:
            self.compared.low_pass_A = low_pass_A
            self.hand.set_low_pass(low_pass_A)
            self.workspace.touch(self.document)

    def _show_place(self) -> None:
        document, compared = self.document, self.compared
        if document is None or compared is None:
            return
        row, order = self.workspace.row(document), compared.walk()
        place = np.flatnonzero(order == row) if row is not None else []
        self.header.show_place(row, int(place[0]) if len(place) else None, len(order))

    def _read(self, row: int, scores: pd.Series) -> None:
        compared = self.compared
        if compared is None:
            return
        if str(scores.get("status")) == "failed":
            self._show_nothing(f"This image could not be compared: {scores.get('reason', '')}.")
            return
        stacks = {kind: compared.stack(kind) for kind in ("aligned", "fitted", "residuals")}
        mask = None if compared.inputs is None else compared.inputs.mask
        low_pass_A, pixel = compared.low_pass_A, compared.pixel_size_A

        def work(check: Check) -> Shown:
            check()
            return read_row(row, stacks, mask, low_pass_A, pixel)

        def failed(error: Exception) -> None:
            self._unreadable = True
            self._show_nothing("The images of this row cannot be read.")
            self.notice.say(f"{error}.", "error", "Relink…", self.relink)

        self._reading.ask(work, self._show, failed)

    def _show_nothing(self, why: str) -> None:
        """Show a sentence in place of pictures, and no curve of the row before."""
        self.shown = None
        self.pictures.show_triplet(None, why)
        self.polar.show_bands(None, self.levels.contrast)
        self.curve.show_curve(None)

    def _show(self, shown: Shown) -> None:
        if self._unreadable:
            self._unreadable = False
            self.notice.say("")
        self.shown = shown
        if not self.hand.active and shown.row == self._row:
            self._paint()
            self._read_maps()

    def _read_maps(self) -> None:
        """Read what all maps show of the row, while that is looked at."""
        compared, shown = self.compared, self.shown
        if compared is None or shown is None or self.pictures.mode != "maps":
            return
        row, low_pass_A = shown.row, compared.low_pass_A

        def show(views: list[MapView]) -> None:
            if self.shown is not None and self.shown.row == row:
                self.pictures.show_maps(views)

        self._reading_maps.ask(lambda check: read_maps(row, compared, low_pass_A), show, self.say_error)

    def _paint(self) -> None:
        """Bring pictures, contrast and curve up to date: those of the hand if there are any, else those read."""
        shown = self.shown
        if self.hand.triplet is not None:
            triplet = self.hand.triplet
        elif shown is not None:
            triplet = shown.triplet
        else:
            return
        self.pictures.show_triplet(triplet)
        if self.options.follow.isChecked():
            auto = (shown.triplet if shown is not None else triplet).contrast()
            self.levels.set_contrast(replace(self.levels.contrast, low=auto.low, high=auto.high))
            self.levels.set_distribution(distribution(np.concatenate([triplet.image.ravel(), triplet.fitted.ravel()])))
        self._show_contrast(self.levels.contrast)
        self._show_curve()

    def _show_curve(self) -> None:
        view, shown, compared = self.hand.view, self.shown, self.compared
        if compared is None:
            return
        scores = self.scores()
        if view is not None:
            before = None if shown is None else shown.frc
            self.curve.show_curve(view.frc, compared.pixel_size_A, view.scores["frc05_A"], before)
        elif shown is not None:
            crossing = float(scores["frc05_A"]) if scores is not None and "frc05_A" in scores else None
            self.curve.show_curve(shown.frc, compared.pixel_size_A, crossing)

    def _mark_direction(self, scores: pd.Series | None) -> None:
        angles = None if scores is None else [float(scores[c]) for c in ("rot_deg", "tilt_deg")]
        known = angles is not None and np.isfinite(angles).all()
        self.sphere.set_current(directions_from_angles(*np.array(angles)[:, None])[0] if known else None)

    # by hand --------------------------------------------------------------------------------------------------------
    def _hand_changed(self) -> None:
        view = self.hand.view
        direction = None if self.hand.rotation is None else self.hand.rotation[2]
        if direction is not None:
            self.sphere.set_current(direction)
        if self.document is not None:
            self.workspace.direction_shown.emit(self.document.id, direction)
        if view is None:
            self._version = None
            self._show_row()
            self._paint()
            return
        self.strip.show_scores(self.scores(), view.scores)
        self._paint()

    def do_search_here(self) -> None:
        """Look for the best view near the one shown."""
        self.hand.search()

    def apply_hand(self) -> None:
        """Put the view set by hand into the table, as one step for undo."""
        document, compared, view, row = self.document, self.compared, self.hand.view, self._row
        if document is None or compared is None or view is None or row is None:
            return
        new = self.hand.as_row(compared.table_of(compared.shown).loc[row])
        self.hand.leave()
        self.setter.apply(document, row, new, view.images)

    # the window's questions -----------------------------------------------------------------------------------------
    def inspector(self) -> list[tuple[str, QWidget]]:
        return [("Levels", self.levels), ("Pictures", self.options)]

    def figure_spec(self) -> dict[str, Any] | None:
        return comparison.figure_spec(self.document)

    def state(self) -> dict[str, Any]:
        compared = self.compared
        return {
            "mode": self.pictures.mode,
            "gain": self.pictures.gain,
            "low_pass_A": 0.0 if compared is None else compared.low_pass_A,
            "map": compared.shown if compared is not None else "",
            "row": None if self.document is None else self.workspace.row(self.document),
        }

    def restore(self, state: dict[str, Any]) -> None:
        self.pictures.set_mode(str(state.get("mode", "side")))
        self.pictures.set_gain(float(state.get("gain", 1.0)))
        self.options.show_gain(self.pictures.gain)
        self.set_low_pass(float(state.get("low_pass_A", 0.0)))
        self.show_map(str(state.get("map", "")))
        if self.document is not None and state.get("row") is not None:
            self.workspace.set_row(self.document, int(state["row"]))


def _view_of(scores: pd.Series) -> tuple[float, ...]:
    return tuple(float(scores.get(c, np.nan) or 0.0) for c in ("cc", "rot_deg", "tilt_deg", "psi_deg"))
