"""The strip under the cuts: a slider an axis with voxel and Å, the slab, the layout."""

from __future__ import annotations

from PySide6.QtCore import QSignalBlocker, Qt, Signal
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QButtonGroup, QGridLayout, QHBoxLayout, QLabel, QSlider, QSpinBox, QToolButton, QWidget

from emviewer.ui.panels.slices_area import AXIS_COLOURS
from emviewer.ui.panels.slices_state import AXES, SliceState

LAYOUTS = (
    ("three", "Three", "Three orthogonal cuts (O)"),
    ("z", "XY", "Only the cut perpendicular to z (Z)"),
    ("y", "XZ", "Only the cut perpendicular to y (Y)"),
    ("x", "YZ", "Only the cut perpendicular to x (X)"),
)

NARROW = 640


class CutControls(QWidget):
    """Sliders and buttons of the slices panel.

    Signals
    -------
    moved : (int, int)
        Axis (0 x, 1 y, 2 z) and voxel.
    slab_changed : int
        Half width.
    layout_chosen : str
    spectrum_chosen, crosshair_chosen : bool
    """

    moved = Signal(int, int)
    slab_changed = Signal(int)
    layout_chosen = Signal(str)
    spectrum_chosen = Signal(bool)
    crosshair_chosen = Signal(bool)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.sliders: list[QSlider] = []
        self.boxes: list[QSpinBox] = []
        self.lengths: list[QLabel] = []
        self.slab_box = QSpinBox()
        self.slab_label = QLabel()
        self.crosshair_button = self._toggle("Crosshair", "Show where the other two cuts are", self.crosshair_chosen)
        self.crosshair_button.setChecked(True)
        self.spectrum_button = self._toggle("Spectrum", "Amplitude spectrum of each cut (F)", self.spectrum_chosen)
        self.layout_buttons: dict[str, QToolButton] = {}
        grid = QGridLayout(self)
        grid.setContentsMargins(6, 4, 6, 4)
        grid.setVerticalSpacing(3)
        for axis in range(3):
            self._add_axis(grid, axis)
        grid.addLayout(self._second_row(), 1, 0, 1, 12)

    def _add_axis(self, grid: QGridLayout, axis: int) -> None:
        name = AXES[axis]
        mark = QLabel(f"<b style='color:{AXIS_COLOURS[axis].darker(115).name()}'>{name}</b>")
        slider, box, length = QSlider(Qt.Orientation.Horizontal), QSpinBox(), QLabel()
        slider.setAccessibleName(f"Slice along {name}")
        box.setAccessibleName(f"Voxel along {name}")
        box.setKeyboardTracking(False)
        box.setMaximumWidth(box.fontMetrics().horizontalAdvance("8888") + 36)
        mark.setBuddy(box)
        length.setMinimumWidth(length.fontMetrics().horizontalAdvance("8888.8 Å"))
        slider.valueChanged.connect(lambda value, axis=axis: self.moved.emit(axis, value))
        box.valueChanged.connect(lambda value, axis=axis: self.moved.emit(axis, value))
        for column, widget in enumerate((mark, slider, box, length)):
            grid.addWidget(widget, 0, axis * 4 + column)
        grid.setColumnStretch(axis * 4 + 1, 1)
        self.sliders.append(slider)
        self.boxes.append(box)
        self.lengths.append(length)

    def _second_row(self) -> QHBoxLayout:
        row = QHBoxLayout()
        row.setSpacing(6)
        group = QButtonGroup(self)
        for layout, text, tip in LAYOUTS:
            button = QToolButton()
            button.setText(text)
            button.setToolTip(tip)
            button.setCheckable(True)
            button.clicked.connect(lambda _=False, layout=layout: self.layout_chosen.emit(layout))
            group.addButton(button)
            self.layout_buttons[layout] = button
            row.addWidget(button)
        row.addSpacing(12)
        row.addWidget(self.crosshair_button)
        row.addWidget(self.spectrum_button)
        row.addStretch(1)
        row.addWidget(QLabel("Slab ±"))
        self.slab_box.setRange(0, 200)
        self.slab_box.setMaximumWidth(self.slab_box.fontMetrics().horizontalAdvance("888") + 44)
        self.slab_box.setAccessibleName("Half width of the slab in voxels")
        self.slab_box.setToolTip("Average this many voxels on either side of each cut")
        self.slab_box.valueChanged.connect(self.slab_changed)
        row.addWidget(self.slab_box)
        row.addWidget(self.slab_label)
        return row

    def _toggle(self, text: str, tip: str, signal: object) -> QToolButton:
        button = QToolButton()
        button.setText(text)
        button.setToolTip(tip)
        button.setCheckable(True)
        button.toggled.connect(signal)
        return button

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Leave the lengths to the labels of the cuts where there is little room."""
        super().resizeEvent(event)
        for label in self.lengths:
            label.setVisible(self.width() >= NARROW)

    def show_state(self, state: SliceState | None, pixel_size_A: float | None) -> None:
        """Show a state; emits nothing."""
        self.setEnabled(state is not None)
        if state is None:
            return
        unit = pixel_size_A or 1.0
        for axis in range(3):
            for widget in (self.sliders[axis], self.boxes[axis]):
                with QSignalBlocker(widget):
                    widget.setRange(0, state.size[axis] - 1)
                    widget.setValue(state.voxel[axis])
            self.lengths[axis].setText(f"{state.voxel[axis] * unit:.1f} Å" if pixel_size_A else "")
        with QSignalBlocker(self.slab_box):
            self.slab_box.setValue(state.half_width)
        n = 2 * state.half_width + 1
        self.slab_label.setText(f"{n} voxel{'s' if n > 1 else ''}" + (f", {n * unit:.1f} Å" if pixel_size_A else ""))
        with QSignalBlocker(self.spectrum_button):
            self.spectrum_button.setChecked(state.spectrum)
        self.layout_buttons[state.layout].setChecked(True)
