"""Unrolled images: circles become straight lines, a turn in the plane a shift along the angle."""

from __future__ import annotations

import numpy as np
import pytest

from emviewer.engine.filters_polar import unrolled


def plane(n, f):
    y, x = np.indices((n, n)) - n // 2
    return np.asarray(f(x, y), np.float32)


@pytest.mark.parametrize("n", [32, 33])
def test_rings_become_rows(n):
    out = unrolled(plane(n, np.hypot)[None])[0]
    assert out.shape[1] == 180
    np.testing.assert_allclose(out[2:], np.broadcast_to(np.arange(2, len(out))[:, None], out[2:].shape), atol=0.12)


def test_the_angle_goes_from_x_towards_y():
    out = unrolled(plane(41, lambda x, y: x)[None], 360)[0]
    np.testing.assert_allclose(out[10], 10 * np.cos(np.radians(np.arange(360))), atol=1e-5)
    out = unrolled(plane(41, lambda x, y: y)[None], 360)[0]
    np.testing.assert_allclose(out[10], 10 * np.sin(np.radians(np.arange(360))), atol=1e-5)


def test_a_quarter_turn_is_a_quarter_of_the_row():
    n = 41
    image = np.random.default_rng(0).normal(size=(n, n)).astype(np.float32)
    turned = np.rot90(image, -1)  # x axis goes to y axis, y down
    a, b = unrolled(np.stack([image, turned]), 120)
    np.testing.assert_allclose(np.roll(a, 30, axis=1), b, atol=1e-4)
