"""Building the example in the job lane, opening it and running every kind of job on it, one after the other."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, Any

from emviewer.engine.task import Batch, Check, message
from emviewer.ui.opening import read_document
from emviewer.ui.runner import JobHandle
from emviewer.ui.workspace import Document

if TYPE_CHECKING:
    from emviewer.engine.jobs.demo import Example
    from emviewer.engine.jobs.demo_tour import Step


def build_example(window: Any) -> JobHandle:
    """Build the example (once; it is kept in the user's cache), open its map and classes, and run its jobs.

    The jobs follow one another; cancelling one of them ends the row.
    """

    def make(check: Check, say: Callable[[str], None]) -> Generator[Batch, None, Example]:
        from emviewer.engine.jobs import demo

        yield message("making the example")
        return demo.example(None, check, say)

    handle = window.jobs.run_plain("Example", make, lambda made: _open(window, made), lambda job: _tell(window, job))
    _tell(window, handle)
    return handle


def _tell(window: Any, job: JobHandle | None) -> None:
    window.start.show_progress(job.stage or "starting" if job is not None else None)


def _open(window: Any, example: Example) -> None:
    window.open_paths([example.map], lambda document: _tour(window, example))
    window.runner.view(
        "example classes",
        lambda check: read_document(example.classes),
        lambda document: _add_quietly(window, document),
        slow=True,
    )


def _add_quietly(window: Any, document: Document) -> None:
    if not any(d.path == document.path for d in window.workspace.documents.values()):
        document.title = "class averages"
        window.workspace.add(document, make_current=False)


def _tour(window: Any, example: Example) -> None:
    from emviewer.engine.jobs import demo_tour

    _next(window, iter(demo_tour.steps(example, example.folder.parent, "example_")))


def _next(window: Any, steps: Any) -> None:
    step: Step | None = next(steps, None)
    if step is None:
        return
    job = window.run_job(step.job, {**step.values, "report": "none"}, step.out, overwrite=True)
    settle = job.on_end

    def ended(handle: JobHandle) -> None:
        settle(handle)
        if handle.state == "complete":
            _next(window, steps)

    job.on_end = ended
