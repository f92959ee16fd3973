"""The right side: what the panel in front lets you adjust, facts about the document, and the task's form."""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import QSize, Qt
from PySide6.QtWidgets import (
    QFormLayout,
    QFrame,
    QLabel,
    QScrollArea,
    QSizePolicy,
    QTabWidget,
    QToolButton,
    QVBoxLayout,
    QWidget,
)
from shiboken6 import isValid

from emviewer.ui import theme
from emviewer.ui.facts import facts_of
from emviewer.ui.long_text import breakable
from emviewer.ui.panels.base import Panel
from emviewer.ui.workspace import Document, Workspace


class Section(QWidget):
    """A heading that folds what is under it."""

    def __init__(self, title: str, widget: QWidget, folded: bool = False) -> None:
        super().__init__()
        self.widget = widget
        self.head = QToolButton()
        self.head.setObjectName("sectionHead")
        self.head.setText(title)
        self.head.setCheckable(True)
        self.head.setChecked(not folded)
        self.head.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self.head.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.head.setIconSize(QSize(12, 12))
        self.head.toggled.connect(self._fold)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addWidget(self.head)
        self._room = QWidget()
        inner = QVBoxLayout(self._room)
        inner.setContentsMargins(12, 8, 12, 12)
        inner.addWidget(widget)
        widget.show()
        layout.addWidget(self._room)
        self._fold(not folded)

    def _fold(self, shown: bool) -> None:
        self._room.setVisible(shown)
        self.recolour()

    def recolour(self) -> None:
        """Follow a new theme."""
        self.head.setIcon(theme.icon("chevron-down" if self.head.isChecked() else "chevron-right", theme.current().dim))

    def release(self, owner: QWidget | None) -> None:
        """Give the widget back to the panel that made it before the section goes."""
        self._room.layout().removeWidget(self.widget)
        self.widget.hide()
        self.widget.setParent(owner)


class FactsView(QWidget):
    """Name and value, line by line; values can be selected and copied."""

    def __init__(self) -> None:
        super().__init__()
        self._form = QFormLayout(self)
        self._form.setContentsMargins(0, 0, 0, 0)
        self._form.setHorizontalSpacing(12)
        self._form.setVerticalSpacing(4)
        self._form.setLabelAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignTop)
        self._form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)

    def write(self, facts: list[tuple[str, str]]) -> None:
        """Show these lines; labels that are there already are used again."""
        while self._form.rowCount() > len(facts):
            self._form.removeRow(self._form.rowCount() - 1)
        for row, (name, value) in enumerate(facts):
            if row == self._form.rowCount():
                label, text = QLabel(), QLabel()
                label.setProperty("role", "dim")
                label.setAlignment(Qt.AlignmentFlag.AlignTop)
                label.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.MinimumExpanding)
                text.setWordWrap(True)
                text.setMinimumWidth(6 * self.fontMetrics().height())
                text.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
                policy = QSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
                policy.setHeightForWidth(True)
                text.setSizePolicy(policy)
                self._form.addRow(label, text)
            self._label(row, QFormLayout.ItemRole.LabelRole).setText(name)
            self._label(row, QFormLayout.ItemRole.FieldRole).setText(breakable(value))

    def _label(self, row: int, role: QFormLayout.ItemRole) -> QLabel:
        widget = self._form.itemAt(row, role).widget()
        assert isinstance(widget, QLabel)
        return widget


class Inspector(QTabWidget):
    """Two pages: *View* with the sections of the panel in front and the facts, and one for the task's form."""

    def __init__(self, workspace: Workspace) -> None:
        super().__init__()
        self.setObjectName("inspectorTabs")
        self.setDocumentMode(True)
        self.setAccessibleName("Inspector")
        self.workspace = workspace
        self._panel: Panel | None = None
        self._document: Document | None = None
        self._sections: list[Section] = []
        self._folded: dict[str, bool] = {}
        self._facts = FactsView()
        self._information = Section("Information", self._facts)
        self._view = QWidget()
        self._view.setObjectName("inspector")
        self._column = QVBoxLayout(self._view)
        self._column.setContentsMargins(0, 0, 0, 0)
        self._column.setSpacing(0)
        self._column.addWidget(self._information)
        self._column.addStretch(1)
        self._scroll = scroll = QScrollArea()
        scroll.setWidgetResizable(True)
        scroll.setFrameShape(QFrame.Shape.NoFrame)
        scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        scroll.setWidget(self._view)
        self.addTab(scroll, "View")
        workspace.changed.connect(self._changed)

    def show_panel(self, panel: Panel | None) -> None:
        """Show the sections of the panel in front."""
        for section in self._sections:
            self._folded[section.head.text()] = not section.head.isChecked()
            section.release(self._panel if self._panel is not None and isValid(self._panel) else None)
            self._column.removeWidget(section)
            section.hide()
            section.deleteLater()
        self._sections = []
        self._panel = panel
        for place, (title, widget) in enumerate(panel.inspector() if panel is not None else []):
            section = Section(title, widget, self._folded.get(title, False))
            self._sections.append(section)
            self._column.insertWidget(place, section)
        self.show_document(panel.document if panel is not None else self.workspace.current)
        bar = self._scroll.verticalScrollBar().sizeHint().width()
        self._scroll.setMinimumWidth(self._view.minimumSizeHint().width() + bar)

    def show_document(self, document: Document | None) -> None:
        """Show the facts of a document."""
        self._document = document
        self._information.setVisible(document is not None)
        self._facts.write(facts_of(document) if document is not None else [])

    def _changed(self, document: Document) -> None:
        if document is self._document:
            self.show_document(document)

    def show_task(self, title: str, form: QWidget) -> None:
        """Put a task's form on the second page and turn to it."""
        if self.count() > 1 and self.widget(1) is not form:
            old: Any = self.widget(1)
            self.removeTab(1)
            old.close()
            old.deleteLater()
        if self.count() == 1:
            self.addTab(form, title)
        self.setCurrentIndex(1)

    def task(self) -> QWidget | None:
        """Return the form on the second page."""
        return self.widget(1) if self.count() > 1 else None

    def recolour(self) -> None:
        """Follow a new theme."""
        for section in [*self._sections, self._information]:
            section.recolour()
        form: Any = self.task()
        if form is not None:
            form.recolour()
