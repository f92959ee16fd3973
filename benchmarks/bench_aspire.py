"""ASPIRE's common-line methods on the images of ``bench_orient.py``: error and CPU seconds, beside ours.

Run as ``python benchmarks/bench_aspire.py [--only clean,SNR10,…] [--methods voting,lud,…] [--seeds 1] [--limit 900]``
in an environment of its own with ASPIRE and what this program's engine needs (``pip install aspire numba pyfftw
pandas pyarrow pydantic rich``, this repository on ``PYTHONPATH``); ASPIRE is GPL and no part of this program. Prints
a markdown line a condition and method. Every run is a process with one thread, ended after ``--limit`` CPU seconds.

ASPIRE gets what it asks for: float32 images, protein bright, particle about pixel ``n // 2``, and the range in which
the common lines of two images may be shifted against each other (none where the images are centred, else twice the
largest shift along any ray, in steps of ``--step`` px); all else is its default. Errors are up to one rotation and
hand, as in ``bench_orient.py``. Seconds are CPU time from images in memory to views, the system's included.
"""

from __future__ import annotations

import argparse
import logging
import math
import multiprocessing
import os
import resource
import signal
import tempfile
from importlib.metadata import version
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
from bench_orient import IMAGES, Case, make

from emviewer.engine.orientations_align import align_views
from emviewer.engine.types import F32, F64

METHODS: dict[str, tuple[str, dict[str, float]]] = {
    "voting": ("CLSyncVoting", {}),
    "lud": ("CommonlineLUD", {}),
    "irls": ("CommonlineIRLS", {}),
    "sync3n": ("CLSync3N", {"seed": 0}),
    "lud cap": ("CommonlineLUD", {"alpha": 2 / 3}),
    "irls cap": ("CommonlineIRLS", {"alpha": 2 / 3}),
}
"""Classes of ``aspire.abinitio``; with the bound on the spectral norm that its documentation recommends, "cap"."""
CASES = "clean,SNR10,SNR10 shifts,SNR1"


def cpu_seconds() -> float:
    """Return the CPU time of this process and of the children it has waited for."""
    spent = os.times()
    return spent.user + spent.system + spent.children_user + spent.children_system


def views_by_aspire(images: F32, shift: float, method: str, step: float = 1.0) -> F64:
    """Return the views (n, 3, 3) of images (n, box, box) whose particles are within ``shift`` px of the centre."""
    import aspire.abinitio
    from aspire.source import ArrayImageSource

    name, options = METHODS[method]
    box = images.shape[1]
    between = math.ceil(2 * math.sqrt(2) * shift)
    source = ArrayImageSource(images.astype(np.float32), pixel_size=1.0)
    solver = getattr(aspire.abinitio, name)(source, max_shift=between / box, shift_step=step, **options)
    solver.estimate_rotations()
    return np.asarray(solver.rotations, np.float64).transpose(0, 2, 1)


def one(case: Case, method: str, seed: int, step: float, limit: int, data: Path, answer: Connection) -> None:
    """Send the median and mean error in degrees and the CPU seconds of one run, or why there are none."""
    logging.disable(logging.CRITICAL)
    images, views, _, _ = make(case, seed, data)
    before = cpu_seconds()
    resource.setrlimit(resource.RLIMIT_CPU, (math.ceil(before) + limit, resource.RLIM_INFINITY))
    try:
        with tempfile.TemporaryDirectory() as scratch:  # ASPIRE keeps a log where it is run
            os.chdir(scratch)
            found = views_by_aspire(images, case.shift, method, step)
            os.chdir("/")
    except (ValueError, RuntimeError, np.linalg.LinAlgError) as fault:
        answer.send(str(fault).splitlines()[0])
        return
    seconds = cpu_seconds() - before
    angle = np.degrees(align_views(views, found)[2])
    answer.send((float(np.median(angle)), float(angle.mean()), seconds))


def run(case: Case, method: str, seed: int, given: argparse.Namespace) -> tuple[float, float, float] | str:
    """Return what :func:`one` sends from a process of its own, or that it was ended."""
    ours, theirs = multiprocessing.Pipe()
    args = (case, method, seed, given.step, given.limit, given.data.resolve(), theirs)
    child = multiprocessing.get_context("spawn").Process(target=one, args=args)
    child.start()
    theirs.close()
    try:
        result: tuple[float, float, float] | str = ours.recv()
        child.join()
        return result
    except EOFError:
        child.join()
        return f"over {given.limit} s" if child.exitcode == -signal.SIGXCPU else f"ended with {child.exitcode}"


def row(name: str, method: str, results: list[tuple[float, float, float] | str]) -> str:
    """Return the markdown line of one condition and method."""
    label = METHODS[method][0] + (", cap" if "cap" in method else "")
    failed = [result for result in results if isinstance(result, str)]
    if failed:
        return f"| {name} | {label} | {len(failed)} of {len(results)}: {failed[0]} | | | |"
    table = np.array(results)
    (median, mean, seconds), worst = np.median(table, axis=0), table.max(axis=0)
    errors = f"{median:.3f} ({worst[0]:.3f}) | {mean:.3f} ({worst[1]:.3f})"
    return f"| {name} | {label} | {errors} | {seconds:.1f} | {len(results)} |"


def main() -> None:
    """Print one line a condition and method."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--first", type=int, default=0, help="first seed")
    parser.add_argument("--step", type=float, default=1.0, help="of the shifts tried, px")
    parser.add_argument("--limit", type=int, default=900, help="CPU seconds a run")
    parser.add_argument("--data", type=Path, default=Path(__file__).parents[2] / "shared/data")
    parser.add_argument("--only", default=CASES)
    parser.add_argument("--methods", default=",".join(METHODS))
    given = parser.parse_args()
    for library in ("OMP", "OPENBLAS", "MKL", "NUMBA"):  # read by the processes that are started
        os.environ[f"{library}_NUM_THREADS"] = "1"
    print(f"| case | ASPIRE {version('aspire')} | median ° (worst) | mean ° (worst) | CPU s | seeds |")
    print("|---|---|---|---|---|---|")
    for name in given.only.split(","):
        for method in given.methods.split(","):
            seeds = range(given.first, given.first + given.seeds)
            print(row(name, method, [run(IMAGES[name], method, s, given) for s in seeds]), flush=True)


if __name__ == "__main__":
    main()
