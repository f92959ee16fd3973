"""The elements of the point groups by name, with the axes where RELION and Xmipp have them.

The proper groups are scipy's, turned into the frame of the name; an improper group is its proper half together with
that half times one improper element.
"""

from __future__ import annotations

import re

import numpy as np

from emviewer.engine.conventions import F64
from emviewer.engine.errors import ParameterError
from emviewer.engine.rotations import from_rotvec

GROUP_HELP = (
    "C1…C99, D1…D99, T, O, I (=I2), I1, I2, I3, I4; with mirrors Ci, Cs, C1v…C99v, C1h…C99h, S2…S98 (even), "
    "D1v…D99v, D1h…D99h, Td, Th, Oh, Ih (=I2h), I1h, I2h, I3h, I4h; or a file in Xmipp's symmetry format"
)
"""The names :func:`emviewer.engine.symmetry.point_group` knows, in one line."""

GROUP_AXES = """\
Cn         n-fold on z                         Cnv  and a mirror across y     Cnh  and a mirror across z
Dn         n-fold on z, 2-fold on x            Dnv  and a mirror across x     Dnh  and a mirror across z
Ci, Cs     inversion; a mirror across z        Sn   n/2-fold on z and inversion (as Xmipp has it: a true S_n for
                                                    n = 2, 6, 10 …; S4 is C2h, S8 is C4h)
T          3-fold on z, 2-fold on (0, 0.816, 0.577)           Td, Th (with inversion)
O          4-folds on x, y, z, 3-fold on (1, 1, 1)            Oh
I = I2     2-folds on x, y, z, 5-folds in the x-z plane       Ih = I2h
I1         I2 turned by 90° about y                           I1h
I3         5-fold on z (I2 turned by -31.72° about y)         I3h
I4         2-fold on (0.526, 0, 0.851) (turned by 31.72°)     I4h
"""
"""Where the axes of each name stand."""

_PATTERN = re.compile(r"(C[IS]|[CD]\d{1,2}[VH]?|S\d{1,2}|T[DH]?|OH?|I[1-5]?H?)")
_I2_TO_I3_DEG = -float(np.rad2deg(np.arctan(2 / (1 + np.sqrt(5)))))
_I_TURN_DEG = {"1": 90.0, "2": 0.0, "3": _I2_TO_I3_DEG, "4": -_I2_TO_I3_DEG}
INVERSION = -np.eye(3)


def mirror(normal: tuple[float, float, float]) -> F64:
    """Return the reflection (3, 3) across the plane through the origin with this normal (of any length)."""
    n = np.asarray(normal, np.float64)
    return np.asarray(np.eye(3) - 2 * np.outer(n, n) / (n @ n))


def looks_like_a_name(text: str) -> bool:
    """Return whether the text has the form of a point group's name, of a possible group or not."""
    return _PATTERN.fullmatch(text.strip().upper()) is not None


def canonical_name(text: str) -> str:
    """Return the name in its usual letters: ``c4V`` gives ``C4v``, ``i`` gives ``I2``, ``D07`` gives ``D7``.

    Raises
    ------
    ParameterError
        For I5 and I5h, C0, odd S and anything that is not a name.
    """
    upper = text.strip().upper()
    if not looks_like_a_name(upper):
        raise ParameterError(f"{text.strip()!r} is not a point group", "", f"use one of {GROUP_HELP}")
    if upper.startswith("I5"):
        raise ParameterError(
            f"{upper[:2]}{upper[2:].lower()} is a name without a definition (Xmipp knows the name and stops at it)",
            "",
            "use I1, I2, I3 or I4, which differ in where the axes stand",
        )
    letter, number, tail = re.fullmatch(r"([A-Z])(\d*)([A-Z]?)", upper).groups()  # type: ignore[union-attr]
    if letter == "I":
        return f"I{number or 2}{tail.lower()}"
    if number:
        n = int(number)
        if n < 1 or (letter == "S" and n % 2):
            rule = "S needs an even number" if letter == "S" else "the number of a point group starts at 1"
            raise ParameterError(f"{text.strip()!r} is not a point group", "", f"{rule}; use one of {GROUP_HELP}")
        return f"{letter}{n}{tail.lower()}"
    return letter + tail.lower()


