import sys
import threading
import time

import numpy as np
import pytest

from emviewer.engine.errors import DataError
from emviewer.engine.jobs.run import Outcome
from emviewer.engine.task import Batch, Cancelled, message
from emviewer.ui.runner import BACK_PRESSURE, JobHandle, Runner


def batch(i, total=0):
    return Batch(np.array([i]), {"x": np.array([float(i)])}, i + 1, total)


def run(qtbot, runner, make, **kw):
    job = runner.submit(JobHandle("test", make, **kw))
    qtbot.waitUntil(lambda: not job.active, timeout=5000)
    return job


def test_all_batches_arrive_once_in_order_and_on_the_gui_thread(qtbot, runner):
    rows, threads = [], set()

    def take(batches):
        threads.add(threading.get_ident())
        rows.extend(int(b.rows[0]) for b in batches)

    def make(check):
        yield from (batch(i, 1000) for i in range(1000))
        return "answer"

    job = run(qtbot, runner, make, on_batches=take)
    assert rows == list(range(1000))
    assert threads == {threading.get_ident()}
    assert (job.state, job.outcome, job.done, job.total) == ("complete", "answer", 1000, 1000)


def test_a_job_waits_for_a_reader_that_does_not_read(qtbot, runner):
    made = []

    def make(check):
        for i in range(10 * BACK_PRESSURE):
            made.append(i)
            yield batch(i)

    job = runner.submit(JobHandle("test", make))
    end = time.monotonic() + 5
    while len(made) <= BACK_PRESSURE and time.monotonic() < end:
        time.sleep(0.01)  # the GUI thread reads no mail here
    time.sleep(0.05)
    assert len(made) == BACK_PRESSURE + 1
    qtbot.waitUntil(lambda: not job.active, timeout=5000)
    assert len(made) == 10 * BACK_PRESSURE


def test_cancelling_leaves_as_much_room_as_before(qtbot, runner):
    def make(check):
        for i in range(100_000):
            check()
            yield batch(i)

    for _ in range(3):
        job = runner.submit(JobHandle("test", make))
        qtbot.waitUntil(lambda j=job: j.done > 0, timeout=5000)
        runner.cancel(job)
        qtbot.waitUntil(lambda j=job: not j.active, timeout=5000)
    assert runner._room._value == BACK_PRESSURE


def test_cancel_shows_at_once_and_ends_at_the_next_check(qtbot, runner):
    started = threading.Event()

    def make(check):
        yield message("working")
        started.set()
        while True:
            check()
            time.sleep(0.005)

    job = runner.submit(JobHandle("test", make))
    qtbot.waitUntil(started.is_set, timeout=5000)
    runner.cancel(job)
    assert job.cancelling
    qtbot.waitUntil(lambda: not job.active, timeout=5000)
    assert job.state == "cancelled"


def test_a_cancelled_job_that_kept_something_says_so(qtbot, runner, tmp_path):
    def make(check):
        yield batch(0)
        try:
            while True:
                check()
                time.sleep(0.005)
        except Cancelled:
            return Outcome(tmp_path, "partial")

    job = runner.submit(JobHandle("test", make))
    qtbot.waitUntil(lambda: job.done == 1, timeout=5000)
    runner.cancel(job)
    qtbot.waitUntil(lambda: not job.active, timeout=5000)
    assert (job.state, job.outcome.folder) == ("cancelled", tmp_path)


def test_errors_of_a_job_come_with_the_job(qtbot, runner):
    def mendable(check):
        yield message("")
        raise DataError("the map is empty", "a.mrc", "choose another")

    def bug(check):
        yield message("")
        raise ZeroDivisionError("oh")

    job = run(qtbot, runner, mendable)
    assert (job.state, str(job.error), job.traceback) == ("failed", "the map is empty (a.mrc): choose another", "")
    job = run(qtbot, runner, bug)
    assert job.state == "failed"
    assert "ZeroDivisionError: oh" in job.traceback


