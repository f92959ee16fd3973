import errno
import json
import os
import subprocess
import sys

import numpy as np
import pytest

from emviewer.engine.errors import DataError, FileError, OutputError
from emviewer.engine.jobs.folder import ResultFolder, plain
from emviewer.engine.jobs.run import JobSpec, run_job
from emviewer.engine.params import JobParams, option
from emviewer.engine.task import Batch, Cancelled, message


class CountParams(JobParams):
    n: int = option(3, "how many", flag="--n", group="Job")
    data: str = option("", "a file", flag="", kind="input", group="Input")

    def input_paths(self):
        return super().input_paths() if self.data else []


def batch(i, n):
    return Batch(np.array([i]), {"value": np.array([i * 2.0])}, i + 1, n, "counting")


def count(params, folder, *, check, rng):
    """Write a line a row; the file is whole whatever happens."""
    with (folder / "lines.txt").open("w") as file:
        folder.stage("count")
        try:
            for i in range(params.n):
                check()
                file.write(f"{i}\n")
                yield batch(i, params.n)
        finally:
            folder.summary["n"] = file.tell() // 2
            folder.summary["undefined"] = float("nan")


def spec(run=count):
    return JobSpec("count", "Count", "Counts.", CountParams, run)


def drain(job):
    batches = []
    while True:
        try:
            batches.append(next(job))
        except StopIteration as end:
            return batches, end.value


def leftovers(folder):
    return sorted(p.name for p in folder.iterdir() if ".partial-" in p.name)


def record(out):
    return json.loads((out / "job.json").read_text())


def test_a_complete_job_leaves_a_whole_folder(tmp_path):
    data = tmp_path / "in.txt"
    data.write_bytes(b"z" * 10)
    batches, outcome = drain(run_job(spec(), CountParams(n=4, data=str(data), threads=1, seed=5), tmp_path / "out"))
    assert [b.done for b in batches] == [1, 2, 3, 4]
    assert outcome.status == "complete"
    assert outcome.error is None
    kept = record(tmp_path / "out")
    assert kept["job"] == "count"
    assert kept["status"] == "complete"
    assert kept["parameters"] == {
        "n": 4, "data": str(data), "threads": 1, "seed": 5, "report": "both", "pixel_size": None, "project_dir": None,
    }  # fmt: skip
    assert kept["inputs"][0]["size"] == 10
    assert len(kept["inputs"][0]["sha256_first_mib"]) == 64
    assert kept["seed"] == 5
    assert set(kept["seconds"]) == {"prepare", "count"}
    assert kept["peak_memory_mb"] > 1
    assert kept["command"].startswith("emviewer count ")
    assert json.loads((tmp_path / "out" / "summary.json").read_text()) == {"n": 4, "undefined": None}
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["job.json", "lines.txt", "summary.json"]
    assert leftovers(tmp_path) == []


def test_cancelled_between_batches_keeps_what_is_finished(tmp_path):
    stop = []

    def check():
        if stop:
            raise Cancelled

    job = run_job(spec(), CountParams(n=9), tmp_path / "out", check=check)
    next(job), next(job)
    stop.append(True)
    _, outcome = drain(job)
    assert outcome.status == "partial"
    assert record(tmp_path / "out")["status"] == "partial"
    assert (tmp_path / "out" / "lines.txt").read_text() == "0\n1\n"


def test_cancelled_before_anything_is_finished_is_partial_too(tmp_path):
    def check():
        raise Cancelled

    _, outcome = drain(run_job(spec(), CountParams(), tmp_path / "out", check=check))
    assert outcome.status == "partial"
    assert outcome.summary["n"] == 0


def test_cancelled_with_nothing_finished_never_replaces_an_earlier_result(tmp_path):
    drain(run_job(spec(), CountParams(n=2), tmp_path / "out"))

    def check():
        raise Cancelled

    with pytest.raises(Cancelled):
        drain(run_job(spec(), CountParams(), tmp_path / "out", overwrite=True, check=check))
    assert record(tmp_path / "out")["status"] == "complete"
    assert leftovers(tmp_path) == []


def test_a_generator_that_is_closed_leaves_a_partial_result(tmp_path):
    job = run_job(spec(), CountParams(n=9), tmp_path / "out")
    next(job)
    job.close()
    assert record(tmp_path / "out")["status"] == "partial"
    assert (tmp_path / "out" / "lines.txt").read_text() == "0\n"


def test_a_forced_interrupt_leaves_a_partial_result(tmp_path):
    def forced(params, folder, **kw):
        yield batch(0, 2)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        drain(run_job(spec(forced), CountParams(), tmp_path / "out"))
    assert record(tmp_path / "out")["status"] == "partial"