def elements(name: str) -> tuple[F64, F64]:
    """Return the proper and the improper elements of a group by its canonical name.

    Parameters
    ----------
    name : str
        From :func:`canonical_name`.

    Returns
    -------
    rotations : ndarray of float64, shape (k, 3, 3)
        The first is the identity.
    improper : ndarray of float64, shape (0 or k, 3, 3)
    """
    letter, number, tail = re.fullmatch(r"([A-Z])(\d*)([a-z]?)", name).groups()  # type: ignore[union-attr]
    n = int(number or 1)
    if letter == "C":
        extra = {"v": mirror((0, 1, 0)), "h": mirror((0, 0, 1)), "s": mirror((0, 0, 1)), "i": INVERSION}.get(tail)
        return _with(_scipy_group(f"C{n}"), extra)
    if letter == "S":
        return _with(_scipy_group(f"C{n // 2}"), INVERSION)
    if letter == "D":
        extra = {"v": mirror((1, 0, 0)), "h": mirror((0, 0, 1))}.get(tail)
        return _with(_dihedral(n), extra)
    if letter == "T":
        extra = {"d": mirror((1, np.sqrt(3), 0)), "h": INVERSION}.get(tail)
        return _with(_turned(_scipy_group("T"), _tetrahedral_frame()), extra)
    if letter == "O":
        return _with(_scipy_group("O"), INVERSION if tail else None)
    turn = from_rotvec([0.0, np.deg2rad(_I_TURN_DEG[number]), 0.0])[0]
    return _with(_turned(_icosahedral(), turn), INVERSION if tail else None)


def _scipy_group(name: str) -> F64:
    if name == "C1":
        return np.eye(3)[None]
    from scipy.spatial.transform import Rotation  # slow to import, and most maps are C1

    rotations = Rotation.create_group(name).as_matrix()  # type: ignore[arg-type]
    identity_first = np.argsort(-np.einsum("kii->k", rotations), kind="stable")
    return np.asarray(_clean(rotations[identity_first]))


def _clean(matrices: F64) -> F64:
    """Return the matrices with entries that are 0, ±1/2 or ±1 up to rounding made exactly so."""
    halves = np.round(2 * matrices) / 2
    return np.asarray(np.where(np.abs(matrices - halves) < 1e-12, halves, matrices) + 0.0)


def _dihedral(n: int) -> F64:
    cyclic = _scipy_group(f"C{n}")
    return _clean(np.concatenate([cyclic, cyclic @ np.diag([1.0, -1.0, -1.0])]))


def _icosahedral() -> F64:
    """I2: scipy's icosahedral group, turned if its 5-folds are not in the x-z plane near z."""
    group = _scipy_group("I")
    five = np.array([1.0, 0.0, (1 + np.sqrt(5)) / 2])
    kept = np.abs(group @ five - five).max(axis=1) < 1e-6
    return group if kept.sum() == 5 else _turned(group, from_rotvec([0.0, 0.0, np.pi / 2])[0])


def _tetrahedral_frame() -> F64:
    """Return the rotation that carries scipy's 3-fold (1, 1, 1) to z and its 2-fold z to (0, 0.816, 0.577)."""
    z = np.ones(3) / np.sqrt(3)
    y = np.array([-1.0, -1.0, 2.0]) / np.sqrt(6)
    return np.stack([np.cross(y, z), y, z])


def _turned(group: F64, turn: F64) -> F64:
    return _clean(turn @ group @ turn.T)


def _with(rotations: F64, extra: F64 | None) -> tuple[F64, F64]:
    if extra is None:
        return rotations, np.empty((0, 3, 3))
    return rotations, _clean(rotations @ extra)
