"""A finished centring, read from its folder; what a person changed of it is kept beside it. For the lanes."""

from __future__ import annotations

import contextlib
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from emviewer.engine.errors import EmviewerError
from emviewer.engine.files_whole import whole
from emviewer.engine.types import ImageStack
from emviewer.ui.centering_session import ACCEPTED, KEY, REJECTED, Centering, Choice, choices_of
from emviewer.ui.facts import summary_line
from emviewer.ui.workspace import Document

HAND_FILE = "by_hand.json"
LINES = {
    "n_classes": "Classes", "n_classes_left_alone": "Left alone", "n_particles": "Particles", "n_moved": "Moved",
    "mean_displacement_px": "Mean displacement", "n_out_of_bounds": "Out of bounds",
}  # fmt: skip


def is_centering(folder: Path, job: dict[str, Any]) -> bool:
    """Return whether a result folder holds a centring with its classes."""
    return job.get("job") == "center" and (folder / "classes.star").is_file()


def read_centering(folder: Path, job: dict[str, Any], info: dict[str, Any]) -> Document:
    """Open the folder of a centring; its members are read later (``centering_keep``).

    Raises
    ------
    EmviewerError
        A file of the result is missing or damaged.
    """
    from emviewer.engine.jobs.center_again import read_result
    from emviewer.engine.jobs.center_classes import open_classes

    result = read_result(folder)
    found = choices_of(result.found)
    centering = Centering(
        parameters=dict(job.get("parameters", {})),
        result=result,
        numbers=result.numbers,
        n_members=result.n_members,
        choices=_changed(folder, found),
        found=found,
        pixel_size_A=result.pixel_size_A,
        figures={k: v for k, v in result.summary.items() if result.summary.get("n_particles")},
    )
    try:
        before = open_classes(result.params, lambda _: None).stack
        if before.n == len(found):
            centering.before = before
        else:
            centering.problem = "The class averages have changed since: they are shown as the job left them."
    except (EmviewerError, OSError) as err:
        centering.problem = (
            f"The class averages cannot be read any more: {err}. They are shown as the job left them; nothing can be "
            "estimated or saved until they are back."
        )
    document = Document("result", folder.name, folder, info=info | {KEY: centering})
    names = {n: w for n, w in LINES.items() if result.summary.get("n_particles") or n.startswith("n_classes")}
    said = {words: summary_line(name, result.summary.get(name))[1] for name, words in names.items()}
    document.info |= {words: value for words, value in said.items() if value != "–"}
    refresh(document)
    return document


def refresh(document: Document) -> None:
    """Let the document's table and images be those of the centres as they stand."""
    centering: Centering | None = document.info.get(KEY)
    if centering is None:
        return
    document.table = table_of(centering)
    document.stack = stack_of(centering, document.title)


def table_of(centering: Centering) -> pd.DataFrame:
    """Return the classes as a table, one row a class average."""
    k = len(centering)
    offset, choices = centering.offset_px(), centering.choices
    moves = np.array([c.moves for c in choices], bool)
    shift = np.where(moves[:, None], -offset, 0.0) * centering.pixel_size_A
    shift[shift == 0] = 0.0  # no -0
    table = pd.DataFrame(
        {
            "class": centering.numbers[:k],
            "displacement_px": np.hypot(*offset.T),
            "confidence": [c.confidence for c in choices],
            "method": pd.Series([c.method for c in choices], dtype="str"),
            "decision": pd.Series([decision(c) for c in choices], dtype="str"),
            "shift_x_A": shift[:, 0],
            "shift_y_A": shift[:, 1],
            "psi_deg": [c.psi_deg if c.moves else 0.0 for c in choices],
        },
        index=pd.RangeIndex(k),
    )
    if centering.with_members and len(centering.n_members) >= k:
        table["n_members"] = centering.n_members[:k]
    return table


def decision(choice: Choice) -> str:
    """Return what becomes of a class, in words."""
    if choice.verdict == ACCEPTED:
        return "accepted"
    if choice.verdict == REJECTED:
        return "rejected"
    return "left alone" if choice.alone else "moves"


def stack_of(centering: Centering, title: str) -> ImageStack | None:
    """Return the averages as they stand after the centring, None before there are any."""
    if centering.before is not None:
        from emviewer.engine.jobs.center_save import centred_stack

        moved = centred_stack(centering.before, centering.now)
        source = None if centering.folder is None else centering.folder / "centered_classes.mrcs"
        return ImageStack(len(centering), moved.shape, centering.pixel_size_A, moved.read, source=source, name=title)
    return None if centering.result is None else centering.result.after


# what a person changed ----------------------------------------------------------------------------------------------
def write_changes(folder: Path, rows: dict[int, Choice]) -> None:
    """Keep the classes that a person changed beside the result; a folder that is read-only keeps none."""
    path = folder / HAND_FILE
    with contextlib.suppress(OSError):
        if not rows:
            path.unlink(missing_ok=True)
            return
        kept = [{"row": row} | asdict(choice) for row, choice in sorted(rows.items())]
        # at once or not at all: a full disk leaves what was kept before
        with whole(path) as beside:
            beside.write_text(json.dumps({"classes": kept}, indent=1) + "\n")


def _changed(folder: Path, found: list[Choice]) -> list[Choice]:
    """Return what the job found with what a person changed in its place; entries that cannot be read are passed by."""
    choices, kept = list(found), None
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        kept = json.loads((folder / HAND_FILE).read_text())["classes"]
    for entry in kept if isinstance(kept, list) else ():
        with contextlib.suppress(KeyError, TypeError, ValueError):
            row, choice = _kept_choice(entry)
            if 0 <= row < len(choices):
                choices[row] = choice
    return choices


def _kept_choice(entry: Any) -> tuple[int, Choice]:
    """Return row and choice of an entry of the file; any of KeyError, TypeError, ValueError if it is none."""
    e = dict(entry)
    numbers = [float(e[name]) for name in ("x_px", "y_px", "psi_deg", "confidence")]
    if not np.isfinite(numbers).all() or e["verdict"] not in ("", ACCEPTED, REJECTED):
        raise ValueError("no centre of a class")
    return int(e["row"]), Choice(*numbers, str(e["method"]), bool(e["alone"]), str(e["verdict"]))
