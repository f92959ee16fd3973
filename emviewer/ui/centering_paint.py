"""How a class average is drawn before and after its centring: picture, crosses, arrow, badge."""

from __future__ import annotations

from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QImage, QPainter, QPainterPath, QPen, QPolygonF

from emviewer.ui import theme
from emviewer.ui.centering_session import ACCEPTED, HAND, REJECTED, Choice

CROSS, OBJECT = QColor("#56b4e9"), QColor("#ffa726")
"""Centre of the box, and of the object: sky blue and orange, told apart by everybody and seen on any grey."""
HALO = QColor(0, 0, 0, 150)
SHORT_PX = 5.0
"""Arrows shorter than this on the screen are not drawn: a head alone says nothing."""


def border_colour(image: QImage) -> QColor:
    """Return the usual colour at the border of a picture, for what comes in when it is moved."""
    w, h = image.width(), image.height()
    spots = [(x, y) for f in (0.02, 0.25, 0.5, 0.75, 0.98) for x, y in
             ((int(f * w), 0), (int(f * w), h - 1), (0, int(f * h)), (w - 1, int(f * h)))]  # fmt: skip
    seen = [image.pixelColor(min(x, w - 1), min(y, h - 1)) for x, y in spots]
    middle = [sorted(getattr(c, name)() for c in seen)[len(seen) // 2] for name in ("red", "green", "blue")]
    return QColor(*middle)


def middle_of(rect: QRectF, box_px: int) -> QPointF:
    """Return where pixel ``n // 2`` of a picture of ``box_px`` pixels is drawn: half a pixel off in an even box."""
    off = rect.width() / box_px / 2 if box_px % 2 == 0 else 0.0
    return rect.center() + QPointF(off, off)


def draw_moved(
    painter: QPainter, rect: QRectF, image: QImage, by: QPointF, psi_deg: float = 0.0, box_px: int = 1
) -> None:
    """Draw a picture into a rectangle, moved by ``by`` (widget units), then turned by psi's inverse (RELION's psi)."""
    painter.save()
    painter.setClipRect(rect)
    if not by.isNull() or psi_deg:
        painter.fillRect(rect, border_colour(image))
    painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
    pivot = middle_of(rect, box_px)
    painter.translate(pivot)
    painter.rotate(psi_deg)
    painter.translate(by - pivot)
    painter.drawImage(rect, image)
    painter.restore()


def draw_cross(painter: QPainter, at: QPointF, arm: float, colour: QColor, width: float = 1.4) -> None:
    """Draw a cross with a dark halo, open in the middle so that it hides nothing."""
    gap = min(2.5, arm / 3)
    for pen in (QPen(HALO, width + 1.6), QPen(colour, width)):
        painter.setPen(pen)
        for dx, dy in ((1, 0), (-1, 0), (0, 1), (0, -1)):
            painter.drawLine(at + QPointF(dx * gap, dy * gap), at + QPointF(dx * arm, dy * arm))


def draw_ring(painter: QPainter, at: QPointF, radius: float, colour: QColor, width: float = 1.6) -> None:
    """Draw a ring with a dark halo."""
    painter.setBrush(Qt.BrushStyle.NoBrush)
    for pen in (QPen(HALO, width + 1.6), QPen(colour, width)):
        painter.setPen(pen)
        painter.drawEllipse(at, radius, radius)


def draw_arrow(
    painter: QPainter, start: QPointF, end: QPointF, colour: QColor, width: float = 1.6, halo: bool = True
) -> None:
    """Draw an arrow; nothing if it is too short to be seen."""
    way = end - start
    length = (way.x() ** 2 + way.y() ** 2) ** 0.5
    if length < SHORT_PX:
        return
    along = way / length
    across = QPointF(-along.y(), along.x())
    head = min(7.0, 0.6 * length)
    tip = QPolygonF([end, end - along * head + across * head * 0.45, end - along * head - across * head * 0.45])
    for pen in ((QPen(HALO, width + 1.6),) if halo else ()) + (QPen(colour, width),):
        painter.setPen(pen)
        painter.drawLine(start, end - along * head * 0.6)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(colour)
    painter.drawPolygon(tip)
    painter.setBrush(Qt.BrushStyle.NoBrush)


def badge(choice: Choice) -> tuple[str, str]:
    """Return the words of a tile's badge and its level (``good``, ``warn``, ``error``, ``info``); empty for none."""
    if choice.verdict == REJECTED:
        return "✕ rejected", "error"
    if choice.verdict == ACCEPTED:
        return ("✓ by hand" if choice.method == HAND else "✓ accepted"), "good"
    return ("– left alone", "warn") if choice.alone else ("", "info")


def draw_badge(painter: QPainter, corner: QPointF, words: str, level: str) -> None:
    """Draw a badge whose upper left corner is at ``corner``."""
    c = theme.current()
    under, ink = {"good": (c.good, c.on_good), "warn": (c.warn, c.on_warn), "error": (c.error, c.on_error)}.get(
        level, (c.raised, c.text)
    )
    metrics = painter.fontMetrics()
    box = QRectF(corner, corner + QPointF(metrics.horizontalAdvance(words) + 8, metrics.height() + 1))
    path = QPainterPath()
    path.addRoundedRect(box, 3, 3)
    painter.fillPath(path, QColor(under))
    painter.setPen(QColor(ink))
    painter.drawText(box, Qt.AlignmentFlag.AlignCenter, words)
