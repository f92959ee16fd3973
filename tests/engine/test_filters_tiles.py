"""Tiles: area averages keep the mean, enlargements keep the values, levels are robust, painting is exact."""

from __future__ import annotations

import numpy as np
import pytest

from emviewer.engine import filters_tiles as tiles
from emviewer.engine.types import ImageStack

RNG = np.random.default_rng(5)


def slow_area(image: np.ndarray, height: int, width: int) -> np.ndarray:
    """Area average by brute force: every pixel cut into height × width equal pieces."""
    fine = np.repeat(np.repeat(image, height, 0), width, 1)
    h, w = image.shape
    return fine.reshape(height, h, width, w).mean((1, 3))


@pytest.mark.parametrize(("shape", "size"), [((64, 64), 24), ((65, 65), 32), ((50, 30), 20), ((7, 9), 3)])
def test_smaller_is_the_area_average(shape, size):
    images = RNG.normal(size=(3, *shape)).astype(np.float32)
    small = tiles.resized(images, size)
    assert small.shape[1:] == tiles.fitted_shape(shape, size)
    assert max(small.shape[1:]) == size
    for one, image in zip(small, images, strict=True):
        np.testing.assert_allclose(one, slow_area(image.astype(float), *small.shape[1:]), atol=2e-5)


@pytest.mark.parametrize("size", [65, 100, 128, 191])
def test_a_little_larger_is_bilinear_and_exact_on_a_ramp(size):
    x = np.arange(64, dtype=np.float32)
    ramp = np.broadcast_to(x + 2 * x[:, None], (1, 64, 64)).copy()
    at = np.clip((np.arange(size) + 0.5) * 64 / size - 0.5, 0, 63)
    np.testing.assert_allclose(tiles.resized(ramp, size)[0], at + 2 * at[:, None], atol=1e-3)


def test_much_larger_shows_pixels_as_squares():
    image = RNG.normal(size=(1, 8, 8)).astype(np.float32)
    np.testing.assert_array_equal(tiles.resized(image, 32)[0], np.repeat(np.repeat(image[0], 4, 0), 4, 1))


@pytest.mark.parametrize("shape", [(1, 1), (1, 5), (300, 1)])
def test_odd_little_images_do_not_break(shape):
    image = np.full((1, *shape), 3.0, np.float32)
    out = tiles.resized(image, 16)
    assert min(out.shape) >= 1
    np.testing.assert_allclose(out, 3.0, rtol=1e-6)


def test_tile_levels_are_mean_and_three_sigma_even_on_a_large_offset():
    images = (1e4 + RNG.normal(0, 2, (4, 50, 50))).astype(np.float32)
    images[2, 0, 0] = np.nan
    low, high = tiles.tile_levels(images)
    mean, sd = np.nanmean(images, (1, 2), dtype=float), np.nanstd(images, (1, 2), dtype=float)
    np.testing.assert_allclose((low + high) / 2, mean, rtol=1e-7)
    np.testing.assert_allclose((high - low) / 6, sd, rtol=1e-3)


def test_painting_rounds_to_the_nearest_of_256_and_clips():
    table = np.arange(256, dtype=np.uint32) + 0xFF000000
    values = np.array([[[-9.0, 0.0, 0.5, 1.0, 9.0, np.nan]]], np.float32)
    assert (tiles.as_pixels(values, 0.0, 1.0, table) & 0xFF).tolist() == [[[0, 0, 128, 255, 255, 0]]]
    flat = tiles.as_pixels(values[..., :2], 0.5, 0.5, table)
    assert set(np.unique(flat & 0xFF)) <= {0, 255}


def test_sample_ignores_constant_and_missing_images_and_reads_few():
    data = RNG.normal(size=(1000, 32, 32)).astype(np.float32)
    data[::7] = 50.0
    data[3, 4] = np.nan
    asked: list[int] = []
    inner = ImageStack.from_array(data)

    def read(ids):
        asked.extend(ids.tolist())
        return inner.read(ids)

    values = tiles.sampled_values(ImageStack(1000, (32, 32), 1.0, read), max_images=40)
    assert len(asked) == 40
    assert np.isfinite(values).all()
    assert values.max() < 10
    assert len(values) > 10_000


def test_sample_of_nothing_is_empty_and_of_flat_images_is_their_value():
    assert len(tiles.sampled_values(ImageStack.from_array(np.empty((0, 4, 4), np.float32)))) == 0
    flat = tiles.sampled_values(ImageStack.from_array(np.full((3, 4, 4), 2.0, np.float32)))
    assert set(flat.tolist()) == {2.0}


def test_low_pass_halves_the_cut_off_and_keeps_the_mean():
    x = np.arange(64)
    wave = np.cos(2 * np.pi * x * 8 / 64)[None, None, :] * np.ones((1, 64, 1))
    image = (wave + 3).astype(np.float32)
    out = tiles.low_passed(image, cutoff_px=8.0)
    assert out.mean() == pytest.approx(3, abs=1e-4)
    assert np.ptp(out) == pytest.approx(1.0, abs=1e-3)
