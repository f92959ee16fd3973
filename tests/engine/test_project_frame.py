"""The frame of the images, and the gridding kernels that serve it."""

from __future__ import annotations

import numpy as np
import pytest
from oracles import Gaussians

from emviewer.engine.errors import ParameterError
from emviewer.engine.project_frame import frame_size, mass_radius_px
from emviewer.engine.project_gridding import gridding
from emviewer.engine.task import never


@pytest.mark.parametrize("box", [1, 2, 16, 63, 64, 65, 100, 127, 128, 131, 256, 400, 401])
@pytest.mark.parametrize("radius", [0.0, 0.3, 0.5, 0.6, 0.866])
def test_frames_hold_the_box_and_what_could_wrap_into_it_and_little_more(box, radius):
    frame = frame_size(box, radius * box)
    needed = max(box, box / 2 + radius * box)
    assert needed <= frame <= 1.13 * needed + 2


def test_good_boxes_of_compact_maps_are_their_own_frame():
    assert [frame_size(n, 0.45 * n) for n in (64, 100, 128, 256, 360, 400, 512)] == [64, 100, 128, 256, 360, 400, 512]


@pytest.mark.parametrize("shape", [(40, 40, 40), (41, 41, 41), (40, 44, 47)])
@pytest.mark.parametrize("radius", [8, 15])
def test_the_radius_of_a_ball_is_found_about_the_centre(shape, radius):
    distance = np.sqrt(sum(a * a for a in np.ix_(*(np.arange(n) - n // 2 for n in shape))))
    ball = (distance <= radius).astype(np.float32)
    assert mass_radius_px(ball, never) == pytest.approx(radius, abs=1)


def test_an_empty_map_has_no_radius():
    assert mass_radius_px(np.zeros((9, 9, 9), np.float32), never) < 1


def test_a_faint_rim_is_let_go():
    data = Gaussians(np.zeros((1, 3)), np.array([2.0]), np.ones(1)).density(33)
    faint = data + 1e-7
    assert mass_radius_px(faint, never) == mass_radius_px(data, never)


@pytest.mark.parametrize("interp", ["best", "nearest", "linear", "cubic"])
@pytest.mark.parametrize("pad", [1.0, 1.25, 2.0])
def test_the_table_holds_the_kernel_and_its_transform_is_the_integral(interp, pad):
    kernel = gridding(interp, pad)
    assert kernel.width <= 2 * kernel.bricks - 1
    table = kernel.table().astype(float)
    rows = len(table)
    for row, fraction in ((0, 0.0), (rows // 3, 0.0), (rows // 2 + 5, 0.5), (rows - 1, 0.25)):
        place = kernel.lead + 2 * (row + fraction) / rows
        expected = kernel.value(place - np.arange(2 * kernel.bricks))
        if interp != "nearest" or fraction == 0:
            np.testing.assert_allclose((table[row, 0] + fraction * table[row, 1])[: len(expected)], expected, atol=1e-4)
    x = np.linspace(-kernel.width / 2, kernel.width / 2, 20001)
    for frequency in (0.0, 0.1, 0.3):
        integral = np.trapezoid(kernel.value(x) * np.cos(2 * np.pi * frequency * x), x)
        assert float(kernel.transform(np.array([frequency]))[0]) == pytest.approx(integral, rel=1e-3, abs=1e-4)


def test_an_unknown_interpolation_is_refused_with_the_list():
    with pytest.raises(ParameterError, match="best, cubic, linear or nearest"):
        gridding("sinc", 2.0)
