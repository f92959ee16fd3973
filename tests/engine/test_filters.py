"""Filters and masks: what passes, what does not, and where one half is."""

from __future__ import annotations

import numpy as np
import pytest

from emviewer.engine import filters
from emviewer.engine.errors import ParameterError
from emviewer.engine.types import Map3D


def wave(n: int, cycles: int) -> np.ndarray:
    return np.tile(np.cos(2 * np.pi * cycles * np.arange(n) / n), (n, 1)).astype(np.float32)


@pytest.mark.parametrize("n", [60, 61])
def test_lowpass_halves_a_wave_at_its_resolution_and_parts_the_others(n):
    pixel, cycles = 1.7, 12
    resolution = n * pixel / cycles
    for k, kept in ((cycles, 0.5), (cycles - 3, 1.0), (cycles + 3, 0.0)):
        found = filters.lowpass(wave(n, k), pixel, resolution)
        np.testing.assert_allclose(found, kept * wave(n, k), atol=1e-4)


def test_highpass_is_the_rest():
    image = np.random.default_rng(0).normal(size=(40, 40)).astype(np.float32)
    both = filters.lowpass(image, 2.0, 11.0) + filters.highpass(image, 2.0, 11.0)
    np.testing.assert_allclose(both, image, atol=1e-5)
    assert abs(filters.highpass(image + 5, 2.0, 11.0).mean()) < 1e-5


def test_bandpass_keeps_what_lies_between():
    total = wave(64, 2) + wave(64, 10) + wave(64, 25)
    found = filters.bandpass(total, 1.0, 64 / 5, 64 / 17)
    np.testing.assert_allclose(found, wave(64, 10), atol=1e-4)


def test_a_stack_is_filtered_image_by_image():
    stack = np.random.default_rng(1).normal(size=(3, 24, 30)).astype(np.float32)
    found = filters.lowpass(stack, 1.0, 5.0, spatial=2)
    for image, result in zip(stack, found, strict=True):
        np.testing.assert_allclose(filters.lowpass(image, 1.0, 5.0), result, atol=1e-6)


def test_a_map_is_filtered_alike_in_all_directions_and_keeps_its_frame():
    point = np.zeros((31, 31, 31), np.float32)
    point[15, 15, 15] = 1
    volume = Map3D(point, 2.0, origin_A=(1.0, 2.0, 3.0))
    found = filters.lowpass_map(volume, 9.0)
    assert found.origin_A == volume.origin_A
    np.testing.assert_allclose(found.data, found.data.transpose(2, 0, 1), atol=1e-6)
    assert found.data.sum() == pytest.approx(1, abs=1e-4)


def test_sharp_edges_and_anisotropic_boxes():
    found = filters.lowpass(np.ones((10, 17), np.float32), 1.0, 4.0, edge_px=0)
    np.testing.assert_allclose(found, 1, atol=1e-6)


@pytest.mark.parametrize("wrong", [0.0, -3.0, float("nan")])
def test_resolutions_that_are_none_are_refused(wrong):
    with pytest.raises(ParameterError, match="resolution"):
        filters.lowpass(np.ones((8, 8), np.float32), 1.0, wrong)


@pytest.mark.parametrize("shape", [(33, 40), (20, 21, 22)])
def test_soft_ball_is_one_inside_zero_outside_and_half_in_the_middle_of_its_edge(shape):
    mask = filters.soft_ball(shape, 5.0, 4.0)
    distance = np.sqrt(sum(a * a for a in np.ix_(*(np.arange(n) - n // 2 for n in shape))))
    assert (mask[distance <= 5] == 1).all()
    assert (mask[distance >= 9] == 0).all()
    np.testing.assert_allclose(mask[distance == 7], 0.5, atol=1e-6)
    assert set(np.unique(filters.soft_ball(shape, 5.0, 0.0))) == {0.0, 1.0}
