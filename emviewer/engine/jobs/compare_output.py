"""What a comparison writes: image stacks, scores, ranking, and the extraction of the best map."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from emviewer.engine import conventions, mrc_write, residuals_xmipp, star_write
from emviewer.engine.jobs.compare_cryosparc import write_views
from emviewer.engine.jobs.compare_csv import write_csv
from emviewer.engine.jobs.compare_inputs import Inputs
from emviewer.engine.jobs.compare_map import SCORES, Compared
from emviewer.engine.jobs.compare_params import CompareParams
from emviewer.engine.jobs.compare_scores import COLUMNS
from emviewer.engine.jobs.folder import ResultFolder
from emviewer.engine.match_search import MIRROR
from emviewer.engine.mrc import read_stack
from emviewer.engine.task import Check
from emviewer.engine.threads import each_chunk
from emviewer.engine.types import F32

STACKS = ("aligned", "reprojections", "residuals")
ROW_BYTES = 640
"""Room for an image's row in scores.csv and scores.star, 450 bytes as measured with short names."""
POSES = ("rot_deg", "tilt_deg", "psi_deg", "shift_x_A", "shift_y_A", "cc_second", "cc_margin")
CENTROID_SAMPLE = 400
"""Residuals from which the centroid of Xmipp's covariance score is made, when there are more."""


