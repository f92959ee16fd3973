"""The learned distance: training time, error on held-out views, failure on another structure, and as a start at 1/16.

Run as ``python benchmarks/bench_learned.py [--data ../shared/data] [--passes 30] [--keep FOLDER] [--only a,b]`` in an
environment with torch; prints markdown. The structures are one chain of 3j5p and one of 1mnf, as densities of 116
voxels in which the particle takes half the box, resolution 3.2 voxels; SNR is over the whole box. ``--keep`` stores
the models there and takes those that are there already. Rows:

- ``training``: 5 000 projections a pass; CPU seconds of all threads;
- ``held out``: mean absolute error in rad of the distances of 300 views that training never saw, calibrated, and the
  error of the views themselves;
- ``other structure``: the same network on images of the other chain, with what its badge's check says;
- ``start``: 600 images at SNR 1/16 recovered with the trained distance as the start (T7, second half); ``auto``:
  without. New images for every seed, one network a structure;
- ``few``: the same two of 100 images, which alone are too few.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from emviewer.engine import learned, simulate, threads
from emviewer.engine.jobs import registry
from emviewer.engine.jobs.run import run_job
from emviewer.engine.learned import LearnedDistance
from emviewer.engine.learned_draw import Conditions, Draws
from emviewer.engine.learned_judge import at
from emviewer.engine.learned_ratio import ratio_of
from emviewer.engine.model import read_model
from emviewer.engine.mrc_write import write_map
from emviewer.engine.params import validated
from emviewer.engine.rotations import random_rotations
from emviewer.engine.types import Map3D

BOX = 116
CHAINS = {
    "3j5p": ("map_trpv1_C4_real_and_10_particles/3j5p.pdb.gz", 2.3),
    "1mnf": ("map_groel_D7_real_emd1080/1mnf.pdb.gz", 1.6),
}
RATIOS = (1.0, 1 / 5, 1 / 10, 1 / 16)


def density(data: Path, name: str) -> Map3D:
    """Return chain A of a structure as a map."""
    path, pixel = CHAINS[name]
    whole = read_model(data / path)
    mine = np.asarray(whole.chains) == "A"
    chain = replace(
        whole, elements=whole.elements[mine], positions_A=whole.positions_A[mine], bfactors=whole.bfactors[mine],
        occupancy=whole.occupancy[mine], chains=whole.chains[mine], residues=whole.residues[mine],
    )  # fmt: skip
    return simulate.density_from_model(chain, 3.2 * pixel, pixel, BOX)


def trained(volume: Map3D, name: str, passes: int, keep: Path) -> LearnedDistance:
    """Train on a map, or take what was trained before; prints the row."""
    place, out = keep / f"{name}.mrc", keep / f"train_{name}"
    if not (out / "model.npz").exists():
        write_map(place, volume.data, volume.pixel_size_A)
        spec = registry.spec("train-distance")
        params = validated(spec.params, {"map": str(place), "passes": passes, "report": "none"})
        before = time.process_time()
        for _ in run_job(spec, params, out, overwrite=True):
            pass
        spent = time.process_time() - before
        print(f"| training on {name}, {passes} passes of 5 000 | {spent:.0f} s CPU | | | |", flush=True)
    return learned.load(out / "model.npz")


def held_out(model: LearnedDistance, volume: Map3D, name: str, trained_on: str) -> None:
    """Print the errors on fresh views of a structure, with what the badge's check says of them."""
    rng = np.random.default_rng(77)
    draws = Draws(volume, Conditions((0.06, 1.0), shift_A=0.01 * BOX * volume.pixel_size_A), BOX)
    draws.reader = model.reader(draws.box, draws.pixel_size_A)
    for snr in RATIOS:
        views = random_rotations(300, rng)
        level, _ = at(model, draws, views, snr, rng)
        images = draws.images(views, np.full(300, snr), rng)
        seen, ratio = model.embed(images, draws.pixel_size_A), ratio_of(images, draws.pixel_size_A, model.badge)
        said = "; ".join(model.doubts(draws.box, draws.pixel_size_A, seen, "C1", ratio)) or "no doubt"
        own = name == trained_on  # views of another structure are in a frame of their own
        views_of = f"{level.median_deg:.1f}° median, {level.mean_deg:.1f}° mean" if own else ""
        print(
            f"| trained on {trained_on}, {'held-out views' if own else 'other structure'} {name}, "
            f"SNR {snr:.3g} | {level.mae_rad:.3f} rad | {views_of} | "
            f"{level.certainty:.2f} | {said} |",
            flush=True,
        )


def start(volume: Map3D, name: str, keep: Path, seeds: int, methods: list[str], images: int = 600) -> None:
    """Print the errors of recovery at SNR 1/16 by these methods: with the trained distance as the start, or auto."""
    place = keep / f"{name}.mrc"
    write_map(place, volume.data, volume.pixel_size_A)
    for method in methods:
        medians, means, seconds = [], [], []
        for seed in range(seeds):
            folder = keep / f"set_{name}_{images}_{seed}"
            values = {"map": str(place), "n": images, "snr": 1 / 16, "snr_region": "box", "seed": seed}
            _run("simulate", values, folder)
            table = str(folder / "particles.star")
            given = {"images": table, "truth": table, "method": "auto", "reconstruct": False, "max_shift": 0.0}
            if method == "start":
                given |= {"distance": "learned", "model": str(keep / f"train_{name}" / "model.npz")}
            before = time.process_time()
            summary = _run("recover", given, keep / f"found_{name}_{images}_{method}_{seed}")
            seconds.append(time.process_time() - before)
            medians.append(np.radians(summary["error_median_deg"]))
            means.append(np.radians(summary["error_mean_deg"]))
        print(
            f"| {name}, N {images}, SNR 1/16, {'learned start' if method == 'start' else 'auto'} | "
            f"{np.median(medians):.3f} rad ({max(medians):.3f}) median | {np.median(means):.3f} rad "
            f"({max(means):.3f}) mean | {np.median(seconds):.0f} s CPU | {seeds} seeds |",
            flush=True,
        )


def _run(job: str, values: dict, out: Path) -> dict:
    spec = registry.spec(job)
    steps = run_job(spec, validated(spec.params, values | {"report": "none"}), out, overwrite=True)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value.summary


def main() -> None:
    """Print the rows."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path(__file__).resolve().parents[2] / "shared" / "data")
    parser.add_argument("--passes", type=int, default=30)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--keep", type=Path)
    parser.add_argument("--only", default="3j5p,1mnf,start,auto,few")
    given = parser.parse_args()
    threads.set_threads(given.threads)
    wanted = given.only.split(",")
    with tempfile.TemporaryDirectory() as scratch:
        keep = given.keep or Path(scratch)
        keep.mkdir(parents=True, exist_ok=True)
        print("| case | distances | views | certainty | |")
        print("|---|---|---|---|---|")
        maps = {name: density(given.data, name) for name in CHAINS}
        for name in (n for n in CHAINS if n in wanted):
            model = trained(maps[name], name, given.passes, keep)
            for other in CHAINS:
                held_out(model, maps[other], other, name)
        for name in (n for n in CHAINS if n in wanted):
            start(maps[name], name, keep, given.seeds, [m for m in ("start", "auto") if m in wanted])
            start(maps[name], name, keep, given.seeds, ["start", "auto"] if "few" in wanted else [], 100)


if __name__ == "__main__":
    main()
