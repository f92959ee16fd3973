"""The doors at their largest: tables of a million rows, a 512³ map, images across many stacks.

    python benchmarks/bench_files.py [--rows 1000000]

Seconds are wall and processor time of one run each (the second hardly depends on what else the machine does); memory
is the highest the process ever had, so far. Files go to a temporary folder. Prints markdown.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import numpy as np
import pandas as pd

from emviewer.engine import cryosparc, files, mrc, star, star_images
from emviewer.engine.files_info import describe

T = TypeVar("T")
COLUMNS = ("DefocusU", "DefocusV", "DefocusAngle", "AngleRot", "AngleTilt", "AnglePsi", "OriginXAngst", "OriginYAngst")


def timed(what: str, work: Callable[[], T]) -> T:
    wall, processor = time.perf_counter(), time.process_time()
    result = work()
    wall, processor = time.perf_counter() - wall, time.process_time() - processor
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(f"| {what} | {wall:.2f} | {processor:.2f} | {peak:.2f} |")
    return result


def particle_table(n: int) -> pd.DataFrame:
    """Return a table of 25 columns, about 320 bytes a row."""
    rng = np.random.default_rng(0)
    image = np.arange(n)
    columns: dict[str, object] = {
        "rlnImageName": [f"{i % 200 + 1:06d}@Extract/job012/Movies/20170629_{i // 200:05d}.mrcs" for i in image],
        "rlnMicrographName": [f"MotionCorr/job002/Movies/20170629_{i // 200:05d}_frameImage.mrc" for i in image],
        "rlnOpticsGroup": np.ones(n, int),
    }
    columns |= {f"rln{name}": rng.uniform(-180, 180, n) for name in COLUMNS}
    columns |= {f"emvColumn{k}": rng.uniform(0, 1e4, n) for k in range(14)}
    return pd.DataFrame(columns)


def write_numbers(path: Path, table: pd.DataFrame, optics: pd.DataFrame) -> None:
    timed(f"write a STAR table of {len(table)} rows, numbers", lambda: star.write_particles(path, table, optics))


def write_text(path: Path, blocks: dict[str, pd.DataFrame]) -> None:
    timed("write it as text", lambda: star.write_star(path, blocks))


def size_MB(path: Path) -> str:
    return f"{path.stat().st_size / 1e6:.0f} MB"


def tables(folder: Path, n: int) -> None:
    optics = pd.DataFrame({"rlnOpticsGroup": [1], "rlnImagePixelSize": [1.06], "rlnVoltage": [300.0]})
    path = folder / "particles.star"
    write_numbers(path, particle_table(n), optics)
    write_text(folder / "again.star", timed(f"read it as text ({size_MB(path)})", lambda: star.read_star(path)))
    timed("read it with names, poses and CTF", lambda: star_images.read_images(path))
    kinds = [("uid", "<u8"), ("blob/path", "S100"), ("blob/idx", "<u4"), ("blob/psize_A", "<f4")]
    kinds += [("alignments3D/pose", "<f4", (3,)), ("alignments3D/shift", "<f4", (2,)), ("ctf/df1_A", "<f4")]
    rows = np.zeros(n, kinds)
    rows["uid"], rows["blob/path"], rows["blob/psize_A"] = np.arange(n), b"J1/extract/a.mrc", 1.06
    cryosparc.write_cs(folder / "p.cs", rows)
    timed(f"read a .cs table of {n} rows with names, poses and CTF", lambda: cryosparc.read_images(folder / "p.cs"))
    timed(
        "the same joined with a passthrough",
        lambda: cryosparc.read_images(folder / "p.cs", passthrough=folder / "p.cs"),
    )


def pixels(folder: Path) -> None:
    volume = np.random.default_rng(0).normal(size=(512, 512, 512)).astype(np.float32)
    timed("write a map of 512³", lambda: mrc.write_map(folder / "a.mrc", volume, 1.06))
    opened = timed("open it", lambda: files.read_map(folder / "a.mrc"))
    timed("a cut of each direction", lambda: [opened.data.take(256, axis).sum() for axis in range(3)])
    timed("info with statistics", lambda: describe(folder / "a.mrc"))
    names = []
    for k in range(300):
        with mrc.StackWriter(folder / f"{k}.mrcs", (128, 128), 1.06) as writer:
            writer.append(volume[0, :100, :128].reshape(100, 128)[:, None, :] + np.zeros((100, 128, 128), np.float32))
        names += [f"{i + 1:06d}@{k}.mrcs" for i in range(100)]
    star.write_particles(folder / "p.star", pd.DataFrame({"rlnImageName": names}), None)
    images = star_images.read_images(folder / "p.star").stack
    assert images is not None
    some = np.random.default_rng(0).permutation(len(names))[:3000]
    timed("3000 of 30 000 images of 128², at random across 300 stacks", lambda: images[some])


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=1_000_000)
    rows = parser.parse_args().rows
    print("| what | wall s | processor s | peak GB so far |\n|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        tables(Path(folder), rows)
        pixels(Path(folder))


if __name__ == "__main__":
    main()
