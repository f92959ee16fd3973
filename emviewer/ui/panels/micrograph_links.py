"""What the micrograph panel shares with the others: the current particle, the selection, the classes that stand out.

In a table of particles the rows of the document are the particles. In a centring they are the classes, and the current
particle is that of :mod:`emviewer.ui.centering_session`; particles that are drawn around are then the panel's own
selection. Open tables of the same particles follow in either case.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from PySide6.QtCore import QPointF, Qt

from emviewer.engine.micrograph_find import MicrographFinder
from emviewer.ui import centering_session, columns, micrograph_folders
from emviewer.ui.micrograph_boxes import nearest_box
from emviewer.ui.plot_scale import in_polygon
from emviewer.ui.workspace import Document

_ADD, _SUBTRACT = Qt.KeyboardModifier.ShiftModifier, Qt.KeyboardModifier.AltModifier
_TOGGLE = Qt.KeyboardModifier.ControlModifier
REACH = 7.0
"""Widget units from the middle of a tiny box at which a click takes it."""
MEMBER_TABLES = ("particles.star", "particles_in_place.star", "particles.cs", "particles_in_place.cs")


class MicrographLinks:
    """Mix-in of the micrograph panel."""

    def _link(self: Any) -> None:
        self._mask: np.ndarray | None = None
        self._own = False
        self._stands_out = False
        w = self.workspace
        links = centering_session.links(w)
        links.members_changed.connect(self._members_changed)
        links.particle_changed.connect(self._particle_changed)
        w.row_changed.connect(self._row_changed)
        w.selection_changed.connect(self._selection_changed)
        w.changed.connect(self._document_changed)

    def _forget_selection(self: Any) -> None:
        self._mask, self._stands_out = None, False

    def _finder(self: Any) -> MicrographFinder:
        assert self.source is not None
        return MicrographFinder(self.source.tables, micrograph_folders.folder_of(self._home()))

    # following ------------------------------------------------------------------------------------------------------
    def _members_changed(self: Any, document: Document) -> None:
        if document is self.document:
            self._read()

    def _document_changed(self: Any, document: Document) -> None:
        if document is not self.document:
            return
        centering = centering_session.of(document)
        if centering is not None:
            if self.source is None:
                self._read()
        elif document.table is not self._table or document.stack is not self._stack:  # read again from disk
            self._read()

    def _particle_changed(self: Any, document: Document) -> None:
        if document is self.document and not self._own:
            self._go_to(self.current_position())

    def _row_changed(self: Any, number: Any) -> None:
        document = self.document
        if self.source is None or self._own or document is None or number != document.id:
            return
        if self.source.class_row is None:
            self._go_to(self.current_position())
            return
        row = self.workspace.row(document)
        # a class that was chosen elsewhere stands out; that of a particle which was clicked here does not
        position = self.current_position()
        self._stands_out = row is not None and not (position >= 0 and self.source.class_row[position] == row)
        self._show_class()
        self._show_boxes()

    def _selection_changed(self: Any, number: Any) -> None:
        if self.document is not None and number == self.document.id and self.source is not None and not self._own:
            self._show_boxes()

    def _go_to(self: Any, position: int) -> None:
        """Show the micrograph of a particle, and the particle."""
        if self.source is None:
            return
        if position >= 0 and 0 <= self.source.picks.micrograph[position] != self.index:
            self.show_micrograph(int(self.source.picks.micrograph[position]))
            return
        self._show_class()
        self._show_boxes()
        self._bring_into_view()

    def _bring_into_view(self: Any) -> None:
        """Pan to the current particle if it is not in view."""
        place = self.painter.boxes.places(True)[self.painter.boxes.current] if self.painter.boxes.current >= 0 else None
        if place is not None and np.isfinite(place).all() and not self.canvas.visible().contains(QPointF(*place)):
            self.canvas.centre_on(float(place[0]), float(place[1]))

    def _show_class(self: Any) -> None:
        """Mark in the list the class of the current particle, or the current class."""
        assert self.source is not None
        classes, position, rank = self.source.classes, self.current_position(), -1
        if len(classes.numbers) and position >= 0:
            rank = int(classes.rank[position])
        elif self.source.class_row is not None and self.document is not None:
            row = self.workspace.row(self.document)
            found = np.flatnonzero(self.source.class_row == row) if row is not None else []
            rank = int(classes.rank[found[0]]) if len(found) else -1
        self.class_list.set_current(rank)

    # what is current and selected -----------------------------------------------------------------------------------
    def current_position(self: Any) -> int:
        """Return which particle is the current one, -1 for none."""
        if self.source is None or self.document is None:
            return -1
        if self.source.rows is None:
            centering = centering_session.of(self.document)
            particle = None if centering is None else centering.particle
            return -1 if particle is None or not 0 <= particle < len(self.source.picks) else int(particle)
        row = self.workspace.row(self.document)
        found = self.source.rows.positions_of(np.array([row])) if row is not None else []
        return int(found[0]) if len(found) else -1

    def selected_at(self: Any, positions: np.ndarray) -> np.ndarray:
        """Return which of these particles are selected."""
        if self.source is None or self.document is None:
            return np.zeros(len(positions), bool)
        if self.source.rows is None:
            return np.zeros(len(positions), bool) if self._mask is None else self._mask[positions]
        return np.isin(self.source.rows.ids[positions], self.workspace.selection(self.document))

    def selected_positions(self: Any) -> np.ndarray:
        """Return all selected particles, on every micrograph."""
        if self.source is None or self.document is None:
            return np.empty(0, np.int64)
        if self.source.rows is None:
            return np.empty(0, np.int64) if self._mask is None else np.flatnonzero(self._mask)
        return np.sort(self.source.rows.positions_of(self.workspace.selection(self.document)))

    def select(self: Any, positions: np.ndarray, modifiers: Any = Qt.KeyboardModifier.NoModifier) -> None:
        """Select particles: in place of those that are, Shift with them, Alt without, Ctrl the other way round."""
        if self.source is None or self.document is None:
            return
        before = self.selected_positions()
        if modifiers & _SUBTRACT:
            positions = np.setdiff1d(before, positions)
        elif modifiers & _TOGGLE:
            positions = np.setxor1d(before, positions)
        elif modifiers & _ADD:
            positions = np.union1d(before, positions)
        self._own = True
        if self.source.rows is None:
            self._mask = np.zeros(len(self.source.picks), bool)
            self._mask[positions] = True
        else:
            self.workspace.select(self.document, self.source.rows.ids[positions])
        for other in self._same_particles():
            assert other.table is not None
            self.workspace.select(other, other.table.index.to_numpy(np.int64)[positions])
        self._own = False
        self._show_boxes()

    def set_particle(self: Any, position: int) -> None:
        """Make a particle the current one, here and wherever else it is shown (-1: none)."""
        if self.source is None or self.document is None:
            return
        self._own = True
        self._stands_out = False
        wanted = position if position >= 0 else None
        if self.source.rows is None:
            centering_session.links(self.workspace).set_particle(self.document, wanted)
        else:
            self.workspace.set_row(self.document, None if wanted is None else int(self.source.rows.ids[wanted]))
            for other in self._centerings():
                centering_session.links(self.workspace).set_particle(other, wanted)
        for other in self._same_particles():
            assert other.table is not None
            self.workspace.set_row(other, None if wanted is None else int(other.table.index[wanted]))
        self._own = False
        self._show_class()
        self._show_boxes()

    def _same_particles(self: Any) -> list[Document]:
        """Return the other open tables of the same particles in the same order."""
        assert self.source is not None
        document, n = self.document, len(self.source.picks)
        if document is None or self.source.rows is not None:
            return []
        paths = {p.absolute() for p in self.source.tables}
        if document.path is not None:
            paths |= {(document.path / name).absolute() for name in MEMBER_TABLES}
        return [
            d for d in self.workspace.documents.values()
            if d is not document and d.path is not None and d.path.absolute() in paths
            and d.table is not None and len(d.table) == n
        ]  # fmt: skip

    def _centerings(self: Any) -> list[Document]:
        """Return the open centrings whose members are the particles of this table."""
        assert self.source is not None
        found, home = [], self._home()
        for other in self.workspace.documents.values():
            centering = centering_session.of(other)
            if centering is None or centering.members is None or home is None or other is self.document:
                continue
            table = centering.inputs.table if centering.inputs is not None else None
            same = table is not None and table.absolute() == home.absolute()
            if len(centering.members) == len(self.source.picks) and (same or home.parent == other.path):
                found.append(other)
        return found

    def _faint(self: Any, positions: np.ndarray) -> np.ndarray:
        """Return which particles are not of the selected classes, or not of the one chosen in another panel."""
        if self.source is None or self.source.class_row is None or self.document is None:
            return np.zeros(len(positions), bool)
        chosen = self.workspace.selection(self.document)
        row = self.workspace.row(self.document)
        if len(chosen) == 0 and self._stands_out and row is not None:
            chosen = np.array([row])
        if len(chosen) == 0:
            return np.zeros(len(positions), bool)
        return ~np.isin(self.source.class_row[positions], chosen)

    # hands ----------------------------------------------------------------------------------------------------------
    def _clicked(self: Any, at: QPointF, modifiers: Any) -> None:
        found = nearest_box(self.painter.boxes, self.painter.style, at, REACH / self.canvas.scale)
        if found < 0:
            if not modifiers & (_ADD | _SUBTRACT | _TOGGLE):
                self.do_select_none()
            return
        position = int(self.painter.boxes.positions[found])
        if modifiers & (_ADD | _TOGGLE):
            self.select(np.array([position]), _TOGGLE)
        self.set_particle(position)

    def _enclosed(self: Any, corners: list[QPointF], lasso: bool, modifiers: Any) -> None:
        boxes = self.painter.boxes
        places = boxes.places(self.painter.style.after) + 0.5
        path = np.array([(p.x(), p.y()) for p in corners])
        with np.errstate(invalid="ignore"):
            inside = ((places >= path.min(axis=0)) & (places <= path.max(axis=0))).all(axis=1) & ~boxes.hidden
        if lasso:
            inside[inside] = in_polygon(places[inside, 0], places[inside, 1], path)
        self.select(boxes.positions[inside], modifiers)

    def _hovered(self: Any, pixel: tuple[int, int] | None) -> None:
        if pixel is None or self.source is None:
            self.status.emit("")
            return
        x, y = pixel
        edge = self.canvas.pixel_size_A
        text = f"x {x} y {y}" + (f" ({x * edge:.1f}, {y * edge:.1f} Å)" if edge else "")
        if self.shown is not None:
            text += f"  {self.canvas.value_at(x, y):.4g}"
        found = nearest_box(self.painter.boxes, self.painter.style, QPointF(x, y), REACH / self.canvas.scale)
        if found >= 0:
            text += "   |   " + self._particle_text(int(self.painter.boxes.positions[found]))
        self.status.emit(text)

    def _particle_text(self: Any, position: int, short: bool = False) -> str:
        assert self.source is not None
        picks, classes = self.source.picks, self.source.classes
        row = position if self.source.rows is None else int(self.source.rows.ids[position])
        words = [f"#{columns.grouped(row + 1)}"]
        if len(classes.numbers):
            words.append(classes.text(int(classes.rank[position])))
        if picks.after_px is not None:
            dx, dy = picks.way_px[position]
            length = picks.length_px[position]
            words.append(f"{length:.1f} px" if short else f"shift ({dx:+.1f}, {dy:+.1f}), {length:.1f} px")
        if picks.outside[position]:
            words.append("outside the micrograph")
        if not short and self.colouring.is_scale and self.colouring.choice in self.source.columns:
            values = self.source.columns[self.colouring.choice]
            value = values.iloc[position] if hasattr(values, "iloc") else values[position]
            words.append(f"{self.colouring.title} {columns.shown(value)}")
        return "  ".join(words)

    def _class_chosen(self: Any, rank: int) -> None:
        """Let the class that was clicked in the list be the current one everywhere."""
        if self.source is None or self.source.class_row is None or self.document is None:
            return
        found = np.flatnonzero(self.source.classes.rank == rank)
        row = int(self.source.class_row[found[0]]) if len(found) else -1
        if row >= 0:
            self._own = True
            self.workspace.set_row(self.document, row)
            self._own = False
            self._stands_out = True
            self._show_boxes()
