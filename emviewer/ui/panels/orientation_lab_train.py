"""The page of the orientation lab that trains a distance: the loss as it falls, estimate against truth, the badge."""

from __future__ import annotations

from typing import Any

import numpy as np
from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QPushButton, QSizePolicy, QVBoxLayout

from emviewer.ui import theme
from emviewer.ui.orientation_read import MODEL, of
from emviewer.ui.panels.orientation_lab_chart import Chart, Dots, Line
from emviewer.ui.panels.orientation_lab_pages import Page
from emviewer.ui.panels.orientation_lab_truth import Figures
from emviewer.ui.runner import Runner
from emviewer.ui.workspace import Workspace

WORTH_RAD = 0.45
"""A distance whose mean error is larger tells hardly more than knowing nothing (0.53 rad)."""


def badge_words(badge: dict[str, Any]) -> list[tuple[str, str]]:
    """Return what a trained distance was trained on, as names and values."""
    low, high = badge["snr"]
    ratio = f"{low:.3g}" if low == high else f"{low:.3g} to {high:.3g}"
    ctf = badge.get("ctf")
    told = "none" if ctf is None else f"underfocus {ctf['defocus_A'][0]:.0f} to {ctf['defocus_A'][1]:.0f} Å"
    return [
        ("Trained on", f"{badge['map']}  ({str(badge['map_sha256'])[:8]})"),
        ("Symmetry", str(badge["symmetry"])),
        ("SNR", f"{ratio} in the {badge['snr_region']}"),
        ("CTF", told),
        ("Shifts", f"σ {badge['shift_A']:.1f} Å"),
        ("Box", f"{badge['box_A']:.0f} Å, particle {2 * badge['particle_radius_A']:.0f} Å across"),
        ("Images drawn", f"{badge['images_drawn']:,}".replace(",", "\u202f")),
    ]


class Badge(QFrame):
    """Says what a distance was trained on, and that it holds for nothing else."""

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("trainedBadge")
        self.words = QLabel()
        self.words.setWordWrap(True)
        self.words.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.words.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Minimum)
        row = QHBoxLayout(self)
        row.setContentsMargins(12, 8, 12, 8)
        row.addWidget(self.words)
        self.badge: dict[str, Any] = {}

    def say(self, badge: dict[str, Any]) -> None:
        """Show a badge; nothing for an empty one."""
        self.badge = badge
        self.setVisible(bool(badge))
        if not badge:
            return
        c = theme.current()
        self.setStyleSheet(f"#trainedBadge {{ border: 1px solid {c.accent}; border-radius: 6px; }}")
        parts = [f"<span style='color:{c.dim}'>{name}</span> <b>{value}</b>" for name, value in badge_words(badge)]
        early = "" if badge.get("complete", True) else " Training was stopped early; this is the best so far."
        below = f"It holds for images of this structure under these conditions, and for no others.{early}"
        joined = " &nbsp; ".join(p.replace(" ", "\u00a0") for p in parts)
        self.words.setText(f"{joined}<br><span style='color:{c.dim}'>{below}</span>")


class TrainPage(Page):
    """Loss while it trains; on views that were held out, estimates against the truth; what it may be used for.

    Signals
    -------
    use_wanted
        The trained distance is to be used in Recover.
    """

    use_wanted = Signal()

    def __init__(self, workspace: Workspace, runner: Runner, owner: Any) -> None:
        super().__init__(workspace, runner, owner)
        self.badge = Badge()
        self.figures = Figures()
        self.loss = Chart("Loss", "step", "The curve appears while the network is trained")
        self.scatter = Chart(
            "Estimated against true",
            "true distance, °",
            "Comes at the end: pairs of views that were not trained on",
        )
        self.scatter.x_ticks = (0, 45, 90, 135, 180)
        self.scatter.y_range = (0.0, 180.0)
        self.scatter.legend = "left"
        self.use = QPushButton("Use in Recover")
        self.use.setToolTip("Recover orientations from the distances that this network tells")
        self.use.clicked.connect(self.use_wanted)
        charts = QHBoxLayout()
        charts.setContentsMargins(6, 0, 8, 6)
        charts.addWidget(self.loss, 1)
        charts.addWidget(self.scatter, 1)
        head = QHBoxLayout()
        head.setContentsMargins(10, 8, 10, 0)
        head.addWidget(self.badge, 1)
        head.addWidget(self.use, 0, Qt.AlignmentFlag.AlignVCenter)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(head)
        layout.addWidget(self.figures)
        layout.addLayout(charts, 1)

    def refresh(self) -> None:
        orient = of(self.document)
        summary = {} if orient is None else orient.summary
        self.badge.say(summary.get("trained_on") or {})
        self.use.setVisible(orient is not None and orient.file(MODEL) is not None)
        self._say_errors(summary)
        self._show_loss()
        self._show_pairs(None if orient is None else orient.pairs)

    def _say_errors(self, summary: dict[str, Any]) -> None:
        levels = [x for x in summary.get("by_snr", []) if isinstance(x, dict)]
        figures = [(f"at SNR {x['snr']:.2g}", f"{np.degrees(x['mae_rad']):.1f}°") for x in levels]
        below = ""
        if levels:
            worst = max(float(x["mae_rad"]) for x in levels)
            below = "Mean error of the distances between views that were not trained on."
            if worst > WORTH_RAD:
                below += " 30° is chance: train on more images, or on less noise."
        self.figures.say(figures, below)
        self.figures.setVisible(bool(figures))

    def _show_loss(self) -> None:
        step, loss, held_out = (self.column(name) for name in ("step", "loss", "held_out_loss"))
        if step is None or loss is None or not len(step):
            self.loss.clear()
            return
        lines = [Line(step, loss, "training images", "accent")]
        if held_out is not None and np.isfinite(held_out).any():
            known = np.isfinite(held_out)
            lines.append(Line(step[known], held_out[known], "held out", "text", dashed=True))
        self.loss.show_data(lines=lines, note=f"{loss[-1]:.2f} nats at step {step[-1]:.0f}")

    def _show_pairs(self, pairs: Any) -> None:
        if pairs is None or not len(pairs):
            self.scatter.clear()
            return
        truth, estimate = (np.degrees(pairs[name].to_numpy(float)) for name in ("truth_rad", "estimate_rad"))
        straight = Line(np.array([0.0, 180.0]), np.array([0.0, 180.0]), "exact", "text", dashed=True)
        off = float(np.abs(estimate - truth).mean())
        self.scatter.show_data(
            dots=Dots(truth, np.clip(estimate, 0, 180)), lines=[straight], note=f"mean error {off:.1f}°"
        )
