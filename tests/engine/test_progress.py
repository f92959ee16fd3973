"""The curves of a job stay in its folder: only those named, numbers only, whole or cancelled."""

import numpy as np
import pandas as pd
import pytest

from emviewer.engine.jobs.run import JobSpec, run_job
from emviewer.engine.params import JobParams
from emviewer.engine.task import Cancelled, message


def spec(run, curves=("loss",)):
    return JobSpec("count", "Count", "Counts.", JobParams, run, curves=curves)


def fall(params, folder, *, check, rng):
    yield message("begin", path="somewhere", loss=float("nan"))
    for i in range(4):
        check()
        yield message("start 1" if i < 2 else "start 2", i, 4, loss=4.0 - i, other=1.0, explained=0.25 * i)


def end(job):
    with pytest.raises(StopIteration) as stop:
        while True:
            next(job)
    return stop.value.value


def test_named_curves_are_kept_with_their_stages(tmp_path):
    outcome = end(run_job(spec(fall, ("loss", "explained")), JobParams(), tmp_path / "out"))
    table = pd.read_csv(outcome.folder / "progress.csv")
    assert list(table.columns) == ["curve", "step", "value", "stage"]
    loss = table[table.curve == "loss"]
    np.testing.assert_allclose(loss.value, [4, 3, 2, 1])
    assert list(loss.step) == [0, 1, 2, 3]
    assert list(loss.stage) == ["start 1", "start 1", "start 2", "start 2"]
    assert set(table.curve) == {"loss", "explained"}


def test_a_job_without_curves_writes_none(tmp_path):
    outcome = end(run_job(spec(fall, ()), JobParams(), tmp_path / "out"))
    assert not (outcome.folder / "progress.csv").exists()


def test_what_was_told_before_cancelling_is_kept(tmp_path):
    calls = iter(range(100))

    def check():
        if next(calls) > 4:
            raise Cancelled

    outcome = end(run_job(spec(fall), JobParams(), tmp_path / "out", check=check))
    assert outcome.status == "partial"
    assert len(pd.read_csv(outcome.folder / "progress.csv")) >= 1
