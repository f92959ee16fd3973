"""Scores of any view of one image against one map, for trying orientations by hand. Made and used in the lanes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from emviewer.engine import conventions, residuals
from emviewer.engine.jobs import compare_inputs, compare_setup
from emviewer.engine.jobs.compare_map import Compared, MapComparison, Prepared, into_asymmetric_unit
from emviewer.engine.jobs.compare_params import CompareParams
from emviewer.engine.jobs.compare_read import Reader
from emviewer.engine.match_search import Matches
from emviewer.engine.task import Check
from emviewer.engine.types import F32, F64, Poses
from emviewer.ui.comparison import Comparison

TILTS_DEG = (4.0, 9.0)
"""Angles by which the starts of a search about a view are turned away from it."""


AFFINE = 0.02
"""A score of the set is known for a new view if it follows its law this closely, in units of its spread."""


@dataclass(frozen=True, eq=False)
class HandView:
    """An image against the map in one view.

    Parameters
    ----------
    rotation : ndarray of float64, shape (3, 3)
        The view ``A``.
    displacement_px : ndarray of float64, shape (2,)
        Where the particle stands, in pixels of the comparison.
    scores : dict
        Columns of the scores table.
    images : dict
        ``aligned``, ``reprojections``, ``fitted``, ``residuals``, float32 (n, n).
    frc : ndarray of float64
        Ring correlation of image and reprojection, ring 0 to Nyquist.
    """

    rotation: F64
    displacement_px: F64
    scores: dict[str, float]
    images: dict[str, F32]
    frc: F64


class _Warnings:
    """Takes the place of a result folder while inputs are opened again: their doubts were said when the job ran."""

    def warn(self, sentence: str) -> None:
        """Hear and forget."""


class Stage:
    """One map ready to be compared with single images.

    Parameters
    ----------
    comparison : Comparison
        What was found; its inputs are opened once and kept.
    name : str
        The map.
    check : callable
        Raises :class:`Cancelled` to stop.

    Raises
    ------
    EmviewerError
        Images or maps are not where they were.
    """

    def __init__(self, comparison: Comparison, name: str, check: Check) -> None:
        params = CompareParams.model_validate(comparison.parameters)
        if comparison.inputs is None:
            comparison.inputs = compare_inputs.open_inputs(params, _Warnings(), check)  # type: ignore[arg-type]
        check()
        table = comparison.table_of(name)
        whole: compare_inputs.Inputs = comparison.inputs
        n = len(whole.images)
        images = replace(whole.images, poses=poses_of(table, n))
        self.inputs = replace(whole, images=images, use=True)
        self.pixel_size_A = whole.grid.pixel_size_A
        self.mask = whole.mask
        number = list(comparison.tables).index(name)
        # a view set by hand is taken as it is; where views were given it is held against its best rival, as they were
        self.comparison = MapComparison(whole.maps[number][1], self.inputs, params.model_copy(update={"refine": False}))
        self.given = whole.use
        self.apart = float(np.cos(np.radians(2 * params.step)))
        self.found: Callable[[int], pd.Series] = partial(comparison.found, name)
        self.comparison.sign = comparison.sign
        self.reader = Reader(self.inputs)
        compare_setup.calibrate(self.comparison, self.reader, check)
        self.set_scores = SetScores(table)
        self._prepared: tuple[int, Prepared] | None = None

    def image(self, row: int) -> Prepared:
        """Return one image, prepared; kept until another is asked for."""
        if self._prepared is None or self._prepared[0] != row:
            self._prepared = row, self.reader.prepared(self.comparison, np.array([row]))
        return self._prepared[1]

    def pose(self, scores: pd.Series) -> tuple[F64, F64]:
        """Return the view and the displacement in pixels that a row of the table says."""
        angles = np.nan_to_num([[float(scores[c]) for c in ("rot_deg", "tilt_deg", "psi_deg")]])
        shift = np.nan_to_num([float(scores["shift_x_A"]), float(scores["shift_y_A"])])
        return conventions.euler_to_matrix(*angles.T)[0], -shift / self.pixel_size_A

    def score(self, row: int, rotation: F64, displacement_px: F64, check: Check) -> HandView | None:
        """Return what the map shows in this view and how it scores; None for an image that cannot be used.

        On one core 3 ms for images of 64 pixels, 15 ms for 128: as fast as a mouse moves.
        """
        batch = self.image(row)
        if not len(batch.ids):
            return None
        at = (rotation[None], displacement_px[None])
        if self.given:
            found = self.comparison.find(batch, at, check)
        else:
            found = self.comparison.refined(batch, self.comparison.candidates(batch, at, check), check)
        view = self._view(batch, found)
        second = self.second_best(row, rotation, view.scores["cc_second"])
        view.scores["cc_second"], view.scores["cc_margin"] = second, view.scores["cc"] - second
        return view

    def second_best(self, row: int, rotation: F64, rival: float) -> float:
        """Return the correlation of the best view more than two steps away from one, NaN if none is known.

        Near the view that the job found it is the job's own second best; elsewhere the view that the job found is
        itself the best of those far away, unless a ``rival`` is better.
        """
        found = self.found(row)
        best, second = float(found["cc"]), float(found["cc_second"])
        if not np.isfinite(best):
            return rival
        direction = self.pose(found)[0][2]
        near = float((self.inputs.group.rotations @ rotation[2] @ direction).max()) > self.apart
        return second if near else float(np.nanmax([best, rival]))

    def search(self, row: int, rotation: F64, displacement_px: F64, check: Check) -> HandView | None:
        """Return the best view near this one: refined from it and from starts around it, shift and turn included."""
        batch = self.image(row)
        if not len(batch.ids):
            return None
        starts = around(rotation)
        k = len(starts)
        start = Matches(
            starts[None], np.repeat(displacement_px[None, None], k, axis=1), np.zeros((1, k)), np.zeros((1, k), bool)
        )
        found = self.comparison.matcher.refine(batch.values, start, transfer=batch.transfer, check=check)
        return self.score(row, found.rotations[0, 0], found.displacement_px[0, 0], check)

    def _view(self, batch: Prepared, found: Matches) -> HandView:
        compared: Compared = self.comparison.compare(batch, found)
        scores = {name: float(v[0]) for name, v in compared.columns.items() if not name.startswith("_")}
        scores |= self.set_scores(scores)
        scale, offset = np.float32(scores["gray_scale"]), np.float32(scores["gray_offset"])
        images = {
            "aligned": compared.aligned[0],
            "reprojections": compared.reprojections[0],
            "fitted": compared.reprojections[0] * scale + offset,
            "residuals": compared.residuals[0],
        }
        curve = frc(images["aligned"], images["reprojections"], self.mask, self.comparison.sign)
        return HandView(found.rotations[0, 0], found.displacement_px[0, 0], scores, images, curve)

    def in_unit(self, rotation: F64) -> F64:
        """Return the equivalent view in the asymmetric unit of the map's group."""
        return into_asymmetric_unit(rotation[None], self.inputs.group)[0]


