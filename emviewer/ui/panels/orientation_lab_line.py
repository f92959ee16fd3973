"""The line above the page of the orientation lab: how the chosen step stands, and what can be done about it."""

from __future__ import annotations

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QProgressBar, QPushButton, QWidget

from emviewer.ui.panels.orientation_lab_steps import Step
from emviewer.ui.runner import JobHandle


class StateLine(QFrame):
    """A sentence, the progress of a job, and buttons.

    Signals
    -------
    cancel_wanted, resume_wanted
    step_wanted : str
        Name of the step to go on to.
    """

    cancel_wanted = Signal()
    resume_wanted = Signal()
    step_wanted = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("verdict")
        self.words = QLabel()
        self.words.setWordWrap(True)
        self.bar = QProgressBar()
        self.bar.setTextVisible(False)
        self.bar.setAccessibleName("Progress")
        self.bar.setMaximumWidth(220)
        self.cancel = QPushButton("Cancel")
        self.cancel.setToolTip("Stop; what is finished is kept")
        self.cancel.clicked.connect(lambda: self.cancel_wanted.emit())
        self.resume = QPushButton("Resume")
        self.resume.setToolTip("Settle the orientations that were found, without another search, and make the map")
        self.resume.clicked.connect(lambda: self.resume_wanted.emit())
        self.next = QPushButton()
        self.next.clicked.connect(lambda: self.step_wanted.emit(self._following))
        self._following = ""
        row = QHBoxLayout(self)
        row.setContentsMargins(10, 5, 10, 5)
        row.addWidget(self.words, 1)
        for widget in (self.bar, self.cancel, self.resume, self.next):
            row.addWidget(widget)

    def show_state(self, sentence: str, job: JobHandle | None, following: Step | None, resumable: bool) -> None:
        """Show how a step stands.

        Parameters
        ----------
        sentence : str
            In words.
        job : JobHandle or None
            What is under way.
        following : Step or None
            Where one can go on to.
        resumable : bool
            Whether a job that was stopped can go on.
        """
        self.words.setText(sentence)
        for widget in (self.bar, self.cancel):
            widget.setVisible(job is not None)
        self.cancel.setEnabled(job is not None and not job.cancelling)
        if job is not None:
            self.bar.setRange(0, job.total)
            self.bar.setValue(job.done)
        self.resume.setVisible(resumable)
        self.next.setVisible(following is not None)
        if following is not None:
            self._following = following.name
            self.next.setText(f"Next: {following.title}")
