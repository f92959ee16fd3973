"""Orientation recovery: targets T1–T8 and T11, and the conditions at which other programs' common lines were measured.

Run as ``python benchmarks/bench_orient.py [--seeds 5] [--threads 2] [--only T1,T2,T3,…]``; prints markdown. Objects are
sums of 60 Gaussians, new for every seed; SNR is over the whole box. Errors are up to one rotation and hand, symmetry
folded; median and mean over images, of which the median and the worst over seeds are given. Seconds are CPU time of
all threads.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass

import numpy as np
from scipy.spatial.transform import Rotation

from emviewer.engine import orientations_frame, threads
from emviewer.engine import orientations_lines as lines_of
from emviewer.engine.conventions import matrix_to_quaternion
from emviewer.engine.orientations_align import align_o4, align_views
from emviewer.engine.orientations_distances import pairs_from_matrix, recover
from emviewer.engine.orientations_em import prepare_images
from emviewer.engine.orientations_images import Plan, particle_radius_px, solve
from emviewer.engine.simulate_phantom import GaussianPhantom
from emviewer.engine.symmetry import point_group
from emviewer.engine.types import F32, F64


@dataclass(frozen=True)
class Case:
    """Images of one condition; ``snr`` 0 is no noise, shifts are uniform or triangular within ±``shift`` px."""

    n: int
    box: int
    snr: float = 0.0
    shift: float = 0.0
    triangular: bool = False
    group: str = "C1"


IMAGES = {
    "T4": Case(150, 116),
    "T5": Case(400, 116, 1 / 5),
    "T6": Case(600, 116, 1 / 10),
    "T7": Case(600, 116, 1 / 16),
    "T8": Case(200, 116, 0, 20, True),
    "T11": Case(200, 64, 1.0, 0, False, "D2"),
    "clean": Case(200, 64),
    "SNR10": Case(200, 64, 10),
    "SNR10 shifts": Case(200, 64, 10, 3),
    "SNR1": Case(200, 64, 1),
    "clean 500": Case(500, 64),
    "SNR10 500": Case(500, 64, 10),
    "SNR1 500": Case(500, 64, 1),
}


def make(case: Case, seed: int) -> tuple[F32, F64]:
    """Return images and their views."""
    rng, blobs = np.random.default_rng(seed), 60
    centres = rng.normal(size=(blobs, 3))
    centres *= rng.uniform(0, 1, (blobs, 1)) ** (1 / 3) * 0.24 * case.box / np.linalg.norm(centres, axis=1)[:, None]
    centres *= np.array([1, 0.8, 0.65])
    sigmas, heights = rng.uniform(1.4, 2.4, blobs) * case.box / 64, rng.uniform(0.5, 1.5, blobs)
    if case.group != "C1":
        centres = centres * 0.5 + np.array([0.15, 0.05, 0.12]) * case.box
    phantom = GaussianPhantom(centres, sigmas, heights).replicated(np.asarray(point_group(case.group).rotations))
    views, s = Rotation.random(case.n, random_state=seed + 1).as_matrix(), case.shift
    shifts = rng.triangular(-s, 0, s, (case.n, 2)) if case.triangular else rng.uniform(-s, s, (case.n, 2))
    images = phantom.project(views, case.box, shifts).astype(np.float32)
    if case.snr:
        sd = np.sqrt(images.var(axis=(1, 2)).mean() / case.snr)
        images += rng.normal(size=images.shape).astype(np.float32) * sd
    return images, views


def from_images(name: str, seeds: int) -> None:
    """Print the errors of one condition."""
    case = IMAGES[name]
    group = point_group(case.group)
    medians, means, seconds, confidence = [], [], [], []
    for seed in range(seeds):
        images, views = make(case, seed)
        start = time.process_time()
        radius = particle_radius_px(images)
        *_, found = solve(images, group, Plan(1.5 * case.shift, radius, seed=seed))
        seconds.append(time.process_time() - start)
        angle = np.degrees(align_views(views, found.rotations, np.asarray(group.rotations))[2])
        medians.append(float(np.median(angle)))
        means.append(float(angle.mean()))
        confidence.append(float(np.median(found.confidence)))
    print(
        f"| {name} | {np.median(medians):.3f} ({max(medians):.3f}) | {np.median(means):.3f} ({max(means):.3f}) | "
        f"{np.radians(np.median(medians)):.4f} | {np.median(seconds):.1f} | {min(confidence):.2f} | {seeds} |",
        flush=True,
    )


def from_distances(sd: float, partners: int, seeds: int) -> None:
    """Print the O(4) error of recovery from perturbed distances of 1650 views."""
    errors, seconds = [], []
    for seed in range(seeds):
        q = matrix_to_quaternion(Rotation.random(1650, random_state=seed).as_matrix())
        d = 2 * np.arccos(np.clip(np.abs(q @ q.T), 0, 1))
        rng = np.random.default_rng(seed)
        noise = np.triu(rng.normal(0, sd, d.shape), 1) if sd else np.zeros(d.shape)
        start = time.process_time()
        found = recover(pairs_from_matrix(d + noise + noise.T, partners, rng, sd), rng)
        seconds.append(time.process_time() - start)
        errors.append(float(np.median(align_o4(q, found.quaternions)[1])))
    name = f"distances, SD {sd}, {partners} partners"
    print(
        f"| {name} | {np.median(errors):.2e} rad ({max(errors):.2e}) | | | {np.median(seconds):.1f} | | {seeds} |",
        flush=True,
    )


def frame(seeds: int) -> None:
    """Print how often the camera frame and the transpose are found from 150 images at SNR 1/16."""
    right, errors, seconds = 0, [], []
    for seed in range(seeds):
        images, views = make(Case(150, 116, 1 / 16), seed)
        rng = np.random.default_rng(seed)
        left, turn = Rotation.random(2, random_state=seed + 50).as_matrix()
        hidden = left @ views @ turn
        hidden = hidden.transpose(0, 2, 1) if seed % 2 else hidden
        start = time.process_time()
        rays, _ = lines_of.polar_rays(prepare_images(images, 30.0), 12, 720, first=2)
        found = orientations_frame.resolve(rays, hidden, rng)
        seconds.append(time.process_time() - start)
        errors.append(float(np.median(align_views(views, found.views)[2])))
        right += found.transposed == bool(seed % 2) and errors[-1] < 0.05
    print(
        f"| T3 frame, {right}/{seeds} right | {np.median(errors):.4f} rad ({max(errors):.4f}) | | | "
        f"{np.median(seconds):.1f} | | {seeds} |",
        flush=True,
    )


def main() -> None:
    """Print one line a target."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--only", default="")
    given = parser.parse_args()
    threads.set_threads(given.threads)
    wanted = given.only.split(",") if given.only else ["T1", "T2", "T3", *IMAGES]
    print("| case | median ° (worst) | mean ° (worst) | median rad | CPU s | least confidence | seeds |")
    print("|---|---|---|---|---|---|---|")
    for name in wanted:
        if name == "T1":
            from_distances(0.0, 150, given.seeds)
        elif name == "T2":
            for sd in (0.2, 0.4, 0.8):
                from_distances(sd, 300, given.seeds)
        elif name == "T3":
            frame(given.seeds)
        else:
            from_images(name, given.seeds)


if __name__ == "__main__":
    main()
