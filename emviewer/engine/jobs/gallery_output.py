"""What a gallery leaves on disk: the growing stack with its table, and the figure."""

from __future__ import annotations

import json
from types import TracebackType
from typing import Any, Self

import numpy as np

from emviewer.engine.files_whole import whole
from emviewer.engine.jobs.folder import ResultFolder, report_kinds
from emviewer.engine.jobs.gallery_experiment import defocus
from emviewer.engine.jobs.gallery_params import GalleryParams
from emviewer.engine.mrc import StackWriter
from emviewer.engine.star_stream import ParticleStream, optics_group, view_columns
from emviewer.engine.task import Check
from emviewer.engine.types import F32, F64

STACK, TABLE = "projections.mrcs", "projections.star"
PAGE_TILES = 120
"""Tiles on the gallery's page; of a larger gallery the page shows this many, evenly spread."""


class GalleryWriter:
    """The stack and its table, which grow together and always tell of the same views.

    Parameters
    ----------
    folder : ResultFolder
        Where they are written.
    params : GalleryParams
        For the CTF columns.
    box : int
        Edge of the images in pixels.
    pixel_size_A : float
        Edge of a pixel in Å.
    """

    def __init__(self, folder: ResultFolder, params: GalleryParams, box: int, pixel_size_A: float) -> None:
        self.path = folder / STACK
        self._optics_end = (1, *defocus(params)) if params.defocus is not None else (1,)
        self.stack = StackWriter(self.path, (box, box), pixel_size_A)
        microscope = (params.kv, params.cs, params.q0) if params.defocus is not None else None
        columns = view_columns(STACK, params.defocus is not None)
        self.table = ParticleStream(folder / TABLE, optics_group(box, pixel_size_A, microscope), columns)

    @property
    def n(self) -> int:
        """Number of views that are whole on disk, image and row."""
        return self.stack.n

    def append(self, images: F32, angles: F64, shifts_A: F64) -> None:
        """Add views: images (k, h, w), angles (k, 3) in degrees, origins (k, 2) in Å.

        Raises
        ------
        OSError
            The disk is full; the views of this call are lost, the earlier ones are safe.
        """
        first = self.table.n + 1
        numbers = np.concatenate([angles, shifts_A], axis=1).tolist()
        self.table.append([(first + i, *row, *self._optics_end) for i, row in enumerate(numbers)])
        try:
            self.stack.append(images)
        except OSError:
            self.table.take_back()
            raise

    def close(self) -> None:
        """Close both files; a table and stack of no view at all are not left behind."""
        self.stack.close()
        self.table.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def figure_spec(name: str, n: int, group: str) -> dict[str, Any]:
    """Return the spec of the gallery's page; paths are relative to the result folder."""
    rows = np.unique(np.linspace(0, n - 1, min(n, PAGE_TILES)).round().astype(int)).tolist()
    shown = f"{n} views" if len(rows) == n else f"{len(rows)} of {n} views"
    return {
        "kind": "gallery",
        "table": TABLE,
        "rows": rows,
        "percentiles": [0.05, 99.95],
        "captions": ["rot_deg", "tilt_deg", "psi_deg"],
        "title": f"Projections of {name}",
        "subtitle": f"{shown}, {group}",
        "width_mm": 180,
    }


def write_figures(folder: ResultFolder, params: GalleryParams, spec: dict[str, Any], check: Check) -> None:
    """Write gallery.json (the spec) and gallery.png and gallery.pdf as ``--report`` says."""
    from emviewer.engine import figure

    with whole(folder / "gallery.json") as beside:
        beside.write_text(json.dumps(spec, indent=1) + "\n")
    targets = [folder / f"gallery.{kind}" for kind in report_kinds(params.report)]
    figure.render(spec, targets, base=folder.path, check=check)
