"""A comparison of images with maps as the window holds it: tables by map, growing stacks, tags, the order of walking.

Rows are images: row id ``i`` is image ``i`` whatever map is shown, so that selections and tags outlive a change of map.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from emviewer.engine.errors import FileError
from emviewer.engine.types import F32, ImageStack
from emviewer.ui.row_order import Ints
from emviewer.ui.tags import Codes, Tags
from emviewer.ui.workspace import Document

KEY = "_compare"
"""Where a document keeps its :class:`Comparison`."""
TAG = "tag"
WINNER = "best map"
KINDS = ("aligned", "reprojections", "residuals")
FIRST = ("status", "outlier_score", "cc")
THEN = (
    "cc_margin", "nrmse", "fvu", "imed", "frc05_A", "z_mean", "z_var", "z_cov", "rot_deg", "tilt_deg", "psi_deg",
    "shift_x_A", "shift_y_A", "mirror", "cc_second", "gray_scale", "gray_offset", "residual_mean", "residual_var",
    "residual_logdet", "zScoreResMean", "zScoreResVar", "zScoreResCov", "reason", "image_name",
)  # fmt: skip
SCORES = (*FIRST[1:], *THEN[:8])
NOT_SHOWN = ("image", "map", "outlier")
"""Columns that say what the row number, the map chosen and the status say already."""
LOWER_IS_WORSE = ("cc", "cc_margin")
SIGN_FROM = 1000
"""Images from which the contrast is told while the job has not said it."""
FIGURE_ROWS = 5
"""Images that a figure shows of the worst and of the best."""


@dataclass(eq=False)
class Comparison:
    """What a compare job found, finished or still growing.

    Parameters
    ----------
    parameters : dict
        Of the job, as in ``job.json``.
    tables : dict
        Per map, scores by image id (index 0, 1, …, without gaps), columns as in ``scores.csv``.
    places : dict
        Per map, where its stacks are: folder while it grows, and the final one.
    shown : str
        The map that table and pictures show.
    tags : Tags
        By row id: ``keep``, ``reject``, or a digit.
    order : ndarray of int64 or None
        Row ids in the order of the scores table, worst first, which N and P follow; None: by outlier score.
    ranking : DataFrame or None
        With several maps, their ranking.
    summary : dict
        Contents of summary.json.
    replaced : dict
        ``(map, row)`` to images by kind, for views set by hand; they take the place of those on disk.
    originals : dict
        ``(map, row)`` to what the job found, of rows whose view was set by hand.
    inputs, stages
        What :class:`emviewer.ui.compare_stage.Stage` opened and made, kept while the document is open.
    version : int
        Counts changes of images that are shown already.
    low_pass_A : float
        Pictures are shown without finer detail; 0 for all. Scores do not change.
    """

    parameters: dict[str, Any] = field(default_factory=dict)
    tables: dict[str, pd.DataFrame] = field(default_factory=dict)
    places: dict[str, tuple[Path, Path]] = field(default_factory=dict)
    shown: str = ""
    tags: Tags = field(default_factory=Tags)
    order: np.ndarray | None = None
    ranking: pd.DataFrame | None = None
    summary: dict[str, Any] = field(default_factory=dict)
    folder: Path | None = None
    shape: tuple[int, int] | None = None
    pixel_size_A: float = 1.0
    chosen_by_hand: bool = False
    replaced: dict[tuple[str, int], dict[str, F32]] = field(default_factory=dict)
    originals: dict[tuple[str, int], pd.Series] = field(default_factory=dict)
    inputs: Any = None
    stages: dict[str, Any] = field(default_factory=dict)
    version: int = 0
    low_pass_A: float = 0.0
    _kept: dict[str, tuple[list[pd.DataFrame], Any]] = field(default_factory=dict, repr=False)

    def _once(self, what: str, tables: list[pd.DataFrame], make: Callable[[], Any]) -> Any:
        """Return ``make()``, or what it gave before for these very tables: of a million rows each costs a frame."""
        found = self._kept.get(what)
        if found is None or [id(table) for table in found[0]] != [id(table) for table in tables]:
            found = self._kept[what] = (tables, make())
        return found[1]

    @property
    def maps(self) -> list[str]:
        """Names of the maps, in the order compared."""
        return list(self.tables)

    @property
    def sign(self) -> int:
        """1 when particles are bright as in the map, -1 when they are dark."""
        told = self.summary.get("contrast")
        if told:
            return -1 if told == "negative" else 1
        scale = self.table_of(self.shown).get("gray_scale")
        some = np.empty(0) if scale is None else scale.to_numpy(float)[:SIGN_FROM]
        return -1 if len(some) and np.nanmedian(some) < 0 else 1

    @property
    def of_classes(self) -> bool:
        """Whether the images are the class averages of a RELION run, whose particles can be saved."""
        return str(self.parameters.get("images", "")).endswith("_model.star")

    def table_of(self, name: str) -> pd.DataFrame:
        """Return the scores of a map, one row an image."""
        return self.tables.get(name, pd.DataFrame())

    def found(self, name: str, row: int) -> pd.Series:
        """Return what the job found for an image and a map, also where a person has set another view since."""
        return self.originals[name, row] if (name, row) in self.originals else self.tables[name].loc[row]

    def table(self) -> pd.DataFrame:
        """Return what is shown: tag, scores of the map shown, and with several maps the correlation of each."""
        own = self.table_of(self.shown)
        n = len(own)
        columns: dict[str, Any] = {TAG: self.tags.column(n)}
        for name in FIRST:
            if name in own:
                columns[name] = own[name].array
        if len(self.tables) > 1:
            columns |= self._once(f"maps {n}", list(self.tables.values()), lambda: self._beside(n))
        columns |= {name: own[name].array for name in THEN if name in own}
        columns |= {str(c): own[c].array for c in own.columns if c not in columns and c not in NOT_SHOWN}
        return pd.DataFrame(columns, index=own.index, copy=False)

    def prepare(self) -> None:
        """Find out, in a lane, what panels will ask of every map."""
        first = self.shown
        for name in self.maps:
            self.shown = name
            self.table()
            self.walk()
            self.verdict()
        self.shown = first

    def _beside(self, n: int) -> dict[str, Any]:
        """Return for the first ``n`` images the correlation with every map, and the map with the highest."""
        every: dict[str, Any] = {}
        winner, best = np.full(n, -1, np.int8), np.full(n, -np.inf)
        for i, (name, table) in enumerate(self.tables.items()):
            values = np.full(n, np.nan)
            known = table["cc"].to_numpy(float)[:n]
            values[: len(known)] = known
            with np.errstate(invalid="ignore"):
                better = values > best
            winner[better], best[better] = i, values[better]
            every[f"cc {name}"] = values
        return {WINNER: pd.Categorical.from_codes(winner, self.maps), **every}

    # images ---------------------------------------------------------------------------------------------------------
    def stack(self, kind: str, title: str = "", name: str = "") -> ImageStack | None:
        """Return the images of a map (the one shown); ``fitted`` is gray scale · reprojection + offset."""
        name = name or self.shown
        if name not in self.places or self.shape is None:
            return None
        table, replaced = self.table_of(name), self.replaced
        on_disk = "reprojections" if kind == "fitted" else kind
        growing, final = (place / f"{on_disk}.mrcs" for place in self.places[name])
        scale, offset = (table[c].to_numpy(float) for c in ("gray_scale", "gray_offset"))

        def read(ids: np.ndarray) -> F32:
            images = open_growing(growing, final)[ids]
            if kind == "fitted":
                a, b = (np.nan_to_num(v[ids]).astype(np.float32)[:, None, None] for v in (scale, offset))
                images = images * a + b
            for i, row in enumerate(np.asarray(ids).tolist()):
                if (name, row) in replaced:
                    images[i] = replaced[name, row][kind]
            return images

        return ImageStack(len(table), self.shape, self.pixel_size_A, read, source=final, name=title)

    # walking --------------------------------------------------------------------------------------------------------
    def walk(self) -> np.ndarray:
        """Return row ids in the order in which N goes through them: as the scores are sorted, else worst first."""
        if self.order is not None and len(self.order):
            return self.order
        table = self.table_of(self.shown)
        order: np.ndarray = self._once(f"walk {self.shown}", [table], lambda: _worst_first(table))
        return order

    def verdict(self) -> list[tuple[str, str]]:
        """Return what the comparison says, as (level, sentence): ``good``, ``warn``, ``info``."""
        out: list[tuple[str, str]] = []
        explains = self.summary.get("best_map_explains")
        best = str(self.summary.get("best_map") or self.shown)
        rank = self._rank()
        if explains is True:
            out.append(("good", f"{best} explains these images" + (f", {rank}" if rank and best == self.shown else "")))
        elif explains is False:
            out.append(("warn", f"{best} does not explain these images better than chance"))
        if rank and (best != self.shown or explains is not True):
            out.append(("info" if best != self.shown else "good", f"{self.shown}: {rank}"))
        table = self.table_of(self.shown)
        flagged, median = self._once(f"figures {self.shown}", [table], lambda: _figures(table))
        if flagged is not None:
            level = "info" if explains is False else "warn" if flagged else "good"
            out.append((level, f"{flagged:,} of {len(table):,} flagged".replace(",", "\u2009")))
        if median is not None:
            out.append(("info", f"median cc {median:.3f}"))
            out.append(("info", "particles dark" if self.sign < 0 else "particles bright"))
        return out

    def _rank(self) -> str:
        """Return where the map shown stands among the maps, empty with one map."""
        found = None if self.ranking is None else self.ranking[self.ranking["map"] == self.shown]
        if found is None or found.empty or self.ranking is None:
            return ""
        rank, words, p = int(found["rank"].iat[0]), str(found["verdict"].iat[0]), float(found["p_value"].iat[0])
        shown = f" (p {p:.1g})" if np.isfinite(p) else ""
        n = len(self.ranking)
        return f"best of {n} maps{shown}" if rank == 1 and words == "best" else f"{rank} of {n} maps, {words}{shown}"


def _worst_first(table: pd.DataFrame) -> np.ndarray:
    """Return row ids by falling outlier score, or by rising correlation before it is known; failed ones last."""
    score = table["outlier_score"] if "outlier_score" in table else -table["cc"] if "cc" in table else None
    if score is None:
        return np.empty(0, np.int64)
    values = score.to_numpy(float)
    return table.index.to_numpy(np.int64)[np.argsort(-np.where(np.isfinite(values), values, -np.inf), kind="stable")]


def _figures(table: pd.DataFrame) -> tuple[int | None, float | None]:
    """Return how many images are flagged and the median correlation; None where not known."""
    flagged = table["outlier"].to_numpy(float) if "outlier" in table else np.empty(0)
    cc = table["cc"].to_numpy(float) if "cc" in table else np.empty(0)
    cc = cc[np.isfinite(cc)]
    counted = int(np.nansum(flagged)) if np.isfinite(flagged).any() else None
    return counted, float(np.median(cc)) if len(cc) else None


HAND = "Projections cannot tell the hand: the map's mirror image explains the images equally well."


def answer(summary: dict[str, Any]) -> str:
    """Return what the summary of a job answers, in a sentence that follows another; empty for other jobs."""
    explains, best = summary.get("best_map_explains"), summary.get("best_map")
    if explains is None or best is None:
        return ""
    verb = "explains these images" if explains else "does not explain these images better than chance"
    return f" {best} {verb}; {summary.get('n_outliers', 0)} of {summary.get('n_images', 0)} are flagged."


def of(document: Document | None) -> Comparison | None:
    """Return the comparison that a document holds."""
    return None if document is None else document.info.get(KEY)


def refresh(document: Document) -> None:
    """Let the document's table and images be those of the map shown now."""
    comparison = of(document)
    if comparison is not None:
        document.table = comparison.table()
        document.stack = comparison.stack("aligned", document.title)


