import numpy as np
import pandas as pd
import pytest
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtGui import QAction, QColor
from PySide6.QtTest import QTest

from emviewer.engine.conventions import directions_from_angles
from emviewer.engine.rotations import super_fibonacci
from emviewer.engine.symmetry import point_group
from emviewer.engine.types import Map3D
from emviewer.ui.panels.sphere import SpherePanel
from emviewer.ui.runner import Runner
from emviewer.ui.sphere_feed import angles_of
from emviewer.ui.sphere_projection import Mollweide, Orthographic, graticule, pieces
from emviewer.ui.sphere_view import SphereView
from emviewer.ui.workspace import Document, Workspace


def directions(n):
    return super_fibonacci(n)[:, 2]


@pytest.fixture
def view(qtbot):
    v = SphereView()
    qtbot.addWidget(v)
    v.resize(320, 320)
    v.show()
    return v


@pytest.mark.parametrize("projection", [Orthographic(40, 20), Orthographic(200, -90), Mollweide(0), Mollweide(130)])
def test_projections_go_round(projection):
    d = directions(2000)
    flat, visible = projection.flat(d)
    back, inside = projection.sphere(flat[visible])
    assert inside.mean() > 0.999
    np.testing.assert_allclose(np.sum(back * d[visible], axis=1), 1.0, atol=2e-5)
    assert 0.4 < visible.mean() < 0.6 or isinstance(projection, Mollweide)


def test_mollweide_has_equal_areas():
    x, y = np.random.default_rng(0).uniform(-1, 1, (2, 40_000))
    d, inside = Mollweide().sphere(np.column_stack([x, y * 0.5]))
    z = d[inside][:, 2]
    assert np.histogram(z, 5, (-1, 1))[0] / inside.sum() == pytest.approx([0.2] * 5, abs=0.01)


def test_from_above_x_is_right_and_y_is_up_turned():
    camera = Orthographic(-90.0, 90.0).camera
    np.testing.assert_allclose(camera, np.eye(3), atol=1e-12)
    assert np.linalg.det(Orthographic(33, 12).camera) == pytest.approx(1)


def test_lines_are_cut_where_they_go_behind():
    projection = Orthographic(0, 0)
    for line in graticule():
        for piece in pieces(*projection.flat(line)):
            assert np.linalg.norm(np.diff(piece, axis=0), axis=1).max() < 0.1


def test_a_click_finds_the_nearest_direction(view):
    d = directions(200)
    view.set_directions(d)
    picked = []
    view.picked.connect(lambda index, modifiers: picked.append(index))
    flat, visible = view.projection.flat(d)
    for index in np.flatnonzero(visible & (np.hypot(*flat.T) < 0.8))[:5]:
        at = QPointF(*view.to_widget(flat[index : index + 1])[0])
        QTest.mouseClick(view, Qt.MouseButton.LeftButton, pos=at.toPoint())
        assert picked[-1] == index


def test_a_click_on_the_bare_sphere_chooses_a_direction_and_outside_nothing(view):
    chosen = []
    view.direction_chosen.connect(chosen.append)
    QTest.mouseClick(view, Qt.MouseButton.LeftButton, pos=QPoint(160, 160))
    np.testing.assert_allclose(chosen[0], view.projection.camera[2], atol=0.02)
    QTest.mouseClick(view, Qt.MouseButton.LeftButton, pos=QPoint(2, 2))
    assert len(chosen) == 1


def test_a_drag_turns_the_sphere_and_the_marker_can_be_dragged(view):
    chosen = []
    view.direction_chosen.connect(chosen.append)
    under = view.direction_at(QPointF(100, 160))[0]
    QTest.mousePress(view, Qt.MouseButton.LeftButton, pos=QPoint(100, 160))
    for x in range(105, 131, 5):
        QTest.mouseMove(view, QPoint(x, 160))
    QTest.mouseRelease(view, Qt.MouseButton.LeftButton, pos=QPoint(130, 160))
    moved = view.to_widget(view.projection.flat(under[None])[0])[0]
    assert moved[0] > 110 and chosen == []
    view.set_current(view.direction_at(QPointF(150, 150))[0])
    QTest.mousePress(view, Qt.MouseButton.LeftButton, pos=QPoint(150, 150))
    QTest.mouseMove(view, QPoint(170, 150))
    QTest.mouseRelease(view, Qt.MouseButton.LeftButton, pos=QPoint(170, 150))
    np.testing.assert_allclose(chosen[-1], view.direction_at(QPointF(170, 150))[0], atol=1e-9)


