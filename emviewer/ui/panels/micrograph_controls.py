"""The controls of the micrograph panel: the strip above the picture, and the sections of the inspector."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from PySide6.QtCore import QSignalBlocker, QSize, Qt, Signal
from PySide6.QtWidgets import (
    QButtonGroup,
    QCheckBox,
    QComboBox,
    QDoubleSpinBox,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QMenu,
    QPushButton,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from emviewer.engine.micrograph_view import Look
from emviewer.ui import theme
from emviewer.ui.flow_layout import FlowLayout
from emviewer.ui.micrograph_boxes import GROWTHS
from emviewer.ui.micrograph_colours import CLASS, PLAIN, WAY

TOOLS = (
    ("pan", "Pan", "Drag moves the micrograph; Shift and drag selects a rectangle"),
    ("rectangle", "Rectangle", "Drag selects boxes; Shift adds, Alt takes away; the middle button pans"),
    ("lasso", "Lasso", "Draw around boxes to select them; Shift adds, Alt takes away; the middle button pans"),
)
TURNS = (("as it is in the file", False), ("upside down", True), ("upside down if TIFF", None))


def tool_button(text: str, tip: str, checkable: bool = True) -> QToolButton:
    """Return a small button of a strip."""
    button = QToolButton()
    button.setText(text)
    button.setToolTip(tip)
    button.setCheckable(checkable)
    button.setMinimumHeight(24)
    return button


class MicrographBar(QWidget):
    """Step, show, colour, select, save.

    Signals
    -------
    stepped : int
    shown_changed
        Other boxes or arrows are wanted.
    colour_chosen : str
    tool_chosen : str
    """

    stepped = Signal(int)
    shown_changed = Signal()
    colour_chosen = Signal(str)
    tool_chosen = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        row = FlowLayout(self)
        row.setContentsMargins(6, 4, 6, 4)
        self.previous = tool_button("", "Previous micrograph (Left)", False)
        self.next = tool_button("", "Next micrograph (Right)", False)
        for button, name, by in ((self.previous, "Previous micrograph", -1), (self.next, "Next micrograph", 1)):
            button.setAccessibleName(name)
            button.setIconSize(QSize(16, 16))
            button.clicked.connect(lambda _=False, by=by: self.stepped.emit(by))
        self.place = QLabel()
        self.before = tool_button("Picked", "Boxes where the particles were picked")
        self.after = tool_button("Centred", "Boxes where the particles stand")
        self.arrows = tool_button("Arrows", "From the pick to where the particle stands")
        self.blink = tool_button("Blink", "Show picked and centred boxes in turn; or hold B")
        for button in (self.before, self.after, self.arrows):
            button.setChecked(True)
            button.toggled.connect(lambda _: self.shown_changed.emit())
        self.colour = QComboBox()
        self.colour.setAccessibleName("Colour by")
        self.colour.setToolTip("What the boxes are coloured by")
        self.colour.setMaximumWidth(self.fontMetrics().averageCharWidth() * 26)
        self.colour.activated.connect(lambda _: self.colour_chosen.emit(self.colour.currentData()))
        self.coloured = _together(QLabel("Colour"), self.colour)
        self.tools = QButtonGroup(self)
        self.save = tool_button("Save", "Save coordinates or a figure", False)
        self.save.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self.save.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self.menu = QMenu(self.save)
        self.save.setMenu(self.menu)
        self.count = QLabel()
        for widget in (self.previous, self.next, self.place, _gap(), self.before, self.after, self.arrows, self.blink,
                       _gap(), self.coloured, _gap()):  # fmt: skip
            row.addWidget(widget)
        for name, text, tip in TOOLS:
            button = tool_button(text, tip)
            button.setProperty("tool", name)
            button.setChecked(name == "pan")
            self.tools.addButton(button)
            row.addWidget(button)
        self.tools.buttonClicked.connect(lambda b: self.tool_chosen.emit(b.property("tool")))
        for widget in (_gap(), self.save, self.count):
            row.addWidget(widget)
        self.recolour()

    def recolour(self) -> None:
        """Draw the icons in the theme's colours."""
        self.previous.setIcon(theme.icon("previous"))
        self.next.setIcon(theme.icon("next"))
        self.save.setIcon(theme.icon("export"))

    def set_words(self, any_boxes: bool, has_after: bool, before_word: str, after_word: str) -> None:
        """Offer what there is: no boxes, one for each particle, or one before and one after."""
        self.before.setText(before_word.capitalize() if has_after else "Boxes")
        self.after.setText(after_word.capitalize())
        for button in (self.after, self.arrows, self.blink):
            button.setVisible(has_after)
        for widget in (self.before, self.coloured, self.save, *self.tools.buttons()):
            widget.setVisible(any_boxes)

    def set_colours(self, names: list[str], titles: list[str], has_class: bool, has_after: bool, plain: str) -> None:
        """Offer what boxes can be coloured by; the choice is kept where it is still there."""
        before = self.colour.currentData()
        with QSignalBlocker(self.colour):
            self.colour.clear()
            self.colour.addItem(plain, PLAIN)
            if has_class:
                self.colour.addItem("class", CLASS)
            if has_after:
                self.colour.addItem("shift (px)", WAY)
            for name, title in zip(names, titles, strict=True):
                self.colour.addItem(title, name)
            self.colour.setCurrentIndex(max(0, self.colour.findData(before)))

    def set_tool(self, name: str) -> None:
        """Press a tool's button; emits nothing."""
        for button in self.tools.buttons():
            button.setChecked(button.property("tool") == name)


