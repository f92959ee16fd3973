"""Jobs: a bar, how many are done, how fast, how long it will take, and a way to stop."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

from PySide6.QtCore import QSize, Qt, QTimer, Signal
from PySide6.QtGui import QPainter
from PySide6.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QLabel,
    QProgressBar,
    QPushButton,
    QScrollArea,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from emviewer.engine.jobs.run import Outcome
from emviewer.ui import theme
from emviewer.ui.facts import count_text
from emviewer.ui.runner import JobHandle, Runner

REFRESH_S = 0.1
"""Progress is written this often."""

_WORDS = {
    "queued": "waiting",
    "complete": "done",
    "partial": "partial",
    "cancelled": "cancelled",
    "failed": "failed",
}
_ICONS = {
    "queued": "images",
    "running": "run",
    "complete": "done",
    "partial": "warning",
    "cancelled": "stop",
    "failed": "error",
}


def time_words(seconds: float) -> str:
    """Return a time left as a person says it."""
    if seconds < 2:
        return "a moment"
    if seconds < 50:
        return f"about {max(5, round(seconds / 5) * 5):.0f} s"
    if seconds < 90:
        return "about 1 min"
    if seconds < 3300:
        return f"about {seconds / 60:.0f} min"
    hours = seconds / 3600
    return "about 1 h" if hours < 1.25 else f"about {hours:.1f} h".replace(".0 h", " h")


def rate_text(per_second: float) -> str:
    """Return a rate with two figures (``24/s``, ``0.4/s``)."""
    return f"{per_second:.0f}/s" if per_second >= 10 else f"{per_second:.2g}/s"


class Pace:
    """Rate over the last seconds, from (time, done) pairs."""

    SPAN_S = 8.0

    def __init__(self) -> None:
        self._marks: deque[tuple[float, int]] = deque()

    def add(self, now: float, done: int) -> None:
        """Note how many are done."""
        if not self._marks or done != self._marks[-1][1]:
            self._marks.append((now, done))
        while len(self._marks) > 2 and now - self._marks[0][0] > self.SPAN_S:
            self._marks.popleft()

    def rate(self, now: float) -> float:
        """Return items per second, 0 while nobody can tell."""
        if len(self._marks) < 2:
            return 0.0
        span = max(now, self._marks[-1][0]) - self._marks[0][0]
        return (self._marks[-1][1] - self._marks[0][1]) / span if span > 0.2 else 0.0


class ElidedLabel(QLabel):
    """A line of text that ends in … where there is no room for it."""

    def __init__(self) -> None:
        super().__init__()
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)

    def paintEvent(self, event: object) -> None:
        """Draw what fits."""
        painter = QPainter(self)
        painter.setPen(self.palette().color(self.foregroundRole()))
        shown = self.fontMetrics().elidedText(self.text(), Qt.TextElideMode.ElideRight, self.width())
        painter.drawText(self.rect(), Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft, shown)


class JobRow(QFrame):
    """One job in the dock."""

    def __init__(self, job: JobHandle, cancel: Callable[[], None], open_result: Callable[[], None]) -> None:
        super().__init__()
        self.setObjectName("jobRow")
        self.job, self.pace = job, Pace()
        self._icon = QLabel()
        self.title = QLabel(job.title)
        self.title.setProperty("role", "title")
        self.bar = QProgressBar()
        self.bar.setTextVisible(False)
        self.bar.setAccessibleName(f"Progress of {job.title}")
        self.bar.setMinimumWidth(60)
        self.bar.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.text = ElidedLabel()
        self.text.setProperty("role", "dim")
        self.cancel_button = QPushButton("Cancel")
        self.cancel_button.setToolTip("Stop at the next image; what is finished is kept and marked partial")
        self.cancel_button.clicked.connect(lambda: cancel())
        self.open_button = QPushButton("Open result")
        self.open_button.clicked.connect(lambda: open_result())
        row = QHBoxLayout(self)
        row.setContentsMargins(10, 4, 8, 4)
        row.setSpacing(10)
        row.addWidget(self._icon)
        row.addWidget(self.title)
        row.addWidget(self.bar, 2)
        row.addWidget(self.text, 5)
        row.addWidget(self.cancel_button)
        row.addWidget(self.open_button)
        self._shown = ""

    def refresh(self) -> None:
        """Write the job's state into the row."""
        job, now = self.job, time.monotonic()
        self.pace.add(now, job.done)
        running = job.state == "running"
        self.bar.setVisible(job.active)
        if job.total:
            self.bar.setRange(0, 1000)
            self.bar.setValue(round(1000 * job.done / job.total))
        elif running:
            self.bar.setRange(0, 0)
        self.text.setText(self.sentence(now))
        self.text.setToolTip(str(job.error) if job.error else job.command)
        self.cancel_button.setVisible(job.active)
        self.cancel_button.setEnabled(not job.cancelling)
        self.cancel_button.setText("Cancelling…" if job.cancelling else "Cancel")
        self.open_button.setVisible(isinstance(job.outcome, Outcome))
        if self._shown != job.state:
            self._shown = job.state
            self.recolour()

    def sentence(self, now: float) -> str:
        """Return what is said beside the bar."""
        job = self.job
        counts = f"{count_text(job.done)}/{count_text(job.total)}" if job.total else ""
        if job.cancelling:
            return "cancelling…  " + counts
        if job.state == "running":
            rate = self.pace.rate(now)
            parts = [job.stage or "preparing"] if not job.done else []
            parts += [counts] if counts and job.done else []
            if rate > 0 and job.total:
                parts += [rate_text(rate), f"{time_words((job.total - job.done) / rate)} left"]
            return "  ·  ".join(parts)
        words = _WORDS[job.state]
        if job.state == "queued":
            return words
        if job.error is not None:
            return f"{words}: {job.error}"
        took = job.ended - job.started if job.started else 0.0
        made = counts if job.state in ("partial", "cancelled") else (count_text(job.done) if job.done else "")
        return "  ·  ".join(p for p in (words, made, f"{took:.1f} s" if took else "") if p)

    def recolour(self) -> None:
        """Follow a new theme or state."""
        c = theme.current()
        shade = {"complete": c.on_good, "failed": c.on_error, "running": c.accent}.get(self.job.state, c.dim)
        self._icon.setPixmap(theme.icon(_ICONS[self.job.state], shade).pixmap(QSize(16, 16), self.devicePixelRatio()))


