"""Compare images with one map: weights, search, refinement, reprojections, residuals and scores of a batch."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emviewer.engine import conventions, fft, match_grid, residuals, sampling_cover
from emviewer.engine.ctf import CTF, transfer
from emviewer.engine.jobs.compare_inputs import Inputs
from emviewer.engine.jobs.compare_params import CompareParams
from emviewer.engine.match import Matcher
from emviewer.engine.match_rivals import Rivals
from emviewer.engine.match_search import Matches, Slices
from emviewer.engine.residuals_score import Scoring
from emviewer.engine.symmetry import PointGroup
from emviewer.engine.task import Check
from emviewer.engine.threads import each_chunk
from emviewer.engine.types import F32, F64, Map3D

COARSE_PER_RADIUS = 5.5
"""Coarse band: the particle's diameter over this is its resolution (30 Å for 165 Å), within 20 to 40 Å."""
ROUGH_STEP = 10.0
"""Least step in degrees between the views that given orientations are held against, and of rough searches in C1."""
LARGEST_RATIO = 3.0
"""Bound of the ratio of masked correlation to that over a band: both are small and uncertain where it is larger."""


@dataclass(frozen=True, eq=False)
class Prepared:
    """A batch of images on the common grid.

    Parameters
    ----------
    ids : ndarray of int64, shape (k,)
        Row ids.
    images : ndarray of float32, shape (k, n, n)
        As read (contrast as given), on the grid.
    masked : ndarray of float32, shape (k, n, n)
        Contrast made positive, background taken off, times a wide mask.
    values : ndarray of complex64, shape (k, m)
        Transforms of ``masked`` at the matcher's points.
    transfer : ndarray of float32, shape (k, m) or None
        What transforms of reprojections are multiplied with: CTF, radial filter.
    """

    ids: NDArray[np.int64]
    images: F32
    masked: F32
    values: NDArray[np.complex64]
    transfer: F32 | None


@dataclass(frozen=True, eq=False)
class Compared:
    """A batch after comparison: scores by column, and the three image stacks on the grid."""

    columns: dict[str, NDArray[Any]]
    aligned: F32
    reprojections: F32
    residuals: F32


