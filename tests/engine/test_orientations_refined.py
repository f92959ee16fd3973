"""Views of symmetric particles settled by their images: a common line stands for one element of the group."""

from __future__ import annotations

import numpy as np
import pytest

from emviewer.engine import orientations_images, orientations_lines, orientations_quick, orientations_starts
from emviewer.engine.orientations_lines import Lines
from emviewer.engine.orientations_solution import Plan, Solution
from emviewer.engine.rotations import random_rotations
from emviewer.engine.symmetry import point_group

N = 30


def lines_of(views, elements, rng):
    """Return exact lines of views, of each pair that of a random element of the group."""
    direction = np.zeros((N, N, 2))
    for i in range(N):
        for j in range(i + 1, N):
            other = views[j] @ elements[rng.integers(len(elements))]
            shared = np.cross(views[i][2], other[2])
            shared /= np.linalg.norm(shared)
            direction[i, j], direction[j, i] = views[i][:2] @ shared, other[:2] @ shared
    return Lines(direction, np.ones((N, N), np.float32), np.zeros((N, N), np.float32))


@pytest.fixture
def planted():
    rng = np.random.default_rng(3)
    views = random_rotations(N, rng)
    elements = np.asarray(point_group("D7").rotations)
    return views, elements, lines_of(views, elements, rng)


def test_a_line_of_any_element_fits(planted):
    views, elements, lines = planted
    assert orientations_quick.misfit(lines, views, elements) < 1e-6
    assert orientations_quick.misfit(lines, views) > 0.2


def test_symmetric_views_are_searched_and_the_better_ones_kept(planted, monkeypatch):
    views, elements, lines = planted
    # views that fit the first element alone better than the true ones: the lines' own without symmetry
    wrong = orientations_lines.reweighted(lines, views, iterations=10)
    assert orientations_quick.misfit(lines, wrong) < orientations_quick.misfit(lines, views)
    assert orientations_quick.misfit(lines, wrong, elements) > orientations_quick.misfit(lines, views, elements)
    told, ends = [], [views, wrong]

    def annealed(ready, group, plan, anchors, suspected, check):
        told.append((group.name, plan.starts))
        yield Solution(ends.pop(0), np.zeros((N, 2)), np.zeros(N), "refining", 0.9)

    monkeypatch.setattr(orientations_quick, "detect", lambda *_: lines)
    # lines that seem to bear the views out are no reason to do without the search
    monkeypatch.setattr(orientations_quick, "witnessed", lambda found, v: orientations_quick.Found(found, v, 0.99))
    monkeypatch.setattr(orientations_starts, "annealed", annealed)
    images, plan, group = np.zeros((N, 16, 16), np.float32), Plan(0.0, 6.0), point_group("D7")
    for begin in (wrong, views):
        *_, last = orientations_images.refined(images, begin, plan, group)
        np.testing.assert_array_equal(last.rotations, views)
    assert told == [("D7", 0)] * 2


def test_lines_that_say_nothing_do_not_hold_settled_views_back(planted, monkeypatch):
    views, _, _ = planted
    rng = np.random.default_rng(4)
    angle = rng.uniform(0, 2 * np.pi, (N, N))
    lines = Lines(np.stack([np.cos(angle), np.sin(angle)], axis=-1), np.ones((N, N), np.float32), np.zeros((N, N)))
    # of two answers that random lines do not bear out, one fits them better by chance
    answers = sorted((random_rotations(N, rng), views), key=lambda v: orientations_quick.misfit(lines, v))
    monkeypatch.setattr(orientations_quick, "detect", lambda *_: lines)
    monkeypatch.setattr(
        orientations_starts, "annealed",
        lambda *_: iter([Solution(answers[1], np.zeros((N, 2)), np.zeros(N), "settled", 0.9)]),
    )  # fmt: skip
    images, plan = np.zeros((N, 16, 16), np.float32), Plan(0.0, 6.0)
    *_, last = orientations_images.refined(images, answers[0], plan, point_group("C1"))
    np.testing.assert_array_equal(last.rotations, answers[1])
    assert last.confidence.max() < 0.1
