"""Settle orientations and the map they give by expectation maximisation about the present poses.

Poses taken for exact blur the map they give, by as much as they are wrong, and a blurred map tells poses worse: from
noisy images that ends short of what the images tell. Here every image enters the map at many poses drawn about its
best one, each with its probability (the likelihood of Sigworth 1998 and Scheres 2012, on poses drawn from its Laplace
approximation instead of a grid), which gives the map unblurred; the noise in every ring is what is left unexplained.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from scipy.special import ndtri
from scipy.stats import qmc

from emviewer.engine import kernels_soft, orientations_match
from emviewer.engine.conventions import euler_to_matrix
from emviewer.engine.match_transform import prepare_transform
from emviewer.engine.orientations_em import Band, MapOf, band
from emviewer.engine.orientations_solution import Plan, Solution
from emviewer.engine.resample import shift_images
from emviewer.engine.rotations import angle_modulo_deg
from emviewer.engine.sampling import even
from emviewer.engine.symmetry import PointGroup
from emviewer.engine.task import Check, never
from emviewer.engine.threads import each_chunk, threads
from emviewer.engine.types import F32, F64

DRAWN = 48
"""Poses drawn an image and round."""
WIDE = 1.25
"""Their standard deviation over that of likely poses."""
IMAGES_A_CALL = 8
"""Images inserted between two looks at ``check``."""
STEPS = 4
"""Levenberg–Marquardt steps to the best pose, each round."""
LEAST_PRECISION = (1 / 0.3**2, 1 / 4.0**2)
"""Of rotations in rad⁻² and of displacements in px⁻² of the small box: poses are not sought further away."""
GROWTH, MORE_ABOVE = 1.3, 0.05
"""The band grows by so much while more than this part of the power of its last rings is signal."""
NEW_NOISE = 0.7
"""Part of the power that is taken for noise in rings of which nothing is known yet."""
SEARCH_STEP_DEG = 7.5
"""Step of the directions over which images are sought anew, to rescue single ones."""
ELSEWHERE_DEG, ELSEWHERE = 8.0, 3.0
"""A view found anew is another one when it differs by more than this, and by so many times the spread."""
LEAST_POWER, LEAST_NOISE = 1e-5, 1e-3
"""Rings that hold less of the strongest ring's power tell nothing: of images without noise they hold what interpolation
leaves of stronger rings. Least part of a ring's power that is noise."""
STILL = 0.3
"""Poses that turn less than this part of their spread stand still; later rounds only fit the noise."""
DOUBTS = (0.4, 2.5)
"""Least and most variance of an image's noise, by that of most."""


def settled(
    ready: F32, found: Solution, group: PointGroup, plan: Plan, top: float, check: Check = never
) -> Iterator[Solution]:
    """Yield solutions settled with their map; between, all images are sought in it anew, and some go elsewhere.

    Parameters
    ----------
    ready : ndarray of float32, shape (n, d, d)
        Masked to the particle, background zero.
    found : Solution
        Views right to some degrees.
    group : PointGroup
        Of the particle.
    plan : Plan
        Largest displacement, radius, rounds, seed.
    top : float
        Ring at which the band begins.
    check : callable
        Raises to stop.
    """
    elements, now = np.asarray(group.rotations), found
    everywhere = euler_to_matrix(*even(SEARCH_STEP_DEG, group).T)
    for stage in ("settling", "settled"):
        for state in settle(
            ready, now.rotations, now.displacement_px, group=elements, max_shift_px=plan.reach_px,
            radius_px=plan.radius_px, top=top, rounds=plan.rounds, seed=plan.seed, check=check,
        ):  # fmt: skip
            top = state.top
            now = replace(
                now, rotations=state.rotations, displacement_px=state.displacement_px, fit=state.fit, stage=stage,
                spread_rad=state.spread_rad,
            )  # fmt: skip
            yield now
        if stage == "settled" or now.spread_rad is None:
            return
        stands = now.displacement_px
        again = orientations_match.search_again(
            shift_images(ready, -stands), now.rotations, np.zeros_like(stands), everywhere, group=elements,
            max_shift_px=plan.max_shift_px + 1e-3, start=top, folds=4 if len(ready) >= 16 else 2, seed=plan.seed,
            check=check,
        )  # fmt: skip
        turned = angle_modulo_deg(now.rotations, again.rotations, elements)
        other = turned > np.maximum(ELSEWHERE_DEG, ELSEWHERE * np.degrees(now.spread_rad))
        now = replace(
            now,
            held=~other,
            rotations=np.where(other[:, None, None], again.rotations, now.rotations),
            displacement_px=np.where(other[:, None], stands + again.displacement_px, stands),
        )
        yield now
        if not other.any():
            return


