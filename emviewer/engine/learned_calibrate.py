"""From what a network says to radians: monotone curves, with their spread, fitted on views it was not trained on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from emviewer.engine.types import F64

KNOTS = 48
CLASSES = 4
LEAST_PAIRS = 40
"""A bin of fewer pairs is joined with its neighbour."""


@dataclass(frozen=True, eq=False)
class Calibration:
    """How an estimated distance is read, for pairs of growing certainty.

    Parameters
    ----------
    certainty : ndarray of float64, shape (classes,)
        Typical certainty of the pairs of a class, growing.
    estimate : ndarray of float64, shape (classes, knots)
        Estimates in rad, growing.
    distance : ndarray of float64, shape (classes, knots)
        Median true distance in rad at these estimates; never falls.
    spread : ndarray of float64, shape (classes, knots)
        Standard deviation of the true distance about it in rad, from quartiles.
    """

    certainty: F64
    estimate: F64
    distance: F64
    spread: F64

    def read(self, estimate: F64, certainty: F64) -> tuple[F64, F64]:
        """Return distances and their standard deviations in rad, both of the shape of ``estimate``."""
        place = np.interp(certainty, self.certainty, np.arange(len(self.certainty)))
        distance, spread = np.zeros(np.shape(estimate)), np.zeros(np.shape(estimate))
        for k, knots in enumerate(self.estimate):
            share = np.maximum(0, 1 - np.abs(place - k))
            distance += share * np.interp(estimate, knots, self.distance[k])
            spread += share * np.interp(estimate, knots, self.spread[k])
        return distance, spread


def pair_certainty(certainty: F64, others: F64) -> F64:
    """Return the certainty (n, m) of pairs of images of certainties (n,) and (m,): that both are right."""
    return np.asarray(certainty[:, None] * others)


def fit(estimate: F64, truth: F64, certainty: F64) -> Calibration:
    """Fit the curves to pairs.

    Parameters
    ----------
    estimate, truth : ndarray of float64, shape (p,)
        Distances in rad.
    certainty : ndarray of float64, shape (p,)
        Of the pairs.
    """
    edges = np.quantile(certainty, np.linspace(0, 1, CLASSES + 1))
    middle, rows = [], []
    for k in range(CLASSES):
        inside = (certainty >= edges[k]) & ((certainty < edges[k + 1]) | (k == CLASSES - 1))
        if inside.sum() < LEAST_PAIRS:
            continue
        middle.append(float(np.median(certainty[inside])))
        rows.append(_curve(estimate[inside], truth[inside]))
    if not rows:
        middle, rows = [0.5], [_curve(estimate, truth)]
    order = np.argsort(middle, kind="stable")
    tables = np.stack(rows)[order]
    apart = np.maximum.accumulate(np.asarray(middle)[order] + 1e-9 * np.arange(len(middle)))
    return Calibration(apart, tables[:, 0], tables[:, 1], tables[:, 2])


def _curve(estimate: F64, truth: F64) -> F64:
    """Return estimates, isotonic medians and spreads (3, KNOTS)."""
    order = np.argsort(estimate, kind="stable")
    x, y = estimate[order], truth[order]
    count = max(1, min(KNOTS, len(x) // LEAST_PAIRS))
    parts = np.array_split(np.arange(len(x)), count)
    at = np.array([np.median(x[p]) for p in parts])
    low, middle, high = (np.array([np.percentile(y[p], q) for p in parts]) for q in (25, 50, 75))
    weight = np.array([float(len(p)) for p in parts])
    middle = isotonic(middle, weight)
    spread = np.maximum((high - low) / 1.349, 1e-3)
    knots = np.linspace(0, np.pi, KNOTS)
    # beyond the estimates met, distances go on as they ended: never farther than the estimate itself asks for
    left, right = min(middle[0], at[0]), max(middle[-1], min(np.pi, middle[-1] + np.pi - at[-1]))
    xs, ys = np.r_[-1e-9, at, np.pi + 1e-9], np.r_[0.0 if at[0] > 0.1 else left, middle, right]
    return np.stack([knots, np.maximum.accumulate(np.interp(knots, xs, ys)), np.interp(knots, at, spread)])


def isotonic(values: F64, weight: F64) -> F64:
    """Return the non-falling sequence nearest to ``values`` in weighted least squares (pool adjacent violators)."""
    means: list[float] = []
    mass: list[float] = []
    length: list[int] = []
    for value, w in zip(values.tolist(), weight.tolist(), strict=True):
        means.append(value)
        mass.append(w)
        length.append(1)
        while len(means) > 1 and means[-2] > means[-1]:
            both = mass[-2] + mass[-1]
            means[-2:] = [(means[-2] * mass[-2] + means[-1] * mass[-1]) / both]
            mass[-2:], length[-2:] = [both], [length[-2] + length[-1]]
    return np.repeat(means, length)
