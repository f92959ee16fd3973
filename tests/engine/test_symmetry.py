"""Point groups against the generators of the contract, and the asymmetric unit against brute force."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from emviewer.engine.errors import FileError, ParameterError
from emviewer.engine.symmetry import GROUP_HELP, group_names, point_group

Z = (0, 0, 1)
INVERSION = -np.eye(3)


def turn(fold, *axis):
    a = np.array(axis, float)
    return Rotation.from_rotvec(a / np.linalg.norm(a) * 2 * np.pi / fold).as_matrix()


def plane(*normal):
    n = np.array(normal, float)
    return np.eye(3) - 2 * np.outer(n, n) / (n @ n)


I2 = [turn(2, *Z), turn(5, 0.525731, 0, 0.850651), turn(3, 0, 0.356822, 0.934172)]
I1 = [turn(2, 1, 0, 0), turn(5, 0.850651, 0, -0.525731), turn(3, 0.934172, 0.356822, 0)]
I3 = [turn(5, *Z), turn(2, -0.525731, 0, 0.850651), turn(3, -0.491123, 0.356822, 0.794654)]
I4 = [turn(2, 0.525731, 0, 0.850651), turn(5, 0.894427, 0, 0.447214), turn(3, 0.491123, 0.356822, 0.794654)]
T = [turn(3, *Z), turn(2, 0, 0.816496, 0.577350)]
O = [turn(3, 1, 1, 1), turn(4, *Z)]  # noqa: E741
TABLE = {
    "C1": (1, []),
    "C7": (7, [turn(7, *Z)]),
    "C99": (99, [turn(99, *Z)]),
    "Ci": (2, [INVERSION]),
    "Cs": (2, [plane(*Z)]),
    "C3v": (6, [turn(3, *Z), plane(0, 1, 0)]),
    "C4h": (8, [turn(4, *Z), plane(*Z)]),
    "S2": (2, [INVERSION]),
    "S4": (4, [turn(2, *Z), INVERSION]),
    "S6": (6, [turn(3, *Z), INVERSION]),
    "D2": (4, [turn(2, *Z), turn(2, 1, 0, 0)]),
    "D7": (14, [turn(7, *Z), turn(2, 1, 0, 0)]),
    "D3v": (12, [turn(3, *Z), turn(2, 1, 0, 0), plane(1, 0, 0)]),
    "D4v": (16, [turn(4, *Z), turn(2, 1, 0, 0), plane(1, 0, 0)]),
    "D3h": (12, [turn(3, *Z), turn(2, 1, 0, 0), plane(*Z)]),
    "D99h": (396, [turn(99, *Z), turn(2, 1, 0, 0), plane(*Z)]),
    "T": (12, T),
    "Td": (24, [*T, plane(1.4142, 2.4495, 0)]),
    "Th": (24, [*T, INVERSION]),
    "O": (24, O),
    "Oh": (48, [*O, plane(0, 1, 1)]),
    "I1": (60, I1),
    "I2": (60, I2),
    "I3": (60, I3),
    "I4": (60, I4),
    "I1h": (120, [*I1, INVERSION]),
    "I2h": (120, [*I2, plane(1, 0, 0)]),
    "I3h": (120, [*I3, INVERSION]),
    "I4h": (120, [*I4, INVERSION]),
}


def directions(n, seed=0):
    d = np.random.default_rng(seed).normal(size=(n, 3))
    return d / np.linalg.norm(d, axis=1, keepdims=True)


@pytest.mark.parametrize("name", TABLE)
def test_group_has_its_order_and_holds_its_generators(name):
    order, generators = TABLE[name]
    group = point_group(name)
    assert (group.name, group.order, len(group.operations)) == (name, order, order)
    assert group.has_mirrors == any(np.linalg.det(g) < 0 for g in generators)
    assert np.linalg.det(group.rotations).min() > 0.999
    np.testing.assert_array_equal(group.rotations[0], np.eye(3))
    for g in generators:
        assert np.abs(group.operations - g).max(axis=(1, 2)).min() < 2e-5


@pytest.mark.parametrize("name", ["C5", "S4", "D3v", "Td", "Oh", "I3"])
def test_group_is_closed(name):
    ops = point_group(name).operations
    products = np.einsum("aij,bjk->abik", ops, ops).reshape(-1, 1, 9)
    nearest = np.abs(products - ops.reshape(1, -1, 9)).max(axis=2)
    assert nearest.min(axis=1).max() < 1e-12
    assert np.abs(ops @ ops.transpose(0, 2, 1) - np.eye(3)).max() < 1e-12


def test_names_in_any_case_and_their_canonical_form():
    for given, name in {"c4V": "C4v", " d02 ": "D2", "i": "I2", "IH": "I2h", "cI": "Ci", "o": "O", "tH": "Th"}.items():
        assert point_group(given).name == name
    assert point_group("i") is point_group("I2")
    assert all(point_group(name.lower()).name == name for name in group_names())
    assert point_group("C1").group_names() == group_names()


@pytest.mark.parametrize("name", ["C0", "C100", "D", "S3", "E6", "", "Cnv", "helix", "T5", "C-1"])
def test_unknown_name_is_refused_with_the_list(name):
    with pytest.raises(ParameterError) as caught:
        point_group(name)
    assert GROUP_HELP in str(caught.value)


@pytest.mark.parametrize("name", ["I5", "i5h"])
def test_i5_is_refused_with_the_reason(name):
    with pytest.raises(ParameterError, match=r"without a definition.*I1, I2, I3 or I4"):
        point_group(name)


def test_axes_one_for_each_line():
    counts = {"C1": {}, "C5": {5: 1}, "D2": {2: 3}, "D7": {7: 1, 2: 7}, "T": {3: 4, 2: 3}, "O": {4: 3, 3: 4, 2: 6}}
    counts["I"] = {5: 6, 3: 10, 2: 15}
    for name, expected in counts.items():
        axes = point_group(name).axes
        assert {f: sum(1 for g, _ in axes if g == f) for f, _ in axes} == expected
        for fold, axis in axes:
            assert axis[2] >= -1e-9
            assert np.abs(point_group(name).rotations - turn(fold, *axis)).max(axis=(1, 2)).min() < 1e-9
    np.testing.assert_allclose(point_group("I2").axes[0][1], [0.525731, 0, 0.850651], atol=1e-6)
    assert len(point_group("Oh").mirror_normals) == 9
    assert len(point_group("C3v").mirror_normals) == 3


@pytest.mark.parametrize("name", TABLE)
def test_asymmetric_unit_holds_exactly_one_of_every_orbit(name):
    group = point_group(name)
    d = directions(400)
    inside = group.in_asymmetric_unit(group.copies(d).reshape(-1, 3)).reshape(group.order, -1)
    np.testing.assert_array_equal(inside.sum(axis=0), 1)
    moved = group.to_asymmetric_unit(d)
    assert group.in_asymmetric_unit(moved).all()
    assert np.abs(group.copies(d) - moved).max(axis=2).min(axis=0).max() < 1e-12


@pytest.mark.parametrize("name", [n for n in TABLE if n not in ("C99", "D99h")])
def test_one_of_the_copies_is_taken_on_axes_poles_and_edges_too(name):
    group = point_group(name)
    special = [a for _, a in group.axes] + [-a for _, a in group.axes] + list(np.eye(3)) + list(-np.eye(3))
    points = np.concatenate([np.array(special), *group.asymmetric_unit_outline(10.0)])
    for orbit in np.moveaxis(group.copies(points), 1, 0):
        taken = orbit[group.in_asymmetric_unit(orbit)]
        assert len(taken) >= 1
        assert np.abs(taken - taken[0]).max() < 1e-7


def test_units_are_the_usual_ones():
    rot, tilt = np.meshgrid(np.arange(0.5, 360, 1.0), np.arange(0.5, 180, 1.0))
    a, b = np.deg2rad(rot.ravel()), np.deg2rad(tilt.ravel())
    d = np.stack([np.sin(b) * np.cos(a), np.sin(b) * np.sin(a), np.cos(b)], axis=1)
    rot, tilt = rot.ravel(), tilt.ravel()
    usual = {
        "C1": rot >= 0,
        "C4": rot < 90,
        "D3": (rot < 120) & (tilt < 90),
        "C3v": rot < 60,
        "C4h": (rot < 90) & (tilt < 90),
        "S6": (rot < 120) & (tilt < 90),
        "Ci": tilt < 90,
        "Cs": tilt < 90,
    }
    for name, expected in usual.items():
        np.testing.assert_array_equal(point_group(name).in_asymmetric_unit(d), expected, err_msg=name)


@pytest.mark.parametrize(("name", "sides"), [("C1", 0), ("C2", 1), ("C3", 2), ("D7", 3), ("Oh", 3), ("I", 3)])
def test_outline_runs_along_the_edge_of_the_unit(name, sides):
    group = point_group(name)
    lines = group.asymmetric_unit_outline(2.0)
    assert len(lines) == sides
    middle = group.unit_middle
    for line in lines:
        np.testing.assert_allclose(np.linalg.norm(line, axis=1), 1.0)
        inner = line[1:-1]
        assert group.in_asymmetric_unit(inner + 1e-5 * middle).all()
        assert not group.in_asymmetric_unit(inner - 1e-5 * middle).any()


def test_hundred_thousand_directions_are_fast():
    from time import process_time

    group, d = point_group("I"), directions(100_000)
    group.in_asymmetric_unit(d[:10])
    times = []
    for _ in range(3):
        start = process_time()
        inside = group.in_asymmetric_unit(d)
        times.append(process_time() - start)
    assert min(times) < 0.2
    assert abs(inside.mean() * 60 - 1) < 0.05


def test_file_in_xmipps_format(tmp_path):
    path = tmp_path / "o.sym"
    path.write_text("# octahedral\nrot_axis 3 .5773502 .5773502 .5773502\n\nrot_axis 4 0 0 1\nmirror_plane 0 1 1\n")
    group = point_group(path)
    assert (group.name, group.order, len(group.improper)) == ("o.sym", 48, 24)
    for g in point_group("Oh").operations:
        assert np.abs(group.operations - g).max(axis=(1, 2)).min() < 1e-6


def test_file_with_axes_of_three_digits_still_closes_exactly(tmp_path):
    path = tmp_path / "ico.txt"
    path.write_text("rot_axis 2 0 0 1\nrot_axis 5 .526 0 .851\nrot_axis 3 0 .357 .934\ninversion\n")
    group = point_group(str(path))
    assert group.order == 120
    products = np.einsum("aij,bjk->abik", group.rotations, group.rotations).reshape(-1, 1, 9)
    assert np.abs(products - group.rotations.reshape(1, -1, 9)).max(axis=2).min(axis=1).max() < 1e-9


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("rot_axis 4 0 0 1\nrot_axis four 1 0 0\n", r"line 2 'rot_axis four 1 0 0': not a number"),
        ("\n\nrot_axis 4 0 0\n", "line 3 .*takes 4 numbers, not 3"),
        ("rot_axis 2.5 0 0 1\n", "line 1 .*whole number"),
        ("rot_axis 2 0 0 0\n", "line 1 .*no direction"),
        ("spin 2 0 0 1\n", "line 1 .*not a symmetry element"),
        ("# nothing\n", "no generators"),
        ("rot_axis 5 0 0 1\nrot_axis 5 0 0.3 1\n", "no point group"),
    ],
)
def test_bad_file_is_refused_with_the_line(tmp_path, text, message):
    path = tmp_path / "bad.sym"
    path.write_text(text)
    with pytest.raises(FileError, match=message) as caught:
        point_group(path)
    assert str(path) in str(caught.value)


def test_missing_file_and_binary_file(tmp_path):
    with pytest.raises(ParameterError, match="neither a point group nor a file"):
        point_group(tmp_path / "none.sym")
    binary = tmp_path / "b.sym"
    binary.write_bytes(b"\xff\xfe\x00\x81")
    with pytest.raises(FileError, match="cannot be read as text"):
        point_group(binary)
