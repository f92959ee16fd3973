"""The motion of a map as text to read and to copy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from PySide6.QtCore import Qt
from PySide6.QtGui import QFontDatabase, QGuiApplication
from PySide6.QtWidgets import QHBoxLayout, QMenu, QPlainTextEdit, QToolButton, QVBoxLayout, QWidget

from emviewer.engine.types import Map3D, RigidTransform
from emviewer.ui import motion_text


class MotionText(QWidget):
    """Matrix, Euler angles and ChimeraX command of the motion shown; each can be copied alone."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.motion: RigidTransform | None = None
        self.chimerax = ""
        self.text = QPlainTextEdit()
        self.text.setReadOnly(True)
        fixed = QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont)
        fixed.setPointSizeF(max(7.0, 0.92 * self.font().pointSizeF()))
        self.text.setFont(fixed)
        self.text.setLineWrapMode(QPlainTextEdit.LineWrapMode.NoWrap)
        self.text.setAccessibleName("The motion as text")
        self.text.setPlaceholderText("The motion is written here once one is found.")
        self.menu = QMenu(self)
        for words, make in self._copies():
            self.menu.addAction(words, lambda m=make: self.copy(m))
        self.button = QToolButton()
        self.button.setText("Copy ▾")
        self.button.setToolTip("Copy the motion as text")
        self.button.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self.button.setMenu(self.menu)
        row = QHBoxLayout()
        row.addStretch(1)
        row.addWidget(self.button, 0, Qt.AlignmentFlag.AlignRight)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(2)
        column.addWidget(self.text, 1)
        column.addLayout(row)
        self.button.setEnabled(False)

    def _copies(self) -> tuple[tuple[str, Callable[[], str]], ...]:
        return (
            ("All of it", self.text.toPlainText),
            ("Matrix and translation", lambda: self._with_motion(motion_text.matrix_text)),
            ("Euler angles and shift", lambda: self._with_motion(motion_text.euler_text)),
            ("ChimeraX command", lambda: self.chimerax),
            ("Start for emviewer align", lambda: self._with_motion(lambda m: f"--start={motion_text.start_text(m)}")),
        )

    def _with_motion(self, make: Callable[[RigidTransform], str]) -> str:
        return "" if self.motion is None else make(self.motion)

    def copy(self, make: Callable[[], str]) -> None:
        """Put a text on the clipboard."""
        QGuiApplication.clipboard().setText(make())

    def show_motion(
        self, motion: RigidTransform | None, facts: dict[str, Any], maps: tuple[Map3D, Map3D] | None
    ) -> None:
        """Write a motion.

        Parameters
        ----------
        motion : RigidTransform or None
            Map to reference; None while there is none.
        facts : dict
            What the job found about it; empty for a motion that it did not find.
        maps : (Map3D, Map3D) or None
            Moving map and reference, for ChimeraX; None while they are not read.
        """
        self.motion = motion
        self.chimerax = "" if motion is None or maps is None else motion_text.chimerax_text(motion, *maps)
        self.text.setPlainText("" if motion is None else motion_text.motion_text(motion, facts, self.chimerax))
        self.button.setEnabled(motion is not None)
        for action in self.menu.actions():
            action.setEnabled(motion is not None and (bool(self.chimerax) or "ChimeraX" not in action.text()))
