"""The table of an alignment: reference and maps, each with its mask, its particles and what lies beside it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from PySide6.QtCore import QPoint, QSignalBlocker, Qt, QTimer, Signal
from PySide6.QtWidgets import (
    QFileDialog,
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QMenu,
    QToolButton,
    QTreeWidget,
    QTreeWidgetItem,
    QVBoxLayout,
    QWidget,
)

from emviewer.ui.opening import is_built_in
from emviewer.ui.panels.pairing_rows import NAMES, PARTS, Pairing, PairRow, start_words
from emviewer.ui.runner import Runner

__all__ = ["NAMES", "PARTS", "PairRow", "Pairing", "PairingTable"]

_ROW, _PART, _FILE = (Qt.ItemDataRole.UserRole + k for k in range(3))
FILTERS = {"mask": "Maps (*.mrc *.map *.ccp4 *.gz);;All files (*)", "particles": "Particles (*.star *.cs);;All (*)"}


class PairingTable(QWidget):
    """Reference and maps, each with its mask, its particles and what was found beside it.

    Parameters
    ----------
    runner : Runner
        Looks beside the maps in a lane.

    Attributes
    ----------
    offers : callable
        ``offers() -> [(title, path)]`` of open maps.

    Signals
    -------
    edited
        A person changed something.
    """

    edited = Signal()

    def __init__(self, runner: Runner) -> None:
        super().__init__()
        self.runner = runner
        self.pairing = Pairing()
        self.offers: Callable[[], list[tuple[str, str]]] = list
        self.with_siblings = True
        self._shown: object = None
        self.tree = QTreeWidget()
        self.tree.setAccessibleName("Maps with their masks and particles")
        self.tree.setColumnCount(2)
        self.tree.setHeaderHidden(True)
        self.tree.setIndentation(12)
        self.tree.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        self.tree.header().setSectionResizeMode(0, QHeaderView.ResizeMode.Fixed)
        self.tree.header().setStretchLastSection(True)
        self.tree.itemActivated.connect(lambda item, _: self._menu_at(item))
        self.tree.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        self.tree.customContextMenuRequested.connect(lambda at: self._menu_at(self.tree.itemAt(at), at))
        self.tree.currentItemChanged.connect(lambda *_: self._allow())
        self.tree.itemChanged.connect(self._ticked)
        self.add_button = _button("Add map…", "Add maps that are open, or files")
        self.add_button.clicked.connect(self._add_menu)
        self.remove_button = _button("Remove", "Take the map out; the others keep their masks and particles")
        self.remove_button.clicked.connect(lambda: self.remove(self._row_of(self.tree.currentItem())))
        self.reference_button = _button("Make reference", "Let this map be the one that the others are aligned to")
        self.reference_button.clicked.connect(lambda: self.make_reference(self._row_of(self.tree.currentItem())))
        self.wrong = QLabel()
        self.wrong.setProperty("role", "wrong")
        self.wrong.setWordWrap(True)
        buttons = QHBoxLayout()
        buttons.setSpacing(4)
        for button in (self.add_button, self.remove_button, self.reference_button):
            buttons.addWidget(button)
        buttons.addStretch(1)
        column = QVBoxLayout(self)
        column.setContentsMargins(12, 10, 12, 0)
        column.setSpacing(4)
        title = QLabel("Maps")
        title.setProperty("role", "title")
        title.setBuddy(self.tree)
        for widget in (title, self.tree):
            column.addWidget(widget)
        column.addLayout(buttons)
        column.addWidget(self.wrong)
        self.refresh()

    # contents -------------------------------------------------------------------------------------------------------
    def set_values(self, values: dict[str, Any], with_siblings: bool = True) -> None:
        """Show the parameters of a form; ``with_siblings`` is whether what lies beside maps moves at all."""
        self.with_siblings = with_siblings
        self.pairing.take(values)
        self.refresh()

    def refresh(self) -> None:
        """Write the rows anew if they changed, and look beside maps that are new."""
        rows = self.pairing.rows()
        state = [(r.id, r.path, r.mask, r.particles, r.start, tuple(r.also), tuple(r.files())) for r in rows]
        self.wrong.setText(self.pairing.problem())
        self.wrong.setVisible(bool(self.wrong.text()))
        now = (state, frozenset(self.pairing.left), self.with_siblings)
        if now == self._shown:
            return
        self._shown = now
        current = self._row_of(self.tree.currentItem())
        quiet = QSignalBlocker(self.tree)
        self.tree.clear()
        for place, row in enumerate(rows):
            self._write(row, "Reference" if place == 0 else f"Map {place}", place == 0)
            if current is row:
                self.tree.setCurrentItem(self.tree.topLevelItem(place))
        quiet.unblock()
        self._fit_column()
        lines = sum(1 + self.tree.topLevelItem(i).childCount() for i in range(self.tree.topLevelItemCount()))
        height = self.tree.fontMetrics().height() + 8
        self.tree.setMinimumHeight(min(lines, 12) * height + 8)
        self._allow()
        for row in rows:
            if row.path and not is_built_in(row.path):
                self._look_beside(row)

    def _fit_column(self) -> None:
        """Make room for the longest word (Qt's own measure leaves out ticks that a style sheet draws)."""
        metrics, indent, widest = self.tree.fontMetrics(), self.tree.indentation(), 0
        for i in range(self.tree.topLevelItemCount()):
            top = self.tree.topLevelItem(i)
            widest = max(widest, indent + round(1.15 * metrics.horizontalAdvance(top.text(0))))
            for child in (top.child(k) for k in range(top.childCount())):
                tick = 24 if child.data(0, Qt.ItemDataRole.CheckStateRole) is not None else 0
                widest = max(widest, 2 * indent + tick + metrics.horizontalAdvance(child.text(0)))
        self.tree.setColumnWidth(0, widest + 16)

    def _write(self, row: PairRow, word: str, is_reference: bool) -> None:
        top = QTreeWidgetItem([word, row.name or "choose…"])
        top.setToolTip(1, row.path or "Double-click to choose")
        top.setData(0, _ROW, row.id)
        top.setData(0, _PART, "path")
        self.tree.addTopLevelItem(top)
        font = top.font(0)
        font.setBold(True)
        top.setFont(0, font)
        parts = ["mask"] if is_reference else list(PARTS)
        for part in parts:
            value = getattr(row, part)
            item = QTreeWidgetItem([part, Path(value).name if value else "automatic" if part == "mask" else "none"])
            item.setToolTip(1, value or "Double-click to choose")
            item.setData(0, _ROW, row.id)
            item.setData(0, _PART, part)
            if not value:
                item.setForeground(1, self.palette().placeholderText())
            top.addChild(item)
        if row.start:
            self._add(top, "start", start_words(row.start), "start", f"Looked for near there only: {row.start}")
        for word, path in row.files():
            if not is_reference:
                self._add_file(top, word, path, "it moves with the map")
            elif path in row.beside[0]:  # nothing else beside the reference is used
                self._add_file(top, word, path, "it tells the noise, and the ceiling of the FSC")
        for file in row.also:
            self._add(top, "moves along", Path(file).name, "also", file).setData(0, _FILE, file)
        top.setExpanded(True)

    def _add(self, top: QTreeWidgetItem, word: str, text: str, part: str, tip: str) -> QTreeWidgetItem:
        item = QTreeWidgetItem([word, text])
        item.setToolTip(1, tip)
        item.setData(0, _ROW, top.data(0, _ROW))
        item.setData(0, _PART, part)
        top.addChild(item)
        return item

    def _add_file(self, top: QTreeWidgetItem, word: str, path: Path, use: str) -> None:
        """Add a line for a file that was found beside a map, with a tick; ``use`` is what becomes of it then."""
        item = self._add(top, word, path.name, "beside", f"{path}\nTicked: {use}")
        item.setData(0, _FILE, str(path))
        on = str(path) not in self.pairing.left and self.with_siblings
        item.setCheckState(0, Qt.CheckState.Checked if on else Qt.CheckState.Unchecked)
        if not self.with_siblings:
            item.setFlags(item.flags() & ~Qt.ItemFlag.ItemIsUserCheckable)
        if not on:
            item.setForeground(1, self.palette().placeholderText())

    def _ticked(self, item: QTreeWidgetItem, column: int) -> None:
        file = item.data(0, _FILE)
        if column == 0 and item.data(0, _PART) == "beside" and self.with_siblings:
            left = item.checkState(0) != Qt.CheckState.Checked
            QTimer.singleShot(0, self, lambda: self.leave([file], left))  # the line itself is written anew

    def _look_beside(self, row: PairRow) -> None:
        def look(check: Any) -> tuple[list[Path], list[Path], list[Path]]:
            from emviewer.engine.jobs.align_inputs import find_siblings

            return find_siblings(Path(row.path))

        def seen(found: tuple[list[Path], list[Path], list[Path]]) -> None:
            row.beside = found
            self.refresh()

        if not row.looked:
            row.looked = True
            self.runner.view((id(self), "beside", row.id), look, seen, fail=lambda error: None, slow=True)

    def _row_of(self, item: QTreeWidgetItem | None) -> PairRow | None:
        return None if item is None else self.pairing.row(item.data(0, _ROW))

    def _allow(self) -> None:
        row = self._row_of(self.tree.currentItem())
        one = row is not None and row in self.pairing.maps
        self.remove_button.setEnabled(one)
        self.reference_button.setEnabled(one)

    # hands ----------------------------------------------------------------------------------------------------------
    def add(self, path: str) -> None:
        """Add a map; the first goes to the reference if that is not chosen."""
        if not self.pairing.reference.path:
            self.pairing.reference = PairRow(path)
        else:
            self.pairing.add(path)
        self._changed()

    def remove(self, row: PairRow | None) -> None:
        """Take a map out."""
        if row is not None:
            self.pairing.remove(row)
            self._changed()

    def make_reference(self, row: PairRow | None) -> None:
        """Let a map be the reference."""
        if row is not None and row in self.pairing.maps:
            self.pairing.make_reference(row)
            self._changed()

    def bind(self, row: PairRow, part: str, path: str) -> None:
        """Bind a file to a row: ``path``, ``mask`` or ``particles``; an empty one takes it away."""
        if part == "path":
            self.pairing.left -= {str(p) for _, p in row.files()}
            row.path, row.beside, row.looked, row.start, row.also = path, ([], [], []), False, "", []
        else:
            setattr(row, part, path)
        self._changed()

    def leave(self, files: list[str], left: bool) -> None:
        """Leave files that lie beside maps, or let them move along."""
        changed = self.pairing.left | set(files) if left else self.pairing.left - set(files)
        if changed != self.pairing.left:
            self.pairing.left = changed
            self._changed()

    def also(self, row: PairRow, file: str, along: bool = True) -> None:
        """Let a further file move with a map, or take it out again."""
        row.also = [f for f in row.also if f != file] + ([file] if along else [])
        self._changed()

    def _changed(self) -> None:
        self.refresh()
        self.edited.emit()

    def _add_menu(self) -> None:
        taken = {r.path for r in self.pairing.rows()}
        menu = QMenu(self)
        for title, path in self.offers():
            if path not in taken:
                menu.addAction(title, lambda p=path: self.add(p))
        menu.addSeparator()
        menu.addAction("Choose files…", self._add_files)
        menu.exec(self.add_button.mapToGlobal(self.add_button.rect().bottomLeft()))
        menu.deleteLater()

    def _add_files(self) -> None:
        folder = str(Path(self.pairing.reference.path).parent) if self.pairing.reference.path else ""
        for name in QFileDialog.getOpenFileNames(self, "Choose maps", folder, FILTERS["mask"])[0]:
            self.add(name)

    def menu_for(self, row: PairRow, part: str) -> QMenu:
        """Return what can be done with a part of a row."""
        menu = QMenu(self)
        if part == "beside":
            return self._menu_beside(menu, row)
        if part == "also":
            for file in row.also:
                menu.addAction(f"Leave {Path(file).name}", lambda f=file: self.also(row, f, along=False))
            return menu
        if part == "start":
            menu.addAction("Look everywhere", lambda: self.bind(row, "start", ""))
            return menu
        if part == "path":
            for title, path in self.offers():
                menu.addAction(title, lambda p=path: self.bind(row, "path", p))
        if part == "mask":
            for path in row.beside[2]:
                menu.addAction(f"{path.name} (beside it)", lambda p=path: self.bind(row, "mask", str(p)))
        menu.addSeparator()
        menu.addAction("Choose a file…", lambda: self._choose(row, part))
        if part in PARTS and getattr(row, part):
            menu.addAction("None", lambda: self.bind(row, part, ""))
        if part == "path" and row.path:
            menu.addAction("Add a file that moves with it…", lambda: self._choose_also(row))
        if part == "path" and row in self.pairing.maps:
            menu.addAction("Make reference", lambda: self.make_reference(row))
            menu.addAction("Remove", lambda: self.remove(row))
        return menu

    def _menu_beside(self, menu: QMenu, row: PairRow) -> QMenu:
        files = [str(path) for _, path in row.files()]
        if self.with_siblings:
            menu.addAction("All of these move with the map", lambda: self.leave(files, False))
            menu.addAction("None of these moves", lambda: self.leave(files, True))
            menu.addSeparator()
        for path in row.beside[2]:
            menu.addAction(f"Use {path.name} as mask", lambda p=path: self.bind(row, "mask", str(p)))
        return menu

    def _choose_also(self, row: PairRow) -> None:
        folder = str(Path(row.path).parent)
        for name in QFileDialog.getOpenFileNames(self, "Choose what moves with it", folder, FILTERS["mask"])[0]:
            self.also(row, name)

    def _menu_at(self, item: QTreeWidgetItem | None, at: QPoint | None = None) -> None:
        row = self._row_of(item)
        if item is None or row is None:
            return
        menu = self.menu_for(row, str(item.data(0, _PART)))
        where = at if at is not None else self.tree.visualItemRect(item).bottomLeft()
        if menu.actions():
            menu.exec(self.tree.viewport().mapToGlobal(where))
        menu.deleteLater()

    def _choose(self, row: PairRow, part: str) -> None:
        start = getattr(row, part) or row.path
        name, _ = QFileDialog.getOpenFileName(self, f"Choose the {part}", start, FILTERS.get(part, FILTERS["mask"]))
        if name:
            self.bind(row, part, name)


def _button(text: str, tip: str) -> QToolButton:
    button = QToolButton()
    button.setText(text)
    button.setToolTip(tip)
    button.setMinimumHeight(26)
    return button
