"""What the window had open, as a ``.emv`` file: documents, panels and their state, selections by row id. JSON."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from emviewer import __version__
from emviewer.engine.errors import FileError, OutputError
from emviewer.engine.files_whole import whole

VERSION = 1
"""Raised when an older emviewer could not read the file any more."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="ignore", allow_inf_nan=False)


class SessionDocument(_Part):
    """One open file.

    Parameters
    ----------
    id : int
        What panels and ``parent`` refer to within this session.
    kind : str
        ``map``, ``images``, ``result`` …
    path : str
        The file or folder, absolute; or ``phantom:NAME``.
    relative : str
        The same from the session file's folder, so that a project can move as a whole. Filled in by :func:`write`.
    size : int or None
        Size in bytes when the session was saved, to notice another file under the same name. Filled in likewise.
    title : str
        Name shown.
    pixel_size_A : float or None
        What the person said the pixel size is; None takes the file's.
    project_dir, passthrough : str or None
        How names inside a table were found.
    parent : int or None
        The document it was made from.
    selection : list of int
        Selected row ids.
    row : int or None
        Current row id.
    tags : dict of str to list of int
        Row ids by tag.
    """

    id: int
    kind: str
    path: str
    relative: str = ""
    size: int | None = None
    title: str = ""
    pixel_size_A: float | None = Field(None, gt=0)
    project_dir: str | None = None
    passthrough: str | None = None
    parent: int | None = None
    selection: list[int] = []
    row: int | None = None
    tags: dict[str, list[int]] = {}


class SessionPanel(_Part):
    """One open panel: its name in the panel registry, its document, and what its ``state()`` gave."""

    panel: str
    document: int | None = None
    state: dict[str, Any] = {}


class Session(_Part):
    """A session.

    Parameters
    ----------
    format, version : str, int
        Tell the file from any other JSON.
    emviewer_version : str
        The program that wrote it.
    documents, panels : list
        In the order in which they were opened.
    current_document, current_panel : int or None
        The document's id, the panel's place in the list.
    layout : str
        The window's arrangement as text; opaque.
    forms : dict
        Parameters last entered, by job.
    """

    format: Literal["emviewer session"] = "emviewer session"
    version: int = Field(VERSION, ge=1)
    emviewer_version: str = __version__
    documents: list[SessionDocument] = []
    panels: list[SessionPanel] = []
    current_document: int | None = None
    current_panel: int | None = None
    layout: str = ""
    forms: dict[str, dict[str, Any]] = {}


def write(session: Session, path: str | Path) -> Path:
    """Write a session; the file appears whole or not at all.

    Parameters
    ----------
    session : Session
        Its documents' ``relative`` and ``size`` are filled in.
    path : path
        ``.emv`` is added when there is no suffix.

    Raises
    ------
    OutputError
        The file cannot be written.
    """
    target = Path(path).absolute()
    target = target if target.suffix else target.with_suffix(".emv")
    documents = [_located(document, target.parent) for document in session.documents]
    kept = session.model_copy(update={"documents": documents, "emviewer_version": __version__, "version": VERSION})
    try:
        with whole(target) as beside:
            beside.write_text(kept.model_dump_json(indent=1) + "\n", encoding="utf-8")
    except OSError as err:
        raise OutputError(f"the session cannot be saved: {err.strerror}", target, "choose another place") from err
    return target


def read(path: str | Path) -> tuple[Session, list[str]]:
    """Read a session and find its files, also where the project was moved.

    Returns
    -------
    Session
        Paths point to files that are there, except those that a sentence speaks of as missing.
    list of str
        One sentence for each file that has moved, changed or is missing.

    Raises
    ------
    FileError
        The file is not there, is no session, or was written by a newer emviewer.
    """
    source = Path(path).absolute()
    try:
        content = json.loads(source.read_text(encoding="utf-8"))
    except OSError as err:
        raise FileError(f"the session cannot be read: {err.strerror}", source, "check the name and the folder") from err
    except ValueError:
        raise FileError("this is no session of emviewer", source, "choose a file that emviewer saved") from None
    if not isinstance(content, dict) or content.get("format") != "emviewer session":
        raise FileError("this is no session of emviewer", source, "choose a file that emviewer saved")
    version = content.get("version")
    if isinstance(version, int) and version > VERSION:
        raise FileError(
            f"the session was saved by a newer emviewer ({content.get('emviewer_version')})", source, "update emviewer"
        )
    try:
        session = Session.model_validate(content)
    except ValidationError as err:
        first = err.errors(include_url=False)[0]
        place = ".".join(map(str, first["loc"]))
        raise FileError(f"the session is damaged at {place}: {first['msg']}", source, "open the files anew") from None
    found = [_found(document, source.parent) for document in session.documents]
    sentences = [sentence for _, sentence in found if sentence]
    return session.model_copy(update={"documents": [document for document, _ in found]}), sentences


def missing(session: Session) -> list[SessionDocument]:
    """Return the documents whose files are not there."""
    return [d for d in session.documents if not _is_built_in(d) and not Path(d.path).exists()]


def relink(session: Session, folder: str | Path) -> tuple[Session, list[str]]:
    """Look for missing files by name in a folder and everything beneath it.

    Returns
    -------
    Session, list of str
        The session with what was found, and one sentence for each missing file.
    """
    wanted = {Path(d.path).name for d in missing(session)}
    places: dict[str, list[Path]] = {}
    for where, _, names in os.walk(folder):
        for name in wanted.intersection(names):
            places.setdefault(name, []).append(Path(where) / name)
    documents, sentences = [], []
    lost = {d.id for d in missing(session)}
    for document in session.documents:
        options = places.get(Path(document.path).name, []) if document.id in lost else []
        best = min(options, key=lambda p: (p.stat().st_size != document.size, len(p.parts)), default=None)
        if best is not None:
            sentences.append(f"{document.path} was found as {best}")
            document = document.model_copy(update={"path": str(best)})
        elif document.id in lost:
            sentences.append(f"{document.path} was not found in {folder}")
        documents.append(document)
    return session.model_copy(update={"documents": documents}), sentences


def _is_built_in(document: SessionDocument) -> bool:
    return document.path.startswith("phantom:")


def _located(document: SessionDocument, folder: Path) -> SessionDocument:
    if _is_built_in(document):
        return document
    path = Path(document.path).absolute()
    try:
        relative = os.path.relpath(path, folder)
    except ValueError:  # another drive
        relative = ""
    size = path.stat().st_size if path.is_file() else None
    return document.model_copy(update={"path": str(path), "relative": relative, "size": size})


def _found(document: SessionDocument, folder: Path) -> tuple[SessionDocument, str]:
    """Return the document with a path that exists, if there is one, and what to say about it."""
    if _is_built_in(document):
        return document, ""
    path = Path(document.path)
    if path.exists():
        same = document.size is None or not path.is_file() or path.stat().st_size == document.size
        return document, "" if same else f"{path} has changed since the session was saved"
    moved = folder / document.relative
    if document.relative and moved.exists():
        place = moved.resolve()
        return document.model_copy(update={"path": str(place)}), f"{path} has moved: {place} is opened instead"
    return document, f"{path} was not found: put it back, or show where it is"
