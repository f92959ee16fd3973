"""What leaves the micrograph panel as files: coordinates of one micrograph or of all, written in the job lane."""

from __future__ import annotations

from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import numpy as np
from PySide6.QtWidgets import QFileDialog
from shiboken6 import isValid

from emviewer.engine.errors import OutputError
from emviewer.engine.files_bytes import suffixes
from emviewer.engine.micrograph_save import FORMATS, write_all_places, write_places
from emviewer.engine.task import Batch, Check, message
from emviewer.ui import columns
from emviewer.ui.runner import JobHandle
from emviewer.ui.save_name import ask_save_name

FILTERS = "RELION coordinates (*.star);;EMAN boxes (*.box);;Plain text (*.coord)"


class MicrographOut:
    """Mix-in of the micrograph panel: its menu for saving, and what that does."""

    def _rows_to_save(self: Any) -> np.ndarray:
        """Return which boxes are meant: the selected ones on this micrograph, or all that are not hidden."""
        boxes = self.painter.boxes
        chosen = boxes.selected & ~boxes.hidden
        return np.flatnonzero(chosen if chosen.any() else ~boxes.hidden)

    def _fill_save_menu(self: Any) -> None:
        menu = self.bar.menu
        menu.addAction("Coordinates of this micrograph…", lambda: self.ask_coordinates(after=True))
        self.picks_action = menu.addAction(
            "Picked coordinates of this micrograph…", lambda: self.ask_coordinates(after=False)
        )
        everything = menu.addMenu("Coordinates of all micrographs")
        for suffix, words in FORMATS.items():
            everything.addAction(f"{words} ({suffix})…", lambda suffix=suffix: self.ask_all_coordinates(suffix))
        menu.addSeparator()
        self.figure_action = menu.addAction("Figure…", self._export_figure)
        menu.aboutToShow.connect(self._ready_save_menu)

    def _ready_save_menu(self: Any) -> None:
        self.picks_action.setVisible(self.painter.boxes.after is not None)
        self.figure_action.setVisible(hasattr(self.window(), "do_export_figure"))

    def _export_figure(self: Any) -> None:
        self.window().do_export_figure()

    def _save_folder(self: Any) -> Path:
        home = self._home()
        return home if home is not None and home.is_dir() else (home or Path.home()).parent

    def ask_coordinates(self: Any, after: bool) -> None:
        """Ask for a file and save the places of this micrograph's particles."""
        if self.source is None or not len(self.painter.boxes):
            return
        stem = suffixes(str(self.source.picks.names[self.index]))[1]
        path = ask_save_name(self, "Save coordinates", self._save_folder() / f"{stem}.star", FILTERS)
        if path is not None:
            self.save_coordinates(path, after)

    def save_coordinates(self: Any, path: Path, after: bool) -> JobHandle:
        """Save the places of this micrograph's particles, selected ones if any are, in the job lane; say so."""
        assert self.source is not None
        boxes, rows = self.painter.boxes, self._rows_to_save()
        places = boxes.places(after)[rows].copy()
        number = self.source.picks.class_number
        classes = None if number is None else number[boxes.positions[rows]]
        edge = round(self.boxes_form.edge_px())
        left = len(boxes) - len(rows)
        what = self.source.picks.after_word if after and boxes.after is not None else "picked"
        said = f"{columns.grouped(len(rows))} {what} places were written as {path.name}"
        said += f"; {columns.grouped(left)} that are hidden or not selected were left out." if left else "."
        return self._submit(
            f"Save coordinates as {path.name}", path, lambda check: write_places(path, places, edge, classes),
            lambda _: said,
        )  # fmt: skip

    def ask_all_coordinates(self: Any, suffix: str) -> None:
        """Ask for a folder and save the places on every micrograph into it."""
        name = QFileDialog.getExistingDirectory(self, "Folder for the coordinates", str(self._save_folder()))
        if name:
            self.save_all_coordinates(Path(name), suffix)

    def save_all_coordinates(self: Any, folder: Path, suffix: str) -> JobHandle | None:
        """Save the places on every micrograph in the job lane, hidden classes left out; say so."""
        source, shown = self.source, self.class_list.shown()
        if source is None:
            return None
        left_out = ~shown[source.classes.rank] if len(shown) and not shown.all() else None
        edge = round(self.boxes_form.edge_px())
        said = "; hidden classes were left out" if left_out is not None else ""
        return self._submit(
            f"Save coordinates of all micrographs in {folder.name}", folder,
            lambda check: write_all_places(folder, suffix, source.picks, edge, left_out=left_out, check=check),
            lambda n: f"{columns.grouped(n)} files were written into {folder.name}{said}.",
        )  # fmt: skip

    def _submit(
        self: Any, title: str, where: Path, work: Callable[[Check], Any], words: Callable[[Any], str]
    ) -> JobHandle:
        """Write in the job lane, which goes on when the panel is closed; the list of jobs says then how it ended."""

        def make(check: Check) -> Generator[Batch, None, Any]:
            from emviewer.engine.jobs.folder import as_output_error

            yield message(f"writing {where.name}")
            try:
                return work(check)
            except OSError as error:
                problem = as_output_error(error, where)
                raise OutputError(problem.what, problem.where, "choose another place to save") from error

        def ended(job: JobHandle) -> None:
            if not isValid(self):
                return
            if job.error is not None:
                self.picture_notice.say(f"The places could not be saved: {job.error}", "error")
            elif job.state == "complete":
                self.picture_notice.say(words(job.outcome), "good")

        return self.runner.submit(JobHandle(title, make, on_end=ended))
