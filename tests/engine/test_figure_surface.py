"""Surfaces drawn by rays: balls whose outline is known."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from emviewer.engine import figure, mrc
from emviewer.engine.figure_spec import parse
from emviewer.engine.figure_surface import CYAN, RED, Body, render
from emviewer.engine.types import Map3D, RigidTransform

RADIUS_A, PIXEL = 24.0, 2.0
STILL = RigidTransform(np.eye(3), np.zeros(3))
BALL_A3 = 4 / 3 * np.pi * RADIUS_A**3


def ball(n: int = 48, pixel: float = PIXEL, centre_A: tuple[float, float, float] = (0, 0, 0)) -> Map3D:
    """Return a soft ball."""
    z, y, x = ((np.indices((n, n, n)) - n // 2) * pixel).astype(float)
    distance = np.sqrt((x - centre_A[0]) ** 2 + (y - centre_A[1]) ** 2 + (z - centre_A[2]) ** 2)
    return Map3D((1 / (1 + np.exp((distance - RADIUS_A) / pixel))).astype(np.float32), pixel)


def seen(volume: Map3D, motion: RigidTransform = STILL, **camera) -> np.ndarray:
    """Return where the surface is seen from a distance of 200 Å."""
    spec = parse({"kind": "surface", "reference": "phantom:C1", "aspect": 1.0, **camera})
    picture = render([(Body.of(volume, motion, BALL_A3), CYAN)], spec, 200.0, 160)
    return (picture < 1).any(axis=-1)


def middle(mask: np.ndarray) -> np.ndarray:
    """Return the centre of a mask, x and y from the middle in pixels."""
    y, x = np.nonzero(mask)
    return np.array([x.mean() + 0.5 - mask.shape[1] / 2, y.mean() + 0.5 - mask.shape[0] / 2])


@pytest.mark.parametrize("n, pixel", [(48, 2.0), (150, 0.7)])
def test_a_ball_is_a_disc_of_the_size_that_perspective_gives_it(n, pixel):
    mask = seen(ball(n, pixel))
    radius = np.tan(np.arcsin(RADIUS_A / 200)) / np.tan(np.radians(30)) * 80
    assert np.sqrt(mask.sum() / np.pi) == pytest.approx(radius, abs=0.8)
    assert np.all(np.abs(middle(mask)) < 0.3)


def test_what_is_moved_is_seen_where_it_is():
    turn = np.array([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]])
    motion = RigidTransform(turn, np.array([0.0, 0.0, 6.0]))
    scale = 80 / np.tan(np.radians(30)) / 200
    # seen from +x, y runs to the right and z up; x = 15 turns to y = 15
    mask = seen(ball(64, 2.0, (15, 0, 0)), motion, azimuth_deg=0.0, elevation_deg=0.0)
    np.testing.assert_allclose(middle(mask), [15 * scale, -6 * scale], atol=0.6)
    looked_at = seen(ball(64, 2.0, (15, 0, 0)), motion, azimuth_deg=0.0, elevation_deg=0.0, centre_A=(0, 15, 6))
    assert np.all(np.abs(middle(looked_at)) < 0.4)


def test_light_falls_from_the_eye():
    spec = parse({"kind": "surface", "reference": "phantom:C1", "aspect": 1.0})
    picture = render([(Body.of(ball(), STILL, BALL_A3), CYAN)], spec, 200.0, 160)
    np.testing.assert_allclose(picture[80, 80], CYAN, atol=0.03)
    rim = np.flatnonzero((picture[80] < 1).any(axis=-1))[1]
    assert picture[80, rim].max() < 0.75 * picture[80, 80].max()


def test_the_second_map_is_a_veil_over_the_first():
    spec = parse({"kind": "surface", "reference": "phantom:C1", "aspect": 1.0})
    bodies = [(Body.of(ball(), STILL, BALL_A3), paint) for paint in (CYAN, RED)]
    both = render(bodies, spec, 200.0, 60)[30, 30]
    assert CYAN[0] < both[0] < RED[0] and RED[2] < both[2] < CYAN[2]


def test_a_figure_of_two_maps_and_of_either(tmp_path):
    mrc.write_map(tmp_path / "ball.mrc", ball().data, PIXEL)
    base = {"kind": "surface", "reference": "ball.mrc", "map": "ball.mrc", "translation_A": [0, 60, 0], "width_mm": 40,
            "dpi": 100, "percent": 100 * BALL_A3 / (96.0**3), "azimuth_deg": 0, "elevation_deg": 0}  # fmt: skip
    colours = {}
    for show in ("both", "reference", "map"):
        figure.render(base | {"show": show}, tmp_path / f"{show}.png", base=tmp_path)
        with Image.open(tmp_path / f"{show}.png") as image:
            pixels = np.asarray(image.convert("RGB")).astype(int)
        colours[show] = (bool((pixels[..., 2] > pixels[..., 0] + 40).any()),
                         bool((pixels[..., 0] > pixels[..., 2] + 40).any()))  # fmt: skip
    assert colours == {"both": (True, True), "reference": (True, False), "map": (False, True)}
