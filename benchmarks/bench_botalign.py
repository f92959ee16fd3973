"""Map alignment against ASPIRE's BOTalign, on the same pairs of 64³ maps.

    python benchmarks/bench_botalign.py [DATA] [--peer PYTHON] [--poses 3] [--threads 2]

``DATA`` is the folder of shared data; ``--peer`` an interpreter that can ``import aspire`` (a side environment with
``pip install aspire``), without which only our side is measured. Real maps are brought to 64³ and turned at random;
once they stay centred, as BOTalign needs it, and once they are shifted by 5.6 voxels too.

Ours is the whole command, files read and written, both hands (``emviewer align --report none --no-difference``);
BOTalign's is the call of ``align_BO`` with its defaults alone: no import, no files, one hand. Errors are modulo the
symmetry of the map; whether BOTalign's matrix is the rotation or its inverse, and of x y z or z y x, is settled in its
favour. Prints markdown.
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
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from emviewer.engine import mrc, sources
from emviewer.engine.align3d_move import Grid3D, move_map
from emviewer.engine.symmetry import point_group
from emviewer.engine.types import F64, RigidTransform

BOX, OFFSET_PX = 64, 5.6
MAPS = {
    "70S ribosome (C1)": ("map_ribosome70S_C1/clean70SRibosome_vol_65p.mrc", 5.0, "C1"),
    "β-galactosidase (D2)": ("map_betagal_D2_real/betaGal.mrc", None, "D2"),
    "TRPV1 (C4)": ("map_trpv1_C4_real_and_10_particles/trpv1_volume.mrc", None, "C4"),
}
DATA = Path(os.environ.get("EMVIEWER_SHARED_DATA") or Path(__file__).resolve().parents[2] / "shared" / "data")
PEER = """
import json, sys, time, resource
import numpy as np
from aspire.utils.bot_align import align_BO
from aspire.volume import Volume
ref, given = (Volume(np.load(p).astype(np.float32)) for p in sys.argv[1:3])
start, cpu = time.perf_counter(), time.process_time()
found = align_BO(ref, given, seed=0)
print("RESULT" + json.dumps({"matrix": np.asarray(found[1]).tolist(), "wall": time.perf_counter() - start,
                             "cpu": time.process_time() - cpu}))
