"""The result folder of a job: written beside, then renamed, so that a result is always whole or marked partial."""

from __future__ import annotations

import errno
import hashlib
import itertools
import json
import math
import os
import resource
import shutil
import sys
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from emviewer.engine.errors import EmviewerError, FileError, OutputError
from emviewer.engine.files_whole import whole

if TYPE_CHECKING:
    from matplotlib.figure import Figure

RESERVE_BYTES = 1 << 18
"""Room kept while a job runs, so that job.json and summary.json can be written on a disk that has become full."""


def fingerprint(path: Path) -> dict[str, Any]:
    """Return path, size, modification time and sha256 of the first MiB of an input, as job.json keeps them."""
    stat = path.stat()
    digest = ""
    if path.is_file():
        with path.open("rb") as handle:
            digest = hashlib.sha256(handle.read(1 << 20)).hexdigest()
    return {"path": str(path.resolve()), "size": stat.st_size, "mtime": stat.st_mtime, "sha256_first_mib": digest}


def changed(inputs: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return the paths of inputs that are gone or differ in size or time from their fingerprints."""
    found = []
    for kept in inputs:
        path = Path(kept["path"])
        if not path.exists() or (path.stat().st_size, path.stat().st_mtime) != (kept["size"], kept["mtime"]):
            found.append(str(path))
    return found


def peak_memory_mb() -> float:
    """Return the largest resident size of this process so far, in MB.

    On Linux from ``VmHWM``: ``ru_maxrss`` there keeps the size of the process that started this one.
    """
    status = Path("/proc/self/status")
    if status.exists():
        line = next((text for text in status.read_text().splitlines() if text.startswith("VmHWM:")), "")
        if line:
            return int(line.split()[1]) * 1024 / 1e6
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1e6 if sys.platform == "darwin" else peak * 1024 / 1e6


def is_full(err: Exception) -> bool:
    """Whether an error says that there is no room on the disk, or none left of what a user may have."""
    return isinstance(err, OSError) and err.errno in (errno.ENOSPC, errno.EDQUOT)


def as_error(err: OSError, folder: ResultFolder) -> EmviewerError:
    """Turn an operating-system error met in a job into one sentence: about the result, or about a file it read."""
    name = err.filename
    if name is not None and not is_full(err):
        path = Path(os.fsdecode(name)).absolute()
        if not path.is_relative_to(folder.path):
            return FileError(f"{err.strerror or err}", path, "check that the file is there and may be read")
    return as_output_error(err, folder.out)


def as_output_error(err: OSError, where: object) -> OutputError:
    """Turn an operating-system error met while writing into one sentence."""
    if is_full(err):
        return OutputError("the disk is full", where, "free some space or choose another --out folder and run again")
    if err.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return OutputError("the folder cannot be written", where, "choose an --out folder that you may write to")
    if err.errno in (errno.ENOTDIR, errno.EEXIST):
        return OutputError("a part of the path is a file, not a folder", where, "choose another --out")
    return OutputError(f"writing failed: {err.strerror or err}", where, "check the disk and run again")


class ResultFolder:
    """A result folder being written as ``DIR.partial-…`` and renamed to ``DIR`` by :meth:`close`.

    Parameters
    ----------
    out : path
        The final folder.
    overwrite : bool
        Whether an existing non-empty ``out`` may be replaced (it is, only when the new one is closed).

    Raises
    ------
    OutputError
        ``out`` exists and is not empty, or cannot be written.
    """

    def __init__(self, out: str | Path, overwrite: bool = False) -> None:
        self.out = Path(os.path.realpath(out) if os.path.islink(out) else os.path.abspath(out))
        self.overwrite = overwrite
        if not self.out.name:
            raise OutputError("the output folder is the root of the disk", self.out, "choose another --out")
        if self.out.exists() and not self.out.is_dir():
            raise OutputError("the output folder is a file", self.out, "choose another --out")
        try:
            self._refuse_existing()
            self.out.parent.mkdir(parents=True, exist_ok=True)
            self.path = self.out.with_name(f"{self.out.name}.partial-{os.getpid()}-{time.time_ns() % 1_000_000:06d}")
            self.path.mkdir()
            self._reserve = self.path / ".reserve"
            self._reserve.write_bytes(bytes(RESERVE_BYTES))
        except OSError as err:
            self.discard()
            raise as_output_error(err, self.out) from err
        self.summary: dict[str, Any] = {}
        self.record: dict[str, Any] = {}
        self.stages: dict[str, float] = {}
        self.warnings: list[str] = []
        self._stage: tuple[str, float] | None = None

    def __truediv__(self, name: str) -> Path:
        return self.path / name

    def warn(self, sentence: str) -> None:
        """Keep a doubt for job.json and for the person who runs the job; said once."""
        if sentence not in self.warnings:
            self.warnings.append(sentence)

    def save_page(self, page: Figure, report: str, stem: str = "report") -> None:
        """Write a page as ``stem.png`` and ``stem.pdf``, as ``--report`` says."""
        for kind in report_kinds(report):
            with whole(self / f"{stem}.{kind}") as beside:
                page.savefig(beside, format=kind, dpi=200)

    def reserve(self, more_bytes: int) -> None:
        """Keep further room, for tables that can only be written at the end; :meth:`release` frees it for them.

        Raises
        ------
        OSError
            There is not so much room on the disk.
        """
        with self._reserve.open("ab") as file:
            try:
                os.posix_fallocate(file.fileno(), file.tell(), more_bytes)
            except (AttributeError, OSError) as err:  # macOS has no such call, older NFS cannot do it
                if is_full(err):
                    raise
                for start in range(0, more_bytes, 1 << 20):
                    file.write(bytes(min(1 << 20, more_bytes - start)))

    def release(self) -> None:
        """Free the room that was kept."""
        self._reserve.unlink(missing_ok=True)

    def stage(self, name: str) -> None:
        """Begin a stage; the seconds of each go to job.json."""
        now = time.perf_counter()
        if self._stage is not None:
            before, start = self._stage
            self.stages[before] = self.stages.get(before, 0.0) + now - start
        self._stage = (name, now) if name else None

    def close(self, status: str) -> Path:
        """Write job.json and summary.json, rename to the final folder, and return it.

        An earlier result is moved aside, and deleted only when the new one stands in its place. A folder that is no
        result (it has no job.json) is somebody's own: it is kept beside, and that is said.

        Raises
        ------
        OutputError
            Writing failed, or somebody else has put a result there meanwhile; the ``.partial-…`` folder remains.
        """
        self.stage("")
        self.record |= {
            "status": status,
            "seconds": {k: round(v, 4) for k, v in self.stages.items()},
            "peak_memory_mb": round(peak_memory_mb(), 1),
            "warnings": self.warnings,
        }
        try:
            self.release()
            for name, content in (("job.json", self.record), ("summary.json", self.summary)):
                text = json.dumps(plain(content), indent=1, allow_nan=False, ensure_ascii=False)
                (self.path / name).write_text(text + "\n", encoding="utf-8")
            self._refuse_existing(f"another result was put there meanwhile; this one is in {self.path.name}")
            self._put_in_place()
        except OSError as err:
            raise as_output_error(err, self.out) from err
        return self.out

    def discard(self) -> None:
        """Delete what was written; the final folder is not touched."""
        if hasattr(self, "path"):
            shutil.rmtree(self.path, ignore_errors=True)

    @property
    def holds_files(self) -> bool:
        """Whether a file stands in the folder; all are whole, as writers leave them."""
        return any(path.is_file() and not path.name.startswith(".") for path in self.path.rglob("*"))

    @property
    def replaces(self) -> bool:
        """Whether closing would replace an earlier result."""
        return self.out.is_dir() and any(self.out.iterdir())

    def _refuse_existing(self, why: str = "the output folder exists and is not empty") -> None:
        if self.replaces and not self.overwrite:
            raise OutputError(why, self.out, "choose another, or --overwrite")

    def _put_in_place(self) -> None:
        if not self.out.exists():
            self.path.rename(self.out)
            return
        old = self.path.with_name(self.path.name + "-old")
        self.out.rename(old)
        try:
            self.path.rename(self.out)
        except OSError:
            old.rename(self.out)
            raise
        if (old / "job.json").exists() or not any(old.iterdir()):
            shutil.rmtree(old, ignore_errors=True)
        else:
            kept = next(
                place
                for number in itertools.count(1)
                if not (place := self.out.with_name(f"{self.out.name}.replaced-{number}")).exists()
            )
            old.rename(kept)
            self.warn(f"{self.out.name} was no result of emviewer, so it is kept as {kept.name}")


def report_kinds(report: str) -> tuple[str, ...]:
    """Return the suffixes of the figures that ``--report`` asks for: ``both``, ``png``, ``pdf`` or ``none``."""
    return {"both": ("png", "pdf"), "none": ()}.get(report, (report,))


def plain(value: Any) -> Any:
    """Return a value as JSON can hold it: arrays as lists, NaN and infinity as None, everything strange as text."""
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple, set)):
        return [plain(v) for v in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if value is None or isinstance(value, (bool, int, str)) else str(value)
