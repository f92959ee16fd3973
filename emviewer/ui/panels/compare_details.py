"""Sphere, ring correlation and polar strip of a row: beside the pictures if there is room, else below them."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QBoxLayout, QSplitter, QWidget

from emviewer.ui.panels.compare_curve import RingCurve
from emviewer.ui.panels.compare_pictures import ComparePictures
from emviewer.ui.panels.compare_polar import PolarStrip
from emviewer.ui.sphere_view import SphereView

BESIDE, BELOW = 210, 128
"""Widget units that the details take of the width or of the height at first."""
PICTURES = 3
WORTH = 1.08
"""How many times larger pictures must become for the details to change sides: a strip that opens must not do it."""


class CompareArea(QSplitter):
    """Pictures and details; which way they are parted is what leaves the pictures larger."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(Qt.Orientation.Horizontal, parent)
        self.pictures = ComparePictures()
        self.sphere = SphereView()
        self.sphere.setMinimumSize(64, 64)
        self.sphere.show_legend = False
        self.curve = RingCurve()
        self.polar = PolarStrip()
        self.details = QWidget()
        self._row = QBoxLayout(QBoxLayout.Direction.TopToBottom, self.details)
        self._row.setContentsMargins(2, 2, 2, 0)
        self._row.setSpacing(3)
        self._curves = QBoxLayout(QBoxLayout.Direction.TopToBottom)
        self._curves.setSpacing(3)
        self._curves.addWidget(self.curve, 1)
        self._curves.addWidget(self.polar, 1)
        self._row.addWidget(self.sphere, 1)
        self._row.addLayout(self._curves, 1)
        self.addWidget(self.pictures)
        self.addWidget(self.details)
        self.setStretchFactor(0, 1)
        self.setStretchFactor(1, 0)
        self.setChildrenCollapsible(False)
        self._beside: bool | None = None
        self._by_hand = False
        self.splitterMoved.connect(self._moved)

    def _moved(self) -> None:
        self._by_hand = True

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        beside = self._side(self.width(), self.height())
        if beside != self._beside:
            self._beside, self._by_hand = beside, False
            self.setOrientation(Qt.Orientation.Horizontal if beside else Qt.Orientation.Vertical)
            down, across = QBoxLayout.Direction.TopToBottom, QBoxLayout.Direction.LeftToRight
            self._row.setDirection(down if beside else across)
            self._row.setStretch(1, 1 if beside else 2)
        if not self._by_hand:
            if beside:
                self.setSizes([self.width() - BESIDE, BESIDE])
            else:
                edge = min(self.width() // PICTURES, self.height() - BELOW)
                self.setSizes([edge, self.height() - edge])

    def _side(self, width: int, height: int) -> bool:
        """Return whether the details belong beside the pictures, which is where these become (much) larger."""
        beside, below = edges(width, height)
        if self._beside is None:
            return beside >= below
        return beside * WORTH > below if self._beside else beside > below * WORTH


def edges(width: int, height: int) -> tuple[int, int]:
    """Return how large pictures are with the details beside and with the details below them."""
    return min((width - BESIDE) // PICTURES, height), min(width // PICTURES, height - BELOW)
