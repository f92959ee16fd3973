"""Micrograph: the particles where they were picked and where they stand, with arrows, colours, and their classes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from PySide6.QtCore import QEvent, Qt, QTimer
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QFileDialog, QLabel, QPushButton, QSplitter, QStackedLayout, QVBoxLayout, QWidget

from emviewer.engine.micrograph_picks import typical_distance
from emviewer.engine.micrograph_view import Shown
from emviewer.engine.types import Contrast
from emviewer.ui import centering_session, columns, micrograph_folders, micrograph_read
from emviewer.ui.latest import Latest, Throttle
from emviewer.ui.levels import LevelsWidget
from emviewer.ui.micrograph_boxes import BoxPainter
from emviewer.ui.micrograph_canvas import MicrographCanvas
from emviewer.ui.micrograph_classes import ClassList
from emviewer.ui.micrograph_colours import Colouring
from emviewer.ui.micrograph_legend import Legend, MeanArrow, NamePlate
from emviewer.ui.micrograph_list import MicrographList
from emviewer.ui.micrograph_picture import Pictures
from emviewer.ui.micrograph_read import Source
from emviewer.ui.panels.base import Panel
from emviewer.ui.panels.gallery_notice import Notice
from emviewer.ui.panels.micrograph_actions import MicrographActions
from emviewer.ui.panels.micrograph_controls import BoxControls, MicrographBar, PictureControls
from emviewer.ui.panels.micrograph_links import MicrographLinks
from emviewer.ui.panels.micrograph_marks import MicrographMarks
from emviewer.ui.panels.micrograph_state import MicrographState
from emviewer.ui.panels.micrograph_view import MicrographView
from emviewer.ui.runner import Runner
from emviewer.ui.workspace import Document, Workspace

EMPTY = (
    "No particles in micrographs to show.\n\nOpen a table of particles that says where they were picked, a centring, "
    "or a micrograph."
)
BLINK_MS = 450
LATE_MS = 300
"""After so long it is said that a micrograph is being opened."""
BOX_PX = 200.0
"""Edge of a box where nobody knows one."""


class MicrographPanel(MicrographView, MicrographMarks, MicrographLinks, MicrographActions, MicrographState, Panel):
    """One micrograph at a time, large, with the particles that stand on it."""

    kind = "micrograph"
    heading = "Micrograph"

    def __init__(self, workspace: Workspace, runner: Runner, parent: QWidget | None = None) -> None:
        super().__init__(workspace, runner, parent)
        self.source: Source | None = None
        self.index = -1
        self.shown: Shown | None = None
        self.colouring = Colouring()
        self.pictures = Pictures(runner, id(self))
        self.levels = LevelsWidget(Contrast(0.0, 1.0))
        self.destroyed.connect(self.levels.deleteLater)
        self._by_hand: tuple[float, float] | None = None
        self._restoring: dict[str, Any] = {}
        self._reading = Latest(runner, (id(self), "source"), slow=True)
        self._backwards = False
        self._passthrough: Path | None = None
        self._table: Any = None
        self._stack: Any = None
        self._blinking = QTimer(self)
        self._blinking.setInterval(BLINK_MS)
        self._blinking.timeout.connect(lambda: self.set_blink(not self._blink))
        self._blink = False
        self._build()
        self._connect()
        self._link()
        self.show_document(None)

    def _build(self) -> None:
        self.canvas = MicrographCanvas()
        self.painter, self.legend, self.mean, self.plate = BoxPainter(), Legend(), MeanArrow(), NamePlate()
        self.canvas.overlays = [self.painter, self.mean, self.plate, self.legend]
        self.bar = MicrographBar()
        self.list = MicrographList()
        self.boxes_form, self.picture_form, self.class_list = BoxControls(), PictureControls(), ClassList()
        for widget in (self.boxes_form, self.picture_form, self.class_list):
            self.destroyed.connect(widget.deleteLater)
        self.picture_notice, self.hint_notice = Notice(), Notice()
        self.message = QLabel(EMPTY)
        self.message.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.message.setObjectName("dim")
        self.message.setWordWrap(True)
        self.ask_passthrough = QPushButton("Choose passthrough file…")
        self.ask_passthrough.clicked.connect(self._passthrough_wanted)
        waiting = QWidget()
        middle = QVBoxLayout(waiting)
        middle.setContentsMargins(40, 0, 40, 0)
        middle.addStretch(1)
        middle.addWidget(self.message)
        middle.addWidget(self.ask_passthrough, 0, Qt.AlignmentFlag.AlignHCenter)
        middle.addStretch(1)
        self.split = QSplitter(Qt.Orientation.Horizontal)
        self.split.addWidget(self.list)
        self.split.addWidget(self.canvas)
        self.split.setStretchFactor(1, 1)
        self.split.setCollapsible(1, False)
        em = self.fontMetrics().height()
        self.split.setSizes([em * 15, em * 60])
        content = QWidget()
        column = QVBoxLayout(content)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        for widget in (self.bar, self.picture_notice, self.hint_notice):
            column.addWidget(widget)
        column.addWidget(self.split, 1)
        self.pages = QStackedLayout(self)
        self.pages.addWidget(waiting)
        self.pages.addWidget(content)
        self.setFocusProxy(self.canvas)
        self._late = QTimer(self)
        self._late.setSingleShot(True)
        self._late.setInterval(LATE_MS)
        self._late.timeout.connect(self._say_late)
        self._asking = Throttle(self._ask_piece, 30, self)
        self._fill_save_menu()

    def _connect(self) -> None:
        c = self.canvas
        c.view_changed.connect(self._moved)
        c.clicked.connect(self._clicked)
        c.enclosed.connect(self._enclosed)
        c.hovered.connect(self._hovered)
        c.stepped.connect(self.step)
        c.levels_dragged.connect(self.levels.drag)
        c.double_clicked.connect(lambda x, y: c.fit())
        c.menu_wanted.connect(self._show_menu)
        self.levels.contrast_changed.connect(self._levels_by_hand)
        self.list.chosen.connect(self.show_micrograph)
        self.bar.stepped.connect(self.step)
        self.bar.shown_changed.connect(self._restyle)
        self.bar.blink.toggled.connect(self._set_blinking)
        self.bar.colour_chosen.connect(self.colour_by)
        self.bar.tool_chosen.connect(self.set_tool)
        self.boxes_form.changed.connect(self._restyle)
        self.boxes_form.start_changed.connect(self._read)
        self.picture_form.changed.connect(self._look_changed)
        self.picture_form.folder_wanted.connect(self._folder_wanted)
        self.class_list.changed.connect(self._hide_classes)
        self.class_list.chosen.connect(self._class_chosen)

    # the document ---------------------------------------------------------------------------------------------------
    @classmethod
    def accepts(cls, document: Document) -> bool:
        return micrograph_read.accepts(document)

    def show_document(self, document: Document | None) -> None:
        if document is not None and not self.accepts(document):
            document = None
        super().show_document(document)
        self._reading.cancel()
        self.source, self.index, self.shown = None, -1, None
        self._forget_selection()
        self._in_time()
        self._by_hand = self._passthrough = None
        self.canvas.set_piece(None)
        self.boxes_form.form.setRowVisible(0, centering_session.of(document) is not None)
        self._wait(EMPTY if document is None else "Reading the particles…")
        self.picture_form.set_folder(micrograph_folders.folder_of(self._home()))
        self._read()

    def _home(self) -> Path | None:
        return None if self.document is None else self.document.path

    def _wait(self, text: str) -> None:
        self.message.setText(text[:1].upper() + text[1:])
        self.ask_passthrough.hide()
        self.pages.setCurrentIndex(0)

    def _read(self) -> None:
        """Read the particles in a lane: the members of a centring, or the rows of a table."""
        document = self.document
        if document is None:
            return
        self._table, self._stack = document.table, document.stack
        centering = centering_session.of(document)
        if centering is None:
            chosen, passthrough = micrograph_folders.folder_of(document.path), self._passthrough
            self._reading.ask(
                lambda check: micrograph_read.of_table(document, chosen, passthrough, check),
                self._got_source, self._failed,
            )  # fmt: skip
            return
        if centering.members is not None:
            members, moved, rows = centering.members, centering.moved, centering.class_row
            assert centering.inputs is not None
            table = centering.inputs.table
            tables = [p for p in (table, document.path / "job.json" if document.path else None) if p is not None]
            from_pick, relion = self.boxes_form.start.currentIndex() == 1, centering.inputs.form == "relion"
            self._reading.ask(
                lambda check: micrograph_read.of_members(members, moved, rows, tables, from_pick, relion),
                self._got_source, self._failed,
            )  # fmt: skip
        elif centering.result is None:
            self._wait("The particles are shown when the job has ended.")
        elif centering.problem:
            self._wait(centering.problem)
        elif centering.inputs is not None:
            self._wait("The classes were centred without their particles:\ncentre them with the table of the members.")
        else:
            from emviewer.ui.centering_keep import keeper  # scipy and numba, which other tables do not need

            keeper(self.workspace, self.runner).ensure_members(document)

    def _failed(self, error: Exception) -> None:
        self._wait(f"{error}.")
        self.ask_passthrough.setVisible(isinstance(error, micrograph_read.NeedsPassthrough))

    def _passthrough_wanted(self) -> None:
        begin = (self._home() or Path.home()).parent
        name, _ = QFileDialog.getOpenFileName(self, "Passthrough file", str(begin), "cryoSPARC tables (*.cs)")
        if name:
            self._passthrough = Path(name)
            self._wait("Reading the particles…")
            self._read()

    def _got_source(self, source: Source) -> None:
        before, self.source = self.source, source
        picks = source.picks
        same = before is not None and list(before.picks.names) == list(picks.names) and len(before.picks) == len(picks)
        if not same:
            self._forget_selection()
            self.pictures.reset(self._finder())
            self.boxes_form.set_edge(picks.box_A, round(typical_distance(picks)) or BOX_PX)
        self.list.set_picks(picks)
        self.class_list.set_classes(source.classes, keep=same)
        self.bar.set_words(len(picks) > 0, picks.after_px is not None, picks.before_word, picks.after_word)
        self.boxes_form.setEnabled(len(picks) > 0)
        self.class_list.setEnabled(len(source.classes.numbers) > 0)
        names = list(source.columns)
        self.bar.set_colours(
            names, [columns.title(n) for n in names], len(source.classes.numbers) > 0, picks.after_px is not None,
            f"{picks.before_word}, {picks.after_word}" if picks.after_px is not None else "one colour",
        )  # fmt: skip
        self._say_hint()
        if not picks.names:
            self._wait("The table names no micrographs.")
            return
        self.pages.setCurrentIndex(1)
        self.colour_by(self.bar.colour.currentData())
        if same and self.index >= 0:
            assert before is not None
            if np.array_equal(before.picks.pixel_A, picks.pixel_A):
                self._show_boxes()
            else:
                self._ask_picture()
            return
        self._take_state()
        position = self.current_position()
        if self.index < 0 and position >= 0 and picks.micrograph[position] >= 0:
            self.index = int(picks.micrograph[position])
        self.show_micrograph(self.index if 0 <= self.index < len(picks.names) else self._first())

    def _first(self) -> int:
        assert self.source is not None
        counts = self.source.picks.counts
        filled = np.flatnonzero(counts)
        return int(filled[0]) if len(filled) else 0

    # one micrograph -------------------------------------------------------------------------------------------------
    def show_micrograph(self, index: int) -> None:
        """Show a micrograph (its index in the table)."""
        if self.source is None or not 0 <= index < len(self.source.picks.names):
            return
        picks = self.source.picks
        self._backwards = self.list.model.place_of(index) < self.list.model.place_of(self.index)
        self.index = index
        self.list.set_current(index)
        self.bar.place.setText(self.list.position_text())
        if self.shown is None and not self.canvas.blank:
            self.canvas.set_message(f"Opening {Path(picks.names[index]).name}…")
        self._late.start()
        self._ask_picture()

    def _say_late(self) -> None:
        """Say that the next micrograph takes its time; until it comes the one before is shown."""
        if self.source is not None and self.index >= 0:
            self.plate.late = f"opening {Path(self.source.picks.names[self.index]).name}…"
            self.canvas.update()

    # the window's questions -----------------------------------------------------------------------------------------
    def inspector(self) -> list[tuple[str, QWidget]]:
        return [
            ("Boxes", self.boxes_form),
            ("Classes", self.class_list),
            ("Micrograph", self.picture_form),
            ("Levels", self.levels),
        ]

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() == Qt.Key.Key_B and not event.modifiers():
            self.set_blink(True)
        else:
            super().keyPressEvent(event)

    def keyReleaseEvent(self, event: QKeyEvent) -> None:
        if event.key() == Qt.Key.Key_B and not event.isAutoRepeat():
            self.set_blink(False)
        else:
            super().keyReleaseEvent(event)

    def changeEvent(self, event: QEvent) -> None:
        if event.type() in (QEvent.Type.PaletteChange, QEvent.Type.StyleChange) and hasattr(self, "bar"):
            self.bar.recolour()
        super().changeEvent(event)

    def hideEvent(self, event: Any) -> None:
        self.bar.blink.setChecked(False)
        super().hideEvent(event)
