"""The table on the screen: Qt's view with our selection, so that half a million selected rows cost nothing."""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import QModelIndex, QPersistentModelIndex, QPoint, QRect, QSize, Qt, Signal
from PySide6.QtGui import (
    QColor,
    QContextMenuEvent,
    QGuiApplication,
    QImage,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPalette,
    QResizeEvent,
    QShowEvent,
    QWheelEvent,
)
from PySide6.QtWidgets import (
    QAbstractItemView,
    QHeaderView,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QTableView,
    QWidget,
)

from emviewer.ui import columns
from emviewer.ui.row_order import ROW_NUMBER
from emviewer.ui.row_picker import RowPicker
from emviewer.ui.table_model import IMAGE, TableModel, is_number
from emviewer.ui.thumbnails import Thumbnails

MIN_PICTURE, MAX_PICTURE = 16, 256
SAMPLED_ROWS = 20
"""Rows whose text decides how wide columns are at first."""
MARGIN = 6
"""Room between the text of a cell and its edges."""
_LEFT = Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter | Qt.TextFlag.TextSingleLine
_RIGHT = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter | Qt.TextFlag.TextSingleLine
_NO_MODIFIER = Qt.KeyboardModifier.NoModifier


class RowDelegate(QStyledItemDelegate):
    """Paints selected rows with a tick beside their number, the current row with lines, and pictures."""

    def __init__(self, picker: RowPicker, thumbnails: Thumbnails, parent: QWidget) -> None:
        super().__init__(parent)
        self.picker = picker
        self.thumbnails = thumbnails

    def paint(
        self, painter: QPainter, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex
    ) -> None:
        # Qt's own way asks the model eight questions a cell; with answers in Python a page takes 70 ms instead of 5.
        model: TableModel = index.model()  # type: ignore[assignment]
        row, name, rect = index.row(), model.names[index.column()], option.rect
        selected = self.picker.is_selected(row)
        colour = option.palette.color
        if selected:
            painter.fillRect(rect, colour(QPalette.ColorRole.Highlight))
        painter.setPen(colour(QPalette.ColorRole.HighlightedText if selected else QPalette.ColorRole.Text))
        if name == IMAGE:
            self._picture(painter, option, int(model.rows.shown[row]))
        else:
            self._text(painter, option, model, row, name)
            if name == ROW_NUMBER and selected:
                painter.drawText(rect.adjusted(5, 0, 0, 0), _LEFT, "✓")
        if row == self.picker.current:
            painter.setPen(colour(QPalette.ColorRole.Text))
            painter.drawLine(rect.topLeft(), rect.topRight())
            painter.drawLine(rect.bottomLeft(), rect.bottomRight())

    def _text(self, painter: QPainter, option: QStyleOptionViewItem, model: TableModel, row: int, name: str) -> None:
        text, metrics = model.text(row, name), option.fontMetrics
        box = option.rect.adjusted(MARGIN, 0, -MARGIN, 0)
        if metrics.horizontalAdvance(text) > box.width():
            text = metrics.elidedText(text, Qt.TextElideMode.ElideMiddle, box.width())
        painter.drawText(box, _RIGHT if is_number(text) else _LEFT, text)

    def _picture(self, painter: QPainter, option: QStyleOptionViewItem, position: int) -> None:
        self.draw_picture(painter, option, self.thumbnails.get(position))

    @staticmethod
    def draw_picture(painter: QPainter, option: QStyleOptionViewItem, picture: QImage | None) -> None:
        """Paint a picture into the middle of a cell, or a grey square where there is none yet."""
        side = min(option.rect.width(), option.rect.height()) - 4
        box = QRect(0, 0, side, side)
        if picture is None:
            box.moveCenter(option.rect.center())
            grey = QColor(option.palette.color(QPalette.ColorRole.Text))
            grey.setAlphaF(0.10)
            painter.fillRect(box, grey)
            return
        box.setSize(picture.size().scaled(QSize(side, side), Qt.AspectRatioMode.KeepAspectRatio))
        box.moveCenter(option.rect.center())
        painter.drawImage(box, picture)


