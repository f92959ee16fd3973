"""How one tile looks: picture, frame of the selected, outline of the current one, caption."""

from __future__ import annotations

from PySide6.QtCore import QPoint, QPointF, QRect, QSize, Qt
from PySide6.QtGui import QColor, QFont, QFontMetrics, QImage, QPainter, QPalette, QPen, QStaticText


def laid_out(line: str, metrics: QFontMetrics, room: int, font: QFont) -> QStaticText:
    """Return a line of text ready to be drawn, elided in the middle if it is wider than ``room`` pixels."""
    if metrics.horizontalAdvance(line) > room:
        line = metrics.elidedText(line, Qt.TextElideMode.ElideMiddle, room)
    text = QStaticText(line)
    text.setTextFormat(Qt.TextFormat.PlainText)
    text.prepare(font=font)
    return text


def _mixed(under: QColor, over: QColor, share: float) -> QColor:
    """Return the opaque colour that ``over`` gives on ``under``; painting with alpha takes several times as long."""
    return QColor(*(round(u + share * (o - u)) for u, o in zip(under.getRgb()[:3], over.getRgb()[:3], strict=True)))


class Look:
    """Colours and measures of one repaint, looked up once."""

    def __init__(self, palette: QPalette, font: QFont, pad: int, picture: QSize, lines: int, focus: bool) -> None:
        self.pad, self.picture, self.lines = pad, picture, lines
        self.line_height = QFontMetrics(font).height()
        self.accent = palette.color(QPalette.ColorRole.Highlight)
        self.text = palette.color(QPalette.ColorRole.Text)
        self.dim = QColor(self.text)
        self.dim.setAlphaF(0.72)
        self.chosen = _mixed(palette.color(QPalette.ColorRole.Base), self.accent, 0.30)
        self.empty = _mixed(palette.color(QPalette.ColorRole.Base), self.text, 0.10)
        self.current_pen = QPen(self.text, 2 if focus else 1, Qt.PenStyle.SolidLine if focus else Qt.PenStyle.DashLine)
        self.accent_pen = QPen(self.accent, 2)

    def draw_cell(self, painter: QPainter, rect: QRect, selected: bool, current: bool) -> None:
        """Draw what says selected (filled cell) and current (outline)."""
        if selected:
            painter.fillRect(rect.adjusted(1, 1, -1, -1), self.chosen)
            painter.setPen(self.accent_pen)
            painter.drawRect(rect.adjusted(2, 2, -2, -2))
        if current:
            painter.setPen(self.current_pen)
            painter.drawRect(rect.adjusted(1, 1, -2, -2))

    def draw_picture(self, painter: QPainter, x: int, y: int, picture: QImage | None, selected: bool) -> None:
        """Draw the picture, or a flat field until it has been read; a tick in the corner if selected."""
        x, y, width, height = x + self.pad, y + self.pad, self.picture.width(), self.picture.height()
        if picture is None:
            painter.fillRect(x, y, width, height, self.empty)
        elif picture.width() == width and picture.height() == height:
            painter.drawImage(x, y, picture)
        else:
            painter.drawImage(QRect(x, y, width, height), picture)
        if selected:
            side = max(10, min(18, width // 4))
            left = x + width - side
            painter.fillRect(left, y, side, side, self.accent)
            painter.setPen(QPen(Qt.GlobalColor.white, max(1.5, side / 8)))
            corners = ((0.22, 0.52), (0.42, 0.72), (0.78, 0.28))
            painter.drawPolyline([QPoint(left + round(a * side), y + round(b * side)) for a, b in corners])

    def draw_caption(self, painter: QPainter, x: int, y: int, words: tuple[QStaticText, ...], selected: bool) -> None:
        """Draw the caption lines, centred below the picture."""
        y += self.pad + self.picture.height() + 2
        middle = x + self.pad + self.picture.width() / 2
        for i, line in enumerate(words):
            painter.setPen(self.text if i == 0 or selected else self.dim)
            painter.drawStaticText(QPointF(middle - line.size().width() / 2, y + i * self.line_height), line)

    def draw_band(self, painter: QPainter, band: QRect) -> None:
        """Draw the rubber band."""
        soft = QColor(self.accent)
        soft.setAlphaF(0.30)
        painter.fillRect(band, soft)
        painter.setPen(self.accent_pen)
        painter.drawRect(band)
