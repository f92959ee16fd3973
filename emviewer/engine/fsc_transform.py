"""Half transforms of whole maps, made plane by plane: threaded, stoppable, and never two copies at a time."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from emviewer.engine import fft, threads
from emviewer.engine import kernels_fsc as kf
from emviewer.engine.task import Check, never
from emviewer.engine.types import F32, F64

C64 = NDArray[np.complex64]
Shape = tuple[int, int, int]


def half_transform(data: F32, weight: F32 | None = None, check: Check = never, out: C64 | None = None) -> C64:
    """Return numpy's ``rfftn`` of ``data`` (times ``weight``) as complex64 (nz, ny, nx // 2 + 1), in ``out``."""
    nz, ny, nx = data.shape
    half = np.empty((nz, ny, nx // 2 + 1), np.complex64) if out is None else out

    def planes(lo: int, hi: int) -> None:
        with fft.lend("r2c", (ny, nx), (0, 1)) as plan:
            for z in range(lo, hi):
                check()
                if weight is None:
                    plan.input[:] = data[z]
                else:
                    np.multiply(data[z], weight[z], out=plan.input)
                plan.run()
                half[z] = plan.output

    threads.each_chunk(planes, nz, 8)
    _along_z(half, "forward", check)
    return half


def real_map(half: C64, shape: Shape, check: Check = never) -> F32:
    """Return the map of ``shape`` whose half transform is ``half``, which is used up."""
    nz, ny, nx = shape
    _along_z(half, "backward", check)
    out = np.empty(shape, np.float32)
    scale = np.float32(1 / out.size)

    def planes(lo: int, hi: int) -> None:
        with fft.lend("c2r", (ny, nx), (0, 1)) as plan:
            for z in range(lo, hi):
                check()
                plan.input[:] = half[z]
                plan.run()
                np.multiply(plan.output, scale, out=out[z])

    threads.each_chunk(planes, nz, 8)
    return out


def _along_z(half: C64, kind: fft.Kind, check: Check) -> None:
    nz, ny, width = half.shape

    def work(lo: int, hi: int) -> None:
        with fft.lend(kind, (nz, width), (0,)) as plan:
            for y in range(lo, hi):
                check()
                plan.input[:] = half[:, y]
                plan.run()
                half[:, y] = plan.output

    threads.each_chunk(work, ny, 8)


def shell_steps(shape: Shape) -> F64:
    """Return the frequency steps (z, y, x) in units of a shell, which is one over the longest edge."""
    return np.array([max(shape) / n for n in shape], np.float64)


def shell_sums(a: C64, b: C64, shape: Shape, check: Check = never) -> F64:
    """Return sums over shells 0 … n // 2 of two half transforms: Re a b*, |a|², |b|², voxels; shape (4, shells)."""
    step, count = shell_steps(shape), max(shape) // 2 + 1
    parts: list[F64] = []

    def work(lo: int, hi: int) -> None:
        check()
        mine = np.zeros((4, count))
        kf.shell_sums(a, b, shape[2], step, lo, hi, mine)
        parts.append(mine)

    threads.each_chunk(work, shape[0], 8)
    return np.asarray(np.sum(sorted(parts, key=lambda p: tuple(p[3])), axis=0))


def scale_shells(half: C64, shape: Shape, factor: F64, check: Check = never) -> None:
    """Multiply a half transform in place by a factor a shell, interpolated between shells."""
    step, table = shell_steps(shape), np.asarray(factor, np.float32)

    def work(lo: int, hi: int) -> None:
        check()
        kf.scale_shells(half, step, table, lo, hi)

    threads.each_chunk(work, shape[0], 8)


def randomise(half: C64, shape: Shape, first: int, seed: int, check: Check = never) -> None:
    """Turn the phases of shells from ``first`` on at random, in place; the same for the same seed."""
    step = shell_steps(shape)

    def work(lo: int, hi: int) -> None:
        check()
        kf.randomise(half, shape[2], step, first, seed, lo, hi)

    threads.each_chunk(work, shape[0], 8)
