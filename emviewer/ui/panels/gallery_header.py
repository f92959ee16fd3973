"""The strip above the grid: how many are selected, and how the tiles are sorted, labelled, shaded and sized."""

from __future__ import annotations

import math

from PySide6.QtCore import QSignalBlocker, Qt, Signal
from PySide6.QtGui import QAction, QActionGroup
from PySide6.QtWidgets import QHBoxLayout, QLabel, QMenu, QSizePolicy, QSlider, QToolButton, QWidget

from emviewer.ui.panels.gallery_sheet import MAX_TILE, MIN_TILE

LOW_PASS_A = (0.0, 5.0, 8.0, 10.0, 15.0, 20.0, 30.0)
"""Choices of the low-pass filter for display; 0 is none."""


class GalleryHeader(QWidget):
    """Count, menus and the slider of the tile size.

    Signals
    -------
    tile_wanted : int
        The slider was moved to this tile size.
    sort_wanted : str, bool
        Sort by this column (empty: as in the file), ascending.
    caption_toggled : str
        Show or hide this caption field.
    shared_wanted : bool
        Shared contrast, or each tile by itself.
    command : str
        Name of a ``do_…`` of the panel.
    low_pass_wanted : float
        Cut-off in Å, 0 for none.
    """

    tile_wanted = Signal(int)
    sort_wanted = Signal(str, bool)
    caption_toggled = Signal(str)
    shared_wanted = Signal(bool)
    command = Signal(str)
    low_pass_wanted = Signal(float)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("galleryHeader")
        self.count = QLabel()
        self.count.setAccessibleName("Number of images and selected images")
        self.count.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.sort_button = self._menu_button("Sort", "Order of the tiles")
        self.caption_button = self._menu_button("Captions", "Up to two fields under each tile")
        self.contrast_button = self._menu_button("Contrast", "Grey levels, filter and spectrum")
        self.slider = QSlider(Qt.Orientation.Horizontal)
        self.slider.setRange(0, 100)
        self.slider.setMinimumWidth(48)
        self.slider.setMaximumWidth(self.fontMetrics().averageCharWidth() * 18)
        self.slider.setAccessibleName("Tile size")
        self.slider.setToolTip("Tile size (Ctrl+wheel, + and -)")
        self.slider.valueChanged.connect(self._slid)
        self._fill_contrast()
        layout = QHBoxLayout(self)
        layout.setContentsMargins(8, 3, 8, 3)
        layout.setSpacing(4)
        layout.addWidget(self.count, 3)
        for button in (self.sort_button, self.caption_button, self.contrast_button):
            layout.addWidget(button)
        layout.addWidget(self.slider, 1)

    def _menu_button(self, text: str, tip: str) -> QToolButton:
        button = QToolButton()
        button.setText(f"{text} ▾")
        button.setToolTip(tip)
        button.setAccessibleName(text)
        button.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        button.setMenu(QMenu(button))
        return button

    def _fill_contrast(self) -> None:
        menu = self.contrast_button.menu()
        group = QActionGroup(menu)
        self.shared_action, self.own_action = QAction("Shared by all tiles", menu), QAction("Each tile by itself", menu)
        for action, shared in ((self.shared_action, True), (self.own_action, False)):
            action.setCheckable(True)
            group.addAction(action)
            menu.addAction(action)
            action.triggered.connect(lambda _=False, s=shared: self.shared_wanted.emit(s))
        menu.addSeparator()
        menu.addAction("Auto levels\tC", lambda: self.command.emit("auto_contrast"))
        self.invert_action = self._checkable(menu, "Invert display\tI", "invert")
        self.spectrum_action = self._checkable(menu, "Amplitude spectrum\tF", "spectrum")
        menu.addSeparator()
        low_pass = menu.addMenu("Low-pass for display")
        choices = QActionGroup(low_pass)
        self.low_pass_actions: dict[float, QAction] = {}
        for cut in LOW_PASS_A:
            action = low_pass.addAction("")
            action.setCheckable(True)
            choices.addAction(action)
            action.triggered.connect(lambda _=False, c=cut: self.low_pass_wanted.emit(c))
            self.low_pass_actions[cut] = action
        self.show_unit("Å")

    def _checkable(self, menu: QMenu, text: str, command: str) -> QAction:
        action = menu.addAction(text)
        action.setCheckable(True)
        action.triggered.connect(lambda: self.command.emit(command))
        return action

    # what is shown --------------------------------------------------------------------------------------------------
    def show_count(self, text: str, tip: str = "") -> None:
        """Say how many images there are and how many are selected."""
        self.count.setText(text)
        self.count.setToolTip(tip)

    def show_tile(self, size: int) -> None:
        """Move the slider to a tile size; emits nothing."""
        with QSignalBlocker(self.slider):
            self.slider.setValue(round(100 * math.log(size / MIN_TILE) / math.log(MAX_TILE / MIN_TILE)))

    def _slid(self, value: int) -> None:
        self.tile_wanted.emit(round(MIN_TILE * (MAX_TILE / MIN_TILE) ** (value / 100)))

    def show_contrast(self, *, shared: bool, inverted: bool, spectrum: bool, low_pass_A: float) -> None:
        """Tick what holds now."""
        (self.shared_action if shared else self.own_action).setChecked(True)
        self.invert_action.setChecked(inverted)
        self.spectrum_action.setChecked(spectrum)
        if low_pass_A in self.low_pass_actions:
            self.low_pass_actions[low_pass_A].setChecked(True)
        self.contrast_button.setToolTip(
            f"Grey levels {'shared by all tiles' if shared else 'of each tile by itself'}, filter and spectrum"
        )

    def show_unit(self, unit: str) -> None:
        """Write the cut-offs in Å, or in pixels while the pixel size is unknown."""
        for cut, action in self.low_pass_actions.items():
            action.setText(f"{cut:g} {unit}" if cut else "None")

    def show_captions(self, choices: list[tuple[str, str]], chosen: list[str]) -> None:
        """Fill the menu of captions."""
        menu = self.caption_button.menu()
        menu.clear()
        for name, text in choices:
            action = menu.addAction(text)
            action.setCheckable(True)
            action.setChecked(name in chosen)
            action.triggered.connect(lambda _=False, n=name: self.caption_toggled.emit(n))

    def show_sorting(self, choices: list[tuple[str, str]], key: str, ascending: bool, words: str) -> None:
        """Fill the menu of sorting; ``key`` (``words`` on the button) is empty for the order of the file."""
        menu = self.sort_button.menu()
        menu.clear()
        group = QActionGroup(menu)
        for name, text in (("", "As in the file"), *choices):
            action = menu.addAction(text)
            action.setCheckable(True)
            action.setChecked(name == key)
            group.addAction(action)
            action.triggered.connect(lambda _=False, n=name: self.sort_wanted.emit(n, ascending))
        menu.addSeparator()
        reverse = menu.addAction("Largest first")
        reverse.setCheckable(True)
        reverse.setChecked(not ascending)
        reverse.setEnabled(bool(key))
        reverse.triggered.connect(lambda on: self.sort_wanted.emit(key, not on))
        room = self.fontMetrics().averageCharWidth() * 18
        words = self.fontMetrics().elidedText(words, Qt.TextElideMode.ElideRight, room)
        arrow = "▲" if ascending else "▼"
        self.sort_button.setText(f"Sort: {words} {arrow}" if words else "Sort ▾")