class MapComparison:
    """One map, ready to be compared with batches of images.

    Parameters
    ----------
    volume : Map3D
        The map.
    inputs : Inputs
        What all maps share.
    params : CompareParams
        How.
    slices : Slices, optional
        The map's slices, when they are already there (a null map).

    Attributes
    ----------
    sign : int
        Contrast of the images against the map.
    radial : ndarray of float64, shape (n // 2 + 1,), or None
        What rings of reprojections are multiplied with before they are fitted.
    """

    def __init__(self, volume: Map3D, inputs: Inputs, params: CompareParams, slices: Slices | None = None) -> None:
        self.inputs, self.params = inputs, params
        grid = inputs.grid
        self.slices = slices or match_grid.map_slices(volume, grid)
        radius = inputs.radius_A(volume)
        self.radius_px = radius / grid.pixel_size_A
        coarse_A = float(np.clip(2 * radius / COARSE_PER_RADIUS, 20, 40))
        box_A = grid.n * grid.pixel_size_A
        finest = box_A / (2 * max(volume.pixel_size_A, grid.pixel_size_A))
        searching = not inputs.use
        views = _views(params.step, inputs.group) if searching else np.eye(3)[None]
        rough_step = max(params.step, ROUGH_STEP / inputs.group.order**0.5)
        rough = _views(rough_step, inputs.group) if searching else None
        self.matcher = Matcher(
            self.slices, views, inputs.max_shift_px, box_A / coarse_A, finest=finest, group=inputs.group.rotations,
            rough_views=rough,
        )  # fmt: skip
        wide = match_grid.soft_disc(grid.n, match_grid.largest_radius_px(grid.n))
        # the background beside the particle goes to zero: a pedestal under the mask is in no reprojection
        rim = wide * (1 - inputs.mask)
        self._wide, self._around = wide, rim if rim.sum() > grid.n else wide
        self.scoring = Scoring(inputs.mask, rim)
        self.sign = 1
        self.radial: F64 | None = None
        self._rivals: Rivals | None = None

    def prepare(self, ids: NDArray[np.int64], images: F32, ctf: CTF | None) -> Prepared:
        """Bring images (k, n, n) of the grid into the form in which they are matched."""
        n = self.inputs.grid.n
        masked = (images - weighted_mean(images, self._around)) * (self.sign * self._wide)
        m = self.matcher
        at_points: F32 | None = None
        if ctf is not None and self.params.ctf != "ignore":
            whole = transfer(ctf, n, self.inputs.grid.pixel_size_A)
            at_points = np.ascontiguousarray(whole[:, m.columns[:, 1] % n, m.columns[:, 0]])
            if self.params.ctf == "phase-flipped":
                at_points = np.abs(at_points)
        return self.filtered(Prepared(ids, images, masked, m.image_values(masked), at_points))

    def filtered(self, batch: Prepared) -> Prepared:
        """Return a batch whose reprojections will go through the radial filter, if there is one by now."""
        if self.radial is None:
            return batch
        gain = self.radial[self.matcher.rings].astype(np.float32)
        shape = (len(batch.ids), len(gain))
        plain = np.ones(shape, np.float32) if batch.transfer is None else batch.transfer
        return replace(batch, transfer=plain * gain)

    def find(self, batch: Prepared, given: tuple[F64, F64] | None, check: Check) -> Matches:
        """Search, or take the given (rotations, displacements), and refine unless told not to.

        Given views come with their best rival, as a search brings the second-best view.
        """
        start = self.candidates(batch, given, check)
        if given is None:
            return self.refined(batch, start, check)
        own = self.refined(batch, start, check) if self.params.refine else start
        return self.rivals().beside(batch.values, start, own, transfer=batch.transfer, check=check)

    def ready(self) -> None:
        """Make what threads will share before they start."""
        if self.inputs.use:
            self.rivals()
        else:
            self.matcher.ready()

    def rivals(self) -> Rivals:
        """Return what finds the best rivals of given views, made anew when the weights have changed."""
        if self._rivals is None or self._rivals.weight is not self.matcher.ring_weight:
            views = _views(max(self.params.step, ROUGH_STEP), self.inputs.group)
            self._rivals = Rivals(self.matcher, views, np.radians(2 * self.params.step))
        return self._rivals

    def candidates(
        self, batch: Prepared, given: tuple[F64, F64] | None, check: Check, *, rough: bool = False
    ) -> Matches:
        """Return the best views of an exhaustive search in the coarse band, or the given ones."""
        if given is not None:
            n = len(batch.ids)
            return Matches(
                np.ascontiguousarray(given[0][:, None]),
                np.ascontiguousarray(given[1][:, None]),
                np.zeros((n, 1)),
                np.zeros((n, 1), bool),
            )
        values = batch.values if batch.transfer is None else batch.values * batch.transfer
        return self.matcher.search_values(values, check=check, rough=rough)

    def refined(self, batch: Prepared, start: Matches, check: Check, *, quick: bool = False) -> Matches:
        """Refine candidates unless told not to.

        ``quick`` refines few candidates, and none in the finest band: enough to estimate weights.
        """
        m = self.matcher
        apart = np.radians(2 * self.params.step)
        if not self.params.refine:
            return m.scored(batch.values, start, transfer=batch.transfer, apart_rad=apart)
        if self.inputs.use:
            return m.refine(batch.values, start, bands=((m.finest, 1, 12),), transfer=batch.transfer, check=check)
        if quick:
            bands = ((m.coarse, 4, 5), ((m.coarse * m.finest) ** 0.5, 1, 6))
            return m.refine(batch.values, start, bands=bands, transfer=batch.transfer, check=check)
        return m.refine(batch.values, start, transfer=batch.transfer, apart_rad=apart, check=check)

    def coarse(self, batch: Prepared, given: tuple[F64, F64] | None, check: Check) -> Matches:
        """Return the best views of a rough search only, or the given ones: enough to tell the contrast."""
        if given is not None:
            return self.refined(batch, self.candidates(batch, given, check), check)
        values = batch.values if batch.transfer is None else batch.values * batch.transfer
        return self.matcher.search_values(values, 1, check, rough=True)

    def nothing(self) -> Compared:
        """Return the comparison of no images, with all its columns."""
        columns: dict[str, NDArray[Any]] = {name: np.empty(0) for name in SCORES}
        self._pose_columns(
            Matches(np.empty((0, 1, 3, 3)), np.empty((0, 1, 2)), np.empty((0, 1)), np.empty((0, 1), bool)), columns
        )
        n = self.inputs.grid.n
        return Compared(columns, *(np.empty((0, n, n), np.float32) for _ in range(3)))

    def compare(self, batch: Prepared, found: Matches) -> Compared:
        """Make reprojections and residuals of the best views and score them."""
        aligned, reprojected = self._pair(batch, found)
        columns, residual = self._score(aligned, reprojected)
        self._pose_columns(found, columns)
        return Compared(columns, aligned, reprojected, residual)

    def correlations(self, batch: Prepared, found: Matches) -> F64:
        """Return only the masked correlations of images with the reprojections of their best views."""
        return residuals.fit_gray(*self._pair(batch, found), self.inputs.mask, self.sign).cc

    def _pair(self, batch: Prepared, found: Matches) -> tuple[F32, F32]:
        """Return the images, centred, and their reprojections."""
        n = self.inputs.grid.n
        aligned, reprojected = np.empty_like(batch.images), np.empty_like(batch.images)

        def work(lo: int, hi: int) -> None:
            part = slice(lo, hi)
            aligned[part] = shifted(batch.images[part], -found.displacement_px[part, 0])
            values = self.matcher.model_values(found.rotations[part, 0])
            if batch.transfer is not None:
                values *= batch.transfer[part]
            reprojected[part] = match_grid.images_from_values(values, self.matcher.points, n)

        each_chunk(work, len(batch.ids), 16)
        return aligned, reprojected

    def _score(self, aligned: F32, reprojected: F32) -> tuple[dict[str, NDArray[Any]], F32]:
        grid, k = self.inputs.grid, len(aligned)
        columns: dict[str, NDArray[Any]] = {name: np.full(k, np.nan) for name in SCORES}
        residual = np.empty_like(aligned)

        def work(lo: int, hi: int) -> None:
            part = slice(lo, hi)
            out = {c: v[part] for c, v in columns.items()}
            s = self.scoring.score(aligned[part], reprojected[part], residual[part], self.sign)
            out["cc"][:], out["gray_scale"][:], out["gray_offset"][:] = s.cc, s.scale, s.offset
            left = np.sqrt(np.maximum(1 - s.cc**2, 0))
            out["nrmse"][:], out["fvu"][:], out["imed"][:] = left, left**2, s.imed
            curve = self.sign * residuals.ring_correlation(aligned[part], reprojected[part], self.inputs.mask)
            out["frc05_A"][:] = residuals.first_crossing_A(curve, grid.pixel_size_A, grid.n)
            out["residual_mean"][:], out["residual_var"][:] = self.sign * s.residual_mean, s.residual_var
            out["residual_logdet"][:], out["_signal"][:] = s.residual_logdet, s.signal
            out["_xmipp_mean"][:], out["_xmipp_deviation"][:] = s.xmipp_mean, s.xmipp_deviation

        each_chunk(work, k, 16)
        return columns, residual

    def _pose_columns(self, found: Matches, out: dict[str, NDArray[Any]]) -> None:
        pixel = self.inputs.grid.pixel_size_A
        angles = conventions.matrix_to_euler(into_asymmetric_unit(found.rotations[:, 0], self.inputs.group))
        for i, name in enumerate(("rot_deg", "tilt_deg", "psi_deg")):
            out[name] = angles[:, i]
        out["mirror"] = np.zeros(len(angles), np.int64)
        out["shift_x_A"], out["shift_y_A"] = (-found.displacement_px[:, 0] * pixel).T
        out["score"] = found.score[:, 0]
        second = found.score[:, 1] if found.score.shape[1] > 1 else np.full(len(angles), -np.inf)
        out["_lead"] = np.full(len(angles), np.nan) if found.lead is None else found.lead
        # these scores are correlations over a band; carried to the masked correlation by their ratio
        ratio = np.divide(out["cc"], out["score"], out=np.ones(len(angles)), where=out["score"] > 0)
        ratio = np.clip(ratio, 1 / LARGEST_RATIO, LARGEST_RATIO)
        out["cc_second"] = np.where(np.isfinite(second), second * ratio, np.nan)
        out["cc_margin"] = out["cc"] - out["cc_second"]
        out["_converged"] = found.converged[:, 0].astype(float)


