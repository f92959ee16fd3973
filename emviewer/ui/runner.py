"""The one door between threads: a lane for jobs, a lane for views, and a mailbox to the GUI thread.

A lane is one ``QThread``. A worker puts ``(callback, payload)`` into the mailbox under a lock and emits the
argument-less ``wake`` only when the mailbox was empty; the receiver lives on the GUI thread, takes the whole
mailbox and calls plain callbacks, once a job for all its batches.
"""

from __future__ import annotations

import itertools
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Generator, Hashable
from dataclasses import dataclass, field
from typing import Any

from PySide6.QtCore import QObject, QThread, Signal, Slot

from emviewer.engine import threads as engine_threads
from emviewer.engine.errors import EmviewerError
from emviewer.engine.jobs.run import Outcome
from emviewer.engine.task import Batch, Cancelled, Check

BACK_PRESSURE = 64
"""Batches that may wait in the mailbox before a job has to wait."""


@dataclass
class JobHandle:
    """A job in the queue, as the GUI thread sees it.

    Parameters
    ----------
    title : str
        Shown in the jobs dock.
    command : str
        The pasteable command line.
    make : callable
        ``make(check) -> generator of Batch`` whose return value is an :class:`Outcome`.
    on_batches, on_end : callable
        Called on the GUI thread: with the list of new batches; with the handle when it has ended.
    """

    title: str
    make: Callable[[Check], Generator[Batch, None, Any]]
    command: str = ""
    on_batches: Callable[[list[Batch]], None] = lambda batches: None
    on_end: Callable[[JobHandle], None] = lambda handle: None
    state: str = "queued"  # queued | running | complete | partial | failed | cancelled
    done: int = 0
    total: int = 0
    stage: str = ""
    started: float = 0.0
    ended: float = 0.0
    outcome: Outcome | None = None
    error: EmviewerError | None = None
    traceback: str = ""
    id: int = field(default_factory=itertools.count(1).__next__)
    _cancel: threading.Event = field(default_factory=threading.Event, repr=False)

    @property
    def cancelling(self) -> bool:
        """Whether a cancel was asked for and has not taken effect yet."""
        return self._cancel.is_set() and self.state in ("queued", "running")

    @property
    def active(self) -> bool:
        """Whether the job is waiting or running."""
        return self.state in ("queued", "running")

    def check(self) -> None:
        """Raise :class:`Cancelled` in the worker if cancel was asked for."""
        if self._cancel.is_set():
            raise Cancelled


class _Lane(QThread):
    """A thread that runs callables from a queue until stopped."""

    def __init__(self, name: str, parent: QObject) -> None:
        super().__init__(parent)
        self.setObjectName(name)
        self.queue: deque[Callable[[], None]] = deque()
        self.condition = threading.Condition()
        self.stopping = False

    def put(self, work: Callable[[], None]) -> None:
        with self.condition:
            self.queue.append(work)
            self.condition.notify()
        if not self.isRunning():
            self.start()

    def stop(self) -> None:
        with self.condition:
            self.stopping = True
            self.queue.clear()
            self.condition.notify()

    def run(self) -> None:
        while True:
            with self.condition:
                while not self.queue and not self.stopping:
                    self.condition.wait()
                if self.stopping:
                    return
                work = self.queue.popleft()
            work()


