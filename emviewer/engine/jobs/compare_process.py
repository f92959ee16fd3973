"""Take a batch of images through a comparison with one map: read, match, score, on all threads."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from emviewer.engine.jobs.compare_map import Compared, MapComparison
from emviewer.engine.jobs.compare_read import Reader
from emviewer.engine.task import Check
from emviewer.engine.threads import each_chunk, one_thread

SEARCH_CHUNK, GIVEN_CHUNK = 8, 32
"""Images of up to 64 px that a thread takes at a time, when it searches and when it takes given views as they are."""


def chunk_size(comparison: MapComparison) -> int:
    """Return how many images a thread takes at a time.

    Batches are whole multiples of it, so that images meet the same others in every run: sums over a chunk are rounded
    alike then, however fast the machine is and however many threads it has.
    """
    chunk = GIVEN_CHUNK if comparison.inputs.use and not comparison.params.refine else SEARCH_CHUNK
    return max(1, min(chunk, round(chunk * (64 / comparison.inputs.grid.n) ** 2)))


def process(
    comparison: MapComparison, reader: Reader, ids: NDArray[np.int64], check: Check
) -> tuple[NDArray[np.int64], Compared]:
    """Read, match and score images; every thread takes some of them all the way.

    Returns
    -------
    kept : ndarray of int64
        Those of ``ids`` that can be used; why the others cannot is in ``reader.reasons``.
    compared : Compared
        Of those.
    """
    size = chunk_size(comparison)
    starts = range(0, len(ids), size)
    parts: list[tuple[NDArray[np.int64], Compared] | None] = [None] * len(starts)

    def work(lo: int, hi: int) -> None:
        with one_thread():
            for i in range(lo, hi):
                check()
                batch = reader.prepared(comparison, ids[starts[i] : starts[i] + size])
                if len(batch.ids):
                    found = comparison.find(batch, reader.given(batch.ids), check)
                    parts[i] = batch.ids, comparison.compare(batch, found)

    comparison.ready()
    each_chunk(work, len(starts), 1)
    done = [part for part in parts if part is not None] or [(ids[:0], comparison.nothing())]
    return np.concatenate([kept for kept, _ in done]), _joined([compared for _, compared in done])


def _joined(parts: list[Compared]) -> Compared:
    if len(parts) == 1:
        return parts[0]
    columns = {name: np.concatenate([p.columns[name] for p in parts]) for name in parts[0].columns}
    stacks = (np.concatenate([getattr(p, kind) for p in parts]) for kind in ("aligned", "reprojections", "residuals"))
    return Compared(columns, *stacks)
