"""The figures of an alignment: one page a map."""

from __future__ import annotations

from typing import Any

import numpy as np

from emviewer.engine import figure_align
from emviewer.engine.jobs.align_inputs import Member
from emviewer.engine.jobs.align_output import Result
from emviewer.engine.jobs.align_params import AlignParams
from emviewer.engine.jobs.folder import ResultFolder


def draw(
    folder: ResultFolder, params: AlignParams, reference: Member, result: Result, row: dict[str, Any], index: int
) -> None:
    """Write report.png/.pdf for the first map, and report_<map>.png/.pdf for each further one."""
    page = figure_align.draw(_page(params, reference, result, row))
    stem = "report" if index == 0 else f"report_{result.member.name}"
    folder.save_page(page, params.report, stem)


def _page(params: AlignParams, reference: Member, result: Result, row: dict[str, Any]) -> figure_align.Page:
    a, diff, curve = result.alignment, result.difference, result.curve
    curves = {
        "before": result.before.fsc,
        "after": curve.fsc,
        "masked": curve.masked,
        "corrected": curve.corrected,
        "ceiling": result.ceiling,
    }
    traces = np.einsum("rij,ij->r", a.search.rotations, a.pose.rotation)
    angle = np.degrees(np.arccos(np.clip((traces - 1) / 2, -1, 1)))
    scores = a.search.scores
    if scores.shape[1] == 1 and a.pose.flipped:
        scores = np.column_stack([np.full(len(scores), np.nan), scores])
    return figure_align.Page(
        title=f"{result.member.name} on {reference.path.name}",
        subtitle=f"hand {a.hand}, correlation {a.cc_before:.3f} before, {a.cc_after:.4f} after; slices through the "
        f"centre{'' if diff is None else f', to {diff.resolution_A:.3g} Å'}",
        pixel_size_A=reference.volume.pixel_size_A,
        reference=np.asarray(reference.volume.data) if diff is None else diff.reference,
        moved=result.moved if diff is None else diff.matched,
        difference=None if diff is None else diff.data,
        curves=figure_align.Curves(
            curve.frequency_inv_A, curves, curve.half_bit, params.lowpass or (diff.resolution_A if diff else 0.0)
        ),
        search=(angle, scores),
        lines=_lines(row),
    )


def _lines(row: dict[str, Any]) -> list[str]:
    matrix = ["  ".join(f"{v:8.5f}" for v in line) for line in np.asarray(row["rotation"])]
    shift = ", ".join(f"{v:.3f}" for v in row["translation_A"])
    euler = ", ".join(f"{v:.2f}" for v in row["euler_zyz_deg"])
    found = [row["fsc_0.143_A"], row["fsc_0.5_A"]]
    fsc = ["never" if v is None else f"{v:.2f} Å" for v in found]
    other, sigma = row["cc_other_hand"], row["hand_sigma"]
    missing = "not found within the limits" if np.isinf(sigma) else "not tried"
    return [
        *matrix,
        "after a z-flip" if row["hand_flipped"] else "no flip",
        f"translation {shift} Å",
        f"rotation {row['angle_deg']:.3f}°",
        f"Euler ZYZ {euler}°",
        f"other hand {missing if np.isnan(other) else f'{other:.4f}'}",
        "" if np.isnan(other) else f"hand σ {sigma:.1f}",
        f"place {row['place']}",
        f"FSC 0.143: {fsc[0]}, 0.5: {fsc[1]}",
        f"σ {row['sigma_angle_deg']:.3g}°, {row['sigma_shift_A']:.3g} Å",
    ]
