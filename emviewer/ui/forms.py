"""Forms made from a parameter model: a field of the model is a row of the form, with unit, help and bounds."""

from __future__ import annotations

import math
import re
import types
import typing
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from PySide6.QtCore import QSize, Signal
from PySide6.QtWidgets import (
    QAbstractSpinBox,
    QCheckBox,
    QComboBox,
    QFileDialog,
    QHBoxLayout,
    QLineEdit,
    QMenu,
    QToolButton,
    QWidget,
)

from emviewer.engine.params import FieldMeta, choices, field_meta, repeatable
from emviewer.ui import theme

LABELS = {
    "map": "Map",
    "ctf": "CTF",
    "resample": "Pixel size used",
    "magnification": "Fit magnification",
    "class_size_weights": "Weigh by class size",
    "extract": "Extract the best",
    "sym": "Symmetry",
    "step": "Angular step",
    "psi_step": "In-plane step",
    "max_res": "Max. resolution",
    "pad": "Padding",
    "interp": "Interpolation",
    "rot": "Range of rot",
    "tilt": "Range of tilt",
    "view": "Single views",
    "angles": "Angles from file",
    "random": "Random views",
    "box": "Image size",
    "shift_sigma": "Random shifts",
    "n": "Images",
    "snr": "Signal to noise",
    "snr_region": "Region of the SNR",
    "begin": "Begin with",
    "kv": "Voltage",
    "cs": "Spherical aberration",
    "q0": "Amplitude contrast",
    "project_dir": "Project folder",
    "report": "Figures",
    "siblings": "What lies beside",
    "hands": "Hands tried",
    "max_shift": "Max. shift",
    "max_angle": "Max. angle",
    "lowpass": "Low-pass",
    "on": "Grid of the result",
    "difference": "Difference maps",
    "match": "Match amplitudes",
    "ref_mask": "Mask of reference",
}
"""What a field is called where its name is too short; any other field is called by its name."""

GROUPS_OFTEN = ("C1", "C2", "C3", "C4", "C6", "D2", "D3", "D4", "D6", "D7", "T", "O", "I", "I1", "I2", "I3", "I4")


def label_of(name: str) -> str:
    """Return what a field is called in a form."""
    return LABELS.get(name, name.replace("_", " ").capitalize())


def inner_type(model: type[BaseModel], name: str) -> tuple[Any, bool]:
    """Return the type of a field without ``None`` and ``Annotated``, and whether ``None`` is allowed."""
    annotation: Any = model.model_fields[name].annotation
    optional = False
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        parts = [a for a in typing.get_args(annotation) if a is not type(None)]
        optional = len(parts) < len(typing.get_args(annotation))
        annotation = parts[0]
    if typing.get_origin(annotation) is typing.Annotated:
        annotation = typing.get_args(annotation)[0]
    return annotation, optional


def when_empty(help_text: str) -> str:
    """Return what an empty field means, out of its help (``…; Nyquist unless told``)."""
    found = re.search(r"(?:^|[;,]\s*)([^;,]+?) unless told", help_text)
    return found.group(1) if found else "not set"


