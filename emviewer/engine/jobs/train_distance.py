"""The train-distance job: a small network trained on projections of a map, calibrated, judged, and kept as one file."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from emviewer import __version__
from emviewer.engine import learned_judge as judges
from emviewer.engine.errors import ParameterError
from emviewer.engine.jobs import train_distance_output as output
from emviewer.engine.jobs.folder import ResultFolder
from emviewer.engine.jobs.run import JobSpec
from emviewer.engine.jobs.train_distance_params import HELP, TITLE, TrainDistanceParams
from emviewer.engine.jobs.train_distance_source import map_hash, name_of, open_training_map
from emviewer.engine.learned import GUESSED_RAD, LearnedDistance
from emviewer.engine.learned_cells import Cells
from emviewer.engine.learned_draw import Conditions, Draws
from emviewer.engine.learned_train import Settings, Trainer, require_torch
from emviewer.engine.symmetry import point_group
from emviewer.engine.symmetry_groups import looks_like_a_name
from emviewer.engine.task import Batch, Check, message, never
from emviewer.engine.types import Map3D

TURNS = 64
"""Angles in the plane that the network tells apart."""
SHIFT_SHARE = 0.015
"""Shifts left after centring, of the map's box, unless told."""


def train_distance(
    params: TrainDistanceParams, folder: ResultFolder, *, check: Check, rng: np.random.Generator
) -> Iterator[Batch]:
    """Train a distance (see :class:`TrainDistanceParams`) into ``folder``.

    Yields
    ------
    Batch
        Rows are measurements from 0; columns ``step, loss, held_out_loss``; extra ``loss`` and, when it was just
        measured, ``held_out_loss``, the cross entropy in nats of images that are not trained on.
    """
    if not looks_like_a_name(params.sym):
        raise ParameterError("a distance is trained for a named point group", params.sym, "give its name, as C4 or D7")
    require_torch()
    yield message("opening the map")
    volume = open_training_map(params, folder, check)
    group = point_group(params.sym)
    shift_A = SHIFT_SHARE * volume.box * volume.pixel_size_A if params.shift is None else params.shift
    conditions = Conditions(
        (params.snr[0], params.snr[-1]), params.snr_region == "disc", shift_A, params.defocus,
        params.phases == "flipped", params.kv, params.cs, params.q0,
    )  # fmt: skip
    draws = Draws(volume, conditions, params.box, check)
    settings = Settings(
        params.n * params.passes, channels=params.channels, blocks=params.blocks, seed=params.seed
    )  # fmt: skip
    trainer = Trainer(draws, Cells(params.step, TURNS, group), settings)
    folder.record["parameters"] |= {"shift": shift_A, "box": draws.box}
    curve = output.Curve()
    folder.stage("train")
    badge = _badge(params, volume, draws)
    ended = False
    try:
        yield message("training", 0, settings.steps)
        for now in trainer.run(check):
            row = curve.add(now)
            columns = {name: np.array([values[-1]]) for name, values in curve.columns.items()}
            live = {"loss": now.loss} | ({} if now.held_out is None else {"held_out_loss": now.held_out})
            yield Batch(np.array([row]), columns, now.step, now.steps, "training", live)
        ended = True
        yield message("calibrating", settings.steps, settings.steps)
    finally:
        if trainer.network is not None:
            badge |= {"steps": curve.last_step, "images_drawn": curve.last_step * settings.batch, "complete": ended}
            made = _finish(params, folder, trainer, badge, curve, check if ended else never)
    if params.report != "none":
        folder.stage("report")
        yield message("drawing the report", settings.steps, settings.steps)
        output.draw(folder, params, made, curve)


def _finish(
    params: TrainDistanceParams, folder: ResultFolder, trainer: Trainer, badge: dict[str, object],
    curve: output.Curve, check: Check,
) -> output.Made:  # fmt: skip
    """Calibrate, judge and write the best network so far; less thoroughly when training was stopped."""
    assert trainer.network is not None
    folder.stage("calibrate")
    whole = bool(badge["complete"])
    cells, draws, seed = trainer.cells, trainer.draws, params.seed
    calibration = judges.calibrate(
        trainer.network, cells, draws, np.random.default_rng([seed, 4]), 700 if whole else 200, check
    )  # fmt: skip
    model = LearnedDistance(trainer.network, draws.rings, cells, calibration, badge)
    levels, pairs = judges.judge(model, draws, np.random.default_rng([seed, 5]), 300 if whole else 120, check)
    badge |= {
        "certainty": {"snr": [x.snr for x in levels], "median": [x.certainty for x in levels]},
        "held_out_mae_rad": {"snr": [x.snr for x in levels], "mae_rad": [x.mae_rad for x in levels]},
    }
    model = LearnedDistance(trainer.network, draws.rings, cells, calibration, badge)
    if min(level.mae_rad for level in levels) > GUESSED_RAD:
        folder.warn(
            "on held-out views the distances are hardly better than guesses: train on more images, on less noise, or "
            "on a better map"
        )
    made = output.Made(model, levels, pairs, trainer.best)
    output.write(folder, made, curve)
    return made


def _badge(params: TrainDistanceParams, volume: Map3D, draws: Draws) -> dict[str, object]:
    """Return what the file says of its origin: enough to know what it may be used for, and to make it again."""
    given = draws.conditions
    return {
        "map": name_of(params.map, volume),
        "map_sha256": map_hash(volume),
        "symmetry": point_group(params.sym).name,
        "pixel_size_A": volume.pixel_size_A,
        "box_A": volume.box * volume.pixel_size_A,
        "particle_radius_A": draws.particle_radius_A,
        "snr": list(given.snr),
        "snr_region": params.snr_region,
        "shift_A": given.shift_A,
        "ctf": None if given.defocus_A is None else {
            "defocus_A": list(given.defocus_A), "phases": params.phases, "kv": given.voltage_kV, "cs_mm": given.cs_mm,
            "q0": given.amplitude_contrast,
        },
        "seed": params.seed,
        "emviewer_version": __version__,
    }  # fmt: skip


def estimate(params: TrainDistanceParams) -> str:
    """Return one line on what training will take."""
    images = params.n * params.passes
    minutes = images * 1.0e-3 * (params.channels / 96) * (0.4 + 0.2 * params.blocks) / 60
    drawn = f"{images:,}".replace(",", " ")
    return f"{drawn} images drawn, about {max(1, round(minutes))} min on two cores"


SPEC = JobSpec("train-distance", TITLE, HELP, TrainDistanceParams, train_distance, estimate)