def test_the_asymmetric_unit_is_shaded_where_the_group_says(view):
    group = point_group("D7")
    plain = view.grab().toImage()
    view.set_group(group)
    view.look_from(group.to_asymmetric_unit(np.array([[0.3, 0.2, 0.6]]))[0])
    shaded = view.grab().toImage()
    inside = QColor(shaded.pixel(160, 170))
    outside = QColor(plain.pixel(160, 170))
    assert inside.blue() - inside.red() > outside.blue() - outside.red() + 20


def test_it_looks_at_the_asymmetric_unit_until_turned_by_hand(view):
    group = point_group("C7")
    view.set_group(group)
    middle = view.projection.camera[2]
    assert group.in_asymmetric_unit(middle[None])[0]
    QTest.keyClick(view, Qt.Key.Key_Right)
    turned = view.projection
    view.set_group(point_group("D2"))
    assert view.projection == turned


def test_many_directions_are_painted_quickly_and_once(view):
    view.set_directions(directions(100_000), np.arange(100_000.0))
    view.grab()
    kept = view._dots_image()
    view.set_current(np.array([0.0, 0.0, 1.0]))
    view.grab()
    assert view._dots_image() is kept
    view.set_mollweide(True)
    view.grab()
    assert view._dots_image() is not kept


@pytest.mark.parametrize("flat", [False, True])
def test_even_directions_give_an_even_density(view, flat):
    view.set_directions(directions(100_000))
    view.set_mollweide(flat)
    image = view._dots_image()
    rows = [[QColor(image.pixel(x, y)).green() for x in range(image.width())] for y in range(image.height())]
    seen = np.array(rows)
    seen = seen[seen > 0]
    assert np.percentile(seen, 90) / np.percentile(seen, 20) < 1.5


def test_keys_turn_and_choose(view):
    view.setFocus()
    before = view.projection.azimuth
    QTest.keyClick(view, Qt.Key.Key_Right)
    QTest.keyClick(view, Qt.Key.Key_Up)
    assert view.projection.azimuth == before + 5 and view.projection.elevation == 30
    chosen = []
    view.direction_chosen.connect(chosen.append)
    QTest.keyClick(view, Qt.Key.Key_Return)
    assert len(chosen) == 1


def test_arrows_on_the_sphere_win_over_the_keys_of_the_panel(view):
    taken = []
    action = QAction(view)
    action.setShortcut("Right")
    action.setShortcutContext(Qt.ShortcutContext.WidgetWithChildrenShortcut)
    action.triggered.connect(lambda: taken.append("action"))
    view.addAction(action)
    view.activateWindow()
    view.setFocus()
    before = view.projection.azimuth
    QTest.keyClick(view, Qt.Key.Key_Right)
    assert view.projection.azimuth == before + 5 and taken == []


@pytest.mark.parametrize("name", ["C1", "C7", "D2", "T", "O", "I2", "Ih", "Cs"])
def test_every_group_is_drawn_both_ways(view, name):
    view.set_group(point_group(name))
    for flat in (False, True):
        view.set_mollweide(flat)
        assert not view.grab().isNull()


@pytest.fixture
def runner(qtbot):
    r = Runner()
    yield r
    assert r.close()


@pytest.fixture
def panel(qtbot, runner):
    workspace = Workspace()
    volume = Map3D(np.zeros((4, 4, 4), np.float32), 1.0, symmetry="C1")
    parent = workspace.add(Document("map", "m", volume=volume))
    rng = np.random.default_rng(0)
    table = pd.DataFrame(
        {
            "rot_deg": rng.uniform(-180, 180, 50),
            "tilt_deg": rng.uniform(0, 180, 50),
            "psi_deg": 0.0,
            "cc": rng.random(50),
        },
        index=np.arange(100, 150),
    )
    result = Document("result", "g", table=table, parent=parent.id, info={"_parameters": {"sym": "D2"}})
    workspace.add(result)
    p = SpherePanel(workspace, runner)
    qtbot.addWidget(p)
    p.resize(300, 340)
    p.show()
    p.show_document(result)
    return p


