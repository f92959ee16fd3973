"""The tree of what is open: maps, images, results; and what can be done with each."""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import QPoint, QSize, Qt, Signal
from PySide6.QtGui import QFont, QPainter
from PySide6.QtWidgets import (
    QHeaderView,
    QMenu,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QTreeWidget,
    QTreeWidgetItem,
)

from emviewer.ui import theme
from emviewer.ui.facts import count_text
from emviewer.ui.workspace import Document, Workspace

_GROUPS = (("map", "Maps", "map"), ("images", "Images", "images"), ("result", "Results", "result"))
_DOCUMENT = Qt.ItemDataRole.UserRole


def short_facts(document: Document) -> str:
    """Return what tells a document from its neighbours in a few characters: box and pixel size, or how many images."""
    if document.volume is not None:
        nz, ny, nx = document.volume.shape
        box = f"{nx}³" if document.volume.is_cubic else f"{nx}×{ny}×{nz}"
        known = "" if document.volume.pixel_size_known else "?"
        return f"{box} · {document.volume.pixel_size_A:.3g}{known} Å"
    if document.rows_are != "images":
        return "partial" if document.info.get("Status") == "partial" else ""
    if document.streaming:
        return f"{count_text(document.n_rows)} so far"
    partial = " · partial" if document.info.get("Status") == "partial" else ""
    return f"{count_text(document.n_rows)}{partial}" if document.n_rows else ""


class _Row(QStyledItemDelegate):
    """A name and, at the right edge, facts: each row gives its name all the room that its own facts leave."""

    def parts(self, option: QStyleOptionViewItem, index: Any) -> tuple[str, str]:
        """Return the name, shortened if it must be, and the facts; these go where the name has little room."""
        whole = QStyleOptionViewItem(option)
        super().initStyleOption(whole, index)
        style = whole.widget.style()
        room = style.subElementRect(QStyle.SubElement.SE_ItemViewItemText, whole, whole.widget)
        words, facts = option.fontMetrics, str(index.siblingAtColumn(1).data() or "")
        left = option.rect.right() - room.left() - words.height() // 2
        beside = words.horizontalAdvance(facts) + words.height() // 2 if facts else 0
        if left - beside < min(words.horizontalAdvance(whole.text), 6 * words.height()):
            facts, beside = "", 0
        return words.elidedText(whole.text, Qt.TextElideMode.ElideMiddle, left - beside), facts

    def initStyleOption(self, option: QStyleOptionViewItem, index: Any) -> None:
        super().initStyleOption(option, index)
        option.text = self.parts(option, index)[0]

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Any) -> None:
        super().paint(painter, option, index)
        facts = self.parts(option, index)[1]
        if facts:
            painter.setPen(theme.QColor(theme.current().dim))
            where = option.rect.adjusted(0, 0, -6, 0)
            painter.drawText(where, int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter), facts)


