"""Sampling of directions: the promises of ``even`` by brute force, Xmipp's lists, plain lists end to end."""

from __future__ import annotations

from time import process_time

import numpy as np
import pytest
from scipy.spatial import cKDTree

from emviewer.engine import sampling
from emviewer.engine.conventions import directions_from_angles, euler_to_matrix
from emviewer.engine.errors import ParameterError
from emviewer.engine.symmetry import point_group

GROUPS = ["C1", "C2", "C3", "C13", "Ci", "Cs", "C2v", "C7v", "C5h", "S4", "S6", "D2", "D3", "D7", "D1v", "D3v", "D4h"]
GROUPS += ["T", "Td", "Th", "O", "Oh", "I1", "I2", "I3", "I4", "I2h", "I4h"]
HIGH = ["C99", "C99v", "D50", "D99h", "S98"]


def copies(angles, group):
    d = directions_from_angles(angles[:, 0], angles[:, 1])
    return np.concatenate([d @ g.T for g in group.operations]), d


def probed_radius(angles, group, rot=(0, 360), tilt=(0, 180), n=20_000):
    """Largest distance from random directions of a range to the nearest view: a lower bound of the covering radius."""
    rng = np.random.default_rng(5)
    probes = directions_from_angles(rng.uniform(*rot, n), rng.uniform(*tilt, n))
    chord = cKDTree(copies(angles, group)[0]).query(probes)[0].max()
    return np.rad2deg(2 * np.arcsin(chord / 2))


def brute_separation(angles, group):
    every, d = copies(angles, group)
    cosine = every @ d.T
    cosine[np.tile(np.arange(len(d)), group.order)[:, None] == np.arange(len(d))] = -1
    return np.rad2deg(np.arccos(min(1.0, cosine.max()))) if len(d) > 1 else np.inf


@pytest.mark.parametrize("step", [7.0, 19.0, 30.0, 60.0])
@pytest.mark.parametrize("name", GROUPS)
def test_even_keeps_its_promises(name, step):
    group = point_group(name)
    angles = sampling.even(step, group)
    radius, separation = sampling.quality(angles, group)
    assert probed_radius(angles, group) - 1e-6 <= radius <= 0.75 * step
    brute = brute_separation(angles, group)
    assert brute >= 0.6 * step
    assert separation == pytest.approx(brute, abs=1e-5)
    assert (angles[:, 2] == 0).all()


@pytest.mark.parametrize("name", HIGH)
def test_even_keeps_its_promises_for_high_orders(name):
    group = point_group(name)
    angles = sampling.even(12.0, group)
    assert sampling.quality(angles, group)[0] <= 9.0
    assert probed_radius(angles, group) <= 9.0
    assert brute_separation(angles, group) >= 7.2


@pytest.mark.parametrize(("name", "step"), [("C1", 2.0), ("D2", 1.5), ("I", 1.0), ("Oh", 1.5), ("C99", 2.0)])
def test_even_keeps_its_promises_for_fine_steps(name, step):
    angles = sampling.even(step, name)
    radius, separation = sampling.quality(angles, name)
    assert radius <= 0.75 * step
    assert separation >= 0.6 * step
    assert probed_radius(angles, point_group(name)) <= radius + 1e-6


def test_even_makes_about_one_view_a_square_step():
    assert len(sampling.even(5, "C1")) == pytest.approx(41253 / 25, rel=0.08)
    assert len(sampling.even(5, "D7")) == pytest.approx(41253 / 25 / 14, rel=0.1)


def test_even_lies_in_the_asymmetric_unit_and_is_the_same_every_time():
    group = point_group("D3")
    angles = sampling.even(9.0, group)
    assert group.in_asymmetric_unit(directions_from_angles(angles[:, 0], angles[:, 1])).all()
    sampling._KEPT.clear()
    again = sampling.even(9.0, "d3")
    np.testing.assert_array_equal(again, angles)
    again[:] = 0
    np.testing.assert_array_equal(sampling.even(9.0, "D3"), angles)