@dataclass(frozen=True, eq=False)
class Settled:
    """State after a round.

    Parameters
    ----------
    rotations : ndarray of float64, shape (n, 3, 3)
        Best view of each image.
    displacement_px : ndarray of float64, shape (n, 2)
        Where the particles stand; minus RELION's origin.
    fit : ndarray of float64, shape (n,)
        Correlation of each image with the map.
    spread_rad : ndarray of float64, shape (n,)
        Root mean square angle of the likely views about the best.
    top : float
        Highest ring used, in pixels of the image transform.
    """

    rotations: F64
    displacement_px: F64
    fit: F64
    spread_rad: F64
    top: float


def settle(
    images: F32,
    rotations: F64,
    displacement_px: F64,
    *,
    radius_px: float,
    top: float,
    group: F64 | None = None,
    max_shift_px: float = 0.0,
    rounds: int = 8,
    seed: int = 0,
    check: Check = never,
) -> Iterator[Settled]:
    """Yield the state after every round.

    Parameters
    ----------
    images : ndarray of float32, shape (n, d, d)
        Masked to the particle, background zero, white on dark.
    rotations, displacement_px : ndarray of float64, shape (n, 3, 3) and (n, 2)
        Poses right to some degrees.
    radius_px : float
        Radius of the particle.
    top : float
        Ring at which the band begins; it grows as long as it ends in signal.
    group : ndarray of float64, shape (g, 3, 3), optional
        Point group.
    max_shift_px : float
        Largest displacement; none below half a pixel.
    rounds : int
        Rounds; fewer where poses stand still.
    seed : int
        Of the poses drawn.
    check : callable
        Raises to stop.
    """
    d = images.shape[1]
    state = _Soft(images, rotations, displacement_px, max_shift_px if max_shift_px >= 0.5 else 0.0, group)
    state.widen(band(images, min(top, d / 2 - 2), radius_px))
    normals = _normals(DRAWN, seed)
    for _ in range(rounds):
        before = state.A.copy()
        state.round(normals, check)
        yield Settled(state.A.copy(), state.s.copy(), state.fit.copy(), state.spread.copy(), state.top)
        turned = np.arccos(np.clip((np.einsum("nij,nij->n", before, state.A) - 1) / 2, -1, 1))
        wider = band(images, min(GROWTH * state.top, d / 2 - 2), radius_px) if state.ends_in_signal() else None
        if wider is not None and wider.rings.max() > state.known:
            state.widen(wider)
        elif np.median(turned) < STILL * np.median(state.spread):
            return


