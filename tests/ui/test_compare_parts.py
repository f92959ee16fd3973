"""Parts of the compare panels by themselves: strip, curve, where details stand, pictures from a lane, tags, rows."""

from __future__ import annotations

import itertools
import threading

import numpy as np
import pandas as pd
import pytest
from PySide6.QtCore import QPoint, QPointF, Qt

from emviewer.engine.task import Batch
from emviewer.engine.types import Contrast
from emviewer.ui.compare_stage import SetScores
from emviewer.ui.comparison_grow import GrowingScores
from emviewer.ui.lane_picture import LanePicture
from emviewer.ui.panels.compare_curve import RingCurve
from emviewer.ui.panels.compare_details import CompareArea, edges
from emviewer.ui.panels.compare_pictures import Triplet
from emviewer.ui.panels.compare_polar import PolarStrip
from emviewer.ui.row_order import RowIds, RowOrder, sortable
from emviewer.ui.tags import NAMES, Tags

LEFT, PLAIN = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier


def wedge(n=64, turned=0):
    """An image that is bright within 20° about one direction."""
    y, x = np.indices((n, n)) - n // 2
    angle = (np.degrees(np.arctan2(y, x)) - turned + 180) % 360 - 180
    return ((np.abs(angle) < 20) & (np.hypot(x, y) < n / 2)).astype(np.float32)


# polar strip --------------------------------------------------------------------------------------------------------
def test_the_polar_strip_shows_a_turn_in_the_plane_as_a_shift(qtbot):
    strip = PolarStrip()
    qtbot.addWidget(strip)
    strip.resize(360, 80)
    strip.show()
    image, fitted = wedge(turned=90), wedge(turned=180)
    strip.show_bands(Triplet(image, fitted, image - fitted).polar, Contrast(0.0, 1.0))
    picture = strip.grab().toImage()
    upper, lower = ([picture.pixelColor(x, y).lightness() for x in range(360)] for y in (25, 65))
    assert abs(int(np.argmax(np.convolve(upper, np.ones(41), "same"))) - 90) < 6
    assert abs(int(np.argmax(np.convolve(lower, np.ones(41), "same"))) - 180) < 6
    strip.show_bands(None, Contrast(0.0, 1.0))
    bare = strip.grab().toImage()
    assert len({bare.pixelColor(x, 25).name() for x in range(360)}) == 1


def test_dragging_the_polar_strip_turns_by_the_angle_dragged(qtbot):
    strip = PolarStrip()
    qtbot.addWidget(strip)
    strip.resize(180, 80)
    strip.show()
    turned = []
    strip.rolled.connect(turned.append)
    strip.show_bands(np.zeros((2, 10, 180), np.float32), Contrast(0.0, 1.0))
    qtbot.mousePress(strip, LEFT, PLAIN, QPoint(20, 20))
    for x in (30, 45, 65):
        qtbot.mouseMove(strip, QPoint(x, 20))
    qtbot.mouseRelease(strip, LEFT, PLAIN, QPoint(65, 20))
    assert sum(turned) == pytest.approx(90.0)


# ring curve ---------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("pixel, width", [(3.54, 200), (3.54, 600), (1.1, 300), (6.0, 150)])
def test_resolutions_stand_where_they_belong_and_never_over_each_other(qtbot, pixel, width):
    curve = RingCurve()
    qtbot.addWidget(curve)
    curve.resize(width, 90)
    curve.show_curve(np.linspace(1, 0, 33), pixel, 12.0)
    ticks = sorted(curve.ticks())
    assert ticks[-1][1] == f"{2 * pixel:.3g} Å" and len(ticks) >= 2
    values = [float(text.removesuffix(" Å")) for _, text in ticks]
    assert values == sorted(values, reverse=True)
    widths = [curve.fontMetrics().horizontalAdvance(text) for _, text in ticks]
    ends = [(at - w / 2, at + w / 2) for (at, _), w in zip(ticks, widths, strict=True)]
    assert all(a[1] < b[0] for a, b in itertools.pairwise(ends))
    area = curve.area()
    for at, text in ticks[:-1]:
        assert at == pytest.approx(area.left() + area.width() * 2 * pixel / float(text))


def test_the_curve_says_what_lies_under_the_mouse(qtbot):
    curve = RingCurve()
    qtbot.addWidget(curve)
    curve.resize(300, 90)
    curve.show()
    said = []
    curve.pointed_at.connect(said.append)
    curve.show_curve(np.linspace(1, 0, 33), 2.0)
    qtbot.mouseMove(curve, QPoint(round(curve.x_of(8.0)), 40))
    assert said[-1] == "8.0 Å   FRC 0.500"


