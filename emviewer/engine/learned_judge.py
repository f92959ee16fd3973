"""How good a trained distance is: its calibration, and its errors on views that neither training nor that has seen."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from emviewer.engine.learned import LearnedDistance, folded_angles
from emviewer.engine.learned_calibrate import Calibration, fit, pair_certainty
from emviewer.engine.learned_cells import Cells
from emviewer.engine.learned_draw import Draws
from emviewer.engine.learned_network import Network
from emviewer.engine.rotations import angle_modulo_deg, random_rotations
from emviewer.engine.task import Check, never
from emviewer.engine.types import F64

SHOWN_PAIRS = 4000


@dataclass(frozen=True)
class Level:
    """Errors at one signal-to-noise ratio.

    Parameters
    ----------
    snr : float
        The ratio.
    mae_rad, rms_rad : float
        Mean absolute and root mean square error of the distances of all pairs.
    median_deg, mean_deg : float
        Error of the view of single images.
    certainty : float
        Median.
    """

    snr: float
    mae_rad: float
    rms_rad: float
    median_deg: float
    mean_deg: float
    certainty: float


@dataclass(frozen=True, eq=False)
class Pairs:
    """Some pairs of held-out views: true and estimated distance, standard deviation (rad), ratio of the images."""

    truth: F64
    estimate: F64
    spread: F64
    snr: F64


def calibrate(
    network: Network, cells: Cells, draws: Draws, rng: np.random.Generator, n: int = 700, check: Check = never
) -> Calibration:
    """Return the calibration of a network, from all pairs of ``n`` fresh views over the range of ratios."""
    blank = Calibration(np.zeros(1), np.zeros((1, 1)), np.zeros((1, 1)), np.zeros((1, 1)))
    orders, views, _ = draws.batch(n, rng, check)
    seen = LearnedDistance(network, draws.rings, cells, blank).embed_orders(orders, check)
    group = np.asarray(cells.group.rotations)
    upper = np.triu_indices(n, 1)
    return fit(
        folded_angles(seen.views, group)[upper], folded_angles(views, group)[upper],
        pair_certainty(seen.certainty, seen.certainty)[upper],
    )  # fmt: skip


def judge(
    model: LearnedDistance, draws: Draws, rng: np.random.Generator, n: int = 300, check: Check = never
) -> tuple[list[Level], Pairs]:
    """Return the errors at the ends and in the middle of the range of ratios, and some pairs of each."""
    low, high = draws.conditions.snr
    levels, parts = [], []
    for snr in sorted({low, float(np.sqrt(low * high)), high}):
        views = random_rotations(n, rng)
        level, pairs = at(model, draws, views, snr, rng, check)
        levels.append(level)
        parts.append(pairs)
    few = max(1, SHOWN_PAIRS // len(parts))
    chosen = [rng.permutation(len(p.truth))[:few] for p in parts]
    columns = [
        np.concatenate([getattr(p, name)[rows] for p, rows in zip(parts, chosen, strict=True)])
        for name in ("truth", "estimate", "spread", "snr")
    ]
    return levels, Pairs(*columns)


def at(
    model: LearnedDistance, draws: Draws, views: F64, snr: float, rng: np.random.Generator, check: Check = never
) -> tuple[Level, Pairs]:
    """Return the errors on fresh images of these views at one ratio, and all their pairs."""
    n, group = len(views), np.asarray(model.cells.group.rotations)
    orders = draws.reader.read(draws.images(views, np.full(n, snr), rng, check), check)
    seen = model.embed_orders(orders, check)
    upper = np.triu_indices(n, 1)
    distance, spread = (part[upper] for part in model.distances(seen, check))
    truth = folded_angles(views, group)[upper]
    off = distance - truth
    angle = angle_modulo_deg(views, seen.views, group)
    level = Level(
        snr, float(np.abs(off).mean()), float(np.sqrt((off**2).mean())), float(np.median(angle)), float(angle.mean()),
        float(np.median(seen.certainty)),
    )  # fmt: skip
    return level, Pairs(truth, distance, spread, np.full(len(truth), snr))
