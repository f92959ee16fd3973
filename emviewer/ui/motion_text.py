"""A rigid motion in words that other programs read: matrix, Euler angles, a command for ChimeraX."""

from __future__ import annotations

from typing import Any

import numpy as np

from emviewer.engine.types import F64, Map3D, RigidTransform

FLIP = np.diag([1.0, 1.0, -1.0])


def proper(motion: RigidTransform) -> F64:
    """Return the rotation of a motion, without the flip that goes first."""
    return np.asarray(motion.matrix @ FLIP if motion.hand_flipped else motion.matrix)


def euler_deg(motion: RigidTransform) -> F64:
    """Return rot, tilt, psi of a motion in degrees, as ``euler_zyz_deg`` of ``transforms.json`` has them."""
    from emviewer.engine.conventions import matrix_to_euler

    return np.asarray(matrix_to_euler(proper(motion).T)[0])


def start_text(motion: RigidTransform) -> str:
    """Return a motion as ``emviewer align --start`` takes it."""
    numbers = [f"{v:.4f}" for v in (*euler_deg(motion), *motion.translation_A)]
    return ",".join([*numbers, "1"] if motion.hand_flipped else numbers).replace("-0.0000", "0.0000")


def matrix_text(motion: RigidTransform) -> str:
    """Return matrix and translation, a row a line."""
    rows = zip(motion.matrix, motion.translation_A, strict=True)
    return "\n".join("".join(f"{v:11.6f}" for v in row) + f" {t:11.4f}" for row, t in rows)


def euler_text(motion: RigidTransform) -> str:
    """Return Euler angles and shift in a line, and whether the map is flipped before."""
    angles, shift = euler_deg(motion), motion.translation_A
    flipped = ", after a z-flip" if motion.hand_flipped else ""
    return (
        f"rot {angles[0]:.4f}  tilt {angles[1]:.4f}  psi {angles[2]:.4f} deg"
        f"   shift {shift[0]:.4f} {shift[1]:.4f} {shift[2]:.4f} A{flipped}"
    )


def chimerax_text(motion: RigidTransform, moving: Map3D, reference: Map3D) -> str:
    """Return the command that lays the moving map, opened as the second model, onto the reference, the first.

    Of a flipped map it applies after ``volume flip #2 axis z``'s mirror about voxel n//2.
    """
    from emviewer.engine.conventions import box_centre_A, chimerax_matrix

    centres = [box_centre_A(v.shape, v.pixel_size_A, v.origin_A) for v in (reference, moving)]
    numbers = np.asarray(chimerax_matrix(proper(motion), motion.translation_A, *centres), float).ravel()
    return "view matrix models #2," + ",".join(f"{v:.6f}" for v in numbers)


def motion_text(motion: RigidTransform, facts: dict[str, Any], chimerax: str = "") -> str:
    """Return a motion as text to read.

    Parameters
    ----------
    motion : RigidTransform
        Map to reference.
    facts : dict
        What the job found about it (an object of ``transforms.json``); empty for a motion set by hand.
    chimerax : str
        The command for ChimeraX; empty for none.
    """
    from scipy.spatial.transform import Rotation

    vector = Rotation.from_matrix(proper(motion)).as_rotvec()
    angle = float(np.linalg.norm(vector))
    axis = vector / angle if angle > 1e-9 else np.array([0.0, 0.0, 1.0])
    euler = euler_deg(motion)
    lines = ["x' = M x + t   about voxel n//2, map to reference", ""]
    for row, t in zip(motion.matrix, motion.translation_A, strict=True):
        lines.append("M " + "".join(f"{v:11.6f}" for v in row) + f"   t {t:9.3f} Å")
    lines += [
        "",
        f"hand flipped (z)    {'yes' if motion.hand_flipped else 'no'}",
        f"Euler ZYZ (deg)     {euler[0]:.3f} {euler[1]:.3f} {euler[2]:.3f}",
        f"axis, angle         {axis[0]:.4f} {axis[1]:.4f} {axis[2]:.4f}, {np.degrees(angle):.3f}°",
        f"shift               {np.linalg.norm(motion.translation_A):.3f} Å",
    ]
    if facts.get("magnification", 1.0) != 1.0:
        lines.append(f"pixel size          × {facts['magnification']:.5f}")
    if facts.get("sigma_angle_deg") is not None:
        lines.append(f"sigma               {facts['sigma_angle_deg']:.4f}°, {facts['sigma_shift_A']:.4f} Å")
    if chimerax:
        lines += ["", "ChimeraX" + (" (after a z-flip)" if motion.hand_flipped else ""), chimerax]
    return "\n".join(lines)