@pytest.mark.parametrize("after", [0, 2])
def test_a_full_disk_keeps_what_is_finished(tmp_path, after):
    def full(params, folder, **kw):
        for i in range(after):
            yield batch(i, 5)
        raise OSError(errno.ENOSPC, "No space left on device")

    job = run_job(spec(full), CountParams(), tmp_path / "out")
    if after == 0:
        with pytest.raises(OutputError, match="the disk is full"):
            drain(job)
        assert list(tmp_path.iterdir()) == []
    else:
        _, outcome = drain(job)
        assert outcome.status == "partial"
        assert "the disk is full" in str(outcome.error)
        assert record(tmp_path / "out")["status"] == "partial"


def test_a_full_disk_keeps_files_that_are_whole_but_never_for_an_earlier_result(tmp_path):
    def full(params, folder, **kw):
        (folder / "map.mrc").write_bytes(b"whole")
        yield message("subtracting")
        raise OSError(errno.ENOSPC, "No space left on device")

    _, outcome = drain(run_job(spec(full), CountParams(), tmp_path / "out"))
    assert outcome.status == "partial"
    assert "the disk is full" in str(outcome.error)
    assert (tmp_path / "out" / "map.mrc").read_bytes() == b"whole"
    drain(run_job(spec(), CountParams(n=2), tmp_path / "out", overwrite=True))
    with pytest.raises(OutputError, match="the disk is full"):
        drain(run_job(spec(full), CountParams(), tmp_path / "out", overwrite=True))
    assert record(tmp_path / "out")["status"] == "complete"
    assert leftovers(tmp_path) == []


def unable(file, start, count):
    """As on NFS before 4.2, where glibc writes by itself, but not to a file that is opened to append."""
    raise OSError(errno.EBADF, "Bad file descriptor")


@pytest.mark.parametrize("how", ["system", "no call", "unable"])
def test_room_is_kept_for_what_is_written_at_the_end(tmp_path, monkeypatch, how):
    if how == "no call":
        monkeypatch.delattr(os, "posix_fallocate", raising=False)
    elif how == "unable":
        monkeypatch.setattr(os, "posix_fallocate", unable, raising=False)
    folder = ResultFolder(tmp_path / "out")
    (kept,) = folder.path.iterdir()
    before = kept.stat().st_blocks
    folder.reserve(3_000_000)
    assert (kept.stat().st_blocks - before) * 512 >= 3_000_000 - 4096
    assert not folder.holds_files
    folder.release()
    assert list(folder.path.iterdir()) == []
    folder.close("complete")


def test_a_full_disk_met_while_closing_is_said_too(tmp_path):
    def full(params, folder, **kw):
        try:
            yield batch(0, 5)
            yield batch(1, 5)
        finally:
            raise OSError(errno.ENOSPC, "No space left on device")

    calls = []

    def check():
        calls.append(1)
        if len(calls) > 1:
            raise Cancelled

    _, outcome = drain(run_job(spec(full), CountParams(), tmp_path / "out", check=check))
    assert outcome.status == "partial"
    assert "the disk is full" in str(outcome.error)


def test_an_error_after_some_rows_keeps_them(tmp_path):
    def wrong(params, folder, **kw):
        yield batch(0, 5)
        raise DataError("image 2 has NaN", "x.mrcs", "leave it out")

    _, outcome = drain(run_job(spec(wrong), CountParams(), tmp_path / "out"))
    assert (outcome.status, str(outcome.error)) == ("partial", "image 2 has NaN (x.mrcs): leave it out")


def test_an_error_before_anything_leaves_no_folder(tmp_path):
    def wrong(params, folder, **kw):
        yield message("opening")
        raise DataError("the map has NaN", "x.mrc", "mend it")

    with pytest.raises(DataError):
        drain(run_job(spec(wrong), CountParams(), tmp_path / "out"))
    assert list(tmp_path.iterdir()) == []


def test_memory_that_does_not_suffice_is_a_sentence(tmp_path):
    def huge(params, folder, **kw):
        yield message("opening")
        raise MemoryError

    with pytest.raises(DataError, match="not enough memory"):
        drain(run_job(spec(huge), CountParams(), tmp_path / "out"))


def test_an_input_that_cannot_be_read_is_not_blamed_on_the_output(tmp_path):
    def reads(params, folder, **kw):
        yield message("opening")
        (tmp_path / "gone.mrc").read_bytes()

    with pytest.raises(FileError, match=r"gone\.mrc"):
        drain(run_job(spec(reads), CountParams(), tmp_path / "out"))


def test_a_bug_leaves_the_partial_folder(tmp_path):
    def bug(params, folder, **kw):
        yield batch(0, 5)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        drain(run_job(spec(bug), CountParams(), tmp_path / "out"))
    assert not (tmp_path / "out").exists()
    assert len(leftovers(tmp_path)) == 1


