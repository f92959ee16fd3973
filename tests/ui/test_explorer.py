import threading
import time

import numpy as np
import pandas as pd
import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QGuiApplication, QImage
from PySide6.QtTest import QTest

from emviewer.engine import mrc
from emviewer.engine.conventions import euler_to_matrix
from emviewer.engine.figure_spec import parse
from emviewer.engine.project import Projector
from emviewer.engine.symmetry import point_group
from emviewer.engine.types import Map3D
from emviewer.ui.panels.explorer import ExplorerPanel
from emviewer.ui.panels.explorer_orientation import View, nearest_row
from emviewer.ui.panels.explorer_prepare import coarse_factor, prepare, rest_factor
from emviewer.ui.workspace import Document, Workspace

BOX = 24


def blob(box, centre, sigma=2.5):
    """A Gaussian at ``centre`` (x, y, z) from voxel n // 2."""
    axes = np.indices((box, box, box)).transpose(1, 2, 3, 0)[..., ::-1] - box // 2
    return np.exp(-0.5 * np.sum((axes - np.asarray(centre)) ** 2, axis=-1) / sigma**2).astype(np.float32)


def centroid(image):
    y, x = np.indices(image.shape)
    return np.array([(image * x).sum(), (image * y).sum()]) / image.sum()


@pytest.fixture
def document():
    return Document("map", "blob", volume=Map3D(blob(BOX, (5, 2, -3)) + blob(BOX, (-4, 0, 0)), 2.0, name="blob"))


@pytest.fixture
def panel(qtbot, runner, document):
    workspace = Workspace()
    p = ExplorerPanel(workspace, runner)
    qtbot.addWidget(p)
    p.resize(800, 500)
    p.show()
    workspace.add(document)
    p.show_document(document)
    qtbot.waitUntil(lambda: p.canvas.image is not None, timeout=60_000)
    return p


def settle(qtbot, panel):
    qtbot.waitUntil(lambda: not panel._pacer.busy)


def shown_is(panel, document, view):
    truth = Projector(document.volume).project(view.matrix[None])[0]
    np.testing.assert_allclose(panel.canvas.image, truth, atol=1e-4 * np.abs(truth).max())


@pytest.mark.parametrize(
    ("value", "why"), [(np.nan, "1 voxel is not a number"), (None, "every voxel of the map is zero")]
)
def test_a_map_that_cannot_be_projected_says_why(panel, qtbot, value, why):
    data = np.zeros((BOX, BOX, BOX), np.float32)
    if value is not None:
        data[3, 4, 5] = value
    panel.show_document(Document("map", "bad", volume=Map3D(data, 2.0, name="bad")))
    qtbot.waitUntil(lambda: why in panel.canvas.message, timeout=10_000)


def test_typed_angles_show_the_projection_the_engine_makes(panel, document, qtbot):
    shown_is(panel, document, View())
    for box, value in zip(panel.controls.angle_boxes, (30.0, 70.0, -20.0), strict=True):
        box.setValue(value)
    settle(qtbot, panel)
    assert panel.view == View(30, 70, -20)
    shown_is(panel, document, View(30, 70, -20))
    assert panel.canvas.label.startswith("rot 30.0°  tilt 70.0°  psi -20.0°")
    np.testing.assert_allclose(panel.sphere.current, euler_to_matrix([30], [70], [-20])[0, 2])


def test_the_near_side_follows_the_mouse():
    near = np.array([0.0, 0.0, -1.0])
    point = View(40, 50, 60).matrix.T @ near
    right = View(40, 50, 60).turned(10, 0).matrix @ point
    down = View(40, 50, 60).turned(0, 10).matrix @ point
    np.testing.assert_allclose(right, [np.sin(np.radians(10)), 0, -np.cos(np.radians(10))], atol=1e-9)
    np.testing.assert_allclose(down, [0, np.sin(np.radians(10)), -np.cos(np.radians(10))], atol=1e-9)
    axis = View(40, 50, 60).matrix.T @ np.array([1.0, 0.0, 0.0])
    spun = View(40, 50, 60).spun(90).matrix @ axis
    np.testing.assert_allclose(spun, [0, 1, 0], atol=1e-9)


