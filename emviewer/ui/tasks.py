"""The questions people come with. A question is offered once the job that answers it exists."""

from __future__ import annotations

from dataclasses import dataclass

from emviewer.engine.jobs import registry
from emviewer.ui.workspace import Document


@dataclass(frozen=True)
class Task:
    """A question and the job that answers it.

    Parameters
    ----------
    job : str
        Name in the job registry.
    title : str
        On buttons.
    question : str
        What a person asks.
    answer : str
        What they get.
    icon : str
        Name of an icon.
    needs : tuple of str
        Kinds of document that it starts from.
    panel : str
        Kind of the panel that holds the forms of this task; empty: the inspector does.
    in_front : bool
        Whether it has a button and a card; otherwise it is in the menus only.
    """

    job: str
    title: str
    question: str
    answer: str
    icon: str
    needs: tuple[str, ...]
    panel: str = ""
    in_front: bool = True

    def fits(self, document: Document) -> bool:
        """Return whether the task can start from a document."""
        return document.kind in self.needs


_KNOWN = (
    Task(
        "gallery",
        "Gallery",
        "What does my map look like from every side?",
        "Open a map: see its slices, turn it with the mouse, and project it over all orientations.",
        "gallery",
        ("map",),
    ),
    Task(
        "compare",
        "Compare",
        "Does my map explain my images? Which are the exceptions?",
        "Open class averages or particles, choose one or several maps: see every image beside its reprojection and "
        "what is left, worst first.",
        "compare",
        ("images",),
    ),
    Task(
        "align",
        "Align",
        "Are these maps the same, and where do they differ?",
        "Open two maps or more: each is turned, shifted and if need be mirrored onto the reference with all that "
        "belongs to it; see them in one frame, their difference and how far they agree.",
        "align",
        ("map",),
    ),
    Task(
        "center",
        "Centre",
        "Are my particles in the middle of their boxes?",
        "Open class averages: their centres are found and carried to the alignment and coordinates of every member.",
        "zoom-fit",
        ("images",),
    ),
    Task(
        "recover",
        "Orientations",
        "What are the views, without a map?",
        "Open class averages, or simulate images whose views are known: recover orientations from the images alone, "
        "see how sure each is, and reconstruct.",
        "sphere",
        ("images", "map"),
        panel="orientation_lab",
    ),
    Task(
        "difference",
        "Difference",
        "Where do two maps in one frame differ?",
        "Subtract a map from another after matching them; what stands out of the noise is listed.",
        "align",
        ("map",),
        in_front=False,
    ),
    Task(
        "fsc",
        "FSC",
        "How far in resolution do two maps agree?",
        "Correlate two maps on one grid shell by shell: masked, corrected, with thresholds.",
        "plot",
        ("map",),
        in_front=False,
    ),
)


def tasks() -> list[Task]:
    """Return the tasks that have a button, if their jobs are there."""
    there = {name for name, _ in registry.names()}
    return [task for task in _KNOWN if task.job in there and task.in_front]


def further_tasks() -> list[Task]:
    """Return the tasks that are in menus only."""
    there = {name for name, _ in registry.names()}
    return [task for task in _KNOWN if task.job in there and not task.in_front]


def task(job: str) -> Task:
    """Return the task of a job; one that answers none of the questions yet is called by its name."""
    line = dict(registry.names()).get(job, "")
    return next((t for t in _KNOWN if t.job == job), Task(job, job.capitalize(), line, line, "run", ()))
