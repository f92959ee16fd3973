"""A centring as a document that grows class by class while its job runs."""

from __future__ import annotations

from typing import Any

import numpy as np

from emviewer.engine.task import Batch, Check
from emviewer.engine.types import ImageStack
from emviewer.ui import centering_read
from emviewer.ui.centering_session import KEY, Centering, Choice, of
from emviewer.ui.results import PUBLISH_MS, ResultStream
from emviewer.ui.workspace import Document


class CenterStream(ResultStream):
    """Turns the batches of a center job into a document that grows (see :class:`ResultStream`)."""

    def __init__(self, document: Document, *rest: Any) -> None:
        super().__init__(document, *rest)
        self.centering = Centering(parameters=dict(document.info.get("_parameters", {})))
        document.info[KEY] = self.centering
        self._asked = False

    def batches(self, batches: list[Batch]) -> None:
        """Take the new classes of one drained mailbox."""
        self._waiting += [b for b in batches if len(b.rows) and "found_x_px" in b.columns]
        if self._waiting and not self._pause.isActive():
            self._publish()

    def _publish(self) -> None:
        rows, self._waiting = self._waiting, []
        if not rows:
            return
        self._pause.setInterval(PUBLISH_MS)
        centering = self.centering
        for batch in rows:
            centering.choices += _choices(batch)
            centering.numbers = np.concatenate([centering.numbers, batch.columns["class"].astype(np.int64)])
            centering.pixel_size_A = float(batch.extra.get("pixel_size_A", centering.pixel_size_A))
        centering.found = list(centering.choices)
        if centering.before is None:
            self._ask_averages()
        else:
            self._show()
        self._pause.start()

    def _ask_averages(self) -> None:
        if self._asked:
            return
        self._asked = True
        given = self.centering.parameters

        def work(check: Check) -> ImageStack:
            from emviewer.engine.jobs.center_classes import open_classes
            from emviewer.engine.jobs.center_params import CenterParams
            from emviewer.engine.params import validated

            return open_classes(validated(CenterParams, given), lambda _: None).stack

        self.runner.view((id(self), "averages"), work, self._got_averages, slow=True)

    def _got_averages(self, stack: ImageStack) -> None:
        self.centering.before = stack
        self._show()

    def _show(self) -> None:
        centering_read.refresh(self.document)
        if not self._entered:
            self._enter()
        self.workspace.touch(self.document)

    def _settle(self, final: Document) -> None:
        new = of(final)
        if new is not None:
            self.centering = new
        super()._settle(final)


def _choices(batch: Batch) -> list[Choice]:
    c = batch.columns
    values = zip(*(c[n].tolist() for n in ("found_x_px", "found_y_px", "psi_deg", "confidence", "left_alone")),
                 batch.extra["method"], strict=True)  # fmt: skip
    return [Choice(x, y, psi, sure, str(method), bool(alone)) for x, y, psi, sure, alone, method in values]
