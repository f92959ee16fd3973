"""The report of a centring, by the job or as it stands after a person changed it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from emviewer.engine.jobs.center_inputs import CenterInputs
from emviewer.engine.jobs.center_members import Moved
from emviewer.engine.types import F32, F64

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def draw_report(
    name: str, inputs: CenterInputs, pictures: tuple[F32, F32], classes: tuple[F64, F64, Sequence[str]],
    alone: NDArray[np.bool_], moved: Moved | None, figures: Mapping[str, Any], notes: Sequence[str],
) -> Figure:  # fmt: skip
    """Draw classes before and after, displacements of the members, and one micrograph with its arrows.

    Parameters
    ----------
    name : str
        Of the input.
    inputs : CenterInputs
        Averages and members.
    pictures : (ndarray, ndarray)
        Averages before and after, float32 (k, n, n).
    classes : (ndarray, ndarray, sequence of str)
        Centre found in pixels (k, 2), confidence (k,), estimator of each class.
    alone : ndarray of bool, shape (k,)
        Classes that are not moved.
    moved : Moved or None
        Where the members stand.
    figures : mapping
        Key figures (``center_summary.key_figures``).
    notes : sequence of str
        Sentences at the foot.
    """
    from emviewer.engine import figure_center  # matplotlib, which a job without a report need not load

    members = inputs.members
    busiest = -1
    if moved is not None and members is not None and members.micrographs and moved.centre_px is not None:
        busiest = int(np.bincount(members.micrograph[members.micrograph >= 0]).argmax())
    picked = members.micrograph == busiest if members is not None and busiest >= 0 else None
    said = f"{len(alone)} classes, {int(alone.sum())} left alone"
    if figures.get("n_particles"):
        said += (
            f", {figures['n_particles']} particles, {figures['n_moved']} moved by 1 px or more, mean "
            f"{figures['mean_displacement_px']:.2f} px, {figures['n_out_of_bounds']} out of bounds"
        )
    return figure_center.draw(
        figure_center.CenterReport(
            title=f"{name} centred",
            subtitle=said,
            before=pictures[0],
            after=pictures[1],
            numbers=inputs.classes.numbers,
            found_px=classes[0],
            confidence=classes[1],
            method=classes[2],
            alone=alone,
            pixel_size_A=inputs.pixel_size_A,
            moved_px=None if moved is None else moved.moved_px,
            micrograph="" if members is None or busiest < 0 else members.micrographs[busiest],
            places_px=None if picked is None or moved is None or moved.centre_px is None else moved.centre_px[picked],
            arrows_px=None if picked is None or moved is None else moved.moved_px[picked],
            notes=notes,
        )
    )
