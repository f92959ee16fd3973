"""Figures of contour surfaces, drawn by following a ray for each pixel; no OpenGL is needed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from emviewer.engine import sources
from emviewer.engine.figure_page import MARGIN, Page
from emviewer.engine.figure_spec import SurfaceSpec
from emviewer.engine.filters_display import bin_volume
from emviewer.engine.kernels_surface import march
from emviewer.engine.task import Check, never
from emviewer.engine.threads import each_chunk
from emviewer.engine.types import F32, F64, Map3D, RigidTransform

LONGEST = 128
"""Longest edge of the map that rays go through; larger ones are averaged over blocks."""
STEP = 0.7
"""Of a ray, in voxels."""
MOST_PIXELS = 900
ROWS = 64
"""Rows of pixels whose rays go together."""
CYAN, RED = np.array([0.33, 0.76, 0.81]), np.array([0.94, 0.42, 0.36])
VEIL = 0.55
"""Opacity of the moving map: neither surface hides the other where both lie."""


@dataclass(frozen=True, eq=False)
class Body:
    """A map made small, its level, and how the world's coordinates (Å) become its voxels.

    Parameters
    ----------
    data : ndarray of float32, shape (nz, ny, nx)
        Voxels.
    level : float
        Density of the surface.
    matrix, offset : ndarray of float64, shapes (3, 3) and (3,)
        Voxel (x, y, z) = ``matrix`` point + ``offset``.
    """

    data: F32
    level: float
    matrix: F64
    offset: F64

    @classmethod
    def of(cls, volume: Map3D, motion: RigidTransform, enclosed_A3: float, check: Check = never) -> Body:
        """Return a map where a motion puts it, with the level that encloses a volume."""
        factor = max(1, -(-volume.box // LONGEST))
        data = np.asarray(volume.data, np.float32) if factor == 1 else bin_volume(volume.data, factor, check)
        step = factor * volume.pixel_size_A
        share = float(np.clip(enclosed_A3 / (data.size * step**3), 1e-5, 0.95))
        back = np.linalg.inv(motion.matrix)
        centre = np.array([(n // 2 - (factor - 1) / 2) / factor for n in volume.shape[::-1]])
        matrix = np.asarray(back / step, np.float64)
        offset = np.asarray(centre - matrix @ motion.translation_A, np.float64)
        return cls(data, float(np.quantile(data, 1 - share)), matrix, offset)

    def sample(self, points: F64) -> F64:
        """Return densities at voxels (x, y, z), shape (3, …), inside the box."""
        return np.asarray(ndimage.map_coordinates(self.data, points[::-1], np.float64, order=1, mode="nearest"))

    def hits(self, origin: F64, directions: F64) -> tuple[F64, F64]:
        """Return how far along rays (n, 3) from a point the surface is (inf: nowhere), and its normals (n, 3)."""
        start, along = self.matrix @ origin + self.offset, directions @ self.matrix.T
        near, far = self._span(start, along)
        found = np.full(len(along), np.inf)
        if min(self.data.shape) > 1:
            each_chunk(
                lambda lo, hi: march(self.data, self.level, start, along, near, far, STEP, lo, hi, found), len(along)
            )
        return found, self._normals(start, along, found)

    def _span(self, start: F64, along: F64) -> tuple[F64, F64]:
        """Return where rays enter and leave the box."""
        top = np.array(self.data.shape[::-1], float) - 1
        safe = np.where(np.abs(along) < 1e-12, 1e-12, along)
        ends = np.stack([(0 - start) / safe, (top - start) / safe])
        return np.maximum(ends.min(axis=0).max(axis=1), 0.0), ends.max(axis=0).min(axis=1)

    def _normals(self, start: F64, along: F64, found: F64) -> F64:
        out = np.zeros((len(found), 3))
        hit = np.flatnonzero(np.isfinite(found))
        at = start[:, None] + along[hit].T * found[hit]
        limit = np.array(self.data.shape[::-1], float)[:, None] - 1
        slope = np.stack([
            self.sample(np.clip(at + e[:, None], 0, limit)) - self.sample(np.clip(at - e[:, None], 0, limit))
            for e in np.eye(3)
        ])  # fmt: skip
        normal = -slope.T @ self.matrix
        length = np.linalg.norm(normal, axis=1, keepdims=True)
        out[hit] = np.divide(normal, length, out=np.zeros_like(normal), where=length > 0)
        return out


def draw(spec: SurfaceSpec, check: Check = never) -> Page:
    """Return the page of one map's surface, or of two in one frame: cyan, and red as a veil over it."""
    reference = sources.open_map(spec.reference, pixel_size_A=spec.pixel_size_A, resolution_A=spec.resolution_A)
    enclosed = spec.percent / 100 * reference.data.size * reference.pixel_size_A**3
    still = RigidTransform(np.eye(3), np.zeros(3))
    bodies: list[tuple[Body, F64]] = []
    if spec.show != "map" or spec.map is None:
        bodies.append((Body.of(reference, still, enclosed, check), CYAN))
    if spec.map is not None and spec.show != "reference":
        pixel = spec.map_pixel_size_A or spec.pixel_size_A
        moving = sources.open_map(spec.map, pixel_size_A=pixel, resolution_A=spec.resolution_A)
        moving = moving.with_pixel_size(moving.pixel_size_A * spec.magnification)
        motion = RigidTransform(np.array(spec.matrix), np.array(spec.translation_A))
        bodies.append((Body.of(moving, motion, enclosed, check), RED))
    span = spec.width_mm - 2 * MARGIN
    page = Page(spec, span * spec.aspect)
    width = min(MOST_PIXELS, round(span / 25.4 * spec.dpi))
    distance = spec.distance_A or 1.6 * reference.box * reference.pixel_size_A
    picture = render(bodies, spec, distance, width, check)
    page.image(np.asarray(np.rint(255 * np.clip(picture, 0, 1)), np.uint8), MARGIN, page.top, span, span * spec.aspect)
    return page


