"""A comparison as a document that grows batch by batch while its job runs."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from emviewer.engine.task import Batch
from emviewer.ui import comparison as comparisons
from emviewer.ui.comparison import KEY, Comparison, open_growing, refresh
from emviewer.ui.comparison_grow import GrowingScores
from emviewer.ui.results import PUBLISH_MS, ResultStream
from emviewer.ui.workspace import Document

PUBLISHING_SHARE = 10
"""Showing a growing table takes at most one part in so many of the time."""


class CompareStream(ResultStream):
    """Turns the batches of a compare job into a document that grows (see :class:`ResultStream`)."""

    def __init__(self, document: Document, *rest: Any) -> None:
        super().__init__(document, *rest)
        self.comparison = Comparison(parameters=dict(document.info.get("_parameters", {})))
        document.info[KEY] = self.comparison
        self._growing_scores: dict[str, GrowingScores] = {}
        self._asked_for_shape = False

    def batches(self, batches: list[Batch]) -> None:
        """Take the new rows of one drained mailbox."""
        self._waiting += [b for b in batches if len(b.rows)]
        if self._waiting and not self._pause.isActive():
            self._publish()

    def _publish(self) -> None:
        rows, self._waiting = self._waiting, []
        if not rows:
            return
        began = time.monotonic()
        self._pause.setInterval(PUBLISH_MS)
        for name in dict.fromkeys(str(b.extra["map"]) for b in rows):
            self._take(name, [b for b in rows if b.extra["map"] == name])
        if self.comparison.shape is None:
            self._ask_shape()
        else:
            refresh(self.document)
            if self._entered:
                self.workspace.touch(self.document)
        self._pause.setInterval(max(PUBLISH_MS, int(1000 * PUBLISHING_SHARE * (time.monotonic() - began))))
        self._pause.start()

    def _take(self, name: str, batches: list[Batch]) -> None:
        c = self.comparison
        growing = self._growing_scores.setdefault(name, GrowingScores(int(batches[0].extra["first"])))
        for batch in batches:
            if "aligned" in batch.extra:
                folder = Path(str(batch.extra["aligned"])).parent
                c.places[name] = (folder, self.out / folder.name)
            growing.add(batch)
        c.tables[name] = growing.table()
        c.shown = c.shown or name

    def _ask_shape(self) -> None:
        if self._asked_for_shape or self.comparison.shown not in self.comparison.places:
            return
        self._asked_for_shape = True
        growing, final = (place / "aligned.mrcs" for place in self.comparison.places[self.comparison.shown])
        self.runner.view((id(self), "shape"), lambda check: open_growing(growing, final), self._got_stack, slow=True)

    def _got_stack(self, stack: Any) -> None:
        self.comparison.shape, self.comparison.pixel_size_A = stack.shape, stack.pixel_size_A
        refresh(self.document)
        if not self._entered:
            self._enter()
        self.workspace.touch(self.document)

    def _settle(self, final: Document) -> None:
        old, new = self.comparison, comparisons.of(final)
        if new is not None:
            new.tags, new.order, new.low_pass_A = old.tags, old.order, old.low_pass_A
            if old.chosen_by_hand and old.shown in new.tables:
                new.shown, new.chosen_by_hand = old.shown, True
                refresh(final)
            self.comparison = new
        super()._settle(final)
        refresh(self.document)