RANGES = [
    ((0, 360), (0, 90)),
    ((350, 370), (0, 180)),
    ((-10, 10), (80, 100)),
    ((0, 180), (90, 180)),
    ((20, 50), (0, 30)),
    ((0, 360), (170, 180)),
    ((0, 360), (90, 90)),
    ((30, 30), (0, 180)),
    ((10, 20), (-30, -10)),
]


@pytest.mark.parametrize(("rot", "tilt"), RANGES)
@pytest.mark.parametrize("name", ["C1", "D2", "I"])
def test_even_honours_ranges(name, rot, tilt):
    group, step = point_group(name), 7.0
    angles = sampling.even(step, group, rot, tilt)
    assert len(angles)
    assert (angles[:, 0] >= rot[0]).all() and (angles[:, 0] <= rot[1]).all()
    assert (angles[:, 1] >= tilt[0]).all() and (angles[:, 1] <= tilt[1]).all()
    assert probed_radius(angles, group, rot, tilt) <= 0.75 * step
    assert brute_separation(angles, group) >= 0.6 * step
    radius, _ = sampling.quality(angles, group, rot, tilt)
    assert probed_radius(angles, group, rot, tilt) - 0.25 <= radius <= 0.75 * step


def test_lower_half_of_a_dihedral_group_is_as_good_as_the_upper():
    upper, lower = (sampling.even(10, "D6", tilt_range=t) for t in ((0, 90), (90, 180)))
    assert len(upper) == len(lower) == len(sampling.even(10, "D6"))


def test_a_range_of_one_direction_is_one_view():
    np.testing.assert_array_equal(sampling.even(5, "C1", (40, 40), (70, 70)), [[40, 70, 0]])
    assert len(sampling.even(5, "C1", (0, 360), (0, 0))) == 1


def test_forty_thousand_directions_in_under_two_seconds():
    sampling._KEPT.clear()
    start = process_time()
    angles = sampling.even(1.0, "C1")
    assert process_time() - start < 2.0
    assert len(angles) > 40_000
    start = process_time()
    radius, separation = sampling.quality(angles)
    assert process_time() - start < 1.5
    assert radius <= 0.75 and separation >= 0.6


@pytest.mark.parametrize("name", ["C1", "C4", "D6", "I1"])
def test_xmipps_lists_view_by_view(name, shared_data):
    expected = np.loadtxt(shared_data / "xmipp_gallery_grids" / f"{name.lower()}_5deg.csv", delimiter=",", skiprows=1)
    np.testing.assert_allclose(sampling.xmipp(5, name), expected, atol=1e-6)


@pytest.mark.parametrize(
    ("name", "step", "n"),
    [
        ("C1", 5, 1647),
        ("C4", 5, 395),
        ("D2", 5, 406),
        ("D6", 5, 131),
        ("D7", 5, 111),
        ("T", 5, 130),
        ("O", 5, 63),
        ("I1", 5, 26),
        ("I2", 5, 26),
        ("C1", 10, 409),
        ("D6", 10, 32),
    ],
)
def test_xmipps_counts(name, step, n):
    assert len(sampling.xmipp(step, name)) == n


def test_xmipp_filters_ranges_last_and_refuses_what_xmipp_hangs_on():
    assert len(sampling.xmipp(5, "C1", (0, 360), (0, 90))) == 859
    with pytest.raises(ParameterError, match="at least two steps"):
        sampling.xmipp(5, "C1", (0, 5), (0, 180))


def test_quality_of_xmipps_grid_is_what_was_measured_of_it():
    for name, hole, pair in [("C1", 3.48, 4.33), ("D2", 4.46, 4.33), ("O", 5.36, 4.76)]:
        radius, separation = sampling.quality(sampling.xmipp(5, name), name)
        assert hole - 0.01 <= radius <= hole + 0.2  # the published holes were probed, which finds them a little small
        assert separation == pytest.approx(pair, abs=0.01)


