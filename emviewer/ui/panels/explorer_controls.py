"""The strip of the explorer: the angles, the symmetry, the low-pass, the buttons; and the list of views."""

from __future__ import annotations

from PySide6.QtCore import QSignalBlocker, Qt, Signal
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import (
    QAbstractItemView,
    QComboBox,
    QDoubleSpinBox,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QListWidget,
    QListWidgetItem,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from emviewer.engine.errors import EmviewerError
from emviewer.engine.symmetry import PointGroup, point_group
from emviewer.ui.flow_layout import FlowLayout
from emviewer.ui.panels.explorer_orientation import View
from emviewer.ui.sphere_view import SphereView

COMMON_GROUPS = ("C1", "C2", "C3", "C4", "C5", "C6", "C7", "D2", "D3", "D4", "D5", "D6", "D7", "T", "O", "I1", "I2")


class ExplorerControls(QWidget):
    """What turns the map without the mouse on the image; tells the sphere beside it.

    Parameters
    ----------
    sphere : SphereView
        Shows the current direction and the group.

    Signals
    -------
    view_typed : View
        Angles typed or stepped.
    go_to : View
        A button was pressed.
    group_changed : PointGroup
    resolution_changed : float
        Å; 0 for none.
    """

    view_typed = Signal(object)
    go_to = Signal(object)
    group_changed = Signal(object)
    resolution_changed = Signal(float)
    add_wanted = Signal()
    copy_wanted = Signal()
    save_wanted = Signal()

    def __init__(self, sphere: SphereView, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.sphere = sphere
        self.angle_boxes = [self._angle_box(name, *span) for name, span in _SPANS.items()]
        self.group_box = QComboBox()
        self.group_box.setEditable(True)
        self.group_box.setInsertPolicy(QComboBox.InsertPolicy.NoInsert)
        self.group_box.addItems(COMMON_GROUPS)
        self.group_box.setMinimumContentsLength(4)
        self.group_box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.group_box.setAccessibleName("Symmetry")
        self.group_box.setToolTip("Cn, Dn, T, O, I1…I4, their mirror groups, or a file in Xmipp's symmetry format")
        self.group_error = QLabel()
        self.group_error.setProperty("role", "wrong")
        self.group_error.setWordWrap(True)
        self.group_error.setContentsMargins(6, 0, 6, 6)
        self.unit_label = QLabel()
        self.unit_label.setToolTip("The same image up to rotation in the plane, seen from inside the asymmetric unit")
        self._unit_bar = labelled("In the unit", self.unit_label)
        self.resolution_box = QDoubleSpinBox()
        self.resolution_box.setRange(0.0, 200.0)
        self.resolution_box.setDecimals(1)
        self.resolution_box.setSpecialValueText("off")
        self.resolution_box.setSuffix(" Å")
        self.resolution_box.setAccessibleName("Low-pass filter")
        self.resolution_box.setToolTip("Finest resolution shown; off shows everything")
        self.resolution_box.setKeyboardTracking(False)
        self.group: PointGroup = point_group("C1")
        self._jump_bar = QWidget()
        self._jumps = QHBoxLayout(self._jump_bar)
        self._jumps.setContentsMargins(0, 0, 0, 0)
        self._jumps.setSpacing(4)
        self._turn: dict[int, int] = {}
        self._arrange()
        self.resolution_box.valueChanged.connect(self.resolution_changed)
        self.group_box.activated.connect(lambda _: self._group_typed())
        line = self.group_box.lineEdit()
        assert isinstance(line, QLineEdit)
        line.editingFinished.connect(self._group_typed)
        self._show_jumps()

    def _angle_box(self, name: str, low: float, high: float) -> QDoubleSpinBox:
        box = QDoubleSpinBox()
        box.setRange(low, high)
        box.setWrapping(name != "tilt")
        box.setDecimals(2)
        box.setSingleStep(5.0)
        box.setSuffix("°")
        box.setKeyboardTracking(False)
        box.setAccessibleName(f"{name} in degrees")
        box.valueChanged.connect(self._typed)
        return box

    def _arrange(self) -> None:
        strip = QWidget()
        flow = FlowLayout(strip, 8)
        flow.setContentsMargins(6, 6, 6, 6)
        for name, box in zip(_SPANS, self.angle_boxes, strict=True):
            flow.addWidget(labelled(name, box))
        flow.addWidget(labelled("Symmetry", self.group_box))
        flow.addWidget(labelled("Low-pass", self.resolution_box))
        flow.addWidget(self._jump_bar)
        flow.addWidget(self._unit_bar)
        for text, tip, signal in (
            ("Add view", "Keep this view in the list of the inspector", self.add_wanted),
            ("Copy angles", "Copy the view as the command line takes it", self.copy_wanted),
            ("Save…", "Save this projection as PNG or MRC", self.save_wanted),
        ):
            button = QPushButton(text)
            button.setToolTip(tip)
            button.clicked.connect(signal)
            flow.addWidget(button)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(strip)
        column.addWidget(self.group_error)
        self.group_error.hide()

    def _show_jumps(self) -> None:
        while (item := self._jumps.takeAt(0)) is not None:
            widget = item.widget()
            if widget is not None:
                widget.hide()
                widget.deleteLater()
        places = [("Top", "Down the z axis (0, 0, 0)", View()), ("Side", "From the x axis (0, 90, 0)", View(0, 90, 0))]
        for text, tip, view in places:
            self._jump(text, tip).clicked.connect(lambda _=False, v=view: self.go_to.emit(v))
        self._turn = {}
        for fold in dict.fromkeys(fold for fold, _ in self.group.axes):
            n = sum(1 for f, _ in self.group.axes if f == fold)
            tip = f"Along the {fold}-fold axis" + (f": press again for the next of {n}" if n > 1 else "")
            self._jump(f"{fold}-fold", tip).clicked.connect(lambda _=False, f=fold: self._along(f))
        self._jump_bar.updateGeometry()

    def _jump(self, text: str, tip: str) -> QPushButton:
        button = QPushButton(text)
        button.setToolTip(tip)
        self._jumps.addWidget(button)
        return button

    def _along(self, fold: int) -> None:
        axes = [axis for f, axis in self.group.axes if f == fold]
        k = self._turn.get(fold, 0)
        self._turn[fold] = k + 1
        self.go_to.emit(View().towards(axes[k % len(axes)]))

    def _typed(self) -> None:
        rot, tilt, psi = (box.value() for box in self.angle_boxes)
        self.view_typed.emit(View(rot, tilt, psi))

    def _group_typed(self) -> None:
        text = self.group_box.currentText().strip()
        try:
            group = point_group(text)
        except EmviewerError as err:
            self._show_wrong(str(err))
            return
        self._show_wrong("")
        if group.name != self.group.name:
            self.set_group(group)
            self.group_changed.emit(group)

    def _show_wrong(self, sentence: str) -> None:
        self.group_error.setText(sentence)
        self.group_error.setVisible(bool(sentence))
        self.group_box.setProperty("wrong", bool(sentence))
        self.group_box.style().unpolish(self.group_box)
        self.group_box.style().polish(self.group_box)

    def set_group(self, group: PointGroup) -> None:
        """Show a group; emits nothing."""
        self.group = group
        with QSignalBlocker(self.group_box):
            self.group_box.setCurrentText(group.name)
        self._show_wrong("")
        self.sphere.set_group(group)
        self._show_jumps()

    def show_view(self, view: View) -> None:
        """Show a view; emits nothing."""
        for box, value in zip(self.angle_boxes, view.angles, strict=True):
            with QSignalBlocker(box):
                box.setValue(value)
        self.sphere.set_current(view.direction)
        rot, tilt = view.in_unit(self.group)
        self._unit_bar.setVisible(self.group.order > 1)
        self.unit_label.setText(f"rot {rot:.1f}°, tilt {tilt:.1f}°")


_SPANS = {"rot": (-360.0, 360.0), "tilt": (-180.0, 180.0), "psi": (-360.0, 360.0)}


def labelled(text: str, widget: QWidget) -> QWidget:
    """Return a widget with its name before it."""
    label, both = QLabel(text), QWidget()
    label.setBuddy(widget)
    row = QHBoxLayout(both)
    row.setContentsMargins(0, 0, 0, 0)
    row.setSpacing(4)
    row.addWidget(label)
    row.addWidget(widget)
    return both


class ViewList(QWidget):
    """Views kept for later: a double click goes back to one, and all can be copied as options of a gallery.

    Signals
    -------
    chosen : View
    """

    chosen = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.views: list[View] = []
        self.list = QListWidget()
        self.list.setAccessibleName("Kept views")
        self.list.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.list.setToolTip("Double-click to go to a view")
        self.list.setMaximumHeight(self.fontMetrics().height() * 9)
        self.hint = QLabel("Views that you add are kept here.")
        self.hint.setWordWrap(True)
        self.remove_button, self.copy_button = QPushButton("Remove"), QPushButton("Copy all")
        self.copy_button.setToolTip("Copy all as options of `emviewer gallery`")
        row = QHBoxLayout()
        row.addWidget(self.remove_button)
        row.addWidget(self.copy_button)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self.hint)
        column.addWidget(self.list)
        column.addLayout(row)
        self.list.itemActivated.connect(lambda item: self.chosen.emit(item.data(Qt.ItemDataRole.UserRole)))
        self.remove_button.clicked.connect(self._remove)
        self.copy_button.clicked.connect(lambda: QGuiApplication.clipboard().setText(self.text()))
        self._show()

    def add(self, view: View) -> None:
        """Keep a view, once."""
        if view not in self.views:
            self.views.append(view)
            self._show()

    def set_views(self, views: list[View]) -> None:
        """Keep these views."""
        self.views = list(views)
        self._show()

    def text(self) -> str:
        """Return all views as options of the command line."""
        return " ".join(view.option() for view in self.views)

    def _remove(self) -> None:
        gone = {self.list.row(item) for item in self.list.selectedItems()}
        self.set_views([view for k, view in enumerate(self.views) if k not in gone])

    def _show(self) -> None:
        self.list.clear()
        for view in self.views:
            item = QListWidgetItem(f"rot {view.rot:.1f}°  tilt {view.tilt:.1f}°  psi {view.psi:.1f}°")
            item.setData(Qt.ItemDataRole.UserRole, view)
            self.list.addItem(item)
        for widget in (self.list, self.remove_button, self.copy_button):
            widget.setVisible(bool(self.views))
        self.hint.setVisible(not self.views)