class NumberEdit(QAbstractSpinBox):
    """A number that may be left empty; steps are a tenth of its size. What is wrong is said, not forbidden.

    Signals
    -------
    edited
        The text changed, by typing or stepping.
    """

    edited = Signal()

    def __init__(self, whole: bool) -> None:
        super().__init__()
        self.whole = whole
        self.lineEdit().setTextMargins(4, 0, 0, 0)
        self.lineEdit().textChanged.connect(lambda _: self.edited.emit())
        self.setMinimumHeight(26)

    def value(self) -> float | int | str | None:
        """Return the number; None if empty; the text as it is if it is no number."""
        text = self.lineEdit().text().strip().replace(",", ".")
        if not text:
            return None
        try:
            number = float(text)
        except ValueError:
            return text
        return int(number) if self.whole and number.is_integer() else number

    def set_value(self, value: Any) -> None:
        """Write a number, or nothing for None."""
        self.lineEdit().setText("" if value is None else f"{value:.10g}" if isinstance(value, float) else str(value))

    def stepBy(self, steps: int) -> None:
        """Go up or down by a tenth of the number's size."""
        value = self.value()
        number = float(value) if isinstance(value, (int, float)) else 0.0
        size = 1.0 if self.whole else 10.0 ** (math.floor(math.log10(abs(number))) - 1) if number else 0.1
        moved = round(number / size) * size + steps * size
        self.set_value(int(moved) if self.whole else float(f"{moved:.6g}"))
        self.selectAll()

    def stepEnabled(self) -> QAbstractSpinBox.StepEnabledFlag:
        """Allow both steps, whatever the text."""
        return QAbstractSpinBox.StepEnabledFlag.StepUpEnabled | QAbstractSpinBox.StepEnabledFlag.StepDownEnabled

    def sizeHint(self) -> QSize:
        """Wide enough for eight figures."""
        return QSize(self.fontMetrics().averageCharWidth() * 14, super().sizeHint().height())


class PathEdit(QWidget):
    """A path with a button that chooses it.

    Parameters
    ----------
    folder : bool
        Choose a folder; otherwise a file.
    several : bool
        Several files, written with ``;`` between them.
    ask : callable, optional
        Takes the place of the file dialog: ``ask() -> str``.

    Attributes
    ----------
    offers : callable
        ``offers() -> [(title, path)]``: what is open and can be taken from the button's menu.
    """

    edited = Signal()

    def __init__(self, folder: bool = False, ask: Callable[[], str] | None = None, several: bool = False) -> None:
        super().__init__()
        self.folder, self.several = folder, several
        self.offers: Callable[[], list[tuple[str, str]]] = list
        self.line = QLineEdit()
        self.line.textChanged.connect(lambda _: self.edited.emit())
        self.button = QToolButton()
        self.button.setMinimumSize(26, 26)
        self.button.setToolTip("Choose…")
        self.button.setAccessibleName("Choose a folder" if folder else "Choose a file")
        self.button.clicked.connect(self._choose)
        self._ask = ask
        self.setFocusProxy(self.line)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(4)
        row.addWidget(self.line, 1)
        row.addWidget(self.button)
        self.recolour()

    def _choose(self) -> None:
        """Offer what is open in a menu if there is anything, else ask for a file."""
        offers = self.offers()
        if not offers:
            self._browse()
            return
        menu = QMenu(self)
        menu.setToolTipsVisible(True)
        for title, path in offers:
            action = menu.addAction(title)
            action.setToolTip(path)
            action.setCheckable(self.several)
            action.setChecked(self.several and path in self.texts())
            action.triggered.connect(lambda _=False, p=path: self.take(p))
        menu.addSeparator()
        menu.addAction("Choose files…" if self.several else "Choose a file…", self._browse)
        menu.exec(self.button.mapToGlobal(self.button.rect().bottomLeft()))
        menu.deleteLater()

    def take(self, path: str) -> None:
        """Write one of the offered paths; of several, add it or take it away."""
        texts = self.texts()
        if not self.several:
            self.line.setText(path)
        elif path in texts:
            self.line.setText("; ".join(t for t in texts if t != path))
        else:
            self.line.setText("; ".join([*texts, path]))

    def _browse(self) -> None:
        if self._ask is not None:
            name = self._ask()
        elif self.several:
            name = "; ".join(QFileDialog.getOpenFileNames(self, "Choose files", (self.texts() or [""])[0])[0])
        elif self.folder:
            name = QFileDialog.getExistingDirectory(self, "Choose a folder", self.text())
        else:
            name, _ = QFileDialog.getOpenFileName(self, "Choose a file", self.text())
        if name:
            self.line.setText(name)

    def text(self) -> str:
        """Return the path as it is written."""
        return self.line.text().strip()

    def texts(self) -> list[str]:
        """Return the paths one by one."""
        return [part.strip() for part in self.line.text().split(";") if part.strip()]

    def recolour(self) -> None:
        """Follow a new theme."""
        self.button.setIcon(theme.icon("folder", theme.current().dim))