def test_jobs_run_one_after_the_other(qtbot, runner):
    log = []

    def make(name):
        def generator(check):
            log.append(f"{name} begins")
            yield message("")
            log.append(f"{name} ends")

        return generator

    jobs = [runner.submit(JobHandle(n, make(n))) for n in "ab"]
    qtbot.waitUntil(lambda: not any(j.active for j in jobs), timeout=5000)
    assert log == ["a begins", "a ends", "b begins", "b ends"]


def test_a_mistake_in_a_callback_is_reported_and_loses_no_mail(qtbot, runner, monkeypatch):
    reported, ended = [], []
    monkeypatch.setattr(sys, "excepthook", lambda kind, error, trace: reported.append(str(error)))

    def broken(batches):
        raise ValueError("broken callback")

    def make(check):
        yield batch(0)

    first = runner.submit(JobHandle("a", make, on_batches=broken, on_end=lambda job: ended.append("a")))
    second = runner.submit(JobHandle("b", make, on_end=lambda job: ended.append("b")))
    qtbot.waitUntil(lambda: not first.active and not second.active, timeout=5000)
    assert reported == ["broken callback"]
    assert ended == ["a", "b"]


def test_newest_view_wins_and_the_stale_one_is_told(qtbot, runner):
    begun, stopped, answers = threading.Event(), threading.Event(), []

    def slow(check):
        begun.set()
        try:
            while True:
                check()
                time.sleep(0.002)
        except Cancelled:
            stopped.set()
            raise

    runner.view("key", slow, answers.append)
    assert begun.wait(5)
    for i in range(10):
        runner.view("key", lambda check, i=i: i, answers.append)
    qtbot.waitUntil(lambda: answers == [9], timeout=5000)
    assert stopped.is_set()


def test_an_answer_that_became_stale_in_the_mailbox_is_dropped(qtbot, runner):
    answered, answers = threading.Event(), []
    runner.view("key", lambda check: answered.set() or "old", answers.append)
    assert answered.wait(5)
    runner.view("key", lambda check: "new", answers.append)
    qtbot.waitUntil(lambda: bool(answers), timeout=5000)
    assert answers == ["new"]


def test_a_slow_view_does_not_hold_up_the_others(qtbot, runner):
    gate, answers = threading.Event(), []
    runner.view("file", lambda check: gate.wait(5), answers.append, slow=True)
    runner.view("picture", lambda check: "picture", answers.append)
    qtbot.waitUntil(lambda: answers == ["picture"], timeout=5000)
    gate.set()
    qtbot.waitUntil(lambda: answers == ["picture", True], timeout=5000)


def test_failures_of_a_view_go_to_who_asked(qtbot, runner):
    mine, anyone = [], []
    runner.view_failed = lambda key, error: anyone.append((key, str(error)))

    def fail(check):
        raise DataError("no picture")

    runner.view("a", fail, print, fail=lambda error: mine.append(str(error)))
    runner.view("b", fail, print)
    qtbot.waitUntil(lambda: bool(mine and anyone), timeout=5000)
    assert (mine, anyone) == (["no picture"], [("b", "no picture")])


def test_dropped_views_are_never_answered(qtbot, runner):
    gate, answers = threading.Event(), []
    runner.view("other", lambda check: gate.wait(5), lambda _: None)
    runner.view((1, "a"), lambda check: "a", answers.append)
    runner.view((2, "a"), lambda check: "b", answers.append)
    runner.drop_views(1)
    gate.set()
    qtbot.waitUntil(lambda: bool(answers), timeout=5000)
    assert answers == ["b"]


def test_closing_while_a_job_runs_ends_it(qtbot):
    runner, closed = Runner(), []

    def make(check):
        try:
            for i in range(10**9):
                check()
                time.sleep(0.001)
                yield batch(i)
        finally:
            closed.append(True)

    job = runner.submit(JobHandle("test", make))
    qtbot.waitUntil(lambda: job.done > 0, timeout=5000)
    assert runner.close()
    assert closed


def test_what_is_asked_after_the_end_is_passed_over(qtbot):
    runner = Runner()
    assert runner.close()
    runner.view("key", lambda check: 1, pytest.fail)
    job = runner.submit(JobHandle("late", lambda check: iter(())))
    assert job.state == "cancelled"