@pytest.mark.parametrize("name", ["C4", "D7", "T", "C5h"])
def test_covering_radius_is_that_of_the_deepest_hole_and_not_more(name):
    angles, group = sampling.xmipp(5, name), point_group(name)
    found = probed_radius(angles, group, n=200_000)
    assert found <= sampling.quality(angles, group)[0] <= found + 0.15


def test_a_view_is_no_neighbour_of_its_own_copies():
    assert sampling.quality([[0, 1, 0], [0, 91, 0]], "C7")[1] == pytest.approx(90)


def test_quality_of_known_arrangements():
    octahedron = [[0, 0, 0], [0, 180, 0], [0, 90, 0], [90, 90, 0], [180, 90, 0], [270, 90, 0]]
    radius, separation = sampling.quality(octahedron)
    assert radius == pytest.approx(np.rad2deg(np.arccos(1 / np.sqrt(3))))
    assert separation == pytest.approx(90)
    assert sampling.quality(octahedron[:1], "O")[0] == pytest.approx(54.7356, abs=1e-3)
    radius, separation = sampling.quality([[0, 0, 0]])
    assert 178 <= radius <= 180 and separation == np.inf
    assert 88 <= sampling.quality(sampling.tilt_series(90, -90, 90, 5))[0] <= 90
    doubled = sampling.with_psi(np.array(octahedron, float), 30)
    assert sampling.quality(doubled)[1] == pytest.approx(90)
    assert sampling.quality([[0, 90, 0], [180, 90, 0]], "C2")[1] == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize(("step", "nside"), [(30, 2), (15, 4), (7.5, 8), (3.7, 16), (10, 6)])
def test_healpix_has_relions_orders_and_equal_areas(step, nside):
    angles = sampling.healpix(step)
    assert len(angles) == 12 * nside**2
    radius, separation = sampling.quality(angles)
    assert radius < 0.9 * step and separation > 0.5 * 58.63 / nside
    z = np.cos(np.deg2rad(angles[:, 1]))
    np.testing.assert_allclose([z.mean(), (z**2).mean()], [0, 1 / 3], atol=0.02)


def test_healpix_first_and_last_rings_as_published():
    first = sampling.healpix_pixels(2)
    np.testing.assert_allclose(first[0], [0.2 / 0.2 * np.sqrt(1 - (11 / 12) ** 2) * np.sqrt(0.5)] * 2 + [11 / 12])
    np.testing.assert_allclose(first[:, 2], -first[::-1, 2], atol=1e-15)
    np.testing.assert_allclose(
        np.unique(np.round(first[:, 2], 9)), np.round([-11 / 12, -2 / 3, -1 / 3, 0, 1 / 3, 2 / 3, 11 / 12], 9)
    )


def test_healpix_is_reduced_by_symmetry():
    whole, part = len(sampling.healpix(5)), len(sampling.healpix(5, "D2"))
    assert part == pytest.approx(whole / 4, rel=0.05)


def test_grid_has_both_ends_and_not_360_beside_0():
    grid = sampling.grid_ranges(sampling.Steps(0, 360, 90), sampling.Steps(0, 180, 45))
    assert sorted(set(grid[:, 0])) == [0, 90, 180, 270]
    assert sorted(set(grid[:, 1])) == [0, 45, 90, 135, 180]
    assert len(grid) == 20
    part = sampling.grid_ranges(sampling.Steps(0, 0.3, 0.1), sampling.Steps(-20, 20, 20))
    np.testing.assert_allclose(sorted(set(part[:, 0])), [0, 0.1, 0.2, 0.3])
    np.testing.assert_allclose(sorted(set(part[:, 1])), [-20, 0, 20])
    assert len(sampling.grid_ranges(sampling.Steps(-180, 180, 120), sampling.Steps(90, 90, 5))) == 3


