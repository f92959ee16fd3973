"""Boxes on a micrograph: before and after, arrows between them, coloured, marked, dimmed; painted over the canvas."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from PySide6.QtCore import QLineF, QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QPainter, QPen, QPolygonF

from emviewer.ui.sphere_view import CURRENT, SELECTED

BEFORE, AFTER = QColor(86, 180, 233), QColor(240, 165, 30)
"""Of boxes that are not coloured by anything else: sky blue and orange, which all eyes tell apart."""
WAY = QColor(255, 255, 255)
ARROW_EDGE = QColor(0, 0, 0, 200)
OUTSIDE = QColor(235, 70, 60)
HALO = QColor(0, 0, 0, 140)
PLATE, PLATE_TEXT = QColor(12, 14, 17, 185), QColor(236, 238, 242)
"""Beneath and of words on the picture."""
FAINT = 70
"""Opacity, of 255, of boxes that are not of the current class."""
GROWTHS = (1, 2, 3, 5, 10, 20, 50, 100)
SEEN_PX = 16.0
"""Length in widget units that automatic growth gives to the middle arrow, if that is not beyond half its box."""
LONGEST_PX = 45.0
"""Longest that it makes all but the twentieth part of the arrows."""
THIN, THICK = 0.9, 1.8
"""Widths of the lines of boxes that are small and large on the screen."""
HALO_UP_TO = 800
"""Boxes up to which each gets a dark edge: 600 take 4 ms."""


@dataclass
class Boxes:
    """The particles of the micrograph shown; arrays have one row a particle.

    Parameters
    ----------
    positions : ndarray of int64, shape (k,)
        Rows of the picks.
    before, after : ndarray of float64, shape (k, 2)
        Places in pixels; ``after`` is None without shifts.
    outside, hidden, faint, selected : ndarray of bool, shape (k,)
        Marked as outside of the micrograph; not painted at all; painted faintly; selected.
    colours : ndarray of uint32, shape (k,), or None
        RGB words; None gives before and after colours of their own.
    current : int
        Index of the current one, -1 for none.
    """

    positions: np.ndarray = field(default_factory=lambda: np.empty(0, np.int64))
    before: np.ndarray = field(default_factory=lambda: np.empty((0, 2)))
    after: np.ndarray | None = None
    outside: np.ndarray = field(default_factory=lambda: np.empty(0, bool))
    hidden: np.ndarray = field(default_factory=lambda: np.empty(0, bool))
    faint: np.ndarray = field(default_factory=lambda: np.empty(0, bool))
    selected: np.ndarray = field(default_factory=lambda: np.empty(0, bool))
    colours: np.ndarray | None = None
    current: int = -1
    current_text: str = ""

    def __len__(self) -> int:
        return len(self.positions)

    def places(self, after: bool) -> np.ndarray:
        """Return where the boxes stand, after or before, shape (k, 2)."""
        return self.after if after and self.after is not None else self.before


@dataclass
class BoxStyle:
    """How boxes are painted.

    Parameters
    ----------
    edge_px : float
        Edge of a box in pixels of the micrograph.
    before, after, arrows : bool
        What is shown.
    growth : int
        How many times longer arrows are drawn; 0 chooses.
    round : bool
        Circles in place of squares.
    """

    edge_px: float = 100.0
    before: bool = True
    after: bool = True
    arrows: bool = True
    growth: int = 0
    round: bool = False


def arrow_growth(boxes: Boxes, style: BoxStyle, scale: float) -> int:
    """Return how many times longer arrows are drawn at this zoom (widget units a pixel)."""
    if style.growth:
        return style.growth
    if boxes.after is None:
        return 1
    length = np.hypot(*(boxes.after - boxes.before).T)
    length = length[(length > 0.5) & np.isfinite(length) & ~boxes.hidden]
    if not len(length):
        return 1
    middle, long = (float(v) * scale for v in np.percentile(length, (50, 95)))
    wanted = min(min(SEEN_PX, 0.5 * style.edge_px * scale) / max(1e-9, middle), LONGEST_PX / max(1e-9, long))
    return next((g for g in reversed(GROWTHS) if g <= wanted), 1)


class BoxPainter:
    """Paints :class:`Boxes` over a canvas; an overlay of :class:`emviewer.ui.canvas_view.CanvasView`."""

    def __init__(self) -> None:
        self.boxes = Boxes()
        self.style = BoxStyle()

    def __call__(self, painter: QPainter, canvas: Any) -> None:
        boxes, style = self.boxes, self.style
        if not len(boxes):
            return
        # smoothed lines along rows and columns look no better and take three times as long
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, style.round)
        painter.setBrush(Qt.BrushStyle.NoBrush)
        width = min(THICK, max(THIN, style.edge_px * canvas.scale / 24))
        layers = []
        if style.before or boxes.after is None:
            thin = boxes.after is not None and style.after
            layers.append((boxes.before, BEFORE, width * 0.7 if thin else width))
        if boxes.after is not None and style.after:
            layers.append((boxes.after, AFTER, width))
        self._paint_halo(painter, canvas, layers[-1][0] if layers else None, width)
        for places, colour, width in layers:
            self._paint(painter, canvas, places, colour, width)
        if boxes.after is not None and style.arrows:
            self._paint_arrows(painter, canvas)
        self._paint_outside(painter, canvas)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, style.round)
        self._paint_marks(painter, canvas)

    # boxes ----------------------------------------------------------------------------------------------------------
    def _seen(self, canvas: Any, places: np.ndarray) -> np.ndarray:
        area = canvas.visible()
        around = self.style.edge_px
        with np.errstate(invalid="ignore"):
            inside = (
                (places[:, 0] > area.left() - around) & (places[:, 0] < area.right() + around)
                & (places[:, 1] > area.top() - around) & (places[:, 1] < area.bottom() + around)
            )  # fmt: skip
        return inside & ~self.boxes.hidden

    def rects(self, canvas: Any, places: np.ndarray) -> list[QRectF]:
        """Return the boxes of these places in widget units, where extraction would take them."""
        edge = self.style.edge_px * canvas.scale
        middle, c = canvas.centre, canvas.scale
        x0 = (places[:, 0] - middle.x()) * c + canvas.width() / 2 - edge / 2
        y0 = (places[:, 1] - middle.y()) * c + canvas.height() / 2 - edge / 2
        return [QRectF(x, y, edge, edge) for x, y in zip(x0.tolist(), y0.tolist(), strict=True)]

    def _paint_halo(self, painter: QPainter, canvas: Any, places: np.ndarray | None, width: float) -> None:
        """Paint a dark edge beneath all boxes, so that they are seen on bright ice."""
        if places is None:
            return
        clear = np.flatnonzero(self._seen(canvas, places) & ~self.boxes.faint)
        if len(clear) <= HALO_UP_TO:
            painter.setPen(QPen(HALO, width * 2))
            self._draw(painter, self.rects(canvas, places[clear]))

    def _paint(self, painter: QPainter, canvas: Any, places: np.ndarray, plain: QColor, width: float) -> None:
        boxes = self.boxes
        seen = self._seen(canvas, places)
        words = boxes.colours if boxes.colours is not None else np.full(len(boxes), plain.rgb(), np.uint32)
        for faint in (True, False):
            part = np.flatnonzero(seen & (boxes.faint == faint))
            if not len(part):
                continue
            different, which = np.unique(words[part], return_inverse=True)
            order = np.argsort(which, kind="stable")
            for word, rows in zip(different, np.split(order, np.cumsum(np.bincount(which))[:-1]), strict=True):
                colour = QColor.fromRgb(int(word))
                colour.setAlpha(FAINT if faint else 255)
                painter.setPen(QPen(colour, width))
                self._draw(painter, self.rects(canvas, places[part[rows]]))

    def _draw(self, painter: QPainter, rects: list[QRectF]) -> None:
        if self.style.round:
            for rect in rects:
                painter.drawEllipse(rect)
        else:
            painter.drawRects(rects)

    # arrows ---------------------------------------------------------------------------------------------------------
    def _paint_arrows(self, painter: QPainter, canvas: Any) -> None:
        boxes = self.boxes
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        assert boxes.after is not None
        seen = np.flatnonzero(self._seen(canvas, boxes.before) & np.isfinite(boxes.after).all(axis=1) & ~boxes.faint)
        way = (boxes.after - boxes.before)[seen] * canvas.scale * arrow_growth(boxes, self.style, canvas.scale)
        start = (boxes.before[seen] + 0.5 - [canvas.centre.x(), canvas.centre.y()]) * canvas.scale
        start += [canvas.width() / 2, canvas.height() / 2]
        length = np.hypot(*way.T)
        long = length >= 2.0
        lines = arrow_lines(start[long], way[long])
        dots = QPolygonF([QPointF(x, y) for x, y in start[~long].tolist()])
        slender = min(1.0, max(0.6, self.style.edge_px * canvas.scale / 40))
        for colour, width in ((ARROW_EDGE, 3.6 * slender), (WAY, 1.6 * slender)):
            # round ends would take ten times as long as flat ones: 16 ms for 600 arrows
            painter.setPen(QPen(colour, width, Qt.PenStyle.SolidLine, Qt.PenCapStyle.FlatCap))
            painter.drawLines(lines)
            painter.setPen(QPen(colour, width + 1.2, Qt.PenStyle.SolidLine, Qt.PenCapStyle.RoundCap))
            painter.drawPoints(dots)

    def _paint_outside(self, painter: QPainter, canvas: Any) -> None:
        """Cross out what stands outside of the micrograph."""
        boxes = self.boxes
        rows = np.flatnonzero(boxes.outside & ~boxes.hidden)
        if not len(rows):
            return
        rects = self.rects(canvas, boxes.places(self.style.after)[rows])
        painter.setPen(QPen(OUTSIDE, 1.8))
        for rect in rects:
            painter.drawLine(rect.topLeft(), rect.bottomRight())
            painter.drawLine(rect.topRight(), rect.bottomLeft())

    def _paint_marks(self, painter: QPainter, canvas: Any) -> None:
        boxes = self.boxes
        places = boxes.places(self.style.after)
        rows = np.flatnonzero(boxes.selected & self._seen(canvas, places))
        if len(rows):
            rects = [r.adjusted(-3, -3, 3, 3) for r in self.rects(canvas, places[rows])]
            fill = QColor(SELECTED)
            fill.setAlpha(60)
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(fill)
            self._draw(painter, rects)
            painter.setBrush(Qt.BrushStyle.NoBrush)
            for colour, width in ((HALO, 4.5), (SELECTED, 2.4)):
                painter.setPen(QPen(colour, width))
                self._draw(painter, rects)
        if 0 <= boxes.current < len(boxes) and np.isfinite(places[boxes.current]).all():
            rect = self.rects(canvas, places[boxes.current : boxes.current + 1])[0].adjusted(-6, -6, 6, 6)
            for colour, width in ((HALO, 5.5), (CURRENT, 3.0)):
                painter.setPen(QPen(colour, width))
                self._draw(painter, [rect])
            if boxes.current_text:
                self._paint_text(painter, canvas, rect)

    def _paint_text(self, painter: QPainter, canvas: Any, rect: QRectF) -> None:
        """Write what the current particle is above its box, or below, inside of the canvas."""
        metrics, text = painter.fontMetrics(), self.boxes.current_text
        plate = QRectF(0, 0, metrics.horizontalAdvance(text) + 12, metrics.height() + 4)
        plate.moveTopLeft(QPointF(rect.left() - 1, rect.top() - plate.height() - 5))
        if plate.top() < 2:
            plate.moveTop(rect.bottom() + 5)
        plate.moveLeft(max(2.0, min(plate.left(), canvas.width() - plate.width() - 2)))
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(PLATE)
        painter.drawRoundedRect(plate, 4, 4)
        painter.setPen(PLATE_TEXT)
        painter.drawText(plate, Qt.AlignmentFlag.AlignCenter, text)
        painter.setBrush(Qt.BrushStyle.NoBrush)


def arrow_lines(start: np.ndarray, way: np.ndarray, head: float = 7.0) -> list[QLineF]:
    """Return shafts and heads of arrows in widget units; heads of short ones are smaller."""
    if not len(start):
        return []
    length = np.hypot(*way.T)
    u = way / np.maximum(length, 1e-9)[:, None]
    across = np.stack([-u[:, 1], u[:, 0]], axis=1)
    size = np.minimum(head, 0.45 * length)[:, None]
    tip = start + way
    left, right = tip - size * (u - 0.55 * across), tip - size * (u + 0.55 * across)
    rows = np.concatenate([np.hstack([start, tip]), np.hstack([left, tip]), np.hstack([right, tip])])
    return [QLineF(*row) for row in rows.tolist()]


def nearest_box(boxes: Boxes, style: BoxStyle, at: QPointF, reach: float) -> int:
    """Return the index of the particle at a place of the micrograph, -1 if none is there.

    Inside a box counts; of several the one whose middle is nearest. ``reach`` (pixels) is what also counts where boxes
    are tiny on the screen.
    """
    best, found = np.inf, -1
    for after in (True, False):
        if (after and (boxes.after is None or not style.after)) or (not after and not style.before and found >= 0):
            continue
        places = boxes.places(after)
        if not len(places):
            continue
        offset = np.abs(places - [at.x(), at.y()])
        near = np.nan_to_num(offset.max(axis=1), nan=np.inf) <= max(style.edge_px / 2, reach)
        near &= ~boxes.hidden
        if near.any():
            distance = np.where(near, np.hypot(*np.nan_to_num(offset, nan=1e12).T), np.inf)
            index = int(distance.argmin())
            if distance[index] < best:
                best, found = float(distance[index]), index
    return found
