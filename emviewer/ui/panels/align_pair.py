"""Two maps in one canvas: in two colours, behind a line, blinking; and the hand that moves one of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from PySide6.QtCore import QPointF, QRectF
from PySide6.QtGui import QColor, QImage, QPainter, QPen

from emviewer.engine.types import F32, F64, Contrast, RigidTransform
from emviewer.ui import scale_bar
from emviewer.ui.canvas import ImageCanvas, to_qimage
from emviewer.ui.panels.slices_state import Plane

MODES = (
    ("overlay", "Overlay", "Reference in cyan, moving map in red: grey or white where they agree"),
    ("wipe", "Wipe", "Reference left of a line that follows the crosshair, moving map right of it (W)"),
    ("blink", "Blink", "One after the other: hold B"),
    ("side", "Side by side", "Reference above, moving map beneath"),
)
CYAN, RED, LINE = QColor(90, 220, 230), QColor(255, 110, 100), QColor(240, 190, 40)
DEGREES_A_PIXEL = 0.35


class PairCanvas(ImageCanvas):
    """A canvas whose picture may be covered by another, beneath crosshair and scale bar."""

    def __init__(self) -> None:
        super().__init__()
        self.cover: Callable[[QPainter, ImageCanvas], None] = lambda painter, canvas: None

    def _paint_image(self, painter: QPainter) -> None:
        super()._paint_image(painter)
        painter.save()
        self.cover(painter, self)
        painter.restore()


@dataclass(frozen=True, eq=False)
class Pair:
    """A cut of the reference and of the moving map, float32 [down, across]; the second may be coarser."""

    first: F32
    second: F32


def two_colours(pair: Pair, first: Contrast, second: Contrast) -> QImage:
    """Return the reference in cyan and the moving map in red."""

    def level(values: F32, c: Contrast) -> np.ndarray:
        scaled = np.clip((values - c.low) / ((c.high - c.low) or 1.0), 0, 1)
        return (scaled * 255).astype(np.uint32)

    cyan, red = level(pair.first, first), level(pair.second, second)
    if red.shape != cyan.shape:
        red = widened(red, cyan.shape)
    words = np.ascontiguousarray((np.uint32(0xFF) << 24) | (red << 16) | (cyan << 8) | cyan, np.uint32)
    return QImage(words.data, words.shape[1], words.shape[0], words.strides[0], QImage.Format.Format_RGB32).copy()


def widened(image: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Return a coarse image repeated to the pixels of a finer one."""
    step = -(-shape[0] // image.shape[0])
    return np.repeat(np.repeat(image, step, 0), step, 1)[: shape[0], : shape[1]]


def paint_wipe(painter: QPainter, canvas: ImageCanvas, second: QImage, x: float, names: tuple[str, str]) -> None:
    """Draw the second picture right of a line (widget units), with both names beside it."""
    painter.save()
    painter.setClipRect(QRectF(x, 0, canvas.width() - x, canvas.height()))
    painter.drawImage(canvas.image_rect(), second)
    painter.restore()
    painter.setPen(QPen(QColor(0, 0, 0, 160), 4))
    painter.drawLine(QPointF(x, 0), QPointF(x, canvas.height()))
    painter.setPen(QPen(LINE, 2))
    painter.drawLine(QPointF(x, 0), QPointF(x, canvas.height()))
    metrics = painter.fontMetrics()
    y = metrics.ascent() + 6.0 + metrics.height()
    for at, word in ((x - metrics.horizontalAdvance(names[0]) - 10, names[0]), (x + 10, names[1])):
        scale_bar.outlined_text(painter, QPointF(at, y), word, QColor(235, 238, 243))


def picture(image: F32, contrast: Contrast) -> QImage:
    """Return a cut as a picture."""
    return to_qimage(image, contrast)


# hands --------------------------------------------------------------------------------------------------------------
def shifted(motion: RigidTransform, plane: Plane, across_A: float, down_A: float) -> RigidTransform:
    """Return a motion followed by a shift in a plane, in Å."""
    t = np.array(motion.translation_A, float)
    t[plane.across] += across_A
    t[plane.down] += down_A
    return RigidTransform(motion.matrix, t)


def turned(motion: RigidTransform, plane: Plane, degrees: float, about_A: F64) -> RigidTransform:
    """Return a motion followed by a turn in a plane, from its columns towards its rows, about a point in Å.

    Parameters
    ----------
    motion : RigidTransform
        What is turned.
    plane : Plane
        The cut.
    degrees : float
        Positive is clockwise on the screen, where rows run down.
    about_A : ndarray of float64, shape (3,)
        Point that stays, relative to the centre of the reference.
    """
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    turn = np.eye(3)
    a, d = plane.across, plane.down
    turn[a, a] = turn[d, d] = c
    turn[d, a], turn[a, d] = s, -s
    return RigidTransform(turn @ motion.matrix, turn @ (motion.translation_A - about_A) + about_A)
