"""Compare images with one map: weights, search, refinement, reprojections, residuals and scores of a batch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import fft as sfft

from emviewer.engine import conventions, match_grid, residuals, sampling_cover
from emviewer.engine.ctf import CTF, transfer
from emviewer.engine.jobs.compare_inputs import Inputs
from emviewer.engine.jobs.compare_params import CompareParams
from emviewer.engine.match import Matcher
from emviewer.engine.match_rivals import Rivals
from emviewer.engine.match_search import Matches, Slices
from emviewer.engine.symmetry import PointGroup
from emviewer.engine.task import Check
from emviewer.engine.threads import each_chunk
from emviewer.engine.types import F32, F64, Map3D

COARSE_PER_RADIUS = 5.5
"""Coarse band: the particle's diameter over this is its resolution (30 Å for 165 Å), within 20 to 40 Å."""
RIVAL_STEP = 10.0
"""Least step in degrees between the views that given orientations are held against."""

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
        CTF at the points.
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
    """

    def __init__(self, volume: Map3D, inputs: Inputs, params: CompareParams, slices: Slices | None = None) -> None:
        self.inputs, self.params = inputs, params
        grid = inputs.grid
        self.slices = slices or match_grid.map_slices(volume, grid)
        radius = match_grid.particle_radius_A(volume)
        self.radius_px = radius / grid.pixel_size_A
        coarse_A = float(np.clip(2 * radius / COARSE_PER_RADIUS, 20, 40))
        box_A = grid.n * grid.pixel_size_A
        finest = box_A / (2 * max(volume.pixel_size_A, grid.pixel_size_A))
        searching = not inputs.use
        views = _views(params.step, inputs.group) if searching else np.eye(3)[None]
        self.matcher = Matcher(
            self.slices, views, inputs.max_shift_px, box_A / coarse_A, finest=finest, group=inputs.group.rotations
        )
        self.sign = 1
        self._rivals: Rivals | None = None

    def prepare(self, ids: NDArray[np.int64], images: F32, ctf: CTF | None) -> Prepared:
        """Bring images (k, n, n) of the grid into the form in which they are matched."""
        mask, n = self.inputs.mask, self.inputs.grid.n
        wide = match_grid.soft_disc(n, match_grid.largest_radius_px(n))
        # the background beside the particle goes to zero: a pedestal under the mask is in no reprojection
        rim = wide * (1 - mask)
        around = rim if rim.sum() > n else wide
        masked = (self.sign * (images - _weighted_mean(images, around)) * wide).astype(np.float32)
        m = self.matcher
        at_points: F32 | None = None
        if ctf is not None and self.params.ctf != "ignore":
            whole = transfer(ctf, n, self.inputs.grid.pixel_size_A)
            kx, ky = m.points[:, 0].astype(int), m.points[:, 1].astype(int)
            at_points = np.ascontiguousarray(whole[:, ky % n, kx])
            if self.params.ctf == "phase-flipped":
                at_points = np.abs(at_points)
        return Prepared(ids, images, masked, m.image_values(masked), at_points)

    def find(self, batch: Prepared, given: tuple[F64, F64] | None, check: Check) -> Matches:
        """Search, or take the given (rotations, displacements), and refine unless told not to.

        Given views come with their best rival, as a search brings the second-best view.
        """
        start = self.candidates(batch, given, check)
        if given is None:
            return self.refined(batch, start, check)
        if self._rivals is None:
            step = max(self.params.step, RIVAL_STEP)
            self._rivals = Rivals(self.matcher, _views(step, self.inputs.group), np.radians(2 * self.params.step))
        own = self.refined(batch, start, check) if self.params.refine else start
        return self._rivals.beside(batch.values, start, own, transfer=batch.transfer, check=check)

    def candidates(self, batch: Prepared, given: tuple[F64, F64] | None, check: Check) -> Matches:
        """Return the best views of an exhaustive search in the coarse band, or the given ones."""
        m = self.matcher
        if given is not None:
            n = len(batch.ids)
            return Matches(
                np.ascontiguousarray(given[0][:, None]),
                np.ascontiguousarray(given[1][:, None]),
                np.zeros((n, 1)),
                np.zeros((n, 1), bool),
            )
        images = batch.masked
        if batch.transfer is not None:
            images = match_grid.images_from_values(batch.values * batch.transfer, m.points, m.n)
        return m.search(images, check=check)

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
        """Return the best views in the coarse band only: enough to tell the contrast."""
        if given is not None:
            return self.refined(batch, self.candidates(batch, given, check), check)
        return self.matcher.search(batch.masked, keep=1, check=check)

    def compare(self, batch: Prepared, found: Matches) -> Compared:
        """Make reprojections and residuals of the best views and score them."""
        k, n = len(batch.ids), self.inputs.grid.n
        aligned, reprojected, residual = (np.empty((k, n, n), np.float32) for _ in range(3))
        columns: dict[str, NDArray[Any]] = {name: np.full(k, np.nan) for name in SCORES}

        def work(lo: int, hi: int) -> None:
            part = slice(lo, hi)
            displaced = found.displacement_px[part, 0]
            aligned[part] = shifted(batch.images[part], -displaced)
            values = self.matcher.model_values(found.rotations[part, 0])
            if batch.transfer is not None:
                values *= batch.transfer[part]
            reprojected[part] = match_grid.images_from_values(values, self.matcher.points, n)
            self._score(aligned[part], reprojected[part], residual[part], {c: v[part] for c, v in columns.items()})

        each_chunk(work, k, 16)
        self._pose_columns(found, columns)
        return Compared(columns, aligned, reprojected, residual)

    def _score(self, aligned: F32, reprojected: F32, residual: F32, out: dict[str, NDArray[Any]]) -> None:
        mask, grid = self.inputs.mask, self.inputs.grid
        out["_signal"][:] = _signal_share(aligned, mask)
        fit = residuals.fit_gray(aligned, reprojected, mask, self.sign)
        residual[:] = fit.residual
        out["cc"][:] = fit.cc
        out["gray_scale"][:], out["gray_offset"][:] = fit.scale, fit.offset
        left = np.sqrt(np.maximum(1 - fit.cc**2, 0))
        out["nrmse"][:], out["fvu"][:] = left, left**2
        out["imed"][:] = residuals.imed(fit, mask)
        curve = self.sign * residuals.ring_correlation(aligned, reprojected, mask)
        out["frc05_A"][:] = residuals.first_crossing_A(curve, grid.pixel_size_A, grid.n)
        mean, variance, logdet = residuals.residual_statistics(fit, reprojected, mask)
        out["residual_mean"][:], out["residual_var"][:], out["residual_logdet"][:] = self.sign * mean, variance, logdet
        x, deviation = _xmipp_moments(fit.residual)
        out["_xmipp_mean"][:], out["_xmipp_deviation"][:] = x, deviation

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


def _signal_share(images: F32, mask: F32) -> F64:
    """Return how much of each image's variance in the mask is more than beside it: 0 for noise alone, at most 1."""
    n = images.shape[1]
    rim = match_grid.soft_disc(n, match_grid.largest_radius_px(n)) * (1 - mask)
    if rim.sum() < n:
        return np.full(len(images), np.nan)
    inside, beside = (
        np.einsum("kyx,yx->k", (images - _weighted_mean(images, w)) ** 2, w, dtype=np.float64) / w.sum()
        for w in (mask, rim)
    )
    return np.asarray(np.clip(1 - np.divide(beside, inside, out=np.ones(len(images)), where=inside > 0), 0, 1))