class _Soft:
    """Poses of all images, how far each may be wrong, and the noise."""

    def __init__(self, images: F32, rotations: F64, displacement_px: F64, bound_px: float, group: F64 | None) -> None:
        n = len(images)
        self.A, self.s = np.ascontiguousarray(rotations, float).copy(), np.asarray(displacement_px, float).copy()
        # what stands beyond the bound could not move: every step of it would be taken back onto the bound
        self.s *= np.minimum(1, bound_px / np.maximum(np.hypot(*self.s.T), 1e-9))[:, None]
        self.bound_px = bound_px
        self.group = np.eye(3)[None] if group is None else np.asarray(group, float)
        self.turns = np.ascontiguousarray(self.group.transpose(0, 2, 1))
        self.gain, self.doubt, self.fit, self.spread = np.ones(n), np.ones(n), np.zeros(n), np.zeros(n)
        self.drawn = (self.A[:, None].copy(), self.s[:, None].copy(), np.ones((n, 1)))
        self.noise, self.known = np.zeros(0), 0

    def widen(self, wider: Band) -> None:
        """Go over to a wider band, in whose new rings as good as nothing is known."""
        known = self.known
        self.band, self.top = wider, float(np.hypot(*wider.points.T).max())
        self.known = int(wider.rings.max())
        self.map = MapOf(wider, self.group)
        self.noise = np.concatenate([self.noise[:known], NEW_NOISE * self.map.power[known:]])

    def ends_in_signal(self) -> bool:
        last = slice(max(1, self.known - 2), self.known + 1)
        power, noise = self.map.power[last], self.noise[last]
        return bool(noise.sum() < (1 - MORE_ABOVE) * power.sum() and power.mean() > LEAST_POWER * self.map.power.max())

    def round(self, normals: F64, check: Check) -> None:
        """Make the map of the poses drawn last, and draw anew about the poses that are best for it."""
        b, n = self.band, len(self.A)
        data = self._map(check)
        transform = prepare_transform(data)
        c = (transform.shape[0] - 2) // 2
        rotations, shifts = np.empty((n, len(normals), 3, 3)), np.empty((n, len(normals), 2))
        mass, residual = np.empty((n, len(normals))), np.empty((n, len(self.noise)))
        small = np.ascontiguousarray(self.s * b.scale)
        precision = b.share / np.maximum(self.noise, 1e-30)
        precision[0] = 0

        def work(lo: int, hi: int) -> None:
            check()
            kernels_soft.draw_poses(
                transform, c, 2 * c / b.n, b.points, b.rings, precision, b.values, self.doubt, float(b.n),
                self.bound_px * b.scale, self.bound_px > 0, np.array(LEAST_PRECISION), normals, WIDE, STEPS, lo, hi,
                self.A, small, rotations, shifts, mass, self.gain, self.fit, self.spread, residual,
            )  # fmt: skip

        each_chunk(work, n, 8)
        self.s = small / b.scale
        self.drawn = (rotations, shifts / b.scale, mass)
        left = residual.mean(axis=0) / self.map.count / (1 - self._fitted())
        power = self.map.power
        floor = np.where(power > 0, np.maximum(LEAST_NOISE * power, 0.1 * LEAST_POWER * power.max()), 0)
        self.noise = np.clip(left, floor, np.maximum(floor, power))
        # noise of single images, told by the rings in which it is most of the power
        chi = (residual * precision).sum(axis=1)
        self.doubt = np.clip(chi / max(float(np.median(chi)), 1e-30), *DOUBTS)

    def _fitted(self) -> F64:
        """Return the part of each ring's noise that the map takes for signal: its free values over those measured."""
        b, ring = self.band, np.arange(len(self.noise))
        measured = len(self.A) * len(self.group) * b.n / np.maximum(ring * b.radius_px * 8 / 3, 1e-3)
        known = measured * np.maximum(self.map.power - self.noise, 0) / np.maximum(self.noise, 1e-30)
        return np.asarray(np.minimum(0.5, known / (1 + known) / measured))

    def _map(self, check: Check) -> F32:
        b, (rotations, shifts, mass) = self.band, self.drawn
        total, there = self.map.empty()
        shifts = np.ascontiguousarray(shifts * b.scale)
        weight = 1 / self.doubt
        p, c, k = self.map.p, self.map.p // 2, threads()
        # as many points of all slices together between any two cuts
        part = np.linspace(-1, 1, k + 1)
        far = self.top * p / b.n + 1
        cuts = np.round(c + far * np.sign(part) * (1 - np.sqrt(1 - np.abs(part)))).astype(int)
        cuts[0], cuts[-1] = 0, p

        def work(lo: int, hi: int) -> None:
            for i in range(lo, hi):
                for first in range(0, len(self.A), IMAGES_A_CALL):
                    check()
                    some = slice(first, first + IMAGES_A_CALL)
                    kernels_soft.insert_poses(
                        b.points, b.values[some], weight[some], self.gain[some], rotations[some], shifts[some],
                        mass[some], self.turns, float(b.n), p / b.n, c, cuts[i], cuts[i + 1], total, there,
                    )  # fmt: skip

        each_chunk(work, k, 1)
        return self.map.of(total, there, self.noise)


def _normals(draws: int, seed: int) -> F64:
    """Return standard normal numbers (draws, 5), evenly spread, with their opposites: mean 0 and covariance 1."""
    half = ndtri(qmc.Sobol(5, seed=seed).random(1 << int(np.ceil(np.log2(draws / 2))))[: draws // 2])
    z = np.concatenate([half, -half])
    root = np.linalg.cholesky(np.cov(z.T))
    return np.ascontiguousarray(z @ np.linalg.inv(root).T)
