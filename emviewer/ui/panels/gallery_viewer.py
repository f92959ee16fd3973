"""One image of a gallery, large: zoom, read-out in pixels and Å, and the arrow keys go through the gallery."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QDialog, QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from emviewer.engine.filters_display import Distribution, amplitude_spectrum, distribution, subsample
from emviewer.engine.types import Contrast, ImageStack
from emviewer.ui import colormaps
from emviewer.ui.canvas import ImageCanvas
from emviewer.ui.runner import Runner


@dataclass(frozen=True)
class Shot:
    """One image to show.

    Parameters
    ----------
    stack : ImageStack
        Where it is read from.
    position : int
        Which image of the stack.
    title : str
        Heading.
    """

    stack: ImageStack
    position: int
    title: str


class ImageViewer(QDialog):
    """A window of its own that shows one image.

    Parameters
    ----------
    runner : Runner
        Whose view lane reads.
    owner : hashable
        First element of the request's key.
    step : callable
        ``step(by) -> Shot or None``: the image that many tiles further.
    """

    def __init__(self, runner: Runner, owner: Any, step: Callable[[int], Shot | None], parent: QWidget) -> None:
        super().__init__(parent)
        self.setWindowFlag(Qt.WindowType.Window, True)
        self.runner = runner
        self._key = (owner, "viewer", id(self))
        self._step = step
        self._shot: Shot | None = None
        self._spectrum = False
        self._inverted = False
        self.canvas = ImageCanvas()
        self.canvas.wheel_zooms = True
        self.canvas.setAccessibleName("Image")
        self.read_out = QLabel(" ")
        self.read_out.setObjectName("dim")
        self.previous_button, self.next_button = QPushButton("Previous"), QPushButton("Next")
        self.spectrum_button, self.invert_button = QPushButton("Spectrum"), QPushButton("Invert")
        for button in (self.spectrum_button, self.invert_button):
            button.setCheckable(True)
        self._arrange()
        self.canvas.hovered.connect(self._hover)
        self.canvas.stepped.connect(self._go)
        self.canvas.levels_dragged.connect(self._drag_levels)
        self.previous_button.clicked.connect(lambda: self._go(-1))
        self.next_button.clicked.connect(lambda: self._go(1))
        self.spectrum_button.toggled.connect(self._set_spectrum)
        self.invert_button.toggled.connect(self._set_inverted)
        self.resize(620, 700)

    def _arrange(self) -> None:
        row = QHBoxLayout()
        row.setContentsMargins(8, 0, 8, 8)
        row.addWidget(self.read_out, 1)
        for button in (self.spectrum_button, self.invert_button, self.previous_button, self.next_button):
            button.setAutoDefault(False)
            row.addWidget(button)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.canvas, 1)
        layout.addLayout(row)

    def show_shot(self, shot: Shot | None) -> None:
        """Show an image; None leaves the present one."""
        if shot is None:
            return
        self._shot = shot
        self.setWindowTitle(shot.title)
        self.canvas.set_label(shot.title)
        self.canvas.pixel_size_A = shot.stack.pixel_size_A if shot.stack.pixel_size_known else None
        spectrum = self._spectrum

        def work(check: Callable[[], None]) -> tuple[np.ndarray, Distribution]:
            image = shot.stack[shot.position]
            image = amplitude_spectrum(image) if spectrum else image
            return image, distribution(subsample(image))

        self.runner.view(self._key, work, self._arrived, fail=self._failed)

    def _arrived(self, answer: tuple[np.ndarray, Distribution]) -> None:
        image, levels = answer
        self.canvas.show_scale_bar = not self._spectrum
        self.canvas.set_contrast(Contrast(levels.auto_low, levels.auto_high, colormaps.GREY, self._inverted))
        self.canvas.set_image(image)

    def _failed(self, error: Exception) -> None:
        self.canvas.set_message(str(error))

    def _go(self, by: int) -> None:
        self.show_shot(self._step(by))

    def _set_spectrum(self, on: bool) -> None:
        self._spectrum = on
        self.show_shot(self._shot)

    def _set_inverted(self, on: bool) -> None:
        self._inverted = on
        self.canvas.set_contrast(replace(self.canvas.contrast, inverted=on))

    def _drag_levels(self, dx: float, dy: float) -> None:
        """Move the centre of the levels by ``dx`` of their width, and widen them by ``dy`` (right drag)."""
        old = self.canvas.contrast
        span = old.high - old.low
        centre, half = (old.low + old.high) / 2 - dx * span, span / 2 * math.exp(2.0 * dy)
        self.canvas.set_contrast(replace(old, low=centre - half, high=centre + half))

    def _hover(self, pixel: tuple[int, int] | None) -> None:
        if pixel is None or self._shot is None or self.canvas.image is None:
            self.read_out.setText(" ")
            return
        x, y = pixel
        stack = self._shot.stack
        value = self.canvas.value_at(x, y)
        if self._spectrum:
            frequency = np.hypot((x - stack.shape[1] // 2) / stack.shape[1], (y - stack.shape[0] // 2) / stack.shape[0])
            ring = f"{stack.pixel_size_A / frequency:.1f} Å" if frequency > 0 else "the origin"
            self.read_out.setText(f"resolution {ring}   {value:.4g}")
            return
        where = f" ({x * stack.pixel_size_A:.1f} Å, {y * stack.pixel_size_A:.1f} Å)" if stack.pixel_size_known else ""
        self.read_out.setText(f"x {x} y {y}{where}   {value:.4g}")

    def closeEvent(self, event: object) -> None:
        self.runner.drop_views(self._key)
        super().closeEvent(event)  # type: ignore[arg-type]
