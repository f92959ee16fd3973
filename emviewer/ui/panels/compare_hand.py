"""A view set by hand: turned, scored in the view lane as fast as the mouse goes, searched about, offered."""

from __future__ import annotations

from collections.abc import Callable, Hashable

import numpy as np
import pandas as pd
from PySide6.QtCore import QObject, Signal

from emviewer.engine import conventions
from emviewer.engine.jobs.compare_scores import FLAG_Z
from emviewer.engine.task import Check
from emviewer.engine.types import F64
from emviewer.ui.compare_stage import HandView, Stage, turn, turned_to
from emviewer.ui.comparison import Comparison
from emviewer.ui.latest import Latest
from emviewer.ui.panels.compare_pictures import Triplet
from emviewer.ui.panels.compare_read import triplet_of
from emviewer.ui.runner import Runner

HALF_TURN = 180.0
"""Degrees that a drag across the picture turns the view."""


class Hand(QObject):
    """The view under a person's hand.

    Parameters
    ----------
    runner : Runner
        Whose lanes prepare the map and score views.
    owner : hashable
        First element of the keys of the requests.

    Signals
    -------
    changed
        The view, or its scores, changed; :attr:`view` is None when the hand was taken away.
    said : str, bool
        A sentence for the strip (empty: hide it), and whether a view is there.
    failed : Exception
        The map or the images cannot be opened any more.
    """

    changed = Signal()
    said = Signal(str, bool)
    failed = Signal(object)

    def __init__(self, runner: Runner, owner: Hashable, parent: QObject) -> None:
        super().__init__(parent)
        self.runner, self.owner = runner, owner
        self.comparison: Comparison | None = None
        self.row: Callable[[], int | None] = lambda: None
        self.rotation: F64 | None = None
        self.displacement_px: F64 = np.zeros(2)
        self.view: HandView | None = None
        self.triplet: Triplet | None = None
        self.low_pass_A = 0.0
        self._scoring = Latest(runner, (owner, "hand"))
        self._building = False
        self._next: Callable[[], None] = self._score
        self._number = 0

    @property
    def active(self) -> bool:
        """Whether a view is set by hand."""
        return self.rotation is not None

    def set_comparison(self, comparison: Comparison | None) -> None:
        """Work on another comparison."""
        self.comparison = comparison
        self.leave()

    # turning --------------------------------------------------------------------------------------------------------
    def look_along(self, direction: F64) -> None:
        """Look along a direction of the map, the picture carried along the shortest way."""
        self._start(lambda: self._set(turned_to(self._rotation(), np.asarray(direction, float))))

    def turn(self, dx: float, dy: float) -> None:
        """Turn the map with the mouse: a drag across the whole picture is half a turn."""
        angle = float(np.hypot(dx, dy)) * HALF_TURN
        if angle > 0:
            axis = np.array([-dy, dx, 0.0]) / np.hypot(dx, dy)
            self._start(lambda: self._set(turn(axis, angle) @ self._rotation()))

    def roll(self, angle_deg: float) -> None:
        """Turn in the plane."""
        self._start(lambda: self._set(turn(np.array([0.0, 0.0, 1.0]), angle_deg) @ self._rotation()))

    def move(self, dx: float, dy: float) -> None:
        """Shift the reprojection against the image, in pixels of the comparison."""

        def go() -> None:
            self.displacement_px = self.displacement_px + np.array([dx, dy])
            self._set(self._rotation())

        self._start(go)

    def _rotation(self) -> F64:
        assert self.rotation is not None
        return self.rotation

    def _set(self, rotation: F64) -> None:
        u, _, v = np.linalg.svd(rotation)
        self.rotation = np.ascontiguousarray(u @ v)
        self._score()

    # scoring --------------------------------------------------------------------------------------------------------
    def _start(self, then: Callable[[], None]) -> None:
        """Carry out a turn, once the map is ready and the hand holds the view of the table."""
        c, row = self.comparison, self.row()
        if c is None or row is None or row not in c.table_of(c.shown).index:
            return
        stage = c.stages.get(c.shown)
        if stage is None:
            self._next = then  # what was asked last is done when the map is ready
            self._build(c)
            return
        if self.rotation is None:
            self.rotation, self.displacement_px = stage.pose(c.table_of(c.shown).loc[row])
        then()

    def _build(self, c: Comparison) -> None:
        if self._building:
            return
        self._building = True
        name = c.shown
        self.said.emit(f"Preparing {name}…", False)

        def ready(stage: Stage) -> None:
            self._building = False
            c.stages[name] = stage
            self.said.emit("", False)
            if self.comparison is c:
                self._start(self._next)

        def failed(error: Exception) -> None:
            self._building = False
            self.said.emit("", False)
            self.failed.emit(error)

        self.runner.view((self.owner, "stage"), lambda check: Stage(c, name, check), ready, fail=failed, slow=True)

    def _ask(self, work: Callable[[Stage, int, F64, F64, Check], HandView | None], words: str) -> None:
        c, row, number = self.comparison, self.row(), self._number
        stage = None if c is None else c.stages.get(c.shown)
        if stage is None or row is None or self.rotation is None:
            return
        rotation, displacement, low_pass_A = self.rotation, self.displacement_px, self.low_pass_A

        def score(check: Check) -> tuple[HandView, Triplet] | None:
            view = work(stage, row, rotation, displacement, check)
            if view is None:
                return None
            pictures = (view.images[kind] for kind in ("aligned", "fitted", "residuals"))
            return view, triplet_of(*pictures, low_pass_A, stage.pixel_size_A)

        def done(found: tuple[HandView, Triplet] | None) -> None:
            if number != self._number:
                return
            if found is None:
                self.leave()
                return
            view, self.triplet = found
            if words:
                self.rotation, self.displacement_px = view.rotation, view.displacement_px
            self.view = view
            self.said.emit(self._sentence(words), True)
            self.changed.emit()

        self._scoring.ask(score, done, self.failed.emit)

    def _score(self) -> None:
        self._ask(lambda stage, row, a, d, check: stage.score(row, a, d, check), "")

    def set_low_pass(self, low_pass_A: float) -> None:
        """Show pictures without detail finer than this from now on; 0 for all."""
        self.low_pass_A = low_pass_A
        if self.active:
            self._score()

    def search(self) -> None:
        """Search near the view; the best is shown and offered."""

        def go() -> None:
            self.said.emit("Searching…", False)
            self._ask(lambda stage, row, a, d, check: stage.search(row, a, d, check), "Best view near here")

        self._start(go)

    def _sentence(self, words: str) -> str:
        c, row, view = self.comparison, self.row(), self.view
        assert c is not None and view is not None
        before, now = float(c.table_of(c.shown).loc[row]["cc"]), view.scores["cc"]
        compared = "better" if now > before + 5e-5 else "worse" if now < before - 5e-5 else "the same"
        return f"{words or 'View set by hand'}: cc {now:.4f}, {compared} (was {before:.4f})."

    def leave(self) -> None:
        """Return to the view of the table."""
        self._number += 1
        was = self.active
        self.rotation, self.view, self.triplet = None, None, None
        self._scoring.cancel()
        self.said.emit("", False)
        if was:
            self.changed.emit()

    def as_row(self, old: pd.Series) -> pd.Series:
        """Return the row of the scores with this view in place of the old one."""
        assert self.view is not None and self.comparison is not None
        new = old.copy()
        for name, value in self.view.scores.items():
            if name in new.index:
                new[name] = value
        stage = self.comparison.stages[self.comparison.shown]
        angles = conventions.matrix_to_euler(stage.in_unit(self.view.rotation)[None])[0]
        new["rot_deg"], new["tilt_deg"], new["psi_deg"] = angles
        score = self.view.scores.get("outlier_score")
        if score is not None:  # otherwise the set's judgement of the row stays
            if "outlier" in new.index:
                new["outlier"] = float(score > FLAG_Z)
            new["status"] = "flagged" if score > FLAG_Z else "ok"
        if "reason" in new.index:
            new["reason"] = "view set by hand"
        return new
