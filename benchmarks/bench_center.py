"""Centring: 200 classes of 256 px, and the metadata of 1 000 000 particles in RELION's and cryoSPARC's form.

``python benchmarks/bench_center.py [particles]`` makes its inputs in a temporary folder and runs the command.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from emviewer.engine.mrc import StackWriter

CLASSES, BOX, SMALL_BOX, PIXEL = 200, 256, 64, 1.1


def classes(path: Path, box: int, rng: np.random.Generator) -> None:
    """Write blurred random objects that stand off the centre."""
    y, x = (np.indices((box, box)) - box // 2) / box
    with StackWriter(path, (box, box), PIXEL) as writer:
        for _ in range(CLASSES):
            image = rng.normal(scale=0.05, size=(box, box))
            centre = rng.uniform(-0.06, 0.06, 2)
            for px, py in rng.normal(scale=0.09, size=(25, 2)) + centre:
                image += np.exp(-((x - px) ** 2 + (y - py) ** 2) / (2 * 0.025**2))
            writer.append(image[None].astype(np.float32))


def relion(path: Path, n: int, rng: np.random.Generator) -> None:
    """Write a particle table of RELION 3.1 with 20 columns."""
    names = (
        "CoordinateX CoordinateY ImageName MicrographName OpticsGroup DefocusU DefocusV DefocusAngle PhaseShift "
        "CtfBfactor CtfScalefactor GroupNumber ClassNumber AnglePsi OriginXAngst OriginYAngst NormCorrection "
        "LogLikeliContribution MaxValueProbDistribution NrOfSignificantSamples"
    )
    heads = names.split()
    with path.open("w") as file:
        file.write("\n# version 30001\n\ndata_optics\n\nloop_\n_rlnOpticsGroupName #1\n_rlnOpticsGroup #2\n")
        file.write(f"_rlnMicrographPixelSize #3\n_rlnImagePixelSize #4\n_rlnImageSize #5\no1 1 {PIXEL} {PIXEL} 256\n\n")
        file.write("\n# version 30001\n\ndata_particles\n\nloop_\n")
        file.write("".join(f"_rln{h} #{i}\n" for i, h in enumerate(heads, 1)))
        xy = rng.integers(150, 3800, (n, 2))
        number = rng.integers(1, CLASSES + 1, n)
        psi, shift = rng.uniform(-180, 180, n), rng.normal(scale=4, size=(n, 2))
        for i in range(n):
            file.write(
                f"{xy[i, 0]}.000000 {xy[i, 1]}.000000 {i % 400 + 1:06d}@Extract/job007/m{i // 400:05d}.mrcs "
                f"MotionCorr/job002/m{i // 400:05d}.mrc 1 12000.5 11800.2 35.2 0.0 0.0 1.0 {i // 400 + 1} {number[i]} "
                f"{psi[i]:.6f} {shift[i, 0]:.6f} {shift[i, 1]:.6f} 0.9 12345.6 0.93 4 \n"
            )


def cryosparc(folder: Path, n: int, rng: np.random.Generator) -> None:
    """Write particles.cs and passthrough.cs."""
    particles = np.zeros(
        n,
        [("uid", "<u8"), ("blob/path", "S60"), ("blob/idx", "<u4"), ("blob/shape", "<u4", (2,)),
         ("blob/psize_A", "<f4"), ("blob/sign", "<f4"), ("ctf/df1_A", "<f4"), ("ctf/df2_A", "<f4"),
         ("alignments2D/split", "<u4"), ("alignments2D/shift", "<f4", (2,)), ("alignments2D/pose", "<f4"),
         ("alignments2D/psize_A", "<f4"), ("alignments2D/class", "<u4"), ("alignments2D/class_posterior", "<f4")],
    )  # fmt: skip
    particles["uid"] = rng.permutation(n) + 10**15
    particles["blob/shape"], particles["blob/psize_A"], particles["alignments2D/psize_A"] = 256, PIXEL, PIXEL
    particles["alignments2D/class"] = rng.integers(0, CLASSES, n)
    particles["alignments2D/pose"] = rng.uniform(-np.pi, np.pi, n)
    particles["alignments2D/shift"] = rng.normal(scale=3, size=(n, 2))
    extra = np.zeros(
        n,
        [("uid", "<u8"), ("location/micrograph_uid", "<u8"), ("location/micrograph_path", "S80"),
         ("location/micrograph_shape", "<u4", (2,)), ("location/micrograph_psize_A", "<f4"),
         ("location/center_x_frac", "<f4"), ("location/center_y_frac", "<f4")],
    )  # fmt: skip
    order = rng.permutation(n)
    extra["uid"] = particles["uid"][order]
    extra["location/micrograph_path"] = [f"J2/motioncorrected/m{i // 400:05d}.mrc".encode() for i in order.tolist()]
    extra["location/micrograph_shape"], extra["location/micrograph_psize_A"] = (4092, 5760), PIXEL
    extra["location/center_x_frac"], extra["location/center_y_frac"] = rng.uniform(0.05, 0.95, (2, n))
    np.save((folder / "particles.cs").open("wb"), particles)
    np.save((folder / "passthrough.cs").open("wb"), extra)


def run_job_in(out: Path, *words: str | Path) -> float:
    """Run the command into a folder; return its seconds."""
    start = time.perf_counter()
    command = [sys.executable, "-m", "emviewer", "center", *words, "--out", out, "--report", "none", "--quiet"]
    subprocess.run(list(map(str, command)), check=True, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


def run(what: str, *words: str | Path) -> None:
    """Run the command and print its time and memory."""
    with tempfile.TemporaryDirectory() as name:
        seconds = run_job_in(Path(name, "o"), *words)
        record = json.loads(Path(name, "o", "job.json").read_text())
    stages = {k: round(v, 1) for k, v in record["seconds"].items()}
    print(f"{what}: {seconds:.1f} s, {record['peak_memory_mb']:.0f} MB, {stages}", flush=True)


def main() -> None:
    """Make the inputs and run all three."""
    n = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        classes(folder / "large.mrcs", BOX, rng)
        classes(folder / "small.mrcs", SMALL_BOX, rng)
        run(f"{CLASSES} classes of {BOX} px", folder / "large.mrcs")
        relion(folder / "particles.star", n, rng)
        run(f"{n} particles, RELION", folder / "small.mrcs", "--particles", folder / "particles.star")
        (folder / "particles.star").unlink()
        cryosparc(folder, n, rng)
        run(
            f"{n} particles, cryoSPARC", folder / "small.mrcs", "--particles", folder / "particles.cs",
            "--passthrough", folder / "passthrough.cs",
        )  # fmt: skip


if __name__ == "__main__":
    main()
