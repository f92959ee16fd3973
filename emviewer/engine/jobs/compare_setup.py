"""What is estimated from a sample of the images before all are compared: contrast, weights of rings, chance."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from emviewer.engine.jobs.compare_inputs import Inputs
from emviewer.engine.jobs.compare_map import MapComparison, Prepared
from emviewer.engine.jobs.compare_params import CompareParams
from emviewer.engine.jobs.compare_read import Reader
from emviewer.engine.jobs.compare_scores import Null
from emviewer.engine.match_null import random_phases
from emviewer.engine.match_search import Matches
from emviewer.engine.task import Check
from emviewer.engine.types import F64, Map3D

CALIBRATION = 48
"""Images from which the weights of rings are estimated."""
CHANCE = 24
"""Images that are compared with every map of random phases."""
NULL_MAPS = 2
"""Maps of random phases; one alone may resemble the images at low resolution by luck."""
MAGNIFICATION_STEPS = (0.02, 0.005)
"""Relative steps of the two passes that fit the magnification; the first reaches 4 %."""
CONTRAST = 16
"""Images from which the contrast is told."""


def sample_ids(reader: Reader, most: int) -> NDArray[np.int64]:
    """Return up to ``most`` evenly spread row ids."""
    n = len(reader)
    return np.unique(np.linspace(0, n - 1, min(n, most)).astype(np.int64))


def choose_contrast(
    comparison: MapComparison, reader: Reader, params: CompareParams, check: Check, most: int = CONTRAST
) -> int:
    """Return 1 when particles are bright as in the map, -1 when dark: the sign that fits a sample better."""
    if params.contrast != "auto":
        return 1 if params.contrast == "positive" else -1
    batch = reader.prepared(comparison, sample_ids(reader, most))
    return comparison.sign * _better_sign(comparison, batch, reader.given(batch.ids), check)


def _better_sign(comparison: MapComparison, batch: Prepared, given: tuple[F64, F64] | None, check: Check) -> int:
    """Return 1 if the better half of a batch fits the map more as it is, -1 if it does with its contrast turned."""
    n = len(batch.ids)
    if n == 0:
        return 1
    total = []
    for values in (batch.values, -batch.values):
        found = comparison.coarse(replace(batch, values=values), given, check)
        total.append(float(np.sort(found.score[:, 0])[-max(1, n // 2) :].mean()))
    return 1 if total[0] >= total[1] else -1


def calibrate(comparison: MapComparison, reader: Reader, check: Check, most: int = CALIBRATION) -> None:
    """Weigh every ring by what images and reprojections have in common there, estimated from a sample.

    The weight is ``c / (1 - c²) / sqrt(P_image · P_map)`` with ``c`` the mean ring correlation of the better half:
    that of two noisy copies of one signal. It takes care of maps that are sharpened and images that are not.
    """
    batch = reader.prepared(comparison, sample_ids(reader, most))
    if len(batch.ids):
        _weigh(comparison, batch, comparison.candidates(batch, reader.given(batch.ids), check, rough=True), check)


def _weigh(comparison: MapComparison, batch: Prepared, start: Matches, check: Check) -> None:
    """Set the weights of the rings from a batch and its candidates."""
    m = comparison.matcher
    found = comparison.refined(batch, start, check, quick=True)
    best = np.argsort(-found.score[:, 0])[: max(4, len(found.score) // 2)]
    values = batch.values[best]
    model = m.model_values(found.rotations[best, 0], found.displacement_px[best, 0])
    if batch.transfer is not None:
        model = model * batch.transfer[best]
    curve, shared, image_power, map_power = (np.zeros(m.n // 2 + 1) for _ in range(4))
    for a, b in zip(values, model, strict=True):
        pa, pb = m.ring_sums(np.abs(a) ** 2), m.ring_sums(np.abs(b) ** 2)
        norm = np.sqrt(pa * pb)
        both = m.ring_sums((a * b.conj()).real)
        curve += np.divide(both, norm, out=np.zeros_like(norm), where=norm > 0)
        shared += both
        image_power += pa
        map_power += pb
    count = np.bincount(m.rings, minlength=len(curve)).astype(np.int64)
    if comparison.params.radial_filter and comparison.radial is None:
        comparison.radial = radial_gain(shared, map_power)
        map_power *= comparison.radial**2
    m.set_weights(ring_weights(curve / len(best), image_power, map_power, count, len(best)))


def radial_gain(shared: F64, map_power: F64) -> F64:
    """Return the factors of rings of the map that fit the images best: least squares, smoothed, at most 1.

    Parameters
    ----------
    shared : ndarray of float64, shape (rings,)
        Sums over a sample of images times the conjugate of their reprojections, real parts.
    map_power : ndarray of float64, shape (rings,)
        Sums of the power of the reprojections.
    """
    gain = np.divide(shared, map_power, out=np.zeros_like(shared), where=map_power > 0)
    gain[:2] = gain[2]  # the lowest rings hold background and the mask's edge
    smooth = np.convolve(np.r_[gain[0], gain, gain[-1]], [0.25, 0.5, 0.25], "valid")
    smooth = np.maximum(smooth, 0)
    return np.asarray(smooth / smooth.max() if smooth.max() > 0 else np.ones_like(smooth))


def fit_magnification(comparison: MapComparison, reader: Reader, check: Check) -> float:
    """Return the factor of the images' pixel size under which the map explains a sample best, and apply it.

    Every factor tried refines the views anew, up to the middle band; the best is the top of a parabola.
    """
    batch = reader.prepared(comparison, sample_ids(reader, CALIBRATION))
    if len(batch.ids) == 0:
        return 1.0
    m = comparison.matcher
    start = comparison.candidates(batch, reader.given(batch.ids), check, rough=True)
    found = comparison.refined(batch, start, check, quick=True)
    best = np.argsort(-found.score[:, 0])[: max(4, len(found.score) // 2)]
    at = Matches(*(getattr(found, part)[best, :1] for part in ("rotations", "displacement_px", "score", "converged")))
    values, transfer = batch.values[best], None if batch.transfer is None else batch.transfer[best]
    slices, middle = m.slices, 1.0
    for step in MAGNIFICATION_STEPS:
        factors = middle * (1 + step * np.arange(-2, 3))
        score = []
        for factor in factors:
            m.slices = replace(slices, scale=slices.scale / factor)
            bands = (((m.coarse * m.finest) ** 0.5, 1, 6),)
            score.append(float(m.refine(values, at, bands=bands, transfer=transfer, check=check).score[:, 0].mean()))
        top = int(np.clip(np.argmax(score), 1, 3))
        low, mid, high = score[top - 1 : top + 2]
        bend = low - 2 * mid + high
        offset = 0.5 * (low - high) / bend if bend < 0 else float(np.argmax([low, mid, high]) - 1)
        middle = float(factors[top] * (1 + step * np.clip(offset, -1, 1)))
    m.slices = replace(slices, scale=slices.scale / middle)
    comparison.slices = m.slices
    return middle


def ring_weights(curve: F64, image_power: F64, map_power: F64, count: NDArray[np.int64], n_images: int) -> F64:
    """Return the weight of every ring from its mean correlation, powers, number of points and images."""
    smooth = np.convolve(np.r_[curve[1], curve[1:], curve[-1]], [0.25, 0.5, 0.25], "valid")
    c = np.clip(np.r_[smooth[0], smooth], 0.0, 0.998)[: len(curve)]
    noise = 2 / np.sqrt(np.maximum(count, 1) * n_images)
    low = np.flatnonzero(c[3:] < np.maximum(0.02, noise[3:]))
    if len(low):
        c[low[0] + 3 :] = 0
    norm = np.sqrt(image_power * map_power) / np.maximum(count, 1)
    weight = np.divide(c / (1 - c**2), norm, out=np.zeros_like(c), where=norm > 0)
    weight[:2] = weight[2]  # the lowest rings hold background and the mask's edge
    if not weight.any():
        return np.ones_like(c)
    return np.asarray(weight / weight.max())


def chance(
    comparison: MapComparison, volume: Map3D, inputs: Inputs, params: CompareParams, reader: Reader, check: Check
) -> Null:
    """Compare samples of the images with maps of random phases: contrast chosen, weighed, searched, refined alike."""
    slices = comparison.slices
    voxels = comparison.radius_px * 2 * slices.centre / (slices.scale * slices.n)
    cc, rows, drawn = [], [], []
    ids = sample_ids(reader, CHANCE)
    for number in range(NULL_MAPS):
        random = random_phases(slices, voxels, params.seed + number)
        other = MapComparison(volume, inputs, params, random)
        other.sign = comparison.sign
        batch: Prepared = reader.prepared(other, ids)
        if len(batch.ids) == 0:
            break
        given = reader.given(batch.ids)
        if params.contrast == "auto" and _better_sign(other, batch, given, check) < 0:
            other.sign = -comparison.sign
            batch = replace(batch, masked=-batch.masked, values=-batch.values)
        start = other.candidates(batch, given, check, rough=True)
        _weigh(other, batch, start, check)
        batch = other.filtered(batch)
        cc.append(other.correlations(batch, other.refined(batch, start, check)))
        rows.append(batch.ids)
        drawn.append(np.full(len(batch.ids), number))
    if not cc:
        return Null(np.empty(0), np.empty(0, np.int64), np.empty(0, np.int64))
    return Null(np.concatenate(cc), np.concatenate(rows), np.concatenate(drawn))