def test_tilt_series_keeps_points_of_the_axis_where_they_are():
    for axis in (90.0, 0.0, 37.0, -85.0):
        views = sampling.tilt_series(axis, -60, 60, 3)
        assert len(views) == 41
        np.testing.assert_array_equal(views[:, 1], np.arange(-60, 61, 3))
        point = np.array([np.cos(np.deg2rad(axis)), np.sin(np.deg2rad(axis)), 0.0])
        seen = (euler_to_matrix(*views.T) @ point)[:, :2]
        np.testing.assert_allclose(seen, np.broadcast_to(point[:2], seen.shape), atol=1e-12)
    np.testing.assert_allclose(sampling.tilt_series(90, 0, 10, 5), [[0, 0, 0], [0, 5, 0], [0, 10, 0]])
    assert len(sampling.tilt_series(85, 60, -60, -2)) == 61


@pytest.mark.parametrize(("step", "n"), [(10, 36), (5.625, 64), (7, 52), (360, 1), (500, 1), (0.7, 515), (120, 3)])
def test_psi_has_no_missing_last_angle_and_no_360(step, n):
    views = sampling.with_psi([[10, 20, 5], [30, 40, 0]], step)
    assert len(views) == 2 * n
    psi = views[:n, 2] - 5
    assert psi[0] == 0 and psi[-1] < 360 - 1e-9
    np.testing.assert_allclose(np.diff([*psi, 360]), 360 / n)
    assert 360 / n <= step + 1e-9
    np.testing.assert_array_equal(views[n:, :2], np.tile([30, 40], (n, 1)))


def test_no_psi_step_leaves_the_list():
    np.testing.assert_array_equal(sampling.with_psi([[1, 2, 3]], None), [[1, 2, 3]])


def test_random_is_seeded():
    first = sampling.random(10, np.random.default_rng(4))
    np.testing.assert_array_equal(first, sampling.random(10, np.random.default_rng(4)))
    assert first.shape == (10, 3)


def test_even_rotations_has_4400_at_15_degrees():
    assert len(sampling.even_rotations(15)) == pytest.approx(4400, rel=0.02)


@pytest.mark.parametrize("name", ["C1", "C4", "D2", "D7", "T", "O", "I", "Oh", "I2h", "C5h", "C99"])
def test_count_forecasts_the_list(name):
    for step in (2.5, 6.0, 20.0):
        start = process_time()
        forecast = sampling.count(step, name)
        assert process_time() - start < 0.05
        n = len(sampling.even(step, name))
        assert abs(forecast.views - n) <= max(4, 0.25 * n)


def test_count_of_other_grids_ranges_and_psi():
    assert sampling.count(7.5, grid="healpix") == (768, True)
    assert sampling.count(5, "D6", grid="xmipp").views == pytest.approx(131, rel=0.1)
    half = sampling.count(4, tilt_range=(0, 90)).views
    assert half == pytest.approx(len(sampling.even(4, tilt_range=(0, 90))), rel=0.1)
    assert sampling.count(4, tilt_range=(0, 90), psi_step=90).views == 4 * half


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: sampling.even(0), "step 0°"),
        (lambda: sampling.even(float("nan")), "step nan°"),
        (lambda: sampling.even(100), "step 100°"),
        (lambda: sampling.even(5, "C1", (350, 10)), "write 350:370"),
        (lambda: sampling.even(5, "C1", (0, 360), (0, 200)), "tilt range"),
        (lambda: sampling.even(5, "C1", (0, float("inf"))), "finite"),
        (lambda: sampling.even(5, "X9"), "not a point group"),
        (lambda: sampling.with_psi([[0, 0, 0]], 0), "psi step"),
        (lambda: sampling.quality(np.empty((0, 3))), "at least one row"),
    ],
)
def test_mistakes_are_refused_in_a_sentence(call, message):
    with pytest.raises(ParameterError, match=message):
        call()