def set_tags(document: Document, rows: Ints, codes: Codes | int) -> None:
    """Tag rows; all other columns of the table stay the same arrays, so that a million rows cost nothing."""
    comparison = of(document)
    if comparison is not None and document.table is not None:
        comparison.tags.set(rows, codes)
        document.table = document.table.assign(**{TAG: comparison.tags.column(len(document.table))})


def open_growing(path: Path, final: Path) -> ImageStack:
    """Open a stack that is being written, or that was renamed a moment ago.

    Raises
    ------
    FileError
        It is at neither place any more, or cannot be read.
    """
    from emviewer.engine import mrc

    for candidate in (path, final):
        with contextlib.suppress(FileError, FileNotFoundError):
            return mrc.read_stack(candidate)
    if not final.exists():
        raise FileError(
            "the pictures of this comparison are not there any more", final,
            "was the folder moved or deleted? The scores stay as long as the window is open",
        )  # fmt: skip
    return mrc.read_stack(final)


def move_to(document: Document, folder: Path) -> None:
    """Read the pictures of a comparison from another folder, into which its own was moved.

    Raises
    ------
    FileError
        It is not the folder of this comparison.
    """
    comparison = of(document)
    if comparison is None:
        return
    for name in comparison.tables:
        if not any((folder / name / f"{kind}.mrcs").is_file() for kind in KINDS):
            raise FileError(f"there are no pictures of {name} here", folder, "choose the folder that was moved")
    comparison.places = {name: (folder / name, folder / name) for name in comparison.tables}
    comparison.folder = document.path = folder
    comparison.version += 1
    refresh(document)


def figure_spec(document: Document | None) -> dict[str, Any] | None:
    """Return the spec of a figure of the worst and best of the rows that are shown; None before there is a result.

    However the rows are sorted on the screen: the figure calls them worst and best.
    """
    comparison = of(document)
    if document is None or comparison is None or document.path is None or document.streaming:
        return None
    table = comparison.table_of(comparison.shown)
    ranked = _worst_first(table)
    ranked = ranked[np.isfinite(table["cc"].to_numpy(float)[ranked]) & np.isin(ranked, comparison.walk())]
    order = ranked.tolist()
    k = min(FIGURE_ROWS, max(1, len(order) // 2))
    return {
        "kind": "compare",
        "result": str(document.path),
        "map_name": comparison.shown,
        "worst": order[:k],
        "best": order[::-1][:k] if len(order) > k else [],
        "title": document.title,
        "subtitle": "; ".join(text for _, text in comparison.verdict()),
    }
