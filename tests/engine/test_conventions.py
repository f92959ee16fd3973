"""Euler angles, mirrors and other programs' conventions against scipy and against the definitions."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from emviewer.engine import conventions as cv


@pytest.fixture
def angles():
    rng = np.random.default_rng(3)
    return np.column_stack([rng.uniform(-180, 180, 500), rng.uniform(0, 180, 500), rng.uniform(-180, 180, 500)])


def test_matrix_is_the_transpose_of_scipys_intrinsic_zyz(angles):
    expected = Rotation.from_euler("ZYZ", angles, degrees=True).as_matrix().transpose(0, 2, 1)
    np.testing.assert_allclose(cv.euler_to_matrix(*angles.T), expected, atol=1e-12)


def test_rows_as_written_in_relion():
    rot, tilt, psi = 20.0, 50.0, 70.0
    a, b, c = np.deg2rad([rot, tilt, psi])
    matrix = cv.euler_to_matrix(rot, tilt, psi)[0]
    np.testing.assert_allclose(matrix[2], [np.sin(b) * np.cos(a), np.sin(b) * np.sin(a), np.cos(b)])
    np.testing.assert_allclose(matrix[:2, 2], [-np.cos(c) * np.sin(b), np.sin(c) * np.sin(b)])
    np.testing.assert_allclose(matrix[2], cv.directions_from_angles(rot, tilt)[0])


def test_side_view_from_x_looks_along_x():
    np.testing.assert_allclose(cv.euler_to_matrix(0, 90, 0)[0][2], [1, 0, 0], atol=1e-15)
    np.testing.assert_allclose(cv.euler_to_matrix(90, 90, 0)[0][2], [0, 1, 0], atol=1e-15)


def test_euler_round_trip(angles):
    np.testing.assert_allclose(cv.matrix_to_euler(cv.euler_to_matrix(*angles.T)), angles, atol=1e-9)


@pytest.mark.parametrize("tilt", [0.0, 180.0])
def test_gimbal_lock_gives_rot_zero_and_the_same_matrix(tilt):
    psi = np.array([0.0, 33.0, -150.0, 180.0])
    matrices = cv.euler_to_matrix(40.0, tilt, psi)
    found = cv.matrix_to_euler(matrices)
    np.testing.assert_array_equal(found[:, 0], 0.0)
    np.testing.assert_array_equal(found[:, 1], tilt)
    np.testing.assert_allclose(cv.euler_to_matrix(*found.T), matrices, atol=1e-12)


@pytest.mark.parametrize("tilt", [1e-6, 180 - 1e-6])
def test_a_tilt_of_a_millionth_of_a_degree_is_kept(tilt):
    found = cv.matrix_to_euler(cv.euler_to_matrix(40.0, tilt, 10.0))[0]
    np.testing.assert_allclose(found, [40.0, tilt, 10.0], atol=1e-9)


def test_other_euler_set_is_the_same_orientation(angles):
    other = cv.other_euler_set(angles)
    np.testing.assert_allclose(cv.euler_to_matrix(*other.T), cv.euler_to_matrix(*angles.T), atol=1e-12)
    assert (other[:, 1] <= 0).all()


def test_unflip_is_the_view_from_behind_and_its_own_inverse(angles):
    matrices = cv.euler_to_matrix(*angles.T)
    behind = cv.euler_to_matrix(*cv.unflip(angles).T)
    np.testing.assert_allclose(behind, cv.opposite_views(matrices), atol=1e-12)
    np.testing.assert_allclose(behind[:, 2], -matrices[:, 2], atol=1e-12)
    np.testing.assert_allclose(cv.euler_to_matrix(*cv.unflip(cv.unflip(angles)).T), matrices, atol=1e-12)


def test_a_mirrored_image_and_its_pose_without_mirror_put_points_at_the_same_place(angles):
    rng = np.random.default_rng(1)
    point, shifts = rng.normal(size=3), rng.normal(size=(len(angles), 2))
    mirror = rng.random(len(angles)) < 0.5
    matrices = cv.euler_to_matrix(*angles.T)
    seen = (matrices @ point)[:, :2] - shifts
    seen[mirror, 0] *= -1
    plain, moved = cv.without_mirror(matrices, shifts, mirror)
    np.testing.assert_allclose((plain @ point)[:, :2] - moved, seen, atol=1e-12)
    np.testing.assert_allclose(np.linalg.det(plain), 1.0)


def test_flip_hand_shows_the_flipped_map_at_the_same_places(angles):
    point = np.array([1.0, -2.0, 0.7])
    matrices = cv.euler_to_matrix(*angles.T)
    flipped = cv.flip_hand(matrices) @ (point * [1, 1, -1])
    np.testing.assert_allclose(flipped[:, :2], (matrices @ point)[:, :2], atol=1e-12)


def test_cryosparc_pose_is_the_transpose_of_scipys_rotation_vector():
    rng = np.random.default_rng(2)
    poses = rng.normal(size=(300, 3)) * rng.choice([1e-9, 1e-3, 1.0], size=(300, 1))
    poses[0] = 0
    poses[1] = [np.pi, 0, 0]
    expected = Rotation.from_rotvec(poses).as_matrix().transpose(0, 2, 1)
    np.testing.assert_allclose(cv.cryosparc_to_matrix(poses), expected, atol=1e-12)
    back = cv.matrix_to_cryosparc(expected)
    np.testing.assert_allclose(cv.cryosparc_to_matrix(back), expected, atol=1e-12)
    short = np.linalg.norm(poses, axis=1) < 3
    np.testing.assert_allclose(back[short], poses[short], atol=1e-11)


def test_quaternions_agree_with_scipy():
    rotations = Rotation.random(400, random_state=5)
    wxyz = cv.matrix_to_quaternion(rotations.as_matrix())
    np.testing.assert_allclose(wxyz, rotations.as_quat(canonical=True)[:, [3, 0, 1, 2]], atol=1e-12)
    np.testing.assert_allclose(cv.quaternion_to_matrix(wxyz * 3.0), rotations.as_matrix(), atol=1e-12)


def test_eman2_is_zxz_of_the_frame(angles):
    az, alt, phi = cv.euler_to_eman2(angles).T
    as_frame = Rotation.from_euler("ZXZ", np.column_stack([az, alt, phi]), degrees=True).as_matrix()
    np.testing.assert_allclose(as_frame.transpose(0, 2, 1), cv.euler_to_matrix(*angles.T), atol=1e-12)
    np.testing.assert_allclose(cv.eman2_to_euler(az, alt, phi), angles, atol=1e-9)


def test_chimerax_matrix_moves_corner_based_points_as_the_transform_moves_centred_ones():
    matrix = cv.euler_to_matrix(10, 20, 30)[0]
    shift = np.array([1.0, -2.0, 3.0])
    ref = cv.box_centre_A((64, 64, 65), 1.5, (5.0, 0.0, -7.0))
    mov = cv.box_centre_A((40, 42, 44), 2.0)
    np.testing.assert_array_equal(ref, [32 * 1.5 + 5, 32 * 1.5, 32 * 1.5 - 7])
    np.testing.assert_array_equal(mov, [44.0, 42.0, 40.0])
    point = np.array([3.0, 4.0, 5.0])
    found = cv.chimerax_matrix(matrix, shift, ref, mov) @ [*(point + mov), 1.0]
    np.testing.assert_allclose(found - ref, matrix @ point + shift)
    back, t = cv.from_chimerax_matrix(cv.chimerax_matrix(matrix, shift, ref, mov), ref, mov)
    np.testing.assert_allclose(back, matrix)
    np.testing.assert_allclose(t, shift)


def test_angles_from_directions_inverts_and_says_zero_at_the_poles(angles):
    rot, tilt = cv.angles_from_directions(5.0 * cv.directions_from_angles(angles[:, 0], angles[:, 1]))
    np.testing.assert_allclose(rot, angles[:, 0] % 360, atol=1e-9)
    np.testing.assert_allclose(tilt, angles[:, 1], atol=1e-9)
    rot, tilt = cv.angles_from_directions([[0, 0, 1], [0, 0, -2], [0, -1e-17, 1]])
    np.testing.assert_array_equal(rot, 0.0)
    np.testing.assert_allclose(tilt, [0, 180, 0], atol=1e-12)
