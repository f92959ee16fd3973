"""What training leaves: the model, its curve, held-out pairs, key figures and the report."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from emviewer.engine.files_whole import whole
from emviewer.engine.jobs.folder import ResultFolder
from emviewer.engine.jobs.train_distance_params import TrainDistanceParams
from emviewer.engine.learned import LearnedDistance
from emviewer.engine.learned_judge import Level, Pairs
from emviewer.engine.learned_train import Progress

MODEL, CURVE, PAIRS = "model.npz", "loss.csv", "pairs.csv"


@dataclass(eq=False)
class Curve:
    """The loss as it fell; ``held_out_loss`` is NaN where it was not measured."""

    columns: dict[str, list[float]] = field(
        default_factory=lambda: {"step": [], "loss": [], "held_out_loss": []}
    )  # fmt: skip

    def add(self, now: Progress) -> int:
        """Take a measurement; return its row."""
        values = (float(now.step), now.loss, np.nan if now.held_out is None else now.held_out)
        for name, value in zip(self.columns, values, strict=True):
            self.columns[name].append(value)
        return len(self.columns["step"]) - 1

    @property
    def last_step(self) -> int:
        """The last step that was told."""
        return int(self.columns["step"][-1]) if self.columns["step"] else 0


@dataclass(frozen=True, eq=False)
class Made:
    """The trained distance with its errors and its loss on held-out views."""

    model: LearnedDistance
    levels: list[Level]
    pairs: Pairs
    held_out_loss: float


def write(folder: ResultFolder, made: Made, curve: Curve) -> None:
    """Write model.npz, loss.csv and pairs.csv, and the key figures into the summary."""
    made.model.save(folder / MODEL)
    p = made.pairs
    pairs = {"truth_rad": p.truth, "estimate_rad": p.estimate, "sd_rad": p.spread, "snr": p.snr}
    for name, columns, digits in ((CURVE, curve.columns, "%.6g"), (PAIRS, pairs, "%.5f")):
        with whole(folder / name) as beside:
            pd.DataFrame(columns).to_csv(beside, index=False, float_format=digits)
    levels = made.levels
    folder.record["trained_on"] = dict(made.model.badge)
    folder.summary |= {
        "trained_on": dict(made.model.badge),
        "mae_rad": float(np.mean([x.mae_rad for x in levels])),
        "rms_rad": float(np.sqrt(np.mean([x.rms_rad**2 for x in levels]))),
        "by_snr": [vars(x) for x in levels],
        "loss": curve.columns["loss"][-1] if curve.columns["loss"] else None,
        "held_out_loss": made.held_out_loss,
        "steps": curve.last_step,
    }


def draw(folder: ResultFolder, params: TrainDistanceParams, made: Made, curve: Curve) -> None:
    """Write report.png and report.pdf as asked."""
    from emviewer.engine.jobs import reconstruct_report as parts

    badge = made.model.badge
    low, high = badge["snr"]
    ctf = "no CTF" if badge["ctf"] is None else "CTF " + ":".join(f"{d:g}" for d in badge["ctf"]["defocus_A"]) + " Å"
    said = (
        f"trained on {badge['map']} ({badge['map_sha256'][:8]}), {badge['symmetry']}, SNR {low:g} to {high:g} in the "
        f"{badge['snr_region']}, {ctf}, {badge['images_drawn']} images drawn"
    )
    figure = parts.page(
        120, f"Learned distance of {badge['map']}", said,
        (*folder.warnings, "It holds for images of this structure; on others its distances mean nothing."),
    )  # fmt: skip
    axes = figure.add_axes((0.08, 0.2, 0.26, 0.6))
    c = {name: np.asarray(v) for name, v in curve.columns.items()}
    axes.plot(c["step"], c["loss"], color=parts.BLUE, lw=0.8, label="training")
    known = np.isfinite(c["held_out_loss"])
    axes.plot(c["step"][known], c["held_out_loss"][known], color=parts.ORANGE, lw=1, label="held out")
    axes.set_xlabel("step", fontsize=6.5)
    axes.set_ylabel("cross entropy (nats)", fontsize=6.5)
    axes.legend(fontsize=6, frameon=False)
    parts.plain(axes)
    axes = figure.add_axes((0.42, 0.2, 0.29, 0.6))
    axes.scatter(made.pairs.truth, made.pairs.estimate, s=1.5, lw=0, alpha=0.4, color=parts.BLUE, rasterized=True)
    axes.plot([0, np.pi], [0, np.pi], color=parts.GREY, lw=0.6, ls=":")
    axes.set_xlabel("true distance (rad)", fontsize=6.5)
    axes.set_ylabel("estimated distance (rad)", fontsize=6.5)
    parts.plain(axes)
    axes = figure.add_axes((0.75, 0.2, 0.22, 0.6))
    axes.set_axis_off()
    axes.text(0, 1, "held-out views", fontsize=7, fontweight="bold", va="top")
    for i, x in enumerate(made.levels):
        words = f"SNR {x.snr:.3g}\n  mean error of distances {x.mae_rad:.3f} rad\n  error of views {x.median_deg:.1f}° "
        words += f"median,\n  {x.mean_deg:.1f}° mean"
        axes.text(0, 0.88 - 0.26 * i, words, fontsize=6.5, va="top", linespacing=1.5)
    parts.save(figure, folder, params.report)
