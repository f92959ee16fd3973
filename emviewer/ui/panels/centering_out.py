"""What leaves the centring panel: classes to be estimated anew, files to be saved, figures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PySide6.QtWidgets import QFileDialog, QInputDialog

from emviewer.ui import centering_work as work_lane
from emviewer.ui.centering_session import Choice
from emviewer.ui.panels.centering_looks import CenteringLooks
from emviewer.ui.runner import JobHandle
from emviewer.ui.save_name import ask_save_name, with_companions

Ints = NDArray[np.int64]
MOST_IN_FIGURE = 120
"""Classes on a printed page."""
SUFFIX = {"star": ".star", "star_place": ".star", "cs": ".cs", "cs_place": ".cs", "xmd": ".xmd", "mrcs": ".mrcs"}
NAMES = {
    "star": "particles_centered.star", "star_place": "particles_centered_in_place.star", "cs": "particles_centered.cs",
    "cs_place": "particles_centered_in_place.cs", "xmd": "particles_centered.xmd", "coordinates": "coordinates",
    "mrcs": "centered_classes.mrcs", "report": "centering.pdf",
}  # fmt: skip


class CenteringOut(CenteringLooks):
    """The part of :class:`emviewer.ui.panels.centering.CenteringPanel` that hands work to the lanes."""

    _saved_in: Path | None = None

    def targets(self) -> Ints:
        """Return the classes that a decision is for."""
        raise NotImplementedError

    def _choose(self, text: str, rows: Ints, choices: list[Choice]) -> None:
        raise NotImplementedError

    # estimating -----------------------------------------------------------------------------------------------------
    def estimate(self, method: str, map_path: str | None = None) -> JobHandle | None:
        """Estimate the centres of the chosen classes anew in the job lane."""
        centering, rows, document = self.centering, self.targets(), self.document
        if centering is None or centering.result is None or not len(rows):
            return None
        if method == "reprojection" and map_path is None and centering.result.params.map is None:
            map_path = self.ask_map()
            if map_path is None:
                return None

        def then(found: list[Choice], doubts: list[str]) -> None:
            if self.document is document and self.centering is centering:
                many = f"{len(rows)} class{'es' * (len(rows) != 1)}"
                self._choose(f"centre {many} by {method}", rows, found)
                said = "".join(f" {d[:1].upper()}{d[1:].rstrip('.')}." for d in doubts)
                self.notice.say(
                    f"The centre of {many} was found again by {method}.{said}", "warn" if doubts else "good"
                )

        job = work_lane.estimate(self.runner, centering, method, rows, map_path, then, self.notice.say)
        if job is not None:
            self.notice.say(f"{job.title}…", "info", "Cancel", lambda: self.runner.cancel(job))
        return job

    def ask_map(self) -> str | None:
        """Ask for a map: one that is open, or a file."""
        maps = {d.title: d for d in self.workspace.documents.values() if d.kind == "map"}
        other = "Another file…"
        name = other
        if maps:
            name, good = QInputDialog.getItem(
                self, "Map", "Registration to the best projection of", [*maps, other], 0, False
            )
            if not good:
                return None
        if name != other:
            document = maps[name]
            return str(document.info.get("_source") or document.path)
        found, _ = QFileDialog.getOpenFileName(self, "Map", "", "Maps (*.mrc *.map *.ccp4 *.npy *.gz);;All files (*)")
        return found or None

    # saving ---------------------------------------------------------------------------------------------------------
    def do_save_selected(self) -> None:
        """Save the particles in the form they came in."""
        centering = self.centering
        form = "" if centering is None or centering.inputs is None else centering.inputs.form
        self.ask_and_save({"cryosparc": "cs", "xmipp": "xmd"}.get(form, "star" if form else "mrcs"))

    def ask_and_save(self, what: str) -> None:
        """Ask where to save, then save in the job lane (``what``: a key of ``centering_header.SAVES``)."""
        centering = self.centering
        if centering is None or centering.inputs is None:
            self.notice.say("There is nothing to save yet: wait until the members have been read.", "info")
            return
        here = self._saved_in or (centering.folder.parent if centering.folder else Path.home())
        suffix = SUFFIX.get(what, "")
        filters = "PDF (*.pdf);;PNG (*.png);;SVG (*.svg)" if what == "report" else f"*{suffix}" if suffix else ""
        path = ask_save_name(self, "Save the centring", here / NAMES[what], filters, with_companions)
        if path is not None:
            self._saved_in = path.parent
            self.save(path, "alignment" if what.endswith("place") else "both", folder=what == "coordinates")

    def save(self, path: Path, store: str = "both", *, folder: bool = False) -> JobHandle | None:
        """Save the centring as it stands; the suffix says how, unless it is a ``folder`` of coordinates."""
        if self.centering is None:
            return None
        return work_lane.save(self.runner, self.centering, path, store, self.notice.say, folder=folder)

    # figure -----------------------------------------------------------------------------------------------------------
    def figure_spec(self) -> dict[str, Any] | None:
        """Return the classes on the screen as a figure: the selected ones, else all that are shown."""
        centering, document = self.centering, self.document
        if centering is None or document is None or centering.result is None or centering.before is None:
            return None
        rows = self.rows.shown[self.picker.selected_places()] if self.picker.count else self.rows.shown
        rows = rows[:MOST_IN_FIGURE]
        if not len(rows):
            return None
        choices = [centering.choices[int(r)] for r in rows]
        path = Path(str(centering.result.params.classes))
        c = self.contrast.contrast
        spec: dict[str, Any] = {
            "kind": "center",
            "table" if path.suffix in (".star", ".xmd", ".cs") else "stack": str(path),
            "rows": [int(r) for r in rows],
            "centres": [[c.x_px, c.y_px, c.psi_deg] for c in choices],
            "moves": [c.moves for c in choices],
            "texts": ["  ".join(self.grid.caption(int(r))) for r in rows],
            "title": document.title,
            "subtitle": self.summary.text().replace("✓ ", "").replace("! ", ""),
            "contrast": {"colormap": c.colormap, "inverted": c.inverted},
            "pixel_size_A": centering.pixel_size_A,
        }
        if centering.result.params.project_dir is not None:
            spec["project_dir"] = str(centering.result.params.project_dir)
        return spec