def _together(*widgets: QWidget) -> QWidget:
    """Return widgets that stay in one line."""
    both = QWidget()
    row = QHBoxLayout(both)
    row.setContentsMargins(0, 0, 0, 0)
    for widget in widgets:
        row.addWidget(widget)
    return both


def _gap() -> QWidget:
    gap = QWidget()
    gap.setFixedSize(8, 1)
    return gap


class BoxControls(QWidget):
    """Where arrows begin, size and shape of the boxes, length of the arrows.

    Signals
    -------
    changed
    start_changed
        Arrows are to begin elsewhere.
    """

    changed = Signal()
    start_changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.size = QDoubleSpinBox()
        self.size.setRange(1, 100_000)
        self.size.setDecimals(1)
        self.size.setKeyboardTracking(False)
        self.size.setAccessibleName("Box size")
        self.size.setToolTip("Edge of the boxes; that of the particle images unless changed")
        self.unit = QComboBox()
        self.unit.addItems(["Å", "px"])
        self.unit.setAccessibleName("Unit of the box size")
        self.shape = QComboBox()
        self.shape.addItems(["boxes", "circles"])
        self.shape.setAccessibleName("Shape")
        self.growth = QComboBox()
        self.growth.addItem("automatic", 0)
        for growth in GROWTHS:
            self.growth.addItem("true length" if growth == 1 else f"{growth} times", growth)
        self.growth.setAccessibleName("Length of the arrows")
        self.growth.setToolTip("Shifts are small against a micrograph: arrows are drawn so many times longer")
        self.legend = QCheckBox("Legend")
        self.legend.setChecked(True)
        self.start = QComboBox()
        self.start.addItems(["alignment before centring", "pick"])
        self.start.setAccessibleName("Where arrows begin")
        self.start.setToolTip(
            "Show what the centring moved, or the whole way from the pick, which is what an extraction anew moves"
        )
        edge = QHBoxLayout()
        edge.addWidget(self.size, 1)
        edge.addWidget(self.unit)
        self.form = form = QFormLayout(self)
        form.setContentsMargins(0, 0, 0, 0)
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        form.addRow("From", self.start)
        form.addRow("Size", edge)
        form.addRow("Shape", self.shape)
        form.addRow("Arrows", self.growth)
        form.addRow("", self.legend)
        self.pixel_A = 0.0
        self._by_pixels = False
        self._edge_px = 100.0
        self._edge_A = 0.0
        self.size.valueChanged.connect(self._sized)
        self.start.currentIndexChanged.connect(lambda _: self.start_changed.emit())
        self.unit.activated.connect(self._chose_unit)
        for box in (self.shape, self.growth):
            box.currentIndexChanged.connect(lambda _: self.changed.emit())
        self.legend.toggled.connect(lambda _: self.changed.emit())

    def edge_px(self) -> float:
        """Return the edge of a box in pixels of the micrograph."""
        return self._edge_A / self.pixel_A if self._edge_A > 0 and self.pixel_A > 0 else self._edge_px

    def set_pixel(self, pixel_A: float) -> None:
        """Take over the pixel size of the micrograph shown (0: unknown); a size in Å keeps its Å."""
        if self._edge_A <= 0 < pixel_A:
            self._edge_A = self._edge_px * pixel_A
        self.pixel_A = pixel_A
        self.unit.setEnabled(pixel_A > 0)
        self._show()

    def set_edge(self, edge_A: float, edge_px: float) -> None:
        """Take a size in Å, or where that is 0 one in pixels."""
        self._edge_A, self._edge_px = edge_A, edge_px
        self._show()

    def edge(self) -> tuple[float, float]:
        """Return the size in Å (0: unknown) and in pixels."""
        return self._edge_A, self.edge_px()

    def _chose_unit(self, index: int) -> None:
        self._by_pixels = index == 1
        self._show()

    def _in_angstrom(self) -> bool:
        return self.pixel_A > 0 and not self._by_pixels

    def _show(self) -> None:
        with QSignalBlocker(self.size), QSignalBlocker(self.unit):
            self.unit.setCurrentText("Å" if self._in_angstrom() else "px")
            self.size.setValue(self.edge_px() * (self.pixel_A if self._in_angstrom() else 1.0))

    def _sized(self, value: float) -> None:
        self._edge_px = value / self.pixel_A if self._in_angstrom() else value
        self._edge_A = self._edge_px * self.pixel_A
        self.changed.emit()


