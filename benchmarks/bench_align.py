"""Map alignment: accuracy on real maps and phantoms moved at random, speed and memory of the whole command.

Run as ``python benchmarks/bench_align.py [DATA] [--rows WHAT,…] [--poses 100] [--threads 2]`` with the folder of shared
data; WHAT is any of real, phantoms, rows, speed (all of them unless told). Prints markdown.

- ``real``: four real maps turned, shifted by up to a tenth of the box, every other mirrored; errors modulo symmetry.
- ``phantoms``: the same of T, O, I.
- ``rows``: what ``align.md`` section 3.8 asks for: noise, other pixels and boxes, parts, conformers, magnification, and
  how far the errors scatter against the standard deviations reported.
- ``speed``: the whole command on a phantom of 64 to 400 voxels against its mirror image, in a process of its own.

A pose of ``real`` takes 1–3 s of processor time at the maps' own boxes, half of that with ``--box 64``.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from emviewer.engine import mrc, sources, threads
from emviewer.engine.align3d_map import AlignMap, prepare_map
from emviewer.engine.align3d_mask import automatic_mask
from emviewer.engine.align3d_move import Grid3D, move_map
from emviewer.engine.align3d_pair import Alignment, Options, align, finest_detail_A
from emviewer.engine.align3d_refine import FLIP
from emviewer.engine.resample import fourier_resize
from emviewer.engine.simulate import phantom
from emviewer.engine.simulate_phantom import GaussianPhantom
from emviewer.engine.symmetry import point_group
from emviewer.engine.types import F32, F64, Map3D, RigidTransform

REAL = {
    "β-galactosidase": ("map_betagal_D2_real/betaGal.mrc", None, "D2"),
    "GroEL EMD-1080": ("map_groel_D7_real_emd1080/emd_1080_groel_11.5A.mrc", None, "D7"),
    "TRPV1": ("map_trpv1_C4_real_and_10_particles/trpv1_volume.mrc", None, "C4"),
    "70S ribosome": ("map_ribosome70S_C1/clean70SRibosome_vol_65p.mrc", 5.0, "C1"),
}
DATA = Path(os.environ.get("EMVIEWER_SHARED_DATA") or Path(__file__).resolve().parents[2] / "shared" / "data")
BOX, PIXEL, FINEST = 96, 1.8, 6.0
"""Of the phantoms of ``rows``: chains of 350 Gaussians within 42 Å, as in align.md."""
SPEEDS = {64: 3.0, 128: 1.5, 256: 0.75, 400: 0.83}


def moved(volume: Map3D, motion: RigidTransform, grid: Grid3D | None = None) -> Map3D:
    """Return the map that ``motion`` brings onto ``volume``."""
    back = RigidTransform(motion.matrix.T, -motion.matrix.T @ motion.translation_A)
    grid = grid or Grid3D.of(volume)
    return Map3D(move_map(np.asarray(volume.data), volume.pixel_size_A, back, grid), grid.pixel_size_A)


def random_motion(rng: np.random.Generator, reach_A: float, flipped: bool) -> RigidTransform:
    """Return a rotation drawn evenly, flipped or not, and a translation drawn evenly from a ball."""
    matrix = Rotation.random(random_state=int(rng.integers(2**31))).as_matrix()
    direction = rng.normal(size=3)
    shift = direction / np.linalg.norm(direction) * reach_A * rng.random() ** (1 / 3)
    return RigidTransform(matrix @ FLIP if flipped else matrix, shift)


def aligned(reference: AlignMap, moving: AlignMap, finest: float, shift_A: float, **more: object) -> Alignment:
    """Run the alignment to its end."""
    steps = align(reference, moving, Options(True, shift_A, 180.0, finest, **more))
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


@dataclass
class Trials:
    """Trials of one kind: what was found, and what it should be."""

    rows: list[tuple[float, ...]]

    def add(self, found: Alignment, truth: RigidTransform, group: F64, cpu: float) -> None:
        """Note one trial."""
        angle, shift = error(found.motion, truth, group)
        wanted = "flipped" if truth.hand_flipped else "same"
        unsure = "undetermined" in (found.hand, found.same.place)
        self.rows.append(
            (angle, shift, found.hand == wanted, found.hand == "undetermined", angle > 3 and not unsure,
             found.sigma_angle_deg, found.sigma_shift_A, cpu)
        )  # fmt: skip

    def summary(self) -> dict[str, object]:
        """Return what a row of the table shows."""
        t = np.array(self.rows, float)
        return {
            "poses": len(t), "< 3°": int((t[:, 0] < 3).sum()), "median °": np.median(t[:, 0]), "max °": t[:, 0].max(),
            "median Å": np.nanmedian(t[:, 1]), "max Å": np.nanmax(t[:, 1]), "hand right": int(t[:, 2].sum()),
            "undetermined": int(t[:, 3].sum()), "silently wrong": int(t[:, 4].sum()),
            "RMS ° / σ": np.sqrt(np.mean(t[:, 0] ** 2)) / np.median(t[:, 5]),
            "RMS Å / σ": np.sqrt(np.nanmean(t[:, 1] ** 2)) / np.median(t[:, 6]), "CPU s": np.median(t[:, 7]),
        }  # fmt: skip


def show(rows: dict[str, Trials]) -> None:
    """Print the table."""
    summaries = {name: trials.summary() for name, trials in rows.items()}
    names = list(next(iter(summaries.values())))
    print("\n| map | " + " | ".join(names) + " |\n|" + "-|" * (len(names) + 1))
    for name, row in summaries.items():
        print(
            f"| {name} | "
            + " | ".join(f"{row[n]:.3g}" if isinstance(row[n], float) else str(row[n]) for n in names)
            + " |",
            flush=True,
        )


def turned(volume: Map3D, group: str, poses: int) -> Trials:
    """Align a map to copies of itself."""
    rng = np.random.default_rng(0)
    rotations = point_group(group).rotations
    finest = finest_detail_A(volume.pixel_size_A, volume.pixel_size_A, None)
    reference = prepare_map(volume, None, finest, automatic=True)
    box_A = volume.box * volume.pixel_size_A
    trials = Trials([])
    for i in range(poses):
        truth = random_motion(rng, 0.1 * box_A, bool(i % 2))
        moving = moved(volume, truth)
        cpu = time.process_time()
        ready = prepare_map(moving, None, finest, automatic=True)
        found = aligned(reference, ready, finest, 0.35 * box_A, symmetry=rotations)
        trials.add(found, truth, rotations, time.process_time() - cpu)
    return trials


def real(data: Path, poses: int, box: int) -> None:
    """Print the rows of real maps, resampled to a box of at most so many voxels."""
    rows = {}
    for name, (path, pixel, group) in REAL.items():
        volume = sources.open_map(data / path, pixel_size_A=pixel)
        if 0 < box < volume.box:
            small = fourier_resize(np.asarray(volume.data, np.float32), (box,) * 3)
            volume = Map3D(small, volume.pixel_size_A * volume.box / box)
        rows[f"{name} ({group}), {volume.box}³"] = turned(volume, group, poses)
        print(f"{name}: {poses} poses done", file=sys.stderr, flush=True)
    show(rows)


def phantoms(poses: int) -> None:
    """Print the rows of symmetries without a real map."""
    few = max(4, poses // 10)
    show({f"phantom {g}": turned(phantom(g, box=64, pixel_size_A=3.0), g, few) for g in ("T", "O", "I")})


@dataclass(frozen=True)
class Chain:
    """A walk of Gaussians 3.8 Å a step inside a ball: centres and widths in Å, heights."""

    centres: F64
    sigmas: F64
    heights: F64

    @classmethod
    def walk(cls, seed: int = 0, n: int = 350, radius: float = 42.0) -> Chain:
        """Return a chain."""
        rng = np.random.default_rng(seed)
        way, points = rng.normal(size=3), [np.zeros(3)]
        while len(points) < n:
            way = way / np.linalg.norm(way) + 0.6 * rng.normal(size=3)
            step = points[-1] + 3.8 * way / np.linalg.norm(way)
            if np.linalg.norm(step) > radius:
                way = -step / radius + 0.5 * rng.normal(size=3)
                continue
            points.append(step)
        centres = np.array(points)
        return cls(centres - centres.mean(axis=0), rng.uniform(1.8, 2.6, n), rng.uniform(0.6, 1.4, n))

    def density(self, truth: RigidTransform | None = None, box: int = BOX, pixel: float = PIXEL) -> F32:
        """Return the map that ``truth`` brings onto the chain."""
        centres = self.centres if truth is None else (self.centres - truth.translation_A) @ truth.matrix
        return GaussianPhantom(centres / pixel, self.sigmas / pixel, self.heights).density(box)

    def outer(self, share: float) -> Chain:
        """Return the share of the chain that lies outermost along a diagonal."""
        use = np.argsort(-(self.centres @ np.ones(3)))[: int(share * len(self.centres))]
        return Chain(self.centres[use], self.sigmas[use], self.heights[use])

    def bent(self, angle_deg: float, share: float = 0.2) -> Chain:
        """Return the chain with its outer share turned about where it is joined."""
        order = np.argsort(-(self.centres @ np.ones(3)))
        k = int(share * len(order))
        hinge = self.centres[order[k : k + 10]].mean(axis=0)
        turn = Rotation.from_rotvec(np.radians(angle_deg) * np.array([1.0, -1.0, 0.0]) / np.sqrt(2)).as_matrix()
        centres = self.centres.copy()
        centres[order[:k]] = (centres[order[:k]] - hinge) @ turn.T + hinge
        return Chain(centres, self.sigmas, self.heights)


def noise_for(chain: Chain, resolution_A: float, box: int = BOX, pixel: float = PIXEL) -> float:
    """Return the deviation of white noise at which two copies of a map correlate by 0.143 at a resolution."""
    power = np.abs(np.fft.rfftn(chain.density(None, box, pixel))) ** 2
    axes = [np.fft.fftfreq(box, pixel)] * 2 + [np.fft.rfftfreq(box, pixel)]
    k = np.sqrt(sum(a**2 for a in np.meshgrid(*axes, indexing="ij")))
    shell = np.abs(k - 1 / resolution_A) < 1.5 / (box * pixel)
    return float(np.sqrt(power[shell].mean() / box**3 * (1 / 0.143 - 1)))


def chain_row(
    poses: int, still: Chain, moving: Chain, *, noise: float = 0.0, box: int = BOX, pixel: float = PIXEL,
    crop: tuple[int, int, int] | None = None, masked: bool = False, hands: bool = True, magnified: float = 1.0,
) -> Trials:  # fmt: skip
    """Align maps of one chain to a map of another, in noise, on another grid, cropped, masked or magnified."""
    rng, trials = np.random.default_rng(1), Trials([])
    finest = finest_detail_A(PIXEL, pixel, FINEST)

    def rough(data: F32) -> F32:
        return (data + noise * rng.normal(size=data.shape)).astype(np.float32) if noise else data

    for i in range(poses):
        truth = random_motion(rng, 0.08 * BOX * PIXEL, hands and bool(i % 2))
        data = rough(moving.density(truth, box, pixel))
        if crop is not None:
            data = np.ascontiguousarray(data[tuple(slice(n // 2 - c // 2, n // 2 - c // 2 + c)
                                                   for n, c in zip(data.shape, crop, strict=True))])  # fmt: skip
        weight = automatic_mask(Map3D(moving.density(truth, box, pixel), pixel)) if masked else None
        cpu = time.process_time()
        reference = prepare_map(Map3D(rough(still.density()), PIXEL), None, finest, automatic=True)
        ready = prepare_map(Map3D(data, pixel * magnified), weight, finest, automatic=True)
        found = aligned(reference, ready, finest, 0.35 * BOX * PIXEL, fit_size=magnified != 1)
        trials.add(found, truth, np.eye(3)[None], time.process_time() - cpu)
    return trials


def rows_of_design(poses: int) -> None:
    """Print the rows of align.md, section 3.8, on chains."""
    n, whole = max(2, poses // 10), Chain.walk()
    kinds = {
        "identical": {},
        **{f"noise, FSC 0.143 at {d} Å": {"noise": noise_for(whole, d)} for d in (7, 10, 12, 15)},
        "1.34 Å in 160³": {"pixel": 1.34, "box": 160},
        "odd box 97³": {"box": 97},
        "cropped, 80 × 74 × 67": {"crop": (67, 74, 80)},
        "magnified 1.5 %": {"magnified": 1.015},
    }
    rows = {name: chain_row(n, whole, whole, **more) for name, more in kinds.items()}
    for angle in (10, 25):
        rows[f"20 % turned by {angle}°"] = chain_row(n, whole, whole.bent(-angle))
    for share in (0.8, 0.5, 0.35, 0.25):
        rows[f"{100 * share:.0f} % of the mass"] = chain_row(n, whole, whole.outer(share))
    for share in (0.5, 0.35, 0.2):
        rows[f"{100 * share:.0f} %, masked, noise 7 Å"] = chain_row(
            n, whole, whole.outer(share), noise=noise_for(whole, 7), masked=True
        )
    rows["whole on 35 %"] = chain_row(n, whole.outer(0.35), whole)
    show(rows)


def speed(workers: int) -> None:
    """Print time and memory of the whole command, each in a process of its own."""
    print("\n| box | seconds | CPU s | search s | peak MB | hand |\n|-|-|-|-|-|-|")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for box, pixel in SPEEDS.items():
            data = phantom("C1", box=box, pixel_size_A=pixel).data
            mrc.write_map(folder / "a.mrc", data, pixel)
            mrc.write_map(folder / "b.mrc", np.ascontiguousarray(data[::-1]), pixel)
            del data
            words = ["align", folder / "a.mrc", folder / "b.mrc", "--report", "none", "--threads", workers, "--quiet"]
            words += ["--overwrite", "--out", folder / "out"]
            command = [sys.executable, "-m", "emviewer", *map(str, words)]
            start, used = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
            subprocess.run(command, check=True, capture_output=True)
            seconds, now = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
            cpu = now.ru_utime + now.ru_stime - used.ru_utime - used.ru_stime
            job = json.loads((folder / "out" / "job.json").read_text())
            row = json.loads((folder / "out" / "transforms.json").read_text())[0]
            search = sum(job["seconds"].get(stage, 0.0) for stage in ("searching", "refining", "polished"))
            memory = job["peak_memory_mb"]
            print(f"| {box}³ | {seconds:.1f} | {cpu:.1f} | {search:.1f} | {memory:.0f} | {row['hand']} |", flush=True)


def main() -> None:
    """Run what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, nargs="?", default=DATA, help="folder of real maps")
    parser.add_argument("--rows", default="real,phantoms,rows,speed", help="what to run, separated by commas")
    parser.add_argument("--poses", type=int, default=100, help="of each real map; a tenth of it for other rows")
    parser.add_argument("--box", type=int, default=0, help="largest box of the real maps (0: their own)")
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    threads.set_threads(options.threads)
    wanted = options.rows.split(",")
    if "speed" in wanted:
        speed(options.threads)
    if "rows" in wanted:
        rows_of_design(options.poses)
    if "phantoms" in wanted:
        phantoms(options.poses)
    if "real" in wanted:
        if options.data.is_dir():
            real(options.data, options.poses, options.box)
        else:
            print(f"no real maps in {options.data}: give their folder")


if __name__ == "__main__":
    main()
