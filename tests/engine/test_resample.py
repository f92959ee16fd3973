"""Resampling about the centre: direct trigonometric sums, round trips, and centres that stay."""

from __future__ import annotations

import numpy as np
import pytest

from emviewer.engine import resample
from emviewer.engine.task import Cancelled

SIZES = [(8, 12), (8, 13), (9, 12), (9, 13), (12, 8), (13, 8), (12, 9), (13, 9), (12, 11), (11, 12), (10, 10)]


def trigonometric(x: np.ndarray, m: int) -> np.ndarray:
    """Evaluate the trigonometric polynomial through x, without frequencies beyond m/2, at the places of m samples."""
    n = len(x)
    place = (np.arange(m) - m // 2) * n / m + n // 2
    total = np.zeros(m)
    for k, value in zip(np.fft.fftfreq(n, 1 / n), np.fft.fft(x), strict=True):
        if 2 * abs(k) == n and m >= n:
            total += value.real * np.cos(np.pi * place)
        elif 2 * abs(k) <= m:
            total += (value * np.exp(2j * np.pi * k * place / n)).real
    return total / n


@pytest.mark.parametrize(("n", "m"), SIZES)
def test_fourier_resize_evaluates_the_trigonometric_polynomial_on_every_axis(n, m):
    rng = np.random.default_rng(n * m)
    for axis in range(3):
        data = np.moveaxis(rng.normal(size=(n, 4, 3)), 0, axis).astype(np.float32)
        shape = [m if i == axis else s for i, s in enumerate(data.shape)]
        found = resample.fourier_resize(data, shape)
        expected = np.apply_along_axis(trigonometric, axis, data.astype(float), m)
        np.testing.assert_allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize("shape", [(8, 8, 8), (9, 9, 9), (7, 8, 9)])
def test_up_and_down_again_changes_nothing(shape):
    data = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    up = resample.fourier_resize(data, (12, 13, 14))
    np.testing.assert_allclose(resample.fourier_resize(up, shape), data, atol=1e-5)


@pytest.mark.parametrize(("n", "m"), [(64, 32), (64, 33), (65, 32), (65, 33), (48, 80)])
def test_what_stands_on_the_centre_stays_there(n, m):
    y, x = np.mgrid[:n, :n] - n // 2
    image = np.exp(-(x**2 + y**2) / (2 * (n / 12) ** 2)).astype(np.float32)
    found = resample.fourier_resize(image, (m, m))
    v, u = (np.mgrid[:m, :m] - m // 2) * n / m
    np.testing.assert_allclose(found, np.exp(-(u**2 + v**2) / (2 * (n / 12) ** 2)), atol=1e-4)


def test_stacks_are_resampled_image_by_image_and_constants_kept():
    stack = np.random.default_rng(0).normal(size=(3, 16, 18)).astype(np.float32)
    found = resample.fourier_resize(stack, (12, 13))
    for image, result in zip(stack, found, strict=True):
        np.testing.assert_allclose(resample.fourier_resize(image, (12, 13)), result, atol=1e-6)
    np.testing.assert_allclose(resample.fourier_resize(np.full((9, 9), 2.5, np.float32), (6, 6)), 2.5, atol=1e-6)


def test_the_input_is_never_returned():
    image = np.ones((8, 8), np.float32)
    assert resample.fourier_resize(image, (8, 8)) is not image


@pytest.mark.parametrize("n", [5, 6])
@pytest.mark.parametrize("m", [3, 4, 5, 6, 8, 9])
def test_boxes_are_cut_and_padded_about_the_centre(n, m):
    image = np.zeros((n, n), np.float32)
    image[n // 2, n // 2] = 1
    found = resample.resize_box(image, (m, m), fill=-1)
    assert found[m // 2, m // 2] == 1
    assert (found == 0).sum() == min(n, m) ** 2 - 1
    back = resample.resize_box(found, (n, n), fill=0)
    if m >= n:
        np.testing.assert_array_equal(back, image)


def test_whole_pixel_shifts_are_rolls_and_fractions_add_up():
    images = np.random.default_rng(0).normal(size=(3, 14, 15)).astype(np.float32)
    found = resample.shift_images(images, [[1, 2], [0, -3], [0, 0]])
    expected = [np.roll(images[0], (2, 1), (0, 1)), np.roll(images[1], (-3, 0), (0, 1)), images[2]]
    np.testing.assert_allclose(found, expected, atol=1e-5)
    smooth = resample.fourier_resize(images, (9, 9))
    twice = resample.shift_images(resample.shift_images(smooth, [[0.3, 0.7]] * 3), [[0.7, 0.3]] * 3)
    np.testing.assert_allclose(twice, np.roll(smooth, (1, 1), (1, 2)), atol=1e-5)


@pytest.mark.parametrize("target", [0.7, 1.3, 3.0, 3.33])
def test_pixel_sizes_are_reached_and_images_stay_in_place(target):
    n, pixel = 96, 1.27
    y, x = np.mgrid[:n, :n] - n // 2
    image = np.exp(-((x - 6) ** 2 + (y + 9) ** 2) / (2 * 8.0**2)).astype(np.float32)
    found, reached = resample.to_pixel_size(image[None], pixel, target, 2)
    assert reached == pytest.approx(target, rel=5e-3)
    m = found.shape[-1]
    v, u = (np.mgrid[:m, :m] - m // 2) * reached / pixel
    inside = (abs(u) < 40) & (abs(v) < 40)
    expected = np.exp(-((u - 6) ** 2 + (v + 9) ** 2) / (2 * 8.0**2))
    np.testing.assert_allclose(found[0][inside], expected[inside], atol=1e-3)


def test_resampling_can_be_cancelled():
    def check() -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        resample.fourier_resize(np.ones((16, 16, 16), np.float32), (8, 8, 8), check)
