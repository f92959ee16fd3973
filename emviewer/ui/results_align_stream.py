"""An alignment that grows while its job runs: the pose that streams in, and each map's files once they are written."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from PySide6.QtCore import QTimer

from emviewer.engine.task import Batch
from emviewer.ui import results_align
from emviewer.ui.results import ResultStream
from emviewer.ui.results_align import KEY, AlignedMap, Alignment
from emviewer.ui.workspace import Document


class AlignStream(ResultStream):
    """Turns the batches of an align job into a document that grows (see :class:`ResultStream`)."""

    def __init__(self, document: Document, *rest: Any) -> None:
        super().__init__(document, *rest)
        given = dict(document.info.get("_parameters", {}))
        maps = [Path(p) for p in given.get("maps", [])]
        self.alignment = Alignment("align", None, Path(given["reference"]), parameters=given)
        self.order = [self.alignment.add(name) for name in _names(maps)]
        for each, path in zip(self.order, maps, strict=True):
            each.moving = path
        document.info[KEY] = self.alignment
        arrange = self._opened
        # asked for in a turn of its own, when the job may have failed and its document be gone
        self._opened = lambda d: arrange(d) if d.id in self.workspace.documents else None

    def batches(self, batches: list[Batch]) -> None:
        """Take what the job said since: the newest pose of the map it works on, and finished maps."""
        for batch in batches:
            if len(batch.rows):
                self._finished(batch)
            elif "map" in batch.extra:
                self._moved(self.order[int(batch.extra["map"])], batch)
        if not self._entered:
            self._enter()
        elif not self._pause.isActive():
            self._pause.start()

    def _publish(self) -> None:
        self.workspace.touch(self.document)

    def _moved(self, each: AlignedMap, batch: Batch) -> None:
        each.stage = batch.stage
        self.alignment.shown = each.name
        if "matrix" in batch.extra:
            matrix = np.asarray(batch.extra["matrix"], float)
            each.facts = {
                "matrix": batch.extra["matrix"],
                "translation_A": batch.extra["translation_A"],
                "hand_flipped": bool(np.linalg.det(matrix) < 0),
            }

    def _finished(self, batch: Batch) -> None:
        each = self.order[int(batch.rows[0])]
        numbers = {name: float(v[0]) for name, v in batch.columns.items() if np.asarray(v).ndim == 1}
        each.facts = {
            "name": each.name,
            "matrix": np.asarray(batch.columns["matrix"])[0].tolist(),
            "translation_A": np.asarray(batch.columns["translation_A"])[0].tolist(),
            "hand": batch.extra.get("hand", ""),
            "hand_flipped": bool(batch.extra.get("hand_flipped")),
        } | numbers
        each.stage = ""
        written = batch.extra.get("aligned")
        if written is not None:
            folder = Path(str(written)).parent.parent

            def read(check: Any) -> AlignedMap:
                found = replace(each)
                results_align.read_files(found, folder)
                return found

            self.runner.view((id(self), "files", each.name), read, lambda found: self._got(each, found), slow=True)

    def _got(self, each: AlignedMap, found: AlignedMap) -> None:
        for name in ("aligned", "difference", "z_scores", "curves", "blobs", "search"):
            setattr(each, name, getattr(found, name))
        if each.aligned is not None and (each.aligned.parent.parent / "reference.mrc").is_file():
            # beside what was aligned: its pixel size is the one that the job took, as theirs is
            self.alignment.reference = each.aligned.parent.parent / "reference.mrc"
        if self._entered and self.document.streaming:
            self.workspace.touch(self.document)
            QTimer.singleShot(0, self.workspace, lambda: self._opened(self.document))

    def _settle(self, final: Document) -> None:
        found = results_align.of(final)
        if found is not None and self.alignment.shown in found.maps:
            found.shown = self.alignment.shown
            for name, each in found.maps.items():
                each.by_hand = self.alignment.maps[name].by_hand if name in self.alignment.maps else None
        super()._settle(final)
        if self._entered and found is not None:
            self._opened(self.document)


def _names(maps: list[Path]) -> list[str]:
    """Return the names that the job gives the maps: without suffixes, ``_2`` for the second of a name."""
    from emviewer.engine import files_bytes

    taken: dict[str, int] = {}
    out = []
    for path in maps:
        text = str(path)
        base = text.split(":", 1)[1] if text.startswith("phantom:") else files_bytes.suffixes(path)[1]
        taken[base] = taken.get(base, 0) + 1
        out.append(base if taken[base] == 1 else f"{base}_{taken[base]}")
    return out
