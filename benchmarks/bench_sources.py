"""Seconds to make maps and the example: atoms into density, phantoms, the look at every voxel of a 512³ map.

    python benchmarks/bench_sources.py

Each figure is the best of three, after one run that compiles. Atoms stand as close as in a protein (one
without its hydrogens in 20 Å³).
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from emviewer.engine import simulate, sources
from emviewer.engine.jobs import demo
from emviewer.engine.model import Model
from emviewer.engine.types import Map3D


def protein(n: int) -> Model:
    rng = np.random.default_rng(0)
    radius = (20.0 * n * 3 / (4 * np.pi)) ** (1 / 3)
    places = rng.normal(size=(n, 3))
    places *= radius * rng.uniform(size=(n, 1)) ** (1 / 3) / np.linalg.norm(places, axis=1, keepdims=True)
    same = np.full(n, "A")
    return Model(rng.choice(["C", "N", "O"], n), places, np.zeros(n), np.ones(n), None, "protein", same, same)


def best_of_three(work: Callable[[], object]) -> float:
    work()
    seconds = []
    for _ in range(3):
        start = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - start)
    return min(seconds)


def main() -> None:
    print("| what | s |")
    print("|---|---|")
    for n in (10_000, 60_000):
        model = protein(n)
        for resolution in (8.0, 3.0):
            box = simulate.density_from_model(model, resolution).box
            seconds = best_of_three(lambda m=model, r=resolution: simulate.density_from_model(m, r))
            print(f"| {n} atoms at {resolution:g} Å, box {box} | {seconds:.2f} |")
    print(f"| phantom:I in a box of 256 | {best_of_three(lambda: simulate.phantom('I', 256)):.2f} |")
    volume = Map3D(np.random.default_rng(1).random((512, 512, 512), dtype=np.float32), 1.0)
    print(f"| every voxel of 512³ looked at, in memory | {best_of_three(lambda: sources.verified(volume)):.2f} |")
    with tempfile.TemporaryDirectory() as folder:
        numbers = iter(range(10))
        seconds = best_of_three(lambda: demo.example(Path(folder) / str(next(numbers))))
        print(f"| the example | {seconds:.2f} |")


if __name__ == "__main__":
    main()