def test_existing_results_are_refused_or_replaced(tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    drain(run_job(spec(), CountParams(n=1), out))  # an empty folder may be used
    with pytest.raises(OutputError, match="--overwrite"):
        drain(run_job(spec(), CountParams(n=2), out))
    assert (out / "lines.txt").read_text() == "0\n"
    (out / "note.txt").write_text("in a result, gone with --overwrite")
    drain(run_job(spec(), CountParams(n=2), out, overwrite=True))
    assert sorted(p.name for p in out.iterdir()) == ["job.json", "lines.txt", "summary.json"]
    assert [p.name for p in tmp_path.iterdir()] == ["out"]


def test_a_folder_that_is_no_result_is_never_deleted(tmp_path):
    out = tmp_path / "thesis"
    out.mkdir()
    (out / "chapter1.txt").write_text("years of work")
    job = run_job(spec(), CountParams(n=2), out, overwrite=True)
    with pytest.raises(StopIteration) as end:
        while True:
            next(job)
    assert (out / "job.json").exists()
    assert (tmp_path / "thesis.replaced-1" / "chapter1.txt").read_text() == "years of work"
    assert any("thesis.replaced-1" in warning for warning in end.value.value.warnings)


def test_the_old_result_stays_until_the_new_one_is_whole(tmp_path):
    out = tmp_path / "out"
    drain(run_job(spec(), CountParams(n=1), out))
    job = run_job(spec(), CountParams(n=2), out, overwrite=True)
    next(job)
    assert (out / "lines.txt").read_text() == "0\n"
    folder = ResultFolder(out, overwrite=True)
    folder.path.joinpath("job.json").mkdir()  # closing fails
    with pytest.raises(OutputError):
        folder.close("complete")
    assert (out / "lines.txt").read_text() == "0\n"


def test_a_result_put_there_meanwhile_is_not_lost(tmp_path):
    job = run_job(spec(), CountParams(n=2), tmp_path / "out")
    next(job)
    drain(run_job(spec(), CountParams(n=1), tmp_path / "out"))
    with pytest.raises(OutputError, match="meanwhile"):
        drain(job)
    assert (tmp_path / "out" / "lines.txt").read_text() == "0\n"
    assert len(leftovers(tmp_path)) == 1


def test_an_input_inside_the_replaced_folder_is_refused(tmp_path):
    drain(run_job(spec(), CountParams(n=1), tmp_path / "out"))
    params = CountParams(data=str(tmp_path / "out" / "lines.txt"))
    with pytest.raises(OutputError, match="holds an input"):
        drain(run_job(spec(), params, tmp_path / "out", overwrite=True))
    assert (tmp_path / "out" / "lines.txt").exists()
    assert leftovers(tmp_path) == []


def test_an_input_that_changes_is_a_warning(tmp_path):
    data = tmp_path / "in.txt"
    data.write_bytes(b"z" * 10)
    job = run_job(spec(), CountParams(n=2, data=str(data)), tmp_path / "out")
    next(job)
    data.write_bytes(b"z" * 11)
    _, outcome = drain(job)
    assert "was changed while the job ran" in outcome.warnings[0]


@pytest.mark.parametrize("place", ["file/out", "file"])
def test_a_place_that_cannot_hold_a_folder_is_said(tmp_path, place):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="is a file"):
        drain(run_job(spec(), CountParams(), tmp_path / place))


def test_odd_names_of_folders(tmp_path, monkeypatch):
    with pytest.raises(OutputError, match="root of the disk"):
        drain(run_job(spec(), CountParams(), "/"))
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    drain(run_job(spec(), CountParams(n=1), tmp_path / "link"))
    assert (tmp_path / "real" / "lines.txt").exists()
    assert (tmp_path / "link").is_symlink()
    monkeypatch.chdir(tmp_path / "real")
    drain(run_job(spec(), CountParams(n=1), "../real/../other/"))
    assert sorted(p.name for p in tmp_path.iterdir()) == ["link", "other", "real"]


def test_json_has_no_nan_and_no_arrays():
    value = {"a": np.float32("nan"), "b": np.arange(2), "c": [float("inf"), (1, np.int64(2))], 3: {"d": True}}
    assert plain(value) == {"a": None, "b": [0, 1], "c": [None, [1, 2]], "3": {"d": True}}


def test_peak_memory_is_of_this_process():
    code = (
        "import numpy as np; from emviewer.engine.jobs.folder import peak_memory_mb\n"
        "before = peak_memory_mb(); block = np.ones(20_000_000); print(peak_memory_mb() - before)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert float(done.stdout) == pytest.approx(160, abs=10)
