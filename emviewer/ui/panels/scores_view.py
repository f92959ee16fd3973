"""The table of scores: three pictures a row, states in words and colour, the winner among maps marked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from PySide6.QtCore import QModelIndex, QPersistentModelIndex, Qt
from PySide6.QtGui import QColor, QFont, QPainter
from PySide6.QtWidgets import QStyleOptionViewItem, QWidget

from emviewer.ui import columns, comparison, theme
from emviewer.ui.panels.table_view import RowDelegate, RowsTable
from emviewer.ui.row_picker import RowPicker
from emviewer.ui.table_model import IMAGE, TableModel
from emviewer.ui.tags import KEEP, REJECT
from emviewer.ui.thumbnails import Thumbnails

FITTED, RESIDUAL = "\0fitted", "\0residual"
PICTURES = {IMAGE: "image", FITTED: "reproj.", RESIDUAL: "residual"}
STATES = {"ok": "✓ ok", "flagged": "! flagged", "failed": "✕ failed"}
MARKS = {KEEP: "✓", REJECT: "✕"}
"""Signs of the tags in the narrow column; digits stand for themselves."""
TIPS = {
    comparison.TAG: "Your mark: Space keep, Del reject, 1 to 9, 0 none",
    "status": "ok, flagged as an outlier, or failed with a reason",
    "outlier_score": "Robust z of correlation and image distance against the set; beyond 3.5 an image is flagged",
    "cc": "Correlation of image and fitted reprojection in the mask",
    "cc_margin": "Best view less second best; a small margin is an uncertain view",
    comparison.WINNER: "The map with the highest correlation",
}


def state_mark(status: str) -> str:
    """Return the sign of a state that needs attention, empty for ok."""
    return "" if status == "ok" else STATES.get(status, status)[:1]


class ScoresModel(TableModel):
    """The table with pictures of image, reprojection and residual before the row number."""

    image_name = "image"

    def set_table(self, table: pd.DataFrame, with_image: bool, hidden: Sequence[str] = ()) -> None:
        """Show a table (its rows must have been given to the row order)."""
        super().set_table(table, with_image, hidden)
        if with_image:
            self.beginInsertColumns(QModelIndex(), 1, 2)
            self.names[1:1] = [FITTED, RESIDUAL]
            self.endInsertColumns()

    def text(self, place: int, name: str) -> str:
        """Return what a cell says."""
        if name in PICTURES:
            return ""
        value = self.value(place, name)
        if name == "status":
            return STATES.get(str(value), str(value))
        if name == comparison.TAG:
            return MARKS.get(str(value), str(value))
        return columns.shown(value, columns.heading(name)[1])

    def data(self, index: QModelIndex | QPersistentModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        if index.isValid() and self.names[index.column()] in PICTURES:
            return "" if role == Qt.ItemDataRole.DisplayRole else None
        return super().data(index, role)

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        name = self.names[section] if section < len(self.names) else ""
        if orientation == Qt.Orientation.Horizontal and name in PICTURES:
            words = self.image_name if name == IMAGE else PICTURES[name]
            return words if role == Qt.ItemDataRole.DisplayRole else None
        if role == Qt.ItemDataRole.ToolTipRole and name in TIPS:
            return f"{TIPS[name]}. Click to sort, again to reverse"
        return super().headerData(section, orientation, role)


class ScoresDelegate(RowDelegate):
    """Paints the pictures of three stacks, and states in their colours."""

    def __init__(self, picker: RowPicker, pictures: dict[str, Thumbnails], parent: QWidget) -> None:
        super().__init__(picker, pictures[IMAGE], parent)
        self.pictures = pictures

    def _text(self, painter: QPainter, option: QStyleOptionViewItem, model: TableModel, row: int, name: str) -> None:
        if name in self.pictures:
            position = int(model.rows.shown[row])
            self.draw_picture(painter, option, self.pictures[name].get(position))
            return
        painter.save()
        colour = self._colour(model, row, name)
        if colour is not None and not self.picker.is_selected(row):
            painter.setPen(colour)
        if self._wins(model, row, name):
            bold = QFont(option.font)
            bold.setBold(True)
            painter.setFont(bold)
            painter.drawText(option.rect.adjusted(6, 0, 0, 0), Qt.AlignmentFlag.AlignVCenter, "●")
        super()._text(painter, option, model, row, name)
        painter.restore()

    def _colour(self, model: TableModel, row: int, name: str) -> QColor | None:
        c = theme.current()
        if name == "status":
            value = str(model.value(row, name))
            return QColor({"flagged": c.on_warn, "failed": c.on_error}.get(value, c.on_good))
        if name == comparison.TAG:
            return QColor({KEEP: c.on_good, REJECT: c.on_error}.get(str(model.value(row, name)), c.text))
        return None

    def _wins(self, model: TableModel, row: int, name: str) -> bool:
        """Return whether this cell holds the correlation of the map that is best for the row."""
        if not name.startswith("cc ") or comparison.WINNER not in model.names:
            return False
        return str(model.value(row, comparison.WINNER)) == name[3:]


class ScoresTable(RowsTable):
    """A table of rows with three pictures each."""

    def __init__(self, picker: RowPicker, pictures: dict[str, Thumbnails], model: ScoresModel) -> None:
        self.pictures = pictures
        super().__init__(picker, pictures[IMAGE], model)
        self.setItemDelegate(ScoresDelegate(picker, pictures, self))
        self.setAccessibleName("Table of scores")
        self.setMinimumHeight(60)
        for thumbnails in list(pictures.values())[1:]:
            thumbnails.ready.connect(lambda _: self.viewport().update())

    def fit_rows(self) -> None:
        """Give all rows the height that pictures and text need."""
        super().fit_rows()
        least = self.fontMetrics().horizontalAdvance("residual") + 12
        for section, name in enumerate(self.table_model.names):
            if name in PICTURES:
                self.setColumnWidth(section, max(self.picture_px + 8, least))

    def fit_columns(self) -> None:
        """Give columns the width of their header and of the text of some rows; long names are cut short."""
        super().fit_columns()
        widest = self.fontMetrics().averageCharWidth() * 26
        for section in range(len(self.table_model.names)):
            self.setColumnWidth(section, min(self.columnWidth(section), widest))

    def request(self) -> None:
        """Ask for the pictures of the visible rows, then of the page below."""
        super().request()
        if self.isVisible() and IMAGE in self.table_model.names:
            first, last = self.visible()
            shown = self.picker.rows.shown
            near = np.concatenate([shown[first:last], shown[last : last + (last - first)]]).tolist()
            for thumbnails in list(self.pictures.values())[1:]:
                thumbnails.want(near)

    def _header_clicked(self, section: int) -> None:
        if self.table_model.names[section] not in PICTURES:
            super()._header_clicked(section)