def test_angles_and_matrix_go_round():
    view = View(-100.0, 35.0, 170.0)
    np.testing.assert_allclose(View.of(view.matrix).angles, view.angles, atol=1e-9)
    d = np.array([0.3, -0.5, 0.4]) / np.linalg.norm([0.3, -0.5, 0.4])
    np.testing.assert_allclose(view.towards(d).direction, d, atol=1e-12)
    assert view.towards(d).psi == 170.0
    assert View(30, 60.5, 0).option() == "--view 30,60.5,0"
    _, tilt = View(200, 120, 0).in_unit(point_group("D2"))
    assert 0 <= tilt <= 90


def test_dragging_turns_and_shift_dragging_spins(panel, qtbot):
    canvas = panel.canvas
    QTest.mousePress(canvas, Qt.MouseButton.LeftButton, pos=QPoint(100, 100))
    QTest.mouseMove(canvas, QPoint(140, 100))
    QTest.mouseRelease(canvas, Qt.MouseButton.LeftButton, pos=QPoint(140, 100))
    turned = np.degrees(np.arccos(np.clip(panel.view.matrix[2, 2], -1, 1)))
    assert turned == pytest.approx(40 * 180 / min(canvas.width(), canvas.height()))
    panel.set_view(View(0, 90, 0))
    panel._dragged(30.0, 0.0, Qt.KeyboardModifier.ShiftModifier)
    np.testing.assert_allclose(panel.view.direction, View(0, 90, 0).direction, atol=1e-9)
    settle(qtbot, panel)


def test_coarse_and_full_image_lie_on_each_other():
    for box, factor in ((48, 2), (49, 2), (50, 3), (51, 4)):
        volume = Map3D(blob(box, (6, -3, 4), 3.5), 1.5)
        full, coarse = prepare(volume, 1), prepare(volume, factor)
        view = View(25, 65, 40)
        a, b = full.image(view.matrix), coarse.image(view.matrix)
        expected = (view.matrix @ [6, -3, 4])[:2] + box // 2
        assert centroid(a) == pytest.approx(expected, abs=0.02)
        assert (centroid(b) + 0.5) * factor - 0.5 == pytest.approx(expected, abs=0.06)
        assert b.sum() * factor**2 == pytest.approx(a.sum(), rel=0.01)
        assert coarse.box == box


def test_only_large_maps_are_binned():
    assert [coarse_factor(n) for n in (64, 128, 160, 200, 256, 512, 1000)] == [1, 1, 1, 2, 2, 3, 6]
    assert [rest_factor(n) for n in (64, 576, 600)] == [1, 1, 2]


def test_large_map_rests_in_full_resolution(panel, qtbot, monkeypatch):
    monkeypatch.setattr("emviewer.ui.panels.explorer_stage.coarse_factor", lambda box: 2)
    monkeypatch.setattr("emviewer.ui.panels.explorer_prepare.coarse_factor", lambda box: 2)
    d = panel.workspace.add(Document("map", "large", volume=Map3D(blob(30, (2, 3, 4)), 1.0)))
    panel.show_document(d)
    qtbot.waitUntil(lambda: panel.stage.resting is not None, timeout=30_000)
    qtbot.waitUntil(lambda: panel.canvas.image is not None and panel.canvas.image.shape == (30, 30))
    panel.set_view(View(0, 45, 0))
    settle(qtbot, panel)
    assert panel.canvas.image.shape == (15, 15) and panel.canvas.world_size() == (30, 30)
    assert "1/2 resolution" in panel.canvas.label
    qtbot.waitUntil(lambda: panel.canvas.image.shape == (30, 30))


