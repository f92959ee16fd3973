import numpy as np
import pytest

from emviewer.engine.filters_display import (
    amplitude_spectrum,
    bin_volume,
    cut,
    distribution,
    halved,
    map_distribution,
    pyramid,
    soft_lowpass,
    subsample,
)


@pytest.fixture
def volume():
    return np.random.default_rng(0).normal(size=(11, 12, 13)).astype(np.float32)


def test_a_cut_is_the_plane_and_a_slab_is_the_mean_of_its_planes(volume):
    np.testing.assert_array_equal(cut(volume, 0, 4), volume[4])
    np.testing.assert_array_equal(cut(volume, 1, 4), volume[:, 4])
    np.testing.assert_array_equal(cut(volume, 2, 4), volume[:, :, 4])
    np.testing.assert_allclose(cut(volume, 2, 4, 2), volume[:, :, 2:7].mean(2), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(cut(volume, 0, 1, 3), volume[:5].mean(0), rtol=1e-5, atol=1e-6)
    with pytest.raises(IndexError):
        cut(volume, 0, 11)


def test_a_cut_does_not_hold_on_to_the_map(volume):
    image = cut(volume, 0, 3)
    image[:] = 0
    assert volume[3].any() and image.flags.c_contiguous


def test_the_sample_is_small_finite_and_represents_the_whole():
    data = np.random.default_rng(1).normal(3, 2, (90, 100, 110)).astype(np.float32)
    data[0, 0, 0] = np.nan
    sample = subsample(data, 20_000)
    assert 5_000 < len(sample) <= 20_000 and np.isfinite(sample).all()
    assert abs(sample.mean() - 3) < 0.06 and abs(sample.std() - 2) < 0.05
    assert len(subsample(data)) <= 200_000
    np.testing.assert_array_equal(subsample(np.arange(5.0)), np.arange(5.0, dtype=np.float32))


def test_robust_range_is_the_percentiles_and_outliers_do_not_move_it():
    values = np.random.default_rng(2).normal(size=100_000).astype(np.float32)
    values[:5] = 1e6
    found = distribution(values)
    assert (found.auto_low, found.auto_high) == pytest.approx(tuple(np.percentile(values, (0.5, 99.5))))
    assert found.high == 1e6 and found.counts.sum() == found.n == len(values)


@pytest.mark.parametrize("values", [np.zeros(10), np.full(4, -3.0), np.empty(0), np.r_[np.zeros(9999), 1.0]])
def test_ranges_are_never_empty(values):
    found = distribution(values.astype(np.float32))
    assert found.high > found.low and found.auto_high > found.auto_low


def test_clipped_fractions():
    found = distribution(np.linspace(0, 1, 10_001, dtype=np.float32))
    below, above = found.clipped(0.1, 0.8)
    assert (below, above) == pytest.approx((0.1, 0.2), abs=1e-3)
    assert found.clipped(-1, 2) == pytest.approx((0, 0), abs=1e-12)


def test_a_compact_particle_is_not_left_white():
    z, y, x = np.mgrid[-40:40, -40:40, -40:40]
    r = np.sqrt(x**2 + y**2 + z**2)
    data = np.where(r < 12, 10 - r / 2, 0).astype(np.float32)
    data += np.random.default_rng(3).normal(0, 0.1, data.shape).astype(np.float32)
    whole, seen = distribution(subsample(data)), map_distribution(data)
    inside = data[r < 12]
    assert (inside > whole.auto_high).mean() > 0.3
    assert (inside > seen.auto_high).mean() < 0.1


def test_binning_is_the_mean_of_blocks(volume):
    image = volume[0]
    expected = image[:10, :10].reshape(5, 2, 5, 2).mean((1, 3))
    np.testing.assert_allclose(halved(image)[:5, :5], expected, rtol=1e-5, atol=1e-6)
    assert halved(image).shape == (6, 6) and halved(image[:1]).shape == (1, 13)
    levels = pyramid(np.kron(image[:8, :8], np.ones((256, 256))))
    assert list(levels) == [2, 4, 8] and pyramid(image) == {}
    np.testing.assert_allclose(levels[4][::64, ::64], image[:8, :8], rtol=1e-5)
    binned = bin_volume(volume, 2)
    assert binned.shape == (6, 6, 7)
    np.testing.assert_allclose(binned[1, 2, 3], volume[2:4, 4:6, 6:8].mean(), rtol=1e-5)
    np.testing.assert_allclose(binned.sum() * 8, volume.sum(), rtol=1e-4)


def test_low_pass_keeps_what_is_coarser_and_removes_what_is_finer():
    x = np.arange(64)
    coarse, fine = np.cos(2 * np.pi * x / 16), np.cos(2 * np.pi * x / 4)
    image = (coarse + fine)[None].repeat(64, 0).astype(np.float32)
    np.testing.assert_allclose(soft_lowpass(image, 8.0), coarse[None].repeat(64, 0), atol=1e-5)
    np.testing.assert_array_equal(soft_lowpass(image, 0.0), image)


@pytest.mark.parametrize("shape", [(64, 64), (65, 50)])
def test_spectrum_has_frequency_zero_at_the_centre_voxel(shape):
    h, w = shape
    k = 5
    wave = np.cos(2 * np.pi * k * np.arange(w) / w)[None].repeat(h, 0).astype(np.float32)
    spectrum = amplitude_spectrum(wave)
    peak = np.unravel_index(np.argmax(spectrum), shape)
    assert peak[0] == h // 2 and abs(peak[1] - w // 2) == k
    assert np.isfinite(amplitude_spectrum(np.full(shape, np.nan, np.float32))).all()
