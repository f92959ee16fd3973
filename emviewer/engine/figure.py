"""Figures for print out of a spec of plain data: PNG, SVG, PDF, TIFF at journal widths.

A spec is a JSON object that holds paths and view parameters, never pixels, so a figure can be made again::

    {"kind": "gallery", "table": "projections.star", "rows": [0, 5, 9], "captions": ["rot_deg", "tilt_deg"]}
    {"kind": "gallery", "stack": "classes.mrcs", "columns": 10, "texts": ["412", "398"], "per_tile_contrast": true}
    {"kind": "slices", "map": "map.mrc", "position": [64, 64, 70], "half_width": 2, "crosshair": true}
    {"kind": "image", "map": "map.mrc", "angles": [30, 60, 0], "width_mm": 85}
    {"kind": "image", "stack": "classes.mrcs", "row": 3}
    {"kind": "compare", "result": "classes_compare", "limit": 4}
    {"kind": "alignment", "reference": "ref.mrc", "map": "mov.mrc", "translation_A": [4, 0, 0], "mode": "wipe"}
    {"kind": "difference", "reference": "ref.mrc", "difference": "out/difference/mov.mrc", "half_range": 0.02}
    {"kind": "surface", "reference": "ref.mrc", "percent": 1.5, "azimuth_deg": 30}
    {"kind": "fsc", "curves": "out/fsc/mov.csv", "thresholds": [0.143, 0.5]}
    {"kind": "search", "table": "out/search/mov.csv"}
    {"kind": "align_report", "result": "out"}
    {"kind": "orientations", "result": "found", "page": "errors"}
    {"kind": "micrograph", "picture": "m.mrc", "size": [4096, 4096], "before": [[812, 330]], "box_px": 200}

All kinds take ``width_mm`` (85, 120, 180 …), ``dpi``, ``title``, ``subtitle``, ``letter``, ``scale_bar``,
``pixel_size_A`` and ``contrast`` (``{"low", "high", "colormap", "inverted"}``; without limits the robust range).
Relative paths start from the folder of the spec's file. Fields in detail: :mod:`emviewer.engine.figure_spec`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from emviewer import __version__
from emviewer.engine import figure_gallery, figure_slices, figure_triplets
from emviewer.engine.errors import FileError, ParameterError
from emviewer.engine.figure_page import Page, Sheets
from emviewer.engine.figure_spec import (
    AnyFigure,
    CentringSpec,
    CurvesSpec,
    GallerySpec,
    ImageSpec,
    LabSpec,
    MicrographSpec,
    ReportSpec,
    SearchSpec,
    SlicesSpec,
    SurfaceSpec,
    TripletsSpec,
    parse,
)
from emviewer.engine.files_whole import whole
from emviewer.engine.task import Check, never

FORMATS = (".png", ".pdf", ".svg", ".tiff", ".tif")


def render(
    spec: dict[str, Any], out: Path | str | Sequence[Path], base: Path | None = None, *, check: Check = never
) -> None:
    """Draw a figure and write it, once for each path in ``out``, in the format of its suffix.

    Parameters
    ----------
    spec : dict
        See the module.
    out : path or sequence of paths
        ``.png``, ``.pdf``, ``.svg``, ``.tiff``; each appears whole or not at all.
    base : Path, optional
        Folder that relative paths in the spec start from.
    check : callable
        Called before each file is written; may raise.

    Raises
    ------
    EmviewerError
        A wrong spec, a file that is not there, or a suffix that is not among the formats.
    """
    targets = [Path(out)] if isinstance(out, (str, Path)) else [Path(path) for path in out]
    for target in targets:
        if target.suffix.lower() not in FORMATS:
            raise ParameterError(
                f"no figure can be written as {target.suffix or 'a file without suffix'}",
                target,
                f"choose {', '.join(FORMATS[:4])}",
            )
    figure = parse(spec, base)
    page = _draw(figure, check)
    pages = page.pages if isinstance(page, Sheets) else []
    for target in targets:
        if len(pages) > 1 and target.suffix.lower() != ".pdf":
            raise ParameterError(f"the report has {len(pages)} pages", target, "write it as .pdf, or name one map")
    for target in targets:
        check()
        _save(page, figure, spec, target)


def render_file(path: Path | str, out: Path | str) -> None:
    """Draw the figure whose spec is in a JSON file.

    Raises
    ------
    EmviewerError
        The file is not there or is no spec.
    """
    source = Path(path)
    try:
        spec = json.loads(source.read_text(encoding="utf-8"))
    except OSError as err:
        raise FileError(f"the spec cannot be read: {err.strerror}", source, "check the name and the folder") from None
    except ValueError:
        raise FileError("this is not JSON", source, "give the spec that was saved beside a figure") from None
    if not isinstance(spec, dict):
        raise FileError("this is not the spec of a figure", source, "give the spec that was saved beside a figure")
    render(spec, Path(out), source.absolute().parent)


def _draw(figure: AnyFigure, check: Check) -> Page | Sheets:
    if isinstance(figure, GallerySpec):
        return figure_gallery.draw(figure)
    if isinstance(figure, TripletsSpec):
        return figure_triplets.draw(figure)
    if isinstance(figure, SlicesSpec):
        return figure_slices.draw_slices(figure)
    if isinstance(figure, ImageSpec):
        return figure_slices.draw_image(figure)
    # only what compares maps needs what these import
    if isinstance(figure, ReportSpec):
        from emviewer.engine import figure_align_report

        return figure_align_report.draw(figure, check)
    if isinstance(figure, CentringSpec):
        from emviewer.engine import figure_center_pairs

        return figure_center_pairs.draw(figure)
    if isinstance(figure, MicrographSpec):
        from emviewer.engine import figure_micrograph

        return figure_micrograph.draw(figure, check)
    if isinstance(figure, (CurvesSpec, SearchSpec)):
        from emviewer.engine import figure_curves

        return figure_curves.draw(figure)
    if isinstance(figure, LabSpec):
        from emviewer.engine import figure_lab

        return figure_lab.draw(figure)
    if isinstance(figure, SurfaceSpec):
        from emviewer.engine import figure_surface

        return figure_surface.draw(figure, check)
    from emviewer.engine import figure_pair

    return figure_pair.draw(figure)


def _save(page: Page | Sheets, figure: AnyFigure, spec: dict[str, Any], target: Path) -> None:
    """Write one file beside its place and rename it; images stay as they are in vector formats."""
    kind = target.suffix.lower().removeprefix(".")
    vector = kind in ("pdf", "svg")
    for image in page.images:
        image.set_interpolation("none" if vector else "antialiased")
    options: dict[str, Any] = {}
    if kind in ("tif", "tiff"):
        kind = "tiff"
        options["pil_kwargs"] = {"compression": "tiff_lzw", "description": _description(spec)}
    else:
        options["metadata"] = _metadata(kind, figure, spec)
    with whole(target) as beside:
        if isinstance(page, Sheets) and len(page.pages) > 1:
            from matplotlib.backends.backend_pdf import PdfPages

            with PdfPages(beside, metadata=options["metadata"]) as book:
                for sheet in page.pages:
                    book.savefig(sheet, dpi=figure.dpi)
        else:
            page.figure.savefig(beside, format=kind, dpi=figure.dpi, facecolor="white", **options)


def _metadata(kind: str, figure: AnyFigure, spec: dict[str, Any]) -> dict[str, Any]:
    title, about, program = figure.title or figure.kind, _description(spec), f"emviewer {__version__}"
    if kind == "pdf":
        return {"Title": title, "Subject": about, "Creator": program, "CreationDate": None}
    if kind == "svg":
        return {"Title": title, "Description": about, "Creator": program, "Date": None}
    return {"Title": title, "Description": about, "Software": program}


def _description(spec: dict[str, Any]) -> str:
    return json.dumps(spec, default=str)