# where the details stand --------------------------------------------------------------------------------------------
def test_details_stand_where_they_leave_the_pictures_larger(qtbot):
    area = CompareArea()
    qtbot.addWidget(area)
    area.resize(1300, 400)
    area.show()
    assert area.orientation() == Qt.Orientation.Horizontal and edges(1300, 400)[0] > edges(1300, 400)[1]
    area.resize(505, 420)
    assert area.orientation() == Qt.Orientation.Vertical
    assert area.pictures.width() > 480 and 140 < area.pictures.height() < 200
    area.setSizes([260, 150])
    area.splitterMoved.emit(260, 1)
    area.resize(505, 430)  # a strip came or went: what was set by hand stays about as it is
    assert area.pictures.height() > 240


# pictures from a lane -----------------------------------------------------------------------------------------------
def test_a_slow_picture_comes_later_and_the_last_one_stays_meanwhile(runner, qtbot):
    came = []
    picture = LanePicture(lambda: came.append(1))
    assert picture.get("a", lambda: "A", slow=True) == "A"  # nobody gave it a lane
    picture.use_lane(runner, ("owner", "picture"))
    go = threading.Event()
    assert picture.get("b", lambda: go.wait(5) and "B", slow=True) == "A"
    for key in "cde":
        assert picture.get(key, lambda k=key: k.upper(), slow=True) == "A"
    assert picture.waiting
    go.set()
    qtbot.waitUntil(lambda: picture.get("e", lambda: "wrong", slow=True) == "E", timeout=5000)
    assert len(came) == 2  # the one under way and the newest; those between were never made
    assert picture.get("f", lambda: "F", slow=False) == "F"


# tags ---------------------------------------------------------------------------------------------------------------
def test_tags_are_set_counted_and_shown_as_a_column():
    tags = Tags({3: "keep", 1: "7"})
    before = tags.column(5)
    tags.set(np.array([1, 4]), NAMES.index("reject"))
    assert list(before) == ["", "7", "", "keep", ""]  # a column given out stays as it was
    assert list(tags.column(6)) == ["", "reject", "", "keep", "reject", ""]
    assert tags.counts() == {"keep": 1, "reject": 2}
    assert tags.named() == {1: "reject", 3: "keep", 4: "reject"}
    assert list(tags.get(np.array([0, 3, 99]))) == [0, NAMES.index("keep"), 0]


# rows ---------------------------------------------------------------------------------------------------------------
def test_row_ids_are_found_whether_plain_or_not():
    for ids in (np.arange(6), np.array([10, 30, 20, 50])):
        rows = RowIds(ids)
        assert [rows.position_of(int(i)) for i in ids] == list(range(len(ids)))
        assert rows.position_of(99) == -1 and rows.position_of(None) == -1
        assert rows.mask_of(np.array([ids[2], 99])).tolist() == [False, False, True, *[False] * (len(ids) - 3)]
    order = RowOrder(np.array([10, 30, 20]))
    order.set_order(np.array([2, 0, 1]), [])
    assert order.shown_ids().tolist() == [20, 10, 30]


@pytest.mark.parametrize("kind", ["category", object, "str"])
def test_words_sort_alike_whatever_holds_them(kind):
    words = pd.Series(["b", "", "a", "10", "c", None, "9"]).astype(kind)
    found = sortable(words)
    assert np.isnan(found[[1, 5]]).all()
    known = [0, 2, 3, 4, 6]
    order = [known[i] for i in np.argsort(found[known])]
    assert order == [3, 6, 2, 0, 4]


# growing ------------------------------------------------------------------------------------------------------------
def batch(rows, total=12, **columns):
    n = len(rows)
    return Batch(np.array(rows) + 100, {k: np.asarray(v) for k, v in columns.items()}, n, total)


def test_growing_scores_have_a_row_for_every_image_and_copy_nothing():
    growing = GrowingScores(100)
    growing.add(batch([0, 1], cc=[0.9, 0.8], mirror=[0, 0]))
    early = growing.table()
    growing.add(batch([3, 5], cc=[0.7, np.nan], mirror=[0, 1]))
    table = growing.table()
    assert table.index.tolist() == list(range(6))
    assert list(table["status"]) == ["ok", "ok", "failed", "ok", "failed", "failed"]
    assert table["cc"].tolist()[:2] == [0.9, 0.8] and np.isnan(table["cc"][[2, 4, 5]]).all()
    assert np.shares_memory(early["cc"].to_numpy(), table["cc"].to_numpy())
    assert early["cc"].tolist() == [0.9, 0.8]
    growing.add(batch(range(6), outlier=[0, 1, 1, 0, 1, 1], outlier_score=np.arange(6.0)))
    final = growing.table()
    assert list(final["status"]) == ["ok", "flagged", "failed", "ok", "failed", "failed"]
    assert final["outlier_score"].tolist() == [0, 1, 2, 3, 4, 5]
    assert list(table["status"])[1] == "ok"  # the table shown before did not change under the panel


