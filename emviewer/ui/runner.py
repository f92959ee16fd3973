"""The one door between threads: a lane for jobs, two for views, and a mailbox to the GUI thread.

A lane is one ``QThread``. A worker puts ``(callback, payload)`` into the mailbox under a lock and emits the
argument-less ``wake`` only when the mailbox was empty; the receiver lives on the GUI thread, takes the whole
mailbox and calls plain callbacks, once a job for all its batches.
"""

from __future__ import annotations

import itertools
import os
import sys
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

JOB_NICENESS = 5
"""Added to the job lane's niceness, so that the window keeps its share when a job uses all cores (Linux)."""


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
    say : callable
        Set by the runner: work that cannot yield says with it, from the worker, what it is doing.
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
    outcome: Any = None
    error: EmviewerError | None = None
    traceback: str = ""
    id: int = field(default_factory=itertools.count(1).__next__)
    say: Callable[[str], None] = lambda stage: None
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

    def __init__(self, name: str, parent: QObject, niceness: int = 0) -> None:
        super().__init__(parent)
        self.setObjectName(name)
        self.queue: deque[Callable[[], None]] = deque()
        self.condition = threading.Condition()
        self.stopping = False
        self.niceness = niceness

    def put(self, work: Callable[[], None]) -> None:
        with self.condition:
            if self.stopping:
                return
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
        if self.niceness and sys.platform == "linux":
            # Niceness is a thread's own on Linux, and the pool's threads inherit it from the lane that starts them.
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), self.niceness)
        while True:
            with self.condition:
                while not self.queue and not self.stopping:
                    self.condition.wait()
                if self.stopping:
                    return
                work = self.queue.popleft()
            work()


@dataclass(frozen=True)
class _View:
    """A request of a view: its number, the work, and whom to tell."""

    number: int
    work: Callable[[Check], Any]
    then: Callable[[Any], None]
    fail: Callable[[Exception], None] | None
    lane: _Lane


