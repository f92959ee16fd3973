"""The strip above the pictures: walking by score and the modes; and how pictures are shown, for the inspector."""

from __future__ import annotations

from PySide6.QtCore import QSignalBlocker, Signal
from PySide6.QtWidgets import (
    QButtonGroup,
    QCheckBox,
    QComboBox,
    QFormLayout,
    QFrame,
    QHBoxLayout,
    QLabel,
    QToolButton,
    QWidget,
)

from emviewer.ui import columns, theme
from emviewer.ui.flow_layout import FlowLayout
from emviewer.ui.panels.compare_pictures import MODES

GAINS = (1.0, 2.0, 4.0)
LOW_PASS_A = (0.0, 10.0, 15.0, 20.0, 30.0, 40.0)


class CompareHeader(QWidget):
    """Buttons to walk, and the modes.

    Signals
    -------
    walk_wanted : int
    mode_wanted : str
    """

    walk_wanted = Signal(int)
    mode_wanted = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        row = FlowLayout(self, line_gap=2)
        row.setContentsMargins(8, 2, 8, 2)
        self.back = self._button("previous", "Previous by score  (P)", -1)
        self.place = QLabel()
        self.place.setAccessibleName("Row shown")
        self.forth = self._button("next", "Next by score  (N)", 1)
        for widget in (self.back, self.place, self.forth):
            row.addWidget(widget)
        self.modes = QButtonGroup(self)
        holder = QFrame()
        across = QHBoxLayout(holder)
        across.setContentsMargins(4, 0, 4, 0)
        across.setSpacing(0)
        for number, (mode, text, tip) in enumerate(MODES):
            button = QToolButton()
            button.setText(text)
            button.setToolTip(tip)
            button.setCheckable(True)
            button.setChecked(number == 0)
            button.setMinimumHeight(24)
            button.setProperty("mode", mode)
            self.modes.addButton(button, number)
            across.addWidget(button)
        self.modes.buttonClicked.connect(lambda button: self.mode_wanted.emit(button.property("mode")))
        row.addWidget(holder)
        self.show_maps(False)
        self.recolour()

    def _button(self, icon: str, tip: str, by: int) -> QToolButton:
        button = QToolButton()
        button.setProperty("icon_name", icon)
        button.setToolTip(tip)
        button.setAccessibleName(tip)
        button.setMinimumSize(26, 26)
        button.clicked.connect(lambda: self.walk_wanted.emit(by))
        return button

    def show_maps(self, several: bool) -> None:
        """Offer to show all maps, if there are several."""
        self.modes.buttons()[-1].setVisible(several)

    def show_mode(self, mode: str) -> None:
        """Press the button of a mode."""
        for button in self.modes.buttons():
            button.setChecked(button.property("mode") == mode)

    def show_place(self, row: int | None, place: int | None, n: int) -> None:
        """Write which row is shown, and which it is in the order of the scores."""
        if row is None:
            self.place.setText("")
            return
        order = f"  {place + 1} of {columns.grouped(n)}" if place is not None else ""
        self.place.setText(f"<b>#{row + 1}</b>{order}")

    def recolour(self) -> None:
        """Follow a new theme."""
        for button in (self.back, self.forth):
            button.setIcon(theme.icon(button.property("icon_name")))


class PictureOptions(QWidget):
    """How the pictures of a row are shown; stands in the inspector, so that the pictures have the room.

    Signals
    -------
    gain_wanted : float
    low_pass_wanted : float
    follow_toggled : bool
        Whether each row takes its own contrast.
    """

    gain_wanted = Signal(float)
    low_pass_wanted = Signal(float)
    follow_toggled = Signal(bool)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.gain = QComboBox()
        self.gain.setAccessibleName("Strength of the residual")
        self.gain.setToolTip("How much stronger than the images the residual is shown")
        for gain in GAINS:
            self.gain.addItem(f"×{gain:g}", gain)
        self.gain.activated.connect(lambda _: self.gain_wanted.emit(self.gain.currentData()))
        self.low_pass = QComboBox()
        self.low_pass.setAccessibleName("Filter of the pictures")
        self.low_pass.setToolTip("Show pictures without finer detail; scores stay as they are")
        for cutoff in LOW_PASS_A:
            self.low_pass.addItem(f"{cutoff:g} Å" if cutoff else "none", cutoff)
        self.low_pass.activated.connect(lambda _: self.low_pass_wanted.emit(self.low_pass.currentData()))
        self.follow = QCheckBox("Each row its own contrast")
        self.follow.setToolTip("Otherwise all rows share the levels above  (Shift+C)")
        self.follow.setChecked(True)
        self.follow.toggled.connect(self.follow_toggled)
        form = QFormLayout(self)
        form.setContentsMargins(10, 6, 10, 6)
        form.addRow("Residual", self.gain)
        form.addRow("Low-pass", self.low_pass)
        form.addRow(self.follow)

    def show_gain(self, gain: float) -> None:
        """Choose a strength of the residual without telling anybody."""
        self.gain.setCurrentIndex(max(0, self.gain.findData(gain)))

    def show_low_pass(self, cutoff_A: float) -> None:
        """Choose a filter without telling anybody."""
        self.low_pass.setCurrentIndex(max(0, self.low_pass.findData(cutoff_A)))

    def show_follow(self, follow: bool) -> None:
        """Tick the box without telling anybody."""
        with QSignalBlocker(self.follow):
            self.follow.setChecked(follow)
