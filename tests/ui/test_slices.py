import numpy as np
import pytest
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtTest import QTest

from emviewer.engine.figure_spec import parse
from emviewer.engine.types import Contrast, Map3D
from emviewer.ui.latest import Latest
from emviewer.ui.panels.slices import SlicesPanel
from emviewer.ui.panels.slices_read import CutReader, is_memory_mapped, warm
from emviewer.ui.panels.slices_rings import resolutions, spectrum_text
from emviewer.ui.panels.slices_state import PLANES
from emviewer.ui.workspace import Document, Workspace

SHAPE = (12, 16, 20)


@pytest.fixture
def document():
    data = np.random.default_rng(0).normal(size=SHAPE).astype(np.float32)
    return Document("map", "noise", volume=Map3D(data, 2.0, name="noise"))


@pytest.fixture
def panel(qtbot, runner, document):
    workspace = Workspace()
    p = SlicesPanel(workspace, runner)
    qtbot.addWidget(p)
    p.resize(700, 600)
    p.show()
    workspace.add(document)
    p.show_document(document)
    settled(qtbot, p)
    return p


def images(panel):
    return {name: canvas.image for name, canvas in panel.area.canvases.items()}


def settled(qtbot, panel):
    qtbot.waitUntil(lambda: all(panel.area.canvases[p.name].image is not None for p in panel.area.shown()))
    qtbot.waitUntil(lambda: not any(pacer.busy for pacer in panel._pacers.values()))


def expected(data, voxel, k=0):
    x, y, z = voxel
    return {
        "XY": data[max(0, z - k) : z + k + 1].mean(0),
        "XZ": data[:, max(0, y - k) : y + k + 1].mean(1),
        "YZ": data[:, :, max(0, x - k) : x + k + 1].mean(2).T,
    }


def assert_shows(panel, document, voxel, k=0):
    for name, image in expected(document.volume.data, voxel, k).items():
        np.testing.assert_allclose(images(panel)[name], image, rtol=1e-5, atol=1e-6)


def test_first_cuts_go_through_the_centre_voxel(panel, document):
    assert panel.current.voxel == (10, 8, 6)
    assert_shows(panel, document, (10, 8, 6))
    assert panel.contrast.low < panel.contrast.high
    assert all(c.contrast == panel.contrast for c in panel.area.canvases.values())


def test_wheel_steps_the_cut_under_the_mouse_and_stops_at_the_edge(panel, document, qtbot):
    panel.area.canvases["XZ"].stepped.emit(3)
    assert panel.current.voxel == (10, 11, 6)
    settled(qtbot, panel)
    assert_shows(panel, document, (10, 11, 6))
    panel.area.canvases["XZ"].stepped.emit(100)
    assert panel.current.voxel == (10, 15, 6)
    panel.do_previous()
    assert panel.current.voxel == (10, 14, 6)
    panel.do_first()
    assert panel.current.voxel == (10, 0, 6)


def test_click_moves_the_other_two_cuts(panel, document, qtbot):
    canvas = panel.area.canvases["YZ"]
    QTest.mouseClick(canvas, Qt.MouseButton.LeftButton, pos=canvas.to_widget(9.5, 4.5).toPoint())
    assert panel.current.voxel == (10, 4, 9)
    settled(qtbot, panel)
    assert_shows(panel, document, (10, 4, 9))
    cross = panel.area.canvases["XY"].crosshair
    assert (cross.x, cross.y) == (10, 4)


def test_slab_averages_and_is_cut_at_the_edge(panel, document, qtbot):
    panel.controls.slab_box.setValue(2)
    panel.controls.boxes[2].setValue(1)
    settled(qtbot, panel)
    assert_shows(panel, document, (10, 8, 1), 2)
    assert panel.controls.slab_label.text() == "5 voxels, 10.0 Å"
    assert panel.current.slab(2) == 4


