"""Command palette, sheet of keys, help and about."""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib.resources import files
from typing import Any

import PySide6
from PySide6.QtCore import QEvent, QSize, Qt, QTimer, QUrl
from PySide6.QtGui import QDesktopServices, QKeySequence
from PySide6.QtWidgets import (
    QDialog,
    QDialogButtonBox,
    QFrame,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QListWidget,
    QListWidgetItem,
    QMessageBox,
    QScrollArea,
    QSplitter,
    QTextBrowser,
    QVBoxLayout,
    QWidget,
)

from emviewer import __version__
from emviewer.ui import theme
from emviewer.ui.actions import ACTIONS, MENUS

FILE_FILTER = (
    "All that can be opened (*.mrc *.map *.ccp4 *.mrcs *.st *.stk *.star *.cs *.xmd *.npy *.pdb *.cif *.gz *.bz2);;"
    "Maps (*.mrc *.map *.ccp4 *.npy *.gz *.bz2);;Images (*.mrcs *.mrc *.stk *.star *.cs *.xmd);;"
    "Atomic models (*.pdb *.cif *.ent *.gz);;All files (*)"
)
SESSION_FILTER = "emviewer sessions (*.emv)"


_COLUMN = {"&File": 0, "&Edit": 0, "&Image": 1}
"""Column of the sheet of keys in which a menu stands; the others are in the last."""


def key_text(key: str) -> str:
    """Return a shortcut as the platform writes it."""
    return QKeySequence(key).toString(QKeySequence.SequenceFormat.NativeText)


def fuzzy_score(query: str, text: str) -> int:
    """Return how well a text answers what was typed; 0 is not at all. Words beat letters in order."""
    query, text = query.lower().strip(), text.lower()
    if not query:
        return 1
    if query in text:
        return 1000 - text.index(query) - len(text) // 4
    place, score = 0, 0
    for letter in query:
        found = text.find(letter, place)
        if found < 0:
            return 0
        score += 20 if found == 0 or text[found - 1] == " " else 5 if found == place else 1
        place = found + 1
    return score


