"""Residual scores: gray fit in closed form, scores that mean what they say, and Xmipp's own numbers."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from emviewer.engine import match_grid, residuals, residuals_xmipp
from emviewer.engine.mrc import read_stack
from emviewer.engine.residuals_score import Scoring


def disc(d: int, radius: float) -> np.ndarray:
    r = np.hypot(*(np.indices((d, d)) - d // 2))
    return np.clip(radius + 0.5 - r, 0, 1).astype(np.float32)


@pytest.fixture
def pair():
    rng = np.random.default_rng(0)
    y, x = np.indices((32, 32)) - 16
    p = np.exp(-(x**2 + (y * 1.7) ** 2) / 60)[None].repeat(4, 0).astype(np.float32)
    noise = rng.normal(size=p.shape).astype(np.float32)
    return p, noise, disc(32, 13)


def test_gray_values_are_matched_in_closed_form(pair):
    p, _, mask = pair
    fit = residuals.fit_gray(3 * p - 7, p, mask)
    np.testing.assert_allclose(fit.scale, 3, rtol=1e-4)
    np.testing.assert_allclose(fit.offset, -7, rtol=1e-4)
    np.testing.assert_allclose(fit.cc, 1, atol=1e-6)
    assert np.abs(fit.residual).max() < 1e-4


def test_gray_fit_is_least_squares(pair):
    p, noise, mask = pair
    experiment = 2 * p + 0.3 * noise
    fit = residuals.fit_gray(experiment, p, mask)
    for i in range(4):
        w = np.sqrt(mask.ravel().astype(float))
        a = np.c_[p[i].ravel(), np.ones(p[i].size)] * w[:, None]
        expected = np.linalg.lstsq(a, experiment[i].ravel() * w, rcond=None)[0]
        np.testing.assert_allclose([fit.scale[i], fit.offset[i]], expected, rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(
        fit.residual, experiment - (fit.scale[:, None, None] * p + fit.offset[:, None, None]), atol=1e-5
    )


def test_negative_contrast_gives_the_same_correlation(pair):
    p, noise, mask = pair
    up = residuals.fit_gray(p + 0.1 * noise, p, mask)
    down = residuals.fit_gray(-p - 0.1 * noise, p, mask, sign=-1)
    np.testing.assert_allclose(up.cc, down.cc, rtol=1e-5)
    assert (down.scale < 0).all()


def test_flat_images_give_no_nan(pair):
    p, _, mask = pair
    fit = residuals.fit_gray(np.zeros_like(p), p, mask)
    assert (fit.cc == 0).all()
    assert np.isfinite(residuals.imed(fit, mask)).all()
    assert np.isfinite(residuals.ring_correlation(np.zeros_like(p), p, mask)).all()


def test_ring_correlation_of_equal_images_is_one_and_of_noise_small(pair):
    _p, noise, mask = pair
    same = residuals.ring_correlation(noise, 2 * noise, mask)
    np.testing.assert_allclose(same[:, 1:], 1, atol=1e-4)
    other = residuals.ring_correlation(noise[:2], noise[2:], mask)
    assert np.abs(other[:, 5:]).mean() < 0.3
    assert np.isnan(residuals.first_crossing_A(same, 2.0, 32)).all()


def test_crossing_is_interpolated():
    curve = np.array([[1, 1, 0.9, 0.6, 0.4, 0.1]])
    assert residuals.first_crossing_A(curve, 2.0, 10)[0] == pytest.approx(20 / 3.5)


def test_structure_lowers_the_log_determinant_and_noise_raises_the_distance_less(pair):
    p, noise, mask = pair
    smooth = np.cumsum(np.cumsum(noise, 1), 2)
    smooth = (smooth / smooth.std()).astype(np.float32)
    flat = np.ones_like(p)
    rough_fit, smooth_fit = (residuals.fit_gray(v, p, mask) for v in (noise, smooth))
    rough, soft = (residuals.residual_statistics(f, p, mask)[2] for f in (rough_fit, smooth_fit))
    assert (soft < rough).all()
    assert residuals.imed(smooth_fit, mask).min() > residuals.imed(rough_fit, mask).max()
    assert np.isfinite(residuals.residual_statistics(rough_fit, flat, mask)[0]).all()


def test_extra_density_has_positive_mean(pair):
    p, noise, mask = pair
    extra = p.copy()
    extra[:, 14:19, 14:19] += 0.5
    less = p.copy()
    less[:, 14:19, 14:19] -= 0.5
    for image, sign in ((extra, 1), (less, -1)):
        fit = residuals.fit_gray(image + 0.01 * noise, p, mask)
        mean = residuals.residual_statistics(fit, p, mask)[0]
        assert (np.sign(mean) == sign).all()


def test_robust_z_is_signed_and_not_masked_by_outliers():
    values = np.r_[np.random.default_rng(0).normal(5, 2, 1001), 1000.0, np.nan]
    z = residuals.robust_z(values)
    assert z[-2] > 300
    assert np.isnan(z[-1])
    assert np.std(z[:-2]) == pytest.approx(1, abs=0.1)
    assert (residuals.robust_z(np.ones(5)) == 0).all()


@pytest.mark.parametrize(("name", "tolerance"), [("betagal_job013", 1e-3), ("t20s_sim", 1e-2)])
def test_xmipps_own_numbers(shared_data, name, tolerance):
    folder = shared_data / "xmipp_outputs_on_class_averages"
    stack = read_stack(folder / f"{name}_residuals.mrcs")
    table = pd.read_csv(folder / f"{name}_scores.csv")
    images = stack[:]
    mean, deviation = residuals_xmipp.mean_and_deviation(images)
    np.testing.assert_allclose(residuals_xmipp.zscores(mean), table.zScoreResMean, atol=1e-6)
    np.testing.assert_allclose(residuals_xmipp.zscores(deviation), table.zScoreResVar, atol=1e-6)
    divergence = residuals_xmipp.covariance_divergence(
        lambda: (stack[i : i + 17] for i in range(0, len(stack), 17)), images.shape[1]
    )
    np.testing.assert_allclose(divergence, table.zScoreResCov, atol=tolerance)


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("d", [32, 33])
def test_all_scores_at_once_are_those_one_by_one(d, sign):
    rng = np.random.default_rng(d)
    experiment = rng.normal(3, 1, (5, d, d)).astype(np.float32)
    reprojection = (0.6 * sign * experiment + rng.normal(size=(5, d, d))).astype(np.float32)
    mask = match_grid.soft_disc(d, 9.0)
    rim = match_grid.soft_disc(d, match_grid.largest_radius_px(d)) * (1 - mask)
    residual = np.empty_like(experiment)
    got = Scoring(mask, rim).score(experiment, reprojection, residual, sign)
    fit = residuals.fit_gray(experiment, reprojection, mask, sign)
    mean, variance, logdet = residuals.residual_statistics(fit, reprojection, mask)
    for name, expected in (
        ("cc", fit.cc), ("scale", fit.scale), ("offset", fit.offset), ("imed", residuals.imed(fit, mask)),
        ("residual_mean", mean), ("residual_var", variance), ("residual_logdet", logdet),
    ):  # fmt: skip
        np.testing.assert_allclose(getattr(got, name), expected, rtol=2e-4, atol=2e-5, err_msg=name)
    np.testing.assert_allclose(residual, fit.residual, atol=1e-5)
    disc = np.hypot(*(np.indices((d, d)) - d // 2)) <= d // 2
    np.testing.assert_allclose(got.xmipp_mean, np.where(disc, residual, 0).mean(axis=(1, 2)), atol=1e-6)
    np.testing.assert_allclose(got.xmipp_deviation, np.where(disc, residual, 0).std(axis=(1, 2)), rtol=1e-5)
    beside = [np.average((x - np.average(x, weights=rim)) ** 2, weights=rim) for x in experiment.astype(float)]
    np.testing.assert_allclose(got.signal, np.clip(1 - beside / fit.spread**2, 0, 1), atol=1e-4)
