"""Some members of a class as their alignment places them: before the centring and after it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QEvent, QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QImage, QMouseEvent, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QSizePolicy, QWidget

from emviewer.engine.task import Check
from emviewer.ui import columns, theme
from emviewer.ui.centering_paint import CROSS, draw_cross, middle_of
from emviewer.ui.centering_session import Centering
from emviewer.ui.latest import Latest
from emviewer.ui.runner import Runner
from emviewer.ui.thumbnails import TileStyle, painted

MOST = 8
"""Members that are read: what a strip can show."""
LOW_PASS_A = 20.0
"""Single particles are noise unless they are filtered."""
EDGE, LEAST = 84, 40
"""Edge of a picture in px, and what is left of it in a low window."""


class MemberStrip(QWidget):
    """A row of members, each above its centred self.

    Signals
    -------
    picked : int
        The member (row of the table) that was clicked.
    """

    picked = Signal(int)

    def __init__(self, runner: Runner, owner: Any, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._latest = Latest(runner, (owner, "members"), slow=True)
        self.rows: NDArray[np.int64] = np.empty(0, np.int64)
        self.pictures: tuple[list[QImage], list[QImage]] = ([], [])
        self.box_px = 1
        self.message = ""
        self.title = "Members"
        self.current: int | None = None
        self._shown: object = None
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Maximum)
        self.setAccessibleName("Members of this class before and after centring")
        self.setMouseTracking(True)

    def sizeHint(self) -> QSize:
        return QSize(300, 2 * EDGE + self.fontMetrics().height() + 14)

    def minimumSizeHint(self) -> QSize:
        return QSize(150, self.sizeHint().height() - 2 * (EDGE - LEAST))

    @property
    def edge(self) -> int:
        """Edge of a picture in px: less where the window is low."""
        return min(EDGE, max(LEAST, EDGE - (self.sizeHint().height() - self.height() + 1) // 2))

    def show_members(self, centering: Centering | None, row: int | None) -> None:
        """Show some members of a class; of one without members say so."""
        self.current = None if centering is None else centering.particle
        members = None if centering is None else centering.members
        if centering is None or row is None or members is None or centering.moved is None:
            self._clear(self._why(centering))
            return
        every = centering.members_of_class(row)
        self.title = f"Members: {columns.grouped(len(every))}"
        if not len(every):
            self._clear("This class has no members: nothing but its average is moved.")
            return
        rows = every[:: max(1, len(every) // MOST)][:MOST]
        if self.current is not None and self.current in every and self.current not in rows:
            rows = np.concatenate([[self.current], rows[: MOST - 1]])
        choice = centering.choices[row]
        key = (id(centering), row, rows.tobytes(), choice, id(centering.moved))
        if key == self._shown:
            self.update()
            return
        same_class = self._shown is not None and key[:3] == self._shown[:3]  # type: ignore[index]
        self._shown = key
        if not same_class:
            self.pictures = [], []
        self._read(centering, rows)

    def _read(self, centering: Centering, rows: NDArray[np.int64]) -> None:
        result, inputs, moved = centering.result, centering.inputs, centering.moved
        if result is None or inputs is None or moved is None:
            return
        style = TileStyle(round(EDGE * self.devicePixelRatioF()), low_pass_A=LOW_PASS_A)
        pixel = float(inputs.members.pixel_A[0]) if inputs.members is not None else 1.0

        def work(check: Check) -> tuple[list[QImage], list[QImage], int]:
            from emviewer.engine.jobs.center_save import member_images

            before, after = member_images(result, inputs, moved, rows)
            check()
            return painted(before, style, pixel), painted(after, style, pixel), before.shape[1]

        def done(found: tuple[list[QImage], list[QImage], int]) -> None:
            self.rows, self.message = rows, ""
            self.pictures, self.box_px = (found[0], found[1]), found[2]
            self.update()

        def failed(error: Exception) -> None:
            self.pictures = [], []
            self.rows = np.empty(0, np.int64)
            self.message = f"{error}."
            self.update()

        self._latest.ask(work, done, failed)
        self.update()

    def _why(self, centering: Centering | None) -> str:
        self.title = "Members"
        if centering is None:
            return ""
        if centering.problem:
            return "The members were not read."
        if centering.result is None:
            return "Members are moved when the job has ended."
        if centering.inputs is None:
            return "Reading the members…"
        return (
            "The classes came without members.\nCentre them again with the particles' table, and these are moved, too."
        )

    def _clear(self, message: str) -> None:
        self._shown, self.message = None, message
        self.pictures, self.rows = ([], []), np.empty(0, np.int64)
        self._latest.cancel()
        self.update()

    def cell(self, place: int, after: bool) -> QRectF:
        """Return where a member stands."""
        edge = self.edge
        top = self.fontMetrics().height() + 6 + (edge + 2 if after else 0)
        return QRectF(6 + place * (edge + 3), top, edge, edge)

    def paintEvent(self, event: QPaintEvent) -> None:
        with QPainter(self) as painter:
            painter.setRenderHint(QPainter.RenderHint.Antialiasing)
            c, line = theme.current(), self.fontMetrics().height()
            painter.setPen(QColor(c.text))
            words = self.title + ("" if self.message or not len(self.rows) else "   above: before, below: after")
            painter.drawText(QRectF(6, 1, self.width() - 8, line + 4), 0, words)
            if self.message:
                painter.setPen(QColor(c.dim))
                room = QRectF(self.rect()).adjusted(8, line + 4, -8, -4)
                flags = Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap
                painter.drawText(room, flags, self.message)
                return
            for place, pair in enumerate(zip(*self.pictures, strict=True)):
                if self.cell(place, False).right() > self.width():
                    break  # half a particle says nothing
                for after, image in enumerate(pair):
                    rect = self.cell(place, bool(after))
                    painter.drawImage(rect, image)
                    draw_cross(painter, middle_of(rect, self.box_px), 6.0, CROSS, 1.0)
                if place < len(self.rows) and self.rows[place] == self.current:
                    painter.setPen(QPen(QColor(c.accent), 2))
                    painter.setBrush(Qt.BrushStyle.NoBrush)
                    painter.drawRect(self.cell(place, False).united(self.cell(place, True)).adjusted(-1, -1, 1, 1))

    def _place_at(self, at: QPointF) -> int:
        return next(
            (i for i in range(len(self.rows)) if self.cell(i, False).united(self.cell(i, True)).contains(at)), -1
        )

    def mousePressEvent(self, event: QMouseEvent) -> None:
        place = self._place_at(event.position())
        if place >= 0 and event.button() == Qt.MouseButton.LeftButton:
            self.picked.emit(int(self.rows[place]))

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        place = self._place_at(event.position())
        self.setToolTip(
            "" if place < 0 else f"Particle {int(self.rows[place]) + 1}: click to find it in its micrograph"
        )

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() in (QEvent.Type.FontChange, QEvent.Type.StyleChange):
            self.updateGeometry()