class RowsTable(QTableView):
    """A table whose rows are selected through a :class:`RowPicker`.

    Signals
    -------
    activated_row : int
        Double click or Enter on the row at this place.
    menu_wanted : int, QPoint
        Right click at a place (-1: below the rows), global position.
    sort_wanted : str, bool
        Click on a header; True with Shift, which adds a key.
    picture_size_changed : int
        Ctrl+wheel.
    """

    activated_row = Signal(int)
    menu_wanted = Signal(int, QPoint)
    sort_wanted = Signal(str, bool)
    picture_size_changed = Signal(int)

    def __init__(self, picker: RowPicker, thumbnails: Thumbnails, model: TableModel, parent: QWidget | None = None):
        super().__init__(parent)
        self.picker = picker
        self.thumbnails = thumbnails
        self.table_model = model
        self.picture_px = 40
        self._dragging = False
        self._at_press = np.empty(0, np.int64)
        self.setModel(model)
        self.setItemDelegate(RowDelegate(picker, thumbnails, self))
        self.setSelectionMode(QAbstractItemView.SelectionMode.NoSelection)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setHorizontalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setWordWrap(False)
        self.setShowGrid(False)
        self.setAlternatingRowColors(True)
        self.setTabKeyNavigation(False)
        self.setAccessibleName("Table of images")
        self.verticalHeader().hide()
        self.verticalHeader().setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        self.horizontalHeader().setSectionsClickable(True)
        self.horizontalHeader().setHighlightSections(False)
        self.horizontalHeader().setDefaultAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        self.horizontalHeader().sectionClicked.connect(self._header_clicked)
        self.verticalScrollBar().valueChanged.connect(lambda _: self.request())
        thumbnails.ready.connect(lambda _: self.viewport().update())
        picker.changed.connect(self.viewport().update)
        self.fit_rows()

    def fit_rows(self) -> None:
        """Give all rows the height that picture and text need."""
        text = self.fontMetrics().height() + 8
        pictures = IMAGE in self.table_model.names
        self.verticalHeader().setMinimumSectionSize(8)
        self.verticalHeader().setDefaultSectionSize(max(text, self.picture_px + 4 if pictures else 0))
        if pictures:
            self.setColumnWidth(0, self.picture_px + 8)
        self.request()

    def fit_columns(self) -> None:
        """Give columns the width of their header and of the text of some rows."""
        metrics = self.fontMetrics()
        model = self.table_model
        n = model.rowCount()
        places = np.unique(np.linspace(0, n - 1, min(n, SAMPLED_ROWS)).astype(int)) if n else []
        for section, name in enumerate(model.names):
            if name == IMAGE:
                continue
            texts = [columns.title(name) + " ▲1", *(model.text(int(p), name) for p in places)]
            wide = max(metrics.horizontalAdvance(text) for text in texts) + 22
            self.setColumnWidth(section, min(wide, metrics.averageCharWidth() * 46))

    def visible(self) -> tuple[int, int]:
        """Return the places (first, past the last) that are on the screen."""
        n = self.table_model.rowCount()
        first, last = self.rowAt(0), self.rowAt(self.viewport().height() - 1)
        return (max(0, first), n if last < 0 else last + 1) if n else (0, 0)

    def request(self) -> None:
        """Ask for the pictures of the visible rows, then of a page below and above; not while hidden."""
        if self.isVisible() and IMAGE in self.table_model.names:
            first, last = self.visible()
            shown, page = self.picker.rows.shown, last - first
            near = [shown[first:last], shown[last : last + page], shown[max(0, first - page) : first]]
            self.thumbnails.want(np.concatenate(near).tolist())

    def show_place(self, place: int) -> None:
        """Scroll as little as needed to show a row."""
        index = self.table_model.index(place, 0)
        if index.isValid():
            self.executeDelayedItemsLayout()  # rows that were set a moment ago have no place to scroll to yet
            left = self.horizontalScrollBar().value()
            self.scrollTo(index, QAbstractItemView.ScrollHint.EnsureVisible)
            self.horizontalScrollBar().setValue(left)

    def _header_clicked(self, section: int) -> None:
        name = self.table_model.names[section]
        if name != IMAGE:
            shift = QGuiApplication.keyboardModifiers() & Qt.KeyboardModifier.ShiftModifier
            self.sort_wanted.emit(name, bool(shift))

    # mouse and keys -------------------------------------------------------------------------------------------------
    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self.request()

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        self.request()

    def mousePressEvent(self, event: QMouseEvent) -> None:
        if event.button() != Qt.MouseButton.LeftButton:
            return
        self.setFocus(Qt.FocusReason.MouseFocusReason)
        self._at_press = self.picker.selection()
        place = self.rowAt(event.position().toPoint().y())
        self.picker.begin_band(event.modifiers())
        if place < 0:
            self.picker.clear()
            return
        self._dragging = True
        self.picker.click(place, event.modifiers())

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        if not self._dragging or self.picker.anchor is None:
            return
        y = event.position().toPoint().y()
        place = self.rowAt(int(np.clip(y, 0, self.viewport().height() - 1)))
        if place < 0:
            place = self.table_model.rowCount() - 1
        if place != self.picker.current:
            low, high = sorted((self.picker.anchor, place))
            self.picker.band(np.arange(low, high + 1))
            self.picker.make_current(place)
        step = self.verticalHeader().defaultSectionSize()
        beyond = -step if y < 0 else step if y >= self.viewport().height() else 0
        self.verticalScrollBar().setValue(self.verticalScrollBar().value() + beyond)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        if self._dragging:
            self._dragging = False
            self.picker.end_band(self._at_press)

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        place = self.rowAt(event.position().toPoint().y())
        if place >= 0:
            self.activated_row.emit(place)

    def contextMenuEvent(self, event: QContextMenuEvent) -> None:
        self.menu_wanted.emit(self.rowAt(event.pos().y()), event.globalPos())

    def wheelEvent(self, event: QWheelEvent) -> None:
        if event.modifiers() & Qt.KeyboardModifier.ControlModifier:
            self.set_picture(round(self.picture_px * 1.15 ** (event.angleDelta().y() / 120)))
            event.accept()
        else:
            super().wheelEvent(event)

    def set_picture(self, size: int) -> None:
        """Set the edge of the pictures in logical pixels; rows follow."""
        size = int(np.clip(size, MIN_PICTURE, MAX_PICTURE))
        if size != self.picture_px:
            first = self.visible()[0]
            self.picture_px = size
            self.fit_rows()
            self.updateGeometries()  # the scroll bar learns of the new height only now
            self.verticalScrollBar().setValue(first * self.verticalHeader().defaultSectionSize())
            self.picture_size_changed.emit(size)

    def go(self, by: int, modifiers: Qt.KeyboardModifier = _NO_MODIFIER) -> None:
        """Move the current row by so many places; with Shift the selection follows."""
        n = len(self.picker.rows)
        if n:
            current = self.picker.current
            place = int(np.clip((-1 if current is None else current) + by, 0, n - 1))
            self.picker.step(place, modifiers)
            self.show_place(place)

    @property
    def page(self) -> int:
        """Rows that fit on the screen, at least one."""
        return max(1, self.viewport().height() // self.verticalHeader().defaultSectionSize())

    def keyPressEvent(self, event: QKeyEvent) -> None:
        keys, n = Qt.Key, len(self.picker.rows)
        step = {
            keys.Key_Up: -1,
            keys.Key_Down: 1,
            keys.Key_PageUp: -self.page,
            keys.Key_PageDown: self.page,
            keys.Key_Home: -n,
            keys.Key_End: n,
        }.get(keys(event.key()))
        current = self.picker.current
        if step is not None:
            self.go(step, event.modifiers())
        elif event.key() in (keys.Key_Left, keys.Key_Right):
            bar = self.horizontalScrollBar()
            bar.setValue(bar.value() + (40 if event.key() == keys.Key_Right else -40))
        elif event.key() == keys.Key_Space and current is not None:
            self.picker.toggle(current)
        elif event.key() in (keys.Key_Return, keys.Key_Enter) and current is not None:
            self.activated_row.emit(current)
        else:
            event.ignore()
