"""Map alignment: accuracy on real maps turned, shifted and mirrored at random.

Run as ``python benchmarks/bench_align.py [DATA] [--poses 100] [--threads 2]`` with the folder of shared
data; prints markdown. Maps are moved by :func:`emviewer.engine.align3d_move.move_map`; errors are
modulo the symmetry of the map.
"""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from emviewer.engine import sources, threads
from emviewer.engine.align3d_map import AlignMap, prepare_map
from emviewer.engine.align3d_move import Grid3D, move_map
from emviewer.engine.align3d_pair import Alignment, Options, align, finest_detail_A
from emviewer.engine.align3d_refine import FLIP
from emviewer.engine.simulate import phantom
from emviewer.engine.symmetry import point_group
from emviewer.engine.types import F64, Map3D, RigidTransform

REAL = {
    "β-galactosidase": ("map_betagal_D2_real/betaGal.mrc", None, "D2"),
    "GroEL EMD-1080": ("map_groel_D7_real_emd1080/emd_1080_groel_11.5A.mrc", None, "D7"),
    "TRPV1": ("map_trpv1_C4_real_and_10_particles/trpv1_volume.mrc", None, "C4"),
    "70S ribosome": ("map_ribosome70S_C1/clean70SRibosome_vol_65p.mrc", 5.0, "C1"),
}


DATA = Path(os.environ.get("EMVIEWER_SHARED_DATA") or Path(__file__).resolve().parents[2] / "shared" / "data")


def moved(volume: Map3D, motion: RigidTransform, grid: Grid3D | None = None) -> Map3D:
    """Return the map that ``motion`` brings onto ``volume``."""
    back = RigidTransform(motion.matrix.T, -motion.matrix.T @ motion.translation_A)
    grid = grid or Grid3D.of(volume)
    return Map3D(move_map(np.asarray(volume.data), volume.pixel_size_A, back, grid), grid.pixel_size_A)


def random_motion(rng: np.random.Generator, reach_A: float, flipped: bool) -> RigidTransform:
    matrix = Rotation.random(random_state=int(rng.integers(2**31))).as_matrix()
    direction = rng.normal(size=3)
    shift = direction / np.linalg.norm(direction) * reach_A * rng.random() ** (1 / 3)
    return RigidTransform(matrix @ FLIP if flipped else matrix, shift)


def aligned(reference: AlignMap, moving: AlignMap, finest: float, shift_A: float) -> Alignment:
    steps = align(reference, moving, Options(True, shift_A, 180.0, finest))
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value


def error(found: RigidTransform, truth: RigidTransform, group: F64) -> tuple[float, float]:
    """Return the error of the rotation (degrees) and of the position of the map's centre (Å), modulo the group."""
    if found.hand_flipped != truth.hand_flipped:
        return 180.0, float("nan")
    best = (180.0, float("nan"))
    for g in group:
        turn = Rotation.from_matrix(found.matrix @ (g @ truth.matrix).T).magnitude()
        best = min(
            best, (float(np.degrees(turn)), float(np.linalg.norm(found.translation_A - g @ truth.translation_A)))
        )
    return best


def trial(volume: Map3D, group: F64, poses: int, seed: int, automatic: bool = True) -> dict:
    rng = np.random.default_rng(seed)
    finest = finest_detail_A(volume.pixel_size_A, volume.pixel_size_A, None)
    reference = prepare_map(volume, None, finest, automatic=automatic)
    box_A = volume.box * volume.pixel_size_A
    rows = []
    for i in range(poses):
        truth = random_motion(rng, 0.1 * box_A, bool(i % 2))
        moving = moved(volume, truth)
        start, cpu = time.perf_counter(), time.process_time()
        found = aligned(reference, prepare_map(moving, None, finest, automatic=automatic), finest, 0.35 * box_A)
        seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
        angle, shift = error(found.motion, truth, group)
        wanted = "flipped" if truth.hand_flipped else "same"
        rows.append((angle, shift, found.hand == wanted, found.hand == "undetermined", found.hand_sigma,
                     found.hand_margin, found.sigma_angle_deg, seconds, cpu))  # fmt: skip
    table = np.array(rows, float)
    return {
        "poses": poses, "found": int((table[:, 0] < 3).sum()), "median °": np.median(table[:, 0]),
        "max °": table[:, 0].max(), "median Å": np.nanmedian(table[:, 1]), "max Å": np.nanmax(table[:, 1]),
        "hand right": int(table[:, 2].sum()), "undetermined": int(table[:, 3].sum()),
        "least hand σ": table[:, 4].min(), "least hand margin": table[:, 5].min(),
        "median σ(angle) °": np.median(table[:, 6]),
        "seconds": np.median(table[:, 7]), "CPU s": np.median(table[:, 8]),
    }  # fmt: skip


def show(rows: dict[str, dict]) -> None:
    names = list(next(iter(rows.values())))
    print("| map | " + " | ".join(names) + " |\n|" + "-|" * (len(names) + 1))
    for name, row in rows.items():
        print(
            f"| {name} | "
            + " | ".join(f"{row[n]:.4g}" if isinstance(row[n], float) else str(row[n]) for n in names)
            + " |"
        )


def accuracy(data: Path, poses: int) -> None:
    rows = {}
    for name, (path, pixel, group) in REAL.items():
        volume = sources.open_map(data / path, pixel_size_A=pixel)
        rows[f"{name} ({group})"] = trial(volume, point_group(group).rotations, poses, 0)
    for name in ("C1", "T", "O", "I"):
        volume = phantom(name, box=64, pixel_size_A=3.0)
        rows[f"phantom {name}"] = trial(volume, point_group(name).rotations, max(4, poses // 5), 0)
    show(rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, nargs="?", default=DATA, help="folder of real maps")
    parser.add_argument("--poses", type=int, default=100)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    threads.set_threads(options.threads)
    if not options.data.is_dir():
        print(f"no real maps in {options.data}: give their folder")
        return
    accuracy(options.data, options.poses)


if __name__ == "__main__":
    main()
