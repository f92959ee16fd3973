"""The compare job: images against maps, streaming scores and images as they are finished."""

from __future__ import annotations

import time
from collections.abc import Iterator

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from emviewer.engine import kernels, match_warm
from emviewer.engine.jobs import compare_output as output
from emviewer.engine.jobs import compare_scores as scores
from emviewer.engine.jobs import compare_setup as setup
from emviewer.engine.jobs.compare_estimate import estimate
from emviewer.engine.jobs.compare_inputs import MISMATCH, Inputs, open_inputs
from emviewer.engine.jobs.compare_map import Compared, MapComparison
from emviewer.engine.jobs.compare_params import HELP, TITLE, CompareParams
from emviewer.engine.jobs.compare_process import chunk_size, process
from emviewer.engine.jobs.compare_read import Reader
from emviewer.engine.jobs.folder import ResultFolder
from emviewer.engine.jobs.run import JobSpec
from emviewer.engine.task import Batch, Check, message
from emviewer.engine.types import Map3D

BATCH_SECONDS = 0.05
LARGEST_BATCH = 256
SYMMETRIC = 0.7
"""Least correlation of a map with itself, turned by its symmetry, in the coarse band."""


def compare(params: CompareParams, folder: ResultFolder, *, check: Check, rng: np.random.Generator) -> Iterator[Batch]:
    """Compare images with maps (see :class:`CompareParams`) into ``folder``.

    Yields
    ------
    Batch
        Rows are ``map index · number of images + image``; columns those of scores.csv that are known image by
        image; extra ``map``, ``aligned``, ``reprojections``, ``residuals`` (paths of the growing stacks),
        ``first`` (row id of the map's first image). The last batch of a map brings the columns of the set.
    """
    yield message("opening images and maps")
    inputs = open_inputs(params, folder, check)
    folder.record["parameters"] |= {
        "assignment": "use" if inputs.use else "search",
        "max_shift": round(inputs.max_shift_px * inputs.grid.pixel_size_A, 4),
    }
    folder.reserve(output.table_bytes(inputs))
    run = _Run(params, inputs, folder)
    folder.summary |= {"n_images": len(run.reader), "n_outliers": 0, "median_cc": None, "best_map": None}
    if not kernels.is_compiled(match_warm.LOOPS):
        folder.stage("compile")
        for what in match_warm.warm_up(check):
            yield message(what)
        folder.stage("prepare")
    start = time.perf_counter()
    try:
        for number, (name, volume) in enumerate(inputs.maps):
            yield from run.one_map(number, name, volume, check)
    finally:
        run.finish(time.perf_counter() - start)
    folder.stage("report")
    if params.extract != "none":
        yield message("extracting the best map")
        output.extract(folder, params, inputs, run.tables, run.best)
    if params.report != "none":
        yield message("drawing the report")
        from emviewer.engine.jobs import compare_report  # matplotlib costs time to import

        compare_report.draw(folder, params, inputs, run.tables, run.ranking)


