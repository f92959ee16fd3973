"""The whole command: ``emviewer gallery`` from typing it to its files on disk, by stage, with its peak memory.

    python benchmarks/bench_gallery_command.py [--boxes 64,128,256] [--step 5] [--threads 2] [--repeats 5] [--many]

Every run is a process of its own with ``--report none`` and warm caches (files, kernels, FFTW's plans); one run
before the first is not counted. ``starting`` is what the stages of job.json do not hold: the interpreter, imports,
reading the command line. Times are of the quickest run. ``--many`` adds 40 000 views of 256² (10.5 GB in a temporary
folder, removed at the end) for its peak memory. Prints markdown.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from emviewer.engine import mrc
from emviewer.engine.simulate import phantom

STAGES = ("prepare", "views", "projector", "project", "quality")


def run(map_file: Path, out: Path, *options: str) -> dict[str, float]:
    """Run the command once; return seconds of each stage and in all, views and MB."""
    words = ["gallery", str(map_file), "--out", str(out), "--overwrite", "--report", "none", *options]
    start, cpu = time.perf_counter(), cpu_seconds()
    subprocess.run([sys.executable, "-m", "emviewer", *words], check=True, capture_output=True)
    total = time.perf_counter() - start
    record, summary = (json.loads((out / name).read_text()) for name in ("job.json", "summary.json"))
    seconds = {stage: record["seconds"].get(stage, 0.0) for stage in STAGES}
    return {
        "total": total,
        "starting": total - sum(seconds.values()),
        **seconds,
        "n": summary["n_views"],
        "cpu": cpu_seconds() - cpu,
        "memory": record["peak_memory_mb"],
    }


def cpu_seconds() -> float:
    """Return the processor time of all runs so far; unlike the rest it hardly depends on what else the machine does."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--boxes", default="64,128,256")
    parser.add_argument("--step", default="5")
    parser.add_argument("--threads", default="2")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--many", action="store_true")
    given = parser.parse_args()
    columns = ("total", "cpu", "starting", *STAGES)
    print("| map | views | " + " | ".join(f"{c}, s" for c in columns) + " | views/s | peak, MB |")
    print("|---" * (len(columns) + 4) + "|")
    with tempfile.TemporaryDirectory(prefix="emviewer-bench-") as folder:
        for box in map(int, given.boxes.split(",")):
            map_file, out = Path(folder) / f"map{box}.mrc", Path(folder) / "out"
            mrc.write_map(map_file, phantom("C1", box=box, pixel_size_A=192 / box))
            options = ("--step", given.step, "--threads", given.threads)
            runs = [run(map_file, out, *options) for _ in range(given.repeats + 1)][1:]
            show(f"{box}³", min(runs, key=lambda r: r["total"]), columns)
        if given.many:
            show("256³", run(map_file, out, "--random", "40000", "--threads", given.threads), columns)


def show(name: str, found: dict[str, float], columns: tuple[str, ...]) -> None:
    cells = [f"{found[c]:.2f}" for c in columns]
    rate = found["n"] / found["project"]
    print(f"| {name} | {found['n']:.0f} | {' | '.join(cells)} | {rate:.0f} | {found['memory']:.0f} |", flush=True)


if __name__ == "__main__":
    main()
