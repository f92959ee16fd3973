"""Saving rows of a comparison: the rows of the original table, with all their columns, chosen by hand or by tag."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path

import numpy as np
import pandas as pd

from emviewer.engine.jobs import subset, subset_rows
from emviewer.engine.task import Batch, Check, message
from emviewer.engine.types import ImageSet
from emviewer.ui import columns
from emviewer.ui.comparison import Comparison
from emviewer.ui.panels.rows_jobs import RowsJobs
from emviewer.ui.row_order import Ints, RowIds
from emviewer.ui.runner import JobHandle
from emviewer.ui.save_name import ask_save_name, with_companions
from emviewer.ui.tags import KEEP, REJECT

CHOICES = {
    "selected": "Selected…",
    "unselected": "Not selected…",
    "keep": "Tagged keep…",
    "not_reject": "Not tagged reject…",
    "ok": "Not flagged…",
    "flagged": "Flagged…",
}
FILTERS = "Rows of the original table (*.star);;cryoSPARC rows (*.cs);;Images with a star file (*.mrcs);;Scores (*.csv)"


class ScoresSave(RowsJobs):
    """The part of the scores panel that saves."""

    compared: Comparison | None

    def rows_of(self, which: str) -> Ints:
        """Return the positions of the rows that a choice of :data:`CHOICES` means."""
        document, table = self.document, self.table
        if document is None or table is None:
            return np.empty(0, np.int64)
        selected = RowIds(table.index.to_numpy(np.int64)).mask_of(self.workspace.selection(document))
        tags, status = table["tag"], table["status"]  # categories: compared by their codes
        mask = {
            "selected": selected,
            "unselected": ~selected,
            "keep": tags == KEEP,
            "not_reject": tags != REJECT,
            "ok": status == "ok",
            "flagged": status != "ok",
        }[which]
        return np.flatnonzero(np.asarray(mask))

    def do_save_selected(self) -> None:
        """Ask where to save the selected rows."""
        self.ask_and_save("selected")

    def ask_and_save(self, which: str) -> None:
        """Ask where to save, then save in the job lane."""
        positions = self.rows_of(which)
        if not len(positions):
            self.notice.say(f"No row is {CHOICES[which].rstrip('…').lower()}.", "info")
            return
        here = Path(str(self.compared.parameters.get("images", ""))).parent if self.compared else Path.home()
        title = f"Save {columns.grouped(len(positions))} rows"
        path = ask_save_name(self, title, here / f"{which}.star", FILTERS, with_companions)
        if path is not None:
            self.save_rows(positions, path)

    def save_rows(self, positions: Ints, path: Path) -> JobHandle | None:
        """Write rows of the original image set in the job lane; the suffix says how."""
        compared, table = self.compared, self.table
        if compared is None or table is None or not len(positions):
            return None
        parameters, n = dict(compared.parameters), columns.grouped(len(positions))
        scores = pd.DataFrame({"image": table.index + 1, "map": compared.shown}).join(table.reset_index(drop=True))

        def make(check: Check) -> Generator[Batch, None, list[Path]]:
            yield message("opening the original table")
            images = original_images(parameters)
            check()
            return (yield from subset_rows.save_rows(images, positions, path, scores=scores, check=check))

        return self._submit(
            f"Save {n} rows", make, lambda files: f"Saved {n} rows: {', '.join(p.name for p in files)}."
        )

    @property
    def has_members(self) -> bool:
        """Whether the images are class averages of a RELION run, whose particles can be saved."""
        return self.compared is not None and self.compared.of_classes

    def save_members(self, path: Path) -> JobHandle | None:
        """Write the particles of the selected class averages in the job lane."""
        compared, positions = self.compared, self.selected_positions()
        if compared is None:
            return None
        parameters = dict(compared.parameters)

        def make(check: Check) -> Generator[Batch, None, int]:
            yield message("opening the original table")
            return (yield from subset.save_members(original_images(parameters), positions, path, check=check))

        n = columns.grouped(len(positions))
        return self._submit(
            f"Save the particles of {n} classes",
            make,
            lambda k: f"Saved {columns.grouped(k)} particles of {n} classes: {path.name}.",
        )

    def _submit(self, title: str, make, words) -> JobHandle:  # type: ignore[no-untyped-def]
        def ended(job: JobHandle) -> None:
            if job.error is not None:
                self.notice.say(f"{job.error}.", "error")
            elif job.state == "complete":
                self.notice.say(words(job.outcome), "good")

        return self.runner.submit(JobHandle(title, make, on_end=ended))


def original_images(parameters: dict[str, object]) -> ImageSet:
    """Open the images that were compared, with all their columns; for a lane."""
    from emviewer.engine import files

    def path(name: str) -> Path | None:
        value = parameters.get(name)
        return Path(str(value)) if value else None

    images = path("images")
    assert images is not None
    return files.read_images(images, project_dir=path("project_dir"), passthrough=path("passthrough"))