"""


def pair(path: Path, pixel_A: float | None, seed: int, offset: bool) -> tuple[np.ndarray, np.ndarray, F64, float]:
    """Return reference and moving map of :data:`BOX` voxels, the rotation that brings one onto the other, Å a voxel."""
    volume = sources.open_map(path, pixel_size_A=pixel_A)
    pixel = volume.box * volume.pixel_size_A / BOX
    grid = Grid3D((BOX,) * 3, pixel)
    rng = np.random.default_rng(seed)
    turn = Rotation.random(random_state=seed).as_matrix()
    direction = rng.normal(size=3)
    shift = OFFSET_PX * pixel * direction / np.linalg.norm(direction) if offset else np.zeros(3)
    still = RigidTransform(np.eye(3), np.zeros(3))
    away = RigidTransform(turn.T, -turn.T @ shift)
    data = np.asarray(volume.data, np.float32)
    return (
        move_map(data, volume.pixel_size_A, still, grid), move_map(data, volume.pixel_size_A, away, grid), turn, pixel
    )  # fmt: skip


def angle(found: F64, truth: F64, group: F64) -> float:
    """Return the angle between two rotations onto a map with this symmetry, in degrees."""
    return float(min(np.degrees(Rotation.from_matrix(found @ (g @ truth).T).magnitude()) for g in group))


def ours(folder: Path, threads: int) -> tuple[F64, float, float]:
    """Run the command on the pair in a folder; return the rotation, wall and CPU seconds of the whole process."""
    out = folder / "out"
    words = ["align", folder / "ref.mrc", folder / "mov.mrc", "--report", "none", "--no-difference", "--quiet",
             "--overwrite", "--threads", threads, "--out", out]  # fmt: skip
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run([sys.executable, "-m", "emviewer", *map(str, words)], check=True, capture_output=True)
    wall, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    row = json.loads((out / "transforms.json").read_text())[0]
    return np.array(row["matrix"]), wall, cpu


def theirs(folder: Path, peer: str, threads: int) -> tuple[list[F64], float, float]:
    """Run BOTalign on the pair; return what its matrix may stand for, wall and CPU seconds of the call."""
    limits = {name: str(threads) for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")}
    words = [peer, "-W", "ignore", "-c", PEER, str(folder / "ref.npy"), str(folder / "mov.npy")]
    done = subprocess.run(words, check=True, cwd=folder, env=os.environ | limits, capture_output=True, text=True)
    found = json.loads(next(line for line in done.stdout.splitlines() if line.startswith("RESULT"))[6:])
    matrix, swap = np.array(found["matrix"]), np.eye(3)[::-1]
    return [matrix, matrix.T, swap @ matrix @ swap, swap @ matrix.T @ swap], found["wall"], found["cpu"]


def measure(path: Path, pixel: float | None, group: F64, offset: bool, args: argparse.Namespace) -> dict[str, F64]:
    """Return errors (degrees), wall and CPU seconds of both sides, an entry a pose."""
    rows: dict[str, list[float]] = {f"{who} {what}": [] for who in ("our", "peer") for what in ("°", "wall", "cpu")}
    for seed in range(args.poses):
        reference, moving, turn, pixel_A = pair(path, pixel, seed, offset)
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            for stem, data in (("ref", reference), ("mov", moving)):
                mrc.write_map(folder / f"{stem}.mrc", data, pixel_A)
                np.save(folder / f"{stem}.npy", data)
            matrix, wall, cpu = ours(folder, args.threads)
            for key, value in (("our °", angle(matrix, turn, group)), ("our wall", wall), ("our cpu", cpu)):
                rows[key].append(value)
            if args.peer:
                options, wall, cpu = theirs(folder, args.peer, args.threads)
                error = min(angle(option, turn, group) for option in options)
                for key, value in (("peer °", error), ("peer wall", wall), ("peer cpu", cpu)):
                    rows[key].append(value)
    return {key: np.array(values) for key, values in rows.items()}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Map alignment against ASPIRE's BOTalign.")
    parser.add_argument("data", nargs="?", type=Path, default=DATA)
    parser.add_argument("--peer", default="", help="an interpreter that can import aspire")
    parser.add_argument("--poses", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:  # aspire writes logs where it is started
        words = [args.peer, "-W", "ignore", "-c", "import aspire"]
        if args.peer and subprocess.run(words, capture_output=True, cwd=name).returncode:
            raise SystemExit(f"{args.peer} cannot import aspire")
    cells = "| {} | {} | {:.3f}° | {:.1f} s, {:.1f} s |"
    print("| 64³ pair | moved by | our largest error | our command, wall and CPU |", end="")
    print(" BOTalign's largest error | its call, wall and CPU | wall, CPU: theirs / ours |" if args.peer else "")
    print("|" + "-|" * (7 if args.peer else 4))
    for name, (path, pixel, symmetry) in MAPS.items():
        group = point_group(symmetry).rotations
        for offset in (False, True):
            row = measure(args.data / path, pixel, group, offset, args)
            how = f"rotation and {OFFSET_PX} voxels" if offset else "rotation"
            middle = {key: float(np.median(values)) for key, values in row.items() if len(values)}
            print(cells.format(name, how, row["our °"].max(), middle["our wall"], middle["our cpu"]), end="")
            if args.peer:
                ratios = [middle[f"peer {what}"] / middle[f"our {what}"] for what in ("wall", "cpu")]
                print(
                    f" {row['peer °'].max():.3f}° | {middle['peer wall']:.1f} s, {middle['peer cpu']:.1f} s | "
                    f"{ratios[0]:.1f}, {ratios[1]:.1f} |",
                    end="",
                )
            print(flush=True)


if __name__ == "__main__":
    main()