class JobsView(QScrollArea):
    """All jobs, the newest on top.

    Signals
    -------
    open_result : JobHandle
        Its *Open result* was pressed.
    """

    open_result = Signal(object)

    def __init__(self, runner: Runner) -> None:
        super().__init__()
        self.runner = runner
        self.rows: dict[int, JobRow] = {}
        self.setAccessibleName("Jobs")
        self.setWidgetResizable(True)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self._inside = QWidget()
        self._inside.setObjectName("inspector")
        self._column = QVBoxLayout(self._inside)
        self._column.setContentsMargins(0, 0, 0, 0)
        self._column.setSpacing(0)
        self._empty = QLabel("Nothing has been run yet.")
        self._empty.setProperty("role", "dim")
        self._empty.setContentsMargins(12, 10, 12, 10)
        self._column.addWidget(self._empty)
        self._column.addStretch(1)
        self.setWidget(self._inside)
        self._clock = QTimer(self)
        self._clock.setInterval(500)
        self._clock.timeout.connect(self.refresh)
        self._states: dict[int, tuple[str, bool]] = {}
        self._refreshed = 0.0
        runner.jobs_changed.connect(self._changed)

    def _changed(self) -> None:
        """Show a new state at once, and progress often enough for the eye."""
        states = {job.id: (job.state, job.cancelling) for job in self.runner.jobs}
        if states != self._states or time.monotonic() - self._refreshed > REFRESH_S:
            self._states, self._refreshed = states, time.monotonic()
            self.refresh()

    def refresh(self) -> None:
        """Bring every row up to date; a clock runs only while a job does."""
        listed = {job.id: job for job in self.runner.jobs}
        for gone in [i for i in self.rows if i not in listed]:
            row = self.rows.pop(gone)
            self._column.removeWidget(row)
            row.deleteLater()
        for job in listed.values():
            if job.id not in self.rows:
                self.rows[job.id] = self._add(job)
        for row in self.rows.values():
            if row.job.active or row._shown != row.job.state:
                row.refresh()
        self._empty.setVisible(not listed)
        busy = bool(self.runner.active)
        if busy != self._clock.isActive():
            self._clock.start() if busy else self._clock.stop()

    def _add(self, job: JobHandle) -> JobRow:
        row = JobRow(job, lambda: self.runner.cancel(job), lambda: self.open_result.emit(job))
        self._column.insertWidget(0, row)
        return row

    def clear_ended(self) -> None:
        """Take the ended jobs off the list (their results stay)."""
        for job in list(self.runner.jobs):
            self.runner.forget(job)

    def recolour(self) -> None:
        """Follow a new theme."""
        for row in self.rows.values():
            row.recolour()
