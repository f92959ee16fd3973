"""Fourier transforms through FFTW: plans are made once, lent to one thread at a time, and used again.

A plan owns its aligned input and output buffer, so that a transform never depends on where the caller's array lies.
Planning estimates, unless the transform will be done thousands of times: then FFTW measures, which saves a quarter of
the time of 128² inverses, and what was measured is kept as FFTW wisdom in the user's cache folder.
"""

from __future__ import annotations

import os
import sys
import tempfile
import threading
import types
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

import emviewer.engine as engine
from emviewer.engine import threads

C64 = NDArray[np.complex64]
F32 = NDArray[np.float32]
Kind = Literal["r2c", "c2r", "forward", "backward"]

MEASURE_UP_TO = 1 << 18
"""Points of one transform up to which planning may measure: 0.07 s at 128², 0.24 s at 400², once a machine."""
KEEP_BYTES = 64 << 20
"""Plans with larger buffers are dropped when given back."""
KEEP_PLANS = 64

_lock = threading.RLock()
_free: dict[tuple[Any, ...], list[Plan]] = {}
_wisdom_loaded = False


@dataclass(eq=False)
class Plan:
    """A planned transform with its own buffers; made by :func:`lend`.

    Parameters
    ----------
    input, output : ndarray
        Aligned buffers: fill ``input``, call :meth:`run`, read ``output``. Inverse transforms destroy the input.
        ``output`` is ``input`` for the complex kinds (in place).
    """

    input: NDArray[Any]
    output: NDArray[Any]
    _fftw: Any

    def run(self) -> None:
        """Transform; neither direction is scaled."""
        self._fftw.execute()


def fast_size(n: int, even: bool = False) -> int:
    """Return the smallest length >= n that FFTW likes: factors 2, 3, 5 and 7 only, and even if asked."""
    size = max(n, 1)
    while not ((size % 2 == 0 or not even) and _smooth(size)):
        size += 1
    return size


def _smooth(n: int) -> bool:
    for factor in (2, 3, 5, 7):
        while n % factor == 0:
            n //= factor
    return n == 1


@contextmanager
def lend(
    kind: Kind, shape: Sequence[int], axes: Sequence[int], n_threads: int = 1, *, measure: bool = False
) -> Iterator[Plan]:
    """Lend a plan to the calling thread; it goes back to the cache at the end.

    Parameters
    ----------
    kind : {"r2c", "c2r", "forward", "backward"}
        Real to half complex, its inverse, or complex in place with exp(-2 pi i) / exp(+2 pi i).
    shape : sequence of int
        Shape of the real array (r2c, c2r) or of the complex array, batch axes included.
    axes : sequence of int
        Axes to transform; the last of them is the halved one.
    n_threads : int
        Threads of FFTW inside the transform.
    measure : bool
        Whether the transform will be done so often that measuring its plan pays.
    """
    key = (kind, tuple(shape), tuple(axes), n_threads, measure)
    with _lock:
        plans = _free.get(key)
        plan = plans.pop() if plans else None
    if plan is None:
        plan = _make(*key)
    try:
        yield plan
    finally:
        if plan.input.nbytes <= KEEP_BYTES:
            with _lock:
                _free.setdefault(key, []).append(plan)
                _free[key] = _free.pop(key)
                while sum(map(len, _free.values())) > KEEP_PLANS:
                    oldest = next(iter(_free))
                    _free[oldest].pop()
                    if not _free[oldest]:
                        del _free[oldest]


def forget() -> None:
    """Drop all plans and their buffers."""
    with _lock:
        _free.clear()


def _library() -> Any:
    """Import pyfftw, late, and without its imitations of scipy's interfaces: these load scipy, 0.25 s for nothing."""
    with _lock:  # two threads may ask at once; neither must get half a module
        if "pyfftw" in sys.modules:
            return sys.modules["pyfftw"]
        imitations = "pyfftw.interfaces"
        sys.modules[imitations] = types.ModuleType(imitations)
        try:
            import pyfftw

            del pyfftw.interfaces  # who wants them still gets them by importing them
        finally:
            del sys.modules[imitations]
        return pyfftw