def frc(image: F32, reprojection: F32, mask: F32, sign: int) -> F64:
    """Return the ring correlation of one image and its reprojection, ring 0 to Nyquist."""
    return sign * residuals.ring_correlation(image[None], reprojection[None], mask)[0]


def poses_of(table: pd.DataFrame, n: int) -> Poses:
    """Return the orientations of a table of scores, zero where unknown, for ``n`` images."""
    found = table.reindex(np.arange(n))
    angles = np.nan_to_num(found[["rot_deg", "tilt_deg", "psi_deg"]].to_numpy(float))
    shifts = np.nan_to_num(found[["shift_x_A", "shift_y_A"]].to_numpy(float))
    return Poses(conventions.euler_to_matrix(*angles.T), shifts, np.zeros(n, bool))


def around(rotation: F64) -> F64:
    """Return views about one, itself first: turned away from it in six directions, and in the plane; (k, 3, 3)."""
    out = [rotation]
    for angle in TILTS_DEG:
        for toward in np.arange(6) * np.pi / 3:
            out.append(turn(np.array([np.cos(toward), np.sin(toward), 0.0]), angle) @ rotation)
        out += [turn(np.array([0.0, 0.0, 1.0]), s * angle) @ rotation for s in (-1, 1)]
    return np.ascontiguousarray(out)


def turn(axis: F64, angle_deg: float) -> F64:
    """Return the rotation by an angle about a unit vector (Rodrigues)."""
    x, y, z = axis
    k = np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])
    a = np.radians(angle_deg)
    return np.eye(3) + np.sin(a) * k + (1 - np.cos(a)) * (k @ k)


def turned_to(rotation: F64, direction: F64) -> F64:
    """Return the view turned the shortest way so that it looks along ``direction``; its in-plane angle is carried."""
    old, new = rotation[2], direction / np.linalg.norm(direction)
    axis, cosine = np.cross(old, new), float(np.clip(old @ new, -1, 1))
    size = float(np.linalg.norm(axis))
    if size < 1e-9:
        axis, size = (rotation[0], 1.0) if cosine < 0 else (np.array([1.0, 0.0, 0.0]), 1.0)
    return rotation @ turn(axis / size, float(np.degrees(np.arccos(cosine)))).T


class SetScores:
    """The scores that are relative to the whole set, for a row that changed.

    They are affine in scores of the row itself (their medians and spreads belong to the set), so they are read off
    the table by least squares and need not be computed again for all rows. One that does not come out so, as the
    outlier score where views were given and their lead over others counts, is left out: it is not known for the row.
    """

    def __init__(self, table: pd.DataFrame) -> None:
        self._laws: dict[str, F64] = {}
        for name in ("z_mean", "z_var", "z_cov", "outlier_score"):
            if name not in table:
                continue
            known = table[table[name].notna() & table["cc"].notna()]
            if len(known) < 4:
                continue
            terms = np.column_stack(_terms(name, {c: known[c].to_numpy(float) for c in _NEEDED}))
            values = known[name].to_numpy(float)
            law = np.linalg.lstsq(terms, values, rcond=None)[0]
            if np.median(np.abs(terms @ law - values)) < AFFINE * max(1.0, float(np.std(values))):
                self._laws[name] = law

    def __call__(self, scores: dict[str, float]) -> dict[str, float]:
        """Return z-scores and outlier score of a row with these scores."""
        values = {c: np.array([scores[c]]) for c in _NEEDED}
        return {name: float((np.column_stack(_terms(name, values)) @ law)[0]) for name, law in self._laws.items()}


_NEEDED = ("cc", "imed", "residual_mean", "residual_var", "residual_logdet")


def _terms(name: str, v: dict[str, Any]) -> list[F64]:
    ones = np.ones(len(v["cc"]))
    if name == "z_mean":
        return [v["residual_mean"], ones]
    if name == "z_var":
        return [np.log(np.maximum(v["residual_var"], 1e-12)), ones]
    if name == "z_cov":
        return [v["residual_logdet"], ones]
    fisher = np.arctanh(np.clip(v["cc"], -0.999999, 0.999999))
    return [-fisher, np.log(np.maximum(v["imed"], 1e-6)), ones]
