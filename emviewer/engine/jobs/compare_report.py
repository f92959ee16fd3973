"""Draw the report of a comparison into its folder."""

from __future__ import annotations

import pandas as pd

from emviewer.engine import figure_compare
from emviewer.engine.jobs.compare_inputs import Inputs
from emviewer.engine.jobs.compare_params import CompareParams
from emviewer.engine.jobs.folder import ResultFolder


def draw(
    folder: ResultFolder,
    params: CompareParams,
    inputs: Inputs,
    tables: dict[str, pd.DataFrame],
    ranking: pd.DataFrame | None,
) -> None:
    """Write report.png and report.pdf, as asked, about the map ranked first."""
    best = str(ranking["map"].iloc[0]) if ranking is not None else next(iter(tables))
    table = tables[best]
    outliers = int(table["outlier"].sum())
    report = figure_compare.CompareReport(
        title=f"{params.images.name} against {best}",
        subtitle=f"{len(table)} images, {outliers} flagged, median cc {table['cc'].median():.3f}, "
        f"{inputs.grid.n} px of {inputs.grid.pixel_size_A:.3g} Å, {inputs.group.name}",
        table=table,
        folder=folder / best,
        pixel_size_A=inputs.grid.pixel_size_A,
        ranking=ranking,
        notes=(*folder.warnings, "Projections cannot tell the hand of a map from its mirror image."),
    )
    folder.save_page(figure_compare.draw(report), params.report)
