"""Sessions: what is open, how the panels stand, what is selected; to and from a file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from emviewer.engine import session as files
from emviewer.engine.errors import EmviewerError
from emviewer.engine.session import Session, SessionDocument, SessionPanel
from emviewer.ui.notices import Notice
from emviewer.ui.opening import read_document
from emviewer.ui.task_form import TaskForm
from emviewer.ui.workspace import Document


def capture(window: Any) -> Session:
    """Return the session of a window; documents without a file of their own (a running result) are left out."""
    workspace = window.workspace
    kept = [d for d in workspace.documents.values() if (d.path or "_source" in d.info) and not d.streaming]
    ids = {d.id for d in kept}
    docks = window.area.docks
    front = window.area.dock_of(window.area.front()) if window.area.front() is not None else None
    form = window.inspector.task()
    return Session(
        documents=[_document(workspace, d, ids) for d in kept],
        panels=[
            SessionPanel(
                panel=dock.panel.kind,
                document=dock.panel.document.id if dock.panel.document and dock.panel.document.id in ids else None,
                state=dock.panel.state(),
            )
            for dock in docks
        ],
        current_document=workspace.current.id if workspace.current and workspace.current.id in ids else None,
        current_panel=docks.index(front) if front in docks else None,
        layout=json.dumps(window.area.save_layout()),
        forms={form.job: json.loads(form.as_json())} if isinstance(form, TaskForm) else {},
    )


def _document(workspace: Any, document: Document, ids: set[int]) -> SessionDocument:
    return SessionDocument(
        id=document.id,
        kind=document.kind,
        path=str(document.path or document.info["_source"]),
        title=document.title,
        project_dir=document.info.get("_project_dir"),
        pixel_size_A=document.info.get("_pixel_size"),
        parent=document.parent if document.parent in ids else None,
        selection=workspace.selection(document).tolist(),
        row=workspace.row(document),
    )


def save(window: Any, path: Path) -> None:
    """Write the session of a window in a lane, and say so."""
    session = capture(window)
    window.runner.view(
        "save session",
        lambda check: files.write(session, path),
        lambda where: window.notices.show_notice(
            Notice("good", f"The session was saved as {where.name}.", key="session"), linger=True
        ),
        fail=lambda error: window.show_error(error, "The session could not be saved"),
        slow=True,
    )


def load(window: Any, path: Path) -> None:
    """Open a session: files are read in a lane, then panels, selections and forms are put back."""

    def read(check: Any) -> tuple[Session, list[str], dict[int, Document | EmviewerError]]:
        session, sentences = files.read(path)
        opened: dict[int, Document | EmviewerError] = {}
        for entry in session.documents:
            check()
            try:
                opened[entry.id] = read_document(Path(entry.path), entry.pixel_size_A, entry.project_dir)
            except EmviewerError as err:
                opened[entry.id] = err
        return session, sentences, opened

    window.runner.view(
        "load session",
        read,
        lambda answer: restore(window, *answer),
        fail=lambda error: window.show_error(error, f"{path.name} could not be opened"),
        slow=True,
    )


def restore(window: Any, session: Session, sentences: list[str], opened: dict[int, Document | EmviewerError]) -> None:
    """Put a session into a window; what is open already stays."""
    for sentence in sentences:
        window.log.warn(sentence)
    documents: dict[int, Document] = {}
    for entry in session.documents:
        document = opened[entry.id]
        if isinstance(document, EmviewerError):
            window.show_error(document, f"{Path(entry.path).name} could not be opened")
            continue
        documents[entry.id] = document
        document.title = entry.title or document.title
        if entry.pixel_size_A is not None:
            document.info["_pixel_size"] = entry.pixel_size_A
        if entry.project_dir is not None:
            document.info["_project_dir"] = entry.project_dir
        window.workspace.add(document, make_current=False)
        window.files.watch(document)
        window.workspace.select(document, np.array(entry.selection, np.int64), record=False)
        window.workspace.set_row(document, entry.row)
    for entry in session.documents:
        if entry.id in documents and entry.parent in documents:
            documents[entry.id].parent = documents[entry.parent].id
    _restore_panels(window, session, documents)
    for job, values in session.forms.items():
        window.show_task(job)
        form = window.inspector.task()
        if isinstance(form, TaskForm):
            form.form.set_values(values)
        window.inspector.setCurrentIndex(0)


def _restore_panels(window: Any, session: Session, documents: dict[int, Document]) -> None:
    current = documents.get(session.current_document or -1) or next(iter(documents.values()), None)
    if current is not None:
        window.workspace.set_current(current)
    before = len(window.area.docks)
    try:
        window.area.restore_layout(json.loads(session.layout) if session.layout else {})
    except ValueError:
        window.log.warn("The arrangement of the panels could not be read.")
    for place, entry in enumerate(session.panels):
        docks = window.area.docks[before:]
        if place >= len(docks) or docks[place].panel.kind != entry.panel:
            continue
        document = documents.get(entry.document or -1)
        if document is not None:
            docks[place].show_document(document)
            docks[place].panel.restore(entry.state)
        if place == session.current_panel:
            window.area.bring(docks[place].panel)
    if current is not None and not window.area.docks:
        window.arrange(current)
