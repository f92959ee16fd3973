"""Scores of a whole set: robust z-scores, the outlier score and its flag, and the ranking of maps."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from emviewer.engine.residuals import robust_z
from emviewer.engine.types import F64

FLAG_Z = 3.5
"""Robust z beyond which an image is flagged; about 1 in 4 000 of a Gaussian set."""
FLAG_CHANCE_Z = 2.0
"""The same for images that are explained no better than by chance."""
TYPICAL_Z = 2.5
"""Robust z up to which an image counts for the median and spread of the others."""
LEAD = 0.7
"""Part of the outlier score of a given orientation that its lead over other views makes."""
SEPARATED = 4.0
"""Spreads by which the better quarter of a set must exceed chance before single images are flagged as chance."""
LEAST_SHARE = 0.25
"""Share of the images' signal (their variance beyond that beside the particle) a map must explain to explain them."""
UNDETERMINED = 3.0
"""Logarithm of the likelihood ratio of best and second view below which the view is said not to be determined."""
MANY_AT_LIMIT = 0.1
"""Share of the images at the largest shift from which this is said."""
NOTHING_LEFT = 0.01
"""Fraction of variance unexplained below which no image is flagged, however good the others are."""
COLUMNS = (
    "image", "image_name", "map", "status", "reason", "rot_deg", "tilt_deg", "psi_deg", "mirror", "shift_x_A",
    "shift_y_A", "cc", "cc_second", "cc_margin", "gray_scale", "gray_offset", "nrmse", "imed", "fvu", "frc05_A",
    "residual_mean", "residual_var", "residual_logdet", "z_mean", "z_var", "z_cov", "outlier_score", "outlier",
    "zScoreResMean", "zScoreResVar", "zScoreResCov",
)  # fmt: skip


@dataclass(frozen=True)
class Null:
    """Correlations that images reach with maps of random phases: what a search finds where there is nothing.

    Parameters
    ----------
    cc : ndarray of float64, shape (s,)
        Of a sample of the images.
    rows : ndarray of int64, shape (s,)
        Their row ids.
    drawn : ndarray of int64, shape (s,)
        Which random map it was.
    """

    cc: F64
    rows: np.ndarray[tuple[int], np.dtype[np.int64]]
    drawn: np.ndarray[tuple[int], np.dtype[np.int64]]

    def levels(self) -> list[tuple[float, float]]:
        """Return median and spread of the Fisher-transformed correlations with every random map."""
        maps = [_fisher(self.cc[self.drawn == number]) for number in np.unique(self.drawn)]
        return [(float(np.median(z)), _spread(z)) for z in maps]


