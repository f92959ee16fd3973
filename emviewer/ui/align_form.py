"""The form of an alignment: the pairing table in place of lists of files."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from PySide6.QtWidgets import QFormLayout, QScrollArea, QVBoxLayout

from emviewer.ui.panels.pairing import NAMES, PairingTable
from emviewer.ui.runner import JobHandle, Runner
from emviewer.ui.task_form import TaskForm, source_of
from emviewer.ui.workspace import Document


class AlignForm(TaskForm):
    """A job's form whose maps, masks and particles are rows that keep what belongs to them."""

    def __init__(self, job: str, runner: Runner, run: Callable[..., JobHandle]) -> None:
        self.pairing = PairingTable(runner)
        super().__init__(job, runner, run)
        self._hide_fields()
        self.pairing.edited.connect(self._write)
        self.form.changed.connect(self._read)

    def _lay_out(self) -> None:
        super()._lay_out()
        inner = self.findChild(QScrollArea).widget().layout()
        assert isinstance(inner, QVBoxLayout)
        inner.insertWidget(0, self.pairing)

    def _hide_fields(self) -> None:
        for layout in self.form.findChildren(QFormLayout):
            for name in NAMES:
                if layout.indexOf(self.form.rows[name]) >= 0:
                    layout.setRowVisible(self.form.rows[name], False)

    def offer(self, documents: Callable[[], list[Document]], kinds: tuple[str, ...], first: Document | None) -> None:
        """Offer open maps in the table; those that are open are taken as the maps if none is chosen."""

        def maps() -> list[tuple[str, str]]:
            return [(d.title, source_of(d)) for d in documents() if d.kind == "map" and source_of(d)]

        self.pairing.offers = maps
        values = self.form.values()
        reference = str(values.get("reference") or "")
        if not values.get("maps"):
            others = [path for _, path in maps() if path != reference]
            if others:
                self.form.set_values({"maps": others})

    def _write(self) -> None:
        self.form.set_values(self.pairing.pairing.values())

    def _read(self) -> None:
        values = {name: self.form.fields[name].value() for name in NAMES}
        self.pairing.set_values(values, self.form.fields["siblings"].value() != "none")

    def _allow(self) -> None:
        super()._allow()
        problem = self.pairing.pairing.problem()
        if problem:
            self.button.setEnabled(False)
            self.button.setToolTip(problem)

    def closeEvent(self, event: Any) -> None:
        """Forget what was asked of the lane."""
        self.runner.drop_views(id(self.pairing))
        super().closeEvent(event)
