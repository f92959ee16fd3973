"""Figures of the orientation lab out of result folders: views, distances, training, errors, the map."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from emviewer.engine import files, mrc
from emviewer.engine.conventions import without_mirror
from emviewer.engine.errors import DataError, FileError
from emviewer.engine.figure_page import MM, Sheets, font_family
from emviewer.engine.figure_spec_lab import LabSpec
from emviewer.engine.orientations_align import align_views
from emviewer.engine.symmetry import point_group
from emviewer.engine.types import F64

BLUE, ORANGE, GREY = "#0072B2", "#D55E00", "#666666"
TABLES = ("orientations.star", "particles.star")
MOST_PAIRED = 700
"""Views whose pairwise distances are counted."""
SHOWN = 6000


def draw(spec: LabSpec) -> Sheets:
    """Return the figure of a step.

    Raises
    ------
    EmviewerError
        The folder lacks what the step shows.
    """
    height = 0.42 * spec.width_mm + 10
    figure = Figure(figsize=(spec.width_mm * MM, height * MM), dpi=spec.dpi, facecolor="white")
    _heading(figure, spec, height)
    top = 1 - 13 / height
    pages = {"views": _views, "distances": _distances, "training": _training, "errors": _errors, "map": _map}
    pages[spec.page](figure, Path(spec.result), top)
    return Sheets([figure])


def _heading(figure: Figure, spec: LabSpec, height: float) -> None:
    text: dict[str, Any] = {"fontfamily": font_family(), "parse_math": False, "va": "top"}
    left = 3 / spec.width_mm
    if spec.letter:
        figure.text(left, 1 - 2.5 / height, spec.letter, fontsize=11, fontweight="bold", **text)
        left += 5 / spec.width_mm
    figure.text(left, 1 - 2.5 / height, spec.title, fontsize=8.5, fontweight="bold", **text)
    figure.text(left, 1 - 7 / height, spec.subtitle, fontsize=6.5, color=GREY, **text)


def _axes(figure: Figure, place: tuple[float, float], top: float, x: str, y: str) -> Any:
    """Return thin axes between two shares of the width."""
    left, right = place
    axes = figure.add_axes((left, 0.16, right - left, top - 0.2))
    axes.tick_params(labelsize=5.5, width=0.4, length=2)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_linewidth(0.5)
    axes.set_xlabel(x, fontsize=6.5, fontfamily=font_family())
    axes.set_ylabel(y, fontsize=6.5, fontfamily=font_family())
    return axes


def read_views(folder: Path) -> tuple[F64, F64 | None]:
    """Return the views (n, 3, 3) of a result and their confidence, if it tells one.

    Raises
    ------
    EmviewerError
        It holds no orientations.
    """
    path = next((folder / name for name in TABLES if (folder / name).is_file()), None)
    if path is None:
        raise FileError("the folder holds no orientations", folder, "give a result of simulate or recover")
    images = files.read_images(path)
    if images.poses is None:
        raise DataError("the table has no orientations", path, "give a result of simulate or recover")
    poses = images.poses
    views = without_mirror(poses.rotations, poses.shifts_A, poses.mirror)[0]
    if "emvConfidence" not in images.table:
        return views, None
    return views, pd.to_numeric(images.table["emvConfidence"], errors="coerce").to_numpy(np.float64)


def _views(figure: Figure, folder: Path, top: float) -> None:
    views, sure = read_views(folder)
    axes: Any = figure.add_axes((0.03, 0.1, 0.5, top - 0.12), projection="mollweide")
    d = views[:, 2]
    values: dict[str, Any] = {"color": BLUE} if sure is None else {"c": sure, "cmap": "viridis", "vmin": 0, "vmax": 1}
    longitude, latitude = np.arctan2(d[:, 1], d[:, 0]), np.arcsin(np.clip(d[:, 2], -1, 1))
    dots = axes.scatter(longitude, latitude, s=5, lw=0, rasterized=len(d) > SHOWN, **values)
    axes.grid(alpha=0.3, lw=0.4)
    axes.set_xticklabels([])
    axes.set_yticklabels([])
    curve = folder / "progress.csv"
    if sure is not None:
        bar = figure.colorbar(dots, ax=axes, shrink=0.6, pad=0.03)
        bar.ax.tick_params(labelsize=5.5, width=0.4, length=2)
        bar.set_label("confidence", fontsize=6.5)
    if curve.is_file():
        _progress(_axes(figure, (0.64, 0.97), top, "step", ""), pd.read_csv(curve))
        return
    if sure is None:
        side, values_shown, edges = "tilt (°)", np.degrees(np.arccos(np.clip(d[:, 2], -1, 1))), np.linspace(0, 180, 19)
    else:
        side, values_shown, edges = "confidence", sure[np.isfinite(sure)], np.linspace(0, 1, 21)
    _axes(figure, (0.64, 0.97), top, side, "images").hist(values_shown, bins=edges.tolist(), color=BLUE)


def _progress(axes: Any, table: pd.DataFrame) -> None:
    words = {
        "loss": "loss", "explained": "share explained by the map", "spread_deg": "spread of the likely views (°)",
    }  # fmt: skip
    name = next((n for n in words if n in set(table.curve)), None)
    if name is None:
        return
    for _, part in table[table.curve == name].groupby("stage", sort=False):
        axes.plot(part.step, part.value, lw=0.9, color=BLUE, marker="o" if len(part) == 1 else None, ms=2)
    axes.set_ylabel(words[name], fontsize=6.5)


def _pairs(views: F64) -> F64:
    """Return the angles in degrees between all pairs of an even choice of views."""
    some = views[np.unique(np.linspace(0, len(views) - 1, min(len(views), MOST_PAIRED)).astype(int))]
    flat = some.reshape(-1, 9)
    cosine = (flat @ flat.T - 1) / 2
    return np.asarray(np.degrees(np.arccos(np.clip(cosine[np.triu_indices(len(some), 1)], -1, 1))))


def _truth(folder: Path, n: int) -> F64 | None:
    """Return the true views that a result was told of."""
    try:
        job = json.loads((folder / "job.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    told = job.get("parameters", {}).get("truth")
    if not told or not Path(told).is_file():
        return None
    poses = files.read_images(Path(told)).poses
    return poses.rotations if poses is not None and len(poses.rotations) == n else None


def _distances(figure: Figure, folder: Path, top: float) -> None:
    views, _ = read_views(folder)
    truth = _truth(folder, len(views))
    found = _pairs(views)
    axes = _axes(figure, (0.08, 0.5 if truth is not None else 0.97), top, "distance (°)", "pairs")
    edges = np.linspace(0, 180, 46)
    axes.hist(found, bins=edges.tolist(), color=BLUE, alpha=0.7)
    d = np.radians(edges)
    middle = (edges[1:] + edges[:-1]) / 2
    axes.plot(middle, len(found) * np.diff(d - np.sin(d)) / np.pi, color=GREY, lw=0.9, ls="--", label="uniform views")
    axes.legend(fontsize=6, frameon=False)
    if truth is not None:
        other = _pairs(truth)
        some = np.unique(np.linspace(0, len(found) - 1, min(len(found), SHOWN)).astype(int))
        beside = _axes(figure, (0.6, 0.97), top, "true distance (°)", "recovered distance (°)")
        _scatter(beside, other[some], found[some])


def _scatter(axes: Any, x: F64, y: F64) -> None:
    axes.scatter(x, y, s=1.5, lw=0, alpha=0.4, color=BLUE, rasterized=True)
    axes.plot([0, 180], [0, 180], color=GREY, lw=0.6, ls=":")


def _training(figure: Figure, folder: Path, top: float) -> None:
    try:
        curve = pd.read_csv(folder / "loss.csv")
    except (OSError, ValueError) as err:
        raise FileError("the folder holds no trained distance", folder, "give a result of train-distance") from err
    axes = _axes(figure, (0.08, 0.47), top, "step", "cross entropy (nats)")
    axes.plot(curve.step, curve.loss, color=BLUE, lw=0.8, label="training images")
    known = curve[curve.held_out_loss.notna()]
    axes.plot(known.step, known.held_out_loss, color=ORANGE, lw=1, label="held out")
    axes.legend(fontsize=6, frameon=False)
    if (folder / "pairs.csv").is_file():
        pairs = np.degrees(pd.read_csv(folder / "pairs.csv")[["truth_rad", "estimate_rad"]].to_numpy(float))
        _scatter(_axes(figure, (0.58, 0.97), top, "true distance (°)", "estimated distance (°)"), *pairs.T)


def _errors(figure: Figure, folder: Path, top: float) -> None:
    views, sure = read_views(folder)
    truth = _truth(folder, len(views))
    if truth is None:
        raise DataError("the truth of these orientations is not known", folder, "run recover with --truth")
    job = json.loads((folder / "job.json").read_text(encoding="utf-8"))
    group = np.asarray(point_group(str(job["parameters"].get("sym") or "C1")).rotations)
    error = np.degrees(align_views(truth, views, group)[2])
    axes = _axes(figure, (0.08, 0.47), top, "error (°)", "share of images")
    axes.plot(np.sort(error), (np.arange(len(error)) + 1) / len(error), color=BLUE, lw=1)
    axes.axvline(float(np.median(error)), color=GREY, lw=0.6, ls=":")
    axes.set_ylim(0, 1.02)
    axes.set_title(f"median {np.median(error):.2f}°, mean {error.mean():.2f}°", fontsize=6.5, color=GREY)
    x, name = (np.arange(len(error)) + 1.0, "image") if sure is None else (sure, "confidence")
    _axes(figure, (0.58, 0.97), top, name, "error (°)").scatter(x, error, s=4, lw=0, color=BLUE, alpha=0.6)


def _map(figure: Figure, folder: Path, top: float) -> None:
    if not (folder / "map.mrc").is_file():
        raise FileError("the folder holds no map", folder, "give a result of recover or reconstruct")
    data = mrc.read_map(folder / "map.mrc").data
    c = data.shape[0] // 2
    low, high = np.percentile(data, [0.5, 99.7])
    for i, (name, cut) in enumerate((("XY", data[c]), ("XZ", data[:, c]), ("YZ", data[:, :, c]))):
        axes = figure.add_axes((0.02 + 0.19 * i, 0.1, 0.18, top - 0.14))
        axes.imshow(cut, cmap="gray", vmin=low, vmax=max(float(high), float(low) + 1e-12), origin="lower")
        axes.set_axis_off()
        axes.set_title(name, fontsize=6.5, pad=2)
    if (folder / "fsc.csv").is_file():
        curve = pd.read_csv(folder / "fsc.csv")
        axes = _axes(figure, (0.66, 0.97), top, "spatial frequency (1/Å)", "correlation of the halves")
        axes.plot(curve.frequency_inv_A, curve.fsc, color=BLUE, lw=1)
        for level in (0.5, 0.143):
            axes.axhline(level, color=GREY, lw=0.4, ls=":")
        axes.set_ylim(-0.1, 1.04)