class DocumentsTree(QTreeWidget):
    """The documents of the workspace in three groups.

    Signals
    -------
    show_in : Document, str, bool
        Show it in a panel of this kind (empty: the usual ones); in a new panel if True.
    close_wanted, reveal_wanted, copy_path_wanted, reload_wanted, pixel_size_wanted, project_wanted : Document
    task_wanted : Document, str
    """

    show_in = Signal(object, str, bool)
    close_wanted = Signal(object)
    reveal_wanted = Signal(object)
    copy_path_wanted = Signal(object)
    reload_wanted = Signal(object)
    pixel_size_wanted = Signal(object)
    project_wanted = Signal(object)
    task_wanted = Signal(object, str)

    def __init__(self, workspace: Workspace) -> None:
        super().__init__()
        self.workspace = workspace
        self.kinds_for = lambda document: []
        self.tasks_for = lambda document: []
        self.setAccessibleName("Documents")
        self.setColumnCount(2)
        self.setHeaderHidden(True)
        self.setIndentation(14)
        self.setIconSize(QSize(16, 16))
        self.setRootIsDecorated(False)
        self.setUniformRowHeights(True)
        self.setItemDelegate(_Row(self))
        self.setColumnHidden(1, True)  # its facts are painted beside the names
        self.header().setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        self.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        self.customContextMenuRequested.connect(self._menu)
        self.currentItemChanged.connect(self._chosen)
        self.itemActivated.connect(self._activated)
        self._groups: dict[str, QTreeWidgetItem] = {}
        self._items: dict[int, QTreeWidgetItem] = {}
        for kind, heading, _ in _GROUPS:
            group = QTreeWidgetItem([heading, ""])
            group.setFlags(Qt.ItemFlag.ItemIsEnabled)
            font = QFont(self.font())
            font.setWeight(QFont.Weight.DemiBold)
            group.setFont(0, font)
            self.addTopLevelItem(group)
            group.setExpanded(True)
            group.setHidden(True)
            self._groups[kind] = group
        workspace.added.connect(self._added)
        workspace.removed.connect(self._removed)
        workspace.changed.connect(self._write)
        workspace.current_changed.connect(self._current)
        self.recolour()

    def recolour(self) -> None:
        """Follow a new theme."""
        c = theme.current()
        for kind, _, icon in _GROUPS:
            self._groups[kind].setForeground(0, theme.QColor(c.dim))
            for row in range(self._groups[kind].childCount()):
                item = self._groups[kind].child(row)
                item.setIcon(0, theme.icon(icon, c.dim))

    def _added(self, document: Document) -> None:
        kind = document.kind if document.kind in self._groups else "result"
        item = QTreeWidgetItem(["", ""])
        item.setData(0, _DOCUMENT, document.id)
        self._items[document.id] = item
        self._groups[kind].addChild(item)
        self._groups[kind].setHidden(False)
        self._groups[kind].setExpanded(True)
        self._write(document)
        self.recolour()

    def _removed(self, document: Document) -> None:
        item = self._items.pop(document.id, None)
        if item is not None:
            group = item.parent()
            group.removeChild(item)
            group.setHidden(group.childCount() == 0)

    def _write(self, document: Document) -> None:
        item = self._items.get(document.id)
        if item is not None:
            item.setText(0, document.title)
            item.setText(1, short_facts(document))
            item.setToolTip(0, str(document.path or document.title))

    def _current(self, document: Document | None) -> None:
        item = self._items.get(document.id) if document is not None else None
        self.setCurrentItem(item)

    def document_of(self, item: QTreeWidgetItem | None) -> Document | None:
        """Return the document of an item; None for a heading."""
        if item is None or item.data(0, _DOCUMENT) is None:
            return None
        return self.workspace.documents.get(item.data(0, _DOCUMENT))

    def _chosen(self, item: QTreeWidgetItem | None, _before: QTreeWidgetItem | None) -> None:
        document = self.document_of(item)
        if document is not None:
            self.workspace.set_current(document)

    def _activated(self, item: QTreeWidgetItem) -> None:
        document = self.document_of(item)
        if document is not None:
            self.show_in.emit(document, "", False)

    def _menu(self, where: QPoint) -> None:
        document = self.document_of(self.itemAt(where))
        if document is not None:
            menu = self.menu_for(document)
            menu.exec(self.viewport().mapToGlobal(where))
            menu.deleteLater()

    def menu_for(self, document: Document) -> QMenu:
        """Return the context menu of a document."""
        menu = QMenu(self)
        for cls in self.kinds_for(document):
            menu.addAction(f"Show in {cls.heading}", lambda k=cls.kind: self.show_in.emit(document, k, False))
        again = menu.addMenu("Show in a new panel")
        for cls in self.kinds_for(document):
            again.addAction(cls.heading, lambda k=cls.kind: self.show_in.emit(document, k, True))
        again.setEnabled(bool(again.actions()))
        tasks = self.tasks_for(document)
        if tasks:
            menu.addSeparator()
        for name, title in tasks:
            menu.addAction(f"{title}…", lambda n=name: self.task_wanted.emit(document, n))
        menu.addSeparator()
        if document.kind in ("map", "images"):
            menu.addAction("Pixel size…", lambda: self.pixel_size_wanted.emit(document))
        if document.info.get("_images") is not None and document.kind == "images":
            menu.addAction("Project folder…", lambda: self.project_wanted.emit(document))
        if document.path is not None:
            menu.addAction("Reload from disk", lambda: self.reload_wanted.emit(document))
            menu.addAction("Show in the file manager", lambda: self.reveal_wanted.emit(document))
            menu.addAction("Copy path", lambda: self.copy_path_wanted.emit(document))
        menu.addSeparator()
        menu.addAction("Close", lambda: self.close_wanted.emit(document))
        return menu

    def keyPressEvent(self, event: object) -> None:
        """Close the chosen document with Delete (its file stays)."""
        document = self.document_of(self.currentItem())
        if event.key() == Qt.Key.Key_Delete and document is not None:
            self.close_wanted.emit(document)
            return
        super().keyPressEvent(event)