class Runner(QObject):
    """Runs jobs one at a time and views in the order asked, and brings their results to the GUI thread.

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
        self._views: dict[Hashable, _View] = {}
        self._view_ids = itertools.count(1)
        self._latest: dict[Hashable, int] = {}
        self._job_lane = _Lane("emviewer-jobs", self, JOB_NICENESS)
        self._view_lane = _Lane("emviewer-views", self)
        self._slow_lane = _Lane("emviewer-files", self)
        self._wake.connect(self._drain)
        self.view_failed: Callable[[Hashable, Exception], None] = lambda key, error: None
        self._closed = False

    # jobs -----------------------------------------------------------------------------------------------------------
    def submit(self, job: JobHandle) -> JobHandle:
        """Queue a job; it starts when those before it have ended. After :meth:`close` it is cancelled at once."""
        if self._closed:
            job.state = "cancelled"
            return job
        self.jobs.append(job)
        job.say = lambda stage: self._post("say", job, stage)
        self._job_lane.put(lambda: self._run_job(job))
        self.jobs_changed.emit()
        return job

    def cancel(self, job: JobHandle) -> None:
        """Ask a job to stop; shown at once, takes effect at its next check. What is finished is kept."""
        job._cancel.set()
        self.jobs_changed.emit()

    def forget(self, job: JobHandle) -> None:
        """Take an ended job off the list."""
        if not job.active and job in self.jobs:
            self.jobs.remove(job)
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
        engine_threads.set_threads(0)
        end: tuple[str, Any, EmviewerError | None, str]
        try:
            outcome = self._exhaust(job, job.make(job.check))
            partial = isinstance(outcome, Outcome) and outcome.status == "partial"
            state = ("cancelled" if job._cancel.is_set() else "partial") if partial else "complete"
            end = (state, outcome, outcome.error if isinstance(outcome, Outcome) else None, "")
        except Cancelled:
            end = ("cancelled", None, None, "")
        except EmviewerError as err:
            end = ("failed", None, err, "")
        except BaseException as err:  # a bug in a job ends the job, never the lane
            end = ("failed", None, EmviewerError(f"{type(err).__name__}: {err}"), traceback.format_exc())
        self._post("end", job, end)

    def _exhaust(self, job: JobHandle, generator: Generator[Batch, None, Any]) -> Any:
        """Post every batch of a job and return what the generator returned."""
        while True:
            try:
                batch = next(generator)
            except StopIteration as stop:
                return stop.value
            # A job that is being cancelled, or whose window is closing, must not wait for a reader.
            room = self._room.acquire(timeout=0.1)
            while not room and not job._cancel.is_set():
                room = self._room.acquire(timeout=0.1)
            self._post("batch", job, (batch, room))

    # views ----------------------------------------------------------------------------------------------------------
    def view(
        self,
        key: Hashable,
        work: Callable[[Check], Any],
        then: Callable[[Any], None],
        *,
        fail: Callable[[Exception], None] | None = None,
        slow: bool = False,
    ) -> None:
        """Compute something to show. ``work(check)`` runs on the view lane, ``then(result)`` on the GUI thread.

        A later request with the same key replaces an earlier one that has not been answered; stale answers are
        dropped, and ``check()`` raises :class:`Cancelled` in work that became stale.

        Parameters
        ----------
        key : hashable
            What the answer is for; begin a tuple with the owner's ``id`` so that :meth:`drop_views` finds it.
        work, then : callable
            The work, and who wants the answer.
        fail : callable, optional
            Told of an exception on the GUI thread; without it ``view_failed(key, error)`` is.
        slow : bool
            Use the lane of file opening and estimates, which may take seconds, so that pictures do not wait.
        """
        if self._closed:
            return
        request = _View(next(self._view_ids), work, then, fail, self._slow_lane if slow else self._view_lane)
        with self._lock:
            waiting = key in self._views
            self._views[key] = request
            self._latest[key] = request.number
        if not waiting:
            request.lane.put(lambda: self._run_view(key))

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

        def check() -> None:
            if self._latest.get(key) != request.number or request.lane.stopping:
                raise Cancelled

        engine_threads.set_threads(1)
        try:
            result = request.work(check)
        except Cancelled:
            return
        except Exception as err:
            self._post("view-error", (key, request), err)
            return
        self._post("view", (key, request), result)

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
                batch, room = payload
                if room:
                    self._room.release()
                about.stage = batch.stage or about.stage
                if batch.total or len(batch.rows):  # a mere message ("drawing the report") does not begin again
                    about.done, about.total = batch.done, batch.total
                batches.setdefault(about.id, (about, []))[1].append(batch)
            elif kind == "say":
                about.stage, changed = payload, True
                batches.setdefault(about.id, (about, []))
            elif kind == "start":
                about.state, about.started, changed = "running", payload, True
            elif kind == "end":
                about.state, about.outcome, about.error, about.traceback = payload
                about.ended, changed = time.monotonic(), True
                ended.append(about)
            else:
                self._answer(kind, *about, payload)
        for job, list_of in batches.values():
            changed = True
            _call(job.on_batches, list_of)
        for job in ended:
            _call(job.on_end, job)
        if changed:
            self.jobs_changed.emit()

    def _answer(self, kind: str, key: Hashable, request: _View, payload: Any) -> None:
        with self._lock:
            if self._latest.get(key) != request.number:
                return
            del self._latest[key]
        if kind == "view":
            _call(request.then, payload)
        elif request.fail is not None:
            _call(request.fail, payload)
        else:
            _call(self.view_failed, key, payload)

    def close(self, timeout_ms: int = 5000) -> bool:
        """Cancel everything, end all lanes and return whether they ended in time."""
        for job in self.active:
            job._cancel.set()
        self._closed = True
        lanes = (self._job_lane, self._view_lane, self._slow_lane)
        for lane in lanes:
            lane.stop()
        deadline = time.monotonic() + timeout_ms / 1000
        ended = [lane.wait(max(1, int((deadline - time.monotonic()) * 1000))) for lane in lanes]
        if all(ended):
            engine_threads.shutdown()
        return all(ended)


def _call(callback: Callable[..., None], *args: Any) -> None:
    """Call back; a mistake in one callback is reported like any other and the rest of the mail is still delivered."""
    try:
        callback(*args)
    except Exception:
        sys.excepthook(*sys.exc_info())
