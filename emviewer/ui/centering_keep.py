"""What goes on behind the panels of a centring: members are read, carried along when a centre changes, changes kept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QObject

from emviewer.engine.jobs.center_again import CenterResult, carry, open_again, row_of_class
from emviewer.engine.jobs.center_inputs import CenterInputs
from emviewer.engine.jobs.center_members import Members, Moved
from emviewer.engine.jobs.center_summary import hints, key_figures
from emviewer.engine.task import Check
from emviewer.ui import centering_read
from emviewer.ui.centering_session import SPREAD, Centering, Groups, grouped_members, links, of
from emviewer.ui.latest import Latest
from emviewer.ui.runner import Runner
from emviewer.ui.workspace import Document, Workspace


@dataclass(frozen=True, eq=False)
class _Carried:
    """Members where they stand now, and what is to be said of them."""

    moved: Moved
    figures: dict[str, Any]
    hints: list[str]
    spread: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class _Read:
    """What was read in the lane."""

    inputs: CenterInputs
    class_row: NDArray[np.int64]
    groups: Groups | None
    carried: _Carried | None


class Keeper(QObject):
    """Keeps the members of every centring of a workspace in step with its classes; one a workspace."""

    def __init__(self, workspace: Workspace, runner: Runner) -> None:
        super().__init__(workspace)
        self.workspace, self.runner = workspace, runner
        self._carrying: dict[int, Latest] = {}
        self.links = links(workspace)
        self.links.choices_changed.connect(self._choices_changed)
        workspace.removed.connect(self._removed)

    def ensure_members(self, document: Document) -> None:
        """Read the members of a finished centring, once."""
        centering = of(document)
        if centering is None or centering.result is None or centering.inputs is not None or centering.busy:
            return
        if centering.problem:
            return
        centering.busy = True
        result, now = centering.result, centering.now

        def work(check: Check) -> _Read:
            inputs = open_again(result, lambda doubt: None, check)  # the job said the doubts
            members = inputs.members
            if members is None:
                return _Read(inputs, np.empty(0, np.int64), None, None)
            rows = row_of_class(result.numbers, members)
            check()
            groups = grouped_members(members, rows, len(result.numbers))
            check()
            return _Read(inputs, rows, groups, _carried(result, inputs, members, now))

        def done(read: _Read) -> None:
            centering.busy = False
            if of(document) is not centering:
                return
            centering.set_members(read.inputs, read.class_row, read.groups)
            if centering.before is None:
                centering.before = read.inputs.classes.stack
            if read.carried is not None:
                _take(centering, read.carried)
            self.links.members_changed.emit(document)

        def failed(error: Exception) -> None:
            centering.busy = False
            centering.problem = f"The members cannot be read: {error}."
            self.links.members_changed.emit(document)

        self.runner.view((id(self), "members", document.id), work, done, fail=failed, slow=True)

    def _choices_changed(self, document: Document) -> None:
        centering = of(document)
        if centering is None:
            return
        centering_read.refresh(document)
        self.workspace.touch(document)
        self._carry(document, centering)
        folder = centering.folder
        if folder is not None:
            rows = {int(r): centering.choices[int(r)] for r in centering.changed_rows()}
            key = (id(self), "keep", document.id)
            self.runner.view(key, lambda check: centering_read.write_changes(folder, rows), lambda _: None, slow=True)

    def _carry(self, document: Document, centering: Centering) -> None:
        result, inputs, members, now = centering.result, centering.inputs, centering.members, centering.now
        if result is None or inputs is None or members is None:
            return
        latest = self._carrying.setdefault(
            document.id, Latest(self.runner, (id(self), "carry", document.id), slow=True)
        )

        def done(carried: _Carried) -> None:
            if of(document) is centering:
                _take(centering, carried)
                self.links.members_changed.emit(document)

        latest.ask(lambda check: _carried(result, inputs, members, now), done)

    def _removed(self, document: Document) -> None:
        latest = self._carrying.pop(document.id, None)
        if latest is not None:
            latest.cancel()
        self.runner.drop_views((id(self), "members", document.id))


def _carried(result: CenterResult, inputs: CenterInputs, members: Members, now: Any) -> _Carried:
    moved = carry(inputs.classes, result.pixel_size_A, now, members)
    step = max(1, len(members) // SPREAD)
    return _Carried(moved, key_figures(members, moved), hints(members, moved), moved.moved_px[moved.changed][::step])


def _take(centering: Centering, carried: _Carried) -> None:
    centering.moved, centering.figures = carried.moved, carried.figures
    centering.hints, centering.spread = carried.hints, carried.spread


def keeper(workspace: Workspace, runner: Runner) -> Keeper:
    """Return the keeper of a workspace, made when first asked for."""
    found = workspace.findChild(Keeper)
    return found if found is not None else Keeper(workspace, runner)
