"""How a job streams: batches of finished work out of a generator, and a way to ask it to stop."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

Check = Callable[[], None]
"""Called by a job at least every 100 ms inside long stretches; raises :class:`Cancelled` to stop it."""


class Cancelled(Exception):
    """Raised by ``check()`` when the user asked the job to stop."""


@dataclass(frozen=True)
class Batch:
    """A piece of finished work, 20–50 ms worth of it.

    Parameters
    ----------
    rows : ndarray of int64, shape (k,)
        Stable row ids of the finished items; empty for a message-only batch.
    columns : mapping of str to ndarray, each of length k along axis 0
        Values of the finished rows. The batch owns its arrays.
    done, total : int
        Items finished so far and in all (``total`` 0 while unknown).
    stage : str
        What is being done, in words for a progress bar.
    extra : mapping
        Anything else a panel may want (paths of growing files, a live curve). Plain data only.
    """

    rows: NDArray[np.int64]
    columns: Mapping[str, NDArray[Any]]
    done: int
    total: int
    stage: str = ""
    extra: Mapping[str, Any] = field(default_factory=dict)


def message(stage: str, done: int = 0, total: int = 0, **extra: Any) -> Batch:
    """Return a batch without rows that only says what is being done."""
    return Batch(np.empty(0, np.int64), {}, done, total, stage, extra)


def never() -> None:
    """Check that never cancels."""


def drain(job: Iterable[Batch]) -> list[Batch]:
    """Run a job to its end and return all its batches (for scripts and tests)."""
    return list(job)
