"""The rows of a parameter model, in its groups, with the sentence of what is wrong beneath each field."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel
from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtWidgets import QFormLayout, QHBoxLayout, QLabel, QSizePolicy, QToolButton, QVBoxLayout, QWidget

from emviewer.engine.params import field_names, problems
from emviewer.ui import theme
from emviewer.ui.forms import Field, PathEdit, label_of


class _Row(QWidget):
    """Editor, unit and, beneath, what is wrong."""

    def __init__(self, field: Field) -> None:
        super().__init__()
        self.field = field
        line = QHBoxLayout()
        line.setSpacing(6)
        line.addWidget(field.widget, 1)
        if not isinstance(field.widget, PathEdit):
            unit = QLabel(field.meta.unit)
            unit.setProperty("role", "dim")
            unit.setMinimumWidth(unit.fontMetrics().horizontalAdvance("Å, °"))
            line.addWidget(unit)
        self.wrong = QLabel()
        self.wrong.setProperty("role", "wrong")
        self.wrong.setWordWrap(True)
        self.wrong.hide()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        layout.addLayout(line)
        layout.addWidget(self.wrong)

    def say(self, problem: str) -> None:
        """Write what is wrong, or take it away."""
        if problem == self.wrong.text():
            return
        self.wrong.setText(problem)
        self.wrong.setVisible(bool(problem))
        edit = self.field.edit
        edit.setProperty("wrong", bool(problem))
        edit.style().unpolish(edit)
        edit.style().polish(edit)


class ParamsForm(QWidget):
    """All fields of a model; the advanced ones are folded away.

    Parameters
    ----------
    model : type
        A :class:`JobParams` subclass.

    Signals
    -------
    changed
        A value changed; :meth:`problems` is up to date.
    """

    changed = Signal()

    def __init__(self, model: type[BaseModel]) -> None:
        super().__init__()
        self.model = model
        self.fields: dict[str, Field] = {}
        self.rows: dict[str, _Row] = {}
        self._problems: dict[str, str] = {}
        self._quiet = True
        layout = QVBoxLayout(self)
        layout.setContentsMargins(12, 10, 12, 10)
        layout.setSpacing(6)
        for name in field_names(model):
            self.fields[name] = Field(model, name, self._edited)
            self.rows[name] = _Row(self.fields[name])
        self._label_width = max(self.fontMetrics().horizontalAdvance(label_of(name)) for name in self.fields) + 4
        plain = [n for n in self.fields if not self.fields[n].meta.advanced]
        self._add_groups(layout, plain)
        self.more = QToolButton()
        self.more.setObjectName("sectionHead")
        self.more.setText("More options")
        self.more.setCheckable(True)
        self.more.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self.more.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.more.setIconSize(QSize(12, 12))
        self.folded = QWidget()
        inner = QVBoxLayout(self.folded)
        inner.setContentsMargins(0, 0, 0, 0)
        inner.setSpacing(6)
        self._add_groups(inner, [n for n in self.fields if self.fields[n].meta.advanced])
        self.folded.hide()
        self.more.toggled.connect(self._fold)
        layout.addWidget(self.more)
        layout.addWidget(self.folded)
        self.whole = QLabel()
        self.whole.setProperty("role", "wrong")
        self.whole.setWordWrap(True)
        self.whole.hide()
        layout.addWidget(self.whole)
        layout.addStretch(1)
        self._quiet = False
        self.recolour()
        self._edited()

    def _add_groups(self, layout: QVBoxLayout, names: list[str]) -> None:
        groups: dict[str, list[str]] = {}
        for name in names:
            groups.setdefault(self.fields[name].meta.group, []).append(name)
        for heading, members in groups.items():
            if heading:
                title = QLabel(heading)
                title.setProperty("role", "title")
                title.setContentsMargins(0, 6, 0, 0)
                layout.addWidget(title)
            form = QFormLayout()
            form.setHorizontalSpacing(10)
            form.setVerticalSpacing(5)
            form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
            form.setLabelAlignment(Qt.AlignmentFlag.AlignLeft)
            for name in members:
                label = QLabel(label_of(name))
                label.setToolTip(self.fields[name].widget.toolTip())
                label.setBuddy(self.fields[name].edit)
                label.setMinimumHeight(26)
                label.setMinimumWidth(self._label_width)
                form.addRow(label, self.rows[name])
            layout.addLayout(form)

    def _fold(self, shown: bool) -> None:
        self.folded.setVisible(shown)
        self.recolour()

    def recolour(self) -> None:
        """Follow a new theme."""
        self.more.setIcon(theme.icon("chevron-down" if self.more.isChecked() else "chevron-right", theme.current().dim))
        for field in self.fields.values():
            if isinstance(field.widget, PathEdit):
                field.widget.recolour()

    def values(self) -> dict[str, Any]:
        """Return what the fields say; empty ones are left out."""
        found = {name: field.value() for name, field in self.fields.items()}
        return {name: value for name, value in found.items() if value is not None and value != []}

    def set_values(self, values: dict[str, Any]) -> None:
        """Write values into their fields; names that the model does not have are passed over."""
        self._quiet = True
        for name, value in values.items():
            if name in self.fields:
                self.fields[name].set_value(value)
        self._quiet = False
        self._edited()

    def problems(self) -> dict[str, str]:
        """Return what is wrong: sentence by field name, ``""`` for what concerns several fields."""
        return dict(self._problems)

    def _edited(self) -> None:
        if self._quiet:
            return
        found = problems(self.model, self.values())
        self._problems = found
        for name, row in self.rows.items():
            problem = found.get(name, "")
            missing = row.field.info.is_required() and not row.field.value()
            row.say("" if missing or not problem else f"{label_of(name)} {problem}.")
        whole = found.get("", "")
        self.whole.setText(f"{whole[:1].upper()}{whole[1:]}." if whole else "")
        self.whole.setVisible(bool(whole))
        if any(self.fields[n].meta.advanced for n in found if n in self.fields):
            self.more.setChecked(True)
        self.changed.emit()