def add_set_scores(table: pd.DataFrame, null: Null | None) -> None:
    """Fill the columns of one map's table (one row an image) that need the whole set, in place.

    ``outlier_score`` is the mean of two robust z-scores, of the correlation (Fisher-transformed, lower is worse) and
    of the logarithm of the image distance, against typical images that the map explains better than chance. Where the
    orientations were given, 70 % of it is the robust z-score of their lead over the best other view instead. An image
    is flagged beyond 3.5, beyond 2 if chance might explain it too while it does not explain the set, or if it lies
    well within what chance explains.
    """
    good = (table["status"] != "failed").to_numpy()
    with np.errstate(divide="ignore"):
        values = {
            "z_mean": table["residual_mean"].to_numpy(float),
            "z_var": np.log(np.maximum(table["residual_var"].to_numpy(float), 1e-12)),
            "z_cov": table["residual_logdet"].to_numpy(float),
        }
    for name, value in values.items():
        table[name] = robust_z(np.where(good, value, np.nan))
    fisher = _fisher(table["cc"].to_numpy(float))
    distance = np.log(np.maximum(table["imed"].to_numpy(float), 1e-6))
    chance = hopeless = np.zeros(len(table), bool)
    if null is not None and len(null.cc) >= 8 and good.any():
        middle, spread = max(null.levels())
        if np.quantile(fisher[good], 0.75) > middle + SEPARATED * spread:
            chance = good & (fisher < middle + 2 * spread)
            hopeless = good & (fisher < middle + spread / 2)
    reference = good & ~chance
    if reference.sum() < 8:
        reference = good
    parts = [(0.5, -fisher, 0.05), (0.5, distance, 0.05)]
    lead = table["_lead"].to_numpy(float)
    if (reference & np.isfinite(lead)).sum() >= 8:
        parts = [(weight * (1 - LEAD), *rest) for weight, *rest in parts] + [(LEAD, -lead, 0.01)]
    for _ in range(3):  # exceptions do not belong to what exceptions are measured by
        score = np.sum([weight * np.nan_to_num(_against(v, reference, floor)) for weight, v, floor in parts], axis=0)
        typical = reference & (score < TYPICAL_Z)
        if typical.sum() < 8:
            break
        reference = typical
    clean = table["fvu"].to_numpy(float) < NOTHING_LEFT
    flagged = good & ~clean & ((score > FLAG_Z) | (chance & (score > FLAG_CHANCE_Z)) | hopeless)
    worst = float(np.nanmax(score[good])) if good.any() else 0.0
    table["outlier_score"] = np.where(good, score, max(worst, FLAG_Z))
    table["outlier"] = (flagged | ~good).astype(int)
    table.loc[flagged, "status"] = "flagged"
    table.loc[flagged, "reason"] = np.where(
        chance[flagged],
        "explained no better than by a map of random phases",
        "explained worse than the rest of the set",
    )


def say_undetermined(table: pd.DataFrame, pixels: float) -> int:
    """Say in ``reason`` where another view explains an image almost as well, in place; return how many these are.

    In white noise the log-likelihood ratio of two views is ``N / 2 · (cc² - cc_second²) / (1 - cc²)`` for ``N`` pixels;
    on phantoms of 64 px at SNR 0.1, where half the views are wrong, 89 % of these are named; at SNR 1 none is.

    Parameters
    ----------
    table : DataFrame
        Scores of one map.
    pixels : float
        Number of pixels of the mask.
    """
    cc, second = (np.maximum(table[name].to_numpy(float), 0) for name in ("cc", "cc_second"))
    ratio = pixels / 2 * (cc**2 - second**2) / np.maximum(1 - cc**2, 1e-6)
    close = (ratio < UNDETERMINED) & (table["status"] == "ok").to_numpy()
    table.loc[close, "reason"] = "the view is not determined: another explains the image almost as well"
    return int(close.sum())


def at_limit(table: pd.DataFrame, max_shift_A: float, pixel_size_A: float) -> int:
    """Return how many images ended at the largest shift, to a twentieth of a pixel: theirs may be larger.

    Refinement stops there exactly, so images that are merely far off are not counted. Of 200 blobs displaced evenly up
    to 4 px along each axis 20.5 % lie beyond a limit of 4 px and 21.5 % are counted; none of those up to 2 px, at SNR 1
    neither, at SNR 0.1 1.5 %.
    """
    shift = np.hypot(table["shift_x_A"].to_numpy(float), table["shift_y_A"].to_numpy(float))
    return int(np.sum(shift > max_shift_A - 0.05 * pixel_size_A))  # false where it is not known


def _fisher(cc: F64) -> F64:
    return np.asarray(np.arctanh(np.clip(cc, -0.999999, 0.999999)))


def _spread(values: F64) -> float:
    known = values[np.isfinite(values)]
    if len(known) == 0:
        return 0.0
    return float(max(1.4826 * np.median(np.abs(known - np.median(known))), 1e-3))


def _against(values: F64, reference: np.ndarray[tuple[int], np.dtype[np.bool_]], floor: float) -> F64:
    known = values[reference & np.isfinite(values)]
    if len(known) == 0:
        return np.zeros(len(values))
    return np.asarray((values - np.median(known)) / max(_spread(known), floor))