def test_rows_are_linked_by_id_both_ways(panel):
    assert panel.accepts(panel.document) and panel.view.group.name == "D2"
    panel.view.picked.emit(7, Qt.KeyboardModifier.NoModifier)
    assert panel.workspace.row(panel.document) == 107
    panel.workspace.set_row(panel.document, 120)
    a = panel.feed.found.angles[20]
    np.testing.assert_allclose(panel.view.current, directions_from_angles([a[0]], [a[1]])[0])
    panel.workspace.select(panel.document, [101, 149])
    assert list(panel.view.selected) == [1, 49]
    panel.view.picked.emit(3, Qt.KeyboardModifier.ControlModifier)
    assert list(panel.workspace.selection(panel.document)) == [101, 103, 149]


def test_it_grows_with_the_table_and_forgets_a_closed_one(panel):
    panel.document.table = pd.concat(
        [
            panel.document.table,
            pd.DataFrame({"rot_deg": [0.0], "tilt_deg": [0.0], "psi_deg": [0.0], "cc": [1.0]}, index=[150]),
        ]
    )
    panel.workspace.touch(panel.document)
    assert panel.count.text() == "51 views"
    panel.colour_box.setCurrentIndex(panel.colour_box.findData("cc"))
    panel.colour_box.activated.emit(0)
    state = panel.state()
    panel.restore(state | {"flat": True})
    assert panel.state()["flat"] and panel.state()["colour"] == "cc"
    panel.workspace.remove(panel.document)
    assert panel.document is None and panel.empty.isVisible()


def test_a_growing_table_is_taken_in_now_and_then_and_in_the_end(panel, qtbot):
    counts = []
    taken = panel._taken
    panel._taken = lambda: (counts.append(len(panel.feed.found.rows)), taken())
    panel.document.streaming = True
    whole = pd.concat([panel.document.table] * 2, ignore_index=True)
    for n in range(1, 101):
        panel.document.table = whole.iloc[:n]
        panel.workspace.touch(panel.document)
    qtbot.waitUntil(lambda: counts[-1:] == [100])
    assert len(counts) <= 2


def test_text_angles_of_star_tables_are_read():
    table = pd.DataFrame({"rlnAngleRot": ["10.5", "x"], "rlnAngleTilt": ["20", "30"]})
    angles = angles_of(table)
    np.testing.assert_allclose(angles[0], [10.5, 20, 0])
    assert np.isnan(angles[1, 0])
    assert angles_of(pd.DataFrame({"a": [1]})) is None and angles_of(None) is None


def test_rows_without_a_view_are_not_drawn_and_not_marked(panel):
    panel.document.table = panel.document.table.copy()
    panel.document.table.loc[103, ["rot_deg", "tilt_deg"]] = np.nan
    panel.workspace.touch(panel.document)
    assert len(panel.view.directions) == 49 and np.isfinite(panel.view.directions).all()
    panel.workspace.select(panel.document, [102, 103, 104])
    assert list(panel.view.selected) == [2, 3]  # the one after the gap has moved up
    panel.workspace.set_row(panel.document, 104)
    np.testing.assert_allclose(panel.view.current, panel.view.directions[3])
    panel.workspace.set_row(panel.document, 103)
    assert panel.view.current is None


def test_many_directions_are_read_and_drawn_in_the_lane_and_selected_ones_are_gold(panel, qtbot):
    n = 60_000
    rot, tilt, _ = (np.degrees(a) for a in (np.arange(n) * 2.4, np.arccos(np.linspace(1, -1, n)), 0))
    table = pd.DataFrame({"rot_deg": rot % 360 - 180, "tilt_deg": tilt, "psi_deg": 0.0, "cc": np.linspace(0, 1, n)})
    panel.show_document(panel.workspace.add(Document("result", "many", table=table)))
    assert len(panel.view.directions) < n  # nothing was read on the spot
    qtbot.waitUntil(lambda: len(panel.view.directions) == n, timeout=5000)
    panel.flat_button.setChecked(True)

    def gold():
        image = panel.view.grab().toImage()
        pixels = [QColor(image.pixel(x, y)) for x in range(0, image.width(), 3) for y in range(0, image.height(), 3)]
        return sum(p.red() > 200 and 150 < p.green() < 215 and p.blue() < 110 for p in pixels)

    qtbot.waitUntil(lambda: panel.view._dots_image() is not None and not panel.view._dots.waiting, timeout=5000)
    before = gold()
    panel.workspace.select(panel.document, np.flatnonzero(table["tilt_deg"] < 90))
    qtbot.waitUntil(lambda: gold() > before + 200, timeout=5000)