class MapWriter:
    """Writes the stacks of one map as they come and keeps the rows of its table."""

    def __init__(self, folder: ResultFolder, name: str, inputs: Inputs) -> None:
        self.name, self.inputs = name, inputs
        place = folder / name
        place.mkdir()
        n = inputs.grid.n
        self.paths: dict[str, Path] = {kind: place / f"{kind}.mrcs" for kind in STACKS}
        self._writers = {
            kind: mrc_write.StackWriter(path, (n, n), inputs.grid.pixel_size_A) for kind, path in self.paths.items()
        }
        self._ids: list[NDArray[np.int64]] = []
        self._columns: list[dict[str, NDArray[Any]]] = []
        self._reasons: dict[int, str] = {}

    def __enter__(self) -> MapWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for writer in self._writers.values():
            writer.close()

    def append(
        self, ids: NDArray[np.int64], kept: NDArray[np.int64], compared: Compared, reasons: dict[int, str]
    ) -> None:
        """Write the images of ``ids``; those that failed (not in ``kept``) become empty images.

        Raises
        ------
        OSError
            The disk is full; the images of this call are in none of the stacks, the earlier ones in all.
        """
        place = np.searchsorted(ids, kept)
        written: list[mrc_write.StackWriter] = []
        try:
            for kind in STACKS:
                images: F32 = getattr(compared, kind)
                full = np.zeros((len(ids), *images.shape[1:]), np.float32)
                full[place] = images
                self._writers[kind].append(full)
                written.append(self._writers[kind])
        except OSError:
            for writer in written:
                writer.take_back()
            raise
        columns: dict[str, NDArray[Any]] = {}
        for name, values in compared.columns.items():
            columns[name] = np.full(len(ids), np.nan)
            columns[name][place] = values
        self._ids.append(ids)
        self._columns.append(columns)
        self._reasons |= {int(i): reasons[int(i)] for i in ids if int(i) in reasons}

    def table(self) -> pd.DataFrame:
        """Return the rows written so far, one an image, with the columns known image by image."""
        ids = np.concatenate(self._ids) if self._ids else np.empty(0, np.int64)
        names = list(self._columns[0]) if self._columns else [*SCORES, *POSES, "mirror", "_converged", "_lead"]
        table = pd.DataFrame(
            {name: np.concatenate([c[name] for c in self._columns]) if self._columns else [] for name in names},
            index=ids,
        )
        failed = table["cc"].isna().to_numpy()
        table["image"] = ids + 1
        table["image_name"] = [self.inputs.names[i] for i in ids]
        table["map"] = self.name
        table["status"] = pd.Series(np.where(failed, "failed", "ok"), index=ids, dtype=object)
        table["reason"] = pd.Series([self._reasons.get(int(i), "") for i in ids], index=ids, dtype=object)
        good = ~failed
        for name, source in (("zScoreResMean", "_xmipp_mean"), ("zScoreResVar", "_xmipp_deviation")):
            table[name] = np.nan
            if good.any():
                table.loc[good, name] = residuals_xmipp.zscores(table.loc[good, source].to_numpy(float))
        table["zScoreResCov"] = np.nan
        return table

    def add_xmipp_covariance(self, table: pd.DataFrame, check: Check) -> None:
        """Fill ``zScoreResCov`` from the residuals on disk; the centroid is that of at most 400 of them."""
        good = np.flatnonzero((table["status"] != "failed").to_numpy())
        if len(good) < 2:
            return
        n = self.inputs.grid.n
        stack = read_stack(self.paths["residuals"])
        disc = (np.hypot(*(np.indices((n, n)) - n // 2)) <= n // 2).astype(np.float32)

        def blocks(ids: NDArray[np.int64]) -> Iterator[F32]:
            for start in range(0, len(ids), 64):
                yield stack[ids[start : start + 64]] * disc

        sample = good[np.unique(np.linspace(0, len(good) - 1, min(len(good), CENTROID_SAMPLE)).astype(int))]
        centre = residuals_xmipp.centroid(lambda: blocks(sample), n, check)
        out = np.empty(len(good))

        def work(lo: int, hi: int) -> None:
            check()
            out[lo:hi] = residuals_xmipp.divergence(stack[good[lo:hi]] * disc, centre)

        each_chunk(work, len(good), 32)
        table.loc[table.index[good], "zScoreResCov"] = out


def table_bytes(inputs: Inputs) -> int:
    """Return about how large the tables of all images will be."""
    blocks = inputs.images.blocks.values() if inputs.images.format == "cryosparc" else ()
    return len(inputs.maps) * (len(inputs.images) * ROW_BYTES + sum(int(rows.nbytes) for rows in blocks))


def write_scores(folder: ResultFolder, inputs: Inputs, tables: dict[str, pd.DataFrame]) -> None:
    """Write scores.csv and every map's scores.star, and for cryoSPARC its particles.cs with the views found."""
    everything = pd.concat(list(tables.values()), ignore_index=True)
    for name in COLUMNS:
        if name not in everything:
            everything[name] = np.nan
    shown = everything[list(COLUMNS)].copy()
    shown["mirror"] = shown["mirror"].astype("Int64")
    _as_mirrors(shown, inputs)
    write_csv(folder / "scores.csv", shown)
    for name, table in tables.items():
        star_write.write_particles(folder / name / "scores.star", _star_table(table, name), _optics(inputs))
        if inputs.images.format == "cryosparc":
            grid = inputs.grid
            pixel = grid.n * grid.pixel_size_A / grid.n_input
            write_views(folder / name / "particles.cs", inputs.images, table, pixel)


def _as_mirrors(shown: pd.DataFrame, inputs: Inputs) -> None:
    """Give views in the table's own sense where it says that an image is the mirror of its projection."""
    poses = inputs.images.poses
    if not inputs.use or poses is None or not poses.mirror.any():
        return
    rows = np.flatnonzero(poses.mirror[shown["image"].to_numpy(int) - 1] & shown["cc"].notna().to_numpy())
    names = ["rot_deg", "tilt_deg", "psi_deg"]
    rotations = conventions.euler_to_matrix(*shown.iloc[rows][names].to_numpy(float).T)
    shown.loc[shown.index[rows], names] = conventions.matrix_to_euler(MIRROR @ rotations)
    shown.loc[shown.index[rows], "mirror"] = 1


def _star_table(table: pd.DataFrame, name: str) -> pd.DataFrame:
    columns: dict[str, Any] = {
        "rlnImageName": [f"{i:06d}@{name}/aligned.mrcs" for i in range(1, len(table) + 1)],
        "rlnAngleRot": table["rot_deg"],
        "rlnAngleTilt": table["tilt_deg"],
        "rlnAnglePsi": table["psi_deg"],
        "rlnOriginXAngst": np.zeros(len(table)),
        "rlnOriginYAngst": np.zeros(len(table)),
        "rlnOpticsGroup": np.ones(len(table), int),
        "emvOriginalImage": table["image_name"],
        "emvOriginalOriginXAngst": table["shift_x_A"],
        "emvOriginalOriginYAngst": table["shift_y_A"],
    }
    for c in ("cc", "cc_margin", "fvu", "frc05_A", "outlier_score"):
        columns["emv" + "".join(part.title() for part in c.split("_"))] = table[c]
    columns["emvOutlier"] = table["outlier"]
    frame = pd.DataFrame(columns)
    numbers = frame.select_dtypes("number").columns
    frame[numbers] = frame[numbers].fillna(0)
    return frame


def _optics(inputs: Inputs) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "rlnOpticsGroupName": ["opticsGroup1"],
            "rlnOpticsGroup": [1],
            "rlnImagePixelSize": [inputs.grid.pixel_size_A],
            "rlnImageSize": [inputs.grid.n],
            "rlnImageDimensionality": [2],
        }
    )


def write_ranking(folder: ResultFolder, ranking: pd.DataFrame) -> None:
    """Write ranking.csv."""
    write_csv(folder / "ranking.csv", ranking)


def extract(
    folder: ResultFolder, params: CompareParams, inputs: Inputs, tables: dict[str, pd.DataFrame], best: str
) -> None:
    """Copy the best map, and the images (or class members) that belong to it, into ``best/``."""
    from emviewer.engine.jobs.compare_extract import best_map, best_particles

    (folder / "best").mkdir(exist_ok=True)
    if params.extract in ("map", "both"):
        best_map(folder, inputs, best)
    if params.extract in ("particles", "both"):
        best_particles(folder, params, inputs, tables, best)