def render(
    bodies: list[tuple[Body, F64]], spec: SurfaceSpec, distance_A: float, width: int, check: Check = never
) -> F64:
    """Return a picture (h, w, 3) of surfaces with their colours on white, 0 to 1; the second lies over the first."""
    height = max(1, round(width * spec.aspect))
    az, el = np.radians([spec.azimuth_deg, spec.elevation_deg])
    towards = np.array([np.cos(el) * np.cos(az), np.cos(el) * np.sin(az), np.sin(el)])
    right = np.array([-np.sin(az), np.cos(az), 0.0])
    up = np.cross(towards, right)
    reach = np.tan(np.radians(spec.fov_deg) / 2)
    x = (np.arange(width) + 0.5) / width * 2 - 1
    y = ((np.arange(height) + 0.5) / height * 2 - 1) * height / width
    picture = np.ones((height, width, 3))
    eye = np.array(spec.centre_A) + distance_A * towards
    for top in range(0, height, ROWS):
        check()
        rows = y[top : top + ROWS]
        rays = -towards + reach * (x[None, :, None] * right - rows[:, None, None] * up)
        rays = rays.reshape(-1, 3) / np.linalg.norm(rays.reshape(-1, 3), axis=1, keepdims=True)
        picture[top : top + ROWS] = _shaded(bodies, eye, rays).reshape(len(rows), width, 3)
    return picture


def _shaded(bodies: list[tuple[Body, F64]], eye: F64, rays: F64) -> F64:
    colour, depth = np.ones((len(rays), 3)), np.full(len(rays), np.inf)
    for k, (body, paint) in enumerate(bodies):
        far, normal = body.hits(eye, rays)
        light = 0.3 + 0.7 * np.clip(-np.sum(normal * rays, axis=1), 0, 1)
        slack = 0.5 / np.linalg.norm(body.matrix[0])
        seen = np.isfinite(far) & (far < depth + slack)
        alpha = VEIL if k else 1.0
        colour[seen] = (1 - alpha) * colour[seen] + alpha * paint * light[seen, None]
        depth[seen] = np.minimum(depth[seen], far[seen])
    return colour
