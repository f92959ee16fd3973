"""Orientation lab: from images alone to orientations and a map, step by step, each with its form, plot and state."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QLabel, QSplitter, QStackedWidget, QStyle, QVBoxLayout, QWidget

from emviewer.engine.params import JobParams
from emviewer.ui.inspector import Section
from emviewer.ui.latest import Throttle
from emviewer.ui.orientation_read import JOBS, of
from emviewer.ui.panels.orientation_lab_chain import Chain, step_of
from emviewer.ui.panels.orientation_lab_line import StateLine
from emviewer.ui.panels.orientation_lab_map import MapPage
from emviewer.ui.panels.orientation_lab_onward import Onward
from emviewer.ui.panels.orientation_lab_pages import Page, RecoverPage, SimulatePage
from emviewer.ui.panels.orientation_lab_steps import State, Step, StepList, state_of, steps
from emviewer.ui.panels.orientation_lab_train import TrainPage
from emviewer.ui.panels.orientation_lab_truth import DistancesPage, ReportPage
from emviewer.ui.panels.orientation_lab_words import (
    COMING,
    EMPTY,
    NO_FORM,
    SO_FAR,
    doubt_words,
    error_words,
    summary_words,
)
from emviewer.ui.runner import JobHandle, Runner
from emviewer.ui.task_form import TaskForm
from emviewer.ui.tasks import tasks
from emviewer.ui.workspace import Document, Workspace

GROWING_MS = 250
"""A result that grows is shown anew at most this often."""
FIGURES = {
    "simulate": "views", "distances": "distances", "train": "training", "recover": "views", "report": "errors",
    "reconstruct": "map",
}  # fmt: skip
"""The figure that each step is exported as."""
FIRST = {"map": "phantom:C1", "n": 200, "snr": 1.0}
"""What the first form offers while nothing is open: a set that is simulated in a second."""


class OrientationLabPanel(Onward):
    """The steps on the left with the form of the chosen one, and its page on the right."""

    kind = "orientation_lab"
    heading = "Orientation lab"

    def __init__(self, workspace: Workspace, runner: Runner, parent: QWidget | None = None) -> None:
        super().__init__(workspace, runner, parent)
        self.shell: Any = None
        self.steps = {step.name: step for step in steps()}
        self.list = StepList(list(self.steps.values()))
        self.forms: dict[str, TaskForm] = {}
        self.handles: dict[str, JobHandle] = {}
        self._trained_for: Document | None = None
        self.chain = Chain(workspace)
        self._given: dict[str, dict[str, Any]] = {}
        self.form_room = QStackedWidget()
        self.nothing = QLabel()
        self.nothing.setProperty("role", "dim")
        self.nothing.setWordWrap(True)
        self.nothing.setAlignment(Qt.AlignmentFlag.AlignTop)
        self.nothing.setContentsMargins(14, 14, 14, 14)
        self.form_room.addWidget(self.nothing)
        self.line = StateLine()
        self.pages = self._make_pages()
        self._build()
        self._step_chosen(self.list.current)
        self._growing = Throttle(self._refresh, GROWING_MS, self)
        self.list.chosen.connect(self._step_chosen)
        self.listen(workspace.added, self._added)
        workspace.removed.connect(self._removed)
        workspace.changed.connect(self._changed)
        self.listen(workspace.row_changed, lambda _: self._follow())
        self.listen(workspace.selection_changed, lambda _: self._follow())
        runner.jobs_changed.connect(self._show_states)
        self._refresh()

    # building -------------------------------------------------------------------------------------------------------
    def _make_pages(self) -> dict[str, Page]:
        common = (self.workspace, self.runner, id(self))
        onward = [(t.job, t.title) for t in tasks() if t.job in ("compare", "align", "gallery")]
        pages: dict[str, Page] = {
            "simulate": SimulatePage(*common), "distances": DistancesPage(*common), "train": TrainPage(*common),
            "recover": RecoverPage(*common), "report": ReportPage(*common), "reconstruct": MapPage(*common, onward),
        }  # fmt: skip
        page = pages["reconstruct"]
        assert isinstance(page, MapPage)
        page.send_wanted.connect(self.send)
        page.flipped.connect(self._other_hand)
        page.failed.connect(self.line.words.setText)
        training = pages["train"]
        assert isinstance(training, TrainPage)
        training.use_wanted.connect(self.use_trained)
        return {name: page for name, page in pages.items() if name in self.steps}

    def _build(self) -> None:
        self.stack = QStackedWidget()
        self.welcome = QLabel()
        self.welcome.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.welcome.setWordWrap(True)
        self.welcome.setContentsMargins(60, 20, 60, 20)
        self.stack.addWidget(self.welcome)
        for page in self.pages.values():
            self.stack.addWidget(page)
        self.line.cancel_wanted.connect(self.cancel)
        self.line.resume_wanted.connect(self.resume)
        self.line.step_wanted.connect(self.list.choose)
        right = QWidget()
        column = QVBoxLayout(right)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(self.line)
        column.addWidget(self.stack, 1)
        self.left = QWidget()
        beside = QVBoxLayout(self.left)
        beside.setContentsMargins(0, 0, 0, 0)
        beside.setSpacing(0)
        beside.addWidget(self.list)
        beside.addWidget(self.form_room, 1)
        split = QSplitter(Qt.Orientation.Horizontal)
        split.setChildrenCollapsible(False)
        split.addWidget(self.left)
        split.addWidget(right)
        split.setStretchFactor(1, 1)
        em = self.fontMetrics().height()
        self.left.setMinimumWidth(em * 17)
        split.setSizes([em * 18, em * 60])
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(split)
        self.setFocusProxy(self.list.rows[self.list.current].button)

    # documents ------------------------------------------------------------------------------------------------------
    @classmethod
    def accepts(cls, document: Document) -> bool:
        return document.info.get("job") in JOBS or document.kind in ("map", "images")

    def show_document(self, document: Document | None) -> None:
        if document is self.document and document is not None:
            return
        super().show_document(document)
        self.chain.show(document)
        if document is not None and step_of(str(document.info.get("job"))) in self.steps:
            self.list.choose(step_of(str(document.info["job"])))
        self._refresh()
        form = self.forms.get(self.list.current)
        if form is not None:
            self._fill(self.list.current, form)

    def start(self, document: Document | None) -> None:
        """Begin where a document belongs: images to be recovered, a map to be simulated from."""
        if document is not None:
            self.show_document(document)
        kind = "" if document is None else document.kind
        wanted = {"images": "recover", "map": "simulate"}.get(kind)
        if wanted in self.steps:
            self.list.choose(str(wanted))

    def _added(self, document: Document) -> None:
        # a training names a map, not the images that it is meant for
        if document.parent is None and self._trained_for is not None:
            mine = self.handles.get("train")
            if mine is not None and document.info.get("_handle") is mine:
                document.parent = self._trained_for.id
        self._refresh()

    def _removed(self, document: Document) -> None:
        self.chain.forget(document)
        self._refresh()

    def _changed(self, document: Document) -> None:
        if document in self.chain.results.values():
            if document.streaming:
                self._growing.ask()
            else:
                self._refresh()

    def _refresh(self) -> None:
        self.chain.look()
        name = self.list.current
        page, shown = self.pages[name], self.chain.shown(name)
        handle = self._handle(name)
        self.welcome.setText(COMING if handle is not None and handle.active else EMPTY[name])
        self.stack.setCurrentWidget(page if shown is not None else self.welcome)
        page.show_document(shown)  # once it is seen: what nobody sees is not computed
        self._show_states()

    def _follow(self) -> None:
        self.pages[self.list.current].follow()

    # steps ----------------------------------------------------------------------------------------------------------
    def _step_chosen(self, name: str) -> None:
        form = self._form(name)
        self.nothing.setText(NO_FORM.get(name, ""))
        self.form_room.setCurrentWidget(form if form is not None else self.nothing)
        self._refresh()
        if form is not None:
            self._fill(name, form)

    def _shell(self) -> Any:
        """Return the window that runs jobs and opens files; None while the panel stands alone."""
        above: Any = self.parentWidget()
        while self.shell is None and above is not None:
            if hasattr(above, "run_job"):
                self.shell = above
            above = above.parentWidget()
        return self.shell

    def _form(self, name: str) -> TaskForm | None:
        job = self.steps[name].job
        if not job or (name not in self.forms and self._shell() is None):
            return None
        if name not in self.forms:
            form = TaskForm(job, self.runner, lambda *args, n=name: self._run(n, *args))
            form.offer(lambda: list(self.workspace.documents.values()), ("images", "map", "result"), None)
            self.forms[name] = form
            self.form_room.addWidget(form)
            bar = form.style().pixelMetric(QStyle.PixelMetric.PM_ScrollBarExtent)
            self.left.setMinimumWidth(max(self.left.minimumWidth(), form.form.minimumSizeHint().width() + bar + 4))
            self._fill(name, form)
        return self.forms[name]

    def _fill(self, name: str, form: TaskForm) -> None:
        """Write into a form what the steps before have made, once: what a person then changes stays."""
        given = self.chain.inputs(name)
        if self._given.get(name) == given:
            return
        self._given[name] = given
        if name == "simulate" and not given and not form.form.fields[form.input_name].value():
            given = FIRST
        known = {key: value for key, value in given.items() if key in form.form.fields}
        if known:
            form.form.set_values(known)

    def _run(self, name: str, job: str, params: JobParams, out: Path, overwrite: bool) -> JobHandle:
        handle: JobHandle = self._shell().run_job(job, params, out, overwrite)
        self.handles[name] = handle
        if name == "train":
            self._trained_for = self.chain.start
        self.chain.begin(name)
        self._refresh()
        return handle

    def cancel(self) -> None:
        """Stop the job of the chosen step."""
        handle = self._working(self.list.current)
        if handle is not None:
            self.runner.cancel(handle)

    def _working(self, name: str) -> JobHandle | None:
        """Return the job under way of a step, or that whose result it shows; None if nothing is."""
        shown = self.chain.shown(name)
        handles = (self._handle(name), None if shown is None else shown.info.get("_handle"))
        return next((handle for handle in handles if handle is not None and handle.active), None)

    def _handle(self, name: str) -> JobHandle | None:
        """Return the newest job of a step: the one started here, or that of the result it shows."""
        shown = self.chain.results.get(self.steps[name].job or name)
        told = None if shown is None else shown.info.get("_handle")
        mine = self.handles.get(name)
        if mine is not None and mine.state == "complete" and told is not mine:
            return told
        return mine or told

    # states ---------------------------------------------------------------------------------------------------------
    def states(self) -> dict[str, State]:
        """Return how every step stands."""
        found = {}
        for name, step in self.steps.items():
            result = self.chain.results.get(step.job or name)
            found[name] = state_of(self._handle(name), result) if step.job else State("waiting")
        recovered = self.chain.results.get("recover")
        settled = recovered is not None and not recovered.streaming
        if "report" in found and settled and of(recovered) is not None and of(recovered).truth is not None:
            partial = recovered is not None and recovered.info.get("Status") == "partial"
            found["report"] = State("partial" if partial else "done", error_words(recovered))
        pairs = self.chain.shown("distances")
        if "distances" in found and not self.steps["distances"].job and pairs is not None:
            found["distances"] = State("running" if pairs.streaming else "done")
        if found.get("reconstruct", State("waiting")).name == "waiting":
            with_map = self.chain.shown("reconstruct")
            if with_map is not None and with_map.volume is not None:
                made = "Comes with the orientations"
                found["reconstruct"] = State("running" if with_map.streaming else "done", made)
        return found

    def _show_states(self) -> None:
        for name, handle in self.handles.items():
            if handle.state in ("failed", "cancelled") and self.chain.give_up(name):
                self._refresh()  # nothing new came: what was there before shows again
                return
        states = self.states()
        self.list.show_states(states)
        name = self.list.current
        sentence = self._sentence(name, states[name])
        following = self._following(name, states[name])
        self.line.show_state(sentence, self._working(name), following, self.partial(name) is not None)
        self._show_levels()

    def _show_levels(self) -> None:
        """Offer levels in the inspector only beside the map that they are of."""
        page = self.pages.get("reconstruct")
        above: Any = page.slices.levels.parentWidget() if isinstance(page, MapPage) else None
        while above is not None and not isinstance(above, Section):
            above = above.parentWidget()
        if above is not None:
            above.setVisible(self.list.current == "reconstruct")

    def _sentence(self, name: str, state: State) -> str:
        shown = self.chain.shown(name)
        if state.name in ("running", "queued", "failed", "cancelled", "partial"):
            named = state.words.lower().startswith(state.name) or not state.words
            said = state.words or state.name.capitalize() if named else f"{state.name.capitalize()}: {state.words}"
            doubts = doubt_words(shown) if shown is not None and state.name == "partial" else ""
            return f"{said}. {doubts}".rstrip(". ") if doubts else said
        if shown is None:
            return self.steps[name].question + "."
        if shown.streaming:
            return SO_FAR if name == "reconstruct" else f"{shown.title}: so far"
        return f"{shown.title}: {summary_words(shown)}. {doubt_words(shown)}".rstrip(". ")

    def _following(self, name: str, state: State) -> Step | None:
        """Return the step to go on to; None before this one has anything to go on with."""
        kept = state.name == "cancelled" and self.chain.shown(name) is not None
        if state.name not in ("done", "partial") and not kept:
            return None
        order = list(self.steps)
        later = [self.steps[n] for n in order[order.index(name) + 1 :]]
        return next((step for step in later if step.job and not step.optional), None)

    def inspector(self) -> list[tuple[str, QWidget]]:
        page = self.pages.get("reconstruct")
        return [("Levels of the map", page.slices.levels)] if isinstance(page, MapPage) else []

    def do_copy_picture(self) -> None:
        """Copy the page to the clipboard as it shows."""
        QGuiApplication.clipboard().setImage(self.stack.grab().toImage())

    def picture_widget(self) -> QWidget:
        """Return what a picture of the panel shows."""
        return self.stack

    def recolour(self) -> None:
        """Follow a new theme."""
        for form in self.forms.values():
            form.recolour()
        self._show_states()

    def figure_spec(self) -> dict[str, Any] | None:
        """Return the spec of what the chosen step shows, made of the folder of its result; None while there is none."""
        shown = self.chain.shown(self.list.current)
        orient = of(shown)
        if shown is None or orient is None or orient.folder is None:
            return None
        title = {"train": "Training of "}.get(self.list.current, "")
        return {
            "kind": "orientations", "result": str(orient.folder), "page": FIGURES[self.list.current],
            "title": f"{title}{shown.title}", "subtitle": summary_words(shown),
        }  # fmt: skip

    def state(self) -> dict[str, Any]:
        return {"step": self.list.current}

    def restore(self, state: dict[str, Any]) -> None:
        if state.get("step") in self.steps:
            self.list.choose(str(state["step"]))

    def changeEvent(self, event: Any) -> None:
        super().changeEvent(event)
        if event.type() == event.Type.PaletteChange and hasattr(self, "line"):
            self.recolour()

    def showEvent(self, event: Any) -> None:
        super().showEvent(event)
        if self.form_room.currentWidget() is self.nothing:  # the window is known only now
            self._step_chosen(self.list.current)

    def closeEvent(self, event: Any) -> None:
        for form in self.forms.values():
            form.close()
        page = self.pages.get("reconstruct")
        if isinstance(page, MapPage):
            page.slices.close()
        super().closeEvent(event)
