"""How the engine uses several cores: one pool, and work cut into chunks that release the GIL.

Kernels are serial ``@njit(nogil=True)`` loops over a range; :func:`each_chunk` runs ranges of them side by side.
numba's ``prange`` is not used: its fallback layer (the default on macOS) aborts the process when two threads enter
it at once, which a window with a job lane and a view lane does, and ``parallel=True`` multiplies compile time.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager

from threadpoolctl import ThreadpoolController

_local = threading.local()
_pool: ThreadPoolExecutor | None = None
_pool_lock = threading.Lock()
_blas_kept = False


def available_cores() -> int:
    """Return the number of cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return max(1, len(os.sched_getaffinity(0)))
    return os.cpu_count() or 1


def set_threads(n: int) -> int:
    """Set how many threads work started from the *calling* thread may use (0: all cores); return the number."""
    _local.n = n if n > 0 else available_cores()
    return int(_local.n)


def threads() -> int:
    """Return how many threads work started from the calling thread uses; all cores unless set."""
    return int(getattr(_local, "n", 0)) or available_cores()


@contextmanager
def one_thread() -> Iterator[None]:
    """Let work started from the calling thread stay in it, as inside a chunk of a larger piece of work."""
    before = getattr(_local, "n", 0)
    _local.n = 1
    try:
        yield
    finally:
        _local.n = before


def _one_blas_thread() -> None:
    """Keep matrix products to the thread that asks for them.

    The chunks are the parallelism: matrix products that start threads of their own in each of them made the search
    for views 20 times slower (15 against 285 images a second, two cores).
    """
    global _blas_kept
    if not _blas_kept:
        ThreadpoolController().limit(limits=1, user_api="blas")
        _blas_kept = True


def each_chunk(work: Callable[[int, int], None], n: int, chunk: int = 0) -> None:
    """Call ``work(start, stop)`` over consecutive ranges that cover ``0 … n-1``, side by side.

    Parameters
    ----------
    work : callable
        Must release the GIL to gain anything; writes to places of its own range only.
    n : int
        Number of items.
    chunk : int
        Items a call; 0 cuts into one piece a thread.

    Raises
    ------
    Exception
        The first exception that ``work`` raised, after all chunks have ended.
    """
    global _pool
    k = threads()
    if n <= 0:
        return
    _one_blas_thread()
    if chunk <= 0:
        chunk = -(-n // k)
    if k == 1 or n <= chunk:
        for start in range(0, n, chunk):
            work(start, min(n, start + chunk))
        return
    with _pool_lock:
        if _pool is None:
            _pool = ThreadPoolExecutor(max(32, k), thread_name_prefix="emviewer-engine")
        pool = _pool
    starts = iter(range(0, n, chunk))
    lock = threading.Lock()

    def lane() -> None:
        while True:
            with lock:
                start = next(starts, None)
            if start is None:
                return
            work(start, min(n, start + chunk))

    futures = [pool.submit(lane) for _ in range(min(k, -(-n // chunk)) - 1)]
    try:
        lane()
    finally:
        wait(futures)
    for future in futures:
        future.result()


def shutdown() -> None:
    """End the pool's threads (tests, and the window when it closes); the next use starts a new pool."""
    global _pool
    with _pool_lock:
        pool, _pool = _pool, None
    if pool is not None:
        pool.shutdown(wait=True)
