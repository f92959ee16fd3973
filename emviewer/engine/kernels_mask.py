# mypy: disable-error-code="no-untyped-def"
"""Inner loops on masks: connected pieces, their boxes, and how far each voxel is from a mask."""

from __future__ import annotations

import numpy as np
from numba import njit


@njit(nogil=True, cache=True)
def _root(parent, i):
    while parent[i] != i:
        parent[i] = parent[parent[i]]
        i = parent[i]
    return i


@njit(nogil=True, cache=True)
def label(above, labels):
    """Write the number of each piece of ``above`` (z, y, x), joined by faces, in the order met; return the count."""
    nz, ny, nx = above.shape
    parent = np.zeros(above.size // 2 + 2, np.int32)
    last = 0
    for z in range(nz):
        for y in range(ny):
            for x in range(nx):
                labels[z, y, x] = 0
                if not above[z, y, x]:
                    continue
                mine = 0
                for k in range(3):
                    if k == 0:
                        near = labels[z - 1, y, x] if z > 0 else 0
                    elif k == 1:
                        near = labels[z, y - 1, x] if y > 0 else 0
                    else:
                        near = labels[z, y, x - 1] if x > 0 else 0
                    if near == 0:
                        continue
                    near = _root(parent, near)
                    if mine == 0:
                        mine = near
                    elif near < mine:
                        parent[mine] = near
                        mine = near
                    elif mine < near:
                        parent[near] = mine
                if mine == 0:
                    last += 1
                    parent[last] = last
                    mine = last
                labels[z, y, x] = mine
    number = np.zeros(last + 1, np.int32)
    count = 0
    for i in range(1, last + 1):
        root = _root(parent, i)
        if root == i:
            count += 1
            number[i] = count
        else:
            number[i] = number[root]
    for z in range(nz):
        for y in range(ny):
            for x in range(nx):
                labels[z, y, x] = number[labels[z, y, x]]
    return count


@njit(nogil=True, cache=True)
def boxes(labels, count):
    """Return the number of voxels of each piece (count + 1,) and its box (count + 1, 3, 2), ends not included."""
    sizes = np.zeros(count + 1, np.int64)
    bounds = np.zeros((count + 1, 3, 2), np.int64)
    for i in range(3):
        bounds[:, i, 0] = labels.shape[i]
    for z in range(labels.shape[0]):
        for y in range(labels.shape[1]):
            for x in range(labels.shape[2]):
                i = labels[z, y, x]
                if i == 0:
                    continue
                sizes[i] += 1
                for k, v in enumerate((z, y, x)):
                    bounds[i, k, 0] = min(bounds[i, k, 0], v)
                    bounds[i, k, 1] = max(bounds[i, k, 1], v + 1)
    return sizes, bounds


@njit(nogil=True, cache=True)
def nearer(squares, reach, axis, out):
    """Write the least of ``squares`` plus the squared distance along an axis, looking up to ``reach`` voxels away."""
    n = squares.shape
    for z in range(n[0]):
        for y in range(n[1]):
            for x in range(n[2]):
                at = z if axis == 0 else y if axis == 1 else x
                best = squares[z, y, x]
                for d in range(max(-reach, -at), min(reach, n[axis] - 1 - at) + 1):
                    if axis == 0:
                        value = squares[z + d, y, x]
                    elif axis == 1:
                        value = squares[z, y + d, x]
                    else:
                        value = squares[z, y, x + d]
                    best = min(best, value + d * d)
                out[z, y, x] = best
