"""Point groups from a file in Xmipp's symmetry format: one generator a line, closed into a group."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from emviewer.engine.conventions import F64
from emviewer.engine.errors import FileError
from emviewer.engine.rotations import from_rotvec
from emviewer.engine.symmetry_groups import INVERSION, mirror

MAX_ORDER = 480
SAME = 2e-3
"""Largest difference of matrix entries between products that are one element: axes are often given to three digits."""

_FORMS = "'rot_axis FOLD X Y Z', 'mirror_plane X Y Z' or 'inversion'"


def read_generators(path: Path) -> list[F64]:
    """Return the generators (3, 3) of a symmetry file.

    Parameters
    ----------
    path : Path
        Text; empty lines and lines that begin with ``#`` or ``;`` are passed over.

    Raises
    ------
    FileError
        Naming the line that is none of the three forms.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as err:
        raise FileError(
            "the symmetry file cannot be read as text", path, f"give a text file with lines {_FORMS}"
        ) from err
    found = []
    for number, line in enumerate(lines, start=1):
        words = line.split()
        if words and words[0][0] not in "#;":
            try:
                found.append(_generator(words))
            except ValueError as err:
                raise FileError(f"line {number} {line.strip()!r}: {err}", path, f"write {_FORMS}") from None
    if not found:
        raise FileError("the symmetry file has no generators", path, f"write lines {_FORMS}")
    return found


def _generator(words: list[str]) -> F64:
    kind, values = words[0].lower(), words[1:]
    if kind == "inversion" and not values:
        return INVERSION
    wanted = {"rot_axis": 4, "mirror_plane": 3}.get(kind)
    if wanted is None:
        raise ValueError("not a symmetry element")
    if len(values) != wanted:
        raise ValueError(f"{kind} takes {wanted} numbers, not {len(values)}")
    try:
        numbers = [float(v) for v in values]
    except ValueError:
        raise ValueError("not a number where one is needed") from None
    axis = np.array(numbers[-3:])
    length = np.linalg.norm(axis)
    if not np.isfinite(length) or length < 1e-6:
        raise ValueError("the axis has no direction")
    if kind == "mirror_plane":
        return mirror((axis[0], axis[1], axis[2]))
    fold = numbers[0]
    if fold != int(fold) or not 1 <= fold <= 99:
        raise ValueError(f"the fold {values[0]} is not a whole number from 1 to 99")
    turn: F64 = from_rotvec(axis / length * 2 * np.pi / fold)[0]
    return turn


def closed_group(generators: list[F64], where: object = "") -> tuple[F64, F64]:
    """Return the proper and improper elements of the group that the generators make.

    Parameters
    ----------
    generators : list of ndarray, shape (3, 3)
        Orthogonal matrices, exact to about three digits.
    where : object
        What to name in an error.

    Returns
    -------
    rotations, improper : ndarray of float64, shape (k, 3, 3)
        Exact to rounding: the multiplication table is found first and the elements are then averaged over it.

    Raises
    ------
    FileError
        If more than :data:`MAX_ORDER` elements come out, as from two axes at an angle that belongs to no point group.
    """
    group = np.eye(3)[None]
    fresh = group
    while len(fresh):
        products = np.concatenate([fresh @ g for g in generators])
        added: list[F64] = []
        for p in products:
            known = np.concatenate([group, np.array(added).reshape(-1, 3, 3)])
            if np.abs(known - p).max(axis=(1, 2)).min() > SAME:
                added.append(_orthogonal(p[None])[0])
        fresh = np.array(added).reshape(-1, 3, 3)
        group = np.concatenate([group, fresh])
        if len(group) > MAX_ORDER:
            raise FileError(
                f"the symmetry elements make more than {MAX_ORDER} operations, so they are no point group",
                where,
                "check the angles between the axes and give them with six digits",
            )
    group = _averaged(group)
    proper = np.linalg.det(group) > 0
    return group[proper], group[~proper]


def _orthogonal(matrices: F64) -> F64:
    u, _, vt = np.linalg.svd(matrices)
    return np.asarray(u @ vt)


def _averaged(group: F64) -> F64:
    """Return the elements made consistent: each the mean of the quotients ``a^-1 b`` that equal it, repeated."""
    quotients = np.einsum("aji,bjk->abik", group, group).reshape(-1, 9)
    table = np.argmin(-2 * quotients @ group.reshape(-1, 9).T + (group**2).sum(axis=(1, 2)), axis=1)
    for _ in range(4):
        quotients = np.einsum("aji,bjk->abik", group, group).reshape(-1, 9)
        total: F64 = np.stack([np.bincount(table, quotients[:, c], len(group)) for c in range(9)], axis=1).astype(float)
        group = _orthogonal(total.reshape(-1, 3, 3))
    group[0] = np.eye(3)
    return group
