"""Running jobs from the window: command line to the log, batches to a growing document, the end to a notice."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QObject, QUrl
from PySide6.QtGui import QDesktopServices

from emviewer.engine.jobs import registry
from emviewer.engine.params import JobParams, command_line, validated
from emviewer.engine.task import Check
from emviewer.ui import centering_session, comparison, results_align
from emviewer.ui.centering_stream import CenterStream
from emviewer.ui.facts import count_text
from emviewer.ui.notices import Notice
from emviewer.ui.opening import is_built_in
from emviewer.ui.orientation_read import JOBS as ORIENT_JOBS
from emviewer.ui.results import ResultStream
from emviewer.ui.results_align_stream import AlignStream
from emviewer.ui.results_compare import CompareStream
from emviewer.ui.results_orient import OrientStream
from emviewer.ui.runner import JobHandle
from emviewer.ui.tasks import task
from emviewer.ui.workspace import Document

if TYPE_CHECKING:
    from emviewer.engine.jobs.run import JobSpec

_STREAMS: dict[str, type[ResultStream]] = {
    "compare": CompareStream,
    "align": AlignStream,
    "center": CenterStream,
    **dict.fromkeys(ORIENT_JOBS, OrientStream),
}
"""What turns the batches of a job into its document, where that is more than a stack that grows."""


class JobControl(QObject):
    """Queues jobs and tells the window what became of them.

    Parameters
    ----------
    window : MainWindow
        Has ``workspace, runner, notices, log`` and ``open_document``.
    """

    def __init__(self, window: Any) -> None:
        super().__init__(window)
        self.window = window
        self._documents: dict[int, Document] = {}

    def run(self, name: str, params: JobParams | dict[str, Any], out: Path, overwrite: bool = False) -> JobHandle:
        """Queue a job.

        Raises
        ------
        ParameterError
            A parameter is wrong.
        """
        model = registry.params(name)
        checked = params if isinstance(params, JobParams) else validated(model, params)
        out = Path(out).absolute()
        document = Document("result", out.name, None, info={"job": name, "Status": "running"})
        document.info["_parameters"] = checked.model_dump(mode="json")
        document.parent = self._parent_of(checked)
        stream = _STREAMS.get(name, ResultStream)(
            document, self.window.workspace, self.window.runner, out, self.window.arrange
        )

        def make(check: Check) -> Any:
            from emviewer.engine.jobs.run import run_job

            spec: JobSpec = registry.spec(name)
            return run_job(spec, checked, out, overwrite=overwrite, check=check)

        job = JobHandle(
            f"{task(name).title}: {out.name}",
            make,
            command_line(name, checked, out, overwrite),
            on_batches=stream.batches,
            on_end=lambda handle: self._ended(handle, stream),
        )
        self.window.log.command(job.command)
        self._documents[job.id] = document
        document.info["_handle"] = job
        return self.window.runner.submit(job)

    def run_plain(
        self,
        title: str,
        make: Callable[[Check, Callable[[str], None]], Any],
        then: Callable[[Any], None],
        progress: Callable[[JobHandle | None], None],
    ) -> JobHandle:
        """Queue work that makes no result document (the example).

        Parameters
        ----------
        title : str
            Shown in the jobs dock.
        make : callable
            ``make(check, say)`` returns the generator; ``say(stage)`` tells what is being done between its yields.
        then : callable
            Gets what the generator returned.
        progress : callable
            Told the job when it says something, None when it has ended.
        """

        def ended(handle: JobHandle) -> None:
            progress(None)
            if handle.state == "complete":
                then(handle.outcome)
            elif handle.state == "failed":
                self._failed(handle)

        job = JobHandle(title, lambda check: make(check, job.say))
        job.on_batches = lambda batches: progress(job)
        job.on_end = ended
        return self.window.runner.submit(job)

    def _parent_of(self, params: JobParams) -> int | None:
        paths = {p.absolute() for p in params.input_paths()}
        named = {str(value) for value in dict(params).values() if is_built_in(str(value))}
        documents = self.window.workspace.documents.values()
        return next((d.id for d in documents if d.path in paths or d.info.get("_source") in named), None)

    def _ended(self, job: JobHandle, stream: ResultStream) -> None:
        stream.end(job)
        if job.state == "failed":
            self._failed(job)
            return
        if job.outcome is None:
            self.window.notices.show_notice(
                Notice("info", f"{job.title} was cancelled before anything was finished.", key=("job", job.id)),
                linger=True,
            )
            return
        self._forget_replaced(job.outcome.folder, stream.document)
        for sentence in job.outcome.warnings:
            self.window.log.warn(sentence, stream.document)
        self.window.notices.show_notice(self._finished(job), linger=job.state == "complete")

    def _forget_replaced(self, folder: Path, made: Document) -> None:
        """Close what was open of a result that is no longer there: a new one stands in its folder."""
        for document in list(self.window.workspace.documents.values()):
            if document is not made and document.kind == "result" and document.path == folder:
                self.window.workspace.remove(document)

    def _finished(self, job: JobHandle) -> Notice:
        took = job.ended - job.started
        made = count_text(job.done)
        folder: Path = job.outcome.folder
        if job.state == "complete":
            found = results_align.answer(job.outcome.summary) or centering_session.answer(job.outcome.summary)
            done = f"{job.title} is done in {took:.1f} s. {found}"
            images = f"{job.title} is done: {made} images in {took:.1f} s.{comparison.answer(job.outcome.summary)}"
            text = done if found else images
        elif job.error is not None:
            text = (
                f"{job.title} ended early with {made} of {count_text(job.total)}, kept and marked partial: {job.error}"
            )
        else:
            kept = f"{made} of {count_text(job.total)} are" if job.total else "what was finished is"
            text = f"{job.title} was cancelled: {kept} kept and marked partial."
        return Notice(
            "good" if job.state == "complete" else "warn",
            text,
            buttons=(
                ("Open result", lambda: self.open_result(job)),
                ("Show folder", lambda: QDesktopServices.openUrl(QUrl.fromLocalFile(str(folder)))),
            ),
            key=("job", job.id),
        )

    def _failed(self, job: JobHandle) -> None:
        if job.traceback:
            self.window.show_problem(job.error, job.traceback)
        else:
            self.window.show_error(job.error, f"{job.title} could not be run")

    def open_result(self, job: JobHandle) -> None:
        """Show the result of a job, opening it again if it was closed."""
        document = self._documents.get(job.id)
        if document is not None and document.id in self.window.workspace.documents:
            self.window.workspace.set_current(document)
            self.window.arrange(document)
        elif getattr(job.outcome, "folder", None) is not None:
            self.window.open_paths([job.outcome.folder])
