"""Maps that come together are offered to be aligned, subtracted, correlated."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from emviewer.ui.notices import Notice
from emviewer.ui.task_form import source_of
from emviewer.ui.workspace import Document

OTHER = {"align": "maps", "difference": "map", "fsc": "second"}
"""The field of each job that takes what is compared with the reference."""


def offering(window: Any, paths: list[Path]) -> Callable[[Document], None] | None:
    """Return what is told of each document as it opens, and offers once two maps or more are there.

    Parameters
    ----------
    window : MainWindow
        Has ``notices, workspace, show_task, inspector``.
    paths : list of Path
        What was dropped; fewer than two need nothing.
    """
    if len(paths) < 2:
        return None
    order = [Path(p).absolute() for p in paths]
    opened: dict[int, Document] = {}

    def then(document: Document) -> None:
        opened[document.id] = document
        there = [d for d in opened.values() if d.id in window.workspace.documents and d.kind == "map"]
        there.sort(key=lambda d: order.index(d.path) if d.path in order else len(order))
        if len(there) > 1:
            offer(window, there)

    return then


def offer(window: Any, maps: list[Document]) -> None:
    """Offer what can be asked of two maps or more, the first as the reference."""
    jobs = (("Align", "align"), ("Difference", "difference"), ("FSC", "fsc"))[: 3 if len(maps) == 2 else 1]
    names = " and ".join(d.title for d in maps) if len(maps) == 2 else f"{len(maps)} maps"
    buttons = tuple((word, lambda j=job: fill(window, j, maps)) for word, job in jobs)
    text = f"{names} are open. Compare them?" if len(maps) == 2 else f"{names} are open. Align them to the first?"
    window.notices.show_notice(Notice("info", text, buttons=buttons, key="pair"), linger=True)


def fill(window: Any, job: str, maps: list[Document]) -> None:
    """Show the form of a job with these maps in it."""
    there = [d for d in maps if d.id in window.workspace.documents]
    if len(there) < 2:
        return
    window.show_task(job, there[0])
    others = [source_of(d) for d in there[1:]]
    window.inspector.task().form.set_values({OTHER[job]: others if job == "align" else others[0]})
