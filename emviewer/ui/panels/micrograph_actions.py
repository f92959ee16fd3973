"""What a person can do with the micrograph panel: step, zoom, select, hide, colour, copy."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
from PySide6.QtCore import QPoint
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QMenu, QWidget

from emviewer.ui import columns
from emviewer.ui.micrograph_canvas import Tool
from emviewer.ui.micrograph_colours import CLASS, PLAIN, WAY, Colouring, by_values
from emviewer.ui.panels.contrast_actions import ContrastActions
from emviewer.ui.panels.micrograph_out import MicrographOut
from emviewer.ui.row_order import sortable

PAGE = 10
LONG = 50_000
"""Particles from which on columns are turned into colours in a lane."""


class MicrographActions(ContrastActions, MicrographOut):
    """Mix-in of the micrograph panel: the actions of the action table, and those of its own menus."""

    # going ----------------------------------------------------------------------------------------------------------
    def step(self: Any, by: int) -> None:
        """Show the micrograph so many rows on in the list."""
        index = self.list.neighbour(by)
        if index >= 0 and index != self.index:
            self.show_micrograph(index)

    def do_previous(self) -> None:
        self.step(-1)

    def do_next(self) -> None:
        self.step(1)

    def do_previous_page(self) -> None:
        self.step(-PAGE)

    def do_next_page(self) -> None:
        self.step(PAGE)

    def do_first(self) -> None:
        self.step(-1_000_000_000)

    def do_last(self) -> None:
        self.step(1_000_000_000)

    def do_next_worst(self: Any) -> None:
        """Go to the particle on this micrograph that is displaced next most."""
        self._step_by_shift(1)

    def do_previous_worst(self: Any) -> None:
        """Go back to the one displaced more."""
        self._step_by_shift(-1)

    def _step_by_shift(self: Any, by: int) -> None:
        boxes = self.painter.boxes
        rows = np.flatnonzero(~boxes.hidden)
        if self.source is None or not len(rows):
            return
        order = rows[np.argsort(-self.source.picks.length_px[boxes.positions[rows]], kind="stable")]
        found = np.flatnonzero(order == boxes.current)
        place = found[0] + by if len(found) else 0 if by > 0 else len(order) - 1
        if 0 <= place < len(order):
            self.set_particle(int(boxes.positions[order[place]]))
            self._bring_into_view()

    # looking --------------------------------------------------------------------------------------------------------
    def do_zoom_in(self: Any) -> None:
        self.canvas.zoom(1.25)

    def do_zoom_out(self: Any) -> None:
        self.canvas.zoom(1 / 1.25)

    def do_zoom_fit(self: Any) -> None:
        self.canvas.fit()

    def do_zoom_actual(self: Any) -> None:
        self.canvas.one_to_one()

    def set_tool(self: Any, name: Tool) -> None:
        """Let the left button pan, or draw a rectangle or a lasso."""
        self.canvas.tool = name if name in ("pan", "rectangle", "lasso") else "pan"
        self.bar.set_tool(self.canvas.tool)

    # colours and classes --------------------------------------------------------------------------------------------
    def colour_by(self: Any, choice: str) -> None:
        """Colour the boxes by nothing, class, shift, or a column."""
        source = self.source
        if source is None:
            return
        place = self.bar.colour.findData(choice)
        self.bar.colour.setCurrentIndex(max(0, place))
        choice = self.bar.colour.currentData()
        key = (id(self), "colours")
        self.runner.drop_views(key)
        if choice == PLAIN:
            self._got_colours(Colouring())
        elif choice == CLASS:
            self._got_colours(Colouring(CLASS, source.classes.words()[source.classes.rank], "class"))
        else:
            work = partial(_values_coloured, choice, source)
            if len(source.picks) < LONG:
                self._got_colours(work())
            else:
                self.runner.view(key, lambda check: work(), self._got_colours)

    def _got_colours(self: Any, colouring: Colouring) -> None:
        self.colouring = colouring
        self._show_boxes()

    def _hide_classes(self: Any) -> None:
        self._show_boxes()

    def hide_class_of(self: Any, position: int) -> None:
        """Hide the class of a particle."""
        assert self.source is not None
        number = int(self.source.classes.numbers[self.source.classes.rank[position]])
        self.class_list.hide_numbers([*self.class_list.hidden_numbers(), number])

    def show_only_class_of(self: Any, position: int) -> None:
        """Hide every class but that of a particle."""
        assert self.source is not None
        self.class_list.show_only(int(self.source.classes.rank[position]))

    # selecting ------------------------------------------------------------------------------------------------------
    def do_select_all(self: Any) -> None:
        """Select every particle shown on this micrograph."""
        boxes = self.painter.boxes
        self.select(boxes.positions[~boxes.hidden])

    def do_select_none(self: Any) -> None:
        """Select nothing."""
        self.select(np.empty(0, np.int64))
        self.set_particle(-1)

    def do_select_inverse(self: Any) -> None:
        """Turn the selection round among the particles shown on this micrograph."""
        boxes = self.painter.boxes
        here = boxes.positions[~boxes.hidden]
        elsewhere = np.setdiff1d(self.selected_positions(), boxes.positions)
        self.select(np.union1d(elsewhere, np.setdiff1d(here, self.selected_positions())))

    def select_classes(self: Any) -> None:
        """Select, in a centring, the classes of the selected particles."""
        if self.source is not None and self.source.class_row is not None and self.document is not None:
            rows = np.unique(self.source.class_row[self.selected_positions()])
            self.workspace.select(self.document, rows[rows >= 0])

    def _say_count(self: Any) -> None:
        boxes = self.painter.boxes
        n, hidden, chosen = len(boxes), int(boxes.hidden.sum()), int(boxes.selected.sum())
        words = [f"{columns.grouped(n)} particle{'s' * (n != 1)}"] if self.source and len(self.source.picks) else []
        if hidden:
            words.append(f"{columns.grouped(hidden)} hidden")
        total = len(self.selected_positions())
        if total:
            words.append(f"{columns.grouped(chosen)} selected" + (f", {columns.grouped(total)} in all"
                                                                  if total != chosen else ""))  # fmt: skip
        self.bar.count.setText(", ".join(words))

    # copying --------------------------------------------------------------------------------------------------------
    def picture_widget(self: Any) -> QWidget:
        """Return what a picture of the panel shows."""
        return self.canvas

    def do_copy_picture(self: Any) -> None:
        """Copy what is shown."""
        QGuiApplication.clipboard().setPixmap(self.canvas.grab())

    def do_copy(self: Any) -> None:
        """Copy the places of the selected particles, or of all shown, as tab-separated text."""
        rows = self._rows_to_save()
        boxes = self.painter.boxes
        lines = ["#\tx (px)\ty (px)" + ("\tx after (px)\ty after (px)" if boxes.after is not None else "")]
        for i in rows.tolist():
            values = [*boxes.before[i], *(() if boxes.after is None else boxes.after[i])]
            lines.append("\t".join([str(int(boxes.positions[i]) + 1), *(f"{v:.2f}" for v in values)]))
        QGuiApplication.clipboard().setText("\n".join(lines) + "\n")

    def _show_menu(self: Any, where: QPoint) -> None:
        menu = self.context_menu()
        menu.exec(where)
        menu.deleteLater()

    def context_menu(self: Any) -> QMenu:
        """Return the right-click menu."""
        menu = QMenu(self)
        source, position = self.source, self.current_position()
        if source is not None and position >= 0 and len(source.classes.numbers):
            words: Any = source.classes.text(int(source.classes.rank[position]))
            menu.addAction(f"Show only {words}", lambda: self.show_only_class_of(position))
            menu.addAction(f"Hide {words}", lambda: self.hide_class_of(position))
            menu.addAction("Show all classes", self.class_list.all_button.click)
            menu.addSeparator()
        menu.addAction("Select all on this micrograph", self.do_select_all)
        if len(self.selected_positions()):
            menu.addAction("Select nothing", self.do_select_none)
            if source is not None and source.class_row is not None:
                menu.addAction("Select their classes", self.select_classes)
        menu.addSeparator()
        menu.addAction("Zoom to fit", self.do_zoom_fit)
        menu.addAction("Copy picture", self.do_copy_picture)
        menu.addAction("Copy places", self.do_copy)
        menu.addAction("Save coordinates…", lambda: self.ask_coordinates(after=True))
        return menu


def _values_coloured(choice: str, source: Any) -> Colouring:
    """Return the colours of a column; for a lane."""
    if choice == WAY:
        return by_values(WAY, source.picks.length_px, "shift (px)")
    values = source.columns[choice]
    numbers = sortable(values) if hasattr(values, "iloc") else np.asarray(values, np.float64)
    return by_values(choice, numbers, columns.title(choice))
