"""The strips of the centring panel: what was found in a line, and what can be done with the classes chosen."""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import QSignalBlocker, Qt, Signal
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QComboBox, QFrame, QLabel, QMenu, QPushButton, QSizePolicy, QToolButton, QWidget

from emviewer.ui import columns, theme
from emviewer.ui.centering_session import REJECTED, Centering
from emviewer.ui.flow_layout import FlowLayout

METHODS = {
    "auto": "mirror where the average looks like its own half turn, else mass",
    "mass": "the centre of gravity of the silhouette",
    "mirror": "the point about which the average is its own half turn",
    "reprojection": "the origin of a map, from its best projection",
    "xmipp": "the ten iterations of Xmipp, to compare with",
}
SORTS = {
    "doubt": "least sure first",
    "far": "furthest first",
    "members": "most members first",
    "number": "by class number",
}
FILTERS = {
    "all": "all classes",
    "alone": "left alone or rejected",
    "moves": "that move",
    "changed": "that were changed",
}
SAVES = {
    "star": "RELION particles, for re-extraction… (.star)",
    "star_place": "RELION particles, for the present images… (.star)",
    "cs": "cryoSPARC particles, for re-extraction… (.cs)",
    "cs_place": "cryoSPARC particles, for the present images… (.cs)",
    "xmd": "Xmipp metadata, for re-extraction… (.xmd)",
    "coordinates": "Coordinates, a table a micrograph…",
    "mrcs": "Centred class averages… (.mrcs)",
    "report": "Report… (PDF, PNG or SVG)",
}


def sentences(centering: Centering) -> list[tuple[str, str]]:
    """Return what the centring says, as (level, sentence): ``good``, ``warn``, ``info``."""
    figures, choices = centering.figures, centering.choices
    out: list[tuple[str, str]] = []
    if figures.get("n_particles"):
        n, far = int(figures["n_particles"]), int(figures["n_moved"])
        share = f"{100 * float(figures['fraction_moved']):.3g} %"
        out.append(("good", f"{columns.grouped(far)} of {columns.grouped(n)} particles move ≥ 1 px ({share})"))
        mean_px, mean_A = float(figures["mean_displacement_px"]), float(figures["mean_displacement_A"])
        out.append(("info", f"mean {mean_px:.2f} px = {mean_A:.2f} Å"))
    elif choices:
        lengths = np.array([np.hypot(c.x_px, c.y_px) if c.moves else 0.0 for c in choices])
        far = int((lengths >= 1).sum())
        out.append(("good", f"{far} of {len(choices)} classes move ≥ 1 px"))
        mean = float(lengths.mean())
        out.append(("info", f"mean {mean:.2f} px = {mean * centering.pixel_size_A:.2f} Å"))
    rejected = sum(c.verdict == REJECTED for c in choices)
    alone = sum(not c.moves for c in choices) - rejected
    if alone:
        out.append(("warn", f"{alone} class{'es' * (alone != 1)} left alone"))
    if rejected:
        out.append(("info", f"{rejected} rejected"))
    changed = 0 if len(choices) != len(centering.found) else len(centering.changed_rows())
    if changed:
        out.append(("info", f"{changed} changed"))
    outside = int(figures.get("n_out_of_bounds") or 0)
    if outside:
        out.append(("warn", f"{columns.grouped(outside)} outside the micrograph"))
    homeless = int((figures.get("members") or {}).get("no class", 0))
    if homeless:
        out.append(("warn", f"{_particles(homeless)} without a class average"))
    unaligned = int((figures.get("members") or {}).get("no in-plane alignment", 0))
    if unaligned:
        out.append(("warn", f"{_particles(unaligned)} without an in-plane alignment"))
    return out


def _particles(n: int) -> str:
    return f"{columns.grouped(n)} particle{'s' * (n != 1)}"


