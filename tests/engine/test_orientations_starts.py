"""Starts of a symmetric particle get off the ground with few images."""

from __future__ import annotations

from functools import partial
from itertools import takewhile

import numpy as np

from emviewer.engine import orientations_starts
from emviewer.engine.orientations_em import State, prepare_images
from emviewer.engine.orientations_solution import Plan
from emviewer.engine.rotations import random_rotations
from emviewer.engine.simulate_phantom import phantom_blobs
from emviewer.engine.symmetry import point_group
from emviewer.engine.task import never


def test_a_start_of_few_symmetric_images_explains_them(monkeypatch):
    monkeypatch.setattr(orientations_starts, "COARSE_VIEWS", 2000)
    rng = np.random.default_rng(1)
    images = phantom_blobs("D2", 48).project(random_rotations(36, rng), 48)
    noisy = (images + rng.normal(size=images.shape) * images.std() / 1.5).astype(np.float32)
    plan = Plan(0.0, 18.0, starts=1, iterations=10)
    stages = orientations_starts.annealed(
        prepare_images(noisy, 19.0), point_group("D2"), plan, np.arange(36), None, never
    )
    said = {s.stage: s.explained for s in takewhile(lambda s: s.stage.startswith("start"), stages)}
    assert min(said.values()) > 0.3
    assert list(said) == ["start 1", "start 2", "start 3"]


def test_starts_that_end_in_one_frame_are_no_witnesses():
    views = random_rotations(40, np.random.default_rng(0))
    turn, other = random_rotations(2, np.random.default_rng(1))
    shift, sure, data = np.zeros((40, 2)), np.ones(40), np.zeros((2, 2, 2), np.float32)

    def end(rotations, explained):
        return State(rotations, shift, sure, explained, data, 0)

    alone, elsewhere = end(views, 0.8), end(random_rotations(40, np.random.default_rng(2)), 0.79)
    agreement = partial(orientations_starts._agreement, elements=np.eye(3)[None])
    assert agreement([alone, elsewhere, end(views @ turn, 0.79)]) == 1.0
    assert agreement([alone, elsewhere, end(views, 0.79)]) < 0.3
    assert agreement([end(views, 0.0), end(views @ other, 0.0)]) == 0.0
    assert agreement([alone, end(views @ turn, 0.2)]) == orientations_starts.UNKNOWN