class Field:
    """One field of a model as a widget.

    Parameters
    ----------
    model : type
        The parameter model.
    name : str
        The field.
    changed : callable
        Called when the value changes.
    """

    def __init__(self, model: type[BaseModel], name: str, changed: Callable[[], None]) -> None:
        self.model, self.name = model, name
        self.meta: FieldMeta = field_meta(model, name)
        self.info = model.model_fields[name]
        self.help = self.info.description or ""
        self.kind, self.optional = inner_type(model, name)
        self.widget, self.value, self.set_value = self._make(changed)
        self.edit = self.widget.line if isinstance(self.widget, PathEdit) else self.widget
        self.edit.setAccessibleName(label_of(name))
        self.edit.setAccessibleDescription(self.help)
        self.widget.setToolTip(self._tip())
        if not self.info.is_required():
            self.set_value(self.info.get_default(call_default_factory=True, validated_data={}))

    def _tip(self) -> str:
        unit = f" ({self.meta.unit})" if self.meta.unit else ""
        flag = f"\n{self.meta.flag} {self.meta.metavar}".rstrip() if self.meta.flag else ""
        return f"{self.help[:1].upper()}{self.help[1:]}{unit}{flag}"

    def _make(self, changed: Callable[[], None]) -> tuple[Any, Callable[[], Any], Callable[[Any], None]]:
        words = choices(self.model, self.name)
        if words:
            return _combo(words, changed, editable=False)
        if self.name == "sym":
            return _combo(GROUPS_OFTEN, changed, editable=True)
        if self.kind is bool:
            box = QCheckBox()
            box.toggled.connect(lambda _: changed())
            return box, box.isChecked, lambda value: box.setChecked(bool(value))
        if self.kind in (int, float):
            number = NumberEdit(self.kind is int)
            number.lineEdit().setPlaceholderText(when_empty(self.help) if self.optional else "")
            number.edited.connect(changed)
            return number, number.value, number.set_value
        if self.meta.kind == "inputs":
            paths = PathEdit(several=True)
            paths.edited.connect(changed)
            return paths, paths.texts, lambda value: paths.line.setText("; ".join(map(str, value or ())))
        if self.kind is Path:
            path = PathEdit(folder=self.meta.kind == "folder")
            path.edited.connect(changed)
            return path, lambda: path.text() or None, lambda value: path.line.setText(str(value or ""))
        return self._text(changed)

    def _text(self, changed: Callable[[], None]) -> tuple[Any, Callable[[], Any], Callable[[Any], None]]:
        line = QLineEdit()
        several = repeatable(self.model, self.name)
        line.setPlaceholderText((self.meta.metavar or when_empty(self.help)) + ("; …" if several else ""))
        line.textChanged.connect(lambda _: changed())
        separator = self.meta.separator or ","

        def value() -> Any:
            text = line.text().strip()
            return [part.strip() for part in text.split(";") if part.strip()] if several else text or None

        def write(item: Any) -> str:
            return separator.join(f"{v:g}" for v in item) if isinstance(item, (list, tuple)) else str(item)

        def set_value(new: Any) -> None:
            line.setText("" if not new else "; ".join(write(v) for v in new) if several else write(new))

        return line, value, set_value


def _combo(words: tuple[str, ...], changed: Callable[[], None], editable: bool) -> tuple[Any, Any, Any]:
    box = QComboBox()
    box.setEditable(editable)
    box.addItems(list(words))
    box.setInsertPolicy(QComboBox.InsertPolicy.NoInsert)
    box.setMinimumHeight(26)
    box.currentTextChanged.connect(lambda _: changed())
    return box, lambda: box.currentText().strip(), lambda value: box.setCurrentText(str(value))