class SummaryStrip(QFrame):
    """Badges that say what was found, each in words and colour."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("verdict")
        self.badges: list[QLabel] = []
        self.row = FlowLayout(self)
        self.row.setContentsMargins(8, 4, 8, 4)
        self.count = QLabel()
        self.count.setObjectName("dim")
        self.row.addWidget(self.count)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Minimum)

    def show_centering(self, centering: Centering | None, streaming: bool) -> None:
        """Write what is known now."""
        said = [] if centering is None else sentences(centering)
        if streaming:
            said = [("info", "centring…"), *said]
        marks = {"good": "✓ ", "warn": "! ", "info": ""}
        while len(self.badges) < len(said):
            badge = QLabel()
            badge.setProperty("badge", "info")
            self.badges.append(badge)
            self.row.addWidget(badge)
        for i, badge in enumerate(self.badges):
            badge.setVisible(i < len(said))
            if i < len(said):
                level, text = said[i]
                badge.setText(marks[level] + text)
                if badge.property("badge") != level:
                    badge.setProperty("badge", level)
                    badge.style().unpolish(badge)
                    badge.style().polish(badge)

    def text(self) -> str:
        """Return all that it says."""
        return " · ".join(b.text() for b in self.badges if not b.isHidden())


class CenteringHeader(QWidget):
    """Order and filter of the classes, decisions, estimator, saving.

    Signals
    -------
    sort_wanted, filter_wanted : str
    decided : str
        ``accept``, ``reject`` or ``reset``.
    estimate_wanted : str
        Name of an estimator.
    save_wanted : str
        Key of :data:`SAVES`.
    """

    sort_wanted = Signal(str)
    filter_wanted = Signal(str)
    decided = Signal(str)
    estimate_wanted = Signal(str)
    save_wanted = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        row = FlowLayout(self)
        row.setContentsMargins(8, 3, 8, 3)
        self.sort = self._combo(SORTS, "Order of the classes", self.sort_wanted)
        self.filter = self._combo(FILTERS, "Which classes are shown", self.filter_wanted)
        self.accept = self._button("Accept", "done", "Move the class and its members to this centre  (Space)", "accept")
        self.reject = self._button("Reject", "close", "Leave the class and its members as they are  (Del)", "reject")
        self.reset = self._button("", "undo", "Return to what the job found  (0)", "reset")
        self.method = self._combo({name: name for name in METHODS}, "Estimator", None)
        for i, words in enumerate(METHODS.values()):
            self.method.setItemData(i, words, Qt.ItemDataRole.ToolTipRole)
        self.estimate = QPushButton("Estimate")
        self.estimate.setToolTip("Find the centre of the selected classes (or the current one) with this estimator")
        self.estimate.clicked.connect(lambda: self.estimate_wanted.emit(str(self.method.currentData())))
        self.save = QToolButton()
        self.save.setText("Save")
        self.save.setToolTip("Save particles, coordinates or averages as they stand now")
        self.save.setToolButtonStyle(self.save.toolButtonStyle().ToolButtonTextBesideIcon)
        self.save.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self.menu = QMenu(self.save)
        self.saves: dict[str, QAction] = {}
        for key, text in SAVES.items():
            action = self.menu.addAction(text)
            action.triggered.connect(lambda _=False, key=key: self.save_wanted.emit(key))
            self.saves[key] = action
        self.save.setMenu(self.menu)
        for widget in (self.sort, self.filter, self.accept, self.reject, self.reset, self.method, self.estimate,
                       self.save):  # fmt: skip
            row.addWidget(widget)
        self.recolour()

    def _combo(self, choices: dict[str, str], name: str, signal: object) -> QComboBox:
        box = QComboBox()
        box.setAccessibleName(name)
        box.setToolTip(name)
        for key, text in choices.items():
            box.addItem(text, key)
        if signal is not None:
            box.activated.connect(lambda _: signal.emit(str(box.currentData())))
        return box

    def _button(self, text: str, icon: str, tip: str, what: str) -> QToolButton:
        button = QToolButton()
        button.setText(text)
        button.setProperty("icon_name", icon)
        button.setToolTip(tip)
        button.setAccessibleName(text or tip)
        button.setToolButtonStyle(button.toolButtonStyle().ToolButtonTextBesideIcon)
        button.setMinimumHeight(26)
        button.clicked.connect(lambda: self.decided.emit(what))
        return button

    def show_sorting(self, sort: str, shown: str) -> None:
        """Show which order and filter are in force."""
        for box, key in ((self.sort, sort), (self.filter, shown)):
            with QSignalBlocker(box):
                box.setCurrentIndex(max(0, box.findData(key)))

    def enable(self, *, classes: bool, finished: bool, members: bool, form: str) -> None:
        """Offer what can be done now: with classes, with a finished job, with members of a program's table."""
        for widget in (self.accept, self.reject, self.reset):
            widget.setEnabled(classes)
        self.method.setEnabled(finished)
        self.estimate.setEnabled(finished)
        self.save.setEnabled(finished)
        for key, action in self.saves.items():
            action.setEnabled(finished and (members or key in ("mrcs", "report")))
        self.saves["xmd"].setVisible(form == "xmipp")

    def recolour(self) -> None:
        """Follow a new theme."""
        for button in (self.accept, self.reject, self.reset):
            button.setIcon(theme.icon(button.property("icon_name")))
        self.save.setIcon(theme.icon("export"))
