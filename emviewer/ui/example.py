"""Building the example in the job lane, opening it and filling its gallery."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, Any

from emviewer.engine.task import Batch, Check, message
from emviewer.ui.opening import read_document
from emviewer.ui.runner import JobHandle
from emviewer.ui.workspace import Document

if TYPE_CHECKING:
    from emviewer.engine.jobs.demo import Example


def build_example(window: Any) -> JobHandle:
    """Build the example (once; it is kept in the user's cache), open its map and project it."""

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
    window.open_paths([example.map], lambda document: _project(window, example, document))
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


def _project(window: Any, example: Example, document: Document) -> None:
    from emviewer.engine.jobs.demo import STEP_DEG, SYMMETRY

    params = {"map": example.map, "sym": SYMMETRY, "step": STEP_DEG, "report": "none"}
    window.run_job("gallery", params, example.folder.with_name("example_gallery"), overwrite=True)
