"""What belongs together in the orientation lab: a simulated set, the orientations found in it, the map made of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from emviewer.ui.orientation_read import JOBS, MODEL, TABLES, of
from emviewer.ui.task_form import source_of
from emviewer.ui.workspace import Document, Workspace

SHOWN_BY = {
    "simulate": ("simulate",),
    "distances": ("recover", "simulate"),
    "train": ("train-distance",),
    "recover": ("recover",),
    "report": ("recover",),
    "reconstruct": ("reconstruct", "recover"),
}
"""Whose result a step shows; the first that is there."""


class Chain:
    """The newest result of every job that led to a document or follows from it.

    Parameters
    ----------
    workspace : Workspace
        Where the documents are.
    """

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace
        self.start: Document | None = None
        self.results: dict[str, Document] = {}
        self.family: list[Document] = []
        self._begun: dict[str, int] = {}

    def show(self, document: Document | None) -> None:
        """Start from a document; from a result instead of a map that was opened out of it."""
        made = self.workspace.documents.get(document.parent or 0) if document is not None else None
        if document is not None and document.kind == "map" and of(made) is not None:
            document = made
        if document is not None and (document.kind in ("map", "images") or of(document) is not None):
            self.start = document
        self.look()

    def forget(self, document: Document) -> None:
        """Take out a document that was closed."""
        if self.start is document:
            self.start = next((d for d in reversed(self.results.values()) if d is not document), None)

    def begin(self, step: str) -> None:
        """Show no result made before now for this step: a new one is on its way."""
        self._begun[step] = max(self.workspace.documents, default=0)

    def give_up(self, step: str) -> bool:
        """Show again what was there before a job that made nothing; return whether there is a change."""
        return all(job not in self.results for job in SHOWN_BY[step][:1]) and self._begun.pop(step, None) is not None

    def look(self) -> None:
        """Find the documents that belong together."""
        self.results, self.family = {}, []
        if self.start is None:
            self.start = next((d for d in reversed(self.workspace.documents.values()) if of(d) is not None), None)
        if self.start is None:
            return
        family = {self.start.id: self.start}
        documents = list(self.workspace.documents.values())
        for one in _up(self.start, documents):
            family[one.id] = one
        grown = True
        while grown:
            before = len(family)
            for d in documents:
                if d.id not in family and any(_made_from(d, f) for f in family.values()):
                    family[d.id] = d
            grown = len(family) > before
        self.family = sorted(family.values(), key=lambda d: d.id)
        for d in self.family:
            job = d.info.get("job")
            if job in JOBS and d.id > self._begun.get(step_of(str(job)), 0) and d.id in self.workspace.documents:
                self.results[str(job)] = d
        job = self.start.info.get("job")
        if job in JOBS and self.start.id > self._begun.get(step_of(str(job)), 0):
            self.results[str(job)] = self.start

    def shown(self, step: str) -> Document | None:
        """Return the document that a step shows."""
        return next((self.results[job] for job in SHOWN_BY[step] if job in self.results), None)

    def images(self) -> Document | None:
        """Return the images that all began with, as they are open or as a table of the chain names them."""
        found = next((d for d in self.family if d.kind == "images"), None)
        table = _table(self.results.get("recover")) or _table(self.results.get("simulate"))
        return found or (None if table is None else Document("images", table.parent.name, table))

    def inputs(self, step: str) -> dict[str, Any]:
        """Return what the steps before give to the form of a step."""
        start = self.start
        simulated, recovered = self.results.get("simulate"), self.results.get("recover")
        if step == "simulate":
            if start is None or start.kind != "map" or not source_of(start):
                return {}
            sym = start.volume.symmetry if start.volume is not None else "C1"
            return {"map": source_of(start), "sym": sym}
        if step == "train":
            return self._to_train_on()
        if step == "recover":
            learned = {} if self.model() is None else {"model": str(self.model())}
            table = _table(simulated)
            if table is not None and simulated is not None:
                return {"images": str(table), "truth": str(table), "sym": symmetry_of(simulated)} | learned
            own = next((d for d in self.family if d.kind == "images"), None)
            return ({} if own is None else {"images": source_of(own)}) | learned
        if step == "reconstruct":
            made = next((d for d in (recovered, simulated) if _table(d) is not None), None)
            if made is not None:
                return {"particles": str(_table(made)), "sym": symmetry_of(made)}
            return {"particles": source_of(start)} if start is not None and start.kind == "images" else {}
        return {}

    def model(self) -> Path | None:
        """Return the file of the distance that was trained; None while there is none."""
        orient = of(self.results.get("train-distance"))
        return None if orient is None else orient.file(MODEL)

    def _to_train_on(self) -> dict[str, Any]:
        """Return the map to train on: that a set was simulated from, else the one recovered, else the open one."""
        simulated, recovered, start = self.results.get("simulate"), of(self.results.get("recover")), self.start
        current = None if recovered is None else recovered.file("map.mrc")
        if simulated is not None:
            told = simulated.info.get("_parameters", {})
            given = {key: told[key] for key in ("map", "resolution", "pixel_size", "sym") if told.get(key)}
            return given if "map" in given else {}
        if current is not None:
            return {"map": str(current), "sym": symmetry_of(self.results["recover"])}
        if start is None or start.kind != "map" or not source_of(start):
            return self._trained_on()
        return {"map": source_of(start), "sym": start.volume.symmetry if start.volume is not None else "C1"}

    def _trained_on(self) -> dict[str, Any]:
        """Return what a distance that is open was trained on."""
        trained = self.results.get("train-distance")
        told = {} if trained is None else trained.info.get("_parameters", {})
        return {key: told[key] for key in ("map", "resolution", "pixel_size", "sym") if told.get(key)}


def step_of(job: str) -> str:
    """Return the step that a job belongs to."""
    return "train" if job == "train-distance" else job


def _table(document: Document | None) -> Path | None:
    orient = of(document)
    return None if orient is None else orient.file(TABLES.get(orient.job, ""))


def symmetry_of(document: Document) -> str:
    """Return the point group that a result was made with."""
    return str(document.info.get("_parameters", {}).get("sym") or "C1")


def _up(document: Document, documents: list[Document]) -> list[Document]:
    """Return what a document was made from, and what that was made from."""
    found: list[Document] = []
    one: Document | None = document
    while one is not None:
        one = next((d for d in documents if d is not one and d not in found and _made_from(one, d)), None)
        if one is not None:
            found.append(one)
    return found


def _made_from(child: Document, parent: Document) -> bool:
    if child.parent == parent.id:
        return True
    orient = of(child)
    if orient is None or parent.path is None:
        return False
    return any(p == parent.path or p.parent == parent.path for p in orient.inputs)
