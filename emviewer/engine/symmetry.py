"""Point groups of maps: their elements, axes, and the asymmetric unit of view directions.

An element ``g`` leaves the map as it is, ``V(g x) = V(x)``. A proper element makes the views ``A`` and ``A g^T`` show
the same image: the view direction ``d`` becomes ``g d``. An improper element (mirror, inversion, rotoreflection) makes
the view along ``g d`` the mirror image of the view along ``d``. So *directions* are reduced by the whole group, proper
and improper, as Xmipp does, and the asymmetric unit has the area ``4 pi / order``; *orientations* are reduced by
``rotations`` alone. The opposite direction of a view also shows its mirror image, in every group; that is not a
symmetry of the map, and both are kept unless the group holds the inversion.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from emviewer.engine.conventions import F64
from emviewer.engine.errors import ParameterError
from emviewer.engine.symmetry_domain import Domain, make_domain
from emviewer.engine.symmetry_file import closed_group, read_generators
from emviewer.engine.symmetry_groups import GROUP_AXES, GROUP_HELP, canonical_name, elements, looks_like_a_name

__all__ = ["GROUP_AXES", "GROUP_HELP", "PointGroup", "group_names", "point_group"]


@dataclass(frozen=True, eq=False)
class PointGroup:
    """A point group in the map's frame.

    Parameters
    ----------
    name : str
        Canonical name (``D2``, ``C4v``, ``I2`` …) or the name of the symmetry file.
    rotations : ndarray of float64, shape (k, 3, 3)
        Proper elements, the identity first; they act on vectors ``(x, y, z)``.
    improper : ndarray of float64, shape (m, 3, 3)
        Elements with determinant -1; m is 0 or k.
    """

    name: str
    rotations: F64 = field(repr=False)
    improper: F64 = field(repr=False)

    @property
    def order(self) -> int:
        """Number of elements, proper and improper."""
        return len(self.rotations) + len(self.improper)

    @property
    def has_mirrors(self) -> bool:
        """Whether the group has improper elements; no chiral molecule has them."""
        return len(self.improper) > 0

    @cached_property
    def operations(self) -> F64:
        """All elements, shape (order, 3, 3), the proper ones first."""
        return np.concatenate([self.rotations, self.improper])

    @cached_property
    def axes(self) -> list[tuple[int, F64]]:
        """Rotation axes as ``(fold, unit vector)``, one for each line, highest fold first, nearest to +z first.

        The vector is the end in the upper half (z > 0; in the x-y plane the one with x > 0, else y > 0).
        """
        if len(self.rotations) == 1:
            return []
        lines = np.array([_upper_end(_axis_of(g)) for g in self.rotations[1:]])
        _, first, counts = np.unique(np.round(lines, 5) + 0.0, axis=0, return_index=True, return_counts=True)
        found = [(int(c) + 1, lines[i]) for i, c in zip(first, counts, strict=True)]
        return sorted(found, key=lambda a: (-a[0], *(-np.round(a[1][[2, 0, 1]], 6))))

    @cached_property
    def mirror_normals(self) -> F64:
        """Unit normals of the mirror planes, shape (m, 3), the end in the upper half."""
        planes = [g for g in self.improper if abs(np.trace(g) - 1.0) < 1e-6]
        return np.array([_upper_end(_axis_of(-g)) for g in planes]).reshape(-1, 3)

    @cached_property
    def _domain(self) -> Domain:
        normals = self.mirror_normals
        main = self.axes[0][1] if self.axes else (normals[0] if len(normals) == 1 else np.array([0.0, 0.0, 1.0]))
        return make_domain(self.operations, main, normals)

    @property
    def unit_frame(self) -> F64:
        """Orthonormal rows ``c1`` (main axis), ``c2`` (middle of the asymmetric unit's wedge), ``c3``, shape (3, 3)."""
        return self._domain.frame

    @cached_property
    def wedges(self) -> int:
        """Number of elements that leave the main axis where it is: how many wedges there are around it."""
        return int((np.abs(self.operations @ self.unit_frame[0] - self.unit_frame[0]).max(axis=1) < 1e-6).sum())

    @property
    def unit_edge_lengths(self) -> F64:
        """Lengths of the asymmetric unit's edges in radians, shape (w,)."""
        return np.asarray(np.ptp(self._domain.arcs, axis=1))

    @cached_property
    def mirror_edge_length(self) -> float:
        """Length in radians of those edges of the asymmetric unit that lie on mirror planes."""
        on_mirror = np.abs(self._domain.walls @ self.mirror_normals.T).max(axis=1, initial=0.0) > 1 - 1e-6
        return float(self.unit_edge_lengths[on_mirror].sum())

    @cached_property
    def unit_middle(self) -> F64:
        """Unit vector (3,) in the middle of the asymmetric unit (the mean of its edges); +z for C1."""
        edges = self.asymmetric_unit_outline()
        middle = np.concatenate(edges).mean(axis=0) if edges else np.array([0.0, 0.0, 1.0])
        if len(self._domain.walls) < 3:
            middle = self._domain.walls.sum(axis=0) if edges else middle
        return np.asarray(middle / np.linalg.norm(middle))

    def in_asymmetric_unit(self, directions: ArrayLike) -> NDArray[np.bool_]:
        """Return which directions lie in the asymmetric unit.

        Parameters
        ----------
        directions : array_like, shape (n, 3)
            Vectors of any length but 0.

        Returns
        -------
        ndarray of bool, shape (n,)
            True for exactly one direction of every orbit. On an edge (within 1e-9 rad) one of the copies is chosen by
            comparing all, so edges, axes and poles count once too.

        Notes
        -----
        The unit lies around the axis of highest fold nearest to z: Cn is rot 0…360/n, Dn the same with tilt ≤ 90,
        Cnv rot 0…180/n, and T, O, I the triangle between that axis and two others. 100 000 directions take 3 ms.
        """
        d = np.asarray(directions, np.float64).reshape(-1, 3)
        return self._domain.contains(d / np.linalg.norm(d, axis=1, keepdims=True))

    def touches_asymmetric_unit(self, directions: F64, margin_rad: float = 1e-6) -> NDArray[np.bool_]:
        """Return which unit vectors (n, 3) lie in the asymmetric unit or so near that each wall is within a margin."""
        return self._domain.touches(directions, float(np.sin(margin_rad)))

    def to_asymmetric_unit(self, directions: ArrayLike) -> F64:
        """Return the copy of each direction (n, 3) that lies in the asymmetric unit, as unit vectors (n, 3)."""
        d = np.array(directions, np.float64).reshape(-1, 3)
        d /= np.linalg.norm(d, axis=1, keepdims=True)
        left = np.arange(len(d))
        source = d.copy()
        for g in self.operations:
            if not len(left):
                break
            copy = source[left] @ g.T
            inside = self._domain.contains(copy)
            d[left[inside]] = copy[inside]
            left = left[~inside]
        return d

    def copies(self, directions: ArrayLike) -> F64:
        """Return all copies ``g d`` of directions (n, 3): shape (order, n, 3), in the order of :attr:`operations`."""
        d = np.asarray(directions, np.float64).reshape(-1, 3)
        return np.asarray(np.einsum("kij,nj->kni", self.operations, d))

    def asymmetric_unit_outline(self, step_deg: float = 1.0) -> list[F64]:
        """Return the edges of the asymmetric unit for drawing.

        Parameters
        ----------
        step_deg : float
            Largest distance between neighbouring points.

        Returns
        -------
        list of ndarray of float64, shape (m, 3)
            One great-circle arc an edge; empty for C1.
        """
        return self._domain.outline(np.deg2rad(step_deg))

    @staticmethod
    def group_names() -> list[str]:
        """Return :func:`group_names`."""
        return group_names()


def group_names() -> list[str]:
    """Return the known names to offer in a list; of the numbered families those up to 12 (99 is the highest)."""
    numbers = range(1, 13)
    names = [f"C{n}" for n in numbers] + [f"D{n}" for n in numbers] + ["T", "O", "I1", "I2", "I3", "I4"]
    names += ["Ci", "Cs", *(f"C{n}{m}" for m in "vh" for n in numbers), *(f"S{n}" for n in numbers if n % 2 == 0)]
    names += [f"D{n}{m}" for m in "vh" for n in numbers]
    return [*names, "Td", "Th", "Oh", "I1h", "I2h", "I3h", "I4h"]


def point_group(name_or_path: str | Path) -> PointGroup:
    """Return the point group of a name, or of a file in Xmipp's symmetry format.

    Parameters
    ----------
    name_or_path : str or Path
        A name in upper or lower case (see :data:`GROUP_HELP`), else the path of a text file of lines
        ``rot_axis FOLD X Y Z``, ``mirror_plane X Y Z``, ``inversion``.

    Raises
    ------
    ParameterError
        For an unknown name, with the list of known ones; for I5 and I5h, with the reason.
    FileError
        For a bad line of a file, with its number, and for elements that make no finite group.
    """
    text = str(name_or_path).strip()
    if looks_like_a_name(text):
        return _named(canonical_name(text))
    path = Path(text)
    if text and path.is_file():
        rotations, improper = closed_group(read_generators(path), path)
        return _frozen(path.name, rotations, improper)
    if path.suffix or len(path.parts) > 1:
        raise ParameterError(f"{text!r} is neither a point group nor a file", "", f"use one of {GROUP_HELP}")
    raise ParameterError(f"{text!r} is not a point group", "", f"use one of {GROUP_HELP}")


@lru_cache(maxsize=64)
def _named(name: str) -> PointGroup:
    return _frozen(name, *elements(name))


def _frozen(name: str, rotations: F64, improper: F64) -> PointGroup:
    rotations.flags.writeable = False
    improper.flags.writeable = False
    return PointGroup(name, rotations, improper)


def _axis_of(rotation: F64) -> F64:
    """Return a unit vector along the axis of a proper rotation other than the identity."""
    values, vectors = np.linalg.eigh(rotation + rotation.T)
    return np.asarray(vectors[:, np.argmax(values)])


def _upper_end(axis: F64) -> F64:
    for component in axis[[2, 0, 1]]:
        if abs(component) > 1e-6:
            return np.asarray(np.where(np.abs(axis) < 1e-12, 0.0, axis * np.sign(component)))
    return axis
