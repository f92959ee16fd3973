"""The form of a job: its parameters, where the result goes, what it will make, and *Run*."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from PySide6.QtWidgets import QCheckBox, QFrame, QLabel, QPushButton, QScrollArea, QVBoxLayout, QWidget

from emviewer.engine.jobs import registry
from emviewer.engine.params import JobParams
from emviewer.ui.forms import PathEdit
from emviewer.ui.params_form import ParamsForm
from emviewer.ui.runner import JobHandle, Runner
from emviewer.ui.workspace import Document


def free_folder(source: str, job: str, promised: frozenset[str] = frozenset()) -> Path:
    """Return ``<map>_<job>`` beside the input, numbered until it is free; in the home folder if that is read-only.

    ``promised`` names folders that queued jobs will make.
    """
    path = Path(source)
    name = source.replace(":", "_") if source.startswith("phantom:") else path.name.split(".")[0]
    parent = path.absolute().parent
    if (parent / "job.json").is_file():  # a result: what is made of it goes beside its folder, not into it
        name, parent = parent.name, parent.parent
    if source.startswith("phantom:") or not os.access(parent, os.W_OK):
        parent = Path.home()
    number = 1
    while True:
        candidate = parent / (f"{name}_{job}" if number == 1 else f"{name}_{job}_{number}")
        if not candidate.exists() and str(candidate) not in promised:
            return candidate
        number += 1


def source_of(document: Document) -> str:
    """Return what a job is given to read this document: its file, or the name of a map that is built in."""
    return str(document.info.get("_source", document.path) or "")


def look_at_folders(job: str, source: str, out: str, promised: frozenset[str]) -> tuple[str, str]:
    """Return a free folder for the result, and what the chosen one is. Looks at disks: for a lane.

    Returns
    -------
    free : str
        A folder that can be offered; empty without input.
    state : str
        ``free``, ``result`` (of an earlier job, may be replaced), or ``foreign`` (somebody's data, never replaced).
    """
    folder = Path(out) if out else None
    state = "free"
    if folder is not None and folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
        state = "result" if (folder / "job.json").is_file() else "foreign"
    return (str(free_folder(source, job, promised)) if source else ""), state


def estimate(job: str, params: JobParams) -> str:
    """Return what a job will make. Opens headers and counts views: for a lane."""
    spec = registry.spec(job)
    return spec.estimate(params) if spec.estimate is not None else ""


class TaskForm(QWidget):
    """A job's form.

    Parameters
    ----------
    job : str
        Name in the job registry.
    runner : Runner
        Counts the views in a lane.
    run : callable
        ``run(name, params, out, overwrite) -> JobHandle``.
    """

    def __init__(self, job: str, runner: Runner, run: Callable[..., JobHandle]) -> None:
        super().__init__()
        self.job, self.runner, self._run = job, runner, run
        self.model = registry.params(job)
        self.form = ParamsForm(self.model)
        self.input_name = next(n for n, f in self.form.fields.items() if f.meta.kind == "input")
        self.out = PathEdit(folder=True)
        self.out.line.setAccessibleName("Output folder")
        self._suggested = ""
        self._promised: set[str] = set()
        self._folder = "free"
        self._refused = False
        self.overwrite = QCheckBox("Replace the result that is there")
        self.overwrite.hide()
        self.foreign = QLabel("This folder holds something else; choose another.")
        self.foreign.setProperty("role", "wrong")
        self.foreign.setWordWrap(True)
        self.foreign.hide()
        self.estimate = QLabel()
        self.estimate.setWordWrap(True)
        self.button = QPushButton("Run")
        self.button.setProperty("primary", True)
        self.button.setMinimumHeight(32)
        self.button.clicked.connect(lambda: self.run())
        self._lay_out()
        self.form.changed.connect(self._changed)
        self.out.edited.connect(self._changed)
        self.overwrite.toggled.connect(lambda _: self._allow())
        self._changed()

    def _lay_out(self) -> None:
        scroll = QScrollArea()
        scroll.setWidgetResizable(True)
        scroll.setFrameShape(QFrame.Shape.NoFrame)
        holder = QWidget()
        holder.setObjectName("formArea")
        inner = QVBoxLayout(holder)
        inner.setContentsMargins(0, 0, 0, 0)
        inner.addWidget(self.form)
        scroll.setWidget(holder)
        foot = QWidget()
        foot.setObjectName("formFoot")
        bottom = QVBoxLayout(foot)
        bottom.setContentsMargins(12, 8, 12, 10)
        bottom.setSpacing(6)
        label = QLabel("Output folder")
        label.setProperty("role", "dim")
        label.setBuddy(self.out.line)
        for widget in (label, self.out, self.overwrite, self.foreign, self.estimate, self.button):
            bottom.addWidget(widget)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addWidget(scroll, 1)
        layout.addWidget(foot)

    def focus_first(self) -> None:
        """Give the keyboard to the first field that a person would change."""
        names = [n for n, f in self.form.fields.items() if f.meta.group == "Views"]
        self.form.fields[names[0] if names else self.input_name].edit.setFocus()

    def set_input(self, document: Document) -> None:
        """Take a document as the job's input, with what a person said about it."""
        given = {name[1:]: document.info[name] for name in ("_pixel_size", "_resolution") if name in document.info}
        source = document.info.get("_source", document.path)
        if document.volume is not None and document.volume.symmetry != "C1":
            given["sym"] = document.volume.symmetry
        self.form.set_values({self.input_name: source, "pixel_size": None, "resolution": None} | given)

    def offer(self, documents: Callable[[], list[Document]], kinds: tuple[str, ...], first: Document | None) -> None:
        """Offer open documents in the fields of inputs; an empty field of several maps takes the one looked at last.

        Parameters
        ----------
        documents : callable
            All open documents.
        kinds : tuple of str
            Kinds of document that the job's own input can be.
        first : Document or None
            The current document.
        """

        def offers(wanted: tuple[str, ...]) -> list[tuple[str, str]]:
            return [(d.title, source_of(d)) for d in documents() if d.kind in wanted and source_of(d)]

        for name, field in self.form.fields.items():
            if not isinstance(field.widget, PathEdit):
                continue
            if field.meta.kind == "inputs":
                field.widget.offers = lambda: offers(("map",))
                maps = [d for d in documents() if d.kind == "map" and source_of(d)]
                if maps and not field.value():
                    chosen = first if first in maps else maps[-1]
                    given = {} if chosen.volume is None else {"sym": chosen.volume.symmetry}
                    self.form.set_values({name: [source_of(chosen)]} | given)
            elif field.meta.kind == "input":
                field.widget.offers = lambda: offers(kinds)

    def as_json(self) -> str:
        """Return what the fields say, for a session."""
        return json.dumps(self.form.values(), default=str)

    def params(self) -> JobParams | None:
        """Return the validated parameters, None while something is wrong."""
        return None if self.form.problems() else self.model.model_validate(self.form.values())

    def _changed(self) -> None:
        params, source, out = self.params(), str(self.form.fields[self.input_name].value() or ""), self.out.text()
        promised = frozenset(self._promised)
        self._allow()
        look = (self.job, source, out, promised)
        self.runner.view((id(self), "out"), lambda check: look_at_folders(*look), self._show_folders, slow=True)
        if params is None:
            self._say("", wrong=False)
            return
        self.runner.view(
            (id(self), "estimate"),
            lambda check: estimate(self.job, params),
            lambda text: self._say(text, wrong=False),
            fail=lambda error: self._say(str(error), wrong=True),
            slow=True,
        )

    def _say(self, text: str, wrong: bool) -> None:
        """Write what the job will make, or why it cannot."""
        self._refused = wrong
        self.estimate.setText(text)
        self.estimate.setVisible(bool(text))
        self.estimate.setProperty("role", "wrong" if wrong else "dim")
        self.estimate.style().unpolish(self.estimate)
        self.estimate.style().polish(self.estimate)
        self._allow()

    def _show_folders(self, answer: tuple[str, str]) -> None:
        free, self._folder = answer
        if free and self.out.text() in ("", self._suggested) and self.out.text() != free:
            self._suggested = free
            self.out.line.setText(free)
        self.overwrite.setVisible(self._folder == "result")
        self.foreign.setVisible(self._folder == "foreign")
        self._allow()

    def _allow(self) -> None:
        problems = self.form.problems()
        source = self.form.fields[self.input_name].value()
        blocked = bool(problems) or not self.out.text() or self._folder == "foreign"
        blocked |= self._refused or (self._folder == "result" and not self.overwrite.isChecked())
        self.button.setEnabled(not blocked)
        self.button.setToolTip(
            "Choose the input first" if not source
            else "Mend what is marked first" if problems or self._refused
            else "Choose another output folder, or replace it" if blocked
            else "Run the job"
        )  # fmt: skip

    def run(self) -> JobHandle | None:
        """Queue the job as the form says; None while something is wrong."""
        params = self.params()
        if params is None or not self.button.isEnabled():
            return None
        job: Any = self._run(self.job, params, Path(self.out.text()), self.overwrite.isChecked())
        self.overwrite.setChecked(False)
        self._suggested = self.out.text()
        self._promised.add(self.out.text())
        self._changed()
        return job

    def recolour(self) -> None:
        """Follow a new theme."""
        self.form.recolour()
        self.out.recolour()

    def closeEvent(self, event: Any) -> None:
        """Forget what was asked of the lane."""
        self.runner.drop_views(id(self))
        super().closeEvent(event)
