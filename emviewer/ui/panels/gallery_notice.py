"""The strip above the images that says what is wrong with them, and what can be done."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QPushButton, QWidget


class Notice(QFrame):
    """One sentence with up to one button; hidden while there is nothing to say."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("notice")
        self.label = QLabel()
        self.label.setWordWrap(True)
        self.button = QPushButton()
        self._action: Callable[[], None] | None = None
        self.button.clicked.connect(self._pressed)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(10, 5, 8, 5)
        layout.addWidget(self.label, 1)
        layout.addWidget(self.button)
        self.hide()

    def say(
        self, sentence: str, level: str = "warn", button: str = "", action: Callable[[], None] | None = None
    ) -> None:
        """Show a sentence; ``level`` is ``info``, ``good``, ``warn`` or ``error``; an empty one hides the strip."""
        self.label.setText(sentence[:1].upper() + sentence[1:])
        self.setProperty("level", level)
        self.button.setText(button)
        self.button.setVisible(bool(button))
        self._action = action
        for widget in (self, self.label):
            widget.style().unpolish(widget)
            widget.style().polish(widget)
        self.setVisible(bool(sentence))

    def _pressed(self) -> None:
        if self._action is not None:
            self._action()
