"""Orientation recovery: targets T1–T11, and the conditions at which other programs' common lines were measured.

Run as ``python benchmarks/bench_orient.py [--seeds 5] [--first 0] [--threads 2] [--only T4,T5,…] [--data FOLDER]``;
prints a markdown line a condition. Objects are sums of 60 Gaussians, new for every seed, or (``3j5p``, ``1mnf``) the
density of one chain of a real structure out of FOLDER. SNR is over the whole box, in T9 in the particle's disc.
Errors are up to one rotation and hand, symmetry folded; median and mean over images, of which the median and the
worst over seeds are given. Seconds are CPU time of all threads, from images in memory to views.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from emviewer.engine import orientations_frame, project, threads
from emviewer.engine import orientations_lines as lines_of
from emviewer.engine.conventions import matrix_to_quaternion
from emviewer.engine.model import Model, read_model
from emviewer.engine.orientations_align import align_o4, align_views, other_hand
from emviewer.engine.orientations_distances import pairs_from_matrix, recover
from emviewer.engine.orientations_em import prepare_images
from emviewer.engine.orientations_images import Plan, particle_radius_px, solve
from emviewer.engine.orientations_match import shell_correlation
from emviewer.engine.reconstruct import Reconstructor
from emviewer.engine.simulate import density_from_model
from emviewer.engine.simulate_phantom import GaussianPhantom
from emviewer.engine.symmetry import point_group
from emviewer.engine.types import F32, F64, Map3D

CHAINS = {
    "3j5p": "map_trpv1_C4_real_and_10_particles/3j5p.pdb.gz",
    "1mnf": "map_groel_D7_real_emd1080/1mnf.pdb.gz",
}
PIXEL_A = 3.667
"""Of the maps of T10."""


@dataclass(frozen=True)
class Case:
    """Images of one condition; ``snr`` 0 is no noise, shifts are uniform or triangular within ±``shift`` px."""

    n: int
    box: int
    snr: float = 0.0
    shift: float = 0.0
    triangular: bool = False
    group: str = "C1"
    disc: bool = False
    source: str = ""
    fsc: bool = False


IMAGES = {
    "T4": Case(150, 116),
    "T5": Case(400, 116, 1 / 5),
    "T6": Case(600, 116, 1 / 10),
    "T7": Case(600, 116, 1 / 16),
    "T8": Case(200, 116, 0, 20, True),
    "T9": Case(500, 64, 1, 3, disc=True),
    "T9 128": Case(500, 128, 1, 4, disc=True),
    "T9 3j5p": Case(500, 64, 1, 3, disc=True, source="3j5p"),
    "T9 1mnf": Case(500, 64, 1, 3, disc=True, source="1mnf"),
    "T10": Case(1650, 116, fsc=True),
    "T10 noise": Case(1650, 116, 1 / 16, fsc=True),
    "T11": Case(200, 64, 1.0, 0, False, "D2"),
    "T11 C4": Case(200, 64, 1.0, 0, False, "C4"),
    "clean": Case(200, 64),
    "SNR10": Case(200, 64, 10),
    "SNR10 shifts": Case(200, 64, 10, 3),
    "SNR1": Case(200, 64, 1),
    "clean 500": Case(500, 64),
    "SNR10 500": Case(500, 64, 10),
    "SNR1 500": Case(500, 64, 1),
    "3j5p": Case(200, 64, 1, source="3j5p"),
    "1mnf": Case(200, 64, 1, source="1mnf"),
    "5000": Case(5000, 64, 1),
}


def phantom_of(case: Case, rng: np.random.Generator) -> GaussianPhantom:
    """Return 60 Gaussians for C1, or as many in each asymmetric unit."""
    blobs = 60
    centres = rng.normal(size=(blobs, 3))
    centres *= rng.uniform(0, 1, (blobs, 1)) ** (1 / 3) * 0.24 * case.box / np.linalg.norm(centres, axis=1)[:, None]
    centres *= np.array([1, 0.8, 0.65])
    sigmas, heights = rng.uniform(1.4, 2.4, blobs) * case.box / 64, rng.uniform(0.5, 1.5, blobs)
    if case.fsc:  # detail to Nyquist
        sigmas = rng.uniform(0.9, 1.2, blobs)
    if case.group != "C1":
        centres = centres * 0.5 + np.array([0.15, 0.05, 0.12]) * case.box
    return GaussianPhantom(centres, sigmas, heights).replicated(np.asarray(point_group(case.group).rotations))


def chain_of(case: Case, data: Path) -> Map3D:
    """Return the density of the first chain of a real structure, which takes three quarters of the box."""
    whole = read_model(data / CHAINS[case.source], hydrogens=False)
    mine = whole.chains == whole.chains[0]
    atoms = Model(
        whole.elements[mine], whole.positions_A[mine], whole.bfactors[mine], whole.occupancy[mine], None,
        case.source, whole.chains[mine], whole.residues[mine],
    )  # fmt: skip
    size = float(np.linalg.norm(atoms.positions_A - atoms.positions_A.mean(axis=0), axis=1).max())
    pixel = 2 * size / (0.75 * case.box)
    return density_from_model(atoms, max(7.0, 2.2 * pixel), pixel, case.box)


def make(case: Case, seed: int, data: Path = Path()) -> tuple[F32, F64, F64, F32]:
    """Return images, their views and shifts, and the map."""
    rng = np.random.default_rng(seed)
    phantom = phantom_of(case, rng) if not case.source else None
    views, s = Rotation.random(case.n, random_state=seed + 1).as_matrix(), case.shift
    shifts = rng.triangular(-s, 0, s, (case.n, 2)) if case.triangular else rng.uniform(-s, s, (case.n, 2))
    if phantom is not None:
        images, density = phantom.project(views, case.box, shifts).astype(np.float32), phantom.density(case.box)
    else:
        chain = chain_of(case, data)
        images, density = project.Projector(chain, box=case.box).project(views, shifts_px=shifts), chain.data
    if case.snr:
        y, x = np.ogrid[: case.box, : case.box]
        inside = np.hypot(y - case.box // 2, x - case.box // 2) <= (0.3 * case.box if case.disc else case.box)
        sd = np.sqrt(images[:, inside].var(axis=1).mean() / case.snr)
        images += rng.normal(size=images.shape).astype(np.float32) * sd
    return images, views, shifts, density


def from_images(name: str, seeds: range, data: Path) -> None:
    """Print the errors of one condition."""
    case = IMAGES[name]
    group = point_group(case.group)
    medians, means, seconds, confidence, crossed = [], [], [], [], []
    for seed in seeds:
        images, views, shifts, density = make(case, seed, data)
        start = time.process_time()
        radius = particle_radius_px(images)
        *_, found = solve(images, group, Plan(1.5 * case.shift, radius, seed=seed))
        seconds.append(time.process_time() - start)
        turn, flipped, left = align_views(views, found.rotations, np.asarray(group.rotations))
        angle = np.degrees(left)
        medians.append(float(np.median(angle)))
        means.append(float(angle.mean()))
        confidence.append(float(np.median(found.confidence)))
        if case.fsc:
            moved = (other_hand(found.rotations) if flipped else found.rotations) @ turn
            crossed.append(against_map(images, moved, shifts, density, radius))
    said = f", FSC 0.5 at {np.median(crossed):.1f} ({max(crossed):.1f}) Å" if crossed else ""
    print(
        f"| {name}{said} | {np.median(medians):.3f} ({max(medians):.3f}) | {np.median(means):.3f} ({max(means):.3f}) | "
        f"{np.radians(np.median(medians)):.4f} | {np.median(seconds):.1f} | {min(confidence):.2f} | {len(seeds)} |",
        flush=True,
    )


def against_map(images: F32, views: F64, shifts: F64, density: F32, radius: float) -> float:
    """Return where the correlation of the reconstruction with the map falls below 0.5, in Å at 3.667 Å a voxel.

    Both are cut off softly beyond the particle's radius, as the noise there is not the particle's.
    """
    n = images.shape[1]
    work = Reconstructor(n)
    work.add(images, views, shifts)
    x = np.arange(n) - n // 2
    r = np.sqrt(x[:, None, None] ** 2 + x[:, None] ** 2 + x**2)
    mask = ((1 + np.cos(np.pi * np.clip((r - radius) / 4, 0, 1))) / 2).astype(np.float32)
    curve = shell_correlation(work.map() * mask, density * mask)
    below = np.flatnonzero(curve[1:] < 0.5)
    return n * PIXEL_A / (below[0] + 1 if len(below) else n // 2)


def from_distances(sd: float, partners: int, seeds: range) -> None:
    """Print the O(4) error of recovery from perturbed distances of 1650 views."""
    errors, seconds = [], []
    for seed in seeds:
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
        f"| {name} | {np.median(errors):.2e} rad ({max(errors):.2e}) | | | {np.median(seconds):.1f} | | {len(seeds)} |",
        flush=True,
    )


def frame(seeds: range) -> None:
    """Print how often the camera frame and the transpose are found from 150 images at SNR 1/16."""
    right, errors, seconds = 0, [], []
    for seed in seeds:
        images, views, _, _ = make(Case(150, 116, 1 / 16), seed)
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
        f"| T3 frame, {right}/{len(seeds)} right | {np.median(errors):.4f} rad ({max(errors):.4f}) | | | "
        f"{np.median(seconds):.1f} | | {len(seeds)} |",
        flush=True,
    )


DOUBTFUL = (
    (Case(12, 48), "C1"), (Case(30, 48, 1), "C1"), (Case(60, 48, 1 / 2), "C1"), (Case(60, 48, 1 / 4), "C1"),
    (Case(60, 48, 1 / 10), "C1"), (Case(150, 48, 1 / 4), "C1"), (Case(60, 48, 5), "C2"), (Case(60, 48, 5), "D3"),
    (Case(60, 48, 1, group="D2"), "D2"), (Case(60, 48, 1, group="C4"), "D2"),
)  # fmt: skip
"""Conditions some of which must fail, and the symmetry that is claimed."""


def reliability(seeds: range) -> None:
    """Print which part of the images of each confidence is right within 10°."""
    said, right = [], []
    for case, claimed in DOUBTFUL:
        for seed in seeds:
            images, views, _, _ = make(case, seed)
            group = point_group(claimed)
            *_, found = solve(images, group, Plan(0.0, particle_radius_px(images), starts=2, seed=seed))
            elements = np.asarray(point_group(case.group).rotations)
            said.append(found.confidence)
            right.append(np.degrees(align_views(views, found.rotations, elements)[2]) < 10)
    confidence, good = np.concatenate(said), np.concatenate(right)
    for low, high in ((0, 0.1), (0.1, 0.3), (0.3, 0.7), (0.7, 0.9), (0.9, 1.01)):
        here = (confidence >= low) & (confidence < high)
        if here.any():
            means = f"{confidence[here].mean():.2f} | {good[here].mean():.2f} right | {here.sum()} images"
            print(f"| confidence {low}–{min(high, 1):g} | {means} | | | {len(seeds)} |", flush=True)


def main() -> None:
    """Print one line a target."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--first", type=int, default=0, help="first seed")
    parser.add_argument("--data", type=Path, default=Path(__file__).parents[2] / "shared/data")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--only", default="")
    given = parser.parse_args()
    threads.set_threads(given.threads)
    seeds = range(given.first, given.first + given.seeds)
    wanted = given.only.split(",") if given.only else ["T1", "T2", "T3", *IMAGES, "reliability"]
    print("| case | median ° (worst) | mean ° (worst) | median rad | CPU s | least confidence | seeds |")
    print("|---|---|---|---|---|---|---|")
    for name in wanted:
        if name == "T1":
            from_distances(0.0, 150, seeds)
        elif name == "T2":
            for sd in (0.2, 0.4, 0.8):
                from_distances(sd, 300, seeds)
        elif name == "T3":
            frame(seeds)
        elif name == "reliability":
            reliability(seeds)
        else:
            from_images(name, seeds, given.data)


if __name__ == "__main__":
    main()
