"""Where one can go on to from the orientation lab: other tasks, the other hand, and a recovery that was stopped."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from emviewer.engine.jobs import registry
from emviewer.engine.params import validated
from emviewer.ui.notices import Notice
from emviewer.ui.orientation_read import TABLES, of
from emviewer.ui.panels.base import Panel
from emviewer.ui.panels.orientation_lab_chain import Chain, symmetry_of
from emviewer.ui.panels.orientation_lab_map import HAND
from emviewer.ui.panels.orientation_lab_steps import StepList
from emviewer.ui.runner import JobHandle
from emviewer.ui.task_form import TaskForm, free_folder
from emviewer.ui.workspace import Document


class Onward(Panel):
    """The part of :class:`emviewer.ui.panels.orientation_lab.OrientationLabPanel` that takes results further."""

    chain: Chain
    list: StepList
    _shell: Callable[[], Any]
    _form: Callable[[str], TaskForm | None]
    _run: Callable[..., JobHandle]
    _working: Callable[[str], JobHandle | None]
    _refresh: Callable[[], None]

    def use_trained(self) -> None:
        """Go to Recover with the trained distance filled in."""
        model, form = self.chain.model(), self._form("recover")
        if model is not None and form is not None:
            self.list.choose("recover")
            form.form.set_values({"method": "distances", "distance": "learned", "model": str(model)})

    # a recovery that was stopped ------------------------------------------------------------------------------------
    def partial(self, step: str) -> Path | None:
        """Return the orientations of a recovery that was stopped, from which it can go on; None if there are none."""
        shown = self.chain.shown("recover") if step == "recover" else None
        orient = of(shown)
        if shown is None or orient is None or shown.streaming or self._working(step) is not None:
            return None
        stage = str(orient.summary.get("stage", ""))
        # views fitted to distances alone stand in no frame that the images know
        open_frame = stage.startswith("distances") or not stage
        return None if shown.info.get("Status") != "partial" or open_frame else orient.file(TABLES["recover"])

    def resume(self) -> None:
        """Run the recovery that was stopped again, beginning with what it had found, into a folder of its own."""
        shown, table = self.chain.shown("recover"), self.partial("recover")
        if shown is None or table is None:
            return
        told = {k: v for k, v in shown.info.get("_parameters", {}).items() if v is not None}
        params = validated(registry.params("recover"), told | {"begin": str(table)})
        self.runner.view(
            (id(self), "resume"), lambda check: free_folder(str(table), "resumed"),
            lambda out: self._run("recover", "recover", params, out, False), slow=True,
        )  # fmt: skip

    # other tasks ----------------------------------------------------------------------------------------------------
    def send(self, job: str) -> None:
        """Open the map that shows and take it to another task."""
        made, shell = self.chain.shown("reconstruct"), self._shell()
        orient = of(made)
        path = None if orient is None else orient.file("map.mrc")
        if made is None or path is None or shell is None:
            return
        documents = self.workspace.documents.values()
        others = [d for d in documents if d.kind == "map" and d.path != path and d.parent != made.id]
        first = {"compare": self.chain.images(), "align": others[-1] if others else None}

        def then(document: Document) -> None:
            if document.volume is not None:
                document.volume = replace(document.volume, symmetry=symmetry_of(made))
            self._adopt(document, made, f"{made.title}, map")
            shell.show_task(job, first.get(job) or document)
            if job in first and first[job] is None:  # the map is the one to be held against something still to choose
                form = shell.inspector.task()
                maps = next(n for n, f in form.form.fields.items() if f.meta.kind == "inputs")
                form.form.set_values({form.input_name: None, maps: [str(path)]})

        shell.open_paths([path], then)

    def _adopt(self, document: Document, made: Document, title: str) -> None:
        """Name a map that was opened out of a result; the lab goes on showing what it was made from."""
        document.title, document.parent = title, made.id
        self.workspace.touch(document)
        self.chain.show(document)
        self._refresh()

    def _other_hand(self, folder: Path) -> None:
        """Open the map of the other hand and say what it is worth."""
        made, shell = self.chain.shown("reconstruct"), self._shell()
        if shell is None or made is None:
            return
        title = f"{folder.parent.name}, other hand"
        shell.open_paths([folder / "map.mrc"], lambda document: self._adopt(document, made, title))
        sentence = f"The other hand of {folder.parent.name} is written beside it. {HAND}"
        shell.notices.show_notice(Notice("info", sentence, key=("hand", str(folder))))
