"""The result folder of a job: written beside, then renamed, so that a result is always whole or marked partial."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import resource
import shutil
import sys
import time
from pathlib import Path
from typing import Any

from emviewer.engine.errors import OutputError


def fingerprint(path: Path) -> dict[str, Any]:
    """Return path, size, modification time and sha256 of the first MiB of an input, as job.json keeps them."""
    stat = path.stat()
    digest = ""
    if path.is_file():
        with path.open("rb") as handle:
            digest = hashlib.sha256(handle.read(1 << 20)).hexdigest()
    return {"path": str(path.resolve()), "size": stat.st_size, "mtime": stat.st_mtime, "sha256_first_mib": digest}


def peak_memory_mb() -> float:
    """Return the largest resident size of this process so far, in MB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1e6 if sys.platform == "darwin" else 1e3)


def as_output_error(err: OSError, where: object) -> OutputError:
    """Turn an operating-system error met while writing into one sentence."""
    if err.errno in (errno.ENOSPC, errno.EDQUOT):
        return OutputError("the disk is full", where, "free some space or choose another --out folder and run again")
    if err.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return OutputError("the folder cannot be written", where, "choose an --out folder that you may write to")
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
        self.out = Path(out).absolute()
        if self.out.exists() and not self.out.is_dir():
            raise OutputError("the output folder is a file", self.out, "choose another --out")
        try:
            if self.out.exists() and any(self.out.iterdir()) and not overwrite:
                raise OutputError(
                    "the output folder exists and is not empty", self.out, "choose another, or --overwrite"
                )
            self.out.parent.mkdir(parents=True, exist_ok=True)
            self.path = self.out.with_name(f"{self.out.name}.partial-{os.getpid()}-{time.time_ns() % 1_000_000:06d}")
            self.path.mkdir()
        except OSError as err:
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

    def stage(self, name: str) -> None:
        """Begin a stage; the seconds of each go to job.json."""
        now = time.perf_counter()
        if self._stage is not None:
            before, start = self._stage
            self.stages[before] = self.stages.get(before, 0.0) + now - start
        self._stage = (name, now) if name else None

    def close(self, status: str) -> Path:
        """Write job.json and summary.json, rename to the final folder, and return it."""
        self.stage("")
        self.record |= {
            "status": status,
            "seconds": {k: round(v, 4) for k, v in self.stages.items()},
            "peak_memory_mb": round(peak_memory_mb(), 1),
            "warnings": self.warnings,
        }
        try:
            for name, content in (("job.json", self.record), ("summary.json", self.summary)):
                (self.path / name).write_text(json.dumps(content, indent=1, default=_plain, allow_nan=False) + "\n")
            if self.out.exists():
                old = self.path.with_name(self.path.name + "-old")
                self.out.rename(old)
                self.path.rename(self.out)
                shutil.rmtree(old)
            else:
                self.path.rename(self.out)
        except OSError as err:
            raise as_output_error(err, self.out) from err
        return self.out


def _plain(value: Any) -> Any:
    if hasattr(value, "tolist"):
        return value.tolist()
    return str(value)
