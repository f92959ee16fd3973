"""Centring: class averages before and after, centres set by hand if need be, and what becomes of the members."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import Qt
from PySide6.QtGui import QImage, QKeyEvent
from PySide6.QtWidgets import QWidget

from emviewer.engine.task import Check
from emviewer.ui import centering_work as work_lane
from emviewer.ui.centering_keep import keeper
from emviewer.ui.centering_session import ACCEPTED, HAND, REJECTED, Centering, Choice, links, of
from emviewer.ui.latest import Latest
from emviewer.ui.panels.centering_out import CenteringOut
from emviewer.ui.runner import Runner
from emviewer.ui.thumbnails import painted
from emviewer.ui.workspace import Document, Workspace

Ints = NDArray[np.int64]


class CenteringPanel(CenteringOut):
    """Gallery of classes, the current one large, its members, and how far all of them move."""

    kind = "centering"
    heading = "Centring"

    def __init__(self, workspace: Workspace, runner: Runner, parent: QWidget | None = None) -> None:
        super().__init__(workspace, runner, parent)
        self.links = links(workspace)
        self.keeper = keeper(workspace, runner)
        self._picture = Latest(runner, (id(self), "average"))
        self._pictured: object = None
        self._image: QImage | None = None
        self._connect()
        self.show_document(None)

    @classmethod
    def accepts(cls, document: Document) -> bool:
        return of(document) is not None

    @property
    def centering(self) -> Centering | None:
        """The centring of the document."""
        return of(self.document)

    def _connect(self) -> None:
        self.listen(self.workspace.changed, lambda d: self._grown() if d is self.document else None)
        self.links.choices_changed.connect(lambda d: self._chosen_anew() if d is self.document else None)
        self.links.members_changed.connect(lambda d: self._members_changed() if d is self.document else None)
        self.links.particle_changed.connect(lambda d: self._show_members() if d is self.document else None)
        self.picker.changed.connect(self._show_current)
        self.picker.current_moved.connect(self.grid.scroll_to)
        self.header.decided.connect(self.decide)
        self.header.estimate_wanted.connect(self.estimate)
        self.header.save_wanted.connect(self.ask_and_save)
        self.editor.centre_set.connect(self.set_centre)
        self.editor.moving.connect(self._say_moving)
        self.arrows.picked.connect(self.go_to)
        self.strip.picked.connect(lambda row: self.document and self.links.set_particle(self.document, row))
        self.grid.activated.connect(lambda place: self.editor.setFocus())

    # the document ---------------------------------------------------------------------------------------------------
    def show_document(self, document: Document | None) -> None:
        if document is not None and not self.accepts(document):
            document = None
        super().show_document(document)
        self._pictured = self._image = None
        self.notice.say("")
        self.show_classes(self.centering)
        self.picker.set_document(document)
        self._grown()
        if document is not None and self.picker.current is None and len(self.rows):
            self.picker.make_current(0)

    def _grown(self) -> None:
        """Take in classes that came, or members that can be read now that the job has ended."""
        centering, document = self.centering, self.document
        self.summary.show_centering(centering, document is not None and document.streaming)
        if centering is None or document is None:
            self._show_current()
            return
        self.grow_classes(centering)
        if self.picker.current is None and len(self.rows):
            self.picker.make_current(0)
        if not document.streaming:
            self.keeper.ensure_members(document)
        if centering.problem:
            self.notice.say(centering.problem, "warn")
        self._enable()
        self._show_all()

    def _chosen_anew(self) -> None:
        self.grid.forget_captions()
        self.grid.viewport().update()
        self.summary.show_centering(self.centering, False)
        self._show_all()

    def _members_changed(self) -> None:
        centering = self.centering
        if centering is None:
            return
        self.summary.show_centering(centering, False)
        # what stands in the strip above need not be said twice
        hints = [h for h in centering.hints if "as a whole" in h]
        said = centering.problem or ". ".join(h[:1].upper() + h[1:] for h in hints)
        if said:
            self.notice.say(said, "warn")
        self._enable()
        self._show_all()

    def _enable(self) -> None:
        centering, document = self.centering, self.document
        finished = centering is not None and centering.inputs is not None
        self.header.enable(
            classes=centering is not None and document is not None and not document.streaming,
            finished=finished,
            members=centering is not None and centering.moved is not None,
            form=centering.inputs.form if centering is not None and centering.inputs is not None else "",
        )

    def _show_all(self) -> None:
        self._show_current()
        self.show_plots(self.centering)

    # the current class ----------------------------------------------------------------------------------------------
    @property
    def row(self) -> int | None:
        """The current class."""
        return None if self.document is None else self.workspace.row(self.document)

    def _show_current(self) -> None:
        centering, row = self.centering, self.row
        self.show_count(self.picker.count)
        if centering is None or row is None or row >= len(centering):
            self.editor.show_class(None, None, 1)
            self.caption.setText("")
            self.strip.show_members(centering, None)
            self.arrows.set_current(-1)
            return
        self.show_caption(centering, row)
        self.arrows.set_current(row)
        self._show_average(centering, row)
        self._show_members()

    def _show_members(self) -> None:
        self.strip.show_members(self.centering, self.row)

    def _show_average(self, centering: Centering, row: int) -> None:
        stack = self.thumbnails.stack
        if stack is None:
            return
        box, base = stack.shape[0], self.grid.base_px(row)
        style = self.large_style(box)
        self.editor.message = "Reading…"
        key = (id(stack), row, style)
        if key == self._pictured:
            self.editor.show_class(self._image, centering.choices[row], box, base)
            return
        if self._image is None or self._pictured is None or key[:2] != self._pictured[:2]:  # type: ignore[index]
            self.editor.show_class(None, None, box)

        def work(check: Check) -> QImage:
            check()
            return painted(stack[np.array([row])], style, stack.pixel_size_A)[0]

        def done(image: QImage) -> None:
            self._image, self._pictured = image, key
            current = self.centering
            if current is centering and self.row == row:
                self.editor.show_class(image, centering.choices[row], box, base)

        def failed(error: Exception) -> None:
            self.editor.message = "The average cannot be read."
            self.editor.show_class(None, None, box)
            self.notice.say(f"{error}.", "error")

        self._picture.ask(work, done, failed)

    def go_to(self, row: int) -> None:
        """Make a class the current one and show it."""
        if self.document is not None:
            self.workspace.set_row(self.document, row)

    def _say_moving(self, x: float, y: float) -> None:
        centering = self.centering
        if centering is not None:
            length = float(np.hypot(x, y))
            self.status.emit(
                f"centre ({x:+.2f}, {y:+.2f}) px   {length:.2f} px = {length * centering.pixel_size_A:.2f} Å"
            )

    # what a person decides ------------------------------------------------------------------------------------------
    def targets(self) -> Ints:
        """Return the classes that a decision is for: the selected ones if the current is among them, else that."""
        document, row = self.document, self.row
        if document is None:
            return np.empty(0, np.int64)
        selected = self.workspace.selection(document)
        if row is None or (len(selected) > 1 and row in selected):
            return selected
        return np.array([row], np.int64)

    def _choose(self, text: str, rows: Ints, choices: list[Choice]) -> None:
        if self.document is not None and len(rows) and not self.document.streaming:
            self.links.choose(self.document, text, rows.tolist(), choices)

    def set_centre(self, x: float, y: float) -> None:
        """Set the centre of the current class by hand; it is accepted by that."""
        centering, row = self.centering, self.row
        if centering is None or row is None:
            return
        rows = np.array([row])
        new = work_lane.choices_for(rows, centering, x_px=x, y_px=y, method=HAND, verdict=ACCEPTED, confidence=1.0)
        self._choose(f"set the centre of class {centering.numbers[row]}", rows, new)

    def decide(self, what: str) -> None:
        """Accept, reject or reset the chosen classes."""
        centering, rows = self.centering, self.targets()
        if centering is None or not len(rows):
            return
        many = f"{len(rows)} class{'es' * (len(rows) != 1)}"
        if what == "reset":
            self._choose(f"return {many} to what was found", rows, [centering.found[int(r)] for r in rows])
            return
        verdict = ACCEPTED if what == "accept" else REJECTED
        if all(centering.choices[int(r)].verdict == verdict for r in rows):
            return
        self._choose(f"{what} {many}", rows, work_lane.choices_for(rows, centering, verdict=verdict))

    def do_tag_keep(self) -> None:
        """Accept."""
        self.decide("accept")

    def do_tag_reject(self) -> None:
        """Reject."""
        self.decide("reject")

    def do_tag_none(self) -> None:
        """Return to what the job found."""
        self.decide("reset")

    def keyPressEvent(self, event: QKeyEvent) -> None:
        decision = {Qt.Key.Key_A: "accept", Qt.Key.Key_R: "reject"}.get(Qt.Key(event.key()))
        if decision is not None and event.modifiers() == Qt.KeyboardModifier.NoModifier:
            self.decide(decision)
        else:
            super().keyPressEvent(event)

    # walking --------------------------------------------------------------------------------------------------------
    def do_next_worst(self) -> None:
        """Next class in the order shown."""
        self.grid.go(1)

    def do_previous_worst(self) -> None:
        """Class before in the order shown."""
        self.grid.go(-1)

    def do_sort_now(self) -> None:
        """Sort the classes afresh."""
        self.arrange_rows()

    # the window's questions -----------------------------------------------------------------------------------------
    def inspector(self) -> list[tuple[str, QWidget]]:
        return [("Levels", self.levels)]

    def state(self) -> dict[str, Any]:
        return {
            "tile": self.grid.tile,
            "sort": self.sort_key,
            "filter": self.filter_key,
            "row": self.row,
            "contrast": self.contrast.state(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        self.contrast.restore(state.get("contrast", {}))
        self.grid.set_tile(int(state.get("tile", self.grid.tile)))
        self.sort_key, self.filter_key = str(state.get("sort", "doubt")), str(state.get("filter", "all"))
        self.arrange_rows()
        if self.document is not None and state.get("row") is not None:
            self.workspace.set_row(self.document, int(state["row"]))
