"""Confidence follows its witnesses: common lines, or starts that agree together with images found again."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from emviewer.engine.orientations_judge import judged
from emviewer.engine.orientations_lines import Lines
from emviewer.engine.orientations_quick import Found
from emviewer.engine.orientations_solution import Solution
from emviewer.engine.symmetry import point_group

N = 60


@pytest.fixture(scope="module")
def unseen():
    """Lines in directions of chance, as noise has them, and views that they do not bear out."""
    angle = np.random.default_rng(0).uniform(0, 2 * np.pi, (N, N))
    none = np.zeros((N, N), np.float32)
    lines = Lines(np.stack([np.cos(angle), np.sin(angle)], axis=-1), none, none)
    views = Rotation.random(N, random_state=1).as_matrix()
    return Found(lines, views, 0.0), Solution(views, np.zeros((N, 2)), np.zeros(N), "settled")


def confidence(unseen, group="C1", **told):
    lines, found = unseen
    return judged(replace(found, **told), lines, np.arange(N), point_group(group)).confidence


def again(agreement=0.98, away=1, spread_deg=4.0):
    held = np.ones(N, bool)
    held[:away] = False
    return {"agreement": agreement, "held": held, "spread_rad": np.full(N, np.radians(spread_deg))}


def test_views_that_starts_and_the_map_of_the_others_confirm_are_believed(unseen):
    sure = confidence(unseen, **again())
    assert sure[1:].min() > 0.8
    assert sure[0] < 0.6 * sure[1:].min()  # that one was found elsewhere


@pytest.mark.parametrize("told", [
    {}, again(agreement=0.7), again(away=N // 4), {**again(), "agreement": None},
], ids=["nobody", "starts disagree", "images go elsewhere", "no second start"])  # fmt: skip
def test_one_witness_alone_is_not_believed(unseen, told):
    assert confidence(unseen, **told).max() < 0.05


def test_views_known_vaguely_are_not_known_within_ten_degrees(unseen):
    assert confidence(unseen, **again(spread_deg=25.0)).max() < 0.2


def test_with_symmetry_only_lines_are_heard(unseen):
    assert confidence(unseen, "C2", **again()).max() < 0.05
