"""The strip of histograms above a table: one a column; a dragged range filters the rows."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from PySide6.QtCore import QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QHelpEvent, QMouseEvent, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QSizePolicy, QTableView, QToolTip, QWidget

from emviewer.ui import columns, theme
from emviewer.ui.latest import Latest
from emviewer.ui.runner import Runner
from emviewer.ui.table_model import SORT_ELSEWHERE

BINS = 32
MOVED = 3.0
"""Widget units from which a press is a drag."""


@dataclass(frozen=True, eq=False)
class ColumnHistogram:
    """Counts of a column in even bins from ``low`` to ``high``."""

    low: float
    high: float
    counts: np.ndarray


def histogram_of(values: np.ndarray) -> ColumnHistogram | None:
    """Return the histogram of the finite values; None if there are not two different ones."""
    known = values[np.isfinite(values)]
    if len(known) < 2:
        return None
    low, high = float(known.min()), float(known.max())
    if not high > low:
        return None
    return ColumnHistogram(low, high, np.histogram(known, BINS, (low, high))[0])


def counted(table: pd.DataFrame, names: list[str]) -> dict[str, ColumnHistogram | None]:
    """Return the histograms of columns; for any thread."""
    return {name: histogram_of(table[name].to_numpy(float)) for name in names if name in table}


def mask_of(table: pd.DataFrame, ranges: dict[str, tuple[float, float]]) -> np.ndarray | None:
    """Return which rows lie in all ranges, bool (n,); missing values lie in none; None without ranges."""
    mask = None
    for name, (low, high) in ranges.items():
        if name in table:
            values = table[name].to_numpy(float)
            inside = (values >= low) & (values <= high)
            mask = inside if mask is None else mask & inside
    return mask


class FilterStrip(QWidget):
    """Histograms that stand above the columns of a table and move with them.

    Parameters
    ----------
    view : QTableView
        The table.

    Signals
    -------
    changed : dict
        Column name to (low, high); while a range is dragged, too.
    """

    changed = Signal(object)

    def __init__(self, view: QTableView, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.view = view
        self.names: list[str] = []
        self.ranges: dict[str, tuple[float, float]] = {}
        self._histograms: dict[str, ColumnHistogram | None] = {}
        self._due: set[str] = set()
        self._table: pd.DataFrame | None = None
        self._press: tuple[str, QPointF, bool] | None = None
        self._lane: Latest | None = None
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setMouseTracking(True)
        self.setAccessibleName("Histograms of the columns; drag to filter")
        view.horizontalHeader().sectionResized.connect(lambda *_: self.update())
        view.horizontalHeader().geometriesChanged.connect(self.update)
        view.horizontalScrollBar().valueChanged.connect(lambda _: self.update())

    def sizeHint(self) -> QSize:
        return QSize(200, self.fontMetrics().height() * 2)

    def use_lane(self, runner: Runner, owner: Hashable) -> None:
        """Count the rows of long tables in the view lane of a runner; ``owner`` is the ``id`` of the panel."""
        self._lane = Latest(runner, (owner, "histograms"))

    def set_table(self, table: pd.DataFrame | None, names: list[str]) -> None:
        """Show the columns ``names`` of a table; ranges of columns that are there stay."""
        before, self._table, self.names = self._table, table, names
        if table is None:
            self._histograms, self._due = {}, set()
        else:  # what is drawn stays until the new counts are there
            self._due |= {name for name in self._histograms if not columns.same(before, table, (name,))}
            self._histograms = {name: found for name, found in self._histograms.items() if name in table}
        self.update()

    def histogram(self, name: str) -> ColumnHistogram | None:
        """Return the histogram of a column of numbers, made when it is first seen (15 ms for a million rows)."""
        table = self._table
        if table is None or name not in table or table[name].dtype.kind not in "iuf":
            return None
        if name not in self._histograms or name in self._due:
            self._due.add(name)
            if self._lane is None or len(table) < SORT_ELSEWHERE:
                self._count(table)
            elif not self._lane.busy:
                wanted = sorted(self._due)
                self._lane.ask(lambda check: counted(table, wanted), lambda found: self._counted(table, found))
        return self._histograms.get(name)

    def _count(self, table: pd.DataFrame) -> None:
        self._histograms |= counted(table, sorted(self._due))
        self._due.clear()

    def _counted(self, table: pd.DataFrame, found: dict[str, ColumnHistogram | None]) -> None:
        self._histograms |= found
        if self._table is not None:
            self._due -= {name for name in found if columns.same(table, self._table, (name,))}
        self.update()

    def set_range(self, name: str, low: float, high: float) -> None:
        """Filter a column."""
        self.ranges[name] = (min(low, high), max(low, high))
        self.update()
        self.changed.emit(dict(self.ranges))

    def clear(self, name: str = "") -> None:
        """Take away one filter, or all."""
        if name:
            self.ranges.pop(name, None)
        else:
            self.ranges.clear()
        self.update()
        self.changed.emit(dict(self.ranges))

    # geometry -------------------------------------------------------------------------------------------------------
    def area(self, section: int) -> QRectF:
        """Return where the histogram of a column stands."""
        header = self.view.horizontalHeader()
        x = header.sectionViewportPosition(section) + self.view.viewport().x()
        return QRectF(x + 4, 3, header.sectionSize(section) - 8, self.height() - 6)

    def column_at(self, x: float) -> str:
        """Return the column under a place of the strip, empty for none with numbers."""
        section = self.view.horizontalHeader().logicalIndexAt(round(x - self.view.viewport().x()))
        if 0 <= section < len(self.names) and self.histogram(self.names[section]) is not None:
            return self.names[section]
        return ""

    def _value(self, name: str, x: float) -> float:
        found = self.histogram(name)
        assert found is not None
        area = self.area(self.names.index(name))
        part = float(np.clip((x - area.left()) / max(1.0, area.width()), 0, 1))
        return found.low + part * (found.high - found.low)

    # painting -------------------------------------------------------------------------------------------------------
    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        c = theme.current()
        painter.fillRect(self.rect(), QColor(c.base))
        for section, name in enumerate(self.names):
            area = self.area(section)
            if area.right() < 0 or area.left() > self.width() or area.width() < 8:
                continue
            found = self.histogram(name)
            if found is not None:
                self._paint(painter, area, found, self.ranges.get(name))
        painter.setPen(QColor(c.border))
        painter.drawLine(0, self.height() - 1, self.width(), self.height() - 1)

    def _paint(
        self, painter: QPainter, area: QRectF, found: ColumnHistogram, chosen: tuple[float, float] | None
    ) -> None:
        c = theme.current()
        heights = np.sqrt(found.counts / found.counts.max()) * area.height()
        width = area.width() / BINS
        middle = found.low + (np.arange(BINS) + 0.5) / BINS * (found.high - found.low)
        for i in np.flatnonzero(found.counts):
            inside = chosen is None or chosen[0] <= middle[i] <= chosen[1]
            bar = QRectF(area.left() + i * width, area.bottom() - heights[i], max(1.0, width - 0.5), heights[i])
            painter.fillRect(bar, QColor(c.accent if inside else c.border))
        if chosen is not None:
            span = found.high - found.low
            painter.setPen(QPen(QColor(c.text), 1.5))
            for value in chosen:
                x = area.left() + np.clip((value - found.low) / span, 0, 1) * area.width()
                painter.drawLine(QPointF(x, area.top()), QPointF(x, area.bottom()))

    # mouse ----------------------------------------------------------------------------------------------------------
    def mousePressEvent(self, event: QMouseEvent) -> None:
        name = self.column_at(event.position().x())
        if name and event.button() == Qt.MouseButton.LeftButton:
            self._press = (name, event.position(), False)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        if self._press is None:
            over = self.column_at(event.position().x())
            self.setCursor(Qt.CursorShape.SplitHCursor if over else Qt.CursorShape.ArrowCursor)
            return
        name, start, moved = self._press
        if moved or abs(event.position().x() - start.x()) > MOVED:
            self._press = (name, start, True)
            self.set_range(name, self._value(name, start.x()), self._value(name, event.position().x()))

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        if self._press is not None and not self._press[2] and self._press[0] in self.ranges:
            self.clear(self._press[0])
        self._press = None

    def event(self, event: QHelpEvent) -> bool:  # type: ignore[override]
        if isinstance(event, QHelpEvent):
            name = self.column_at(event.pos().x())
            found = self.histogram(name) if name else None
            if found is not None:
                text = f"{columns.title(name)}: {columns.shown(found.low)} to {columns.shown(found.high)}"
                if name in self.ranges:
                    low, high = self.ranges[name]
                    text += f"\nshown: {columns.shown(low)} to {columns.shown(high)}; click to show all"
                else:
                    text += "\nDrag over it to show a range only"
                QToolTip.showText(event.globalPos(), text, self)
            return True
        return super().event(event)
