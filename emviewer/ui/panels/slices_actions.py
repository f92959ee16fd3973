"""What the keys and menus do to the slices panel."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtGui import QGuiApplication

from emviewer.ui.panels.contrast_actions import ContrastActions
from emviewer.ui.panels.slices_area import CutsArea
from emviewer.ui.panels.slices_state import Layout, SliceState


class SlicesActions(ContrastActions):
    """Mix-in of the slices panel: its ``do_*`` of the action table."""

    area: CutsArea
    current: SliceState
    _step: Callable[[int, int], None]
    _choose_layout: Callable[[Layout], None]
    _choose_spectrum: Callable[[bool], None]
    devicePixelRatioF: Callable[[], float]

    def do_spectrum(self) -> None:
        """Show amplitude spectra, or the cuts again."""
        self._choose_spectrum(not self.current.spectrum)

    def do_maximise_x(self) -> None:
        """Show only the cut perpendicular to x."""
        self._choose_layout("x")

    def do_maximise_y(self) -> None:
        """Show only the cut perpendicular to y."""
        self._choose_layout("y")

    def do_maximise_z(self) -> None:
        """Show only the cut perpendicular to z."""
        self._choose_layout("z")

    def do_three_cuts(self) -> None:
        """Show the three cuts."""
        self._choose_layout("three")

    def do_previous(self) -> None:
        """Step one slice back along the active axis (that of the cut last under the mouse)."""
        self._step(self.current.active, -1)

    def do_next(self) -> None:
        """Step one slice forward."""
        self._step(self.current.active, 1)

    def do_previous_page(self) -> None:
        """Step ten slices back."""
        self._step(self.current.active, -10)

    def do_next_page(self) -> None:
        """Step ten slices forward."""
        self._step(self.current.active, 10)

    def do_first(self) -> None:
        """Go to the first slice."""
        self._step(self.current.active, -(1 << 30))

    def do_last(self) -> None:
        """Go to the last slice."""
        self._step(self.current.active, 1 << 30)

    def do_zoom_in(self) -> None:
        """Zoom in about the middle."""
        self.area.zoom(1.25)

    def do_zoom_out(self) -> None:
        """Zoom out about the middle."""
        self.area.zoom(1 / 1.25)

    def do_zoom_fit(self) -> None:
        """Show everything."""
        self.area.fit()

    def do_zoom_actual(self) -> None:
        """Show one voxel as one pixel of the screen."""
        self.area.zoom(1 / (self.area.scale * self.devicePixelRatioF()))

    def do_copy_picture(self) -> None:
        """Copy what is shown to the clipboard."""
        QGuiApplication.clipboard().setImage(self.area.grab().toImage())
