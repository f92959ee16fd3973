"""The conventions of the house in code: Euler angles, view directions, and the way to other programs' conventions.

``A = euler_to_matrix(rot, tilt, psi)`` is RELION's and Xmipp's ``Euler_angles2matrix``: intrinsic ZYZ in degrees. Its
rows are the image's x axis, the image's y axis and the view direction, all in the map's frame; a point ``x`` of the
map lands at image position ``(A x)[:2]``. Vectors are ``(x, y, z)``; the origin is voxel ``n // 2`` on every axis.

The same orientation elsewhere:

============  ==========================================================================================
RELION        ``rlnAngleRot, rlnAngleTilt, rlnAnglePsi`` as they are
Xmipp         ``angleRot, angleTilt, anglePsi``; ``flip`` 1 is :func:`unflip`
cryoSPARC     rotation vector ``p`` in radians, ``A = exp(-[p]x)``
EMAN2         ``az = rot + 90, alt = tilt, phi = psi - 90``
ChimeraX      3x4 matrices about the corner of the map: :func:`chimerax_matrix`
============  ==========================================================================================
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

F64 = NDArray[np.float64]

GIMBAL_SIN = 1e-9
"""Below this sine of the tilt (6e-8°), rot and psi turn about one axis and rot is set to 0."""

MIRROR_Z = np.diag([1.0, 1.0, -1.0])
"""``J``: the flip of hand used throughout the house (cryoSPARC's): z to -z about voxel ``n // 2``."""


def euler_to_matrix(rot: ArrayLike, tilt: ArrayLike, psi: ArrayLike) -> F64:
    """Return rotation matrices ``A`` of Euler angles.

    Parameters
    ----------
    rot, tilt, psi : array_like of float, broadcast together to shape (n,)
        Degrees, any range. Scalars count as one view.

    Returns
    -------
    ndarray of float64, shape (n, 3, 3)
        ``A = Rz(psi) Ry(tilt) Rz(rot)`` as rotations of the frame.
    """
    angles = np.broadcast_arrays(*(np.atleast_1d(np.asarray(a, np.float64)) for a in (rot, tilt, psi)))
    a, b, g = (np.deg2rad(x.ravel()) for x in angles)
    ca, sa, cb, sb, cg, sg = np.cos(a), np.sin(a), np.cos(b), np.sin(b), np.cos(g), np.sin(g)
    cc, cs, sc, ss = cb * ca, cb * sa, sb * ca, sb * sa
    out = np.empty((len(a), 3, 3))
    out[:, 0, 0], out[:, 0, 1], out[:, 0, 2] = cg * cc - sg * sa, cg * cs + sg * ca, -cg * sb
    out[:, 1, 0], out[:, 1, 1], out[:, 1, 2] = -sg * cc - cg * sa, -sg * cs + cg * ca, sg * sb
    out[:, 2, 0], out[:, 2, 1], out[:, 2, 2] = sc, ss, cb
    return out


def matrix_to_euler(matrices: ArrayLike) -> F64:
    """Return the Euler angles of rotation matrices.

    Parameters
    ----------
    matrices : array_like, shape (n, 3, 3) or (3, 3)
        Proper rotations ``A``.

    Returns
    -------
    ndarray of float64, shape (n, 3)
        rot, tilt, psi in degrees: rot and psi in [-180, 180], tilt in [0, 180]. Where the tilt is 0 or 180 (gimbal
        lock, see :data:`GIMBAL_SIN`) rot is 0 and psi carries the whole turn.

    Notes
    -----
    The tilt is taken from ``atan2(|sin|, cos)``, so it is as exact near 0 and 180 as elsewhere.
    """
    m = np.asarray(matrices, np.float64).reshape(-1, 3, 3)
    sine = np.hypot(m[:, 2, 0], m[:, 2, 1])
    tilt = np.arctan2(sine, m[:, 2, 2])
    rot = np.arctan2(m[:, 2, 1], m[:, 2, 0])
    psi = np.arctan2(m[:, 1, 2], -m[:, 0, 2])
    locked = sine < GIMBAL_SIN
    if locked.any():
        rot[locked] = 0.0
        psi[locked] = np.arctan2(-m[locked, 1, 0] * np.sign(m[locked, 2, 2]), m[locked, 1, 1])
    return np.asarray(np.rad2deg(np.stack([rot, tilt, psi], axis=1)) + 0.0)


def directions_from_angles(rot: ArrayLike, tilt: ArrayLike) -> F64:
    """Return view directions, the third row of ``A``, for angles in degrees.

    Returns
    -------
    ndarray of float64, shape (n, 3)
        Unit vectors ``(sin tilt cos rot, sin tilt sin rot, cos tilt)`` in the map's frame.
    """
    a, b = np.broadcast_arrays(np.deg2rad(np.atleast_1d(rot)), np.deg2rad(np.atleast_1d(tilt)))
    sine = np.sin(b)
    return np.asarray(np.stack([sine * np.cos(a), sine * np.sin(a), np.cos(b)], axis=-1), np.float64)


def angles_from_directions(directions: ArrayLike) -> tuple[F64, F64]:
    """Return ``(rot, tilt)`` in degrees of view directions (n, 3) of any length; rot in [0, 360), 0 at the poles."""
    d = np.asarray(directions, np.float64).reshape(-1, 3)
    sine = np.hypot(d[:, 0], d[:, 1])
    tilt = np.rad2deg(np.arctan2(sine, d[:, 2]))
    rot = np.rad2deg(np.arctan2(d[:, 1], d[:, 0]))
    rot = np.where(sine < GIMBAL_SIN * np.linalg.norm(d, axis=1), 0.0, np.where(rot < 0, rot + 360.0, rot))
    return np.where(rot >= 360.0, 0.0, rot) + 0.0, tilt


def wrap_degrees(angle: ArrayLike) -> F64:
    """Return angles in degrees brought into [-180, 180)."""
    return np.asarray((np.asarray(angle, np.float64) + 180.0) % 360.0 - 180.0)


def other_euler_set(angles: ArrayLike) -> F64:
    """Return the other triplet (rot + 180, -tilt, psi - 180) that names the same orientation.

    Parameters
    ----------
    angles : array_like, shape (n, 3)
        rot, tilt, psi in degrees.

    Returns
    -------
    ndarray of float64, shape (n, 3)
        rot and psi wrapped into [-180, 180).
    """
    a = np.asarray(angles, np.float64).reshape(-1, 3)
    return np.stack([wrap_degrees(a[:, 0] + 180.0), -a[:, 1], wrap_degrees(a[:, 2] - 180.0)], axis=1)


def unflip(angles: ArrayLike) -> F64:
    """Return the angles of the view whose projection is the mirror image (x to -x) of the given views.

    Parameters
    ----------
    angles : array_like, shape (n, 3)
        rot, tilt, psi in degrees.

    Returns
    -------
    ndarray of float64, shape (n, 3)
        ``(rot, tilt + 180, -psi)``: the opposite view. A row of Xmipp with ``flip`` (or ``continuousFlip``) 1 is this
        view in RELION's sense. Doing it twice gives the view one started from.
    """
    a = np.asarray(angles, np.float64).reshape(-1, 3)
    return np.stack([a[:, 0], wrap_degrees(a[:, 1] + 180.0), -a[:, 2]], axis=1)


def opposite_views(matrices: ArrayLike) -> F64:
    """Return ``A`` of the views from behind, ``diag(-1, 1, -1) A``: their projections are mirrored in x.

    Parameters
    ----------
    matrices : array_like, shape (n, 3, 3)

    Returns
    -------
    ndarray of float64, shape (n, 3, 3)
    """
    m = np.asarray(matrices, np.float64).reshape(-1, 3, 3)
    return np.asarray(m * np.array([-1.0, 1.0, -1.0])[None, :, None])


def without_mirror(matrices: ArrayLike, shifts: ArrayLike, mirror: ArrayLike) -> tuple[F64, F64]:
    """Return poses that say the same without a mirror flag.

    Parameters
    ----------
    matrices : array_like, shape (n, 3, 3)
        ``A``.
    shifts : array_like, shape (n, 2)
        In the sense of RELION's origins, any unit.
    mirror : array_like of bool, shape (n,)
        True where the image is the mirror (x to -x) of the shifted projection.

    Returns
    -------
    matrices : ndarray of float64, shape (n, 3, 3)
        Turned to the opposite view where mirrored.
    shifts : ndarray of float64, shape (n, 2)
        With x negated where mirrored.
    """
    m, s = np.array(matrices, np.float64).reshape(-1, 3, 3), np.array(shifts, np.float64).reshape(-1, 2)
    flags = np.asarray(mirror, bool).ravel()
    m[flags] = opposite_views(m[flags])
    s[flags, 0] *= -1.0
    return m, s


def flip_hand(matrices: ArrayLike) -> F64:
    """Return ``J A J``: the views of the z-flipped map that show the same images as ``A`` do of the map."""
    m = np.asarray(matrices, np.float64).reshape(-1, 3, 3)
    return np.asarray(MIRROR_Z @ m @ MIRROR_Z)


def cryosparc_to_matrix(pose: ArrayLike) -> F64:
    """Return ``A`` of cryoSPARC's ``alignments3D/pose``.

    Parameters
    ----------
    pose : array_like, shape (n, 3)
        Axis times angle in radians.

    Returns
    -------
    ndarray of float64, shape (n, 3, 3)
        ``exp(-[p]x)``, the transpose of the rotation that the vector names (as pyem has it from cryoSPARC's author).
    """
    p = np.asarray(pose, np.float64).reshape(-1, 3)
    angle = np.linalg.norm(p, axis=1)
    first = np.sinc(angle / np.pi)
    second = 0.5 * np.sinc(angle / (2 * np.pi)) ** 2
    x, y, z = p.T
    zero = np.zeros_like(x)
    skew = np.stack([zero, -z, y, z, zero, -x, -y, x, zero], axis=1).reshape(-1, 3, 3)
    return np.asarray(np.eye(3) - first[:, None, None] * skew + second[:, None, None] * (skew @ skew))


def matrix_to_cryosparc(matrices: ArrayLike) -> F64:
    """Return cryoSPARC's poses of rotations ``A`` (n, 3, 3): shape (n, 3), radians, length in [0, pi]."""
    q = matrix_to_quaternion(np.swapaxes(np.asarray(matrices, np.float64).reshape(-1, 3, 3), 1, 2))
    sine = np.linalg.norm(q[:, 1:], axis=1)
    angle = 2 * np.arctan2(sine, q[:, 0])
    scale = np.where(sine > 1e-12, angle / np.where(sine > 1e-12, sine, 1.0), 2.0)
    return np.asarray(q[:, 1:] * scale[:, None])


def matrix_to_quaternion(matrices: ArrayLike) -> F64:
    """Return unit quaternions ``(w, x, y, z)`` with ``w >= 0`` of rotation matrices.

    Parameters
    ----------
    matrices : array_like, shape (n, 3, 3)
        Rotations of points (not of the frame): a turn by +t about z has ``z = sin(t/2)``.

    Returns
    -------
    ndarray of float64, shape (n, 4)

    Notes
    -----
    Of the four ways to divide, each row takes the one with the largest pivot (Shepperd 1978), so none loses digits.
    """
    m = np.asarray(matrices, np.float64).reshape(-1, 3, 3)
    d0, d1, d2 = m[:, 0, 0], m[:, 1, 1], m[:, 2, 2]
    wx, wy, wz = m[:, 2, 1] - m[:, 1, 2], m[:, 0, 2] - m[:, 2, 0], m[:, 1, 0] - m[:, 0, 1]
    xy, xz, yz = m[:, 0, 1] + m[:, 1, 0], m[:, 0, 2] + m[:, 2, 0], m[:, 1, 2] + m[:, 2, 1]
    ways = np.stack(
        [
            np.stack([1 + d0 + d1 + d2, wx, wy, wz], 1),
            np.stack([wx, 1 + d0 - d1 - d2, xy, xz], 1),
            np.stack([wy, xy, 1 - d0 + d1 - d2, yz], 1),
            np.stack([wz, xz, yz, 1 - d0 - d1 + d2], 1),
        ],
        axis=1,
    )
    pivot = np.argmax(np.einsum("nii->ni", ways), axis=1)
    q = ways[np.arange(len(m)), pivot]
    q *= np.where(q[:, :1] < 0, -1.0, 1.0) / np.linalg.norm(q, axis=1, keepdims=True)
    return np.asarray(q)


def quaternion_to_matrix(quaternions: ArrayLike) -> F64:
    """Return rotation matrices (n, 3, 3) of quaternions ``(w, x, y, z)`` (n, 4) of any length but 0."""
    q = np.asarray(quaternions, np.float64).reshape(-1, 4)
    w, x, y, z = (q / np.linalg.norm(q, axis=1, keepdims=True)).T
    rows = [
        1 - 2 * (y * y + z * z),
        2 * (x * y - w * z),
        2 * (x * z + w * y),
        2 * (x * y + w * z),
        1 - 2 * (x * x + z * z),
        2 * (y * z - w * x),
        2 * (x * z - w * y),
        2 * (y * z + w * x),
        1 - 2 * (x * x + y * y),
    ]
    return np.stack(rows, axis=1).reshape(-1, 3, 3)


def eman2_to_euler(az: ArrayLike, alt: ArrayLike, phi: ArrayLike) -> F64:
    """Return rot, tilt, psi (n, 3) of EMAN2's ``az, alt, phi`` (ZXZ), degrees; rot and psi in [-180, 180)."""
    a, b, c = np.broadcast_arrays(*(np.atleast_1d(np.asarray(v, np.float64)) for v in (az, alt, phi)))
    return np.stack([wrap_degrees(a - 90.0), b, wrap_degrees(c + 90.0)], axis=1)


def euler_to_eman2(angles: ArrayLike) -> F64:
    """Return EMAN2's ``az, alt, phi`` (n, 3) of rot, tilt, psi (n, 3), degrees; az and phi in [0, 360)."""
    a = np.asarray(angles, np.float64).reshape(-1, 3)
    return np.stack([(a[:, 0] + 90.0) % 360.0, a[:, 1], (a[:, 2] - 90.0) % 360.0], axis=1)


def box_centre_A(shape: tuple[int, int, int], pixel_size_A: float, origin_A: ArrayLike = (0.0, 0.0, 0.0)) -> F64:
    """Return the position ``(x, y, z)`` in Å of voxel ``n // 2`` of a map of shape ``(nz, ny, nx)``."""
    voxel = np.array([n // 2 for n in shape[::-1]], np.float64)
    return voxel * pixel_size_A + np.asarray(origin_A, np.float64)


def chimerax_matrix(
    matrix: ArrayLike, translation_A: ArrayLike, centre_ref_A: ArrayLike, centre_mov_A: ArrayLike
) -> F64:
    """Return the 3x4 matrix for ChimeraX (``view matrix models``) of a transform about the box centres.

    Parameters
    ----------
    matrix : array_like, shape (3, 3)
        ``M`` of ``x' = M x + t``, moving to reference frame, positions relative to voxel ``n // 2``.
    translation_A : array_like, shape (3,)
        ``t`` in Å.
    centre_ref_A, centre_mov_A : array_like, shape (3,)
        :func:`box_centre_A` of the reference and of the moving map.

    Returns
    -------
    ndarray of float64, shape (3, 4)
        ``[M | t + c_ref - M c_mov]``, which acts on positions as the headers give them.
    """
    m = np.asarray(matrix, np.float64)
    t = np.asarray(translation_A, np.float64) + np.asarray(centre_ref_A, np.float64)
    return np.column_stack([m, t - m @ np.asarray(centre_mov_A, np.float64)])


def from_chimerax_matrix(matrix34: ArrayLike, centre_ref_A: ArrayLike, centre_mov_A: ArrayLike) -> tuple[F64, F64]:
    """Return ``(M, t)`` about the box centres of a ChimeraX 3x4 matrix; the inverse of :func:`chimerax_matrix`."""
    m = np.asarray(matrix34, np.float64)
    t = m[:, 3] - np.asarray(centre_ref_A, np.float64) + m[:, :3] @ np.asarray(centre_mov_A, np.float64)
    return m[:, :3].copy(), np.asarray(t)
