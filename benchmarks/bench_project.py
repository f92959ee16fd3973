"""Projection: accuracy on the phantom of forty Gaussians, and speed beside FFTW's inverse transforms alone.

Run as ``python benchmarks/bench_project.py [--sizes 64,128,256,400] [--views N] [--threads 2]``; prints markdown.
Every size runs in a process of its own, so that peak memory is its own. Times are the least of several repeats.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable

import numpy as np

from emviewer.engine import conventions, fft, sampling, threads
from emviewer.engine.project import Projector
from emviewer.engine.rotations import random_rotations
from emviewer.engine.simulate import GaussianPhantom
from emviewer.engine.symmetry import point_group
from emviewer.engine.types import Map3D

MODES = [
    ("fourier best (default)", {}),
    ("fourier linear", {"interp": "linear"}),
    ("fourier best, pad 2", {"pad": 2.0}),
    ("fourier linear, pad 2", {"interp": "linear", "pad": 2.0}),
    ("fourier cubic", {"interp": "cubic"}),
    ("fourier nearest", {"interp": "nearest"}),
    ("shears", {"method": "shears"}),
    ("real", {"method": "real"}),
    ("real linear", {"method": "real", "interp": "linear"}),
]
SLOW = ("shears", "real", "real linear")


def phantom(box: int, seed: int) -> GaussianPhantom:
    rng = np.random.default_rng(seed)
    return GaussianPhantom(rng.uniform(-0.28, 0.28, (40, 3)) * box, rng.uniform(1.6, 4, 40), rng.uniform(0.5, 1.5, 40))


def accuracy(box: int, seeds: int = 4) -> dict[str, tuple[float, float]]:
    """Return worst and median error in per cent of every mode over phantoms of several seeds, 25 views each."""
    y, x = np.mgrid[:box, :box] - box // 2
    disc = np.hypot(x, y) <= box / 2 - 2
    found: dict[str, list[np.ndarray]] = {name: [] for name, _ in MODES}
    for seed in range(seeds):
        blobs = phantom(box, seed)
        views = random_rotations(25, np.random.default_rng(100 + seed))
        truth = blobs.project(views, box)
        volume = Map3D(blobs.density(box), 1.0)
        for name, options in MODES:
            images = Projector(volume, **options).project(views)
            power = (truth[:, disc] ** 2).sum(axis=1)
            found[name].append(np.sqrt(((images - truth)[:, disc] ** 2).sum(axis=1) / power))
    return {k: (100 * np.max(v), 100 * float(np.median(v))) for k, v in found.items()}


def least(work: Callable[[], object], repeats: int) -> float:
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times)


def inverse_alone(box: int, n: int) -> float:
    """Return seconds that FFTW takes for ``n`` inverse transforms, in batches side by side."""
    batch = 8

    def work(start: int, stop: int) -> None:
        with fft.lend("c2r", (batch, box, box), (1, 2), measure=True) as plan:
            for _ in range(start, stop, batch):
                plan.run()

    return least(lambda: threads.each_chunk(work, n, 4 * batch), 1)


def one_size(box: int, n_views: int, repeats: int, only: str) -> dict[str, object]:
    """Measure every mode at one size; called in a process of its own."""
    angles = sampling.even(5.0, point_group("C1"))[:n_views]
    views = conventions.euler_to_matrix(*angles.T)
    volume = Map3D(phantom(box, 0).density(box), 1.0)
    return {"box": box, "rows": [one_mode(volume, views, name, repeats) for name, _ in MODES if name == only]}


def one_mode(volume: Map3D, views: np.ndarray, name: str, repeats: int) -> dict[str, object]:
    options, box = dict(MODES)[name], volume.box
    few = views[: max(4, len(views) // 50)] if name in SLOW else views
    Projector(Map3D(volume.data[:16, :16, :16].copy(), 1.0), **options).project(views[:2])  # compile
    before = peak_mb()
    start = time.perf_counter()
    projector = Projector(volume, **options)
    preparation = time.perf_counter() - start
    memory = peak_mb() - before
    out = np.empty((min(len(few), 256), box, box), np.float32)

    def all_views() -> None:
        for a in range(0, len(few), 256):
            projector.project(few[a : a + 256], out=out[: len(few[a : a + 256])])

    all_views()
    times = [(least(all_views, 1), inverse_alone(box, len(few))) for _ in range(repeats)]
    return {
        "mode": name,
        "preparation": preparation,
        "memory": memory,
        "ms": 1e3 * min(t[0] for t in times) / len(few),
        "fftw": 1e3 * min(t[1] for t in times) / len(few),
        "single": 1e3 * least(lambda: projector.project(views[:1]), 20),
        "held": projector.bytes / 1e6,
    }


def peak_mb() -> float:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1e6 if sys.platform == "darwin" else 1e3)


def print_accuracy() -> None:
    print("| mode | box 64: worst, median % | box 65: worst, median % |\n|---|---|---|")
    tables = [accuracy(box) for box in (64, 65)]
    for name, _ in MODES:
        print(f"| {name} | " + " | ".join(f"{t[name][0]:.3f}, {t[name][1]:.3f}" for t in tables) + " |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", default="64,128,256,400")
    parser.add_argument("--views", type=int, default=0, help="views a size (0: all of C1 at 5 degrees, 200 at 256 up)")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--mode", default="", help="only this mode")
    parser.add_argument("--no-accuracy", action="store_true")
    parser.add_argument("--one", type=int, help=argparse.SUPPRESS)
    told = parser.parse_args()
    threads.set_threads(told.threads)
    if told.one:
        views = told.views or (200 if told.one >= 256 else 100_000)
        print(json.dumps(one_size(told.one, views, told.repeats, told.mode)))
        return
    if not told.no_accuracy:
        print_accuracy()
    print("\n| box | mode | ms a view | ratio to FFTW | FFTW ms | single view ms | preparation s | peak MB | held MB |")
    print("|---|---|---|---|---|---|---|---|---|")
    names = [told.mode] if told.mode else [name for name, _ in MODES]
    for size in told.sizes.split(","):
        for name in names:
            if int(size) >= 256 and name in SLOW and not told.mode:
                continue
            command = [sys.executable, __file__, "--one", size, "--views", str(told.views), "--mode", name]
            command += ["--threads", str(told.threads), "--repeats", str(told.repeats)]
            done = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
            for r in done["rows"]:
                print(
                    f"| {size} | {r['mode']} | {r['ms']:.4f} | {r['ms'] / r['fftw']:.1f} | {r['fftw']:.4f} | "
                    f"{r['single']:.2f} | {r['preparation']:.3f} | {r['memory']:.0f} | {r['held']:.0f} |",
                    flush=True,
                )


if __name__ == "__main__":
    main()