def test_three_cuts_share_scale_and_axes(panel):
    area = panel.area
    for zoomed in (False, True):
        if zoomed:
            area.canvases["XZ"].zoom(1.5, QPointF(30, 20))
        xy, xz, yz = (area.canvases[name] for name in ("XY", "XZ", "YZ"))
        assert xy.scale == xz.scale == yz.scale
        x = [c.mapTo(area, c.to_widget(7.0, 0.0).toPoint()).x() for c in (xy, xz)]
        y = [c.mapTo(area, c.to_widget(0.0, 7.0).toPoint()).y() for c in (xy, yz)]
        assert abs(x[0] - x[1]) <= 1 and abs(y[0] - y[1]) <= 1
    assert not area.fitted
    panel.do_zoom_fit()
    for canvas in area.canvases.values():
        inside = canvas.image_rect()
        assert inside.left() >= 0 and inside.top() >= 0
        assert inside.right() <= canvas.width() and inside.bottom() <= canvas.height()


@pytest.mark.parametrize("shape", [(73, 25, 43), (1, 30, 30), (5, 5, 200), (1, 1, 1), (65, 65, 65)])
def test_any_shape_fits(panel, qtbot, shape):
    volume = Map3D(np.random.default_rng(1).random(shape, dtype=np.float32), 1.0)
    d = panel.workspace.add(Document("map", "odd", volume=volume))
    panel.show_document(d)
    settled(qtbot, panel)
    assert_shows(panel, d, tuple(n // 2 for n in shape[::-1]))
    for canvas in panel.area.canvases.values():
        rect = canvas.image_rect()
        assert rect.left() >= -1 and rect.right() <= canvas.width() + 1
    assert not panel.grab().isNull()


def test_maximise_and_back(panel, qtbot):
    panel.do_maximise_x()
    assert [p.name for p in panel.area.shown()] == ["YZ"]
    assert panel.area.canvases["YZ"].isVisible() and not panel.area.canvases["XY"].isVisible()
    panel.do_next()
    assert panel.current.voxel[0] == 11
    panel.do_three_cuts()
    settled(qtbot, panel)
    assert panel.area.canvases["XY"].isVisible() and panel.area.corner.isVisible()


def test_contrast_actions_and_memory_per_map(panel, document, qtbot):
    panel.do_full_range()
    data = document.volume.data
    assert (panel.contrast.low, panel.contrast.high) == pytest.approx((data.min(), data.max()))
    panel.do_invert()
    panel.do_white_down()
    kept = panel.contrast
    other = Document("map", "other", volume=Map3D(data * 100, 1.0))
    panel.workspace.add(other)
    panel.show_document(other)
    settled(qtbot, panel)
    assert panel.contrast.high > 50 * kept.high
    panel.show_document(document)
    settled(qtbot, panel)
    assert panel.contrast == kept and kept.inverted
    panel.workspace.remove(other)
    panel.workspace.remove(document)
    assert panel.document is None and panel._states == {} and panel._contrasts == {}


def test_read_out_says_voxel_length_and_value(panel, document):
    said = []
    panel.status.connect(said.append)
    canvas = panel.area.canvases["XY"]
    QTest.mouseMove(canvas, canvas.to_widget(3.5, 5.5).toPoint())
    value = document.volume.data[6, 5, 3]
    assert canvas.label_colour != panel.area.canvases["YZ"].label_colour
    assert said[-1] == f"x 3 y 5 z 6 (6.0, 10.0, 12.0 Å)  {value:.4g}"
    assert panel.area.corner.lines[0] == "x 10   y 8   z 6"
    assert panel.area.corner.lines[2] == f"value {document.volume.data[6, 8, 10]:.4g}"


def test_spectrum_has_its_own_contrast_and_reads_resolution(panel, document, qtbot):
    kept = panel.contrast
    panel.do_spectrum()
    qtbot.waitUntil(lambda: panel.contrast != kept)
    assert panel.contrast.colormap == "viridis" and panel.figure_spec() is None
    panel.grab()
    panel.do_spectrum()
    settled(qtbot, panel)
    assert panel.contrast == kept
    assert spectrum_text((64, 64), 40, 32, 1.0, 2.0).startswith("1/16.00 Å (0.0625 1/Å)")


@pytest.mark.parametrize("size", [0.4, 1.0, 3.54, 20.0])
def test_resolution_rings_are_round_and_inside_nyquist(size):
    found = resolutions(size)
    assert 1 <= len(found) <= 3 and min(found) > 2 * size and found == sorted(found)


def test_state_goes_round(panel, document, qtbot):
    panel.controls.slab_box.setValue(1)
    panel.area.canvases["XY"].pointed.emit(3, 4)
    panel.levels.contrast_changed.emit(Contrast(-1, 2, "magma", True))
    panel.area.zoom(2.0)
    state = panel.state()
    twin = SlicesPanel(panel.workspace, panel.runner)
    qtbot.addWidget(twin)
    twin.resize(700, 600)
    twin.show()
    twin.restore(state)
    twin.show_document(document)
    settled(qtbot, twin)
    assert twin.state() == state and twin.current.voxel == (3, 4, 6)


def test_figure_spec_is_accepted_by_the_engine(panel, document, tmp_path, qtbot):
    assert panel.figure_spec() is None
    volume = Map3D(document.volume.data, 2.0, source=tmp_path / "a.mrc")
    panel.show_document(panel.workspace.add(Document("map", "a", volume=volume)))
    settled(qtbot, panel)
    figure = parse(panel.figure_spec())
    assert figure.position == (10, 8, 6) and figure.contrast.high == panel.contrast.high


def test_a_map_that_cannot_be_read_says_so(panel, qtbot):
    class Broken(np.ndarray):
        def __getitem__(self, index):
            raise OSError("the disk is gone")

    data = np.zeros((4, 300, 300), np.float32).view(Broken)
    panel.show_document(panel.workspace.add(Document("map", "gone", volume=Map3D(data, 1.0))))
    qtbot.waitUntil(lambda: "disk is gone" in panel.area.canvases["XY"].message)
    panel.grab()


def test_a_changed_pixel_size_is_shown_at_once(panel, document, qtbot):
    document.volume = document.volume.with_pixel_size(4.0)
    panel.workspace.touch(document)
    settled(qtbot, panel)
    assert panel.controls.lengths[0].text() == "40.0 Å"


def test_a_mapped_file_is_warmed_and_gives_the_same_cuts(tmp_path, qtbot, panel):
    data = np.random.default_rng(2).normal(size=(20, 64, 64)).astype(np.float32)
    data.tofile(tmp_path / "m.raw")
    mapped = np.memmap(tmp_path / "m.raw", np.float32, "r", shape=data.shape)
    assert is_memory_mapped(mapped[1:]) and not is_memory_mapped(data)
    assert warm(mapped) and not warm(data)
    d = panel.workspace.add(Document("map", "mapped", volume=Map3D(mapped, 1.0)))
    panel.show_document(d)
    settled(qtbot, panel)
    assert_shows(panel, d, (32, 32, 10))


def test_stepped_cuts_are_those_of_the_map():
    data = np.random.default_rng(3).normal(size=(200, 210, 37)).astype(np.float32)
    reader = CutReader(data)
    yz = PLANES[2]
    for x in (5, 6, 7, 15, 16, 17, 36, 35, 34, 33, 31, 3, 2):
        np.testing.assert_array_equal(reader.cut(yz, x), data[:, :, x].T)
    np.testing.assert_allclose(reader.cut(yz, 20, 2), data[:, :, 18:23].mean(2).T, rtol=1e-4, atol=1e-6)
    assert reader._block is not None


def test_a_slow_view_is_shown_while_newer_ones_are_asked(qtbot, runner):
    shown, started = [], []
    pacer = Latest(runner, ("test", "pace"))
    for k in range(20):
        pacer.ask(lambda check, k=k: (started.append(k), k)[1], shown.append)
    qtbot.waitUntil(lambda: shown[-1:] == [19])
    assert shown[0] == 0 and len(started) < 20
    pacer.ask(lambda check: 1 / 0, shown.append, lambda error: shown.append(type(error)))
    qtbot.waitUntil(lambda: shown[-1] is ZeroDivisionError)
    assert not pacer.busy


def test_empty_state_explains_itself(qtbot, runner):
    p = SlicesPanel(Workspace(), runner)
    qtbot.addWidget(p)
    p.resize(300, 200)
    p.show()
    assert p.empty.isVisible() and p.state() == {} and p.figure_spec() is None
    for action in ("next", "auto_contrast", "zoom_in", "spectrum", "maximise_x", "previous_page"):
        assert p.can(action) and p.do(action)
    QTest.mouseMove(p, QPoint(10, 10))
