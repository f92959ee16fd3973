"""The plot as a person uses it: two columns, a rectangle or lasso drawn around points, linked both ways."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from PySide6.QtCore import QPoint, QPointF, Qt

from emviewer.ui.panels.plot import COUNT, PlotPanel
from emviewer.ui.plot_scale import in_polygon, ticks
from emviewer.ui.workspace import Document, Workspace

LEFT = Qt.MouseButton.LeftButton
PLAIN, SHIFT, ALT = Qt.KeyboardModifier.NoModifier, Qt.KeyboardModifier.ShiftModifier, Qt.KeyboardModifier.AltModifier


@pytest.fixture
def panel(runner, qtbot):
    one = PlotPanel(Workspace(), runner)
    qtbot.addWidget(one)
    one.resize(500, 400)
    one.show()
    return one


@pytest.fixture
def document(panel):
    """A grid of 10 × 10 points whose ids do not start from zero, and a column of text."""
    y, x = np.divmod(np.arange(100), 10)
    table = pd.DataFrame(
        {"cc": x / 10.0, "outlier_score": y * 1.0, "name": "a", "rlnAngleRot": [f"{v}.0" for v in x]},
        index=np.arange(100) + 1000,
    )
    table.loc[1005, "cc"] = np.nan
    document = panel.workspace.add(Document("images", "x", table=table))
    panel.show_document(document)
    return document


def at(panel, x, y) -> QPoint:
    px, py = panel.view.to_widget(np.array([float(x)]), np.array([float(y)]))
    return QPoint(round(px[0]), round(py[0]))


def drag(qtbot, panel, start, end, modifiers=PLAIN):
    qtbot.mousePress(panel.view, LEFT, modifiers, start)
    panel.view._path = [QPointF(start), QPointF(end)]
    qtbot.mouseRelease(panel.view, LEFT, modifiers, end)


def rows(xs, ys):
    return sorted(1000 + 10 * y + x for x in xs for y in ys if 10 * y + x != 5)


def test_columns_of_numbers_are_offered_also_those_kept_as_text(panel, document):
    offered = [panel.boxes[0].itemData(i) for i in range(panel.boxes[0].count())]
    assert offered == ["cc", "outlier_score", "rlnAngleRot"]
    assert panel.boxes[0].currentData() == "cc" and panel.boxes[1].currentData() == "outlier_score"


def test_a_table_of_words_says_that_there_is_nothing_to_plot(panel, document):
    assert panel.pages.currentIndex() == 1
    panel.show_document(panel.workspace.add(Document("images", "y", table=pd.DataFrame({"name": ["a", "b"]}))))
    assert panel.pages.currentIndex() == 0
    panel.show_document(document)
    assert panel.pages.currentIndex() == 1


def test_a_rectangle_selects_shift_adds_alt_takes_away(panel, document, qtbot):
    drag(qtbot, panel, at(panel, 0.15, 1.5), at(panel, 0.45, 4.5))
    assert panel.workspace.selection(document).tolist() == rows((2, 3, 4), (2, 3, 4))
    drag(qtbot, panel, at(panel, 0.75, 6.5), at(panel, 0.95, 7.5), SHIFT)
    assert len(panel.workspace.selection(document)) == 9 + 2
    drag(qtbot, panel, at(panel, 0.15, 1.5), at(panel, 0.25, 4.5), ALT)
    assert panel.workspace.selection(document).tolist() == sorted(rows((3, 4), (2, 3, 4)) + rows((8, 9), (7,)))


def test_a_lasso_selects_what_it_encloses(panel, document, qtbot):
    panel.lasso.setChecked(True)
    corners = [(0.05, 0.5), (0.59, 0.5), (0.05, 5.9)]
    panel.view._path = [QPointF(at(panel, *c)) for c in corners]
    qtbot.mouseRelease(panel.view, LEFT, PLAIN, at(panel, 0.05, 5.9))
    chosen = panel.workspace.selection(document)
    x, y = (chosen - 1000) % 10, (chosen - 1000) // 10
    assert len(chosen) == 15 and (x + y <= 6).all() and (x >= 1).all() and (y >= 1).all()


def test_missing_values_are_never_chosen(panel, document, qtbot):
    drag(qtbot, panel, at(panel, -0.04, -0.4), at(panel, 0.94, 9.4))
    assert 1005 not in panel.workspace.selection(document)
    assert len(panel.workspace.selection(document)) == 99


def test_a_click_makes_a_row_current_and_beside_the_points_clears(panel, document, qtbot):
    panel.workspace.select(document, [1001])
    qtbot.mouseClick(panel.view, LEFT, PLAIN, at(panel, 0.7, 3))
    assert panel.workspace.row(document) == 1037
    assert panel.view.current == 37
    qtbot.mouseClick(panel.view, LEFT, PLAIN, at(panel, 0.65, 3.5))
    assert len(panel.workspace.selection(document)) == 0


def test_what_is_selected_elsewhere_is_marked_here(panel, document):
    panel.workspace.select(document, [1003, 1099])
    assert np.flatnonzero(panel.view.selected).tolist() == [3, 99]
    panel.workspace.set_row(document, 1050)
    assert panel.view.current == 50


def test_a_histogram_selects_a_range(panel, document, qtbot):
    panel.boxes[1].setCurrentIndex(panel.boxes[1].findData(COUNT))
    panel.boxes[1].activated.emit(0)
    assert panel.view.histogram and panel.view.limits.counts.sum() == 99
    drag(qtbot, panel, at(panel, 0.75, 1), at(panel, 0.93, 5))
    assert panel.workspace.selection(document).tolist() == rows((8, 9), range(10))


def test_a_growing_table_keeps_the_zoom_that_a_person_set(panel, document, qtbot):
    panel.view.view = type(panel.view.view)(0.1, 0.2, 1.0, 2.0)
    panel.view._fitted = False
    document.table = pd.concat([document.table, document.table.set_index(document.table.index + 100)])
    panel.workspace.touch(document)
    assert len(panel.view.x) == 200 and panel.view.view.x0 == 0.1
    panel.do_zoom_fit()
    assert panel.view.view.x0 < 0


def test_points_beyond_many_are_drawn_as_density(panel, runner, qtbot):
    rng = np.random.default_rng(1)
    table = pd.DataFrame({"cc": rng.normal(size=300_000), "outlier_score": rng.normal(size=300_000)})
    panel.show_document(panel.workspace.add(Document("images", "many", table=table)))
    qtbot.waitUntil(lambda: len(panel.view.x) == len(table), timeout=5000)

    def colours():
        return {panel.view.grab().toImage().pixelColor(x, 150).name() for x in range(80, 450, 2)}

    qtbot.waitUntil(lambda: len(colours()) > 10, timeout=5000)


@pytest.mark.parametrize("low, high", [(0.0, 1.0), (-3.2e-5, 7e-5), (1e6, 1.1e6), (2.0, 2.0)])
def test_ticks_are_round_few_and_inside(low, high):
    found = ticks(low, high)
    assert len(found) <= 7 and all(low - 1e-9 <= t <= high + abs(high) * 1e-9 for t in found)
    assert len(found) >= 2 or low == high


def test_the_even_odd_rule_leaves_a_hole():
    corners = np.array([(0, 0), (4, 0), (4, 4), (0, 4), (0, 0), (1, 1), (3, 1), (3, 3), (1, 3), (1, 1)], float)
    inside = in_polygon(np.array([0.5, 2.0, 5.0]), np.array([0.5, 2.0, 2.0]), corners)
    assert inside.tolist() == [True, False, False]
