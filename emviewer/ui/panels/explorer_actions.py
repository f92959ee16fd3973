"""What the keys and menus do to the explorer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication, QKeyEvent

from emviewer.engine.filters_display import distribution, subsample
from emviewer.engine.types import Map3D
from emviewer.ui.canvas import ImageCanvas
from emviewer.ui.panels.contrast_actions import ContrastActions
from emviewer.ui.panels.explorer_orientation import View
from emviewer.ui.panels.explorer_save import save_view
from emviewer.ui.panels.explorer_stage import Stage
from emviewer.ui.save_name import ask_save_name

STEP_DEG = 5.0
"""Turn of an arrow key."""


class ExplorerActions(ContrastActions):
    """Mix-in of the explorer: its keys and its ``do_*`` of the action table."""

    canvas: ImageCanvas
    stage: Stage
    view: View
    runner: Any
    status: Any
    _go: Any
    _choose_spectrum: Any
    _spectrum: bool
    _resolution_A: float
    _volume: Map3D | None

    def keyPressEvent(self, event: QKeyEvent) -> None:
        steps = {Qt.Key.Key_Up: -STEP_DEG, Qt.Key.Key_Down: STEP_DEG}
        if event.key() in steps:
            self._go(self.view.turned(0.0, steps[event.key()]))
        elif event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter) and self.stage.cancelled:
            self.stage.again()
        else:
            super().keyPressEvent(event)

    def do_previous(self) -> None:
        """Turn left by 5°."""
        self._go(self.view.turned(-STEP_DEG, 0.0))

    def do_next(self) -> None:
        """Turn right by 5°."""
        self._go(self.view.turned(STEP_DEG, 0.0))

    def do_previous_page(self) -> None:
        """Turn in the plane by -5°."""
        self._go(self.view.spun(-STEP_DEG))

    def do_next_page(self) -> None:
        """Turn in the plane by 5°."""
        self._go(self.view.spun(STEP_DEG))

    def do_first(self) -> None:
        """Go to the top view."""
        self._go(View())

    def do_auto_contrast(self) -> None:
        """Take the robust range of the view that is shown."""
        if self.canvas.image is not None:
            self.levels.set_distribution(distribution(subsample(self.canvas.image)), auto=True)

    def do_zoom_in(self) -> None:
        """Zoom in."""
        self.canvas.zoom(1.25)

    def do_zoom_out(self) -> None:
        """Zoom out."""
        self.canvas.zoom(1 / 1.25)

    def do_zoom_fit(self) -> None:
        """Show the whole projection."""
        self.canvas.fit()

    def do_zoom_actual(self) -> None:
        """Show one pixel as one pixel of the screen."""
        self.canvas.one_to_one()

    def do_copy(self) -> None:
        """Copy the view as an option of the command line."""
        QGuiApplication.clipboard().setText(self.view.option())

    def do_copy_picture(self) -> None:
        """Copy the projection to the clipboard."""
        QGuiApplication.clipboard().setImage(self.canvas.picture())

    def do_save_view(self) -> None:
        """Ask for a file and save the projection in full resolution, PNG as shown or MRC with its pixel size."""
        if self.stage.best is None or self._volume is None:
            return
        rot, tilt, psi = self.view.angles
        name = f"{self._volume.name or 'view'}_{rot:.0f}_{tilt:.0f}_{psi:.0f}.png"
        path = ask_save_name(self, "Save this projection", name, "Picture (*.png);;MRC image (*.mrc *.mrcs)")
        if path is not None:
            self.save_to(path)

    def save_to(self, path: Path) -> None:
        """Save the projection off the GUI thread and say so in the status bar."""
        turning = self.stage.best
        if turning is None:
            return
        work = save_view(turning, self.view, self._resolution_A, self.levels.contrast, path)
        self.runner.view(
            (id(self), "save", str(path)),
            work,
            lambda done: self.status.emit(f"Saved {path}"),
            fail=lambda error: self.status.emit(f"Not saved: {error}"),
            slow=True,
        )

    def do_spectrum(self) -> None:
        """Show the amplitude spectrum of the projection, or the projection again."""
        self._choose_spectrum(not self._spectrum)