class Runner(QObject):
    """Runs jobs one at a time and views newest-first, and brings their results to the GUI thread.

    Signals
    -------
    jobs_changed
        The list of jobs or the state of one changed (at most once a drained mailbox).
    """

    jobs_changed = Signal()
    _wake = Signal()

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.jobs: list[JobHandle] = []
        self._lock = threading.Lock()
        self._mail: list[tuple[str, Any, Any]] = []
        self._room = threading.Semaphore(BACK_PRESSURE)
        self._views: dict[Hashable, tuple[int, Callable[[Check], Any], Callable[[Any], None]]] = {}
        self._view_ids = itertools.count(1)
        self._latest: dict[Hashable, int] = {}
        self._job_lane = _Lane("emviewer-jobs", self)
        self._view_lane = _Lane("emviewer-views", self)
        self._wake.connect(self._drain)
        self.view_failed: Callable[[Hashable, Exception], None] = lambda key, error: None
        self._closed = False

    # jobs -----------------------------------------------------------------------------------------------------------
    def submit(self, job: JobHandle) -> JobHandle:
        """Queue a job; it starts when those before it have ended."""
        self.jobs.append(job)
        self._job_lane.put(lambda: self._run_job(job))
        self.jobs_changed.emit()
        return job

    def cancel(self, job: JobHandle) -> None:
        """Ask a job to stop; shown at once, takes effect at its next check. What is finished is kept."""
        job._cancel.set()
        self.jobs_changed.emit()

    @property
    def active(self) -> list[JobHandle]:
        """Jobs that wait or run."""
        return [job for job in self.jobs if job.active]

    def _run_job(self, job: JobHandle) -> None:
        if job._cancel.is_set():
            self._post("end", job, ("cancelled", None, None, ""))
            return
        self._post("start", job, time.monotonic())
        end: tuple[str, Outcome | None, EmviewerError | None, str]
        try:
            generator = job.make(job.check)
            while True:
                try:
                    batch = next(generator)
                except StopIteration as stop:
                    outcome = stop.value
                    break
                while not self._room.acquire(timeout=0.1):
                    if job._cancel.is_set():
                        break
                self._post("batch", job, batch)
            partial = isinstance(outcome, Outcome) and outcome.status == "partial"
            state = ("cancelled" if job._cancel.is_set() else "partial") if partial else "complete"
            end = (state, outcome, outcome.error if isinstance(outcome, Outcome) else None, "")
        except Cancelled:
            end = ("cancelled", None, None, "")
        except EmviewerError as err:
            end = ("failed", None, err, "")
        except Exception as err:
            end = ("failed", None, EmviewerError(f"{type(err).__name__}: {err}"), traceback.format_exc())
        self._post("end", job, end)

    # views ----------------------------------------------------------------------------------------------------------
    def view(self, key: Hashable, work: Callable[[Check], Any], then: Callable[[Any], None]) -> None:
        """Compute something to show. ``work(check)`` runs on the view lane, ``then(result)`` on the GUI thread.

        A later request with the same key replaces an earlier one that has not been answered; stale answers are
        dropped, and ``check()`` raises :class:`Cancelled` in work that became stale.
        """
        if self._closed:
            return
        number = next(self._view_ids)
        with self._lock:
            waiting = key in self._views
            self._views[key] = (number, work, then)
            self._latest[key] = number
        if not waiting:
            self._view_lane.put(lambda: self._run_view(key))

    def drop_views(self, owner: Hashable) -> None:
        """Forget all requests whose key is ``owner`` or a tuple that begins with it (a panel that closes)."""
        with self._lock:
            for key in list(self._latest):
                if key == owner or (isinstance(key, tuple) and key[:1] == (owner,)):
                    self._latest.pop(key, None)
                    self._views.pop(key, None)

    def _run_view(self, key: Hashable) -> None:
        with self._lock:
            request = self._views.pop(key, None)
        if request is None:
            return
        number, work, then = request

        def check() -> None:
            if self._latest.get(key) != number or self._view_lane.stopping:
                raise Cancelled

        engine_threads.set_threads(1)
        try:
            result = work(check)
        except Cancelled:
            return
        except Exception as err:
            self._post("view-error", (key, number), err)
            return
        self._post("view", (key, number, then), result)

    # mailbox --------------------------------------------------------------------------------------------------------
    def _post(self, kind: str, about: Any, payload: Any) -> None:
        with self._lock:
            first = not self._mail
            self._mail.append((kind, about, payload))
        if first and not self._closed:
            self._wake.emit()

    @Slot()
    def _drain(self) -> None:
        with self._lock:
            mail, self._mail = self._mail, []
        batches: dict[int, tuple[JobHandle, list[Batch]]] = {}
        ended: list[JobHandle] = []
        changed = False
        for kind, about, payload in mail:
            if kind == "batch":
                self._room.release()
                batches.setdefault(about.id, (about, []))[1].append(payload)
            elif kind == "start":
                about.state, about.started, changed = "running", payload, True
            elif kind == "end":
                about.state, about.outcome, about.error, about.traceback = payload
                about.ended, changed = time.monotonic(), True
                ended.append(about)
            elif kind == "view":
                key, number, then = about
                if self._latest.get(key) == number:
                    then(payload)
            elif self._latest.get(about[0]) == about[1]:
                self.view_failed(about[0], payload)
        for job, list_of in batches.values():
            last = list_of[-1]
            job.done, job.total, job.stage, changed = last.done, last.total, last.stage, True
            job.on_batches(list_of)
        for job in ended:
            job.on_end(job)
        if changed:
            self.jobs_changed.emit()

    def close(self, timeout_ms: int = 5000) -> bool:
        """Cancel everything, end both lanes and return whether they ended in time."""
        for job in self.active:
            job._cancel.set()
        self._closed = True
        ok = True
        for lane in (self._job_lane, self._view_lane):
            lane.stop()
        for lane in (self._job_lane, self._view_lane):
            if lane.isRunning():
                ok &= lane.wait(timeout_ms)
        engine_threads.shutdown()
        return ok