class _Run:
    def __init__(self, params: CompareParams, inputs: Inputs, folder: ResultFolder) -> None:
        self.params, self.inputs, self.folder = params, inputs, folder
        self.reader = Reader(inputs)
        self.tables: dict[str, pd.DataFrame] = {}
        self.nulls: dict[str, scores.Null] = {}
        self.undetermined: dict[str, int] = {}
        self.sign: int | None = None
        self.ranking: pd.DataFrame | None = None
        self.compared = 0

    @property
    def best(self) -> str:
        """Name of the map ranked first."""
        return str(self.ranking["map"].iloc[0]) if self.ranking is not None else next(iter(self.tables))

    def one_map(self, number: int, name: str, volume: Map3D, check: Check) -> Iterator[Batch]:
        total = len(self.reader) * len(self.inputs.maps)
        first = number * len(self.reader)
        self.folder.stage("prepare")
        yield message(f"preparing {name}", first, total)
        comparison = MapComparison(volume, self.inputs, self.params)
        if self.inputs.group.order > 1:
            self._say_other_symmetry(comparison, name)
        self.folder.stage("calibrate")
        yield message(f"{name}: contrast, weights and what chance would give", first, total)
        if self.sign is None:
            self.sign = setup.choose_contrast(comparison, self.reader, self.params, check)
            self.folder.summary["contrast"] = "positive" if self.sign > 0 else "negative"
        comparison.sign = self.sign
        setup.calibrate(comparison, self.reader, check)
        if self.params.magnification:
            self._fit_magnification(comparison, name, check)
        self.nulls[name] = setup.chance(comparison, volume, self.inputs, self.params, self.reader, check)
        self.folder.stage("compare")
        with output.MapWriter(self.folder, name, self.inputs) as writer:
            try:
                yield from self._images(comparison, name, first, total, writer, check)
            finally:
                self.tables[name] = table = writer.table()
                scores.add_set_scores(table, self.nulls[name])
                self.undetermined[name] = scores.say_undetermined(table, float(self.inputs.mask.sum()))
        self.folder.stage("residual statistics")
        yield message(f"{name}: statistics of the residuals", first + len(table), total)
        writer.add_xmipp_covariance(table, check)
        yield _set_batch(table, name, first, total)

    def _say_other_symmetry(self, comparison: MapComparison, name: str) -> None:
        m = comparison.matcher
        similar = m.self_similarity(1.5 * m.coarse)
        if similar < SYMMETRIC:
            self.folder.warn(
                f"the map {name} does not have the symmetry {self.inputs.group.name} about these axes: turned by it, "
                f"it correlates {similar:.2f} with itself; views are taken for equal that are not"
            )

    def _fit_magnification(self, comparison: MapComparison, name: str, check: Check) -> None:
        factor = setup.fit_magnification(comparison, self.reader, check)
        self.folder.summary.setdefault("magnification", {})[name] = round(factor, 5)
        if abs(factor - 1) > MISMATCH:
            self.folder.warn(
                f"the images fit {name} best if their pixels are {abs(100 * (factor - 1)):.1f} % "
                f"{'larger' if factor > 1 else 'smaller'} than said; "
                "they are compared as if they were"
            )
        setup.calibrate(comparison, self.reader, check)

    def _images(
        self, comparison: MapComparison, name: str, first: int, total: int, writer: output.MapWriter, check: Check
    ) -> Iterator[Batch]:
        n, done = len(self.reader), 0
        chunk = chunk_size(comparison)
        size = 2 * chunk
        while done < n:
            check()
            began = time.perf_counter()
            ids = np.arange(done, min(n, done + size), dtype=np.int64)
            kept, compared = process(comparison, self.reader, ids, check)
            writer.append(ids, kept, compared, self.reader.reasons)
            done += len(ids)
            self.compared += len(ids)
            ratio = BATCH_SECONDS / max(1e-6, time.perf_counter() - began)
            size = chunk * int(np.clip(len(ids) * min(4.0, ratio), 2 * chunk, LARGEST_BATCH) // chunk)
            yield _batch(kept, compared, name, first, first + done, total, writer)

    def finish(self, seconds: float) -> None:
        """Write scores, ranking and summary of what is finished."""
        self.folder.stage("write")
        self.folder.release()
        if not self.compared:
            return
        output.write_scores(self.folder, self.inputs, self.tables)
        whole = {name: t for name, t in self.tables.items() if len(t) == len(self.reader)}
        if len(self.inputs.maps) > 1 and len(whole) > 1:
            weights = self.inputs.weights if self.params.class_size_weights else np.ones(len(self.reader))
            self.ranking = scores.rank_maps(whole, self.nulls, weights, self.params.seed)
            output.write_ranking(self.folder, self.ranking)
        table = self.tables[self.best]
        explained = scores.explains(table, self.nulls.get(self.best)) if len(table) == len(self.reader) else None
        if table["cc"].isna().all():
            explained = None
        median = table["cc"].median()
        self.folder.summary |= {
            "n_images": len(self.reader),
            "n_outliers": int(table["outlier"].sum()),
            "n_undetermined": self.undetermined[self.best],
            "median_cc": float(median) if np.isfinite(median) else None,
            "best_map": self.best,
            "best_map_explains": explained,
            "images_per_second": round(self.compared / seconds, 1) if seconds > 0 else None,
            "pixel_size_A": self.inputs.grid.pixel_size_A,
            "box_px": self.inputs.grid.n,
            "hand": "undetermined: projections cannot tell a map from its mirror image",
        }
        if self.reader.reasons:
            first = min(self.reader.reasons)
            self.folder.warn(
                f"{len(self.reader.reasons)} of {len(self.reader)} images could not be used; image {first + 1}: "
                f"{self.reader.reasons[first]}"
            )
        if explained is False:
            self.folder.warn("none of the maps explains these images better than a map of random phases does")
        else:  # where nothing fits, half of the images wander there
            self._say_limit(table)

    def _say_limit(self, table: pd.DataFrame) -> None:
        """Warn if many images of the best map would go further than they may."""
        grid, known = self.inputs.grid, int(table["cc"].notna().sum())
        limit_A = self.inputs.max_shift_px * grid.pixel_size_A
        count = scores.at_limit(table, limit_A, grid.pixel_size_A) if self.params.refine else 0
        if count > scores.MANY_AT_LIMIT * known:
            self.folder.warn(
                f"{count} of {known} images ({100 * count / known:.0f} %) end at the largest shift of {limit_A:.3g} Å: "
                "raise --max-shift, or centre the images first"
            )


def _batch(
    ids: NDArray[np.int64], compared: Compared, name: str, first: int, done: int, total: int, writer: output.MapWriter
) -> Batch:
    columns = {k: v for k, v in compared.columns.items() if not k.startswith("_")}
    extra = {"map": name, "first": first, **{k: str(p) for k, p in writer.paths.items()}}
    return Batch(ids + first, columns, done, total, f"comparing with {name}", extra)


def _set_batch(table: pd.DataFrame, name: str, first: int, total: int) -> Batch:
    names = ("z_mean", "z_var", "z_cov", "outlier_score", "outlier", "zScoreResMean", "zScoreResVar", "zScoreResCov")
    columns = {c: table[c].to_numpy() for c in names}
    rows = np.arange(len(table), dtype=np.int64) + first
    return Batch(rows, columns, first + len(table), total, f"compared with {name}", {"map": name, "first": first})


SPEC = JobSpec("compare", TITLE, HELP, CompareParams, compare, estimate)
