"""Results of the orientation lab while their jobs run: images that come, orientations that settle, loss and map."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from emviewer.engine.task import Batch
from emviewer.ui.orientation_read import KEY, Orient, Point, of
from emviewer.ui.results import ResultStream
from emviewer.ui.workspace import Document


class OrientStream(ResultStream):
    """Turns the batches of a job of the lab into a document (see :class:`ResultStream`).

    The document enters with the first batch that has something to show: images, orientations, a curve or a map.
    Orientations of the same rows come again and again while they settle; the newest count.
    """

    def __init__(self, document: Document, *rest: Any) -> None:
        super().__init__(document, *rest)
        self.orient = Orient(str(document.info["job"]))
        parameters = document.info.get("_parameters", {})
        self.orient.inputs = tuple(Path(str(parameters[k])) for k in ("images", "particles", "map") if k in parameters)
        document.info[KEY] = self.orient
        self._map: Path | None = None
        self._asked_for_images = False

    def batches(self, batches: list[Batch]) -> None:
        """Take what came with one drained mailbox."""
        for batch in batches:
            self._take_curves(batch)
            if isinstance(batch.extra.get("map"), (str, Path)):
                self._map = Path(batch.extra["map"])
        super().batches(batches)
        if self.orient.job == "recover" and not self._asked_for_images:
            self._ask_images()
        if self._growing is None and any(b.extra for b in batches):
            self._enter_or_touch()
        if self._map is not None:
            self._ask_map()

    def _take_curves(self, batch: Batch) -> None:
        for name, value in batch.extra.items():
            if isinstance(value, (float, np.floating)) and name != "pixel_size_A" and np.isfinite(value):
                curve = self.orient.curves.setdefault(name, [])
                curve.append(Point(float(len(curve)), float(value), batch.stage))

    def _publish(self) -> None:
        if self._growing is not None:
            super()._publish()
            return
        rows, self._waiting = self._waiting, []
        if rows:
            new = pd.DataFrame(
                {name: np.concatenate([b.columns[name] for b in rows]) for name in rows[0].columns},
                index=np.concatenate([b.rows for b in rows]),
            )
            before = self.document.table
            whole = new if before is None else pd.concat([before, new])
            self.document.table = whole[~whole.index.duplicated(keep="last")].sort_index()
            self._complete()
            self._enter_or_touch()

    def _ask_images(self) -> None:
        """Open the images that the job works on, so that they show beside their orientations."""
        self._asked_for_images = True
        told = self.document.info.get("_parameters", {})

        def work(check: Any) -> Any:
            from emviewer.engine import files

            return files.read_images(
                Path(told["images"]), pixel_size_A=told.get("pixel_size"), project_dir=told.get("project_dir"),
                passthrough=told.get("passthrough"),
            ).stack  # fmt: skip

        # an input that cannot be read is the job's to say
        self.runner.view((id(self), "images"), work, self._got_images, fail=lambda error: None, slow=True)

    def _got_images(self, stack: Any) -> None:
        if self.document.streaming and stack is not None:
            self.document.stack = stack
            self._complete()
            if self._entered:
                self.workspace.touch(self.document)

    def _complete(self) -> None:
        """Give every image a row; those that are not placed yet have no angles."""
        table, stack = self.document.table, self.document.stack
        if table is not None and stack is not None and len(table) < len(stack):
            self.document.table = table.reindex(np.arange(len(stack)))

    def _enter_or_touch(self) -> None:
        if self._entered:
            self.workspace.touch(self.document)
        else:
            self._enter()

    def _ask_map(self) -> None:
        path, self._map = self._map, None
        assert path is not None

        def work(check: Any) -> Any:
            from emviewer.engine import mrc

            return mrc.read_map(path if path.exists() else self.out / path.name)

        self.runner.view((id(self), "map"), work, self._got_map, fail=lambda error: None, slow=True)

    def _got_map(self, volume: Any) -> None:
        if self.document.streaming:
            self.document.volume = volume
            self._enter_or_touch()

    def _settle(self, final: Document) -> None:
        new, kept = of(final), {k: v for k, v in self.document.info.items() if k == "_handle"}
        if new is not None:
            new.curves = self.orient.curves
        self.document.volume = final.volume
        final.info |= kept
        super()._settle(final)