SCORES = (
    "cc", "gray_scale", "gray_offset", "nrmse", "imed", "fvu", "frc05_A", "residual_mean", "residual_var",
    "residual_logdet", "_signal", "_xmipp_mean", "_xmipp_deviation",
)  # fmt: skip


def weighted_mean(images: F32, weight: F32) -> F32:
    """Return the weighted mean of every image (k, n, n), shape (k, 1, 1)."""
    flat = images.reshape(len(images), weight.size)
    mean = flat @ (weight / weight.sum(dtype=np.float64)).astype(np.float32).ravel()
    return np.asarray(mean[:, None, None], np.float32)


def shifted(images: F32, shift_px: F64) -> F32:
    """Return images (k, n, n) moved by ``shift_px`` (k, 2) (x, y) through their transforms (periodic)."""
    n = images.shape[1]
    half = fft.rfft2(images, 1)
    fx, fy = np.arange(n // 2 + 1) / n, np.fft.fftfreq(n)
    along_x = np.exp(-2j * np.pi * shift_px[:, 0, None] * fx).astype(np.complex64)
    along_y = np.exp(-2j * np.pi * shift_px[:, 1, None] * fy).astype(np.complex64)
    half *= along_y[:, :, None] * along_x[:, None, :]
    return fft.irfft2(half, (n, n), 1)


def _views(step_deg: float, group: PointGroup) -> F64:
    """Return views (v, 3, 3) that cover, with their opposites, every direction modulo the group."""
    searched = group
    if not group.has_mirrors:  # the view from behind is the mirror image, which the search tries anyway
        searched = PointGroup(group.name, group.rotations, -group.rotations)
    directions = sampling_cover.spiral(round(4 * np.pi / np.radians(step_deg) ** 2))
    x, y, z = directions[searched.in_asymmetric_unit(directions)].T
    tilt = np.degrees(np.arccos(np.clip(z, -1, 1)))
    return np.ascontiguousarray(conventions.euler_to_matrix(np.degrees(np.arctan2(y, x)), tilt, np.zeros(len(x))))


def into_asymmetric_unit(rotations: F64, group: PointGroup) -> F64:
    """Return equivalent views whose directions lie in the group's asymmetric unit."""
    out = rotations.copy()
    left = np.ones(len(out), bool)
    for g in group.rotations:
        turned = rotations @ g.T
        here = left & group.in_asymmetric_unit(turned[:, 2])
        out[here] = turned[here]
        left &= ~here
    return out
