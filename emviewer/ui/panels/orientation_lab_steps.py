"""The steps of the orientation lab: which there are, in what state each is, and the list that shows them."""

from __future__ import annotations

from dataclasses import dataclass

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtGui import QMouseEvent
from PySide6.QtWidgets import QButtonGroup, QHBoxLayout, QLabel, QPushButton, QSizePolicy, QVBoxLayout, QWidget

from emviewer.engine.jobs import registry
from emviewer.ui import theme
from emviewer.ui.orientation_read import of
from emviewer.ui.runner import JobHandle
from emviewer.ui.workspace import Document


@dataclass(frozen=True)
class Step:
    """A phase of the lab.

    Parameters
    ----------
    name : str
        ``simulate``, ``distances``, ``train``, ``recover``, ``report``, ``reconstruct``.
    title : str
        In the list.
    question : str
        What it answers.
    job : str
        Job of its form; empty if it only shows.
    optional : bool
        Not every way leads through it.
    """

    name: str
    title: str
    question: str
    job: str = ""
    optional: bool = False


_ALL = (
    Step("simulate", "Simulate", "Images whose orientations are known", "simulate"),
    Step("distances", "Distances", "How far apart the views are"),
    Step("train", "Train a distance", "For noisy images of a structure whose map you have", "train-distance", True),
    Step("recover", "Recover", "Orientations from the images alone", "recover"),
    Step("report", "Report", "How far from the truth, and which images"),
    Step("reconstruct", "Reconstruct", "The map, its halves, and how far they agree", "reconstruct"),
)


def steps() -> list[Step]:
    """Return the steps that the engine can do; those that only show come with *Recover*, which they show."""
    there = {name for name, _ in registry.names()}
    return [step for step in _ALL if (step.job or "recover") in there]


@dataclass(frozen=True)
class State:
    """How a step stands, and a sentence about it.

    Parameters
    ----------
    name : str
        ``waiting``, ``queued``, ``running``, ``done``, ``partial``, ``cancelled`` or ``failed``.
    words : str
        Empty where the name says it all.
    """

    name: str
    words: str = ""


_ICONS = {
    "done": ("done", "on_good"),
    "partial": ("warning", "on_warn"),
    "cancelled": ("stop", "on_warn"),
    "failed": ("error", "on_error"),
    "running": ("run", "accent"),
    "queued": ("run", "faint"),
}


def state_of(handle: JobHandle | None, document: Document | None) -> State:
    """Return the state of a step with a job, from its newest job and its newest result."""
    if handle is not None and handle.state == "queued":
        return State("queued", "Waits for the job before it")
    if handle is not None and handle.state == "running":
        if handle.cancelling:
            return State("running", "Stopping…")
        count = f"{handle.done} of {handle.total}" if handle.total else ""
        return State("running", ", ".join(part for part in (handle.stage.capitalize(), count) if part) or "Starting")
    if handle is not None and handle.state == "failed":
        return State("failed", str(handle.error))
    if handle is not None and handle.state == "cancelled":
        kept = document is not None and document.n_rows
        return State("cancelled", "Cancelled; what was finished is kept" if kept else "Cancelled")
    if document is None:
        return State("waiting")
    orient = of(document)
    if document.streaming or (orient is not None and orient.folder is None):
        return State("running", "Closing its files")
    status = str(document.info.get("Status", "complete"))
    return State("partial", "Ended early; kept") if status == "partial" else State("done")


class _Row(QWidget):
    """One step: its number or state, title, and what there is to say."""

    clicked = Signal()

    def __init__(self, number: int, step: Step) -> None:
        super().__init__()
        self.step, self.number = step, number
        self.setObjectName("labStep")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self.badge = QLabel(str(number))
        self.badge.setFixedSize(24, 24)
        self.badge.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.button = QPushButton()
        self.button.setText(step.title)
        self.button.setCheckable(True)
        self.button.setObjectName("labStepTitle")
        self.button.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.button.setToolTip(step.question)
        self.words = QLabel(step.question)
        self.words.setProperty("role", "dim")
        self.words.setWordWrap(True)
        text = QVBoxLayout()
        text.setContentsMargins(0, 0, 0, 0)
        text.setSpacing(0)
        text.addWidget(self.button)
        text.addWidget(self.words)
        row = QHBoxLayout(self)
        row.setContentsMargins(10, 5, 8, 6)
        row.setSpacing(8)
        row.addWidget(self.badge, 0, Qt.AlignmentFlag.AlignTop)
        row.addLayout(text, 1)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        self.clicked.emit()

    def show_state(self, state: State, chosen: bool) -> None:
        """Show how the step stands; the word of the state is said too, never colour alone."""
        c = theme.current()
        icon, role = _ICONS.get(state.name, ("", "dim"))
        if icon:
            self.badge.setPixmap(theme.icon(icon, getattr(c, role)).pixmap(QSize(18, 18), self.devicePixelRatio()))
            self.badge.setStyleSheet("")
        else:
            self.badge.setText(str(self.number))
            self.badge.setStyleSheet(f"border: 1px solid {c.faint}; border-radius: 12px; color: {c.dim};")
        self.words.setText(state.words or self.step.question)
        self.words.setVisible(chosen or bool(state.words))
        self.words.setProperty("role", "wrong" if state.name == "failed" else "dim")
        self.words.style().unpolish(self.words)
        self.words.style().polish(self.words)
        self.button.setAccessibleDescription(f"{state.name}. {state.words}")
        weight = "600" if chosen else "500"
        self.button.setStyleSheet(
            f"text-align: left; border: none; background: transparent; padding: 3px 0; font-weight: {weight};"
        )
        edge = f"border-left: 3px solid {c.accent if chosen else 'transparent'};"
        self.setStyleSheet(f"#labStep {{ background: {c.selected if chosen else 'transparent'}; {edge} }}")


class StepList(QWidget):
    """The steps one beneath the other.

    Signals
    -------
    chosen : str
        A step was clicked.
    """

    chosen = Signal(str)

    def __init__(self, of: list[Step]) -> None:
        super().__init__()
        self.setAccessibleName("Steps")
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Minimum)  # the words are not cut
        self._group = QButtonGroup(self)
        self.rows = {step.name: _Row(number + 1, step) for number, step in enumerate(of)}
        self._states: dict[str, State] = {}
        self.current = of[0].name
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        for name, row in self.rows.items():
            self._group.addButton(row.button)
            row.button.clicked.connect(lambda _=False, n=name: self.choose(n))
            row.clicked.connect(lambda n=name: self.choose(n))
            layout.addWidget(row)
        self.choose(self.current)

    def choose(self, name: str) -> None:
        """Make a step the one that shows."""
        if name not in self.rows:
            return
        self.current = name
        self.rows[name].button.setChecked(True)
        self.show_states(self._states)
        self.chosen.emit(name)

    def show_states(self, states: dict[str, State]) -> None:
        """Show how the steps stand."""
        self._states = states
        for name, row in self.rows.items():
            row.show_state(states.get(name, State("waiting")), name == self.current)