class CommandPalette(QDialog):
    """Type a few letters, press Enter.

    Parameters
    ----------
    entries : list of (text, hint, icon, callback)
        What can be chosen.
    """

    def __init__(self, entries: list[tuple[str, str, str, Callable[[], Any]]], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("Command palette")
        self.setWindowFlag(Qt.WindowType.FramelessWindowHint)
        self.entries = entries
        self.line = QLineEdit()
        self.line.setPlaceholderText("Type a command, a panel or a document")
        self.line.setAccessibleName("Command")
        self.list = QListWidget()
        self.list.setAccessibleName("Commands")
        self.list.setIconSize(QSize(18, 18))
        self.list.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.list.itemActivated.connect(lambda _: self.accept())
        self.list.itemClicked.connect(lambda _: self.accept())
        self.line.textChanged.connect(self._filter)
        self.line.installEventFilter(self)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(8, 8, 8, 8)
        layout.addWidget(self.line)
        layout.addWidget(self.list)
        em = self.fontMetrics().height()
        self.resize(em * 34, em * 22)
        self._filter("")

    def _filter(self, query: str) -> None:
        scored = [(fuzzy_score(query, entry[0]), -i, entry) for i, entry in enumerate(self.entries)]
        self.list.clear()
        for score, place, (text, hint, icon, _) in sorted(scored, key=lambda s: s[:2], reverse=True):
            if score:
                item = QListWidgetItem(f"{text}    {hint}" if hint else text)
                item.setData(Qt.ItemDataRole.UserRole, -place)
                item.setSizeHint(QSize(0, max(26, self.fontMetrics().height() + 10)))
                if icon:
                    item.setIcon(theme.icon(icon, theme.current().dim))
                self.list.addItem(item)
        self.list.setCurrentRow(0)

    def chosen(self) -> Callable[[], Any] | None:
        """Return what the chosen entry does."""
        item = self.list.currentItem()
        return None if item is None else self.entries[item.data(Qt.ItemDataRole.UserRole)][3]

    def eventFilter(self, watched: Any, event: Any) -> bool:
        """Let the arrow keys move in the list while the keyboard stays in the line."""
        if watched is self.line and event.type() == QEvent.Type.KeyPress:
            moves = {Qt.Key.Key_Down: 1, Qt.Key.Key_Up: -1, Qt.Key.Key_PageDown: 10, Qt.Key.Key_PageUp: -10}
            if event.key() in moves:
                row = self.list.currentRow() + moves[event.key()]
                self.list.setCurrentRow(max(0, min(self.list.count() - 1, row)))
                return True
            if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
                self.accept()
                return True
        return super().eventFilter(watched, event)


def palette_entries(window: Any) -> list[tuple[str, str, str, Callable[[], Any]]]:
    """Return everything that can be done now: enabled actions, then documents."""
    entries: list[tuple[str, str, str, Callable[[], Any]]] = []
    tasks_first = sorted(window.actions_.actions.values(), key=lambda a: a.data().menu != "&Task")
    for action in tasks_first:
        spec = action.data()
        if action.isEnabled() and spec.name != "palette":
            hint = key_text(spec.keys[0]) if spec.keys else ""
            text = f"{spec.menu.replace('&', '')}: {spec.text.replace('&', '')}"
            entries.append((text, hint, spec.icon, action.trigger))
    for document in window.workspace.documents.values():
        kind = document.kind if document.kind in theme.icon_names() else "result"
        entries.append((f"Show {document.title}", "", kind, lambda d=document: window.open_known(d)))
    return entries


def show_palette(window: Any) -> None:
    """Open the command palette over the middle of the window and carry out what is chosen."""
    dialog = CommandPalette(palette_entries(window), window)
    place = window.mapToGlobal(window.rect().center())
    dialog.move(place.x() - dialog.width() // 2, window.mapToGlobal(window.rect().topLeft()).y() + window.height() // 6)
    if dialog.exec():
        chosen = dialog.chosen()
        if chosen is not None:
            QTimer.singleShot(0, window, chosen)  # when the keyboard is back in the window
    dialog.deleteLater()
    window.activateWindow()


class ShortcutsSheet(QDialog):
    """Every key, by menu, in columns."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("Keyboard shortcuts")
        holder = QWidget()
        columns = QHBoxLayout(holder)
        columns.setSpacing(36)
        sheets = [QVBoxLayout() for _ in range(3)]
        for sheet in sheets:
            sheet.setSpacing(0)
            columns.addLayout(sheet, 1)
        for menu in (m for m in MENUS if any(a.keys and a.menu == m for a in ACTIONS)):
            grid = QGridLayout()
            grid.setHorizontalSpacing(18)
            grid.setVerticalSpacing(5)
            title = QLabel(menu.replace("&", ""))
            title.setProperty("role", "title")
            grid.addWidget(title, 0, 0, 1, 2)
            for row, spec in enumerate((a for a in ACTIONS if a.keys and a.menu == menu), 1):
                keys = QLabel("  ".join(key_text(k) for k in spec.keys))
                keys.setProperty("role", "dim")
                keys.setAlignment(Qt.AlignmentFlag.AlignRight)
                grid.addWidget(QLabel(spec.text.replace("&", "").rstrip("…")), row, 0)
                grid.addWidget(keys, row, 1)
            sheets[_COLUMN.get(menu, 2)].addLayout(grid)
            sheets[_COLUMN.get(menu, 2)].addSpacing(18)
        mouse = QLabel(
            "<b>Mouse</b><br>wheel: step<br>Ctrl+wheel: zoom at the cursor<br>Shift+wheel: ten steps<br>"
            "drag left: crosshair, or select<br>drag middle: pan<br>drag right: levels"
        )
        sheets[2].addWidget(mouse)
        for sheet in sheets:
            sheet.addStretch(1)
        scroll = QScrollArea()
        scroll.setWidgetResizable(True)
        scroll.setWidget(holder)
        scroll.setFrameShape(QFrame.Shape.NoFrame)
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close)
        buttons.rejected.connect(self.reject)
        layout = QVBoxLayout(self)
        layout.addWidget(scroll)
        layout.addWidget(buttons)
        em = self.fontMetrics().height()
        self.resize(em * 66, em * 44)


def show_shortcuts(window: Any) -> None:
    """Show the sheet of keys."""
    dialog = ShortcutsSheet(window)
    dialog.finished.connect(window.activateWindow)
    dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
    dialog.open()


class HelpViewer(QDialog):
    """The help pages in the order of their numbers; a page of the same name without a number follows, set in."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("emviewer help")
        self.contents = QListWidget()
        self.contents.setAccessibleName("Contents")
        self.page = QTextBrowser()
        self.page.setOpenLinks(False)
        self.page.anchorClicked.connect(self._follow)
        self.page.setAccessibleName("Help page")
        self.page.document().setDocumentMargin(24)
        folder = files("emviewer.resources").joinpath("help")
        self.names = in_order([page.name for page in folder.iterdir() if page.name.endswith(".md")])
        self.texts = [folder.joinpath(name).read_text(encoding="utf-8") for name in self.names]
        for number, text in enumerate(self.texts):
            follows = number and self.names[number - 1].endswith(f"-{self.names[number]}")
            item = QListWidgetItem(("\u2003" if follows else "") + text.splitlines()[0].lstrip("# "))
            item.setSizeHint(QSize(0, max(28, self.fontMetrics().height() + 12)))
            self.contents.addItem(item)
        self.contents.currentRowChanged.connect(lambda row: self.page.setMarkdown(self.texts[row]))
        self.contents.setCurrentRow(0)
        split = QSplitter()
        split.addWidget(self.contents)
        split.addWidget(self.page)
        split.setStretchFactor(1, 1)
        em = self.fontMetrics().height()
        split.setSizes([em * 20, em * 44])
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(split)
        self.resize(em * 60, em * 38)

    def _follow(self, url: QUrl) -> None:
        """Show the help page that a link names; anything else is for the browser."""
        if url.isRelative() and url.path() in self.names:
            self.contents.setCurrentRow(self.names.index(url.path()))
        elif not url.isRelative():
            QDesktopServices.openUrl(url)


def in_order(names: list[str]) -> list[str]:
    """Return help pages by number, each followed by the page of the same name without one, then the others."""
    numbers = {name.partition("-")[2]: name for name in names if name[:1].isdigit()}
    return sorted(names, key=lambda name: (numbers.get(name, name), name not in numbers.values()))


def show_help(window: Any) -> None:
    """Show the help beside the window (not in its way)."""
    dialog = HelpViewer(window)
    dialog.finished.connect(window.activateWindow)
    dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
    dialog.setModal(False)
    dialog.show()


def show_about(window: Any) -> None:
    """Say what this is."""
    box = QMessageBox(window)
    box.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
    box.setWindowTitle("About emviewer")
    box.setIconPixmap(theme.icon("logo").pixmap(QSize(64, 64), window.devicePixelRatio()))
    box.setText(f"<b>emviewer {__version__}</b>")
    box.setInformativeText(
        "Does this 3D map explain these 2D images, and which images, or which map, are the exceptions?<br><br>"
        f"MIT licence. Python {sys.version.split()[0]}, PySide6 {PySide6.__version__}."
    )
    box.open()
