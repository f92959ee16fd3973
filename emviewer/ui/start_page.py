"""The empty window: the questions it answers, what was open lately, and an example."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QLabel,
    QProgressBar,
    QPushButton,
    QScrollArea,
    QSizePolicy,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from emviewer.ui import theme
from emviewer.ui.settings import Settings
from emviewer.ui.tasks import Task, tasks


def _label(text: str, scale: float = 1.0, role: str = "", bold: bool = False) -> QLabel:
    label = QLabel(text)
    label.setWordWrap(True)
    font = label.font()
    font.setPointSizeF(font.pointSizeF() * scale)
    font.setBold(bold)
    label.setFont(font)
    if role:
        label.setProperty("role", role)
    return label


class StartPage(QScrollArea):
    """What shows while nothing is open.

    Signals
    -------
    open_wanted, example_wanted
    file_wanted : Path
        A recent file was chosen.
    """

    open_wanted = Signal()
    example_wanted = Signal()
    file_wanted = Signal(object)

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self.settings = settings
        self.setWidgetResizable(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setObjectName("startScroll")
        page = QWidget()
        page.setObjectName("startPage")
        self.setWidget(page)
        em = self.fontMetrics().height()
        outer = QHBoxLayout(page)
        column = QVBoxLayout()
        column.setSpacing(em)
        outer.addStretch(1)
        outer.addLayout(column, 4)
        outer.addStretch(1)
        column.addStretch(2)
        column.addWidget(_label("What do you want to know?", 1.7, bold=True))
        column.setContentsMargins(em, em, em, em)
        self._cards: list[tuple[QLabel, str]] = []
        for task in tasks():
            column.addWidget(self._card(task))
        column.addLayout(self._example_row())
        self.progress = QProgressBar()
        self.progress.setTextVisible(False)
        self.progress.setAccessibleName("Progress of the example")
        self.progress.hide()
        column.addWidget(self.progress)
        self._recent_title = _label("Recent", 1.1, bold=True)
        column.addWidget(self._recent_title)
        self._recents = QVBoxLayout()
        self._recents.setSpacing(0)
        column.addLayout(self._recents)
        column.addStretch(3)
        page.setMaximumWidth(em * 70)
        self.setAlignment(Qt.AlignmentFlag.AlignHCenter)
        self.missing: set[Path] = set()
        self.refresh()
        self.recolour()

    def _card(self, task: Task) -> QFrame:
        card = QFrame()
        card.setObjectName("card")
        row = QHBoxLayout(card)
        row.setContentsMargins(20, 18, 20, 18)
        row.setSpacing(18)
        picture = QLabel()
        self._cards.append((picture, task.icon))
        words = QVBoxLayout()
        words.setSpacing(4)
        words.addWidget(_label(task.question, 1.2, bold=True))
        words.addWidget(_label(task.answer, role="dim"))
        self.open_button = QPushButton("Open a map…" if task.needs[:1] == ("map",) else "Open images…")
        self.open_button.setProperty("primary", not self._cards[1:])
        self.open_button.setSizePolicy(QSizePolicy.Policy.Maximum, QSizePolicy.Policy.Fixed)
        self.open_button.clicked.connect(self.open_wanted)
        row.addWidget(picture, 0, Qt.AlignmentFlag.AlignTop)
        row.addLayout(words, 1)
        row.addWidget(self.open_button, 0, Qt.AlignmentFlag.AlignVCenter)
        return card

    def _example_row(self) -> QHBoxLayout:
        row = QHBoxLayout()
        self.example_button = QPushButton("Try the example")
        self.example_button.setToolTip("Build a map from a public structure and look at it; needs no data")
        self.example_button.clicked.connect(self.example_wanted)
        row.addWidget(self.example_button)
        self.hint = _label("It needs no data. Or drop files anywhere.", role="dim")
        row.addWidget(self.hint, 1)
        return row

    def refresh(self) -> None:
        """Write the recent files again; the missing ones are greyed."""
        while self._recents.count():
            old = self._recents.takeAt(0).widget()
            old.setParent(None)
            old.deleteLater()
        recent = self.settings.recent()
        self._recent_title.setVisible(bool(recent))
        for path, pinned in recent:
            self._recents.addWidget(self._recent(path, pinned))

    def _recent(self, path: Path, pinned: bool) -> QWidget:
        there = path not in self.missing
        holder = QFrame()
        holder.setObjectName("recentRow")
        row = QHBoxLayout(holder)
        row.setContentsMargins(2, 1, 2, 1)
        row.setSpacing(10)
        pin = QToolButton()
        pin.setMinimumSize(24, 24)
        pin.setIconSize(QSize(14, 14))
        c = theme.current()
        pin.setIcon(theme.icon("pinned", c.accent) if pinned else theme.icon("pin", c.faint))
        pin.setToolTip("Let it go with time" if pinned else "Keep in this list")
        pin.setAccessibleName(f"{'Unpin' if pinned else 'Pin'} {path.name}")
        pin.clicked.connect(partial(self._pin, path, not pinned))
        name = QPushButton(path.name)
        name.setProperty("flat", True)
        name.setEnabled(there)
        name.setStyleSheet("text-align: left; padding: 4px 6px;")
        name.setMinimumWidth(self.fontMetrics().averageCharWidth() * 28)
        name.setToolTip(str(path) if there else f"{path} is not there now")
        name.clicked.connect(partial(self._choose, path))
        folder = QLabel(str(path.parent) + ("" if there else "  (missing)"))
        folder.setProperty("role", "dim")
        folder.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        folder.setToolTip(str(path))
        row.addWidget(pin)
        row.addWidget(name)
        row.addWidget(folder, 1)
        forget = QToolButton()
        forget.setMinimumSize(24, 24)
        forget.setIconSize(QSize(12, 12))
        forget.setIcon(theme.icon("close", c.faint))
        forget.setToolTip("Take off this list; the file stays")
        forget.setAccessibleName(f"Take {path.name} off the list")
        forget.clicked.connect(partial(self._forget, path))
        row.addWidget(forget)
        return holder

    def _pin(self, path: Path, pinned: bool, _checked: bool = False) -> None:
        self.settings.pin_recent(path, pinned)
        self.refresh()

    def _forget(self, path: Path, _checked: bool = False) -> None:
        self.settings.remove_recent(path)
        self.refresh()

    def _choose(self, path: Path, _checked: bool = False) -> None:
        self.file_wanted.emit(path)

    def show_missing(self, missing: set[Path]) -> None:
        """Grey these recent files (looked up in a lane: a sleeping disk must not hold the window)."""
        if missing != self.missing:
            self.missing = missing
            self.refresh()

    def show_progress(self, stage: str | None) -> None:
        """Show what is being made of the example; None puts the page back."""
        busy = stage is not None
        self.progress.setVisible(busy)
        self.example_button.setEnabled(not busy)
        self.progress.setRange(0, 0)
        self.hint.setText(
            f"The example: {stage}…" if busy
            else "It needs no data. Or drop files anywhere."
        )  # fmt: skip

    def recolour(self) -> None:
        """Follow a new theme."""
        for label, name in self._cards:
            icon = theme.icon(name, theme.current().accent)
            label.setPixmap(icon.pixmap(QSize(44, 44), self.devicePixelRatio()))
        self.refresh()
