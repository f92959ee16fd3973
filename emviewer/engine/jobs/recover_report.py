"""Draw the report of orientation recovery."""

from __future__ import annotations

import numpy as np

from emviewer.engine.jobs import reconstruct_report as parts
from emviewer.engine.jobs.folder import ResultFolder
from emviewer.engine.jobs.reconstruct_output import Maps
from emviewer.engine.jobs.recover_inputs import Inputs
from emviewer.engine.jobs.recover_params import RecoverParams
from emviewer.engine.orientations_solution import Solution
from emviewer.engine.types import F32, F64

HEIGHT_MM = 200.0
SHOWN = 12


def draw(
    folder: ResultFolder, params: RecoverParams, inputs: Inputs, found: Solution, maps: Maps | None, angle: F64 | None
) -> None:
    """Write report.png and report.pdf as asked."""
    said = f"{len(inputs.usable)} images, {inputs.group.name}"
    if angle is not None:
        said += f", error {np.median(angle):.2f}° median, {angle.mean():.2f}° mean"
    badge = folder.record.get("trained_on")
    if badge:
        said += f", begun with a distance trained on {badge.get('map')} ({str(badge.get('map_sha256'))[:8]})"
    figure = parts.page(
        HEIGHT_MM, f"Orientations of {params.images.name}", said,
        (*folder.warnings, "Projections cannot tell the hand: the mirror image of the map is equally right."),
    )  # fmt: skip
    order = np.argsort(-found.confidence, kind="stable")
    rows = inputs.usable[np.unique(order[np.linspace(0, len(order) - 1, min(SHOWN, len(order))).astype(int)])]
    for i, row in enumerate(rows):
        axes = figure.add_axes((0.04 + i * 0.92 / SHOWN, 0.83, 0.9 / SHOWN, 0.08))
        picture: F32 = inputs.data[row]
        low, high = np.percentile(picture, [0.5, 99.5])
        axes.imshow(picture, cmap="gray", vmin=low, vmax=max(high, low + 1e-12), origin="lower")
        axes.set_axis_off()
        where = int(np.flatnonzero(inputs.usable == row)[0])
        axes.set_title(f"{row + 1}: {found.confidence[where]:.2f}", fontsize=5.5, pad=1.5)
    parts.directions(figure, (0.05, 0.56, 0.5, 0.22), found.rotations, found.confidence)
    if angle is not None:
        axes = figure.add_axes((0.66, 0.58, 0.3, 0.19))
        axes.plot(np.sort(angle), (np.arange(len(angle)) + 1) / len(angle), color=parts.BLUE, lw=1)
        axes.set_xlabel("error (°)", fontsize=6.5)
        axes.set_ylabel("share of images", fontsize=6.5)
        axes.set_xlim(0, max(1e-3, float(np.percentile(angle, 98))))
    else:
        axes = figure.add_axes((0.66, 0.58, 0.3, 0.19))
        axes.hist(found.confidence, bins=np.linspace(0, 1, 21).tolist(), color=parts.BLUE)
        axes.set_xlabel("confidence", fontsize=6.5)
        axes.set_ylabel("images", fontsize=6.5)
    parts.plain(axes)
    if maps is not None:
        parts.cuts(figure, maps.whole, inputs.pixel_size_A, 0.34, 0.15)
        place = figure.add_axes((0.09, 0.1, 0.84, 0.19))
        curves = [("halves", maps.curve.fsc, parts.BLUE)]
        if maps.truth is not None:
            curves.append(("each half with the other at the true views", maps.truth, parts.ORANGE))
        parts.shells(place, maps.curve.frequency_inv_A, curves)
    parts.save(figure, folder, params.report)