def _make(kind: Kind, shape: tuple[int, ...], axes: tuple[int, ...], n_threads: int, measure: bool) -> Plan:
    pyfftw = _library()
    half = list(shape)
    half[axes[-1]] = shape[axes[-1]] // 2 + 1
    real_shape, complex_shape = shape, tuple(half)
    forward = kind in ("r2c", "forward")
    if kind == "r2c":
        a, b = pyfftw.empty_aligned(real_shape, "float32"), pyfftw.empty_aligned(complex_shape, "complex64")
    elif kind == "c2r":
        a, b = pyfftw.empty_aligned(complex_shape, "complex64"), pyfftw.empty_aligned(real_shape, "float32")
    else:
        a = b = pyfftw.empty_aligned(shape, "complex64")
    points = int(np.prod([shape[i] for i in axes]))
    measured = measure and points <= MEASURE_UP_TO
    flags = ["FFTW_MEASURE" if measured else "FFTW_ESTIMATE"] + (["FFTW_DESTROY_INPUT"] if kind == "c2r" else [])
    direction = "FFTW_FORWARD" if forward else "FFTW_BACKWARD"
    with _lock:
        if measured:
            _load_wisdom(pyfftw)
            try:
                known = pyfftw.FFTW(a, b, axes, direction, (*flags, "FFTW_WISDOM_ONLY"), n_threads)
            except RuntimeError:
                known = None
        else:
            known = None
        made = known or pyfftw.FFTW(a, b, axes, direction, tuple(flags), n_threads)
        if measured and known is None:
            _save_wisdom(pyfftw)
    a[...] = 0
    return Plan(a, b, made)


def _wisdom_file(pyfftw: Any) -> Path:
    return engine.cache_folder() / f"fftw-{pyfftw.__version__}-{os.cpu_count()}.wisdom"


def _load_wisdom(pyfftw: Any) -> None:
    global _wisdom_loaded
    if _wisdom_loaded:
        return
    _wisdom_loaded = True
    try:
        text = _wisdom_file(pyfftw).read_bytes()
    except OSError:
        return
    if text.startswith(b"(fftw") and len(text) < 1 << 22:  # FFTW itself refuses what is damaged inside
        pyfftw.import_wisdom((b"", text, b""))


def _save_wisdom(pyfftw: Any) -> None:
    """Keep what was measured; a cache that cannot be written costs time at the next start, nothing else."""
    text = pyfftw.export_wisdom()[1]
    path = _wisdom_file(pyfftw)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as handle:
            handle.write(text)
        os.replace(handle.name, path)
    except OSError:
        return


def rfftn(data: F32, n_threads: int = 0) -> C64:
    """Return the half transform over all axes of a real array (numpy's ``rfftn`` in single precision)."""
    return _forward(data, tuple(range(data.ndim)), n_threads)


def irfftn(data: C64, shape: Sequence[int], n_threads: int = 0) -> F32:
    """Return the real array of ``shape`` whose half transform is ``data``; scaled as numpy's ``irfftn``."""
    return _inverse(data, tuple(shape), tuple(range(data.ndim)), n_threads)


def rfft2(images: F32, n_threads: int = 0) -> C64:
    """Return the half transforms (..., h, w // 2 + 1) of images (..., h, w)."""
    return _forward(images, (images.ndim - 2, images.ndim - 1), n_threads)


def irfft2(data: C64, shape: tuple[int, int], n_threads: int = 0) -> F32:
    """Return the images (..., h, w) of the half transforms (..., h, w // 2 + 1); ``shape`` is ``(h, w)``."""
    return _inverse(data, (*data.shape[:-2], *shape), (data.ndim - 2, data.ndim - 1), n_threads)


def _forward(data: F32, axes: tuple[int, ...], n_threads: int) -> C64:
    with lend("r2c", data.shape, axes, n_threads or threads.threads()) as plan:
        plan.input[...] = data
        plan.run()
        return plan.output.copy()


def _inverse(data: C64, shape: tuple[int, ...], axes: tuple[int, ...], n_threads: int) -> F32:
    with lend("c2r", shape, axes, n_threads or threads.threads()) as plan:
        plan.input[...] = data
        plan.run()
        scale = np.float32(1 / np.prod([shape[i] for i in axes]))
        out: F32 = plan.output * scale
        return out
