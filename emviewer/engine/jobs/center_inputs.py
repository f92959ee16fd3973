"""What centring starts from: class averages, their members, and the micrographs these were picked from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from emviewer.engine import files
from emviewer.engine.jobs import center_classes, center_cryosparc, center_micrographs, center_relion, center_xmipp
from emviewer.engine.jobs.center_classes import Classes
from emviewer.engine.jobs.center_members import Members
from emviewer.engine.jobs.center_params import CenterParams
from emviewer.engine.task import Check, never

Warn = Callable[[str], None]
Form = str
"""``relion``, ``cryosparc``, ``xmipp``: the program whose table the members are in; empty without members."""
WRITERS = {"relion": center_relion.write, "cryosparc": center_cryosparc.write, "xmipp": center_xmipp.write}


@dataclass(frozen=True, eq=False)
class CenterInputs:
    """Everything that was opened.

    Parameters
    ----------
    classes : Classes
        The averages.
    pixel_size_A : float
        Of the averages.
    form : str
        See :data:`Form`.
    members : Members or None
        None if no table was given.
    table : Path or None
        The members' table.
    """

    classes: Classes
    pixel_size_A: float
    form: Form
    members: Members | None
    table: Path | None


def open_inputs(params: CenterParams, warn: Warn, check: Check = never, *, micrographs: bool = True) -> CenterInputs:
    """Open what the parameters name; doubts go to ``warn``.

    Parameters
    ----------
    params : CenterParams
        Of the job.
    warn : callable
        Takes a sentence.
    check : callable
        Raises to stop.
    micrographs : bool
        Whether the micrographs' headers are read, for their sizes and pixel sizes.

    Raises
    ------
    EmviewerError
        Something is missing or does not fit.
    """
    classes = center_classes.open_classes(params, warn)
    form, members = _members(params, classes)
    if form == "cryosparc" and classes.counted:
        classes = replace(classes, numbers=classes.numbers - 1)
    for note in members.notes if members is not None else ():
        warn(note)
    members_A = float(members.pixel_A[0]) if members is not None else 0.0
    pixel = center_classes.common_pixel(classes, members_A, params, warn)
    table = params.particles or classes.members or (params.classes if members is not None else None)
    if members is not None and table is not None and micrographs:
        center_micrographs.look_up(members, params.micrographs, table, params.project_dir, warn, check)
    return CenterInputs(classes, pixel, form, members, table)


def _members(params: CenterParams, classes: Classes) -> tuple[Form, Members | None]:
    path = classes.members
    if classes.blocks is not None:
        return "xmipp", center_xmipp.read(params.classes, classes.blocks, params.pixel_size, classes.pixel_size_A)
    if path is None:
        return "", None
    kind = files.kind_of(path)
    if kind == "cryosparc":
        return kind, center_cryosparc.read(path, params.passthrough, params.pixel_size, classes.pixel_size_A)
    if kind == "xmipp":
        return kind, center_xmipp.read(path, None, params.pixel_size, classes.pixel_size_A)
    return "relion", center_relion.read(path, params.pixel_size, classes.pixel_size_A)