def rank_maps(tables: dict[str, pd.DataFrame], nulls: dict[str, Null], weights: F64, seed: int) -> pd.DataFrame:
    """Rank maps by their paired per-image correlations.

    Parameters
    ----------
    tables : dict
        Per map, the scores by image, the same images in the same order.
    nulls : dict
        Per map, its null.
    weights : ndarray of float64, shape (n,)
        Weight of each image.
    seed : int
        Of the bootstrap.

    Returns
    -------
    DataFrame
        ``rank, map, mean_cc, ci_low, ci_high, wins, p_value, verdict``; the interval is the 95 % bootstrap interval
        over images, p is Wilcoxon's signed-rank test against the map ranked first (for the first: against the second).
    """
    names = list(tables)
    cc = np.array([tables[name]["cc"].to_numpy(float) for name in names])
    there = np.isfinite(cc).all(axis=0) & (weights > 0)
    cc, w = cc[:, there], weights[there]
    rng = np.random.default_rng(seed)
    n = cc.shape[1]
    rows = []
    mean = (cc * w).sum(axis=1) / w.sum() if n else np.zeros(len(names))
    order = np.argsort(-mean, kind="stable")
    draws = rng.integers(0, n, (1000, n)) if 0 < n <= 20_000 else None
    winner = np.argmax(cc, axis=0) if n else np.empty(0, int)
    for place, i in enumerate(order):
        other = order[1] if place == 0 and len(order) > 1 else order[0]
        low, high = _interval(cc[i], w, draws, mean[i])
        p = _paired_p(cc[order[0]], cc[other if place == 0 else i]) if len(order) > 1 else np.nan
        rows.append(
            {
                "rank": place + 1,
                "map": names[i],
                "mean_cc": mean[i],
                "ci_low": low,
                "ci_high": high,
                "wins": int((winner == i).sum()),
                "p_value": p,
                "verdict": _verdict(place, p, explains(tables[names[i]], nulls.get(names[i]))),
            }
        )
    return pd.DataFrame(rows)


def _interval(
    cc: F64, w: F64, draws: np.ndarray[tuple[int, int], np.dtype[np.int64]] | None, mean: float
) -> tuple[float, float]:
    if len(cc) < 2:
        return mean, mean
    if draws is None:
        half = 1.96 * float(np.sqrt(np.cov(cc, aweights=w) / len(cc)))
        return mean - half, mean + half
    sums = (cc * w)[draws].sum(axis=1) / w[draws].sum(axis=1)
    low, high = np.quantile(sums, [0.025, 0.975])
    return float(low), float(high)


def _paired_p(best: F64, other: F64) -> float:
    difference = best - other
    if len(difference) < 2 or not np.any(difference):
        return 1.0
    from scipy import stats  # costs 0.4 s to import, and a single map needs none

    return float(stats.wilcoxon(difference).pvalue)


def explains(table: pd.DataFrame, null: Null | None) -> bool:
    """Return whether a map explains the images better than chance does.

    The median Fisher-transformed correlation of the sampled images must exceed that of every random map by the
    spread of the images, and the map must explain a quarter of the signal where the images show that they have any.
    """
    if null is None or len(null.cc) == 0:
        return True
    rows = np.unique(null.rows)
    cc = table["cc"].to_numpy(float)[rows]
    known = np.isfinite(cc)
    if not known.any():
        return False
    z = float(np.median(_fisher(cc[known])))
    share = table["_signal"].to_numpy(float)[rows][known]
    signal = float(np.median(share[np.isfinite(share)])) if np.isfinite(share).any() else 0.0
    enough = not signal > 0.1 or float(np.median(np.maximum(cc[known], 0) ** 2)) > LEAST_SHARE * signal
    return enough and all(z > middle + spread for middle, spread in null.levels())


def _verdict(place: int, p: float, explained: bool) -> str:
    if not explained:
        return "does not explain these images"
    if place == 0:
        return "best" if not p >= 0.05 else "best, not significantly"
    return "worse than the best" if p < 0.05 else "not distinguishable from the best"
