"""What a figure of the orientation lab is told."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from emviewer.engine.figure_spec_base import FigureSpec


class LabSpec(FigureSpec):
    """A step of the orientation lab, drawn from the folder of a result.

    Parameters
    ----------
    result : Path
        Folder that simulate, train-distance, recover or reconstruct wrote.
    page : {"views", "distances", "training", "errors", "map"}
        Directions with confidence and progress; distances of all pairs; the loss and estimates of a trained distance;
        errors against the truth; cuts of the map with the correlation of its halves.
    """

    kind: Literal["orientations"] = "orientations"
    result: Path
    page: Literal["views", "distances", "training", "errors", "map"] = "views"