def test_preparation_can_be_cancelled_and_taken_up_again(panel, qtbot, monkeypatch):
    started, stopped = threading.Event(), threading.Event()

    def endless(volume):
        def work(check):
            started.set()
            try:
                while True:
                    check()
                    time.sleep(0.002)
            finally:
                stopped.set()

        return work

    with monkeypatch.context() as patch:
        patch.setattr("emviewer.ui.panels.explorer_stage.prepared_for_turning", endless)
        d = panel.workspace.add(Document("map", "b", volume=Map3D(blob(BOX, (0, 0, 0)), 1.0)))
        panel.show_document(d)
        qtbot.waitUntil(lambda: started.is_set() and panel._busy_bar.isVisible())
        panel.cancel_button.click()
        qtbot.waitUntil(stopped.is_set)
    assert not panel._busy_bar.isVisible() and "Not prepared" in panel.canvas.message
    qtbot.wait(100)
    assert panel.stage.turning is None
    QTest.keyClick(panel, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: panel.canvas.image is not None, timeout=30_000)


def test_symmetry_is_taken_or_refused_with_the_reason(panel):
    box = panel.controls.group_box
    box.setCurrentText("d7")
    panel.controls._group_typed()
    assert panel.controls.group.name == "D7" and panel.sphere.group.order == 14
    box.setCurrentText("Q9")
    panel.controls._group_typed()
    assert panel.controls.group.name == "D7" and "Q9" in panel.controls.group_error.text()
    fold = [b for b in panel.controls.findChildren(type(panel.cancel_button)) if b.text() == "7-fold"]
    panel.set_view(View(10, 20, 30))
    fold[0].click()
    assert panel.view.tilt == 0


def test_low_pass_removes_fine_detail(panel, qtbot):
    sharp = panel.canvas.image
    panel.controls.resolution_box.setValue(24.0)
    settle(qtbot, panel)
    smooth = panel.canvas.image
    assert np.abs(np.diff(smooth)).max() < 0.8 * np.abs(np.diff(sharp)).max()
    assert smooth.sum() == pytest.approx(sharp.sum(), rel=1e-3)


