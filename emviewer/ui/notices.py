"""Strips above the panels: something to know, to mend, or to answer, without a dialog in the way."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from PySide6.QtCore import QSize, Qt, QTimer
from PySide6.QtWidgets import (
    QApplication,
    QFrame,
    QHBoxLayout,
    QLabel,
    QPlainTextEdit,
    QPushButton,
    QSizePolicy,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from emviewer.ui import theme
from emviewer.ui.long_text import breakable

Level = Literal["info", "good", "warn", "error"]
_ICONS = {"info": "info", "good": "done", "warn": "warning", "error": "error"}
_MOST = 3
LINGER_MS = 12_000


class Notice(QFrame):
    """One strip: icon, sentence, an optional widget, buttons, details that unfold, and a cross.

    Parameters
    ----------
    level : str
        ``info``, ``good``, ``warn`` or ``error``.
    text : str
        One sentence.
    details : str
        Shown when unfolded; can be copied.
    buttons : sequence of (text, callback)
        Each closes the strip and then calls back.
    widget : QWidget, optional
        Put before the buttons (a field to mend the value in doubt).
    key : object
        A later notice with the same key takes this one's place.
    """

    def __init__(
        self,
        level: Level,
        text: str,
        details: str = "",
        buttons: tuple[tuple[str, Callable[[], None]], ...] = (),
        widget: QWidget | None = None,
        key: object = None,
    ) -> None:
        super().__init__()
        self.setObjectName("notice")
        self.setProperty("level", level)
        self.level, self.text, self.key = level, text, key
        self.setAccessibleName(text)
        self._icon = QLabel()
        self._label = QLabel(breakable(text))
        self._label.setWordWrap(True)
        self._label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self._label.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
        row = QHBoxLayout()
        row.setSpacing(8)
        row.addWidget(self._icon, 0, Qt.AlignmentFlag.AlignVCenter)
        row.addWidget(self._label, 1)
        if widget is not None:
            row.addWidget(widget)
        self._details = QPlainTextEdit(details)
        self._details.setReadOnly(True)
        lines = min(12, details.count("\n") + 2)
        self._details.setFixedHeight(self._details.fontMetrics().lineSpacing() * lines + 8)
        self._details.hide()
        if details:
            row.addWidget(self._button("Details", self._unfold))
            row.addWidget(self._button("Copy", self._copy))
        for name, callback in buttons:
            row.addWidget(self._button(name, lambda call=callback: (self.dismiss(), call())))
        self._cross = QToolButton()
        self._cross.setToolTip("Dismiss")
        self._cross.setAccessibleName("Dismiss notice")
        self._cross.setMinimumSize(24, 24)
        self._cross.clicked.connect(self.dismiss)
        row.addWidget(self._cross)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(12, 5, 8, 5)
        layout.addLayout(row)
        layout.addWidget(self._details)
        self.recolour()

    def _button(self, text: str, callback: Callable[[], object]) -> QPushButton:
        button = QPushButton(text)
        button.clicked.connect(lambda: callback())
        return button

    def _unfold(self) -> None:
        self._details.setVisible(self._details.isHidden())

    def _copy(self) -> None:
        QApplication.clipboard().setText(f"{self.text}\n\n{self._details.toPlainText()}")

    def recolour(self) -> None:
        """Draw the icons again in the theme's colours."""
        c = theme.current()
        shade = {"info": c.text, "good": c.on_good, "warn": c.on_warn, "error": c.on_error}[self.level]
        self._icon.setPixmap(theme.icon(_ICONS[self.level], shade).pixmap(QSize(18, 18), self.devicePixelRatio()))
        self._cross.setIcon(theme.icon("close", shade))

    def dismiss(self) -> None:
        """Take the strip away."""
        self.hide()
        self.setParent(None)
        self.deleteLater()


class NoticeArea(QWidget):
    """The strips above the panels, the newest on top, at most three."""

    def __init__(self) -> None:
        super().__init__()
        self._layout = QVBoxLayout(self)
        self._layout.setContentsMargins(0, 0, 0, 0)
        self._layout.setSpacing(0)

    def notices(self) -> list[Notice]:
        """Return the strips that show, newest first."""
        found = (self._layout.itemAt(i).widget() for i in range(self._layout.count()))
        return [w for w in found if isinstance(w, Notice)]

    def show_notice(self, notice: Notice, linger: bool = False) -> Notice:
        """Add a strip on top; ``linger`` takes it away by itself after a while."""
        for old in self.notices():
            if notice.key is not None and old.key == notice.key:
                old.dismiss()
        self._layout.insertWidget(0, notice)
        for old in self.notices()[_MOST:]:
            old.dismiss()
        if linger:
            timer = QTimer(notice)
            timer.setSingleShot(True)
            timer.timeout.connect(notice.dismiss)
            timer.start(LINGER_MS)
        return notice

    def dismiss(self, key: object) -> None:
        """Take away the strip with this key, if it shows."""
        for notice in self.notices():
            if notice.key == key:
                notice.dismiss()

    def recolour(self) -> None:
        """Follow a new theme."""
        for notice in self.notices():
            notice.recolour()