def test_growing_scores_grow_beyond_what_was_announced():
    growing = GrowingScores(100)
    for first in range(0, 40, 4):
        rows = range(first, first + 4)
        growing.add(batch(rows, total=3, cc=np.array(rows) / 100))
    np.testing.assert_allclose(growing.table()["cc"], np.arange(40) / 100)


# scores of the set --------------------------------------------------------------------------------------------------
def scored_table(n=60, seed=3):
    rng = np.random.default_rng(seed)
    t = pd.DataFrame({name: rng.uniform(0.2, 0.9, n) for name in ("cc", "imed", "residual_var")})
    t["residual_mean"], t["residual_logdet"] = rng.normal(size=(2, n))
    t["z_mean"] = 2 * t["residual_mean"] - 1
    t["outlier_score"] = 0.5 * np.log(t["imed"]) / 0.3 - 0.5 * np.arctanh(t["cc"]) / 0.2 + 4
    return t


def test_scores_of_the_set_are_carried_to_a_row_that_changed():
    table = scored_table()
    law = SetScores(table)
    new = {"cc": 0.33, "imed": 0.7, "residual_mean": 0.4, "residual_var": 0.5, "residual_logdet": 0.0}
    found = law(new)
    assert found["z_mean"] == pytest.approx(2 * 0.4 - 1)
    assert found["outlier_score"] == pytest.approx(0.5 * np.log(0.7) / 0.3 - 0.5 * np.arctanh(0.33) / 0.2 + 4)


def test_a_score_that_depends_on_more_than_the_table_says_is_not_guessed():
    table = scored_table()
    table["outlier_score"] += np.random.default_rng(0).normal(size=len(table))  # as the lead of given views does
    new = {"cc": 0.33, "imed": 0.7, "residual_mean": 0.4, "residual_var": 0.5, "residual_logdet": 0.0}
    assert "outlier_score" not in SetScores(table)(new)


def test_the_nearest_of_many_directions_is_found_at_the_rim_too(qtbot):
    from emviewer.engine.rotations import super_fibonacci
    from emviewer.ui.sphere_view import SphereView

    view = SphereView()
    qtbot.addWidget(view)
    view.resize(300, 300)
    view.show()
    view.set_directions(super_fibonacci(3000)[:, 2])
    rng = np.random.default_rng(0)
    for flat in (False, True):
        view.set_mollweide(flat)
        points, visible = view.projection.flat(view.directions)
        spots = view.to_widget(points)
        for at in rng.uniform(20, 280, (40, 2)):
            distance = np.where(visible, np.hypot(*(spots - at).T), np.inf)
            best = int(np.argmin(distance))
            found = view.nearest(QPointF(*at))
            assert found == (best if distance[best] <= 14.0 else -1)


@pytest.mark.parametrize("seed", range(4))
def test_ranks_of_text_are_those_of_comparing_the_strings(seed):
    rng = np.random.default_rng(seed)
    letters = list("abcXYZ019@/._ ")
    length = (3, 12, 40, 40)[seed]  # short ones fit into one number, long ones need several
    words = ["".join(rng.choice(letters, rng.integers(0, length))) for _ in range(400)]
    words += words[:50] + (["über", "Ångström", "ä" * 300] if seed == 3 else [])
    found = sortable(pd.Series([f"w{word}w" for word in words]))
    oracle = np.unique([f"w{word}w".strip() for word in words], return_inverse=True)[1]
    np.testing.assert_array_equal(np.unique(found, return_inverse=True)[1], oracle)


# filter strip -------------------------------------------------------------------------------------------------------
def test_histograms_of_a_long_table_come_from_the_lane_and_stay_until_the_new_ones_are_there(runner, qtbot):
    from PySide6.QtWidgets import QTableView

    from emviewer.ui.panels.scores_filter import FilterStrip

    view = QTableView()
    qtbot.addWidget(view)
    strip = FilterStrip(view)
    qtbot.addWidget(strip)
    strip.use_lane(runner, "strip")
    n = 60_000
    table = pd.DataFrame({"cc": np.linspace(0, 1, n), "b": np.ones(n)})
    strip.set_table(table, ["cc", "b"])
    assert strip.histogram("cc") is None
    qtbot.waitUntil(lambda: strip.histogram("cc") is not None, timeout=5000)
    first = strip.histogram("cc")
    assert first.counts.sum() == n and (first.low, first.high) == (0.0, 1.0)
    tagged = table.assign(tag="x")  # the same numbers: nothing is counted again
    strip.set_table(tagged, ["cc", "b", "tag"])
    assert strip.histogram("cc") is first and not strip._lane.busy
    grown = pd.concat([table, table + 1], ignore_index=True)
    strip.set_table(grown, ["cc", "b"])
    assert strip.histogram("cc") is first and strip._lane.busy
    qtbot.waitUntil(lambda: strip.histogram("cc").high == 2.0, timeout=5000)
    assert strip.histogram("cc").counts.sum() == 2 * n
    assert strip.histogram("b") is None or strip.histogram("b").high == 2.0