def test_spectrum_has_its_own_contrast_and_goes_away_again(panel, document, qtbot):
    kept = panel.levels.contrast
    panel.do_spectrum()
    qtbot.waitUntil(lambda: panel.levels.contrast.colormap == "viridis")
    assert panel.canvas.label.startswith("|F|") and panel.figure_spec() is None
    panel.grab()
    said = []
    panel.status.connect(said.append)
    panel._hovered((BOX // 2 + 3, BOX // 2))
    assert said[0].startswith("1/16.00 Å")
    panel.do_spectrum()
    settle(qtbot, panel)
    assert panel.levels.contrast == kept
    shown_is(panel, document, View())


@pytest.fixture
def gallery(panel, document):
    table = pd.DataFrame(
        {"rot_deg": [0.0, 0.0, 90.0, 270.0], "tilt_deg": [0.0, 90.0, 90.0, 45.0], "psi_deg": 5.0},
        index=[10, 11, 12, 13],
    )
    return panel.workspace.add(Document("result", "g", table=table, parent=document.id))


def test_gallery_row_turns_the_map_and_turning_picks_the_nearest_row(panel, gallery, qtbot):
    assert len(panel.sphere.directions) == 4
    panel.workspace.set_row(gallery, 13)
    assert panel.view == View(-90, 45, 5)
    panel._go(View(80, 85, 0))
    assert panel.workspace.row(gallery) == 12 and panel.view == View(80, 85, 0)
    panel.sphere.picked.emit(1, Qt.KeyboardModifier.NoModifier)
    assert panel.workspace.row(gallery) == 11 and panel.view == View(0, 90, 5)
    panel.workspace.remove(gallery)
    assert len(panel.sphere.directions) == 0 and nearest_row(np.empty((0, 3)), np.ones(3)) == -1
    settle(qtbot, panel)


def test_views_are_kept_copied_and_gone_back_to(panel, qtbot):
    panel.set_view(View(10, 20, 30))
    panel.controls.add_wanted.emit()
    panel.controls.add_wanted.emit()
    panel.set_view(View(1, 2, 3))
    panel.controls.add_wanted.emit()
    assert panel.kept.text() == "--view 10,20,30 --view 1,2,3"
    panel.kept.copy_button.click()
    assert QGuiApplication.clipboard().text() == panel.kept.text()
    panel.kept.list.itemActivated.emit(panel.kept.list.item(0))
    assert panel.view == View(10, 20, 30)
    panel.kept.list.item(1).setSelected(True)
    panel.kept.remove_button.click()
    assert panel.kept.views == [View(10, 20, 30)]
    panel.do_copy()
    assert QGuiApplication.clipboard().text() == "--view 10,20,30"


def test_saved_views_are_the_projection(panel, document, qtbot, tmp_path):
    panel.set_view(View(10, 20, 30))
    said = []
    panel.status.connect(said.append)
    for name in ("v.mrc", "v.png", "v.xyz"):
        panel.save_to(tmp_path / name)
    qtbot.waitUntil(lambda: len(said) == 3)
    assert "Not saved" in said[-1] and said[-1].startswith("Not saved: a view cannot be saved as .xyz")
    stack = mrc.read_stack(tmp_path / "v.mrc")
    truth = Projector(document.volume).project(View(10, 20, 30).matrix[None])[0]
    np.testing.assert_allclose(stack[0], truth, atol=1e-4 * truth.max())
    assert stack.pixel_size_A == pytest.approx(2.0)
    assert QImage(str(tmp_path / "v.png")).width() == BOX


def test_state_goes_round(panel, document, qtbot):
    panel.set_view(View(15, 25, 35))
    panel.kept.add(View(1, 2, 3))
    panel.controls.group_box.setCurrentText("C4")
    panel.controls._group_typed()
    panel.controls.resolution_box.setValue(12.0)
    panel.do_invert()
    state = panel.state()
    twin = ExplorerPanel(panel.workspace, panel.runner)
    qtbot.addWidget(twin)
    twin.show()
    twin.restore(state)
    twin.show_document(document)
    qtbot.waitUntil(lambda: twin.canvas.image is not None)
    assert twin.state() == state and twin.canvas.contrast.inverted


def test_figure_spec_is_accepted_by_the_engine(panel, document, tmp_path, qtbot):
    assert panel.figure_spec() is None
    volume = Map3D(document.volume.data, 2.0, source=tmp_path / "a.mrc")
    panel.show_document(panel.workspace.add(Document("map", "a", volume=volume)))
    qtbot.waitUntil(lambda: panel.canvas.image is not None)
    panel.set_view(View(15, 25, 35))
    assert parse(panel.figure_spec()).angles == (15, 25, 35)
    settle(qtbot, panel)


def test_a_map_that_cannot_be_projected_says_so(panel, qtbot, monkeypatch):
    def broken(*args, **kw):
        raise MemoryError

    monkeypatch.setattr("emviewer.ui.panels.explorer_prepare.Projector", broken)
    d = panel.workspace.add(Document("map", "b", volume=Map3D(blob(BOX, (0, 0, 0)), 1.0)))
    panel.show_document(d)
    qtbot.waitUntil(lambda: "not enough memory" in panel.canvas.message)


def test_nothing_is_prepared_for_a_panel_that_is_not_seen(qtbot, runner, document):
    p = ExplorerPanel(Workspace(), runner)
    qtbot.addWidget(p)
    p.show_document(p.workspace.add(document))
    qtbot.wait(120)
    assert p.stage.turning is None
    p.show()
    qtbot.waitUntil(lambda: p.stage.turning is not None)
    p.show_document(None)
    assert p.empty.isVisible() and p.stage.turning is None


def test_a_panel_out_of_sight_gives_up_and_takes_up_again(panel, qtbot):
    d = panel.workspace.add(Document("map", "b", volume=Map3D(blob(BOX, (0, 0, 0)), 1.0)))
    panel.show_document(d)
    panel.hide()
    qtbot.wait(120)
    assert panel.stage.turning is None and panel.busy.text() == ""
    panel.show()
    qtbot.waitUntil(lambda: panel.canvas.image is not None)


def test_narrow_panels_put_the_sphere_below(panel):
    panel.resize(400, 800)
    assert panel.splitter.orientation() == Qt.Orientation.Vertical
    panel.resize(900, 500)
    assert panel.splitter.orientation() == Qt.Orientation.Horizontal
