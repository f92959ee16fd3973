"""The widgets of the compare panel, how they look and which keys they know."""

from __future__ import annotations

import pandas as pd
from PySide6.QtCore import QEvent, Qt
from PySide6.QtGui import QGuiApplication, QKeyEvent
from PySide6.QtWidgets import QVBoxLayout, QWidget

from emviewer.engine.types import Contrast
from emviewer.ui.levels import LevelsWidget
from emviewer.ui.pages import dim_words, pages_of
from emviewer.ui.panels.compare_details import CompareArea
from emviewer.ui.panels.compare_header import CompareHeader, PictureOptions
from emviewer.ui.panels.compare_rows import CompareRows
from emviewer.ui.panels.compare_strip import HandStrip, ScoreStrip
from emviewer.ui.panels.compare_verdict import Verdict
from emviewer.ui.panels.contrast_actions import ContrastActions
from emviewer.ui.panels.gallery_notice import Notice
from emviewer.ui.runner import Runner
from emviewer.ui.workspace import Workspace

EMPTY = "No comparison to show.\n\nOpen class averages or particles and a map, then choose Compare."


class CompareLooks(ContrastActions, CompareRows):
    """The part of :class:`emviewer.ui.panels.compare.ComparePanel` that knows no data."""

    def __init__(self, workspace: Workspace, runner: Runner, parent: QWidget | None = None) -> None:
        super().__init__(workspace, runner, parent)
        self.verdict = Verdict()
        self.header = CompareHeader()
        self.options = PictureOptions()
        self.destroyed.connect(self.options.deleteLater)
        self.area = CompareArea()
        self.pictures, self.sphere = self.area.pictures, self.area.sphere
        self.curve, self.polar = self.area.curve, self.area.polar
        self.strip = ScoreStrip()
        self.notice = Notice()
        self.hand_strip = HandStrip()
        self.levels = LevelsWidget(Contrast(0.0, 1.0))
        self.destroyed.connect(self.levels.deleteLater)
        self._build()
        self.header.walk_wanted.connect(self.walk)
        self.header.mode_wanted.connect(self.pictures.set_mode)
        self.options.gain_wanted.connect(self.pictures.set_gain)
        self.options.low_pass_wanted.connect(self.set_low_pass)
        self.options.follow_toggled.connect(lambda _: self._paint())
        self.pictures.mode_changed.connect(self.header.show_mode)
        for part in (self.pictures, self.curve, self.polar):
            part.pointed_at.connect(self.status)
        self.verdict.map_wanted.connect(self.show_map)
        self.pictures.maps.map_wanted.connect(self.show_map)
        self.levels.contrast_changed.connect(self._levels_changed)
        for canvas in (*self.pictures.canvases[:2], self.pictures.single):
            canvas.levels_dragged.connect(self.levels.drag)

    def _paint(self) -> None:
        raise NotImplementedError

    def set_low_pass(self, low_pass_A: float) -> None:
        """Show pictures without detail finer than this; 0 for all."""
        raise NotImplementedError

    def scores(self) -> pd.Series | None:
        """Return what the table says of the row shown."""
        raise NotImplementedError

    def _build(self) -> None:
        content = QWidget()
        layout = QVBoxLayout(content)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        for part in (self.verdict, self.header, self.notice):
            layout.addWidget(part)
        layout.addWidget(self.area, 1)
        layout.addWidget(self.hand_strip)
        layout.addWidget(self.strip)
        self.empty = dim_words(EMPTY)
        self.pages = pages_of(self, self.empty, content)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)

    def _levels_changed(self, contrast: Contrast) -> None:
        self.options.show_follow(False)
        self._show_contrast(contrast)

    def _show_contrast(self, contrast: Contrast) -> None:
        """Show pictures and polar strip with one contrast."""
        self.pictures.set_contrast(contrast)
        triplet = self.pictures.triplet
        self.polar.show_bands(None if triplet is None else triplet.polar, contrast)

    def do_auto_contrast(self) -> None:
        """Let each row take its own contrast again."""
        self.options.show_follow(True)
        self._paint()

    def do_toggle_shared_contrast(self) -> None:
        """Change between the contrast of each row and one for all."""
        self.options.follow.toggle()

    def do_wipe(self) -> None:
        """Change between side by side and the wipe line."""
        self.pictures.set_mode("side" if self.pictures.mode == "wipe" else "wipe")

    def do_zoom_in(self) -> None:
        """Show the pictures larger."""
        self._zoom(1.25)

    def do_zoom_out(self) -> None:
        """Show the pictures smaller."""
        self._zoom(0.8)

    def do_zoom_actual(self) -> None:
        """Show one pixel of the comparison as one pixel of the screen."""
        canvas = self.pictures.leading()
        if canvas is not None:
            self._zoom(1 / (canvas.scale * self.devicePixelRatioF()))

    def _zoom(self, factor: float) -> None:
        canvas = self.pictures.leading()
        if canvas is not None:
            canvas.zoom(factor)

    def do_zoom_fit(self) -> None:
        """Show the whole images."""
        for canvas in (*self.pictures.canvases, self.pictures.single, *self.pictures.maps.canvases):
            canvas.fit()

    def do_next(self) -> None:
        """Go to the next row by score."""
        self.walk(1)

    def do_previous(self) -> None:
        """Go to the row before by score."""
        self.walk(-1)

    def do_copy_picture(self) -> None:
        """Copy the pictures as they are shown."""
        QGuiApplication.clipboard().setPixmap(self.pictures.grab())

    def event(self, event: QEvent) -> bool:
        if (
            event.type() == QEvent.Type.ShortcutOverride
            and isinstance(event, QKeyEvent)
            and event.key() == Qt.Key.Key_B
        ):
            event.accept()
            return True
        return super().event(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() == Qt.Key.Key_B and not event.modifiers():
            self.pictures.set_blinking(True)
        else:
            super().keyPressEvent(event)

    def keyReleaseEvent(self, event: QKeyEvent) -> None:
        if event.key() == Qt.Key.Key_B and not event.isAutoRepeat():
            self.pictures.set_blinking(False)
        super().keyReleaseEvent(event)

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() == QEvent.Type.PaletteChange:
            self.header.recolour()
            self.strip.show_scores(self.scores())
            self._show_contrast(self.levels.contrast)