class PictureControls(QWidget):
    """Low-pass, background, which way up, and where the micrographs are.

    Signals
    -------
    changed
        Another look is wanted.
    folder_wanted : bool
        A folder is to be chosen (True) or forgotten (False).
    """

    changed = Signal()
    folder_wanted = Signal(bool)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.low_pass = QDoubleSpinBox()
        self.low_pass.setRange(0, 1000)
        self.low_pass.setDecimals(0)
        self.low_pass.setSingleStep(5)
        self.low_pass.setSpecialValueText("off")
        self.low_pass.setKeyboardTracking(False)
        self.low_pass.setAccessibleName("Low-pass")
        self.low_pass.setToolTip("Finest detail shown; 0 shows everything. Only the display is filtered")
        self.flat = QCheckBox("Even background")
        self.flat.setToolTip("Take slow changes of the background away: gradients of ice, dark edges")
        self.turn = QComboBox()
        for text, value in TURNS:
            self.turn.addItem(text, value)
        self.turn.setCurrentIndex(2)
        self.turn.setAccessibleName("Way up")
        self.turn.setToolTip("RELION reads TIFF files with the last row first, and its coordinates count so")
        self.folder = QLabel()
        self.folder.setProperty("role", "dim")
        self.folder.setWordWrap(True)
        self.choose = QPushButton("Choose folder…")
        self.choose.setToolTip("Where the micrographs are, if not where the table says")
        self.forget = QPushButton("Forget")
        buttons = QHBoxLayout()
        buttons.addWidget(self.choose, 1)
        buttons.addWidget(self.forget)
        form = QFormLayout()
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        form.addRow("Low-pass", self.low_pass)
        form.addRow("", self.flat)
        form.addRow("Rows", self.turn)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addLayout(form)
        column.addWidget(self.folder)
        column.addLayout(buttons)
        self._known = True
        self.set_look(Look())
        self.set_unit(True)
        self.set_folder(None)
        self.low_pass.valueChanged.connect(self._low_passed)
        self.flat.toggled.connect(lambda _: self.changed.emit())
        self.turn.currentIndexChanged.connect(lambda _: self.changed.emit())
        self.choose.clicked.connect(lambda: self.folder_wanted.emit(True))
        self.forget.clicked.connect(lambda: self.folder_wanted.emit(False))

    def look(self) -> Look:
        """Return the look wanted."""
        return Look(self._look.resolution_A, self._look.resolution_px, self.flat.isChecked(), self.turn.currentData())

    def set_look(self, look: Look) -> None:
        """Show a look; emits nothing."""
        self._look = look
        with QSignalBlocker(self.low_pass), QSignalBlocker(self.flat), QSignalBlocker(self.turn):
            self.low_pass.setValue(look.resolution_A if self._known else look.resolution_px)
            self.flat.setChecked(look.flat)
            self.turn.setCurrentIndex([value for _, value in TURNS].index(look.upside_down))

    def set_unit(self, known: bool) -> None:
        """Say the low-pass in Å, or in pixels where the pixel size is not known."""
        self._known = known
        self.low_pass.setSuffix(" Å" if known else " px")
        self.set_look(self.look())

    def _low_passed(self, value: float) -> None:
        name = "resolution_A" if self._known else "resolution_px"
        self._look = replace(self._look, **{name: value})
        self.changed.emit()

    def set_folder(self, folder: Path | None) -> None:
        """Say which folder was chosen."""
        self.folder.setText(f"Micrographs from {folder}" if folder is not None else "Micrographs from where the table "
                            "says")  # fmt: skip
        self.forget.setVisible(folder is not None)


def look_from(state: dict[str, Any]) -> Look:
    """Return the look that a session kept."""
    turned = state.get("upside_down")
    return Look(
        float(state.get("low_pass_A", Look.resolution_A)),
        float(state.get("low_pass_px", Look.resolution_px)),
        bool(state.get("flat", False)),
        turned if isinstance(turned, bool) else None,
    )
