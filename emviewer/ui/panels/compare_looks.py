"""The widgets of the compare panel, how they look and which keys they know."""

from __future__ import annotations

import pandas as pd
from PySide6.QtCore import QEvent, Qt
from PySide6.QtGui import QGuiApplication, QKeyEvent
from PySide6.QtWidgets import QLabel, QSplitter, QStackedLayout, QVBoxLayout, QWidget

from emviewer.engine.types import Contrast
from emviewer.ui.levels import LevelsWidget
from emviewer.ui.panels.compare_controls import CompareHeader, HandStrip, ScoreStrip, block
from emviewer.ui.panels.compare_curve import RingCurve
from emviewer.ui.panels.compare_pictures import ComparePictures
from emviewer.ui.panels.compare_rows import CompareRows
from emviewer.ui.panels.compare_verdict import Verdict
from emviewer.ui.panels.contrast_actions import ContrastActions
from emviewer.ui.panels.gallery_notice import Notice
from emviewer.ui.runner import Runner
from emviewer.ui.sphere_view import SphereView
from emviewer.ui.workspace import Workspace

EMPTY = "No comparison to show.\n\nOpen class averages or particles and a map, then choose Compare."


class CompareLooks(ContrastActions, CompareRows):
    """The part of :class:`emviewer.ui.panels.compare.ComparePanel` that knows no data."""

    def __init__(self, workspace: Workspace, runner: Runner, parent: QWidget | None = None) -> None:
        super().__init__(workspace, runner, parent)
        self.verdict = Verdict()
        self.header = CompareHeader()
        self.pictures = ComparePictures()
        self.strip = ScoreStrip()
        self.curve = RingCurve()
        self.sphere = SphereView()
        self.notice = Notice()
        self.hand_strip = HandStrip()
        self.levels = LevelsWidget(Contrast(0.0, 1.0))
        self.destroyed.connect(self.levels.deleteLater)
        self._build()
        self.header.walk_wanted.connect(self.walk)
        self.header.mode_wanted.connect(self.pictures.set_mode)
        self.header.gain_wanted.connect(self.pictures.set_gain)
        self.header.low_pass_wanted.connect(self.set_low_pass)
        self.header.follow_toggled.connect(lambda _: self._paint())
        self.pictures.mode_changed.connect(self.header.show_mode)
        self.pictures.pointed_at.connect(self.status)
        self.verdict.map_wanted.connect(self.show_map)
        self.levels.contrast_changed.connect(self._levels_changed)

    def _paint(self) -> None:
        raise NotImplementedError

    def set_low_pass(self, low_pass_A: float) -> None:
        """Show pictures without detail finer than this; 0 for all."""
        raise NotImplementedError

    def scores(self) -> pd.Series | None:
        """Return what the table says of the row shown."""
        raise NotImplementedError

    def _build(self) -> None:
        side = QWidget()
        column = QVBoxLayout(side)
        column.setContentsMargins(2, 2, 2, 0)
        column.setSpacing(2)
        self.sphere.setMinimumSize(64, 64)
        column.addWidget(self.sphere, 1)
        column.addWidget(self.curve)
        self.splitter = QSplitter(Qt.Orientation.Horizontal)
        self.splitter.addWidget(self.pictures)
        self.splitter.addWidget(side)
        self.splitter.setStretchFactor(0, 4)
        self.splitter.setStretchFactor(1, 1)
        self.splitter.setSizes([800, 220])
        self.splitter.setChildrenCollapsible(False)
        content = QWidget()
        layout = QVBoxLayout(content)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        for part in (self.verdict, self.header, self.notice):
            layout.addWidget(part)
        layout.addWidget(self.splitter, 1)
        layout.addWidget(self.hand_strip)
        layout.addWidget(self.strip)
        self.empty = QLabel(EMPTY)
        self.empty.setObjectName("dim")
        self.empty.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.empty.setWordWrap(True)
        self.pages = QStackedLayout(self)
        self.pages.addWidget(self.empty)
        self.pages.addWidget(content)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)

    def _levels_changed(self, contrast: Contrast) -> None:
        block(self.header.follow, False)
        self.pictures.set_contrast(contrast)

    def do_auto_contrast(self) -> None:
        """Let each row take its own contrast again."""
        block(self.header.follow, True)
        self._paint()

    def do_toggle_shared_contrast(self) -> None:
        """Change between the contrast of each row and one for all."""
        self.header.follow.toggle()

    def do_wipe(self) -> None:
        """Change between side by side and the wipe line."""
        self.pictures.set_mode("side" if self.pictures.mode == "wipe" else "wipe")

    def do_zoom_fit(self) -> None:
        """Show the whole images."""
        for canvas in (*self.pictures.canvases, self.pictures.single):
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
            self.pictures.set_contrast(self.levels.contrast)