def _weighted_mean(images: F32, weight: F32) -> F32:
    mean = np.einsum("kyx,yx->k", images, weight, dtype=np.float64) / weight.sum(dtype=np.float64)
    return np.asarray(mean[:, None, None], np.float32)


def _xmipp_moments(residual: F32) -> tuple[F64, F64]:
    """Mean and deviation over the full square of residuals that are zero outside the inscribed disc, as Xmipp's."""
    n = residual.shape[1]
    disc = np.hypot(*(np.indices((n, n)) - n // 2)) <= n // 2
    inside = np.where(disc, residual, 0).astype(np.float64)
    return inside.mean(axis=(1, 2)), inside.std(axis=(1, 2))


def shifted(images: F32, shift_px: F64) -> F32:
    """Return images (k, n, n) moved by ``shift_px`` (k, 2) (x, y) through their transforms (periodic)."""
    n = images.shape[1]
    half = sfft.rfft2(images, workers=1)
    fx, fy = np.arange(n // 2 + 1) / n, np.fft.fftfreq(n)
    half *= np.exp(-2j * np.pi * shift_px[:, 0, None, None] * fx).astype(np.complex64)
    half *= np.exp(-2j * np.pi * shift_px[:, 1, None, None] * fy[:, None]).astype(np.complex64)
    return np.asarray(sfft.irfft2(half, s=(n, n), workers=1), np.float32)


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
